package transform

import (
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// flattenConfig holds the options of Flatten.
type flattenConfig struct{ Delimiter string }

func (c *flattenConfig) reset() { *c = flattenConfig{Delimiter: "."} }

func (c *flattenConfig) keys() config.Keys {
	return config.Keys{config.String(&c.Delimiter, "delimiter", "Text between the names of the fields that lead to a value, in the value's new name.")}
}

// flatten is org.apache.kafka.connect.transforms.Flatten.
type flatten struct {
	flattenConfig
	on    side
	plans memo[*flattenPlan]
	arena schema.Arena
}

// flattenPlan is what becomes of a schema.
type flattenPlan struct {
	schema *schema.Schema
	leaves [][]int // the way to each field of schema
}

const flattenPurpose = "flattening"

func newFlatten(on side, props map[string]string) (Transform, config.Report) {
	t := &flatten{on: on}
	r := read(&t.flattenConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.plans.make = t.plan
	return t, r
}

func (t *flatten) name(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + t.Delimiter + name
}

// Apply implements Transform. A null stays as it is.
func (t *flatten) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if v.IsNull() {
		return true, nil
	}
	if s == nil {
		m, err := needMap(v, flattenPurpose)
		if err != nil {
			return false, err
		}
		out, err := t.flattenMap(nil, "", m)
		if err != nil {
			return false, err
		}
		t.on.set(r, nil, schema.OfMap(out))
		return true, nil
	}
	in, err := needStruct(s, v, flattenPurpose)
	if err != nil {
		return false, err
	}
	p, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(p.schema)
	for i, leaf := range p.leaves {
		value, there := leafOf(in, leaf)
		if !there {
			continue // a struct on the way is null
		}
		if err := checkNull(&p.schema.Fields[i], value); err != nil {
			return false, err
		}
		out.Values[i] = value
	}
	t.on.set(r, p.schema, schema.OfStruct(out))
	return true, nil
}

// leafOf is the value at the end of a way.
func leafOf(in *schema.StructValue, way []int) (v schema.Value, there bool) {
	for _, i := range way[:len(way)-1] {
		if in = in.Values[i].Struct(); in == nil {
			return schema.NullValue, false
		}
	}
	last := way[len(way)-1]
	return withDefault(&in.Schema.Fields[last], in.Values[last], true), true
}

func (t *flatten) plan(s *schema.Schema) (*flattenPlan, error) {
	if err := needFields(s); err != nil {
		return nil, err
	}
	p := &flattenPlan{schema: basics(s)}
	var fallback *schema.StructValue
	if s.Default != nil {
		fallback = s.Default.Struct()
	}
	return p, t.addFields(p, s, "", nil, s.Optional, fallback)
}

// addFields adds what s holds. Below an optional struct everything is optional, and the default of a struct is that of its fields.
func (t *flatten) addFields(p *flattenPlan, s *schema.Schema, prefix string, way []int, optional bool, fallback *schema.StructValue) error {
	for i, f := range s.Fields {
		name := t.name(prefix, f.Name)
		optional := optional || f.Schema.Optional
		def := f.Schema.Default
		if def == nil && fallback != nil && !fallback.Values[i].IsNull() {
			def = &fallback.Values[i]
		}
		here := append(way[:len(way):len(way)], i)
		switch f.Schema.Type {
		case schema.Map:
			return badData("Flatten transformation does not support MAP for record with schemas (for field %s).", name)
		case schema.Struct:
			var inner *schema.StructValue
			if def != nil {
				inner = def.Struct()
			}
			if err := t.addFields(p, f.Schema, name, here, optional, inner); err != nil {
				return err
			}
			continue
		}
		leaf := *f.Schema
		leaf.Optional, leaf.Default = optional, def
		if err := addField(p.schema, name, &leaf); err != nil {
			return err
		}
		p.leaves = append(p.leaves, here)
	}
	return nil
}

// flattenMap adds what a map holds; of equal names the last value stays.
func (t *flatten) flattenMap(out []schema.Entry, prefix string, m []schema.Entry) (_ []schema.Entry, err error) {
	for _, e := range m {
		key, err := keyName(e)
		if err != nil {
			return nil, err
		}
		name := t.name(prefix, key)
		switch {
		case e.Value.Class() != schema.NoClass:
			return nil, badData("Flatten transformation was passed a value of type class %s which is not supported by Connect's data API", className(nil, e.Value))
		case e.Value.Type() == schema.Struct:
			return nil, badData("Flatten transformation does not support class %s for record without schemas (for field %s).", className(nil, e.Value), name)
		case e.Value.Type() != schema.Map:
			out = putEntry(out, name, e.Value)
		default:
			if out, err = t.flattenMap(out, name, e.Value.Map()); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// keyName is the key of a map's entry, which must be a text.
func keyName(e schema.Entry) (string, error) {
	if e.Key.Type() == schema.String {
		return e.Key.Text(), nil
	}
	class := className(nil, e.Key)
	return "", fail(classCast, "class %s cannot be cast to class java.lang.String (%s and java.lang.String are in module java.base of loader 'bootstrap')", class, class)
}
