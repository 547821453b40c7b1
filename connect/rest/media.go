package rest

import (
	"net/http"
	"strings"
)

// mediaType is one of those that Accept and Content-Type name. Names and values of parameters are as they were given, quotes included.
type mediaType struct {
	main, sub  string // in lower case; "*" is any
	parameters []string
}

// takesJSON tells whether JSON is of the type.
func (m mediaType) takesJSON() bool {
	return (m.main == "*" || m.main == "application") && (m.sub == "*" || m.sub == "json")
}

// json is what the Content-Type of an answer says to a client that accepts the type: the parameters are repeated, as Kafka Connect does.
func (m mediaType) json() string {
	return strings.Join(append([]string{"application/json"}, m.parameters...), ";")
}

// mediaTypes reads an Accept header (RFC 9110, section 12.5.1), with one word for any subtype of it. The quality of a type does not matter: there
// is only JSON to choose. ok is false for what is no list of media types.
func mediaTypes(header string) (types []mediaType, ok bool) {
	for rest := header; ; {
		m, after, ok := cutMediaType(rest, true)
		if !ok {
			return nil, false
		}
		types = append(types, m)
		if after == "" {
			return types, true
		}
		rest = after[1:]
	}
}

// contentType reads a Content-Type header.
func contentType(header string) (m mediaType, ok bool) {
	m, after, ok := cutMediaType(header, false)
	return m, ok && after == "" && m.sub != ""
}

// cutMediaType reads a media type up to the end or, in a list, to a comma.
func cutMediaType(text string, list bool) (m mediaType, after string, ok bool) {
	m.main, after = cutToken(text)
	if m.main == "" {
		return m, after, false
	}
	if strings.HasPrefix(after, "/") {
		if m.sub, after = cutToken(after[1:]); m.sub == "" {
			return m, after, false
		}
	} else if list {
		m.sub = "*"
	}
	m.main, m.sub = strings.ToLower(m.main), strings.ToLower(m.sub)
	for strings.HasPrefix(after, ";") {
		var name, value string
		name, after = cutToken(after[1:])
		if name == "" && after == "" { // a semicolon at the end
			break
		}
		if name == "" || !strings.HasPrefix(after, "=") {
			return m, after, false
		}
		if value, after, ok = cutValue(after[1:]); !ok {
			return m, after, false
		}
		switch {
		case !strings.EqualFold(name, "q"):
			m.parameters = append(m.parameters, strings.ToLower(name)+"="+value)
		case list && !isQuality(value):
			return m, after, false
		}
	}
	return m, after, after == "" || list && after[0] == ','
}

// cutValue reads the value of a parameter: a token, or a text in quotes.
func cutValue(text string) (value, after string, ok bool) {
	text = strings.TrimLeft(text, " \t")
	if !strings.HasPrefix(text, `"`) {
		value, after = cutToken(text)
		return value, after, value != ""
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i+1], strings.TrimLeft(text[i+1:], " \t"), true
		}
	}
	return "", "", false
}

// cutToken reads a token (RFC 9110, section 5.6.2) between spaces.
func cutToken(text string) (token, after string) {
	text = strings.TrimLeft(text, " \t")
	end := strings.IndexFunc(text, func(c rune) bool {
		return c <= ' ' || c >= 0x7F || strings.ContainsRune("()<>@,;:\\\"/[]?={}", c)
	})
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimLeft(text[end:], " \t")
}

// isQuality tells a number from 0 to 1 with at most three digits behind the point. Java's HttpURLConnection sends ".2".
func isQuality(text string) bool {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" && (whole != "" || fraction == "") || len(fraction) > 3 {
		return false
	}
	for _, c := range fraction {
		if c < '0' || c > '9' || whole == "1" && c != '0' {
			return false
		}
	}
	return true
}

// accepted is the Content-Type that a client gets JSON under. status is not 0 when it takes none, or did not say in words that can be read.
func accepted(headers []string) (kind string, status int) {
	header := strings.TrimSpace(strings.Join(headers, ","))
	if header == "" {
		return "application/json", 0
	}
	types, ok := mediaTypes(header)
	if !ok {
		return "", http.StatusBadRequest
	}
	for _, m := range types {
		if m.takesJSON() {
			return m.json(), 0
		}
	}
	return "", http.StatusNotAcceptable
}
