package connect

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// slowStore is a sink task whose Put waits for leave to return what it is told.
type slowStore struct {
	openTask
	began   chan string // the value of the first record
	returns chan error
}

func (s *slowStore) Put(_ context.Context, records []sink.Record) error {
	s.began <- records[0].Value.Text()
	return <-s.returns
}

func (s *slowStore) Flush(context.Context) ([]kafka.Position, error) { return nil, nil }

// textConverter reads texts, and tells of each.
type textConverter struct {
	rawConverter
	converted chan string
}

func (c *textConverter) Deserialize(_ context.Context, _ string, data []byte) (*schema.Schema, schema.Value, error) {
	c.converted <- string(data)
	return nil, schema.OfString(string(data)), nil
}

// TestConvertsWhileTheStoreWorks: the next batch is converted while the store takes one, and put when it has, in this order; an error of the store is
// that of the next call, and the regular flush tells it too.
func TestConvertsWhileTheStoreWorks(t *testing.T) {
	task := &slowStore{openTask{open: make(map[kafka.TopicPartition]bool)}, make(chan string, 1), make(chan error)}
	l := newSinkLife(t, task)
	values := &textConverter{converted: make(chan string, 1)}
	l.conv = converters{key: new(rawConverter), value: values, header: rawHeaders{}}
	if _, err := l.Assigned(t.Context(), []client.Assignment{{TopicPartition: kafka.TopicPartition{Topic: "orders"}}}); err != nil {
		t.Fatal(err)
	}
	batch := func(n int64, text string) []kafka.Record {
		return []kafka.Record{{Topic: "orders", Offset: n, Value: []byte(text)}}
	}
	if err := l.Records(t.Context(), batch(0, "one")); err != nil {
		t.Fatal(err)
	}
	got := []string{<-values.converted, "put " + <-task.began}
	ended := make(chan error, 1)
	go func() { ended <- l.Records(t.Context(), batch(1, "two")) }()
	got = append(got, <-values.converted) // the store has not returned
	task.returns <- nil
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	got = append(got, "put "+<-task.began)
	if diff := cmp.Diff([]string{"one", "put one", "two", "put two"}, got); diff != "" {
		t.Errorf("what happened (-want +got)\n%s", diff)
	}
	full := errors.New("the store is full")
	go func() { ended <- l.Records(t.Context(), batch(2, "three")) }()
	<-values.converted
	task.returns <- full
	if err := <-ended; !errors.Is(err, full) {
		t.Errorf("Records behind a put that failed = %v, want %v", err, full)
	}
	if len(task.began) > 0 {
		t.Error("the batch behind one that failed was put")
	}
	l.worker.OffsetFlushInterval = 1
	if err := l.flushRegularly(t.Context()); !errors.Is(err, full) {
		t.Errorf("flushRegularly = %v, want %v", err, full)
	}
}
