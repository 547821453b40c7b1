package transform

import (
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// replaceFieldConfig holds the options of ReplaceField.
type replaceFieldConfig struct {
	Exclude, Include, Renames []string
	ReplaceNull               bool
}

func (c *replaceFieldConfig) reset() { *c = replaceFieldConfig{ReplaceNull: true} }

func (c *replaceFieldConfig) keys() config.Keys {
	return config.Keys{
		fieldList(&c.Exclude, "exclude", "Fields that are left out, even those that include names.", false, config.Medium),
		fieldList(&c.Include, "include", "Fields that stay; empty: all.", false, config.Medium),
		config.List(&c.Renames, "renames", "Fields that get another name, as OLD:NEW.", config.Check(func(text string) error {
			_, err := parseRenames(config.SplitList(text))
			return err
		})),
		replaceNull(&c.ReplaceNull),
	}
}

// rename is one of ReplaceField's.
type rename struct{ from, to string }

func parseRenames(mappings []string) ([]rename, error) {
	var all []rename
	for _, m := range mappings {
		parts := javaSplit(m, ":")
		if len(parts) != 2 {
			return nil, config.Sentence("Invalid value %s for configuration renames: Invalid rename mapping: %s", javaList(mappings), m)
		}
		all = slices.DeleteFunc(all, func(r rename) bool { return r.from == parts[0] }) // the last one stays
		all = append(all, rename{parts[0], parts[1]})
	}
	return all, nil
}

// javaSplit is String.split: empty parts at the end are left out.
func javaSplit(text, separator string) []string {
	parts := strings.Split(text, separator)
	if len(parts) == 1 {
		return parts
	}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// javaList is List.toString.
func javaList(elems []string) string { return "[" + strings.Join(elems, ", ") + "]" }

// replaceField is org.apache.kafka.connect.transforms.ReplaceField.
type replaceField struct {
	replaceFieldConfig
	on      side
	renames []rename
	back    map[string]string // new name → old one
	plans   memo[*replacePlan]
	arena   schema.Arena
}

// replacePlan is what is known of a schema.
type replacePlan struct {
	schema *schema.Schema
	from   []int // where the fields come from
}

const replacePurpose = "field replacement"

func newReplaceField(on side, props map[string]string) (Transform, config.Report) {
	t := &replaceField{on: on}
	r := read(&t.replaceFieldConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.renames, _ = parseRenames(t.Renames) // they were checked
	t.back = make(map[string]string)
	old := make([]string, len(t.renames))
	for i := range old {
		old[i] = t.renames[i].from
	}
	for _, name := range config.JavaOrder(old) {
		t.back[t.renamed(name)] = name
	}
	t.plans.make = t.plan
	return t, r
}

func (t *replaceField) keeps(name string) bool {
	return !slices.Contains(t.Exclude, name) && (len(t.Include) == 0 || slices.Contains(t.Include, name))
}

func (t *replaceField) renamed(name string) string {
	for _, r := range t.renames {
		if r.from == name {
			return r.to
		}
	}
	return name
}

// Apply implements Transform. A null stays as it is.
func (t *replaceField) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if v.IsNull() {
		return true, nil
	}
	if s == nil {
		m, err := needMap(v, replacePurpose)
		if err != nil {
			return false, err
		}
		out := make([]schema.Entry, 0, len(m))
		for _, e := range m {
			if name := e.Key.Text(); t.keeps(name) {
				out = putEntry(out, t.renamed(name), e.Value)
			}
		}
		t.on.set(r, nil, schema.OfMap(out))
		return true, nil
	}
	in, err := needStruct(s, v, replacePurpose)
	if err != nil {
		return false, err
	}
	p, err := t.plans.of(in.Schema)
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(p.schema)
	for i, at := range p.from {
		f, from := &p.schema.Fields[i], &in.Schema.Fields[at]
		out.Values[i] = withDefault(from, in.Values[at], t.ReplaceNull)
		if err := checkNull(f, out.Values[i]); err != nil {
			return false, err
		}
		if f.Schema != from.Schema { // two fields claim one name, and Java takes the value of one for the schema of the other
			if err := checkClass(f, from.Schema, out.Values[i]); err != nil {
				return false, err
			}
		}
	}
	t.on.set(r, p.schema, schema.OfStruct(out))
	return true, nil
}

func (t *replaceField) plan(s *schema.Schema) (*replacePlan, error) {
	p := &replacePlan{schema: basics(s)}
	for _, f := range s.Fields {
		if !t.keeps(f.Name) {
			continue
		}
		if err := addField(p.schema, t.renamed(f.Name), f.Schema); err != nil {
			return nil, err
		}
	}
	for _, f := range p.schema.Fields {
		name, renamed := t.back[f.Name]
		if !renamed {
			name = f.Name
		}
		at := s.Field(name)
		if at < 0 {
			return nil, badData("%s is not a valid field name", name)
		}
		p.from = append(p.from, at)
	}
	return p, nil
}
