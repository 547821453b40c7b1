package envelope

import (
	"bytes"
	"math"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// Semantic names of dates and times of day.
const (
	dateName    = "io.debezium.time.Date"
	isoDateName = "io.debezium.time.IsoDate"
)

// structuredDateSchema is a date in its parts.
var structuredDateSchema = structure("io.debezium.time.StructuredDate", 1, "",
	field("year", optionalInt32), field("month", optionalInt8), field("day", optionalInt8), field("specialValue", optionalString))

// Infinite dates. Debezium's stream and its snapshot see different ones: java.time's markers and JDBC's, the latter after a
// narrowing to 32 bits.
const (
	streamInfinity      = 2146033979
	streamMinusInfinity = -2147472691
	readInfinity        = -622191234
	readMinusInfinity   = -625821272

	streamInfinityText      = "+5877611-06-21Z"
	streamMinusInfinityText = "-5877611-06-22Z"
	readInfinityText        = "+292278994-08-16Z"
	readMinusInfinityText   = "+292269055-12-02Z"
)

// Texts of special values in structs.
const (
	specialInfinity      = "POSITIVE_INFINITY"
	specialMinusInfinity = "NEGATIVE_INFINITY"
)

// date is a day of the proleptic Gregorian calendar; year 0 is 1 BC. infinite is 1 or -1 for infinity.
type date struct {
	year, month, day int
	infinite         int
}

var (
	textInfinity      = []byte("infinity")
	textMinusInfinity = []byte("-infinity")
)

// parseDate reads the server's ISO form, YYYY-MM-DD with as many digits of the year as it needs, and returns what follows. The era
// stands at the very end of dates and timestamps: era takes it away.
func parseDate(text []byte) (d date, rest []byte, ok bool) {
	d.year, rest, ok = parseDigits(text, 4, 7)
	if !ok || len(rest) < 6 || rest[0] != '-' || rest[3] != '-' {
		return d, nil, false
	}
	month, day := twoDigits(rest[1:]), twoDigits(rest[4:])
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return d, nil, false
	}
	d.month, d.day = month, day
	return d, rest[6:], true
}

// era takes " BC" off the end of a text.
func era(text []byte) (rest []byte, bc bool) {
	if n := len(text) - 3; n >= 0 && text[n] == ' ' && text[n+1] == 'B' && text[n+2] == 'C' {
		return text[:n], true
	}
	return text, false
}

// infinite tells 1 for infinity, -1 for -infinity, 0 for anything else.
func infinite(text []byte) int {
	switch {
	case bytes.Equal(text, textInfinity):
		return 1
	case bytes.Equal(text, textMinusInfinity):
		return -1
	}
	return 0
}

// parseDigits reads low to high digits.
func parseDigits(text []byte, low, high int) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(text) && i < high && text[i] >= '0' && text[i] <= '9' {
		n = n*10 + int(text[i]-'0')
		i++
	}
	return n, text[i:], i >= low
}

// twoDigits reads two digits, -1 when there are none.
func twoDigits(text []byte) int {
	if len(text) < 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9' {
		return -1
	}
	return int(text[0]-'0')*10 + int(text[1]-'0')
}

// days counts days since 1970-01-01. After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
func (d date) days() int64 {
	y := int64(d.year)
	if d.month <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*int64((d.month+9)%12)+2)/5 + int64(d.day) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// dateOf is the day a number of days after 1970-01-01: civil_from_days of the same source.
func dateOf(days int64) date {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := date{year: int(yoe + era*400), month: int(mp + 3), day: int(doy - (153*mp+2)/5 + 1)}
	if d.month > 12 {
		d.month -= 12
		d.year++
	}
	return d
}

// appendISO appends the day as java.time does: a sign before years of more than four digits.
func (d date) appendISO(dst []byte) []byte {
	y := d.year
	switch {
	case y < 0:
		dst, y = append(dst, '-'), -y
	case y > 9999:
		dst = append(dst, '+')
	}
	dst = appendPadded(dst, y, 4)
	dst = appendPadded(append(dst, '-'), d.month, 2)
	return appendPadded(append(dst, '-'), d.day, 2)
}

// appendPadded appends n with at least width digits.
func appendPadded(dst []byte, n, width int) []byte {
	var digits [20]byte
	i := len(digits)
	for n > 0 || width > 0 {
		i--
		digits[i] = byte('0' + n%10)
		n /= 10
		width--
	}
	return append(dst, digits[i:]...)
}

// parseDateValue reads a date column; java: as java.sql.Date has it.
func parseDateValue(text []byte, java bool) (date, error) {
	if n := infinite(text); n != 0 {
		return date{infinite: n}, nil
	}
	text, bc := era(text)
	d, rest, ok := parseDate(text)
	if !ok || len(rest) > 0 {
		return d, errMalformed
	}
	if bc {
		d.year = 1 - d.year
	}
	if !java {
		return d, nil
	}
	if d, ok = d.java(); !ok {
		return d, errNoSuchDay
	}
	return d, nil
}

// datePlan: date. Elements of arrays are java.sql.Dates in the stream, too.
func (e *Encoder) datePlan(element bool) *typePlan {
	tp := &typePlan{nullable: true, call: "1970-01-01"}
	switch e.cfg.Times {
	case TimesStructured:
		tp.schema, tp.write = structuredDateSchema, readDate(element, writeStructuredDate)
		tp.fallback = defaultOf(tp, "1970-01-01")
		return tp
	case TimesISO:
		tp.schema, tp.write = named(schema.String, isoDateName, 1), readDate(element, writeISODate)
	case TimesConnect:
		tp.schema, tp.write = schema.Date(), readDate(element, writeDays)
	default:
		tp.schema, tp.write = named(schema.Int32, dateName, 1), readDate(element, writeDays)
	}
	tp.fallback = defaultOf(tp, "1970-01-01")
	tp.literal = dateLiteral(tp)
	return tp
}

// Infinite dates as defaults are java.time's extremes; their days are cut to 32 bits.
var (
	defaultMaxDate = date{year: 999999999, month: 12, day: 31}
	defaultMinDate = date{year: -999999999, month: 1, day: 1}
)

// dateLiteral reads a default: of a timestamp the day.
func dateLiteral(tp *typePlan) func(string) (schema.Value, bool) {
	return func(text string) (schema.Value, bool) {
		n := infinite([]byte(text))
		if n == 0 {
			text, bc := strings.CutSuffix(text, " BC")
			if text, _, _ = strings.Cut(text, " "); bc {
				text += " BC"
			}
			v := defaultOf(tp, text)
			return v, !v.IsNull()
		}
		d := defaultMaxDate
		if n < 0 {
			d = defaultMinDate
		}
		if tp.schema.Type == schema.String {
			return schema.OfString(string(d.appendISO(nil)) + "Z"), true
		}
		return schema.OfInt(tp.schema.Type, int64(int32(d.days()))), true
	}
}

func readDate(element bool, write func(s *scratch, d date, java bool, w schema.Writer) error) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		java := element || s.snapshot
		d, err := parseDateValue(text, java)
		if err != nil {
			return err
		}
		return write(s, d, java, w)
	}
}

func writeDays(_ *scratch, d date, java bool, w schema.Writer) error {
	days := d.days()
	switch {
	case d.infinite > 0 && java:
		days = readInfinity
	case d.infinite > 0:
		days = streamInfinity
	case d.infinite < 0 && java:
		days = readMinusInfinity
	case d.infinite < 0:
		days = streamMinusInfinity
	}
	if days > math.MaxInt32 || days < math.MinInt32 {
		return errOutOfRange
	}
	w.Int(days)
	return nil
}

func writeISODate(s *scratch, d date, java bool, w schema.Writer) error {
	switch {
	case d.infinite > 0 && java:
		w.String(readInfinityText)
	case d.infinite > 0:
		w.String(streamInfinityText)
	case d.infinite < 0 && java:
		w.String(readMinusInfinityText)
	case d.infinite < 0:
		w.String(streamMinusInfinityText)
	default:
		s.buf = append(d.appendISO(s.buf[:0]), 'Z')
		w.Text(s.buf)
	}
	return nil
}

func writeStructuredDate(_ *scratch, d date, _ bool, w schema.Writer) error {
	w.BeginStruct()
	d.writeParts(w)
	writeSpecial(w, d.infinite)
	w.EndStruct()
	return nil
}

// writeParts writes year, month and day, or nulls for infinity.
func (d date) writeParts(w schema.Writer) {
	if d.infinite != 0 {
		writeNulls(w, 3)
		return
	}
	w.Int(int64(d.year))
	w.Int(int64(d.month))
	w.Int(int64(d.day))
}

func writeNulls(w schema.Writer, n int) {
	for range n {
		w.Null()
	}
}

func writeSpecial(w schema.Writer, infinite int) {
	switch {
	case infinite > 0:
		w.String(specialInfinity)
	case infinite < 0:
		w.String(specialMinusInfinity)
	default:
		w.Null()
	}
}
