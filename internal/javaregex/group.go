package javaregex

import "strconv"

// group reads from "(" to behind the quantifier that follows ")". ok is false for (?flags), which only changes flags.
func (p *parser) group() (x piece, ok bool) {
	saved, opening := p.flags, "(?:"
	var assertion bool
	if p.next() == '?' {
		switch c := p.skip(); c {
		case ':':
		case '=', '!':
			opening, assertion = "(?"+string(c), true
		case '>':
			opening = "(?>"
		case '<':
			c = p.read()
			if c == '=' || c == '!' {
				opening, assertion = "(?<"+string(c), true // of any length, where Java wants an obvious maximum
				break
			}
			name := p.groupName(c)
			if _, twice := p.names[name]; twice && p.err == nil {
				p.fail("Named capturing group <" + name + "> is already defined")
			}
			opening = p.capture(name)
		case '$', '@':
			p.fail("Unknown group type")
		default:
			p.unread()
			p.readFlags()
			if c = p.read(); c == ')' {
				return piece{}, false
			}
			if c != ':' {
				p.fail("Unknown inline modifier")
			}
		}
	} else {
		opening = p.capture("")
	}
	if assertion || opening == "(?>" {
		p.noFast = true
	}
	return p.closeGroup(opening, assertion, saved), true
}

// capture counts a capturing group. Both engines get it unnamed: they number named groups differently.
func (p *parser) capture(name string) string {
	p.groups++
	if name != "" {
		p.names[name] = p.groups
	}
	return "("
}

func (p *parser) closeGroup(opening string, assertion bool, saved flags) piece {
	before := p.groups
	inner := p.alternatives()
	if p.read() != ')' {
		p.fail("Unclosed group")
	}
	p.flags = saved
	if p.err != nil {
		return piece{}
	}
	return p.repeated(piece{fast: opening + inner.fast + ")", full: opening + inner.full + ")", zero: assertion, many: inner.many,
		caps: opening == "(" || p.groups > before})
}

func (p *parser) groupName(c rune) string {
	if !isAlpha(c) {
		p.fail("capturing group name does not start with a Latin letter")
		return ""
	}
	name := []rune{c}
	for c = p.read(); isAlnum(c); c = p.read() {
		name = append(name, c)
	}
	if c != '>' {
		p.fail("named capturing group is missing trailing '>'")
	}
	return string(name)
}

var flagLetters = map[rune]flags{'i': ignoreCase, 'm': multiline, 's': dotAll, 'd': unixLines, 'u': unicodeCase, 'x': comments, 'U': unicodeClass | unicodeCase}

func (p *parser) readFlags() {
	on := true
	for c := p.peek(); ; c = p.next() {
		f, known := flagLetters[c]
		switch {
		case c == '-' && on:
			on = false
		case c == 'c':
			p.fail("The inline flag c (canonical equivalence) is not supported")
			return
		case !known:
			return
		case on:
			p.flags |= f
		default:
			p.flags &^= f
		}
	}
}

// escaped reads a backslash and what follows, outside of classes.
func (p *parser) escaped() piece {
	start := p.cursor
	c := p.at(start + 1)
	switch c {
	case 'p', 'P':
		p.cursor++
		return both(p.property(c == 'P').String())
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		p.cursor += 2
		return p.backreference(int(c - '0'))
	case 'k':
		p.cursor += 2
		if p.read() != '<' {
			p.fail("\\k is not followed by '<' for named capturing group")
			return piece{}
		}
		name := p.groupName(p.read())
		n, ok := p.names[name]
		if !ok && p.err == nil {
			p.fail("named capturing group <" + name + "> does not exist")
		}
		return p.reference(n)
	}
	if x, ok := p.assertion(c); ok {
		return x
	}
	if s := p.predefined(c); s != nil {
		p.cursor += 2
		return both(s.String())
	}
	r := p.character(false)
	if p.err != nil {
		return piece{}
	}
	return p.literal(r)
}

// assertion reads escapes that match no character of their own.
func (p *parser) assertion(c rune) (piece, bool) {
	var x piece
	switch c {
	case 'A':
		x = piece{fast: `\A`, full: `\A`, zero: true}
	case 'z':
		x = piece{fast: `\z`, full: `\z`, zero: true}
	case 'Z':
		x = p.dollar(false)
	case 'G':
		p.noFast = true
		x = piece{full: `\G`, zero: true}
	case 'b', 'B':
		if c == 'b' && p.at(p.cursor+2) == '{' && p.at(p.cursor+3) == 'g' {
			p.cursor += 2
			p.fail("The boundary \\b{g} is not supported")
			return piece{}, true
		}
		x = p.boundary(c == 'B')
	case 'R':
		x = both("(?:\r\n|" + verticalSpace.String() + ")")
	case 'X':
		p.noFast = true
		x = both(`\X`)
	default:
		return piece{}, false
	}
	p.cursor += 2
	return x, true
}

// backreference reads as many digits as name a group that began before, but at least one.
func (p *parser) backreference(n int) piece {
	for c := p.peek(); isDigit(c); c = p.peek() {
		longer := n*10 + int(c-'0')
		if longer > p.groups {
			break
		}
		n = longer
		p.read()
	}
	return p.reference(n)
}

// reference is what group n matched; a group that does not exist matches nothing.
func (p *parser) reference(n int) piece {
	p.noFast = true
	if n > p.total {
		return both(set(nil).String())
	}
	text := `(?:\` + strconv.Itoa(n) + `)`
	if p.has(ignoreCase) {
		text = `(?i:\` + strconv.Itoa(n) + `)`
	}
	return piece{full: text}
}
