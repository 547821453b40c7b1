package javaregex

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// flags are Pattern's.
type flags uint16

const (
	ignoreCase   flags = 1 << iota // i
	multiline                      // m
	dotAll                         // s
	unixLines                      // d
	unicodeCase                    // u
	comments                       // x
	unicodeClass                   // U
)

// piece is a part of the expression, written for both engines.
type piece struct {
	fast string // Go's regexp
	full string // regexp2
	zero bool   // an assertion: to be wrapped before it is repeated
	caps bool   // holds capturing groups
	many bool   // can match in several ways: holds a repetition or a choice
}

func both(text string) piece { return piece{fast: text, full: text} }

// parser reads an expression as java.util.regex does and writes it anew. Its cursor moves exactly as Java's does, since errors name it. The
// first error wins and sends the cursor to the end, so every loop ends.
type parser struct {
	pattern string
	temp    []rune // two zeros follow the pattern
	n       int    // length of the pattern
	cursor  int
	flags   flags
	err     *SyntaxError

	groups    int // capturing groups begun
	names     map[string]int
	total     int  // capturing groups of the whole expression, known on the second reading
	noFast    bool // something needs regexp2
	asciiOnly bool // Go's regexp agrees only on ASCII text of one line
	loops     bool // a group with captures is repeated: on an empty turn Go's regexp keeps what Java's captures forget
	repeats   int  // without a bound
	risky     bool // backtracking may take time that no bound on names keeps small
	depth     int
}

// maxDepth bounds the nesting of groups and classes; Java itself runs out of stack at some thousand.
const maxDepth = 500

func newParser(pattern string, f flags) *parser {
	p := &parser{pattern: pattern, flags: f, names: make(map[string]int)}
	p.temp = append(unquote([]rune(pattern)), 0, 0)
	p.n = len(p.temp) - 2
	return p
}

// unquote takes \Q…\E out: what is no ASCII letter or digit is escaped, and a digit is written so that it cannot join an escape.
func unquote(in []rune) []rune {
	start := indexQuote(in)
	if start < 0 {
		return in
	}
	out := append([]rune(nil), in[:start]...)
	quoted, first := true, true
	for i := start + 2; i < len(in); {
		c := in[i]
		i++
		switch {
		case !quoted && c == '\\' && i < len(in) && in[i] == 'Q':
			i++
			quoted, first = true, true
		case !quoted && c == '\\' && i < len(in):
			out = append(out, c, in[i])
			i++
		case !quoted:
			out = append(out, c)
		case c == '\\' && i < len(in) && in[i] == 'E':
			i++
			quoted = false
		case c >= utf8.RuneSelf || isAlpha(c):
			out, first = append(out, c), false
		case isDigit(c) && first:
			out, first = append(out, '\\', 'x', '3', c), false // before it may stand a backreference
		case isDigit(c):
			out = append(out, c)
		default:
			out, first = append(out, '\\', c), false
		}
	}
	return out
}

func indexQuote(in []rune) int {
	for i := 0; i+1 < len(in); i++ {
		if in[i] == '\\' {
			if in[i+1] == 'Q' {
				return i
			}
			i++
		}
	}
	return -1
}

func (p *parser) at(i int) rune {
	if i < 0 || i >= len(p.temp) {
		return 0
	}
	return p.temp[i]
}

func (p *parser) has(f flags) bool { return p.flags&f != 0 }

func (p *parser) fail(problem string) {
	if p.err == nil {
		p.err = &SyntaxError{Pattern: p.pattern, Problem: problem, Index: p.cursor - 1}
	}
	p.cursor = p.n
}

// peek looks at the next character, behind blanks and comments under flag x.
func (p *parser) peek() rune {
	if p.has(comments) {
		p.skipBlanks()
	}
	return p.at(p.cursor)
}

// next moves one on and looks.
func (p *parser) next() rune {
	p.cursor++
	return p.peek()
}

// read takes the next character.
func (p *parser) read() rune {
	c := p.peek()
	p.cursor++
	return c
}

// skip takes the character behind the next one, whatever it is.
func (p *parser) skip() rune {
	p.cursor += 2
	return p.at(p.cursor - 1)
}

func (p *parser) unread() { p.cursor-- }

func (p *parser) skipBlanks() {
	for {
		switch c := p.at(p.cursor); {
		case isSpace(c):
			p.cursor++
		case c == '#':
			for p.cursor < p.n && !p.endsLine(p.at(p.cursor)) {
				p.cursor++
			}
			if p.cursor >= p.n {
				return
			}
		default:
			return
		}
	}
}

func (p *parser) endsLine(c rune) bool {
	if p.has(unixLines) {
		return c == '\n'
	}
	return c == '\n' || c == '\r' || c == 0x85 || c|1 == 0x2029
}

// parse reads the whole expression.
func (p *parser) parse() (piece, *SyntaxError) {
	out := p.alternatives()
	if p.err == nil && p.cursor != p.n {
		if p.peek() == ')' {
			p.fail("Unmatched closing ')'")
		} else {
			p.fail("Unexpected internal error")
		}
	}
	return out, p.err
}

// writer gathers pieces.
type writer struct {
	fast, full strings.Builder
	many       bool
}

func (w *writer) add(x piece) {
	w.fast.WriteString(x.fast)
	w.full.WriteString(x.full)
	w.many = w.many || x.many
}

func (w *writer) piece() piece {
	return piece{fast: w.fast.String(), full: w.full.String(), many: w.many}
}

func (p *parser) alternatives() piece {
	if p.depth++; p.depth > maxDepth {
		p.fail("Nesting is too deep")
		return piece{}
	}
	defer func() { p.depth-- }()
	var w writer
	for {
		w.add(p.sequence())
		if p.err != nil || p.peek() != '|' {
			return w.piece()
		}
		p.next()
		w.add(both("|"))
		w.many = true
	}
}

func (p *parser) sequence() piece {
	var w writer
	for {
		c := p.peek()
		if p.err != nil {
			return piece{}
		}
		var x piece
		switch c {
		case '(':
			group, ok := p.group()
			if !ok {
				continue // only flags
			}
			w.add(group)
			continue
		case '[':
			s := p.class(true)
			x = both(s.String())
		case '^':
			p.next()
			x = p.caret()
		case '$':
			p.next()
			x = p.dollar(p.has(multiline))
		case '.':
			p.next()
			x = p.dot()
		case '|', ')':
			return w.piece()
		case '?', '*', '+':
			p.next()
			p.fail("Dangling meta character '" + string(c) + "'")
		case '\\':
			x = p.escaped()
		case '{': // repeats the empty text before it, as Java reads it
			x = both("(?:)")
		case 0:
			if p.cursor >= p.n {
				return w.piece()
			}
			fallthrough
		default:
			p.next()
			x = p.literal(c)
		}
		w.add(p.repeated(x))
	}
}

// literal is one character, or those that equal it when case does not count.
func (p *parser) literal(c rune) piece {
	s := p.single(c)
	if len(s) > 1 || s[0].low != s[0].high || c >= 0xD800 && c <= 0xDFFF {
		return both(s.String())
	}
	switch {
	case isAlnum(c), c >= utf8.RuneSelf:
		return both(string(c))
	case strings.ContainsRune(`\.+*?()|[]{}^$`, c):
		return both(`\` + string(c))
	case c < ' ' || c == 0x7f:
		return both(s.String())
	}
	return both(string(c))
}

func (p *parser) single(c rune) set {
	return p.folded(set{{c, c}})
}

// folded is the set with the other cases of its characters, where case is ignored.
func (p *parser) folded(s set) set {
	switch {
	case p.has(ignoreCase) && p.has(unicodeCase):
		return s.foldUnicode()
	case p.has(ignoreCase):
		return s.foldASCII()
	}
	return s
}

func (p *parser) dot() piece {
	switch {
	case p.has(dotAll):
		return both(everything.String())
	case p.has(unixLines):
		return both(chars("\n").negate().String())
	}
	return both(lineTerminators.negate().String())
}

func (p *parser) caret() piece {
	if !p.has(multiline) {
		return piece{fast: `\A`, full: `\A`, zero: true}
	}
	p.noFast = true
	if p.has(unixLines) {
		return piece{full: `(?:(?:\A|(?<=\n))(?!\z))`, zero: true}
	}
	return piece{full: "(?:(?:\\A|(?<=[\n\u0085\u2028\u2029])|(?<=\r)(?!\n))(?!\\z))", zero: true}
}

// dollar is the end of the text, also before its last line terminator, or of each line.
func (p *parser) dollar(lines bool) piece {
	p.asciiOnly = true // and of one line: then it is the end
	x := piece{fast: `\z`, zero: true}
	switch {
	case p.has(unixLines) && lines:
		x.full = `(?=\n|\z)`
	case p.has(unixLines):
		x.full = `(?=\n?\z)`
	case lines:
		x.full = "(?:(?=[\r\u0085\u2028\u2029]|\\z)|(?<!\r)(?=\n))"
	default:
		x.full = "(?:(?=(?:\r\n|[\r\u0085\u2028\u2029])?\\z)|(?<!\r)(?=\n\\z))"
	}
	return x
}

// boundary is \b or \B. A mark belongs to the letter or digit before it.
func (p *parser) boundary(negated bool) piece {
	word := asciiWord
	if p.has(unicodeClass) {
		word = unicodeWord()
	}
	w, base, mark := word.String(), property0("LD").String(), property0("Mn").String()
	left := "(?<=" + w + "|" + base + mark + "+)"
	notLeft := "(?<!" + w + "|" + base + mark + "+)"
	right := "(?:(?=" + w + ")|(?<=" + base + mark + "*)(?=" + mark + "))"
	notRight := "(?!" + w + ")(?:(?!" + mark + ")|(?<!" + base + mark + "*))"
	p.asciiOnly = true
	if negated {
		return piece{fast: `\B`, full: "(?:" + left + right + "|" + notLeft + notRight + ")", zero: true}
	}
	return piece{fast: `\b`, full: "(?:" + left + notRight + "|" + notLeft + right + ")", zero: true}
}

func property0(name string) set { return category(name, false) }

// repeated reads the quantifier behind x.
func (p *parser) repeated(x piece) piece {
	low, high := 0, math.MaxInt32
	switch p.peek() {
	case '?':
		high = 1
	case '*':
	case '+':
		low = 1
	case '{':
		var ok bool
		if low, high, ok = p.counts(); !ok {
			return piece{}
		}
	default:
		return x
	}
	p.loops = p.loops || x.caps && high > 1
	if high > mostTurns {
		p.repeats++
		p.risky = p.risky || x.many || p.repeats > mostRepeats
	}
	if x.zero {
		x.fast, x.full = "(?:"+x.fast+")", "(?:"+x.full+")"
	}
	quantifier := "{" + strconv.Itoa(low) + "," + strconv.Itoa(high) + "}"
	switch {
	case low == 0 && high == 1:
		quantifier = "?"
	case low == 0 && high == math.MaxInt32:
		quantifier = "*"
	case low == 1 && high == math.MaxInt32:
		quantifier = "+"
	case high == math.MaxInt32:
		quantifier = "{" + strconv.Itoa(low) + ",}"
	case low == high:
		quantifier = "{" + strconv.Itoa(low) + "}"
	}
	switch p.next() {
	case '?':
		p.next()
		quantifier += "?"
	case '+':
		p.next()
		p.noFast = true
		return both("(?>" + x.full + quantifier + ")")
	}
	return piece{fast: x.fast + quantifier, full: x.full + quantifier, many: high > low || x.many}
}

// A repetition of more than mostTurns counts as one without a bound. Up to mostRepeats of them, none within another, try a name of some hundred
// characters in some million ways at most; beyond that a match is timed.
const (
	mostTurns   = 8
	mostRepeats = 3
)

// counts reads {low,high} up to the closing brace, at which the cursor stays.
func (p *parser) counts() (low, high int, ok bool) {
	c := p.skip()
	if !isDigit(c) {
		p.fail("Illegal repetition")
		return 0, 0, false
	}
	number := func() (n int) {
		for isDigit(c) {
			if n = n*10 + int(c-'0'); n > math.MaxInt32 {
				p.fail("Illegal repetition range")
				return 0
			}
			c = p.read()
		}
		return n
	}
	low = number()
	high = low
	if c == ',' {
		if c = p.read(); c == '}' {
			p.unread()
			return low, math.MaxInt32, p.err == nil
		}
		high = number()
	}
	switch {
	case p.err != nil:
	case c != '}':
		p.fail("Unclosed counted closure")
	case high < low:
		p.fail("Illegal repetition range")
	}
	p.unread()
	return low, high, p.err == nil
}
