package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// sqliteCase is a value, and what it is in a column created for it, or in one of type into: SQLite's own type of it and its text, with an X
// before the digits of a blob.
type sqliteCase struct {
	name   string
	schema *schema.Schema
	value  schema.Value
	typ    string // of the created column
	into   string
	want   string
	refuse string
}

func sqliteTypes() []sqliteCase {
	micro, zoned := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.String, "time.ZonedTimestamp")
	date, bytes := logicalOf(schema.Int32, "time.Date"), typed(schema.Bytes, "")
	return []sqliteCase{
		{name: "int8", schema: typed(schema.Int8, ""), value: schema.OfInt8(-7), typ: "INTEGER", want: "integer -7"},
		{name: "int64", schema: typed(schema.Int64, ""), value: i64(math.MinInt64), typ: "INTEGER", want: "integer -9223372036854775808"},
		{name: "float32", schema: typed(schema.Float32, ""), value: schema.OfFloat32(0.1), typ: "REAL", want: "real 0.1"},
		{name: "float64", schema: typed(schema.Float64, ""), value: schema.OfFloat64(1.5e300), typ: "REAL", want: "real 1.5e+300"},
		{name: "float64 -Infinity", schema: typed(schema.Float64, ""), value: schema.OfFloat64(math.Inf(-1)), typ: "REAL", want: "real -Inf"},
		{name: "NaN", schema: typed(schema.Float64, ""), value: schema.OfFloat64(math.NaN()), refuse: "no such number"},
		{name: "boolean", schema: typed(schema.Boolean, ""), value: schema.OfBool(true), typ: "INTEGER", want: "integer 1"},
		{name: "string", schema: stringOf(), value: str("ünï\"'\\🚲"), typ: "TEXT", want: "text ünï\"'\\🚲"},
		{name: "empty string", schema: stringOf(), value: str(""), typ: "TEXT", want: "text "},
		{name: "digits in a string", schema: stringOf(), value: str("007"), typ: "TEXT", want: "text 007"},
		{name: "bytes", schema: bytes, value: schema.OfBytes([]byte{0, 255}), typ: "BLOB", want: "blob X00FF"},
		{name: "no bytes", schema: bytes, value: schema.OfBytes([]byte{}), typ: "BLOB", want: "blob X"},
		{name: "decimal", schema: decimalSchema("10", "2"), value: decimalOf(-123456), typ: "NUMERIC", want: "real -1234.56"},
		{name: "whole decimal", schema: decimalSchema("10", "2"), value: decimalOf(-123400), typ: "NUMERIC", want: "integer -1234"},
		{name: "decimal of many digits", schema: decimalSchema("38", "2"), value: twosComplement("-12345678901234567890123456789012345678"), typ: "TEXT", want: "text -123456789012345678901234567890123456.78"},
		{name: "variable scale", schema: variableScale, value: structValue(variableScale, i32(7), twosComplement("1234567890123")), typ: "TEXT", want: "text 123456.7890123"},
		{name: "date", schema: date, value: i32(17000), typ: "DATE", want: "text 2016-07-18"},
		{name: "time", schema: logicalOf(schema.Int32, "time.Time"), value: i32(49890123), typ: "TIME", want: "text 13:51:30.123000"},
		{name: "micro timestamp", schema: micro, value: i64(1478267490123456), typ: "DATETIME", want: "text 2016-11-04 13:51:30.123456"},
		{name: "micro timestamp infinity", schema: micro, value: i64(math.MaxInt64), typ: "DATETIME", want: "text infinity"},
		{name: "zoned timestamp", schema: zoned, value: str("2020-04-01T11:51:02.123456Z"), typ: "DATETIME", want: "text 2020-04-01T11:51:02.123456Z"},
		{name: "iso date", schema: logicalOf(schema.String, "time.IsoDate"), value: str("2016-11-04Z"), typ: "DATE", want: "text 2016-11-04"},
		{name: "duration", schema: logicalOf(schema.Int64, "time.MicroDuration"), value: i64(5), typ: "INTEGER", want: "integer 5"},
		{name: "uuid", schema: logicalOf(schema.String, "data.Uuid"), value: str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), typ: "TEXT", want: "text a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{name: "json", schema: logicalOf(schema.String, "data.Json"), value: str(`{"a":1}`), typ: "TEXT", want: `text {"a":1}`},
		{name: "bits", schema: typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), value: schema.OfBytes([]byte{3}), typ: "TEXT", want: "text 00011"},
		{name: "geometry", schema: geometry, value: structValue(geometry, schema.OfBytes([]byte{1, 7}), schema.NullValue, schema.NullValue), typ: "BLOB", want: "blob X0107"},
		{name: "line", schema: lineSchema, value: structValue(lineSchema, schema.OfFloat64(1), schema.OfFloat64(2), schema.OfFloat64(3)), typ: "TEXT", want: `text {"a":1,"b":2,"c":3}`},
		{name: "array", schema: arrayOf(optional(int32Of())), value: schema.OfArray([]schema.Value{i32(1), schema.NullValue}), typ: "TEXT", want: "text [1,null]"},
		{name: "map", schema: mapOf(stringOf(), nullable()), value: schema.OfMap([]schema.Entry{{Key: str("k"), Value: str("v")}}), typ: "TEXT", want: `text {"k":"v"}`},
		{name: "struct", schema: plain, value: structValue(plain, str("x"), i32(5)), typ: "TEXT", want: `text {"s":"x","n":5}`},

		{name: "int into text", schema: int32Of(), value: i32(5), into: "TEXT", want: "text 5"},
		{name: "text into int", schema: stringOf(), value: str("12"), into: "INTEGER", want: "integer 12"},
		{name: "decimal into text", schema: decimalSchema("10", "2"), value: decimalOf(-5), into: "VARCHAR(10)", want: "text -0.05"},
		{name: "decimal of 16 digits into numeric", schema: decimalSchema("38", "2"), value: decimalOf(1234567890123456), into: "DECIMAL(38,2)", refuse: "more than 15 digits"},
		{name: "whole decimal of 18 digits into numeric", schema: decimalSchema("38", "2"), value: decimalOf(123456789012345600), into: "DECIMAL(38,2)", want: "integer 1234567890123456"},
		{name: "date into int", schema: date, value: i32(5), into: "INTEGER", want: "integer 5"},
		{name: "date into text", schema: date, value: i32(1), into: "TEXT", want: "text 1970-01-02"},
		{name: "timestamp into int", schema: micro, value: i64(77), into: "BIGINT", want: "integer 77"},
		{name: "bytes into text", schema: bytes, value: schema.OfBytes([]byte("a")), into: "TEXT", want: "blob X61"},
		{name: "check", schema: int32Of(), value: i32(7), into: "INTEGER CHECK (c < 5)", refuse: "CHECK"},
		{name: "not null", schema: optional(int32Of()), value: schema.NullValue, into: "INTEGER NOT NULL", refuse: `column "c", value NULL`},
	}
}

func TestTypesSQLite(t *testing.T) {
	d := newSQLiteDatabase(t)
	for i, c := range sqliteTypes() {
		t.Run(c.name, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			if c.into != "" {
				d.exec("CREATE TABLE " + table + " (id INTEGER PRIMARY KEY, c " + c.into + ")")
			}
			s := newSource(table, 1, field("id", int32Of()), field("c", c.schema))
			task := d.task()
			open(t, task, s.topic)
			err := task.Put(context.Background(), []sink.Record{s.create(i32(1), c.value)})
			if c.refuse != "" {
				var rows RowErrors
				if !errors.As(err, &rows) || !strings.Contains(err.Error(), c.refuse) {
					t.Errorf("Put = %v, want the row refused with %q", err, c.refuse)
				}
				return
			}
			if err != nil {
				t.Fatalf("Put = %v", err)
			}
			put(t, task, s.update(i32(1), c.value))
			if typ := strings.TrimSuffix(d.rows("SELECT type FROM pragma_table_info(?) WHERE name = 'c'", table), "\n"); c.typ != "" && typ != c.typ {
				t.Errorf("column type = %s, want %s", typ, c.typ)
			}
			got := strings.TrimSuffix(d.rows("SELECT typeof(c) || ' ' || iif(typeof(c) = 'blob', 'X' || hex(c), CAST(c AS TEXT)) FROM "+table), "\n")
			if got != c.want {
				t.Errorf("value = %s, want %s", got, c.want)
			}
		})
	}
}

// A STRICT table refuses what is not of a column's type.
func TestStrictTableSQLite(t *testing.T) {
	d := newSQLiteDatabase(t)
	d.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, a ANY) STRICT")
	s := newSource("t", 1, field("id", int32Of()), field("n", stringOf()), field("a", stringOf()))
	task := d.task()
	open(t, task, s.topic)
	put(t, task, s.create(i32(1), str("5"), str("007")))
	if got, want := d.rows("SELECT typeof(n), n, typeof(a), a FROM t"), "integer|5|text|007\n"; got != want {
		t.Errorf("row = %s, want %s", got, want)
	}
	err := task.Put(context.Background(), []sink.Record{s.create(i32(2), str("five"), str(""))})
	var rows RowErrors
	if !errors.As(err, &rows) || !strings.Contains(err.Error(), "t.n") {
		t.Errorf("Put of a text into an INTEGER column = %v, want the row refused", err)
	}
}

// What Confluent's connector makes and writes on SQLite: NUMERIC for dates, which are milliseconds as the JVM's driver has them by default.
func TestConfluentTypesSQLite(t *testing.T) {
	stamp, day, clock := typed(schema.Int64, schema.TimestampName), typed(schema.Int32, schema.DateName), typed(schema.Int32, schema.TimeName)
	for query, want := range map[string]string{
		"":                        "integer|86400000|integer|1478267490123|integer|1000|real|1.25\n",
		"?date_precision=SECONDS": "integer|86400|integer|1478267490|integer|1|real|1.25\n",
		"?date_class=TEXT":        "text|1970-01-02 00:00:00.000|text|2016-11-04 13:51:30.123|text|1970-01-01 00:00:01.000|real|1.25\n",
		"?date_class=REAL":        "real|2440588.5|real|2457697.0774319791|real|2440587.500011574|real|1.25\n",
	} {
		d := newSQLiteDatabase(t)
		r := &modelRun{t: t, m: &model{flat: true, rng: rand.New(rand.NewPCG(1, 1))}, target: modelTarget{url: d.jdbc + query}}
		task := r.newTask()
		s := newSource("t", 1, field("id", int32Of()), field("d", day), field("s", stamp), field("c", clock), field("n", decimalSchema("10", "2")))
		open(t, task, s.topic)
		row := []schema.Value{i32(1), i32(1), i64(1478267490123), i32(1000), decimalOf(125)}
		record := s.record(s.keyValue(row), schema.OfStruct(&schema.StructValue{Schema: s.row, Values: row}))
		record.ValueSchema = s.row
		put(t, task, record)
		if got := d.rows("SELECT typeof(d), CAST(d AS TEXT), typeof(s), CAST(s AS TEXT), typeof(c), CAST(c AS TEXT), typeof(n), CAST(n AS TEXT) FROM t"); got != want {
			t.Errorf("%s: row = %s, want %s", query, got, want)
		}
		if got, want := d.rows("SELECT group_concat(type) FROM pragma_table_info('t')"), "INTEGER,NUMERIC,NUMERIC,NUMERIC,NUMERIC\n"; got != want {
			t.Errorf("types = %s, want %s", got, want)
		}
	}
}
