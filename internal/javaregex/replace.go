package javaregex

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ReplaceFirst replaces the first match in text by the replacement, as Matcher.replaceFirst does.
func (re *Regexp) ReplaceFirst(text, replacement string) (string, error) {
	t, err := re.template(replacement)
	if err != nil {
		return "", err
	}
	m, err := re.find(text)
	if m == nil || err != nil {
		return text, err
	}
	return text[:m[0]] + t.expand(text, m) + text[m[1]:], nil
}

// ReplaceAll replaces every match in text by the replacement, as Matcher.replaceAll does.
func (re *Regexp) ReplaceAll(text, replacement string) (string, error) {
	t, err := re.template(replacement)
	if err != nil {
		return "", err
	}
	full, err := re.search() // Go's regexp passes over an empty match behind another
	if err != nil {
		return "", err
	}
	var b strings.Builder
	end := 0
	m, err := full.FindStringMatch(text)
	for m != nil && err == nil {
		at := re.bounds(m)
		b.WriteString(text[end:at[0]])
		b.WriteString(t.expand(text, at))
		end = at[1]
		m, err = full.FindNextMatch(m)
	}
	if err != nil {
		return "", re.limit(text, err)
	}
	b.WriteString(text[end:])
	return b.String(), nil
}

// Replace is what Connect's and Debezium's routers do: when the whole text matches, the first match is replaced; else matched is false and the
// text comes back as it is.
func (re *Regexp) Replace(text, replacement string) (out string, matched bool, err error) {
	if matched, err = re.MatchString(text); err != nil || !matched {
		return text, false, err
	}
	out, err = re.ReplaceFirst(text, replacement)
	return out, true, err
}

// CheckReplacement tells what is wrong with a replacement: a group that does not exist, or a $ or \ without what belongs to it.
func (re *Regexp) CheckReplacement(replacement string) error {
	_, err := re.template(replacement)
	return err
}

// template is a parsed replacement: texts and groups by turns.
type template []part

type part struct {
	text  string
	group int // -1: text
}

func (t template) expand(text string, m []int) string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case p.group < 0:
			b.WriteString(p.text)
		case m[2*p.group] >= 0:
			b.WriteString(text[m[2*p.group]:m[2*p.group+1]])
		}
	}
	return b.String()
}

// template parses $n, of which as many digits count as name a group, ${name}, and a backslash that quotes the next character.
func (re *Regexp) template(replacement string) (template, error) {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t = append(t, part{literal.String(), -1})
			literal.Reset()
		}
	}
	for rest := replacement; rest != ""; {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '\\':
			if rest == "" {
				return nil, &ReplacementError{Replacement: replacement, Err: errors.New("character to be escaped is missing"), Java: "character to be escaped is missing"}
			}
			literal.WriteByte(rest[0]) // of a longer character the rest follows by itself
			rest = rest[1:]
		case '$':
			n, length, err := re.groupReference(rest)
			if err != nil {
				err.Replacement = replacement
				return nil, err
			}
			flush()
			t = append(t, part{group: n})
			rest = rest[length:]
		default:
			literal.WriteByte(c)
		}
	}
	flush()
	return t, nil
}

// groupReference reads what follows a $.
func (re *Regexp) groupReference(text string) (group, length int, err *ReplacementError) {
	refuse := func(java, format string, args ...any) (int, int, *ReplacementError) {
		return 0, 0, &ReplacementError{Err: fmt.Errorf(format, args...), Java: java}
	}
	if text == "" {
		return refuse("Illegal group reference: group index is missing", "the number or name of a group is missing behind $")
	}
	if text[0] == '{' {
		end := 1
		for end < len(text) && isAlnum(rune(text[end])) {
			end++
		}
		name := text[1:end]
		switch {
		case name == "":
			return refuse("named capturing group has 0 length name", "named capturing group has 0 length name")
		case end == len(text) || text[end] != '}':
			return refuse("named capturing group is missing trailing '}'", "named capturing group is missing trailing '}'")
		case isDigit(rune(name[0])):
			return refuse("capturing group name {"+name+"} starts with digit character", "capturing group name {%s} starts with digit character", name)
		}
		n, ok := re.names[name]
		if !ok {
			return refuse("No group with name {"+name+"}", "no group with name {%s}", name)
		}
		return n, end + 1, nil
	}
	if !isDigit(rune(text[0])) {
		return refuse("Illegal group reference", "illegal group reference")
	}
	n, length := int(text[0]-'0'), 1
	for length < len(text) && isDigit(rune(text[length])) && n*10+int(text[length]-'0') <= re.groups {
		n = n*10 + int(text[length]-'0')
		length++
	}
	if n > re.groups {
		_, _, err = refuse("No group "+strconv.Itoa(n), "no group %d", n)
		err.Index = true
		return 0, 0, err
	}
	return n, length, nil
}

// ReplacementError says what is wrong with a replacement. Never retriable.
type ReplacementError struct {
	Replacement string
	Err         error
	Java        string // message of Java's exception
	Index       bool   // that is an IndexOutOfBoundsException, else an IllegalArgumentException
}

func (e *ReplacementError) Error() string {
	return fmt.Sprintf("replacement %q: %v", e.Replacement, e.Err)
}

// Unwrap gives the problem.
func (e *ReplacementError) Unwrap() error { return e.Err }

// Retriable is false: the same replacement comes back.
func (e *ReplacementError) Retriable() bool { return false }
