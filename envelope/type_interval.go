package envelope

import (
	"bytes"
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

var structuredDurationSchema = structure("io.debezium.time.StructuredDuration", 1, "",
	field("years", optionalInt32), field("months", optionalInt32), field("days", optionalInt32),
	field("hours", optionalInt32), field("minutes", optionalInt32), field("seconds", optionalInt64),
	field("nanos", optionalInt32), field("precision", optionalInt32))

// interval is an interval in the parts in which the JDBC driver reads it. micros are those of the seconds, with their sign.
type interval struct {
	years, months, days, hours, minutes int64
	micros                              int64
}

// intervalPrecision is the scale of an interval column as JDBC tells it: the low half of the modifier.
func intervalPrecision(mod int32) int {
	if mod < 0 {
		return 6
	}
	return int(mod & 0xffff)
}

// parseInterval reads the server's postgres style, "1 year 2 mons -3 days +04:05:06.7". Manual, section "Interval Output"; the
// sessions that read have IntervalStyle postgres.
func parseInterval(text []byte) (interval, error) {
	var iv interval
	if len(text) == 0 {
		return iv, errMalformed
	}
	for len(text) > 0 {
		word := text
		if i := bytes.IndexByte(text, ' '); i >= 0 {
			word, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if bytes.IndexByte(word, ':') >= 0 {
			if len(text) > 0 || !iv.clock(word) {
				return iv, errMalformed
			}
			return iv, nil
		}
		if len(word) > 1 && word[0] == '+' {
			word = word[1:]
		}
		n, ok := parseInt(word)
		if !ok {
			return iv, errMalformed
		}
		unit := text
		if i := bytes.IndexByte(text, ' '); i >= 0 {
			unit, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		switch {
		case bytes.HasPrefix(unit, []byte("year")):
			iv.years = n
		case bytes.HasPrefix(unit, []byte("mon")):
			iv.months = n
		case bytes.HasPrefix(unit, []byte("day")):
			iv.days = n
		default:
			return iv, errMalformed
		}
	}
	return iv, nil
}

// clock reads [±]H…H:MM:SS[.ffffff]; the sign is that of all three.
func (iv *interval) clock(word []byte) bool {
	sign := int64(1)
	if word[0] == '-' || word[0] == '+' {
		if word[0] == '-' {
			sign = -1
		}
		word = word[1:]
	}
	i := bytes.IndexByte(word, ':')
	if i < 2 || len(word) < i+6 {
		return false
	}
	hours, ok := parseInt(word[:i])
	// What follows is a clock when two digits of hours stand before it.
	var buf [16]byte
	rest := append(append(buf[:0], "00"...), word[i:min(len(word), i+14)]...)
	micros, after, clockOK := parseClock(rest)
	if !ok || !clockOK || len(after) > 0 || len(word) > i+14 {
		return false
	}
	iv.hours = sign * hours
	iv.minutes = sign * (micros / (60 * microsPerSecond))
	iv.micros = sign * (micros % (60 * microsPerSecond))
	return true
}

// microseconds counts months of 365.25/12 days, in floating point and rounded as Debezium does it.
func (iv *interval) microseconds() int64 {
	const daysPerMonth = 365.25 / 12
	// Conversions keep the compiler from fusing operations, which would round otherwise on some machines.
	days := float64(float64(iv.years*12+iv.months)*daysPerMonth) + float64(iv.days)
	hours := float64(days*24) + float64(iv.hours)
	minutes := float64(hours*60) + float64(iv.minutes)
	seconds := float64(minutes*60) + float64(iv.micros)/microsPerSecond
	micros := float64(seconds * 1e6)
	switch { // Java's narrowing saturates
	case micros >= math.MaxInt64:
		return math.MaxInt64
	case micros <= math.MinInt64:
		return math.MinInt64
	}
	return int64(micros)
}

// appendISO appends ISO 8601 with all parts present and a sign at each: P1Y2M3DT4H5M6.78S.
func (iv *interval) appendISO(dst []byte) []byte {
	dst = append(dst, 'P')
	dst = append(appendInt(dst, iv.years), 'Y')
	dst = append(appendInt(dst, iv.months), 'M')
	dst = append(appendInt(dst, iv.days), 'D', 'T')
	dst = append(appendInt(dst, iv.hours), 'H')
	dst = append(appendInt(dst, iv.minutes), 'M')
	micros := iv.micros
	if micros < 0 {
		dst, micros = append(dst, '-'), -micros
	}
	dst = appendInt(dst, micros/microsPerSecond)
	dst = appendFraction(dst, int(micros%microsPerSecond), 6, true)
	return append(dst, 'S')
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	return appendPadded(dst, int(n), 1)
}

// intervalPlan: interval.
func (e *Encoder) intervalPlan(mod int32) *typePlan {
	precision := int64(intervalPrecision(mod))
	tp := &typePlan{call: "00:00:00"}
	switch {
	case e.cfg.Times == TimesStructured:
		tp.schema = structuredDurationSchema
		tp.write = readInterval(func(_ *scratch, iv interval, w schema.Writer) {
			w.BeginStruct()
			for _, n := range [...]int64{iv.years, iv.months, iv.days, iv.hours, iv.minutes, iv.micros / microsPerSecond, iv.micros % microsPerSecond * 1000, precision} {
				w.Int(n)
			}
			w.EndStruct()
		})
	case e.cfg.Intervals == IntervalsString:
		tp.schema = named(schema.String, "io.debezium.time.Interval", 1)
		tp.write = readInterval(func(s *scratch, iv interval, w schema.Writer) {
			s.buf = iv.appendISO(s.buf[:0])
			w.Text(s.buf)
		})
	default:
		tp.schema = named(schema.Int64, "io.debezium.time.MicroDuration", 1)
		tp.write = readInterval(func(_ *scratch, iv interval, w schema.Writer) { w.Int(iv.microseconds()) })
	}
	tp.fallback = defaultOf(tp, "00:00:00")
	if tp.schema.Type != schema.Struct {
		tp.literal = func(text string) (schema.Value, bool) {
			v := defaultOf(tp, text)
			return v, !v.IsNull()
		}
	}
	return tp
}

func readInterval(write func(s *scratch, iv interval, w schema.Writer)) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		iv, err := parseInterval(text)
		if err != nil {
			return err
		}
		for _, n := range [...]int64{iv.years, iv.months, iv.days, iv.hours} {
			if n != int64(int32(n)) {
				return errOutOfRange
			}
		}
		write(s, iv, w)
		return nil
	}
}
