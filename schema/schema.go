package schema

// Type is a Connect schema type.
type Type uint8

// Connect's types. Logical types (Decimal, Date, Timestamp, Debezium's …) are these with a name.
const (
	Invalid Type = iota
	Int8
	Int16
	Int32
	Int64
	Float32
	Float64
	Boolean
	String
	Bytes
	Array
	Map
	Struct
)

var typeNames = [...]string{"invalid", "int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "bytes", "array", "map", "struct"}

// String is Connect's lower case name, "float64" for FLOAT64. (JsonConverter says "double" for it.)
func (t Type) String() string { return typeNames[t] }

// Parameter is one entry of Schema.Parameters.
type Parameter struct{ Name, Value string }

// Schema describes a value as org.apache.kafka.connect.data.Schema does. Schemas are immutable once a Writer or a plan was made for
// them: a pointer comparison tells whether a plan still holds.
//
// Invariants:
//  1. Fields only with Struct; Elem with Array and Map; Key with Map. A nil Elem or Key means values without a schema.
//  2. Default, when set, is a value of Type that is not null.
type Schema struct {
	Type       Type
	Optional   bool
	Name       string
	Version    int // 0: none
	Doc        string
	Parameters []Parameter // in the order they were added: converters print it
	Default    *Value
	Fields     []Field
	Key, Elem  *Schema
}

// Field is one field of a Struct schema.
type Field struct {
	Name   string
	Schema *Schema
}

// Field returns the index of the named field, or -1.
func (s *Schema) Field(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Parameter returns the named parameter, "" when it is not set.
func (s *Schema) Parameter(name string) string {
	for _, p := range s.Parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Equal tells whether two schemas describe the same, as Connect's ConnectSchema.equals does; the order of parameters does
// not count.
func (s *Schema) Equal(o *Schema) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil || s.Type != o.Type || s.Optional != o.Optional || s.Name != o.Name || s.Version != o.Version || s.Doc != o.Doc ||
		len(s.Parameters) != len(o.Parameters) || len(s.Fields) != len(o.Fields) || (s.Default == nil) != (o.Default == nil) {
		return false
	}
	if s.Default != nil && !s.Default.Equal(*o.Default) {
		return false
	}
	for _, p := range s.Parameters {
		if o.Parameter(p.Name) != p.Value {
			return false
		}
	}
	for i, f := range s.Fields {
		if f.Name != o.Fields[i].Name || !f.Schema.Equal(o.Fields[i].Schema) {
			return false
		}
	}
	return s.Key.Equal(o.Key) && s.Elem.Equal(o.Elem)
}
