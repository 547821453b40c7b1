package transform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// nesting puts new fields into a struct and the structs inside it, at the places and in the order of Debezium's ConnectRecordUtil: the
// fields there were, new ones, then new structs for paths whose first part there was not.
type nesting struct {
	entries []entry
	arena   *schema.Arena
}

// rootField is the name under which the value itself is known to the rules.
const rootField = "payload"

// inside tells fields that lead to a new one.
func (n *nesting) inside(field string) bool {
	return slices.ContainsFunc(n.entries, func(e entry) bool { return len(e.path) > 1 && strings.Contains(e.name, field+".") })
}

// fieldAt is the name of an entry's field in the struct called parent at a level; "" when it goes elsewhere.
func fieldAt(e *entry, parent string, level int) string {
	switch {
	case len(e.path) == 1 && parent == rootField:
		return e.path[0]
	case len(e.path) == level+1 && e.path[max(level-1, 0)] == parent:
		return e.path[level]
	}
	return ""
}

// parents are the structs that are missing in a struct and on the way to a new field.
func (n *nesting) parents(parent string, s *schema.Schema, level int) []string {
	var out []string
	for i := range n.entries {
		path := n.entries[i].path
		if len(path) == 1 || level >= len(path)-1 {
			continue
		}
		if here := level == 0 && parent == rootField || level > 0 && path[level-1] == parent; !here {
			continue
		}
		if name := path[level]; s.Field(name) < 0 && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// fieldIn is the name of an entry's field in a new struct; "" when it is not for that struct.
func fieldIn(e *entry, made, parent string, level int) string {
	switch {
	case level == 0 && parent == rootField:
		if len(e.path) > 1 && e.path[0] == made {
			return e.path[1]
		}
	case level > 0 && level+1 < len(e.path) && strings.Join(e.path[:level+1], ".") == made:
		return e.path[level+1]
	}
	return ""
}

// schema is a struct's schema with the new fields.
func (n *nesting) schema(s *schema.Schema, parent string, level int) (*schema.Schema, error) {
	if s.Type != schema.Struct {
		return nil, fmt.Errorf("field %q is of type %s, no struct: it cannot have fields", parent, s.Type)
	}
	out := basics(s)
	for _, f := range s.Fields {
		if n.inside(f.Name) && f.Schema.Type == schema.Struct {
			inner, err := n.schema(f.Schema, f.Name, level+1)
			if err != nil {
				return nil, err
			}
			f.Schema = inner
		}
		out.Fields = append(out.Fields, f)
	}
	for i := range n.entries {
		e := &n.entries[i]
		if err := n.refuse(s, e, level); err != nil {
			return nil, err
		}
		if name := fieldAt(e, parent, level); name != "" && out.Field(name) < 0 {
			if err := addField(out, name, e.schema); err != nil {
				return nil, err
			}
		}
	}
	for _, made := range n.parents(parent, s, level) {
		inner := (&schema.Schema{Type: schema.Struct, Optional: true})
		for i := range n.entries {
			if name := fieldIn(&n.entries[i], made, parent, level); name != "" {
				if err := addField(inner, name, n.entries[i].schema); err != nil {
					return nil, err
				}
			}
		}
		if err := addField(out, made, inner); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// refuse finds paths that lead through single values.
func (n *nesting) refuse(s *schema.Schema, e *entry, level int) error {
	if level > 0 {
		return nil
	}
	for _, name := range e.path[:len(e.path)-1] {
		i := s.Field(name)
		if i < 0 {
			return nil
		}
		if s = s.Fields[i].Schema; s.Type != schema.Struct {
			return fmt.Errorf("field %q is of type %s, no struct: it cannot have the field %q", name, s.Type, e.name)
		}
	}
	return nil
}

// fitsInto tells whether a schema has places for all entries.
func (n *nesting) fitsInto(s *schema.Schema) bool {
	for i := range n.entries {
		at := s
		for _, name := range n.entries[i].path {
			f := -1
			if at.Type == schema.Struct {
				f = at.Field(name)
			}
			if f < 0 {
				return false
			}
			at = at.Fields[f].Schema
		}
	}
	return true
}

// value is a struct with the new fields; s is its schema with them.
func (n *nesting) value(old *schema.StructValue, s *schema.Schema, parent string, level int) (*schema.StructValue, error) {
	out := n.arena.Struct(s)
	for i, f := range old.Schema.Fields {
		v := get(old, i)
		if v.IsNull() {
			continue
		}
		at := s.Field(f.Name)
		if at < 0 {
			return nil, &noFieldError{f.Name}
		}
		if inner := v.Struct(); inner != nil && n.inside(f.Name) {
			made, err := n.value(inner, s.Fields[at].Schema, f.Name, level+1)
			if err != nil {
				return nil, err
			}
			v = schema.OfStruct(made)
		}
		out.Values[at] = v
	}
	for i := range n.entries {
		if name := fieldAt(&n.entries[i], parent, level); name != "" {
			if err := put(out, name, n.entries[i].value); err != nil {
				return nil, err
			}
		}
	}
	for _, made := range n.parents(parent, old.Schema, level) {
		at := s.Field(made)
		if at < 0 {
			continue
		}
		inner := n.arena.Struct(s.Fields[at].Schema)
		for i := range n.entries {
			if name := fieldIn(&n.entries[i], made, parent, level); name != "" {
				if err := put(inner, name, n.entries[i].value); err != nil {
					return nil, err
				}
			}
		}
		out.Values[at] = schema.OfStruct(inner)
	}
	return out, nil
}

// put is Connect's Struct.put.
func put(s *schema.StructValue, name string, v schema.Value) error {
	i := s.Schema.Field(name)
	if i < 0 {
		return &noFieldError{name}
	}
	if f := s.Schema.Fields[i].Schema; !fits(v, f) {
		return fmt.Errorf("field %q takes %s", name, schema.Describe(f))
	}
	s.Values[i] = v
	return nil
}
