package converter

import (
	"slices"

	"github.com/tandem-cdc/tandem/schema"
)

// AppendJSONString appends a JSON string literal as the JsonConverter writes it: bytes beyond ASCII as they are, characters beyond U+FFFF and
// controls escaped.
func AppendJSONString[T string | []byte](dst []byte, s T) []byte {
	return appendJSONString(dst, s, true)
}

// AppendJSONFloat appends a float as the JsonConverter writes it, bits being 32 or 64: Java's digits, NaN and the infinities as strings.
func AppendJSONFloat(dst []byte, v float64, bits int) []byte { return appendJSONFloat(dst, v, bits) }

// AppendDecimal appends a decimal, given as its unscaled value (two's complement, big-endian) and scale, as java.math.BigDecimal prints it.
func AppendDecimal(dst, unscaled []byte, scale int) []byte {
	return appendDecimal(dst, unscaled, scale)
}

// HashOrder puts entries whose keys are strings in the order in which a java.util.HashMap that they were put into hands them out; of equal keys
// the last value stays. Entries that are in this order are returned as they are, others in a new slice.
func HashOrder(entries []schema.Entry) []schema.Entry {
	if len(entries) < 2 {
		return entries
	}
	type placed struct {
		bucket uint32
		schema.Entry
	}
	all := make([]placed, len(entries))
	sorted := true
	for i, e := range entries {
		all[i] = placed{javaBucket(javaStringHash([]byte(e.Key.Text())), len(entries)), e}
		sorted = sorted && (i == 0 || all[i].bucket > all[i-1].bucket)
	}
	if sorted {
		return entries
	}
	slices.SortStableFunc(all, func(a, b placed) int { return int(a.bucket) - int(b.bucket) })
	out, began := make([]schema.Entry, 0, len(all)), 0 // began is where the bucket at hand does, in out
	for i, p := range all {
		if i > 0 && p.bucket != all[i-1].bucket {
			began = len(out)
		}
		twice := slices.IndexFunc(out[began:], func(e schema.Entry) bool { return e.Key.Text() == p.Key.Text() })
		if twice >= 0 {
			out[began+twice] = p.Entry
			continue
		}
		out = append(out, p.Entry)
	}
	return out
}
