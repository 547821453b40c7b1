package sqldb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// demand is what Confluent's connector asks of a record, and its words when it does not get it. Its class RecordValidator.
func (c *Config) demand(r *sink.Record) error {
	if c.KeyMode == KeyRecord || c.DeleteEnabled {
		if s := r.KeySchema; r.Key.IsNull() || s == nil || s.Type != schema.Struct && !primitive(s) {
			return c.demands(r, "records with a non-null key and non-null Struct or primitive key schema", "key", r.Key, s)
		}
	}
	if r.Value.IsNull() && c.DeleteEnabled {
		return nil
	}
	if s := r.ValueSchema; r.Value.IsNull() || s == nil || s.Type != schema.Struct && s.Type != schema.String {
		hint := ""
		if !r.Value.IsNull() && s == nil {
			hint = " A converter that carries schemas gives one (for JSON: value.converter.schemas.enable=true)."
		} else if r.Value.IsNull() && c.KeyMode == KeyRecord {
			hint = " With delete.enabled=true a null value deletes the row."
		}
		err := c.demands(r, "records with a non-null Struct or String value and non-null Struct or String schema", "value", r.Value, s)
		return fmt.Errorf("%w%s", err, hint)
	}
	if r.ValueSchema.Type == schema.String {
		return c.structOnly()
	}
	return nil
}

// demands says what is asked for and what is there.
func (c *Config) demands(r *sink.Record, what, part string, v schema.Value, s *schema.Schema) error {
	at := r.Consumed()
	typ := "null"
	if s != nil {
		typ = strings.ToLower(javaType(s.Type))
	}
	return config.Complain("Sink connector '%s' is configured with 'delete.enabled=%t' and 'pk.mode=%s' and therefore requires %s, "+
		"but found record at (topic='%s',partition=%d,offset=%d,timestamp=%d) with a %s %s and %s %s schema.",
		c.name, c.DeleteEnabled, c.KeyMode, what, at.Topic, at.Partition, r.Offset, r.Timestamp.UnixMilli(), javaValue(v), part, typ, part)
}

// structOnly refuses texts where options speak of fields.
func (c *Config) structOnly() error {
	var bad []string
	if len(c.Include) > 0 {
		bad = append(bad, "fields.whitelist")
	}
	if len(c.instant.fields) > 0 {
		bad = append(bad, "timestamp.fields.list")
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%s name fields of a struct and are not applicable to String values; leave them out for this topic", strings.Join(bad, " and "))
}

func primitive(s *schema.Schema) bool {
	return !slices.Contains([]schema.Type{schema.Struct, schema.Array, schema.Map}, s.Type)
}

// javaType is the name that Connect's Schema.Type has.
func javaType(t schema.Type) string { return strings.ToUpper(t.String()) }

// javaValue is the simple name of a value's Java class.
func javaValue(v schema.Value) string {
	switch v.Type() {
	case schema.Int8:
		return "Byte"
	case schema.Int16:
		return "Short"
	case schema.Int32:
		return "Integer"
	case schema.Int64:
		return "Long"
	case schema.Float32:
		return "Float"
	case schema.Float64:
		return "Double"
	case schema.Boolean:
		return "Boolean"
	case schema.String:
		return "String"
	case schema.Bytes:
		return "byte[]"
	case schema.Array:
		return "ArrayList"
	case schema.Map:
		return "HashMap"
	case schema.Struct:
		return "Struct"
	}
	return "null"
}

// missingKey says that a field of the primary key is not there.
func (p *planner) missingKey(r *sink.Record, part, name string, s *schema.Schema) error {
	if !p.config.records.strict {
		return fmt.Errorf("%s names %q, which is no field of the %s; it has %s", p.config.names.keyFields, name, part, fieldNames(s))
	}
	return config.Complain("PK mode for table '%s' is %s with configured PK fields [%s], but record %s schema does not contain field: %s; it has %s",
		p.tableOf(r), strings.ToUpper(string(p.config.KeyMode)), strings.Join(p.config.KeyFields, ", "), part, name, fieldNames(s))
}

// primitiveKey says that a key which is a single value needs one name.
func (p *planner) primitiveKey(key *schema.Schema) error {
	fields := p.config.KeyFields
	if !p.config.records.strict {
		return fmt.Errorf("the key is of type %s, a single value: name its column in %s (it has %d names)", key.Type, p.config.names.keyFields, len(fields))
	}
	return config.Complain("Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: [%s]; name it in pk.fields", strings.Join(fields, ", "))
}

// noFields says that nothing of a record is left.
func (p *planner) noFields(r *sink.Record) error {
	if p.config.records.strict {
		return config.Complain("No fields found using key and value schemas for table: %s; check fields.whitelist", p.tableOf(r))
	}
	return errors.New("no field is left to write; check field.include.list and field.exclude.list")
}

// tableOf is the name of a record's table, for messages.
func (p *planner) tableOf(r *sink.Record) string {
	n, err := p.format.name(r.Topic, nil)
	if err != nil {
		return r.Topic
	}
	return n.table
}
