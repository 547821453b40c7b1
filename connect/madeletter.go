package connect

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// sendMade publishes a record that a source task made and that could not be sent, as JSON with its schema whatever the converters are: it is they that
// fail, mostly. A source's dead letter queue is ours; Kafka Connect has none.
func (d *deadLetters) sendMade(ctx context.Context, r *schema.Record, at stage, class string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	key, keyErr := asJSON(ctx, d.topic, true, r.KeySchema, r.Key)
	value, valueErr := asJSON(ctx, d.topic, false, r.ValueSchema, r.Value)
	for _, e := range []error{keyErr, valueErr} {
		if e != nil {
			return fmt.Errorf("write a record of topic %q: %w", r.Topic, e)
		}
	}
	d.headers = d.headers[:0]
	for _, h := range r.Headers {
		text, headerErr := d.conv.header.FromHeader(ctx, r.Topic, h)
		if headerErr != nil { // what cannot be converted may be this
			text = nil
		}
		d.headers = append(d.headers, kafka.Header{Key: h.Key, Value: text})
	}
	if d.context {
		d.headers = append(d.headers, contextHeader("topic", r.Topic))
		d.headers = d.appendReason(d.headers, at, class, err)
	}
	d.record = kafka.Record{Topic: d.topic, Partition: kafka.AnyPartition, Key: key, Value: value, Headers: d.headers}
	return d.post(ctx)
}

// post hands the letter over. One that is too large, as one may be that was made of a record for its being too large, goes without what makes it so:
// its headers tell what happened.
func (d *deadLetters) post(ctx context.Context) error {
	var big *kafka.RecordTooLargeError
	err := d.producer.Send(ctx, &d.record)
	if errors.As(err, &big) {
		d.record.Value = nil
		err = d.producer.Send(ctx, &d.record)
	}
	if errors.As(err, &big) {
		d.record.Key = nil
		err = d.producer.Send(ctx, &d.record)
	}
	return err
}

// asJSON writes a value with its schema; null without a schema is null.
func asJSON(ctx context.Context, topic string, isKey bool, s *schema.Schema, v schema.Value) ([]byte, error) {
	if s == nil && v.IsNull() {
		return nil, nil
	}
	c, report := converter.New(converter.JSONClass, nil, isKey, converter.Env{})
	if err := report.Err(); err != nil {
		return nil, err
	}
	defer c.Close()
	w, err := c.NewSerializer(ctx, topic, s)
	if err != nil {
		return nil, err
	}
	return serialize(w, nil, v)
}
