package transform

import (
	"strconv"
	"strings"
	"unicode"
)

// dateFormat is a compiled pattern of java.text.SimpleDateFormat, in English and UTC.
type dateFormat struct {
	items []dateItem
	// Two digits of a year stand for one of the hundred years from here on.
	century dateCentury
}

// dateItem is one piece of a pattern: a field, or text.
type dateItem struct {
	letter byte // 0: text
	count  int
	text   string
}

// dateLetters are the letters that have a meaning.
const dateLetters = "GyMdkHmsSEDFwWahKzZYuXL"

// The formats of Connect's own texts.
var (
	isoDate      = mustDateFormat("yyyy-MM-dd")
	isoTime      = mustDateFormat("HH:mm:ss.SSS'Z'")
	isoTimestamp = mustDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
)

// mustDateFormat is for patterns of this package, which a test holds to be right.
func mustDateFormat(pattern string) *dateFormat {
	f, _ := newDateFormat(pattern)
	return f
}

// newDateFormat compiles a pattern. The Failure is the exception of Java.
func newDateFormat(pattern string) (*dateFormat, *Failure) {
	f := &dateFormat{century: currentCentury()}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			n, ok := f.addQuoted(pattern[i+1:])
			if !ok {
				return nil, fail(illegalArgument, "Unterminated quote")
			}
			i += 1 + n
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			if strings.IndexByte(dateLetters, c) < 0 {
				return nil, fail(illegalArgument, patternNotAllowed, c)
			}
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			if c == 'X' && n > 3 {
				return nil, fail(illegalArgument, "invalid ISO 8601 format: length=%d", n)
			}
			f.items = append(f.items, dateItem{letter: c, count: n})
			i += n
		default:
			f.addText(pattern[i : i+1])
			i++
		}
	}
	return f, nil
}

// addQuoted adds text up to the closing quote, behind the opening one; two quotes are one. It gives the length it read.
func (f *dateFormat) addQuoted(text string) (length int, ok bool) {
	if strings.HasPrefix(text, "'") {
		f.addText("'")
		return 1, true
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\'':
			f.addText(text[i : i+1])
		case strings.HasPrefix(text[i+1:], "'"):
			f.addText("'")
			i++
		default:
			return i + 1, true
		}
	}
	return 0, false
}

func (f *dateFormat) addText(text string) {
	if n := len(f.items); n > 0 && f.items[n-1].letter == 0 {
		f.items[n-1].text += text
		return
	}
	f.items = append(f.items, dateItem{text: text})
}

var (
	monthNames   = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	weekdayNames = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

const shortName = 3 // letters of short names of months and weekdays

// append appends an instant, in milliseconds since 1970-01-01 UTC.
func (f *dateFormat) append(dst []byte, millis int64) []byte {
	m := momentOf(millis)
	for i := range f.items {
		it := &f.items[i]
		switch it.letter {
		case 0:
			dst = append(dst, it.text...)
		case 'G', 'a', 'M', 'L', 'E', 'z':
			dst = it.appendName(dst, &m)
		case 'y':
			dst = appendYear(dst, m.year, it.count)
		case 'Y':
			year, _ := m.weekOfYear()
			dst = appendWeekYear(dst, year, it.count)
		case 'Z':
			dst = append(dst, "+0000"...)
		case 'X':
			dst = append(dst, 'Z')
		default:
			dst = appendPadded(dst, it.number(&m), it.count)
		}
	}
	return dst
}

// number is the value of a field that is one.
func (it *dateItem) number(m *moment) int64 {
	hour := m.millis / 3_600_000
	switch it.letter {
	case 'd':
		return int64(m.day)
	case 'H':
		return hour
	case 'k':
		return (hour+23)%24 + 1
	case 'K':
		return hour % 12
	case 'h':
		return (hour+11)%12 + 1
	case 'm':
		return m.millis / 60_000 % 60
	case 's':
		return m.millis / 1000 % 60
	case 'S':
		return m.millis % 1000
	case 'D':
		return int64(m.dayOfYear())
	case 'F':
		return int64(m.weekdayInMonth())
	case 'w':
		_, week := m.weekOfYear()
		return int64(week)
	case 'W':
		return int64(m.weekOfMonth())
	}
	return int64(weekdayOf(m.days)+6)%7 + 1 // u: from Monday
}

// appendName appends a field that is a word; few letters make a month a number.
func (it *dateItem) appendName(dst []byte, m *moment) []byte {
	switch it.letter {
	case 'G':
		if m.year <= 0 {
			return append(dst, "BC"...)
		}
		return append(dst, "AD"...)
	case 'a':
		if m.millis < millisPerDay/2 {
			return append(dst, "AM"...)
		}
		return append(dst, "PM"...)
	case 'z':
		if it.count >= 4 {
			return append(dst, "Coordinated Universal Time"...)
		}
		return append(dst, "UTC"...)
	case 'E':
		name := weekdayNames[weekdayOf(m.days)]
		if it.count < 4 {
			name = name[:shortName]
		}
		return append(dst, name...)
	}
	name := monthNames[m.month-1]
	switch {
	case it.count < 3:
		return appendPadded(dst, int64(m.month), it.count)
	case it.count == 3:
		name = name[:shortName]
	}
	return append(dst, name...)
}

// appendYear appends the year of its era; of two digits the last two.
func appendYear(dst []byte, year int64, count int) []byte {
	if year <= 0 {
		year = 1 - year
	}
	if count == 2 {
		return appendPadded(dst, year%100, 2)
	}
	return appendPadded(dst, year, count)
}

// appendWeekYear is appendYear for the year that a week is counted in, which before our era is negative.
func appendWeekYear(dst []byte, year int64, count int) []byte {
	if year < 0 {
		dst = append(dst, '-')
		year = -year
	}
	if count == 2 {
		year %= 100
	}
	return appendPadded(dst, year, count)
}

// appendPadded appends a number that is not negative with at least so many digits.
func appendPadded(dst []byte, n int64, digits int) []byte {
	var room [20]byte
	text := strconv.AppendInt(room[:0], n, 10)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// isSpace tells Unicode's spaces, which a format that reads takes for one another.
func isSpace(r rune) bool { return unicode.Is(unicode.Zs, r) }
