package polling

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// cellKind is what a cell holds.
type cellKind uint8

const (
	nullCell cellKind = iota
	textCell
	integerCell // of SQLite
	realCell    // of SQLite
	blobCell    // bytes
)

// cell is one column of a row, as the driver gave it: good until the next row.
type cell struct {
	kind   cellKind
	text   []byte // of textCell and blobCell
	number int64
	real   float64
}

// string is the cell as text, for fields that hold text and for messages.
func (c *cell) string() string {
	switch c.kind {
	case integerCell:
		return strconv.FormatInt(c.number, 10)
	case realCell:
		return strconv.FormatFloat(c.real, 'g', -1, 64)
	case nullCell:
		return "NULL"
	}
	return string(c.text)
}

// valueError is a value that does not fit its field.
type valueError struct {
	value  string
	want   string
	remedy string
}

func (e *valueError) Error() string {
	text := fmt.Sprintf("value %s is no %s", e.value, e.want)
	if e.remedy != "" {
		text += "; " + e.remedy
	}
	return text
}

// Retriable: the same row comes back.
func (e *valueError) Retriable() bool { return false }

// unfit says that a cell does not fit.
func unfit(c *cell, want, remedy string) error {
	value := c.string()
	if c.kind == blobCell {
		value = "0x" + hex.EncodeToString(c.text)
	} else if !utf8.ValidString(value) {
		value = strconv.Quote(value)
	}
	return &valueError{trim(value), want, remedy}
}

const castIt = "read the column by a query (option query) that casts it to another type"

func writeBool(w schema.Writer, c *cell) error {
	switch c.kind {
	case integerCell:
		w.Bool(c.number != 0)
		return nil
	case textCell:
		switch string(c.text) {
		case "t", "true", "1":
			w.Bool(true)
			return nil
		case "f", "false", "0":
			w.Bool(false)
			return nil
		}
	}
	return unfit(c, "boolean", castIt)
}

// writeInt writes an integer that fits the type.
func writeInt(t schema.Type) writeFunc {
	return func(w schema.Writer, c *cell) error {
		n, ok := c.number, c.kind == integerCell
		if c.kind == textCell {
			n, ok = parseInt(c.text)
		} else if c.kind == realCell && c.real == math.Trunc(c.real) && math.Abs(c.real) < 1<<53 {
			n, ok = int64(c.real), true
		}
		if !ok || !schema.FitsInt(t, n) {
			return unfit(c, t.String(), castIt)
		}
		w.Int(n)
		return nil
	}
}

// parseInt reads a decimal number of 64 bits.
func parseInt(s []byte) (n int64, ok bool) {
	at, negative := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		at, negative = 1, s[0] == '-'
	}
	if at == len(s) || len(s)-at > 19 {
		return 0, false
	}
	var u uint64
	for _, b := range s[at:] {
		if b < '0' || b > '9' {
			return 0, false
		}
		u = u*10 + uint64(b-'0')
	}
	if negative {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u < 1<<63
}

func writeFloat32(w schema.Writer, c *cell) error {
	f, err := c.float(32)
	if err == nil {
		w.Float32(float32(f))
	}
	return err
}

func writeFloat64(w schema.Writer, c *cell) error {
	f, err := c.float(64)
	if err == nil {
		w.Float64(f)
	}
	return err
}

func (c *cell) float(bits int) (float64, error) {
	switch c.kind {
	case realCell:
		return c.real, nil
	case integerCell:
		if c.number >= -1<<53 && c.number <= 1<<53 { // what a float64 holds exactly
			return float64(c.number), nil
		}
	case textCell:
		if f, err := strconv.ParseFloat(string(c.text), bits); err == nil {
			return f, nil
		}
	}
	return 0, unfit(c, "floating point number of "+strconv.Itoa(bits)+" bits", castIt)
}

// writeDecimal writes a decimal number of a scale.
func writeDecimal(scale int) writeFunc {
	var buf [24]byte // of the task's goroutine, as the function is
	return func(w schema.Writer, c *cell) error {
		text := c.text
		switch c.kind {
		case integerCell:
			text = strconv.AppendInt(buf[:0], c.number, 10)
		case realCell:
			text = strconv.AppendFloat(nil, c.real, 'f', -1, 64)
		}
		unscaled, ok := unscaledText(text, scale)
		if !ok || c.kind == blobCell {
			return unfit(c, "number with at most "+strconv.Itoa(max(scale, 0))+" digits behind the point, which is what the column declares", "give the column a scale, or "+castIt)
		}
		if n, ok := parseInt(unscaled); ok {
			w.Bytes(appendTwos(buf[:0], n))
			return nil
		}
		n, ok := new(big.Int).SetString(string(unscaled), 10)
		if !ok {
			return unfit(c, "number", castIt)
		}
		w.Bytes(java.AppendBigInteger(nil, n))
		return nil
	}
}

// unscaledText takes the point out of a decimal text and brings it to a scale, which must not cost a digit.
func unscaledText(text []byte, scale int) (unscaled []byte, ok bool) {
	point := bytes.IndexByte(text, '.')
	whole, fraction := text, []byte(nil)
	if point >= 0 {
		whole, fraction = text[:point], text[point+1:]
	}
	for len(fraction) > max(scale, 0) {
		if fraction[len(fraction)-1] != '0' {
			return nil, false
		}
		fraction = fraction[:len(fraction)-1]
	}
	switch {
	case scale == 0:
		unscaled = whole
	case scale > 0:
		unscaled = make([]byte, 0, len(whole)+scale)
		unscaled = append(append(unscaled, whole...), fraction...)
		for range scale - len(fraction) {
			unscaled = append(unscaled, '0')
		}
	default:
		unscaled = whole
		for range -scale {
			if n := len(unscaled) - 1; n >= 0 && unscaled[n] == '0' {
				unscaled = unscaled[:n]
			} else {
				return nil, false
			}
		}
		if len(unscaled) == 0 || unscaled[len(unscaled)-1] == '-' {
			unscaled = []byte("0")
		}
	}
	for i, b := range unscaled {
		if (b < '0' || b > '9') && (i > 0 || b != '-' && b != '+') {
			return nil, false
		}
	}
	return unscaled, len(unscaled) > 0
}

// appendTwos appends the fewest bytes of two's complement, big-endian, as Java's BigInteger has them.
func appendTwos(dst []byte, n int64) []byte {
	size := 1
	for size < 8 && (n>>(8*size-1) != 0 && n>>(8*size-1) != -1) {
		size++
	}
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

func writeText(w schema.Writer, c *cell) error {
	if c.kind != textCell {
		if c.kind == blobCell && !utf8.Valid(c.text) {
			return unfit(c, "text", castIt)
		}
		w.String(c.string())
		return nil
	}
	if !utf8.Valid(c.text) {
		w.Text(bytes.ToValidUTF8(c.text, []byte("\uFFFD"))) // as Java does
		return nil
	}
	w.Text(c.text)
	return nil
}

func writeBytes(w schema.Writer, c *cell) error {
	if c.kind == textCell || c.kind == blobCell {
		w.Bytes(c.text)
		return nil
	}
	return unfit(c, "binary value", castIt)
}

const noDate = "read the column by a query (option query) that replaces the value, with NULLIF or CASE"

func writeDate(w schema.Writer, c *cell) error {
	t, err := c.dateTime()
	if err != nil {
		return unfit(c, "date that a record can hold", noDate)
	}
	w.Int(javaDays(t.days))
	return nil
}

// dateTime is the cell as a date, with or without a time. SQLite's numbers are milliseconds since 1970, or Julian days.
func (c *cell) dateTime() (t clockTime, err error) {
	var m moment
	switch c.kind {
	case textCell:
		return parseDateTime(c.text)
	case integerCell:
		m = momentOf(c.number)
	case realCell:
		m = momentOf(int64(math.Round((c.real - julianDay1970) * 86400_000)))
	default:
		return t, errDate
	}
	days := floorDiv(m.sec, 86400)
	return clockTime{days: digitDays(days), second: m.sec - days*86400, nano: m.nano, hasOffset: true}, nil
}

// julianDay1970 is 1970-01-01 00:00 in SQLite's Julian days.
const julianDay1970 = 2440587.5

// writeTime writes a time of day as Connect's Time: milliseconds of the day in UTC.
func writeTime(z zone) writeFunc {
	return func(w schema.Writer, c *cell) error {
		var t clockTime
		err := errDate
		if c.kind == textCell {
			t, err = parseTime(c.text)
		}
		if err != nil || t.second >= 24*3600 {
			return unfit(c, "time of day that a record can hold", noDate)
		}
		second := t.second - z.offsetAt(0)
		if t.hasOffset {
			second = t.second - t.offset
		}
		second -= floorDiv(second, 86400) * 86400
		w.Int(second*1000 + int64(t.nano)/1e6)
		return nil
	}
}

// Milliseconds that pgjdbc gives for infinity and -infinity.
const (
	infinityMillis      = 9223372036825200000
	minusInfinityMillis = -9223372036832400000
)

func writeTimestamp(z zone) writeFunc {
	return func(w schema.Writer, c *cell) error {
		m, err := c.moment(z)
		switch {
		case err == nil:
			w.Int(m.millis())
		case c.kind == textCell && string(c.text) == "infinity":
			w.Int(infinityMillis)
		case c.kind == textCell && string(c.text) == "-infinity":
			w.Int(minusInfinityMillis)
		default:
			return noTimestamp(c)
		}
		return nil
	}
}

func noTimestamp(c *cell) error { return unfit(c, "timestamp that a record can hold", noDate) }

// moment is the cell as an instant.
func (c *cell) moment(z zone) (moment, error) {
	t, err := c.dateTime()
	if err != nil {
		return moment{}, err
	}
	return t.at(z), nil
}

// writeSince writes microseconds (6) or nanoseconds (9) since 1970.
func writeSince(z zone, places int) writeFunc {
	return func(w schema.Writer, c *cell) error {
		m, err := c.moment(z)
		if err != nil {
			return noTimestamp(c)
		}
		text := m.appendSince(nil, places)
		n, ok := parseInt(text)
		if !ok {
			return noTimestamp(c)
		}
		w.Int(n)
		return nil
	}
}

func writeSinceText(z zone, places int) writeFunc {
	return func(w schema.Writer, c *cell) error {
		m, err := c.moment(z)
		if err != nil {
			return noTimestamp(c)
		}
		w.Text(m.appendSince(nil, places))
		return nil
	}
}

// appendSince writes the instant in units of 10^-places seconds since 1970.
func (m moment) appendSince(dst []byte, places int) []byte {
	unit := int64(math.Pow10(9 - places))
	sub := int64(m.nano) / unit
	sec, sign := m.sec, ""
	if sec < 0 && sub > 0 { // digits of a negative number count the other way
		sec++
		sub = int64(math.Pow10(places)) - sub
		if sec == 0 {
			sign = "-"
		}
	}
	dst = append(dst, sign...)
	if sec == 0 && sign == "" {
		return strconv.AppendInt(dst, sub, 10)
	}
	dst = strconv.AppendInt(dst, sec, 10)
	if sec == 0 { // "-0"
		dst = dst[:len(dst)-1]
		return strconv.AppendInt(dst, sub, 10)
	}
	return appendPadded(dst, sub, places)
}

func writeISO(z zone, places int) writeFunc {
	var buf [64]byte // of the task's goroutine, as the function is
	return func(w schema.Writer, c *cell) error {
		m, err := c.moment(z)
		if err != nil {
			return noTimestamp(c)
		}
		w.Text(m.appendDateTime(buf[:0], z, 'T', places))
		return nil
	}
}
