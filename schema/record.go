package schema

import "math"

// Record is a record between a task and its converters, as single message transforms see it: Kafka Connect's ConnectRecord in memory.
//
// A transform replaces what it changes: Values, their structs, schemas and the array behind Headers are shared with whoever else holds them,
// and are not written into.
type Record struct {
	Topic     string
	Partition int32 // kafka.AnyPartition when the choice is open
	Offset    int64 // of a record that was consumed; NoOffset for one that a source made
	Timestamp int64 // milliseconds since 1970-01-01 UTC; NoTimestamp when none is set
	KeySchema *Schema
	Key       Value
	// ValueSchema is nil for schemaless data and for most tombstones; a null Value may keep its schema.
	ValueSchema *Schema
	Value       Value
	Headers     []Header
}

// NoOffset is the Offset of a Record that is not in a topic yet.
const NoOffset = -1

// NoTimestamp is the Timestamp of a Record that sets none: the time of sending holds.
const NoTimestamp = math.MinInt64

// AddHeader appends a header to a new array.
func (r *Record) AddHeader(h Header) {
	r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], h)
}
