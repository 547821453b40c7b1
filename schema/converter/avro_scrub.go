package converter

import "strings"

// scrubbed makes a name that Avro takes of one that it does not, if the options say so: as a URL would hold it, with _ for what is no letter or
// digit, and x before a leading digit.
func (o avroOptions) scrubbed(name string) string {
	if !o.scrub || name == "" || validScrubbed(name) {
		return name
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	if name[0] >= '0' && name[0] <= '9' {
		b.WriteByte('x')
	}
	for i := range len(name) {
		switch c := name[i]; {
		case plainByte(c):
			b.WriteByte(c)
		case strings.IndexByte(" .-*", c) >= 0: // what a URL writes as one character
			b.WriteByte('_')
		default:
			b.Write([]byte{'_', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func validScrubbed(name string) bool {
	for i := range len(name) {
		if !plainByte(name[i]) {
			return false
		}
	}
	return name[0] < '0' || name[0] > '9'
}

func plainByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
}
