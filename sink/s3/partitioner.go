package s3

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// partitioner tells the encoded partition of records: the directory below the topic's. It belongs to one partition of a topic.
type partitioner struct {
	config  *Config
	extract extractTime
	fields  []fieldPath
	buf     []byte
}

func newPartitioner(c *Config) *partitioner {
	p := &partitioner{config: c, extract: newExtractor(c)}
	for _, name := range c.Fields {
		p.fields = append(p.fields, newFieldPath(name))
	}
	return p
}

// time is what rotation by time looks at; ok is false where it does not.
func (p *partitioner) time(r *sink.Record, now int64) (millis int64, ok bool, err error) {
	if p.extract == nil {
		return 0, false, nil
	}
	millis, err = p.extract(r, now)
	return millis, err == nil, err
}

// encode returns the encoded partition; it lives until the next call. millis is the record's time.
func (p *partitioner) encode(r *sink.Record, millis int64) ([]byte, error) {
	if r.Value.IsNull() && p.config.OnNull == onNullWrite {
		return append(p.buf[:0], p.config.TombstonePartition...), nil
	}
	dst := p.buf[:0]
	affix := p.config.SchemaAffix
	if affix == "PREFIX" {
		dst = append(appendSchemaName(dst, r.ValueSchema), p.config.DirDelimiter...)
	}
	var err error
	switch {
	case p.config.path != nil:
		dst = p.config.path.append(dst, millis)
	case p.config.Partitioner == fieldPartitioner:
		dst, err = p.byFields(dst, r)
	default:
		dst = strconv.AppendInt(append(dst, "partition="...), int64(r.Partition), 10)
	}
	if affix == "SUFFIX" {
		dst = appendSchemaName(append(dst, p.config.DirDelimiter...), r.ValueSchema)
	}
	p.buf = dst
	return dst, err
}

func appendSchemaName(dst []byte, s *schema.Schema) []byte {
	dst = append(dst, "schema_name="...)
	if s == nil || s.Name == "" {
		return append(dst, "null"...)
	}
	return append(dst, s.Name...)
}

func (p *partitioner) byFields(dst []byte, r *sink.Record) ([]byte, error) {
	for i := range p.fields {
		path := &p.fields[i]
		s, v, err := path.find(r.ValueSchema, r.Value)
		if errors.Is(err, errNoField) && s == nil && r.Value.Type() == schema.Map { // without a schema a field may be missing
			err = nil
		}
		if err == nil {
			if i > 0 {
				dst = append(dst, p.config.DirDelimiter...)
			}
			if p.config.FieldLabels {
				dst = append(append(dst, path.name...), '=')
			}
			dst, err = appendField(dst, s, v)
		}
		if err != nil {
			return dst, fmt.Errorf("field %q of partition.field.name: %w", path.name, err)
		}
	}
	return dst, nil
}

// appendField writes an integer, a text, a boolean or null.
func appendField(dst []byte, s *schema.Schema, v schema.Value) ([]byte, error) {
	if s != nil && (s.Name == schema.DateName || s.Name == schema.TimeName || s.Name == schema.TimestampName) && !v.IsNull() {
		return dst, fmt.Errorf("type %s cannot name a directory; use a time based partitioner, or a transform that makes a text of it", s.Name)
	}
	switch v.Type() {
	case schema.Invalid:
		return append(dst, "null"...), nil
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case schema.String:
		return append(dst, v.Text()...), nil
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	}
	return dst, fmt.Errorf("type %s cannot name a directory; want an integer, a string or a boolean", v.Type())
}
