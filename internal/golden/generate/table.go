package generate

import (
	"fmt"
	"slices"
	"strings"
)

// table is one table of a case.
type table struct {
	schema, name string
	columns      []*column
	key          []*column // of the primary key
	identity     identity
	rows         []int // rid of the rows that may be there
	next         int   // rid of the next
}

type column struct {
	kind
	name    string
	notNull bool
	indexed bool   // a key of records may hold it: its values must have a form, and be small
	value0  string // default expression, ""
	moving  bool   // the default differs from run to run
}

type identity int

const (
	identityDefault identity = iota
	identityFull
	identityNothing
	identityIndex
)

// rid is the column by which statements find their rows.
const rid = "rid"

func (t *table) sql() string { return ident(t.schema) + "." + ident(t.name) }

// id is schema.table as the options' regular expressions match it.
func (t *table) id() string { return t.schema + "." + t.name }

// changeable tells whether the server lets rows of a published table be updated and deleted.
func (t *table) changeable() bool {
	return t.identity == identityFull || t.identity == identityIndex || t.identity == identityDefault && len(t.key) > 0
}

// table makes a table and writes its definition down.
func (c *maker) table(i int) *table {
	t := &table{schema: "public", name: fmt.Sprintf("t%d", i), next: 1}
	if c.chance(12) {
		t.schema = of(c.dice, "other", "Odd Schema")
	}
	if c.chance(20) {
		t.name = c.oddName(t.name)
	}
	n := c.between(1, 14)
	at := c.IntN(n + 1)
	taken := map[string]bool{rid: true}
	for j := range n + 1 {
		if j == at {
			t.columns = append(t.columns, &column{kind: kind{sql: "integer", key: true}, name: rid, notNull: c.chance(30)})
			continue
		}
		col := c.column(fmt.Sprintf("c%d", j))
		if fold := c.folded(col.name); taken[fold] {
			col.name = fmt.Sprintf("c%d", j)
		} else {
			taken[fold] = true
		}
		t.columns = append(t.columns, col)
	}
	// With a domain of an enum in a table the connector reads it from the catalog at each insert, generated columns and all, until somebody
	// announces the relation again.
	if !slices.ContainsFunc(t.columns, func(col *column) bool { return col.enumDomain }) && c.chance(12) {
		t.columns = append(t.columns, &column{kind: kind{sql: "integer", extra: fmt.Sprintf("GENERATED ALWAYS AS (%s * 2) STORED", rid), skipped: true}, name: "gen", notNull: c.chance(30)})
	}
	c.keyOf(t)
	c.define(t)
	return t
}

// folded is what two names must not share: Debezium finds columns regardless of case, and name adjustment makes names equal.
func (c *maker) folded(name string) string {
	return strings.Map(func(r rune) rune {
		if c.adjusts && (r > 127 || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", r)) {
			return '_'
		}
		return r
	}, strings.ToLower(name))
}

func (c *maker) column(name string) *column {
	col := &column{kind: c.types.kind(), name: name}
	if c.chance(14) {
		col.name = c.oddName(name)
	}
	col.notNull = c.chance(30) || col.extra != "" || strings.Contains(col.sql, "serial")
	// Of a timestamp in nanoseconds the connector has no working stand-in for null, and stops.
	if col.kind.fails || c.nanoseconds && col.stamp {
		col.notNull = false
	}
	if col.extra != "" || strings.Contains(col.sql, "serial") {
		return col
	}
	switch n := c.IntN(100); {
	case n < 30 && len(col.defaults) > 0:
		col.value0 = of(c.dice, col.defaults...)
	case n < 38 && len(col.kind.moving) > 0:
		col.value0, col.moving = of(c.dice, col.kind.moving...), true
	}
	return col
}

// oddName makes a name that needs quoting, or adjusting. No dots: names with dots are cut in the connector's own table ids.
func (c *maker) oddName(stem string) string {
	return of(c.dice, strings.ToUpper(stem), "with "+stem, "da-"+stem, "ü"+stem, "日本"+stem, "1"+stem, "_"+stem, "$"+stem, stem+"$x", "per%"+stem, "😀"+stem, strings.Repeat("l", 60)+stem, "select"+stem, "a_u0041"+stem, stem+"é", "Mixed"+stem)
}

// keyOf chooses primary key and replica identity.
func (c *maker) keyOf(t *table) {
	if c.chance(60) {
		for _, i := range c.Perm(len(t.columns)) {
			col := t.columns[i]
			if col.kind.key && !col.kind.fails && !col.skipped && (len(t.key) == 0 || c.chance(25)) && len(t.key) < 3 && !(c.nanoseconds && col.stamp) {
				col.notNull, col.indexed = true, true
				t.key = append(t.key, col)
			}
		}
	}
	switch n := c.IntN(100); {
	case n < 25:
		t.identity = identityFull
	case n < 35:
		t.identity = identityNothing
	}
}

// define writes CREATE TABLE and what belongs to it.
func (c *maker) define(t *table) {
	var defs []string
	for _, col := range t.columns {
		def := ident(col.name) + " " + col.sql
		if col.notNull {
			def += " NOT NULL"
		}
		if col.value0 != "" {
			def += " DEFAULT " + col.value0
		}
		if col.extra != "" {
			def += " " + col.extra
		}
		defs = append(defs, def)
	}
	if len(t.key) > 0 {
		var names []string
		for _, col := range t.key {
			names = append(names, ident(col.name))
		}
		defs = append(defs, "PRIMARY KEY ("+strings.Join(names, ", ")+")")
	}
	c.sqlf("CREATE TABLE %s (\n  %s\n)", t.sql(), strings.Join(defs, ",\n  "))
	for _, col := range t.columns {
		if col.big != "" && c.chance(70) {
			c.sqlf("ALTER TABLE %s ALTER COLUMN %s SET STORAGE EXTERNAL", t.sql(), ident(col.name))
		}
		if c.chance(3) {
			c.sqlf("COMMENT ON COLUMN %s.%s IS 'a comment'", t.sql(), ident(col.name))
		}
	}
	c.indexes(t)
	switch t.identity {
	case identityFull:
		c.sqlf("ALTER TABLE %s REPLICA IDENTITY FULL", t.sql())
	case identityNothing:
		c.sqlf("ALTER TABLE %s REPLICA IDENTITY NOTHING", t.sql())
	}
}

// indexes adds unique indexes, and may make one the replica identity.
func (c *maker) indexes(t *table) {
	if !c.chance(35) {
		return
	}
	for range c.between(1, 2) {
		c.indexesMade++
		var names []string
		strict := true
		for _, j := range c.Perm(len(t.columns)) {
			col := t.columns[j]
			if col.kind.key && !col.kind.fails && len(names) < 2 && (len(names) == 0 || c.chance(40)) {
				names, col.indexed = append(names, ident(col.name)), true
				strict = strict && (col.notNull || slices.Contains(t.key, col))
			}
		}
		if len(names) == 0 {
			return
		}
		if c.chance(50) && !slices.Contains(names, ident(rid)) { // so that most rows are unique
			names = append(names, rid)
			t.column(rid).indexed = true
			strict = strict && t.column(rid).notNull
		}
		index := fmt.Sprintf("%s_%d_%s", of(c.dice, "a", "z"), c.indexesMade, cut(t.name, 20))
		expr, where := "", ""
		switch c.IntN(8) {
		case 0:
			expr, strict = ", (rid + 1)", false
		case 1:
			where, strict = " WHERE rid > 0", false
		case 2:
			if !slices.Contains(names, rid) && !slices.Contains(names, ident(rid)) { // twice, and the connector stops
				where = " INCLUDE (rid)"
				t.column(rid).indexed = true
			}
		}
		c.sqlf("CREATE UNIQUE INDEX %s ON %s (%s%s)%s", ident(index), t.sql(), strings.Join(names, ", "), expr, where)
		if strict && t.identity == identityDefault && c.chance(60) {
			c.sqlf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", t.sql(), ident(index))
			t.identity = identityIndex
		}
	}
}

func (t *table) column(name string) *column {
	for _, col := range t.columns {
		if col.name == name {
			return col
		}
	}
	return nil
}
