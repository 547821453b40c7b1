package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// modeCase is what a configuration makes of some records.
type modeCase struct {
	name    string
	options []string
	ddl     string
	records func() []sink.Record
	query   string
	want    string
	err     string // of Put
}

func items() *source {
	return newSource("shop.public.items", 1, field("id", int32Of()), field("name", nullable()), field("n", optional(int32Of())))
}

// flat makes records without envelope.
func flat(topic string, offset int64, key *schema.Schema, k schema.Value, s *schema.Schema, values ...schema.Value) sink.Record {
	r := sink.Record{Topic: topic, Offset: offset, KeySchema: key, Key: k, ValueSchema: s}
	if values != nil {
		r.Value = structValue(s, values...)
	}
	return r
}

func modeCases() []modeCase {
	flight := structOf("f", field("Flight", stringOf()), field("class", stringOf()), field("seats", int32Of()))
	deleteBefore := func(s *source) []sink.Record {
		return []sink.Record{s.create(i32(1), str("a"), i32(1)), s.create(i32(2), str("b"), i32(2)), s.change("d", []schema.Value{i32(1), schema.NullValue, schema.NullValue}, nil)}
	}
	return []modeCase{
		{name: "update changes what is there only", options: []string{"insert.mode", "update", "schema.evolution", "none"},
			ddl: "CREATE TABLE shop_public_items (id int PRIMARY KEY, name text, n int); INSERT INTO shop_public_items VALUES (1, 'old', 1), (2, 'two', 2), (3, 'three', 3)",
			records: func() []sink.Record {
				s := items()
				return concat(s.update(i32(1), str("new"), i32(5)), s.update(i32(1), unavailable(), i32(6)), s.create(i32(9), str("x"), i32(9)), s.remove(i32(2), str(""), i32(0)), s.update(i32(2), str("gone"), i32(1)))
			}, query: "SELECT * FROM shop_public_items ORDER BY id", want: "1|new|6\n3|three|3\n"},
		{name: "insert keeps the order of inserts and deletes", options: []string{"insert.mode", "insert"},
			records: func() []sink.Record {
				s := items()
				return concat(s.create(i32(1), str("a"), i32(1)), s.remove(i32(1), str(""), i32(0)), s.create(i32(1), str("b"), i32(2)), s.create(i32(2), str("c"), i32(3)))
			}, query: "SELECT * FROM shop_public_items ORDER BY id", want: "1|b|2\n2|c|3\n"},
		{name: "insert of a key that is there", options: []string{"insert.mode", "insert"},
			records: func() []sink.Record {
				s := items()
				return []sink.Record{s.create(i32(1), str("a"), i32(1)), s.create(i32(1), str("b"), i32(2))}
			}, err: "record shop.public.items-0@1"},
		{name: "kafka coordinates", options: []string{"primary.key.mode", "kafka", "delete.enabled", "false"},
			records: func() []sink.Record {
				s := items()
				return concat(s.create(i32(1), str("a"), i32(1)), s.update(i32(1), str("b"), i32(2)), s.remove(i32(1), str("b"), i32(2)))
			}, query: "SELECT * FROM shop_public_items ORDER BY __connect_offset", want: "shop.public.items|0|0|1|a|1\nshop.public.items|0|1|1|b|2\n"},
		{name: "no key", options: []string{"primary.key.mode", "none", "insert.mode", "insert", "delete.enabled", "false"},
			records: func() []sink.Record {
				s := items()
				return concat(s.create(i32(1), str("a"), i32(1)), s.create(i32(1), str("a"), i32(1)), s.update(i32(1), unavailable(), i32(2)))
			}, query: "SELECT * FROM shop_public_items ORDER BY n, name", want: "1|a|1\n1|a|1\n1|NULL|2\n"},
		{name: "key fields of the value", options: []string{"primary.key.mode", "record_value", "primary.key.fields", "id"},
			records: func() []sink.Record { return deleteBefore(items()) }, query: "SELECT * FROM shop_public_items", want: "2|b|2\n"},
		{name: "some fields of the key", options: []string{"primary.key.fields", "id"},
			records: func() []sink.Record { return deleteBefore(items()) }, query: "SELECT * FROM shop_public_items", want: "2|b|2\n"},
		{name: "a field that the key does not have", options: []string{"primary.key.fields", "nope"},
			records: func() []sink.Record { return deleteBefore(items()) }, err: `primary.key.fields names "nope", which is no field of the key; it has id`},
		{name: "headers", options: []string{"primary.key.mode", "record_header", "primary.key.fields", "h"},
			records: func() []sink.Record {
				s := items()
				a, b := s.create(i32(1), str("a"), i32(1)), s.create(i32(2), str("b"), i32(2))
				a.Headers = []schema.Header{{Key: "h", Schema: stringOf(), Value: str("x")}}
				b.Headers = []schema.Header{{Key: "h", Schema: stringOf(), Value: str("x")}}
				return []sink.Record{a, b}
			}, query: "SELECT * FROM shop_public_items", want: "x|2|b|2\n"},
		{name: "flat records", options: []string{"primary.key.mode", "record_value", "primary.key.fields", "Flight,class", "delete.enabled", "false"},
			records: func() []sink.Record {
				return []sink.Record{flat("Topic_Name", 0, nil, schema.NullValue, flight, str("A1"), str("Y"), i32(3)), flat("Topic_Name", 1, nil, schema.NullValue, flight, str("A1"), str("Y"), i32(4)),
					flat("Topic_Name", 2, nil, schema.NullValue, flight, str("A1"), str("C"), i32(1))}
			}, query: "SELECT * FROM topic_name ORDER BY class", want: "A1|C|1\nA1|Y|4\n"},
		{name: "flat records, quoted names", options: []string{"primary.key.mode", "record_value", "primary.key.fields", "Flight,class", "delete.enabled", "false", "quote.identifiers", "true"},
			records: func() []sink.Record {
				return []sink.Record{flat("Topic-Name", 0, nil, schema.NullValue, flight, str("A1"), str("Y"), i32(3))}
			}, query: `SELECT "Flight", class FROM "Topic-Name"`, want: "A1|Y\n"},
		{name: "primitive key and tombstone", options: []string{"primary.key.fields", "code"},
			records: func() []sink.Record {
				k := stringOf()
				return []sink.Record{flat("t", 0, k, str("a"), plain, str("x"), i32(1)), flat("t", 1, k, str("b"), plain, str("y"), i32(2)), flat("t", 2, k, str("a"), nil)}
			}, query: "SELECT * FROM t", want: "b|y|2\n"},
		{name: "primitive key without name", records: func() []sink.Record {
			return []sink.Record{flat("t", 0, stringOf(), str("a"), plain, str("x"), i32(1))}
		}, err: "name its column in primary.key.fields"},
		{name: "deletes not enabled", options: []string{"delete.enabled", "false"}, records: func() []sink.Record {
			s := items()
			return concat(s.create(i32(1), str("a"), i32(1)), s.remove(i32(1), str("a"), i32(1)))
		}, query: "SELECT * FROM shop_public_items", want: "1|a|1\n"},
		{name: "truncate", options: []string{"truncate.enabled", "true"}, records: func() []sink.Record {
			s := items()
			return concat(s.create(i32(1), str("a"), i32(1)), s.change("t", nil, nil), s.create(i32(2), str("b"), i32(2)))
		}, query: "SELECT * FROM shop_public_items", want: "2|b|2\n"},
		{name: "truncate not enabled", records: func() []sink.Record {
			s := items()
			return concat(s.create(i32(1), str("a"), i32(1)), s.change("t", nil, nil))
		}, query: "SELECT * FROM shop_public_items", want: "1|a|1\n"},
		{name: "table of the source block", ddl: "CREATE SCHEMA public_copy", options: []string{"collection.name.format", "${source.schema}_copy.x_${source.table}"},
			records: func() []sink.Record { return []sink.Record{items().create(i32(1), str("a"), i32(1))} }, query: "SELECT * FROM public_copy.x_items", want: "1|a|1\n"},
		{name: "fields left out", options: []string{"field.exclude.list", "other:n,shop.public.items:name,id"},
			records: func() []sink.Record { return []sink.Record{items().create(i32(1), str("a"), i32(1))} }, query: "SELECT * FROM shop_public_items", want: "1|1\n"},
		{name: "fields named", options: []string{"field.include.list", "shop.public.items:name"},
			records: func() []sink.Record { return []sink.Record{items().create(i32(1), str("a"), i32(1))} }, query: "SELECT * FROM shop_public_items", want: "1|a\n"},
		{name: "table without key: rows are added", records: func() []sink.Record {
			s := newSource("log", 0, field("line", stringOf()))
			return []sink.Record{s.create(str("a")), s.create(str("a")), s.change("r", nil, []schema.Value{str("b")})}
		}, query: "SELECT * FROM log ORDER BY 1", want: "a\na\nb\n"},
		{name: "table without key: an update says so", records: func() []sink.Record {
			return []sink.Record{newSource("log", 0, field("line", stringOf())).update(str("a"))}
		}, err: "an update and has no key"},
		{name: "only key columns", records: func() []sink.Record {
			s := newSource("t", 2, field("a", int32Of()), field("b", int32Of()))
			return concat(s.create(i32(1), i32(2)), s.update(i32(1), i32(2)), s.create(i32(3), i32(4)), s.remove(i32(3), i32(4)))
		}, query: "SELECT * FROM t", want: "1|2\n"},
		{name: "columns that the database makes", ddl: "CREATE TABLE shop_public_items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, n int GENERATED ALWAYS AS (id * 2) STORED)",
			records: func() []sink.Record {
				s := items()
				return []sink.Record{s.create(i32(7), str("a"), i32(0)), s.update(i32(7), str("b"), i32(0))}
			}, query: "SELECT * FROM shop_public_items", want: "7|b|14\n"},
		{name: "columns in other letters", ddl: `CREATE TABLE "Shop_Public_Items" ("ID" int PRIMARY KEY, "Name" varchar(9), n int)`,
			records: func() []sink.Record { return []sink.Record{items().create(i32(7), str("a"), i32(0))} }, query: `SELECT * FROM "Shop_Public_Items"`, want: "7|a|0\n"},
		{name: "reserved words and odd names", records: func() []sink.Record {
			s := newSource("order", 1, field("user", int32Of()), field("select", stringOf()), field(`a "b"`, stringOf()), field(strings.Repeat("é", 60), stringOf()))
			return []sink.Record{s.create(i32(1), str("x"), str("y"), str("z"))}
		}, query: `SELECT * FROM "order"`, want: "1|x|y|z\n"},
		{name: "poolers: nothing is prepared", options: []string{"connection.url", "prepareThreshold=0"}, records: func() []sink.Record { return deleteBefore(items()) },
			query: "SELECT * FROM shop_public_items", want: "2|b|2\n"},
		{name: "currentSchema", ddl: "CREATE SCHEMA other", options: []string{"connection.url", "currentSchema=other"}, records: func() []sink.Record { return deleteBefore(items()) },
			query: "SELECT * FROM other.shop_public_items", want: "2|b|2\n"},
		{name: "no schema", records: func() []sink.Record {
			return []sink.Record{{Topic: "t", Value: schema.OfMap(nil)}}
		}, err: "value.converter.schemas.enable=true"},
		{name: "no struct", records: func() []sink.Record {
			return []sink.Record{{Topic: "t", ValueSchema: stringOf(), Value: str("x")}}
		}, err: "only structs have columns"},
		{name: "a failed key", records: func() []sink.Record {
			s := items()
			r := s.create(i32(1), str("a"), i32(1))
			r.Key = schema.NullValue
			return []sink.Record{r}
		}, err: "the key is null"},
	}
}

func TestModes(t *testing.T) {
	for _, c := range modeCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			if c.ddl != "" {
				d.exec(c.ddl)
			}
			options := append([]string(nil), c.options...)
			for i := 0; i < len(options); i += 2 {
				if options[i] == "connection.url" {
					options[i+1] = d.jdbc + "&" + options[i+1]
				}
			}
			records := c.records()
			task := d.task(options...)
			open(t, task, records[0].Topic)
			err := task.Put(context.Background(), records)
			if c.err != "" {
				var row *RowError
				if err == nil || !strings.Contains(err.Error(), c.err) || !errors.As(err, &row) {
					t.Fatalf("Put = %v, want a *RowError with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("Put = %v", err)
			}
			if diff := cmp.Diff(c.want, d.rows(c.query)); diff != "" {
				t.Errorf("rows: (-want +got)\n%s", diff)
			}
			if got, want := standing(t, task), records[len(records)-1].Offset+1; got != want {
				t.Errorf("position = %d, want %d", got, want)
			}
		})
	}
}

// Records that are no rows are counted and passed, and their offsets with them.
func TestSkipped(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	open(t, task, "t")
	var records []sink.Record
	for i, name := range []string{"io.debezium.connector.common.Heartbeat", "io.debezium.connector.common.TransactionMetadataValue", "io.debezium.connector.postgresql.MessageValue",
		"io.debezium.connector.common.Notification", "io.debezium.connector.mysql.SchemaChangeValue"} {
		records = append(records, flat("t", int64(i), nil, schema.NullValue, structOf(name, field("op", stringOf())), str("m")))
	}
	records = append(records, sink.Record{Topic: "t", Offset: 5})
	put(t, task, records...)
	if got := task.Stats().Skipped; got != 6 {
		t.Errorf("skipped = %d, want 6", got)
	}
	if got := standing(t, task); got != 6 {
		t.Errorf("position = %d, want 6", got)
	}
}

// Every form in which a source says that it does not know a value leaves the column as it is.
func TestUnavailableForms(t *testing.T) {
	d := newDatabase(t)
	const ph = "__debezium_unavailable_value"
	var ints, longs []schema.Value
	for _, b := range []byte(ph) {
		ints, longs = append(ints, i32(int(b))), append(longs, i64(int64(b)))
	}
	text := stringOf()
	cases := []struct {
		schema        *schema.Schema
		known, marker schema.Value
	}{
		{text, str("v"), str(ph)},
		{logicalOf(schema.String, "data.Json"), str(`{"a":1}`), str(ph)},
		{logicalOf(schema.String, "data.Json"), str(`{"a":"1"}`), str(`{"` + ph + `":"` + ph + `"}`)},
		{typed(schema.Bytes, ""), schema.OfBytes([]byte("v")), schema.OfBytes([]byte(ph))},
		{mapOf(text, nullable()), schema.OfMap([]schema.Entry{{Key: str("a"), Value: str("b")}}), schema.OfMap([]schema.Entry{{Key: str(ph), Value: str(ph)}})},
		{arrayOf(text), strs("v"), strs(ph)},
		{arrayOf(typed(schema.Bytes, "")), schema.OfArray([]schema.Value{schema.OfBytes([]byte("v"))}), schema.OfArray([]schema.Value{schema.OfBytes([]byte(ph))})},
		{arrayOf(optional(int32Of())), schema.OfArray([]schema.Value{i32(1)}), schema.OfArray(ints)},
		{arrayOf(typed(schema.Int64, "")), schema.OfArray([]schema.Value{i64(1)}), schema.OfArray(longs)},
		{arrayOf(logicalOf(schema.String, "data.Uuid")), strs("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), strs("b68a35a7-17ad-35b3-af2a-ae46edb4545a")},
	}
	u, err := newPlaceholder(ph)
	if err != nil {
		t.Fatal(err)
	}
	cases[len(cases)-1].marker = strs(u.uuid)
	fields := []schema.Field{field("id", int32Of()), field("n", int32Of())}
	known, marker, list := []schema.Value{i32(1), i32(1)}, []schema.Value{i32(1), i32(2)}, []string{"n"}
	for i, c := range cases {
		fields = append(fields, field(fmt.Sprintf("c%d", i), c.schema))
		known, marker, list = append(known, c.known), append(marker, c.marker), append(list, fmt.Sprintf("c%d", i))
	}
	s := newSource("t", 1, fields...)
	task := d.task()
	open(t, task, "t")
	put(t, task, s.create(known...))
	before := d.rows("SELECT " + strings.Join(list[1:], ", ") + " FROM t")
	put(t, task, s.update(marker...))
	if diff := cmp.Diff("2\n", d.rows("SELECT n FROM t")); diff != "" {
		t.Errorf("n: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(before, d.rows("SELECT "+strings.Join(list[1:], ", ")+" FROM t")); diff != "" {
		t.Errorf("unknown columns: (-want +got)\n%s", diff)
	}
	if u.is(str("v")) || u.is(schema.NullValue) || u.is(schema.OfArray(nil)) {
		t.Error("a known value reads as the placeholder")
	}
}

// The placeholder of a UUID in an array, as the recorded cases of Debezium 3.7 have it.
func TestPlaceholderUUID(t *testing.T) {
	u, err := newPlaceholder("hex:" + fmt.Sprintf("%x", "__debezium_unavailable_value"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.uuid, "b68a35a7-17ad-35b3-af2a-ae46edb4545a"; got != want {
		t.Errorf("uuid = %s, want %s", got, want)
	}
}

// A key change whose halves are in different batches: the column that the source does not know is kept.
func TestKeyChangeOverBatches(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("t", 1, field("id", int32Of()), field("big", stringOf()))
	task.holdFor = time.Hour
	open(t, task, "t")
	put(t, task, s.create(i32(1), str("large")))
	move := s.rekey([]schema.Value{i32(1), str("")}, []schema.Value{i32(2), unavailable()})
	put(t, task, move[:2]...)
	if got := standing(t, task); got != 1 {
		t.Errorf("position = %d, want 1: before the delete that waits", got)
	}
	put(t, task, move[1]) // the worker may repeat
	put(t, task, move[2])
	if diff := cmp.Diff("2|large\n", d.rows("SELECT * FROM t")); diff != "" {
		t.Errorf("rows: (-want +got)\n%s", diff)
	}
	move = s.rekey([]schema.Value{i32(2), str("")}, []schema.Value{i32(3), unavailable()})
	task.holdFor = 50 * time.Millisecond
	put(t, task, move[:2]...)
	waitFor(t, func() bool { return d.rows("SELECT count(*) FROM t") == "0\n" }) // its other half did not come
	if got := standing(t, task); got != 6 {
		t.Errorf("position = %d, want 6", got)
	}
}

// Records that the worker left out move the position, too, but not past a delete that waits.
func TestSkipMovesThePosition(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("t", 1, field("id", int32Of()), field("big", stringOf()))
	task.holdFor = time.Hour
	at := kafka.TopicPartition{Topic: "t"}
	skip := func(next int64) {
		task.Skip([]kafka.Position{{TopicPartition: at, Offset: next}, {TopicPartition: kafka.TopicPartition{Topic: "other"}, Offset: 9}})
	}
	stored := func() string { return d.rows("SELECT next_offset FROM tandem_positions") }
	open(t, task, "t")
	skip(1)
	if got := standing(t, task); got != 1 || stored() != "1\n" {
		t.Errorf("behind a first record left out the position is %d, in the store %s, want 1", got, stored())
	}
	s.next = 1
	put(t, task, s.create(i32(1), str("large")))
	skip(7)
	if got := standing(t, task); got != 7 || stored() != "7\n" {
		t.Errorf("behind records left out the position is %d, in the store %s, want 7", got, stored())
	}
	s.next = 7
	move := s.rekey([]schema.Value{i32(1), str("")}, []schema.Value{i32(2), unavailable()})
	put(t, task, move[0])
	skip(9)
	if got := standing(t, task); got != 7 || stored() != "7\n" {
		t.Errorf("with a delete that waits the position is %d, in the store %s, want 7", got, stored())
	}
	task.holdFor = 0
	standing(t, task)
	if got := standing(t, task); got != 9 || stored() != "9\n" || d.rows("SELECT count(*) FROM t") != "0\n" {
		t.Errorf("behind the delete the position is %d, in the store %s, want 9", got, stored())
	}
}

// The header that names the old key, as SimpleHeaderConverter reads it back, and as it cannot.
func TestOldKeyHeaderForms(t *testing.T) {
	for _, c := range []struct {
		header schema.Value
		want   string
	}{
		{schema.OfMap([]schema.Entry{{Key: str("id"), Value: schema.OfInt8(1)}}), "2|large\n"},
		{schema.OfMap([]schema.Entry{{Key: str("id"), Value: str("1")}}), "2|NULL\n"},
		{str("{id=1}"), "2|NULL\n"},
	} {
		d := newDatabase(t)
		task := d.task()
		s := newSource("t", 1, field("id", int32Of()), field("big", nullable()))
		open(t, task, "t")
		put(t, task, s.create(i32(1), str("large")))
		move := s.rekey([]schema.Value{i32(1), str("")}, []schema.Value{i32(2), unavailable()})
		move[2].Headers = []schema.Header{{Key: oldKeyHeader, Value: c.header}}
		put(t, task, move...)
		if diff := cmp.Diff(c.want, d.rows("SELECT * FROM t")); diff != "" {
			t.Errorf("rows with header of type %s: (-want +got)\n%s", c.header.Type(), diff)
		}
	}
}

// Hundreds of columns, and statements larger than one message should be.
func TestWideAndLarge(t *testing.T) {
	d := newDatabase(t)
	fields := []schema.Field{field("id", int32Of())}
	for i := range 300 {
		fields = append(fields, field(fmt.Sprintf("c%d", i), nullable()))
	}
	s := newSource("t", 1, fields...)
	task := d.task()
	open(t, task, "t")
	var batch []sink.Record
	for i := range 20 {
		row := []schema.Value{i32(i)}
		for j := range 300 {
			v := str(strings.Repeat("x", 4000))
			if j == i {
				v = unavailable()
			}
			row = append(row, v)
		}
		batch = append(batch, s.create(row...))
	}
	put(t, task, batch...)
	if got := d.rows("SELECT count(*), sum(length(c0)), sum(length(c299)) FROM t"); got != "20|76000|80000\n" {
		t.Errorf("rows = %s, want 20|76000|80000", got)
	}
}

// A partition that was not opened is no place for records.
func TestPutOfAnotherPartition(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	open(t, task, "t")
	s := newSource("t", 1, field("id", int32Of()))
	first, r := s.create(i32(1)), s.create(i32(2))
	r.Partition = 7
	if err := task.Put(context.Background(), []sink.Record{first, r}); err == nil || !strings.Contains(err.Error(), "t-7@1") {
		t.Errorf("Put = %v, want an error that names the partition", err)
	}
	if got, err := task.Flush(context.Background()); err != nil || len(got) != 0 {
		t.Errorf("Flush after it = %v, %v, want nothing: the records died with the call", got, err)
	}
	if err := task.Close(context.Background(), []kafka.TopicPartition{{Topic: "t"}}); err != nil {
		t.Error(err)
	}
}

// waitFor asks until what another goroutine does is done.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass within 30 s")
		}
	}
}

// A tombstone has no schema, and schemaless data has none either: a plan made for one must not serve the other.
func TestSchemalessValueIsNoTombstone(t *testing.T) {
	for _, keyed := range []bool{true, false} {
		d := newDatabase(t)
		task := d.task()
		s := newSource("t", 1, field("id", int32Of()))
		open(t, task, "t")
		put(t, task, s.create(i32(1)))
		tombstone := s.record(s.keyValue([]schema.Value{i32(2)}), schema.NullValue)
		bare := s.record(s.keyValue([]schema.Value{i32(1)}), schema.OfMap([]schema.Entry{{Key: str("id"), Value: i32(1)}}))
		bare.ValueSchema = nil
		if !keyed {
			for _, r := range []*sink.Record{&tombstone, &bare} {
				r.KeySchema, r.Key = nil, schema.NullValue
			}
		}
		put(t, task, tombstone)
		var rows RowErrors
		if err := task.Put(context.Background(), []sink.Record{bare}); !errors.As(err, &rows) || !strings.Contains(err.Error(), "the value has no schema") {
			t.Errorf("Put of a schemaless value after a tombstone, key %v = %v, want a row at fault", keyed, err)
		}
		if got := d.rows("SELECT * FROM t"); got != "1\n" {
			t.Errorf("rows = %s, want 1", got)
		}
	}
}

// A record without key is inserted; one with a key that has no schema is not such a record.
func TestSchemalessKeyIsNotNull(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("t", 0, field("id", int32Of()))
	open(t, task, "t")
	put(t, task, s.create(i32(1)))
	r := s.create(i32(1))
	r.Key = str("1")
	if err := task.Put(context.Background(), []sink.Record{r}); err == nil || !strings.Contains(err.Error(), "the key has no schema") {
		t.Errorf("Put = %v, want an error: the key has no schema", err)
	}
}

// A value that the source does not know follows the row to its new key, whatever else is in the batch.
func TestKeyChangeKeepsUnknownValues(t *testing.T) {
	fields := []schema.Field{field("id", int32Of()), field("email", nullable()), field("big", nullable())}
	move := func(s *source, more ...schema.Value) []sink.Record {
		return s.rekey(append([]schema.Value{i32(1), str("a"), str("")}, more...), append([]schema.Value{i32(2), str("a"), unavailable()}, more...))
	}
	for _, c := range []struct {
		name  string
		batch func(s *source) []sink.Record
		want  string
	}{
		{"a unique value moves along", func(s *source) []sink.Record { return move(s) }, "2|a|large\n7|b|\n8|c|\n"},
		{"the schema changes in the same batch", func(s *source) []sink.Record {
			first := s.create(i32(6), str("f"), str("six"))
			s.alter(1, append(slices.Clone(fields), field("more", nullable()))...)
			return concat(first, move(s, str("x")))
		}, "2|a|large\n6|f|six\n7|b|\n8|c|\n"},
		{"a batch that is divided", func(s *source) []sink.Record {
			return concat(s.create(i32(5), str("e"), str("")), move(s), s.update(i32(7), str("tmp"), str("")), s.update(i32(8), str("b"), str("")), s.update(i32(7), str("c"), str("")))
		}, "2|a|large\n5|e|\n7|c|\n8|b|\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			d.exec("CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE, big text)")
			task := d.task()
			s := newSource("t", 1, fields...)
			open(t, task, "t")
			put(t, task, s.create(i32(1), str("a"), str("large")), s.create(i32(7), str("b"), str("")), s.create(i32(8), str("c"), str("")))
			put(t, task, c.batch(s)...)
			if diff := cmp.Diff(c.want, d.rows("SELECT id, email, big FROM t ORDER BY id")); diff != "" {
				t.Errorf("rows: (-want +got)\n%s", diff)
			}
		})
	}
}

// A key change that is the same key to the database: the row must not go with the old one.
func TestKeyChangeToAnEqualKey(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	d.exec("CREATE TABLE t (id text COLLATE ci PRIMARY KEY, big text)")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 1, field("id", stringOf()), field("big", stringOf()))
	open(t, task, "t")
	put(t, task, s.create(str("a"), str("large")))
	put(t, task, s.rekey([]schema.Value{str("a"), str("")}, []schema.Value{str("A"), unavailable()})...)
	if diff := cmp.Diff("A|large\n", d.rows("SELECT * FROM t")); diff != "" {
		t.Errorf("rows: (-want +got)\n%s", diff)
	}
}

// validate-only looks for the tables at the start and makes none.
func TestValidateOnly(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE shop_public_items (id int PRIMARY KEY, name text, n int)")
	task := d.task("schema.evolution", "validate-only")
	open(t, task, "shop.public.items")
	put(t, task, items().create(i32(1), str("a"), i32(1)))
	missing := d.task("schema.evolution", "validate-only")
	_, err := missing.Open(context.Background(), []sink.Assignment{assignment("shop.public.items", 0), assignment("shop.public.other", 0)})
	var setup *SetupError
	if !errors.As(err, &setup) || !strings.Contains(err.Error(), `table "shop_public_other": it does not exist`) {
		t.Errorf("Open = %v, want a *SetupError for shop_public_other", err)
	}
	closeTask(t, missing)
}

// A CloudEvents message carries an envelope, or a row, in its field data.
func TestCloudEvents(t *testing.T) {
	d := newDatabase(t)
	s := items()
	inner := s.create(i32(1), str("a"), i32(1))
	outer := structOf("shop.public.items.CloudEvents.Envelope", field("id", stringOf()), field("data", optional(inner.ValueSchema)))
	row := structOf("row", field("id", int32Of()), field("name", nullable()), field("n", optional(int32Of())))
	flatOuter := structOf("my.CloudEvents.Envelope", field("id", stringOf()), field("data", row))
	wrap := func(r sink.Record, s *schema.Schema, data schema.Value) sink.Record {
		r.ValueSchema, r.Value = s, structValue(s, str("e"), data)
		return r
	}
	second, third := s.create(i32(2), str("b"), i32(2)), s.create(i32(3), str("c"), i32(3))
	task := d.task()
	open(t, task, s.topic)
	put(t, task, wrap(inner, outer, inner.Value), wrap(second, outer, second.Value), wrap(third, flatOuter, structValue(row, i32(3), str("c"), i32(3))),
		func() sink.Record { r := s.remove(i32(1), str("a"), i32(1))[0]; return wrap(r, outer, r.Value) }())
	if got, want := d.rows("SELECT * FROM shop_public_items ORDER BY id"), "2|b|2\n3|c|3\n"; got != want {
		t.Errorf("rows = %q, want %q", got, want)
	}
}

// Two fields that fold to one column are not one silently.
func TestFieldsOfOneColumn(t *testing.T) {
	d := newDatabase(t)
	task := d.task("primary.key.mode", "none", "insert.mode", "insert", "delete.enabled", "false")
	open(t, task, "t")
	s := structOf("p", field("a", int32Of()), field("A", int32Of()))
	err := task.Put(context.Background(), []sink.Record{flat("t", 0, nil, schema.NullValue, s, i32(1), i32(2))})
	var row *RowError
	if !errors.As(err, &row) || !strings.Contains(err.Error(), `fields "a" and "A" are the same column "a"; set quote.identifiers=true`) {
		t.Errorf("Put = %v, want a *RowError that names both fields", err)
	}
}

// The passthrough strategy leaves the dots of a topic in the table's name.
func TestPassthroughNames(t *testing.T) {
	d := newDatabase(t)
	task := d.task("collection.naming.strategy", namingPassthrough)
	open(t, task, "shop.public.items")
	put(t, task, items().create(i32(1), str("a"), i32(1)))
	if got, want := d.rows(`SELECT * FROM "shop.public.items"`), "1|a|1\n"; got != want {
		t.Errorf("rows = %q, want %q", got, want)
	}
}

// A truncate may be the first record of a topic. It has no key, so a table that was made for it would have none either, and no row could be
// upserted into it.
func TestTruncateMakesNoTable(t *testing.T) {
	for _, batches := range []string{"one each", "one batch"} {
		t.Run(batches, func(t *testing.T) {
			d := newDatabase(t)
			task := d.task("truncate.enabled", "true")
			s := newSource("t", 1, field("id", int32Of()))
			open(t, task, "t")
			truncate := s.change("t", nil, nil)
			truncate.KeySchema = nil
			records := []sink.Record{truncate, s.create(i32(1)), s.create(i32(2))}
			if batches == "one batch" {
				put(t, task, records...)
			} else {
				for _, r := range records {
					put(t, task, r)
				}
			}
			if diff := cmp.Diff("1\n2\n", d.rows("SELECT * FROM t ORDER BY id")); diff != "" {
				t.Errorf("rows: (-want +got)\n%s", diff)
			}
		})
	}
}
