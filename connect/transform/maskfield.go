package transform

import (
	"slices"
	"strconv"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// maskFieldConfig holds the options of MaskField.
type maskFieldConfig struct {
	Fields      []string
	Replacement string
	ReplaceNull bool
}

func (c *maskFieldConfig) reset() { *c = maskFieldConfig{ReplaceNull: true} }

func (c *maskFieldConfig) keys() config.Keys {
	return config.Keys{
		fieldList(&c.Fields, "fields", "Fields whose values are hidden. A null stays null.", true, config.High),
		config.String(&c.Replacement, "replacement", "What takes the place of texts and numbers, converted to each one's type. Without it values become what their type has for nothing: 0, false, the empty text.",
			config.Null(), config.Rank(config.Low), config.Check(checkNonEmpty)),
		replaceNull(&c.ReplaceNull),
	}
}

// maskField is org.apache.kafka.connect.transforms.MaskField.
type maskField struct {
	maskFieldConfig
	on      side
	custom  bool
	number  decimal // of the replacement
	refused *Failure
	plans   memo[[]bool] // which fields are masked
	arena   schema.Arena
}

const maskPurpose = "mask fields"

func newMaskField(on side, props map[string]string) (Transform, config.Report) {
	t := &maskField{on: on}
	r := read(&t.maskFieldConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.Fields = config.JavaOrder(t.Fields)
	if _, t.custom = props["replacement"]; t.custom {
		t.number, t.refused = parseDecimal(t.Replacement)
	}
	t.plans.make = t.plan
	return t, r
}

// Apply implements Transform.
func (t *maskField) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if s == nil {
		m, err := needMap(v, maskPurpose)
		if err != nil {
			return false, err
		}
		out := slices.Clone(m)
		for _, name := range t.Fields {
			v, _ := entryOf(m, name)
			if v, err = t.masked(nil, v); err != nil {
				return false, err
			}
			out = putEntry(out, name, v)
		}
		t.on.set(r, nil, schema.OfMap(out))
		return true, nil
	}
	in, err := needStruct(s, v, maskPurpose)
	if err != nil {
		return false, err
	}
	masked, err := t.plans.of(in.Schema)
	if err != nil {
		return false, err
	}
	out := t.arena.Struct(in.Schema)
	for i := range in.Values {
		f := &in.Schema.Fields[i]
		v := withDefault(f, in.Values[i], t.ReplaceNull)
		if masked[i] {
			if v, err = t.masked(f.Schema, v); err != nil {
				return false, err
			}
		}
		if err := checkNull(f, v); err != nil {
			return false, err
		}
		out.Values[i] = v
	}
	t.on.set(r, s, schema.OfStruct(out))
	return true, nil
}

func (t *maskField) plan(s *schema.Schema) ([]bool, error) {
	masked := make([]bool, len(s.Fields))
	for i, f := range s.Fields {
		masked[i] = slices.Contains(t.Fields, f.Name)
	}
	return masked, nil
}

func (t *maskField) masked(s *schema.Schema, v schema.Value) (schema.Value, error) {
	switch {
	case v.IsNull():
		return v, nil
	case t.custom:
		return t.replaced(s, v)
	case isDecimal(s, v) && s != nil:
		return schema.OfBytes([]byte{0}), nil
	case v.Class() == schema.BigDecimal:
		return schema.OfDecimal([]byte{0}, 0), nil
	case v.Class() == schema.Instant:
		return schema.OfInstant(0), nil
	}
	switch v.Type() {
	case schema.Boolean:
		return schema.OfBool(false), nil
	case schema.Float32:
		return schema.OfFloat32(0), nil
	case schema.Float64:
		return schema.OfFloat64(0), nil
	case schema.String:
		return schema.OfString(""), nil
	case schema.Array:
		return schema.OfArray(nil), nil
	case schema.Map:
		return schema.OfMap(nil), nil
	case schema.Bytes, schema.Struct:
		return schema.NullValue, badData("Cannot mask value of type: class %s", className(s, v))
	}
	return schema.OfInt(v.Type(), 0), nil
}

// replaced is the replacement in the value's type.
func (t *maskField) replaced(s *schema.Schema, v schema.Value) (schema.Value, error) {
	decimal := isDecimal(s, v)
	number := v.Type() >= schema.Int8 && v.Type() <= schema.Float64 && !isDate(s, v)
	switch {
	case v.Type() == schema.String:
		return schema.OfString(t.Replacement), nil
	case !number && !decimal:
		return schema.NullValue, badData("Cannot mask value of type class %s with custom replacement.", className(s, v))
	case t.refused != nil && decimal:
		return schema.NullValue, &Failure{dataException, "Unable to convert " + t.Replacement + " (class java.lang.String) to number", t.refused}
	case t.refused != nil:
		return schema.NullValue, &Failure{dataException, "Unable to convert " + t.Replacement + " (class java.lang.String) to a number", t.refused}
	case decimal && s == nil:
		return schema.OfDecimal(t.number.bytes(), int32(t.number.scale)), nil
	case decimal:
		return t.rescaled(s)
	case v.Type() == schema.Float32:
		return schema.OfFloat32(float32(t.number.float64())), nil
	case v.Type() == schema.Float64:
		return schema.OfFloat64(t.number.float64()), nil
	}
	return schema.OfInt(v.Type(), narrow(v.Type(), t.number.int64())), nil
}

// rescaled is the replacement with the scale of a Decimal. Kafka Connect keeps its own scale, and its converters then refuse the record.
func (t *maskField) rescaled(s *schema.Schema) (schema.Value, error) {
	scale, err := strconv.Atoi(s.Parameter(schema.ScaleParameter))
	if err != nil {
		return schema.NullValue, badData("Invalid Decimal schema: scale parameter not found.")
	}
	d, exact := t.number.withScale(scale)
	if !exact {
		return schema.NullValue, badData("BigDecimal has mismatching scale value for given Decimal schema")
	}
	return schema.OfBytes(d.bytes()), nil
}

// isDecimal tells values that are a java.math.BigDecimal.
func isDecimal(s *schema.Schema, v schema.Value) bool {
	if s != nil {
		return s.Name == schema.DecimalName && v.Type() == schema.Bytes
	}
	return v.Class() == schema.BigDecimal
}
