package transform

import (
	"math"
	"math/big"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/schema"
)

// javaHash is hashCode() of the Java object that Connect holds for a value. Of structs, whose Java hash differs between two runs of a JVM,
// it is one of their fields.
func javaHash(v schema.Value, s *schema.Schema) int32 {
	switch v.Type() {
	case schema.Boolean:
		if v.Bool() {
			return 1231
		}
		return 1237
	case schema.Int8, schema.Int16, schema.Int32:
		if s != nil && (s.Name == schema.DateName || s.Name == schema.TimeName) {
			millis := v.Int()
			if s.Name == schema.DateName {
				millis *= 86_400_000
			}
			return hashLong(uint64(millis))
		}
		return int32(v.Int())
	case schema.Int64:
		return hashLong(uint64(v.Int()))
	case schema.Float32:
		if f := v.Float32(); f == f {
			return int32(math.Float32bits(f))
		}
		return 0x7fc00000
	case schema.Float64:
		if f := v.Float64(); f == f {
			return hashLong(math.Float64bits(f))
		}
		return 0x7ff80000
	case schema.String:
		return hashText(v.Text())
	case schema.Bytes:
		if s != nil && s.Name == schema.DecimalName {
			return hashDecimal(v.Bytes(), s)
		}
		return hashBytes(v.Bytes())
	}
	return hashNested(v, s)
}

func hashNested(v schema.Value, s *schema.Schema) int32 {
	h := int32(1)
	switch v.Type() {
	case schema.Array:
		for _, e := range v.Array() {
			h = 31*h + hashOrZero(e, elem(s))
		}
	case schema.Map:
		h = 0
		for _, e := range v.Map() {
			h += hashOrZero(e.Key, nil) ^ hashOrZero(e.Value, elem(s))
		}
	case schema.Struct:
		for i, f := range v.Struct().Values {
			h = 31*h + hashOrZero(f, v.Struct().Schema.Fields[i].Schema)
		}
	}
	return h
}

func elem(s *schema.Schema) *schema.Schema {
	if s == nil {
		return nil
	}
	return s.Elem
}

func hashOrZero(v schema.Value, s *schema.Schema) int32 {
	if v.IsNull() {
		return 0
	}
	return javaHash(v, s)
}

func hashLong(v uint64) int32 { return int32(uint32(v) ^ uint32(v>>32)) }

// hashText is String.hashCode: over UTF-16 units.
func hashText(s string) int32 {
	var h uint32
	for _, r := range s {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			h = 31*h + uint32(hi)
			r = lo
		}
		h = 31*h + uint32(r)
	}
	return int32(h)
}

// hashBytes is ByteBuffer.hashCode.
func hashBytes(b []byte) int32 {
	h := int32(1)
	for i := len(b) - 1; i >= 0; i-- {
		h = 31*h + int32(int8(b[i]))
	}
	return h
}

// hashDecimal is BigDecimal.hashCode: 31 times that of the unscaled BigInteger, and the scale.
func hashDecimal(b []byte, s *schema.Schema) int32 {
	n := schema.Unscaled(b)
	var h uint32
	mag := new(big.Int).Abs(n).Bytes()
	for len(mag)%4 != 0 {
		mag = append([]byte{0}, mag...)
	}
	for i := 0; i < len(mag); i += 4 {
		h = 31*h + (uint32(mag[i])<<24 | uint32(mag[i+1])<<16 | uint32(mag[i+2])<<8 | uint32(mag[i+3]))
	}
	if n.Sign() < 0 {
		h = -h
	}
	scale := int32(0)
	for _, c := range s.Parameter(schema.ScaleParameter) {
		if c >= '0' && c <= '9' {
			scale = 10*scale + (c - '0')
		}
	}
	if s.Parameter(schema.ScaleParameter) != "" && s.Parameter(schema.ScaleParameter)[0] == '-' {
		scale = -scale
	}
	return int32(31*h) + scale
}
