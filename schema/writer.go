package schema

// Writer takes one value after the other in the order of a schema: a single value, or for a Struct BeginStruct, exactly one call
// (or nested sequence) per field in field order, EndStruct; for an Array BeginArray, its elements, EndArray; for a Map BeginMap,
// key and value alternately, EndMap.
//
// A Writer is made for one schema and checks what it is given against it: a call that does not fit makes Err non-nil and all later
// calls void, so callers check once, at the end. Writers do not keep the bytes they are given.
//
// Null at a field with a default is the caller's null: the converters replace it by the default, as Connect's Struct.get does,
// unless they are told not to.
//
// Bytes of a Decimal are its unscaled value, two's complement, big-endian; the scale stands in the schema.
type Writer interface {
	Null()
	Bool(v bool)
	// Int takes all four integer types.
	Int(v int64)
	Float32(v float32)
	Float64(v float64)
	// Text takes a String as UTF-8 bytes, String the same as a string.
	Text(v []byte)
	String(v string)
	Bytes(v []byte)

	BeginStruct()
	EndStruct()
	// BeginArray and BeginMap announce n elements or entries. n is what to make room for; there may come more where a Reader's bytes
	// are in blocks, and EndArray and EndMap tell how many there were.
	BeginArray(n int)
	EndArray()
	BeginMap(n int)
	EndMap()

	// Err is the first misuse since the last reset, nil when all fitted.
	Err() error
}
