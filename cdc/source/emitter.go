package source

import "github.com/tandem-cdc/tandem/schema"

// Emitter is all that a source task needs of whoever runs it. Records are numbered from 1 in the order of End; the runner asks the task
// for the offset behind a number once the broker has acknowledged all records up to it (Task.Offset, Task.Stored).
// It is an alias of an interface literal, so that the worker can declare the same one without importing this package.
//
// Not safe for concurrent use: one goroutine encodes.
type Emitter = interface {
	// Stream prepares records of one topic: converters, subjects, and the topic itself where it must be created. It returns a handle for
	// Begin. It may block on the registry and the broker and is called once per topic and schema change, never per row. A nil key or
	// value schema makes a null key or value (a tombstone). partition is kafka.AnyPartition but for heartbeats. headers are put on every
	// record of the stream.
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)

	// Begin starts the next record. The writers take exactly one value each and hold until End; a writer of a nil schema is nil.
	Begin(handle int) (key, value schema.Writer)

	// End finishes the record; first are headers that stand before the stream's own. It blocks while too many bytes are in flight.
	End(first []schema.Header) error

	// Flush sends what was ended without waiting for more to fill a batch; called when the stream pauses.
	Flush() error
}
