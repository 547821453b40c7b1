package converter

import (
	"testing"

	"github.com/hamba/avro/v2"

	"github.com/tandem-cdc/tandem/schema"
)

// TestAvroFileValues: bare Avro that hamba/avro reads; what does not fit leaves the bytes as they were.
func TestAvroFileValues(t *testing.T) {
	s := schema.StructOf("A", schema.F("x", schema.Of(schema.Int32)), schema.F("y", schema.Of(schema.String).AsOptional()))
	f, err := NewAvroFileValues(s, AvroFileOptions{MetaData: true})
	if err != nil {
		t.Fatal(err)
	}
	value := func(x schema.Value) schema.Value {
		return schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{x, schema.OfString("y")}})
	}
	out, err := f.Append([]byte("before"), value(schema.OfInt32(7)))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := avro.ParseWithCache(f.Schema(), "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		X int     `avro:"x"`
		Y *string `avro:"y"`
	}
	if err := avro.Unmarshal(parsed, out[len("before"):], &got); err != nil || got.X != 7 || got.Y == nil || *got.Y != "y" {
		t.Errorf("hamba/avro reads %+v, %v; want 7 and y", got, err)
	}
	same, err := f.Append(out, value(schema.NullValue))
	if err == nil || string(same) != string(out) {
		t.Errorf("Append() of a null that must not be = %q, %v; want %q and an error", same, err, out)
	}
	if f, err = NewAvroFileValues(nil, AvroFileOptions{}); err != nil || f.Schema() != anythingText {
		t.Fatalf("NewAvroFileValues(nil) = %v, %v", f, err)
	}
	if out, err = f.Append(nil, schema.OfInt32(3)); err != nil || len(out) == 0 {
		t.Errorf("Append() of a value without a schema = %x, %v", out, err)
	}
	if same, err := f.Append(out, schema.OfBytes([]byte("x"))); err == nil || string(same) != string(out) {
		t.Errorf("Append() of bytes without a schema = %x, %v; want %x and an error", same, err, out)
	}
}
