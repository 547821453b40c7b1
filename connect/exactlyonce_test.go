package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// pairs is a source task that counts, each number as one, two or three records, of which no transaction may keep only some. It pauses and
// fails at random.
type pairs struct {
	env   Env
	upto  uint64
	rnd   *rand.Rand
	fails bool
	// endless says that a transaction of the source is never over.
	endless bool

	mu     sync.Mutex
	marks  []pairMark // what is behind which record, ascending
	last   pairMark   // asked for
	stored uint64
}

type pairMark struct{ records, number uint64 }

func (p *pairs) Run(ctx context.Context, out Emitter) error {
	at, err := numbersStored(ctx, p.env)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.last, p.stored = pairMark{0, at.N}, at.N
	p.mu.Unlock()
	var handles [3]int
	for id := range handles {
		if handles[id], err = out.Stream("pairs", int32(id), nil, text, nil); err != nil {
			return err
		}
	}
	var records uint64
	for n := at.N + 1; n <= p.upto; n++ {
		for of := range n%3 + 1 {
			_, v := out.Begin(handles[(n+of)%3])
			v.Text(fmt.Appendf(nil, "%d.%d", n, of))
			if err := out.End(nil); err != nil {
				return err
			}
			records++
		}
		p.mu.Lock()
		p.marks = append(p.marks, pairMark{records, n})
		p.mu.Unlock()
		switch p.rnd.IntN(400) {
		case 0, 1, 2, 3:
			if err := out.Flush(); err != nil {
				return err
			}
		case 4:
			if p.fails {
				return &storeError{errors.New("the database is away")}
			}
		case 5:
			select {
			case <-time.After(time.Duration(p.rnd.IntN(20)) * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (p *pairs) Exact(n uint64, _ bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) > 0 {
		return p.marks[len(p.marks)-1].records == n
	}
	return p.last.records == n
}

// allPairs is how many changes there are.
const allPairs = 12000

// pairsTogether is how many changes are a transaction of the source.
const pairsTogether = 7

// Ends is asked for the newest change.
func (p *pairs) Ends(uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := p.last
	if n := len(p.marks); n > 0 {
		newest = p.marks[n-1]
	}
	return !p.endless && (newest.number%pairsTogether == 0 || newest.number == p.upto)
}

func (p *pairs) Offset(n uint64) (partition, offset []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.marks) > 0 && p.marks[0].records <= n {
		p.last, p.marks = p.marks[0], p.marks[1:]
	}
	return numbers, fmt.Appendf(nil, `{"n":%d}`, p.last.number), p.last.number > p.stored
}

func (p *pairs) Stored(uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stored = p.last.number
}

// groupWorker is a worker of a group with exactly-once delivery, or with a file for its offsets one that is alone, without a herder.
func groupWorker(t *testing.T, addr string, newTask func(env Env) SourceTask, offsets OffsetStore, l Listener, more map[string]string) *Worker {
	t.Helper()
	props := map[string]string{
		"bootstrap.servers": addr, "group.id": "workers",
		"config.storage.topic": "configs", "offset.storage.topic": "offsets", "status.storage.topic": "statuses",
		"offset.storage.replication.factor": "1", "offset.storage.partitions": "5",
		"key.converter":               "org.apache.kafka.connect.storage.StringConverter",
		"value.converter":             "org.apache.kafka.connect.storage.StringConverter",
		"exactly.once.source.support": "enabled", "task.shutdown.graceful.timeout.ms": "2000",
		"producer.linger.ms": "0", "producer.retry.backoff.ms": "5", "producer.retry.backoff.max.ms": "20",
		"consumer.fetch.max.wait.ms": "20",
	}
	maps.Copy(props, more)
	parse := ParseDistributedConfig
	if props["offset.storage.file.filename"] != "" {
		parse = ParseWorkerConfig
		for _, name := range []string{"config.storage.topic", "status.storage.topic"} {
			delete(props, name)
		}
	}
	cfg, report := parse(props)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	plugins := Plugins{Sources: []Source{{
		Class: "test.PairsConnector", Version: "1.0",
		Validate: func(map[string]string) config.Report { return config.Report{} },
		TaskConfigs: func(props map[string]string, _ int) ([]map[string]string, error) {
			return []map[string]string{props}, nil
		},
		NewTask: func(_ map[string]string, env Env) (SourceTask, error) { return newTask(env), nil },
	}}}
	w := NewWorker(cfg, plugins, offsets, l, slog.New(slog.NewTextHandler(t.Output(), nil)))
	return w
}

// memoryOffsets is the worker's store.
type memoryOffsets struct {
	mu      sync.Mutex
	entries map[string][]byte
	err     error
}

func (m *memoryOffsets) Get(_ context.Context, connector string, partition []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries[string(OffsetKey(connector, partition))]), m.err
}

func (m *memoryOffsets) Put(_ context.Context, connector string, offsets ...PartitionOffset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.entries == nil {
		m.entries = make(map[string][]byte)
	}
	for _, o := range offsets {
		if o.Offset == nil {
			delete(m.entries, string(OffsetKey(connector, o.Partition)))
		} else {
			m.entries[string(OffsetKey(connector, o.Partition))] = slices.Clone(o.Offset)
		}
	}
	return nil
}

func (m *memoryOffsets) List(_ context.Context, connector string) ([]PartitionOffset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []PartitionOffset
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		if prefix := offsetKeyPrefix(connector); strings.HasPrefix(key, string(prefix)) {
			out = append(out, PartitionOffset{[]byte(key[len(prefix) : len(key)-1]), m.entries[key]})
		}
	}
	return out, m.err
}

// heardStates hears what happens to tasks.
type heardStates struct {
	mu    sync.Mutex
	last  InstanceStatus
	moved chan struct{}
}

func newHeardStates() *heardStates { return &heardStates{moved: make(chan struct{})} }

func (s *heardStates) ConnectorState(string, InstanceStatus) {}
func (s *heardStates) TopicUsed(TaskID, string)              {}
func (s *heardStates) TasksChanged(string)                   {}
func (s *heardStates) TaskState(_ TaskID, status InstanceStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = status
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *heardStates) wait(t *testing.T, want State) InstanceStatus {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		last, moved := s.last, s.moved
		s.mu.Unlock()
		if last.State == want {
			return last
		}
		select {
		case <-moved:
		case <-timeout:
			t.Fatalf("the task is %+v, want it %s", last, want)
		}
	}
}

// runs runs a worker until the returned function is called, which may be more than once.
func runs(t *testing.T, w interface{ Run(context.Context) error }) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

var pairsID = TaskID{Connector: "pairs", Task: 0}

func pairsProps(more ...string) map[string]string {
	props := map[string]string{"name": "pairs", "connector.class": "test.PairsConnector"}
	for i := 0; i < len(more); i += 2 {
		props[more[i]] = more[i+1]
	}
	return props
}

// readCommitted reads what is committed in a topic, waiting for transactions that are open.
func readCommitted(t *testing.T, addr, topic string) []kafka.Record {
	t.Helper()
	c := clientConfig(t, addr, client.ForConsumer)
	c.Consumer.Isolation = client.ReadCommitted
	var records []kafka.Record
	err := client.Read(t.Context(), c, client.Reading{Topic: topic, From: client.FromBeginning, UntilEnd: true, Pending: true}, func(r *kafka.Record) error {
		records = append(records, kafka.Record{Partition: r.Partition, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// checkPairs fails unless the numbers up to the stored offset, and no others, are there once, whole, and in order within their partitions.
func checkPairs(t *testing.T, addr, offsetsTopic string) (upto uint64) {
	t.Helper()
	offsets := readCommitted(t, addr, offsetsTopic)
	for i, r := range offsets {
		var at struct{ N uint64 }
		if err := json.Unmarshal(r.Value, &at); err != nil || !bytes.Equal(r.Key, OffsetKey("pairs", numbers)) {
			t.Fatalf("offset record %s=%s: %v", r.Key, r.Value, err)
		}
		if at.N <= upto {
			t.Fatalf("offset record %d is %d behind %d", i, at.N, upto)
		}
		upto = at.N
	}
	seen := make(map[string]bool)
	before := make(map[int32]uint64)
	for _, r := range readCommitted(t, addr, "pairs") {
		v := string(r.Value)
		n, err := strconv.ParseUint(strings.Split(v, ".")[0], 10, 64)
		switch {
		case err != nil || seen[v]:
			t.Fatalf("record %q: it is there twice, or %v", v, err)
		case n < before[r.Partition]:
			t.Fatalf("partition %d: record %q behind one of %d", r.Partition, v, before[r.Partition])
		case n > upto:
			t.Fatalf("record %q is committed, the offset is %d", v, upto)
		}
		seen[v], before[r.Partition] = true, n
	}
	want := 0
	for n := uint64(1); n <= upto; n++ {
		for of := range n%3 + 1 {
			want++
			if v := fmt.Sprintf("%d.%d", n, of); !seen[v] {
				t.Fatalf("record %q is not there, the offset is %d", v, upto)
			}
		}
	}
	if len(seen) != want {
		t.Fatalf("%d records are committed, want %d", len(seen), want)
	}
	return upto
}

// TestExactlyOnce: a task is stopped in order, cut off, made to fail, and displaced by another worker that has been told the same, at random
// moments: readers of committed records see every record once, and the offset that is stored is always exactly behind them.
func TestExactlyOnce(t *testing.T) {
	for _, c := range []struct {
		name, boundary string
		more           map[string]string
	}{
		{"poll", "poll", nil},
		{"interval", "interval", nil},
		{"connector", "connector", nil},
		{"alone", "poll", map[string]string{"offset.storage.file.filename": "offsets"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := startBroker(t)
			makeTopics(t, addr, "pairs", 3, "offsets", 5)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			var tasks atomic.Uint64
			task := func(env Env) SourceTask {
				return &pairs{env: env, upto: allPairs, rnd: rand.New(rand.NewPCG(seed, tasks.Add(1))), fails: true}
			}
			lives, last := 0, uint64(0)
			for ; last < allPairs; lives++ {
				if lives > 300 {
					t.Fatalf("after %d lives the offset is %d", lives, last)
				}
				last = oneWorker(t, addr, task, rnd, c.boundary, c.more)
			}
			t.Logf("%d workers, %d transactions", lives, len(readCommitted(t, addr, "offsets")))
		})
	}
}

// shortLives runs a worker with a task for a while, and sometimes another one that displaces it, and aborts what they leave open.
func shortLives(t *testing.T, addr string, task func(Env) SourceTask, id TaskID, props map[string]string, rnd *rand.Rand, mode map[string]string) {
	t.Helper()
	more := map[string]string{
		// Many small requests: so that there is always something under way.
		"producer.batch.size": "200", "producer.max.request.size": "2000", "producer.buffer.memory": "4000",
		"task.shutdown.graceful.timeout.ms": strconv.Itoa(rnd.IntN(2) * 2000),
	}
	maps.Copy(more, mode)
	start := func() (stop func(), heard *heardStates) {
		heard = newHeardStates()
		w := groupWorker(t, addr, task, &memoryOffsets{}, heard, more)
		stop = runs(t, w)
		if err := w.StartTask(t.Context(), id, props, props, Running); err != nil {
			t.Fatal(err)
		}
		return stop, heard
	}
	passes := func(most int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(most))*time.Millisecond)
		defer cancel()
		<-ctx.Done()
	}
	stopFirst, _ := start()
	passes(150)
	if rnd.IntN(3) == 0 {
		stopSecond, heard := start()
		heard.wait(t, Running)
		passes(150)
		stopSecond()
	}
	stopFirst()
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	if err := a.FenceProducers(t.Context(), fmt.Sprintf("workers-%s-%d", id.Connector, id.Task)); err != nil {
		t.Fatal(err)
	}
}

// oneWorker runs a worker for a while, and sometimes another one of the same task, and checks what they leave.
func oneWorker(t *testing.T, addr string, task func(Env) SourceTask, rnd *rand.Rand, boundary string, mode map[string]string) (stored uint64) {
	props := pairsProps("transaction.boundary", boundary, "transaction.boundary.interval.ms", "30", "retriable.restart.connector.wait.ms", "1")
	shortLives(t, addr, task, pairsID, props, rnd, mode)
	stored = checkPairs(t, addr, "offsets")
	if boundary != string(BoundaryConnector) {
		return stored
	}
	for _, r := range readCommitted(t, addr, "offsets") {
		if at := string(r.Value); at != fmt.Sprintf(`{"n":%d}`, allPairs) && !endsTogether(at) {
			t.Fatalf("a Kafka transaction ends at %s, within one of the source", at)
		}
	}
	return stored
}

func endsTogether(offset string) bool {
	var at struct{ N uint64 }
	return json.Unmarshal([]byte(offset), &at) == nil && at.N%pairsTogether == 0
}

// TestTransactionOfSourceTooLong: one that is longer than Kafka's may be fails the task, and says which option it needs.
func TestTransactionOfSourceTooLong(t *testing.T) {
	addr := startBroker(t)
	makeTopics(t, addr, "pairs", 3, "offsets", 5)
	task := func(env Env) SourceTask {
		return &pairs{env: env, upto: 1, endless: true, rnd: rand.New(rand.NewPCG(1, 2))}
	}
	heard := newHeardStates()
	w := groupWorker(t, addr, task, &memoryOffsets{}, heard, nil)
	runs(t, w)
	props := pairsProps("transaction.boundary", "connector", "producer.override.transaction.timeout.ms", "1500")
	if err := w.StartTask(t.Context(), pairsID, props, props, Running); err != nil {
		t.Fatal(err)
	}
	if got := heard.wait(t, Failed); !strings.Contains(got.Trace, "transaction.timeout.ms (1.5s)") {
		t.Errorf("trace = %s, want that transaction.timeout.ms is over", got.Trace)
	}
	if got := readCommitted(t, addr, "pairs"); len(got) > 0 {
		t.Errorf("%d records are committed, want none", len(got))
	}
}

// makeTopics makes topics: names and numbers of partitions in turn.
func makeTopics(t *testing.T, addr string, topics ...any) {
	t.Helper()
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	for i := 0; i < len(topics); i += 2 {
		topic := client.NewTopic{Name: topics[i].(string), Partitions: topics[i+1].(int), Replicas: 1, Configs: map[string]string{"cleanup.policy": "compact"}}
		if _, err := a.CreateTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFencedTaskFails: a task whose place was taken is FAILED, and does not take it back.
func TestFencedTaskFails(t *testing.T) {
	addr := startBroker(t)
	makeTopics(t, addr, "pairs", 3, "offsets", 5)
	task := func(env Env) SourceTask {
		return &pairs{env: env, upto: 1 << 40, rnd: rand.New(rand.NewPCG(1, 2))}
	}
	heard, heardLater := newHeardStates(), newHeardStates()
	old := groupWorker(t, addr, task, &memoryOffsets{}, heard, nil)
	stopOld := runs(t, old)
	if err := old.StartTask(t.Context(), pairsID, pairsProps(), pairsProps(), Running); err != nil {
		t.Fatal(err)
	}
	heard.wait(t, Running)
	if err := old.FenceTasks(t.Context(), "pairs", pairsProps(), 1); err != nil {
		t.Fatal(err)
	}
	if got := heard.wait(t, Failed); !strings.Contains(got.Trace, "fenced") || !strings.Contains(got.Trace, "workers-pairs-0") {
		t.Errorf("trace = %s, want that the producer was fenced", got.Trace)
	}
	next := groupWorker(t, addr, task, &memoryOffsets{}, heardLater, nil)
	stopNext := runs(t, next)
	if err := next.StartTask(t.Context(), pairsID, pairsProps(), pairsProps(), Running); err != nil {
		t.Fatal(err)
	}
	heardLater.wait(t, Running)
	stopNext()
	stopOld()
	checkPairs(t, addr, "offsets")
}

// TestOnceOverrides: what exactly-once delivery needs wins over a connector's overrides, which are warned about.
func TestOnceOverrides(t *testing.T) {
	props := map[string]string{"producer.override.transactional.id": "mine", "producer.override.enable.idempotence": "false", "producer.override.acks": "1", "producer.override.linger.ms": "3"}
	for support, want := range map[string]string{"enabled": "", "disabled": "mine"} {
		w := groupWorker(t, "127.0.0.1:1", nil, &memoryOffsets{}, newHeardStates(), map[string]string{"exactly.once.source.support": support})
		w.InGroup(Distributed{Group: "workers", ExactlyOnce: support == "enabled"})
		cfg, _ := parseConnectorConfig(props, KindSource)
		options := w.cfg.optionsFor(pairsID, &cfg).source
		if options["transactional.id"] != want || options["linger.ms"] != "3" || options["acks"] != map[string]string{"": "", "mine": "1"}[want] {
			t.Errorf("producer options with support %s = %v", support, options)
		}
		var r config.Report
		w.checkMode(&connector{plugin: plugin{source: &w.plugins.Sources[0], PluginInfo: PluginInfo{Kind: KindSource}}, props: props}, &r)
		if got := len(r.Warnings); (got == 3) != (want == "") {
			t.Errorf("warnings with support %s = %v", support, r.Warnings)
		}
	}
}

// guard refuses at one of the moments.
type guard struct{ before, after error }

func (g guard) Before(context.Context, TaskID) error { return g.before }
func (g guard) After(context.Context, TaskID) error  { return g.after }

func TestGuard(t *testing.T) {
	refused := errors.New("the task was given to another worker")
	for name, g := range map[string]guard{"before": {before: refused}, "after": {after: refused}} {
		t.Run(name, func(t *testing.T) {
			addr := startBroker(t)
			makeTopics(t, addr, "pairs", 3, "offsets", 5)
			heard := newHeardStates()
			w := groupWorker(t, addr, func(Env) SourceTask { t.Error("the task is made"); return nil }, &memoryOffsets{}, heard, nil)
			w.Guarded(g)
			runs(t, w)
			if err := w.StartTask(t.Context(), pairsID, pairsProps(), pairsProps(), Running); err != nil {
				t.Fatal(err)
			}
			if got := heard.wait(t, Failed); !strings.Contains(got.Trace, refused.Error()) {
				t.Errorf("trace = %s, want %v", got.Trace, refused)
			}
		})
	}
}

// TestOffsetsTopicOfItsOwn: a connector's own topic is made compacted and gets the offsets, in transactions or not; the worker's store gets a copy,
// and is asked for what the topic has not.
func TestOffsetsTopicOfItsOwn(t *testing.T) {
	for _, support := range []string{"enabled", "disabled"} {
		t.Run(support, func(t *testing.T) {
			addr := startBroker(t)
			makeTopics(t, addr, "pairs", 3)
			workers := &memoryOffsets{}
			if err := workers.Put(t.Context(), "pairs", PartitionOffset{numbers, []byte(`{"n":900}`)}); err != nil {
				t.Fatal(err)
			}
			heard := newHeardStates()
			props := pairsProps("offsets.storage.topic", "own")
			run := func(upto uint64) {
				w := groupWorker(t, addr, func(env Env) SourceTask {
					return &pairs{env: env, upto: upto, rnd: rand.New(rand.NewPCG(1, 2))}
				}, workers, heard, map[string]string{"exactly.once.source.support": support, "offset.flush.interval.ms": "20"})
				stop := runs(t, w)
				if err := w.StartTask(t.Context(), pairsID, props, props, Running); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf(`{"n":%d}`, upto)
				eventually(t, "the worker's copy", func() bool {
					stored, err := workers.Get(t.Context(), "pairs", numbers)
					return err == nil && string(stored) == want
				})
				got, err := w.ConnectorOffsets(t.Context(), "pairs", props)
				if err != nil || len(got) != 1 || string(got[0].Offset) != want {
					t.Errorf("ConnectorOffsets = %s, %v, want %s", got, err, want)
				}
				stop()
			}
			run(1000)
			first := readCommitted(t, addr, "pairs")
			if len(first) == 0 || string(first[0].Value) < "901" {
				t.Errorf("the first record is %s, want one behind the worker's offset 900", first[0].Value)
			}
			// The topic's word counts.
			if err := workers.Put(t.Context(), "pairs", PartitionOffset{numbers, []byte(`{"n":5}`)}); err != nil {
				t.Fatal(err)
			}
			run(1500)
			seen := make(map[string]bool)
			for _, r := range readCommitted(t, addr, "pairs") {
				if seen[string(r.Value)] {
					t.Fatalf("record %s is there twice", r.Value)
				}
				seen[string(r.Value)] = true
			}
			a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
			defer a.Close()
			topic, exists, err := a.Topic(t.Context(), "own")
			if err != nil || !exists || topic.Partitions != 5 {
				t.Errorf("the offsets topic = %+v, %v, %v, want 5 partitions as offset.storage.partitions", topic, exists, err)
			}
			if policy, _, err := a.TopicConfig(t.Context(), "own", "cleanup.policy"); policy != "compact" || err != nil {
				t.Errorf("cleanup.policy = %q, %v, want compact", policy, err)
			}

			w := groupWorker(t, addr, nil, workers, heard, map[string]string{"exactly.once.source.support": support})
			if _, err := w.AlterOffsets(t.Context(), "pairs", props, []PartitionOffset{{numbers, []byte(`{ "n": 7 }`)}}); err != nil {
				t.Fatal(err)
			}
			got, err := w.ConnectorOffsets(t.Context(), "pairs", props)
			if err != nil || len(got) != 1 || string(got[0].Offset) != `{"n":7}` {
				t.Errorf("offsets after AlterOffsets = %s, %v, want n=7", got, err)
			}
			if _, err := w.ResetOffsets(t.Context(), "pairs", props); err != nil {
				t.Fatal(err)
			}
			if got, err := w.ConnectorOffsets(t.Context(), "pairs", props); err != nil || len(got) != 0 {
				t.Errorf("offsets after ResetOffsets = %s, %v, want none", got, err)
			}
		})
	}
}

// TestOffsetsTopicMustBeCompacted: a topic that would lose offsets is refused, and so is a task that writes to its own.
func TestOffsetsTopicRefused(t *testing.T) {
	addr := startBroker(t)
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	if _, err := a.CreateTopic(t.Context(), client.NewTopic{Name: "own", Partitions: 1, Replicas: 1, Configs: map[string]string{"cleanup.policy": "delete"}}); err != nil {
		t.Fatal(err)
	}
	makeTopics(t, addr, "pairs", 3, "offsets", 5)
	for topic, want := range map[string]string{"own": "cleanup.policy=delete", "pairs": "may not produce to their own offsets topics"} {
		heard := newHeardStates()
		w := groupWorker(t, addr, func(env Env) SourceTask {
			return &pairs{env: env, upto: 10, rnd: rand.New(rand.NewPCG(1, 2))}
		}, &memoryOffsets{}, heard, nil)
		stop := runs(t, w)
		props := pairsProps("offsets.storage.topic", topic)
		if err := w.StartTask(t.Context(), pairsID, props, props, Running); err != nil {
			t.Fatal(err)
		}
		if got := heard.wait(t, Failed); !strings.Contains(got.Trace, want) {
			t.Errorf("trace with offsets.storage.topic=%s = %s, want %q in it", topic, got.Trace, want)
		}
		stop()
	}
}
