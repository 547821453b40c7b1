// Package schema is Kafka Connect's data model: schemas, values, and the two interfaces through which values travel.
//
// A value is never built to be written: whoever has it (a PostgreSQL type's plan, a converter that reads bytes) calls a
// Writer, whoever wants it (Avro bytes, JSON bytes, an in-memory Value, a sink's row) implements one. Readers are the same
// thing the other way: a Reader walks bytes and calls a Writer. Only transforms, and sinks that want random access, hold Values.
//
// In memory: a Schema describes, a Value holds, a Builder is the Writer that makes a Value, an Arena gives Values their room.
//
// No I/O, no goroutines, no imports of this project.
package schema
