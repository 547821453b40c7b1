package transform

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// castConfig holds the options of Cast.
type castConfig struct {
	Spec        []string
	ReplaceNull bool
}

func (c *castConfig) reset() { *c = castConfig{ReplaceNull: true} }

func (c *castConfig) keys() config.Keys {
	return config.Keys{
		config.List(&c.Spec, "spec", "Fields and their new types, as FIELD:TYPE, or one type for the whole: int8, int16, int32, int64, float32, float64, boolean or string. Bytes only become strings, in base64.",
			config.Required(), config.Rank(config.High), config.Check(func(text string) error {
				_, _, err := parseCasts(config.SplitList(text))
				return err
			}), config.RefusesNull(config.Sentence("Must specify at least one field to cast."))),
		replaceNull(&c.ReplaceNull),
	}
}

// fieldCast is one field and its new type.
type fieldCast struct {
	field string
	to    schema.Type
}

// parseCasts reads the option spec: either fields or one type for the whole.
func parseCasts(spec []string) (fields []fieldCast, whole schema.Type, err error) {
	if len(spec) == 0 {
		return nil, 0, config.Sentence("Must specify at least one field to cast.")
	}
	for _, mapping := range spec {
		parts := javaSplit(mapping, ":")
		if len(parts) == 0 || len(parts) > 2 {
			return nil, 0, config.Sentence("Invalid value %s for configuration renames: Invalid rename mapping: %s", javaList(spec), mapping)
		}
		to, err := parseCastType(strings.TrimSpace(parts[len(parts)-1]))
		if err != nil {
			return nil, 0, err
		}
		if len(parts) == 1 {
			whole = to
			continue
		}
		name := strings.TrimSpace(parts[0])
		fields = slices.DeleteFunc(fields, func(c fieldCast) bool { return c.field == name }) // the last one stays
		fields = append(fields, fieldCast{name, to})
	}
	if whole != 0 && len(spec) > 1 {
		return nil, 0, config.Sentence("Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec")
	}
	return fields, whole, nil
}

const (
	castInputs  = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]"
	castOutputs = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"
)

func parseCastType(text string) (schema.Type, error) {
	for t := schema.Int8; t <= schema.Struct; t++ {
		if !strings.EqualFold(text, t.String()) {
			continue
		}
		if t > schema.String {
			return 0, config.Sentence("Cast transformation does not support casting to %s; supported types are %s", javaType(t), castOutputs)
		}
		return t, nil
	}
	return 0, config.Sentence("Invalid value java.lang.IllegalArgumentException: No enum constant org.apache.kafka.connect.data.Schema.Type.%s for configuration Invalid type found in casting spec: %s",
		strings.ToUpper(text), text)
}

// cast is org.apache.kafka.connect.transforms.Cast.
type cast struct {
	castConfig
	on     side
	fields []fieldCast
	whole  schema.Type // Invalid: the fields
	plans  memo[*castPlan]
	arena  schema.Arena
	text   []byte // room for texts
}

// castPlan is what becomes of a schema.
type castPlan struct {
	schema *schema.Schema
	to     []schema.Type // of each field; Invalid: it stays
}

const castPurpose = "cast types"

func newCast(on side, props map[string]string) (Transform, config.Report) {
	t := &cast{on: on}
	r := read(&t.castConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	fields, whole, _ := parseCasts(t.Spec) // they were checked
	t.whole = whole
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].field
	}
	for _, name := range config.JavaOrder(names) {
		t.fields = append(t.fields, fields[slices.Index(names, name)])
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform. A null stays as it is.
func (t *cast) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	switch {
	case v.IsNull():
		return true, nil
	case s == nil && t.whole == schema.Invalid:
		return t.castMap(r, v)
	case s == nil:
		v, err := t.cast(nil, v, t.whole)
		t.on.set(r, nil, v)
		return true, err
	}
	p, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	if t.whole != schema.Invalid {
		v, err = t.cast(s, v, t.whole)
		t.on.set(r, p.schema, v)
		return true, err
	}
	in, err := needStruct(s, v, castPurpose)
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(p.schema)
	for i := range in.Values {
		f := &in.Schema.Fields[i]
		v := withDefault(f, in.Values[i], t.ReplaceNull)
		if p.to[i] != schema.Invalid {
			if v, err = t.cast(f.Schema, v, p.to[i]); err != nil {
				return false, err
			}
		}
		if err := checkNull(&p.schema.Fields[i], v); err != nil {
			return false, err
		}
		out.Values[i] = v
	}
	t.on.set(r, p.schema, schema.OfStruct(out))
	return true, nil
}

// castMap casts values of a map. A field that is not there comes to be there, as null.
func (t *cast) castMap(r *schema.Record, v schema.Value) (bool, error) {
	m, err := needMap(v, castPurpose)
	if err != nil {
		return false, err
	}
	out := slices.Clone(m)
	for _, c := range t.fields {
		v, _ := entryOf(m, c.field)
		if v, err = t.cast(nil, v, c.to); err != nil {
			return false, err
		}
		out = putEntry(out, c.field, v)
	}
	t.on.set(r, nil, schema.OfMap(out))
	return true, nil
}

func (t *cast) plan(s *schema.Schema) (*castPlan, error) {
	if t.whole != schema.Invalid {
		updated := &schema.Schema{Type: t.whole, Optional: s.Optional, Name: s.Name, Version: s.Version, Doc: s.Doc, Parameters: s.Parameters}
		var err error
		updated.Default, err = t.castDefault(s, t.whole)
		return &castPlan{schema: updated}, err
	}
	if err := needFields(s); err != nil {
		return nil, err
	}
	p := &castPlan{schema: basics(s), to: make([]schema.Type, len(s.Fields))}
	for i, f := range s.Fields {
		for _, c := range t.fields {
			if c.field == f.Name {
				p.to[i] = c.to
			}
		}
		fs := f.Schema
		if p.to[i] != schema.Invalid {
			fs = &schema.Schema{Type: p.to[i], Optional: f.Schema.Optional}
			var err error
			if fs.Default, err = t.castDefault(f.Schema, fs.Type); err != nil {
				return nil, err
			}
		}
		p.schema.Fields = append(p.schema.Fields, schema.F(f.Name, fs))
	}
	p.schema.Optional = s.Optional
	if s.Default != nil {
		return nil, notCastable(schema.Struct) // Kafka Connect cannot cast the default of a struct
	}
	return p, nil
}

func (t *cast) castDefault(s *schema.Schema, to schema.Type) (*schema.Value, error) {
	if s.Default == nil {
		return nil, nil
	}
	v, err := t.cast(s, *s.Default, to)
	return &v, err
}

func notCastable(from schema.Type) error {
	return badData("Cast transformation does not support casting from %s; supported types are %s", javaType(from), castInputs)
}

// cast converts one value. s is nil for data without a schema.
func (t *cast) cast(s *schema.Schema, v schema.Value, to schema.Type) (schema.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	from := v.Type()
	if s != nil {
		from = s.Type
	} else if v.Class() != schema.NoClass {
		return v, badData("Cast transformation was passed a value of type class %s which is not supported by Connect's data API", className(nil, v))
	}
	switch {
	case from >= schema.Array:
		return v, notCastable(from)
	case to == schema.String:
		return schema.OfString(t.textOf(s, v)), nil
	case s != nil && s.Name == schema.TimeName && isDate(s, v) && (v.Int() < 0 || v.Int() > millisPerDay):
		return v, badData("Kafka Connect Time type should not have any date fields set to non-zero values.")
	}
	switch to {
	case schema.Boolean:
		return toBoolean(s, v)
	case schema.Float32, schema.Float64:
		return toFloat(s, v, to)
	}
	return toInteger(s, v, to)
}

// textOf is a value as text.
func (t *cast) textOf(s *schema.Schema, v schema.Value) string {
	switch {
	case v.Type() == schema.String:
		return v.Text()
	case isDate(s, v):
		t.text = appendISO(t.text[:0], millisOf(s, v))
	case v.Type() == schema.Bytes && !isDecimal(s, v):
		t.text = base64.StdEncoding.AppendEncode(t.text[:0], v.Bytes())
	default:
		t.text = converter.AppendText(t.text[:0], s, v)
	}
	return t.arena.Text(t.text)
}

// appendISO is Values.dateFormatFor: a time of day below one day, a date at midnight, else both.
func appendISO(dst []byte, millis int64) []byte {
	switch {
	case millis < millisPerDay:
		return isoTime.append(dst, millis)
	case millis%millisPerDay == 0:
		return isoDate.append(dst, millis)
	}
	return isoTimestamp.append(dst, millis)
}

// refusedText is a text that is no number of the type.
func refusedText(v schema.Value, cause *Failure) error {
	return &Failure{dataException, "Value (" + v.Text() + ") was out of range for requested data type", cause}
}

func notCast(s *schema.Schema, v schema.Value) error {
	return badData("Unexpected type in Cast transformation: class %s", className(s, v))
}

func toInteger(s *schema.Schema, v schema.Value, to schema.Type) (schema.Value, error) {
	switch {
	case v.Type() == schema.String:
		n, refused := parseInteger(to, v.Text())
		if refused != nil {
			return v, refusedText(v, refused)
		}
		return schema.OfInt(to, n), nil
	case v.Type() == schema.Boolean && v.Bool():
		return schema.OfInt(to, 1), nil
	case v.Type() == schema.Boolean:
		return schema.OfInt(to, 0), nil
	case v.Type() == schema.Float32, v.Type() == schema.Float64:
		return schema.OfInt(to, integerOf(to, v.Float64())), nil
	case isDecimal(s, v):
		return schema.OfInt(to, narrow(to, decimalOf(s, v).int64())), nil
	case v.Type() <= schema.Int64:
		return schema.OfInt(to, narrow(to, v.Int())), nil
	}
	return v, notCast(s, v)
}

func toFloat(s *schema.Schema, v schema.Value, to schema.Type) (schema.Value, error) {
	var f float64
	switch {
	case v.Type() == schema.String:
		bits := 64
		if to == schema.Float32 {
			bits = 32
		}
		var refused *Failure
		if f, refused = parseFloat(v.Text(), bits); refused != nil {
			return v, refusedText(v, refused)
		}
	case v.Type() == schema.Boolean:
		if v.Bool() {
			f = 1
		}
	case v.Type() == schema.Float32, v.Type() == schema.Float64:
		f = v.Float64()
	case isDecimal(s, v) && to == schema.Float32:
		return schema.OfFloat32(decimalOf(s, v).float32()), nil
	case isDecimal(s, v):
		f = decimalOf(s, v).float64()
	case v.Type() <= schema.Int64 && to == schema.Float32:
		return schema.OfFloat32(float32(v.Int())), nil
	case v.Type() <= schema.Int64:
		f = float64(v.Int())
	default:
		return v, notCast(s, v)
	}
	if to == schema.Float32 {
		return schema.OfFloat32(float32(f)), nil
	}
	return schema.OfFloat64(f), nil
}

func toBoolean(s *schema.Schema, v schema.Value) (schema.Value, error) {
	switch {
	case v.Type() == schema.String:
		return schema.OfBool(strings.EqualFold(v.Text(), "true")), nil
	case v.Type() == schema.Boolean:
		return v, nil
	case v.Type() == schema.Float32, v.Type() == schema.Float64:
		return schema.OfBool(integerOf(schema.Int64, v.Float64()) != 0), nil
	case isDecimal(s, v):
		return schema.OfBool(decimalOf(s, v).int64() != 0), nil
	case v.Type() <= schema.Int64:
		return schema.OfBool(v.Int() != 0), nil
	}
	return v, notCast(s, v)
}
