package envelope

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// arrayPlan: arrays. Debezium has no form for arrays of some types: nil.
func (e *Encoder) arrayPlan(t *cdc.Type, mod int32) *typePlan {
	elem, ok := e.types.Type(t.Elem)
	if !ok {
		return e.unknownPlan()
	}
	if t.OID == oidInt2vector || t.OID == oidOidvector {
		return vectorOfIntegers(elem.OID)
	}
	switch elem.OID {
	case oidMoney, oidName, oidInterval, oidVarbit, oidXML, oidPoint, oidRefcursor:
		return nil
	case oidBit:
		// The schema is that of one bit string, which holds no list: values are always null.
		tp := *bitPlan(oidBit, mod)
		tp.write, tp.literal = writeNothing, nil
		tp.length, tp.scale = columnSize(oidBit, mod)
		return &tp
	}
	ep := e.elementPlan(t, elem, mod)
	if ep == nil {
		return nil
	}
	es := ep.schema
	if ep.nullable {
		es = optional(es)
	}
	length, scale := columnSize(elem.OID, mod)
	tp := &typePlan{schema: schema.ArrayOf(es), fallback: schema.OfArray([]schema.Value{}), length: length, scale: scale}
	tp.write = writeArray(ep, e.delimiter(elem))
	tp.unchanged = e.unchangedArray(elem.OID, es)
	if elem.Name == "sparsevec" {
		tp.write = writeNothing
	}
	return tp
}

// vectorOfIntegers: int2vector and oidvector. They are arrays to Debezium, but their text has no braces: it finds nothing in it.
func vectorOfIntegers(elem uint32) *typePlan {
	tp := &typePlan{schema: schema.ArrayOf(integerPlan(elem).schema), fallback: schema.OfArray([]schema.Value{}), length: unlimited, total: true}
	tp.write = func(_ *scratch, _ []byte, w schema.Writer) error {
		w.BeginArray(0)
		w.EndArray()
		return nil
	}
	return tp
}

// writeNothing is for columns whose schema holds none of their values.
func writeNothing(*scratch, []byte, schema.Writer) error { return errUnsupported }

// elementPlan plans the elements of an array. Domains are not resolved there: those over enums have no labels, the others no form.
func (e *Encoder) elementPlan(t, elem *cdc.Type, mod int32) *typePlan {
	switch {
	case elem.Kind == 'e':
		return e.enumPlan(e.arrayLabels(t, elem))
	case elem.Kind == 'd' && elem.Category == 'E':
		ep := e.enumPlan(nil)
		ep.inner = javaObject
		return ep
	case elem.Kind == 'd' || elem.Category == 'A':
		return e.unknownPlan()
	}
	switch elem.OID {
	case oidLine, oidLseg, oidBox, oidPath, oidPolygon, oidCircle:
		// The struct of an element never is of the schema that the array has for it.
		ep := geometricPlan(elem.OID)
		ep.write, ep.nullable = writeNothing, true
		return ep
	}
	if ep := e.scalarPlan(elem, mod, true); ep != nil {
		return ep
	}
	return e.unknownPlan()
}

// delimiter is pg_type.typdelim: a comma for all types but box and those of PostGIS. A domain has that of its base.
func (e *Encoder) delimiter(elem *cdc.Type) byte {
	for elem.Kind == 'd' {
		base, ok := e.types.Type(elem.Base)
		if !ok || base == elem {
			break
		}
		elem = base
	}
	switch {
	case elem.OID == oidBox:
		return ';'
	case elem.Name == "geometry" || elem.Name == "geography":
		return ':'
	}
	return ','
}

// unchangedArray is what stands for an array that the server did not send: one placeholder, or its bytes as numbers.
func (e *Encoder) unchangedArray(elem uint32, es *schema.Schema) schema.Value {
	list := func(v ...schema.Value) schema.Value { return schema.OfArray(v) }
	switch elem {
	case oidText, oidVarchar, oidBpchar, oidJSON, oidJSONB:
		return list(schema.OfString(e.placeholder))
	case oidBytea:
		if es.Type == schema.Bytes {
			return list(schema.OfBytes(e.placeholderBytes))
		}
	case oidUUID:
		return list(schema.OfString(nameUUID(e.placeholderBytes)))
	case oidInt4, oidInt8, oidDate:
		if es.Type != schema.Int32 && es.Type != schema.Int64 || es.Name == schema.Date().Name { // Connect's date is no number in Java
			return schema.NullValue
		}
		var numbers []schema.Value
		for _, b := range e.placeholderBytes {
			numbers = append(numbers, schema.OfInt(es.Type, int64(int8(b))))
		}
		return list(numbers...)
	}
	return schema.NullValue
}

// nameUUID is java.util.UUID.nameUUIDFromBytes: version 3 of the bytes without a name space.
func nameUUID(name []byte) string {
	sum := md5.Sum(name)
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	digits := hex.EncodeToString(sum[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

// element is what arrayReader found: null, an inner array, or a text.
type element struct {
	null  bool
	inner int    // how many arrays stand inside of each other, 0 when it is none
	text  []byte // of an array with its braces; lives until the next element
}

// arrayReader takes an array's text apart. Manual, section "Array Input and Output Syntax": {a,"b \"c\"",NULL,{…}}, with the bounds
// [l:u]= before it when they do not begin at 1.
type arrayReader struct {
	rest      []byte
	delimiter byte
	first     bool
	done      bool
}

func readArray(text []byte, delimiter byte) (arrayReader, bool) {
	if len(text) > 0 && text[0] == '[' {
		i := bytes.IndexByte(text, '=')
		if i < 0 {
			return arrayReader{}, false
		}
		text = text[i+1:]
	}
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return arrayReader{}, false
	}
	return arrayReader{rest: text[1 : len(text)-1], delimiter: delimiter, first: true}, true
}

// next returns the next element; more is false after the last one, ok is false for malformed text.
func (r *arrayReader) next(s *scratch) (e element, more, ok bool) {
	if r.done || r.first && len(r.rest) == 0 {
		return e, false, true
	}
	r.first = false
	switch {
	case len(r.rest) > 0 && r.rest[0] == '"':
		e.text, ok = r.quoted(s)
	case len(r.rest) > 0 && r.rest[0] == '{':
		e.text = r.rest
		e.inner, ok = r.skipInner()
		e.text = e.text[:len(e.text)-len(r.rest)]
	default:
		e.text, ok = r.bare(s)
		e.null = ok && string(e.text) == "NULL" && len(e.text) == 4
	}
	if !ok {
		return e, false, false
	}
	if len(r.rest) == 0 {
		r.done = true
		return e, true, true
	}
	if r.rest[0] != r.delimiter || len(r.rest) == 1 {
		return e, false, false
	}
	r.rest = r.rest[1:]
	return e, true, true
}

// quoted reads a quoted element and what its backslashes quote.
func (r *arrayReader) quoted(s *scratch) ([]byte, bool) {
	in := r.rest[1:]
	if i := bytes.IndexAny(in, `"\`); i >= 0 && in[i] == '"' { // nothing is escaped: no copy
		r.rest = in[i+1:]
		return in[:i], true
	}
	s.element = s.element[:0]
	for i := 0; i < len(in); i++ {
		switch in[i] {
		case '"':
			r.rest = in[i+1:]
			return s.element, true
		case '\\':
			if i++; i == len(in) {
				return nil, false
			}
		}
		s.element = append(s.element, in[i])
	}
	return nil, false
}

// bare reads an element without quotes, which may have backslashes all the same.
func (r *arrayReader) bare(s *scratch) ([]byte, bool) {
	end := 0
	for end < len(r.rest) && r.rest[end] != r.delimiter && r.rest[end] != '\\' {
		switch r.rest[end] {
		case '{', '}', '"':
			return nil, false
		}
		end++
	}
	if end == len(r.rest) || r.rest[end] != '\\' {
		text := r.rest[:end]
		r.rest = r.rest[end:]
		return text, len(text) > 0
	}
	s.element = append(s.element[:0], r.rest[:end]...)
	for i := end; i < len(r.rest); i++ {
		c := r.rest[i]
		if c == r.delimiter {
			r.rest = r.rest[i:]
			return s.element, true
		}
		if c == '\\' {
			if i++; i == len(r.rest) {
				return nil, false
			}
			c = r.rest[i]
		}
		s.element = append(s.element, c)
	}
	r.rest = nil
	return s.element, true
}

// skipInner steps over an array inside of the array and says how many it holds inside of each other.
func (r *arrayReader) skipInner() (dimensions int, ok bool) {
	depth, quoted := 0, false
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
			dimensions = max(dimensions, depth)
		case c == '}':
			if depth--; depth == 0 {
				r.rest = r.rest[i+1:]
				return dimensions, true
			}
		}
	}
	return 0, false
}

// writeArray looks at all elements before it writes the first: an array whose element has no form is null as a whole. Timestamps out of
// range are null by themselves, where the schema allows that.
func writeArray(ep *typePlan, delimiter byte) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		n, err := ep.countElements(s, text, delimiter)
		if err != nil {
			return err
		}
		r, _ := readArray(text, delimiter)
		w.BeginArray(n)
		for range n {
			e, _, _ := r.next(s)
			switch {
			case e.inner > 0 && ep.inner != "":
				s.buf = appendJavaArray(s.buf[:0], e.inner, ep.inner)
				w.Text(s.buf)
			case e.inner > 0 || e.null:
				w.Null()
			default:
				if err := ep.write(s, e.text, w); err == errNanoseconds {
					w.Null()
				} else if err != nil {
					return err
				}
			}
		}
		w.EndArray()
		return nil
	}
}

// holdsSpecial tells whether an array of numbers holds NaN or infinity.
func holdsSpecial(text []byte) bool {
	return bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Inf"))
}

// appendJavaArray appends what Java prints for an array, [[Ljava.lang.String;@ and a number, which is 0 here.
func appendJavaArray(dst []byte, dimensions int, class string) []byte {
	for range dimensions {
		dst = append(dst, '[')
	}
	return append(append(append(dst, 'L'), class...), ";@0"...)
}

// countElements counts an array's elements and finds the error of the first that cannot be written.
func (ep *typePlan) countElements(s *scratch, text []byte, delimiter byte) (n int, err error) {
	r, ok := readArray(text, delimiter)
	if !ok {
		return 0, errMalformed
	}
	for {
		e, more, ok := r.next(s)
		switch {
		case !ok:
			return 0, errMalformed
		case !more:
			return n, nil
		case e.inner > 0:
			if ep.flat || ep.inner == "" && !ep.nullable {
				return 0, errUnsupported
			}
			if ep.special && holdsSpecial(e.text) {
				return 0, errSpecialNumber
			}
		case e.null:
			if !ep.nullable || ep.noNulls {
				return 0, errNullElement
			}
		case !ep.total:
			if err := ep.write(s, e.text, discard{}); err != nil && (err != errNanoseconds || !ep.nullable) {
				return 0, err
			}
		}
		n++
	}
}
