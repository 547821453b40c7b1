package sqldb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

// wrongType: the value is not of its schema's type.
func wrongType(v schema.Value, want string) error {
	return fmt.Errorf("the value is of type %s, want %s", v.Type(), want)
}

func integerOf(v schema.Value, low, high int64) (int64, error) {
	if t := v.Type(); t < schema.Int8 || t > schema.Int64 {
		return 0, wrongType(v, "an integer")
	}
	n := v.Int()
	if n < low || n > high {
		return 0, fmt.Errorf("the number is out of range: the column takes %d to %d", low, high)
	}
	return n, nil
}

func appendInt2(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt16, math.MaxInt16)
	return binary.BigEndian.AppendUint16(dst, uint16(n)), err
}

func appendInt4(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt32, math.MaxInt32)
	return binary.BigEndian.AppendUint32(dst, uint32(n)), err
}

func appendInt8(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt64, math.MaxInt64)
	return binary.BigEndian.AppendUint64(dst, uint64(n)), err
}

func appendBool(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	if v.Type() != schema.Boolean {
		return dst, wrongType(v, "a boolean")
	}
	if v.Bool() {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func appendFloat4(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	if v.Type() != schema.Float32 {
		return dst, wrongType(v, "a float32")
	}
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v.Float32())), nil
}

func appendFloat8(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	if t := v.Type(); t != schema.Float32 && t != schema.Float64 {
		return dst, wrongType(v, "a float64")
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float64())), nil
}

func appendString(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	if v.Type() != schema.String {
		return dst, wrongType(v, "a string")
	}
	return append(dst, v.Text()...), nil
}

func appendRaw(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	if v.Type() != schema.Bytes {
		return dst, wrongType(v, "bytes")
	}
	return append(dst, v.Bytes()...), nil
}

func appendWKB(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	wkb := v.Struct().Field("wkb")
	if wkb.Type() != schema.Bytes {
		return dst, errors.New("the geometry has no wkb")
	}
	return append(dst, wkb.Bytes()...), nil
}

// appendUUID reads the canonical text. Layout: 16 bytes.
func appendUUID(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	t := v.Text()
	if len(t) != 36 || t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
		return dst, errors.New("it is no UUID")
	}
	for i := 0; i < len(t); i += 2 {
		if t[i] == '-' {
			i++
		}
		high, low := hexDigit(t[i]), hexDigit(t[i+1])
		if high > 15 || low > 15 {
			return dst, errors.New("it is no UUID")
		}
		dst = append(dst, high<<4|low)
	}
	return dst, nil
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// Epochs: PostgreSQL counts from 2000-01-01, Connect from 1970-01-01.
const (
	epochDays   = 10957
	epochMicros = 946684800000000
)

// Values that stand for infinity, as Debezium 3.7 writes them: dates in snapshots and in the stream, timestamps in milliseconds,
// and in finer units the ends of the range.
const (
	dateInfinitySnapshot = -622191234
	dateInfinityStream   = 2146033979
	dateMinusSnapshot    = -625821272
	dateMinusStream      = -2147472691
	stampInfinity        = 9223372036825200000
	stampMinusInfinity   = -9223372036832400000
)

// Limits and infinities of the server's types. PostgreSQL source, timestamp.h and date.h.
const (
	pgDateFirst          = -2451545   // 4714-11-24 BC
	pgDateLast           = 2145031948 // 5874897-12-31
	pgDateInfinity       = math.MaxInt32
	pgDateMinusInfinity  = math.MinInt32
	pgStampFirst         = -211813488000000000 // 4714-11-24 BC
	pgStampInfinity      = math.MaxInt64
	pgStampMinusInfinity = math.MinInt64
	microsPerDay         = 86400_000000
)

// appendDate writes days since 2000. Layout: Int32; the ends of its range are infinity.
func appendDate(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt32, math.MaxInt32)
	if err != nil {
		return dst, err
	}
	switch n {
	case dateInfinitySnapshot, dateInfinityStream:
		n = pgDateInfinity
	case dateMinusSnapshot, dateMinusStream:
		n = pgDateMinusInfinity
	default:
		if n -= epochDays; n > pgDateLast || n < pgDateFirst {
			return dst, errors.New("the date is outside of 4714-11-24 BC to 5874897-12-31")
		}
	}
	return binary.BigEndian.AppendUint32(dst, uint32(int32(n))), nil
}

// appendTime writes microseconds since midnight. Layout: Int64.
func appendTime(multiply, divide int64) pgAppend {
	return func(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
		n, err := integerOf(v, 0, microsPerDay*1000)
		if err != nil {
			return dst, errors.New("it is no time of day")
		}
		if n = n / divide * multiply; n > microsPerDay {
			return dst, errors.New("it is no time of day")
		}
		return binary.BigEndian.AppendUint64(dst, uint64(n)), nil
	}
}

// appendStamp writes microseconds since 2000. Layout: Int64; the ends of its range are infinity.
func appendStamp(multiply, divide int64) pgAppend {
	return func(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
		n, err := integerOf(v, math.MinInt64, math.MaxInt64)
		if err != nil {
			return dst, err
		}
		switch {
		case n >= stampInfinity:
			n = pgStampInfinity
		case n <= stampMinusInfinity:
			n = pgStampMinusInfinity
		default:
			if multiply > 1 && (n > math.MaxInt64/multiply || n < math.MinInt64/multiply) {
				return dst, errStamp
			}
			if n = floorDiv(n, divide) * multiply; n < math.MinInt64+epochMicros {
				return dst, errStamp
			}
			if n -= epochMicros; n < pgStampFirst {
				return dst, errStamp
			}
		}
		return binary.BigEndian.AppendUint64(dst, uint64(n)), nil
	}
}

var errStamp = errors.New("the timestamp is outside of 4714-11-24 BC to 294276 AD")

func floorDiv(n, d int64) int64 {
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

// appendISOStamp reads a ZonedTimestamp or an IsoTimestamp.
func appendISOStamp(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	micros, err := parseISOStamp(v.Text())
	if err != nil {
		return dst, err
	}
	if micros != pgStampInfinity && micros != pgStampMinusInfinity {
		if micros < math.MinInt64+epochMicros || micros-epochMicros < pgStampFirst {
			return dst, errStamp
		}
		micros -= epochMicros
	}
	return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
}

var powers = [...]uint64{1, 10, 100, 1000}

// appendDecimal writes a Decimal of a fixed scale.
func appendDecimal(scale int) pgAppend {
	return func(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
		if v.Type() != schema.Bytes {
			return dst, wrongType(v, "a decimal's bytes")
		}
		return appendNumeric(dst, v.Bytes(), scale)
	}
}

func appendVarDecimal(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	s := v.Struct()
	if s == nil {
		return dst, wrongType(v, "a struct of scale and value")
	}
	return appendNumeric(dst, s.Field("value").Bytes(), int(s.Field("scale").Int()))
}

// maxScale is what the server's numeric takes after the point. PostgreSQL source, numeric.c, NUMERIC_MAX_RESULT_SCALE is 2000,
// but what is stored may have 16383.
const (
	maxScale = 16383
	minScale = -131072 // digits before the point
)

// appendNumeric writes an unscaled two's complement number and its scale as a numeric.
// Layout: Int16 digits | Int16 weight | Int16 sign (0x4000: negative) | Int16 scale | Int16 per digit in base 10000.
func appendNumeric(dst, unscaled []byte, scale int) ([]byte, error) {
	if scale > maxScale || scale < minScale {
		return dst, fmt.Errorf("a scale of %d is more than numeric takes", scale)
	}
	if len(unscaled) > 8 || scale < 0 {
		return appendBigNumeric(dst, unscaled, scale)
	}
	var n int64
	if len(unscaled) > 0 && unscaled[0] >= 0x80 {
		n = -1
	}
	for _, b := range unscaled {
		n = n<<8 | int64(b)
	}
	var sign uint16
	u := uint64(n)
	if n < 0 {
		sign, u = 0x4000, -u
	}
	pad := (4 - scale%4) % 4 // base 10000 digits are aligned to the point
	if u > math.MaxUint64/powers[pad] {
		return appendBigNumeric(dst, unscaled, scale)
	}
	u *= powers[pad]
	below := (scale + pad) / 4 // digits after the point
	var digits [6]uint16
	count, skipped := 0, 0
	for ; u > 0; u /= 10000 {
		d := uint16(u % 10000)
		if d == 0 && count == 0 {
			skipped++
			continue
		}
		digits[count] = d
		count++
	}
	weight := 0
	if count > 0 {
		weight = count + skipped - below - 1
	} else {
		sign = 0
	}
	dst = appendNumericHeader(dst, count, weight, sign, scale)
	for i := count - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint16(dst, digits[i])
	}
	return dst, nil
}

func appendNumericHeader(dst []byte, count, weight int, sign uint16, scale int) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(count))
	dst = binary.BigEndian.AppendUint16(dst, uint16(int16(weight)))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	return binary.BigEndian.AppendUint16(dst, uint16(scale))
}

// appendBigNumeric is appendNumeric for numbers of any size.
func appendBigNumeric(dst, unscaled []byte, scale int) ([]byte, error) {
	n := schema.Unscaled(unscaled)
	var sign uint16
	if n.Sign() < 0 {
		sign = 0x4000
		n.Neg(n)
	}
	text := n.Append(nil, 10)
	if n.Sign() == 0 {
		text = nil
	}
	for ; scale < 0; scale++ {
		if len(text) > 0 {
			text = append(text, '0')
		}
	}
	for range (4 - scale%4) % 4 {
		text = append(text, '0')
	}
	below := (scale + 3) / 4
	lead := (4 - len(text)%4) % 4
	padded := append(make([]byte, lead, lead+len(text)), text...)
	for i := range lead {
		padded[i] = '0'
	}
	var digits []uint16
	for i := 0; i < len(padded); i += 4 {
		digits = append(digits, uint16(padded[i]-'0')*1000+uint16(padded[i+1]-'0')*100+uint16(padded[i+2]-'0')*10+uint16(padded[i+3]-'0'))
	}
	weight := len(digits) - below - 1
	for len(digits) > 0 && digits[0] == 0 {
		digits, weight = digits[1:], weight-1
	}
	for len(digits) > 0 && digits[len(digits)-1] == 0 {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 {
		weight, sign = 0, 0
	}
	if len(digits) > math.MaxInt16 || weight > math.MaxInt16 {
		return dst, errors.New("the number has more digits than numeric takes")
	}
	dst = appendNumericHeader(dst, len(digits), weight, sign, scale)
	for _, d := range digits {
		dst = binary.BigEndian.AppendUint16(dst, d)
	}
	return dst, nil
}
