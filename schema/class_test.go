package schema_test

import (
	"testing"
	"unsafe"

	"github.com/tandem-cdc/tandem/schema"
)

// TestClass: dates and decimals without a schema are told from what they are made of, and a Value stays as small as it was.
func TestClass(t *testing.T) {
	instant, decimal := schema.OfInstant(5), schema.OfDecimal([]byte{1, 2}, -3)
	if instant.Type() != schema.Int64 || instant.Int() != 5 || instant.Class() != schema.Instant {
		t.Errorf("OfInstant(5) = %s %d of class %d", instant.Type(), instant.Int(), instant.Class())
	}
	if decimal.Type() != schema.Bytes || string(decimal.Bytes()) != "\x01\x02" || decimal.Class() != schema.BigDecimal || decimal.Scale() != -3 {
		t.Errorf("OfDecimal = %s %x of class %d with scale %d", decimal.Type(), decimal.Bytes(), decimal.Class(), decimal.Scale())
	}
	for _, other := range []schema.Value{schema.OfInt64(5), schema.OfInstant(6), schema.OfBytes([]byte{1, 2}), schema.OfDecimal([]byte{1, 2}, 3)} {
		if instant.Equal(other) || decimal.Equal(other) {
			t.Errorf("a value equals %s of class %d and scale %d", other.Type(), other.Class(), other.Scale())
		}
	}
	if !instant.Equal(schema.OfInstant(5)) || !decimal.Equal(schema.OfDecimal([]byte{1, 2}, -3)) || schema.OfInt64(5).Class() != schema.NoClass {
		t.Error("a value does not equal itself")
	}
	if size := unsafe.Sizeof(instant); size != 24 {
		t.Errorf("a Value takes %d bytes, want 24", size)
	}
	b := schema.NewBuilder(nil) // what is without a schema keeps its class
	schema.OfArray([]schema.Value{instant}).WriteTo(b)
	if got := b.Value().Array(); len(got) != 1 || !got[0].Equal(instant) {
		t.Errorf("a builder made %v of an instant", got)
	}
}
