package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
)

// stage is where a record failed, as Kafka Connect names it.
type stage string

const (
	stageKey    stage = "KEY_CONVERTER"
	stageValue  stage = "VALUE_CONVERTER"
	stageHeader stage = "HEADER_CONVERTER"
	stagePut    stage = "TASK_PUT"
	stageSend   stage = "KAFKA_PRODUCE"
)

// What Kafka Connect lays errors to that no plugin made.
const (
	putClass  = "org.apache.kafka.connect.sink.SinkTask"
	sendClass = "org.apache.kafka.connect.runtime.WorkerSourceTask"
)

// tolerance decides over records that cannot be converted or applied: errors.tolerance, errors.log.* and the dead letter queue.
type tolerance struct {
	id      TaskID
	config  *ConnectorConfig
	classes map[stage]string // Java class names of the converters
	log     *slog.Logger
	dead    *deadLetters // nil without a queue

	skipped atomic.Uint64
}

// class is the Java class that an error is laid to.
func (t *tolerance) class(at stage, err error) string {
	var transform *TransformError
	if errors.As(err, &transform) {
		return transform.Class
	}
	return t.classes[at]
}

// source is for a record that a source task made for a topic; a nil error leaves it out. made is the record as the task made it, for the dead
// letter queue; nil without one, and for what concerns no single record.
func (t *tolerance) source(ctx context.Context, topic string, at stage, err error, made *schema.Record) error {
	t.config.counts.failed(t.config.LogErrors)
	if t.config.LogErrors {
		attrs := []any{"stage", string(at), "class", t.class(at, err), "error", err}
		if t.config.LogMessages {
			attrs = append(attrs, "topic", topic)
		}
		t.log.Error("cannot make a record", attrs...)
	}
	if t.dead != nil && made != nil {
		deadErr := t.dead.sendMade(ctx, made, at, t.class(at, err), err)
		if t.config.counts.letter(deadErr); deadErr != nil {
			return fmt.Errorf("publish a dead letter to topic %q: %w", t.dead.topic, deadErr)
		}
	}
	if t.config.Tolerance != TolerateAll {
		return &toleranceError{err}
	}
	t.skipped.Add(1)
	t.config.counts.left()
	return nil
}

// sink is for a record that was consumed; a nil error leaves it out. It goes to the dead letter queue in either case.
func (t *tolerance) sink(ctx context.Context, r *kafka.Record, at stage, err error) error {
	t.config.counts.failed(t.config.LogErrors)
	if t.config.LogErrors {
		attrs := []any{"stage", string(at), "class", t.class(at, err), "error", err}
		if t.config.LogMessages {
			attrs = append(attrs, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "timestamp", r.Timestamp)
		}
		t.log.Error("cannot take a record", attrs...)
	}
	if t.dead != nil {
		deadErr := t.dead.send(ctx, r, at, t.class(at, err), err)
		if t.config.counts.letter(deadErr); deadErr != nil {
			return fmt.Errorf("publish a dead letter to topic %q: %w", t.dead.topic, deadErr)
		}
	}
	if t.config.Tolerance != TolerateAll {
		return &toleranceError{fmt.Errorf("record of topic %q, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)}
	}
	t.skipped.Add(1)
	t.config.counts.left()
	return nil
}

// report is sink for a record that the task has taken and leaves out on its own. tolerated says that the plugin's options want it, whatever
// errors.tolerance is.
func (t *tolerance) report(ctx context.Context, r *kafka.Record, err error, tolerated bool) error {
	err = t.sink(ctx, r, stagePut, err)
	var exceeded *toleranceError
	if tolerated && errors.As(err, &exceeded) {
		t.skipped.Add(1)
		t.config.counts.left()
		return nil
	}
	return err
}

// deadLetters is the dead letter queue of a task.
type deadLetters struct {
	id       TaskID
	topic    string
	replicas int
	context  bool // whether headers tell what happened
	producer producer
	mu       sync.Mutex // guards record and headers: what is converted and what is put may fail at the same time
	record   kafka.Record
	headers  []kafka.Header
	conv     converters    // of a source, for the headers of what it made
	ended    chan struct{} // closed when producer.Run has returned err
	err      error
}

// watch ends the task with its producer, which may have failed long after the last dead letter: no offset could be committed any more.
func (d *deadLetters) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.ended:
		return d.failure()
	}
}

// ensure makes the queue's topic, with one partition as Kafka Connect does.
func (d *deadLetters) ensure(ctx context.Context, a admin) error {
	_, exists, err := a.Topic(ctx, d.topic)
	if err == nil && !exists {
		_, err = a.CreateTopic(ctx, client.NewTopic{Name: d.topic, Partitions: 1, Replicas: d.replicas})
	}
	if err != nil {
		return fmt.Errorf("create the topic %q of the dead letter queue (errors.deadletterqueue.topic.*): %w", d.topic, err)
	}
	return nil
}

// send publishes the record as it was consumed: its headers first, then those that tell what happened.
func (d *deadLetters) send(ctx context.Context, r *kafka.Record, at stage, class string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.headers = append(d.headers[:0], r.Headers...)
	if d.context {
		d.headers = d.appendContext(d.headers, r, at, class, err)
	}
	d.record = kafka.Record{Topic: d.topic, Partition: kafka.AnyPartition, Key: r.Key, Value: r.Value, Headers: d.headers, Timestamp: r.Timestamp}
	return d.post(ctx)
}

// acknowledged waits until every dead letter is: before that, the records' offsets must not be committed.
func (d *deadLetters) acknowledged(ctx context.Context) error {
	n := d.producer.Sent()
	if d.producer.Acked() >= n {
		return nil
	}
	d.producer.Flush()
	return d.producer.WaitAcked(ctx, n)
}

func (d *deadLetters) appendContext(dst []kafka.Header, r *kafka.Record, at stage, class string, err error) []kafka.Header {
	dst = append(dst, contextHeader("topic", r.Topic), contextHeader("partition", strconv.Itoa(int(r.Partition))), contextHeader("offset", strconv.FormatInt(r.Offset, 10)))
	return d.appendReason(dst, at, class, err)
}

func contextHeader(name, text string) kafka.Header {
	return kafka.Header{Key: "__connect.errors." + name, Value: []byte(text)}
}

// appendReason adds what happened: the same for what was consumed and for what was made.
func (d *deadLetters) appendReason(dst []kafka.Header, at stage, class string, err error) []kafka.Header {
	exception, message := exceptionOf(err)
	trace := exception + ": " + message + "\n"
	if full := err.Error(); full != message {
		trace += "Caused by: " + full + "\n"
	}
	return append(dst, contextHeader("connector.name", d.id.Connector), contextHeader("task.id", strconv.Itoa(d.id.Task)),
		contextHeader("stage", string(at)), contextHeader("class.name", class),
		contextHeader("exception.class.name", exception), contextHeader("exception.message", message), contextHeader("exception.stacktrace", trace))
}

// exceptionOf is the exception that Java would have thrown.
func exceptionOf(err error) (class, message string) {
	var known interface {
		Exception() (class, message string)
	}
	if errors.As(err, &known) {
		return known.Exception()
	}
	return "org.apache.kafka.connect.errors.ConnectException", err.Error()
}
