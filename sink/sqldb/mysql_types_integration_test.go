//go:build integration

package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// mySQLCase is a typeCase whose column is shown by an expression, or whose value is refused.
type mySQLCase struct {
	typeCase
	show   string // with %s for the column; "": CAST(%s AS CHAR)
	refuse string // part of the error
}

func shownAs(show, name string, s *schema.Schema, v schema.Value, typ, want string) mySQLCase {
	return mySQLCase{typeCase: typeCase{name: name, schema: s, value: v, typ: typ, want: want}, show: show}
}

func madeAs(name string, s *schema.Schema, v schema.Value, typ, want string) mySQLCase {
	return shownAs("", name, s, v, typ, want)
}

func refusedAs(name string, s *schema.Schema, v schema.Value, into, refuse string) mySQLCase {
	return mySQLCase{typeCase: typeCase{name: name, schema: s, value: v, into: into}, refuse: refuse}
}

func into(name string, s *schema.Schema, v schema.Value, typ, want string) mySQLCase {
	return mySQLCase{typeCase: typeCase{name: name, schema: s, value: v, into: typ, want: want}}
}

func intoShown(show, name string, s *schema.Schema, v schema.Value, typ, want string) mySQLCase {
	c := into(name, s, v, typ, want)
	c.show = show
	return c
}

func wkbPoint(srid uint32) schema.Value { return schema.OfBytes(wkbSeed(srid)) }

func createdInMySQL() []mySQLCase {
	micro, milli, nano := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.Int64, "time.Timestamp"), logicalOf(schema.Int64, "time.NanoTimestamp")
	zoned, date := logicalOf(schema.String, "time.ZonedTimestamp"), logicalOf(schema.Int32, "time.Date")
	bytes := typed(schema.Bytes, "")
	vector := &schema.Schema{Type: schema.Array, Name: "io.debezium.data.DoubleVector", Elem: typed(schema.Float64, "")}
	return []mySQLCase{
		madeAs("int8", typed(schema.Int8, ""), schema.OfInt8(-7), "tinyint(4)", "-7"),
		madeAs("int16", typed(schema.Int16, ""), schema.OfInt16(math.MinInt16), "smallint(6)", "-32768"),
		madeAs("int32", int32Of(), i32(math.MaxInt32), "int(11)", "2147483647"),
		madeAs("int64", typed(schema.Int64, ""), i64(math.MinInt64), "bigint(20)", "-9223372036854775808"),
		madeAs("float32", typed(schema.Float32, ""), schema.OfFloat32(0.1), "float", "0.1"),
		madeAs("float64", typed(schema.Float64, ""), schema.OfFloat64(-1.5e300), "double", "-1.5e300"),
		shownAs("%s", "float64 of 17 digits", typed(schema.Float64, ""), schema.OfFloat64(0.30000000000000004), "double", "0.30000000000000004"),
		madeAs("boolean", typed(schema.Boolean, ""), schema.OfBool(true), "tinyint(1)", "1"),
		madeAs("string", stringOf(), str("ünï\"'\\,{}\n漢🚲%_"), "longtext", "ünï\"'\\,{}\n漢🚲%_"),
		shownAs("HEX(%s)", "string with a null byte", stringOf(), str("a\x00b\x1a\r"), "longtext", "6100621A0D"),
		madeAs("empty string", stringOf(), str(""), "longtext", ""),
		shownAs("HEX(%s)", "bytes", bytes, schema.OfBytes([]byte{0, 255, '\\', '\'', 0xf0, 0x9f}), "longblob", "00FF5C27F09F"),
		shownAs("HEX(%s)", "no bytes", bytes, schema.OfBytes([]byte{}), "longblob", ""),
		madeAs("decimal", decimalSchema("10", "2"), decimalOf(-123456), "decimal(10,2)", "-1234.56"),
		madeAs("decimal of zero", decimalSchema("10", "2"), decimalOf(0), "decimal(10,2)", "0.00"),
		madeAs("decimal without precision", typed(schema.Bytes, schema.DecimalName, "scale", "3"), decimalOf(math.MaxInt64), "decimal(65,3)", "9223372036854775.807"),
		madeAs("decimal of many digits", typed(schema.Bytes, schema.DecimalName, "scale", "5"), twosComplement("-123456789012345678901234567890123456789012345678901234567890123456"[:66]), "decimal(65,5)", "-123456789012345678901234567890123456789012345678901234567890.12345"),
		madeAs("decimal of negative scale", typed(schema.Bytes, schema.DecimalName, "scale", "-2"), decimalOf(12), "decimal(65,0)", "1200"),
		madeAs("variable scale", variableScale, structValue(variableScale, i32(7), twosComplement("1234567890123")), "decimal(65,30)", "123456.789012300000000000000000000000"),
		madeAs("date", date, i32(17000), "date", "2016-07-18"),
		madeAs("connect date", typed(schema.Int32, schema.DateName), i32(-1), "date", "1969-12-31"),
		madeAs("time", logicalOf(schema.Int32, "time.Time"), i32(49890123), "time(3)", "13:51:30.123"),
		madeAs("micro time 24:00", logicalOf(schema.Int64, "time.MicroTime"), i64(86400000000), "time(6)", "24:00:00.000000"),
		madeAs("nano time", logicalOf(schema.Int64, "time.NanoTime"), i64(49890123456789), "time(6)", "13:51:30.123456"),
		madeAs("timestamp", milli, i64(-1), "datetime(3)", "1969-12-31 23:59:59.999"),
		madeAs("micro timestamp", micro, i64(1478267490123456), "datetime(6)", "2016-11-04 13:51:30.123456"),
		madeAs("nano timestamp", nano, i64(-1), "datetime(6)", "1969-12-31 23:59:59.999999"),
		madeAs("micro timestamp of the year 9999", micro, i64(253402300799999999), "datetime(6)", "9999-12-31 23:59:59.999999"),
		madeAs("zoned timestamp", zoned, str("2020-04-01T11:51:02.123456Z"), "datetime(6)", "2020-04-01 11:51:02.123456"),
		madeAs("zoned timestamp with offset", zoned, str("2020-04-01T11:51:02+02:30"), "datetime(6)", "2020-04-01 09:21:02.000000"),
		madeAs("zoned time", logicalOf(schema.String, "time.ZonedTime"), str("01:51:30.123789+02:00"), "time(6)", "23:51:30.123789"),
		madeAs("iso date", logicalOf(schema.String, "time.IsoDate"), str("2016-11-04Z"), "date", "2016-11-04"),
		madeAs("iso time", logicalOf(schema.String, "time.IsoTime"), str("13:51:30.5Z"), "time(6)", "13:51:30.500000"),
		madeAs("iso timestamp", logicalOf(schema.String, "time.IsoTimestamp"), str("2016-11-04T13:51:30.123456Z"), "datetime(6)", "2016-11-04 13:51:30.123456"),
		madeAs("interval", logicalOf(schema.String, "time.Interval"), str("P1Y2M-3DT4H5M6.78S"), "varchar(255)", "P1Y2M-3DT4H5M6.78S"),
		madeAs("micro duration", logicalOf(schema.Int64, "time.MicroDuration"), i64(37091106780000), "bigint(20)", "37091106780000"),
		madeAs("year", logicalOf(schema.Int32, "time.Year"), i32(2024), "year(4)", "2024"),
		madeAs("uuid", logicalOf(schema.String, "data.Uuid"), str("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
		madeAs("json", logicalOf(schema.String, "data.Json"), str(`{"b": 1,  "a":[]}`), "longtext", `{"b": 1,  "a":[]}`),
		madeAs("xml", logicalOf(schema.String, "data.Xml"), str("<a>1</a>"), "longtext", "<a>1</a>"),
		madeAs("enum", logicalOf(schema.String, "data.Enum"), str("open"), "longtext", "open"),
		shownAs("BIN(%s)", "bits", typed(schema.Bytes, "io.debezium.data.Bits", "length", "10"), schema.OfBytes([]byte{0x05, 0x02}), "bit(10)", "1000000101"),
		madeAs("bits of any length", typed(schema.Bytes, "io.debezium.data.Bits", "length", "2147483647"), schema.OfBytes([]byte{0x00, 0x02}), "longtext", "1000000000"),
		shownAs("ST_AsText(%s)", "point", pointSchema, point(1, 2.5), "point", "POINT(1 2.5)"),
		madeAs("line", lineSchema, structValue(lineSchema, schema.OfFloat64(1), schema.OfFloat64(2), schema.OfFloat64(3)), "longtext", `{"a":1,"b":2,"c":3}`),
		shownAs("CONCAT(ST_AsText(%[1]s), ' ', ST_SRID(%[1]s))", "geometry", geometry, structValue(geometry, wkbPoint(0), schema.NullValue, schema.NullValue), "geometry", "POINT(1 2.5) 0"),
		shownAs("CONCAT(ST_AsText(%[1]s), ' ', ST_SRID(%[1]s))", "geometry with an SRID", geometry, structValue(geometry, wkbPoint(4326), i32(4326), schema.NullValue), "geometry", "POINT(1 2.5) 4326"),
		madeAs("vector", vector, schema.OfArray([]schema.Value{schema.OfFloat64(1), schema.OfFloat64(0.5)}), "longtext", "[1,0.5]"),
		madeAs("structured date", structDate, structValue(structDate, i32(2044), schema.OfInt8(3), schema.OfInt8(15), schema.NullValue), "date", "2044-03-15"),
		madeAs("structured zoned timestamp", zonedStamp, structValue(zonedStamp, i32(2016), schema.OfInt8(11), schema.OfInt8(4), schema.OfInt8(13), schema.OfInt8(51), schema.OfInt8(30), i32(120000000), i32(7200), str("Z"), schema.NullValue, i32(3)),
			"datetime(6)", "2016-11-04 11:51:30.120000"),
		madeAs("array of ints", arrayOf(optional(int32Of())), schema.OfArray([]schema.Value{i32(1), schema.NullValue, i32(-3)}), "longtext", "[1,null,-3]"),
		madeAs("map", mapOf(stringOf(), nullable()), schema.OfMap([]schema.Entry{{Key: str("k\""), Value: str("v")}, {Key: str("n")}}), "longtext", `{"k\"":"v","n":null}`),
		madeAs("struct", plain, structValue(plain, str("x"), i32(5)), "longtext", `{"s":"x","n":5}`),
		madeAs("propagated varchar", typed(schema.String, "", sourceTypeParameter, "VARCHAR", sourceLengthParameter, "40"), str("v"), "varchar(40)", "v"),
	}
}

func existingInMySQL() []mySQLCase {
	micro, zoned := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.String, "time.ZonedTimestamp")
	bytes := typed(schema.Bytes, "")
	return []mySQLCase{
		into("int into bigint unsigned", int32Of(), i32(5), "bigint unsigned", "5"),
		into("long into int", typed(schema.Int64, ""), i64(5), "int", "5"),
		into("zero into auto_increment", typed(schema.Int64, ""), i64(0), "int AUTO_INCREMENT UNIQUE", "0"),
		into("int into decimal", int32Of(), i32(-5), "decimal(8,3)", "-5.000"),
		into("int into varchar", int32Of(), i32(5), "varchar(10)", "5"),
		into("int into double", int32Of(), i32(5), "double", "5"),
		intoShown("BIN(%s)", "int into bit", int32Of(), i32(5), "bit(4)", "101"),
		into("boolean into int", typed(schema.Boolean, ""), schema.OfBool(true), "int", "1"),
		intoShown("BIN(%s)", "boolean into bit", typed(schema.Boolean, ""), schema.OfBool(true), "bit(1)", "1"),
		into("boolean into text", typed(schema.Boolean, ""), schema.OfBool(true), "text", "true"),
		into("double into decimal", typed(schema.Float64, ""), schema.OfFloat64(0.5), "decimal(5,1)", "0.5"),
		into("whole double into int", typed(schema.Float64, ""), schema.OfFloat64(7), "int", "7"),
		refusedAs("double into int", typed(schema.Float64, ""), schema.OfFloat64(7.5), "int", "digits behind the point"),
		refusedAs("double into decimal of fewer digits", typed(schema.Float64, ""), schema.OfFloat64(0.55), "decimal(5,1)", "1265"),
		refusedAs("NaN", typed(schema.Float64, ""), schema.OfFloat64(math.NaN()), "double", "no such number"),
		into("decimal into double", decimalSchema("10", "2"), decimalOf(150), "double", "1.5"),
		into("decimal into int", decimalSchema("10", "2"), decimalOf(1500), "int", "15"),
		refusedAs("decimal with a fraction into int", decimalSchema("10", "2"), decimalOf(1550), "int", "digits behind the point"),
		into("decimal into fewer digits", decimalSchema("10", "4"), decimalOf(15500), "decimal(10,2)", "1.55"),
		refusedAs("decimal that does not fit into fewer digits", decimalSchema("10", "4"), decimalOf(15501), "decimal(10,2)", "digits behind the point"),
		into("decimal into text", decimalSchema("10", "2"), decimalOf(-5), "text", "-0.05"),
		into("text into int", stringOf(), str("12"), "int", "12"),
		refusedAs("text that is no number into int", stringOf(), str("12x"), "int", "1265"),
		into("text into varchar", stringOf(), str("äöü"), "varchar(3)", "äöü"),
		refusedAs("text that is too long", stringOf(), str("äöüß"), "varchar(3)", "1406"),
		refusedAs("text that latin1 does not have", stringOf(), str("漢"), "varchar(3) CHARACTER SET latin1", "1366"),
		into("text into char", stringOf(), str("ab  "), "char(4)", "ab"),
		into("text into json", stringOf(), str(`{"a":1}`), "json", `{"a":1}`),
		refusedAs("text that is no JSON", stringOf(), str(`{`), "json", "4025"),
		intoShown("HEX(%s)", "text into blob", stringOf(), str("a\\é"), "blob", "615CC3A9"),
		into("text into date", stringOf(), str("2020-02-29"), "date", "2020-02-29"),
		refusedAs("text that is no date", stringOf(), str("2021-02-29"), "date", "1292"),
		into("text into enum", stringOf(), str("open"), "enum('open','closed')", "open"),
		refusedAs("text into an enum without it", stringOf(), str("shut"), "enum('open','closed')", "1265"),
		into("text into set", stringOf(), str("a,b"), "set('a','b')", "a,b"),
		into("text into inet6", stringOf(), str("::1"), "inet6", "::1"),
		intoShown("HEX(%s)", "bytes into binary", bytes, schema.OfBytes([]byte{1, 2}), "binary(3)", "010200"),
		refusedAs("bytes that are too long", bytes, schema.OfBytes([]byte{1, 2, 3, 4}), "varbinary(3)", "1406"),
		into("bytes into text", bytes, schema.OfBytes([]byte("plain")), "text", "plain"),
		intoShown("HEX(%s)", "uuid into binary", logicalOf(schema.String, "data.Uuid"), str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "binary(16)", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
		into("uuid into char", logicalOf(schema.String, "data.Uuid"), str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "char(36)", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
		into("date into datetime", logicalOf(schema.Int32, "time.Date"), i32(1), "datetime", "1970-01-02 00:00:00"),
		into("date into text", logicalOf(schema.Int32, "time.Date"), i32(1), "text", "1970-01-02"),
		into("date into int", logicalOf(schema.Int32, "time.Date"), i32(1), "int", "1"),
		refusedAs("date before the era", logicalOf(schema.Int32, "time.Date"), i32(-735504), "date", "0 to 9999"),
		refusedAs("timestamp infinity", micro, i64(math.MaxInt64), "datetime(6)", "0 to 9999"),
		into("timestamp at midnight into date", micro, i64(-86400000000), "date", "1969-12-31"),
		refusedAs("timestamp into date", micro, i64(-1), "date", "1265"),
		into("timestamp into timestamp", micro, i64(1478267490123456), "timestamp(6) NULL", "2016-11-04 13:51:30.123456"),
		refusedAs("timestamp beyond timestamp's end", micro, i64(253402300799999999), "timestamp(6) NULL", "1292"),
		into("timestamp into bigint", micro, i64(77), "bigint", "77"),
		into("timestamp into text", micro, i64(1478267490120000), "text", "2016-11-04 13:51:30.120000"),
		into("zoned timestamp into timestamp", zoned, str("2020-04-01T11:51:02+01:00"), "timestamp NULL", "2020-04-01 10:51:02"),
		into("zoned timestamp into text", zoned, str("2020-04-01T11:51:02Z"), "text", "2020-04-01T11:51:02Z"),
		into("micro duration into time", logicalOf(schema.Int64, "time.MicroDuration"), i64(-90500000), "time(1)", "-00:01:30.5"),
		into("bits into varchar", typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), schema.OfBytes([]byte{3}), "varchar(8)", "00011"),
		into("bits into int", typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), schema.OfBytes([]byte{3}), "int", "3"),
		into("array into text", arrayOf(stringOf()), strs("a"), "text", `["a"]`),
		into("struct into json", plain, structValue(plain, str("x"), i32(5)), "json", `{"s":"x","n":5}`),
		intoShown("ST_AsText(%s)", "geometry into point", geometry, structValue(geometry, wkbPoint(0), schema.NullValue, schema.NullValue), "point", "POINT(1 2.5)"),
		intoShown("HEX(%s)", "geometry into blob", geometry, structValue(geometry, schema.OfBytes([]byte{1, 7}), schema.NullValue, schema.NullValue), "blob", "0107"),
		refusedAs("geometry with a third dimension", geometry, structValue(geometry, schema.OfBytes([]byte{1, 1, 0, 0, 0x80}), schema.NullValue, schema.NullValue), "geometry", "two dimensions"),
		refusedAs("geometry that is none", geometry, structValue(geometry, schema.OfBytes([]byte{1, 1, 0, 0, 0}), schema.NullValue, schema.NullValue), "geometry", "1416"),
		refusedAs("too large a number", typed(schema.Int64, ""), i64(40000), "smallint", "1264"),
		refusedAs("negative into unsigned", int32Of(), i32(-1), "int unsigned", "1264"),
	}
}

// Every type as a column that the task makes, or as one that is there; what does not fit is refused, never cut.
func TestIntegrationTypesMySQL(t *testing.T) {
	for _, c := range []struct {
		name  string
		cases []mySQLCase
	}{{"created", createdInMySQL()}, {"existing", existingInMySQL()}} {
		t.Run(c.name, func(t *testing.T) {
			d := newMySQLDatabase(t)
			for i, tc := range c.cases {
				checkMySQLType(t, d, fmt.Sprintf("t%d", i), tc)
			}
		})
	}
}

func checkMySQLType(t *testing.T, d *sqlDatabase, table string, tc mySQLCase) {
	t.Helper()
	if tc.into != "" {
		d.exec("CREATE TABLE " + table + " (id int PRIMARY KEY, c " + tc.into + ") CHARACTER SET utf8mb4")
	}
	s := newSource(table, 1, field("id", int32Of()), field("c", tc.schema))
	task := d.task()
	open(t, task, s.topic)
	first := []sink.Record{s.create(i32(1), tc.value)}
	err := task.Put(context.Background(), first)
	if tc.refuse != "" {
		var rows RowErrors
		if !errors.As(err, &rows) || rows[0].Column != "c" && tc.into != "json" || !strings.Contains(err.Error(), tc.refuse) {
			t.Errorf("%s: Put = %v, want column c refused with %q", tc.name, err, tc.refuse)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: Put = %v", tc.name, err)
		return
	}
	put(t, task, s.update(i32(1), tc.value)) // what is there is overwritten by the same
	if tc.typ != "" {
		typ := strings.TrimSuffix(d.rows("SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'c' AND TABLE_NAME = ?", table), "\n")
		if typ != tc.typ {
			t.Errorf("%s: column type = %s, want %s", tc.name, typ, tc.typ)
		}
	}
	show := tc.show
	if show == "" {
		show = "CAST(%s AS CHAR)"
	}
	if text := strings.TrimSuffix(d.rows("SELECT "+fmt.Sprintf(show, "c")+" FROM "+table), "\n"); text != tc.want {
		t.Errorf("%s: value = %s, want %s", tc.name, text, tc.want)
	}
}

// What Confluent's connector makes on MySQL, and its dates and times in db.timezone where a column has no zone.
func TestIntegrationConfluentTypesMySQL(t *testing.T) {
	fields := []schema.Field{field("id", int32Of()), field("i8", typed(schema.Int8, "")), field("i16", typed(schema.Int16, "")), field("i64", typed(schema.Int64, "")),
		field("f32", typed(schema.Float32, "")), field("f64", typed(schema.Float64, "")), field("b", typed(schema.Boolean, "")), field("s", stringOf()), field("raw", typed(schema.Bytes, "")),
		field("n", decimalSchema("10", "2")), field("d", typed(schema.Int32, schema.DateName)), field("t", typed(schema.Int32, schema.TimeName)), field("ts", typed(schema.Int64, schema.TimestampName)),
		field("debezium", logicalOf(schema.Int64, "time.MicroTimestamp"))}
	row := []schema.Value{i32(1), schema.OfInt8(1), schema.OfInt16(2), i64(3), schema.OfFloat32(0.5), schema.OfFloat64(1.5), schema.OfBool(true), str("x"), schema.OfBytes([]byte{1}),
		decimalOf(125), i32(19000), i32(1000), i64(1720000000123), i64(5)}
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE instants (id int PRIMARY KEY, ts timestamp(3) NULL)")
	for _, topic := range []string{"t", "instants"} {
		s := newSource(topic, 1, fields...)
		values := row
		if topic == "instants" {
			s.alter(1, fields[0], fields[12])
			values = []schema.Value{row[0], row[12]}
		}
		c, report := Confluent.Parse(map[string]string{"connection.url": d.jdbc, "insert.mode": "upsert", "pk.mode": "record_key", "auto.create": "true", "db.timezone": "Europe/Paris"})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		task := New(c, "confluent", logger(t))
		open(t, task, topic)
		record := s.record(s.keyValue(values), schema.OfStruct(&schema.StructValue{Schema: s.row, Values: values}))
		record.ValueSchema = s.row
		put(t, task, record)
	}
	const want = "int(11),tinyint(4),smallint(6),bigint(20),float,double,tinyint(4),text,varbinary(1024),decimal(65,2),date,time(3),datetime(3),bigint(20)\n"
	if got := d.rows("SELECT GROUP_CONCAT(COLUMN_TYPE ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't'"); got != want {
		t.Errorf("types = %s, want %s", got, want)
	}
	if got, want := d.rows("SELECT CAST(d AS CHAR), CAST(t AS CHAR), CAST(ts AS CHAR), n, debezium FROM t"), "2022-01-08|01:00:01.000|2024-07-03 11:46:40.123|1.25|5\n"; got != want {
		t.Errorf("row = %s, want %s", got, want)
	}
	if got, want := d.rows("SELECT CAST(ts AS CHAR) FROM instants"), "2024-07-03 09:46:40.123\n"; got != want { // the test's session is in UTC
		t.Errorf("point in time = %s, want %s", got, want)
	}
}

// Debezium's times with and without zone in columns of the other kind, in use.time.zone.
func TestIntegrationTimeZonesMySQL(t *testing.T) {
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE t (id int PRIMARY KEY, zoned datetime(6), clock timestamp(6) NULL, both_zoned timestamp(6) NULL)")
	micro, zoned := logicalOf(schema.Int64, "time.MicroTimestamp"), logicalOf(schema.String, "time.ZonedTimestamp")
	s := newSource("t", 1, field("id", int32Of()), field("zoned", zoned), field("clock", micro), field("both_zoned", zoned))
	task := d.task("use.time.zone", "America/New_York")
	open(t, task, "t")
	put(t, task, s.create(i32(1), str("2024-07-03T12:00:00.000001Z"), i64(1720008000000001), str("2024-07-03T12:00:00Z")))
	if got, want := d.rows("SELECT CAST(zoned AS CHAR), CAST(clock AS CHAR), CAST(both_zoned AS CHAR) FROM t"), "2024-07-03 08:00:00.000001|2024-07-03 16:00:00.000001|2024-07-03 12:00:00.000000\n"; got != want {
		t.Errorf("row = %s, want %s", got, want)
	}
}
