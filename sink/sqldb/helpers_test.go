package sqldb

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/mariadbserver/mariadbtest"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mariadbtest.Main(pgtest.Main(m))) }

// database is a target: its URL as the option wants it, and a connection to look.
type database struct {
	t    testing.TB
	jdbc string
	dsn  string
	conn *pgx.Conn
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	dsn := pgtest.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	host, port := u.Host, ""
	if h := query.Get("host"); h != "" {
		host = h
	}
	if p := query.Get("port"); p != "" {
		port = ":" + p
	}
	params := url.Values{"sslmode": {"disable"}}
	if u.User != nil {
		params.Set("user", u.User.Username())
		if password, ok := u.User.Password(); ok {
			params.Set("password", password)
		}
	}
	d := &database{t: t, dsn: dsn, jdbc: "jdbc:postgresql://" + host + port + u.Path + "?" + params.Encode()}
	ctx := context.Background()
	if d.conn, err = pgx.Connect(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.conn.Close(ctx) })
	return d
}

func (d *database) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.conn.Exec(context.Background(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

// rows returns a query's rows, a line each, values as text parted by |.
func (d *database) rows(sql string, args ...any) string {
	d.t.Helper()
	rows, err := d.conn.Query(context.Background(), sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		for i, v := range rows.RawValues() {
			if i > 0 {
				b.WriteByte('|')
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.Write(v)
			}
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return b.String()
}

// task makes a task with options over those of an ordinary upsert connector.
func (d *database) task(options ...string) *Task {
	d.t.Helper()
	return newTask(d.t, d.jdbc, options...)
}

// newTask makes a task for a URL, with options over those of an ordinary upsert connector.
func newTask(t testing.TB, jdbc string, options ...string) *Task {
	t.Helper()
	props := map[string]string{"connection.url": jdbc, "insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true",
		"schema.evolution": "basic", "flush.retry.delay.ms": "1"}
	for i := 0; i+1 < len(options); i += 2 {
		props[options[i]] = options[i+1]
	}
	c, r := Debezium.Parse(props)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return New(c, "sinktest", logger(t))
}

func logger(t testing.TB) *slog.Logger {
	if os.Getenv("TANDEM_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// open opens partition 0 of a topic.
func open(t testing.TB, task *Task, topic string) []kafka.Position {
	t.Helper()
	got, err := task.Open(context.Background(), []sink.Assignment{assignment(topic, 0)})
	if err != nil {
		t.Fatalf("Open(%s) = %v", topic, err)
	}
	t.Cleanup(func() { closeTask(t, task) })
	return got
}

func closeTask(t testing.TB, task *Task) {
	var all []kafka.TopicPartition
	for tp := range task.partitions {
		all = append(all, tp)
	}
	if err := task.Close(context.Background(), all); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func assignment(topic string, partition int32) sink.Assignment {
	return sink.Assignment{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: partition}, ClusterID: "cluster", TopicID: "id-" + topic, End: 1 << 40, Committed: -1}
}

func put(t testing.TB, task *Task, records ...sink.Record) {
	t.Helper()
	lent := slices.Clone(records)
	if task.Borrows() {
		for i := range lent {
			lent[i].Key, lent[i].Value = cloneValue(lent[i].Key), cloneValue(lent[i].Value)
		}
	}
	if err := task.Put(context.Background(), lent); err != nil {
		t.Fatalf("Put = %v", err)
	}
	if task.Borrows() {
		for i := range lent {
			takeBack(lent[i].Key)
			takeBack(lent[i].Value)
		}
	}
}

// takeBack writes over the memory of a value that was lent to a task.
func takeBack(v schema.Value) {
	switch v.Type() {
	case schema.String:
		for i := range len(v.Text()) {
			unsafe.Slice(unsafe.StringData(v.Text()), len(v.Text()))[i] = '#'
		}
	case schema.Bytes:
		for i := range v.Bytes() {
			v.Bytes()[i] = '#'
		}
	case schema.Struct:
		for i, f := range v.Struct().Values {
			takeBack(f)
			v.Struct().Values[i] = schema.NullValue
		}
	case schema.Array:
		for i, e := range v.Array() {
			takeBack(e)
			v.Array()[i] = schema.NullValue
		}
	case schema.Map:
		for i, e := range v.Map() {
			takeBack(e.Key)
			takeBack(e.Value)
			v.Map()[i] = schema.Entry{}
		}
	}
}

// source makes records of one table as Debezium does: key, envelope, tombstone, in the order of its offsets.
type source struct {
	topic     string
	partition int32
	key       *schema.Schema
	row       *schema.Schema
	envelope  *schema.Schema
	keyOf     []int // fields of the row
	next      int64
}

func field(name string, s *schema.Schema) schema.Field { return schema.Field{Name: name, Schema: s} }

func typed(t schema.Type, name string, parameters ...string) *schema.Schema {
	s := &schema.Schema{Type: t, Name: name}
	for i := 0; i+1 < len(parameters); i += 2 {
		s.Parameters = append(s.Parameters, schema.Parameter{Name: parameters[i], Value: parameters[i+1]})
	}
	return s
}

func optional(s *schema.Schema) *schema.Schema {
	out := *s
	out.Optional = true
	return &out
}

var sourceSchema = &schema.Schema{Type: schema.Struct, Name: "io.debezium.connector.postgresql.Source", Fields: []schema.Field{
	field("db", typed(schema.String, "")), field("schema", typed(schema.String, "")), field("table", typed(schema.String, ""))}}

// newSource takes the first keys fields as the primary key.
func newSource(topic string, keys int, fields ...schema.Field) *source {
	s := &source{topic: topic}
	s.alter(keys, fields...)
	return s
}

// alter changes the table: what follows has new schemas.
func (s *source) alter(keys int, fields ...schema.Field) {
	s.row = &schema.Schema{Type: schema.Struct, Name: s.topic + ".Value", Optional: true, Fields: fields}
	s.key, s.keyOf = nil, nil
	if keys > 0 {
		s.key = &schema.Schema{Type: schema.Struct, Name: s.topic + ".Key", Fields: fields[:keys]}
		for i := range keys {
			s.keyOf = append(s.keyOf, i)
		}
	}
	s.envelope = &schema.Schema{Type: schema.Struct, Name: s.topic + ".Envelope", Version: 2, Fields: []schema.Field{
		field("before", s.row), field("after", s.row), field("source", sourceSchema), field("op", typed(schema.String, ""))}}
}

func (s *source) record(key schema.Value, value schema.Value) sink.Record {
	r := sink.Record{Topic: s.topic, Partition: s.partition, Offset: s.next, KeySchema: s.key, Key: key, ValueSchema: s.envelope, Value: value}
	if value.IsNull() {
		r.ValueSchema = nil
	}
	s.next++
	return r
}

func (s *source) keyValue(row []schema.Value) schema.Value {
	if s.key == nil {
		return schema.NullValue
	}
	k := &schema.StructValue{Schema: s.key}
	for _, i := range s.keyOf {
		k.Values = append(k.Values, row[i])
	}
	return schema.OfStruct(k)
}

// change makes an envelope; before and after may be nil. The key is after's, or before's.
func (s *source) change(op string, before, after []schema.Value) sink.Record {
	of := func(row []schema.Value) schema.Value {
		if row == nil {
			return schema.NullValue
		}
		if len(row) != len(s.row.Fields) {
			panic(fmt.Sprintf("row of %d values for %d fields", len(row), len(s.row.Fields)))
		}
		return schema.OfStruct(&schema.StructValue{Schema: s.row, Values: row})
	}
	key := schema.NullValue
	if after != nil {
		key = s.keyValue(after)
	} else if before != nil {
		key = s.keyValue(before)
	}
	schemaName, table := "", s.topic
	if parts := strings.Split(s.topic, "."); len(parts) == 3 {
		schemaName, table = parts[1], parts[2]
	}
	block := schema.OfStruct(&schema.StructValue{Schema: sourceSchema, Values: []schema.Value{schema.OfString("db"), schema.OfString(schemaName), schema.OfString(table)}})
	return s.record(key, schema.OfStruct(&schema.StructValue{Schema: s.envelope, Values: []schema.Value{of(before), of(after), block, schema.OfString(op)}}))
}

func (s *source) create(row ...schema.Value) sink.Record { return s.change("c", nil, row) }
func (s *source) update(row ...schema.Value) sink.Record { return s.change("u", nil, row) }

// remove makes a delete and its tombstone.
func (s *source) remove(row ...schema.Value) []sink.Record {
	return []sink.Record{s.change("d", row, nil), s.record(s.keyValue(row), schema.NullValue)}
}

// rekey makes the three records of a key change.
func (s *source) rekey(old, row []schema.Value) []sink.Record {
	out := s.remove(old...)
	c := s.create(row...)
	for i := range out {
		out[i].Headers = append(out[i].Headers, schema.Header{Key: "__debezium.newkey", Schema: s.key, Value: s.keyValue(row)})
	}
	c.Headers = append(c.Headers, schema.Header{Key: oldKeyHeader, Schema: s.key, Value: s.keyValue(old)})
	return append(out, c)
}

func i32(n int) schema.Value    { return schema.OfInt32(int32(n)) }
func str(s string) schema.Value { return schema.OfString(s) }
func int32Of() *schema.Schema   { return typed(schema.Int32, "") }
func stringOf() *schema.Schema  { return typed(schema.String, "") }
func unavailable() schema.Value { return str("__debezium_unavailable_value") }
func nullable() *schema.Schema  { return optional(stringOf()) }
func concat(all ...any) []sink.Record {
	var out []sink.Record
	for _, a := range all {
		switch r := a.(type) {
		case sink.Record:
			out = append(out, r)
		case []sink.Record:
			out = append(out, r...)
		}
	}
	return out
}
