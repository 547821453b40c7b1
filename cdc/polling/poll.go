package polling

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/kafka"
)

// poll asks a source for what is new and makes records of it, in one transaction.
func (t *Task) poll(ctx context.Context, s *source) error {
	if err := t.connect(ctx); err != nil {
		return err
	}
	if err := t.session.begin(ctx, t.cfg.Isolation); err != nil {
		return t.db.failed(err, "begin a transaction")
	}
	if err := t.ask(ctx, s); err != nil {
		return err // the connection goes with it
	}
	if err := t.session.end(ctx); err != nil {
		return t.db.failed(err, "end the transaction")
	}
	return t.flush()
}

// ask runs the query of a source.
func (t *Task) ask(ctx context.Context, s *source) error {
	q, err := t.statement(ctx, s)
	if err != nil {
		return t.db.failed(err, "prepare the query of %s", s.name)
	}
	args, err := t.arguments(ctx, s, q)
	if err != nil {
		return t.db.failed(err, "ask the database for its time")
	}
	if s.said != q.text {
		if s.said = q.text; t.cfg.Masked == "" {
			t.env.Log.Info("reading with this statement", "table", s.name, "sql", q.text)
		}
	}
	r, err := t.session.query(ctx, s.id, q, args)
	if err != nil {
		return t.db.failed(err, "query %s", s.name)
	}
	c := &cursor{task: t, source: s, rows: r}
	for err == nil && r.next() {
		err = c.emit()
	}
	if closed := r.close(); err == nil && closed != nil {
		err = t.db.failed(closed, "read rows of %s", s.name)
	}
	if err != nil {
		return err
	}
	c.exhausted()
	return nil
}

// statement is the query of a source, with what is new.
func (t *Task) statement(ctx context.Context, s *source) (*statement, error) {
	query, _ := t.cfg.query()
	prefix := ""
	if s.id != nil {
		query = "SELECT * FROM " + s.from
		prefix = s.from + "."
	}
	var c criteria
	if t.cfg.Mode.usesID() {
		c.id = prefix + t.db.quote(s.idColumn)
	}
	at := ""
	if t.cfg.Mode.usesTime() {
		for _, name := range s.times {
			c.times = append(c.times, prefix+t.db.quote(name))
		}
		var err error
		if at, err = t.session.comparable(ctx, s.from, c.time()); err != nil {
			return nil, err
		}
	}
	q := c.selecting(query, at, strings.TrimSpace(t.cfg.Suffix), t.db.placeholder)
	return &q, nil
}

// arguments are the values of a statement's parameters.
func (t *Task) arguments(ctx context.Context, s *source, q *statement) ([]any, error) {
	var until moment
	if slices.Contains(q.parameters, untilParameter) {
		now, err := t.session.now(ctx, t.typing.zone)
		if err != nil {
			return nil, err
		}
		until = now.minus(t.cfg.Delay.Milliseconds())
	}
	var args []any
	for _, p := range q.parameters {
		switch p {
		case idParameter:
			args = append(args, s.at.lastID())
		case sinceParameter:
			args = append(args, t.session.moment(s.at.at, t.typing.zone))
		case untilParameter:
			args = append(args, t.session.moment(until, t.typing.zone))
		}
	}
	return args, nil
}

func (t *Task) flush() error {
	if t.batched == 0 {
		return nil
	}
	t.batched = 0
	if err := t.out.Flush(); err != nil {
		return &emitError{err}
	}
	return nil
}

// cursor is the way through the rows of one query.
type cursor struct {
	task   *Task
	source *source
	rows   rows
	plan   *plan // nil before the first row
	id     int   // column of the id, -1 for none
	times  []int // columns of the time

	// waiting is the time of the rows that were read last, in mode timestamp: only when a later one comes are there no more of it.
	waiting    moment
	hasWaiting bool
}

// emit makes a record of the current row.
func (c *cursor) emit() error {
	t, s, row := c.task, c.source, c.rows.row()
	if c.plan == nil {
		if err := c.begin(row); err != nil {
			return err
		}
	}
	for column := c.plan.narrow(row); column >= 0; column = c.plan.narrow(row) {
		if err := c.widen(column); err != nil {
			return err
		}
	}
	at, err := c.offsetOf(row)
	if err != nil {
		return err
	}
	_, value := t.out.Begin(s.handle)
	if err := c.plan.write(value, row); err != nil {
		return fmt.Errorf("table %s: %w", s.name, err)
	}
	c.before(at)
	t.count++
	t.batched++
	c.behind(at)
	if err := t.out.End(nil); err != nil {
		return &emitError{err}
	}
	if t.batched >= t.cfg.BatchRows {
		return t.flush()
	}
	return nil
}

// before notes what a row tells of those before it: there are no more of their time.
func (c *cursor) before(at offset) {
	if c.task.cfg.Mode == Timestamp && c.hasWaiting && at.hasMoment && c.waiting.before(at.at) {
		c.reached(offset{at: c.waiting, hasMoment: true})
	}
}

// behind notes the offset behind the record of a row.
func (c *cursor) behind(at offset) {
	switch c.task.cfg.Mode {
	case Timestamp:
		if at.hasMoment {
			c.waiting, c.hasWaiting = at.at, true
		}
	case Incrementing, TimestampIncrementing:
		c.reached(at)
	}
}

// exhausted notes that all rows were read.
func (c *cursor) exhausted() {
	if c.hasWaiting {
		c.reached(offset{at: c.waiting, hasMoment: true})
	}
}

// reached notes an offset behind the records so far.
func (c *cursor) reached(at offset) {
	c.source.at = at
	c.task.offsets.mark(c.task.count, c.source.number, at)
}

// begin makes the plan of the query's rows.
func (c *cursor) begin(row []cell) error {
	t, s := c.task, c.source
	columns, err := c.rows.columns()
	if err != nil {
		return t.db.failed(err, "read the columns of %s", s.name)
	}
	if len(columns) != len(row) {
		return fmt.Errorf("%s: the result has %d columns, its rows %d", s.name, len(columns), len(row))
	}
	for i := range columns {
		if s.wide[columns[i].name] {
			columns[i].jdbc = bigType
		}
	}
	p, err := t.typing.compile(s.schema, columns, c.skip)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if s.plan == nil || !s.plan.schema.Equal(p.schema) {
		if s.handle, err = t.out.Stream(s.topic, kafka.AnyPartition, nil, p.schema, nil); err != nil {
			return &emitError{err}
		}
	} else {
		p.schema = s.plan.schema
	}
	s.plan, c.plan = p, p
	return c.findOffset(columns)
}

// widen makes an INT64 of a column of integers that a row does not fit: of SQLite, which holds any in each.
func (c *cursor) widen(column int) error {
	columns, err := c.rows.columns()
	if err != nil {
		return err
	}
	s := c.source
	if s.wide == nil {
		s.wide = make(map[string]bool)
	}
	s.wide[columns[column].name] = true
	c.task.env.Log.Info("a column holds greater numbers than its first ones: its field becomes INT64", "table", s.name, "column", columns[column].name)
	return c.begin(c.rows.row())
}

// skip says once that a column is left out.
func (c *cursor) skip(col *column) {
	s := c.source
	if s.skipped == nil {
		s.skipped = make(map[string]bool)
	}
	if !s.skipped[col.name] {
		s.skipped[col.name] = true
		c.task.env.Log.Warn("the column has a type that cannot be read and is left out of the records; a query (option query) that casts it to text brings it in",
			"table", s.name, "column", col.name, "type", col.typeName)
	}
}

// findOffset finds the columns that offsets are made of.
func (c *cursor) findOffset(columns []column) error {
	t, s := c.task, c.source
	var names []string
	for _, col := range columns {
		names = append(names, col.name)
	}
	index := func(name string) int {
		i := slices.Index(names, name)
		if i < 0 {
			i = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		}
		return i
	}
	c.id, c.times = -1, nil
	if t.cfg.Mode.usesID() {
		if c.id = index(s.idColumn); c.id < 0 {
			return fmt.Errorf("%s: Incrementing column %s not found in %s", s.name, s.idColumn, strings.Join(names, ","))
		}
	}
	if t.cfg.Mode.usesTime() {
		for _, name := range s.times {
			i := index(name)
			if i < 0 {
				return fmt.Errorf("%s: Timestamp column %s not found in %s", s.name, name, strings.Join(names, ","))
			}
			c.times = append(c.times, i)
		}
	}
	return nil
}

// offsetOf is the offset of a row.
func (c *cursor) offsetOf(row []cell) (at offset, err error) {
	s := c.source
	for _, i := range c.times {
		if row[i].kind == nullCell {
			continue
		}
		if at.at, err = row[i].moment(c.task.typing.zone); err != nil {
			return at, fmt.Errorf("table %s, column %q: %w", s.name, s.times[slices.Index(c.times, i)], unfit(&row[i], "timestamp to go on from", "name a column of dates or timestamps in timestamp.column.name"))
		}
		at.hasMoment = true
		break
	}
	if c.id < 0 {
		return at, nil
	}
	if at.id, err = idOf(&row[c.id]); err != nil {
		return at, fmt.Errorf("table %s, column %q: %w", s.name, s.idColumn, err)
	}
	at.hasID = true
	return at, nil
}

const (
	errNullID  = sentence("Null value for incrementing column")
	errTypeID  = sentence("Invalid type for incrementing column: want whole numbers")
	errGreatID = sentence("Decimal value for incrementing column exceeded Long.MAX_VALUE")
	errScaleID = sentence("Scale of Decimal value for incrementing column must be 0")
)

// idOf reads an id.
func idOf(c *cell) (int64, error) {
	switch c.kind {
	case nullCell:
		return 0, errNullID
	case integerCell:
		return c.number, nil
	case textCell:
		if n, ok := parseInt(c.text); ok {
			return n, nil
		}
		digits := bytes.TrimLeft(c.text, "-0123456789")
		switch {
		case len(c.text) > 0 && len(digits) == 0:
			return 0, errGreatID
		case len(digits) > 0 && digits[0] == '.':
			return 0, errScaleID
		}
	}
	return 0, errTypeID
}
