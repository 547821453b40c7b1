package compare

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// query holds the parts of the statements about one table on one side.
type query struct {
	from   string   // table
	keys   []string // expressions of the key's texts; of the row's MD5 when there is none
	values []string // expressions of all columns' texts
	row    string   // expression of the row's MD5
	order  string
}

// query builds the parts; name tells what a column is called on that side.
func (p *plan) query(r relation, name func(column) string) query {
	q := query{from: r.sql()}
	for _, c := range p.columns {
		text := c.text(pgx.Identifier{name(c)}.Sanitize())
		q.values = append(q.values, text)
		if c.key {
			q.keys = append(q.keys, text)
		}
	}
	// A row's text tells NULL from the empty string, and quotes what could be mistaken for its punctuation.
	q.row = "md5(ROW(" + strings.Join(q.values, ", ") + ")::text)"
	if len(q.keys) == 0 {
		q.keys = []string{q.row}
	}
	sorted := make([]string, len(q.keys))
	for i, k := range q.keys {
		sorted[i] = k + ` COLLATE "C"`
	}
	q.order = strings.Join(sorted, ", ")
	return q
}

// text is the expression of a column's text. Types of the two sides may differ, so it is brought to the form of the source's type where
// that has several texts of one value.
func (c column) text(ident string) string {
	switch c.typ {
	case "bpchar": // blanks at its end mean nothing
		return "rtrim(" + ident + "::text, ' ')"
	case "json": // white space and the order of keys may change on the way
		return ident + "::jsonb::text"
	}
	return ident + "::text"
}

// checksum has the server count and sum the rows.
func (s *side) checksum(ctx context.Context, q query) (rows int64, sum string, err error) {
	sql := "SELECT count(*), md5(coalesce(string_agg(" + q.row + ", '' ORDER BY " + q.order + "), '')) FROM " + q.from
	if err := s.tx.QueryRow(ctx, sql).Scan(&rows, &sum); err != nil {
		return 0, "", fmt.Errorf("compute the checksum of %s in the %s: %w", q.from, s.name, err)
	}
	return rows, sum, nil
}

// differ walks the keys of both sides in step.
type differ struct {
	plan           *plan
	source, target *side
	ours, theirs   query
	max            int
	table          *Table
}

func (d *differ) run(ctx context.Context) error {
	a, err := d.source.walk(ctx, d.ours)
	if err != nil {
		return err
	}
	defer a.rows.Close()
	b, err := d.target.walk(ctx, d.theirs)
	if err != nil {
		return err
	}
	defer b.rows.Close()
	for a.ok || b.ok {
		switch order := compareKeys(a, b); {
		case order < 0:
			d.note(a.key, Missing)
			a.next()
		case order > 0:
			d.note(b.key, Extra)
			b.next()
		default:
			if a.sum != b.sum {
				d.note(a.key, Changed)
			}
			a.next()
			b.next()
		}
	}
	if err := a.rows.Err(); err != nil {
		return fmt.Errorf("read %s in the source: %w", d.ours.from, err)
	}
	if err := b.rows.Err(); err != nil {
		return fmt.Errorf("read %s in the target: %w", d.theirs.from, err)
	}
	return d.fill(ctx)
}

// note keeps a difference, or counts it when there are enough.
func (d *differ) note(key []string, how Difference) {
	if len(d.table.Rows) == d.max {
		d.table.MoreRows++
		return
	}
	row := Row{Difference: how}
	var names []string
	for _, c := range d.plan.columns {
		if c.key {
			names = append(names, c.name)
		}
	}
	if names == nil {
		names = []string{"md5"}
	}
	for i, name := range names {
		text := key[i]
		row.Key = append(row.Key, Cell{Column: name, Source: &text, Target: &text})
	}
	d.table.Rows = append(d.table.Rows, row)
}

// fill reads the rows that changed, to tell the columns.
func (d *differ) fill(ctx context.Context) error {
	for i := range d.table.Rows {
		row := &d.table.Rows[i]
		if row.Difference != Changed {
			continue
		}
		ours, err := d.source.row(ctx, d.ours, row.Key)
		if err != nil {
			return err
		}
		theirs, err := d.target.row(ctx, d.theirs, row.Key)
		if err != nil {
			return err
		}
		for j, c := range d.plan.columns {
			if !same(ours[j], theirs[j]) {
				row.Columns = append(row.Columns, Cell{Column: c.name, Source: ours[j], Target: theirs[j]})
			}
		}
	}
	return nil
}

func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// row reads the texts of one row's columns.
func (s *side) row(ctx context.Context, q query, key []Cell) ([]*string, error) {
	where := make([]string, len(key))
	args := make([]any, len(key))
	for i := range key {
		where[i] = q.keys[i] + " = $" + strconv.Itoa(i+1)
		args[i] = *key[i].Source
	}
	rows, err := s.tx.Query(ctx, "SELECT "+strings.Join(q.values, ", ")+" FROM "+q.from+" WHERE "+strings.Join(where, " AND ")+" LIMIT 1", args...)
	if err != nil {
		return nil, fmt.Errorf("read a row of %s in the %s: %w", q.from, s.name, err)
	}
	values := make([]*string, len(q.values))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	if _, err := pgx.ForEachRow(rows, into, func() error { return nil }); err != nil {
		return nil, fmt.Errorf("read a row of %s in the %s: %w", q.from, s.name, err)
	}
	return values, nil
}

// walker is at one row of a table, in the order of keys.
type walker struct {
	rows pgx.Rows
	ok   bool
	key  []string
	sum  string
}

func (s *side) walk(ctx context.Context, q query) (*walker, error) {
	rows, err := s.tx.Query(ctx, "SELECT "+strings.Join(q.keys, ", ")+", "+q.row+" FROM "+q.from+" ORDER BY "+q.order)
	if err != nil {
		return nil, fmt.Errorf("read %s in the %s: %w", q.from, s.name, err)
	}
	w := &walker{rows: rows, key: make([]string, len(q.keys))}
	w.next()
	return w, nil
}

// next goes to the next row. A failure ends the rows and stays in rows.Err.
func (w *walker) next() {
	if w.ok = w.rows.Next(); !w.ok {
		return
	}
	w.key = make([]string, len(w.key)) // the one before may be kept
	into := make([]any, 0, len(w.key)+1)
	for i := range w.key {
		into = append(into, &w.key[i])
	}
	w.ok = w.rows.Scan(append(into, &w.sum)...) == nil
}

// compareKeys orders two rows as the servers do in collation C; a side that is at its end comes last.
func compareKeys(a, b *walker) int {
	switch {
	case !a.ok:
		return 1
	case !b.ok:
		return -1
	}
	return slices.Compare(a.key, b.key)
}
