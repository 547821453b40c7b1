package polling

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // db.timezone works where the machine has no zones

	"github.com/tandem-cdc/tandem/internal/config"
)

// zone is the time zone of times that have none.
type zone struct {
	location *time.Location
	fixed    bool // its offset never changes
	offset   int64
}

var zoneOffset = regexp.MustCompile(`^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?$`)

// parseZone reads a time zone as java.time.ZoneId does: a name, or an offset with or without UTC before it.
func parseZone(text string) (zone, error) {
	if text == "Z" || text == "" {
		text = "UTC"
	}
	if m := zoneOffset.FindStringSubmatch(text); m != nil {
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi(m[3]) // "" is 0
		seconds := hours*3600 + minutes*60
		if m[1] == "-" {
			seconds = -seconds
		}
		if hours > 18 || minutes > 59 {
			return zone{}, fmt.Errorf("offset %s: want at most 18:00", text)
		}
		return zone{time.FixedZone(text, seconds), true, int64(seconds)}, nil
	}
	l, err := time.LoadLocation(text)
	if err != nil || text == "Local" {
		return zone{}, errors.New("unknown time zone")
	}
	return zone{l, l == time.UTC, 0}, nil
}

func checkZone(text string) error {
	if _, err := parseZone(text); err != nil {
		return config.Complain("Invalid time zone identifier")
	}
	return nil
}

func (z zone) offsetAt(sec int64) int64 {
	if z.fixed {
		return z.offset
	}
	_, offset := time.Unix(sec, 0).In(z.location).Zone()
	return int64(offset)
}

// offsetOf is the offset of a local time, given in seconds as if it were UTC, as Java's Calendar reads it: of two the later one, that of
// standard time, counts; in a gap the one before it.
func (z zone) offsetOf(local int64) int64 {
	if z.fixed {
		return z.offset
	}
	const day = 24 * 60 * 60 // offsets are smaller, and rules change more rarely
	before, after := z.offsetAt(local-day), z.offsetAt(local+day)
	if before != after && z.offsetAt(local-after) == after {
		return after
	}
	return before
}

// clockTime is what a text of a date, a time or both says.
type clockTime struct {
	days      int64 // since 1970 of the proleptic Gregorian calendar
	second    int64 // of the day
	nano      int32
	hasOffset bool
	offset    int64 // from UTC, in seconds
}

// The calendar of Java's Date: Gregorian from 1582-10-15 on, Julian before. Its milliseconds of an older date are those of the same digits
// in the Julian calendar.
const gregorianFrom = -141427 // 1582-10-15, in days since 1970

// javaDays is the day of java.util.Date that shows the digits of a date of the proleptic Gregorian calendar.
func javaDays(days int64) int64 {
	if days >= gregorianFrom {
		return days
	}
	y, m, d := civil(days)
	return julianDays(y, m, d)
}

// digitDays is the inverse of javaDays.
func digitDays(days int64) int64 {
	if days >= gregorianFrom {
		return days
	}
	y, m, d := julianCivil(days)
	return daysTo(y, m, d)
}

// at is the instant that Java's drivers see in a date with time: its own offset counts, else the zone's.
func (c *clockTime) at(z zone) moment {
	local := javaDays(c.days)*86400 + c.second
	if c.hasOffset {
		return moment{local - c.offset, c.nano}
	}
	return moment{local - z.offsetOf(local), c.nano}
}

// daysTo counts the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
func daysTo(year int64, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	of := year - era*400
	return era*146097 + of*365 + of/4 - of/100 + int64((153*(month-3)+2)/5) + int64(day) - 719469
}

// julianDays is daysTo for the Julian calendar.
func julianDays(year int64, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return year*365 + floorDiv(year, 4) + int64((153*(month-3)+2)/5) + int64(day) - 719471
}

// civil is the date of a number of days since 1970-01-01.
func civil(days int64) (year int64, month, day int) {
	days += 719468
	era := floorDiv(days, 146097)
	of := days - era*146097
	y := (of - of/1460 + of/36524 - of/146096) / 365
	return monthDay(era*400+y, of-(365*y+y/4-y/100))
}

// julianCivil is civil for the Julian calendar.
func julianCivil(days int64) (year int64, month, day int) {
	days += 719470
	cycle := floorDiv(days, 1461)
	of := days - cycle*1461
	y := (of - of/1460) / 365
	return monthDay(cycle*4+y, of-365*y)
}

// monthDay is the date of a day of a year that begins in March.
func monthDay(year, ofYear int64) (int64, int, int) {
	m := (5*ofYear + 2) / 153
	day, month := int(ofYear-(153*m+2)/5)+1, int(m)+3
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

var errDate = errors.New("not a date or time")

// digits reads n digits.
func digits(s []byte, n int) (v int, rest []byte, err error) {
	if len(s) < n {
		return 0, s, errDate
	}
	for _, b := range s[:n] {
		if b < '0' || b > '9' {
			return 0, s, errDate
		}
		v = v*10 + int(b-'0')
	}
	return v, s[n:], nil
}

// parseDate reads the date at the beginning of a text: 2024-02-29, of PostgreSQL also 10000-01-01 and 0001-01-01 (whose BC stands at the
// end of the text).
func parseDate(s []byte) (year int64, month, day int, rest []byte, err error) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n < 4 || n > 9 || n == len(s) {
		return 0, 0, 0, s, errDate
	}
	y, rest, err := digits(s, n)
	if err == nil && len(rest) >= 6 && rest[0] == '-' && rest[3] == '-' {
		if month, _, err = digits(rest[1:], 2); err == nil {
			day, _, err = digits(rest[4:], 2)
		}
		return int64(y), month, day, rest[6:], err
	}
	return 0, 0, 0, s, errDate
}

// parseClock reads the time at the beginning of a text: 10:20:30.123456789, also of more than 24 hours.
func (c *clockTime) parseClock(s []byte) (rest []byte, err error) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n < 1 || n > 3 || n == len(s) {
		return s, errDate
	}
	hour, s, err := digits(s, n)
	if err != nil || len(s) < 3 || s[0] != ':' {
		return s, errDate
	}
	minute, s, err := digits(s[1:], 2)
	if err != nil {
		return s, err
	}
	second := 0
	if len(s) >= 3 && s[0] == ':' {
		if second, s, err = digits(s[1:], 2); err != nil {
			return s, err
		}
	}
	c.second, c.nano = int64(hour)*3600+int64(minute)*60+int64(second), 0
	if minute > 59 || second > 60 {
		return s, errDate
	}
	if len(s) > 1 && s[0] == '.' {
		s = s[1:]
		unit := int32(100_000_000)
		for ; len(s) > 0 && s[0] >= '0' && s[0] <= '9'; s, unit = s[1:], unit/10 {
			c.nano += int32(s[0]-'0') * unit
		}
	}
	return s, nil
}

// parseOffset reads +02, +02:00, +0230, +02:30:15 or Z at the beginning of a text.
func (c *clockTime) parseOffset(s []byte) (rest []byte, err error) {
	if len(s) == 0 {
		return s, nil
	}
	if s[0] == 'Z' {
		c.hasOffset, c.offset = true, 0
		return s[1:], nil
	}
	if s[0] != '+' && s[0] != '-' {
		return s, nil
	}
	sign := int64(1)
	if s[0] == '-' {
		sign = -1
	}
	s = s[1:]
	var seconds int64
	for unit := int64(3600); unit > 0 && len(s) > 0 && (unit == 3600 || s[0] == ':' || s[0] >= '0' && s[0] <= '9'); unit /= 60 {
		if s[0] == ':' {
			s = s[1:]
		}
		var part int
		if part, s, err = digits(s, 2); err != nil {
			return s, err
		}
		seconds += int64(part) * unit
	}
	c.hasOffset, c.offset = true, sign*seconds
	return s, nil
}

// parseDateTime reads a date, with or without a time and an offset: as PostgreSQL (DateStyle ISO), MySQL and SQLite write them.
func parseDateTime(s []byte) (c clockTime, err error) {
	year, month, day, rest, err := parseDate(s)
	if err != nil {
		return c, err
	}
	if len(rest) > 1 && (rest[0] == ' ' || rest[0] == 'T') && rest[1] >= '0' && rest[1] <= '9' {
		if rest, err = c.parseClock(rest[1:]); err == nil {
			rest, err = c.parseOffset(rest)
		}
		if err != nil {
			return c, err
		}
	}
	if string(rest) == " BC" {
		year, rest = 1-year, nil
	}
	if len(rest) > 0 || month < 1 || month > 12 || day < 1 || day > 31 || c.second >= 24*3600+1 {
		return c, errDate
	}
	c.days = daysTo(year, month, day)
	return c, nil
}

// parseTime reads a time of day, with or without an offset.
func parseTime(s []byte) (c clockTime, err error) {
	rest, err := c.parseClock(s)
	if err == nil {
		rest, err = c.parseOffset(rest)
	}
	if err == nil && len(rest) > 0 {
		err = errDate
	}
	return c, err
}

// appendDateTime writes an instant as its digits in a zone: 2024-02-29, separator, 10:20:30, and places digits behind the point.
func (m moment) appendDateTime(dst []byte, z zone, separator byte, places int) []byte {
	local := m.sec + z.offsetAt(m.sec)
	days := floorDiv(local, 86400)
	second := local - days*86400
	year, month, day := civil(digitDays(days))
	if year < 0 || year > 9999 {
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = appendPadded(dst, year, 4)
	}
	dst = appendPadded(append(dst, '-'), int64(month), 2)
	dst = appendPadded(append(dst, '-'), int64(day), 2)
	dst = appendPadded(append(dst, separator), second/3600, 2)
	dst = appendPadded(append(dst, ':'), second/60%60, 2)
	dst = appendPadded(append(dst, ':'), second%60, 2)
	if places > 0 {
		unit := int64(1)
		for range 9 - places {
			unit *= 10
		}
		dst = appendPadded(append(dst, '.'), int64(m.nano)/unit, places)
	}
	return dst
}

func appendPadded(dst []byte, n int64, width int) []byte {
	var text [20]byte
	digits := strconv.AppendInt(text[:0], n, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendOffset writes the offset from UTC that an instant has in a zone: +02:00.
func (z zone) appendOffset(dst []byte, m moment) []byte {
	offset := z.offsetAt(m.sec)
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = appendPadded(append(dst, sign), offset/3600, 2)
	dst = appendPadded(append(dst, ':'), offset/60%60, 2)
	if offset%60 != 0 {
		dst = appendPadded(append(dst, ':'), offset%60, 2)
	}
	return dst
}

// trim makes a value short enough for a message.
func trim(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
