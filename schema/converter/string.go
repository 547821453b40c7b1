package converter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

var optionalString = schema.Of(schema.String).AsOptional()

// stringConverter is org.apache.kafka.connect.storage.StringConverter: it writes toString() of anything and reads strings.
type stringConverter struct{ charset charset }

// charset is how characters are bytes.
type charset struct {
	encode func(dst []byte, text string) []byte
	decode func(data []byte) string
}

// charsets are Java's standard ones, and those of old files in Western Europe, by their names in lower case without separators.
var charsets = map[string]charset{
	"utf8":        {func(dst []byte, text string) []byte { return append(dst, validUTF8([]byte(text))...) }, func(data []byte) string { return string(validUTF8(data)) }},
	"utf32":       {func(dst []byte, text string) []byte { return encodeUTF32(dst, text, binary.BigEndian) }, decodeUTF32BOM},
	"utf32be":     {func(dst []byte, text string) []byte { return encodeUTF32(dst, text, binary.BigEndian) }, func(data []byte) string { return decodeUTF32(data, binary.BigEndian) }},
	"utf32le":     {func(dst []byte, text string) []byte { return encodeUTF32(dst, text, binary.LittleEndian) }, func(data []byte) string { return decodeUTF32(data, binary.LittleEndian) }},
	"windows1252": {encodeTable(&windows1252), decodeTable(&windows1252)},
	"cp1252":      {encodeTable(&windows1252), decodeTable(&windows1252)},
	"iso885915":   {encodeTable(&latin9), decodeTable(&latin9)},
	"latin9":      {encodeTable(&latin9), decodeTable(&latin9)},
	"iso88591":    {encodeBytes(0xFF), decodeLatin1},
	"latin1":      {encodeBytes(0xFF), decodeLatin1},
	"usascii":     {encodeBytes(0x7F), decodeASCII},
	"ascii":       {encodeBytes(0x7F), decodeASCII},
	"utf16": {func(dst []byte, text string) []byte {
		return encodeUTF16(append(dst, 0xFE, 0xFF), text, binary.BigEndian)
	}, decodeUTF16BOM},
	"utf16be": {func(dst []byte, text string) []byte { return encodeUTF16(dst, text, binary.BigEndian) }, func(data []byte) string { return decodeUTF16(data, binary.BigEndian) }},
	"utf16le": {func(dst []byte, text string) []byte { return encodeUTF16(dst, text, binary.LittleEndian) }, func(data []byte) string { return decodeUTF16(data, binary.LittleEndian) }},
}

// stringKeys is the only place of the option names. It sets the default.
func stringKeys(encoding *string) config.Keys {
	*encoding = "UTF-8"
	return config.Keys{
		config.String(encoding, "converter.encoding", "Java name of the character encoding: UTF-8, ISO-8859-1, US-ASCII, ISO-8859-15, windows-1252, UTF-16 or UTF-32, with BE or LE behind them for the order of bytes.", config.Rank(config.High), config.Sized(config.WidthMedium, 0), config.Check(func(text string) error {
			if charsets[charsetName(text)].encode == nil {
				return said("Unsupported encoding %s", text)
			}
			return nil
		})),
	}
}

func newStringConverter(props map[string]string, _ bool, _ Env) (Converter, config.Report) {
	var encoding string
	r := stringKeys(&encoding).Parse(props, "schemas.enable") // people set it for all converters alike; it does nothing here in Connect either
	if len(r.Errors) > 0 {
		return nil, r
	}
	return &stringConverter{charset: charsets[charsetName(encoding)]}, r
}

func charsetName(java string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(java))
}

// NewSerializer implements Converter.
func (c *stringConverter) NewSerializer(_ context.Context, _ string, s *schema.Schema) (Serializer, error) {
	return &builtSerializer{values: schema.NewBuilder(s), append: func(dst []byte, v schema.Value) ([]byte, error) {
		if v.Type() == schema.String {
			return c.charset.encode(dst, v.Text()), nil
		}
		return c.charset.encode(dst, string(appendJavaText(nil, s, v))), nil
	}}, nil
}

// builtSerializer makes a Value and appends it as a whole. Null is null bytes.
type builtSerializer struct {
	values *schema.Builder
	refuse func(class string) error // of a value that does not fit the schema; nil: the Builder says it
	dst    []byte
	append func(dst []byte, v schema.Value) ([]byte, error)
}

// Begin implements Serializer.
func (s *builtSerializer) Begin(dst []byte) schema.Writer {
	s.values.Reset()
	s.dst = dst
	return s.values
}

// End implements Serializer.
func (s *builtSerializer) End() ([]byte, error) {
	v, err := built(s.values)
	var misuse *schema.MisuseError
	if s.refuse != nil && errors.As(err, &misuse) {
		if class, ok := givenClass(misuse.Given); ok {
			return nil, s.refuse(class)
		}
	}
	if err != nil || v.IsNull() {
		return nil, err
	}
	out, err := s.append(s.dst, v)
	if out == nil && err == nil {
		out = []byte{}
	}
	return out, err
}

// Deserialize implements Converter.
func (c *stringConverter) Deserialize(_ context.Context, _ string, data []byte) (*schema.Schema, schema.Value, error) {
	if data == nil {
		return optionalString, schema.NullValue, nil
	}
	return optionalString, schema.OfString(c.charset.decode(data)), nil
}

// Reader implements Converter.
func (c *stringConverter) Reader(_ context.Context, _ string, data []byte) (schema.Reader, []byte, error) {
	if data == nil {
		return nullReader{optionalString}, nil, nil
	}
	return &valueReader{s: optionalString, read: func(data []byte) (schema.Value, error) { return schema.OfString(c.charset.decode(data)), nil }}, data, nil
}

// Close implements Converter.
func (c *stringConverter) Close() {}

// ValidUTF8 replaces what is no UTF-8 by U+FFFD as Java's decoder does. Text that is valid is given back itself.
func ValidUTF8(data []byte) []byte { return validUTF8(data) }

// appendJavaText appends what Java's toString() gives for a value. Of bytes that is an object's address in Java; here it is a hash of
// the content in the same form, so that it is as useless but the same every time.
func appendJavaText(dst []byte, s *schema.Schema, v schema.Value) []byte {
	if s != nil && s.Name != "" {
		if text, ok := appendJavaLogical(dst, s, v); ok {
			return text
		}
	}
	switch v.Class() {
	case schema.Instant:
		return appendJavaDate(dst, v.Int())
	case schema.BigDecimal:
		return appendDecimal(dst, v.Bytes(), v.Scale())
	}
	switch v.Type() {
	case schema.Invalid:
		return append(dst, "null"...)
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case schema.Float32:
		return appendJavaFloat(dst, v.Float64(), 32)
	case schema.Float64:
		return appendJavaFloat(dst, v.Float64(), 64)
	case schema.String:
		return append(dst, v.Text()...)
	case schema.Bytes:
		h := fnv.New32a()
		h.Write(v.Bytes())
		return fmt.Appendf(dst, "[B@%x", h.Sum32())
	case schema.Array:
		dst = append(dst, '[')
		for i, e := range v.Array() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendJavaText(dst, elemOf(s), e)
		}
		return append(dst, ']')
	case schema.Map:
		dst = append(dst, '{')
		for i, e := range v.Map() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendJavaText(dst, keyOf(s), e.Key), '=')
			dst = appendJavaText(dst, elemOf(s), e.Value)
		}
		return append(dst, '}')
	case schema.Struct:
		dst = append(dst, "Struct{"...)
		first := true
		for i, f := range v.Struct().Schema.Fields {
			if fv := v.Struct().Values[i]; !fv.IsNull() {
				if !first {
					dst = append(dst, ',')
				}
				first = false
				dst = append(append(dst, f.Name...), '=')
				dst = appendJavaText(dst, f.Schema, fv)
			}
		}
		return append(dst, '}')
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

func keyOf(s *schema.Schema) *schema.Schema {
	if s == nil {
		return nil
	}
	return s.Key
}

func elemOf(s *schema.Schema) *schema.Schema {
	if s == nil {
		return nil
	}
	return s.Elem
}

// appendJavaLogical prints Connect's own logical types, which are BigDecimal and java.util.Date in Java.
func appendJavaLogical(dst []byte, s *schema.Schema, v schema.Value) ([]byte, bool) {
	if s.Name == schema.DecimalName && v.Type() == schema.Bytes {
		if scale, err := decimalScale(s); err == nil {
			return appendDecimal(dst, v.Bytes(), scale), true
		}
		return dst, false
	}
	millis, ok := dateMillis(s, v)
	if !ok {
		return dst, false
	}
	return appendJavaDate(dst, millis), true
}

// appendJavaDate is toString() of java.util.Date in the time zone UTC.
func appendJavaDate(dst []byte, millis int64) []byte {
	return time.UnixMilli(millis).UTC().AppendFormat(dst, "Mon Jan 02 15:04:05 UTC 2006")
}

// dateMillis is the java.util.Date of a Date, Time or Timestamp.
func dateMillis(s *schema.Schema, v schema.Value) (int64, bool) {
	if s == nil || v.IsNull() {
		return 0, false
	}
	switch {
	case s.Name == schema.DateName && v.Type() == schema.Int32:
		return v.Int() * millisPerDay, true
	case s.Name == schema.TimeName && v.Type() == schema.Int32, s.Name == schema.TimestampName && v.Type() == schema.Int64:
		return v.Int(), true
	}
	return 0, false
}

const millisPerDay = 24 * 60 * 60 * 1000

// validUTF8 replaces what is no UTF-8 by U+FFFD as Java's decoder does: one for each longest beginning of a character.
func validUTF8(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	out := make([]byte, 0, len(data)+8)
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			n = malformed(data)
		}
		out = utf8.AppendRune(out, r)
		data = data[n:]
	}
	return out
}

// malformed is the length of the longest beginning of a character that data begins with; at least 1.
func malformed(data []byte) int {
	low, high, size := byte(0x80), byte(0xBF), 0
	switch c := data[0]; {
	case c == 0xE0:
		low, size = 0xA0, 3
	case c == 0xED:
		high, size = 0x9F, 3
	case c >= 0xE1 && c <= 0xEF:
		size = 3
	case c == 0xF0:
		low, size = 0x90, 4
	case c == 0xF4:
		high, size = 0x8F, 4
	case c >= 0xF1 && c <= 0xF3:
		size = 4
	}
	n := 1
	for n < size && n < len(data) && data[n] >= low && data[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}

func encodeBytes(most rune) func([]byte, string) []byte {
	return func(dst []byte, text string) []byte {
		for _, r := range text {
			if r > most {
				r = '?'
			}
			dst = append(dst, byte(r))
		}
		return dst
	}
}

func decodeLatin1(data []byte) string {
	runes := make([]rune, len(data))
	for i, c := range data {
		runes[i] = rune(c)
	}
	return string(runes)
}

func decodeASCII(data []byte) string {
	runes := make([]rune, len(data))
	for i, c := range data {
		if runes[i] = rune(c); c > 0x7F {
			runes[i] = utf8.RuneError
		}
	}
	return string(runes)
}

func encodeUTF16(dst []byte, text string, order binary.AppendByteOrder) []byte {
	for _, r := range text {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			dst = order.AppendUint16(dst, uint16(hi))
			r = lo
		}
		dst = order.AppendUint16(dst, uint16(r))
	}
	return dst
}

func decodeUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(data)/2+1)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	text := string(utf16.Decode(units))
	if len(data) > 0 {
		text += string(utf8.RuneError)
	}
	return text
}

func decodeUTF16BOM(data []byte) string {
	if len(data) >= 2 && data[0] == 0xFF && data[1] == 0xFE {
		return decodeUTF16(data[2:], binary.LittleEndian)
	}
	if len(data) >= 2 && data[0] == 0xFE && data[1] == 0xFF {
		data = data[2:]
	}
	return decodeUTF16(data, binary.BigEndian)
}
