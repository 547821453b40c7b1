package transform

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// dateCentury is what two digits of a year stand for: the hundred years that begin eighty years before the format was made.
type dateCentury struct {
	millis int64
	year   int64
}

func currentCentury() dateCentury {
	begin := time.Now().UTC().AddDate(-80, 0, 0)
	return dateCentury{begin.UnixMilli(), int64(begin.Year())}
}

// calendarField is a field of java.util.Calendar.
type calendarField uint8

const (
	fieldEra calendarField = iota
	fieldYear
	fieldWeekYear
	fieldMonth
	fieldWeekOfYear
	fieldWeekOfMonth
	fieldDay
	fieldDayOfYear
	fieldWeekday // 0 is Sunday
	fieldWeekdayInMonth
	fieldHalf
	fieldHour
	fieldHourOfDay
	fieldMinute
	fieldSecond
	fieldMillis
	fieldZone // milliseconds
	calendarFields
)

// numberFields are the fields that letters of a pattern read as numbers.
var numberFields = map[byte]calendarField{'y': fieldYear, 'Y': fieldWeekYear, 'M': fieldMonth, 'L': fieldMonth, 'd': fieldDay, 'k': fieldHourOfDay, 'H': fieldHourOfDay, 'm': fieldMinute, 's': fieldSecond,
	'S': fieldMillis, 'D': fieldDayOfYear, 'F': fieldWeekdayInMonth, 'w': fieldWeekOfYear, 'W': fieldWeekOfMonth, 'h': fieldHour, 'K': fieldHour, 'u': fieldWeekday}

// parsed is what was read of a text.
type parsed struct {
	value     [calendarFields]int64
	stamp     [calendarFields]int // when it was set, from 1; 0: it was not
	sets      int
	place     int64 // offset of a zone that was named, in milliseconds
	ambiguous bool  // two digits that are those of the century's first year
}

func (p *parsed) set(f calendarField, v int64) {
	p.sets++
	p.value[f], p.stamp[f] = v, p.sets
}

func (p *parsed) has(f calendarField) bool { return p.stamp[f] > 0 }

// parse reads a text as java.text.SimpleDateFormat does, which is lenient: numbers may have more or fewer digits and be out of range, and what stands behind the
// last field is ignored.
func (f *dateFormat) parse(text string) (millis int64, ok bool) {
	var p parsed
	rest := text
	for i := range f.items {
		it := &f.items[i]
		if it.letter == 0 {
			rest, ok = readText(rest, it.text)
		} else {
			next := dateItem{}
			if i+1 < len(f.items) {
				next = f.items[i+1]
			}
			rest, ok = f.readField(rest, it, next.isNumber(), &p)
		}
		if !ok {
			return 0, false
		}
	}
	if len(rest) == len(text) { // Java wants something to be read
		return 0, false
	}
	return f.resolve(&p)
}

// isNumber tells a field that is read as a number: the one before it, when it is a number too, then has no more digits than letters.
func (it *dateItem) isNumber() bool {
	if it.letter == 'M' || it.letter == 'L' {
		return it.count <= 2
	}
	_, number := numberFields[it.letter]
	return number
}

// readText reads what must be there; a space is any space.
func readText(rest, want string) (string, bool) {
	for _, w := range want {
		r, n := utf8.DecodeRuneInString(rest)
		if n == 0 || r != w && !(isSpace(r) && isSpace(w)) {
			return rest, false
		}
		rest = rest[n:]
	}
	return rest, true
}

// readField reads a field. Blanks before a number count for nothing, but for the digits that it may have.
func (f *dateFormat) readField(start string, it *dateItem, numberFollows bool, p *parsed) (rest string, ok bool) {
	rest = strings.TrimLeft(start, " \t")
	if rest == "" {
		return "", false
	}
	switch it.letter {
	case 'G':
		return readName(start, p, fieldEra, eraTexts)
	case 'a':
		return readName(start, p, fieldHalf, halfTexts)
	case 'E':
		return readName(start, p, fieldWeekday, weekdayTexts)
	case 'z', 'Z':
		return readZone(rest, p)
	case 'X':
		return readISOZone(rest, it.count, p)
	case 'M', 'L':
		if it.count > 2 {
			return readName(start, p, fieldMonth, monthTexts)
		}
	}
	text, behind := rest, ""
	if numberFollows {
		n := it.count - (len(start) - len(rest))
		if n < 0 {
			n = 0
		}
		if text, behind, ok = cutCharacters(rest, n); !ok {
			return "", false
		}
	}
	n, length, ok := readNumber(text)
	if !ok {
		return "", false
	}
	f.setNumber(p, it, n, text[:length])
	return text[length:] + behind, true
}

// cutCharacters cuts off n characters.
func cutCharacters(text string, n int) (before, after string, ok bool) {
	at := 0
	for range n {
		_, size := utf8.DecodeRuneInString(text[at:])
		if size == 0 {
			return "", "", false
		}
		at += size
	}
	return text[:at], text[at:], true
}

// setNumber takes a number for a field.
func (f *dateFormat) setNumber(p *parsed, it *dateItem, n int64, digits string) {
	field := numberFields[it.letter]
	switch it.letter {
	case 'y', 'Y':
		if it.count <= 2 && twoDigits(digits) {
			first := f.century.year % 100
			p.ambiguous = n == first
			n += f.century.year / 100 * 100
			if n%100 < first {
				n += 100
			}
		}
	case 'M', 'L':
		n--
	case 'k':
		if n == 24 {
			n = 0
		}
	case 'h':
		if n == 12 {
			n = 0
		}
	case 'u': // from Monday; a number that is no day counts from Sunday
		if n >= 1 && n <= 7 {
			n %= 7
		} else {
			n--
		}
	}
	p.set(field, n)
}

func twoDigits(text string) bool {
	n := 0
	for _, r := range text {
		if !unicode.IsDigit(r) {
			return false
		}
		n++
	}
	return n == 2
}

// readNumber reads an integer as DecimalFormat does, and cuts it to 32 bits as intValue does. An E and a number behind it are its exponent.
func readNumber(text string) (n int64, length int, ok bool) {
	digits, negative, length := readDigits(text)
	if length == 0 {
		return 0, 0, false
	}
	exponent := 0
	if rest := text[length:]; strings.HasPrefix(rest, "E") {
		if e, down, size := readDigits(rest[1:]); size > 0 {
			length += 1 + size
			exponent = mostExponent
			if len(e) < len("100000") {
				exponent, _ = strconv.Atoi("0" + e) // no error: there are digits
			}
			if down {
				exponent = -exponent
			}
		}
	}
	n = intOf(digits, exponent)
	if negative {
		n = -n
	}
	return n, length, true
}

// mostExponent stands for all beyond it.
const mostExponent = 100_000

// readDigits reads a sign and digits; those are given without zeroes before them.
func readDigits(text string) (digits string, negative bool, length int) {
	if negative = strings.HasPrefix(text, "-"); negative {
		length = 1
	}
	var b strings.Builder
	for _, r := range text[length:] {
		d, isDigit := digitOf(r)
		if !isDigit {
			break
		}
		b.WriteByte('0' + byte(d))
		length += utf8.RuneLen(r)
	}
	if b.Len() == 0 {
		return "", false, 0
	}
	return strings.TrimLeft(b.String(), "0"), negative, length
}

// intOf is the magnitude of digits with an exponent as Number.intValue gives it: the low bits of what is a long, else as near as an int comes.
func intOf(digits string, exponent int) int64 {
	if digits == "" {
		return 0
	}
	whole := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(whole) // whole × 10^exponent
	switch {
	case exponent < 0:
		whole = whole[:max(0, len(whole)+exponent)]
		n, err := strconv.ParseInt("0"+whole, 10, 64)
		if err != nil || n > math.MaxInt32 {
			return math.MaxInt32
		}
		return n
	case len(whole)+exponent > 19:
		return math.MaxInt32
	}
	n, err := strconv.ParseInt(whole+strings.Repeat("0", exponent), 10, 64)
	if err != nil {
		return math.MaxInt32
	}
	return int64(int32(n))
}

// digitOf is the value of a decimal digit of any script.
func digitOf(r rune) (int64, bool) {
	if r >= '0' && r <= '9' {
		return int64(r - '0'), true
	}
	if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	d := asciiDigits(string(r))
	return int64(d[0] - '0'), true
}

// dateText is a word and what it stands for.
type dateText struct {
	text  string
	value int64
}

var (
	eraTexts     = []dateText{{"BC", 0}, {"AD", 1}, {"Before Christ", 0}, {"Anno Domini", 1}}
	halfTexts    = []dateText{{"AM", 0}, {"PM", 1}}
	monthTexts   = namesOf(monthNames[:])
	weekdayTexts = namesOf(weekdayNames[:])
)

// namesOf is the long and the short names.
func namesOf(names []string) (all []dateText) {
	for i, n := range names {
		all = append(all, dateText{n, int64(i)}, dateText{n[:shortName], int64(i)})
	}
	return all
}

// readName reads the longest word that the text begins with, in any case.
func readName(text string, p *parsed, f calendarField, names []dateText) (rest string, ok bool) {
	best := -1
	for i := range names {
		if n := len(names[i].text); len(text) >= n && strings.EqualFold(text[:n], names[i].text) && (best < 0 || n > len(names[best].text)) {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	p.set(f, names[best].value)
	return text[len(names[best].text):], true
}
