package transform

import (
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// hoistFieldConfig holds the options of HoistField.
type hoistFieldConfig struct{ Field string }

func (c *hoistFieldConfig) reset() { *c = hoistFieldConfig{} }

func (c *hoistFieldConfig) keys() config.Keys {
	return config.Keys{config.String(&c.Field, "field", "Name of the field that the data is put into, of a new struct or map.", config.Required(), config.MayBeEmpty())}
}

// hoistField is org.apache.kafka.connect.transforms.HoistField.
type hoistField struct {
	hoistFieldConfig
	on    side
	plans memo[*schema.Schema]
	arena schema.Arena
}

func newHoistField(on side, props map[string]string) (Transform, config.Report) {
	t := &hoistField{on: on}
	r := read(&t.hoistFieldConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform. A null is wrapped too.
func (t *hoistField) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if s == nil {
		t.on.set(r, nil, schema.OfMap([]schema.Entry{{Key: schema.OfString(t.Field), Value: v}}))
		return true, nil
	}
	hoisted, err := t.plans.of(s)
	if err == nil {
		err = checkNull(&hoisted.Fields[0], v)
	}
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(hoisted)
	out.Values[0] = v
	t.on.set(r, hoisted, schema.OfStruct(out))
	return true, nil
}

func (t *hoistField) plan(s *schema.Schema) (*schema.Schema, error) {
	hoisted := schema.StructOf("")
	return hoisted, addField(hoisted, t.Field, s)
}
