package transform

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonKind is the kind of a JSON value, as Jackson tells them apart.
type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonInt    // fits 32 bits
	jsonLong   // fits 64 bits
	jsonBig    // an integer that fits neither
	jsonDouble // has a point or an exponent
	jsonText
	jsonArray
	jsonObject
)

func (k jsonKind) String() string {
	return [...]string{"null", "boolean", "number", "number", "number", "number", "string", "array", "object"}[k]
}

// isNumber tells the kinds of numbers.
func (k jsonKind) isNumber() bool { return k >= jsonInt && k <= jsonDouble }

// jsonNode is a JSON value in memory.
type jsonNode struct {
	kind   jsonKind
	yes    bool
	number int64
	double float64
	text   string
	elems  []jsonNode
	names  []string // of an object's members, in the order of their first appearance; elems are their values
}

// member is the index of an object's member, or -1. It is looked for from a place on, then before that.
func (n *jsonNode) member(name string, from int) int {
	for i := from; i < len(n.names); i++ {
		if n.names[i] == name {
			return i
		}
	}
	return slices.Index(n.names[:min(from, len(n.names))], name)
}

// Limits of Jackson's parser.
const (
	jsonDepth        = 1000
	jsonNumberLength = 1000
)

// jsonParser reads one JSON value. What follows it is not looked at, as Jackson's readTree does not.
type jsonParser struct {
	text  string
	at    int
	depth int
}

// jsonError says where a text is no JSON.
type jsonError struct {
	at      int
	problem string
}

func (e *jsonError) Error() string { return fmt.Sprintf("no JSON: %s at byte %d", e.problem, e.at) }

func parseJSON(text string) (*jsonNode, error) {
	p := &jsonParser{text: text}
	n := new(jsonNode)
	if err := p.value(n); err != nil {
		return nil, err
	}
	return n, nil
}

func (p *jsonParser) fail(problem string) error { return &jsonError{p.at, problem} }

func (p *jsonParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next is the next character behind blanks; 0 at the end.
func (p *jsonParser) next() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *jsonParser) value(n *jsonNode) error {
	switch c := p.next(); {
	case c == '{':
		return p.nested(n, p.object)
	case c == '[':
		return p.nested(n, p.array)
	case c == '"':
		n.kind = jsonText
		var err error
		n.text, err = p.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return p.number(n)
	case c == 't':
		n.kind, n.yes = jsonBool, true
		return p.word("true")
	case c == 'f':
		n.kind = jsonBool
		return p.word("false")
	case c == 'n':
		return p.word("null")
	case c == 0 && p.at == len(p.text):
		return p.fail("the text ends")
	}
	return p.fail("a value begins with " + strconv.Quote(p.text[p.at:p.at+1]))
}

func (p *jsonParser) word(w string) error {
	if len(p.text)-p.at < len(w) || p.text[p.at:p.at+len(w)] != w {
		return p.fail("want " + w)
	}
	p.at += len(w)
	if p.at < len(p.text) && isNamePart(p.text[p.at]) {
		return p.fail("want " + w)
	}
	return nil
}

func isNamePart(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (p *jsonParser) nested(n *jsonNode, read func(*jsonNode) error) error {
	if p.depth++; p.depth > jsonDepth {
		return p.fail("values are nested too deep")
	}
	p.at++
	err := read(n)
	p.depth--
	return err
}

func (p *jsonParser) array(n *jsonNode) error {
	n.kind = jsonArray
	if p.next() == ']' {
		p.at++
		return nil
	}
	for {
		n.elems = append(n.elems, jsonNode{})
		if err := p.value(&n.elems[len(n.elems)-1]); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.at++
		case ']':
			p.at++
			return nil
		default:
			return p.fail("want a comma or the end of the array")
		}
	}
}

func (p *jsonParser) object(n *jsonNode) error {
	n.kind = jsonObject
	if p.next() == '}' {
		p.at++
		return nil
	}
	places := make(map[string]int) // of members: the last of one name wins
	for {
		if p.next() != '"' {
			return p.fail("want the name of a member")
		}
		name, err := p.string()
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return p.fail("want a colon")
		}
		p.at++
		i, known := places[name]
		if !known {
			i = len(n.elems)
			places[name] = i
			n.names, n.elems = append(n.names, name), append(n.elems, jsonNode{})
		}
		n.elems[i] = jsonNode{}
		if err := p.value(&n.elems[i]); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return p.fail("want a comma or the end of the object")
		}
	}
}

// number reads a number: its kind is the smallest that holds it.
func (p *jsonParser) number(n *jsonNode) error {
	start := p.at
	if p.text[p.at] == '-' {
		p.at++
	}
	whole := p.digits()
	first := start
	if p.text[start] == '-' {
		first++
	}
	if whole == 0 || whole > 1 && p.text[first] == '0' {
		return p.fail("want digits without leading zeros")
	}
	n.kind = jsonInt
	if p.at < len(p.text) && p.text[p.at] == '.' {
		n.kind = jsonDouble
		p.at++
		if p.digits() == 0 {
			return p.fail("want digits behind the point")
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		n.kind = jsonDouble
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return p.fail("want digits in the exponent")
		}
	}
	literal := p.text[start:p.at]
	if len(literal) > jsonNumberLength {
		return p.fail("a number is too long")
	}
	if n.kind == jsonDouble {
		n.double, _ = strconv.ParseFloat(literal, 64) // beyond the range: infinite, as Java's parseDouble
		return nil
	}
	v, err := strconv.ParseInt(literal, 10, 64)
	switch {
	case err != nil:
		n.kind = jsonBig
	case v != int64(int32(v)):
		n.kind = jsonLong
	}
	n.number = v
	return nil
}

func (p *jsonParser) digits() int {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// string reads a quoted text.
func (p *jsonParser) string() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.text) && p.text[p.at] != '"' && p.text[p.at] != '\\' && p.text[p.at] >= ' ' {
		p.at++
	}
	if p.at < len(p.text) && p.text[p.at] == '"' {
		p.at++
		return p.text[start : p.at-1], nil
	}
	out := []byte(p.text[start:p.at])
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return string(out), nil
		case c < ' ':
			return "", p.fail("a control character stands in a text")
		case c != '\\':
			out = append(out, c)
			p.at++
		default:
			var err error
			if out, err = p.escaped(out); err != nil {
				return "", err
			}
		}
	}
	return "", p.fail("a text does not end")
}

// escaped reads what stands behind a backslash.
func (p *jsonParser) escaped(out []byte) ([]byte, error) {
	p.at++
	if p.at == len(p.text) {
		return nil, p.fail("a text does not end")
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		u, ok := p.unit()
		if !ok {
			return nil, p.fail("want four hexadecimal digits")
		}
		if utf16.IsSurrogate(u) && p.at+1 < len(p.text) && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
			back := p.at
			p.at += 2
			low, ok := p.unit()
			if !ok {
				return nil, p.fail("want four hexadecimal digits")
			}
			if pair := utf16.DecodeRune(u, low); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair), nil
			}
			p.at = back
		}
		if utf16.IsSurrogate(u) {
			return append(out, '?'), nil // half a character: what Java writes for it as UTF-8
		}
		return utf8.AppendRune(out, u), nil
	}
	return nil, p.fail("the escape \\" + string(rune(c)) + " is not known")
}

func (p *jsonParser) unit() (rune, bool) {
	if len(p.text)-p.at < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(v), true
}
