package transform

import (
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// withDefault is a field's value, or its default where it is null and that is asked for.
func withDefault(f *schema.Field, v schema.Value, replace bool) schema.Value {
	if v.IsNull() && replace && f.Schema.Default != nil {
		return *f.Schema.Default
	}
	return v
}

// checkNull refuses null for a field that must not be, as Struct.put does.
func checkNull(f *schema.Field, v schema.Value) error {
	if v.IsNull() && !f.Schema.Optional {
		return badData("Invalid value: null used for required field: \"%s\", schema type: %s", f.Name, javaType(f.Schema.Type))
	}
	return nil
}

// javaType is the name of a type in Java, FLOAT64.
func javaType(t schema.Type) string { return strings.ToUpper(t.String()) }

// checkClass refuses a value of another class than a field is for, as Struct.put does; from is the value's own schema.
func checkClass(f *schema.Field, from *schema.Schema, v schema.Value) error {
	if v.IsNull() {
		return nil
	}
	fits := f.Schema.Type == from.Type && className(f.Schema, v) == className(from, v)
	switch {
	case fits && from.Type == schema.Struct && !f.Schema.Equal(from):
		return badData("Struct schemas do not match.")
	case fits:
		return nil
	case f.Schema.Name != "":
		return badData("Invalid Java object for schema \"%s\" with type %s: class %s for field: \"%s\"", f.Schema.Name, javaType(f.Schema.Type), className(from, v), f.Name)
	}
	return badData("Invalid Java object for schema with type %s: class %s for field: \"%s\"", javaType(f.Schema.Type), className(from, v), f.Name)
}

// describe is Schema.toString in Java.
func describe(s *schema.Schema) string {
	switch {
	case s == nil:
		return "null"
	case s.Name != "":
		return "Schema{" + s.Name + ":" + javaType(s.Type) + "}"
	}
	return "Schema{" + javaType(s.Type) + "}"
}

// basics is a new Struct schema with what is said of s as a whole, and without fields. Whether it is optional, and its default, are left out.
func basics(s *schema.Schema) *schema.Schema {
	return &schema.Schema{Type: schema.Struct, Name: s.Name, Version: s.Version, Doc: s.Doc, Parameters: s.Parameters}
}

// addField appends a field to a schema that is being made.
func addField(s *schema.Schema, name string, fs *schema.Schema) error {
	if name == "" {
		return fail(schemaException, "fieldName cannot be null.")
	}
	if s.Field(name) >= 0 {
		return fail(schemaException, "Cannot create field because of field name duplication %s", name)
	}
	s.Fields = append(s.Fields, schema.F(name, fs))
	return nil
}

// needFields is the schema of data that must be a struct's, where Java lists its fields.
func needFields(s *schema.Schema) error {
	if s.Type != schema.Struct {
		return badData("Cannot list fields on non-struct type")
	}
	return nil
}
