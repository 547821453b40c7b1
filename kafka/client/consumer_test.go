package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
)

// recorder is a Handler that keeps what it is told.
type recorder struct {
	start   func([]Assignment) []kafka.Position
	handle  func(ctx context.Context, records []kafka.Record) error
	revoke  func(lost bool) error
	changed chan struct{} // a token after every call; maker: newRecorder; never closed; bound: 1

	mu       sync.Mutex
	assigned [][]Assignment
	revoked  int
	values   map[kafka.TopicPartition][]string
	records  []kafka.Record
	count    int
}

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{}, 1), values: make(map[kafka.TopicPartition][]string)}
}

func (h *recorder) Assigned(_ context.Context, parts []Assignment) ([]kafka.Position, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.assigned = append(h.assigned, slices.Clone(parts))
	wake(h.changed)
	if h.start != nil {
		return h.start(parts), nil
	}
	return nil, nil
}

func (h *recorder) Records(ctx context.Context, records []kafka.Record) error {
	if h.handle != nil {
		if err := h.handle(ctx, records); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range records {
		tp := kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}
		h.values[tp] = append(h.values[tp], string(r.Value))
		r.Headers = slices.Clone(r.Headers)
		h.records = append(h.records, r)
		h.count++
	}
	wake(h.changed)
	return nil
}

func (h *recorder) Revoked(_ context.Context, _ []kafka.TopicPartition, lost bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revoked++
	wake(h.changed)
	if h.revoke != nil {
		return h.revoke(lost)
	}
	return nil
}

// until waits for a state of the recorder.
func (h *recorder) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	after := time.After(limit)
	for {
		h.mu.Lock()
		done := ok()
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-h.changed:
		case <-after:
			t.Fatalf("no %s after %v: %d records, %d assignments, %d revocations", what, limit, h.count, len(h.assigned), h.revoked)
		}
	}
}

type runningConsumer struct {
	*Consumer
	stop context.CancelFunc
	done chan error
}

func startConsumer(t testing.TB, c Config, s Subscription, h Handler) *runningConsumer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningConsumer{Consumer: NewConsumer(c, s), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- r.Run(ctx, h) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

func (r *runningConsumer) end(t testing.TB) error {
	t.Helper()
	r.stop()
	return r.result(t)
}

func (r *runningConsumer) result(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(limit):
		t.Fatal("Run does not end")
		return nil
	}
}

func groupConfig(t testing.TB, brokers []string) Config {
	c := testConfig(ForConsumer, brokers)
	c.Consumer.Group = "connect-" + topicName(t)
	c.Consumer.Session, c.Consumer.Heartbeat = 6*time.Second, 100*time.Millisecond
	return c
}

func produce(t testing.TB, brokers []string, records ...kafka.Record) {
	t.Helper()
	p := startProducer(t, testConfig(ForProducer, brokers))
	send(t, p.Producer, records...)
	waitAcked(t, p.Producer, uint64(len(records)))
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
}

func numbered(topic string, partitions, from, to int) []kafka.Record {
	var out []kafka.Record
	for i := from; i < to; i++ {
		out = append(out, kafka.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(valueOf(i))})
	}
	return out
}

func TestConsumerRecords(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	at := time.UnixMilli(1700000000123)
	sent := []kafka.Record{
		{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: at, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte{}}}},
		{Topic: topic, Timestamp: at},
		{Topic: topic, Key: []byte{}, Value: []byte{}, Timestamp: at, Headers: []kafka.Header{{Key: "a", Value: []byte("2")}}},
	}
	produce(t, brokers, sent...)
	h := newRecorder()
	startConsumer(t, groupConfig(t, brokers), Subscription{Topics: []string{topic}}, h)
	h.until(t, "records", func() bool { return h.count == len(sent) })
	for i := range sent {
		sent[i].Offset = int64(i)
	}
	if diff := gocmp.Diff(sent, h.records); diff != "" {
		t.Errorf("consumed differs (-sent +consumed):\n%s", diff)
	}
}

// TestRecordsLiveOneCallLonger: the handler may read records while it gets the next ones.
func TestRecordsLiveOneCallLonger(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	const n = 2000
	sent := numbered(topic, 1, 0, n)
	for i := range sent {
		sent[i].Headers = []kafka.Header{{Key: "n", Value: sent[i].Value}}
	}
	produce(t, brokers, sent...)
	c := groupConfig(t, brokers)
	c.Consumer.MaxPollRecords = 7
	h := newRecorder()
	var before []kafka.Record
	first := 0
	h.handle = func(_ context.Context, records []kafka.Record) error {
		for i, r := range before {
			if want := valueOf(first + i); string(r.Value) != want || len(r.Headers) != 1 || string(r.Headers[0].Value) != want || r.Topic != topic {
				t.Errorf("record %d of the call before is %s with headers %v now, want %s", first+i, r.Value, r.Headers, want)
			}
		}
		first += len(before)
		before = records
		return nil
	}
	startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	h.until(t, "records", func() bool { return h.count == n })
}

func TestConsumerStartsWhereItIsTold(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 3)
	produce(t, brokers, numbered(topic, 3, 0, 300)...)
	c := groupConfig(t, brokers)
	admin := NewAdmin(testConfig(ForAdmin, brokers))
	defer admin.Close()
	part := func(id int32, offset int64) kafka.Position {
		return kafka.Position{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: id}, Offset: offset}
	}
	if err := admin.SetCommitted(testContext(t), c.Consumer.Group, []kafka.Position{part(0, 70), part(1, 80)}); err != nil {
		t.Fatal(err)
	}
	h := newRecorder()
	h.start = func([]Assignment) []kafka.Position { return []kafka.Position{part(0, 30)} } // 1: the group's, 2: the beginning
	k := startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	h.until(t, "records", func() bool { return h.count == 70+20+100 })
	for id, first := range map[int32]int{0: 90, 1: 241, 2: 2} {
		if got := h.values[kafka.TopicPartition{Topic: topic, Partition: id}][0]; got != valueOf(first) {
			t.Errorf("first record of partition %d = %q, want %q", id, got, valueOf(first))
		}
	}
	found, _, err := admin.Topic(testContext(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := admin.ClusterID(testContext(t))
	if err != nil || cluster == "" || len(found.ID) != 36 {
		t.Errorf("ClusterID() = %q, %v, Topic().ID = %q", cluster, err, found.ID)
	}
	var want []Assignment
	for id, committed := range []int64{70, 80, -1} {
		want = append(want, Assignment{TopicPartition: part(int32(id), 0).TopicPartition, ClusterID: cluster, TopicID: found.ID, Partitions: 3, Begin: 0, End: 100, Committed: committed})
	}
	if diff := gocmp.Diff(want, h.assigned[0]); diff != "" {
		t.Errorf("Assigned differs (-want +got):\n%s", diff)
	}
	if err := k.Commit(testContext(t), []kafka.Position{part(2, 55), part(0, 100)}); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Committed(testContext(t), c.Consumer.Group)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]kafka.Position{part(0, 100), part(1, 80), part(2, 55)}, got); diff != "" {
		t.Errorf("Committed differs (-want +got):\n%s", diff)
	}
	if err := k.end(t); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	if h.revoked != 1 {
		t.Errorf("Revoked was called %d times, want 1", h.revoked)
	}
	var r interface{ Retriable() bool }
	if err := k.Commit(testContext(t), []kafka.Position{part(0, 1)}); !errors.As(err, &r) || !r.Retriable() {
		t.Errorf("Commit after Run = %v, want a retriable error", err)
	}
	h2 := newRecorder()
	startConsumer(t, c, Subscription{Topics: []string{topic}}, h2)
	h2.until(t, "rest", func() bool { return h2.count == 0+20+45 })
}

// TestConsumerLatestKeepsItsPlace: a partition that starts behind its last record and gets none has a place in the group all the same; without
// it, what is written between two runs would be skipped.
func TestConsumerLatestKeepsItsPlace(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	produce(t, brokers, numbered(topic, 2, 0, 10)...)
	c := groupConfig(t, brokers)
	c.Consumer.Reset = Latest
	k := startConsumer(t, c, Subscription{Topics: []string{topic}}, newRecorder())
	admin := NewAdmin(testConfig(ForAdmin, brokers))
	defer admin.Close()
	start := []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: topic}, Offset: 5}, {TopicPartition: kafka.TopicPartition{Topic: topic, Partition: 1}, Offset: 5}}
	awaitCommitted(t, admin, c.Consumer.Group, start)
	if err := k.end(t); err != nil {
		t.Fatal(err)
	}
	produce(t, brokers, numbered(topic, 2, 10, 16)...)
	h := newRecorder()
	startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	h.until(t, "records written between two runs", func() bool { return h.count == 6 })
}

// TestConsumerCommitsStarts: the first commit tells the group of every partition's start, as that of Kafka Connect's sinks does.
func TestConsumerCommitsStarts(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 3)
	produce(t, brokers, numbered(topic, 3, 0, 30)...)
	c := groupConfig(t, brokers)
	part := func(id int32, offset int64) kafka.Position {
		return kafka.Position{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: id}, Offset: offset}
	}
	admin := NewAdmin(testConfig(ForAdmin, brokers))
	defer admin.Close()
	if err := admin.SetCommitted(testContext(t), c.Consumer.Group, []kafka.Position{part(1, 4)}); err != nil {
		t.Fatal(err)
	}
	h := newRecorder()
	h.start = func([]Assignment) []kafka.Position { return []kafka.Position{part(2, 7)} }
	k := startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	h.until(t, "records", func() bool { return h.count == 10+6+3 })
	awaitCommitted(t, admin, c.Consumer.Group, []kafka.Position{part(1, 4)}) // nothing without a commit
	if err := k.Commit(testContext(t), []kafka.Position{part(1, 10)}); err != nil {
		t.Fatal(err)
	}
	awaitCommitted(t, admin, c.Consumer.Group, []kafka.Position{part(0, 0), part(1, 10), part(2, 7)})
	if err := k.Commit(testContext(t), []kafka.Position{part(0, 10)}); err != nil {
		t.Fatal(err)
	}
	if err := k.Commit(testContext(t), []kafka.Position{part(1, 10)}); err != nil { // starts are told once
		t.Fatal(err)
	}
	awaitCommitted(t, admin, c.Consumer.Group, []kafka.Position{part(0, 10), part(1, 10), part(2, 7)})
}

// awaitCommitted waits until the group's offsets are these.
func awaitCommitted(t *testing.T, a *Admin, group string, want []kafka.Position) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for after := time.After(limit); ; {
		got, err := a.Committed(testContext(t), group)
		if err != nil {
			t.Fatal(err)
		}
		diff := gocmp.Diff(want, got)
		if diff == "" {
			return
		}
		select {
		case <-ticks.C:
		case <-after:
			t.Fatalf("committed offsets differ (-want +got):\n%s", diff)
		}
	}
}

func TestConsumerPositionOutOfRange(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	produce(t, brokers, numbered(topic, 1, 0, 10)...)
	for _, offset := range []int64{-5, 11} {
		h := newRecorder()
		h.start = func(parts []Assignment) []kafka.Position {
			return []kafka.Position{{TopicPartition: parts[0].TopicPartition, Offset: offset}}
		}
		err := startConsumer(t, groupConfig(t, brokers), Subscription{Topics: []string{topic}}, h).result(t)
		var out *kafka.PositionError
		if !errors.As(err, &out) || out.Offset != offset || out.Begin != 0 || out.End != 10 || out.Topic != topic || isRetriable(err) {
			t.Errorf("Run from offset %d of 0 to 10 = %v, want a PositionError", offset, err)
		}
		if h.revoked != 1 || h.count != 0 {
			t.Errorf("Revoked was called %d times after %d records, want 1 after 0", h.revoked, h.count)
		}
	}
	c := groupConfig(t, brokers)
	c.Consumer.Reset = Fail
	err := startConsumer(t, c, Subscription{Topics: []string{topic}}, newRecorder()).result(t)
	var out *kafka.PositionError
	if !errors.As(err, &out) {
		t.Errorf("Run with auto.offset.reset=none = %v, want a PositionError", err)
	}
}

func TestConsumerHandlerErrorEndsRun(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	produce(t, brokers, numbered(topic, 2, 0, 10)...)
	boom := errors.New("boom")
	inRecords := newRecorder()
	inRecords.handle = func(context.Context, []kafka.Record) error { return boom }
	inRevoked := newRecorder()
	inRevoked.revoke = func(bool) error { return boom }
	for name, h := range map[string]*recorder{"Records": inRecords, "Revoked": inRevoked} {
		k := startConsumer(t, groupConfig(t, brokers), Subscription{Topics: []string{topic}}, h)
		h.until(t, "assignment", func() bool { return len(h.assigned) > 0 })
		if name == "Revoked" {
			k.stop()
		}
		if err := k.result(t); !errors.Is(err, boom) {
			t.Errorf("Run with a failing %s = %v, want %v", name, err, boom)
		}
		if h.revoked != 1 {
			t.Errorf("Revoked was called %d times, want 1", h.revoked)
		}
	}
}

func TestConsumerPollIsBounded(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 3)
	produce(t, brokers, numbered(topic, 3, 0, 3000)...)
	c := groupConfig(t, brokers)
	c.Consumer.MaxPollRecords = 70
	h := newRecorder()
	most := 0
	h.handle = func(_ context.Context, records []kafka.Record) error {
		most = max(most, len(records))
		return nil
	}
	startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	h.until(t, "records", func() bool { return h.count == 3000 })
	if most > 70 {
		t.Errorf("Records got %d records, want at most 70", most)
	}
	for id := range int32(3) {
		for i, got := range h.values[kafka.TopicPartition{Topic: topic, Partition: id}] {
			if want := valueOf(3*i + int(id)); got != want {
				t.Fatalf("record %d of partition %d = %q, want %q", i, id, got, want)
			}
		}
	}
}

// TestConsumerRebalance: members come and go; positions are committed in Revoked, so that every record is handed out once.
func TestConsumerRebalance(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 4)
	c := groupConfig(t, brokers)
	var mu sync.Mutex
	seen := make(map[string]int)
	next := make(map[kafka.TopicPartition]int64)
	changed := make(chan struct{}, 1)
	member := func() *runningConsumer {
		h := newRecorder()
		var k *runningConsumer
		ready := make(chan struct{})
		mine := make(map[kafka.TopicPartition]bool)
		h.handle = func(_ context.Context, records []kafka.Record) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range records {
				seen[string(r.Value)]++
				tp := kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}
				next[tp], mine[tp] = r.Offset+1, true
			}
			wake(changed)
			return nil
		}
		h.revoke = func(bool) error {
			<-ready
			mu.Lock()
			var all []kafka.Position
			for tp := range mine {
				all = append(all, kafka.Position{TopicPartition: tp, Offset: next[tp]})
			}
			clear(mine)
			mu.Unlock()
			return k.Commit(testContext(t), all)
		}
		k = startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
		close(ready)
		h.until(t, "assignment", func() bool { return len(h.assigned) > 0 })
		return k
	}
	all := func(n int) {
		t.Helper()
		after := time.After(limit)
		for {
			mu.Lock()
			got := len(seen)
			mu.Unlock()
			if got >= n {
				return
			}
			select {
			case <-changed:
			case <-after:
				t.Fatalf("%d records of %d after %v", got, n, limit)
			}
		}
	}
	a := member()
	produce(t, brokers, numbered(topic, 4, 0, 1000)...)
	b := member()
	produce(t, brokers, numbered(topic, 4, 1000, 2000)...)
	all(2000)
	if err := a.end(t); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	produce(t, brokers, numbered(topic, 4, 2000, 3000)...)
	all(3000)
	if err := b.end(t); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	for value, n := range seen {
		if n != 1 {
			t.Errorf("%s was handed out %d times, want 1", value, n)
		}
	}
}

func TestConsumerMatch(t *testing.T) {
	brokers := testBrokers(t)
	prefix := topicName(t)
	produceTo := func(name string) {
		a := NewAdmin(testConfig(ForAdmin, brokers))
		defer a.Close()
		if _, err := a.CreateTopic(testContext(t), NewTopic{Name: name, Partitions: 1, Replicas: 1}); err != nil {
			t.Fatal(err)
		}
		produce(t, brokers, text(name, "k", name))
	}
	produceTo(prefix + ".a")
	produceTo("other." + prefix)
	c := groupConfig(t, brokers)
	c.MetadataAge = 100 * time.Millisecond
	h := newRecorder()
	k := startConsumer(t, c, Subscription{Match: func(topic string) bool { return strings.HasPrefix(topic, prefix) }}, h)
	h.until(t, "first topic", func() bool { return h.count == 1 })
	if err := k.Commit(testContext(t), []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: prefix + ".a"}, Offset: 1}}); err != nil {
		t.Fatal(err)
	}
	produceTo(prefix + ".b")
	h.until(t, "second topic", func() bool { return len(h.values[kafka.TopicPartition{Topic: prefix + ".b"}]) == 1 })
	last := h.assigned[len(h.assigned)-1]
	slices.SortFunc(last, func(a, b Assignment) int { return cmp.Compare(a.Topic, b.Topic) })
	if got := fmt.Sprint(last[0].Topic, last[1].Topic, len(last)); got != fmt.Sprint(prefix+".a", prefix+".b", 2) {
		t.Errorf("last assignment = %s", got)
	}
}

// TestConsumerTopicAppears: a topic that is subscribed by name and made later.
func TestConsumerTopicAppears(t *testing.T) {
	brokers := testBrokers(t)
	topic := topicName(t)
	c := groupConfig(t, brokers)
	c.Consumer.AutoCreate = false
	c.MetadataAge = 100 * time.Millisecond
	h := newRecorder()
	startConsumer(t, c, Subscription{Topics: []string{topic}}, h)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	if _, err := a.CreateTopic(testContext(t), NewTopic{Name: topic, Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	produce(t, brokers, text(topic, "k", "v"))
	h.until(t, "record", func() bool { return h.count == 1 })
}
