package transform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// TestInference: which schema JSON gets, or why none.
func TestInference(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"a": 1, "b": 3000000000, "c": 1.0, "d": "x", "e": true}`, "{a int32, b int64, c float64, d string, e boolean}"},
		{`{"a": null, "b": []}`, "{}"},
		{`{"a": {"b": {"c": 1}}}`, "{a {b {c int32}}}"},
		{`{"a": [1, null, 2], "b": [[true]]}`, "{a [int32], b [[boolean]]}"},
		{`{"a": [{"x": 1}, {"y": "z"}, {"x": 2}]}`, "{a [{x int32, y string}]}"},
		{`{"a": [1, 3000000000]}`, "an array holds integers of different sizes"},
		{`{"a": [1, "x"]}`, "an array holds a number and a string"},
		{`{"a": [null]}`, "no type can be told"},
		{`{"a": [[]]}`, "no type can be told"},
		{`{"": 1}`, "a member has no name"},
	} {
		in := newInference()
		n, err := parseJSON(c.text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := in.schemaOf("p", n)
		got := shape(s)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("schema of %s = %s, want %s", c.text, got, c.want)
		}
	}
}

// shape prints a schema without names.
func shape(s *schema.Schema) string {
	switch {
	case s == nil:
		return "-"
	case s.Type == schema.Array:
		return "[" + shape(s.Elem) + "]"
	case s.Type == schema.Struct:
		var parts []string
		for _, f := range s.Fields {
			parts = append(parts, f.Name+" "+shape(f.Schema))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return s.Type.String()
}

// TestParseJSON: what Jackson takes and what it does not.
func TestParseJSON(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{`{"a":1} trailing`, true}, {`[1,2]`, true}, {` {}`, true}, {`{"a":"\ud83d\ude00\ud83d"}`, true}, {`{"a":1e400}`, true},
		{`{"a":01}`, false}, {`{"a":1.}`, false}, {`{"a":.5}`, false}, {`{"a":+1}`, false}, {`{"a":1,}`, false}, {`[1,]`, false}, {`{'a':1}`, false}, {`{a:1}`, false},
		{`{"a":NaN}`, false}, {`{"a":tru}`, false}, {`{"a":nullx}`, false}, {`{"a":"\x"}`, false}, {"{\"a\":\"\t\"}", false}, {`{"a":"`, false}, {`{"a"`, false}, {`{`, false}, {``, false},
		{`{"a":"\u12"}`, false}, {`{"a":-}`, false}, {`{"a":1e}`, false}, {`{"a":/**/1}`, false},
		{strings.Repeat("[", 1000) + strings.Repeat("]", 1000), true}, {strings.Repeat("[", 1001) + strings.Repeat("]", 1001), false},
		{`[` + strings.Repeat("1", 1001) + `]`, false},
	} {
		if _, err := parseJSON(c.text); (err == nil) != c.ok {
			t.Errorf("parseJSON(%.40q) = %v, want ok %v", c.text, err, c.ok)
		}
	}
}

// FuzzExpand: whatever stands in the payload of an outbox row, the event can be written with the schema it has, or is the text it was; and what
// encoding/json takes is taken.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{`{"a": [1, null, {"b": []}], "c": {"d": 1.5}}`, `[{"a":1},{"b":"x"}]`, `{"a":"\ud83d"}`, `{"big":123456789012345678901}`, `{"x":[[1],["a"]]}`, `{"l":[{"a":null},{"a":1}]}`, `[]`, `x`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, payload string, keep bool) {
		nulls, arrays := "ignore", "ignore"
		if keep {
			nulls, arrays = "optional_bytes", "optional_string"
		}
		o := made(t, "EventRouter", "table.field.event.id=id", "table.field.event.key=id", "table.field.event.payload=a", "route.by.field=a", "table.expand.json.payload=true",
			"table.json.payload.null.behavior="+nulls, "table.json.payload.empty.array.behavior="+arrays)
		r := change("c", schema.NullValue, rowOf(1, payload))
		if keep, err := o.Apply(r); err != nil || !keep {
			t.Fatalf("Apply = %v, %v", keep, err)
		}
		if r.Value.Type() == schema.String && r.Value.Text() != payload {
			t.Errorf("the payload became the text %q", r.Value.Text())
		}
		if r.Value.Type() == schema.Struct {
			writes(t, r)
		}
		if json.Valid([]byte(payload)) && len(payload) < jsonNumberLength {
			if _, err := parseJSON(payload); err != nil {
				t.Errorf("parseJSON = %v for what encoding/json takes", err)
			}
		}
	})
}

// writes writes a record's value against its schema.
func writes(t *testing.T, r *schema.Record) {
	t.Helper()
	b := schema.NewBuilder(r.ValueSchema)
	r.Value.WriteTo(b)
	if !b.Done() {
		t.Errorf("the value does not fit its schema: %v", b.Err())
	}
}

// FuzzDecode: any content of a logical decoding message becomes a record that can be written, or an error.
func FuzzDecode(f *testing.F) {
	content := schema.StructOf("io.debezium.connector.postgresql.Message", schema.F("prefix", text), schema.F("content", schema.Of(schema.Bytes)))
	value := schema.StructOf(messageSchema, schema.F("op", text), schema.F("ts_ms", schema.Of(schema.Int64)), schema.F("message", content))
	for _, s := range []string{`{"a": [1, null, {"b": []}], "c": {"d": 1.5}}`, `{"op":"x","after":1}`, `[1]`, `{`, "{\"a\":\"\xff\"}", ``} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, nulls bool) {
		d := made(t, "DecodeLogicalDecodingMessageContent", fmt.Sprintf("fields.null.include=%v", nulls))
		r := &schema.Record{Topic: "p.message", ValueSchema: value,
			Value: structOfValues(value, schema.OfString("m"), schema.OfInt64(1), structOfValues(content, schema.OfString("p"), schema.OfBytes(data)))}
		keep, err := d.Apply(r)
		if err != nil {
			return
		}
		if !keep || r.ValueSchema.Name != messageSchema+".Envelope" || r.Value.Struct().Field("op").Text() != "c" {
			t.Fatalf("Apply = %v, schema %q", keep, r.ValueSchema.Name)
		}
		writes(t, r)
	})
}
