package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Deliver hands a signal over and returns when it was carried out, or when ctx ends. An error ends the channel.
type Deliver func(context.Context, Signal) error

// wire is a signal as a line of a file and a Kafka record have it.
type wire struct {
	ID   json.RawMessage `json:"id"`
	Type json.RawMessage `json:"type"`
	Data json.RawMessage `json:"data"`
}

// ParseWire reads {"id": …, "type": …, "data": {…}}: what a line of the file and a record of the topic hold.
func ParseWire(text []byte) (Signal, error) {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return Signal{}, fmt.Errorf("no JSON object: %w", err)
	}
	id, err := plainText("id", w.ID)
	if err != nil {
		return Signal{}, err
	}
	kind, err := plainText("type", w.Type)
	if err != nil {
		return Signal{}, err
	}
	if len(w.Data) == 0 {
		return Signal{}, errors.New(`"data" is missing`)
	}
	return Signal{ID: id, Type: kind, Data: w.Data, Offset: -1}, nil
}

// plainText is a JSON string's text, or a number or boolean as it is written.
func plainText(name string, raw json.RawMessage) (string, error) {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return "", fmt.Errorf("%q is missing, or no text", name)
	}
	if raw[0] != '"' {
		return string(raw), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// Kafka reads the signals of one connector from a topic.
type Kafka struct {
	// Key is the key that the connector's records have: its topic.prefix. Others are left alone.
	Key string
	// Topic is the topic's name, for messages.
	Topic string
	// Read hands over the records from where the group stands, and stores behind each that was handed over; it returns when ctx ends.
	Read func(ctx context.Context, record func(ctx context.Context, offset int64, key, value []byte) error) error
	// Pause is the time before the reading is begun again after a failure.
	Pause time.Duration
	Log   *slog.Logger
}

// Run delivers signals until ctx ends (nil) or Deliver fails. A broker that cannot be reached, or a topic that is not there yet, is tried again
// for ever: changes are captured meanwhile. An error that says it is not retriable ends it, too: a wrong option, a refused password.
func (k *Kafka) Run(ctx context.Context, deliver Deliver) error {
	for {
		var failed error // of deliver
		err := k.Read(ctx, func(ctx context.Context, offset int64, key, value []byte) error {
			s, ok := k.parse(offset, key, value)
			if ok {
				failed = deliver(ctx, s)
			}
			return failed
		})
		switch {
		case failed != nil:
			return endOf(ctx, failed)
		case ctx.Err() != nil:
			return nil
		case final(err):
			return fmt.Errorf("read signals from topic %q: %w", k.Topic, err)
		case err != nil:
			k.Log.Warn("cannot read signals from the topic; trying again", "topic", k.Topic, "in", k.Pause, "error", err)
		}
		if !pause(ctx, k.Pause) {
			return nil
		}
	}
}

func (k *Kafka) parse(offset int64, key, value []byte) (Signal, bool) {
	if string(key) != k.Key {
		k.Log.Info("a signal is left alone: its key is not the topic.prefix of this connector", "topic", k.Topic, "offset", offset, "key", string(key))
		return Signal{}, false
	}
	if len(value) == 0 {
		return Signal{}, false
	}
	s, err := ParseWire(value)
	if err != nil {
		k.Log.Warn("a record of the signal topic is ignored: it is no signal", "topic", k.Topic, "offset", offset, "error", err)
		return Signal{}, false
	}
	s.Channel, s.Offset = ChannelKafka, offset
	return s, true
}

// final tells an error that trying again does not help against.
func final(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && !r.Retriable()
}

// pause waits d; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// endOf is nil when err only says that ctx ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
