package s3

import (
	"fmt"
	"time"
)

// parseISO reads a date and time as Joda-Time's ISODateTimeFormat.dateTimeParser does: a date (of a month, of a year or of a week), "T" and a time, or only one of
// them; an offset may follow the time. Without one the time is in zone. The result is in milliseconds since 1970.
func parseISO(text string, zone *time.Location) (int64, error) {
	p := isoParser{text: text, rest: text}
	year, month, day := 1970, time.January, 1
	dated := !p.take('T')
	if dated {
		year, month, day = p.date()
	}
	var clock isoClock
	if !dated || p.take('T') {
		clock = p.clock(zone)
	} else {
		clock.zone = zone
	}
	if p.err != nil {
		return 0, p.err
	}
	if p.rest != "" {
		return 0, p.fail()
	}
	t := time.Date(year, month, day, clock.hour, clock.minute, clock.second, int(clock.millis)*1e6, clock.zone)
	return t.UnixMilli(), nil
}

type isoParser struct {
	text, rest string
	err        error
}

// isoClock is a time of day.
type isoClock struct {
	hour, minute, second int
	millis               int64
	zone                 *time.Location
}

func (p *isoParser) fail() error {
	if p.err == nil {
		p.err = fmt.Errorf("%q is no date and time in ISO 8601, such as 2024-05-01T12:30:00.000Z", p.text)
	}
	return p.err
}

// take passes over c if it comes next.
func (p *isoParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// number reads from least to most digits whose value lies between low and high.
func (p *isoParser) number(least, most, low, high int) int {
	n, digits := 0, 0
	for digits < most && digits < len(p.rest) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
		n = n*10 + int(p.rest[digits]-'0')
		digits++
	}
	if digits < least || n < low || n > high {
		_ = p.fail()
		return low
	}
	p.rest = p.rest[digits:]
	return n
}

func (p *isoParser) date() (int, time.Month, int) {
	negative := p.take('-')
	year := p.number(4, 9, 0, 292_000_000)
	if negative {
		year = -year
	}
	if !p.take('-') {
		return year, time.January, 1
	}
	if p.take('W') {
		return p.week(year)
	}
	if len(p.rest) >= 3 && isDigit(p.rest[2]) && isDigit(p.rest[0]) && isDigit(p.rest[1]) { // a day of the year
		return year, time.January, p.number(3, 3, 1, 366)
	}
	month := time.Month(p.number(1, 2, 1, 12))
	if !p.take('-') {
		return year, month, 1
	}
	day := p.number(1, 2, 1, 31)
	if day > time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		_ = p.fail()
	}
	return year, month, day
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// week reads a week of a year and the day in it, the Monday without one.
func (p *isoParser) week(year int) (int, time.Month, int) {
	week, day := p.number(1, 2, 1, 53), 1
	if p.take('-') {
		day = p.number(1, 1, 1, 7)
	}
	fourth := time.Date(year, time.January, 4, 0, 0, 0, 0, time.UTC) // is always in the first week
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
	return monday.AddDate(0, 0, 7*(week-1)+day-1).Date()
}

// clock reads hour, minute, second, a fraction of the last of them, and an offset.
func (p *isoParser) clock(zone *time.Location) isoClock {
	c := isoClock{zone: zone}
	if p.rest == "" { // Joda-Time takes a T with nothing behind it
		return c
	}
	if isDigit(p.rest[0]) {
		unit := time.Hour
		c.hour = p.number(1, 2, 0, 23)
		if p.take(':') {
			unit = time.Minute
			c.minute = p.number(1, 2, 0, 59)
			if p.take(':') {
				unit = time.Second
				c.second = p.number(1, 2, 0, 59)
			}
		}
		if p.take('.') || p.take(',') {
			c.millis = p.fraction(unit)
		}
	}
	if p.rest != "" && p.rest[0] != 'Z' && p.rest[0] != '+' && p.rest[0] != '-' {
		_ = p.fail()
		return c
	}
	if p.rest != "" {
		c.zone = p.offset()
	}
	return c
}

// fraction reads a fraction of a unit as milliseconds, cut off.
func (p *isoParser) fraction(unit time.Duration) int64 {
	var of, scale int64 = 0, 1
	digits := 0
	for digits < len(p.rest) && isDigit(p.rest[digits]) {
		if digits < 9 {
			of, scale = of*10+int64(p.rest[digits]-'0'), scale*10
		}
		digits++
	}
	if digits == 0 {
		_ = p.fail()
		return 0
	}
	p.rest = p.rest[digits:]
	return of * unit.Milliseconds() / scale
}

// offset reads Z, ±hh, ±hh:mm, ±hhmm or ±hh:mm:ss.
func (p *isoParser) offset() *time.Location {
	if p.take('Z') {
		return time.UTC
	}
	negative := p.rest[0] == '-'
	p.rest = p.rest[1:]
	seconds := p.number(2, 2, 0, 23) * 3600
	for _, unit := range []int{60, 1} {
		if p.take(':') || p.rest != "" && isDigit(p.rest[0]) {
			seconds += p.number(2, 2, 0, 59) * unit
		}
	}
	if negative {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}
