package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	cause := errors.New("connection refused")
	at := Position{TopicPartition: TopicPartition{Topic: "t", Partition: 3}, Offset: 7}
	for _, c := range []struct {
		err       error
		retriable bool
		texts     []string
	}{
		{&UnavailableError{Op: "list topics at a:1", Err: cause}, true, []string{"list topics at a:1", "connection refused"}},
		{&AuthError{Op: "list topics", Err: cause}, false, []string{"sasl.*", "connection refused"}},
		{&UnknownTopicError{Op: "publish", Topic: "t"}, true, []string{`"t"`, "create it"}},
		{&PositionError{Position: at, Begin: 8, End: 9}, false, []string{"offset 7", `"t" partition 3`, "8 to 9"}},
		{&BrokerError{Op: "publish", Code: 45, Err: cause, Transient: true}, true, []string{"publish", "code 45"}},
		{&BrokerError{Op: "publish", Code: 87, Err: cause}, false, []string{"code 87"}},
		{&RecordTooLargeError{Topic: "t", Key: []byte(strings.Repeat("k", 300)), Bytes: 9, Limit: 5, Err: cause}, false,
			[]string{"9 bytes", `"t"`, strings.Repeat("k", 200) + "…", "max.request.size=5", "max.message.bytes"}},
	} {
		wrapped := fmt.Errorf("task 1: %w", c.err)
		var r interface{ Retriable() bool }
		if !errors.As(wrapped, &r) || r.Retriable() != c.retriable {
			t.Errorf("Retriable of %T is wanted to be %v", c.err, c.retriable)
		}
		for _, text := range c.texts {
			if !strings.Contains(c.err.Error(), text) {
				t.Errorf("%T = %q, want %q in it", c.err, c.err, text)
			}
		}
		if _, unknown := c.err.(*UnknownTopicError); !unknown && strings.Contains(c.err.Error(), cause.Error()) && !errors.Is(wrapped, cause) {
			t.Errorf("%T hides its cause", c.err)
		}
	}
	if err := fmt.Errorf("x: %w", &UnavailableError{Op: "y", Err: cause}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("%v is neither ErrUnavailable nor its cause", err)
	}
}
