package envelope

import "github.com/tandem-cdc/tandem/schema"

// Microseconds.
const (
	microsPerMilli  = 1_000
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
)

const (
	zonedTimeName = "io.debezium.time.ZonedTime"
	nanoTimeName  = "io.debezium.time.NanoTime"
)

var (
	structuredTimeSchema = structure("io.debezium.time.StructuredTime", 1, "",
		field("hour", optionalInt8), field("minute", optionalInt8), field("second", optionalInt8),
		field("nanos", optionalInt32), field("precision", optionalInt32))
	structuredZonedTimeSchema = structure("io.debezium.time.StructuredZonedTime", 1, "",
		field("hour", optionalInt8), field("minute", optionalInt8), field("second", optionalInt8),
		field("nanos", optionalInt32), field("offsetSeconds", optionalInt32), field("precision", optionalInt32))
)

// fractionPrecision is the number of digits of a time's or timestamp's fraction.
func fractionPrecision(mod int32) int {
	if mod < 0 {
		return 6
	}
	return int(mod)
}

// parseClock reads HH:MM:SS[.ffffff] as microseconds and returns what follows. 24:00:00 is a time.
func parseClock(text []byte) (micros int64, rest []byte, ok bool) {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return 0, nil, false
	}
	h, m, sec := twoDigits(text), twoDigits(text[3:]), twoDigits(text[6:])
	if h < 0 || h > 24 || m < 0 || m > 59 || sec < 0 || sec > 60 {
		return 0, nil, false
	}
	micros = (int64(h)*3600 + int64(m)*60 + int64(sec)) * microsPerSecond
	rest = text[8:]
	if len(rest) > 0 && rest[0] == '.' {
		n, after, ok := parseDigits(rest[1:], 1, 6)
		if !ok {
			return 0, nil, false
		}
		for range 6 - (len(rest) - 1 - len(after)) {
			n *= 10
		}
		micros, rest = micros+int64(n), after
	}
	return micros, rest, micros <= microsPerDay
}

// parseOffset reads ±HH[:MM[:SS]] in seconds east of UTC.
func parseOffset(text []byte) (seconds int, ok bool) {
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	sign, unit := 1, 3600
	if text[0] == '-' {
		sign = -1
	}
	for text = text[1:]; unit > 0; unit /= 60 {
		n := twoDigits(text)
		if n < 0 || n > 59 {
			return 0, false
		}
		seconds += n * unit
		if text = text[2:]; len(text) == 0 {
			return sign * seconds, true
		}
		if text[0] != ':' {
			return 0, false
		}
		text = text[1:]
	}
	return 0, false
}

// appendClock appends HH:MM:SS and as much of the fraction as there is, as java.time prints it.
func appendClock(dst []byte, micros int64) []byte {
	sec := int(micros / microsPerSecond)
	dst = appendPadded(dst, sec/3600, 2)
	dst = appendPadded(append(dst, ':'), sec/60%60, 2)
	dst = appendPadded(append(dst, ':'), sec%60, 2)
	return appendFraction(dst, int(micros%microsPerSecond), 6, true)
}

// appendFraction appends a point and the first digits of a fraction in microseconds, without zeros at its end when trim is set,
// and nothing when no digit is left.
func appendFraction(dst []byte, micros, digits int, trim bool) []byte {
	if digits == 0 || trim && micros == 0 {
		return dst
	}
	dst = appendPadded(append(dst, '.'), micros, 6)
	dst = dst[:len(dst)-6+digits]
	for trim && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// timePlan: time. In arrays Debezium reads java.sql.Time, which ends at milliseconds and before 24:00.
func (e *Encoder) timePlan(mod int32, element bool) *typePlan {
	precision := fractionPrecision(mod)
	tp := &typePlan{nullable: true, call: "00:00:00"}
	unit := int64(microsPerMilli)
	scale := int64(1)
	switch e.cfg.Times {
	case TimesStructured:
		tp.schema = structuredTimeSchema
		tp.write = readClock(element, func(s *scratch, micros int64, w schema.Writer) error {
			if micros == microsPerDay {
				return errOutOfRange
			}
			writeClockParts(w, micros)
			w.Int(int64(precision))
			w.EndStruct()
			return nil
		})
		tp.fallback = defaultOf(tp, "00:00:00")
		return tp
	case TimesISO:
		tp.schema = named(schema.String, "io.debezium.time.IsoTime", 1)
		tp.write = readClock(element, func(s *scratch, micros int64, w schema.Writer) error {
			s.buf = append(appendClock(s.buf[:0], micros%microsPerDay), 'Z')
			w.Text(s.buf)
			return nil
		})
	case TimesConnect:
		tp.schema = schema.Time()
	case TimesNano:
		tp.schema, unit, scale = named(schema.Int64, nanoTimeName, 1), 1, 1000
	default:
		if e.cfg.Times == TimesAdaptive && precision <= 3 {
			tp.schema = named(schema.Int32, "io.debezium.time.Time", 1)
		} else {
			tp.schema, unit = named(schema.Int64, "io.debezium.time.MicroTime", 1), 1
		}
	}
	if tp.write == nil {
		tp.write = readClock(element, func(_ *scratch, micros int64, w schema.Writer) error {
			w.Int(micros / unit * scale)
			return nil
		})
	}
	tp.fallback = defaultOf(tp, "00:00:00")
	tp.literal = func(text string) (schema.Value, bool) {
		if text == "24:00:00" {
			return lastInstant(tp), true
		}
		v := defaultOf(tp, text)
		return v, !v.IsNull()
	}
	return tp
}

// lastInstant is what java.time makes of 24:00 in a default: the last nanosecond of the day, in the unit of the schema.
func lastInstant(tp *typePlan) schema.Value {
	switch {
	case tp.schema.Type == schema.String:
		return schema.OfString("23:59:59.999999999Z")
	case tp.schema.Type == schema.Int32:
		return schema.OfInt(schema.Int32, microsPerDay/microsPerMilli-1)
	case tp.schema.Name == nanoTimeName:
		return schema.OfInt64(microsPerDay*1000 - 1)
	}
	return schema.OfInt64(microsPerDay - 1)
}

func readClock(element bool, write func(s *scratch, micros int64, w schema.Writer) error) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		micros, rest, ok := parseClock(text)
		if !ok || len(rest) > 0 {
			return errMalformed
		}
		if element {
			micros = micros % microsPerDay / microsPerMilli * microsPerMilli
		}
		return write(s, micros, w)
	}
}

// writeClockParts begins a struct and writes hour, minute, second and nanos.
func writeClockParts(w schema.Writer, micros int64) {
	w.BeginStruct()
	writeClockFields(w, micros)
}

func writeClockFields(w schema.Writer, micros int64) {
	sec := micros / microsPerSecond
	w.Int(sec / 3600)
	w.Int(sec / 60 % 60)
	w.Int(sec % 60)
	w.Int(micros % microsPerSecond * 1000)
}

// timetzPlan: time with time zone, in UTC but for the structured mode, which keeps the offset.
func (e *Encoder) timetzPlan(mod int32) *typePlan {
	precision := fractionPrecision(mod)
	if e.cfg.Times == TimesStructured {
		tp := &typePlan{schema: structuredZonedTimeSchema, nullable: true}
		tp.write = func(_ *scratch, text []byte, w schema.Writer) error {
			micros, offset, err := parseTimetz(text)
			if err != nil {
				return err
			}
			writeClockParts(w, micros)
			w.Int(int64(offset))
			w.Int(int64(precision))
			w.EndStruct()
			return nil
		}
		tp.fallback = defaultOf(tp, "00:00:00+00")
		return tp
	}
	tp := &typePlan{schema: named(schema.String, zonedTimeName, 1), write: writeZonedTime, nullable: true, flat: true}
	tp.fallback = schema.OfString("00:00:00Z")
	return tp
}

func parseTimetz(text []byte) (micros int64, offset int, err error) {
	micros, rest, ok := parseClock(text)
	if !ok {
		return 0, 0, errMalformed
	}
	offset, ok = parseOffset(rest)
	if !ok {
		return 0, 0, errMalformed
	}
	return micros, offset, nil
}

// writeZonedTime writes the time in UTC. 24:00 exists in UTC only; elsewhere it is the midnight that it names.
func writeZonedTime(s *scratch, text []byte, w schema.Writer) error {
	micros, offset, err := parseTimetz(text)
	if err != nil {
		return err
	}
	if offset%60 != 0 {
		return errUnsupported // Debezium reads offsets of whole minutes only
	}
	if offset != 0 || micros < microsPerDay {
		micros = (micros - int64(offset)*microsPerSecond + 2*microsPerDay) % microsPerDay
	}
	s.buf = append(appendClock(s.buf[:0], micros), 'Z')
	w.Text(s.buf)
	return nil
}
