package sqldb

import (
	"context"
	"fmt"
	"strings"
)

// carry writes one row under a new key whose unknown columns are in the row under the key before. When neither is there any more, they
// become null; when only the row with the new key is there, it keeps its own. With move the row under the key before goes.
func (s *mySession) carry(ctx context.Context, b *myBound, sub *subset, m *mutation, move bool) error {
	c, err := s.newCarry(b, sub, m)
	if err != nil {
		return err
	}
	if move { // as a rule the row under the key before is there, and none under the new one
		n, err := s.one(ctx, "UPDATE "+b.table+" SET "+c.assign("")+" WHERE "+c.old(""))
		if err == nil && n > 0 || err != nil && myNumber(err) != 1062 { // duplicate entry: the new key's row is there, or some other's unique value
			return err
		}
	}
	n, err := s.one(ctx, fmt.Sprintf("UPDATE %s AS n LEFT JOIN %[1]s AS o ON %s SET %s WHERE %s", b.table, c.old("o."), strings.Join(append(c.sets("n."), c.kept()...), ","), c.now("n.")))
	if err != nil {
		return err
	}
	if n == 0 {
		if _, err := s.one(ctx, c.insert()); err != nil {
			return err
		}
	}
	if move {
		_, err = s.one(ctx, "DELETE FROM "+b.table+" WHERE "+c.old(""))
	}
	return err
}

// one runs one statement, tells how many rows it found, and what it cut as an error.
func (s *mySession) one(ctx context.Context, sql string) (int64, error) {
	counts, err := s.run(ctx, sql)
	if err != nil {
		return 0, err
	}
	if err := s.warned(ctx); err != nil {
		return 0, err
	}
	return counts[len(counts)-1], nil
}

// myCarry is a row under a new key as SQL.
type myCarry struct {
	b       *myBound
	names   []string // of the known columns, the key among them
	values  []string
	isKey   []bool
	missing []string // names of the unknown ones
	before  []string // values of the key before
}

func (s *mySession) newCarry(b *myBound, sub *subset, m *mutation) (*myCarry, error) {
	out := &myCarry{b: b}
	for i := range b.columns {
		c := &b.columns[i]
		switch {
		case !c.written:
			continue
		case sub.missing[i]:
			out.missing = append(out.missing, c.name)
			continue
		}
		text, err := c.literal(nil, c.value(m))
		if err != nil {
			return nil, err
		}
		out.names, out.values, out.isKey = append(out.names, c.name), append(out.values, string(text)), append(out.isKey, c.column.key)
		if c.column.key {
			if text, err = c.literal(nil, m.moved[i]); err != nil {
				return nil, err
			}
			out.before = append(out.before, string(text))
		}
	}
	return out, nil
}

// sets assigns what is no key.
func (c *myCarry) sets(prefix string) []string {
	var out []string
	for i, name := range c.names {
		if !c.isKey[i] {
			out = append(out, prefix+name+"="+c.values[i])
		}
	}
	return out
}

// assign assigns all that is known, the key too.
func (c *myCarry) assign(prefix string) string {
	var out []string
	for i, name := range c.names {
		out = append(out, prefix+name+"="+c.values[i])
	}
	return strings.Join(out, ",")
}

// kept takes the unknown columns from the row before.
func (c *myCarry) kept() []string {
	var out []string
	for _, name := range c.missing {
		out = append(out, fmt.Sprintf("n.%s=COALESCE(o.%[1]s,n.%[1]s)", name))
	}
	return out
}

// old finds the row under the key before.
func (c *myCarry) old(prefix string) string { return c.match(prefix, c.before) }

// now finds the row under the new key.
func (c *myCarry) now(prefix string) string {
	var values []string
	for i := range c.names {
		if c.isKey[i] {
			values = append(values, c.values[i])
		}
	}
	return c.match(prefix, values)
}

func (c *myCarry) match(prefix string, values []string) string {
	var out []string
	n := 0
	for i, name := range c.names {
		if c.isKey[i] {
			out = append(out, prefix+name+"="+values[n])
			n++
		}
	}
	return strings.Join(out, " AND ")
}

// insert makes the row from what is known and the row before, if that is there.
func (c *myCarry) insert() string {
	values := strings.Join(c.values, ",")
	names := strings.Join(append(append([]string(nil), c.names...), c.missing...), ",")
	for _, name := range c.missing {
		values += ",o." + name
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (SELECT 1) AS d LEFT JOIN %[1]s AS o ON %s", c.b.table, names, values, c.old("o."))
}
