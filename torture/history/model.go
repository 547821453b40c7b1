package history

import (
	"fmt"
	"maps"
	"sort"
)

// Model is what tables hold behind a history. Columns that later rows do not have stay as they were; what a row does not say of a column is not
// known, and is not compared.
type Model struct {
	tables map[string]*Table
	rows   map[string]map[string]Row // by table and key
	bags   map[string]map[string]int // of tables without a key: how often there is a row
}

// NewModel is one of empty tables.
func NewModel(tables []Table) *Model {
	m := &Model{tables: make(map[string]*Table), rows: make(map[string]map[string]Row), bags: make(map[string]map[string]int)}
	for i := range tables {
		t := &tables[i]
		m.tables[t.Name] = t
		m.empty(t.Name)
	}
	return m
}

func (m *Model) empty(table string) {
	m.rows[table], m.bags[table] = make(map[string]Row), make(map[string]int)
}

// Size is the number of rows.
func (m *Model) Size() (n int) {
	for name := range m.tables {
		n += len(m.rows[name])
		for _, times := range m.bags[name] {
			n += times
		}
	}
	return n
}

// Apply replays transactions.
func (m *Model) Apply(truth []Transaction) {
	for i := range truth {
		for n := range truth[i].Changes {
			c := &truth[i].Changes[n]
			t := m.tables[c.Table]
			switch {
			case t == nil:
			case c.Op == Truncate:
				m.empty(c.Table)
			case len(t.Key) == 0:
				m.applyBag(t, c)
			default:
				m.applyKeyed(t, c)
			}
		}
	}
}

func (m *Model) applyKeyed(t *Table, c *Change) {
	rows := m.rows[t.Name]
	switch c.Op {
	case Insert:
		rows[c.After.Key(t.Key)] = c.After
	case Delete:
		delete(rows, c.Before.Key(t.Key))
	case Update:
		key := c.After.Key(t.Key)
		old := key
		if t.moves(c) {
			old = c.Before.Key(t.Key)
		}
		row := merged(rows[old], c.After)
		delete(rows, old)
		rows[key] = row
	}
}

func (m *Model) applyBag(t *Table, c *Change) {
	bag := m.bags[t.Name]
	after := c.After
	if c.Op == Update {
		after = resolved(c.After, c.Before)
	}
	if c.Before != nil {
		m.take(bag, full(c.Before, after))
	}
	if after != nil {
		bag[after.whole()]++
	}
}

// full is an old row with the nulls that were left out of it. Of a delete nobody knows them, so rows of tables without a key hold none.
func full(before, after Row) string {
	row := before
	for name := range after {
		if _, ok := before[name]; !ok {
			row = merged(row, Row{name: Null})
		}
	}
	return row.whole()
}

func (m *Model) take(bag map[string]int, row string) {
	if bag[row]--; bag[row] == 0 {
		delete(bag, row)
	}
}

// merged is old with what after knows better.
func merged(old, after Row) Row {
	out := make(Row, len(old)+len(after))
	for name, v := range old {
		out[name] = v
	}
	for name, v := range after {
		if v == Unknown {
			if _, ok := out[name]; !ok {
				out[name] = Unknown
			}
			continue
		}
		out[name] = v
	}
	return out
}

// Clone is a copy that goes its own way.
func (m *Model) Clone() *Model {
	c := &Model{tables: m.tables, rows: make(map[string]map[string]Row, len(m.rows)), bags: make(map[string]map[string]int, len(m.bags))}
	for name, rows := range m.rows {
		c.rows[name] = maps.Clone(rows) // rows themselves never change
	}
	for name, bag := range m.bags {
		c.bags[name] = maps.Clone(bag)
	}
	return c
}

// ApplyRecords replays records, of each partition in the order of their offsets, as a sink does that writes rows by their keys. Tables without a
// key and messages are left out.
func (m *Model) ApplyRecords(records []Record) {
	p := newReplay(m)
	for i := range records {
		p.apply(&records[i])
	}
}

// replay applies records to a model, one by one.
type replay struct {
	*Model
	moved map[string]map[identity]Row // rows that were deleted, by the change that follows: a new key may leave values out
}

func newReplay(m *Model) *replay { return &replay{m, make(map[string]map[identity]Row)} }

func (p *replay) apply(r *Record) {
	t := p.tables[r.Table]
	if t == nil {
		return
	}
	if r.Op == Truncate {
		p.empty(r.Table)
		return
	}
	if len(t.Key) == 0 {
		return
	}
	rows := p.rows[r.Table]
	switch r.Op {
	case Delete:
		if p.moved[r.Table] == nil {
			p.moved[r.Table] = make(map[identity]Row)
		}
		p.moved[r.Table][identity{xid: r.XID, order: r.Order + 1, lsn: r.LSN}] = rows[r.Key]
		delete(rows, r.Key)
	case Insert:
		rows[r.Key] = merged(p.moved[r.Table][identity{xid: r.XID, order: r.Order, lsn: r.LSN}], r.After)
	case SnapshotRow, Update:
		rows[r.Key] = merged(rows[r.Key], r.After)
	}
}

// Stored is what a table holds, by Row.Key; for tables without one the rows stand for themselves in Bag.
type Stored struct {
	Columns []string
	Rows    map[string]Row
	Bag     map[string]int
}

// Store files rows that were read from a table.
func (t *Table) Store(columns []string, rows []Row) Stored {
	s := Stored{Columns: columns, Rows: make(map[string]Row, len(rows)), Bag: make(map[string]int)}
	for _, r := range rows {
		if len(t.Key) == 0 {
			s.Bag[r.whole()]++
		} else {
			s.Rows[r.Key(t.Key)] = r
		}
	}
	return s
}

// Compare holds a table against the model, in the columns that it has. who says whose table it is.
func (m *Model) Compare(who, table string, s Stored) []Verdict {
	c := &checker{told: make(map[Kind]int)}
	tell := func(format string, args ...any) { c.tell(Diverged, table, who+": "+format, args...) }
	want := m.rows[table]
	for _, key := range sorted(want) {
		got, ok := s.Rows[key]
		if !ok {
			tell("row %s is missing", key)
			continue
		}
		for _, column := range s.Columns {
			v, known := want[key][column]
			g, told := got[column]
			if !told && m.tables[table].Rewritten {
				continue // a snapshot does not tell of columns that were dropped
			}
			if known && v != Unknown && g != Unknown && v != g {
				tell("row %s has %s=%s, want %s", key, column, short(g), short(v))
			}
		}
	}
	for _, key := range sorted(s.Rows) {
		if _, ok := want[key]; !ok {
			tell("row %s should not be there: %v", key, s.Rows[key])
		}
	}
	for row, n := range m.bags[table] {
		if s.Bag[row] != n {
			tell("row %s is there %d times, want %d", row, s.Bag[row], n)
		}
	}
	for row, n := range s.Bag {
		if m.bags[table][row] == 0 {
			tell("row %s is there %d times, want it not", row, n)
		}
	}
	return c.finish()
}

// CompareModel holds another replay against the model, table by table, leaving out tables without a key.
func (m *Model) CompareModel(who string, o *Model) (all []Verdict) {
	for _, name := range sorted(m.tables) {
		if len(m.tables[name].Key) == 0 {
			continue
		}
		columns := make(map[string]bool)
		for _, row := range m.rows[name] {
			for column := range row {
				columns[column] = true
			}
		}
		all = append(all, m.Compare(who, name, Stored{Columns: sorted(columns), Rows: o.rows[name]})...)
	}
	return all
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Phantoms finds rows that carry a mark which no committed row has.
func Phantoms(records []Record, mark string) (out []Verdict) {
	for i := range records {
		for _, row := range []Row{records[i].Before, records[i].After} {
			for column, v := range row {
				if len(v) >= len(mark) && v[:len(mark)] == mark {
					out = append(out, Verdict{Phantom, records[i].Table, fmt.Sprintf("%s: %s=%s was rolled back", &records[i], column, short(v))})
				}
			}
		}
	}
	return out
}

// Keys are those of a table's rows, in order.
func (m *Model) Keys(table string) []string { return sorted(m.rows[table]) }
