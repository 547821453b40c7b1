package connect

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// stageTransform is Kafka Connect's name of the stage in which transforms fail.
const stageTransform stage = "TRANSFORMATION"

// transforming is the Emitter of a source task whose connector has transforms. The task writes Values, the chain changes the record, and the
// serializers for what came out of it write the bytes. Without transforms the task has the emitter itself, and none of this costs anything.
// One goroutine uses it.
type transforming struct {
	*emitter
	chain   *Chain
	try     tryFunc
	streams []memoryStream
	current *memoryStream
	made    schema.Record // as the task made it, for the dead letter queue
	stamp   int64         // of the record that was begun; schema.NoTimestamp without
	record  schema.Record
	// Builders of all streams: their blocks of memory are shared, however many tables there are.
	keys, values *schema.Builder

	known     *schema.Interner // schemas as the transforms make them → those that outputs are found by
	outputs   map[outputKey]*stream
	last      outputKey
	lastFound *stream
}

// memoryStream is what one handle stands for. A nil schema stands for null.
type memoryStream struct {
	topic      string
	partition  int32
	key, value *schema.Schema
	headers    []schema.Header
}

// outputKey is what serializers are made for.
type outputKey struct {
	topic          string
	key, value     *schema.Schema
	noKey, noValue bool // null without a schema, which needs no serializer
}

// mostOutputs bounds the serializers, and mostSchemas the schemas, that a transform which makes ever new topics or schemas can make us keep.
const (
	mostOutputs = 4096
	mostSchemas = 4096
)

func newTransforming(e *emitter, chain *Chain) *transforming {
	try := func(what string, do func() error) error { return e.retries.untilDone(e.ctx, e.log, what, do) }
	return &transforming{emitter: e, chain: chain, try: try, keys: schema.NewBuilder(nil), values: schema.NewBuilder(nil), known: schema.NewInterner(mostSchemas)}
}

// Stream implements Emitter. The topic is not made: transforms may choose another.
func (t *transforming) Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	t.streams = append(t.streams, memoryStream{topic, partition, key, value, slices.Clone(headers)})
	return len(t.streams) - 1, nil
}

// Begin implements Emitter.
func (t *transforming) Begin(handle int) (key, value schema.Writer) {
	if handle < 0 || handle >= len(t.streams) {
		t.current = nil
		return nil, nil
	}
	s := &t.streams[handle]
	t.current, t.stamp = s, schema.NoTimestamp
	if s.key != nil {
		t.keys.ResetTo(s.key)
		key = t.keys
	}
	if s.value != nil {
		t.values.ResetTo(s.value)
		value = t.values
	}
	return key, value
}

// Stamp gives the record that was begun its time, for the sources of Kafka Connect whose records have one: transforms ask for it. Without
// transforms nobody does, and the producer's own time is as good.
func (t *transforming) Stamp(unixMilli int64) { t.stamp = unixMilli }

// End implements Emitter: transform, serialize, send. A record that is dropped has its number all the same.
func (t *transforming) End(first []schema.Header) error {
	s := t.current
	if s == nil {
		return errNoRecord
	}
	t.current = nil
	if err := t.pause.wait(t.ctx); err != nil {
		return err
	}
	r := &t.record
	*r = schema.Record{Topic: s.topic, Partition: s.partition, Offset: schema.NoOffset, Timestamp: t.stamp, KeySchema: s.key, ValueSchema: s.value, Headers: s.headers}
	if len(first) > 0 {
		r.Headers = slices.Concat(first, s.headers)
	}
	var err error
	if r.Key, err = built(s.key, t.keys); err != nil {
		return t.leaveOut(s.topic, stageKey, fmt.Errorf("write a key of topic %q: %w", s.topic, err), nil)
	}
	if r.Value, err = built(s.value, t.values); err != nil {
		return t.leaveOut(s.topic, stageValue, fmt.Errorf("write a value of topic %q: %w", s.topic, err), nil)
	}
	t.made = *r
	keep, err := t.chain.apply(r, t.try)
	switch {
	case err != nil && t.ctx.Err() != nil:
		return err
	case err != nil:
		return t.leaveOut(s.topic, stageTransform, err, &t.made)
	case !keep:
		t.drop(0)
		return nil
	}
	return t.send(r)
}

// built takes what was written of a schema; null of none.
func built(s *schema.Schema, b *schema.Builder) (schema.Value, error) {
	switch {
	case s == nil:
		return schema.NullValue, nil
	case b.Err() != nil:
		return schema.NullValue, b.Err()
	case !b.Done():
		return schema.NullValue, schema.ErrIncomplete
	}
	return b.Value(), nil
}

// errOldTimestamp is for times that Kafka has no number for. Kafka Connect fails the task for them, whatever errors.tolerance says.
var errOldTimestamp = errors.New("the timestamp is before 1970, which Kafka cannot store")

// send writes a transformed record.
func (t *transforming) send(in *schema.Record) error {
	s, err := t.output(in)
	if err != nil {
		return err
	}
	if s.broken != nil {
		return t.leaveOut(in.Topic, s.broken.err.at, s.broken.err, &t.made)
	}
	r := &t.emitter.record
	r.Topic, r.Partition, r.Key, r.Value, r.Timestamp = in.Topic, in.Partition, nil, nil, time.Time{}
	if in.Partition < kafka.AnyPartition {
		return fmt.Errorf("send a record to topic %q: a transform chose the partition %d", in.Topic, in.Partition)
	}
	if in.Timestamp != schema.NoTimestamp && in.Timestamp != -1 { // -1 is Kafka's own word for none
		if in.Timestamp < 0 {
			return fmt.Errorf("send a record to topic %q: %w: %d ms", in.Topic, errOldTimestamp, in.Timestamp)
		}
		r.Timestamp = time.UnixMilli(in.Timestamp)
	}
	if r.Key, err = serialize(s.key, t.key, in.Key); err != nil {
		return t.leaveOut(in.Topic, stageKey, fmt.Errorf("convert a key of topic %q: %w", in.Topic, err), &t.made)
	}
	t.key = keep(t.key, r.Key)
	if r.Value, err = serialize(s.value, t.value, in.Value); err != nil {
		return t.leaveOut(in.Topic, stageValue, fmt.Errorf("convert a value of topic %q: %w", in.Topic, err), &t.made)
	}
	t.value = keep(t.value, r.Value)
	if t.headers, err = t.convertHeaders(t.headers[:0], in.Topic, in.Headers); err != nil {
		return t.leaveOut(in.Topic, stageHeader, err, &t.made)
	}
	r.Headers = t.headers
	s.mark.used()
	return t.emitter.send(r, &t.made)
}

// serialize writes a Value into buf's room; nil without a serializer.
func serialize(s converter.Serializer, buf []byte, v schema.Value) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	v.WriteTo(s.Begin(buf[:0]))
	return s.End()
}

// output finds the serializers for a record, or makes the topic and them. An error ends the task, as one of Stream does.
func (t *transforming) output(r *schema.Record) (*stream, error) {
	k := outputKey{r.Topic, t.known.Intern(r.KeySchema), t.known.Intern(r.ValueSchema), r.KeySchema == nil && r.Key.IsNull(), r.ValueSchema == nil && r.Value.IsNull()}
	if t.lastFound != nil && t.last == k {
		return t.lastFound, nil
	}
	s, ok := t.outputs[k]
	if !ok || s.broken != nil && !time.Now().Before(s.broken.again) {
		s = &stream{topic: r.Topic, mark: t.used.mark(r.Topic)}
		err := t.retries.untilDone(t.ctx, t.log, fmt.Sprintf("prepare topic %q", r.Topic), func() error { return t.prepare(s, k.key, k.value, k.noKey, k.noValue) })
		if s.broken, err = t.tolerate(r.Topic, err); err != nil {
			return nil, err
		}
		if t.outputs == nil || len(t.outputs) >= mostOutputs {
			t.outputs = make(map[outputKey]*stream)
		}
		t.outputs[k] = s
	}
	if s.broken == nil { // else it is tried again
		t.last, t.lastFound = k, s
	}
	return s, nil
}
