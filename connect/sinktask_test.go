package connect

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// openTask is a sink task that keeps what is open. A failing Open leaves nothing open.
type openTask struct {
	sink.Task
	open   map[kafka.TopicPartition]bool
	err    error // of Open
	closes int
}

func (o *openTask) Open(_ context.Context, partitions []sink.Assignment) ([]kafka.Position, error) {
	if o.err != nil {
		return nil, o.err
	}
	for _, p := range partitions {
		o.open[p.TopicPartition] = true
	}
	return nil, nil
}

func (o *openTask) Close(_ context.Context, partitions []kafka.TopicPartition) error {
	o.closes++
	for _, p := range partitions {
		delete(o.open, p)
	}
	return nil
}

func newSinkLife(t *testing.T, task sink.Task) *sinkLife {
	plugin := &Sink{NewTask: func(map[string]string, Env) (sink.Task, error) { return task, nil }}
	worker := DefaultWorkerConfig()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	r := &sinkRunner{plugin: plugin, config: DefaultConnectorConfig(), worker: &worker, log: log}
	return &sinkLife{sinkRunner: r, hard: t.Context(), behind: make(map[kafka.TopicPartition]int64), tolerance: &tolerance{config: &r.config, log: log}}
}

// TestRebalanceWhileOpening: partitions that could not be opened before they were given up are not taken for open when others are assigned.
func TestRebalanceWhileOpening(t *testing.T) {
	task := &openTask{open: make(map[kafka.TopicPartition]bool), err: context.Canceled}
	l := newSinkLife(t, task)
	at := func(id int32) kafka.TopicPartition { return kafka.TopicPartition{Topic: "orders", Partition: id} }
	if _, err := l.Assigned(t.Context(), []client.Assignment{{TopicPartition: at(0)}, {TopicPartition: at(1)}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Assigned = %v, want %v", err, context.Canceled)
	}
	task.err = nil
	if _, err := l.Assigned(t.Context(), []client.Assignment{{TopicPartition: at(1)}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Revoked(t.Context(), []kafka.TopicPartition{at(1)}, false); err != nil {
		t.Fatal(err)
	}
	if l.task != nil || len(l.open) > 0 {
		t.Errorf("after the last partition was given up %v are open, want a new task for the next assignment", l.open)
	}
}

// TestLifeClosesATaskThatDidNotOpen: the task may hold connections all the same.
func TestLifeClosesATaskThatDidNotOpen(t *testing.T) {
	task := &openTask{err: errors.New("no table")}
	l := newSinkLife(t, task)
	if _, err := l.Assigned(t.Context(), []client.Assignment{{TopicPartition: kafka.TopicPartition{Topic: "orders"}}}); err == nil {
		t.Fatal("Assigned = nil, want the task's error")
	}
	if err := l.closeAll(); err != nil || task.closes != 1 || l.task != nil {
		t.Errorf("closeAll = %v after %d calls of Close, want none and 1", err, task.closes)
	}
}

// brokenHeaders is a header converter whose registry is away.
type brokenHeaders struct{ rawHeaders }

func (brokenHeaders) ToHeader(context.Context, string, string, []byte) (schema.Header, error) {
	return schema.Header{}, temporary("the registry is away")
}

// TestConvertWaitsForTheRegistryOfHeaders: it pauses between attempts and ends with its context.
func TestConvertWaitsForTheRegistryOfHeaders(t *testing.T) {
	l := newSinkLife(t, nil)
	l.conv = converters{key: new(rawConverter), value: new(rawConverter), header: brokenHeaders{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() {
		var out sink.Record
		_, err := l.convertRecord(ctx, nil, &kafka.Record{Topic: "orders", Headers: []kafka.Header{{Key: "h"}}}, &out)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "the registry is away") {
			t.Errorf("convertRecord = %v, want the converter's error", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("convertRecord does not end with its context")
	}
}

// sinkClients are a consumer that has nothing to consume and a producer of dead letters.
type sinkClients struct {
	clients
	dead *fakeProducer
}

func (c sinkClients) deadLetters() producer                 { return c.dead }
func (c sinkClients) admin() admin                          { return oldTopics{} }
func (c sinkClients) consumer(client.Subscription) consumer { return idleConsumer{} }

type idleConsumer struct{}

func (idleConsumer) Run(ctx context.Context, _ client.Handler) error { <-ctx.Done(); return nil }
func (idleConsumer) Commit(context.Context, []kafka.Position) error  { return nil }

// oldTopics is an admin for whom every topic exists.
type oldTopics struct{ admin }

func (oldTopics) Topic(context.Context, string) (client.Topic, bool, error) {
	return client.Topic{}, true, nil
}
func (oldTopics) Close() {}

// TestProducerOfDeadLettersEnds: without it no offset behind a dead letter could be committed any more.
func TestProducerOfDeadLettersEnds(t *testing.T) {
	dead := newFakeProducer()
	l := newSinkLife(t, nil)
	r := l.sinkRunner
	r.config.Sink = SinkConfig{Topics: []string{"orders"}, DeadLetterTopic: "dead"}
	r.clients = sinkClients{dead: dead}
	ended := make(chan error, 1)
	go func() {
		_, err := r.run(t.Context(), t.Context(), func() {})
		ended <- err
	}()
	dead.fail = temporary("delivery timed out")
	close(dead.failed)
	select {
	case err := <-ended:
		if !retriable(err) || !strings.Contains(err.Error(), "delivery timed out") {
			t.Errorf("run = %v, want the producer's error, which is retriable", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the life goes on without its producer of dead letters")
	}
}

// storeTask keeps its own positions, as a database does: what it was told to skip counts from its next Flush on, unless it holds something back.
type storeTask struct {
	sink.Task
	next    map[kafka.TopicPartition]int64
	skipped map[kafka.TopicPartition]int64
	holds   bool
	put     func()
}

func (s *storeTask) Put(_ context.Context, records []sink.Record) error {
	if s.put != nil {
		s.put()
	}
	for _, r := range records {
		s.next[r.Consumed()] = r.Offset + 1
	}
	return nil
}

func (s *storeTask) Skip(positions []kafka.Position) {
	s.skipped = make(map[kafka.TopicPartition]int64)
	for _, p := range positions {
		s.skipped[p.TopicPartition] = p.Offset
	}
}

func (s *storeTask) Flush(context.Context) (positions []kafka.Position, _ error) {
	for at, offset := range s.skipped {
		if !s.holds {
			s.next[at] = max(s.next[at], offset)
		}
	}
	for at, offset := range s.next {
		positions = append(positions, kafka.Position{TopicPartition: at, Offset: offset})
	}
	return positions, nil
}

// commits is a consumer that keeps what was committed.
type commits struct {
	idleConsumer
	last []kafka.Position
}

func (c *commits) Commit(_ context.Context, positions []kafka.Position) error {
	c.last = positions
	return nil
}

// TestStoreLearnsOfDroppedRecords: a store that holds the positions would else stay before them for ever: they come again after each start, and
// once the topic has lost them the store believes that rows are missing.
func TestStoreLearnsOfDroppedRecords(t *testing.T) {
	at := kafka.TopicPartition{Topic: "orders"}
	store := &storeTask{next: make(map[kafka.TopicPartition]int64), holds: true}
	group := new(commits)
	l := newSinkLife(t, store)
	l.task, l.consumer, l.conv = store, group, converters{key: new(rawConverter), value: new(rawConverter), header: rawHeaders{}}
	l.chain = chainOf(func(r *schema.Record) (bool, error) { return r.Offset == 0, nil })
	if err := l.Records(t.Context(), []kafka.Record{{Topic: "orders"}, {Topic: "orders", Offset: 1}, {Topic: "orders", Offset: 2}}); err != nil {
		t.Fatal(err)
	}
	if err := l.land(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		holds bool
		want  int64
	}{{true, 1}, {false, 3}} { // what the store holds back must not be passed by in the group either
		store.holds = c.holds
		if err := l.flush(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if store.next[at] != c.want || len(group.last) != 1 || group.last[0].Offset != c.want {
			t.Errorf("holding back %t the store stands at %d and the group at %v, want both at %d", c.holds, store.next[at], group.last, c.want)
		}
	}
	if l.dirty || len(l.behind) > 0 {
		t.Errorf("after the store stands behind them the worker remembers %v", l.behind)
	}
}

// TestDeadLettersGoFirst: a store that keeps its own position would else stand behind a record whose dead letter was not acknowledged yet, and
// after a crash nobody has it.
func TestDeadLettersGoFirst(t *testing.T) {
	dead := newFakeProducer()
	store := &storeTask{next: make(map[kafka.TopicPartition]int64)}
	store.put = func() {
		if dead.Acked() < dead.Sent() {
			t.Error("Put is called while a dead letter is not acknowledged")
		}
	}
	l := newSinkLife(t, store)
	l.task, l.conv = store, converters{key: new(rawConverter), value: new(rawConverter), header: rawHeaders{}}
	l.config.Tolerance = TolerateAll
	l.tolerance.dead = &deadLetters{topic: "dead", producer: ackingProducer{dead}}
	l.chain = chainOf(func(r *schema.Record) (bool, error) {
		if r.Offset == 1 {
			return false, errors.New("cannot be transformed")
		}
		return true, nil
	})
	if err := l.Records(t.Context(), []kafka.Record{{Topic: "orders"}, {Topic: "orders", Offset: 1}, {Topic: "orders", Offset: 2}}); err != nil {
		t.Fatal(err)
	}
	if err := l.land(); err != nil {
		t.Fatal(err)
	}
	if dead.Sent() != 1 || store.next[kafka.TopicPartition{Topic: "orders"}] != 3 {
		t.Errorf("%d dead letters, the store stands at %v; want one and 3", dead.Sent(), store.next)
	}
}

// ackingProducer acknowledges what is waited for.
type ackingProducer struct{ *fakeProducer }

func (p ackingProducer) WaitAcked(_ context.Context, n uint64) error {
	p.ack(n)
	return nil
}
