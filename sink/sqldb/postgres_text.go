package sqldb

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// appendAsText is the way of every kind into every type: the text that the server's input function reads.
func appendAsText(dst []byte, v schema.Value, c *pgColumn) ([]byte, error) {
	if (c.target.typeID == oidJSON || c.target.typeID == oidJSONB) && c.column.schema.Type != schema.String {
		return appendJSON(dst, v, c.column.schema)
	}
	switch c.target.cast {
	case "hstore":
		switch c.column.kind {
		case kindMap:
			return appendHstore(dst, v)
		case kindJSON, kindText:
			if strings.HasPrefix(v.Text(), "{") {
				return appendHstoreJSON(dst, v.Text())
			}
		}
	case "geometry", "geography":
		if wkb := v.Struct().Field("wkb"); wkb.Type() == schema.Bytes {
			return appendGeometry(dst, v.Struct(), wkb.Bytes()), nil
		}
	case "lseg", "box", "path", "polygon":
		if c.column.kind == kindGeometry {
			return appendGeometric(dst, v.Struct(), c.target.cast)
		}
	}
	if c.column.kind == kindBits {
		return appendBits(dst, v.Bytes(), bitLength(c))
	}
	if c.column.kind == kindArray && c.target.category != 'A' {
		return appendJSON(dst, v, c.column.schema)
	}
	return appendText(dst, v, c.column.schema, c.column.kind, c.target.typeID)
}

// appendNumberText is for integers into numbers of other types.
func appendNumberText(dst []byte, v schema.Value, _ *pgColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt64, math.MaxInt64)
	return strconv.AppendInt(dst, n, 10), err
}

// appendText writes a value of a kind as text. target is the type it is for, 0 for any.
func appendText(dst []byte, v schema.Value, s *schema.Schema, k kind, target uint32) ([]byte, error) {
	switch k {
	case kindDecimal:
		return appendDecimalText(dst, v.Bytes(), scaleOf(s))
	case kindVarDecimal:
		d := v.Struct()
		return appendDecimalText(dst, d.Field("value").Bytes(), int(d.Field("scale").Int()))
	case kindBits:
		n, _ := strconv.Atoi(s.Parameter("length"))
		return appendBits(dst, v.Bytes(), n)
	case kindMicroDuration:
		return append(strconv.AppendInt(dst, v.Int(), 10), " microseconds"...), nil
	case kindNanoDuration:
		return append(strconv.AppendInt(dst, v.Int()/1000, 10), " microseconds"...), nil
	case kindIsoDate, kindIsoTime:
		return append(dst, strings.TrimSuffix(v.Text(), "Z")...), nil
	case kindIsoStamp, kindZonedStamp:
		return appendISOText(dst, v.Text(), k == kindZonedStamp)
	case kindPoint, kindLine, kindCircle:
		return appendShape(dst, v.Struct(), k)
	case kindGeometry, kindGeography:
		return append(dst, hex.EncodeToString(v.Struct().Field("wkb").Bytes())...), nil
	case kindStructDate, kindStructTime, kindStructStamp, kindStructZonedTime, kindStructZonedStamp, kindStructDuration:
		return appendStructured(dst, v.Struct(), k), nil
	case kindSparseVector:
		return appendSparse(dst, v.Struct()), nil
	case kindDoubleVector, kindFloatVector:
		return appendVector(dst, v.Array(), target), nil
	case kindArray:
		return appendArray(dst, v, s)
	case kindMap, kindStruct:
		return appendJSON(dst, v, s)
	}
	if text, ok := appendClock(dst, v, k); ok {
		return text, nil
	}
	return appendPlain(dst, v, k == kindBytes)
}

// appendClock writes dates and times that are numbers.
func appendClock(dst []byte, v schema.Value, k kind) ([]byte, bool) {
	n := v.Int()
	switch k {
	case kindDate:
		switch n {
		case dateInfinitySnapshot, dateInfinityStream:
			return append(dst, "infinity"...), true
		case dateMinusSnapshot, dateMinusStream:
			return append(dst, "-infinity"...), true
		}
		return appendDateText(dst, n), true
	case kindTimeMillis:
		return appendTimeText(dst, n*1000), true
	case kindTimeMicros:
		return appendTimeText(dst, n), true
	case kindTimeNanos:
		return appendTimeText(dst, n/1000), true
	case kindStampMillis, kindStampMicros, kindStampNanos:
		switch {
		case n >= stampInfinity:
			return append(dst, "infinity"...), true
		case n <= stampMinusInfinity:
			return append(dst, "-infinity"...), true
		case k == kindStampMillis:
			n = min(max(n, math.MinInt64/1000), math.MaxInt64/1000) * 1000
		case k == kindStampNanos:
			n = floorDiv(n, 1000)
		}
		return appendStampText(dst, n), true
	}
	return dst, false
}

// appendISOText rewrites an ISO timestamp as the server reads it: years beyond four digits and before the common era differ.
func appendISOText(dst []byte, text string, zoned bool) ([]byte, error) {
	micros, err := parseISOStamp(text)
	switch {
	case err != nil:
		return append(dst, text...), nil // the column may be one of text
	case micros == pgStampInfinity:
		return append(dst, "infinity"...), nil
	case micros == pgStampMinusInfinity:
		return append(dst, "-infinity"...), nil
	case text[0] != '+' && text[0] != '-':
		if !zoned {
			text = strings.TrimSuffix(text, "Z")
		}
		return append(dst, text...), nil
	}
	at := len(dst)
	dst = appendStampText(dst, micros)
	if zoned { // before BC
		if rest, bc := strings.CutSuffix(string(dst[at:]), " BC"); bc {
			return append(append(dst[:at], rest...), "+00 BC"...), nil
		}
		dst = append(dst, "+00"...)
	}
	return dst, nil
}

// appendPlain writes what means what its type says.
func appendPlain(dst []byte, v schema.Value, raw bool) ([]byte, error) {
	switch v.Type() {
	case schema.String:
		return append(dst, v.Text()...), nil
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case schema.Float32:
		return appendFloatText(dst, v.Float64(), 32), nil
	case schema.Float64:
		return appendFloatText(dst, v.Float64(), 64), nil
	case schema.Bytes:
		return hex.AppendEncode(append(dst, `\x`...), v.Bytes()), nil
	}
	return dst, fmt.Errorf("a value of type %s has no text", v.Type())
}

// bitLength is how many bits a column of bits wants: its own number, else the source's, else as many as there are.
func bitLength(c *pgColumn) int {
	if c.target.typeID == oidBit && c.target.modifier > 0 {
		return int(c.target.modifier)
	}
	n, _ := strconv.Atoi(c.column.schema.Parameter("length"))
	return n
}

// appendBits writes bits as 0 and 1, the most significant first; the bytes have the least significant first and lack zeros at the
// end. Without a length (0, or that of an unlimited column) they begin with the highest that is set.
func appendBits(dst, b []byte, length int) ([]byte, error) {
	highest := 0
	for i := len(b)*8 - 1; i >= 0; i-- {
		if b[i/8]>>(i%8)&1 == 1 {
			highest = i + 1
			break
		}
	}
	if length <= 0 || length > 83886080 {
		length = highest
	}
	if highest > length {
		return dst, fmt.Errorf("it has %d bits, the column %d", highest, length)
	}
	for i := length - 1; i >= 0; i-- {
		bit := byte('0')
		if i/8 < len(b) {
			bit += b[i/8] >> (i % 8) & 1
		}
		dst = append(dst, bit)
	}
	return dst, nil
}

// appendArray writes an array literal. Elements are quoted, so that no text is mistaken for syntax.
func appendArray(dst []byte, v schema.Value, s *schema.Schema) ([]byte, error) {
	k := kindOf(s.Elem)
	dst = append(dst, '{')
	for i, e := range v.Array() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.IsNull() {
			dst = append(dst, "NULL"...)
			continue
		}
		var err error
		if k == kindArray {
			if dst, err = appendArray(dst, e, s.Elem); err != nil {
				return dst, err
			}
			continue
		}
		text, err := appendText(nil, e, s.Elem, k, 0)
		if err != nil {
			return dst, err
		}
		dst = appendQuoted(dst, text)
	}
	return append(dst, '}'), nil
}

// appendQuoted quotes an element of an array, or a key or value of an hstore.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, b := range text {
		if b == '"' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}

func appendHstore(dst []byte, v schema.Value) ([]byte, error) {
	for i, e := range v.Map() {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, err := appendPlain(nil, e.Key, false)
		if err != nil {
			return dst, err
		}
		dst = append(appendQuoted(dst, key), "=>"...)
		if e.Value.IsNull() {
			dst = append(dst, "NULL"...)
			continue
		}
		value, err := appendPlain(nil, e.Value, false)
		if err != nil {
			return dst, err
		}
		dst = appendQuoted(dst, value)
	}
	return dst, nil
}

// appendHstoreJSON reads the JSON object that hstore.handling.mode=json makes.
func appendHstoreJSON(dst []byte, text string) ([]byte, error) {
	var object map[string]*string
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return dst, errors.New("it is no JSON object of texts, which an hstore column needs")
	}
	first := true
	for key, value := range object {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendQuoted(dst, []byte(key)), "=>"...)
		if value == nil {
			dst = append(dst, "NULL"...)
		} else {
			dst = appendQuoted(dst, []byte(*value))
		}
	}
	return dst, nil
}

// appendGeometry writes what PostGIS reads: the hexadecimal EWKB, with the SRID in front when the bytes do not have it.
func appendGeometry(dst []byte, g *schema.StructValue, wkb []byte) []byte {
	const sridFlag = 0x20 // of the highest byte of the type. PostGIS manual, "EWKB"
	has := len(wkb) >= 5 && (wkb[0] == 1 && wkb[4]&sridFlag != 0 || wkb[0] == 0 && wkb[1]&sridFlag != 0)
	if srid := g.Field("srid"); !has && !srid.IsNull() {
		dst = append(strconv.AppendInt(append(dst, "SRID="...), srid.Int(), 10), ';')
	}
	return hex.AppendEncode(dst, wkb)
}

// appendShape writes a point (x,y), a line {A,B,C} or a circle <(x,y),r>.
func appendShape(dst []byte, s *schema.StructValue, k kind) ([]byte, error) {
	number := func(dst []byte, s *schema.StructValue, field string) []byte {
		return appendFloatText(dst, s.Field(field).Float64(), 64)
	}
	if s == nil {
		return dst, errors.New("it is no struct")
	}
	point := func(dst []byte, p *schema.StructValue) []byte {
		return append(number(append(number(append(dst, '('), p, "x"), ','), p, "y"), ')')
	}
	switch k {
	case kindPoint:
		return point(dst, s), nil
	case kindLine:
		return append(number(append(number(append(number(append(dst, '{'), s, "a"), ','), s, "b"), ','), s, "c"), '}'), nil
	}
	center := s.Field("center").Struct()
	if center == nil {
		return dst, errors.New("the circle has no center")
	}
	return append(number(append(point(append(dst, '<'), center), ','), s, "radius"), '>'), nil
}

// appendVector writes [1,2,3] for pgvector, {1,2,3} for arrays of floats.
func appendVector(dst []byte, a []schema.Value, target uint32) []byte {
	const oidFloat4Array, oidFloat8Array = 1021, 1022
	open, shut := byte('['), byte(']')
	if target == oidFloat4Array || target == oidFloat8Array {
		open, shut = '{', '}'
	}
	dst = append(dst, open)
	for i, e := range a {
		if i > 0 {
			dst = append(dst, ',')
		}
		bits := 64
		if e.Type() == schema.Float32 {
			bits = 32
		}
		dst = appendFloatText(dst, e.Float64(), bits)
	}
	return append(dst, shut)
}

// appendSparse writes {1:0.5,3:2}/5 for pgvector.
func appendSparse(dst []byte, s *schema.StructValue) []byte {
	dst = append(dst, '{')
	for i, e := range s.Field("vector").Map() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(strconv.AppendInt(dst, e.Key.Int(), 10), ':')
		dst = appendFloatText(dst, e.Value.Float64(), 64)
	}
	return strconv.AppendInt(append(dst, "}/"...), s.Field("dimensions").Int(), 10)
}
