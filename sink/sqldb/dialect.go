package sqldb

import (
	"context"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// store is a kind of database, with the target it is configured for. Safe for concurrent use.
type store interface {
	// fold is what the database makes of a name as the configuration has it quoted or not.
	fold(name string) string
	// connect opens a session. Errors are of the kinds in errors.go.
	connect(ctx context.Context) (session, error)
	// bind compiles how a plan's columns are written to a table's. It is asked again when either changes.
	bind(p *plan, t *table) (bound, error)
}

// bound is what a dialect compiled for a plan and a table.
type bound any

// session is one connection. Not safe for concurrent use. begin, move and write only queue; settle waits until everything queued was
// done, and its error is the first one's. After an error of settle or write the transaction can only be rolled back, to a
// savepoint or whole.
type session interface {
	// describe reads a table; nil when there is none.
	describe(ctx context.Context, n tableName) (*table, error)
	// create makes a table with columns in this order, of which keys are the primary key. That somebody else was faster is no error.
	create(ctx context.Context, n tableName, columns []column, keys int) error
	// extend adds columns to a table, likewise.
	extend(ctx context.Context, t *table, columns []column) error

	// claim makes the caller the owner of partitions: it reads where they stand, checks that the task may go on there,
	// and draws a new epoch, after which nobody can move those positions under an older one.
	claim(ctx context.Context, parts []sink.Assignment) ([]claimed, error)
	// standing reads a position again.
	standing(ctx context.Context, p *position) (claimed, bool, error)

	// forget removes positions, without partitions all of the connector, so that a task goes on where the consumer group stands. A table that
	// does not exist has none.
	forget(ctx context.Context, partitions []kafka.TopicPartition) error

	begin(ctx context.Context) error
	// move moves the position from where it stands to next; settle then gives a *movedError when it stood elsewhere.
	move(ctx context.Context, p *position, next int64) error
	// write queues one operation on rows, all of one destination and subset. A value that cannot be written is a *valueError.
	write(ctx context.Context, op statementOp, d *destination, sub *subset, rows []*mutation) error
	settle(ctx context.Context) error
	savepoint(ctx context.Context) error
	rollbackTo(ctx context.Context) error
	release(ctx context.Context) error
	commit(ctx context.Context) error
	// rollback ends the transaction that is open, if one is, also when ctx has ended. A session that cannot is not usable any more: what comes next on it would
	// be within that transaction, or commit it.
	rollback(ctx context.Context) error

	// culprit finds which column of a refused row is at fault, "" when no single one is.
	culprit(ctx context.Context, d *destination, m *mutation) (columnName, value string)

	// usable is false once the connection is lost.
	usable() bool
	close(ctx context.Context)
}

// rollbackPatience is how long a database may take to answer ROLLBACK.
const rollbackPatience = 10 * time.Second

// lastWord is the context for a rollback: one that does not end because the batch is given up.
func lastWord(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
}

// statementOp is an operation of session.write.
type statementOp uint8

const (
	stInsert   statementOp = iota // rows may not exist
	stUpsert                      // insert or update by key
	stUpdate                      // update by key; missing rows are left out
	stDelete                      // delete by key
	stTruncate                    // rows[0] tells the table
	stClear                       // the same by DELETE, which takes tables that others refer to
	stCarry                       // upsert of rows[0], its unknown columns from the row with the key it had before
	stMove                        // the same, which deletes that row
)

// tableKind is what a relation is, in JDBC's words.
type tableKind string

// Kinds of relations that matter here.
const (
	kindTable       tableKind = "TABLE"
	kindView        tableKind = "VIEW"
	kindPartitioned tableKind = "PARTITIONED TABLE"
	kindForeign     tableKind = "FOREIGN TABLE"
)

// table is a table as the database has it.
type table struct {
	name    tableName // in the database's own letters, with its schema
	kind    tableKind
	columns []tableColumn
	unique  [][]string // sets of columns with a unique index that tells rows apart
}

// tableColumn is a column as the database has it.
type tableColumn struct {
	name      string
	typ       string // as the database writes it, with its modifiers
	typeID    uint32 // of the type, domains resolved
	modifier  int32
	cast      string // the type, to cast to: without modifiers
	category  byte   // pg_type.typcategory
	notNull   bool
	generated bool // computed: nobody writes it
	identity  bool // GENERATED ALWAYS AS IDENTITY

	// Of MySQL and SQLite, whose cast is the bare name of the type.
	length     int // in characters or bytes; 0: no limit worth looking at
	precision  int
	scale      int
	collation  string
	geographic bool // a server that turns longitude and latitude around reads it
}

// column finds a column: by its very name, else by the only one that differs in case.
func (t *table) column(name string) int {
	found := -1
	for i := range t.columns {
		if t.columns[i].name == name {
			return i
		}
		if equalFold(t.columns[i].name, name) {
			if found >= 0 {
				found = -2
			} else if found == -1 {
				found = i
			}
		}
	}
	return max(found, -1)
}

// equal tells whether nothing that a binding depends on has changed.
func (t *table) equal(o *table) bool {
	if t == nil || o == nil {
		return t == o
	}
	if t.name != o.name || t.kind != o.kind || len(t.columns) != len(o.columns) || len(t.unique) != len(o.unique) {
		return false
	}
	for i := range t.columns {
		if t.columns[i] != o.columns[i] {
			return false
		}
	}
	for i := range t.unique {
		if !sameSet(t.unique[i], o.unique[i]) {
			return false
		}
	}
	return true
}

// tellsApart tells whether a unique index stands on exactly these columns.
func (t *table) tellsApart(names []string) bool {
	for _, u := range t.unique {
		if sameSet(u, names) {
			return true
		}
	}
	return false
}
