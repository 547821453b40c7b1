package connect

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// Emitter is what the worker gives a source task; see cdc/source.Emitter, of which it is the same type.
type Emitter = interface {
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)
	Begin(handle int) (key, value schema.Writer)
	End(first []schema.Header) error
	Flush() error
}

// SourceTask is one running piece of a source connector.
type SourceTask interface {
	// Run produces records until ctx ends (nil) or a stage fails. It owns its goroutines: all have ended on return.
	// When ctx ends it stops producing; it may then stay for Env.Drain to see the last Stored and tell its database before it returns:
	// until it does, the worker stores whatever is acknowledged at once. What it does not wait for is stored after its return.
	// A nil return while ctx lives says that there is nothing more to produce; the task stays RUNNING.
	// An error whose chain has a method Retriable() bool that answers true makes the worker run a new task from the stored
	// offset after a back-off; any other fails the task.
	Run(ctx context.Context, out Emitter) error

	// Offset returns the source partition and offset, as JSON objects, from which a restart repeats nothing of the first n records
	// and loses nothing behind them. ok is false when it is the one that was stored last, or there is none yet. Called from another
	// goroutine than Run's.
	Offset(n uint64) (partition, offset []byte, ok bool)

	// Stored tells that what Offset(n) last returned, or Offsets(n) last gave, is durable in the offset storage.
	Stored(n uint64)
}

// SpreadSource is a SourceTask whose source has several partitions, with records of several in one transaction or between two stores of offsets. It is
// asked by Offsets, and not by Offset.
type SpreadSource interface {
	SourceTask
	// Offsets gives, for every source partition whose offset has moved since it was stored, what Offset would return.
	Offsets(n uint64, give func(partition, offset []byte))
}

// offsetsBehind are the offsets behind the first n records of a task that are not stored: one for each source partition that has moved.
func offsetsBehind(task SourceTask, n uint64) (moved []PartitionOffset) {
	if t, several := task.(SpreadSource); several {
		t.Offsets(n, func(partition, offset []byte) { moved = append(moved, PartitionOffset{partition, offset}) })
	} else if partition, offset, ok := task.Offset(n); ok {
		moved = []PartitionOffset{{partition, offset}}
	}
	return moved
}

// Env is what the worker knows and a task may use.
type Env struct {
	Connector string // name of the connector
	Task      int
	Log       *slog.Logger
	// Drain is how long Run may stay after its context ended, to see its last records stored.
	Drain time.Duration
	// StoredOffset reads the stored offset of a source partition (JSON object as Offset gave it); nil when there is none.
	StoredOffset func(ctx context.Context, partition []byte) ([]byte, error)
	// ExactlyOnce tells a source task that its records and their offset go in one transaction, which is given up when the task ends with an error.
	ExactlyOnce bool
	// Paused is for a sink task that waits for records: while it is paused none come. It may be called at any time.
	Paused func() bool
	// Report is for a sink task that leaves a record out on its own, from within one of its calls: it is logged, goes to the dead letter queue and
	// is counted, as errors.* say. The error is that this is not tolerated, or that the queue cannot be written; tolerated says that the plugin's
	// own options want the record left out, whatever errors.tolerance is. It is what Kafka Connect calls the errant record reporter.
	Report func(ctx context.Context, raw *kafka.Record, err error, tolerated bool) error
	// DeadLetters tells that there is a queue, which needs the whole record.
	DeadLetters bool
}

// Source is a source connector plugin.
type Source struct {
	Class     string // Java class name that selects it
	TaskClass string // Java class name of its tasks, shown as task.class; "" is Class with "Task" behind it
	Version   string
	// Keys are the options with their defaults, as clients of the REST API are told of them.
	Keys func() config.Keys
	// Validate checks a configuration and reports every error and warning; it does not connect.
	Validate func(props map[string]string) config.Report
	// Check looks at what the configuration speaks of, such as the database, when a connector is created or changed. nil: nothing to look at.
	Check func(ctx context.Context, props map[string]string) config.Report
	// ExactlyOnce tells whether the connector can go on where its offset says, so that no record is there twice. nil: nobody knows.
	ExactlyOnce func(props map[string]string) bool
	// DefinesTransactions tells that the tasks' source has transactions, for transaction.boundary=connector: they have a method Ends.
	DefinesTransactions bool
	// TaskConfigs divides the work into at most max tasks. An error that is retriable has it called again after a back-off; any other fails the
	// connector.
	TaskConfigs func(props map[string]string, max int) ([]map[string]string, error)
	NewTask     func(props map[string]string, env Env) (SourceTask, error)
	// Watch runs as long as the connector does; changed asks to divide the work anew. Its error fails the connector. nil: the work changes with
	// the configuration only.
	Watch func(ctx context.Context, props map[string]string, changed func()) error
	// AlterOffsets checks offsets that a user wants to set; one without an offset is to be reset. handled tells that the plugin has also changed
	// whatever it keeps of them elsewhere. nil: it knows nothing of that, and everything is taken.
	AlterOffsets func(ctx context.Context, props map[string]string, offsets []PartitionOffset) (handled bool, err error)
}

// Sink is a sink connector plugin.
type Sink struct {
	Class     string
	TaskClass string
	Version   string
	// Keys are the options with their defaults, as clients of the REST API are told of them.
	Keys     func() config.Keys
	Validate func(props map[string]string) config.Report
	// Check looks at the store that the configuration speaks of, when a connector is created or changed. nil: nothing to look at.
	Check   func(ctx context.Context, props map[string]string) config.Report
	NewTask func(props map[string]string, env Env) (sink.Task, error)
	// AlterOffsets is told of the offsets that a user wants to set, -1 for those to be reset; without any, all are reset. Else as that of Source.
	AlterOffsets func(ctx context.Context, props map[string]string, offsets []kafka.Position) (handled bool, err error)
}

// Plugins is all that a worker can run; only cmd/tandem knows the list.
type Plugins struct {
	Sources    []Source
	Sinks      []Sink
	Transforms []TransformPlugin
	Predicates []PredicatePlugin
}
