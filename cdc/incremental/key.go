package incremental

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/cdc"
)

// KeyColumn is a column that orders the rows of a table.
type KeyColumn struct {
	Name    string
	Index   int // in the tuples of the table's relation
	TypeOID uint32
	NotNull bool
	kind    javaKind // of its values in offsets
	typ     string   // name of the type, of a PGobject
}

// Key is the values of key columns, in the server's text form; nil for no key.
type Key []cdc.Datum

// NewKeyColumn describes a column; types says what Java makes of its values.
func NewKeyColumn(name string, index int, oid uint32, notNull bool, types cdc.Types) KeyColumn {
	c := KeyColumn{Name: name, Index: index, TypeOID: oid, NotNull: notNull}
	c.kind, c.typ = classOf(oid, types)
	return c
}

// kinds are the classes Debezium has for base types. Times, timestamps and bits are read as text.
var kinds = map[string]javaKind{
	"int2": javaInteger, "int4": javaInteger, "int8": javaLong, "oid": javaLong, "float4": javaFloat, "float8": javaDouble, "bool": javaBoolean,
	"numeric": javaDecimal, "money": javaDecimal, "text": javaString, "varchar": javaString, "bpchar": javaString, "name": javaString, "char": javaString,
	"date": javaDate, "time": javaString, "timetz": javaString, "timestamp": javaString, "timestamptz": javaString, "bit": javaString,
	"uuid": javaUUID, "bytea": javaBytes, "interval": javaInterval,
}

// classOf finds the class of a type's values: that of the base type for a domain, text for an enum, a PGobject for what pgjdbc does not know.
// Arrays, which Debezium cannot write, are text.
func classOf(oid uint32, types cdc.Types) (javaKind, string) {
	t, ok := types.Type(oid)
	for depth := 0; ok && t.Base != 0 && depth < maxDepth; depth++ {
		t, ok = types.Type(t.Base)
	}
	switch {
	case !ok, t.Kind == 'e', t.Category == 'A':
		return javaString, ""
	case t.Schema == "pg_catalog":
		if kind, known := kinds[t.Name]; known {
			return kind, ""
		}
		return javaPGObject, t.Name
	case t.Schema == "public": // on the search path, so pgjdbc names it alone
		return javaPGObject, t.Name
	}
	return javaPGObject, fmt.Sprintf("%q.%q", t.Schema, t.Name)
}

// java is the value of a column as Java has it.
func (c *KeyColumn) java(d cdc.Datum) javaValue {
	if d.Kind == cdc.Null {
		return javaValue{}
	}
	text := string(d.Bytes)
	v := javaValue{kind: c.kind, text: text, typ: c.typ}
	var ok bool
	switch c.kind {
	case javaInteger, javaLong:
		n, err := strconv.ParseInt(text, 10, 64)
		v.n, ok = n, err == nil
	case javaBoolean:
		v.n, ok = 0, true
		if text == "t" {
			v.n = 1
		}
	case javaFloat:
		v.f, ok = parseFloat(text, 32)
	case javaDouble:
		v.f, ok = parseFloat(text, 64)
	case javaDecimal:
		v, ok = decimalValue(v)
	case javaDate:
		v.n, ok = dateMillis(text)
	case javaBytes:
		v.bytes, ok = parseBytea(text)
	case javaInterval:
		v.parts, ok = parseInterval(text)
	default:
		ok = true
	}
	if !ok { // a form that the server does not print; as text it is at least kept
		return javaValue{kind: javaString, text: text}
	}
	return v
}

func parseFloat(text string, bits int) (float64, bool) {
	f, err := strconv.ParseFloat(text, bits)
	return f, err == nil
}

// decimalValue reads a numeric, or a money with its sign and separators; NaN and the infinities are Doubles, as in Debezium.
func decimalValue(v javaValue) (javaValue, bool) {
	switch v.text {
	case "NaN", "Infinity", "-Infinity":
		f, ok := parseFloat(v.text, 64)
		return javaValue{kind: javaDouble, f: f}, ok
	}
	text := v.text
	if strings.Trim(text, "-.0123456789") != "" || strings.Contains(text, ",") {
		text = moneyDigits(text)
	}
	var ok bool
	v.big, v.scale, ok = parseDecimal(text)
	return v, ok
}

// moneyDigits takes symbols and separators out of a money: the last separator is the decimal point when two digits follow.
func moneyDigits(text string) string {
	var digits []byte
	negative := strings.ContainsAny(text, "-(")
	point := -1
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '.' || c == ',':
			point = len(digits)
		}
	}
	if point >= 0 && len(digits)-point == 2 {
		digits = append(digits[:point:point], "."+string(digits[point:])...)
	}
	if negative {
		return "-" + string(digits)
	}
	return string(digits)
}

func parseBytea(text string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(text, `\x`)
	if !ok || len(digits)%2 != 0 {
		return nil, false
	}
	b := make([]byte, len(digits)/2)
	for i := range b {
		n, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			return nil, false
		}
		b[i] = byte(n)
	}
	return b, true
}

// parseInterval reads the style "postgres", which our sessions use: "1 year 2 mons -3 days 04:05:06.789".
func parseInterval(text string) (parts [7]int32, ok bool) {
	units := map[string]int{"year": 0, "years": 0, "mon": 1, "mons": 1, "day": 2, "days": 2}
	words := strings.Fields(text)
	for len(words) >= 2 {
		at, known := units[words[1]]
		n, err := strconv.ParseInt(words[0], 10, 32)
		if !known || err != nil {
			return parts, false
		}
		parts[at] = int32(n)
		words = words[2:]
	}
	if len(words) == 0 {
		return parts, true
	}
	clock, negative := strings.CutPrefix(words[0], "-")
	clock = strings.TrimPrefix(clock, "+")
	var hours, minutes, seconds int32
	rest, fraction, _ := strings.Cut(clock, ".")
	if n, err := fmt.Sscanf(rest, "%d:%d:%d", &hours, &minutes, &seconds); n != 3 || err != nil {
		return parts, false
	}
	micros, err := strconv.ParseInt((fraction + "000000")[:6], 10, 32)
	if err != nil {
		return parts, false
	}
	sign := int32(1)
	if negative {
		sign = -1
	}
	parts[3], parts[4], parts[5], parts[6] = sign*hours, sign*minutes, sign*seconds, sign*int32(micros)
	return parts, true
}

// Serialize is a key as an offset has it: hexadecimal of a serialised Object[], null without a key.
func Serialize(columns []KeyColumn, key Key) string {
	if key == nil {
		return serialize(nil)
	}
	values := make([]javaValue, len(key))
	for i := range key {
		values[i] = columns[i].java(key[i])
	}
	return serialize(values)
}

// Deserialize reads a key of an offset back; nil when it has none. A key of another number of columns than the table's is an error: the
// table's key has changed since.
func Deserialize(columns []KeyColumn, text string) (Key, error) {
	values, err := deserialize(text)
	if err != nil || values == nil {
		return nil, err
	}
	if len(values) != len(columns) {
		return nil, fmt.Errorf("the stored key has %d columns and the table's has %d: it was changed meanwhile", len(values), len(columns))
	}
	key := make(Key, len(values))
	for i := range values {
		text, ok := values[i].sql()
		if !ok {
			continue
		}
		key[i] = cdc.Datum{Kind: cdc.Text, Bytes: []byte(text)}
	}
	return key, nil
}

// Text is a key as notifications print it: what Java's toString makes of each column, with commas between.
func Text(columns []KeyColumn, key Key) string {
	var b strings.Builder
	for i := range key {
		if i > 0 {
			b.WriteByte(',')
		}
		v := columns[i].java(key[i])
		b.WriteString(v.String())
	}
	return b.String()
}

// Clone is a copy that does not share memory.
func (k Key) Clone() Key {
	if k == nil {
		return nil
	}
	out := make(Key, len(k))
	for i, d := range k {
		out[i] = cdc.Datum{Kind: d.Kind, Bytes: append([]byte(nil), d.Bytes...)}
	}
	return out
}
