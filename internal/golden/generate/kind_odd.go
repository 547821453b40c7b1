package generate

import (
	"fmt"
	"strings"
)

func pointKind(dice) kind {
	return kind{sql: "point", value: oneOf("(0,0)", "(1.5,-2)", "(1e300,-1e-300)", "(NaN,Infinity)", "(-0,0.1)"), defaults: []string{"'(1,2)'", "NULL", "point(1, 2)"}}
}

func lineKind(dice) kind {
	return kind{sql: "line", voidArray: true, value: oneOf("{1,2,3}", "{0,-1,0.5}", "{1,0,-1e10}"), defaults: []string{"'{1,2,3}'"}}
}

func lsegKind(dice) kind {
	return kind{sql: "lseg", voidArray: true, value: oneOf("[(0,0),(1,1)]", "[(1.5,2),(-3,4e10)]")}
}

func boxKind(dice) kind {
	return kind{sql: "box", voidArray: true, value: oneOf("(1,1),(0,0)", "(3,4),(-1.5,2)", "(0,0),(0,0)")}
}

func pathKind(dice) kind {
	return kind{sql: "path", voidArray: true, value: oneOf("[(0,0),(1,1)]", "((0,0),(1,1),(2,0))", "[(1,2)]", "((1.5,-2.5))"), big: "('[' || repeat('(1.5,2),', 900) || '(0,0)]')::path"}
}

func polygonKind(dice) kind {
	return kind{sql: "polygon", voidArray: true, value: oneOf("((0,0),(1,1),(2,0))", "((1,2))", "((0,0),(0,1.5),(1e5,1),(1,0))"), big: "('(' || repeat('(1.5,2),', 900) || '(0,0))')::polygon"}
}

func circleKind(dice) kind {
	return kind{sql: "circle", voidArray: true, value: oneOf("<(0,0),1>", "<(1.5,-2),0>", "<(1e10,0),2.5>")}
}

// oddKind are types that have no form of their own: left out, or taken as bytes of their text with include.unknown.datatypes.
func oddKind(d dice) kind {
	switch d.IntN(14) {
	case 0:
		return kind{sql: "pg_lsn", value: oneOf("0/0", "16/B374D848"), key: true, defaults: []string{"'0/0'"}}
	case 1:
		return kind{sql: "tsquery", value: oneOf("a & b", "!c | 'it''s'", "a <-> b"), key: true}
	case 2:
		return kind{sql: "xid8", value: oneOf("0", "18446744073709551615"), key: true}
	case 3:
		return kind{sql: "xid", value: oneOf("0", "4294967295"), defaults: []string{"'5'"}}
	case 4:
		return kind{sql: "regclass", value: oneOf("pg_class", "pg_type"), key: true, defaults: []string{"'pg_class'"}}
	case 5:
		return kind{sql: "regtype", value: oneOf("integer", "text[]"), key: true}
	case 6:
		return kind{sql: "jsonpath", value: oneOf("$.a", "$[*] ? (@ > 1)"), defaults: []string{"'$'"}}
	case 7:
		return kind{sql: "pg_snapshot", value: oneOf("10:20:10,14,15", "1:1:")}
	case 8:
		return kind{sql: "int4multirange", value: oneOf("{}", "{[1,5),[7,9)}", "{(,)}"), key: true, defaults: []string{"'{}'"}}
	case 9:
		return kind{sql: "tstzmultirange", value: oneOf("{}", `{["2020-01-01 00:00:00+00","2020-01-02 00:00:00+00")}`), key: true}
	case 10:
		return kind{sql: "int2vector", value: oneOf("1 2 3", "7"), noArray: true}
	case 11:
		return kind{sql: "oidvector", value: oneOf("1 2 3", "7"), key: true, noArray: true}
	case 12:
		return kind{sql: "refcursor"} // the connector opens the cursor of that name, and stops
	default:
		return kind{sql: "tid", value: oneOf("(0,1)", "(42,7)"), key: true}
	}
}

// extensions make the kinds of extensions.
var extensions = []func(d dice) kind{
	func(d dice) kind {
		k := textKind(d)
		k.sql, k.big, k.defaults, k.moving = "citext", "repeat('ü0123456789', 900)::citext", []string{"'abc'", "''", "'it''s'::citext", "NULL"}, []string{"now()"}
		return k
	},
	hstoreKind, hstoreKind,
	func(dice) kind {
		return kind{sql: "ltree", stands: true, value: oneOf("a", "a.b.c", "", "Top.Science_1"), key: true, defaults: []string{"'a.b'", "''"}, big: "(repeat('abcdefghij.', 900) || 'z')::ltree"}
	},
	func(dice) kind { return kind{sql: "lquery", value: oneOf("a.*", "*.b@")} },
	func(d dice) kind {
		return of(d, kind{sql: "isbn", value: oneOf("978-0-393-04002-9", "0-393-04002-X"), key: true, defaults: []string{"'0-393-04002-X'"}}, kind{sql: "ean13", value: oneOf("220-0-000-00000-0", "9780393040029"), key: true},
			kind{sql: "issn", value: oneOf("1436-4522"), key: true})
	},
}

func hstoreKind(dice) kind {
	return kind{sql: "hstore", stands: true, key: true, value: func(d dice) string {
		var pairs []string
		for range d.IntN(16) {
			quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
			value := `"` + quote.Replace(anyText(d)) + `"`
			if d.chance(15) {
				value = "NULL"
			}
			pairs = append(pairs, fmt.Sprintf(`"%s"=>%s`, quote.Replace(anyText(d)), value))
		}
		return literal(strings.Join(pairs, ", "))
	}, big: `hstore('k', repeat('0123456789', 900))`, defaults: []string{`'a=>1'`, "''", "NULL", "hstore('a', 'b')"}}
}
