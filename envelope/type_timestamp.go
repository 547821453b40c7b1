package envelope

import (
	"math"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

const zonedTimestampName = "io.debezium.time.ZonedTimestamp"

var (
	structuredTimestampSchema = structure("io.debezium.time.StructuredTimestamp", 1, "",
		field("year", optionalInt32), field("month", optionalInt8), field("day", optionalInt8),
		field("hour", optionalInt8), field("minute", optionalInt8), field("second", optionalInt8),
		field("nanos", optionalInt32), field("specialValue", optionalString), field("precision", optionalInt32))
	structuredZonedTimestampSchema = structure("io.debezium.time.StructuredZonedTimestamp", 1, "",
		field("year", optionalInt32), field("month", optionalInt8), field("day", optionalInt8),
		field("hour", optionalInt8), field("minute", optionalInt8), field("second", optionalInt8),
		field("nanos", optionalInt32), field("offsetSeconds", optionalInt32), field("zoneId", optionalString),
		field("specialValue", optionalString), field("precision", optionalInt32))
)

// Infinite timestamps in milliseconds: the JDBC driver's constants.
const (
	infinityMillis      = 9223372036825200000
	minusInfinityMillis = -9223372036832400000

	infinityISO      = "+292278994-08-16T23:00:00Z"
	minusInfinityISO = "-292275055-05-16T23:00:00Z"
)

// timestamp is an instant: days since 1970-01-01 and microseconds of the day, both counted in UTC.
type timestamp struct {
	days     int64
	micros   int64
	infinite int
}

// parseTimestamp reads YYYY-MM-DD HH:MM:SS[.ffffff][±HH[:MM[:SS]]][ BC], with the offset when zoned.
func parseTimestamp(text []byte, zoned bool) (timestamp, error) {
	if n := infinite(text); n != 0 {
		return timestamp{infinite: n}, nil
	}
	text, bc := era(text)
	d, rest, ok := parseDate(text)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return timestamp{}, errMalformed
	}
	if bc {
		d.year = 1 - d.year
	}
	t := timestamp{days: d.days()}
	t.micros, rest, ok = parseClock(rest[1:])
	if !ok {
		return timestamp{}, errMalformed
	}
	if zoned {
		offset, ok := parseOffset(rest)
		if !ok {
			return timestamp{}, errMalformed
		}
		t.micros -= int64(offset) * microsPerSecond
		rest = nil
	}
	if len(rest) > 0 {
		return timestamp{}, errMalformed
	}
	over := floorDiv(t.micros, microsPerDay)
	t.days, t.micros = t.days+over, t.micros-over*microsPerDay
	return t, nil
}

// millis counts milliseconds since 1970-01-01 UTC.
func (t timestamp) millis() int64 {
	return t.days*(microsPerDay/microsPerMilli) + t.micros/microsPerMilli
}

// seconds counts whole seconds since 1970-01-01 UTC.
func (t timestamp) seconds() int64 { return t.days*86_400 + t.micros/microsPerSecond }

// epochMicros counts microseconds since 1970-01-01 UTC as Debezium does: the seconds saturate, the fraction then wraps around.
func (t timestamp) epochMicros() int64 {
	sec := t.seconds()
	micros := sec * microsPerSecond
	switch {
	case sec > math.MaxInt64/microsPerSecond:
		micros = math.MaxInt64
	case sec < math.MinInt64/microsPerSecond:
		micros = math.MinInt64
	}
	return micros + t.micros%microsPerSecond
}

// epochNanos counts nanoseconds since 1970-01-01 UTC; false outside of int64, into which already the whole days have to fit.
func (t timestamp) epochNanos() (int64, bool) {
	const nanosPerDay = microsPerDay * 1000
	if t.days > math.MaxInt64/nanosPerDay || t.days < math.MinInt64/nanosPerDay {
		return 0, false
	}
	n := t.days * nanosPerDay
	return n + t.micros*1000, n <= math.MaxInt64-t.micros*1000
}

// appendISO appends the instant with digits digits of its fraction; -1: as many as there are.
func (t timestamp) appendISO(dst []byte, digits int) []byte {
	dst = append(dateOf(t.days).appendISO(dst), 'T')
	if digits < 0 {
		return append(appendClock(dst, t.micros), 'Z')
	}
	dst = appendClock(dst, t.micros-t.micros%microsPerSecond)
	return append(appendFraction(dst, int(t.micros%microsPerSecond), min(digits, 6), false), 'Z')
}

// timestampPlan: timestamp without time zone, read as if in UTC. Elements of arrays are java.sql.Timestamps.
func (e *Encoder) timestampPlan(mod int32, element bool) *typePlan {
	precision := fractionPrecision(mod)
	tp := &typePlan{nullable: true, call: epochText}
	switch e.cfg.Times {
	case TimesStructured:
		tp.schema, tp.write = structuredTimestampSchema, readTimestamp(element, writeStructuredTimestamp(precision))
		tp.fallback = defaultOf(tp, epochText)
		return tp
	case TimesISO:
		tp.schema, tp.write = named(schema.String, "io.debezium.time.IsoTimestamp", 1), readTimestamp(element, writeISOTimestamp)
	case TimesConnect:
		tp.schema, tp.write = schema.Timestamp(), readTimestamp(element, writeMillis)
	case TimesNano:
		tp.schema, tp.write = named(schema.Int64, "io.debezium.time.NanoTimestamp", 1), readTimestamp(element, writeNanos)
	default:
		if e.cfg.Times != TimesMicro && precision <= 3 {
			tp.schema, tp.write = named(schema.Int64, "io.debezium.time.Timestamp", 1), readTimestamp(element, writeMillis)
		} else {
			tp.schema, tp.write = named(schema.Int64, "io.debezium.time.MicroTimestamp", 1), readTimestamp(element, writeMicros)
		}
	}
	tp.fallback = defaultOf(tp, epochText)
	tp.literal = timestampLiteral(tp, e.cfg.Times)
	return tp
}

const epochText = "1970-01-01 00:00:00"

// Infinite timestamps as defaults are java.time's extremes; only microseconds and ISO texts hold them.
const (
	defaultInfinityMicros = math.MinInt64 + microsPerSecond - 2 // saturated seconds, then the fraction wraps around
	defaultInfinityISO    = "+999999999-12-31T23:59:59.999999999Z"
	defaultMinusISO       = "-999999999-01-01T00:00:00Z"
)

func timestampLiteral(tp *typePlan, mode Times) func(string) (schema.Value, bool) {
	micro := tp.schema.Name == "io.debezium.time.MicroTimestamp"
	return func(text string) (schema.Value, bool) {
		n := infinite([]byte(text))
		switch {
		case n == 0:
			v := defaultOf(tp, momentText(text, ""))
			return v, !v.IsNull()
		case n > 0 && mode == TimesISO:
			return schema.OfString(defaultInfinityISO), true
		case n > 0 && micro:
			return schema.OfInt64(defaultInfinityMicros), true
		case mode == TimesISO:
			return schema.OfString(defaultMinusISO), true
		case micro:
			return schema.OfInt64(math.MinInt64), true
		}
		return schema.NullValue, false
	}
}

func readTimestamp(element bool, write func(s *scratch, t timestamp, w schema.Writer) error) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		t, err := parseTimestamp(text, false)
		if err != nil {
			return err
		}
		if element && t.infinite == 0 {
			t.days = dateOf(t.days).hybridDays()
		}
		return write(s, t, w)
	}
}

func writeMillis(_ *scratch, t timestamp, w schema.Writer) error {
	w.Int(pick(t.infinite, t.millis(), infinityMillis, minusInfinityMillis))
	return nil
}

func writeMicros(_ *scratch, t timestamp, w schema.Writer) error {
	w.Int(pick(t.infinite, t.epochMicros(), math.MaxInt64, math.MinInt64))
	return nil
}

func writeNanos(_ *scratch, t timestamp, w schema.Writer) error {
	n, ok := t.epochNanos()
	if !ok && t.infinite == 0 {
		return errNanoseconds
	}
	w.Int(pick(t.infinite, n, math.MaxInt64, math.MinInt64))
	return nil
}

// pick chooses between a finite and two infinite values.
func pick(infinite int, finite, plus, minus int64) int64 {
	switch {
	case infinite > 0:
		return plus
	case infinite < 0:
		return minus
	}
	return finite
}

func writeISOTimestamp(s *scratch, t timestamp, w schema.Writer) error {
	switch {
	case t.infinite > 0:
		w.String(infinityISO)
	case t.infinite < 0:
		w.String(minusInfinityISO)
	default:
		s.buf = t.appendISO(s.buf[:0], -1)
		w.Text(s.buf)
	}
	return nil
}

func writeStructuredTimestamp(precision int) func(*scratch, timestamp, schema.Writer) error {
	return func(_ *scratch, t timestamp, w schema.Writer) error {
		w.BeginStruct()
		t.writeParts(w)
		writeSpecial(w, t.infinite)
		w.Int(int64(precision))
		w.EndStruct()
		return nil
	}
}

// writeParts writes year to nanos, or nulls for infinity.
func (t timestamp) writeParts(w schema.Writer) {
	if t.infinite != 0 {
		writeNulls(w, 7)
		return
	}
	dateOf(t.days).writeParts(w)
	writeClockFields(w, t.micros)
}

// timestamptzPlan: timestamp with time zone, text in UTC with as many digits of the fraction as the column has. Elements of arrays are
// java.sql.Timestamps.
func (e *Encoder) timestamptzPlan(mod int32, element bool) *typePlan {
	precision := fractionPrecision(mod)
	if e.cfg.Times == TimesStructured {
		tp := &typePlan{schema: structuredZonedTimestampSchema, write: readZoned(element, writeStructuredZoned(precision, "Z")), nullable: true}
		// The stand-in has no zone.
		fallback := &typePlan{schema: tp.schema, write: readZoned(false, writeStructuredZoned(precision, ""))}
		tp.fallback = defaultOf(fallback, epochText+"+00")
		return tp
	}
	tp := &typePlan{schema: named(schema.String, zonedTimestampName, 1), nullable: true, call: epochText + "+00"}
	tp.fallback = schema.OfString("1970-01-01T00:00:00Z") // without the forced fraction of values
	if precision == 0 {
		precision = -1 // values have no fraction then; that of a default stays
	}
	tp.write = readZoned(element, func(s *scratch, t timestamp, w schema.Writer) error {
		switch {
		case t.infinite > 0:
			w.Text(textInfinity)
		case t.infinite < 0:
			w.Text(textMinusInfinity)
		default:
			s.buf = t.appendISO(s.buf[:0], precision)
			w.Text(s.buf)
		}
		return nil
	})
	tp.literal = func(text string) (schema.Value, bool) {
		if infinite([]byte(text)) != 0 {
			return schema.NullValue, false
		}
		v := defaultOf(tp, momentText(text, "+00"))
		return v, !v.IsNull()
	}
	return tp
}

// momentText brings the text of a default, of a date or a timestamp with or without a zone, into the form of a timestamp with that zone:
// expressions are of any type. The sessions that print them are in UTC.
func momentText(text, zone string) string {
	text, bc := strings.CutSuffix(text, " BC")
	text = strings.TrimSuffix(text, "+00")
	if !strings.Contains(text, " ") {
		text += " 00:00:00"
	}
	if text += zone; bc {
		text += " BC"
	}
	return text
}

// javaMinusInfinity is what java.sql.Timestamp tells of -infinity: day and hour of the era before ours, without saying so.
var javaMinusInfinity = timestamp{days: date{year: 292269055, month: 12, day: 2}.days(), micros: 23 * 3600 * microsPerSecond}

func readZoned(element bool, write func(s *scratch, t timestamp, w schema.Writer) error) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		t, err := parseTimestamp(text, true)
		if err != nil {
			return err
		}
		switch {
		case element && t.infinite < 0:
			t = javaMinusInfinity
		case element && t.infinite == 0:
			d, ok := dateOf(t.days).java()
			if !ok {
				return errNoSuchDay
			}
			t.days = d.days()
		}
		return write(s, t, w)
	}
}

func writeStructuredZoned(precision int, zone string) func(*scratch, timestamp, schema.Writer) error {
	return func(_ *scratch, t timestamp, w schema.Writer) error {
		w.BeginStruct()
		t.writeParts(w)
		switch {
		case t.infinite != 0:
			writeNulls(w, 2)
		case zone == "":
			w.Int(0)
			w.Null()
		default:
			w.Int(0)
			w.String(zone)
		}
		writeSpecial(w, t.infinite)
		w.Int(int64(precision))
		w.EndStruct()
		return nil
	}
}
