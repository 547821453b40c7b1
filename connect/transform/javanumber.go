package transform

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// decimal is a java.math.BigDecimal.
type decimal struct {
	unscaled *big.Int
	scale    int
}

// mostDigits bounds the digits of a decimal that is written out: no number that somebody means has more, and 1e999999999 would fill the memory.
const mostDigits = 100_000

// parseDecimal reads a text as the constructor of BigDecimal does. The Failure is its exception.
func parseDecimal(text string) (decimal, *Failure) {
	digits, exponent := text, ""
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		digits, exponent = text[:at], text[at+1:]
		if !signedDigits(exponent) {
			return decimal{}, fail(numberFormat, "")
		}
	}
	sign := ""
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		sign, digits = digits[:1], digits[1:]
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	for _, c := range whole + fraction {
		switch {
		case c == '.' && dotted:
			return decimal{}, fail(numberFormat, "Character array contains more than one decimal point.")
		case c < '0' || c > '9':
			return decimal{}, fail(numberFormat, "Character %c is neither a decimal digit number, decimal point, nor \"e\" notation exponential mark.", c)
		}
	}
	if whole+fraction == "" {
		return decimal{}, fail(numberFormat, "No digits found.")
	}
	d := decimal{new(big.Int), len(fraction)}
	d.unscaled.SetString(sign+whole+fraction, 10)
	if exponent != "" {
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil || int64(d.scale)-n != int64(int32(int64(d.scale)-n)) {
			return decimal{}, fail(numberFormat, "Scale out of range.")
		}
		d.scale -= int(n)
	}
	return d, nil
}

func signedDigits(text string) bool {
	if text != "" && (text[0] == '+' || text[0] == '-') {
		text = text[1:]
	}
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// decimalOf is the number of a value that isDecimal.
func decimalOf(s *schema.Schema, v schema.Value) decimal {
	d := decimal{schema.Unscaled(v.Bytes()), v.Scale()}
	if s != nil {
		d.scale, _ = strconv.Atoi(s.Parameter(schema.ScaleParameter)) // without it is 0
	}
	return d
}

// int64 is BigDecimal.longValue: what stands behind the point is cut off, then the low 64 bits stay.
func (d decimal) int64() int64 {
	n := d.unscaled
	switch {
	case d.scale <= -64: // a multiple of 2^64
		return 0
	case d.scale < 0:
		n = new(big.Int).Mul(n, pow10(-d.scale))
	case d.scale > n.BitLen(): // less than 1
		return 0
	case d.scale > 0:
		n = new(big.Int).Quo(n, pow10(d.scale))
	}
	low := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)) // of a negative number in two's complement
	return int64(low.Uint64())
}

// float64 is BigDecimal.doubleValue.
func (d decimal) float64() float64 {
	f, _ := strconv.ParseFloat(d.unscaled.String()+"e"+strconv.Itoa(-d.scale), 64) // beyond the range it is infinite
	return f
}

// float32 is BigDecimal.floatValue.
func (d decimal) float32() float32 {
	f, _ := strconv.ParseFloat(d.unscaled.String()+"e"+strconv.Itoa(-d.scale), 32)
	return float32(f)
}

// bytes is the unscaled number as BigInteger.toByteArray gives it.
func (d decimal) bytes() []byte { return java.AppendBigInteger(nil, d.unscaled) }

// withScale is the same number of another scale; exact is false when that would lose digits.
func (d decimal) withScale(scale int) (_ decimal, exact bool) {
	switch {
	case scale == d.scale:
		return d, true
	case scale > d.scale:
		if scale-d.scale > mostDigits {
			return decimal{}, false
		}
		return decimal{new(big.Int).Mul(d.unscaled, pow10(scale-d.scale)), scale}, true
	case d.scale-scale > d.unscaled.BitLen() && d.unscaled.Sign() != 0:
		return decimal{}, false
	case d.unscaled.Sign() == 0:
		return decimal{d.unscaled, scale}, true
	}
	q, rest := new(big.Int).QuoRem(d.unscaled, pow10(d.scale-scale), new(big.Int))
	return decimal{q, scale}, rest.Sign() == 0
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// narrow is Java's conversion of a long to a narrower integer: the low bits stay.
func narrow(t schema.Type, n int64) int64 {
	switch t {
	case schema.Int8:
		return int64(int8(n))
	case schema.Int16:
		return int64(int16(n))
	case schema.Int32:
		return int64(int32(n))
	}
	return n
}

// integerOf is Java's conversion of a floating-point number to an integer: NaN is 0, what is too large the largest. Narrow types go by way of int.
func integerOf(t schema.Type, f float64) int64 {
	switch {
	case f != f:
		return 0
	case t == schema.Int64 && f >= math.MaxInt64:
		return math.MaxInt64
	case t == schema.Int64 && f <= math.MinInt64:
		return math.MinInt64
	case t == schema.Int64:
		return int64(f)
	}
	return narrow(t, int64(max(min(f, math.MaxInt32), math.MinInt32)))
}

// parseInteger reads a text as Byte.parseByte, Short.parseShort, Integer.parseInt and Long.parseLong do.
func parseInteger(t schema.Type, text string) (int64, *Failure) {
	n, err := strconv.ParseInt(asciiDigits(text), 10, map[schema.Type]int{schema.Int8: 32, schema.Int16: 32, schema.Int32: 32}[t])
	switch {
	case err != nil || strings.Contains(text, "_"):
		return 0, fail(numberFormat, "For input string: \"%s\"", text)
	case t < schema.Int32 && !schema.FitsInt(t, n):
		return 0, fail(numberFormat, "Value out of range. Value:\"%s\" Radix:10", text)
	}
	return n, nil
}

// asciiDigits writes the decimal digits of all scripts, which Java reads, as ours.
func asciiDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && unicode.Is(unicode.Nd, r) {
			zero := r
			for unicode.Is(unicode.Nd, zero-1) && r-zero < 9 {
				zero--
			}
			return '0' + (r - zero)
		}
		return r
	}, text)
}

// parseFloat reads a text as Float.parseFloat and Double.parseDouble do: blanks around it, an f or d behind it, hexadecimal with p, NaN and Infinity.
func parseFloat(text string, bits int) (float64, *Failure) {
	trimmed := strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	if trimmed == "" {
		return 0, fail(numberFormat, "empty String")
	}
	refused := fail(numberFormat, "For input string: \"%s\"", text)
	unsigned := strings.TrimPrefix(trimmed, "-")
	if unsigned == trimmed {
		unsigned = strings.TrimPrefix(trimmed, "+")
	}
	if unsigned == "NaN" {
		return math.NaN(), nil
	}
	if unsigned == "Infinity" {
		if trimmed[0] == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}
	number := strings.TrimRight(trimmed, "fFdD")
	hexadecimal := len(unsigned) > 2 && unsigned[0] == '0' && (unsigned[1] == 'x' || unsigned[1] == 'X')
	if hexadecimal {
		mantissa, exponent, ok := cutAny(trimmed, "pP")
		number = mantissa + "p" + strings.TrimRight(exponent, "fFdD")
		if !ok || len(exponent) > len(strings.TrimRight(exponent, "fFdD"))+1 {
			return 0, refused
		}
	} else if len(trimmed)-len(number) > 1 || number == "" || strings.Trim(unsigned, "0123456789.eE+-fFdD") != "" {
		return 0, refused
	}
	f, err := strconv.ParseFloat(number, bits)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.Contains(text, "_") {
		return 0, refused
	}
	return f, nil
}

func cutAny(text, chars string) (before, after string, found bool) {
	if at := strings.IndexAny(text, chars); at >= 0 {
		return text[:at], text[at+1:], true
	}
	return text, "", false
}
