package envelope

import "github.com/tandem-cdc/tandem/schema"

// Plain schemas. Schemas are immutable and shared.
var (
	stringSchema   = &schema.Schema{Type: schema.String}
	optionalString = &schema.Schema{Type: schema.String, Optional: true}
	int64Schema    = &schema.Schema{Type: schema.Int64}
	optionalInt8   = &schema.Schema{Type: schema.Int8, Optional: true}
	optionalInt32  = &schema.Schema{Type: schema.Int32, Optional: true}
	optionalInt64  = &schema.Schema{Type: schema.Int64, Optional: true}
	bytesSchema    = &schema.Schema{Type: schema.Bytes}
	optionalBytes  = &schema.Schema{Type: schema.Bytes, Optional: true}
	float64Schema  = &schema.Schema{Type: schema.Float64}
)

func field(name string, s *schema.Schema) schema.Field { return schema.Field{Name: name, Schema: s} }

// named is a schema with a semantic name and a version.
func named(t schema.Type, name string, version int, params ...schema.Parameter) *schema.Schema {
	return &schema.Schema{Type: t, Name: name, Version: version, Parameters: params}
}

// structure is a struct schema with a semantic name and a version.
func structure(name string, version int, doc string, fields ...schema.Field) *schema.Schema {
	return &schema.Schema{Type: schema.Struct, Name: name, Version: version, Doc: doc, Fields: fields}
}

// optional is s, optional.
func optional(s *schema.Schema) *schema.Schema {
	if s.Optional {
		return s
	}
	o := *s
	o.Optional = true
	return &o
}

const enumName = "io.debezium.data.Enum"

var snapshotDefault = schema.OfString("false")

// sourceSchema is the source block, version 1 (io.debezium.connector.postgresql.PostgresSourceInfoStructMaker).
var sourceSchema = structure("io.debezium.connector.postgresql.Source", 1, "",
	field("version", stringSchema),
	field("connector", stringSchema),
	field("name", stringSchema),
	field("ts_ms", int64Schema),
	field("snapshot", &schema.Schema{Type: schema.String, Optional: true, Name: enumName, Version: 1, Default: &snapshotDefault,
		Parameters: []schema.Parameter{{Name: "allowed", Value: "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}}}),
	field("db", stringSchema),
	field("sequence", optionalString),
	field("ts_us", optionalInt64),
	field("ts_ns", optionalInt64),
	field("schema", stringSchema),
	field("table", stringSchema),
	field("txId", optionalInt64),
	field("lsn", optionalInt64),
	field("xmin", optionalInt64),
	field("origin", optionalString),
	field("origin_lsn", optionalInt64))

// blockSchema is the transaction block of data records.
var blockSchema = optional(structure("event.block", 1, "",
	field("id", stringSchema),
	field("total_order", int64Schema),
	field("data_collection_order", int64Schema)))

// envelopeSchema is the value of data records; row is optional.
func envelopeSchema(name string, row *schema.Schema) *schema.Schema {
	return structure(name, 2, "",
		field("before", row),
		field("after", row),
		field("source", sourceSchema),
		field("transaction", blockSchema),
		field("op", stringSchema),
		field("ts_ms", optionalInt64),
		field("ts_us", optionalInt64),
		field("ts_ns", optionalInt64))
}
