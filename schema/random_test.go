package schema_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/tandem-cdc/tandem/schema"
)

// randomSchema makes any schema, at most depth levels deep.
func randomSchema(r *rand.Rand, depth int) *schema.Schema {
	s := &schema.Schema{Type: schema.Int8 + schema.Type(r.IntN(int(schema.Struct-schema.Int8)+1)), Optional: r.IntN(3) == 0}
	if depth == 0 && s.Type >= schema.Array {
		s.Type = schema.String
	}
	switch s.Type {
	case schema.Array:
		s.Elem = randomSchema(r, depth-1)
	case schema.Map:
		s.Key, s.Elem = randomSchema(r, 0).AsRequired(), randomSchema(r, depth-1)
	case schema.Struct:
		for i := range r.IntN(5) {
			s.Fields = append(s.Fields, schema.F(fmt.Sprintf("f%d", i), randomSchema(r, depth-1)))
		}
	}
	if r.IntN(4) == 0 {
		v := randomValue(r, s.AsRequired())
		s = s.WithDefault(v)
	}
	return s
}

// randomValue makes a value that fits; a null only where the schema is optional.
func randomValue(r *rand.Rand, s *schema.Schema) schema.Value {
	if s.Optional && r.IntN(3) == 0 {
		return schema.NullValue
	}
	switch s.Type {
	case schema.Float32:
		return schema.OfFloat32(r.Float32())
	case schema.Float64:
		return schema.OfFloat64(r.NormFloat64())
	case schema.Boolean:
		return schema.OfBool(r.IntN(2) == 0)
	case schema.String:
		return schema.OfString([]string{"", "a", "grüße", "\x00\"\\", "😀", "a longer text than most"}[r.IntN(6)])
	case schema.Bytes:
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return schema.OfBytes(b)
	case schema.Array:
		elems := make([]schema.Value, r.IntN(4))
		for i := range elems {
			elems[i] = randomValue(r, s.Elem)
		}
		return schema.OfArray(elems)
	case schema.Map:
		entries := make([]schema.Entry, r.IntN(4))
		for i := range entries {
			entries[i] = schema.Entry{Key: randomValue(r, s.Key), Value: randomValue(r, s.Elem)}
		}
		return schema.OfMap(entries)
	case schema.Struct:
		v := &schema.StructValue{Schema: s, Values: make([]schema.Value, len(s.Fields))}
		for i, f := range s.Fields {
			v.Values[i] = randomValue(r, f.Schema)
		}
		return schema.OfStruct(v)
	}
	bits := map[schema.Type]int{schema.Int8: 8, schema.Int16: 16, schema.Int32: 32, schema.Int64: 64}[s.Type]
	return schema.OfInt(s.Type, int64(r.Uint64())>>(64-bits))
}
