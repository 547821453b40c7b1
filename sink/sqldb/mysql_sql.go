package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// myBound is a plan compiled for a table: an encoder per column, and the statements made so far.
type myBound struct {
	plan    *plan
	table   string // quoted
	columns []myColumn
	alias   bool // the server knows row aliases, and calls VALUES() deprecated
	guard   int  // key column that keeps an upsert from another row (see upsertTail); -1: there is no need

	mu         sync.Mutex
	statements map[myStatementKey]*myStatement
}

// myColumn is how one column of a plan is written.
type myColumn struct {
	column  *column
	target  *tableColumn
	name    string // quoted
	append  myAppend
	written bool // false: the database computes it
	lossy   bool // the server may cut values, and only warn
	instant bool // the column holds points in time, not what a clock shows
}

type myStatementKey struct {
	op  statementOp
	sub *subset
}

// myStatement is a statement over rows: head, rows parted by commas, tail. Of an update sets and wheres stand before the values of its
// columns instead.
type myStatement struct {
	head, tail string
	columns    []*myColumn
	bare       bool // values of one column without parentheses
	lossy      bool
	names      []string // of an update: what stands before each column's value
	empty      bool     // nothing to write
}

func (st *myStore) bind(p *plan, t *table) (bound, error) {
	b := &myBound{plan: p, table: quoteMyTable(t.name), columns: make([]myColumn, len(p.columns)), guard: -1, statements: make(map[myStatementKey]*myStatement)}
	if v := st.server.Load(); v != nil {
		b.alias = v.since(false, 8, 0, 19)
	}
	var keys []string
	for i := range p.columns {
		c := &b.columns[i]
		c.column = &p.columns[i]
		c.target = &t.columns[t.column(p.columns[i].name)]
		c.name = dialect.QuoteMySQL(c.target.name)
		c.written = !c.target.generated
		c.choose(st.zone)
		if i < p.keys {
			keys = append(keys, c.target.name)
			if c.target.text() && !strings.HasSuffix(c.target.collation, "_bin") && st.config.InsertMode != Insert {
				st.warnOnce(b.table+c.name, "texts of the key that differ in upper and lower case or in accents only are one row: the column's collation says so",
					"table", t.name.String(), "column", c.target.name, "collation", c.target.collation)
			}
		}
	}
	return b, b.guarded(t, keys)
}

// guarded looks for unique indexes besides the key: by one of those an upsert would take another row for its own.
func (b *myBound) guarded(t *table, keys []string) error {
	others := false
	for _, u := range t.unique {
		others = others || !sameSet(u, keys)
	}
	if !others || b.plan.keys == 0 {
		return nil
	}
	for i := range b.plan.keys {
		if b.columns[i].target.notNull {
			b.guard = i
			return nil
		}
	}
	return &SetupError{Object: fmt.Sprintf("table %q", t.name), Err: errors.New("it has other unique indexes than its key, and columns of the key may be null"),
		Remedy: fmt.Sprintf("make the key columns (%s) NOT NULL, or the primary key", strings.Join(keys, ", "))}
}

// statement returns the statement of an operation and a set of unknown columns, making it the first time.
func (b *myBound) statement(op statementOp, sub *subset) *myStatement {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := myStatementKey{op, sub}
	st, ok := b.statements[key]
	if !ok {
		st = b.make(op, sub)
		for _, c := range st.columns {
			st.lossy = st.lossy || c.lossy
		}
		b.statements[key] = st
	}
	return st
}

func (b *myBound) known(i int, sub *subset) bool {
	return b.columns[i].written && (sub == nil || !sub.missing[i])
}

func (b *myBound) make(op statementOp, sub *subset) *myStatement {
	st := &myStatement{}
	switch op {
	case stDelete:
		var names []string
		for i := range b.plan.keys {
			st.columns = append(st.columns, &b.columns[i])
			names = append(names, b.columns[i].name)
		}
		list := strings.Join(names, ",")
		if st.bare = len(names) == 1; !st.bare {
			list = "(" + list + ")"
		}
		st.head, st.tail = "DELETE FROM "+b.table+" WHERE "+list+" IN (", ")"
		return st
	case stUpdate:
		return b.update(sub)
	}
	var names []string
	for i := range b.columns {
		if b.known(i, sub) {
			st.columns = append(st.columns, &b.columns[i])
			names = append(names, b.columns[i].name)
		}
	}
	st.head = "INSERT INTO " + b.table + " (" + strings.Join(names, ",") + ") VALUES "
	if op == stUpsert {
		st.tail = b.upsertTail(st.columns)
	}
	return st
}

// upsertTail makes an insert an update of the row with the same key. The server does that for a row that has the same value in any unique
// index, also where its key is another: then the guard gets a null, which it refuses, and the row is told as one that cannot be written.
func (b *myBound) upsertTail(columns []*myColumn) string {
	incoming := func(c *myColumn) string { return "VALUES(" + c.name + ")" }
	tail := " ON DUPLICATE KEY UPDATE "
	if b.alias {
		incoming = func(c *myColumn) string { return "tandem_new." + c.name }
		tail = " AS tandem_new" + tail
	}
	var set []string
	if b.guard >= 0 {
		var same []string
		for i := range b.plan.keys {
			same = append(same, b.columnOf(i)+"<=>"+incoming(&b.columns[i]))
		}
		g := b.columnOf(b.guard)
		set = append(set, fmt.Sprintf("%s=IF(%s,%s,NULL)", b.columns[b.guard].name, strings.Join(same, " AND "), g))
	}
	for _, c := range columns {
		if !c.column.key {
			set = append(set, c.name+"="+incoming(c))
		}
	}
	if len(set) == 0 { // only the key: the row is as it is
		set = append(set, b.columns[0].name+"="+b.columnOf(0))
	}
	return tail + strings.Join(set, ",")
}

// columnOf names a column of the row that is there.
func (b *myBound) columnOf(i int) string { return b.table + "." + b.columns[i].name }

// update is one row's: SET values WHERE key.
func (b *myBound) update(sub *subset) *myStatement {
	st := &myStatement{head: "UPDATE " + b.table}
	before := " SET "
	for i := range b.columns {
		if !b.columns[i].column.key && b.known(i, sub) {
			st.columns = append(st.columns, &b.columns[i])
			st.names = append(st.names, before+b.columns[i].name+"=")
			before = ","
		}
	}
	st.empty = len(st.columns) == 0
	before = " WHERE "
	for i := range b.plan.keys {
		st.columns = append(st.columns, &b.columns[i])
		st.names = append(st.names, before+b.columns[i].name+"=")
		before = " AND "
	}
	return st
}

func quoteMyTable(n tableName) string {
	if n.schema == "" {
		return dialect.QuoteMySQL(n.table)
	}
	return dialect.QuoteMySQL(n.schema) + "." + dialect.QuoteMySQL(n.table)
}

// write runs one operation on rows.
func (s *mySession) write(ctx context.Context, op statementOp, d *destination, sub *subset, rows []*mutation) error {
	b := d.bound.(*myBound)
	switch op {
	case stTruncate, stClear: // TRUNCATE would commit what is open
		return s.exec(ctx, "DELETE FROM "+b.table)
	case stUpdate:
		_, err := s.updates(ctx, b.statement(stUpdate, sub), rows)
		return err
	case stUpsert:
		if sub != nil {
			return s.updateOrInsert(ctx, b, sub, rows)
		}
	case stCarry, stMove:
		return s.carry(ctx, b, sub, rows[0], op == stMove)
	}
	return s.many(ctx, b.statement(op, sub), rows)
}

// many runs a statement over rows, as often as their bytes need.
func (s *mySession) many(ctx context.Context, st *myStatement, rows []*mutation) error {
	for len(rows) > 0 {
		n, err := s.gather(st, rows)
		if err != nil {
			return err
		}
		if _, err := s.run(ctx, string(s.buf)); err != nil {
			return s.explain(err, st, rows[:n])
		}
		if st.lossy {
			if err := s.warned(ctx); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

// gather puts a statement over as many rows as fit into buf, and returns how many.
func (s *mySession) gather(st *myStatement, rows []*mutation) (int, error) {
	limit := min(maxMyStatement, s.packet-packetSlack-len("START TRANSACTION;"))
	s.buf = append(s.buf[:0], st.head...)
	n := 0
	for n < len(rows) {
		before := len(s.buf)
		if n > 0 {
			s.buf = append(s.buf, ',')
		}
		if err := s.row(st, rows[n]); err != nil {
			return 0, err
		}
		if len(s.buf)+len(st.tail) > limit && n > 0 {
			s.buf = s.buf[:before]
			break
		}
		n++
	}
	s.buf = append(s.buf, st.tail...)
	return n, nil
}

func (s *mySession) row(st *myStatement, m *mutation) (err error) {
	if !st.bare {
		s.buf = append(s.buf, '(')
	}
	for i, c := range st.columns {
		if i > 0 {
			s.buf = append(s.buf, ',')
		}
		if s.buf, err = c.literal(s.buf, c.value(m)); err != nil {
			return err
		}
	}
	if !st.bare {
		s.buf = append(s.buf, ')')
	}
	return nil
}

// value is the column's value in a mutation.
func (c *myColumn) value(m *mutation) schema.Value {
	if c.instant {
		return c.column.instant(m)
	}
	return c.column.value(m)
}

// literal appends a value as SQL.
func (c *myColumn) literal(dst []byte, v schema.Value) ([]byte, error) {
	if v.IsNull() {
		return append(dst, "NULL"...), nil
	}
	out, err := c.append(dst, v, c)
	if err != nil {
		return dst, &valueError{column: c.target.name, value: shortValue(v, c.column.schema), err: fmt.Errorf("%w (column type %s)", err, c.target.typ)}
	}
	return out, nil
}

// updates runs an update per row, many in one go, and returns for each how many rows it found.
func (s *mySession) updates(ctx context.Context, st *myStatement, rows []*mutation) ([]int64, error) {
	if st.empty {
		return nil, nil
	}
	var found []int64
	limit := min(maxMyStatement, s.packet-packetSlack-len("START TRANSACTION;"))
	for len(rows) > 0 {
		s.buf = s.buf[:0]
		n := 0
		for n < len(rows) && (n == 0 || !st.lossy) {
			before := len(s.buf)
			if n > 0 {
				s.buf = append(s.buf, ';')
			}
			if err := s.update(st, rows[n]); err != nil {
				return nil, err
			}
			if len(s.buf) > limit && n > 0 {
				s.buf = s.buf[:before]
				break
			}
			n++
		}
		counts, err := s.run(ctx, string(s.buf))
		if err != nil {
			return nil, err
		}
		if st.lossy {
			if err := s.warned(ctx); err != nil {
				return nil, err
			}
		}
		if len(counts) != n {
			return nil, fmt.Errorf("update %d rows: %d answers came back", n, len(counts))
		}
		found = append(found, counts...)
		rows = rows[n:]
	}
	return found, nil
}

// update appends one row's update.
func (s *mySession) update(st *myStatement, m *mutation) (err error) {
	s.buf = append(s.buf, st.head...)
	for i, c := range st.columns {
		s.buf = append(s.buf, st.names[i]...)
		if s.buf, err = c.literal(s.buf, c.value(m)); err != nil {
			return err
		}
	}
	return nil
}

// updateOrInsert is for rows with unknown columns. They exist, as a rule, so an update comes first: an insert would be refused for the
// columns that may not be null before it could turn into one.
func (s *mySession) updateOrInsert(ctx context.Context, b *myBound, sub *subset, rows []*mutation) error {
	st := b.statement(stUpdate, sub)
	if st.empty { // the key is all that is known: only a row that is not there has anything to gain
		return s.many(ctx, b.statement(stUpsert, sub), rows)
	}
	found, err := s.updates(ctx, st, rows)
	if err != nil {
		return err
	}
	var rest []*mutation
	for i, n := range found {
		if n == 0 {
			rest = append(rest, rows[i])
		}
	}
	return s.many(ctx, b.statement(stInsert, sub), rest)
}

// explain puts into words what the guard of an upsert does.
func (s *mySession) explain(err error, st *myStatement, rows []*mutation) error {
	if myNumber(err) != 1048 || len(rows) != 1 || !strings.Contains(st.tail, "<=>") {
		return err
	}
	for _, c := range st.columns {
		if c.target.notNull && c.value(rows[0]).IsNull() {
			return err
		}
	}
	return &refusedError{err: errors.New("a row with another key has the same value in a unique index of the table")}
}
