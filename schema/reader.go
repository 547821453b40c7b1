package schema

// Reader walks the bytes of a value and calls a Writer with what they hold: a Writer the other way round. It is made for one schema
// of whoever wrote the bytes; which bytes it takes (with or without framing) is its maker's matter.
//
// Read calls w with exactly one value that fits Schema, as Writer asks for it, unless it returns an error. Arrays and maps may be longer
// than announced where the bytes come in blocks. Texts and bytes given to w are views of data: w does not keep them.
type Reader interface {
	// Schema is what is read; nil when values carry no schema.
	Schema() *Schema
	Read(data []byte, w Writer) error
}
