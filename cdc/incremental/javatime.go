package incremental

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"time"
)

func newInt(magnitude []byte) *big.Int { return new(big.Int).SetBytes(magnitude) }

// Milliseconds that stand for infinite dates in pgjdbc (PGStatement.DATE_POSITIVE_INFINITY and its negative twin).
const (
	positiveInfinity = 9223372036825200000
	negativeInfinity = -9223372036832400000
)

const dayMillis = 86_400_000

// gregorianStart is 1582-10-15 in days since 1970: java.sql.Date counts by the Julian calendar before.
const gregorianStart = -141427

// dateText prints the milliseconds of a java.sql.Date, in a JVM of zone UTC, as the server reads them.
func dateText(millis int64) string {
	switch millis {
	case positiveInfinity:
		return "infinity"
	case negativeInfinity:
		return "-infinity"
	}
	days := millis / dayMillis
	if millis%dayMillis < 0 {
		days--
	}
	year, month, day := civil(days)
	return yearText(year, fmt.Sprintf("-%02d-%02d", month, day), "")
}

// yearText prints a date; years before 1 carry BC behind the rest.
func yearText(year int64, date, rest string) string {
	if year < 1 {
		return fmt.Sprintf("%04d%s%s BC", 1-year, date, rest)
	}
	return fmt.Sprintf("%04d%s%s", year, date, rest)
}

// dateMillis reads the server's text of a date as pgjdbc does, in a JVM of zone UTC.
func dateMillis(text string) (millis int64, ok bool) {
	switch text {
	case "infinity":
		return positiveInfinity, true
	case "-infinity":
		return negativeInfinity, true
	}
	text, bc := strings.CutSuffix(text, " BC")
	var year, month, day int64
	if n, err := fmt.Sscanf(text, "%d-%d-%d", &year, &month, &day); n != 3 || err != nil {
		return 0, false
	}
	if bc {
		year = 1 - year
	}
	return days(year, month, day) * dayMillis, true
}

// julianDay numbers of the first of March of year 0 in both calendars, as days since 1970.
const (
	gregorianEra = -719468
	julianEra    = -719470
)

// days counts from 1970 in the calendar Java uses for the date: Julian before 1582-10-15.
func days(year, month, day int64) int64 {
	y, m := year, month-3
	if month < 3 {
		y, m = year-1, month+9
	}
	ofYear := (153*m+2)/5 + day - 1
	if year > 1582 || year == 1582 && (month > 10 || month == 10 && day >= 15) {
		era := floor(y, 400)
		of := y - era*400
		return era*146097 + of*365 + of/4 - of/100 + ofYear + gregorianEra
	}
	return y*365 + floor(y, 4) + ofYear + julianEra
}

// civil is the date of a day in that calendar.
func civil(day int64) (year, month, dayOfMonth int64) {
	var ofYear int64
	if day >= gregorianStart {
		z := day - gregorianEra
		era := floor(z, 146097)
		of := z - era*146097
		y := (of - of/1460 + of/36524 - of/146096) / 365
		year, ofYear = y+era*400, of-(365*y+y/4-y/100)
	} else {
		z := day - julianEra
		era := floor(z, 1461)
		of := z - era*1461
		y := (of - of/1460) / 365
		year, ofYear = y+era*4, of-365*y
	}
	m := (5*ofYear + 2) / 153
	dayOfMonth = ofYear - (153*m+2)/5 + 1
	if month = m + 3; month > 12 {
		month, year = month-12, year+1
	}
	return year, month, dayOfMonth
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// temporal reads the classes of dates and times. Milliseconds are of a JVM of zone UTC.
func (o *readObject) temporal() (javaValue, error) {
	block := o.blocks["java.util.Date"]
	switch o.class.name {
	case classDate.name:
		if len(block) == 8 {
			return javaValue{kind: javaDate, n: int64(binary.BigEndian.Uint64(block))}, nil
		}
	case "java.sql.Timestamp", "java.util.Date":
		if len(block) == 8 {
			millis := int64(binary.BigEndian.Uint64(block))
			nanos := int64(uint32(o.num("nanos")))
			if o.class.name == "java.util.Date" {
				nanos = (millis - floor(millis, 1000)*1000) * 1e6
			}
			return javaValue{kind: javaDateTime, text: timestampText(millis, nanos)}, nil
		}
	case "java.sql.Time":
		if len(block) == 8 {
			at := time.UnixMilli(int64(binary.BigEndian.Uint64(block))).UTC()
			return javaValue{kind: javaDateTime, text: at.Format("15:04:05.000")}, nil
		}
	case "java.time.Ser":
		r := &javaReader{rest: o.blocks[o.class.name]}
		text := r.ser()
		if r.err == nil && len(r.rest) == 0 {
			return javaValue{kind: javaDateTime, text: text}, nil
		}
	}
	return javaValue{}, fmt.Errorf("an object of class %s, which no key has, or one that is cut off", o.class.name)
}

// timestampText prints an instant as the server reads it.
func timestampText(millis, nanos int64) string {
	switch millis {
	case positiveInfinity:
		return "infinity"
	case negativeInfinity:
		return "-infinity"
	}
	seconds := floor(millis, 1000)
	day := floor(seconds, 86400)
	of := seconds - day*86400
	year, month, dayOfMonth := civil(day)
	return yearText(year, fmt.Sprintf("-%02d-%02d", month, dayOfMonth), " "+clockText(of/3600, of/60%60, of%60, nanos))
}

func clockText(hour, minute, second, nanos int64) string {
	text := fmt.Sprintf("%02d:%02d:%02d", hour, minute, second)
	if nanos != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", nanos), "0")
	}
	return text
}

// ser reads a class of java.time as java.time.Ser writes it: a byte for the class, then its parts.
func (r *javaReader) ser() string {
	switch kind := r.byte(); kind {
	case 2: // Instant
		seconds, nanos := int64(r.uint(8)), int64(r.uint(4))
		return time.Unix(seconds, nanos).UTC().Format("2006-01-02 15:04:05.999999999") + "+00"
	case 3: // LocalDate
		return r.localDate("")
	case 4: // LocalTime
		return r.localTime()
	case 5: // LocalDateTime
		return r.localDateTime("")
	case 9: // OffsetTime
		return r.localTime() + r.zone()
	case 10: // OffsetDateTime
		return r.offsetDateTime()
	default:
		r.fail("java.time of kind %d", kind)
		return ""
	}
}

// datePart reads year, month and day; the era stands behind the whole text.
func (r *javaReader) datePart() (year int64, date string) {
	year = int64(int32(r.uint(4)))
	return year, fmt.Sprintf("-%02d-%02d", r.byte(), r.byte())
}

func (r *javaReader) localDate(rest string) string {
	year, date := r.datePart()
	return yearText(year, date, rest)
}

func (r *javaReader) localDateTime(zone string) string {
	year, date := r.datePart()
	return yearText(year, date, " "+r.localTime()+zone)
}

func (r *javaReader) offsetDateTime() string {
	year, date := r.datePart()
	clock := r.localTime()
	return yearText(year, date, " "+clock+r.zone())
}

// localTime reads a time whose last part is complemented, unless it is that of the nanoseconds.
func (r *javaReader) localTime() string {
	var part [4]int64
	for i := range 3 {
		b := int8(r.byte())
		if b < 0 {
			part[i] = int64(^b)
			return clockText(part[0], part[1], part[2], 0)
		}
		part[i] = int64(b)
	}
	part[3] = int64(uint32(r.uint(4)))
	return clockText(part[0], part[1], part[2], part[3])
}

// zone reads a ZoneOffset: quarters of an hour, or 127 and seconds.
func (r *javaReader) zone() string {
	seconds := int64(int8(r.byte())) * 900
	if seconds == 127*900 {
		seconds = int64(int32(r.uint(4)))
	}
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d:%02d:%02d", sign, seconds/3600, seconds/60%60, seconds%60)
}
