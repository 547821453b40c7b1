package connect

// appendJSONText appends s as a JSON string exactly as Jackson writes it, so that the keys of offsets equal Kafka Connect's byte by
// byte: only quotes, backslashes and control characters are escaped, with capital hexadecimal digits.
func appendJSONText(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}

// AppendJSONText appends s as a JSON string as Kafka Connect's serializer writes it.
func AppendJSONText(dst []byte, s string) []byte { return appendJSONText(dst, s) }

// OffsetKey is the key of a stored source offset: ["connector",{partition}] without blanks, byte by byte as Kafka Connect writes it.
func OffsetKey(connector string, partition []byte) []byte { return offsetKey(connector, partition) }
