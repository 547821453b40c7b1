package envelope

import (
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

const bitsName = "io.debezium.data.Bits"

// bitPlan: bit and varbit. One bit is a boolean.
func bitPlan(oid uint32, mod int32) *typePlan {
	n := bitLength(oid, mod)
	if n <= 1 {
		return &typePlan{
			schema: schema.Of(schema.Boolean), write: writeOneBit, fallback: schema.OfBool(false), call: "0",
			literal: func(text string) (schema.Value, bool) { return schema.OfBool(text == "1"), text == "0" || text == "1" },
		}
	}
	tp := &typePlan{schema: bitsSchema(n), write: writeBits, fallback: schema.OfBytes([]byte{}), call: "0"}
	tp.literal = func(text string) (schema.Value, bool) {
		v, err := build(tp.schema, func(w schema.Writer) error { return writeBits(new(scratch), onesOf(text), w) })
		return v, err == nil
	}
	return tp
}

// onesOf is text with anything but 1 as 0: so Debezium reads the default (5)::bit(8).
func onesOf(text string) []byte {
	bits := []byte(text)
	for i := range bits {
		if bits[i] != '1' {
			bits[i] = '0'
		}
	}
	return bits
}

func bitsSchema(n int) *schema.Schema {
	return named(schema.Bytes, bitsName, 1, schema.Parameter{Name: "length", Value: strconv.Itoa(n)})
}

// bitLength is the number of bits a column holds at most.
func bitLength(oid uint32, mod int32) int {
	switch {
	case mod >= 0:
		return int(mod)
	case oid == oidBit:
		return 1
	}
	return unlimited
}

func writeOneBit(_ *scratch, text []byte, w schema.Writer) error {
	if len(text) != 1 || text[0] != '0' && text[0] != '1' {
		return errMalformed // an empty varbit(1), too, has no form as a boolean
	}
	w.Bool(text[0] == '1')
	return nil
}

// writeBits writes bytes with the rightmost bit first, without trailing zero bytes: java.util.BitSet.toByteArray.
func writeBits(s *scratch, text []byte, w schema.Writer) error {
	buf := s.buf[:0]
	for i := len(text) - 1; i >= 0; i-- {
		at := len(text) - 1 - i
		if at%8 == 0 {
			buf = append(buf, 0)
		}
		switch text[i] {
		case '1':
			buf[at/8] |= 1 << (at % 8)
		case '0':
		default:
			return errMalformed
		}
	}
	for len(buf) > 0 && buf[len(buf)-1] == 0 {
		buf = buf[:len(buf)-1]
	}
	s.buf = buf
	w.Bytes(buf)
	return nil
}
