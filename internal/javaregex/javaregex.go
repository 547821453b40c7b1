package javaregex

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// SyntaxError says what is wrong with an expression, as java.util.regex.PatternSyntaxException does. Never retriable.
type SyntaxError struct {
	Pattern string
	Problem string
	Index   int // of the character at which it was noticed; -1 when unknown
}

// Error is the message of Java's exception: problem, expression, and a caret below the place.
func (e *SyntaxError) Error() string {
	if e.Index < 0 {
		return e.Problem + "\n" + e.Pattern
	}
	text := fmt.Sprintf("%s near index %d\n%s", e.Problem, e.Index, e.Pattern)
	if e.Index < utf8.RuneCountInString(e.Pattern) {
		text += "\n"
		for i, r := range []rune(e.Pattern) {
			if i == e.Index {
				break
			}
			if r == '\t' {
				text += "\t"
			} else {
				text += " "
			}
		}
		text += "^"
	}
	return text
}

// Retriable is false: the same expression comes back.
func (e *SyntaxError) Retriable() bool { return false }

// LimitError says that an expression was given up on a text: it backtracked for too long or too deep. Never retriable.
type LimitError struct {
	Pattern string
	Text    string
	Err     error
}

func (e *LimitError) Error() string {
	text := e.Text
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + "…"
	}
	return fmt.Sprintf("match %q against the regular expression %q: given up after too much backtracking; write it without nested repetitions: %v", text, e.Pattern, e.Err)
}

// Unwrap gives regexp2's error.
func (e *LimitError) Unwrap() error { return e.Err }

// Retriable is false: the same text comes back.
func (e *LimitError) Retriable() bool { return false }

// matchTimeout is how long one match may backtrack. A name is matched in microseconds; this is for expressions that would run for years.
const matchTimeout = 2 * time.Second

// Regexp is a compiled expression.
type Regexp struct {
	pattern   string
	groups    int
	names     map[string]int
	fast      *regexp.Regexp // nil: only regexp2 can run it
	whole     *regexp.Regexp // fast, on the whole text
	asciiOnly bool           // fast holds for ASCII text of one line
	loops     bool           // fast holds for the bounds of the match, not for those of groups

	full      string // for regexp2, compiled when it is needed first
	search    func() (*regexp2.Regexp, error)
	wholeFull func() (*regexp2.Regexp, error)
}

// Compile reads an expression; with ignoreCase it begins with Java's CASE_INSENSITIVE, which folds ASCII letters. Errors are *SyntaxError.
func Compile(expr string, ignoringCase bool) (*Regexp, error) {
	var f flags
	if ignoringCase {
		f = ignoreCase
	}
	first := newParser(expr, f)
	if _, err := first.parse(); err != nil {
		return nil, err
	}
	p := newParser(expr, f)
	p.total = first.groups
	out, syntax := p.parse()
	if syntax != nil {
		return nil, syntax
	}
	re := &Regexp{pattern: expr, groups: p.groups, names: p.names, asciiOnly: p.asciiOnly, loops: p.loops, full: out.full}
	if !p.noFast {
		// Beyond Go's limits on size and repetition, regexp2 takes over.
		if fast, err := regexp.Compile(out.fast); err == nil {
			re.fast = fast
			re.whole, _ = regexp.Compile(`\A(?:` + out.fast + `)\z`)
		}
	}
	re.search = sync.OnceValues(func() (*regexp2.Regexp, error) { return compileFull(expr, out.full, p.risky) })
	re.wholeFull = sync.OnceValues(func() (*regexp2.Regexp, error) { return compileFull(expr, `\A(?:`+out.full+`)\z`, p.risky) })
	if re.whole == nil {
		if _, err := re.wholeFull(); err != nil {
			return nil, err
		}
	}
	return re, nil
}

func compileFull(expr, full string, timed bool) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(full)
	if err != nil {
		return nil, &SyntaxError{Pattern: expr, Problem: "The expression is not supported: " + err.Error(), Index: -1}
	}
	if timed { // regexp2 keeps a goroutine for its clock: only where it is needed
		re.MatchTimeout = matchTimeout
	}
	return re, nil
}

// String is the expression as it was given.
func (re *Regexp) String() string { return re.pattern }

// Groups is the number of capturing groups.
func (re *Regexp) Groups() int { return re.groups }

// GroupNamed is the number of the group called name.
func (re *Regexp) GroupNamed(name string) (n int, ok bool) {
	n, ok = re.names[name]
	return n, ok
}

// quick tells whether Go's regexp gives Java's answer on text.
func (re *Regexp) quick(compiled *regexp.Regexp, text string) bool {
	if compiled == nil {
		return false
	}
	if !re.asciiOnly {
		return true
	}
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || c == '\n' || c == '\r' {
			return false
		}
	}
	return true
}

// MatchString tells whether the whole text matches, as Matcher.matches does. Errors are *LimitError.
func (re *Regexp) MatchString(text string) (bool, error) {
	if re.quick(re.whole, text) {
		return re.whole.MatchString(text), nil
	}
	full, err := re.wholeFull()
	if err != nil {
		return false, err
	}
	ok, err := full.MatchString(text)
	return ok, re.limit(text, err)
}

// FindString tells whether the expression matches anywhere in the text, as Matcher.find does. Errors are *LimitError.
func (re *Regexp) FindString(text string) (bool, error) {
	if re.quick(re.fast, text) {
		return re.fast.MatchString(text), nil
	}
	full, err := re.search()
	if err != nil {
		return false, err
	}
	ok, err := full.MatchString(text)
	return ok, re.limit(text, err)
}

// Submatch gives the bounds of the whole match and of each group in text, two numbers each, as regexp's FindStringSubmatchIndex does; nil
// when the whole text does not match. A group that took no part has -1.
func (re *Regexp) Submatch(text string) ([]int, error) {
	if !re.loops && re.quick(re.whole, text) {
		return re.whole.FindStringSubmatchIndex(text), nil
	}
	full, err := re.wholeFull()
	if err != nil {
		return nil, err
	}
	m, err := full.FindStringMatch(text)
	return re.bounds(m), re.limit(text, err)
}

// find gives the bounds of the first match.
func (re *Regexp) find(text string) ([]int, error) {
	if !re.loops && re.quick(re.fast, text) {
		return re.fast.FindStringSubmatchIndex(text), nil
	}
	full, err := re.search()
	if err != nil {
		return nil, err
	}
	m, err := full.FindStringMatch(text)
	return re.bounds(m), re.limit(text, err)
}

func (re *Regexp) bounds(m *regexp2.Match) []int {
	if m == nil {
		return nil
	}
	out := make([]int, 0, 2*(re.groups+1))
	for i := range re.groups + 1 {
		g := m.GroupByNumber(i)
		if g == nil || len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		start, length := g.ByteRange()
		out = append(out, start, start+length)
	}
	return out
}

func (re *Regexp) limit(text string, err error) error {
	if err == nil {
		return nil
	}
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return err
	}
	return &LimitError{Pattern: re.pattern, Text: text, Err: err}
}
