package schema

// Header is a record header before conversion.
type Header struct {
	Key    string
	Schema *Schema // nil: schemaless
	Value  Value
}
