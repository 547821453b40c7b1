package converter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

// optionsOf reads options of the AvroConverter, name and value by turns.
func optionsOf(t *testing.T, options ...string) avroOptions {
	t.Helper()
	props := map[string]string{"schema.registry.url": "http://localhost"}
	for i := 0; i < len(options); i += 2 {
		props[options[i]] = options[i+1]
	}
	c, r := parseAvroConfig(props)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return c.avro
}

func avroSchemaOf(t *testing.T, s *schema.Schema, o avroOptions) string {
	t.Helper()
	a, err := avroFrom(s, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := avroText(a)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func connectSchemaOf(t *testing.T, text string, o avroOptions) string {
	t.Helper()
	a, err := parseAvro(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := avroTo(a, o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := appendJSONSchema(nil, s, plainJSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The names are those that Confluent's AvroData makes: its test has the first.
func TestScrubInvalidNames(t *testing.T) {
	o := optionsOf(t, "scrub.invalid.names", "true", "connect.meta.data", "false")
	for in, want := range map[string]string{
		"invalid field-name": "invalid_field_name", "plain_1": "plain_1", "": "", "1st": "x1st", "größe": "gr_C3_B6_C3_9Fe", "a.b*c": "a_b_c", "a+b/c%": "a_2Bb_2Fc_25",
		"🚲": "_F0_9F_9A_B2", "-": "_", "9-": "x9_",
	} {
		if got := o.scrubbed(in); got != want {
			t.Errorf("scrubbed(%q) = %q, want %q", in, got, want)
		}
		if got := plainAvro.scrubbed(in); got != in {
			t.Errorf("scrubbed(%q) without the option = %q", in, got)
		}
	}
	inner := schema.StructOf("other.in ner", schema.F("x y", schema.Of(schema.Int32)))
	s := schema.StructOf("org.acme-corp.invalid record-name", schema.F("invalid field-name", schema.Of(schema.String)), schema.F("in", inner.AsOptional()))
	v := schema.OfStruct(&schema.StructValue{Schema: inner, Values: []schema.Value{schema.OfInt32(4)}})
	inner.Default = &v
	s.Fields[1].Schema = inner
	want := `{"type":"record","name":"invalid_record_name","namespace":"org.acme_corp","fields":[{"name":"invalid_field_name","type":"string"},` +
		`{"name":"in","type":{"type":"record","name":"in_ner","namespace":"other","fields":[{"name":"x_y","type":"int"}]},"default":{"x_y":4}}]}`
	if diff := cmp.Diff(want, avroSchemaOf(t, s, o)); diff != "" {
		t.Errorf("schema (-want +got)\n%s", diff)
	}
	if _, err := avroFrom(s, plainAvro); err == nil || !strings.Contains(err.Error(), "scrub.invalid.names") {
		t.Errorf("avroFrom without the option = %v, want it named", err)
	}
	twice := schema.StructOf("r", schema.F("a-b", schema.Of(schema.Int32)), schema.F("a_b", schema.Of(schema.Int32)))
	if _, err := avroFrom(twice, o); err == nil || !strings.Contains(err.Error(), `"a_b"`) {
		t.Errorf("avroFrom of two fields that become one = %v", err)
	}
}

const enumUnion = `{"type":"record","name":"R","namespace":"n","fields":[` +
	`{"name":"u","type":["null","int",{"type":"enum","name":"Colour","namespace":"m","symbols":["RED","GREEN"],"default":"RED"},{"type":"record","name":"Sub","fields":[{"name":"a","type":"string"}]}]},` +
	`{"name":"c","type":"m.Colour"},{"name":"w","type":["int","string"]}]}`

func TestGeneralizedSumTypes(t *testing.T) {
	o := optionsOf(t, "generalized.sum.type.support", "true", "connect.meta.data", "false")
	enum := `"optional":%,"name":"m.Colour","parameters":{"org.apache.kafka.connect.data.Enum":"m.Colour","org.apache.kafka.connect.data.Enum.RED":"0","org.apache.kafka.connect.data.Enum.GREEN":"1"}`
	want := `{"type":"struct","fields":[` +
		`{"type":"struct","fields":[{"type":"int32","optional":true,"field":"connect_union_field_1"},` +
		`{"type":"string",` + strings.Replace(enum, "%", "true", 1) + `,"field":"connect_union_field_2"},` +
		`{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"}],"optional":true,"name":"n.Sub","field":"connect_union_field_3"}],` +
		`"optional":true,"name":"connect_union_0","parameters":{"org.apache.kafka.connect.data.Union":"connect_union_0"},"field":"u"},` +
		`{"type":"string",` + strings.Replace(enum, "%", "false", 1) + `,"field":"c"},` +
		`{"type":"struct","fields":[{"type":"int32","optional":true,"field":"connect_union_field_0"},{"type":"string","optional":true,"field":"connect_union_field_1"}],` +
		`"optional":false,"name":"connect_union_1","parameters":{"org.apache.kafka.connect.data.Union":"connect_union_1"},"field":"w"}],"optional":false,"name":"n.R"}`
	if diff := cmp.Diff(want, connectSchemaOf(t, enumUnion, o)); diff != "" {
		t.Errorf("schema (-want +got)\n%s", diff)
	}
	if next := connectSchemaOf(t, `["int","string"]`, o); !strings.Contains(next, `"name":"connect_union_2"`) {
		t.Errorf("the next union of the converter = %s, want connect_union_2", next)
	}
}

// What was read is written again as it was.
func TestEnumsAndUnionsRoundTrip(t *testing.T) {
	for _, options := range [][]string{
		{"generalized.sum.type.support", "true", "connect.meta.data", "false"},
		{"enhanced.avro.schema.support", "true", "connect.meta.data", "false"},
	} {
		o := optionsOf(t, options...)
		parsed, err := parseAvro(enumUnion)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newAvroReader(parsed, o)
		if err != nil {
			t.Fatal(err)
		}
		without := strings.ReplaceAll(enumUnion, `,"default":"RED"`, "") // its place is the metadata
		without = strings.Replace(without, `"string"}]}]}`, `"string"}]}],"default":null}`, 1)
		if text := avroSchemaOf(t, r.Schema(), o); text != without {
			t.Errorf("%s: schema = %s, want %s", options[0], text, without)
		}
		plan, err := avroPlan(r.Schema(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range []string{"\x00\x02\x00\x0a", "\x02\x08\x00\x02\x04hi", "\x04\x02\x00\x00\x06", "\x06\x04ab\x02\x00\x01"} {
			w := newAvroSerializer(plan, 7)
			if err := r.Read([]byte(data), w.Begin(nil)); err != nil {
				t.Fatalf("%s: read %q: %v", options[0], data, err)
			}
			if got, err := w.End(); err != nil || string(got[framingSize:]) != data {
				t.Errorf("%s: %q read and written = %q, %v", options[0], data, got[framingSize:], err)
			}
		}
	}
}

func TestEnumMisuse(t *testing.T) {
	o := optionsOf(t, "enhanced.avro.schema.support", "true")
	colour := schema.Of(schema.String)
	colour.Parameters = []schema.Parameter{{Name: avroEnum, Value: "m.Colour"}, {Name: avroEnum + ".RED", Value: "RED"}}
	plan, err := avroPlan(colour, o)
	if err != nil {
		t.Fatal(err)
	}
	w := newAvroSerializer(plan, 1)
	for _, write := range []func(schema.Writer){func(w schema.Writer) { w.String("BLUE") }, func(w schema.Writer) { w.Text([]byte("")) }, func(w schema.Writer) { w.Int(0) }} {
		write(w.Begin(nil))
		if data, err := w.End(); err == nil {
			t.Errorf("a value that is no symbol = %x, want an error", data)
		}
	}
	for _, broken := range []schema.Parameter{{Name: avroEnum, Value: "no-name"}, {Name: avroEnum + ".no-symbol", Value: "x"}} {
		s := *colour
		s.Parameters = append([]schema.Parameter{broken}, colour.Parameters...)
		if _, err := avroFrom(&s, o); err == nil {
			t.Errorf("avroFrom with %v has no error", broken)
		}
	}
	if text := avroSchemaOf(t, colour, avroOptions{}); text != `"string"` {
		t.Errorf("schema without the option = %s", text)
	}
}

func TestDiscardTypeDocDefault(t *testing.T) {
	o := optionsOf(t, "discard.type.doc.default", "true")
	const text = `{"type":"record","name":"R","doc":"of the record","fields":[{"name":"a","type":"int","doc":"of the field","default":3},` +
		`{"name":"b","type":["null",{"type":"string","connect.doc":"own"}],"doc":"outer"},{"name":"c","type":{"type":"enum","name":"E","doc":"of the enum","symbols":["X"]}}]}`
	want := `{"type":"struct","fields":[{"type":"int32","optional":false,"doc":"of the field","default":3,"field":"a"},` +
		`{"type":"string","optional":true,"doc":"outer","field":"b"},` +
		`{"type":"string","optional":false,"name":"E","doc":"of the enum","parameters":{"connect.enum.doc":"of the enum","io.confluent.connect.avro.Enum":"E","io.confluent.connect.avro.Enum.X":"X","connect.record.doc":"of the enum"},"field":"c"}],` +
		`"optional":false,"name":"R","doc":"of the record","parameters":{"connect.record.doc":"of the record"}}`
	if diff := cmp.Diff(want, connectSchemaOf(t, text, o)); diff != "" {
		t.Errorf("schema (-want +got)\n%s", diff)
	}
	field := schema.Of(schema.Int32)
	field.Doc = "of the field"
	three := schema.OfInt32(3)
	field.Default = &three
	field.Parameters = []schema.Parameter{{Name: avroFieldDefault, Value: "true"}}
	s := schema.StructOf("R", schema.F("a", field))
	s.Parameters = []schema.Parameter{{Name: connectRecordDoc, Value: "of the record"}}
	wantAvro := `{"type":"record","name":"R","doc":"of the record","fields":[{"name":"a","type":{"type":"int","connect.doc":"of the field",` +
		`"connect.parameters":{"io.confluent.connect.avro.field.default":"true"},"connect.default":3},"doc":"of the field","default":3}],` +
		`"connect.parameters":{"connect.record.doc":"of the record"},"connect.name":"R"}`
	if diff := cmp.Diff(wantAvro, avroSchemaOf(t, s, o)); diff != "" {
		t.Errorf("Avro schema (-want +got)\n%s", diff)
	}
}

func TestFlattenSingletonUnions(t *testing.T) {
	const text = `{"type":"record","name":"R","fields":[{"name":"a","type":["int"]}]}`
	o := optionsOf(t, "flatten.singleton.unions", "true")
	if got, want := connectSchemaOf(t, text, o), `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"a"}],"optional":false,"name":"R"}`; got != want {
		t.Errorf("schema = %s, want %s", got, want)
	}
	if got := connectSchemaOf(t, text, plainAvro); !strings.Contains(got, avroUnionName) {
		t.Errorf("schema without the option = %s, want a union", got)
	}
	parsed, err := parseAvro(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newAvroReader(parsed, o)
	if err != nil {
		t.Fatal(err)
	}
	b := schema.NewBuilder(r.Schema())
	if err := r.Read([]byte{0, 10}, b); err != nil || b.Value().Struct().Field("a").Int() != 5 {
		t.Errorf("Read = %v, %s, want 5", err, describe(b.Value()))
	}
	if err := r.Read([]byte{2, 10}, schema.NewBuilder(r.Schema())); err == nil {
		t.Error("Read of a second type has no error")
	}
}
