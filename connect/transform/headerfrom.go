package transform

import (
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// headerFromConfig holds the options of HeaderFrom.
type headerFromConfig struct {
	Fields, Headers []string
	Operation       string
	ReplaceNull     bool
}

// What HeaderFrom does with the fields.
const (
	moveFields = "move"
	copyFields = "copy"
)

func (c *headerFromConfig) reset() { *c = headerFromConfig{ReplaceNull: true} }

func (c *headerFromConfig) keys() config.Keys {
	notEmpty := func(name string) config.Option {
		return config.Check(func(text string) error {
			if len(config.SplitList(text)) == 0 {
				return config.Sentence("Invalid value [] for configuration %s: Empty list", name)
			}
			return nil
		})
	}
	return config.Keys{
		config.List(&c.Fields, "fields", "Fields whose values become headers.", config.Required(), config.Rank(config.High), notEmpty("fields"), config.RefusesNull(config.Complain("Empty list"))),
		config.List(&c.Headers, "headers", "Names of the headers, as many as there are fields and in the same order.", config.Required(), config.Rank(config.High), notEmpty("headers"), config.RefusesNull(config.Complain("Empty list"))),
		config.String(&c.Operation, "operation", "Whether the fields are taken away (move) or stay (copy).", config.Required(), config.MayBeEmpty(), config.Rank(config.High),
			config.Check(func(text string) error { return oneOf(text, moveFields, copyFields) }), config.RefusesNull(config.Complain("String must be one of: move, copy"))),
		replaceNull(&c.ReplaceNull),
	}
}

// headerFrom is org.apache.kafka.connect.transforms.HeaderFrom.
type headerFrom struct {
	headerFromConfig
	on      side
	purpose string
	plans   memo[*headerFromPlan]
	arena   schema.Arena
}

// headerFromPlan is what is known of a schema.
type headerFromPlan struct {
	fields []int          // where those are that become headers
	rest   *schema.Schema // without them
	kept   []int          // where those of rest come from
}

func newHeaderFrom(on side, props map[string]string) (Transform, config.Report) {
	t := &headerFrom{on: on}
	r := read(&t.headerFromConfig, props)
	if len(r.Errors) == 0 && len(t.Fields) != len(t.Headers) {
		r.Errors = append(r.Errors, config.Problem{Name: "fields", Message: "'fields' config must have the same number of elements as 'headers' config."})
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.purpose = "header " + t.Operation
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform.
func (t *headerFrom) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	headers := r.Headers[:len(r.Headers):len(r.Headers)]
	if s == nil {
		m, err := needMap(v, t.purpose)
		if err != nil {
			return false, err
		}
		r.Headers, m = t.fromMap(headers, m)
		t.on.set(r, nil, schema.OfMap(m))
		return true, nil
	}
	in, err := needStruct(s, v, t.purpose)
	if err != nil {
		return false, err
	}
	p, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	out, err := t.rest(p, in)
	if err != nil {
		return false, err
	}
	for i, at := range p.fields {
		f := &s.Fields[at]
		h := schema.Header{Key: t.Headers[i], Schema: f.Schema, Value: withDefault(f, in.Values[at], t.ReplaceNull)}
		if h.Value.IsNull() && !f.Schema.Optional {
			return false, badData("A null value requires an optional schema but was %s", describe(f.Schema))
		}
		headers = append(headers, h)
	}
	r.Headers = headers
	if t.Operation == moveFields {
		t.on.set(r, p.rest, schema.OfStruct(out))
	}
	return true, nil
}

// fromMap gives the headers and what is left of the map.
func (t *headerFrom) fromMap(headers []schema.Header, m []schema.Entry) ([]schema.Header, []schema.Entry) {
	for i, name := range t.Fields {
		v, _ := entryOf(m, name) // of the whole map: a field may become several headers
		headers = append(headers, schema.Header{Key: t.Headers[i], Value: v})
	}
	if t.Operation == moveFields {
		m = slices.DeleteFunc(slices.Clone(m), func(e schema.Entry) bool {
			return e.Key.Type() == schema.String && slices.Contains(t.Fields, e.Key.Text())
		})
	}
	return headers, m
}

func (t *headerFrom) plan(s *schema.Schema) (*headerFromPlan, error) {
	p := &headerFromPlan{rest: basics(s)}
	for i, f := range s.Fields {
		if !slices.Contains(t.Fields, f.Name) {
			p.rest.Fields = append(p.rest.Fields, f)
			p.kept = append(p.kept, i)
		}
	}
	for _, name := range t.Fields {
		at := s.Field(name)
		if at < 0 { // as Java says it
			return nil, fail(nullPointer, `Cannot invoke "org.apache.kafka.connect.data.Field.schema()" because the return value of "org.apache.kafka.connect.data.Schema.field(String)" is null`)
		}
		p.fields = append(p.fields, at)
	}
	return p, nil
}

// rest is the struct without the fields that move; nil when they are copied.
func (t *headerFrom) rest(p *headerFromPlan, in *schema.StructValue) (*schema.StructValue, error) {
	if t.Operation != moveFields {
		return nil, nil
	}
	out := t.arena.Struct(p.rest)
	for i, at := range p.kept {
		f := &p.rest.Fields[i]
		out.Values[i] = withDefault(f, in.Values[at], t.ReplaceNull)
		if err := checkNull(f, out.Values[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
