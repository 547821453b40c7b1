package transform

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/schema"
)

// TestUnwrapRefusesRowsThatAreNoStructs: a sink takes whatever a topic holds; a value that only looks like an envelope is an error, not a panic.
func TestUnwrapRefusesRowsThatAreNoStructs(t *testing.T) {
	s := schema.StructOf("x.Envelope", schema.F("before", optionalText), schema.F("after", optionalText))
	for _, mode := range []string{"drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"} {
		tr := made(t, "ExtractNewRecordState", "delete.tombstone.handling.mode="+mode, "route.by.field=a")
		r := &schema.Record{Topic: "t", ValueSchema: s, Value: structOfValues(s, schema.OfString("x"), schema.NullValue)}
		if _, err := tr.Apply(r); err == nil || !strings.Contains(err.Error(), "want a struct") {
			t.Errorf("mode %s: Apply of a delete of a text = %v, want an error that names it", mode, err)
		}
	}
}

// TestDecodeMessagesOfTwoConnectors: a sink reads the messages of connectors with and without transaction metadata; their contents are equal.
func TestDecodeMessagesOfTwoConnectors(t *testing.T) {
	inner := schema.StructOf("Message", schema.F("content", schema.Of(schema.Bytes)))
	body := structOfValues(inner, schema.OfBytes([]byte(`{"a":1}`)))
	plain := schema.StructOf(messageSchema, schema.F("op", text), schema.F("message", inner))
	rich := schema.StructOf(messageSchema, schema.F("op", text), schema.F("ts_ms", schema.Of(schema.Int64)), schema.F("message", inner))
	tr := made(t, "DecodeLogicalDecodingMessageContent")
	for _, r := range []*schema.Record{
		{ValueSchema: rich, Value: structOfValues(rich, schema.OfString("m"), schema.OfInt64(7), body)},
		{ValueSchema: plain, Value: structOfValues(plain, schema.OfString("m"), body)},
		{ValueSchema: rich, Value: structOfValues(rich, schema.OfString("m"), schema.OfInt64(8), body)},
	} {
		want := r.Value.Struct().Field("ts_ms")
		if keep, err := tr.Apply(r); !keep || err != nil {
			t.Fatalf("Apply = %t, %v, want true", keep, err)
		}
		if got := r.Value.Struct().Field("ts_ms"); !got.Equal(want) {
			t.Errorf("ts_ms is %d, want %d", got.Int(), want.Int())
		}
	}
}

// TestRouterKeepsNoHalfRows: before and after get one schema; a row that does not fit it is an error, as Struct.put is in Java.
func TestRouterKeepsNoHalfRows(t *testing.T) {
	small := schema.StructOf("small", schema.F("id", schema.Of(schema.Int32))).AsOptional()
	large := schema.StructOf("large", schema.F("id", schema.Of(schema.Int32)), schema.F("more", text)).AsOptional()
	s := schema.StructOf("x.Envelope", schema.F("before", small), schema.F("after", large))
	tr := made(t, "ByLogicalTableRouter", "topic.regex=(.*)", "topic.replacement=all", "key.enforce.uniqueness=false")
	r := &schema.Record{Topic: "t", ValueSchema: s, Value: structOfValues(s, schema.NullValue, structOfValues(large, schema.OfInt32(1), schema.OfString("lost")))}
	if _, err := tr.Apply(r); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("Apply = %v and value %v, want an error that names the field without place", err, r.Value.Struct().Values)
	}
}

// TestHeaderToValueKeepsSchemas: records that have headers by turns find the schemas that were made for the ones before.
func TestHeaderToValueKeepsSchemas(t *testing.T) {
	tr := made(t, "HeaderToValue", "headers=a,b", "fields=a,b", "operation=copy")
	s := schema.StructOf("v", schema.F("id", schema.Of(schema.Int32)))
	seen := make(map[*schema.Schema]bool)
	for i := range 20 {
		r := &schema.Record{ValueSchema: s, Value: structOfValues(s, schema.OfInt32(1)), Headers: []schema.Header{{Key: string(rune('a' + i%2)), Schema: text, Value: schema.OfString("x")}}}
		if _, err := tr.Apply(r); err != nil {
			t.Fatal(err)
		}
		seen[r.ValueSchema] = true
	}
	if len(seen) > 2 {
		t.Errorf("20 records with one of two headers have %d schemas, want 2", len(seen))
	}
}

// TestExpandWideObject: the time for an object grows with its members, not with their square.
func TestExpandWideObject(t *testing.T) {
	const members = 200_000
	var b strings.Builder
	b.WriteByte('{')
	for i := range members {
		fmt.Fprintf(&b, `"member%06d":1,`, i)
	}
	b.WriteString(`"last":1}`)
	n, err := parseJSON(b.String())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	in := newInference()
	s, err := in.schemaOf("p", n)
	if err != nil || len(s.Fields) != members+1 {
		t.Fatalf("schemaOf = %v", err)
	}
	v, err := in.valueOf(n, s)
	if err != nil || v.Struct().Field("last").Int() != 1 {
		t.Fatalf("valueOf = %v", err)
	}
	if took := time.Since(began); took > 10*time.Second { // by comparing each with each it takes minutes
		t.Errorf("an object of %d members takes %s", members, took)
	}
}

// TestDecodeOfBytesThatAreNoText: a message holds any bytes; Java puts a replacement character for those that are no UTF-8, and no converter
// takes a text that is none.
func TestDecodeOfBytesThatAreNoText(t *testing.T) {
	inner := schema.StructOf("Message", schema.F("content", schema.Of(schema.Bytes)))
	s := schema.StructOf(messageSchema, schema.F("op", text), schema.F("message", inner))
	r := &schema.Record{ValueSchema: s, Value: structOfValues(s, schema.OfString("m"), structOfValues(inner, schema.OfBytes([]byte("{\"a\":\"x\xffy\"}"))))}
	if _, err := made(t, "DecodeLogicalDecodingMessageContent").Apply(r); err != nil {
		t.Fatal(err)
	}
	if got, want := r.Value.Struct().Field(fieldAfter).Struct().Field("a").Text(), "x\uFFFDy"; got != want {
		t.Errorf("after.a = %q, want %q", got, want)
	}
}
