package s3

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// verdict is what a record with another schema than its file does.
type verdict uint8

const (
	fits     verdict = iota // its schema is the file's
	projects                // the record is projected to the file's schema
	rotates                 // the file is finished, the record begins the next one
)

// judge compares a record's schema with that of its file.
func (f *file) judge(s *schema.Schema, mode string) (verdict, error) {
	switch {
	case s == f.values || s != nil && s == f.alike:
		return fits, nil
	case s != nil && s == f.older:
		return projects, nil
	case s == nil || f.values == nil: // records with a schema and without never share a file
		return rotates, nil
	case s.Equal(f.values):
		f.alike = s
		return fits, nil
	case mode == compatibleNone:
		return rotates, nil
	}
	if s.Version == 0 || f.values.Version == 0 {
		return fits, saying("Schema version required for %s compatibility: schema %q has none; set schema.compatibility=NONE", mode, s.Name)
	}
	newer := s.Version > f.values.Version
	older := s.Version < f.values.Version
	if mode == compatibleForward && older || mode != compatibleForward && newer || !comparable(s, f.values) {
		return rotates, nil
	}
	f.older = s
	return projects, nil
}

// comparable tells schemas that can be projected to each other as far as their tops tell.
func comparable(s, o *schema.Schema) bool {
	return s.Type == o.Type && s.Name == o.Name && sameParameters(s, o)
}

// documentation are parameters that say nothing about values.
func documentation(name string) bool {
	return name == "connect.record.doc" || name == "connect.record.aliases" || name == "connect.record.namespace" || strings.HasPrefix(name, "io.confluent.connect.avro.field.doc.")
}

// sameParameters compares parameters; an enum may have fewer symbols than the one it is projected to.
func sameParameters(s, o *schema.Schema) bool {
	for _, p := range s.Parameters {
		if !documentation(p.Name) && o.Parameter(p.Name) != p.Value {
			return false
		}
	}
	if isEnumSchema(s) && isEnumSchema(o) {
		return true
	}
	for _, p := range o.Parameters {
		if !documentation(p.Name) && s.Parameter(p.Name) != p.Value {
			return false
		}
	}
	return true
}

func isEnumSchema(s *schema.Schema) bool {
	return s.Parameter("io.confluent.connect.avro.Enum") != "" || s.Parameter("org.apache.kafka.connect.data.Enum") != ""
}

// project makes a value of one schema one of another, as Connect's SchemaProjector does.
func project(from *schema.Schema, v schema.Value, to *schema.Schema) (schema.Value, error) {
	if from == to {
		return v, nil
	}
	if from == nil || to == nil {
		return schema.NullValue, errors.New("a value without a schema cannot be projected")
	}
	if from.Type != to.Type && !promotable(from.Type, to.Type) {
		return schema.NullValue, saying("Schema type mismatch. source type: %s and target type: %s", upper(from.Type), upper(to.Type))
	}
	if from.Name != to.Name {
		return schema.NullValue, saying("Schema name mismatch. source name: %s and target name: %s", from.Name, to.Name)
	}
	if len(from.Parameters) > 0 && len(to.Parameters) > 0 && !sameParameters(from, to) {
		return schema.NullValue, saying("Schema parameters not equal. source parameters: %v and target parameters: %v", from.Parameters, to.Parameters)
	}
	if v.IsNull() {
		if from.Optional && !to.Optional {
			if to.Default == nil {
				return schema.NullValue, saying("Writer schema is optional, however, target schema does not provide a default value.")
			}
			return *to.Default, nil
		}
		return v, nil
	}
	return projectValue(from, v, to)
}

func upper(t schema.Type) string { return strings.ToUpper(t.String()) }

// promotable tells numbers that become wider ones.
func promotable(from, to schema.Type) bool {
	return from >= schema.Int8 && from <= to && to <= schema.Float64
}

// projectValue projects what is not null.
func projectValue(from *schema.Schema, v schema.Value, to *schema.Schema) (schema.Value, error) {
	switch to.Type {
	case schema.Struct:
		return projectStruct(from, v.Struct(), to)
	case schema.Array:
		elems := make([]schema.Value, len(v.Array()))
		for i, e := range v.Array() {
			var err error
			if elems[i], err = project(from.Elem, e, to.Elem); err != nil {
				return schema.NullValue, err
			}
		}
		return schema.OfArray(elems), nil
	case schema.Map:
		entries := make([]schema.Entry, len(v.Map()))
		for i, e := range v.Map() {
			key, keyErr := project(from.Key, e.Key, to.Key)
			value, err := project(from.Elem, e.Value, to.Elem)
			if err := errors.Join(keyErr, err); err != nil {
				return schema.NullValue, err
			}
			entries[i] = schema.Entry{Key: key, Value: value}
		}
		return schema.OfMap(entries), nil
	}
	if from.Type == to.Type {
		return v, nil
	}
	whole := from.Type <= schema.Int64
	switch {
	case to.Type <= schema.Int64:
		return schema.OfInt(to.Type, v.Int()), nil
	case to.Type == schema.Float32 && whole:
		return schema.OfFloat32(float32(v.Int())), nil
	case to.Type == schema.Float64 && whole:
		return schema.OfFloat64(float64(v.Int())), nil
	}
	return schema.OfFloat64(v.Float64()), nil
}

func projectStruct(from *schema.Schema, v *schema.StructValue, to *schema.Schema) (schema.Value, error) {
	out := &schema.StructValue{Schema: to, Values: make([]schema.Value, len(to.Fields))}
	for i, f := range to.Fields {
		at := from.Field(f.Name)
		switch {
		case at >= 0:
			in := v.Values[at]
			if def := from.Fields[at].Schema.Default; in.IsNull() && def != nil { // Connect's Struct.get
				in = *def
			}
			projected, err := project(from.Fields[at].Schema, in, f.Schema)
			if err != nil {
				return schema.NullValue, fmt.Errorf("project field %q: %w", f.Name, err)
			}
			out.Values[i] = projected
		case f.Schema.Optional:
		case f.Schema.Default != nil:
			out.Values[i] = *f.Schema.Default
		default:
			return schema.NullValue, saying("Required field `%s` is missing from source schema %q", f.Name, from.Name)
		}
	}
	return schema.OfStruct(out), nil
}
