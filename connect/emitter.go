package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// producer is what a source task needs of kafka/client.Producer.
type producer interface {
	// Run sends until ctx ends or a record finally fails.
	Run(ctx context.Context) error
	// Send numbers a record from 1 and copies it.
	Send(ctx context.Context, r *kafka.Record) error
	Flush()
	Sent() uint64
	Acked() uint64
	Progress() <-chan struct{}
	WaitAcked(ctx context.Context, n uint64) error
}

// errNoRecord: End without Begin, or Begin of a handle that Stream did not give. A mistake of the task.
var errNoRecord = errors.New("no record was begun")

// emitter is the Emitter of a source task: it writes with the converters straight into two buffers that are used again for every record
// (the producer copies), so that a record costs no allocation. One goroutine calls it; acked may be called by another.
type emitter struct {
	// ctx is that of the task's Run: the interface has none in its methods, and none of them outlives it.
	ctx      context.Context
	log      *slog.Logger
	conv     converters
	topics   topicMaker
	producer producer
	retries  retries
	skip     func(at stage, err error) error // decides over a record that cannot be converted; nil error: leave it out

	streams []stream
	current *stream
	record  kafka.Record
	key     []byte
	value   []byte
	headers []kafka.Header

	mu      sync.Mutex
	skipped []leftOut // ascending
	passed  uint64    // records left out and taken from skipped: all before them are acknowledged
}

// leftOut are records in a row that are not sent. While a broker is away a chain that drops most records goes on: a row of any length is one.
type leftOut struct {
	before uint64 // the producer's number before them
	count  uint64
}

// stream is what one handle stands for. The serializers of nil schemas are nil.
type stream struct {
	topic      string
	partition  int32
	key, value converter.Serializer
	headers    []kafka.Header
}

// topicMaker makes missing topics.
type topicMaker interface {
	ensure(ctx context.Context, topic string) error
}

func (e *emitter) Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	s := stream{topic: topic, partition: partition}
	err := e.retries.untilDone(e.ctx, e.log, fmt.Sprintf("prepare topic %q", topic), func() (err error) {
		if err = e.topics.ensure(e.ctx, topic); err != nil {
			return err
		}
		if key != nil {
			if s.key, err = e.conv.key.NewSerializer(e.ctx, topic, key); err != nil {
				return fmt.Errorf("prepare the key of topic %q: %w", topic, err)
			}
		}
		if value != nil {
			if s.value, err = e.conv.value.NewSerializer(e.ctx, topic, value); err != nil {
				return fmt.Errorf("prepare the value of topic %q: %w", topic, err)
			}
		}
		s.headers, err = e.convertHeaders(nil, topic, headers)
		return err
	})
	if err != nil {
		return 0, err
	}
	e.streams = append(e.streams, s)
	return len(e.streams) - 1, nil
}

func (e *emitter) convertHeaders(dst []kafka.Header, topic string, headers []schema.Header) ([]kafka.Header, error) {
	for _, h := range headers {
		value, err := e.conv.header.FromHeader(e.ctx, topic, h)
		if err != nil {
			return dst, fmt.Errorf("convert header %q of topic %q: %w", h.Key, topic, err)
		}
		dst = append(dst, kafka.Header{Key: h.Key, Value: value})
	}
	return dst, nil
}

func (e *emitter) Begin(handle int) (key, value schema.Writer) {
	if handle < 0 || handle >= len(e.streams) {
		e.current = nil
		return nil, nil
	}
	s := &e.streams[handle]
	e.current = s
	if s.key != nil {
		key = s.key.Begin(e.key[:0])
	}
	if s.value != nil {
		value = s.value.Begin(e.value[:0])
	}
	return key, value
}

func (e *emitter) End(first []schema.Header) error {
	s := e.current
	if s == nil {
		return errNoRecord
	}
	e.current = nil
	r := &e.record
	r.Topic, r.Partition, r.Key, r.Value, r.Headers = s.topic, s.partition, nil, nil, s.headers
	var err error
	if s.key != nil {
		if r.Key, err = s.key.End(); err != nil {
			return e.leaveOut(stageKey, fmt.Errorf("convert a key of topic %q: %w", s.topic, err))
		}
		e.key = keep(e.key, r.Key)
	}
	if s.value != nil {
		if r.Value, err = s.value.End(); err != nil {
			return e.leaveOut(stageValue, fmt.Errorf("convert a value of topic %q: %w", s.topic, err))
		}
		e.value = keep(e.value, r.Value)
	}
	if len(first) > 0 {
		if e.headers, err = e.convertHeaders(e.headers[:0], s.topic, first); err != nil {
			return e.leaveOut(stageHeader, err)
		}
		e.headers = append(e.headers, s.headers...)
		r.Headers = e.headers
	}
	return e.producer.Send(e.ctx, r)
}

// mostKept is the size of a buffer that is kept for the next record; a rare larger one is given back.
const mostKept = 1 << 20

// keep returns the grown buffer for the next record.
func keep(buf, written []byte) []byte {
	if cap(written) > cap(buf) && cap(written) <= mostKept {
		return written[:0]
	}
	return buf
}

func (e *emitter) Flush() error {
	e.producer.Flush()
	return nil
}

// leaveOut counts a record that is not sent, if the connector tolerates that.
func (e *emitter) leaveOut(at stage, err error) error {
	if err := e.skip(at, err); err != nil {
		return err
	}
	e.drop()
	return nil
}

// drop counts a record that is not sent: it is done with once all before it are.
func (e *emitter) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.producer.Sent()
	if n := len(e.skipped); n > 0 && e.skipped[n-1].before == before {
		e.skipped[n-1].count++
		return
	}
	e.skipped = append(e.skipped, leftOut{before, 1})
}

// acked is the number of the task's records, those left out included, of which all are done with.
func (e *emitter) acked() uint64 {
	n := e.producer.Acked()
	e.mu.Lock()
	defer e.mu.Unlock()
	done := 0
	for done < len(e.skipped) && e.skipped[done].before <= n {
		e.passed += e.skipped[done].count
		done++
	}
	e.skipped = e.skipped[done:]
	return n + e.passed
}
