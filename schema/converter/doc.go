// Package converter turns Connect data into bytes and bytes into Connect data, exactly as Kafka Connect's converters do: Avro with a
// schema registry, JSON with and without schemas, plain strings, bytes and numbers, and header values.
//
// In: the class name and options of a converter as Connect's configuration files give them, and values as schema.Writer calls or
// schema.Values. Out: the bytes of a record's key, value or header; nil bytes are null, a tombstone. The other way: bytes in, a schema
// and a schema.Value (Deserialize) or schema.Writer calls (Reader) out.
//
// Files: new.go names the classes; avro*.go, json*.go, string.go, bytes.go, number.go and header*.go hold one format each; java.go is how
// Java prints numbers and orders hash maps. An Avro or JSON schema is compiled once into a tree of nodes; writing walks the tree in
// lockstep with the Writer calls, so that a row costs no map lookup, no reflection and no allocation.
//
// No goroutines. Only the Avro converter does I/O: it asks the registry when a schema is prepared or an id is new. A Converter may be used
// by several goroutines; a Serializer belongs to one.
package converter
