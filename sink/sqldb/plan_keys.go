package sqldb

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

var (
	textSchema  = &schema.Schema{Type: schema.String}
	int32Schema = &schema.Schema{Type: schema.Int32}
	int64Schema = &schema.Schema{Type: schema.Int64}
)

// addKeys adds the primary key's columns.
func (p *planner) addKeys(c *plan, r *sink.Record, row *schema.Schema) error {
	fields := p.config.KeyFields
	add := func(name string, s *schema.Schema, from origin, index int) {
		col := p.newColumn(p.fold(name), name, s, from, index)
		col.key = true
		c.columns = append(c.columns, col)
	}
	switch p.config.KeyMode {
	case KeyKafka:
		names := fields
		if len(names) == 0 {
			names = kafkaKeys
		}
		if len(names) != 3 {
			return fmt.Errorf("%s=kafka needs three %s (topic, partition, offset) or none, not %d", p.config.names.keyMode, p.config.names.keyFields, len(names))
		}
		add(names[0], textSchema, fromTopic, 0)
		add(names[1], int32Schema, fromPartition, 0)
		add(names[2], int64Schema, fromOffset, 0)
	case KeyRecord:
		return p.addRecordKey(c, r, add)
	case KeyValue:
		if row == nil {
			return fmt.Errorf("the value is no struct, so that %s=record_value finds no fields in it", p.config.names.keyMode)
		}
		if len(fields) == 0 {
			for i, f := range row.Fields {
				add(f.Name, f.Schema, fromRow, i)
			}
			return nil
		}
		for _, name := range fields {
			i := row.Field(name)
			if i < 0 {
				return p.missingKey(r, "value", name, row)
			}
			add(name, row.Fields[i].Schema, fromRow, i)
		}
	case KeyHeader:
		for _, name := range fields {
			s := headerSchema(r, name)
			if s == nil {
				return fmt.Errorf("%s names header %q, which the record does not have", p.config.names.keyFields, name)
			}
			add(name, s, fromHeader, 0)
		}
	}
	return nil
}

func (p *planner) addRecordKey(c *plan, r *sink.Record, add func(string, *schema.Schema, origin, int)) error {
	fields, key := p.config.KeyFields, r.KeySchema
	switch {
	case key == nil && r.Key.IsNull():
		c.keyless = true
	case key == nil:
		return fmt.Errorf("the key has no schema, so the primary key has no type; use a converter that carries schemas (for JSON: key.converter.schemas.enable=true)")
	case key.Type != schema.Struct:
		if len(fields) != 1 {
			return p.primitiveKey(key)
		}
		c.primitive = true
		add(fields[0], key, fromPrimitiveKey, 0)
	default:
		c.keyFields = len(key.Fields)
		if len(fields) == 0 {
			for i, f := range key.Fields {
				add(f.Name, f.Schema, fromKey, i)
			}
		}
		for _, name := range fields {
			i := key.Field(name)
			if i < 0 {
				return p.missingKey(r, "key", name, key)
			}
			add(name, key.Fields[i].Schema, fromKey, i)
		}
	}
	return nil
}

func headerSchema(r *sink.Record, name string) *schema.Schema {
	for i := range r.Headers {
		if r.Headers[i].Key != name {
			continue
		}
		if r.Headers[i].Schema != nil {
			return r.Headers[i].Schema
		}
		if t := r.Headers[i].Value.Type(); t != schema.Invalid {
			return &schema.Schema{Type: t}
		}
	}
	return nil
}

func fieldNames(s *schema.Schema) string {
	var names []string
	for _, f := range s.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
