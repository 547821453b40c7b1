package transform

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// unwrap is io.debezium.transforms.ExtractNewRecordState: it makes the envelope the row.
type unwrap struct {
	unwrapConfig
	fields, headers []reference

	plans   memo[*schema.Schema, *unwrapPlan]
	marked  memo[*schema.Schema, *schema.Schema] // with __deleted
	added   memo[addedKey, *schema.Schema]
	dropped memo[droppedKey, *schema.Schema]
	heir    heir
	arena   schema.Arena
}

// unwrapPlan is what one schema of envelopes means.
type unwrapPlan struct {
	before, after   int // -1: there is none
	fields, headers []taken
}

// taken is where the value of a reference stands in an envelope.
type taken struct {
	of     int // field of the envelope that holds the struct; -1: the envelope itself
	field  int // -1: the field is in the envelope after all
	main   int // field of the envelope, when field is -1
	name   string
	schema *schema.Schema
}

type addedKey struct{ row, envelope *schema.Schema }

type droppedKey struct {
	schema *schema.Schema
	names  string
}

// deletedField says in rewriting modes whether a row was deleted.
const deletedField = "__deleted"

func newUnwrap(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
	u := &unwrap{unwrapConfig: defaultUnwrapConfig()}
	r := u.keys().Parse(props)
	u.takeOld(props, &r)
	u.fields = parseReferences("add.fields", u.FieldsPrefix, u.Fields, &r)
	u.headers = parseReferences("add.headers", u.HeadersPrefix, u.Headers, &r)
	if len(r.Errors) > 0 {
		return nil, r
	}
	u.plans.size, u.marked.size, u.added.size, u.dropped.size = schemasKept, schemasKept, schemasKept, schemasKept
	return u, r
}

// Apply implements Transform. Records that are no envelopes pass as they are, truncates are dropped.
func (u *unwrap) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() {
		u.heir.inherit(r)
		u.tombstoneHeaders(r)
		return u.Deletes == deletesRewriteTombstone, nil
	}
	if !isEnvelope(r.ValueSchema) {
		return true, nil
	}
	e, err := structOf(r.Value, "unwrap the envelope")
	if err != nil {
		return false, err
	}
	p, err := u.plans.of(e.Schema, func() (*unwrapPlan, error) { return u.plan(e.Schema) })
	if err != nil {
		return false, err
	}
	if p.after < 0 {
		return false, errors.New("the envelope has no field after")
	}
	there := len(r.Headers)
	for i := range p.headers {
		t := &p.headers[i]
		r.AddHeader(schema.Header{Key: t.name, Schema: t.schema, Value: t.value(e)})
	}
	if after := e.Values[p.after]; !after.IsNull() {
		u.heir.forget()
		return u.write(r, p, e, after)
	}
	if p.before < 0 {
		return false, errors.New("the envelope has no field before")
	}
	if e.Values[p.before].IsNull() {
		return false, nil // a truncate
	}
	before, err := structOf(e.Values[p.before], "read the row before the change")
	if err != nil {
		return false, err
	}
	u.heir.remember(r, there)
	return u.delete(r, p, e, before)
}

// tombstoneHeaders adds the only thing that is known of a tombstone.
func (u *unwrap) tombstoneHeaders(r *schema.Record) {
	for _, ref := range u.headers {
		if ref.field == fieldOp {
			r.AddHeader(schema.Header{Key: ref.name, Schema: text, Value: schema.OfString(opDelete)})
		}
	}
}

// write makes the record the row after an insert, an update or a read.
func (u *unwrap) write(r *schema.Record, p *unwrapPlan, e *schema.StructValue, after schema.Value) (keep bool, err error) {
	row, err := structOf(after, "read the row after the change")
	if err != nil {
		return false, err
	}
	if u.Deletes.rewrites() {
		if row, err = u.mark(row, "false"); err != nil {
			return false, err
		}
	}
	if err := u.route(r, row); err != nil {
		return false, err
	}
	if row, err = u.add(p, e, row); err != nil {
		return false, err
	}
	r.ValueSchema, r.Value = row.Schema, schema.OfStruct(row)
	return true, u.drop(r)
}

// delete makes the record what the mode says of a delete.
func (u *unwrap) delete(r *schema.Record, p *unwrapPlan, e, before *schema.StructValue) (keep bool, err error) {
	switch u.Deletes {
	case deletesDrop:
		return false, nil
	case deletesTombstone:
		r.ValueSchema, r.Value = e.Schema.Fields[p.after].Schema, schema.NullValue
	case deletesDeleteToTombstone:
		r.ValueSchema, r.Value = nil, schema.NullValue
	default:
		row, err := u.mark(before, "true")
		if err != nil {
			return false, err
		}
		r.ValueSchema, r.Value = row.Schema, schema.OfStruct(row)
	}
	if err := u.route(r, before); err != nil {
		return false, err
	}
	if err := u.drop(r); err != nil {
		return false, err
	}
	if row := r.Value.Struct(); row != nil {
		if row, err = u.add(p, e, row); err != nil {
			return false, err
		}
		r.ValueSchema, r.Value = row.Schema, schema.OfStruct(row)
	}
	return true, nil
}

// route sets the topic to the text of a column.
func (u *unwrap) route(r *schema.Record, row *schema.StructValue) error {
	if u.RouteBy == "" {
		return nil
	}
	topic, _, err := textOf(row, u.RouteBy)
	if err != nil {
		return fmt.Errorf("route by field: %w (option \"route.by.field\")", err)
	}
	if strings.TrimSpace(topic) != "" {
		r.Topic = topic
	}
	return nil
}

// mark adds __deleted to a row, as InsertField does.
func (u *unwrap) mark(row *schema.StructValue, deleted string) (*schema.StructValue, error) {
	s, err := u.marked.of(row.Schema, func() (*schema.Schema, error) {
		s := basics(row.Schema)
		s.Fields = slices.Clone(row.Schema.Fields)
		return s, addField(s, deletedField, optionalText)
	})
	if err != nil {
		return nil, fmt.Errorf("add the mark of deleted rows: %w", err)
	}
	out := u.arena.Struct(s)
	for i, v := range row.Values {
		if u.UseDefaults {
			v = get(row, i)
		}
		out.Values[i] = v
	}
	out.Values[len(row.Values)] = schema.OfString(deleted)
	return out, nil
}

// add adds the fields of add.fields to a row.
func (u *unwrap) add(p *unwrapPlan, e, row *schema.StructValue) (*schema.StructValue, error) {
	s, err := u.added.of(addedKey{row.Schema, e.Schema}, func() (*schema.Schema, error) {
		s := basics(row.Schema)
		s.Fields = slices.Clone(row.Schema.Fields)
		for i := range p.fields {
			if err := addField(s, p.fields[i].name, p.fields[i].schema); err != nil {
				return nil, err
			}
		}
		return s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("add fields to the row (option \"add.fields\"): %w", err)
	}
	out := u.arena.Struct(s)
	n := copy(out.Values, row.Values)
	for i := range p.fields {
		t := &p.fields[i]
		v := t.value(e)
		if v.Type() == schema.Struct { // its schema has lost its fields, as in Debezium
			return nil, fmt.Errorf("add field %q to the row (option \"add.fields\"): it is a struct; add its fields one by one", t.name)
		}
		out.Values[n+i] = v
	}
	return out, nil
}

// drop drops the fields that a header lists.
func (u *unwrap) drop(r *schema.Record) error {
	if strings.TrimSpace(u.DropHeader) == "" {
		return nil
	}
	i := slices.IndexFunc(r.Headers, func(h schema.Header) bool { return h.Key == u.DropHeader })
	if i < 0 || r.Headers[i].Value.IsNull() {
		return nil
	}
	if t := r.Headers[i].Value.Type(); t != schema.Array {
		return fmt.Errorf("header %q is of type %s, want a list of field names (option \"drop.fields.header.name\")", u.DropHeader, t)
	}
	var names []string
	for _, v := range r.Headers[i].Value.Array() {
		names = append(names, v.Text())
	}
	if len(names) == 0 {
		return nil
	}
	var err error
	if u.DropFromKey {
		if r.KeySchema, r.Key, err = u.without(r.KeySchema, r.Key, names); err != nil {
			return fmt.Errorf("drop fields from the key: %w", err)
		}
	}
	if r.ValueSchema, r.Value, err = u.without(r.ValueSchema, r.Value, names); err != nil {
		return fmt.Errorf("drop fields: %w", err)
	}
	return nil
}

// without drops fields from a struct as ReplaceField does, which puts defaults in place of the other fields' nulls.
func (u *unwrap) without(s *schema.Schema, v schema.Value, names []string) (*schema.Schema, schema.Value, error) {
	if v.IsNull() {
		return s, v, nil
	}
	old, err := structOf(v, "drop fields")
	if err != nil {
		return s, v, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		i := old.Schema.Field(name)
		return u.DropCompatible && (i < 0 || !old.Schema.Fields[i].Schema.Optional)
	})
	if len(names) == 0 {
		return s, v, nil
	}
	made, _ := u.dropped.of(droppedKey{old.Schema, strings.Join(names, "\x00")}, func() (*schema.Schema, error) {
		s := basics(old.Schema)
		for _, f := range old.Schema.Fields {
			if !slices.Contains(names, f.Name) {
				s.Fields = append(s.Fields, f)
			}
		}
		return s, nil
	})
	out := u.arena.Struct(made)
	n := 0
	for i, f := range old.Schema.Fields {
		if n < len(made.Fields) && made.Fields[n].Name == f.Name {
			out.Values[n] = get(old, i)
			n++
		}
	}
	return made, schema.OfStruct(out), nil
}

// plan finds the fields of an envelope.
func (u *unwrap) plan(e *schema.Schema) (*unwrapPlan, error) {
	p := &unwrapPlan{before: e.Field(fieldBefore), after: e.Field(fieldAfter)}
	var err error
	if p.fields, err = takeAll(e, u.fields); err != nil {
		return nil, fmt.Errorf("option \"add.fields\": %w", err)
	}
	if p.headers, err = takeAll(e, u.headers); err != nil {
		return nil, fmt.Errorf("option \"add.headers\": %w", err)
	}
	return p, nil
}

// takeAll finds the fields that references name; those that do not exist are left out.
func takeAll(e *schema.Schema, refs []reference) ([]taken, error) {
	var out []taken
	for _, ref := range refs {
		t := taken{of: -1, main: e.Field(ref.field), name: ref.name}
		parent := e
		if ref.of != "" {
			if t.of = e.Field(ref.of); t.of < 0 {
				return nil, fmt.Errorf("the envelope has no field %q", ref.of)
			}
			parent = e.Fields[t.of].Schema
		}
		if parent.Type != schema.Struct {
			return nil, fmt.Errorf("field %q of the envelope is of type %s and has no fields", ref.of, parent.Type)
		}
		t.field = parent.Field(ref.field)
		switch {
		case t.field >= 0:
			t.schema = basics(parent.Fields[t.field].Schema).AsOptional()
		case t.main >= 0:
			t.schema = basics(e.Fields[t.main].Schema).AsOptional()
		default:
			continue
		}
		out = append(out, t)
	}
	return out, nil
}

// value is the value of a reference; null when the struct it stands in is null.
func (t *taken) value(e *schema.StructValue) schema.Value {
	parent := e
	if t.of >= 0 {
		if parent = e.Values[t.of].Struct(); parent == nil {
			return schema.NullValue
		}
	}
	if t.field >= 0 {
		return parent.Values[t.field]
	}
	return e.Values[t.main]
}
