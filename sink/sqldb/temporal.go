package sqldb

import (
	"errors"
	"strconv"
)

// Proleptic Gregorian calendar, years counted astronomically: year 0 is 1 BC.

// daysFromCivil is the day number since 1970-01-01. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	m := month - 3
	if month <= 2 {
		m = month + 9
	}
	doy := (153*m+2)/5 + day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// civilFromDays is the inverse.
func civilFromDays(days int64) (year, month, day int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	year = yoe + era*400
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	m := (5*doy + 2) / 153
	day = doy - (153*m+2)/5 + 1
	if m < 10 {
		month = m + 3
	} else {
		month = m - 9
	}
	if month <= 2 {
		year++
	}
	return year, month, day
}

// appendDateText writes days since 1970 as the server reads a date: 2024-01-31, 0044-03-15 BC, infinity.
func appendDateText(dst []byte, days int64) []byte {
	year, month, day := civilFromDays(days)
	dst = appendYMD(dst, year, month, day)
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendYMD(dst []byte, year, month, day int64) []byte {
	if year <= 0 {
		year = 1 - year
	}
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	return appendPadded(append(dst, '-'), day, 2)
}

// appendPadded writes a number that is not negative with zeros in front, up to width, which is at most 6.
func appendPadded(dst []byte, n int64, width int) []byte {
	limits := [...]int64{10, 100, 1000, 10000, 100000}
	for w := width - 2; w >= 0 && n < limits[w]; w-- {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendTimeText writes microseconds of a day: 23:59:59.999999, 24:00:00.
func appendTimeText(dst []byte, micros int64) []byte {
	seconds := micros / 1e6
	dst = appendPadded(dst, seconds/3600, 2)
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	dst = appendPadded(append(dst, ':'), seconds%60, 2)
	if f := micros % 1e6; f != 0 {
		dst = appendPadded(append(dst, '.'), f, 6)
	}
	return dst
}

// appendStampText writes microseconds since 1970 as the server reads a timestamp.
func appendStampText(dst []byte, micros int64) []byte {
	days := floorDiv(micros, microsPerDay)
	year, month, day := civilFromDays(days)
	dst = appendYMD(dst, year, month, day)
	dst = appendTimeText(append(dst, ' '), micros-days*microsPerDay)
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst
}

var errISO = errors.New("it is no ISO 8601 timestamp")

// isoReader reads the digits of an ISO 8601 text.
type isoReader struct {
	s   string
	bad bool
}

func (r *isoReader) next() byte {
	if r.s == "" {
		return 0
	}
	return r.s[0]
}

func (r *isoReader) skip(c byte) {
	if r.next() != c {
		r.bad = true
		return
	}
	r.s = r.s[1:]
}

// number reads low to high digits.
func (r *isoReader) number(low, high int) int64 {
	var n int64
	i := 0
	for i < len(r.s) && i < high && r.s[i] >= '0' && r.s[i] <= '9' {
		n = n*10 + int64(r.s[i]-'0')
		i++
	}
	r.bad = r.bad || i < low
	r.s = r.s[i:]
	return n
}

// fraction reads the digits after the point as microseconds; what is finer is cut off.
func (r *isoReader) fraction() int64 {
	if c := r.next(); c != '.' && c != ',' {
		return 0
	}
	r.s = r.s[1:]
	n := int64(0)
	i := 0
	for ; i < len(r.s) && r.s[i] >= '0' && r.s[i] <= '9'; i++ {
		if i < 6 {
			n = n*10 + int64(r.s[i]-'0')
		}
	}
	r.bad = r.bad || i == 0
	r.s = r.s[i:]
	for ; i < 6; i++ {
		n *= 10
	}
	return n
}

// zone reads Z or ±hh[:mm[:ss]] in seconds east of Greenwich; nothing is UTC.
func (r *isoReader) zone() int64 {
	sign := int64(1)
	switch r.next() {
	case 0:
		return 0
	case 'Z', 'z':
		r.s = r.s[1:]
		return 0
	case '-':
		sign = -1
	case '+':
	default:
		r.bad = true
		return 0
	}
	r.s = r.s[1:]
	seconds := r.number(2, 2) * 3600
	for unit := int64(60); unit > 0 && r.s != ""; unit /= 60 {
		if r.next() == ':' {
			r.s = r.s[1:]
		}
		seconds += r.number(2, 2) * unit
	}
	return sign * seconds
}

// parseISOStamp reads [±]YYYY…-MM-DD(T| )hh:mm[:ss[.f…]][zone] and the names of infinity, as microseconds since 1970; years
// are astronomical. Debezium's marks of infinity in isostring mode lie beyond what the server can hold, and are read as such.
func parseISOStamp(s string) (int64, error) {
	switch s {
	case "infinity", "+infinity", "+292278994-08-16T23:00:00Z", "+294247-01-10T04:00:25.2Z":
		return pgStampInfinity, nil
	case "-infinity", "-292275055-05-16T23:00:00Z", "-290308-12-21T19:59:27.6Z":
		return pgStampMinusInfinity, nil
	}
	r := isoReader{s: s}
	sign := int64(1)
	switch r.next() {
	case '-':
		sign = -1
		r.s = r.s[1:]
	case '+':
		r.s = r.s[1:]
	}
	year := sign * r.number(4, 6)
	r.skip('-')
	month := r.number(2, 2)
	r.skip('-')
	day := r.number(2, 2)
	var hour, minute, second, micros int64
	if c := r.next(); c == 'T' || c == 't' || c == ' ' {
		r.s = r.s[1:]
		hour = r.number(2, 2)
		r.skip(':')
		minute = r.number(2, 2)
		if r.next() == ':' {
			r.s = r.s[1:]
			second = r.number(2, 2)
			micros = r.fraction()
		}
	}
	offset := r.zone()
	if r.bad || r.s != "" || month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60 {
		return 0, errISO
	}
	if year > 294277 || year < -290310 {
		return 0, errStamp
	}
	days := daysFromCivil(year, month, day)
	if y, m, d := civilFromDays(days); y != year || m != month || d != day {
		return 0, errISO // 30 February
	}
	seconds := days*86400 + hour*3600 + minute*60 + second - offset
	if seconds > (1<<63-1)/1000000-1 || seconds < -(1<<63-1)/1000000+1 {
		return 0, errStamp
	}
	return seconds*1e6 + micros, nil
}
