package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// appendValue appends a value as JSON for people: Decimals as numbers, bytes in base64, all else as it is held.
func appendValue(dst []byte, s *schema.Schema, v schema.Value) []byte {
	switch v.Type() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case schema.Float32:
		return appendFloat(dst, v.Float64(), 32)
	case schema.Float64:
		return appendFloat(dst, v.Float64(), 64)
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case schema.String:
		return appendText(dst, v.Text())
	case schema.Bytes:
		if s != nil && s.Name == schema.DecimalName {
			return appendDecimal(dst, s, v.Bytes())
		}
		return appendText(dst, base64.StdEncoding.EncodeToString(v.Bytes()))
	case schema.Array:
		dst = append(dst, '[')
		for i, e := range v.Array() {
			dst = appendValue(appendComma(dst, i), elemOf(s), e)
		}
		return append(dst, ']')
	case schema.Map:
		return appendMap(dst, s, v.Map())
	case schema.Struct:
		return appendStruct(dst, v.Struct())
	}
	return append(dst, "null"...)
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

func elemOf(s *schema.Schema) *schema.Schema {
	if s == nil {
		return nil
	}
	return s.Elem
}

func appendStruct(dst []byte, s *schema.StructValue) []byte {
	dst = append(dst, '{')
	for i, v := range s.Values {
		f := s.Schema.Fields[i]
		dst = append(appendText(appendComma(dst, i), f.Name), ':')
		dst = appendValue(dst, f.Schema, v)
	}
	return append(dst, '}')
}

// appendMap appends an object, or when keys are not texts an array of pairs, as Connect's JsonConverter does.
func appendMap(dst []byte, s *schema.Schema, entries []schema.Entry) []byte {
	texts := true
	for _, e := range entries {
		texts = texts && e.Key.Type() == schema.String
	}
	var key *schema.Schema
	if s != nil {
		key = s.Key
	}
	if texts {
		dst = append(dst, '{')
		for i, e := range entries {
			dst = append(appendText(appendComma(dst, i), e.Key.Text()), ':')
			dst = appendValue(dst, elemOf(s), e.Value)
		}
		return append(dst, '}')
	}
	dst = append(dst, '[')
	for i, e := range entries {
		dst = appendValue(append(appendComma(dst, i), '['), key, e.Key)
		dst = append(appendValue(append(dst, ','), elemOf(s), e.Value), ']')
	}
	return append(dst, ']')
}

// appendText appends a JSON text without the escapes that only HTML needs.
func appendText(dst []byte, text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendText(dst, strconv.FormatFloat(f, 'g', -1, bits))
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendDecimal appends the number that Connect's Decimal holds: unscaled, two's complement, big-endian; the scale is in the schema.
func appendDecimal(dst []byte, s *schema.Schema, unscaled []byte) []byte {
	scale, err := strconv.Atoi(s.Parameter(schema.ScaleParameter))
	const most = 16383 // digits behind the point that PostgreSQL's numeric can have; what claims more is shown as it came
	if err != nil || scale < 0 || scale > most {
		return appendText(dst, base64.StdEncoding.EncodeToString(unscaled))
	}
	n := schema.Unscaled(unscaled)
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(n)
	}
	digits := n.String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}
