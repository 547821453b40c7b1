package incremental

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// javaKind is the class of a key's column in a stored offset.
type javaKind uint8

// The classes that Debezium writes for PostgreSQL, and those only older versions of it write (javaDateTime): these are read, never written.
const (
	javaNull     javaKind = iota
	javaInteger           // java.lang.Integer
	javaLong              // java.lang.Long
	javaShort             // java.lang.Short
	javaByte              // java.lang.Byte
	javaBoolean           // java.lang.Boolean
	javaFloat             // java.lang.Float
	javaDouble            // java.lang.Double
	javaString            // java.lang.String
	javaDecimal           // java.math.BigDecimal
	javaInt               // java.math.BigInteger
	javaUUID              // java.util.UUID
	javaDate              // java.sql.Date
	javaBytes             // byte[]
	javaPGObject          // org.postgresql.util.PGobject
	javaInterval          // org.postgresql.util.PGInterval
	javaDateTime          // java.sql.Time and Timestamp, java.util.Date, java.time.*: text says it as PostgreSQL reads it
)

// javaValue is one column of a key as Java has it.
type javaValue struct {
	kind  javaKind
	n     int64    // numbers, 0 or 1 of a Boolean, milliseconds of a Date
	f     float64  // Float, Double
	text  string   // String, UUID, the value of a PGobject, javaDateTime
	typ   string   // of a PGobject
	big   *big.Int // BigDecimal's unscaled value, BigInteger
	scale int32
	bytes []byte
	parts [7]int32 // PGInterval: years, months, days, hours, minutes, seconds, microseconds
}

// sql is the value as the server reads it. ok is false for null.
func (v *javaValue) sql() (text string, ok bool) {
	switch v.kind {
	case javaNull:
		return "", false
	case javaInteger, javaLong, javaShort, javaByte:
		return strconv.FormatInt(v.n, 10), true
	case javaBoolean:
		return strconv.FormatBool(v.n != 0)[:1], true
	case javaFloat:
		return floatText(v.f, 32), true
	case javaDouble:
		return floatText(v.f, 64), true
	case javaDecimal:
		return decimalText(v.big, v.scale), true
	case javaInt:
		return v.big.String(), true
	case javaDate:
		return dateText(v.n), true
	case javaBytes:
		return fmt.Sprintf(`\x%x`, v.bytes), true
	case javaInterval:
		return v.intervalSQL(), true
	}
	return v.text, true
}

// intervalSQL prints an interval in the style "postgres".
func (v *javaValue) intervalSQL() string {
	p := &v.parts
	micros := ((int64(p[3])*60+int64(p[4]))*60+int64(p[5]))*1e6 + int64(p[6])
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	seconds := micros / 1e6
	return fmt.Sprintf("%d years %d mons %d days %s%02d:%02d:%02d.%06d", p[0], p[1], p[2], sign, seconds/3600, seconds/60%60, seconds%60, micros%1e6)
}

// floatText is a float as the server reads and writes it.
func floatText(f float64, bits int) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, bits) // NaN is NaN
}

// maxScale bounds the digits a stored BigDecimal may ask for: numeric has 16383 behind the point and 131072 before it.
const maxScale = 1 << 18

// decimalText prints unscaled·10^-scale without an exponent.
func decimalText(unscaled *big.Int, scale int32) string {
	digits := new(big.Int).Abs(unscaled).String()
	switch {
	case scale < 0:
		if unscaled.Sign() != 0 {
			digits += strings.Repeat("0", int(-scale))
		}
	case scale > 0:
		if missing := int(scale) + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		digits = digits[:len(digits)-int(scale)] + "." + digits[len(digits)-int(scale):]
	}
	if unscaled.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

// parseDecimal reads the server's text of a finite number.
func parseDecimal(text string) (unscaled *big.Int, scale int32, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	unscaled, ok = new(big.Int).SetString(whole+fraction, 10)
	return unscaled, int32(len(fraction)), ok
}

// String is what Java's Objects.toString prints: notifications carry it. Arrays of bytes, whose identity Java prints, are hexadecimal.
func (v *javaValue) String() string {
	switch v.kind {
	case javaNull:
		return "<null>" // what Debezium passes for it
	case javaFloat:
		return javaFloatText(v.f, 32)
	case javaDouble:
		return javaFloatText(v.f, 64)
	case javaDecimal:
		return javaDecimalText(v.big, v.scale)
	case javaInterval:
		return v.intervalText()
	case javaBoolean:
		return strconv.FormatBool(v.n != 0)
	case javaDate:
		return javaDateText(v.n)
	}
	text, _ := v.sql()
	return text
}

// javaFloatText prints as Float.toString and Double.toString do: at least one digit behind the point, an exponent below 10^-3 and from 10^7 on.
func javaFloatText(f float64, bits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return floatText(f, bits)
	}
	if a := math.Abs(f); f == 0 || a >= 1e-3 && a < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'e', -1, bits)
	mantissa, exponent, _ := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent) // FormatFloat's own
	return mantissa + "E" + strconv.Itoa(n)
}

// javaDecimalText prints as BigDecimal.toString: with an exponent when the scale is negative or the number small.
func javaDecimalText(unscaled *big.Int, scale int32) string {
	digits := new(big.Int).Abs(unscaled).String()
	adjusted := int64(len(digits)) - 1 - int64(scale)
	if scale >= 0 && adjusted >= -6 {
		return decimalText(unscaled, scale)
	}
	var b strings.Builder
	if unscaled.Sign() < 0 {
		b.WriteByte('-')
	}
	b.WriteString(digits[:1])
	if len(digits) > 1 {
		b.WriteString("." + digits[1:])
	}
	if adjusted != 0 {
		fmt.Fprintf(&b, "E%+d", adjusted)
	}
	return b.String()
}

// javaDateText prints as java.sql.Date.toString: the last four digits of the year, and no era. That is what becomes of infinite dates, too.
func javaDateText(millis int64) string {
	switch millis {
	case positiveInfinity:
		return "8994-08-16"
	case negativeInfinity:
		return "9055-12-02"
	}
	return strings.TrimSuffix(dateText(millis), " BC")
}

// intervalText prints as PGInterval.getValue: without the parts that are zero.
func (v *javaValue) intervalText() string {
	var b strings.Builder
	part := func(n int32, unit string) {
		if n != 0 {
			fmt.Fprintf(&b, "%d %s ", n, unit)
		}
	}
	for i, unit := range []string{"years", "mons", "days", "hours", "mins"} {
		part(v.parts[i], unit)
	}
	if secs, micros := v.parts[5], v.parts[6]; secs != 0 || micros != 0 {
		text := strconv.FormatFloat(float64(secs)+float64(micros)/1e6, 'f', -1, 64)
		b.WriteString(text + " secs ")
	}
	if b.Len() == 0 {
		return "0.00"
	}
	return strings.TrimSuffix(b.String(), " ")
}
