package envelope_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tandem-cdc/tandem/schema"
)

// valueJSON prints a value of the schema.
func valueJSON(s *schema.Schema, v schema.Value) string {
	var b strings.Builder
	appendValue(&b, s, v)
	return b.String()
}

func appendValue(b *strings.Builder, s *schema.Schema, v schema.Value) {
	if v.IsNull() && s.Default != nil {
		v = *s.Default
	}
	if v.IsNull() {
		b.WriteString("null")
		return
	}
	switch s.Type {
	case schema.Boolean:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case schema.Float32:
		b.WriteString(javaFloat(float64(v.Float32()), 32))
	case schema.Float64:
		b.WriteString(javaFloat(v.Float64(), 64))
	case schema.String:
		appendString(b, v.Text())
	case schema.Bytes:
		appendString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case schema.Array:
		b.WriteByte('[')
		for i, e := range v.Array() {
			comma(b, i)
			appendValue(b, s.Elem, e)
		}
		b.WriteByte(']')
	case schema.Map:
		appendMap(b, s, v.Map())
	case schema.Struct:
		b.WriteByte('{')
		for i, f := range s.Fields {
			comma(b, i)
			appendString(b, f.Name)
			b.WriteByte(':')
			appendValue(b, f.Schema, v.Struct().Values[i])
		}
		b.WriteByte('}')
	default:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	}
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

// appendMap prints an object when keys are texts, else an array of pairs.
func appendMap(b *strings.Builder, s *schema.Schema, entries []schema.Entry) {
	object := s.Key.Type == schema.String
	b.WriteString(map[bool]string{true: "{", false: "["}[object])
	for i, e := range entries {
		comma(b, i)
		if !object {
			b.WriteByte('[')
		}
		appendValue(b, s.Key, e.Key)
		b.WriteString(map[bool]string{true: ":", false: ","}[object])
		appendValue(b, s.Elem, e.Value)
		if !object {
			b.WriteByte(']')
		}
	}
	b.WriteString(map[bool]string{true: "}", false: "]"}[object])
}

// javaFloat is Double.toString and Float.toString; what is no number is quoted.
func javaFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return `"NaN"`
	case math.IsInf(f, 1):
		return `"Infinity"`
	case math.IsInf(f, -1):
		return `"-Infinity"`
	}
	if f == 5e-324 && bits == 64 {
		return "4.9E-324" // Java keeps two digits
	}
	if a := math.Abs(f); f == 0 || a >= 1e-3 && a < 1e7 {
		text := strconv.FormatFloat(f, 'f', -1, bits)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

func appendString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20:
			fmt.Fprintf(b, `\u%04X`, c)
		case c >= 0x10000: // Jackson escapes what takes two UTF-16 units
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(b, `\u%04X\u%04X`, high, low)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
}

var jsonTypes = map[schema.Type]string{schema.Float32: "float", schema.Float64: "double"}

// schemaJSON prints a schema as JsonConverter does.
func schemaJSON(s *schema.Schema) string {
	if s == nil {
		return "null"
	}
	var b strings.Builder
	appendSchema(&b, s, "")
	return b.String()
}

func appendSchema(b *strings.Builder, s *schema.Schema, fieldName string) {
	name, ok := jsonTypes[s.Type]
	if !ok {
		name = s.Type.String()
	}
	b.WriteString(`{"type":"` + name + `"`)
	switch s.Type {
	case schema.Array:
		b.WriteString(`,"items":`)
		appendSchema(b, s.Elem, "")
	case schema.Map:
		b.WriteString(`,"keys":`)
		appendSchema(b, s.Key, "")
		b.WriteString(`,"values":`)
		appendSchema(b, s.Elem, "")
	case schema.Struct:
		b.WriteString(`,"fields":[`)
		for i, f := range s.Fields {
			comma(b, i)
			appendSchema(b, f.Schema, f.Name)
		}
		b.WriteString("]")
	}
	b.WriteString(`,"optional":` + strconv.FormatBool(s.Optional))
	text := func(key, value string) {
		if value != "" {
			b.WriteString(`,"` + key + `":`)
			appendString(b, value)
		}
	}
	text("name", s.Name)
	if s.Version != 0 {
		b.WriteString(`,"version":` + strconv.Itoa(s.Version))
	}
	text("doc", s.Doc)
	if len(s.Parameters) > 0 {
		b.WriteString(`,"parameters":{`)
		for i, p := range s.Parameters {
			comma(b, i)
			appendString(b, p.Name)
			b.WriteByte(':')
			appendString(b, p.Value)
		}
		b.WriteByte('}')
	}
	if s.Default != nil {
		b.WriteString(`,"default":`)
		bare := *s
		bare.Default = nil
		appendValue(b, &bare, *s.Default)
	}
	text("field", fieldName)
	b.WriteByte('}')
}
