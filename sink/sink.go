// Package sink is what every sink task speaks: records that were converted, positions, and the four calls of a task. No I/O, no goroutines.
//
// In: nothing. Out: the types between connect, which polls, converts, pauses and commits, and the tasks under sink/*.
package sink

import (
	"context"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// Record is one Kafka record, converted and transformed. A tombstone has a null Value; a record without key a null Key. Schemas are nil for
// schemaless data. The values live until Put returns.
type Record struct {
	Topic       string
	Partition   int32
	Offset      int64
	Timestamp   time.Time
	KeySchema   *schema.Schema
	Key         schema.Value
	ValueSchema *schema.Schema
	Value       schema.Value
	Headers     []schema.Header
	// Raw is the record as it was consumed, for the dead letter queue and for error messages.
	Raw *kafka.Record
}

// Consumed is the partition that the record was consumed from, to which its Offset belongs: transforms may have changed Topic and Partition.
func (r *Record) Consumed() kafka.TopicPartition {
	if r.Raw != nil {
		return kafka.TopicPartition{Topic: r.Raw.Topic, Partition: r.Raw.Partition}
	}
	return kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}
}

// Assignment is a partition given to a task, with the ids that tell a recreated topic from the one before it.
type Assignment struct {
	kafka.TopicPartition
	ClusterID string
	TopicID   string // canonical UUID text; "" when the broker is too old to say
	// Partitions is how many the topic has, those of other members among them.
	Partitions int
	// Begin and End are the offsets of the first record and of the next one to be written, when the partition was assigned.
	Begin, End int64
	// Committed is the group's committed offset, -1 when there is none.
	Committed int64
}

// Task applies records to one store.
type Task interface {
	// Open takes partitions over and returns where to go on in those whose position the store itself holds; the others start from the
	// group's committed offset, then auto.offset.reset.
	Open(ctx context.Context, partitions []Assignment) ([]kafka.Position, error)

	// Put applies the records, in order within each partition. On return without error they may be durable or buffered; Flush settles it.
	// An error whose chain answers Retriable() true makes the worker pause and put the same records again.
	Put(ctx context.Context, records []Record) error

	// Flush makes all that was put durable and returns the positions behind it, which the worker commits to the group.
	Flush(ctx context.Context) ([]kafka.Position, error)

	// Close gives partitions up. After the last the task is not used again.
	Close(ctx context.Context, partitions []kafka.TopicPartition) error
}

// Skipper is a Task whose store holds the positions. Records that transforms drop, or that cannot be converted, are not put: without word of
// them the store would stay before them, for longer than the topic keeps them.
type Skipper interface {
	// Skip says, before a Flush, where to go on behind records that are not put; all before them were. The Flush returns a position behind them
	// once the store's own is.
	Skip(positions []kafka.Position)
}

// Background is a Task that writes behind Put. The worker's regular flush is then FlushBehind, which does not wait: it returns the positions behind
// what is durable by now, with all before. Flush, which waits for everything, comes where partitions are given up. Such a Task is a Holder, and
// a Skipper too: it alone knows when what was put before left out records is durable.
type Background interface {
	FlushBehind(ctx context.Context) ([]kafka.Position, error)
}

// Holder is a Task that finishes what it holds by the clock, or holds it until others come and may have to say that they do not. While it holds
// something it is flushed about every second, though nothing was put.
type Holder interface {
	Holds() bool
}

// Borrower is a Task that keeps nothing of keys, values and what they refer to when Put has returned, not a text: where no transforms stand in between
// the worker then makes them in memory that it uses again with every other batch, and of views of the consumed bytes.
type Borrower interface {
	Borrows() bool
}
