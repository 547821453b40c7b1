package envelope

import "unicode/utf16"

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
		case isDigit(u):
			out = append(out, '_', byte(u)) // the digit stays, so that 1st and 2nd remain two names
		default:
			out = append(out, '_')
		}
	}
	return string(out)
}

func isLetter(u uint16) bool { return u == '_' || u >= 'A' && u <= 'Z' || u >= 'a' && u <= 'z' }
func isDigit(u uint16) bool  { return u >= '0' && u <= '9' }

// appendUnicode appends _uXXXX, in lower case.
func appendUnicode(dst []byte, u uint16) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '_', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}

// schemaName and fieldName adjust by the configuration.
func (c *Config) schemaName(name string) string { return adjust(c.SchemaNames, name, true) }
func (c *Config) fieldName(name string) string  { return adjust(c.FieldNames, name, false) }
