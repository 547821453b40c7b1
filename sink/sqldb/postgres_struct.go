package sqldb

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// appendStructured writes Debezium's structured dates and times (time.precision.mode=structured).
func appendStructured(dst []byte, s *schema.StructValue, k kind) []byte {
	switch s.Field("specialValue").Text() {
	case "POSITIVE_INFINITY":
		return append(dst, "infinity"...)
	case "NEGATIVE_INFINITY":
		return append(dst, "-infinity"...)
	}
	n := func(field string) int64 { return s.Field(field).Int() }
	clock := func(dst []byte) []byte {
		return appendTimeText(dst, ((n("hour")*60+n("minute"))*60+n("second"))*1e6+n("nanos")/1000)
	}
	switch k {
	case kindStructTime:
		return clock(dst)
	case kindStructZonedTime:
		return appendOffset(clock(dst), n("offsetSeconds"))
	case kindStructDuration:
		seconds, nanos := n("seconds"), n("nanos")
		dst = fmt.Appendf(dst, "P%dY%dM%dDT%dH%dM", n("years"), n("months"), n("days"), n("hours"), n("minutes"))
		micros := seconds*1e6 + nanos/1000
		if micros < 0 {
			dst, micros = append(dst, '-'), -micros
		}
		return fmt.Appendf(dst, "%d.%06dS", micros/1e6, micros%1e6)
	}
	year := n("year")
	dst = appendYMD(dst, year, n("month"), n("day"))
	if k != kindStructDate {
		dst = clock(append(dst, ' '))
	}
	if k == kindStructZonedStamp {
		dst = appendOffset(dst, n("offsetSeconds"))
	}
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendOffset writes ±hh:mm:ss.
func appendOffset(dst []byte, seconds int64) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	dst = appendPadded(append(dst, sign), seconds/3600, 2)
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	return appendPadded(append(dst, ':'), seconds%60, 2)
}

// appendJSON writes a value as a JSON document: what has no column type of its own, and what goes into a json column.
func appendJSON(dst []byte, v schema.Value, s *schema.Schema) ([]byte, error) {
	switch v.Type() {
	case schema.Invalid:
		return append(dst, "null"...), nil
	case schema.Array:
		return appendJSONArray(dst, v.Array(), s)
	case schema.Map:
		return appendJSONMap(dst, v.Map(), s)
	case schema.Bytes:
		if kindOf(s) == kindBytes {
			dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"')
			return dst, nil
		}
	case schema.Struct:
		if kindOf(s) == kindStruct {
			return appendJSONStruct(dst, v.Struct(), s)
		}
	case schema.Float32, schema.Float64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(appendFloatText(append(dst, '"'), f, 64), '"'), nil
		}
		return appendPlain(dst, v, false)
	case schema.Boolean:
		return appendPlain(dst, v, false)
	}
	k := kindOf(s)
	if k == kindJSON && json.Valid([]byte(v.Text())) {
		return append(dst, v.Text()...), nil
	}
	text, err := appendText(nil, v, s, k, 0)
	if err != nil {
		return dst, err
	}
	if k == kindInt || k == kindDecimal || k == kindVarDecimal {
		return append(dst, text...), nil
	}
	return appendJSONString(dst, string(text))
}

func appendJSONString(dst []byte, text string) ([]byte, error) {
	quoted, err := json.Marshal(text)
	return append(dst, quoted...), err
}

func appendJSONArray(dst []byte, a []schema.Value, s *schema.Schema) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, e := range a {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, e, s.Elem); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONMap(dst []byte, m []schema.Entry, s *schema.Schema) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, e := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, err := appendText(nil, e.Key, s.Key, kindOf(s.Key), 0)
		if err != nil {
			return dst, err
		}
		if dst, err = appendJSONString(dst, string(key)); err != nil {
			return dst, err
		}
		if dst, err = appendJSON(append(dst, ':'), e.Value, s.Elem); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendJSONStruct(dst []byte, v *schema.StructValue, s *schema.Schema) (_ []byte, err error) {
	if len(v.Values) != len(s.Fields) {
		return dst, errors.New("the struct has not the fields of its schema")
	}
	dst = append(dst, '{')
	for i := range s.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSONString(dst, s.Fields[i].Name); err != nil {
			return dst, err
		}
		if dst, err = appendJSON(append(dst, ':'), v.Values[i], s.Fields[i].Schema); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendGeometric writes the text of a lseg, box, path or polygon from the WKB that Debezium makes of it.
func appendGeometric(dst []byte, g *schema.StructValue, as string) ([]byte, error) {
	points, err := readWKB(g.Field("wkb").Bytes())
	if err != nil {
		return dst, err
	}
	open, shut := byte('('), byte(')')
	switch {
	case as == "lseg" && len(points) == 2:
		open, shut = '[', ']'
	case as == "box" && len(points) == 5: // its corners around, the first again at the end
		points = [][2]float64{points[0], points[2]}
	case as == "path":
		if !isClosed(g) {
			open, shut = '[', ']'
		}
	case as == "polygon" && len(points) > 1:
		points = points[:len(points)-1]
	default:
		return dst, fmt.Errorf("the geometry has %d points, which makes no %s", len(points), as)
	}
	dst = append(dst, open)
	for i, p := range points {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloatText(append(dst, '('), p[0], 64)
		dst = append(appendFloatText(append(dst, ','), p[1], 64), ')')
	}
	return append(dst, shut), nil
}

func isClosed(g *schema.StructValue) bool {
	for _, e := range g.Field("extensions").Map() {
		if e.Key.Text() == "closed" {
			return e.Value.Text() == "true"
		}
	}
	return false
}

// readWKB reads the points of a line string or of the only ring of a polygon.
// Layout: byte order | Int32 type (2: line string, 3: polygon, which has Int32 rings first) | Int32 points | per point two float64.
func readWKB(b []byte) ([][2]float64, error) {
	bad := errors.New("the geometry's wkb is no line string and no polygon of one ring")
	if len(b) < 9 || b[0] > 1 {
		return nil, bad
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 1 {
		order = binary.LittleEndian
	}
	kind := order.Uint32(b[1:])
	b = b[5:]
	if kind == 3 {
		if order.Uint32(b) != 1 || len(b) < 8 {
			return nil, bad
		}
		b = b[4:]
	} else if kind != 2 {
		return nil, bad
	}
	n := int(order.Uint32(b))
	if b = b[4:]; n > len(b)/16 {
		return nil, bad
	}
	points := make([][2]float64, n)
	for i := range points {
		points[i] = [2]float64{math.Float64frombits(order.Uint64(b[16*i:])), math.Float64frombits(order.Uint64(b[16*i+8:]))}
	}
	return points, nil
}

// appendDecimalText writes an unscaled number with its point.
func appendDecimalText(dst, unscaled []byte, scale int) ([]byte, error) {
	if scale > maxScale || scale < minScale {
		return dst, fmt.Errorf("a scale of %d is more than numeric takes", scale)
	}
	var digits [20]byte
	text, negative := unscaledText(digits[:0], unscaled)
	if negative {
		dst = append(dst, '-')
	}
	if scale <= 0 {
		dst = append(dst, text...)
		for ; scale < 0 && string(text) != "0"; scale++ {
			dst = append(dst, '0')
		}
		return dst, nil
	}
	if len(text) > scale {
		dst = append(dst, text[:len(text)-scale]...)
		return append(append(dst, '.'), text[len(text)-scale:]...), nil
	}
	dst = append(dst, "0."...)
	for range scale - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...), nil
}

// unscaledText appends the digits of a two's complement number. Those of eight bytes or fewer, nearly all there are, take no memory.
func unscaledText(dst, unscaled []byte) (digits []byte, negative bool) {
	if len(unscaled) > 8 {
		n := schema.Unscaled(unscaled)
		negative = n.Sign() < 0
		return n.Abs(n).Append(dst, 10), negative
	}
	var n int64
	if len(unscaled) > 0 && unscaled[0] >= 0x80 {
		n = -1
	}
	for _, b := range unscaled {
		n = n<<8 | int64(b)
	}
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	return strconv.AppendUint(dst, u, 10), n < 0
}

// appendFloatText writes the shortest text that reads as the same number.
func appendFloatText(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}
