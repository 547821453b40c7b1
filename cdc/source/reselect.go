package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// reselector reads columns of changed rows again, by key, on a connection of its own: large values that the server did not send, and nulls.
// It puts what it read into the after image, before that is encoded, so that a value has one form wherever it comes from. What it reads is
// the row of now, not of the change. nil: nothing is configured.
type reselector struct {
	processors []*processorConfig
	include    []*javaregex.List // of each processor; nil without
	exclude    []*javaregex.List
	caches     []*reselectCache  // of each processor; nil without
	visible    uint32            // transaction that others see
	shapes     map[uint32]*shape // by table
	planned    uint64            // shapes so far
	log        *slog.Logger
	dial       func(ctx context.Context) (*pgx.Conn, error)
	conn       *pgx.Conn // dialled when first needed
}

// newReselector makes the reselector of a configuration; nil when there is no processor.
func newReselector(c *reselectConfig, log *slog.Logger, dial func(ctx context.Context) (*pgx.Conn, error)) (*reselector, error) {
	if len(c.names) == 0 {
		return nil, nil
	}
	r := &reselector{log: log, dial: dial, shapes: make(map[uint32]*shape)}
	for _, name := range c.names {
		p := c.processor(name)
		include, err := compileList(p.include)
		if err != nil {
			return nil, fmt.Errorf("option %s.reselect.columns.include.list: %w", name, err)
		}
		exclude, err := compileList(p.exclude)
		if err != nil {
			return nil, fmt.Errorf("option %s.reselect.columns.exclude.list: %w", name, err)
		}
		r.processors, r.caches = append(r.processors, p), append(r.caches, newReselectCache(p))
		r.include, r.exclude = append(r.include, include), append(r.exclude, exclude)
	}
	return r, nil
}

// reselection is a table's part: one step per processor that has something to do in it.
type reselection struct {
	number   uint64           // of the shape
	cached   []int            // what the cache calls a column, by index in the tuple
	table    string           // schema.table
	from     string           // quoted
	eventKey []envelope.Field // of its records
	steps    []reselectStep
}

// reselectStep is what one processor does to a table's rows.
type reselectStep struct {
	*processorConfig
	cache   *reselectCache   // nil without
	columns []envelope.Field // to look at
	key     []envelope.Field // by which the row is found
	// Of the row at hand; kept for the next one.
	wanted []envelope.Field
	values [][]byte
	oids   []uint32
}

// plan prepares a table; nil when no row of it can need anything. A table without a key is left alone, as in Debezium.
func (r *reselector) plan(rel *cdc.Relation, p *envelope.Plan) *reselection {
	if r == nil || p == nil || len(p.KeyFields()) == 0 {
		return nil
	}
	number, columns := r.shape(rel.OID, p)
	s := &reselection{number: number, cached: columns, table: p.Table(), from: pgx.Identifier{rel.Schema, rel.Name}.Sanitize(), eventKey: p.KeyFields()}
	for i, processor := range r.processors {
		step := reselectStep{processorConfig: processor, cache: r.caches[i], key: p.PrimaryKey()}
		if processor.eventKey {
			step.key = p.KeyFields()
		}
		for _, k := range step.key {
			step.oids = append(step.oids, k.TypeOID)
		}
		for _, f := range p.Fields() {
			if r.selects(i, s.table+":"+f.Column) && (processor.unavailable || processor.nulls && f.Null) {
				step.columns = append(step.columns, f)
			}
		}
		if len(step.columns) > 0 {
			s.steps = append(s.steps, step)
		}
	}
	if len(s.steps) == 0 {
		return nil
	}
	return s
}

// shape is what the cache knows a table's rows and columns by. The server announces a table again whenever it forgot it, after an ANALYZE too,
// and a table that got another column keeps what is cached of the others, as in Debezium; a column of another type does not.
type shape struct {
	key     string
	number  uint64
	columns map[string]int // by name and type
}

// shape finds the number of a table's rows, and that of each column by its place in the tuple. A table with another key begins anew: its old
// rows age out.
func (r *reselector) shape(table uint32, p *envelope.Plan) (number uint64, columns []int) {
	key := fmt.Sprint(p.KeyFields())
	known := r.shapes[table]
	if known == nil || known.key != key {
		r.planned++
		known = &shape{key, r.planned, make(map[string]int)}
		r.shapes[table] = known
	}
	for _, f := range p.Fields() {
		name := fmt.Sprint(f.Column, "/", f.TypeOID)
		if _, ok := known.columns[name]; !ok {
			known.columns[name] = len(known.columns)
		}
		for len(columns) <= f.Index {
			columns = append(columns, -1)
		}
		columns[f.Index] = known.columns[name]
	}
	return known.number, columns
}

// selects tells whether the i-th processor reads a column, written as schema.table:column.
func (r *reselector) selects(i int, column string) bool {
	if r.include[i] != nil {
		return matching(r.include[i], column) >= 0
	}
	return matching(r.exclude[i], column) < 0
}

// complete reads what a change's after image lacks.
func (r *reselector) complete(ctx context.Context, s *reselection, c *cdc.Change) error {
	for i := range s.steps {
		step := &s.steps[i]
		step.want(c)
		var known *cachedRow
		if step.cache != nil {
			known = step.cache.row(s, c)
			step.cache.remember(s, step, known, c)
			step.cache.fill(s, step, known, c)
		}
		if len(step.wanted) == 0 {
			continue
		}
		row, err := r.read(ctx, s, step, c)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failure := &ReselectError{Table: s.table, Key: step.describe(), LSN: c.LSN, Err: err}
			if step.fail || failure.Retriable() {
				return failure
			}
			r.log.Warn("a row is published without the columns that were to be read again", "error", failure)
			continue
		}
		for j, f := range step.wanted {
			if row[j] == nil {
				c.New[f.Index] = cdc.Datum{Kind: cdc.Null}
			} else {
				c.New[f.Index] = cdc.Datum{Kind: cdc.Text, Bytes: row[j]}
			}
			if known != nil {
				step.cache.put(known, s.cached[f.Index], c.New[f.Index])
			}
		}
	}
	return nil
}

// want lists the columns that the processor reads in this row. An unchanged value that stands in the old row is known.
func (s *reselectStep) want(c *cdc.Change) {
	s.wanted = s.wanted[:0]
	for _, f := range s.columns {
		if f.Index >= len(c.New) {
			continue
		}
		switch c.New[f.Index].Kind {
		case cdc.Null:
			if s.nulls && f.Null {
				s.wanted = append(s.wanted, f)
			}
		case cdc.Unchanged:
			if s.unavailable && (f.Index >= len(c.Old) || c.Old[f.Index].Kind != cdc.Text) {
				s.wanted = append(s.wanted, f)
			}
		}
	}
}

// errRowGone: nothing has the key any more.
var errRowGone = errors.New("there is no such row any more")

// read reads the wanted columns in text form, which is what the stream brings. A row of several is the first.
func (r *reselector) read(ctx context.Context, s *reselection, step *reselectStep, c *cdc.Change) ([][]byte, error) {
	if len(step.key) == 0 {
		return nil, errors.New("the table has no primary key; set reselect.use.event.key=true to find rows by the record's key")
	}
	step.values = step.values[:0]
	for _, k := range step.key {
		step.values = append(step.values, keyText(c, k.Index))
	}
	if r.conn == nil || r.conn.IsClosed() {
		conn, err := r.dial(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		r.conn = conn
	}
	if c.XID != r.visible { // a row that was read before would be the old one, or none
		if err := r.awaitVisible(ctx, c.XID); err != nil {
			return nil, err
		}
		r.visible = c.XID
	}
	result := r.conn.PgConn().ExecParams(ctx, step.query(s.from), step.values, step.oids, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Rows) == 0 {
		return nil, errRowGone
	}
	return result.Rows[0], nil
}

func (r *reselector) awaitVisible(ctx context.Context, xid uint32) error {
	return awaitVisible(ctx, r.conn, func(v *incremental.Visibility) bool { return v.Sees(xid) }, func(waited time.Duration) (bool, error) {
		r.log.Warn("columns are not read again yet, and the stream waits: their transaction is committed but not visible yet, for a synchronous standby does not answer", "transaction", xid, "waited", waited)
		return false, nil
	})
}

// keyText is a key's column as the new row has it, or the old one where the new one says it is the same; nil when it is null.
func keyText(c *cdc.Change, index int) []byte {
	if index >= len(c.New) {
		return nil
	}
	d := &c.New[index]
	if d.Kind == cdc.Unchanged && index < len(c.Old) {
		d = &c.Old[index]
	}
	if d.Kind != cdc.Text {
		return nil
	}
	return d.Bytes
}

func (s *reselectStep) query(from string) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, f := range s.wanted {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(pgx.Identifier{f.Column}.Sanitize())
	}
	b.WriteString(" FROM " + from + " WHERE ")
	for i, k := range s.key {
		if i > 0 {
			b.WriteString(" AND ")
		}
		fmt.Fprintf(&b, "%s = $%d", pgx.Identifier{k.Column}.Sanitize(), i+1)
	}
	return b.String()
}

// describe writes the key for an error.
func (s *reselectStep) describe() string {
	var parts []string
	for i, k := range s.key[:min(len(s.key), len(s.values))] {
		parts = append(parts, k.Column+"="+string(s.values[i]))
	}
	return strings.Join(parts, ", ")
}

func (r *reselector) close() {
	if r != nil && r.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.conn.Close(ctx)
	}
}

// ReselectError says that a row that ReselectColumnsPostProcessor was to read again could not be read.
type ReselectError struct {
	Table, Key string
	LSN        cdc.LSN // of the change
	Err        error
}

func (e *ReselectError) Error() string {
	return fmt.Sprintf("read columns of table %s again for key (%s) of the change at %s: %v", e.Table, e.Key, e.LSN, e.Err)
}

// Unwrap returns the cause.
func (e *ReselectError) Unwrap() error { return e.Err }

// Retriable is true when the server or the way to it failed, not the statement.
func (e *ReselectError) Retriable() bool { return pgerror.Retriable(e.Err) }
