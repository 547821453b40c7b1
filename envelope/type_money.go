package envelope

import (
	"bytes"

	"github.com/tandem-cdc/tandem/schema"
)

// moneyPlan: money. Its text depends on lc_monetary; as Debezium's, the reader takes away currency, commas and parentheses and
// takes a point for the decimal point.
func (e *Encoder) moneyPlan() *typePlan {
	digits := e.cfg.MoneyDigits
	tp := &typePlan{}
	switch e.cfg.Decimals {
	case DecimalsDouble:
		tp.schema, tp.fallback = float64Schema, schema.OfFloat64(0)
		tp.write = func(s *scratch, text []byte, w schema.Writer) error {
			if err := s.parseMoney(text); err != nil {
				return err
			}
			return writeFloat64(s, s.flat, w)
		}
	case DecimalsString:
		zero := decimal{}
		tp.schema, tp.fallback = stringSchema, schema.OfString(string(zero.appendPlain(nil, digits)))
		tp.write = func(s *scratch, text []byte, w schema.Writer) error {
			if err := s.parseMoney(text); err != nil {
				return err
			}
			w.Text(s.flat)
			return nil
		}
	default:
		tp.schema, tp.fallback = schema.Decimal(digits), schema.OfBytes([]byte{0})
		tp.write = func(s *scratch, text []byte, w schema.Writer) error {
			if err := s.parseMoney(text); err != nil {
				return err
			}
			s.roundHalfUp(digits)
			return writeDecimal(s, s.flat, digits, w)
		}
	}
	return tp
}

// parseMoney leaves [-]digits[.digits] in s.flat.
func (s *scratch) parseMoney(text []byte) error {
	out := s.flat[:0]
	if bytes.IndexByte(text, '-') >= 0 || bytes.IndexByte(text, '(') >= 0 {
		out = append(out, '-')
	}
	for _, c := range text {
		if c >= '0' && c <= '9' || c == '.' {
			out = append(out, c)
		}
	}
	s.flat = out
	_, err := parseDecimal(out)
	return err
}

// roundHalfUp cuts the fraction of s.flat to scale digits, away from zero at a half.
func (s *scratch) roundHalfUp(scale int) {
	point := bytes.IndexByte(s.flat, '.')
	if point < 0 || len(s.flat)-point-1 <= scale {
		return
	}
	up := s.flat[point+1+scale] >= '5'
	s.flat = s.flat[:point+1+scale]
	if scale == 0 {
		s.flat = s.flat[:point]
	}
	for i := len(s.flat) - 1; up && i >= 0; i-- {
		switch c := s.flat[i]; {
		case c == '.':
		case c == '9':
			s.flat[i] = '0'
		case c == '-':
			s.flat = append(s.flat[:1], append([]byte{'1'}, s.flat[1:]...)...)
			return
		default:
			s.flat[i]++
			return
		}
	}
	if up {
		s.flat = append([]byte{'1'}, s.flat...)
	}
}
