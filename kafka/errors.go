package kafka

import (
	"errors"
	"fmt"
)

// Every error of this project's clients about Kafka is, or wraps, one of the types below or a plain error about a wrong call. The method
// Retriable, found by errors.As, decides whether a worker tries again.

// ErrUnavailable: no broker can be reached, or none leads the partition now. Waiting helps.
var ErrUnavailable = errors.New("no Kafka broker is reachable")

// UnavailableError is ErrUnavailable with the place. Err names the addresses that were tried.
type UnavailableError struct {
	Op  string // verb phrase and operand: `look up topic "a"`
	Err error
}

func (e *UnavailableError) Error() string {
	return e.Op + ": " + ErrUnavailable.Error() + ": " + e.Err.Error()
}

// Is makes errors.Is(err, ErrUnavailable) true.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }
func (e *UnavailableError) Unwrap() error        { return e.Err }

// Retriable is true.
func (e *UnavailableError) Retriable() bool { return true }

// AuthError: the broker does not accept who we are, or does not let us do this. Waiting does not help.
type AuthError struct {
	Op  string
	Err error
}

func (e *AuthError) Error() string {
	return e.Op + ": " + e.Err.Error() + "; check security.protocol, sasl.* and ssl.*, and the access rights of this user"
}
func (e *AuthError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *AuthError) Retriable() bool { return false }

// UnknownTopicError: the topic does not exist, and the broker did not make it.
type UnknownTopicError struct {
	Op    string
	Topic string
}

func (e *UnknownTopicError) Error() string {
	return fmt.Sprintf("%s: topic %q does not exist; create it, or allow it to be created (topic.creation.default.*, auto.create.topics.enable of the broker)", e.Op, e.Topic)
}

// Retriable is true: somebody may create it.
func (e *UnknownTopicError) Retriable() bool { return true }

// PositionError: the position to go on from is not in the partition: its records were deleted, or the topic was made anew.
type PositionError struct {
	Position
	Begin, End int64 // what there is
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("offset %d of topic %q partition %d is not there, the partition has %d to %d: its records were deleted by retention or the topic was made anew; "+
		"decide what to do with the gap, then set the stored offset or delete it", e.Offset, e.Topic, e.Partition, e.Begin, e.End)
}

// Retriable is false: going on would skip records.
func (e *PositionError) Retriable() bool { return false }

// FencedError: another producer has taken the transactional id over, or it was fenced on purpose: what this one sends is refused for good.
type FencedError struct {
	Op  string
	ID  string // transactional.id
	Err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("%s: the producer with transactional.id %q is fenced: another one has taken its place: %v", e.Op, e.ID, e.Err)
}
func (e *FencedError) Unwrap() error { return e.Err }

// Retriable is false: taking the id back would fence whoever has it rightly.
func (e *FencedError) Retriable() bool { return false }

// TransactionError: the coordinator does not know the transaction any more, most often because it was open for longer than
// transaction.timeout.ms. Nothing of it was committed.
type TransactionError struct {
	Op  string
	ID  string // transactional.id
	Err error
}

func (e *TransactionError) Error() string {
	return fmt.Sprintf("%s: the transaction of transactional.id %q was given up by the broker; "+
		"if it was open for too long, raise transaction.timeout.ms of the producer or commit more often: %v", e.Op, e.ID, e.Err)
}
func (e *TransactionError) Unwrap() error { return e.Err }

// Retriable is true: the records can be sent anew, in another transaction.
func (e *TransactionError) Retriable() bool { return true }

// BrokerError is any other error a broker answered.
type BrokerError struct {
	Op        string
	Code      int16 // Kafka's error code
	Err       error
	Transient bool // Kafka calls it retriable
}

func (e *BrokerError) Error() string   { return fmt.Sprintf("%s: %v (code %d)", e.Op, e.Err, e.Code) }
func (e *BrokerError) Unwrap() error   { return e.Err }
func (e *BrokerError) Retriable() bool { return e.Transient }

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

// Exception is the class and the message of the exception in Java.
func (e *RecordTooLargeError) Exception() (class, message string) {
	return "org.apache.kafka.common.errors.RecordTooLargeException", e.Error()
}

// Retriable is false: the same record comes back.
func (e *RecordTooLargeError) Retriable() bool { return false }

func printable(key []byte) string {
	const most = 200
	if len(key) > most {
		return string(key[:most]) + "…"
	}
	return string(key)
}
