package jaas

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Module is one login module: class flag name="value" …;
type Module struct {
	Class   string
	Flag    string // required, requisite, sufficient or optional, as written
	Options map[string]string
}

// Name is the class without its package.
func (m *Module) Name() string { return m.Class[strings.LastIndexByte(m.Class, '.')+1:] }

var flags = []string{"required", "requisite", "sufficient", "optional"}

// Parse reads what sasl.jaas.config holds: modules one after the other.
func Parse(text string) ([]Module, error) {
	r := &reader{text: text}
	var out []Module
	for {
		t, err := r.next()
		if err != nil {
			return nil, err
		}
		if t.kind == end {
			return out, nil
		}
		m, err := r.module(t)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
}

// One reads a text that must hold one module, as Kafka's clients want it.
func One(text string) (Module, error) {
	modules, err := Parse(text)
	switch {
	case err != nil:
		return Module{}, err
	case len(modules) != 1:
		return Module{}, fmt.Errorf("it holds %d login modules, want one", len(modules))
	}
	return modules[0], nil
}

// ParseFile reads a file of entries, each a name with modules: KafkaConnect { class flag name="value"; };
func ParseFile(text string) (map[string][]Module, error) {
	r := &reader{text: text}
	out := make(map[string][]Module)
	for {
		name, err := r.next()
		if err != nil {
			return nil, err
		}
		if name.kind == end {
			return out, nil
		}
		if name.kind != word {
			return nil, fmt.Errorf("line %d: want the name of an entry", r.line())
		}
		if err := r.want("{"); err != nil {
			return nil, fmt.Errorf("entry %s: %w", name.text, err)
		}
		modules, err := r.modules()
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", name.text, err)
		}
		out[name.text] = modules
	}
}

// modules reads to the brace that closes an entry, and its semicolon.
func (r *reader) modules() ([]Module, error) {
	var out []Module
	for {
		t, err := r.next()
		if err != nil {
			return nil, err
		}
		if t.kind == mark && t.text == "}" {
			return out, r.want(";")
		}
		m, err := r.module(t)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
}

func (r *reader) want(text string) error {
	t, err := r.next()
	if err == nil && (t.kind != mark || t.text != text) {
		err = fmt.Errorf("line %d: want %q", r.line(), text)
	}
	return err
}

// module reads on behind the class.
func (r *reader) module(class token) (Module, error) {
	if class.kind != word && class.kind != quoted {
		return Module{}, fmt.Errorf("line %d: want the class of a login module", r.line())
	}
	m := Module{Class: class.text, Options: make(map[string]string)}
	flag, err := r.next()
	if err != nil {
		return Module{}, err
	}
	if !slices.Contains(flags, strings.ToLower(flag.text)) {
		return Module{}, fmt.Errorf("line %d: behind the class of the login module comes one of %s", r.line(), strings.Join(flags, ", "))
	}
	m.Flag = flag.text
	for {
		name, err := r.next()
		switch {
		case err != nil:
			return Module{}, err
		case name.kind == end:
			return Module{}, errors.New("the login module must end with a semicolon")
		case name.kind == mark && name.text == ";":
			return m, nil
		case name.kind == mark:
			return Module{}, fmt.Errorf("line %d: want an option as name=\"value\"", r.line())
		}
		if equals, err := r.next(); err != nil || equals.kind != mark || equals.text != "=" {
			return Module{}, fmt.Errorf("line %d: want an option as name=\"value\"", r.line())
		}
		value, err := r.next()
		if err != nil || value.kind == end || value.kind == mark {
			return Module{}, errors.Join(fmt.Errorf("line %d: option %s has no value", r.line(), name.text), err)
		}
		m.Options[name.text] = value.text
	}
}

type kind uint8

const (
	end kind = iota
	word
	quoted
	mark // one of = ; { }
)

type token struct {
	kind kind
	text string
}

type reader struct {
	text string
	at   int
}

func (r *reader) line() int { return 1 + strings.Count(r.text[:r.at], "\n") }

// skip passes blanks and comments.
func (r *reader) skip() error {
	for r.at < len(r.text) {
		rest := r.text[r.at:]
		switch {
		case rest[0] <= ' ':
			r.at++
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				r.at += n
			} else {
				r.at = len(r.text)
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return errors.New("a comment is not closed")
			}
			r.at += n + 2
		default:
			return nil
		}
	}
	return nil
}

func (r *reader) next() (token, error) {
	if err := r.skip(); err != nil || r.at == len(r.text) {
		return token{}, err
	}
	c := r.text[r.at]
	switch c {
	case '=', ';', '{', '}':
		r.at++
		return token{mark, string(c)}, nil
	case '"', '\'':
		r.at++
		text, err := r.quote(c)
		return token{quoted, text}, err
	}
	from := r.at
	for r.at < len(r.text) && !strings.ContainsRune("=;{}\"'", rune(r.text[r.at])) && r.text[r.at] > ' ' && !isComment(r.text[r.at:]) {
		r.at++
	}
	return token{word, r.text[from:r.at]}, nil
}

func isComment(text string) bool {
	return strings.HasPrefix(text, "//") || strings.HasPrefix(text, "/*")
}

// quote reads to the closing quotation mark, with a StreamTokenizer's escapes.
func (r *reader) quote(mark byte) (string, error) {
	var b strings.Builder
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == mark:
			return b.String(), nil
		case c == '\n':
			r.at--
			return "", fmt.Errorf("line %d: a quotation mark is not closed", r.line())
		case c != '\\':
			b.WriteByte(c)
		case r.at < len(r.text):
			r.escape(&b)
		}
	}
	return "", errors.New("a quotation mark is not closed")
}

// escape reads what is behind a backslash.
func (r *reader) escape(b *strings.Builder) {
	c := r.text[r.at]
	if c < '0' || c > '7' {
		r.at++
		if i := strings.IndexByte("abfnrtv", c); i >= 0 {
			c = "\a\b\f\n\r\t\v"[i]
		}
		b.WriteByte(c)
		return
	}
	most := 2
	if c <= '3' {
		most = 3
	}
	n := rune(0)
	for i := 0; i < most && r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '7'; i++ {
		n = n<<3 + rune(r.text[r.at]-'0')
		r.at++
	}
	b.WriteRune(n)
}
