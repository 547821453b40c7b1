package converter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// jsonReadPlan is one place of a schema, ready for reading. A nil plan takes anything.
type jsonReadPlan struct {
	schema  *schema.Schema
	logical string // one of Connect's own logical types, whose base type it has
	scale   int
	null    schema.Value // what null stands for
	nullOK  bool
	fields  []jsonReadPlan
	lead    string // of a field: its name and the colon, as nearly all writers write them; "" when the name needs escapes
	index   map[string]int
	key     *jsonReadPlan
	elem    *jsonReadPlan
}

func newJSONPlan(s *schema.Schema, o jsonOptions) (*jsonReadPlan, error) {
	if s == nil {
		return nil, nil
	}
	p := &jsonReadPlan{schema: s, nullOK: s.Optional}
	if s.Default != nil && o.replaceNull {
		p.null, p.nullOK = *s.Default, true
	}
	var err error
	switch {
	case s.Name == schema.DecimalName && s.Type == schema.Bytes:
		p.logical = s.Name
		if p.scale, err = decimalScale(s); err != nil {
			return nil, saidOf(err, "Invalid bytes for Decimal field")
		}
	case s.Name == schema.DateName && s.Type == schema.Int32, s.Name == schema.TimeName && s.Type == schema.Int32, s.Name == schema.TimestampName && s.Type == schema.Int64:
		p.logical = s.Name
	case s.Type == schema.Array:
		p.elem, err = newJSONPlan(s.Elem, o)
	case s.Type == schema.Map:
		if p.key, err = newJSONPlan(s.Key, o); err == nil {
			p.elem, err = newJSONPlan(s.Elem, o)
		}
	case s.Type == schema.Struct:
		p.fields = make([]jsonReadPlan, len(s.Fields))
		p.index = make(map[string]int, len(s.Fields))
		for i, f := range s.Fields {
			fp, err := newJSONPlan(f.Schema, o)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", f.Name, err)
			}
			p.fields[i], p.index[f.Name] = *fp, i
			p.fields[i].lead = leadOf(f.Name)
		}
	}
	return p, err
}

// leadOf is how a member of that name begins, "" when it may be written in different ways.
func leadOf(name string) string {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return ""
		}
	}
	return `"` + name + `":`
}

// jsonReader reads payloads of one schema.
type jsonReader struct {
	plan      *jsonReadPlan
	schema    *schema.Schema
	enveloped bool // the closing brace of the envelope may follow the payload, and nothing else
	decoders  *sync.Pool
}

// Schema implements schema.Reader.
func (r *jsonReader) Schema() *schema.Schema { return r.schema }

// Read implements schema.Reader.
func (r *jsonReader) Read(data []byte, w schema.Writer) error {
	v, err := r.value(data, nil)
	if err != nil {
		return err
	}
	v.WriteTo(w)
	return w.Err()
}

// value reads one value: into memory of its own, or, when there is a room, into that and as views of data.
func (r *jsonReader) value(data []byte, room *schema.Arena) (schema.Value, error) {
	d := r.decoders.Get().(*jsonDecoder)
	defer r.decoders.Put(d)
	if !r.enveloped && blank(data) {
		return r.plan.nullValue()
	}
	var v schema.Value
	var err error
	if room == nil {
		v, err = d.decode(r.plan, data)
	} else {
		v, err = d.borrow(r.plan, data, room)
	}
	if err != nil || !r.enveloped {
		return v, err
	}
	switch d.peek() {
	case 0, '}':
		return v, nil
	}
	return schema.NullValue, errEnvelope
}

// jsonDecoder makes Values of JSON.
type jsonDecoder struct {
	scanner
	arena *schema.Arena // own, or who reads has one
	own   schema.Arena
	views bool           // texts are not copied
	open  []schema.Value // elements of the arrays that are open
}

// decode reads the first value of data, which it keeps nothing of.
func (d *jsonDecoder) decode(p *jsonReadPlan, data []byte) (schema.Value, error) {
	d.arena, d.views = &d.own, false
	return d.first(p, data)
}

// borrow is decode into room; texts are views of data.
func (d *jsonDecoder) borrow(p *jsonReadPlan, data []byte, room *schema.Arena) (schema.Value, error) {
	d.arena, d.views = room, true
	v, err := d.first(p, data)
	d.arena, d.data = nil, nil
	return v, err
}

func (d *jsonDecoder) first(p *jsonReadPlan, data []byte) (schema.Value, error) {
	d.reset(data)
	d.open = d.open[:0]
	v, err := d.value(p)
	if err != nil {
		return schema.NullValue, err
	}
	return v, nil
}

// shape names the JSON type that begins with c, as Jackson's JsonNodeType does.
func shape(c byte) string {
	switch c {
	case '{':
		return "OBJECT"
	case '[':
		return "ARRAY"
	case '"':
		return "STRING"
	case 't', 'f':
		return "BOOLEAN"
	case 'n':
		return "NULL"
	}
	return "NUMBER"
}

func (d *jsonDecoder) value(p *jsonReadPlan) (schema.Value, error) {
	c := d.peek()
	if c == 'n' {
		if err := d.literal("null"); err != nil {
			return schema.NullValue, err
		}
		return p.nullValue()
	}
	if p == nil {
		return d.any(c)
	}
	if p.logical != "" {
		return d.logical(p, c)
	}
	switch t := p.schema.Type; t {
	case schema.Struct:
		return d.structOf(p, c)
	case schema.Array:
		return d.array(p.elem, c)
	case schema.Map:
		return d.mapOf(p, c)
	case schema.String:
		if c != '"' {
			return schema.NullValue, d.skip()
		}
		b, err := d.str()
		return schema.OfString(d.text(b)), err
	case schema.Bytes:
		if c != '"' {
			return schema.NullValue, d.skip()
		}
		b, err := d.base64()
		return schema.OfBytes(b), err
	case schema.Boolean:
		if c == 't' {
			return schema.OfBool(true), d.literal("true")
		}
		return schema.OfBool(false), d.skip()
	case schema.Float32, schema.Float64:
		return d.float(t, c)
	default:
		if n, ok := d.short(); ok {
			return schema.OfInt(t, wrap(t, n)), nil
		}
		if shape(c) != "NUMBER" {
			return schema.OfInt(t, 0), d.skip()
		}
		text, integral, err := d.number()
		if err != nil {
			return schema.NullValue, err
		}
		return schema.OfInt(t, wrap(t, javaLong(text, integral))), nil
	}
}

// text makes a string of what str returned.
func (d *jsonDecoder) text(b []byte) string {
	if d.views && !d.scanner.loose && len(b) > 0 {
		return unsafe.String(&b[0], len(b)) // b is a view of data, which lives as long as the value
	}
	return d.arena.Text(b)
}

// float reads a number. What is none is 0, as in Java, but the texts that JsonConverter writes for NaN and the infinities: Connect
// reads these as 0 too, and so a replicated row would silently differ from its source.
func (d *jsonDecoder) float(t schema.Type, c byte) (v schema.Value, err error) {
	var f float64
	switch shape(c) {
	case "NUMBER":
		var text []byte
		if text, _, err = d.number(); err != nil {
			return schema.NullValue, err
		}
		bits := 64
		if t == schema.Float32 {
			bits = 32
		}
		if f, _ = strconv.ParseFloat(string(text), bits); f == 0 { // out of range is infinite, as in Java, which reads a BigDecimal: it has no -0
			f = 0
		}
	case "STRING":
		var text []byte
		if text, err = d.str(); err != nil {
			return schema.NullValue, err
		}
		switch string(text) {
		case "NaN":
			f = math.NaN()
		case "Infinity":
			f = math.Inf(1)
		case "-Infinity":
			f = math.Inf(-1)
		}
	default:
		err = d.skip()
	}
	if t == schema.Float32 {
		return schema.OfFloat32(float32(f)), err
	}
	return schema.OfFloat64(f), err
}

// wrap cuts an integer to its type, as Java's casts do.
func wrap(t schema.Type, v int64) int64 {
	switch t {
	case schema.Int8:
		return int64(int8(v))
	case schema.Int16:
		return int64(int16(v))
	case schema.Int32:
		return int64(int32(v))
	}
	return v
}

// javaLong is BigInteger.longValue or BigDecimal.longValue: the lowest 64 bits of what stands before the decimal point.
func javaLong(text []byte, integral bool) int64 {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n
	}
	unscaled, scale, ok := parseDecimal(string(text))
	if !ok || scale <= -64 { // a multiple of 2^64
		return 0
	}
	if scale > 0 {
		if scale > len(text)+1 {
			return 0
		}
		unscaled.Quo(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	} else if scale < 0 {
		unscaled.Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
	}
	low := new(big.Int).And(unscaled, new(big.Int).SetUint64(1<<64-1))
	return int64(low.Uint64())
}

// parseDecimal reads a number as BigDecimal's constructor does: the digits, and how many of them stand behind the point.
func parseDecimal(text string) (unscaled *big.Int, scale int, ok bool) {
	mantissa, exponent := text, 0
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		n, err := strconv.ParseInt(strings.TrimPrefix(text[e+1:], "+"), 10, 32)
		if err != nil || strings.HasPrefix(text[e+1:], "+-") {
			return nil, 0, false
		}
		mantissa, exponent = text[:e], int(n)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-")
	if len(whole)-len(digits) > 1 || digits+fraction == "" {
		return nil, 0, false
	}
	for _, c := range []byte(digits + fraction) {
		if c-'0' > 9 {
			return nil, 0, false
		}
	}
	unscaled, ok = new(big.Int).SetString(digits+fraction, 10)
	if ok && strings.HasPrefix(whole, "-") {
		unscaled.Neg(unscaled)
	}
	return unscaled, len(fraction) - exponent, ok
}

func (p *jsonReadPlan) nullValue() (schema.Value, error) {
	if p == nil {
		return schema.NullValue, nil
	}
	if !p.nullOK {
		return schema.NullValue, said("Invalid null value for required %s field", strings.ToUpper(p.schema.Type.String()))
	}
	return p.null, nil
}

func (d *jsonDecoder) base64() ([]byte, error) {
	text, err := d.str()
	if err != nil {
		return nil, err
	}
	room := d.arena.Space(base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(room, text)
	if err != nil {
		return nil, saidOf(err, "Invalid bytes field")
	}
	return room[:n], nil
}

func (d *jsonDecoder) logical(p *jsonReadPlan, c byte) (schema.Value, error) {
	if p.logical == schema.DecimalName {
		return d.decimal(p, c)
	}
	text, integral := []byte(nil), false
	if shape(c) == "NUMBER" {
		var err error
		if text, integral, err = d.number(); err != nil {
			return schema.NullValue, err
		}
	}
	short := p.logical[strings.LastIndexByte(p.logical, '.')+1:]
	n, err := strconv.ParseInt(string(text), 10, 64)
	if p.logical == schema.TimestampName {
		if !integral {
			return schema.NullValue, said("Invalid type for %s, underlying representation should be integral but was %s", short, shape(c))
		}
		return schema.OfInt64(javaLong(text, true)), nil
	}
	if !integral || err != nil || !schema.FitsInt(schema.Int32, n) {
		return schema.NullValue, said("Invalid type for %s, underlying representation should be integer but was %s", short, shape(c))
	}
	if p.logical == schema.TimeName && (n < 0 || n > 86400000) {
		return schema.NullValue, said("Time values must use number of milliseconds greater than 0 and less than 86400000")
	}
	return schema.OfInt32(int32(n)), nil
}

// maxDecimalDigits bounds the digits that an exponent may stand for.
const maxDecimalDigits = 1 << 16

func (d *jsonDecoder) decimal(p *jsonReadPlan, c byte) (schema.Value, error) {
	switch shape(c) {
	case "STRING":
		b, err := d.base64()
		if err != nil {
			return schema.NullValue, saidOf(err, "Invalid bytes for Decimal field")
		}
		return schema.OfBytes(b), nil
	case "NUMBER":
	default:
		return schema.NullValue, said("Invalid type for Decimal, underlying representation should be numeric or bytes but was %s", shape(c))
	}
	text, _, err := d.number()
	if err != nil {
		return schema.NullValue, err
	}
	unscaled, scale, ok := parseDecimal(string(text))
	up := p.scale - scale
	if !ok || up > maxDecimalDigits || up < -maxDecimalDigits {
		return schema.NullValue, said("Invalid number %s for Decimal field of scale %d", text, p.scale)
	}
	if up >= 0 {
		unscaled.Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(up)), nil))
		return schema.OfBytes(java.AppendBigInteger(nil, unscaled)), nil
	}
	rest := new(big.Int)
	unscaled.QuoRem(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-up)), nil), rest)
	if rest.Sign() != 0 {
		return schema.NullValue, said("Invalid number %s for Decimal field: it has more than %d decimals", text, p.scale)
	}
	return schema.OfBytes(java.AppendBigInteger(nil, unscaled)), nil
}

func (d *jsonDecoder) structOf(p *jsonReadPlan, c byte) (schema.Value, error) {
	if c != '{' {
		if c == 0 {
			return schema.NullValue, d.fail("unexpected end")
		}
		return schema.NullValue, said("Structs should be encoded as JSON objects, but found %s", shape(c))
	}
	v := d.arena.Struct(p.schema)
	var few uint64 // the fields seen, where there are up to 64
	var many []bool
	if len(p.fields) > 64 {
		many = make([]bool, len(p.fields))
	}
	empty, err := d.begin('}')
	next := 0
	for more := !empty && err == nil; more && err == nil; {
		i := next // members mostly stand in the order of the fields
		if i >= len(p.fields) || !d.takes(p.fields[i].lead) {
			var name []byte
			if name, err = d.key(); err != nil {
				break
			}
			at, ok := p.index[string(name)]
			if i = at; !ok {
				i = -1
			}
		}
		if i < 0 {
			err = d.skip()
		} else {
			if v.Values[i], err = d.value(&p.fields[i]); err != nil {
				return schema.NullValue, d.in(p.schema.Fields[i].Name, err)
			}
			next = i + 1
			if many != nil {
				many[i] = true
			} else {
				few |= 1 << i
			}
		}
		if err == nil {
			more, err = d.more('}')
		}
	}
	if err != nil {
		return schema.NullValue, err
	}
	for i := range p.fields {
		if many != nil && !many[i] || many == nil && few>>i&1 == 0 {
			if v.Values[i], err = p.fields[i].nullValue(); err != nil {
				return schema.NullValue, d.in(p.schema.Fields[i].Name, err)
			}
		}
	}
	return schema.OfStruct(v), nil
}

// takes takes a member's name and its colon, if it stands there in just these bytes.
func (d *jsonDecoder) takes(lead string) bool {
	end := d.pos + len(lead)
	if lead == "" || end > len(d.data) || string(d.data[d.pos:end]) != lead {
		return false
	}
	d.pos = end
	return true
}

// in adds the field to an error about a value.
func (d *jsonDecoder) in(field string, err error) error {
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		return err
	}
	return fmt.Errorf("field %q: %w", field, err)
}

// array reads the elements of an array; of an object its values, of anything else none, as Jackson's iterators do.
func (d *jsonDecoder) array(p *jsonReadPlan, c byte) (schema.Value, error) {
	end := byte(']')
	switch c {
	case '[':
	case '{':
		end = '}'
	default:
		return schema.OfArray(nil), d.skip()
	}
	start := len(d.open)
	empty, err := d.begin(end)
	for more := !empty && err == nil; more && err == nil; {
		if c == '{' {
			if _, err = d.key(); err != nil {
				break
			}
		}
		var v schema.Value
		if v, err = d.value(p); err == nil {
			d.open = append(d.open, v)
			more, err = d.more(end)
		}
	}
	if err != nil {
		return schema.NullValue, err
	}
	elems := d.arena.Values(len(d.open) - start)
	copy(elems, d.open[start:])
	d.open = d.open[:start]
	return schema.OfArray(elems), nil
}

func (d *jsonDecoder) mapOf(p *jsonReadPlan, c byte) (schema.Value, error) {
	if p.schema.Key != nil && p.schema.Key.Type == schema.String {
		if c != '{' {
			return schema.NullValue, said("Maps with string fields should be encoded as JSON objects, but found %s", shape(c))
		}
		return d.object(p.elem)
	}
	if c != '[' {
		return schema.NullValue, said("Maps with non-string fields should be encoded as JSON array of tuples, but found %s", shape(c))
	}
	var entries []schema.Entry
	empty, err := d.begin(']')
	for more := !empty && err == nil; more && err == nil; {
		if c := d.peek(); c != '[' {
			return schema.NullValue, said("Found invalid map entry instead of array tuple: %s", shape(c))
		}
		var e schema.Entry
		if e, err = d.pair(p); err == nil {
			entries = append(entries, e)
			more, err = d.more(']')
		}
	}
	return schema.OfMap(lastOfEqual(p.schema.Key, entries)), err
}

// lastOfEqual leaves of entries with equal keys the last value, at the place of the first.
func lastOfEqual(key *schema.Schema, entries []schema.Entry) []schema.Entry {
	if len(entries) < 2 {
		return entries
	}
	index := make(map[string]int, len(entries))
	var text []byte
	out := entries[:0]
	for _, e := range entries {
		text = appendHeader(append(text[:0], byte(e.Key.Type())), key, e.Key, true)
		if at, ok := index[string(text)]; ok {
			out[at].Value = e.Value
			continue
		}
		index[string(text)] = len(out)
		out = append(out, e)
	}
	return out
}

// pair reads [key, value].
func (d *jsonDecoder) pair(p *jsonReadPlan) (e schema.Entry, err error) {
	mark := d.pos
	size := 0
	empty, err := d.begin(']')
	for more := !empty && err == nil; more && err == nil; size++ {
		switch size {
		case 0:
			e.Key, err = d.value(p.key)
		case 1:
			e.Value, err = d.value(p.elem)
		default:
			err = d.skip()
		}
		if err == nil {
			more, err = d.more(']')
		}
	}
	if err == nil && size != 2 {
		d.pos = mark
		err = said("Found invalid map entry, expected length 2 but found :%d", size)
	}
	return e, err
}

// object reads a map with string keys; of equal keys the last value stays, at the place of the first.
func (d *jsonDecoder) object(p *jsonReadPlan) (schema.Value, error) {
	var entries []schema.Entry
	var index map[string]int // of large objects
	empty, err := d.begin('}')
	for more := !empty && err == nil; more && err == nil; {
		var name []byte
		if name, err = d.key(); err != nil {
			break
		}
		key := d.text(name)
		var v schema.Value
		if v, err = d.value(p); err != nil {
			break
		}
		if len(entries) == 32 && index == nil {
			index = make(map[string]int)
			for i, e := range entries {
				index[e.Key.Text()] = i
			}
		}
		if i := entryOf(entries, index, key); i >= 0 {
			entries[i].Value = v
		} else {
			if index != nil {
				index[key] = len(entries)
			}
			entries = append(entries, schema.Entry{Key: schema.OfString(key), Value: v})
		}
		more, err = d.more('}')
	}
	if err != nil {
		return schema.NullValue, err
	}
	return schema.OfMap(entries), nil
}

func entryOf(entries []schema.Entry, index map[string]int, key string) int {
	if index != nil {
		if i, ok := index[key]; ok {
			return i
		}
		return -1
	}
	for i := range entries {
		if entries[i].Key.Text() == key {
			return i
		}
	}
	return -1
}

// any reads a value without a schema: integers are Int64, other numbers Float64, objects maps.
func (d *jsonDecoder) any(c byte) (schema.Value, error) {
	switch c {
	case '{':
		return d.object(nil)
	case '[':
		return d.array(nil, c)
	case '"':
		b, err := d.str()
		return schema.OfString(d.text(b)), err
	case 't':
		return schema.OfBool(true), d.literal("true")
	case 'f':
		return schema.OfBool(false), d.literal("false")
	case 0:
		return schema.NullValue, d.fail("unexpected end")
	}
	text, integral, err := d.number()
	if err != nil {
		return schema.NullValue, err
	}
	if integral {
		return schema.OfInt64(javaLong(text, true)), nil
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range is infinite, as in Java
	if f == 0 {
		f = 0 // a BigDecimal has no -0
	}
	return schema.OfFloat64(f), nil
}
