package sqldb

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// pgBound is a plan compiled for a table: an encoder per column, and the statements made so far.
type pgBound struct {
	plan    *plan
	table   *table
	columns []pgColumn // by column of the plan

	mu         sync.Mutex
	statements map[pgStatementKey]*pgStatement
}

// pgColumn is how one column of a plan is written.
type pgColumn struct {
	column *column
	target *tableColumn
	name   string // quoted
	pgWire
	written bool // false: the database computes it
	point   bool // it holds points in time, and values are such
}

type pgStatementKey struct {
	op  statementOp
	sub *subset
}

// pgStatement is a statement over arrays, one parameter per column.
type pgStatement struct {
	sql    string // "" when there is nothing to write
	params []pgParam
}

// pgParam is the array of one column's values.
type pgParam struct {
	column int
	oid    uint32
	moved  bool // of the key before a change of it
}

func (st *pgStore) bind(p *plan, t *table) (bound, error) {
	b := &pgBound{plan: p, table: t, columns: make([]pgColumn, len(p.columns)), statements: make(map[pgStatementKey]*pgStatement)}
	for i := range p.columns {
		c := &b.columns[i]
		c.column = &p.columns[i]
		c.target = &t.columns[t.column(p.columns[i].name)]
		c.name = dialect.QuotePostgres(c.target.name)
		c.written = !c.target.generated
		c.pgWire = chooseWire(c.column.kind, c.column.schema, c.target)
		if c.point = c.column.point != nil && c.target.typeID == oidTimestamptz; c.point {
			c.pgWire = stampWire(c.column.kind, c.target, oidTimestamptz, "timestamptz")
		}
	}
	return b, nil
}

// statement returns the statement of an operation and a set of unknown columns, making it the first time.
func (b *pgBound) statement(op statementOp, sub *subset) *pgStatement {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := pgStatementKey{op, sub}
	st, ok := b.statements[key]
	if !ok {
		st = b.make(op, sub)
		b.statements[key] = st
	}
	return st
}

func (b *pgBound) make(op statementOp, sub *subset) *pgStatement {
	known := func(i int) bool { return b.columns[i].written && (sub == nil || !sub.missing[i]) }
	m := pgMaker{b: b}
	switch op {
	case stTruncate:
		return &pgStatement{sql: "TRUNCATE TABLE " + m.table()}
	case stClear:
		return &pgStatement{sql: "DELETE FROM " + m.table()}
	case stDelete:
		m.use(func(i int) bool { return i < b.plan.keys })
		return m.done("DELETE FROM " + m.table() + " AS t USING " + m.from() + " WHERE " + m.match("t", "v", b.plan.keys))
	case stInsert:
		m.use(known)
		return m.done("INSERT INTO " + m.table() + " (" + m.names() + ")" + m.overriding() + " SELECT " + m.values("v") + " FROM " + m.from())
	case stUpdate:
		m.use(func(i int) bool { return i < b.plan.keys || known(i) })
		if set := m.set("v"); set != "" {
			return m.done("UPDATE " + m.table() + " AS t SET " + set + " FROM " + m.from() + " WHERE " + m.match("t", "v", b.plan.keys))
		}
		return &pgStatement{}
	case stCarry, stMove:
		m.use(known)
		return m.carry(sub, op == stMove)
	}
	m.use(known)
	if sub == nil {
		return m.upsert()
	}
	return m.updateOrInsert()
}

// pgMaker puts a statement together. Its columns are those used, in the order of the plan; the array of the n-th is $n+1 and
// column c<n> of v.
type pgMaker struct {
	b    *pgBound
	cols []int
	st   pgStatement
}

func (m *pgMaker) use(used func(i int) bool) {
	for i := range m.b.columns {
		if used(i) {
			m.cols = append(m.cols, i)
			m.st.params = append(m.st.params, pgParam{column: i, oid: m.b.columns[i].oid})
		}
	}
}

func (m *pgMaker) done(sql string) *pgStatement {
	m.st.sql = sql
	return &m.st
}

func (m *pgMaker) table() string {
	n := m.b.table.name
	return dialect.QuotePostgres(n.schema) + "." + dialect.QuotePostgres(n.table)
}

// from is the arrays as rows. Functions in a list of columns give a row at a time; in FROM the server keeps what each of them gives until all have
// ended: 2.3 CPU-seconds of the server's for a million upserts of nine columns, and 2.0 this way, 2.1 and 1.9 for six.
func (m *pgMaker) from() string {
	var arrays []string
	for n, p := range m.st.params {
		arrays = append(arrays, fmt.Sprintf("unnest($%d::%s[]) AS c%d", n+1, m.b.columns[p.column].array, n))
	}
	return "(SELECT " + strings.Join(arrays, ", ") + ") AS v"
}

// list joins what f makes of the used columns; f may leave some out by "".
func (m *pgMaker) list(sep string, f func(n int, c *pgColumn) string) string {
	var out []string
	for n, i := range m.cols {
		if s := f(n, &m.b.columns[i]); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, sep)
}

func (m *pgMaker) names() string {
	return m.list(", ", func(_ int, c *pgColumn) string { return c.name })
}

// values converts v's columns to what can be assigned.
func (m *pgMaker) values(v string) string {
	return m.list(", ", func(n int, c *pgColumn) string { return fmt.Sprintf("%s.c%d%s", v, n, c.assign) })
}

// match finds t's rows by key.
func (m *pgMaker) match(t, v string, keys int) string {
	return m.list(" AND ", func(n int, c *pgColumn) string {
		if m.cols[n] >= keys {
			return ""
		}
		return fmt.Sprintf("%s.%s = %s.c%d%s", t, c.name, v, n, c.compare)
	})
}

// set assigns all that is no key, "" when there is nothing else.
func (m *pgMaker) set(v string) string {
	return m.list(", ", func(n int, c *pgColumn) string {
		if c.column.key || c.target.identity || !c.written {
			return ""
		}
		return fmt.Sprintf("%s = %s.c%d%s", c.name, v, n, c.assign)
	})
}

// excluded assigns all that is no key from the row that could not be inserted.
func (m *pgMaker) excluded(f func(c *pgColumn) string) string {
	return m.list(", ", func(_ int, c *pgColumn) string {
		if c.column.key || c.target.identity {
			return ""
		}
		return c.name + " = " + f(c)
	})
}

func (m *pgMaker) overriding() string {
	for _, i := range m.cols {
		if m.b.columns[i].target.identity {
			return " OVERRIDING SYSTEM VALUE"
		}
	}
	return ""
}

func (m *pgMaker) keyNames() string {
	return m.list(", ", func(n int, c *pgColumn) string {
		if !c.column.key {
			return ""
		}
		return c.name
	})
}

func (m *pgMaker) onConflict(set string) string {
	if set == "" {
		return " ON CONFLICT (" + m.keyNames() + ") DO NOTHING"
	}
	return " ON CONFLICT (" + m.keyNames() + ") DO UPDATE SET " + set
}

// upsert is for rows whose columns are all known.
func (m *pgMaker) upsert() *pgStatement {
	set := m.excluded(func(c *pgColumn) string { return "EXCLUDED." + c.name })
	return m.done("INSERT INTO " + m.table() + " (" + m.names() + ")" + m.overriding() + " SELECT " + m.values("v") + " FROM " + m.from() + m.onConflict(set))
}

// updateOrInsert is for rows with unknown columns. They exist, as a rule, so an update comes first: an insert would be refused for
// the columns that may not be null before it could turn into one. Both parts see the table as it was before the statement.
func (m *pgMaker) updateOrInsert() *pgStatement {
	insert := func(from string) string {
		return "INSERT INTO " + m.table() + " (" + m.names() + ")" + m.overriding() + " SELECT " + m.values("v") + " FROM " + from +
			" WHERE NOT EXISTS (SELECT FROM " + m.table() + " AS t WHERE " + m.match("t", "v", m.b.plan.keys) + ")"
	}
	set := m.set("v")
	if set == "" { // the key is all that is known: only a row that is not there has anything to gain
		return m.done(insert(m.from()))
	}
	columns := m.list(", ", func(n int, _ *pgColumn) string { return fmt.Sprintf("c%d", n) })
	return m.done("WITH v(" + columns + ") AS MATERIALIZED (SELECT * FROM " + m.from() + "), u AS (UPDATE " + m.table() + " AS t SET " + set +
		" FROM v WHERE " + m.match("t", "v", m.b.plan.keys) + ") " + insert("v"))
}

// carry is for one row under a new key whose unknown columns are in the row under the key before. When neither is there any more,
// they become null; when only the row with the new key is there, it keeps its own. With move the row under the key before goes.
func (m *pgMaker) carry(sub *subset, move bool) *pgStatement {
	keys := m.b.plan.keys
	var names, values, sets, olds []string
	for i := range m.b.columns {
		c := &m.b.columns[i]
		if !c.written {
			continue
		}
		if sub.missing[i] {
			names = append(names, c.name)
			values = append(values, "o."+c.name)
			if !c.target.identity {
				sets = append(sets, c.name+" = coalesce(EXCLUDED."+c.name+", t."+c.name+")")
			}
		}
	}
	for n, i := range m.cols {
		if i < keys {
			m.st.params = append(m.st.params, pgParam{column: i, oid: m.b.columns[i].oid, moved: true})
			olds = append(olds, fmt.Sprintf("o.%s = v.c%d%s", m.b.columns[i].name, len(m.st.params)-1, m.b.columns[i].compare))
		}
		c := &m.b.columns[i]
		names = append(names, c.name)
		values = append(values, fmt.Sprintf("v.c%d%s", n, c.assign))
		if !c.column.key && !c.target.identity {
			sets = append(sets, c.name+" = EXCLUDED."+c.name)
		}
	}
	insert := func(from, old string) string {
		return "INSERT INTO " + m.table() + " AS t (" + strings.Join(names, ", ") + ")" + m.overriding() + " SELECT " + strings.Join(values, ", ") +
			" FROM " + from + " LEFT JOIN " + old + " ON " + strings.Join(olds, " AND ") + m.onConflict(strings.Join(sets, ", "))
	}
	if !move {
		return m.done(insert(m.from(), m.table()+" AS o"))
	}
	return m.done("WITH v AS MATERIALIZED (SELECT * FROM " + m.from() + "), d AS (DELETE FROM " + m.table() + " AS o USING v WHERE " + strings.Join(olds, " AND ") +
		" RETURNING o.*) " + insert("v", "d AS o"))
}

// finishArray fills in what an array's header could not know before its elements.
// Layout: Int32 dimensions | Int32 has nulls | Int32 element type | Int32 length | Int32 lower bound | per element Int32 length, bytes.
// PostgreSQL source, arrayfuncs.c, array_recv.
func finishArray(b []byte, elem uint32, n int, nulls bool) {
	if nulls {
		binary.BigEndian.PutUint32(b[4:], 1)
	}
	binary.BigEndian.PutUint32(b[8:], elem)
	binary.BigEndian.PutUint32(b[12:], uint32(n))
}
