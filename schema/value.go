package schema

import (
	"bytes"
	"math"
	"unsafe"
)

// Value is a value in memory: one of Connect's types, or null (the zero Value). Scalars are held without allocation.
// Logical types are held as their base type: a Decimal as Bytes (unscaled, two's complement, big-endian), a Timestamp as Int64.
//
// A row is mostly Values, so one takes 24 bytes, where a string and an interface side by side would make it 48: texts, bytes and slices
// are held as what their headers are made of. An envelope of nine columns takes 1,092 bytes for it instead of 2,010 (BenchmarkAvroRead).
type Value struct {
	typ   Type
	class Class
	scale int32          // of a BigDecimal
	num   uint64         // integers, booleans and floats; the length of texts, bytes and slices
	ref   unsafe.Pointer // of a String, Bytes, Array or Map: its first element; a *StructValue
}

// Class tells apart what base types cannot where no schema says it: Kafka Connect's data without a schema may hold Java's dates and decimals. A
// transform makes them (TimestampConverter), and the next one has to know them.
type Class uint8

// Classes of a Value.
const (
	NoClass    Class = iota
	Instant          // an Int64: a java.util.Date, in milliseconds since 1970-01-01 UTC
	BigDecimal       // Bytes: a java.math.BigDecimal, unscaled as those of a Decimal; Scale is its scale
)

// StructValue is a Struct in memory: Values in the order of Schema.Fields.
type StructValue struct {
	Schema *Schema
	Values []Value
}

// Entry is one entry of a Map, which keeps its order.
type Entry struct{ Key, Value Value }

// NullValue is null.
var NullValue Value

// Constructors. The slices are kept, not copied.
func OfBool(v bool) Value {
	if v {
		return Value{typ: Boolean, num: 1}
	}
	return Value{typ: Boolean}
}
func OfInt8(v int8) Value       { return Value{typ: Int8, num: uint64(int64(v))} }
func OfInt16(v int16) Value     { return Value{typ: Int16, num: uint64(int64(v))} }
func OfInt32(v int32) Value     { return Value{typ: Int32, num: uint64(int64(v))} }
func OfInt64(v int64) Value     { return Value{typ: Int64, num: uint64(v)} }
func OfFloat32(v float32) Value { return Value{typ: Float32, num: uint64(math.Float32bits(v))} }
func OfFloat64(v float64) Value { return Value{typ: Float64, num: math.Float64bits(v)} }
func OfString(v string) Value {
	return Value{typ: String, num: uint64(len(v)), ref: unsafe.Pointer(unsafe.StringData(v))}
}
func OfBytes(v []byte) Value        { return Value{typ: Bytes, num: uint64(len(v)), ref: first(v)} }
func OfArray(v []Value) Value       { return Value{typ: Array, num: uint64(len(v)), ref: first(v)} }
func OfMap(v []Entry) Value         { return Value{typ: Map, num: uint64(len(v)), ref: first(v)} }
func OfStruct(v *StructValue) Value { return Value{typ: Struct, ref: unsafe.Pointer(v)} }

// OfInstant is a point in time without a schema that says so.
func OfInstant(millis int64) Value {
	return Value{typ: Int64, class: Instant, num: uint64(millis)}
}

// OfDecimal is a decimal without a schema that says so; its bytes are kept, not copied.
func OfDecimal(unscaled []byte, scale int32) Value {
	v := OfBytes(unscaled)
	v.class, v.scale = BigDecimal, scale
	return v
}

func first[E any](v []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(v)) }

// slice is what first was taken of, without room behind it.
func slice[E any](v Value, t Type) []E {
	if v.typ != t || v.ref == nil {
		return nil
	}
	return unsafe.Slice((*E)(v.ref), v.num)
}

// OfInt makes an integer of type t, which is one of the four.
func OfInt(t Type, v int64) Value { return Value{typ: t, num: uint64(v)} }

// Type is the value's type, Invalid for null.
func (v Value) Type() Type { return v.typ }

// Class is what the value is beyond its type, where no schema says it.
func (v Value) Class() Class { return v.class }

// Scale is that of a BigDecimal.
func (v Value) Scale() int { return int(v.scale) }

// IsNull tells null.
func (v Value) IsNull() bool { return v.typ == Invalid }

// Accessors. Asked for another type than its own, a value answers zero.
func (v Value) Bool() bool { return v.typ == Boolean && v.num == 1 }

// Int is an integer of any of the four types.
func (v Value) Int() int64 {
	if v.typ >= Int8 && v.typ <= Int64 {
		return int64(v.num)
	}
	return 0
}
func (v Value) Float32() float32 {
	if v.typ != Float32 {
		return 0
	}
	return math.Float32frombits(uint32(v.num))
}

// Float64 is a Float64 or a Float32.
func (v Value) Float64() float64 {
	switch v.typ {
	case Float32:
		return float64(math.Float32frombits(uint32(v.num)))
	case Float64:
		return math.Float64frombits(v.num)
	}
	return 0
}

// Text is a String.
func (v Value) Text() string {
	if v.typ != String || v.num == 0 {
		return ""
	}
	return unsafe.String((*byte)(v.ref), v.num)
}

func (v Value) Bytes() []byte  { return slice[byte](v, Bytes) }
func (v Value) Array() []Value { return slice[Value](v, Array) }
func (v Value) Map() []Entry   { return slice[Entry](v, Map) }

// Struct is a Struct; nil for another type.
func (v Value) Struct() *StructValue {
	if v.typ != Struct {
		return nil
	}
	return (*StructValue)(v.ref)
}

// Field is the value of the named field; null when there is none.
func (s *StructValue) Field(name string) Value {
	if s == nil {
		return NullValue
	}
	if i := s.Schema.Field(name); i >= 0 {
		return s.Values[i]
	}
	return NullValue
}

// Equal compares deeply; floats by their bits, struct schemas by their field names.
func (v Value) Equal(o Value) bool {
	if v.typ != o.typ || v.class != o.class || v.scale != o.scale || v.num != o.num {
		return false
	}
	switch v.typ {
	case String:
		return v.Text() == o.Text()
	case Bytes:
		return bytes.Equal(v.Bytes(), o.Bytes())
	case Array:
		a, b := v.Array(), o.Array()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Equal(b[i]) {
				return false
			}
		}
	case Map:
		a, b := v.Map(), o.Map()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Key.Equal(b[i].Key) || !a[i].Value.Equal(b[i].Value) {
				return false
			}
		}
	case Struct:
		a, b := v.Struct(), o.Struct()
		if a == nil || b == nil || len(a.Values) != len(b.Values) {
			return a == b
		}
		for i := range a.Values {
			if a.Schema.Fields[i].Name != b.Schema.Fields[i].Name || !a.Values[i].Equal(b.Values[i]) {
				return false
			}
		}
	}
	return true
}

// WriteTo calls w with the value. A Struct writes its fields in its own schema's order, which must be that of w's schema.
func (v Value) WriteTo(w Writer) {
	if b, ok := w.(*Builder); ok && b.putValue(v) { // a place without a schema keeps the value's own types
		return
	}
	v.writeTo(w)
}

func (v Value) writeTo(w Writer) {
	switch v.typ {
	case Invalid:
		w.Null()
	case Int8, Int16, Int32, Int64:
		w.Int(int64(v.num))
	case Float32:
		w.Float32(v.Float32())
	case Float64:
		w.Float64(v.Float64())
	case Boolean:
		w.Bool(v.num == 1)
	case String:
		w.String(v.Text())
	case Bytes:
		w.Bytes(v.Bytes())
	case Array:
		a := v.Array()
		w.BeginArray(len(a))
		for _, e := range a {
			e.writeTo(w)
		}
		w.EndArray()
	case Map:
		m := v.Map()
		w.BeginMap(len(m))
		for _, e := range m {
			e.Key.writeTo(w)
			e.Value.writeTo(w)
		}
		w.EndMap()
	case Struct:
		w.BeginStruct()
		for _, f := range v.Struct().Values {
			f.writeTo(w)
		}
		w.EndStruct()
	}
}
