package envelope

import (
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// adjust makes a schema name (dots allowed) or a field name fit for Avro, in the given mode. Rules: Avro 1.11, "Names"; one
// replacement per UTF-16 unit, as Debezium counts characters.
func adjust(mode Adjustment, name string, dots bool) string {
	if mode != AdjustAvro && mode != AdjustAvroUnicode {
		return name
	}
	var out []byte
	for i, u := range utf16.Encode([]rune(name)) {
		switch {
		case u == '_' && mode == AdjustAvroUnicode:
			out = appendUnicode(out, u) // the escape itself
		case isLetter(u), i > 0 && isDigit(u), dots && i > 0 && u == '.':
			out = append(out, byte(u))
		case mode == AdjustAvroUnicode:
			out = appendUnicode(out, u)
		case i == 0 && unicode.IsDigit(rune(u)): // one of any script stays, so that 1st and 2nd remain two names
			out = utf8.AppendRune(append(out, '_'), rune(u))
		default:
			out = append(out, '_')
		}
	}
	return string(out)
}

func isLetter(u uint16) bool { return u == '_' || u >= 'A' && u <= 'Z' || u >= 'a' && u <= 'z' }
func isDigit(u uint16) bool  { return u >= '0' && u <= '9' }

// appendUnicode appends _u and the unit in lower case hexadecimal: as short as it is but for two zeros before one or two digits.
func appendUnicode(dst []byte, u uint16) []byte {
	dst = append(dst, "_u"...)
	if u < 0x100 {
		dst = append(dst, "00"...)
	}
	return strconv.AppendUint(dst, uint64(u), 16)
}

// schemaName and fieldName adjust by the configuration.
func (c *Config) schemaName(name string) string { return adjust(c.SchemaNames, name, true) }
func (c *Config) fieldName(name string) string  { return adjust(c.FieldNames, name, false) }

// AdjustName makes a schema name (dots allowed) or a field name fit for Avro, as the options schema.name.adjustment.mode and
// field.name.adjustment.mode say: transforms make names, too.
func AdjustName(mode Adjustment, name string, dots bool) string { return adjust(mode, name, dots) }
