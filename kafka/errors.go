package kafka

import (
	"errors"
	"fmt"
)

// ErrUnavailable: no broker can be reached, or none leads the partition now. Waiting helps.
var ErrUnavailable = errors.New("Kafka is not reachable")

// RecordTooLargeError: the broker or the producer refuses a record for its size. Waiting does not help.
type RecordTooLargeError struct {
	Topic string
	Key   []byte
	Bytes int
	Limit int // 0 when the broker did not say
	Err   error
}

func (e *RecordTooLargeError) Error() string {
	limit := ""
	if e.Limit > 0 {
		limit = fmt.Sprintf(", more than producer.override.max.request.size=%d", e.Limit)
	}
	return fmt.Sprintf("record of %d bytes for topic %q with key %q is too large%s; "+
		"raise max.message.bytes of the topic (or message.max.bytes of the broker) and producer.override.max.request.size", e.Bytes, e.Topic, printable(e.Key), limit)
}

func (e *RecordTooLargeError) Unwrap() error { return e.Err }

// Retriable is false: the same record comes back.
func (e *RecordTooLargeError) Retriable() bool { return false }

func printable(key []byte) string {
	const most = 200
	if len(key) > most {
		return string(key[:most]) + "…"
	}
	return string(key)
}
