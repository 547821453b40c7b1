package envelope

import (
	"bytes"
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

var (
	doubleVectorSchema = &schema.Schema{Type: schema.Array, Name: "io.debezium.data.DoubleVector", Version: 1, Elem: float64Schema}
	floatVectorSchema  = &schema.Schema{Type: schema.Array, Name: "io.debezium.data.FloatVector", Version: 1, Elem: schema.Of(schema.Float32)}
	sparseVectorSchema = structure("io.debezium.data.SparseDoubleVector", 1, "Sparse double vector",
		field("dimensions", schema.Of(schema.Int16)),
		field("vector", schema.MapOf(schema.Of(schema.Int16), float64Schema)))
)

// vectorPlan: vector, halfvec and sparsevec of pgvector. Their length is the number of dimensions, which is their type modifier.
func vectorPlan(name string, mod int32) *typePlan {
	tp := &typePlan{length: unset}
	if mod > 0 {
		tp.length = int(mod)
	}
	switch name {
	case "vector":
		tp.schema, tp.write, tp.fallback = doubleVectorSchema, writeVector(64), schema.OfArray([]schema.Value{})
	case "halfvec":
		tp.schema, tp.write, tp.fallback = floatVectorSchema, writeVector(32), schema.OfArray([]schema.Value{})
	default:
		// Debezium has no stand-in and stops; an old row without its values need not stop us.
		tp.schema, tp.write = sparseVectorSchema, writeSparseVector
		tp.fallback = defaultOf(tp, "{}/0")
	}
	return tp
}

// writeVector writes [1,2.5,-3]. The server prints single precision; DoubleVector holds the nearest double of that text.
func writeVector(bits int) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
			return errMalformed
		}
		s.numbers = s.numbers[:0]
		for rest := text[1 : len(text)-1]; len(rest) > 0; {
			number := rest
			if i := bytes.IndexByte(rest, ','); i >= 0 {
				number, rest = rest[:i], rest[i+1:]
			} else {
				rest = nil
			}
			f, ok := parseFloat(number, bits)
			if !ok {
				return errMalformed
			}
			s.numbers = append(s.numbers, f)
		}
		w.BeginArray(len(s.numbers))
		for _, f := range s.numbers {
			if bits == 32 {
				w.Float32(float32(f))
			} else {
				w.Float64(f)
			}
		}
		w.EndArray()
		return nil
	}
}

// writeSparseVector writes {1:1.5,3:-2}/5, entries in the order of a Java HashMap.
func writeSparseVector(s *scratch, text []byte, w schema.Writer) error {
	end := bytes.LastIndexByte(text, '/')
	if end < 2 || text[0] != '{' || text[end-1] != '}' {
		return errMalformed
	}
	dimensions, ok := parseInt(text[end+1:])
	if !ok {
		return errMalformed
	}
	if dimensions > math.MaxInt16 || dimensions < 0 {
		return errOutOfRange
	}
	s.pairs = s.pairs[:0]
	for rest := text[1 : end-1]; len(rest) > 0; {
		entry := rest
		if i := bytes.IndexByte(rest, ','); i >= 0 {
			entry, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		colon := bytes.IndexByte(entry, ':')
		if colon < 0 {
			return errMalformed
		}
		index, ok := parseInt(entry[:colon])
		number, numberOK := parseFloat(entry[colon+1:], 64)
		if !ok || !numberOK {
			return errMalformed
		}
		if index > math.MaxInt16 || index < 0 {
			return errOutOfRange
		}
		s.pairs = append(s.pairs, pair{index: index, number: number, hash: uint32(index)})
	}
	buckets := uint32(1)
	for uint32(len(s.pairs)) > buckets { // the map is made for as many entries as there are
		buckets *= 2
	}
	pairs := s.hashOrder(buckets)
	w.BeginStruct()
	w.Int(dimensions)
	w.BeginMap(len(pairs))
	for i := range pairs {
		w.Int(pairs[i].index)
		w.Float64(pairs[i].number)
	}
	w.EndMap()
	w.EndStruct()
	return nil
}
