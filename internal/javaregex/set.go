package javaregex

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// set is a set of characters: ascending, disjoint, not adjacent ranges.
type set []span

type span struct{ low, high rune } // both inside

func chars(text string) set {
	var s set
	for _, r := range text {
		s = append(s, span{r, r})
	}
	return s.normal()
}

func spans(bounds ...rune) set {
	var s set
	for i := 0; i < len(bounds); i += 2 {
		s = append(s, span{bounds[i], bounds[i+1]})
	}
	return s.normal()
}

// normal sorts and joins.
func (s set) normal() set {
	slices.SortFunc(s, func(a, b span) int { return int(a.low) - int(b.low) })
	var out set
	for _, r := range s {
		if n := len(out); n > 0 && r.low <= out[n-1].high+1 {
			out[n-1].high = max(out[n-1].high, r.high)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s set) union(others ...set) set {
	all := slices.Clone(s)
	for _, o := range others {
		all = append(all, o...)
	}
	return all.normal()
}

func (s set) negate() set {
	var out set
	next := rune(0)
	for _, r := range s {
		if r.low > next {
			out = append(out, span{next, r.low - 1})
		}
		next = r.high + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

func (s set) intersect(o set) set { return s.negate().union(o.negate()).negate() }

// tables unites Unicode tables.
func tables(ts ...*unicode.RangeTable) set {
	var s set
	add := func(low, high, stride rune) {
		if stride == 1 {
			s = append(s, span{low, high})
			return
		}
		for r := low; r <= high; r += stride {
			s = append(s, span{r, r})
		}
	}
	for _, t := range ts {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return s.normal()
}

// foldASCII adds the other case of the ASCII letters in s.
func (s set) foldASCII() set {
	lower, upper := s.intersect(spans('a', 'z')), s.intersect(spans('A', 'Z'))
	return s.union(lower.shift('A'-'a'), upper.shift('a'-'A'))
}

func (s set) shift(by rune) set {
	out := slices.Clone(s)
	for i := range out {
		out[i].low, out[i].high = out[i].low+by, out[i].high+by
	}
	return out
}

// foldUnicode adds every character whose upper case, or the lower case of that, lies in s.
func (s set) foldUnicode() set {
	out := slices.Clone(s)
	in := func(r rune) bool {
		_, found := slices.BinarySearchFunc(s, r, func(x span, r rune) int {
			switch {
			case x.high < r:
				return -1
			case x.low > r:
				return 1
			}
			return 0
		})
		return found
	}
	for _, x := range s {
		for r := x.low; r <= x.high; r++ {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				if up := unicode.ToUpper(f); in(up) || in(unicode.ToLower(up)) {
					out = append(out, span{f, f})
				}
			}
		}
	}
	return out.normal()
}

// String writes the set as a class that Go's regexp and regexp2 read alike. Surrogates are left out: text of Go has none.
func (s set) String() string {
	text := s.intersect(spans(0xD800, 0xDFFF).negate())
	var b strings.Builder
	if len(text) == 0 {
		return string(append([]byte(`[^\x00-`), string(unicode.MaxRune)+"]"...))
	}
	b.WriteByte('[')
	for _, r := range text {
		writeMember(&b, r.low)
		if r.high > r.low {
			b.WriteByte('-')
			writeMember(&b, r.high)
		}
	}
	b.WriteByte(']')
	return b.String()
}

func writeMember(b *strings.Builder, r rune) {
	switch {
	case r >= utf8.RuneSelf:
		b.WriteRune(r)
	case isAlnum(r):
		b.WriteByte(byte(r))
	default:
		fmt.Fprintf(b, `\x%02X`, r)
	}
}

func isAlpha(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
func isDigit(r rune) bool { return '0' <= r && r <= '9' }
func isAlnum(r rune) bool { return isAlpha(r) || isDigit(r) }
func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// hexDigit is the value of a hexadecimal digit, -1 for another character.
func hexDigit(r rune) rune {
	switch {
	case isDigit(r):
		return r - '0'
	case 'a' <= r && r <= 'f':
		return r - 'a' + 10
	case 'A' <= r && r <= 'F':
		return r - 'A' + 10
	}
	return -1
}
