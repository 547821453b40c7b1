package s3

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pathFormat makes directories of times, as TimeBasedPartitioner does with a pattern of Joda-Time (DateTimeFormat).
type pathFormat struct {
	fields   []pathField
	duration int64 // milliseconds that share a directory
	location *time.Location
}

// pathField is a run of one pattern letter, or literal text.
type pathField struct {
	letter byte // 0: literal
	count  int
	text   string
}

// jodaLetters are the letters that Joda-Time knows: era, century, year of era, week year, week, day of week, its name, year, day of year, month, day, half of the
// day, hours in four ways, minute, second, fraction, zone.
const jodaLetters = "GCYxweEyDMdaKhHkmsSzZ"

// newPathFormat compiles a pattern.
func newPathFormat(pattern, locale string, duration time.Duration, location *time.Location) (*pathFormat, error) {
	if pattern == "" {
		return nil, saying("Path format cannot be empty.")
	}
	f := &pathFormat{duration: max(duration.Milliseconds(), 1), location: location}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			literal, n, err := quoted(pattern[i:])
			if err != nil {
				return nil, err
			}
			f.literal(literal)
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			if err := checkField(c, n, locale); err != nil {
				return nil, err
			}
			f.fields = append(f.fields, pathField{letter: c, count: n})
			i += n
		default:
			f.literal(pattern[i : i+1])
			i++
		}
	}
	return f, nil
}

// checkField refuses what Joda-Time refuses, and names in other languages than English.
func checkField(letter byte, count int, locale string) error {
	if strings.IndexByte(jodaLetters, letter) < 0 {
		return saying("Illegal pattern component: %s", strings.Repeat(string(letter), count))
	}
	named := letter == 'E' || letter == 'M' && count >= 3 || letter == 'a' || letter == 'G'
	language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), "-")
	if named && locale != "" && language != "en" {
		return fmt.Errorf("names of months and days are written in English only, and locale is %s: use numbers, or locale=en", locale)
	}
	if letter == 'z' && count >= 4 {
		return errors.New("long names of time zones (zzzz) are not written: use ZZZ for the zone's id, or Z for its offset")
	}
	return nil
}

// quoted reads a text in apostrophes; two of them stand for one.
func quoted(s string) (literal string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return b.String(), len(s), nil // Joda-Time takes what is not closed
}

func (f *pathFormat) literal(text string) {
	if n := len(f.fields); n > 0 && f.fields[n-1].letter == 0 {
		f.fields[n-1].text += text
		return
	}
	f.fields = append(f.fields, pathField{text: text})
}

// append writes the directory of a time, given in milliseconds.
func (f *pathFormat) append(dst []byte, millis int64) []byte {
	t := time.UnixMilli(f.bucket(millis)).In(f.location)
	for _, field := range f.fields {
		dst = field.append(dst, t)
	}
	return dst
}

// bucket is the beginning of the stretch of time that shares a directory: counted in the zone's local time.
func (f *pathFormat) bucket(millis int64) int64 {
	local := millis + offsetAt(f.location, millis)
	return localToUTC(f.location, local/f.duration*f.duration)
}

// offsetAt is the offset of a zone in milliseconds.
func offsetAt(location *time.Location, millis int64) int64 {
	_, seconds := time.UnixMilli(millis).In(location).Zone()
	return int64(seconds) * 1000
}

// localToUTC is DateTimeZone.convertLocalToUTC, not strict: a local time that is there twice is its first one, one that is not there lies behind the gap.
func localToUTC(location *time.Location, local int64) int64 {
	offsetLocal := offsetAt(location, local)
	offset := offsetAt(location, local-offsetLocal)
	if offsetLocal != offset && offsetLocal < 0 && nextTransition(location, local-offsetLocal) != nextTransition(location, local-offset) {
		offset = offsetLocal
	}
	return local - offset
}

// nextTransition is when the zone's offset changes next; the greatest time when it never does.
func nextTransition(location *time.Location, millis int64) int64 {
	_, end := time.UnixMilli(millis).In(location).ZoneBounds()
	if end.IsZero() {
		return 1<<63 - 1
	}
	return end.UnixMilli()
}

func (p *pathField) append(dst []byte, t time.Time) []byte {
	switch p.letter {
	case 0:
		return append(dst, p.text...)
	case 'G':
		if t.Year() > 0 {
			return append(dst, "AD"...)
		}
		return append(dst, "BC"...)
	case 'E':
		return p.name(dst, t.Weekday().String())
	case 'M':
		if p.count >= 3 {
			return p.name(dst, t.Month().String())
		}
	case 'a':
		if t.Hour() < 12 {
			return append(dst, "AM"...)
		}
		return append(dst, "PM"...)
	case 'S':
		return p.fraction(dst, t)
	case 'z':
		return t.AppendFormat(dst, "MST")
	case 'Z':
		return p.zone(dst, t)
	case 'Y', 'y', 'x':
		return p.year(dst, t)
	}
	return pad(dst, p.number(t), p.count)
}

// number is the value of a numeric field other than a year.
func (p *pathField) number(t time.Time) int {
	switch p.letter {
	case 'C':
		return max(t.Year(), 1-t.Year()) / 100
	case 'w':
		_, week := t.ISOWeek()
		return week
	case 'e':
		return (int(t.Weekday())+6)%7 + 1
	case 'D':
		return t.YearDay()
	case 'M':
		return int(t.Month())
	case 'd':
		return t.Day()
	case 'K':
		return t.Hour() % 12
	case 'h':
		return (t.Hour()+11)%12 + 1
	case 'H':
		return t.Hour()
	case 'k':
		return (t.Hour()+23)%24 + 1
	case 'm':
		return t.Minute()
	}
	return t.Second()
}

// year writes a year, of two digits where there are two letters.
func (p *pathField) year(dst []byte, t time.Time) []byte {
	year := t.Year()
	switch p.letter {
	case 'x':
		year, _ = t.ISOWeek()
	case 'Y': // of the era
		if year <= 0 {
			year = 1 - year
		}
	}
	if p.count == 2 {
		return pad(dst, (year%100+100)%100, 2)
	}
	if year < 0 {
		dst, year = append(dst, '-'), -year
	}
	return pad(dst, year, p.count)
}

// name writes a name, its first three letters where there are less than four pattern letters.
func (p *pathField) name(dst []byte, name string) []byte {
	if p.count < 4 {
		name = name[:3]
	}
	return append(dst, name...)
}

// fraction writes digits of the fraction of the second, cut off. Behind the millisecond they are 0.
func (p *pathField) fraction(dst []byte, t time.Time) []byte {
	digits := pad(nil, t.Nanosecond()/1e6, 3)
	for i := range p.count {
		if i < len(digits) {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}

func (p *pathField) zone(dst []byte, t time.Time) []byte {
	switch p.count {
	case 1:
		return t.AppendFormat(dst, "-0700")
	case 2:
		return t.AppendFormat(dst, "-07:00")
	}
	return append(dst, t.Location().String()...)
}

// pad writes a number of at least width digits.
func pad(dst []byte, n, width int) []byte {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], int64(n), 10)
	for i := len(digits); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
