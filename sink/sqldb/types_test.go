package sqldb

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

func logicalOf(t schema.Type, name string) *schema.Schema { return typed(t, "io.debezium."+name) }

func structOf(name string, fields ...schema.Field) *schema.Schema {
	return &schema.Schema{Type: schema.Struct, Name: name, Fields: fields}
}

func structValue(s *schema.Schema, values ...schema.Value) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: values})
}

func arrayOf(e *schema.Schema) *schema.Schema { return &schema.Schema{Type: schema.Array, Elem: e} }

func mapOf(k, e *schema.Schema) *schema.Schema {
	return &schema.Schema{Type: schema.Map, Key: k, Elem: e}
}

func twosComplement(text string) schema.Value {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic(text)
	}
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return schema.OfBytes(b)
	}
	size := n.BitLen()/8 + 1
	return schema.OfBytes(new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size)*8)).FillBytes(make([]byte, size)))
}

var (
	variableScale = structOf("io.debezium.data.VariableScaleDecimal", field("scale", int32Of()), field("value", typed(schema.Bytes, "")))
	pointSchema   = structOf("io.debezium.data.geometry.Point", field("x", typed(schema.Float64, "")), field("y", typed(schema.Float64, "")),
		field("wkb", optional(typed(schema.Bytes, ""))), field("srid", optional(int32Of())))
	lineSchema = structOf("io.debezium.data.geometry.Line", field("a", typed(schema.Float64, "")), field("b", typed(schema.Float64, "")), field("c", typed(schema.Float64, "")))
	circle     = structOf("io.debezium.data.geometry.Circle", field("center", pointSchema), field("radius", typed(schema.Float64, "")))
	geometry   = structOf("io.debezium.data.geometry.Geometry", field("wkb", typed(schema.Bytes, "")), field("srid", optional(int32Of())),
		field("extensions", optional(mapOf(stringOf(), stringOf()))))
	sparse     = structOf("io.debezium.data.SparseDoubleVector", field("dimensions", typed(schema.Int16, "")), field("vector", mapOf(typed(schema.Int16, ""), typed(schema.Float64, ""))))
	structDate = structOf("io.debezium.time.StructuredDate", field("year", int32Of()), field("month", typed(schema.Int8, "")), field("day", typed(schema.Int8, "")), field("specialValue", nullable()))
	zonedStamp = structOf("io.debezium.time.StructuredZonedTimestamp", field("year", int32Of()), field("month", typed(schema.Int8, "")), field("day", typed(schema.Int8, "")),
		field("hour", typed(schema.Int8, "")), field("minute", typed(schema.Int8, "")), field("second", typed(schema.Int8, "")), field("nanos", int32Of()),
		field("offsetSeconds", int32Of()), field("zoneId", nullable()), field("specialValue", nullable()), field("precision", int32Of()))
	duration = structOf("io.debezium.time.StructuredDuration", field("years", int32Of()), field("months", int32Of()), field("days", int32Of()), field("hours", int32Of()),
		field("minutes", int32Of()), field("seconds", typed(schema.Int64, "")), field("nanos", int32Of()), field("precision", int32Of()))
	plain = structOf("p", field("s", stringOf()), field("n", int32Of()))
)

func point(x, y float64) schema.Value {
	return structValue(pointSchema, schema.OfFloat64(x), schema.OfFloat64(y), schema.NullValue, schema.NullValue)
}

func strs(s ...string) schema.Value {
	var a []schema.Value
	for _, e := range s {
		if e == "NULL" {
			a = append(a, schema.NullValue)
		} else {
			a = append(a, str(e))
		}
	}
	return schema.OfArray(a)
}

// typeCase is a value, and what it is in a column created for it, or in one of type into.
type typeCase struct {
	name   string
	schema *schema.Schema
	value  schema.Value
	typ    string // of the created column
	into   string // existing column's type; then typ is not looked at
	want   string // text in the column
}

func i64(n int64) schema.Value { return schema.OfInt64(n) }

func createdTypes() []typeCase {
	micro, milli, nano := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.Int64, "time.Timestamp"), logicalOf(schema.Int64, "time.NanoTimestamp")
	zoned, date := logicalOf(schema.String, "time.ZonedTimestamp"), logicalOf(schema.Int32, "time.Date")
	return []typeCase{
		{name: "int8", schema: typed(schema.Int8, ""), value: schema.OfInt8(-7), typ: "smallint", want: "-7"},
		{name: "int16", schema: typed(schema.Int16, ""), value: schema.OfInt16(math.MinInt16), typ: "smallint", want: "-32768"},
		{name: "int32", schema: int32Of(), value: i32(math.MaxInt32), typ: "integer", want: "2147483647"},
		{name: "int64", schema: typed(schema.Int64, ""), value: i64(math.MinInt64), typ: "bigint", want: "-9223372036854775808"},
		{name: "float32", schema: typed(schema.Float32, ""), value: schema.OfFloat32(0.1), typ: "real", want: "0.1"},
		{name: "float64", schema: typed(schema.Float64, ""), value: schema.OfFloat64(5e-324), typ: "double precision", want: "5e-324"},
		{name: "float64 NaN", schema: typed(schema.Float64, ""), value: schema.OfFloat64(math.NaN()), typ: "double precision", want: "NaN"},
		{name: "float64 -Infinity", schema: typed(schema.Float64, ""), value: schema.OfFloat64(math.Inf(-1)), typ: "double precision", want: "-Infinity"},
		{name: "boolean", schema: typed(schema.Boolean, ""), value: schema.OfBool(true), typ: "boolean", want: "true"},
		{name: "string", schema: stringOf(), value: str("ünï\"'\\,{}"), typ: "text", want: "ünï\"'\\,{}"},
		{name: "empty string", schema: stringOf(), value: str(""), typ: "text", want: ""},
		{name: "bytes", schema: typed(schema.Bytes, ""), value: schema.OfBytes([]byte{0, 255, '\\'}), typ: "bytea", want: `\x00ff5c`},
		{name: "decimal", schema: decimalSchema("10", "2"), value: decimalOf(-123456), typ: "numeric(10,2)", want: "-1234.56"},
		{name: "decimal of zero", schema: decimalSchema("10", "2"), value: decimalOf(0), typ: "numeric(10,2)", want: "0.00"},
		{name: "decimal 0.0001", schema: decimalSchema("10", "4"), value: decimalOf(1), typ: "numeric(10,4)", want: "0.0001"},
		{name: "decimal 10000", schema: decimalSchema("10", "0"), value: decimalOf(100000000), typ: "numeric(10,0)", want: "100000000"},
		{name: "decimal without precision", schema: typed(schema.Bytes, schema.DecimalName, "scale", "3"), value: decimalOf(math.MaxInt64), typ: "numeric", want: "9223372036854775.807"},
		{name: "decimal of many digits", schema: typed(schema.Bytes, schema.DecimalName, "scale", "5"), value: twosComplement("-123456789012345678901234567890123456789000000"), typ: "numeric", want: "-1234567890123456789012345678901234567890.00000"},
		{name: "decimal of negative scale", schema: typed(schema.Bytes, schema.DecimalName, "scale", "-2"), value: decimalOf(12), typ: "numeric", want: "1200"},
		{name: "variable scale", schema: variableScale, value: structValue(variableScale, i32(7), twosComplement("1234567890123")), typ: "numeric", want: "123456.7890123"},
		{name: "variable scale small", schema: variableScale, value: structValue(variableScale, i32(30), twosComplement("-1")), typ: "numeric", want: "-0.000000000000000000000000000001"},
		{name: "date", schema: date, value: i32(17000), typ: "date", want: "2016-07-18"},
		{name: "date before the era", schema: date, value: i32(-735504), typ: "date", want: "0045-04-05 BC"},
		{name: "date infinity", schema: date, value: i32(2146033979), typ: "date", want: "infinity"},
		{name: "date -infinity of a snapshot", schema: date, value: i32(-625821272), typ: "date", want: "-infinity"},
		{name: "connect date", schema: typed(schema.Int32, schema.DateName), value: i32(-1), typ: "date", want: "1969-12-31"},
		{name: "time", schema: logicalOf(schema.Int32, "time.Time"), value: i32(49890123), typ: "time without time zone", want: "13:51:30.123"},
		{name: "micro time 24:00", schema: logicalOf(schema.Int64, "time.MicroTime"), value: i64(86400000000), typ: "time without time zone", want: "24:00:00"},
		{name: "nano time", schema: logicalOf(schema.Int64, "time.NanoTime"), value: i64(49890123456789), typ: "time without time zone", want: "13:51:30.123456"},
		{name: "timestamp", schema: milli, value: i64(-1), typ: "timestamp without time zone", want: "1969-12-31 23:59:59.999"},
		{name: "micro timestamp", schema: micro, value: i64(1478267490123456), typ: "timestamp without time zone", want: "2016-11-04 13:51:30.123456"},
		{name: "micro timestamp infinity", schema: micro, value: i64(math.MaxInt64), typ: "timestamp without time zone", want: "infinity"},
		{name: "timestamp infinity", schema: milli, value: i64(9223372036825200000), typ: "timestamp without time zone", want: "infinity"},
		{name: "timestamp -infinity", schema: milli, value: i64(-9223372036832400000), typ: "timestamp without time zone", want: "-infinity"},
		{name: "nano timestamp", schema: nano, value: i64(-1), typ: "timestamp without time zone", want: "1969-12-31 23:59:59.999999"},
		{name: "micro timestamp before the era", schema: micro, value: i64(-62198755200000000), typ: "timestamp without time zone", want: "0002-01-01 00:00:00 BC"},
		{name: "zoned timestamp", schema: zoned, value: str("2020-04-01T11:51:02.123456Z"), typ: "timestamp with time zone", want: "2020-04-01 11:51:02.123456+00"},
		{name: "zoned timestamp with offset", schema: zoned, value: str("2020-04-01T11:51:02+02:30"), typ: "timestamp with time zone", want: "2020-04-01 09:21:02+00"},
		{name: "zoned timestamp of a far year", schema: zoned, value: str("+21016-11-04T06:51:30.123456Z"), typ: "timestamp with time zone", want: "21016-11-04 06:51:30.123456+00"},
		{name: "zoned timestamp before the era", schema: zoned, value: str("-4713-12-31T23:59:59.999999Z"), typ: "timestamp with time zone", want: "4714-12-31 23:59:59.999999+00 BC"},
		{name: "zoned timestamp infinity", schema: zoned, value: str("infinity"), typ: "timestamp with time zone", want: "infinity"},
		{name: "zoned time", schema: logicalOf(schema.String, "time.ZonedTime"), value: str("11:51:30.123789Z"), typ: "time with time zone", want: "11:51:30.123789+00"},
		{name: "iso date", schema: logicalOf(schema.String, "time.IsoDate"), value: str("2016-11-04Z"), typ: "date", want: "2016-11-04"},
		{name: "iso time", schema: logicalOf(schema.String, "time.IsoTime"), value: str("13:51:30.5Z"), typ: "time without time zone", want: "13:51:30.5"},
		{name: "iso timestamp", schema: logicalOf(schema.String, "time.IsoTimestamp"), value: str("2016-11-04T13:51:30.123456Z"), typ: "timestamp without time zone", want: "2016-11-04 13:51:30.123456"},
		{name: "interval", schema: logicalOf(schema.String, "time.Interval"), value: str("P1Y2M-3DT4H5M6.78S"), typ: "interval", want: "1 year 2 mons -3 days +04:05:06.78"},
		{name: "micro duration", schema: logicalOf(schema.Int64, "time.MicroDuration"), value: i64(37091106780000), typ: "interval", want: "10303:05:06.78"},
		{name: "uuid", schema: logicalOf(schema.String, "data.Uuid"), value: str("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"), typ: "uuid", want: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{name: "json", schema: logicalOf(schema.String, "data.Json"), value: str(`{"b": 1,  "a":[]}`), typ: "json", want: `{"b": 1,  "a":[]}`},
		{name: "xml", schema: logicalOf(schema.String, "data.Xml"), value: str("<a>1</a>"), typ: "xml", want: "<a>1</a>"},
		{name: "enum", schema: logicalOf(schema.String, "data.Enum"), value: str("open"), typ: "text", want: "open"},
		{name: "tsvector", schema: logicalOf(schema.String, "data.Tsvector"), value: str("'a':1 'b':2"), typ: "tsvector", want: "'a':1 'b':2"},
		{name: "ltree without the extension", schema: logicalOf(schema.String, "data.Ltree"), value: str("a.b"), typ: "text", want: "a.b"},
		{name: "bits", schema: typed(schema.Bytes, "io.debezium.data.Bits", "length", "10"), value: schema.OfBytes([]byte{0x05}), typ: "bit(10)", want: "0000000101"},
		{name: "bits of any length", schema: typed(schema.Bytes, "io.debezium.data.Bits", "length", "2147483647"), value: schema.OfBytes([]byte{0x00, 0x02}), typ: "bit varying", want: "1000000000"},
		{name: "point", schema: pointSchema, value: point(1, 2.5), typ: "point", want: "(1,2.5)"},
		{name: "line", schema: lineSchema, value: structValue(lineSchema, schema.OfFloat64(1), schema.OfFloat64(2), schema.OfFloat64(3)), typ: "line", want: "{1,2,3}"},
		{name: "circle", schema: circle, value: structValue(circle, point(10, 20), schema.OfFloat64(10)), typ: "circle", want: "<(10,20),10>"},
		{name: "geometry without PostGIS", schema: geometry, value: structValue(geometry, schema.OfBytes([]byte{1, 7}), schema.NullValue, schema.NullValue), typ: "bytea", want: `\x0107`},
		{name: "vector without the extension", schema: &schema.Schema{Type: schema.Array, Name: "io.debezium.data.DoubleVector", Elem: typed(schema.Float64, "")},
			value: schema.OfArray([]schema.Value{schema.OfFloat64(1), schema.OfFloat64(0.5)}), typ: "double precision[]", want: "{1,0.5}"},
		{name: "structured date", schema: structDate, value: structValue(structDate, i32(-43), schema.OfInt8(3), schema.OfInt8(15), schema.NullValue), typ: "date", want: "0044-03-15 BC"},
		{name: "structured date infinity", schema: structDate, value: structValue(structDate, schema.NullValue, schema.NullValue, schema.NullValue, str("POSITIVE_INFINITY")), typ: "date", want: "infinity"},
		{name: "structured zoned timestamp", schema: zonedStamp, value: structValue(zonedStamp, i32(2016), schema.OfInt8(11), schema.OfInt8(4), schema.OfInt8(13), schema.OfInt8(51), schema.OfInt8(30), i32(120000000), i32(7200), str("Z"), schema.NullValue, i32(3)),
			typ: "timestamp with time zone", want: "2016-11-04 11:51:30.12+00"},
		{name: "structured duration", schema: duration, value: structValue(duration, i32(1), i32(2), i32(3), i32(4), i32(5), i64(-6), i32(-500000000), i32(6)), typ: "interval", want: "1 year 2 mons 3 days 04:04:53.5"},
		{name: "array of ints", schema: arrayOf(optional(int32Of())), value: schema.OfArray([]schema.Value{i32(1), schema.NullValue, i32(-3)}), typ: "integer[]", want: "{1,NULL,-3}"},
		{name: "empty array", schema: arrayOf(int32Of()), value: schema.OfArray(nil), typ: "integer[]", want: "{}"},
		{name: "array of texts", schema: arrayOf(nullable()), value: strs("a,b", `"q"\`, "NULL", "", "null"), typ: "text[]", want: `{"a,b","\"q\"\\",NULL,"","null"}`},
		{name: "array of decimals", schema: arrayOf(decimalSchema("6", "2")), value: schema.OfArray([]schema.Value{decimalOf(5), decimalOf(-100)}), typ: "numeric(6,2)[]", want: "{0.05,-1.00}"},
		{name: "array of dates", schema: arrayOf(date), value: schema.OfArray([]schema.Value{i32(0), i32(-735504)}), typ: "date[]", want: `{1970-01-01,"0045-04-05 BC"}`},
		{name: "array of timestamps", schema: arrayOf(micro), value: schema.OfArray([]schema.Value{i64(1478267490123456), i64(math.MinInt64)}), typ: "timestamp without time zone[]", want: `{"2016-11-04 13:51:30.123456",-infinity}`},
		{name: "array of zoned timestamps", schema: arrayOf(zoned), value: strs("2020-04-01T11:51:02.123456Z", "-4713-12-31T23:59:59Z", "+21016-11-04T06:51:30Z"), typ: "timestamp with time zone[]",
			want: `{"2020-04-01 11:51:02.123456+00","4714-12-31 23:59:59+00 BC","21016-11-04 06:51:30+00"}`},
		{name: "array of bytes", schema: arrayOf(typed(schema.Bytes, "")), value: schema.OfArray([]schema.Value{schema.OfBytes([]byte("a\\"))}), typ: "bytea[]", want: `{"\\x615c"}`},
		{name: "array of json", schema: arrayOf(logicalOf(schema.String, "data.Json")), value: strs(`{"a":"b"}`), typ: "json[]", want: `{"{\"a\":\"b\"}"}`},
		{name: "array of arrays", schema: arrayOf(arrayOf(int32Of())), value: schema.OfArray([]schema.Value{schema.OfArray([]schema.Value{i32(1)}), schema.OfArray(nil)}), typ: "jsonb", want: "[[1], []]"},
		{name: "map without hstore", schema: mapOf(stringOf(), nullable()), value: schema.OfMap([]schema.Entry{{Key: str("k\""), Value: str("v")}, {Key: str("n")}}), typ: "jsonb", want: `{"n": null, "k\"": "v"}`},
		{name: "struct", schema: plain, value: structValue(plain, str("x"), i32(5)), typ: "jsonb", want: `{"n": 5, "s": "x"}`},
		{name: "propagated varchar", schema: typed(schema.String, "", sourceTypeParameter, "VARCHAR", sourceLengthParameter, "40"), value: str("v"), typ: "character varying(40)", want: "v"},
		{name: "propagated inet", schema: typed(schema.String, "", sourceTypeParameter, "INET"), value: str("10.0.0.1/8"), typ: "inet", want: "10.0.0.1/8"},
		{name: "propagated tsrange", schema: typed(schema.String, "", sourceTypeParameter, "TSRANGE"), value: str(`["2019-03-31 15:30:00",infinity)`), typ: "tsrange", want: `["2019-03-31 15:30:00",infinity)`},
		{name: "propagated citext without the extension", schema: typed(schema.String, "", sourceTypeParameter, "CITEXT"), value: str("Ab"), typ: "text", want: "Ab"},
	}
}

func existingTypes() []typeCase {
	micro, zoned := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.String, "time.ZonedTimestamp")
	polygon := schema.OfBytes([]byte("\x01\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40"))
	return []typeCase{
		{name: "int into bigint", schema: int32Of(), value: i32(5), into: "bigint", want: "5"},
		{name: "long into int", schema: typed(schema.Int64, ""), value: i64(5), into: "int", want: "5"},
		{name: "int into numeric", schema: int32Of(), value: i32(-5), into: "numeric(8,3)", want: "-5.000"},
		{name: "int into text", schema: int32Of(), value: i32(5), into: "text", want: "5"},
		{name: "int into double", schema: int32Of(), value: i32(5), into: "float8", want: "5"},
		{name: "int into boolean", schema: int32Of(), value: i32(1), into: "boolean", want: "true"},
		{name: "int into oid", schema: typed(schema.Int64, ""), value: i64(4000000000), into: "oid", want: "4000000000"},
		{name: "boolean into int", schema: typed(schema.Boolean, ""), value: schema.OfBool(true), into: "int", want: "1"},
		{name: "boolean into bit", schema: typed(schema.Boolean, ""), value: schema.OfBool(true), into: "bit(1)", want: "1"},
		{name: "double into numeric", schema: typed(schema.Float64, ""), value: schema.OfFloat64(0.1), into: "numeric", want: "0.1"},
		{name: "double into real", schema: typed(schema.Float64, ""), value: schema.OfFloat64(0.1), into: "real", want: "0.1"},
		{name: "float into double", schema: typed(schema.Float32, ""), value: schema.OfFloat32(0.1), into: "float8", want: "0.1"},
		{name: "decimal into double", schema: decimalSchema("10", "2"), value: decimalOf(150), into: "float8", want: "1.5"},
		{name: "decimal into money", schema: decimalSchema("10", "2"), value: decimalOf(150), into: "money", want: "$1.50"},
		{name: "decimal into text", schema: decimalSchema("10", "2"), value: decimalOf(-5), into: "text", want: "-0.05"},
		{name: "text into int", schema: stringOf(), value: str(" 12 "), into: "int", want: "12"},
		{name: "text into varchar", schema: stringOf(), value: str("abc"), into: "varchar(3)", want: "abc"},
		{name: "text into char", schema: stringOf(), value: str("ab  "), into: "char(4)", want: "ab"},
		{name: "text into uuid", schema: stringOf(), value: str("{a0eebc999c0b4ef8bb6d6bb9bd380a11}"), into: "uuid", want: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{name: "text into jsonb", schema: stringOf(), value: str(`{"a":1}`), into: "jsonb", want: `{"a": 1}`},
		{name: "text into bytea", schema: stringOf(), value: str(`a\b`), into: "bytea", want: `\x615c62`},
		{name: "text into date", schema: stringOf(), value: str("2020-02-29"), into: "date", want: "2020-02-29"},
		{name: "text into inet", schema: stringOf(), value: str("::1"), into: "inet", want: "::1/128"},
		{name: "text into name", schema: stringOf(), value: str("n"), into: "name", want: "n"},
		{name: "json into jsonb", schema: logicalOf(schema.String, "data.Json"), value: str(`{"a":1}`), into: "jsonb", want: `{"a": 1}`},
		{name: "json into hstore", schema: logicalOf(schema.String, "data.Json"), value: str(`{"a\"":"b"}`), into: "text", want: `{"a\"":"b"}`},
		{name: "enum into enum", schema: logicalOf(schema.String, "data.Enum"), value: str("open"), into: "mood", want: "open"},
		{name: "text into domain", schema: stringOf(), value: str("12345"), into: "zip", want: "12345"},
		{name: "text into citext-like domain of domain", schema: stringOf(), value: str("12345"), into: "zip2", want: "12345"},
		{name: "bytes into text", schema: typed(schema.Bytes, ""), value: schema.OfBytes([]byte{1, 2}), into: "text", want: `\x0102`},
		{name: "date into timestamp", schema: logicalOf(schema.Int32, "time.Date"), value: i32(1), into: "timestamp", want: "1970-01-02 00:00:00"},
		{name: "date into text", schema: logicalOf(schema.Int32, "time.Date"), value: i32(1), into: "text", want: "1970-01-02"},
		{name: "date into int", schema: logicalOf(schema.Int32, "time.Date"), value: i32(1), into: "int", want: "1"},
		{name: "timestamp into date", schema: micro, value: i64(-1), into: "date", want: "1969-12-31"},
		{name: "timestamp into timestamptz", schema: micro, value: i64(0), into: "timestamptz", want: "1970-01-01 00:00:00+00"},
		{name: "timestamp into bigint", schema: micro, value: i64(77), into: "bigint", want: "77"},
		{name: "timestamp into text", schema: micro, value: i64(1478267490120000), into: "text", want: "2016-11-04 13:51:30.120000"},
		{name: "zoned timestamp into timestamp", schema: zoned, value: str("2020-04-01T11:51:02Z"), into: "timestamp(0)", want: "2020-04-01 11:51:02"},
		{name: "zoned timestamp into text", schema: zoned, value: str("2020-04-01T11:51:02Z"), into: "text", want: "2020-04-01T11:51:02Z"},
		{name: "zoned time into time", schema: logicalOf(schema.String, "time.ZonedTime"), value: str("11:51:30Z"), into: "time", want: "11:51:30"},
		{name: "micro duration into interval", schema: logicalOf(schema.Int64, "time.MicroDuration"), value: i64(-90000000), into: "interval", want: "-00:01:30"},
		{name: "bits into varbit", schema: typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), value: schema.OfBytes([]byte{3}), into: "varbit", want: "00011"},
		{name: "bits into a wider bit", schema: typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), value: schema.OfBytes([]byte{3}), into: "bit(8)", want: "00000011"},
		{name: "array into text[]", schema: arrayOf(int32Of()), value: schema.OfArray([]schema.Value{i32(1)}), into: "text[]", want: "{1}"},
		{name: "array into varchar[]", schema: arrayOf(stringOf()), value: strs("a"), into: "varchar(3)[]", want: "{a}"},
		{name: "array into jsonb", schema: arrayOf(stringOf()), value: strs("a"), into: "jsonb", want: `["a"]`},
		{name: "array into enum[]", schema: arrayOf(logicalOf(schema.String, "data.Enum")), value: strs("open"), into: "mood[]", want: "{open}"},
		{name: "struct into json", schema: plain, value: structValue(plain, str("x"), i32(5)), into: "json", want: `{"s":"x","n":5}`},
		{name: "struct into text", schema: plain, value: structValue(plain, str("x"), i32(5)), into: "text", want: `{"s":"x","n":5}`},
		{name: "geometry into polygon", schema: geometry, value: structValue(geometry, polygon, schema.NullValue, schema.NullValue), into: "polygon", want: "((1,2))"},
		{name: "sparse vector into text", schema: sparse, value: structValue(sparse, schema.OfInt16(5), schema.OfMap([]schema.Entry{{Key: schema.OfInt16(1), Value: schema.OfFloat64(0.5)}})), into: "text", want: "{1:0.5}/5"},
	}
}

// Every type as a column that the task makes, or as one that is there, in one row.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		name  string
		cases []typeCase
	}{{"created", createdTypes()}, {"existing", existingTypes()}} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			d.exec("CREATE TYPE mood AS ENUM ('open', 'closed'); CREATE DOMAIN zip AS varchar(5) CHECK (VALUE ~ '^[0-9]+$'); CREATE DOMAIN zip2 AS zip NOT NULL")
			fields := []schema.Field{field("id", int32Of())}
			row := []schema.Value{i32(1)}
			var ddl strings.Builder
			for i, tc := range c.cases {
				fields = append(fields, field(fmt.Sprintf("c%d", i), tc.schema))
				row = append(row, tc.value)
				fmt.Fprintf(&ddl, ", c%d %s", i, tc.into)
			}
			if c.name == "existing" {
				d.exec("CREATE TABLE t (id int PRIMARY KEY" + ddl.String() + ")")
			}
			s := newSource("t", 1, fields...)
			task := d.task()
			open(t, task, s.topic)
			put(t, task, s.create(row...))
			put(t, task, s.update(row...)) // what is there is overwritten by the same
			for i, tc := range c.cases {
				got := strings.TrimSuffix(d.rows(fmt.Sprintf("SELECT format_type(atttypid, atttypmod) || ' | ' || coalesce(c%d::text, 'NULL') FROM t, pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c%d'", i, i)), "\n")
				typ, text, _ := strings.Cut(got, " | ")
				if tc.into == "" && typ != tc.typ {
					t.Errorf("%s: column type = %s, want %s", tc.name, typ, tc.typ)
				}
				if text != tc.want {
					t.Errorf("%s: value = %s, want %s", tc.name, text, tc.want)
				}
			}
		})
	}
}
