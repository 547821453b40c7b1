package transform

import (
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// path leads to a field: the names of the fields on the way.
type path []string

// parsePath reads field.syntax.version V2: dots part the steps, a step in backticks may hold dots, and a backslash before a backtick that a dot
// follows makes it part of the name.
func parsePath(text string) (path, error) {
	var steps path
	rest := text
	for rest != "" {
		if rest[0] != '`' {
			step, behind, more := strings.Cut(rest, ".")
			steps = append(steps, step)
			if rest = behind; more && rest == "" {
				steps = append(steps, "")
			}
			continue
		}
		step, length, ok := quotedStep(rest[1:])
		if !ok {
			return nil, config.Sentence("Incomplete backtick pair in path: [%s], consider adding a backslash before backtick at position %d to escape it", text, len([]rune(text))-len([]rune(rest)))
		}
		steps = append(steps, step)
		if rest = rest[1+length:]; rest == "." {
			return append(steps, ""), nil
		}
		rest = strings.TrimPrefix(rest, ".")
	}
	return steps, nil
}

// quotedStep reads a step behind its opening backtick up to the closing one, which stands at the end or before a dot.
func quotedStep(text string) (step string, length int, ok bool) {
	var b strings.Builder
	start := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '`' {
			continue
		}
		escaped := i > 0 && text[i-1] == '\\'
		switch {
		case i == len(text)-1 && escaped:
			return "", 0, false
		case i == len(text)-1, text[i+1] == '.' && !escaped:
			b.WriteString(text[start:i])
			return b.String(), i + 1, true
		case text[i+1] == '.':
			b.WriteString(text[start : i-1])
			b.WriteByte('`')
			start = i + 1
		}
	}
	return "", 0, false
}

// split gives the way and the field at its end. An empty path fails as in Java.
func (p path) split() (way path, last string, err error) {
	if len(p) == 0 {
		return nil, "", fail(illegalArgument, "fromIndex(0) > toIndex(-1)")
	}
	return p[:len(p)-1], p[len(p)-1], nil
}

// fieldOf finds the field in a schema: its indices on the way. nil when there is none.
func (p path) fieldOf(s *schema.Schema) (at []int, f *schema.Field, err error) {
	if _, _, err := p.split(); err != nil {
		return nil, nil, err
	}
	for _, name := range p {
		if s.Type != schema.Struct {
			return nil, nil, badData("Cannot look up fields on non-struct type")
		}
		i := s.Field(name)
		if i < 0 {
			return nil, nil, nil
		}
		at, f = append(at, i), &s.Fields[i]
		s = f.Schema
	}
	return at, f, nil
}

const nestedPurpose = "nested field access"

// inMap is the value in maps; null when there is none.
func (p path) inMap(m []schema.Entry) (schema.Value, error) {
	way, last, err := p.split()
	if err != nil {
		return schema.NullValue, err
	}
	for _, name := range way {
		v, _ := entryOf(m, name)
		if v.IsNull() {
			return v, nil
		}
		if m, err = needMap(v, nestedPurpose); err != nil {
			return schema.NullValue, err
		}
	}
	v, _ := entryOf(m, last)
	return v, nil
}
