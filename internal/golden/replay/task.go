package replay

import (
	"context"
	"log/slog"

	"github.com/tandem-cdc/tandem/schema"
)

// Emitter is what a task writes its records to; the same interface literal as cdc/source.Emitter, which documents it.
type Emitter = interface {
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)
	Begin(handle int) (key, value schema.Writer)
	End(first []schema.Header) error
	Flush() error
}

// Task is the part of connect.SourceTask that a replay uses.
type Task interface {
	Run(ctx context.Context, out Emitter) error
	Offset(n uint64) (partition, offset []byte, ok bool)
	Stored(n uint64)
}

// StoredOffset reads the offset that was stored for a source partition; nil when there is none.
type StoredOffset = func(ctx context.Context, partition []byte) ([]byte, error)

// Transform applies the single message transforms of a case to a record; nil drops it.
type Transform func(*Record) (*Record, error)

// PropertyErrors is what a validation says of one property.
type PropertyErrors struct {
	Property string   `json:"property"`
	Errors   []string `json:"errors"`
}

// Broker is what the cases that signal through a Kafka topic need.
type Broker interface {
	// Bootstrap is the value of signal.kafka.bootstrap.servers.
	Bootstrap() string
	// CreateTopic makes a topic of one partition.
	CreateTopic(ctx context.Context, topic string) error
	// Produce sends one record and waits for its acknowledgement.
	Produce(ctx context.Context, topic, key, value string) error
}

// Replayer says what is replayed against. New is needed always, the others by the cases that use them: such a case differs when it is nil.
type Replayer struct {
	New       func(props map[string]string, stored StoredOffset, log *slog.Logger) (Task, error)
	Transform func(props map[string]string) (Transform, error)
	Validate  func(props map[string]string) []PropertyErrors
	Kafka     Broker
}

// Record is one record as the task wrote it, before any converter.
type Record struct {
	Topic     string
	Partition int32  // kafka.AnyPartition when the task leaves the choice
	Timestamp *int64 // milliseconds; only transforms set it
	Key       schema.Value
	Value     schema.Value
	KeySchema *schema.Schema // nil: a null key
	// ValueSchema is nil for a tombstone.
	ValueSchema *schema.Schema
	Headers     []schema.Header
}
