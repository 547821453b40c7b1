package transform

import (
	"math"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// setSchemaConfig holds the options of SetSchemaMetadata.
type setSchemaConfig struct {
	Name        string
	Version     int
	ReplaceNull bool
}

func (c *setSchemaConfig) reset() { *c = setSchemaConfig{ReplaceNull: true} }

func (c *setSchemaConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Name, "schema.name", "Name that the schema gets.", config.Null(), config.Rank(config.High)),
		config.Int(&c.Version, "schema.version", "Version that the schema gets.", math.MinInt32, math.MaxInt32, config.Null(), config.Rank(config.High)),
		replaceNull(&c.ReplaceNull),
	}
}

// setSchema is org.apache.kafka.connect.transforms.SetSchemaMetadata.
type setSchema struct {
	setSchemaConfig
	on              side
	named, numbered bool
	plans           memo[*schema.Schema]
	arena           schema.Arena
}

func newSetSchema(on side, props map[string]string) (Transform, config.Report) {
	t := &setSchema{on: on}
	r := read(&t.setSchemaConfig, props)
	_, t.named = props["schema.name"]
	_, t.numbered = props["schema.version"]
	if len(r.Errors) == 0 && !t.named && !t.numbered {
		r.Errors = append(r.Errors, config.Problem{Name: "schema.name", Message: "Neither schema name nor version configured"})
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform. A null without a schema stays as it is.
func (t *setSchema) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if s == nil && v.IsNull() {
		return true, nil
	}
	if s == nil {
		return false, badData("Schema required for [updating schema metadata]")
	}
	updated, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	in := v.Struct()
	if in == nil {
		t.on.set(r, updated, v)
		return true, nil
	}
	out := t.arena.Struct(updated)
	for i := range in.Values {
		f := &updated.Fields[i]
		out.Values[i] = withDefault(f, in.Values[i], t.ReplaceNull)
		if err := checkNull(f, out.Values[i]); err != nil {
			return false, err
		}
	}
	t.on.set(r, updated, schema.OfStruct(out))
	return true, nil
}

func (t *setSchema) plan(s *schema.Schema) (*schema.Schema, error) {
	if err := needFields(s); err != nil { // Kafka Connect asks for them whatever the schema is
		return nil, err
	}
	updated := *s
	if t.named {
		updated.Name = t.Name
	}
	if t.numbered {
		updated.Version = t.Version
	}
	return &updated, nil
}
