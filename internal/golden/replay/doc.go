// Package replay runs recordings of the real Debezium PostgreSQL connector against a source task of ours and says where the records
// differ: field by field, byte by byte in JSON and in Avro, schemas, headers and source offsets included.
//
// In: a case (a folder with connector.properties, setup.sql, changes.sql and what the connector emitted: expected.jsonl, schemas.json,
// schemas/*.avsc, offsets.jsonl), a database of its own, and a constructor of the task. Out: a list of differences.
//
// The way of a case: setup.sql; the task starts with a collector as its emitter; changes.sql statement by statement with the steering
// lines in it; the records, held in memory, are normalised (times, LSNs, transaction ids become placeholders), printed as the lines of
// a recording, and compared. Every record is written by all the writers at once while it is collected, so that a case also holds
// "one decode, three writers" to be true.
//
// A replay runs the task in one goroutine of its own and ends it before it returns. Nothing but tests, and internal/golden/oracle, which
// compares recordings, imports this package.
package replay
