package elasticsearch

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// place is one place of a schema, compiled for writing: JSON as the JsonConverter writes it without an envelope, of what the Java connector's
// DataConverter makes of a value before.
type place struct {
	schema *schema.Schema
	write  func(p *place, dst []byte, v schema.Value) ([]byte, error)
	null   []byte // what null is written as; nil when it is not allowed
	fields []field
	key    *place
	elem   *place
	scale  int
}

type field struct {
	name string
	head []byte // "name":
	at   *place
}

// documentRules are the options that shape a document.
type documentRules struct {
	raw     bool // schema.ignore: the value is written as the JsonConverter does, untouched
	compact bool // compact.map.entries
}

// compile makes the plan of a schema; nil is data without one.
func compile(s *schema.Schema, rules documentRules) (*place, error) {
	p := &place{schema: s}
	if s == nil {
		p.write, p.null, p.key, p.elem = writeAny, []byte("null"), p, p
		return p, nil
	}
	if err := p.compileType(rules); err != nil {
		return nil, err
	}
	if s.Optional {
		p.null = []byte("null")
	}
	if s.Default != nil { // replace.null.with.default of the JsonConverter, on by default
		null, err := p.write(p, nil, *s.Default)
		if err != nil {
			return nil, fmt.Errorf("write the default of a field: %w", err)
		}
		p.null = null
	}
	return p, nil
}

func (p *place) compileType(rules documentRules) (err error) {
	s := p.schema
	switch s.Type {
	case schema.Boolean:
		p.write = writeBool
	case schema.Float32:
		p.write = writeFloat32
	case schema.Float64:
		p.write = writeFloat64
	case schema.String:
		p.write = writeString
	case schema.Bytes:
		p.write = writeBytes
		if s.Name == schema.DecimalName && !rules.raw {
			p.write = writeDecimal
			if p.scale, err = strconv.Atoi(s.Parameter(schema.ScaleParameter)); err != nil {
				return badData("Invalid Decimal schema: scale parameter not found.")
			}
		}
	case schema.Array:
		p.write = writeArray
		p.elem, err = compile(s.Elem, rules)
	case schema.Map:
		return p.compileMap(rules)
	case schema.Struct:
		return p.compileFields(rules)
	default:
		p.write = writeInt
	}
	return err
}

func (p *place) compileMap(rules documentRules) (err error) {
	strings := p.schema.Key != nil && p.schema.Key.Type == schema.String
	switch {
	case strings && rules.raw:
		p.write = writeObject
	case strings && rules.compact:
		p.write = writeHashedObject
	case rules.raw:
		p.write = writePairs
	default:
		p.write = writeEntries
	}
	if p.key, err = compile(p.schema.Key, rules); err != nil {
		return err
	}
	p.elem, err = compile(p.schema.Elem, rules)
	return err
}

func (p *place) compileFields(rules documentRules) error {
	p.write = writeStruct
	p.fields = make([]field, len(p.schema.Fields))
	for i, f := range p.schema.Fields {
		at, err := compile(f.Schema, rules)
		if err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
		p.fields[i] = field{f.Name, append(converter.AppendJSONString(nil, f.Name), ':'), at}
	}
	return nil
}

// append writes a value of the place.
func (p *place) append(dst []byte, v schema.Value) ([]byte, error) {
	if !v.IsNull() {
		return p.write(p, dst, v)
	}
	if p.null == nil {
		return nil, badData("null value for field that is required and has no default value")
	}
	return append(dst, p.null...), nil
}

func writeBool(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return strconv.AppendBool(dst, v.Bool()), nil
}

func writeInt(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return strconv.AppendInt(dst, v.Int(), 10), nil
}

func writeFloat32(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return converter.AppendJSONFloat(dst, v.Float64(), 32), nil
}

func writeFloat64(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return converter.AppendJSONFloat(dst, v.Float64(), 64), nil
}

func writeString(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return converter.AppendJSONString(dst, v.Text()), nil
}

func writeBytes(_ *place, dst []byte, v schema.Value) ([]byte, error) {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
}

// writeDecimal writes the nearest double, as BigDecimal.doubleValue gives it; one beyond all doubles is infinite.
func writeDecimal(p *place, dst []byte, v schema.Value) ([]byte, error) {
	d, err := decimalAsDouble(v.Bytes(), p.scale)
	if err != nil {
		return nil, err
	}
	return converter.AppendJSONFloat(dst, d, 64), nil
}

func decimalAsDouble(unscaled []byte, scale int) (float64, error) {
	var room [48]byte
	text := converter.AppendDecimal(room[:0], unscaled, scale)
	d, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !math.IsInf(d, 0) {
		return 0, fmt.Errorf("read the decimal %s: %w", text, err)
	}
	return d, nil
}

func writeArray(p *place, dst []byte, v schema.Value) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, e := range v.Array() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.elem.append(dst, e); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// writeHashedObject writes an object in the order of Java's HashMap, into which the DataConverter copies the entries.
func writeHashedObject(p *place, dst []byte, v schema.Value) ([]byte, error) {
	return p.appendObject(dst, converter.HashOrder(v.Map()))
}

func writeObject(p *place, dst []byte, v schema.Value) ([]byte, error) {
	return p.appendObject(dst, v.Map())
}

func (p *place) appendObject(dst []byte, entries []schema.Entry) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.Key.IsNull() && p.key.null == nil {
			return nil, badData("null value for field that is required and has no default value")
		}
		if e.Key.IsNull() {
			dst = append(dst, `"null"`...)
		} else {
			dst = converter.AppendJSONString(dst, e.Key.Text())
		}
		dst = append(dst, ':')
		if dst, err = p.elem.append(dst, e.Value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// writeEntries writes [{"key":…,"value":…},…].
func writeEntries(p *place, dst []byte, v schema.Value) ([]byte, error) {
	return p.appendEntries(dst, v.Map(), `{"key":`, `,"value":`, '}')
}

// writePairs writes [[key,value],…].
func writePairs(p *place, dst []byte, v schema.Value) ([]byte, error) {
	return p.appendEntries(dst, v.Map(), "[", ",", ']')
}

func (p *place) appendEntries(dst []byte, entries []schema.Entry, before, between string, behind byte) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, before...)
		if dst, err = p.key.append(dst, e.Key); err != nil {
			return nil, err
		}
		dst = append(dst, between...)
		if dst, err = p.elem.append(dst, e.Value); err != nil {
			return nil, err
		}
		dst = append(dst, behind)
	}
	return append(dst, ']'), nil
}

func writeStruct(p *place, dst []byte, v schema.Value) (_ []byte, err error) {
	s := v.Struct()
	if s == nil || s.Schema != p.schema && !s.Schema.Equal(p.schema) {
		return nil, badData("Mismatching schema.")
	}
	dst = append(dst, '{')
	for i := range p.fields {
		f := &p.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.head...)
		if dst, err = f.at.append(dst, s.Values[i]); err != nil {
			return nil, inField(f.name, err)
		}
	}
	return append(dst, '}'), nil
}

// inField adds the name of a field to what is wrong with its value; the Java connector's words stay in front.
func inField(name string, err error) error {
	bad, ok := err.(*dataError)
	if !ok {
		return fmt.Errorf("field %q: %w", name, err)
	}
	at := "field " + strconv.Quote(name)
	if bad.hint != "" {
		at = at + ", " + bad.hint
	}
	return &dataError{bad.message, at}
}

// writeAny writes data that has no schema: a map is an object when all its keys are strings, else an array of pairs.
func writeAny(p *place, dst []byte, v schema.Value) (_ []byte, err error) {
	switch v.Class() {
	case schema.Instant:
		return nil, badData("Java class class java.util.Date does not have corresponding schema type.")
	case schema.BigDecimal:
		return nil, badData("Java class class java.math.BigDecimal does not have corresponding schema type.")
	}
	switch v.Type() {
	case schema.Invalid:
		return append(dst, "null"...), nil
	case schema.Boolean:
		return writeBool(p, dst, v)
	case schema.Float32:
		return writeFloat32(p, dst, v)
	case schema.Float64:
		return writeFloat64(p, dst, v)
	case schema.String:
		return writeString(p, dst, v)
	case schema.Bytes:
		return writeBytes(p, dst, v)
	case schema.Struct:
		return nil, badData("Mismatching schema.")
	case schema.Array:
		return writeArray(p, dst, v)
	case schema.Map:
		for _, e := range v.Map() {
			if e.Key.Type() != schema.String {
				return writePairs(p, dst, v)
			}
		}
		return writeObject(p, dst, v)
	}
	return writeInt(p, dst, v)
}
