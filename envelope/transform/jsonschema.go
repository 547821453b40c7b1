package transform

import (
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// inference makes Connect schemas and values of JSON, which carries no schema, as Debezium's JsonSchemaData does.
type inference struct {
	keepNulls bool // a null is a field of optional bytes; else it is left out
	keepEmpty bool // an empty array is one of optional texts; else it is left out
	names     envelope.Adjustment
	known     *schema.Interner
	arena     schema.Arena
}

func newInference() inference { return inference{known: schema.NewInterner(schemasKept)} }

var optionalBytes = schema.Of(schema.Bytes).AsOptional()

// scalars are the schemas of JSON's scalars.
var scalars = [...]*schema.Schema{
	jsonBool:   schema.Of(schema.Boolean).AsOptional(),
	jsonInt:    schema.Of(schema.Int32).AsOptional(),
	jsonLong:   schema.Of(schema.Int64).AsOptional(),
	jsonBig:    optionalFloat64,
	jsonDouble: optionalFloat64,
	jsonText:   optionalText,
}

var optionalFloat64 = schema.Of(schema.Float64).AsOptional()

// schemaOf infers the schema of a value; nil, when the value is to be left out. Structs are called name, the ones inside name.FIELD.
func (in *inference) schemaOf(name string, n *jsonNode) (*schema.Schema, error) {
	s, err := in.infer(name, n)
	return in.known.InternFresh(s), err
}

func (in *inference) infer(name string, n *jsonNode) (*schema.Schema, error) {
	switch n.kind {
	case jsonArray:
		return in.array(name, n)
	case jsonObject:
		return in.object(name, n)
	case jsonNull:
		if in.keepNulls {
			return optionalBytes, nil
		}
		return nil, nil
	}
	return scalars[n.kind], nil
}

func (in *inference) object(name string, n *jsonNode) (*schema.Schema, error) {
	s := &schema.Schema{Type: schema.Struct, Name: name, Optional: true, Fields: make([]schema.Field, 0, len(n.names))}
	places := placesOf(s, len(n.names))
	for i := range n.names {
		field := envelope.AdjustName(in.names, n.names[i], false)
		inner := field
		if !blank(name) {
			inner = name + "." + field
		}
		f, err := in.infer(inner, &n.elems[i])
		if err != nil {
			return nil, err
		}
		if f == nil || places.of(field) >= 0 {
			continue
		}
		if field == "" {
			return nil, errors.New("a member has no name")
		}
		places.add(schema.Field{Name: field, Schema: f})
	}
	return s, nil
}

// fieldPlaces finds the fields of a struct that grows: JSON of a table's width is searched through, of more there is a map.
type fieldPlaces struct {
	s      *schema.Schema
	byName map[string]int // nil: few fields
}

// fewFields are searched faster than a map is made.
const fewFields = 32

func placesOf(s *schema.Schema, most int) fieldPlaces {
	p := fieldPlaces{s: s}
	if most > fewFields {
		p.byName = make(map[string]int, most)
		for i, f := range s.Fields {
			p.byName[f.Name] = i
		}
	}
	return p
}

// of is the index of a field, or -1.
func (p *fieldPlaces) of(name string) int {
	if p.byName == nil {
		return p.s.Field(name)
	}
	if i, ok := p.byName[name]; ok {
		return i
	}
	return -1
}

func (p *fieldPlaces) add(f schema.Field) {
	if p.byName != nil {
		p.byName[f.Name] = len(p.s.Fields)
	}
	p.s.Fields = append(p.s.Fields, f)
}

func blank(s string) bool {
	for i := range len(s) {
		if s[i] > ' ' {
			return false
		}
	}
	return true
}

func (in *inference) array(name string, n *jsonNode) (*schema.Schema, error) {
	if len(n.elems) == 0 {
		if in.keepEmpty {
			return schema.ArrayOf(optionalText).AsOptional(), nil
		}
		return nil, nil
	}
	sample, err := in.sample(n)
	if err != nil {
		return nil, err
	}
	if sample.kind != jsonObject {
		elem, err := in.infer("", sample)
		if err == nil && elem == nil {
			err = fmt.Errorf("of the elements of an array called %q no type can be told", name)
		}
		if err != nil {
			return nil, err
		}
		return schema.ArrayOf(elem).AsOptional(), nil
	}
	var elem *schema.Schema
	for i := range n.elems {
		if n.elems[i].kind != jsonObject {
			continue
		}
		one, err := in.infer(name, &n.elems[i])
		if err != nil {
			return nil, err
		}
		elem = merge(elem, one)
	}
	return schema.ArrayOf(elem).AsOptional(), nil
}

// merge unites the fields of two objects in one array. Debezium unites different ones in the order of a hash that changes from run to
// run; here it is the order of the elements. As there, what is united cannot be null.
func merge(left, right *schema.Schema) *schema.Schema {
	if left == nil || left.Equal(right) {
		return right
	}
	s := basics(left)
	s.Fields = append(s.Fields, left.Fields...)
	places := placesOf(s, len(left.Fields)+len(right.Fields))
	for _, f := range right.Fields {
		i := places.of(f.Name)
		switch {
		case i < 0:
			places.add(f)
		case s.Fields[i].Schema.Type == schema.Bytes && f.Schema.Type != schema.Bytes:
			s.Fields[i] = f
		}
	}
	return s
}

// sample is the first element that is not null, having checked that the others are of its kind.
func (in *inference) sample(n *jsonNode) (*jsonNode, error) {
	var first *jsonNode
	for i := range n.elems {
		e := &n.elems[i]
		switch {
		case e.kind == jsonNull:
		case first == nil:
			first = e
		case e.kind.isNumber() && first.kind.isNumber():
			if scalars[e.kind] != scalars[first.kind] {
				return nil, errors.New("an array holds integers of different sizes, or integers and fractions")
			}
		case e.kind != first.kind:
			return nil, fmt.Errorf("an array holds a %s and a %s", first.kind, e.kind)
		}
	}
	if first == nil {
		return &n.elems[0], nil
	}
	return first, nil
}

// valueOf makes the value of an object whose schema was inferred; of nothing else, as there.
func (in *inference) valueOf(n *jsonNode, s *schema.Schema) (schema.Value, error) {
	if s == nil || s.Type != schema.Struct {
		return schema.NullValue, errors.New("only an object becomes a struct")
	}
	return in.build(n, s)
}

func (in *inference) build(n *jsonNode, s *schema.Schema) (schema.Value, error) {
	out := in.arena.Struct(s)
	at := 0
	for i := range s.Fields {
		found := n.member(s.Fields[i].Name, at)
		if found < 0 {
			continue
		}
		at = found + 1 // mostly members come in the order of the fields
		m := &n.elems[found]
		v, err := in.value(m, s.Fields[i].Schema)
		if err != nil {
			return v, fmt.Errorf("member %q: %w", s.Fields[i].Name, err)
		}
		out.Values[i] = v
	}
	return schema.OfStruct(out), nil
}

func (in *inference) value(n *jsonNode, s *schema.Schema) (schema.Value, error) {
	var v schema.Value
	switch n.kind {
	case jsonNull:
		if !s.Optional {
			return v, errors.New("null in a place that cannot be null")
		}
		return v, nil
	case jsonText:
		v = schema.OfString(n.text)
	case jsonBool:
		v = schema.OfBool(n.yes)
	case jsonInt:
		v = schema.OfInt32(int32(n.number))
	case jsonLong:
		v = schema.OfInt64(n.number)
	case jsonDouble:
		v = schema.OfFloat64(n.double)
	case jsonBig:
		return v, errors.New("an integer does not fit 64 bits")
	}
	switch {
	case n.kind == jsonArray && s.Type == schema.Array:
		elems := in.arena.Values(len(n.elems))
		for i := range n.elems {
			var err error
			if elems[i], err = in.value(&n.elems[i], s.Elem); err != nil {
				return v, err
			}
		}
		return schema.OfArray(elems), nil
	case n.kind == jsonObject && s.Type == schema.Struct:
		return in.build(n, s)
	case v.Type() != s.Type:
		return v, fmt.Errorf("a %s where others have a value of type %s", n.kind, s.Type)
	}
	return v, nil
}
