package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	// Expect tells of topics that records are about to come for.
	Expect(topics ...string)
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
	decide   *tolerance   // over records that cannot be converted
	letters  *deadLetters // nil without a queue: a record that is left out is done with when its letter is acknowledged
	pause    *gate        // closed while the task is paused
	meter    *taskMeter   // counts batches; nil: nobody does
	used     *topicUse    // hears which topics are written to; nil: nobody does

	streams []stream
	current *stream
	record  kafka.Record
	key     []byte
	value   []byte
	headers []kafka.Header

	given   uint64    // records at the last Flush
	flushed time.Time // when that was
	dropped atomic.Uint64

	mu      sync.Mutex
	skipped []leftOut // ascending
	passed  uint64    // records left out and taken from skipped: all before them are acknowledged
}

// leftOut are records in a row that are not sent. While a broker is away a chain that drops most records goes on: a row of any length is one.
type leftOut struct {
	before uint64 // the producer's number before them
	count  uint64
	letter uint64 // the number of the last one's dead letter; 0: it has none
}

// stream is what one handle stands for. The serializers of nil schemas are nil.
type stream struct {
	topic      string
	partition  int32
	key, value converter.Serializer
	headers    []kafka.Header
	mark       *topicMark
	broken     *brokenStream // nil: it is sound
}

// topicMaker makes missing topics.
type topicMaker interface {
	ensure(ctx context.Context, topic string) error
	// foresee makes several ahead and tells which are there, or are left to the broker. What fails is left to ensure.
	foresee(ctx context.Context, topics []string) (ready map[string]bool)
}

func (e *emitter) Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	s := stream{topic: topic, partition: partition, mark: e.used.mark(topic)}
	err := e.retries.untilDone(e.ctx, e.log, fmt.Sprintf("prepare topic %q", topic), func() (err error) {
		if err = e.prepare(&s, key, value, key == nil, value == nil); err != nil {
			return err
		}
		if s.headers, err = e.convertHeaders(nil, topic, headers); err != nil {
			return &prepareError{stageHeader, err}
		}
		return nil
	})
	if s.broken, err = e.tolerate(topic, err); err != nil {
		return 0, err
	}
	if s.broken != nil {
		s.broken.key, s.broken.value, s.broken.source = key, value, slices.Clone(headers)
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
	if s.broken != nil && !e.mend(s) {
		return s.broken.begin()
	}
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
	if err := e.pause.wait(e.ctx); err != nil {
		return err
	}
	if s.broken != nil {
		return e.leaveOut(s.topic, s.broken.err.at, s.broken.err, nil)
	}
	r := &e.record
	r.Topic, r.Partition, r.Key, r.Value, r.Headers = s.topic, s.partition, nil, nil, s.headers
	var err error
	if s.key != nil {
		if r.Key, err = s.key.End(); err != nil {
			return e.leaveOut(s.topic, stageKey, fmt.Errorf("convert a key of topic %q: %w", s.topic, err), nil)
		}
		e.key = keep(e.key, r.Key)
	}
	if s.value != nil {
		if r.Value, err = s.value.End(); err != nil {
			return e.leaveOut(s.topic, stageValue, fmt.Errorf("convert a value of topic %q: %w", s.topic, err), nil)
		}
		e.value = keep(e.value, r.Value)
	}
	if len(first) > 0 {
		if e.headers, err = e.convertHeaders(e.headers[:0], s.topic, first); err != nil {
			return e.leaveOut(s.topic, stageHeader, err, nil)
		}
		e.headers = append(e.headers, s.headers...)
		r.Headers = e.headers
	}
	s.mark.used()
	return e.send(r, nil)
}

// send hands a record to the producer. One that is larger than max.request.size is like one that cannot be converted, but that Kafka Connect does
// not call it so when it is not tolerated.
func (e *emitter) send(r *kafka.Record, made *schema.Record) error {
	if err := e.producer.Send(e.ctx, r); err != nil {
		return e.notSent(r.Topic, err, made)
	}
	return nil
}

func (e *emitter) notSent(topic string, err error, made *schema.Record) error {
	var big *kafka.RecordTooLargeError
	if errors.As(err, &big) && e.decide.config.Tolerance == TolerateAll {
		return e.leaveOut(topic, stageSend, err, made)
	}
	return err
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
	if e.meter != nil {
		e.count()
	}
	e.producer.Flush()
	return nil
}

// count has the records since the last Flush counted as a batch.
func (e *emitter) count() {
	now, given := time.Now(), e.polled()
	if e.flushed.IsZero() {
		e.flushed = now
	}
	e.meter.batch(given-e.given, now.Sub(e.flushed), given-min(given, e.acked()))
	e.given, e.flushed = given, now
}

// polled is the number of the task's records, those left out included.
func (e *emitter) polled() uint64 { return e.producer.Sent() + e.dropped.Load() }

// leaveOut counts a record that is not sent, if the connector tolerates that. made is the record as the task made it, nil where nobody wants it.
func (e *emitter) leaveOut(topic string, at stage, err error, made *schema.Record) error {
	if err := e.decide.source(e.ctx, topic, at, err, made); err != nil {
		return err
	}
	letter := uint64(0)
	if e.letters != nil && made != nil {
		letter = e.letters.producer.Sent()
	}
	e.drop(letter)
	return nil
}

// drop counts a record that is not sent: it is done with once all before it are, and its dead letter is.
func (e *emitter) drop(letter uint64) {
	e.dropped.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.producer.Sent()
	if n := len(e.skipped); n > 0 && e.skipped[n-1].before == before {
		e.skipped[n-1].count++
		e.skipped[n-1].letter = max(e.skipped[n-1].letter, letter)
		return
	}
	e.skipped = append(e.skipped, leftOut{before, 1, letter})
}

// acked is the number of the task's records, those left out included, of which all are done with.
func (e *emitter) acked() uint64 {
	n := e.producer.Acked()
	e.mu.Lock()
	defer e.mu.Unlock()
	done := 0
	for done < len(e.skipped) && e.skipped[done].before <= n {
		if letter := e.skipped[done].letter; letter > 0 && e.letters.producer.Acked() < letter {
			n = e.skipped[done].before
			break
		}
		e.passed += e.skipped[done].count
		done++
	}
	e.skipped = e.skipped[done:]
	return n + e.passed
}
