package sqldb

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// sqBound is a plan compiled for a table: a converter per column, and the statements made so far.
type sqBound struct {
	plan    *plan
	table   string // quoted
	columns []sqColumn

	mu         sync.Mutex
	statements map[sqStatementKey]*sqText
}

// sqColumn is how one column of a plan is written.
type sqColumn struct {
	column  *column
	target  *tableColumn
	name    string // quoted
	convert sqConvert
	written bool // false: the database computes it
	instant bool // it holds points in time
}

type sqStatementKey struct {
	op  statementOp
	sub *subset
}

// sqText is a statement over one row.
type sqText struct {
	sql    string // "" when there is nothing to write
	params []sqParam
}

// sqParam is a value of a statement.
type sqParam struct {
	column int
	moved  bool // of the key before a change of it
}

func (st *sqStore) bind(p *plan, t *table) (bound, error) {
	b := &sqBound{plan: p, table: dialect.QuoteSQLite(t.name.table), columns: make([]sqColumn, len(p.columns)), statements: make(map[sqStatementKey]*sqText)}
	for i := range p.columns {
		c := &b.columns[i]
		c.column = &p.columns[i]
		c.target = &t.columns[t.column(p.columns[i].name)]
		c.name = dialect.QuoteSQLite(c.target.name)
		c.written = !c.target.generated
		c.choose(st)
	}
	return b, nil
}

// statement returns the statement of an operation and a set of unknown columns, making it the first time.
func (b *sqBound) statement(op statementOp, sub *subset) *sqText {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := sqStatementKey{op, sub}
	st, ok := b.statements[key]
	if !ok {
		st = b.make(op, sub)
		b.statements[key] = st
	}
	return st
}

func (b *sqBound) known(i int, sub *subset) bool {
	return b.columns[i].written && (sub == nil || !sub.missing[i])
}

func (b *sqBound) make(op statementOp, sub *subset) *sqText {
	st := &sqText{}
	switch op {
	case stDelete:
		st.sql = "DELETE FROM " + b.table + " WHERE " + st.key(b, false)
		return st
	case stUpdate:
		if set := st.set(b, sub); set != "" {
			st.sql = "UPDATE " + b.table + " SET " + set + " WHERE " + st.key(b, false)
		}
		return st
	}
	var names, keys, set []string
	for i := range b.columns {
		c := &b.columns[i]
		if !b.known(i, sub) {
			continue
		}
		names = append(names, c.name)
		st.params = append(st.params, sqParam{column: i})
		if c.column.key {
			keys = append(keys, c.name)
		} else {
			set = append(set, c.name+"=excluded."+c.name)
		}
	}
	st.sql = "INSERT INTO " + b.table + " (" + strings.Join(names, ",") + ") VALUES (" + places(len(names)) + ")"
	if op != stUpsert {
		return st
	}
	if st.sql += " ON CONFLICT (" + strings.Join(keys, ",") + ") DO "; len(set) == 0 {
		st.sql += "NOTHING"
	} else {
		st.sql += "UPDATE SET " + strings.Join(set, ",")
	}
	return st
}

func places(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// key finds the row by its key, or the one before.
func (st *sqText) key(b *sqBound, moved bool) string {
	var out []string
	for i := range b.plan.keys {
		out = append(out, b.columns[i].name+"=?")
		st.params = append(st.params, sqParam{column: i, moved: moved})
	}
	return strings.Join(out, " AND ")
}

// set assigns all that is no key, "" when there is nothing else.
func (st *sqText) set(b *sqBound, sub *subset) string {
	var out []string
	for i := range b.columns {
		if !b.columns[i].column.key && b.known(i, sub) {
			out = append(out, b.columns[i].name+"=?")
			st.params = append(st.params, sqParam{column: i})
		}
	}
	return strings.Join(out, ",")
}

// rename gives the row under the key before the new one, and the columns that are known.
func (b *sqBound) rename(sub *subset) *sqText {
	st := &sqText{}
	var set []string
	for i := range b.columns {
		if b.known(i, sub) {
			set = append(set, b.columns[i].name+"=?")
			st.params = append(st.params, sqParam{column: i})
		}
	}
	st.sql = "UPDATE " + b.table + " SET " + strings.Join(set, ",") + " WHERE " + st.key(b, true)
	return st
}

// carry updates the row under the new key; what is not known comes from the row under the key before, if that is there.
func (b *sqBound) carry(sub *subset) *sqText {
	st := &sqText{}
	var set []string
	if known := st.set(b, sub); known != "" {
		set = append(set, known)
	}
	for i := range b.columns {
		if b.columns[i].written && sub.missing[i] {
			name := b.columns[i].name
			set = append(set, fmt.Sprintf("%s=coalesce((SELECT o.%[1]s FROM %s AS o WHERE %s),%[1]s)", name, b.table, st.key(b, true)))
		}
	}
	st.sql = "UPDATE " + b.table + " SET " + strings.Join(set, ",") + " WHERE " + st.key(b, false)
	return st
}

// carried inserts the row under the new key, likewise.
func (b *sqBound) carried(sub *subset) *sqText {
	st := &sqText{}
	var names, values, unknown []string
	for i := range b.columns {
		switch c := &b.columns[i]; {
		case b.known(i, sub):
			names, values = append(names, c.name), append(values, "?")
			st.params = append(st.params, sqParam{column: i})
		case c.written:
			unknown = append(unknown, c.name)
		}
	}
	for _, name := range unknown {
		names, values = append(names, name), append(values, "o."+name)
	}
	var old []string
	for i := range b.plan.keys {
		old = append(old, "o."+b.columns[i].name+"=?")
		st.params = append(st.params, sqParam{column: i, moved: true})
	}
	st.sql = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (SELECT 1) LEFT JOIN %[1]s AS o ON %s", b.table, strings.Join(names, ","), strings.Join(values, ","), strings.Join(old, " AND "))
	return st
}

// leave deletes the row under the key before.
func (b *sqBound) leave() *sqText {
	st := &sqText{}
	st.sql = "DELETE FROM " + b.table + " WHERE " + st.key(b, true)
	return st
}
