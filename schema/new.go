package schema

import "strconv"

// Of makes a schema of a type without inner schemas.
func Of(t Type) *Schema { return &Schema{Type: t} }

// ArrayOf makes the schema of an Array. A nil elem means elements without a schema.
func ArrayOf(elem *Schema) *Schema { return &Schema{Type: Array, Elem: elem} }

// MapOf makes the schema of a Map. A nil key or elem means keys or values without a schema.
func MapOf(key, elem *Schema) *Schema { return &Schema{Type: Map, Key: key, Elem: elem} }

// StructOf makes the schema of a Struct; name may be empty.
func StructOf(name string, fields ...Field) *Schema {
	return &Schema{Type: Struct, Name: name, Fields: fields}
}

// F makes a Field.
func F(name string, s *Schema) Field { return Field{Name: name, Schema: s} }

// Logical makes a schema of a base type under a name, as Debezium's and Connect's own logical types are.
func Logical(t Type, name string, version int) *Schema {
	return &Schema{Type: t, Name: name, Version: version}
}

// Decimal makes Connect's Decimal of a scale.
func Decimal(scale int) *Schema {
	return &Schema{Type: Bytes, Name: DecimalName, Version: 1, Parameters: []Parameter{{ScaleParameter, strconv.Itoa(scale)}}}
}

// Date makes Connect's Date: days since 1970-01-01.
func Date() *Schema { return Logical(Int32, DateName, 1) }

// Time makes Connect's Time: milliseconds since midnight.
func Time() *Schema { return Logical(Int32, TimeName, 1) }

// Timestamp makes Connect's Timestamp: milliseconds since 1970-01-01 UTC.
func Timestamp() *Schema { return Logical(Int64, TimestampName, 1) }

// AsOptional returns the schema with Optional set: itself when it is, else a copy.
func (s *Schema) AsOptional() *Schema {
	if s.Optional {
		return s
	}
	c := *s
	c.Optional = true
	return &c
}

// AsRequired returns the schema with Optional not set: itself when it is not, else a copy.
func (s *Schema) AsRequired() *Schema {
	if !s.Optional {
		return s
	}
	c := *s
	c.Optional = false
	return &c
}

// WithDefault returns a copy that has a default.
func (s *Schema) WithDefault(v Value) *Schema {
	c := *s
	c.Default = &v
	return &c
}

// WithDoc returns a copy that has a documentation text.
func (s *Schema) WithDoc(doc string) *Schema {
	c := *s
	c.Doc = doc
	return &c
}

// WithParameter returns a copy that has the parameter set; a new one comes last.
func (s *Schema) WithParameter(name, value string) *Schema {
	c := *s
	c.Parameters = make([]Parameter, 0, len(s.Parameters)+1)
	found := false
	for _, p := range s.Parameters {
		if p.Name == name {
			p.Value, found = value, true
		}
		c.Parameters = append(c.Parameters, p)
	}
	if !found {
		c.Parameters = append(c.Parameters, Parameter{name, value})
	}
	return &c
}

// WithVersion returns a copy that has the version.
func (s *Schema) WithVersion(version int) *Schema {
	c := *s
	c.Version = version
	return &c
}
