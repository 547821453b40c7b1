// Package envelope is Debezium's shapes: it turns a cdc.Change into the key, value and headers of the records Debezium's PostgreSQL
// connector makes of it, as calls on schema.Writer.
//
// In: a Relation with what the catalog knows of its table (Encoder.Plan, once per announcement) and Changes (Encoder.Encode, once per
// row). Out: records, written into the two writers of an Emitter; nothing is built in between, so a row costs no allocation.
//
// Where things are: options in config.go and keys.go; topic and schema names in topic.go and names.go; the envelope, source and
// transaction blocks in source.go, transaction.go and encoder.go; what a table's records look like in plan.go and key.go; column
// filters and mappers in pattern.go and mapper.go; one file type_<family>.go per family of PostgreSQL types, each with its schema, its
// text parser, its default, its fallback and its stand-in for an unchanged TOAST value.
//
// An Encoder is not safe for concurrent use and starts no goroutine. It does no I/O of its own: the Emitter may block.
package envelope
