package converter

import (
	"github.com/tandem-cdc/tandem/schema"
)

// AvroFileOptions are the options of the AvroConverter that concern files: how a Connect schema becomes an Avro schema.
type AvroFileOptions struct {
	MetaData        bool // connect.meta.data
	Enhanced        bool // enhanced.avro.schema.support
	OptionalMapKeys bool // allow.optional.map.keys
}

// AvroFileValues writes values of one schema as bare Avro binary, as Avro's container files hold them: no framing, no registry. Not safe for
// concurrent use.
type AvroFileValues struct {
	text string
	w    avroWriter
	any  bool // values without a schema
}

// NewAvroFileValues prepares a schema; nil is that of values without one.
func NewAvroFileValues(s *schema.Schema, o AvroFileOptions) (*AvroFileValues, error) {
	if s == nil {
		return &AvroFileValues{text: anythingText, any: true}, nil
	}
	options := avroOptions{metaData: o.MetaData, enhanced: o.Enhanced, optionalMapKeys: o.OptionalMapKeys}
	t, err := avroFrom(s, options)
	if err != nil {
		return nil, &DataError{Converter: "AvroConverter", Err: err}
	}
	text, err := avroText(t)
	if err != nil {
		return nil, &DataError{Converter: "AvroConverter", Err: err}
	}
	plan, err := avroPlan(s, options)
	if err != nil {
		return nil, &DataError{Converter: "AvroConverter", Err: err}
	}
	return &AvroFileValues{text: text, w: avroWriter{plan: plan, cur: deadNode}}, nil
}

// Schema is the Avro schema.
func (a *AvroFileValues) Schema() string { return a.text }

// Append appends a value that has the schema. After an error dst is as it was, up to its length.
func (a *AvroFileValues) Append(dst []byte, v schema.Value) ([]byte, error) {
	if a.any {
		out, err := appendAnything(dst, v)
		if err != nil {
			return dst, &DataError{Converter: "AvroConverter", Err: err}
		}
		return out, nil
	}
	n := len(dst)
	a.w.begin(dst)
	v.WriteTo(&a.w)
	err := a.w.end()
	out := a.w.buf
	a.w.buf, a.w.cur = nil, deadNode
	if err != nil {
		return out[:n], misused("AvroConverter", err, "Found null value for non-optional schema")
	}
	return out, nil
}
