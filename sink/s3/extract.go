package s3

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// errNoField tells a field that is not there.
var errNoField = errors.New("there is no such field")

// fieldPath finds a field of a value, by its name or, where dots lead into structs, by the names on the way. What it found for a schema it
// keeps for the next record.
type fieldPath struct {
	name  string
	parts []string

	of    *schema.Schema // for which steps and leaf hold
	steps []int
	leaf  *schema.Schema
}

func newFieldPath(name string) fieldPath {
	return fieldPath{name: name, parts: strings.Split(name, ".")}
}

// find returns the field and its schema, nil without schemas.
func (p *fieldPath) find(s *schema.Schema, v schema.Value) (*schema.Schema, schema.Value, error) {
	if v.Type() == schema.Map {
		found, err := p.inMap(v)
		return nil, found, err
	}
	if v.Type() != schema.Struct || s == nil {
		return nil, schema.NullValue, errors.New("the value is no struct, and has no fields")
	}
	if p.of != s {
		if err := p.compile(s); err != nil {
			return nil, schema.NullValue, err
		}
	}
	for _, i := range p.steps {
		in := v.Struct()
		if in == nil {
			return p.leaf, schema.NullValue, nil
		}
		field := in.Schema.Fields[i].Schema
		if v = in.Values[i]; v.IsNull() && field.Default != nil {
			v = *field.Default
		}
	}
	return p.leaf, v, nil
}

// compile finds the way in a schema.
func (p *fieldPath) compile(s *schema.Schema) error {
	of := s
	p.of, p.steps = nil, p.steps[:0]
	parts := p.parts
	if s.Field(p.name) >= 0 {
		parts = []string{p.name}
	}
	for _, part := range parts {
		i := -1
		if s.Type == schema.Struct {
			i = s.Field(part)
		}
		if i < 0 {
			return errNoField
		}
		p.steps = append(p.steps, i)
		s = s.Fields[i].Schema
	}
	p.of, p.leaf = of, s
	return nil
}

func (p *fieldPath) inMap(v schema.Value) (schema.Value, error) {
	if found, ok := entry(v, p.name); ok {
		return found, nil
	}
	for _, part := range p.parts {
		found, ok := entry(v, part)
		if !ok {
			return schema.NullValue, errNoField
		}
		v = found
	}
	return v, nil
}

func entry(v schema.Value, key string) (schema.Value, bool) {
	for _, e := range v.Map() {
		if e.Key.Text() == key && e.Key.Type() == schema.String {
			return e.Value, true
		}
	}
	return schema.NullValue, false
}

// extractTime is a timestamp extractor: the time of a record in milliseconds. now is that of the batch.
type extractTime func(r *sink.Record, now int64) (int64, error)

// newExtractor makes the extractor that the options name; nil where none is looked at.
func newExtractor(c *Config) extractTime {
	if !c.timeBased() {
		return nil
	}
	switch c.Extractor {
	case recordTime:
		return func(r *sink.Record, _ int64) (int64, error) {
			if r.Timestamp.IsZero() {
				return 0, errors.New("the record has no timestamp (timestamp.extractor=Record)")
			}
			return r.Timestamp.UnixMilli(), nil
		}
	case recordField:
		path := newFieldPath(c.TimestampField)
		return func(r *sink.Record, now int64) (int64, error) {
			if r.Value.IsNull() && !r.Timestamp.IsZero() { // a tombstone has no fields
				return r.Timestamp.UnixMilli(), nil
			}
			millis, err := timeOfField(&path, r)
			if err != nil {
				return 0, fmt.Errorf("field %q of timestamp.field: %w", path.name, err)
			}
			return millis, nil
		}
	}
	return func(_ *sink.Record, now int64) (int64, error) { return now, nil }
}

// timeOfField reads a Timestamp, milliseconds, or a text.
func timeOfField(path *fieldPath, r *sink.Record) (int64, error) {
	s, v, err := path.find(r.ValueSchema, r.Value)
	if err != nil {
		return 0, err
	}
	switch v.Type() {
	case schema.Int64, schema.Int32:
		if s != nil && (s.Name == schema.DateName || s.Name == schema.TimeName) {
			return 0, fmt.Errorf("%s is no point in time", s.Name)
		}
		return v.Int(), nil
	case schema.Float64: // JSON without a schema
		if s == nil {
			return int64(v.Float64()), nil
		}
	case schema.String:
		return parseISO(v.Text(), time.Local)
	case schema.Invalid:
		return 0, errors.New("it is null")
	}
	return 0, fmt.Errorf("type %s is no point in time; want a Timestamp, an int64, an int32 or a string", v.Type())
}
