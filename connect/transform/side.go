package transform

import "github.com/tandem-cdc/tandem/schema"

// side is what of a record a transform works on.
type side bool

const (
	ofKey   side = false
	ofValue side = true
)

// class is what the Java class is called behind the $.
func (on side) class() string {
	if on == ofKey {
		return "Key"
	}
	return "Value"
}

func (on side) get(r *schema.Record) (*schema.Schema, schema.Value) {
	if on == ofKey {
		return r.KeySchema, r.Key
	}
	return r.ValueSchema, r.Value
}

func (on side) set(r *schema.Record, s *schema.Schema, v schema.Value) {
	if on == ofKey {
		r.KeySchema, r.Key = s, v
		return
	}
	r.ValueSchema, r.Value = s, v
}

// needStruct is for data with a schema, which must be a struct; purpose completes the message.
func needStruct(s *schema.Schema, v schema.Value, purpose string) (*schema.StructValue, error) {
	if v.Type() != schema.Struct {
		return nil, badData("Only Struct objects supported for [%s], found: %s", purpose, className(s, v))
	}
	return v.Struct(), nil
}

// needMap is for data without a schema, which must be a map.
func needMap(v schema.Value, purpose string) ([]schema.Entry, error) {
	if v.Type() != schema.Map {
		return nil, badData("Only Map objects supported in absence of schema for [%s], found: %s", purpose, className(nil, v))
	}
	return v.Map(), nil
}

// className is the Java class of a value, "null" for none.
func className(s *schema.Schema, v schema.Value) string {
	if s != nil {
		switch {
		case s.Name == schema.DecimalName && v.Type() == schema.Bytes:
			return "java.math.BigDecimal"
		case isDate(s, v):
			return "java.util.Date"
		}
	}
	switch v.Class() {
	case schema.Instant:
		return "java.util.Date"
	case schema.BigDecimal:
		return "java.math.BigDecimal"
	}
	return classNames[v.Type()]
}

var classNames = [...]string{schema.Invalid: "null", schema.Int8: "java.lang.Byte", schema.Int16: "java.lang.Short", schema.Int32: "java.lang.Integer", schema.Int64: "java.lang.Long",
	schema.Float32: "java.lang.Float", schema.Float64: "java.lang.Double", schema.Boolean: "java.lang.Boolean", schema.String: "java.lang.String", schema.Bytes: "[B",
	schema.Array: "java.util.ArrayList", schema.Map: "java.util.LinkedHashMap", schema.Struct: "org.apache.kafka.connect.data.Struct"}

// isDate tells values that are a java.util.Date by their schema.
func isDate(s *schema.Schema, v schema.Value) bool {
	switch {
	case s == nil:
		return v.Class() == schema.Instant
	case s.Name == schema.TimestampName:
		return v.Type() == schema.Int64
	case s.Name == schema.DateName, s.Name == schema.TimeName:
		return v.Type() == schema.Int32
	}
	return false
}

const millisPerDay = 24 * 60 * 60 * 1000

// millisOf is the instant of a value that isDate.
func millisOf(s *schema.Schema, v schema.Value) int64 {
	if s != nil && s.Name == schema.DateName {
		return v.Int() * millisPerDay
	}
	return v.Int()
}

// entryOf is the value of a map under a key that is a string; found is false when there is none.
func entryOf(m []schema.Entry, key string) (v schema.Value, found bool) {
	for i := range m {
		if m[i].Key.Type() == schema.String && m[i].Key.Text() == key {
			return m[i].Value, true
		}
	}
	return schema.NullValue, false
}

// putEntry sets a value of a map that is the transform's own.
func putEntry(m []schema.Entry, key string, v schema.Value) []schema.Entry {
	for i := range m {
		if m[i].Key.Type() == schema.String && m[i].Key.Text() == key {
			m[i].Value = v
			return m
		}
	}
	return append(m, schema.Entry{Key: schema.OfString(key), Value: v})
}
