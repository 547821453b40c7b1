package generate

import (
	"fmt"
	"strings"
)

// types makes the kinds of one case and writes down what has to be created for them.
type types struct {
	dice
	extensions bool
	setup      *strings.Builder
	made       int
	// enumDomains: there is a domain of an enum. At each insert into its table the connector reads the table from the catalog, whose
	// lengths, columns and optionality are not those of the stream.
	enumDomains bool
	late        bool // the connector runs
	flat        bool // no arrays inside of arrays
}

// name makes the name of a new type, in a schema of its own at times.
func (t *types) name(stem string) string {
	t.made++
	name := fmt.Sprintf("%s%d", stem, t.made)
	n := t.IntN(6)
	switch {
	case t.late: // types made since its start the connector looks up by the name alone
	case n == 0:
		return ident("Odd " + name)
	case n == 1:
		return "types." + name
	}
	return name
}

func (t *types) create(format string, args ...any) { fmt.Fprintf(t.setup, format+";\n", args...) }

// kind makes a kind of any type.
func (t *types) kind() kind {
	switch n := t.IntN(100); {
	case n < 62:
		return t.scalar()
	case n < 68:
		return t.enum()
	case n < 76:
		return t.domain(0)
	case n < 79:
		return t.composite()
	case n < 80:
		return t.userRange()
	default:
		return t.array()
	}
}

func (t *types) scalar() kind {
	if t.extensions && t.chance(25) {
		return of(t.dice, extensions...)(t.dice)
	}
	return of(t.dice, scalars...)(t.dice)
}

func (t *types) enum() kind {
	labels := []string{"sad", "ok", "happy"}
	if t.chance(30) {
		labels = []string{"a b", "ünï", "it's", `q"u`, "UPPER", "x-y"}
	}
	quoted := make([]string, len(labels))
	for i, l := range labels {
		quoted[i] = literal(l)
	}
	name := t.name("mood")
	t.create("CREATE TYPE %s AS ENUM (%s)", name, strings.Join(quoted, ", "))
	return kind{sql: name, enum: true, value: oneOf(labels...), key: true, defaults: []string{quoted[0], quoted[1] + "::" + name, "NULL", quoted[2] + "::text::" + name}}
}

// domain makes a domain of a scalar, an enum, an array or another domain.
func (t *types) domain(depth int) kind {
	var base kind
	switch {
	case depth < 2 && t.chance(20):
		base = t.domain(depth + 1)
	case t.chance(12) && !t.late:
		base = t.enum()
	case t.chance(12):
		base = t.array()
	default:
		base = t.scalar()
	}
	if base.extra != "" || strings.Contains(base.sql, "serial") {
		base = int4Kind(t.dice)
	}
	name := t.name("dom")
	more := ""
	if t.chance(20) && len(base.defaults) > 0 {
		more += " DEFAULT " + of(t.dice, base.defaults...)
	}
	if t.chance(15) {
		more += " CHECK (VALUE IS NULL OR true)"
	}
	t.create("CREATE DOMAIN %s AS %s%s", name, base.sql, more)
	base.sql = name
	base.noArray = false
	base.enumDomain = base.enum
	t.enumDomains = t.enumDomains || base.enum
	return base
}

func (t *types) composite() kind {
	name := t.name("comp")
	t.create("CREATE TYPE %s AS (a integer, b text)", name)
	return kind{sql: name, value: oneOf(`(1,x)`, `(,)`, `(-5,"a ""b"", c")`), key: true, defaults: []string{"'(1,x)'", "ROW(1, 'a')::" + name}}
}

func (t *types) userRange() kind {
	name := t.name("span")
	t.create("CREATE TYPE %s AS RANGE (subtype = double precision)", name)
	return kind{sql: name, value: oneOf("[1.5,2)", "empty"), key: true}
}

// array makes an array of anything else.
func (t *types) array() kind {
	var elem kind
	switch n := t.IntN(100); {
	case n < 10:
		elem = t.enum()
	case n < 16:
		elem = t.domain(1)
	case n < 19:
		elem = t.composite()
	default:
		elem = t.scalar()
	}
	if elem.value == nil || elem.noArray || elem.array || elem.extra != "" || strings.HasSuffix(elem.sql, "[]") {
		elem = textKind(t.dice)
	}
	sql := elem.sql + of(t.dice, "[]", "[]", "[]", " ARRAY", "[3]", "[][]")
	cast := elem.sql + "[]"
	k := kind{sql: sql, array: true, key: elem.key && !elem.fails, fails: elem.fails || elem.voidArray || elem.sql == "bit" || strings.HasPrefix(elem.sql, "bit("), defaults: []string{"'{}'", "NULL", "ARRAY[]::" + cast}}
	plain := elem.value
	if elem.plain != nil {
		plain = elem.plain
	}
	k.big = fmt.Sprintf("array_fill(%s::%s, ARRAY[1500])", plain(t.dice), elem.sql)
	k.plain = func(d dice) string {
		return fmt.Sprintf("ARRAY[%s, %s]::%s", plain(d), plain(d), cast)
	}
	k.value = func(d dice) string {
		switch d.IntN(12) {
		case 0:
			return "'{}'"
		case 1:
			return fmt.Sprintf("ARRAY[NULL, NULL]::%s", cast)
		case 2:
			return fmt.Sprintf("array_fill(%s::%s, ARRAY[2], ARRAY[%d])", elem.value(d), elem.sql, d.between(-2, 5))
		case 3:
			if t.flat {
				break
			}
			return fmt.Sprintf("array_fill(%s::%s, ARRAY[2, 2])", elem.value(d), elem.sql)
		}
		var elems []string
		for range d.between(1, 4) {
			if d.chance(15) {
				elems = append(elems, "NULL")
			} else {
				elems = append(elems, elem.value(d))
			}
		}
		return fmt.Sprintf("ARRAY[%s]::%s", strings.Join(elems, ", "), cast)
	}
	return k
}
