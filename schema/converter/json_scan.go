package converter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of Jackson's StreamReadConstraints.
const (
	maxJSONDepth = 1000 // DEFAULT_MAX_DEPTH
	maxNumber    = 1000 // DEFAULT_MAX_NUM_LEN, in characters
)

// scanner walks one JSON text. Like the JsonDeserializer of Connect it takes numbers with leading zeros and ignores what stands behind
// the first value; like Jackson it refuses invalid UTF-8, NaN, single quotes, comments and trailing commas.
type scanner struct {
	data  []byte
	pos   int
	depth int
	room  []byte // of the last string with escapes
	loose bool   // the last string is in room
}

// syntaxError is a place where a text is not JSON.
type syntaxError struct {
	offset int
	reason string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.offset, e.reason)
}

func (s *scanner) fail(reason string) error { return &syntaxError{s.pos, reason} }

func (s *scanner) reset(data []byte) {
	s.data, s.pos, s.depth = data, 0, 0
	if bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")) { // a byte order mark
		s.pos = 3
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// begin takes the opening bracket that peek saw and tells whether the container is empty, in which case it is taken whole.
func (s *scanner) begin(end byte) (empty bool, err error) {
	s.pos++
	if s.peek() == end {
		s.pos++
		return true, nil
	}
	if s.depth++; s.depth > maxJSONDepth {
		return false, s.fail("nested too deep")
	}
	return false, nil
}

// more takes a comma, or the closing bracket.
func (s *scanner) more(end byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		s.depth--
		return false, nil
	case 0:
		return false, s.fail("unexpected end")
	}
	return false, s.fail("want , or " + string(end))
}

// key takes a member's name and the colon behind it. The name is valid until the next string.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("want a member name")
	}
	name, err := s.str()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.fail("want :")
	}
	s.pos++
	return name, nil
}

// str takes a string. The result is a view of the data, or, when there are escapes, of room, which loose tells: valid until the next str.
func (s *scanner) str() ([]byte, error) {
	s.pos++
	start := s.pos
	s.loose = false
	plain := true // ASCII so far
	s.pos = skipPlain(s.data, s.pos)
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			text := s.data[start:s.pos]
			s.pos++
			if !plain && !utf8.Valid(text) {
				return nil, s.fail("invalid UTF-8 in a string")
			}
			return text, nil
		case c == '\\':
			s.loose = true
			return s.escaped(start)
		case c < 0x20:
			return nil, s.fail("control character in a string")
		case c >= utf8.RuneSelf:
			plain = false
		}
		s.pos++
	}
	return nil, s.fail("unexpected end in a string")
}

// skipPlain passes bytes that stand for themselves, eight at a time: printable ASCII but quote and backslash. It may stop before the first that
// does not, less than eight bytes from the end.
func skipPlain(data []byte, pos int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for pos+8 <= len(data) {
		w := binary.LittleEndian.Uint64(data[pos:])
		quote, backslash := w^('"'*ones), w^('\\'*ones)
		// In a byte of 0 the subtraction borrows; the lowest one flagged is one, those above it may be no such bytes.
		odd := ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-' '*ones)&^w | w) & highs
		if odd != 0 {
			return pos + bits.TrailingZeros64(odd)/8
		}
		pos += 8
	}
	return pos
}

func (s *scanner) escaped(start int) ([]byte, error) {
	out := append(s.room[:0], s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			s.room = out
			if !utf8.Valid(out) {
				return nil, s.fail("invalid UTF-8 in a string")
			}
			return out, nil
		case c < 0x20:
			return nil, s.fail("control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if s.pos == len(s.data) {
			break
		}
		c = s.data[s.pos]
		s.pos++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := s.unit()
			if err != nil {
				return nil, err
			}
			if utf16.IsSurrogate(r) {
				r = s.pair(r)
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, s.fail("unknown escape")
		}
	}
	return nil, s.fail("unexpected end in a string")
}

func (s *scanner) unit() (rune, error) {
	if s.pos+4 > len(s.data) {
		return 0, s.fail("unexpected end in a string")
	}
	u, err := strconv.ParseUint(string(s.data[s.pos:s.pos+4]), 16, 16)
	if err != nil {
		return 0, s.fail("want four hex digits")
	}
	s.pos += 4
	return rune(u), nil
}

// pair takes the second half of a surrogate pair; a lone half becomes U+FFFD.
func (s *scanner) pair(first rune) rune {
	mark := s.pos
	if s.pos+6 <= len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		s.pos += 2
		if second, err := s.unit(); err == nil {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
	}
	s.pos = mark
	return utf8.RuneError
}

// number takes a number; integral tells that it has neither fraction nor exponent.
func (s *scanner) number() (text []byte, integral bool, err error) {
	start := s.pos
	if s.pos < len(s.data) && s.data[s.pos] == '-' {
		s.pos++
	}
	if s.digits() == 0 {
		return nil, false, s.fail("want a value")
	}
	integral = true
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		integral = false
		if s.digits() == 0 {
			return nil, false, s.fail("want digits behind the decimal point")
		}
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		integral = false
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, false, s.fail("want digits of an exponent")
		}
	}
	if s.pos-start > maxNumber {
		return nil, false, s.fail("number too long")
	}
	return s.data[start:s.pos], integral, nil
}

// short takes a whole number of up to 18 digits, which nearly all are, and its value. ok is false, and nothing taken, when it is another one.
func (s *scanner) short() (n int64, ok bool) {
	data, pos := s.data, s.pos
	negative := pos < len(data) && data[pos] == '-'
	if negative {
		pos++
	}
	start := pos
	for pos < len(data) && data[pos]-'0' <= 9 {
		n = n*10 + int64(data[pos]-'0') // may overflow: too many digits are refused below
		pos++
	}
	if pos == start || pos-start > 18 || pos < len(data) && (data[pos] == '.' || data[pos]|0x20 == 'e') {
		return 0, false
	}
	if negative {
		n = -n
	}
	s.pos = pos
	return n, true
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos - start
}

// literal takes true, false or null.
func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.fail("want a value")
	}
	s.pos += len(word)
	if s.pos < len(s.data) {
		if c := s.data[s.pos]; c|0x20 >= 'a' && c|0x20 <= 'z' || c-'0' <= 9 || c == '_' || c >= utf8.RuneSelf {
			return s.fail("want a value")
		}
	}
	return nil
}

// skip takes a value and throws it away.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{', '[':
		return s.skipContainer(c)
	case '"':
		_, err := s.str()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case 0:
		return s.fail("unexpected end")
	}
	_, _, err := s.number()
	return err
}

func (s *scanner) skipContainer(open byte) error {
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	empty, err := s.begin(end)
	if empty || err != nil {
		return err
	}
	for more := true; more; {
		if open == '{' {
			if _, err = s.key(); err != nil {
				return err
			}
		}
		if err = s.skip(); err != nil {
			return err
		}
		if more, err = s.more(end); err != nil {
			return err
		}
	}
	return nil
}
