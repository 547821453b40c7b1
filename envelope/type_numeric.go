package envelope

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// variableScaleSchema is a numeric without declared scale.
var variableScaleSchema = structure("io.debezium.data.VariableScaleDecimal", 1, "Variable scaled decimal",
	field("scale", schema.Of(schema.Int32)),
	field("value", bytesSchema))

// numericTypmod splits the modifier of a numeric: precision in the upper half, scale in the lower. PostgreSQL 15 keeps a negative
// scale in eleven bits; the JDBC driver does not sign-extend it, so scale -2 becomes 2046 in Debezium, and here.
func numericTypmod(mod int32) (precision, scale int) {
	if mod < 4 {
		return 0, 0
	}
	return int(uint32(mod-4) >> 16), int(uint32(mod-4) & 0xffff)
}

// numericPlan: numeric. An array with NaN or infinity has no form in any mode.
func (e *Encoder) numericPlan(mod int32, element bool) *typePlan {
	tp := e.scalarNumericPlan(mod)
	tp.special = true
	if !element || e.cfg.Decimals == DecimalsPrecise {
		return tp
	}
	write := tp.write
	tp.write = func(s *scratch, text []byte, w schema.Writer) error {
		if n := len(text); n > 0 && (text[n-1] == 'N' || text[n-1] == 'y') {
			return errSpecialNumber
		}
		return write(s, text, w)
	}
	return tp
}

func (e *Encoder) scalarNumericPlan(mod int32) *typePlan {
	precision, scale := numericTypmod(mod)
	variable := mod < 4
	tp := &typePlan{nullable: true, call: "0.0"}
	switch {
	case e.cfg.Decimals == DecimalsDouble:
		tp.schema, tp.write, tp.fallback = float64Schema, writeFloat64, schema.OfFloat64(0)
	case e.cfg.Decimals == DecimalsString:
		tp.schema, tp.unchanged = stringSchema, schema.OfString(e.placeholder)
		tp.write = writePlain(scale, variable)
		tp.fallback = defaultOf(tp, "0")
	case variable:
		tp.schema, tp.write = variableScaleSchema, writeVariableScale
		tp.fallback = defaultOf(tp, "0")
	default:
		tp.schema = schema.Decimal(scale).WithParameter(schema.PrecisionParameter, strconv.Itoa(precision))
		tp.write = func(s *scratch, text []byte, w schema.Writer) error { return writeDecimal(s, text, scale, w) }
		tp.fallback = defaultOf(tp, "0")
	}
	if tp.schema.Type == schema.Struct {
		return tp // no defaults: a struct is none to Debezium
	}
	tp.literal = func(text string) (schema.Value, bool) {
		if _, err := parseDecimal([]byte(text)); err != nil || !variable && fractionDigits(text) > scale {
			return schema.NullValue, false
		}
		v := defaultOf(tp, text)
		return v, !v.IsNull()
	}
	return tp
}

// defaultOf is the value of a text, null when it has none.
func defaultOf(tp *typePlan, text string) schema.Value {
	v, err := build(tp.schema, func(w schema.Writer) error { return tp.write(new(scratch), []byte(text), w) })
	if err != nil {
		return schema.NullValue
	}
	return v
}

// fractionDigits counts the digits after the point but for trailing zeros.
func fractionDigits(text string) int {
	i := bytes.IndexByte([]byte(text), '.')
	if i < 0 {
		return 0
	}
	n := len(text) - i - 1
	for n > 0 && text[i+n] == '0' {
		n--
	}
	return n
}

// decimal is a number's text taken apart: sign, digits before and digits after the point.
type decimal struct {
	negative       bool
	whole, decimal []byte
}

// parseDecimal reads [-]digits[.digits], the only form the server prints beside NaN, Infinity and -Infinity.
func parseDecimal(text []byte) (decimal, error) {
	var d decimal
	if len(text) > 0 && text[0] == '-' {
		d.negative = true
		text = text[1:]
	}
	d.whole = text
	if i := bytes.IndexByte(text, '.'); i >= 0 {
		d.whole, d.decimal = text[:i], text[i+1:]
	}
	if len(d.whole)+len(d.decimal) == 0 {
		return d, errMalformed
	}
	for _, part := range [2][]byte{d.whole, d.decimal} {
		for _, c := range part {
			if c < '0' || c > '9' {
				if string(d.whole) == "NaN" || string(d.whole) == "Infinity" {
					return d, errSpecialNumber
				}
				return d, errMalformed
			}
		}
	}
	for len(d.whole) > 0 && d.whole[0] == '0' {
		d.whole = d.whole[1:]
	}
	return d, nil
}

// trim drops zeros at the end of the fraction.
func (d *decimal) trim() {
	for len(d.decimal) > 0 && d.decimal[len(d.decimal)-1] == '0' {
		d.decimal = d.decimal[:len(d.decimal)-1]
	}
}

// fit makes the fraction at most scale digits; false when that would cut digits other than zero.
func (d *decimal) fit(scale int) bool {
	for _, c := range d.decimal[min(scale, len(d.decimal)):] {
		if c != '0' {
			return false
		}
	}
	d.decimal = d.decimal[:min(scale, len(d.decimal))]
	return true
}

func writeDecimal(s *scratch, text []byte, scale int, w schema.Writer) error {
	d, err := parseDecimal(text)
	if err != nil {
		return err
	}
	if !d.fit(scale) {
		return errOutOfRange
	}
	s.buf = s.appendUnscaled(s.buf[:0], d, scale)
	w.Bytes(s.buf)
	return nil
}

func writeVariableScale(s *scratch, text []byte, w schema.Writer) error {
	d, err := parseDecimal(text)
	if err != nil {
		return err
	}
	d.trim()
	s.buf = s.appendUnscaled(s.buf[:0], d, len(d.decimal))
	w.BeginStruct()
	w.Int(int64(len(d.decimal)))
	w.Bytes(s.buf)
	w.EndStruct()
	return nil
}

// Powers of ten: what the fast ways of appendUnscaled multiply by.
var powers = func() (p [19]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// appendUnscaled appends d × 10^scale, two's complement, big-endian, in as few bytes as hold it: java.math.BigInteger.toByteArray.
// d has at most scale digits in its fraction. Up to 38 digits are computed in 128 bits.
func (s *scratch) appendUnscaled(dst []byte, d decimal, scale int) []byte {
	pad := scale - len(d.decimal)
	if len(d.whole)+scale > 38 {
		return s.appendBig(dst, d, pad)
	}
	var hi, lo uint64
	push := func(digits []byte) {
		for len(digits) > 0 {
			n := min(len(digits), 18)
			var chunk uint64
			for _, c := range digits[:n] {
				chunk = chunk*10 + uint64(c-'0')
			}
			hi, lo = mulAdd(hi, lo, powers[n], chunk)
			digits = digits[n:]
		}
	}
	push(d.whole)
	push(d.decimal)
	for pad > 0 {
		n := min(pad, 18)
		hi, lo = mulAdd(hi, lo, powers[n], 0)
		pad -= n
	}
	if d.negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	if (hi == 0 && lo <= math.MaxInt64) || (hi == math.MaxUint64 && lo > math.MaxInt64) {
		return appendInt64(dst, int64(lo))
	}
	n := len(dst)
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, hi), lo)
	return append(dst[:n], shorten(dst[n:])...)
}

// mulAdd is (hi, lo) × m + a. The caller's numbers stay below 10^38 < 2^127.
func mulAdd(hi, lo, m, a uint64) (uint64, uint64) {
	over, low := bits.Mul64(lo, m)
	low, carry := bits.Add64(low, a, 0)
	return hi*m + over + carry, low
}

// appendInt64 appends v, two's complement, big-endian, in as few bytes as hold it.
func appendInt64(dst []byte, v int64) []byte {
	n := 8
	for n > 1 && v>>(8*(n-1)-1) == v>>63 { // the byte and the sign bit below it say nothing
		n--
	}
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

// shorten drops leading bytes that only repeat the sign.
func shorten(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// appendBig is appendUnscaled for numbers of any length.
func (s *scratch) appendBig(dst []byte, d decimal, pad int) []byte {
	s.flat = append(append(s.flat[:0], d.whole...), d.decimal...)
	for range pad {
		s.flat = append(s.flat, '0')
	}
	if len(s.flat) == 0 {
		s.flat = append(s.flat, '0')
	}
	s.big.SetString(string(s.flat), 10)
	if !d.negative || s.big.Sign() == 0 {
		if s.big.BitLen()%8 == 0 {
			dst = append(dst, 0) // room for the sign
		}
		return append(dst, s.big.Bytes()...)
	}
	// two's complement of n bytes is 2^(8n) - |x|; |x| - 1 must fit in 8n - 1 bits
	s.big.Sub(&s.big, big.NewInt(1))
	n := s.big.BitLen()/8 + 1
	at := len(dst)
	for range n {
		dst = append(dst, 0)
	}
	s.big.FillBytes(dst[at:])
	for i := at; i < len(dst); i++ {
		dst[i] = ^dst[i]
	}
	return dst
}

// Texts of special numbers in decimal.handling.mode string: names of Debezium's constants.
const (
	textNaN              = "NAN"
	textPositiveInfinity = "POSITIVE_INFINITY"
	textNegativeInfinity = "NEGATIVE_INFINITY"
)

// writePlain writes a number's text padded to its scale; of an open scale, as it is.
func writePlain(scale int, variable bool) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		d, err := parseDecimal(text)
		if err == errSpecialNumber {
			switch {
			case text[0] == 'N':
				w.String(textNaN)
			case text[0] == '-':
				w.String(textNegativeInfinity)
			default:
				w.String(textPositiveInfinity)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if variable {
			w.Text(text)
			return nil
		}
		if !d.fit(scale) {
			return errOutOfRange
		}
		s.buf = d.appendPlain(s.buf[:0], scale)
		w.Text(s.buf)
		return nil
	}
}

// appendPlain appends d with exactly scale digits after the point.
func (d *decimal) appendPlain(dst []byte, scale int) []byte {
	if d.negative {
		dst = append(dst, '-')
	}
	if len(d.whole) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, d.whole...)
	if scale == 0 {
		return dst
	}
	dst = append(append(dst, '.'), d.decimal...)
	for range scale - len(d.decimal) {
		dst = append(dst, '0')
	}
	return dst
}
