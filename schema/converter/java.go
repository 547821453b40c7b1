package converter

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// appendJavaFloat appends v as Java's Float.toString (bits 32) or Double.toString (bits 64) of JDK 19 and newer prints it: the
// shortest digits that read back the same, but at least two, and E notation outside of 1e-3 to 1e7.
func appendJavaFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case v != v:
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case v == 0:
		if math.Signbit(v) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	var room [32]byte
	digits, exp := javaDigits(room[:0], v, bits)
	if v < 0 {
		dst = append(dst, '-')
	}
	switch {
	case exp >= 0 && exp < 7: // 1234567.8
		for i := 0; i <= exp || i < len(digits); i++ {
			if i == exp+1 {
				dst = append(dst, '.')
			}
			if i < len(digits) {
				dst = append(dst, digits[i])
			} else {
				dst = append(dst, '0')
			}
		}
		if len(digits) <= exp+1 {
			dst = append(dst, '.', '0')
		}
	case exp < 0 && exp >= -3: // 0.00123
		dst = append(dst, "0.00"[:1-exp]...)
		dst = append(dst, digits...)
	default:
		dst = append(dst, digits[0], '.')
		if len(digits) == 1 {
			dst = append(dst, '0')
		}
		dst = append(dst, digits[1:]...)
		dst = append(dst, 'E')
		dst = strconv.AppendInt(dst, int64(exp), 10)
	}
	return dst
}

// javaDigits returns the significant digits of |v| and its decimal exponent.
func javaDigits(room []byte, v float64, bits int) (digits []byte, exp int) {
	room = strconv.AppendFloat(room, math.Abs(v), 'e', -1, bits) // d.ddde±xx
	if len(room) > 1 && room[1] == 'e' {
		// One digit: Java takes the nearest decimal of two digits (4.9E-324, where 5E-324 would do).
		var other [32]byte
		if two := strconv.AppendFloat(other[:0], math.Abs(v), 'e', 1, bits); two[2] != '0' { // d.0 says no more than d
			if back, err := strconv.ParseFloat(string(two), bits); err == nil && back == math.Abs(v) {
				room = append(room[:0], two...)
			}
		}
	}
	e := len(room) - 1
	for room[e] != 'e' {
		e--
	}
	exp, _ = strconv.Atoi(string(room[e+1:]))
	digits = room[:1]
	if e > 1 {
		digits = append(digits, room[2:e]...)
	}
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return digits, exp
}

// appendDecimal appends a decimal, given as its unscaled value (two's complement, big-endian) and scale, as BigDecimal.toString does.
func appendDecimal(dst, unscaled []byte, scale int) []byte {
	var room [24]byte
	var digits []byte
	if len(unscaled) <= 8 {
		digits = strconv.AppendInt(room[:0], int64FromBytes(unscaled), 10)
	} else {
		digits = schema.Unscaled(unscaled).Append(room[:0], 10)
	}
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	adjusted := len(digits) - 1 - scale
	switch {
	case scale == 0:
		return append(dst, digits...)
	case scale > 0 && adjusted >= -6:
		if point := len(digits) - scale; point > 0 {
			dst = append(dst, digits[:point]...)
			dst = append(dst, '.')
			return append(dst, digits[point:]...)
		}
		dst = append(dst, '0', '.')
		for i := len(digits); i < scale; i++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	if adjusted != 0 {
		dst = append(dst, 'E')
		if adjusted > 0 {
			dst = append(dst, '+')
		}
		dst = strconv.AppendInt(dst, int64(adjusted), 10)
	}
	return dst
}

// int64FromBytes reads at most eight bytes of two's complement, big-endian; none are 0.
func int64FromBytes(b []byte) int64 {
	if len(b) == 0 {
		return 0
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return v
}

// javaStringHash is String.hashCode of a UTF-8 text: over its UTF-16 units.
func javaStringHash(b []byte) uint32 {
	var h uint32
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			h = 31*h + uint32(b[0])
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			h = 31*h + uint32(hi)
			r = lo
		}
		h = 31*h + uint32(r)
	}
	return h
}

// javaBucket is the place of a hash in a java.util.HashMap that grew to hold n entries from its default size.
func javaBucket(hash uint32, n int) uint32 {
	size := 16
	for n > size*3/4 { // HashMap doubles when three quarters are full
		size *= 2
	}
	return (hash ^ hash>>16) & uint32(size-1)
}

// appendJSONString appends a JSON string as JsonConverter (astral) or Avro's Schema.toString writes it.
func appendJSONString[T string | []byte](dst []byte, s T, astral bool) []byte {
	return java.AppendText(dst, s, astral)
}
