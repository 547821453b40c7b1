package transform

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // converted.timezone works where the machine has no zones
)

// zone is a time zone with Java's answer to local times that exist twice or not at all.
type zone struct{ *time.Location }

var offsetText = regexp.MustCompile(`^([+-])(\d{2}):(\d{2})(?::(\d{2}))?$`)

// parseZone reads the name of a zone or an offset such as +08:00.
func parseZone(text string) (zone, error) {
	if m := offsetText.FindStringSubmatch(text); m != nil {
		var parts [3]int
		for i, digits := range m[2:] {
			parts[i], _ = strconv.Atoi(digits) // "" is 0
		}
		seconds := parts[0]*3600 + parts[1]*60 + parts[2]
		if parts[1] > 59 || parts[2] > 59 || seconds > 18*3600 {
			return zone{}, errors.New("an offset is at most 18:00")
		}
		if m[1] == "-" {
			seconds = -seconds
		}
		return zone{time.FixedZone("", seconds)}, nil
	}
	const want = "want a zone such as America/Los_Angeles, or an offset such as +08:00"
	if text == "" || text == "Local" {
		return zone{}, errors.New(want)
	}
	l, err := time.LoadLocation(text)
	if err != nil {
		return zone{}, errors.New(want)
	}
	return zone{l}, nil
}

// offsetAt is the offset from UTC, in seconds, at an instant given in seconds.
func (z zone) offsetAt(second int64) int64 {
	_, offset := time.Unix(second, 0).In(z.Location).Zone()
	return int64(offset)
}

// offsetOf is the offset that a local time has, given in seconds as if it were UTC. Of two the first counts; in a gap the one before it.
func (z zone) offsetOf(local int64) int64 {
	const day = 24 * 60 * 60 // offsets are smaller, and rules change more rarely
	before, after := z.offsetAt(local-day), z.offsetAt(local+day)
	switch {
	case before == after || z.offsetAt(local-before) == before:
		return before
	case z.offsetAt(local-after) == after:
		return after
	}
	return before
}

// clock is a time of day with an offset, as ISO 8601 texts have it.
type clock struct {
	hour, minute, second, nano int
	offset                     int64
}

// zoned is a date with a clock. The year may have up to nine digits and a sign.
type zoned struct {
	year       int64
	month, day int
	clock
}

var errISO = errors.New("no ISO 8601 text with an offset")

// number reads n digits at the beginning of s.
func number(s string, n int) (v int, rest string, err error) {
	if len(s) < n {
		return 0, s, errISO
	}
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return 0, s, errISO
		}
		v = v*10 + int(s[i]-'0')
	}
	return v, s[n:], nil
}

// parseZoned reads 2020-07-01T12:00:00.5Z.
func parseZoned(s string) (z zoned, err error) {
	rest := s
	sign := int64(1)
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	}
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits < 4 || digits > 9 {
		return z, errISO
	}
	year, rest, err := number(rest, digits)
	if err != nil || len(rest) < 7 || rest[0] != '-' || rest[3] != '-' || rest[6]|0x20 != 't' {
		return z, errISO
	}
	z.year = sign * int64(year)
	if z.month, _, err = number(rest[1:], 2); err != nil {
		return z, err
	}
	if z.day, _, err = number(rest[4:], 2); err != nil {
		return z, err
	}
	if z.month < 1 || z.month > 12 || z.day < 1 || z.day > 31 {
		return z, errISO
	}
	z.clock, err = parseClock(rest[7:])
	return z, err
}

// parseClock reads 12:00:00.5+02:00.
func parseClock(s string) (c clock, err error) {
	if c.hour, s, err = number(s, 2); err != nil || s == "" || s[0] != ':' {
		return c, errISO
	}
	if c.minute, s, err = number(s[1:], 2); err != nil {
		return c, err
	}
	if s != "" && s[0] == ':' {
		if c.second, s, err = number(s[1:], 2); err != nil {
			return c, err
		}
	}
	if s != "" && s[0] == '.' {
		s = s[1:]
		unit, digits := 100_000_000, 0
		for ; s != "" && s[0] >= '0' && s[0] <= '9'; s, unit, digits = s[1:], unit/10, digits+1 {
			c.nano += int(s[0]-'0') * unit
		}
		if digits > 9 {
			return c, errISO
		}
	}
	if c.hour > 23 || c.minute > 59 || c.second > 59 {
		return c, errISO
	}
	c.offset, err = parseOffset(s)
	return c, err
}

func parseOffset(s string) (int64, error) {
	if s == "Z" || s == "z" {
		return 0, nil
	}
	m := offsetText.FindStringSubmatch(s)
	if m == nil {
		return 0, errISO
	}
	z, err := parseZone(s)
	if err != nil {
		return 0, err
	}
	return z.offsetAt(0), nil
}

// unix is the instant in seconds; local the same without regard to the offset.
func (z *zoned) unix() int64  { return z.local() - z.offset }
func (z *zoned) local() int64 { return daysTo(z.year, z.month, z.day)*86400 + z.ofDay() }

func (c *clock) ofDay() int64 { return int64(c.hour)*3600 + int64(c.minute)*60 + int64(c.second) }

// daysTo counts the days from 1970-01-01 to a date of the proleptic Gregorian calendar: any year, where package time's run out.
func daysTo(year int64, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 && year%400 != 0 {
		era--
	}
	of := year - era*400
	return era*146097 + of*365 + of/4 - of/100 + int64((153*(month-3)+2)/5) + int64(day) - 1 - 719468
}

// dateOf is the date of a number of days since 1970-01-01.
func dateOf(days int64) (year int64, month, day int) {
	days += 719468
	era := days / 146097
	if days < 0 && days%146097 != 0 {
		era--
	}
	of := days - era*146097
	y := (of - of/1460 + of/36524 - of/146096) / 365
	d := of - (365*y + y/4 - y/100)
	m := (5*d + 2) / 153
	day = int(d-(153*m+2)/5) + 1
	month = int(m) + 3
	year = era*400 + y
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// at is an instant under an offset.
func at(unix int64, nano int, offset int64) zoned {
	local := unix + offset
	days := local / 86400
	if local%86400 < 0 {
		days--
	}
	var z zoned
	z.year, z.month, z.day = dateOf(days)
	z.clock = clockOf(local-days*86400, nano, offset)
	return z
}

func clockOf(second int64, nano int, offset int64) clock {
	return clock{int(second / 3600), int(second / 60 % 60), int(second % 60), nano, offset}
}

// String prints as Java's ISO_OFFSET_DATE_TIME does.
func (z zoned) String() string {
	year := fmt.Sprintf("%04d", z.year)
	switch {
	case z.year > 9999:
		year = "+" + year
	case z.year < 0:
		year = fmt.Sprintf("-%04d", -z.year)
	}
	return fmt.Sprintf("%s-%02d-%02dT%s", year, z.month, z.day, z.clock)
}

// String prints as Java's ISO_OFFSET_TIME does.
func (c clock) String() string {
	s := fmt.Sprintf("%02d:%02d:%02d", c.hour, c.minute, c.second)
	if c.nano != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%09d", c.nano), "0")
	}
	return s + offsetString(c.offset)
}

func offsetString(offset int64) string {
	if offset == 0 {
		return "Z"
	}
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	s := fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset/60%60)
	if offset%60 != 0 {
		s += fmt.Sprintf(":%02d", offset%60)
	}
	return s
}
