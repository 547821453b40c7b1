package transform

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

// Schemas of a small table and what the connector makes of it.
var (
	keySchema = schema.StructOf("p.public.t.Key", schema.F("id", schema.Of(schema.Int32)))
	rowSchema = schema.StructOf("p.public.t.Value", schema.F("id", schema.Of(schema.Int32)), schema.F("a", schema.Of(schema.String).AsOptional())).AsOptional()
	sourceOf  = schema.StructOf("source", schema.F("ts_ms", schema.Of(schema.Int64)), schema.F("table", schema.Of(schema.String)), schema.F("lsn", schema.Of(schema.Int64).AsOptional()))
	envelopes = schema.StructOf("p.public.t.Envelope", schema.F("before", rowSchema), schema.F("after", rowSchema), schema.F("source", sourceOf),
		schema.F("op", schema.Of(schema.String)), schema.F("ts_ms", schema.Of(schema.Int64).AsOptional()))
)

func structOfValues(s *schema.Schema, values ...schema.Value) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: values})
}

func rowOf(id int32, a string) schema.Value {
	return structOfValues(rowSchema, schema.OfInt32(id), schema.OfString(a))
}

// change is an envelope's record; the id is that of the row.
func change(op string, before, after schema.Value) *schema.Record {
	id := after.Struct()
	if id == nil {
		id = before.Struct()
	}
	r := &schema.Record{Topic: "p.public.t", Partition: -1, Offset: schema.NoOffset, Timestamp: schema.NoTimestamp, ValueSchema: envelopes,
		Value: structOfValues(envelopes, before, after, structOfValues(sourceOf, schema.OfInt64(1), schema.OfString("t"), schema.OfInt64(77)), schema.OfString(op), schema.OfInt64(1234))}
	if id != nil {
		r.KeySchema, r.Key = keySchema, structOfValues(keySchema, id.Values[0])
	}
	return r
}

func tombstone(of *schema.Record) *schema.Record {
	return &schema.Record{Topic: of.Topic, Partition: -1, Offset: of.Offset, Timestamp: schema.NoTimestamp, KeySchema: of.KeySchema, Key: of.Key}
}

// made makes a transform by its class name's end; options stand as "name=text".
func made(t testing.TB, class string, options ...string) Transform {
	t.Helper()
	tr, _ := reported(t, class, options...)
	if tr == nil {
		t.Fatalf("%s with %q is refused", class, options)
	}
	return tr
}

func reported(t testing.TB, class string, options ...string) (Transform, []string) {
	t.Helper()
	props := make(map[string]string)
	for _, o := range options {
		name, text, _ := strings.Cut(o, "=")
		props[name] = text
	}
	for _, p := range Plugins() {
		if p.New == nil || !strings.HasSuffix(p.Class, "."+class) {
			continue
		}
		tr, r := p.New(props, slog.New(slog.DiscardHandler))
		var said []string
		for _, p := range slices.Concat(r.Errors, r.Warnings) {
			said = append(said, p.Message)
		}
		if (tr == nil) != (len(r.Errors) > 0) {
			t.Errorf("%s with %q: the transform is %v, with errors %v", class, options, tr, r.Errors)
		}
		return tr, said
	}
	t.Fatalf("there is no class %s", class)
	return nil, nil
}

// TestOptions: everything that is wrong is said at once, at its option.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ class, options, want string }{
		{"ExtractNewRecordState", "", ""},
		{"ExtractNewRecordState", "delete.tombstone.handling.mode=never|add.fields=a:b:c,.x", "Value must be one of drop, tombstone, rewrite"},
		{"ExtractNewRecordState", "add.fields=a:b:c", `"a:b:c" is no FIELD, STRUCT.FIELD or FIELD:NAME`},
		{"ExtractNewRecordState", "drop.tombstones=false", "it is read as delete.tombstone.handling.mode=tombstone"},
		{"ExtractNewRecordState", "drop.tombstones=true|delete.handling.mode=rewrite", "it is read as delete.tombstone.handling.mode=rewrite,"},
		{"ExtractNewRecordState", "drop.tombstones=false|delete.handling.mode=rewrite", "it is read as delete.tombstone.handling.mode=rewrite-with-tombstone"},
		{"ExtractNewRecordState", "delete.handling.mode=none", "it is read as delete.tombstone.handling.mode=tombstone"},
		{"ExtractNewRecordState", "delete.handling.mode=drop", "it is read as delete.tombstone.handling.mode=drop"},
		{"ExtractNewRecordState", "delete.handling.mode=what", "want one of drop, none, rewrite"},
		{"ExtractNewRecordState", "drop.tombstones=false|delete.tombstone.handling.mode=drop", `has no effect beside "delete.tombstone.handling.mode"`},
		{"EventRouter", "table.fields.additional.placement=a:nowhere", `"nowhere" is no placement`},
		{"EventRouter", "table.fields.additional.placement=a", `"a" is neither COLUMN:PLACEMENT nor COLUMN:PLACEMENT:NAME`},
		{"EventRouter", "route.topic.regex=(", "route.topic.regex"},
		{"EventRouter", "tracing.operation.name=x", `"tracing.operation.name" has no effect`},
		{"ByLogicalTableRouter", "", `Missing required configuration "topic.regex"`},
		{"ByLogicalTableRouter", "topic.regex=.*|topic.replacement=x|key.field.regex=.*", "key.field.replacement must be non-empty if key.field.regex is set"},
		{"ByLogicalTableRouter", "topic.regex=(.*)|topic.replacement=$2", "no group 2"},
		{"ByLogicalTableRouter", "topic.regex=.*|topic.replacement=x|key.field.regex=.*|key.field.replacement=${shard}", "no group with name {shard}"},
		{"EventRouter", "route.topic.regex=(.*)", "no group with name {routedByValue}"},
		{"ByLogicalTableRouter", "topic.regex=.*|topic.replacement=x|logical.table.cache.size=5", `use "logical.destination.cache.size"`},
		{"ToLogicalTopicRouter", "topic.regex=.*|topic.replacement=x|logical.destination.cache.size=5", ""},
		{"TimezoneConverter", "converted.timezone=Mars/Base", "want a zone such as America/Los_Angeles"},
		{"TimezoneConverter", "converted.timezone=+19:00", "an offset is at most 18:00"},
		{"TimezoneConverter", "converted.timezone=UTC|include.list=source:a|exclude.list=source:b", "are both set"},
		{"TimezoneConverter", "converted.timezone=UTC|include.list=source:a,source:b:c", "only the first rule may have three parts"},
		{"TimezoneConverter", "converted.timezone=UTC|include.list=t", "want a list of source:TABLE:FIELD"},
		{"HeaderToValue", "headers=a,b|fields=c|operation=move", "name 2 headers and 1 fields"},
		{"HeaderToValue", "headers=a b|fields=c|operation=move", "an element contains a space"},
		{"HeaderToValue", "headers=a,|fields=c,d|operation=cut", "an element is empty"},
		{"PartitionRouting", "partition.payload.fields=a|partition.topic.num=0", "Value must be at least 1"},
		{"PartitionRouting", "partition.payload.fields=,|partition.topic.num=2", "an element is empty"},
		{"DecodeLogicalDecodingMessageContent", "fields.null.include=perhaps", "true or false"},
		{"ExtractChangedRecordState", "header.changed.names=x", `the nearest known one is "header.changed.name"`},
	} {
		var options []string
		if c.options != "" {
			options = strings.Split(c.options, "|")
		}
		_, said := reported(t, c.class, options...)
		if got := strings.Join(said, "\n"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s with %q says %q, want %q", c.class, c.options, got, c.want)
		}
	}
}

// TestPlugins: each class is there once, refused ones say what to do.
func TestPlugins(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range Plugins() {
		if seen[p.Class] {
			t.Errorf("class %s is listed twice", p.Class)
		}
		seen[p.Class] = true
		if (p.New == nil) != (p.Refused != "") || (p.Keys == nil) != (p.Refused != "") {
			t.Errorf("class %s is neither made nor refused", p.Class)
		}
	}
}

func headerTexts(r *schema.Record) []string {
	var out []string
	for _, h := range r.Headers {
		out = append(out, h.Key+"="+h.Value.Text())
	}
	return out
}

// TestTombstoneInheritsHeaders: the connector gives a delete and its tombstone one set of headers, to which Debezium's transforms add. Only
// that tombstone, and only at the source.
func TestTombstoneInheritsHeaders(t *testing.T) {
	gone := change("d", rowOf(1, "x"), schema.NullValue)
	other := change("d", rowOf(2, "x"), schema.NullValue)
	consumed := *gone
	consumed.Offset = 5
	for _, c := range []struct {
		name    string
		records []*schema.Record
		want    []string
	}{
		{"behind its delete", []*schema.Record{gone, tombstone(gone)}, []string{"__op=d", "__table=t", "__op=d"}},
		{"behind another delete", []*schema.Record{other, tombstone(gone)}, []string{"__op=d"}},
		{"behind an insert", []*schema.Record{gone, change("c", schema.NullValue, rowOf(1, "y")), tombstone(gone)}, []string{"__op=d"}},
		{"consumed", []*schema.Record{&consumed, tombstone(&consumed)}, []string{"__op=d"}},
	} {
		u := made(t, "ExtractNewRecordState", "delete.tombstone.handling.mode=rewrite-with-tombstone", "add.headers=op,table")
		var last schema.Record
		for _, r := range c.records {
			last = *r
			if keep, err := u.Apply(&last); !keep || err != nil {
				t.Fatalf("%s: Apply = %v, %v", c.name, keep, err)
			}
		}
		if diff := cmp.Diff(c.want, headerTexts(&last)); diff != "" {
			t.Errorf("%s: headers of the tombstone (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestRecordsAreNotWrittenInto: what a record refers to is shared with the stream it came from.
func TestRecordsAreNotWrittenInto(t *testing.T) {
	headers := make([]schema.Header, 1, 8)
	headers[0] = schema.Header{Key: "h", Schema: text, Value: schema.OfString("1")}
	for _, tr := range []Transform{
		made(t, "ExtractNewRecordState", "delete.tombstone.handling.mode=rewrite", "add.fields=op", "add.headers=op"),
		made(t, "ExtractChangedRecordState", "header.changed.name=c", "header.unchanged.name=u"),
		made(t, "ByLogicalTableRouter", "topic.regex=.*", "topic.replacement=all"),
		made(t, "TimezoneConverter", "converted.timezone=+01:00", "include.list=source:t:source.ts_ms"),
		made(t, "HeaderToValue", "headers=h", "fields=source.h", "operation=move"),
		made(t, "PartitionRouting", "partition.payload.fields=change.id", "partition.topic.num=3"),
		made(t, "EventRouter", "table.field.event.id=id", "table.field.event.key=id", "table.field.event.payload=a", "route.by.field=a"),
	} {
		in := change("c", schema.NullValue, rowOf(1, "x"))
		was := change("c", schema.NullValue, rowOf(1, "x"))
		in.Headers = headers
		value, schemaWas := in.Value, *in.ValueSchema
		if _, err := tr.Apply(in); err != nil {
			t.Errorf("%T: %v", tr, err)
		}
		if !value.Equal(was.Value) || !schemaWas.Equal(envelopes) || len(envelopes.Fields) != 5 || len(rowSchema.Fields) != 2 {
			t.Errorf("%T changed the value or the schema it was given", tr)
		}
		if spare := headers[:2][1]; spare.Key != "" || headers[0].Key != "h" {
			t.Errorf("%T wrote into the array of headers", tr)
		}
	}
}

// TestUnwrapFailures say which option is at fault.
func TestUnwrapFailures(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"add.fields=nothing.there", `option "add.fields": the envelope has no field "nothing"`},
		{"add.headers=op.x", `option "add.headers": field "op" of the envelope is of type string and has no fields`},
		{"add.fields=source", `option "add.fields"): it is a struct`},
		{"add.fields=op:id|add.fields.prefix=", `there is a field "id" already`},
		{"route.by.field=id", `field "id" is of type int32, want string (option "route.by.field")`},
		{"route.by.field=zz", `there is no field "zz" (option "route.by.field")`},
	} {
		u := made(t, "ExtractNewRecordState", strings.Split(c.options, "|")...)
		_, err := u.Apply(change("c", schema.NullValue, rowOf(1, "x")))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %s: Apply = %v, want an error with %q", c.options, err, c.want)
		}
	}
}

// TestSchemasKeepTheirPointers: plans behind a transform are found by the pointer.
func TestSchemasKeepTheirPointers(t *testing.T) {
	u := made(t, "ExtractNewRecordState", "delete.tombstone.handling.mode=rewrite", "add.fields=op")
	o := made(t, "EventRouter", "table.field.event.id=id", "table.field.event.key=id", "table.field.event.payload=a", "route.by.field=a", "table.expand.json.payload=true")
	for _, tr := range []Transform{u, o} {
		var first *schema.Schema
		for i := range 3 {
			r := change("c", schema.NullValue, rowOf(int32(i), `{"x": {"y": [1]}}`))
			if _, err := tr.Apply(r); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = r.ValueSchema
			}
			if r.ValueSchema != first || r.Value.Struct().Schema != first {
				t.Errorf("%T: record %d has another schema, though all have the same columns", tr, i)
			}
		}
	}
}

// TestRepeatedWarningsAreSparing: an event that comes with every row does not fill the log.
func TestRepeatedWarningsAreSparing(t *testing.T) {
	var log bytes.Buffer
	for _, p := range Plugins() {
		if !strings.HasSuffix(p.Class, ".EventRouter") {
			continue
		}
		o, _ := p.New(map[string]string{}, slog.New(slog.NewTextHandler(&log, nil)))
		for range 1000 {
			if keep, err := o.Apply(change("u", rowOf(1, "x"), rowOf(1, "y"))); keep || err != nil {
				t.Fatalf("Apply of an update = %v, %v, want it dropped", keep, err)
			}
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines == 0 || lines > 10 {
		t.Errorf("1000 updates of the outbox make %d lines, want a few", lines)
	}
}

func BenchmarkUnwrap(b *testing.B) {
	u := made(b, "ExtractNewRecordState", "add.fields=op,lsn")
	in := change("c", schema.NullValue, rowOf(1, "x"))
	b.ReportAllocs()
	for b.Loop() {
		r := *in
		if _, err := u.Apply(&r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
