package transform

import (
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// changedConfig holds the options of ExtractChangedRecordState.
type changedConfig struct {
	Changed, Unchanged string // names of headers
}

func defaultChangedConfig() changedConfig { return changedConfig{} }

func (c *changedConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Changed, "header.changed.name", "Header for the names of the columns that an update changed; none: no header. Inserts and deletes have an empty list.", config.Null(), config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
		config.String(&c.Unchanged, "header.unchanged.name", "Header for the names of the columns that an update did not change; none: no header.", config.Null(), config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
	}
}

// changed is io.debezium.transforms.ExtractChangedRecordState: it tells in headers what an update changed.
type changed struct {
	changedConfig
	changed, unchanged *schema.Schema
	heir               heir
}

func newChanged(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
	t := &changed{}
	r := t.keys().Parse(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.changed, t.unchanged = names(t.Changed), names(t.Unchanged)
	return t, r
}

// names is the schema of a list of columns.
func names(header string) *schema.Schema {
	s := schema.ArrayOf(optionalText).AsOptional()
	s.Name = header
	return s
}

// Apply implements Transform.
func (t *changed) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() {
		t.heir.inherit(r)
		return true, nil
	}
	t.heir.forget()
	if !isEnvelope(r.ValueSchema) {
		return true, nil
	}
	e, err := structOf(r.Value, "read the envelope")
	if err != nil {
		return false, err
	}
	there := len(r.Headers)
	var changed, unchanged []schema.Value
	if before, after := e.Field(fieldBefore).Struct(), e.Field(fieldAfter).Struct(); before != nil && after != nil {
		changed, unchanged = compareRows(before, after)
	}
	if t.Changed != "" {
		r.AddHeader(schema.Header{Key: t.Changed, Schema: t.changed, Value: schema.OfArray(changed)})
	}
	if t.Unchanged != "" {
		r.AddHeader(schema.Header{Key: t.Unchanged, Schema: t.unchanged, Value: schema.OfArray(unchanged)})
	}
	if e.Field(fieldOp).Text() == opDelete {
		t.heir.remember(r, there)
	}
	return true, nil
}

// compareRows sorts the columns of two rows. A column that only one of them has is changed.
func compareRows(before, after *schema.StructValue) (changed, unchanged []schema.Value) {
	same := before.Schema == after.Schema
	for i, f := range after.Schema.Fields {
		j := i
		if !same {
			j = before.Schema.Field(f.Name)
		}
		if j >= 0 && after.Values[i].Equal(before.Values[j]) {
			unchanged = append(unchanged, schema.OfString(f.Name))
		} else {
			changed = append(changed, schema.OfString(f.Name))
		}
	}
	if same {
		return changed, unchanged
	}
	for _, f := range before.Schema.Fields {
		if after.Schema.Field(f.Name) < 0 {
			changed = append(changed, schema.OfString(f.Name))
		}
	}
	return changed, unchanged
}
