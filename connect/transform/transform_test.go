package transform_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/schema"
)

// made makes a transform by its class behind the package; options stand as "name=text".
func made(t testing.TB, class string, options ...string) transform.Transform {
	t.Helper()
	props := make(map[string]string)
	for _, o := range options {
		name, text, _ := strings.Cut(o, "=")
		props[name] = text
	}
	for _, p := range transform.Plugins() {
		if strings.HasSuffix(p.Class, "."+class) {
			tr, r := p.New(props, slog.New(slog.DiscardHandler))
			if err := r.Err(); err != nil {
				t.Fatalf("%s with %q: %v", class, options, err)
			}
			return tr
		}
	}
	t.Fatalf("there is no class %s", class)
	return nil
}

var (
	inner = schema.StructOf("Inner", schema.F("x", schema.Of(schema.Int32))).AsOptional()
	row   = schema.StructOf("Row", schema.F("id", schema.Of(schema.Int32)), schema.F("name", schema.Of(schema.String).AsOptional()), schema.F("at", schema.Timestamp()),
		schema.F("inner", inner))
)

func rowOf(id int32) *schema.Record {
	in := &schema.StructValue{Schema: inner, Values: []schema.Value{schema.OfInt32(7)}}
	return &schema.Record{Topic: "orders", Partition: 3, Offset: 5, Timestamp: 1700000000123, ValueSchema: row, Value: schema.OfStruct(&schema.StructValue{Schema: row,
		Values: []schema.Value{schema.OfInt32(id), schema.OfString("x"), schema.OfInt64(1700000000123), schema.OfStruct(in)}})}
}

// looseOf is data without a schema.
func looseOf() *schema.Record {
	r := rowOf(1)
	r.ValueSchema = nil
	r.Value = schema.OfMap([]schema.Entry{{Key: schema.OfString("id"), Value: schema.OfInt64(1)}, {Key: schema.OfString("name"), Value: schema.OfString("x")},
		{Key: schema.OfString("at"), Value: schema.OfInt64(5)}})
	return r
}

func every(t testing.TB) map[string]transform.Transform {
	return map[string]transform.Transform{
		"Cast":               made(t, "Cast$Value", "spec=id:string,at:int64"),
		"DropHeaders":        made(t, "DropHeaders", "headers=h"),
		"Flatten":            made(t, "Flatten$Value"),
		"HeaderFrom":         made(t, "HeaderFrom$Value", "fields=name", "headers=n", "operation=move"),
		"HoistField":         made(t, "HoistField$Value", "field=f"),
		"InsertField":        made(t, "InsertField$Value", "topic.field=t", "static.field=s", "static.value=v"),
		"InsertHeader":       made(t, "InsertHeader", "header=i", "value.literal=12"),
		"MaskField":          made(t, "MaskField$Value", "fields=name,at"),
		"RegexRouter":        made(t, "RegexRouter", "regex=(o).*", "replacement=$1-x"),
		"ReplaceField":       made(t, "ReplaceField$Value", "exclude=id", "renames=name:n"),
		"TimestampConverter": made(t, "TimestampConverter$Value", "field=at", "target.type=string", "format=yyyy-MM-dd"),
		"TimestampRouter":    made(t, "TimestampRouter"),
		"ValueToKey":         made(t, "ValueToKey", "fields=id"),
		"ExtractField":       made(t, "ExtractField$Value", "field=id"),
	}
}

// TestRecordsAreNotWrittenInto: what a record refers to is shared with whoever else holds it.
func TestRecordsAreNotWrittenInto(t *testing.T) {
	headers := make([]schema.Header, 1, 8)
	headers[0] = schema.Header{Key: "h", Value: schema.OfString("1")}
	for name, tr := range every(t) {
		for _, fresh := range []func() *schema.Record{func() *schema.Record { return rowOf(1) }, looseOf} {
			in, was := fresh(), fresh()
			in.Headers = headers
			value := in.Value
			if _, err := tr.Apply(in); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !value.Equal(was.Value) || len(row.Fields) != 4 || row.Fields[0].Name != "id" {
				t.Errorf("%s changed the value or the schema it was given", name)
			}
			if headers[0].Key != "h" || headers[:2][1].Key != "" {
				t.Errorf("%s wrote into the array of headers", name)
			}
		}
	}
}

// TestSchemasKeepTheirPointers: plans behind a transform are found by the pointer.
func TestSchemasKeepTheirPointers(t *testing.T) {
	for name, tr := range every(t) {
		var value, key *schema.Schema
		for i := range 3 {
			r := rowOf(int32(i))
			if _, err := tr.Apply(r); err != nil {
				t.Fatal(err)
			}
			if i > 0 && (r.ValueSchema != value || r.KeySchema != key) {
				t.Errorf("%s: record %d has another schema than the one before", name, i)
			}
			value, key = r.ValueSchema, r.KeySchema
			if s := r.Value.Struct(); s != nil && s.Schema != r.ValueSchema {
				t.Errorf("%s: the struct has not the schema of the record", name)
			}
		}
	}
}

// TestFreshSchemas: a source that makes a schema for each record does not make a transform remember them all.
func TestFreshSchemas(t *testing.T) {
	tr := made(t, "ReplaceField$Value", "exclude=id")
	for i := range 5000 {
		r := rowOf(int32(i))
		s := *row
		in := *r.Value.Struct()
		in.Schema = &s
		r.ValueSchema, r.Value = &s, schema.OfStruct(&in)
		if _, err := tr.Apply(r); err != nil || len(r.ValueSchema.Fields) != 3 {
			t.Fatalf("record %d: Apply = %v with %d fields, want 3", i, err, len(r.ValueSchema.Fields))
		}
	}
}

// TestPlugins: each class is there once, in order, with options of its own.
func TestPlugins(t *testing.T) {
	var classes []string
	for _, p := range transform.Plugins() {
		classes = append(classes, p.Class)
		if tr, r := p.New(map[string]string{}, slog.New(slog.DiscardHandler)); (tr == nil) != (len(r.Errors) > 0) {
			t.Errorf("%s without options = %v with errors %v", p.Class, tr, r.Errors)
		}
		a, b := p.Keys(), p.Keys()
		if len(a) > 0 && &a[0] == &b[0] {
			t.Errorf("%s: two sets of options are one", p.Class)
		}
	}
	if !slices.IsSorted(classes) || len(slices.Compact(slices.Clone(classes))) != len(classes) {
		t.Errorf("classes = %q, want them sorted and once each", classes)
	}
	if got := len(transform.Predicates()); got != 3 {
		t.Errorf("%d predicates, want 3", got)
	}
}

// TestFailuresAreTold: what fails has Java's class, and is not tried again.
func TestFailuresAreTold(t *testing.T) {
	_, err := made(t, "Cast$Value", "spec=name:int8").Apply(rowOf(1))
	var f *transform.Failure
	if !errors.As(err, &f) {
		t.Fatalf("Apply = %v, want a Failure", err)
	}
	if class, message := f.Exception(); class != "org.apache.kafka.connect.errors.DataException" || message != "Value (x) was out of range for requested data type" {
		t.Errorf("Exception() = %s, %s", class, message)
	}
	if f.Retriable() || f.Cause == nil || !errors.Is(err, f.Cause) {
		t.Errorf("Retriable() = %v, cause %v, want false and the number's", f.Retriable(), f.Cause)
	}
}

// TestAllocations: a record costs little more than the memory of what comes out, which is handed out in blocks.
func TestAllocations(t *testing.T) {
	for name, most := range map[string]float64{"Cast": 1, "ReplaceField": 1, "InsertField": 1, "MaskField": 1, "TimestampConverter": 1, "RegexRouter": 0, "TimestampRouter": 0,
		"ExtractField": 0, "HoistField": 1, "ValueToKey": 1, "Flatten": 1} {
		tr, r, in := every(t)[name], rowOf(1), schema.Record{}
		if got := testing.AllocsPerRun(1000, func() {
			in = *r
			if _, err := tr.Apply(&in); err != nil {
				t.Fatal(err)
			}
		}); got > most {
			t.Errorf("%s: %v allocations a record, want at most %v", name, got, most)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, name := range []string{"Cast", "ReplaceField", "InsertField", "MaskField", "TimestampConverter", "RegexRouter", "Flatten"} {
		b.Run(name, func(b *testing.B) {
			tr, r := every(b)[name], rowOf(1)
			b.ReportAllocs()
			for b.Loop() {
				in := *r
				if _, err := tr.Apply(&in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
