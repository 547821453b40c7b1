package transform

import (
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// extractFieldConfig holds the options of ExtractField.
type extractFieldConfig struct {
	Field       string
	Syntax      string
	ReplaceNull bool
}

func (c *extractFieldConfig) reset() { *c = extractFieldConfig{Syntax: "V1", ReplaceNull: true} }

func (c *extractFieldConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Field, "field", "Field that takes the place of the whole.", config.Required(), config.MayBeEmpty()),
		replaceNull(&c.ReplaceNull),
		config.String(&c.Syntax, "field.syntax.version", "How names of fields are read: V1 takes the whole text as one name, in V2 dots lead into structs and maps, and backticks keep a name with dots together.",
			config.Rank(config.High), config.Check(func(text string) error {
				if !strings.EqualFold(text, "V1") && !strings.EqualFold(text, "V2") {
					return config.Complain("String must be one of (case insensitive): V1, V2")
				}
				return nil
			})),
	}
}

// extractField is org.apache.kafka.connect.transforms.ExtractField.
type extractField struct {
	extractFieldConfig
	on    side
	path  path
	plans memo[*extractPlan]
}

// extractPlan is where the field is in a schema.
type extractPlan struct {
	at    []int
	field *schema.Field
}

const extractPurpose = "field extraction"

func newExtractField(on side, props map[string]string) (Transform, config.Report) {
	t := &extractField{on: on}
	r := read(&t.extractFieldConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.path = path{t.Field}
	if strings.EqualFold(t.Syntax, "V2") {
		var err error
		if t.path, err = parsePath(t.Field); err != nil {
			r.Fail("field", "%v", err)
			return nil, r
		}
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform.
func (t *extractField) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if s == nil {
		if !v.IsNull() {
			m, err := needMap(v, extractPurpose)
			if err == nil {
				v, err = t.path.inMap(m)
			}
			if err != nil {
				return false, err
			}
		}
		t.on.set(r, nil, v)
		return true, nil
	}
	var in *schema.StructValue
	if !v.IsNull() {
		var err error
		if in, err = needStruct(s, v, extractPurpose); err != nil {
			return false, err
		}
	}
	p, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	t.on.set(r, p.field.Schema, t.extract(p, in))
	return true, nil
}

func (t *extractField) plan(s *schema.Schema) (*extractPlan, error) {
	at, f, err := t.path.fieldOf(s)
	if err == nil && f == nil {
		err = fail(illegalArgument, "Unknown field: %s", t.Field)
	}
	if err != nil {
		return nil, err
	}
	return &extractPlan{at, f}, nil
}

// extract goes down the way; a null on it is null at its end.
func (t *extractField) extract(p *extractPlan, in *schema.StructValue) schema.Value {
	v := schema.NullValue
	for _, i := range p.at {
		if in == nil {
			return schema.NullValue
		}
		v = withDefault(&in.Schema.Fields[i], in.Values[i], t.ReplaceNull)
		in = v.Struct()
	}
	return v
}
