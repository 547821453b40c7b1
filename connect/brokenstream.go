package connect

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-cdc/tandem/schema"
)

// prepareError says that the converters cannot write records of a topic at all: the registry refuses the schema, or the format cannot say it.
type prepareError struct {
	at  stage
	err error
}

func (e *prepareError) Error() string { return e.err.Error() }
func (e *prepareError) Unwrap() error { return e.err }

// brokenStream is why a stream's records are left out, where that is tolerated: other streams go on. What is wrong may be put right meanwhile, in
// the registry mostly, so it is tried again from time to time.
type brokenStream struct {
	err   *prepareError
	again time.Time

	key, value     *schema.Schema
	source         []schema.Header
	keyTo, valueTo *schema.Builder // take what is left out
}

// mendEvery is how often a broken stream is tried.
const mendEvery = time.Second

// prepare makes the topic and the serializers of a stream; without a key or value there is none.
func (e *emitter) prepare(s *stream, key, value *schema.Schema, noKey, noValue bool) (err error) {
	if err = e.topics.ensure(e.ctx, s.topic); err != nil {
		return err
	}
	if !noKey {
		if s.key, err = e.conv.key.NewSerializer(e.ctx, s.topic, key); err != nil {
			return &prepareError{stageKey, fmt.Errorf("prepare the key of topic %q: %w", s.topic, err)}
		}
	}
	if !noValue {
		if s.value, err = e.conv.value.NewSerializer(e.ctx, s.topic, value); err != nil {
			return &prepareError{stageValue, fmt.Errorf("prepare the value of topic %q: %w", s.topic, err)}
		}
	}
	return nil
}

// tolerate decides over an error of preparing a stream: nil and nil without one, why the stream is broken where that is tolerated, or the error
// that ends the task.
func (e *emitter) tolerate(topic string, err error) (*brokenStream, error) {
	var broken *prepareError
	switch {
	case err == nil || e.ctx.Err() != nil || retriable(err) || !errors.As(err, &broken):
		return nil, err
	case e.decide.config.Tolerance != TolerateAll:
		return nil, e.decide.source(e.ctx, topic, broken.at, err, nil)
	}
	return &brokenStream{err: broken, again: time.Now().Add(mendEvery)}, nil
}

// mend tries a broken stream again, if it is time to; true when it is sound.
func (e *emitter) mend(s *stream) bool {
	b := s.broken
	now := time.Now()
	if now.Before(b.again) {
		return false
	}
	err := e.prepare(s, b.key, b.value, b.key == nil, b.value == nil)
	if err == nil {
		s.headers, err = e.convertHeaders(nil, s.topic, b.source)
	}
	if err != nil {
		b.again = now.Add(mendEvery)
		return false
	}
	s.broken = nil
	return true
}

// begin gives writers for a record that is left out.
func (b *brokenStream) begin() (key, value schema.Writer) {
	if b.key != nil {
		if b.keyTo == nil {
			b.keyTo = schema.NewBuilder(b.key)
		}
		b.keyTo.Reset()
		key = b.keyTo
	}
	if b.value != nil {
		if b.valueTo == nil {
			b.valueTo = schema.NewBuilder(b.value)
		}
		b.valueTo.Reset()
		value = b.valueTo
	}
	return key, value
}
