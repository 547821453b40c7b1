package sqldb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// Object ids of built-in types. PostgreSQL source, pg_type.dat.
const (
	oidBool        = 16
	oidBytea       = 17
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidTimetz      = 1266
	oidInterval    = 1186
	oidBit         = 1560
	oidVarbit      = 1562
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// pgWire is how values of a column travel: as elements of a binary array of one type, and from there into the column.
type pgWire struct {
	oid     uint32 // of an element
	array   string // the element's type, in SQL
	assign  string // conversion for assignment, "" or "::type"
	compare string // the same for comparing with the column
	append  pgAppend
}

// pgAppend appends one value, not null, in the binary form of its wire's element. It is chosen once per column.
type pgAppend func(dst []byte, v schema.Value, c *pgColumn) ([]byte, error)

// textWire sends a value as the text the server reads it from.
func textWire(target *tableColumn, f pgAppend) pgWire {
	w := pgWire{oid: oidText, array: "text", append: f}
	switch target.typeID {
	case oidText:
	case oidVarchar, oidBpchar, oidName: // assignment checks the length; an explicit cast would cut
		w.compare = "::" + target.cast
	default:
		w.assign = "::" + target.cast
		w.compare = w.assign
	}
	return w
}

// typedWire sends a value as a type of its own, converted when the column's is another.
func typedWire(oid uint32, name string, target *tableColumn, f pgAppend) pgWire {
	w := pgWire{oid: oid, array: name, append: f}
	if target.typeID != oid {
		w.assign = "::" + target.cast
		w.compare = w.assign
	}
	return w
}

// chooseWire decides how values of a kind reach a column. What has no direct way goes as text, and the server converts it.
func chooseWire(k kind, s *schema.Schema, target *tableColumn) pgWire {
	switch target.typeID {
	case oidInt2, oidInt4, oidInt8:
		if integerKind(s) {
			return integerWire(target)
		}
	case oidBool:
		if k == kindBool {
			return typedWire(oidBool, "bool", target, appendBool)
		}
	case oidFloat4, oidFloat8:
		if k == kindFloat {
			if s.Type == schema.Float32 && target.typeID == oidFloat4 {
				return typedWire(oidFloat4, "float4", target, appendFloat4)
			}
			if s.Type == schema.Float64 {
				return typedWire(oidFloat8, "float8", target, appendFloat8)
			}
		}
	case oidText, oidVarchar, oidBpchar, oidName, oidJSON, oidJSONB:
		if s.Type == schema.String {
			return textWire(target, appendString)
		}
	case oidBytea:
		if f := byteaAppend(k, s); f != nil {
			return typedWire(oidBytea, "bytea", target, f)
		}
	case oidNumeric:
		switch {
		case k == kindDecimal:
			return typedWire(oidNumeric, "numeric", target, appendDecimal(scaleOf(s)))
		case k == kindVarDecimal:
			return typedWire(oidNumeric, "numeric", target, appendVarDecimal)
		case k == kindInt:
			return typedWire(oidInt8, "int8", target, appendInt8)
		}
	case oidUUID:
		if k == kindUUID {
			return typedWire(oidUUID, "uuid", target, appendUUID)
		}
	case oidDate, oidTime, oidTimetz, oidTimestamp, oidTimestamptz:
		if w, ok := temporalWire(k, target); ok {
			return w
		}
	}
	if k == kindBool && (target.category == 'N' || target.typeID == oidBit || target.typeID == oidVarbit) {
		return textWire(target, func(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
			if v.Bool() {
				return append(dst, '1'), nil
			}
			return append(dst, '0'), nil
		})
	}
	if target.category == 'N' && integerKind(s) {
		return textWire(target, appendNumberText)
	}
	return textWire(target, appendAsText)
}

// integerKind tells whether values are integers, whatever they mean: an integer column takes the number as it is.
func integerKind(s *schema.Schema) bool { return s.Type >= schema.Int8 && s.Type <= schema.Int64 }

func integerWire(target *tableColumn) pgWire {
	switch target.typeID {
	case oidInt2:
		return typedWire(oidInt2, "int2", target, appendInt2)
	case oidInt4:
		return typedWire(oidInt4, "int4", target, appendInt4)
	}
	return typedWire(oidInt8, "int8", target, appendInt8)
}

func byteaAppend(k kind, s *schema.Schema) pgAppend {
	switch {
	case k == kindBytes || k == kindBits:
		return appendRaw
	case k == kindGeometry || k == kindGeography || k == kindPoint:
		return appendWKB
	case k == kindText && s.Type == schema.String:
		return appendString // the text's bytes: no escapes are looked for
	}
	return nil
}

// temporalWire sends dates and times as the type that means the same; the server converts from there, in the session's zone.
func temporalWire(k kind, target *tableColumn) (pgWire, bool) {
	switch k {
	case kindDate:
		if target.typeID == oidTime || target.typeID == oidTimetz {
			return pgWire{}, false
		}
		return typedWire(oidDate, "date", target, appendDate), true
	case kindTimeMillis:
		return typedWire(oidTime, "time", target, appendTime(1000, 1)), target.typeID == oidTime || target.typeID == oidTimetz
	case kindTimeMicros:
		return typedWire(oidTime, "time", target, appendTime(1, 1)), target.typeID == oidTime || target.typeID == oidTimetz
	case kindTimeNanos:
		return typedWire(oidTime, "time", target, appendTime(1, 1000)), target.typeID == oidTime || target.typeID == oidTimetz
	case kindStampMillis, kindStampMicros, kindStampNanos:
		return stampWire(k, target, oidTimestamp, "timestamp"), true
	case kindIsoStamp:
		return typedWire(oidTimestamp, "timestamp", target, appendISOStamp), true
	case kindZonedStamp:
		return typedWire(oidTimestamptz, "timestamptz", target, appendISOStamp), true
	}
	return pgWire{}, false
}

// stampWire sends a number as a timestamp: one without time zone shows what a clock on the wall does, and the server converts it for a
// column with a time zone, in the session's.
func stampWire(k kind, target *tableColumn, oid uint32, name string) pgWire {
	multiply, divide := int64(1), int64(1)
	switch k {
	case kindStampMillis:
		multiply = 1000
	case kindStampNanos:
		divide = 1000
	}
	return typedWire(oid, name, target, appendStamp(multiply, divide))
}

// pgType is a column type to create. When it belongs to an extension, instead is what to take when that is missing.
type pgType struct{ name, extension, instead string }

var createKinds = map[kind]pgType{
	kindBool: {name: "boolean"}, kindText: {name: "text"}, kindBytes: {name: "bytea"}, kindVarDecimal: {name: "numeric"}, kindDate: {name: "date"},
	kindTimeMillis: {name: "time"}, kindTimeMicros: {name: "time"}, kindTimeNanos: {name: "time"}, kindStampMillis: {name: "timestamp"},
	kindStampMicros: {name: "timestamp"}, kindStampNanos: {name: "timestamp"}, kindZonedStamp: {name: "timestamptz"}, kindZonedTime: {name: "timetz"},
	kindIsoDate: {name: "date"}, kindIsoTime: {name: "time"}, kindIsoStamp: {name: "timestamp"}, kindMicroDuration: {name: "interval"},
	kindNanoDuration: {name: "interval"}, kindInterval: {name: "interval"}, kindUUID: {name: "uuid"}, kindJSON: {name: "json"}, kindXML: {name: "xml"},
	kindLtree: {"ltree", "ltree", "text"}, kindTsvector: {name: "tsvector"}, kindPoint: {name: "point"}, kindLine: {name: "line"}, kindCircle: {name: "circle"},
	kindDoubleVector: {"vector", "vector", "double precision[]"}, kindFloatVector: {"halfvec", "halfvec", "real[]"}, kindSparseVector: {"sparsevec", "sparsevec", "jsonb"},
	kindStructDate: {name: "date"}, kindStructTime: {name: "time"}, kindStructStamp: {name: "timestamp"}, kindStructZonedTime: {name: "timetz"},
	kindStructZonedStamp: {name: "timestamptz"}, kindStructDuration: {name: "interval"}, kindMap: {"hstore", "hstore", "jsonb"}, kindStruct: {name: "jsonb"},
}

// propagated are types of the source that Debezium tells by column type propagation and that its schemas do not show. Those of
// extensions are looked for.
var propagated = map[string]pgType{
	"inet": {name: "inet"}, "cidr": {name: "cidr"}, "macaddr": {name: "macaddr"}, "macaddr8": {name: "macaddr8"}, "oid": {name: "oid"}, "money": {name: "money"},
	"int4range": {name: "int4range"}, "int8range": {name: "int8range"}, "numrange": {name: "numrange"}, "daterange": {name: "daterange"},
	"tsrange": {name: "tsrange"}, "tstzrange": {name: "tstzrange"}, "jsonb": {name: "jsonb"}, "citext": {"citext", "citext", "text"},
	"varbit": {name: "bit varying"}, "interval": {name: "interval"}, "tsquery": {name: "tsquery"}, "pg_lsn": {name: "pg_lsn"},
}

// createType is the type of a column to be created: the one whose values the schema describes.
func createType(c *column, postgis string) pgType {
	return typeFor(c.createSchema(), c.createKind(), postgis)
}

func typeFor(s *schema.Schema, k kind, postgis string) pgType {
	source, length := sourceType(s)
	if t, ok := propagated[source]; ok && (s.Type == schema.String || s.Type == schema.Bytes || source == "oid" || source == "interval") {
		return t
	}
	if k == kindText && length > 0 && length <= 10485760 {
		switch source {
		case "varchar", "character varying":
			return pgType{name: fmt.Sprintf("varchar(%d)", length)}
		case "bpchar", "char", "character":
			return pgType{name: fmt.Sprintf("char(%d)", length)}
		}
	}
	switch k {
	case kindInt:
		return pgType{name: map[schema.Type]string{schema.Int8: "smallint", schema.Int16: "smallint", schema.Int32: "integer", schema.Int64: "bigint"}[s.Type]}
	case kindFloat:
		if s.Type == schema.Float32 {
			return pgType{name: "real"}
		}
		return pgType{name: "double precision"}
	case kindDecimal:
		return pgType{name: decimalType(s)}
	case kindBits:
		n, err := strconv.Atoi(s.Parameter("length"))
		if err != nil || n <= 0 || n > 83886080 { // the server's limit; 2147483647 says there is none
			return pgType{name: "bit varying"}
		}
		return pgType{name: fmt.Sprintf("bit(%d)", n)}
	case kindGeometry, kindGeography:
		name := "geometry"
		if k == kindGeography {
			name = "geography"
		}
		full := dialect.QuotePostgres(postgis) + "." + name
		return pgType{full, full, "bytea"}
	case kindArray:
		return arrayType(s, postgis)
	}
	return createKinds[k]
}

func decimalType(s *schema.Schema) string {
	precision, err := strconv.Atoi(s.Parameter(schema.PrecisionParameter))
	scale := scaleOf(s)
	if err != nil || precision < 1 || precision > 1000 || scale < 0 || scale > precision {
		return "numeric"
	}
	return fmt.Sprintf("numeric(%d,%d)", precision, scale)
}

// arrayType is an array of the element's type. Arrays of what is no column type by itself become documents.
func arrayType(s *schema.Schema, postgis string) pgType {
	k := kindOf(s.Elem)
	if k == kindArray || k == kindStruct || k == kindMap {
		return pgType{name: "jsonb"}
	}
	e := typeFor(s.Elem, k, postgis)
	if e.instead == "" {
		return pgType{name: e.name + "[]"}
	}
	if strings.HasSuffix(e.instead, "[]") || e.instead == "jsonb" {
		return pgType{e.name + "[]", e.extension, "jsonb"}
	}
	return pgType{e.name + "[]", e.extension, e.instead + "[]"}
}

// defaultClause is the column's default when it is a plain value. Defaults that Debezium makes up for expressions (now(),
// nextval(…), gen_random_uuid()) are zeros of their types: a zero is left out, for it is not what the source would do.
func defaultClause(c *column, typ string) string {
	d := c.createSchema().Default
	if d == nil || d.IsNull() {
		return ""
	}
	switch c.createKind() {
	case kindBool:
		return " DEFAULT " + strconv.FormatBool(d.Bool())
	case kindInt, kindFloat, kindDecimal, kindDate, kindTimeMillis, kindTimeMicros, kindTimeNanos, kindStampMillis, kindStampMicros, kindStampNanos,
		kindText, kindJSON, kindZonedStamp, kindInterval:
		if isZero(*d) && !c.plain {
			return ""
		}
	default:
		return ""
	}
	value := *d
	if c.made != nil {
		value = c.made(value)
	}
	text, err := appendText(nil, value, c.createSchema(), c.createKind(), 0)
	if err != nil {
		return ""
	}
	return " DEFAULT " + dialect.LiteralPostgres(string(text)) + "::" + typ
}

// isZero tells a type's zero.
func isZero(v schema.Value) bool {
	switch v.Type() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return v.Int() == 0
	case schema.Float32, schema.Float64:
		return v.Float64() == 0
	case schema.String:
		t := v.Text()
		return t == "" || t == "{}" || strings.HasPrefix(t, "1970-01-01T00:00:00")
	case schema.Bytes:
		for _, b := range v.Bytes() {
			if b != 0 {
				return false
			}
		}
		return true
	}
	return false
}

// tooLong tells whether a text is longer than its column takes.
func tooLong(v schema.Value, target *tableColumn) bool {
	if target.modifier < 4 || target.typeID != oidVarchar && target.typeID != oidBpchar || v.Type() != schema.String {
		return false
	}
	limit := int(target.modifier) - 4 // the length word's
	text := strings.TrimRight(v.Text(), " ")
	return len(text) > limit && len([]rune(text)) > limit
}

// shortValue shows a value in a message.
func shortValue(v schema.Value, s *schema.Schema) string {
	text, err := appendText(nil, v, s, kindOf(s), 0)
	if err != nil {
		return "of type " + v.Type().String()
	}
	return shorten(string(text))
}
