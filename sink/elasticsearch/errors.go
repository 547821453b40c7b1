package elasticsearch

import (
	"errors"
	"fmt"
	"strings"
)

const (
	connectException = "org.apache.kafka.connect.errors.ConnectException"
	dataException    = "org.apache.kafka.connect.errors.DataException"
	// indexingException is what the Java connector hands to the dead letter queue for a document that the server refuses.
	indexingException = "io.confluent.connect.elasticsearch.ElasticsearchClient$ReportingException"
)

// RecordError says that one record cannot become a document, whatever is tried again. Its neighbours can.
type RecordError struct {
	Topic     string
	Partition int32
	Offset    int64
	Resource  string // index or data stream; "" when the record never came so far
	ID        string // of the document; "" when it has none of its own
	Err       error

	class, message string // of the exception in Java
}

func (e *RecordError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "record %s-%d@%d", e.Topic, e.Partition, e.Offset)
	if e.Resource != "" {
		fmt.Fprintf(&b, ", index %q", e.Resource)
	}
	if e.ID != "" {
		fmt.Fprintf(&b, ", document %q", e.ID)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the reason.
func (e *RecordError) Unwrap() error { return e.Err }

// Retriable is false: the same record comes back.
func (e *RecordError) Retriable() bool { return false }

// Exception is the class and the message of the exception in Java: what the headers of a dead letter say.
func (e *RecordError) Exception() (class, message string) { return e.class, e.message }

// dataError says that a record cannot be converted, in the words of the Java connector.
type dataError struct {
	message string
	hint    string // what to do; "" when the message says it
}

func (e *dataError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + " (" + e.hint + ")"
}

func (e *dataError) Retriable() bool { return false }

func badData(format string, args ...any) error {
	return &dataError{message: fmt.Sprintf(format, args...)}
}

// itemError is what the server answered for one document.
type itemError struct {
	Status int
	Type   string // such as mapper_parsing_exception
	Reason string
	Causes []string // types of the errors behind it
}

func (e *itemError) Error() string { return fmt.Sprintf("%s: %s", e.Type, e.Reason) }

// Retriable tells that the server had no room, or no shard, for the moment.
func (e *itemError) Retriable() bool { return transient(e.Status) }

// ResponseError is an answer that is no success.
type ResponseError struct {
	Op     string // such as `create index "a"`
	URL    string
	Status int
	Type   string // such as index_not_found_exception; "" when the answer names none
	Reason string
}

func (e *ResponseError) Error() string {
	text := fmt.Sprintf("%s at %s: HTTP %d", e.Op, e.URL, e.Status)
	if e.Type != "" {
		text += ", " + e.Type
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	switch e.Status {
	case 401:
		text += "; check connection.username and connection.password"
	case 403:
		text += "; the user lacks the right to it"
	}
	return text
}

// Retriable tells that the same may succeed later: the server is overloaded or not whole.
func (e *ResponseError) Retriable() bool { return e.Status == 429 || e.Status >= 500 }

// transient tells the statuses of items that pass by themselves.
func transient(status int) bool { return status == 429 || status >= 502 && status <= 504 }

// UnavailableError says that no server answers. No record is at fault.
type UnavailableError struct {
	Op  string
	URL string
	Err error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("%s at %s: %v", e.Op, e.URL, e.Err) }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Retriable is true: waiting helps.
func (e *UnavailableError) Retriable() bool { return true }

// ExhaustedError ends the attempts after max.retries.
type ExhaustedError struct {
	Op       string
	Attempts int
	Err      error
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("%s failed %d times and is given up (max.retries=%d, retry.backoff.ms): %v; raise max.retries, or let the worker start the task again with errors.restart.max",
		e.Op, e.Attempts, e.Attempts-1, e.Err)
}

// Unwrap returns the last cause.
func (e *ExhaustedError) Unwrap() error { return e.Err }

// Retriable is false: the user set the bound.
func (e *ExhaustedError) Retriable() bool { return false }

// TimeoutError says that the server takes less than comes in, or nothing at all, for longer than flush.timeout.ms.
type TimeoutError struct{ Problem string }

func (e *TimeoutError) Error() string { return e.Problem }

// Retriable is false: the user set the bound.
func (e *TimeoutError) Retriable() bool { return false }

func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}
