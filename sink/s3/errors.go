package s3

import (
	"fmt"
	"strings"
)

// RecordError says that one record cannot be written, whatever is tried again. Its neighbours can.
type RecordError struct {
	Topic     string
	Partition int32
	Offset    int64
	Err       error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %s-%d@%d: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *RecordError) Unwrap() error { return e.Err }

// Retriable is false: the same record comes back.
func (e *RecordError) Retriable() bool { return false }

// Record tells which record is at fault, to whoever takes it out of the batch.
func (e *RecordError) Record() (topic string, partition int32, offset int64) {
	return e.Topic, e.Partition, e.Offset
}

// RecordErrors are records of one call of Put that cannot be written, one for each partition: those behind it in the partition wait for the next Put.
type RecordErrors []*RecordError

func (e RecordErrors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%d records cannot be written, the first: %v", len(e), e[0])
}

// Unwrap returns the errors of the single records.
func (e RecordErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// Retriable is false.
func (e RecordErrors) Retriable() bool { return false }

// StoreError is an answer of the server that refuses what was asked, or that there is none.
type StoreError struct {
	Op     string // such as "upload a part of"
	Bucket string
	Object string // "" when it is about the bucket
	Code   string // the server's, "" without an answer
	Remedy string // what to do, "" where nothing can be said
	Passes bool   // it may work later
	Err    error
}

func (e *StoreError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		fmt.Fprintf(&b, " object %q in", e.Object)
	}
	fmt.Fprintf(&b, " bucket %q: %v", e.Bucket, e.Err)
	if e.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(e.Remedy)
	}
	return b.String()
}

// Unwrap returns the SDK's error.
func (e *StoreError) Unwrap() error { return e.Err }

// Retriable tells what passes: no answer, a server that is overloaded or starts.
func (e *StoreError) Retriable() bool { return e.Passes }

// WrittenError says that somebody else wrote an object that this task was about to write.
type WrittenError struct {
	Bucket, Object string
}

func (e *WrittenError) Error() string {
	return fmt.Sprintf("object %q in bucket %q was written by somebody else meanwhile (enable.conditional.writes). If another connector writes to the same topics.dir, or the topic "+
		"was made anew, choose another topics.dir; then restart the task: it goes on behind what is stored", e.Object, e.Bucket)
}

// Retriable is false: the object stays.
func (e *WrittenError) Retriable() bool { return false }

// said is an error in the words of Confluent's connector, Kafka Connect or Joda-Time, which people and their tools search for.
type said string

func (s said) Error() string { return string(s) }

// saying makes a said.
func saying(format string, args ...any) error { return said(fmt.Sprintf(format, args...)) }
