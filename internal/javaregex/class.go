package javaregex

// class reads a character class from "[" on. consume is false on the right of && without brackets: then "]" is left for the class around.
func (p *parser) class(consume bool) set {
	if p.depth++; p.depth > maxDepth {
		p.fail("Nesting is too deep")
		return nil
	}
	defer func() { p.depth-- }()
	var (
		all, last *set // what was read so far, and the last part of it
		singles   set  // read one by one
		some      bool // singles holds something
		negated   bool
	)
	add := func(s set) {
		last = &s
		if all == nil {
			all = &s
			return
		}
		u := all.union(s)
		all = &u
	}
	c := p.next()
	if c == '^' && p.at(p.cursor-1) == '[' {
		c = p.next()
		negated = true
	}
	for p.err == nil {
		switch {
		case c == '[':
			add(p.class(true))
			c = p.peek()
			continue
		case c == '&' && p.at(p.cursor+1) == '&':
			p.next()
			right := p.rightOfAnd()
			if some {
				if all == nil {
					s := singles
					all, last = &s, &s
				} else {
					u := all.union(singles)
					all = &u
				}
				some = false
			}
			if right != nil {
				last = right
			}
			switch {
			case all == nil && right == nil:
				p.fail("Bad class syntax")
			case all == nil:
				all = right
			case last == nil:
				p.fail("Bad intersection syntax")
			default:
				both := all.intersect(*last)
				all = &both
			}
			c = p.peek()
			continue
		case c == 0 && p.cursor >= p.n:
			p.fail("Unclosed character class")
			return nil
		case c == ']' && (all != nil || some):
			if consume {
				p.next()
			}
			if some {
				add(singles)
			}
			if negated {
				return all.negate()
			}
			return *all
		}
		s, single := p.member()
		if single {
			singles, some, last = singles.union(s), true, nil
		} else {
			add(s)
		}
		c = p.peek()
	}
	return nil
}

// rightOfAnd reads the operand behind &&, of which the cursor is at the second; nil when there is none.
func (p *parser) rightOfAnd() *set {
	var right *set
	for c := p.next(); p.err == nil && c != ']' && c != '&'; c = p.peek() {
		var s set
		if c == '[' {
			s = p.class(true)
		} else {
			p.unread()
			s = p.class(false)
		}
		if right != nil {
			s = right.union(s)
		}
		right = &s
	}
	return right
}

// member reads one character, range, or predefined class inside of brackets. single tells that Java keeps it with others in one set.
func (p *parser) member() (s set, single bool) {
	c := p.peek()
	if c == '\\' {
		escape := p.at(p.cursor + 1)
		if escape == 'p' || escape == 'P' {
			p.cursor++
			return p.property(escape == 'P'), false
		}
		inRange := p.at(p.cursor+2) == '-'
		if s := p.predefined(escape); s != nil && (escape != 'v' || !inRange) {
			p.cursor += 2
			return s, false
		}
		c = p.character(true)
	} else {
		p.next()
	}
	if p.err != nil {
		return nil, false
	}
	if p.peek() == '-' {
		switch end := p.at(p.cursor + 1); end {
		case '[', ']':
		default:
			return p.rangeFrom(c), false
		}
	}
	return p.single(c), c < 256
}

// rangeFrom reads the end of a range; the cursor is at the hyphen.
func (p *parser) rangeFrom(low rune) set {
	p.next()
	high := p.peek()
	if escape := p.at(p.cursor + 1); high == '\\' && escape != 'v' && p.predefined(escape) != nil {
		p.cursor += 2
		high = -1
	} else if high == '\\' {
		high = p.character(true)
	} else {
		p.next()
	}
	if p.err != nil {
		return nil
	}
	if high < low {
		p.fail("Illegal character range")
		return nil
	}
	return p.folded(set{{low, high}})
}

// property reads \p{name} or \pN; the cursor is at the p.
func (p *parser) property(negated bool) set {
	var name string
	if c := p.next(); c != '{' {
		name = string(c)
		p.read()
	} else {
		p.cursor++
		start := p.cursor
		for p.cursor < p.n && p.at(p.cursor) != '}' {
			p.cursor++
		}
		if p.cursor >= p.n {
			p.cursor = p.n + 1
			p.fail("Unclosed character family")
			return nil
		}
		name = string(p.temp[start:p.cursor])
		p.cursor++
		if name == "" {
			p.fail("Empty character family")
			return nil
		}
	}
	s, problem := property(name, p.flags)
	if problem != "" {
		p.fail(problem)
		return nil
	}
	if negated {
		return s.negate()
	}
	return s
}

// predefined is the class that an escape stands for; nil when it stands for none.
func (p *parser) predefined(escape rune) set {
	wide := p.has(unicodeClass)
	pick := func(ascii set, unicode func() set) set {
		if wide {
			return unicode()
		}
		return ascii
	}
	digits := func() set { return property0("Nd") }
	switch escape {
	case 'd':
		return pick(asciiDigit, digits)
	case 'D':
		return pick(asciiDigit, digits).negate()
	case 's':
		return pick(asciiSpace, whiteSpace)
	case 'S':
		return pick(asciiSpace, whiteSpace).negate()
	case 'w':
		return pick(asciiWord, unicodeWord)
	case 'W':
		return pick(asciiWord, unicodeWord).negate()
	case 'h':
		return horizontalSpace
	case 'H':
		return horizontalSpace.negate()
	case 'v':
		return verticalSpace
	case 'V':
		return verticalSpace.negate()
	}
	return nil
}

// character reads an escape that stands for one character; the cursor is at the backslash.
func (p *parser) character(inClass bool) rune {
	c := p.skip()
	switch c {
	case 'a':
		return '\a'
	case 'e':
		return 0x1b
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		if inClass {
			return '\v' // as the end of a range
		}
	case 'c':
		if p.cursor >= p.n {
			p.fail("Illegal control escape sequence")
			return 0
		}
		return p.read() ^ 64
	case '0':
		return p.octal()
	case 'x':
		return p.hexadecimal()
	case 'u':
		return p.utf16()
	case 'N':
		p.fail("The escape \\N{name} is not supported; write \\x{…} with the character's number")
		return 0
	}
	switch {
	case c == 0 && p.cursor > p.n && inClass:
		p.fail("Unclosed character class")
		return 0
	case c == 0 && p.cursor > p.n && p.depth > 1:
		p.cursor++
		p.fail("Unclosed group")
		return 0
	case c == 0 && p.cursor > p.n:
		p.fail("Unescaped trailing backslash")
		return 0
	case isAlnum(c):
		p.fail("Illegal/unsupported escape sequence")
		return 0
	}
	return c
}

func isOctal(c rune) bool { return '0' <= c && c <= '7' }

func (p *parser) octal() rune {
	n := p.read()
	if !isOctal(n) {
		p.fail("Illegal octal escape sequence")
		return 0
	}
	value := n - '0'
	for i := 0; i < 2 && (i == 0 || n <= '3'); i++ {
		d := p.read()
		if !isOctal(d) {
			p.unread()
			break
		}
		value = value*8 + d - '0'
	}
	return value
}

func (p *parser) hexadecimal() rune {
	c := p.read()
	if high := hexDigit(c); high >= 0 {
		if low := hexDigit(p.read()); low >= 0 {
			return high<<4 | low
		}
	} else if c == '{' && hexDigit(p.peek()) >= 0 {
		var value rune
		for c = p.read(); hexDigit(c) >= 0; c = p.read() {
			if value = value<<4 | hexDigit(c); value > 0x10ffff {
				p.fail("Hexadecimal codepoint is too big")
				return 0
			}
		}
		if c != '}' {
			p.fail("Unclosed hexadecimal escape sequence")
			return 0
		}
		return value
	}
	p.fail("Illegal hexadecimal escape sequence")
	return 0
}

// utf16 reads the digits of \uXXXX, and a second such escape that makes a pair with it.
func (p *parser) utf16() rune {
	high := p.unit()
	if high < 0xD800 || high > 0xDBFF || p.at(p.cursor) != '\\' || p.at(p.cursor+1) != 'u' {
		return high
	}
	back := p.cursor
	p.cursor += 2
	if low := p.unit(); low >= 0xDC00 && low <= 0xDFFF {
		return 0x10000 + (high-0xD800)<<10 + low - 0xDC00
	}
	p.cursor = back
	return high
}

func (p *parser) unit() rune {
	var value rune
	for range 4 {
		d := hexDigit(p.read())
		if d < 0 {
			p.fail("Illegal Unicode escape sequence")
			return 0
		}
		value = value<<4 | d
	}
	return value
}
