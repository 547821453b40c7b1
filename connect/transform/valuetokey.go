package transform

import (
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// valueToKeyConfig holds the options of ValueToKey.
type valueToKeyConfig struct {
	Fields      []string
	ReplaceNull bool
}

func (c *valueToKeyConfig) reset() { *c = valueToKeyConfig{ReplaceNull: true} }

func (c *valueToKeyConfig) keys() config.Keys {
	return config.Keys{
		fieldList(&c.Fields, "fields", "Fields of the value that make the key.", true, config.High),
		replaceNull(&c.ReplaceNull),
	}
}

// valueToKey is org.apache.kafka.connect.transforms.ValueToKey.
type valueToKey struct {
	valueToKeyConfig
	plans memo[*replacePlan]
	arena schema.Arena
}

const valueToKeyPurpose = "copying fields from value to key"

func newValueToKey(props map[string]string) (Transform, config.Report) {
	t := new(valueToKey)
	r := read(&t.valueToKeyConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	var once []string
	for _, name := range t.Fields {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	t.Fields = once
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform.
func (t *valueToKey) Apply(r *schema.Record) (bool, error) {
	if r.ValueSchema == nil {
		m, err := needMap(r.Value, valueToKeyPurpose)
		if err != nil {
			return false, err
		}
		key := make([]schema.Entry, len(t.Fields))
		for i, name := range t.Fields {
			key[i].Key = schema.OfString(name)
			key[i].Value, _ = entryOf(m, name)
		}
		r.KeySchema, r.Key = nil, schema.OfMap(key)
		return true, nil
	}
	in, err := needStruct(r.ValueSchema, r.Value, valueToKeyPurpose)
	if err != nil {
		return false, err
	}
	p, err := t.plans.of(in.Schema)
	if err != nil {
		return false, err
	}
	key := t.arena.Struct(p.schema)
	for i, at := range p.from {
		f := &in.Schema.Fields[at]
		key.Values[i] = withDefault(f, in.Values[at], t.ReplaceNull)
		if err := checkNull(f, key.Values[i]); err != nil {
			return false, err
		}
	}
	r.KeySchema, r.Key = p.schema, schema.OfStruct(key)
	return true, nil
}

func (t *valueToKey) plan(s *schema.Schema) (*replacePlan, error) {
	p := &replacePlan{schema: schema.StructOf("")}
	for _, name := range t.Fields {
		at := s.Field(name)
		if at < 0 {
			return nil, badData("Field does not exist: %s", name)
		}
		p.schema.Fields = append(p.schema.Fields, s.Fields[at])
		p.from = append(p.from, at)
	}
	return p, nil
}
