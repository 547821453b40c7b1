package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// confluent makes a task of Confluent's connector, which creates what is missing.
func (d *database) confluent(options ...string) *Task {
	d.t.Helper()
	props := map[string]string{"connection.url": d.jdbc, "auto.create": "true", "auto.evolve": "true", "retry.backoff.ms": "1", "connection.backoff.ms": "1"}
	for i := 0; i+1 < len(options); i += 2 {
		props[options[i]] = options[i+1]
	}
	c, r := Confluent.Parse(props)
	if err := r.Err(); err != nil {
		d.t.Fatal(err)
	}
	return New(c, "sinktest", logger(d.t))
}

// seats is a record of the airline's seats: a flat struct without key.
func seats(topic string, offset int64, values ...schema.Value) sink.Record {
	s := structOf("seats", field("id", stringOf()), field("flight", stringOf()), field("flight_booking_class", stringOf()), field("idle_seats", int32Of()), field("price", optional(typed(schema.Float64, ""))))
	return flat(topic, offset, nil, schema.NullValue, s, values...)
}

// tuples are flat records of one schema.
func tuples(topic string, key *schema.Schema, s *schema.Schema, rows ...[]schema.Value) []sink.Record {
	var out []sink.Record
	for i, row := range rows {
		k := schema.NullValue
		if key != nil {
			k, row = row[0], row[1:]
		}
		if len(row) == 0 { // a tombstone
			out = append(out, flat(topic, int64(i), key, k, nil))
			continue
		}
		out = append(out, flat(topic, int64(i), key, k, s, row...))
	}
	return out
}

func confluentCases() []modeCase {
	f64 := schema.OfFloat64
	pair := structOf("p", field("a", int32Of()), field("b", nullable()))
	keyStruct := structOf("k", field("z", int32Of()), field("b", stringOf()))
	withDefault := structOf("p", field("a", int32Of()), field("b", &schema.Schema{Type: schema.String, Optional: true, Default: ref(str("none"))}))
	upsertKey := []string{"insert.mode", "upsert", "pk.mode", "record_key"}
	return []modeCase{
		{name: "the airline's seats", options: []string{"insert.mode", "upsert", "pk.mode", "record_value", "pk.fields", "flight,flight_booking_class", "driver.class", "org.postgresql.Driver", "plugin.path", "/x"},
			records: func() []sink.Record {
				return []sink.Record{seats("Topic_Name", 0, str("1"), str("AF1"), str("Y"), i32(10), f64(99.5)), seats("Topic_Name", 1, str("2"), str("AF1"), str("C"), i32(3), schema.NullValue),
					seats("Topic_Name", 2, str("3"), str("AF1"), str("Y"), i32(9), f64(101))}
			}, query: `SELECT * FROM "Topic_Name" ORDER BY flight_booking_class`, want: "2|AF1|C|3|NULL\n3|AF1|Y|9|101\n"},
		{name: "columns and key of a created table", options: []string{"insert.mode", "upsert", "pk.mode", "record_value", "pk.fields", "flight_booking_class,flight"},
			records: func() []sink.Record {
				return []sink.Record{seats("t", 0, str("1"), str("AF1"), str("Y"), i32(10), f64(99.5))}
			}, query: describeTable("t"),
			want: "id|text|not null|NULL\nflight|text|not null|NULL\nflight_booking_class|text|not null|NULL\nidle_seats|integer|not null|NULL\nprice|double precision|NULL|NULL\nPRIMARY KEY (flight, flight_booking_class)|NULL|NULL|NULL\n"},
		{name: "plain inserts without a key", records: func() []sink.Record {
			return tuples("t", nil, pair, []schema.Value{i32(1), str("x")}, []schema.Value{i32(1), str("x")})
		}, query: "SELECT * FROM t", want: "1|x\n1|x\n"},
		{name: "kafka coordinates", options: []string{"pk.mode", "kafka"}, records: func() []sink.Record {
			return tuples("t", nil, pair, []schema.Value{i32(1), str("x")}, []schema.Value{i32(2), schema.NullValue})
		}, query: "SELECT * FROM t ORDER BY 3", want: "t|0|0|1|x\nt|0|1|2|NULL\n"},
		{name: "kafka coordinates by other names come last", options: []string{"pk.mode", "kafka", "pk.fields", "topic,part,off"}, records: func() []sink.Record {
			return tuples("t", nil, pair, []schema.Value{i32(1), str("x")})
		}, query: describeTable("t"), want: "a|integer|not null|NULL\nb|text|NULL|NULL\noff|bigint|not null|NULL\npart|integer|not null|NULL\ntopic|text|not null|NULL\nPRIMARY KEY (off, part, topic)|NULL|NULL|NULL\n"},
		{name: "key fields go where the value has them, others last", options: upsertKey, records: func() []sink.Record {
			return tuples("t", keyStruct, pair, []schema.Value{structValue(keyStruct, i32(7), str("key")), i32(1), str("value")})
		}, query: "SELECT * FROM t", want: "1|key|7\n"},
		{name: "primitive key, deletes", options: append([]string{"delete.enabled", "true", "pk.fields", "id"}, upsertKey...), records: func() []sink.Record {
			return tuples("t", stringOf(), pair, []schema.Value{str("k1"), i32(1), str("x")}, []schema.Value{str("k2"), i32(2), str("y")}, []schema.Value{str("k1")}, []schema.Value{str("k2"), i32(3), str("z")})
		}, query: "SELECT * FROM t", want: "3|z|k2\n"},
		{name: "update", options: []string{"insert.mode", "update", "pk.mode", "record_value", "pk.fields", "a"}, ddl: "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'old')",
			records: func() []sink.Record {
				return tuples("t", nil, pair, []schema.Value{i32(1), str("new")}, []schema.Value{i32(2), str("not there")})
			}, query: "SELECT * FROM t", want: "1|new\n"},
		{name: "upsert of the key alone", options: []string{"insert.mode", "upsert", "pk.mode", "record_value"}, records: func() []sink.Record {
			s := structOf("p", field("a", int32Of()), field("b", int32Of()))
			return tuples("t", nil, s, []schema.Value{i32(1), i32(2)}, []schema.Value{i32(1), i32(2)})
		}, query: "SELECT * FROM t", want: "1|2\n"},
		{name: "whitelist", options: append([]string{"fields.whitelist", "b", "pk.fields", "id"}, upsertKey...), records: func() []sink.Record {
			return tuples("t", stringOf(), pair, []schema.Value{str("k1"), i32(1), str("x")})
		}, query: "SELECT * FROM t", want: "x|k1\n"},
		{name: "defaults instead of nulls", records: func() []sink.Record {
			return tuples("t", nil, withDefault, []schema.Value{i32(1), schema.NullValue}, []schema.Value{i32(2), str("x")})
		}, query: "SELECT * FROM t ORDER BY a", want: "1|none\n2|x\n"},
		{name: "nulls stay nulls", options: []string{"replace.null.with.default", "false"}, records: func() []sink.Record {
			return tuples("t", nil, withDefault, []schema.Value{i32(1), schema.NullValue})
		}, query: "SELECT * FROM t", want: "1|NULL\n"},
		{name: "defaults of created columns", records: func() []sink.Record {
			s := structOf("p", field("a", &schema.Schema{Type: schema.Int32, Default: ref(i32(0))}), field("b", &schema.Schema{Type: schema.String, Default: ref(str("it's"))}), field("c", &schema.Schema{Type: schema.Boolean, Optional: true, Default: ref(schema.OfBool(true))}))
			return tuples("t", nil, s, []schema.Value{i32(1), str("x"), schema.OfBool(false)})
		}, query: describeTable("t"), want: "a|integer|NULL|0\nb|text|NULL|'it''s'::text\nc|boolean|NULL|true\n"},
		{name: "texts go to one column", options: append([]string{"pk.fields", "id", "delete.enabled", "true"}, upsertKey...), records: func() []sink.Record {
			one := func(offset int64, key string, v schema.Value) sink.Record {
				r := sink.Record{Topic: "t", Offset: offset, KeySchema: stringOf(), Key: str(key), ValueSchema: nullable(), Value: v}
				return r
			}
			return []sink.Record{one(0, "a", str("x")), one(1, "b", str("y")), one(2, "a", schema.NullValue)}
		}, query: `SELECT id, record_value FROM t`, want: "b|y\n"},
		{name: "texts go to the column named", options: []string{"string.output.value.column.name", "line"}, records: func() []sink.Record {
			return []sink.Record{{Topic: "t", ValueSchema: stringOf(), Value: str("x")}}
		}, query: `SELECT line FROM t`, want: "x\n"},
		{name: "names are folded", options: []string{"quote.sql.identifiers", "never"}, records: func() []sink.Record {
			return []sink.Record{seats("Topic_Name", 0, str("1"), str("AF1"), str("Y"), i32(10), f64(99.5))}
		}, query: `SELECT flight FROM topic_name`, want: "AF1\n"},
		{name: "the topic names schema and table", ddl: "CREATE SCHEMA sales", records: func() []sink.Record {
			return tuples("server.sales.orders", nil, pair, []schema.Value{i32(1), str("x")})
		}, query: `SELECT * FROM sales.orders`, want: "1|x\n"},
		{name: "the format names schema and table", ddl: "CREATE SCHEMA sales", options: []string{"table.name.format", "sales.kafka_${topic}"}, records: func() []sink.Record {
			return tuples("orders", nil, pair, []schema.Value{i32(1), str("x")})
		}, query: `SELECT * FROM sales.kafka_orders`, want: "1|x\n"},
		{name: "a quoted name keeps its dots", options: []string{"table.name.format", `"${topic}"`}, records: func() []sink.Record {
			return tuples("a.b.c.d", nil, pair, []schema.Value{i32(1), str("x")})
		}, query: `SELECT * FROM "a.b.c.d"`, want: "1|x\n"},
		{name: "columns in other letters", ddl: `CREATE TABLE t ("A" int, "B" text)`, records: func() []sink.Record {
			return tuples("t", nil, pair, []schema.Value{i32(1), str("x")})
		}, query: `SELECT * FROM t`, want: "1|x\n"},
		{name: "heartbeats are rows as any", records: func() []sink.Record {
			return tuples("t", nil, structOf("io.debezium.connector.common.Heartbeat", field("ts_ms", i64Of())), []schema.Value{i64(5)})
		}, query: `SELECT * FROM t`, want: "5\n"},
	}
}

func ref(v schema.Value) *schema.Value { return &v }
func i64Of() *schema.Schema            { return typed(schema.Int64, "") }

// describeTable lists a table's columns with type, nullability and default, then its primary key.
func describeTable(name string) string {
	return fmt.Sprintf(`SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = '%[1]s'::regclass AND a.attnum > 0
UNION ALL SELECT pg_get_constraintdef(oid), NULL, NULL, NULL FROM pg_constraint WHERE conrelid = '%[1]s'::regclass AND contype = 'p'`, name)
}

func TestConfluent(t *testing.T) {
	for _, c := range confluentCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			if c.ddl != "" {
				d.exec(c.ddl)
			}
			records := c.records()
			task := d.confluent(c.options...)
			open(t, task, records[0].Topic)
			put(t, task, records...)
			if diff := cmp.Diff(c.want, d.rows(c.query)); diff != "" {
				t.Errorf("rows: (-want +got)\n%s", diff)
			}
			if got, want := standing(t, task), records[len(records)-1].Offset+1; got != want {
				t.Errorf("position = %d, want %d", got, want)
			}
		})
	}
}

// What Confluent's connector refuses is refused, in its words, record by record.
func TestConfluentRefuses(t *testing.T) {
	pair := structOf("p", field("a", int32Of()), field("b", nullable()))
	nested := structOf("n", field("a", int32Of()), field("s", pair))
	for _, c := range []struct {
		name    string
		options []string
		record  sink.Record
		want    []string
	}{
		{name: "no schema", record: sink.Record{Topic: "t", Value: schema.OfMap(nil), Timestamp: time.UnixMilli(77)},
			want: []string{"Sink connector 'sinktest' is configured with 'delete.enabled=false' and 'pk.mode=none' and therefore requires records with a non-null Struct or String value", "(topic='t',partition=0,offset=0,timestamp=77) with a HashMap value and null value schema", "schemas.enable=true"}},
		{name: "null", options: []string{"pk.mode", "record_key", "pk.fields", "id"}, record: flat("t", 0, stringOf(), str("k"), nil),
			want: []string{"'pk.mode=record_key'", "with a null value and null value schema", "delete.enabled=true"}},
		{name: "null with its schema", options: []string{"pk.mode", "record_key", "pk.fields", "id"}, record: sink.Record{Topic: "t", KeySchema: stringOf(), Key: str("k"), ValueSchema: pair},
			want: []string{"with a null value and struct value schema"}},
		{name: "no key", options: []string{"pk.mode", "record_key", "insert.mode", "upsert"}, record: flat("t", 0, nil, schema.NullValue, pair, i32(1), str("x")),
			want: []string{"requires records with a non-null key and non-null Struct or primitive key schema", "with a null key and null key schema"}},
		{name: "an array as key", options: []string{"pk.mode", "record_key", "pk.fields", "k"}, record: flat("t", 0, arrayOf(int32Of()), schema.OfArray(nil), pair, i32(1), str("x")),
			want: []string{"with a ArrayList key and array key schema"}},
		{name: "a number", record: sink.Record{Topic: "t", ValueSchema: int32Of(), Value: i32(1)}, want: []string{"with a Integer value and int32 value schema"}},
		{name: "a text where fields are named", options: []string{"fields.whitelist", "a"}, record: sink.Record{Topic: "t", ValueSchema: stringOf(), Value: str("x")}, want: []string{"fields.whitelist", "not applicable to String values"}},
		{name: "a text with keys of the value", options: []string{"pk.mode", "record_value"}, record: sink.Record{Topic: "t", ValueSchema: stringOf(), Value: str("x")}, want: []string{"pk.mode=record_value"}},
		{name: "primitive key without name", options: []string{"pk.mode", "record_key"}, record: flat("t", 0, stringOf(), str("k"), pair, i32(1), str("x")),
			want: []string{"Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: []"}},
		{name: "a key field that is not there", options: []string{"pk.mode", "record_value", "pk.fields", "a,nope"}, record: flat("t", 0, nil, schema.NullValue, pair, i32(1), str("x")),
			want: []string{"PK mode for table 't' is RECORD_VALUE with configured PK fields [a, nope], but record value schema does not contain field: nope"}},
		{name: "nothing left", options: []string{"fields.whitelist", "nope"}, record: flat("t", 0, nil, schema.NullValue, pair, i32(1), str("x")), want: []string{"No fields found using key and value schemas for table: t"}},
		{name: "an envelope", record: items().create(i32(1), str("a"), i32(1)), want: []string{"envelope", "ExtractNewRecordState", "io.debezium.connector.jdbc.JdbcSinkConnector"}},
		{name: "a struct in a struct", record: flat("t", 0, nil, schema.NullValue, nested, i32(1), structValue(pair, i32(1), str("x"))), want: []string{`field "s"`, "p (STRUCT) type doesn't have a mapping to the SQL database column type"}},
		{name: "a map", record: flat("t", 0, nil, schema.NullValue, structOf("n", field("m", mapOf(stringOf(), stringOf()))), schema.OfMap(nil)), want: []string{"null (MAP) type doesn't have a mapping"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			task := d.confluent(c.options...)
			open(t, task, c.record.Topic)
			err := task.Put(context.Background(), []sink.Record{c.record})
			var row *RowError
			if !errors.As(err, &row) {
				t.Fatalf("Put = %v, want a *RowError", err)
			}
			if topic, partition, offset := row.Record(); topic != c.record.Topic || partition != 0 || offset != c.record.Offset {
				t.Errorf("record at fault = %s-%d@%d, want %s-0@%d", topic, partition, offset, c.record.Topic, c.record.Offset)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Put = %v, want %q in it", err, want)
				}
			}
		})
	}
}

// What concerns the tables and no record stops the task and says what to do.
func TestConfluentStops(t *testing.T) {
	pair := structOf("p", field("a", int32Of()), field("b", nullable()))
	record := flat("t", 0, nil, schema.NullValue, pair, i32(1), str("x"))
	for _, c := range []struct {
		name, ddl string
		options   []string
		topic     string
		want      []string
	}{
		{name: "no table", options: []string{"auto.create", "false"}, want: []string{`table "t": it does not exist`, "auto.create=true", "(option auto.create)"}},
		{name: "no column", ddl: "CREATE TABLE t (a int)", options: []string{"auto.evolve", "false"}, want: []string{"it has no column b", "auto.evolve=true", "fields.whitelist", "(option auto.evolve)"}},
		{name: "a view", ddl: "CREATE TABLE x (a int, b text); CREATE VIEW t AS SELECT * FROM x", want: []string{"it is a VIEW", "table.types=TABLE,VIEW"}},
		{name: "a view without the column", ddl: "CREATE TABLE x (a int, b text); CREATE VIEW t AS SELECT a FROM x", options: []string{"table.types", "view"}, want: []string{`view "public.t": it has no column b, and views are not altered`}},
		{name: "a partitioned table", ddl: "CREATE TABLE t (a int, b text) PARTITION BY LIST (a)", want: []string{"it is a PARTITIONED TABLE"}},
		{name: "four parts", topic: "a.b.c.d", want: []string{`topic a.b.c.d: the table's name "a.b.c.d": it has 4 parts`, "RegexRouter"}},
		{name: "no unique key", ddl: "CREATE TABLE t (a int, b text)", options: []string{"insert.mode", "upsert", "pk.mode", "record_value", "pk.fields", "a"}, want: []string{"no primary key or unique constraint on (a)", "pk.fields"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			if c.ddl != "" {
				d.exec(c.ddl)
			}
			r := record
			if c.topic != "" {
				r.Topic = c.topic
			}
			task := d.confluent(c.options...)
			open(t, task, r.Topic)
			err := task.Put(context.Background(), []sink.Record{r})
			var setup *SetupError
			if !errors.As(err, &setup) || isRetriable(err) {
				t.Fatalf("Put = %v, want a *SetupError", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Put = %v, want %q in it", err, want)
				}
			}
		})
	}
}

// Views and partitioned tables are written to where table.types names them.
func TestConfluentTableTypes(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE x (a int, b text); CREATE VIEW t AS SELECT * FROM x; CREATE TABLE p (a int, b text) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p DEFAULT")
	pair := structOf("p", field("a", int32Of()), field("b", nullable()))
	for _, table := range []string{"t", "p"} {
		task := d.confluent("table.types", "TABLE,view,Partitioned Table")
		open(t, task, table)
		put(t, task, flat(table, 0, nil, schema.NullValue, pair, i32(1), str("x")))
		if got, want := d.rows("SELECT * FROM "+table), "1|x\n"; got != want {
			t.Errorf("rows of %s = %q, want %q", table, got, want)
		}
	}
}

// New columns are of the types that Connect itself knows; Debezium's stay what they are made of. Existing columns get what they mean.
func TestConfluentTypes(t *testing.T) {
	cases := []struct {
		name   string
		schema *schema.Schema
		value  schema.Value
		typ    string // of the column made
		want   string
		into   string // an existing column's
		as     string
	}{
		{"int8", typed(schema.Int8, ""), schema.OfInt8(-8), "smallint", "-8", "numeric(5,1)", "-8.0"},
		{"int16", typed(schema.Int16, ""), schema.OfInt16(16), "smallint", "16", "int", "16"},
		{"int32", int32Of(), i32(32), "integer", "32", "bigint", "32"},
		{"int64", i64Of(), i64(64), "bigint", "64", "text", "64"},
		{"float32", typed(schema.Float32, ""), schema.OfFloat32(1.5), "real", "1.5", "numeric", "1.5"},
		{"float64", typed(schema.Float64, ""), schema.OfFloat64(2.5), "double precision", "2.5", "real", "2.5"},
		{"boolean", typed(schema.Boolean, ""), schema.OfBool(true), "boolean", "true", "int", "1"},
		{"string", stringOf(), str("x"), "text", "x", "varchar(3)", "x"},
		{"bytes", typed(schema.Bytes, ""), schema.OfBytes([]byte{1}), "bytea", `\x01`, "text", `\x01`},
		{"decimal", decimalSchema("10", "2"), decimalOf(150), "numeric", "1.50", "numeric(10,1)", "1.5"},
		{"date", typed(schema.Int32, schema.DateName), i32(1), "date", "1970-01-02", "timestamp", "1970-01-02 00:00:00"},
		{"time", typed(schema.Int32, schema.TimeName), i32(1500), "time without time zone", "00:00:01.5", "text", "00:00:01.500000"},
		{"timestamp", typed(schema.Int64, schema.TimestampName), i64(1500), "timestamp without time zone", "1970-01-01 00:00:01.5", "timestamptz", "1970-01-01 00:00:01.5+00"},
		{"array", arrayOf(int32Of()), schema.OfArray([]schema.Value{i32(1), i32(2)}), "integer[]", "{1,2}", "bigint[]", "{1,2}"},
		{"debezium's date", logicalOf(schema.Int32, "time.Date"), i32(1), "integer", "1", "date", "1970-01-02"},
		{"debezium's timestamp", logicalOf(schema.Int64, "time.MicroTimestamp"), i64(1500000), "bigint", "1500000", "timestamp", "1970-01-01 00:00:01.5"},
		{"debezium's zoned timestamp", logicalOf(schema.String, "time.ZonedTimestamp"), str("2020-04-01T11:51:02Z"), "text", "2020-04-01T11:51:02Z", "timestamptz", "2020-04-01 11:51:02+00"},
		{"debezium's uuid", logicalOf(schema.String, "data.Uuid"), str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "text", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{"debezium's json", logicalOf(schema.String, "data.Json"), str(`{"a":1}`), "text", `{"a":1}`, "jsonb", `{"a": 1}`},
		{"debezium's bits", typed(schema.Bytes, "io.debezium.data.Bits", "length", "5"), schema.OfBytes([]byte{3}), "bytea", `\x03`, "bit(5)", "00011"},
		{"a length of the source", typed(schema.String, "", sourceTypeParameter, "VARCHAR", sourceLengthParameter, "5"), str("x"), "text", "x", "char(1)", "x"},
	}
	for _, existing := range []bool{false, true} {
		t.Run(fmt.Sprintf("existing=%t", existing), func(t *testing.T) {
			d := newDatabase(t)
			var fields []schema.Field
			var row []schema.Value
			var ddl []string
			for i, c := range cases {
				fields = append(fields, field(fmt.Sprintf("c%d", i), c.schema))
				row = append(row, c.value)
				ddl = append(ddl, fmt.Sprintf("c%d %s", i, c.into))
			}
			if existing {
				d.exec("CREATE TABLE t (" + strings.Join(ddl, ", ") + ")")
			}
			task := d.confluent()
			open(t, task, "t")
			put(t, task, flat("t", 0, nil, schema.NullValue, structOf("t", fields...), row...))
			for i, c := range cases {
				got := strings.TrimSuffix(d.rows(fmt.Sprintf("SELECT format_type(atttypid, atttypmod) || ' | ' || c%d::text FROM t, pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c%d'", i, i)), "\n")
				want := c.typ + " | " + c.want
				if existing {
					_, got, _ = strings.Cut(got, " | ")
					want = c.as
				}
				if got != want {
					t.Errorf("%s: column = %q, want %q", c.name, got, want)
				}
			}
		})
	}
}

// A struct goes into a column of JSON that is there, though none is made for it.
func TestConfluentStructIntoJSON(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE t (a int, s jsonb)")
	pair := structOf("p", field("x", int32Of()))
	task := d.confluent()
	open(t, task, "t")
	put(t, task, flat("t", 0, nil, schema.NullValue, structOf("n", field("a", int32Of()), field("s", pair)), i32(1), structValue(pair, i32(5))))
	if got, want := d.rows("SELECT * FROM t"), "1|{\"x\": 5}\n"; got != want {
		t.Errorf("rows = %q, want %q", got, want)
	}
}

// Points in time are written as java.util.Date shows them: in db.timezone where the column has no zone, and before 1582 in the Julian calendar.
func TestConfluentInstants(t *testing.T) {
	const dayMillis = 24 * 60 * 60 * 1000
	summer := time.Date(2020, 7, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	old := daysFromCivil(1500, 3, 10) // 29 February 1500 of the Julian calendar is 10 March
	columns := []struct {
		schema *schema.Schema
		value  schema.Value
		into   string
	}{
		{typed(schema.Int64, schema.TimestampName), i64(summer), "timestamp"},
		{typed(schema.Int64, schema.TimestampName), i64(summer), "timestamptz"},
		{typed(schema.Int32, schema.DateName), i32(18444), "date"}, // 2020-07-01
		{typed(schema.Int32, schema.TimeName), i32(12 * 60 * 60 * 1000), "time"},
		{typed(schema.Int32, schema.DateName), i32(int(old)), "date"},
		{typed(schema.Int64, schema.TimestampName), i64(old*dayMillis + 1), "timestamp"},
		{logicalOf(schema.Int64, "time.MicroTimestamp"), i64(summer * 1000), "timestamp"},
	}
	for _, c := range []struct {
		name    string
		options []string
		want    string
	}{
		{"as it is", nil, "2020-07-01 12:00:00|2020-07-01 12:00:00+00|2020-07-01|12:00:00|1500-03-01|1500-03-01 00:00:00.001|2020-07-01 12:00:00\n"},
		{"ISO 8601", []string{"date.calendar.system", "PROLEPTIC_GREGORIAN"}, "2020-07-01 12:00:00|2020-07-01 12:00:00+00|2020-07-01|12:00:00|1500-03-10|1500-03-10 00:00:00.001|2020-07-01 12:00:00\n"},
		{"New York", []string{"db.timezone", "America/New_York", "date.calendar.system", "PROLEPTIC_GREGORIAN"},
			"2020-07-01 08:00:00|2020-07-01 12:00:00+00|2020-06-30|07:00:00|1500-03-09|1500-03-09 19:03:58.001|2020-07-01 12:00:00\n"},
		{"dates stay", []string{"db.timezone", "America/New_York", "date.calendar.system", "proleptic_gregorian", "date.timezone", "UTC"},
			"2020-07-01 08:00:00|2020-07-01 12:00:00+00|2020-07-01|07:00:00|1500-03-10|1500-03-09 19:03:58.001|2020-07-01 12:00:00\n"},
		{"an offset", []string{"db.timezone", "GMT+2", "date.timezone", "UTC"}, "2020-07-01 14:00:00|2020-07-01 12:00:00+00|2020-07-01|14:00:00|1500-03-01|1500-03-01 02:00:00.001|2020-07-01 12:00:00\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			var fields []schema.Field
			var row []schema.Value
			var ddl []string
			for i, col := range columns {
				fields = append(fields, field(fmt.Sprintf("c%d", i), col.schema))
				row = append(row, col.value)
				ddl = append(ddl, fmt.Sprintf("c%d %s", i, col.into))
			}
			d.exec("CREATE TABLE t (" + strings.Join(ddl, ", ") + "); SET TimeZone = 'UTC'")
			task := d.confluent(c.options...)
			open(t, task, "t")
			put(t, task, flat("t", 0, nil, schema.NullValue, structOf("t", fields...), row...))
			if got := d.rows("SELECT * FROM t"); got != c.want {
				t.Errorf("rows = %q, want %q", got, c.want)
			}
		})
	}
}

// Fields that timestamp.fields.list names are timestamps, numbers and texts.
func TestConfluentTimestampFields(t *testing.T) {
	s := structOf("t", field("n", i64Of()), field("s", stringOf()), field("iso", nullable()), field("other", i64Of()))
	for _, c := range []struct {
		mode string
		n    int64
		text string
	}{{"microseconds", 1593604800123456, "1593604800123456"}, {"nanoseconds", 1593604800123456789, "1593604800123456789"}} {
		d := newDatabase(t)
		task := d.confluent("timestamp.fields.list", "n,s,iso", "timestamp.precision.mode", c.mode)
		open(t, task, "t")
		put(t, task, flat("t", 0, nil, schema.NullValue, s, i64(c.n), str(c.text), str("2020-07-01T12:00:00.123456"), i64(c.n)), flat("t", 1, nil, schema.NullValue, s, i64(0), str("0"), schema.NullValue, i64(0)))
		want := fmt.Sprintf("2020-07-01 12:00:00.123456|2020-07-01 12:00:00.123456|2020-07-01 12:00:00.123456|%d\n1970-01-01 00:00:00|1970-01-01 00:00:00|NULL|0\n", c.n)
		if got := d.rows("SELECT * FROM t ORDER BY other DESC"); got != want {
			t.Errorf("%s: rows = %q, want %q", c.mode, got, want)
		}
		err := task.Put(context.Background(), []sink.Record{flat("t", 2, nil, schema.NullValue, s, i64(0), str("yesterday"), schema.NullValue, i64(0))})
		var row *RowError
		if !errors.As(err, &row) || row.Column != "s" || !strings.Contains(row.Value, "yesterday") {
			t.Errorf("%s: Put = %v, want a *RowError at column s", c.mode, err)
		}
	}
}

// With trim.sensitive.log what is in a record does not get into messages.
func TestConfluentHidesValues(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE t (a int PRIMARY KEY, b int)")
	s := structOf("t", field("a", int32Of()), field("b", stringOf()))
	for _, hidden := range []bool{false, true} {
		task := d.confluent("trim.sensitive.log", fmt.Sprint(hidden))
		open(t, task, "t")
		err := task.Put(context.Background(), []sink.Record{flat("t", 100, nil, schema.NullValue, s, i32(1), str("secret"))})
		if err == nil || strings.Contains(err.Error(), "secret") == hidden || !strings.Contains(err.Error(), `column "b"`) {
			t.Errorf("trim.sensitive.log=%t: Put = %v", hidden, err)
		}
	}
}

func TestConfluentParse(t *testing.T) {
	const url = "jdbc:postgresql://db/shop"
	for _, c := range []struct {
		name     string
		props    map[string]string
		errors   []string
		warnings []string
	}{
		{name: "the tutorial's", props: map[string]string{"connector.class": Confluent.Class, "topics": "t", "connection.url": url, "connection.user": "u", "connection.password": "p", "auto.create": "true", "insert.mode": "upsert",
			"pk.mode": "record_value", "pk.fields": "flight,flight_booking_class", "errors.log.enable": "true", "driver.class": "org.postgresql.Driver", "plugin.path": "/x"}, warnings: []string{"driver.class: no effect", "plugin.path: no effect"}},
		{name: "nothing", errors: []string{"connection.url: Missing required"}},
		{name: "capitals", props: map[string]string{"connection.url": url, "insert.mode": "UPSERT", "pk.mode": "RECORD_VALUE"}},
		{name: "mixed letters", props: map[string]string{"connection.url": url, "insert.mode": "Upsert", "pk.mode": "kafka"}, errors: []string{"insert.mode: Invalid value Upsert for configuration insert.mode: Invalid enumerator"}},
		{name: "deletes", props: map[string]string{"connection.url": url, "delete.enabled": "true", "pk.mode": "record_value"}, errors: []string{"delete.enabled: Primary key mode must be 'record_key' when delete support is enabled"}},
		{name: "upsert without key", props: map[string]string{"connection.url": url, "insert.mode": "update"}, errors: []string{"pk.mode: finds rows by their primary key"}},
		{name: "two names of three", props: map[string]string{"connection.url": url, "pk.mode": "kafka", "pk.fields": "a,b"}, errors: []string{"pk.fields: needs three names"}},
		{name: "zone", props: map[string]string{"connection.url": url, "db.timezone": "Mars/Olympus"}, errors: []string{"db.timezone: Invalid time zone identifier"}},
		{name: "kinds", props: map[string]string{"connection.url": url, "table.types": "TABLE,SYNONYM"}, errors: []string{`table.types: "SYNONYM" is no kind of table`}},
		{name: "a name", props: map[string]string{"connection.url": url, "table.name.format": "x_${source.table}"}, errors: []string{"table.name.format: ${source.table} is not known; known is ${topic}"}},
		{name: "another dialect", props: map[string]string{"connection.url": url, "dialect.name": "MySqlDatabaseDialect"}, errors: []string{"dialect.name: names a database of kind postgresql"}},
		{name: "its dialect", props: map[string]string{"connection.url": url, "dialect.name": "PostgreSqlDatabaseDialect"}},
		{name: "no dialect", props: map[string]string{"connection.url": url, "dialect.name": "Foo"}, errors: []string{"dialect.name: Invalid enumerator"}},
		{name: "a class", props: map[string]string{"connection.url": url, "jdbc.credentials.provider.class": "x.Y", "jdbc.credentials.provider.a": "b"}, warnings: []string{"jdbc.credentials.provider.class: cannot be loaded"}},
		{name: "an empty column", props: map[string]string{"connection.url": url, "string.output.value.column.name": ""}, errors: []string{"string.output.value.column.name: String must be non-empty"}},
		{name: "properties of the driver", props: map[string]string{"connection.url": url, "connection.sslmode": "require", "connection.colour": "red"}, warnings: []string{"connection.url: colour"}},
		{name: "a wrong property of the driver", props: map[string]string{"connection.url": url, "connection.sslmode": "maybe"}, errors: []string{"connection.url: sslmode"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, r := Confluent.Parse(c.props)
			var errs, warnings []string
			for _, p := range r.Errors {
				errs = append(errs, p.Name+": "+p.Message)
			}
			for _, p := range r.Warnings {
				warnings = append(warnings, p.Name+": "+p.Message)
			}
			match(t, "errors", errs, c.errors)
			match(t, "warnings", warnings, c.warnings)
		})
	}
}

// The definitions are those of the original: names in its order, with type, default and importance.
func TestConfluentDefinitions(t *testing.T) {
	var got strings.Builder
	for _, d := range Confluent.Keys().Definitions() {
		if d.Group == "Transactions" { // our own
			continue
		}
		def := "null"
		if d.Required {
			def = "required"
		} else if d.Default != nil {
			def = *d.Default
		}
		fmt.Fprintf(&got, "%s %s %s %s %s/%d\n", d.Name, d.Type, def, d.Importance, d.Group, d.Order)
	}
	want := `connection.url STRING required HIGH Connection/1
connection.user STRING null HIGH Connection/2
connection.password PASSWORD null HIGH Connection/3
jdbc.credentials.provider.class CLASS io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider LOW Connection/4
dialect.name STRING  LOW Connection/5
connection.attempts INT 3 LOW Connection/6
connection.backoff.ms LONG 10000 LOW Connection/7
insert.mode STRING insert HIGH Writes/1
batch.size INT 3000 MEDIUM Writes/2
delete.enabled BOOLEAN false MEDIUM Writes/3
table.types LIST TABLE LOW Writes/4
replace.null.with.default BOOLEAN true LOW Writes/5
table.name.format STRING ${topic} MEDIUM Data Mapping/1
pk.mode STRING none HIGH Data Mapping/2
pk.fields LIST  MEDIUM Data Mapping/3
fields.whitelist LIST  MEDIUM Data Mapping/4
db.timezone STRING UTC MEDIUM Data Mapping/5
date.timezone STRING DB_TIMEZONE LOW Data Mapping/6
timestamp.precision.mode STRING microseconds LOW Data Mapping/7
timestamp.fields.list LIST  MEDIUM Data Mapping/8
date.calendar.system STRING LEGACY LOW Data Mapping/9
string.output.value.column.name STRING record_value LOW Data Mapping/10
auto.create BOOLEAN false MEDIUM DDL Support/1
auto.evolve BOOLEAN false MEDIUM DDL Support/2
quote.sql.identifiers STRING always MEDIUM DDL Support/3
mssql.use.merge.holdlock BOOLEAN true LOW DML Support/1
max.retries INT 10 MEDIUM Retries/1
retry.backoff.ms INT 3000 MEDIUM Retries/2
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("definitions: (-want +got)\n%s", d)
	}
}
