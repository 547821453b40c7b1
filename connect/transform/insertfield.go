package transform

import (
	"hash/fnv"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// insertFieldConfig holds the options of InsertField.
type insertFieldConfig struct {
	Topic, Partition, Offset, Timestamp, Static string
	Value                                       string
	ReplaceNull                                 bool
}

func (c *insertFieldConfig) reset() { *c = insertFieldConfig{ReplaceNull: true} }

func (c *insertFieldConfig) keys() config.Keys {
	const suffix = " A ! behind the name makes the field a required one, a ? an optional one, as it is without."
	field := func(dst *string, name, doc string) config.Key {
		return config.String(dst, name, doc+suffix, config.Null())
	}
	return config.Keys{
		field(&c.Topic, "topic.field", "Field for the topic."),
		field(&c.Partition, "partition.field", "Field for the partition."),
		field(&c.Offset, "offset.field", "Field for the offset; only in front of a sink."),
		field(&c.Timestamp, "timestamp.field", "Field for the record's timestamp."),
		field(&c.Static, "static.field", "Field for static.value."),
		config.String(&c.Value, "static.value", "Value of static.field.", config.Null()),
		replaceNull(&c.ReplaceNull),
	}
}

// insertField is org.apache.kafka.connect.transforms.InsertField.
type insertField struct {
	insertFieldConfig
	on     side
	fields []inserted
	plans  memo[*schema.Schema]
	arena  schema.Arena
}

// inserted is one field that is put in.
type inserted struct {
	schema.Field
	what insertion
}

// insertion is what of a record goes into a field.
type insertion uint8

const (
	insertTopic insertion = iota
	insertPartition
	insertOffset
	insertTimestamp
	insertStatic
)

// insertions are the options and the types of what they put in, in the order of the fields.
var insertions = [...]struct {
	option string
	what   insertion
	schema *schema.Schema
}{
	{"topic.field", insertTopic, schema.Of(schema.String)},
	{"partition.field", insertPartition, schema.Of(schema.Int32)},
	{"offset.field", insertOffset, schema.Of(schema.Int64)},
	{"timestamp.field", insertTimestamp, schema.Timestamp()},
	{"static.field", insertStatic, schema.Of(schema.String)},
}

const insertPurpose = "field insertion"

func newInsertField(on side, props map[string]string) (Transform, config.Report) {
	t := &insertField{on: on}
	r := read(&t.insertFieldConfig, props)
	for _, i := range insertions {
		text, given := props[i.option]
		if !given {
			continue
		}
		f := inserted{schema.F(strings.TrimSpace(text), i.schema), i.what}
		if name, required := strings.CutSuffix(f.Name, "!"); required {
			f.Name = name
		} else {
			f.Name, f.Schema = strings.TrimSuffix(name, "?"), i.schema.AsOptional()
		}
		t.fields = append(t.fields, f)
	}
	_, valued := props["static.value"]
	switch {
	case len(r.Errors) > 0:
	case len(t.fields) == 0:
		r.Errors = append(r.Errors, config.Problem{Name: "topic.field", Message: "No field insertion configured"})
	case !valued && t.fields[len(t.fields)-1].what == insertStatic:
		address := fnv.New32a() // Java prints the address of an object
		_, _ = address.Write([]byte(t.Static))
		r.Fail("static.value", "Invalid value null for configuration static.value: No value specified for static field: %sInsertField$InsertionSpec@%x", classPrefix, address.Sum32())
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform. A null stays as it is.
func (t *insertField) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if v.IsNull() {
		return true, nil
	}
	if s == nil {
		m, err := needMap(v, insertPurpose)
		if err != nil {
			return false, err
		}
		out := append(make([]schema.Entry, 0, len(m)+len(t.fields)), m...)
		for i := range t.fields {
			v, err := t.fields[i].value(r, t.Value)
			if err != nil {
				return false, err
			}
			if !v.IsNull() {
				out = putEntry(out, t.fields[i].Name, v)
			}
		}
		t.on.set(r, nil, schema.OfMap(out))
		return true, nil
	}
	in, err := needStruct(s, v, insertPurpose)
	if err != nil {
		return false, err
	}
	updated, err := t.plans.of(in.Schema)
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(updated)
	for i := range in.Values {
		f := &updated.Fields[i]
		out.Values[i] = withDefault(f, in.Values[i], t.ReplaceNull)
		if err := checkNull(f, out.Values[i]); err != nil {
			return false, err
		}
	}
	for i := range t.fields {
		if out.Values[len(in.Values)+i], err = t.fields[i].value(r, t.Value); err != nil {
			return false, err
		}
	}
	t.on.set(r, updated, schema.OfStruct(out))
	return true, nil
}

func (t *insertField) plan(s *schema.Schema) (*schema.Schema, error) {
	updated := basics(s)
	updated.Fields = slices.Grow(slices.Clone(s.Fields), len(t.fields))
	for i := range t.fields {
		if err := addField(updated, t.fields[i].Name, t.fields[i].Schema); err != nil {
			return nil, err
		}
	}
	return updated, nil
}

// value is what goes into the field; null when the record has none.
func (f *inserted) value(r *schema.Record, static string) (schema.Value, error) {
	switch f.what {
	case insertTopic:
		return schema.OfString(r.Topic), nil
	case insertPartition:
		if r.Partition < 0 {
			return schema.NullValue, nil
		}
		return schema.OfInt32(r.Partition), nil
	case insertOffset:
		if r.Offset == schema.NoOffset {
			return schema.NullValue, badData("Only SinkRecord supported for [%s], found: org.apache.kafka.connect.source.SourceRecord", insertPurpose)
		}
		return schema.OfInt64(r.Offset), nil
	case insertTimestamp:
		if r.Timestamp == schema.NoTimestamp {
			return schema.NullValue, nil
		}
		return schema.OfInt64(r.Timestamp), nil
	}
	return schema.OfString(static), nil
}
