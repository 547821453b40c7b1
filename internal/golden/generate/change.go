package generate

import (
	"fmt"
	"slices"
	"strings"
)

// value is what a statement writes into a column.
func (c *maker) value(col *column) string {
	value, plain := col.kind.value, (col.notNull || col.indexed) && col.plain != nil
	if plain { // its default may be a value without a form
		value = col.plain
	}
	switch {
	case !col.notNull && c.chance(15) || value == nil:
		return "NULL"
	case col.value0 != "" && !col.moving && c.chance(15) && !plain && !(col.notNull && strings.HasPrefix(col.value0, "NULL")):
		return "DEFAULT"
	case col.big != "" && !col.indexed && (col.stands || !col.notNull) && c.chance(25):
		return col.big
	}
	return value(c.dice)
}

// insert writes one row, or several.
func (c *maker) insert(t *table) {
	var names []string
	for _, col := range t.columns {
		if !col.skipped {
			names = append(names, ident(col.name))
		}
	}
	var rows []string
	for range of(c.dice, 1, 1, 1, 2, 3) {
		var values []string
		for _, col := range t.columns {
			switch {
			case col.skipped:
			case col.name == rid:
				values = append(values, fmt.Sprint(t.next))
			default:
				values = append(values, c.value(col))
			}
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
		t.rows = append(t.rows, t.next)
		t.next++
	}
	c.sqlf("INSERT INTO %s (%s) VALUES\n  %s", t.sql(), strings.Join(names, ", "), strings.Join(rows, ",\n  "))
}

// update changes some columns of a row, at times of all rows, at times none.
func (c *maker) update(t *table) {
	var sets []string
	n := c.between(1, 3)
	for _, i := range c.Perm(len(t.columns)) {
		col := t.columns[i]
		if col.skipped || col.name == rid || len(sets) == n || slices.Contains(t.key, col) && !c.chance(25) {
			continue
		}
		value := c.value(col)
		if c.chance(10) {
			value = ident(col.name)
		}
		sets = append(sets, ident(col.name)+" = "+value)
	}
	if len(sets) == 0 || c.chance(5) {
		t.next++
		sets = append(sets, fmt.Sprintf("rid = %d", t.next-1))
		t.rows = append(t.rows, t.next-1)
	}
	c.sqlf("UPDATE %s SET %s%s", t.sql(), strings.Join(sets, ", "), c.where(t))
}

func (c *maker) where(t *table) string {
	if len(t.rows) == 0 || c.chance(4) {
		return ""
	}
	return fmt.Sprintf(" WHERE rid = %d", of(c.dice, t.rows...))
}

func (c *maker) remove(t *table) {
	c.sqlf("DELETE FROM %s%s", t.sql(), c.where(t))
}

// change writes transactions, and changes of tables between them.
func (c *maker) change() {
	c.types.setup, c.types.late = &c.changes, true
	c.changes.WriteString("\\set ON_ERROR_STOP 0\nSET timezone = 'UTC';\n")
	for range c.between(4, 7) + 2*len(c.tables) {
		switch n := c.IntN(100); {
		case n < 12:
			c.alter(of(c.dice, c.tables...))
		case n < 30:
			c.transaction()
		default:
			c.row(of(c.dice, c.tables...))
		}
	}
}

func (c *maker) transaction() {
	c.sqlf("BEGIN")
	for i := range c.between(1, 6) {
		if c.chance(10) {
			c.sqlf("SAVEPOINT s%d", i)
			c.row(of(c.dice, c.tables...))
			c.sqlf("ROLLBACK TO SAVEPOINT s%d", i)
		}
		c.row(of(c.dice, c.tables...))
	}
	c.sqlf("%s", of(c.dice, "COMMIT", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK"))
}

// row writes one change of rows.
func (c *maker) row(t *table) {
	n := c.IntN(100)
	switch {
	case n < 35 || !t.changeable() && n < 90:
		c.insert(t)
	case n < 70:
		c.update(t)
	case n < 93:
		c.remove(t)
	case n < 97:
		names := []string{t.sql()}
		if other := of(c.dice, c.tables...); other != t && c.chance(40) {
			names = append(names, other.sql())
		}
		c.sqlf("TRUNCATE %s%s", strings.Join(names, ", "), of(c.dice, "", " RESTART IDENTITY", " CASCADE", " RESTART IDENTITY CASCADE"))
	default:
		c.sqlf("UPDATE %s SET rid = rid", t.sql())
	}
}

// alter changes a table. The connector reads the catalog when it comes to the table's next row, not when the table changed, so that what
// was written before has to be through.
func (c *maker) alter(t *table) {
	c.changes.WriteString("-- oracle: wait\n")
	c.altered++
	col := of(c.dice, t.columns...)
	plain := col.name != rid && !slices.Contains(t.key, col) && !col.skipped
	switch n := c.IntN(13); {
	case n < 3:
		col := c.column(fmt.Sprintf("new%d", c.altered))
		def := ident(col.name) + " " + col.sql
		if col.value0 != "" {
			def += " DEFAULT " + col.value0
		}
		if col.moving { // rows that are there get a value of their own
			return
		}
		if col.notNull && (col.value0 != "" || len(t.rows) == 0) {
			def += " NOT NULL"
		}
		col.notNull = col.notNull && len(t.rows) == 0
		if col.extra != "" || strings.Contains(col.sql, "serial") {
			return
		}
		if t.column(col.name) != nil || c.adjusts && c.folded(col.name) != strings.ToLower(col.name) {
			return
		}
		c.sqlf("ALTER TABLE %s ADD COLUMN %s", t.sql(), def)
		t.columns = append(t.columns, col)
	case n == 3 && plain && len(t.columns) > 2:
		c.sqlf("ALTER TABLE %s DROP COLUMN %s", t.sql(), ident(col.name))
		t.columns = slices.DeleteFunc(slices.Clone(t.columns), func(other *column) bool { return other == col })
	case n == 4 && col.name != rid:
		name := fmt.Sprintf("renamed%d", c.altered)
		c.sqlf("ALTER TABLE %s RENAME COLUMN %s TO %s", t.sql(), ident(col.name), name)
		col.name = name
	case n == 5 && plain:
		c.sqlf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", t.sql(), ident(col.name))
		col.value0, col.moving = "", false
	case n == 6 && plain && len(col.defaults) > 0 && col.extra == "":
		col.value0, col.moving = of(c.dice, col.defaults...), false
		c.sqlf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", t.sql(), ident(col.name), col.value0)
	case n == 7 && plain && col.extra == "":
		c.sqlf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", t.sql(), ident(col.name))
		col.notNull = false
	case n == 8:
		c.sqlf("ALTER TABLE %s REPLICA IDENTITY FULL", t.sql())
		t.identity = identityFull
	case n == 9 && len(t.key) > 0:
		c.sqlf("ALTER TABLE %s REPLICA IDENTITY DEFAULT", t.sql())
		t.identity = identityDefault
	case n == 11 && plain && !col.notNull && !col.indexed && col.extra == "":
		as := c.column(col.name)
		if as.extra != "" || strings.Contains(as.sql, "serial") || as.value0 != "" {
			return
		}
		if col.value0 != "" {
			c.sqlf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", t.sql(), ident(col.name))
			col.value0, col.moving = "", false
		}
		c.sqlf("ALTER TABLE %s ALTER COLUMN %s TYPE %s USING NULL", t.sql(), ident(col.name), as.sql)
		col.kind = as.kind
	case n == 12:
		name := fmt.Sprintf("moved%d", c.altered)
		c.sqlf("ALTER TABLE %s RENAME TO %s", t.sql(), name)
		t.name = name
	case n == 10:
		t := c.table(100 + c.altered)
		c.tables = append(c.tables, t)
		c.insert(t)
	}
}
