package transform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// Fields of the envelope.
const (
	fieldBefore      = "before"
	fieldAfter       = "after"
	fieldSource      = "source"
	fieldOp          = "op"
	fieldTransaction = "transaction"
	fieldMillis      = "ts_ms"
)

// Values of op.
const (
	opUpdate   = "u"
	opDelete   = "d"
	opTruncate = "t"
	opMessage  = "m"
)

// isEnvelope tells the values that Debezium makes of rows by the name of their schema.
func isEnvelope(s *schema.Schema) bool {
	return s != nil && strings.HasSuffix(s.Name, ".Envelope")
}

// optionalText is the schema of texts that transforms add; text that of those that are always there.
var (
	text         = schema.Of(schema.String)
	optionalText = schema.Of(schema.String).AsOptional()
)

// basics copies a schema as Connect's SchemaUtil.copySchemaBasics does: without fields, default and optionality.
func basics(s *schema.Schema) *schema.Schema {
	c := &schema.Schema{Type: s.Type, Name: s.Name, Version: s.Version, Doc: s.Doc, Parameters: s.Parameters}
	if s.Type == schema.Array {
		c.Elem = s.Elem
	}
	return c
}

// addField appends a field to a Struct schema that is being made.
func addField(s *schema.Schema, name string, f *schema.Schema) error {
	switch {
	case name == "":
		return errors.New("a field has no name")
	case f == nil:
		return fmt.Errorf("field %q has no schema", name)
	case s.Field(name) >= 0:
		return fmt.Errorf("there is a field %q already; choose another name", name)
	}
	s.Fields = append(s.Fields, schema.Field{Name: name, Schema: f})
	return nil
}

// get is Connect's Struct.get: the value of a field, or for null the default of its schema.
func get(s *schema.StructValue, i int) schema.Value {
	v := s.Values[i]
	if v.IsNull() {
		if d := s.Schema.Fields[i].Schema.Default; d != nil {
			return *d
		}
	}
	return v
}

// textOf is Connect's Struct.getString: a missing field and one of another type are errors, defaults do not count.
func textOf(s *schema.StructValue, name string) (text string, null bool, err error) {
	v, err := typed(s, name, schema.String)
	return v.Text(), v.IsNull(), err
}

// typed gives the value of a field of a type; null too.
func typed(s *schema.StructValue, name string, t schema.Type) (schema.Value, error) {
	i := s.Schema.Field(name)
	if i < 0 {
		return schema.NullValue, &noFieldError{name}
	}
	if is := s.Schema.Fields[i].Schema.Type; is != t {
		return schema.NullValue, fmt.Errorf("field %q is of type %s, want %s", name, is, t)
	}
	return s.Values[i], nil
}

// noFieldError says that a field, which the configuration names, is missing.
type noFieldError struct{ name string }

func (e *noFieldError) Error() string { return fmt.Sprintf("there is no field %q", e.name) }

// structOf gives a record's value, which must be a struct; purpose completes "cannot …".
func structOf(v schema.Value, purpose string) (*schema.StructValue, error) {
	if s := v.Struct(); s != nil {
		return s, nil
	}
	what := "null"
	if !v.IsNull() {
		what = "a value of type " + v.Type().String()
	}
	return nil, fmt.Errorf("cannot %s: found %s, want a struct", purpose, what)
}

// memo keeps what was made for a key, a bounded number of them; when it is full it begins anew.
type memo[K comparable, V any] struct {
	size    int
	entries map[K]V
}

// of returns what was made for k, or makes it.
func (m *memo[K, V]) of(k K, build func() (V, error)) (V, error) {
	if v, ok := m.entries[k]; ok {
		return v, nil
	}
	v, err := build()
	if err != nil {
		return v, err
	}
	m.put(k, v)
	return v, nil
}

func (m *memo[K, V]) put(k K, v V) {
	if m.entries == nil || len(m.entries) >= m.size {
		m.entries = make(map[K]V)
	}
	m.entries[k] = v
}

// schemasKept bounds the memory for schemas that were made: more than tables that change in turn.
const schemasKept = 4096

// sparing tells which of many equal events are worth a line in the log: the first, second, fourth, …
type sparing struct{ count uint64 }

func (s *sparing) say() bool {
	s.count++
	return s.count&(s.count-1) == 0
}
