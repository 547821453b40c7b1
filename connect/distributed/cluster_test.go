package distributed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// limit is how long a test may wait for what must come.
const limit = 30 * time.Second

// brokers is a broker in this process whose connections can be cut by who made them.
type brokers struct {
	*kfake.Cluster
	addr string
}

func startBrokers(t *testing.T) *brokers {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Millisecond), kfake.AllowAutoTopicCreation(),
		kfake.DefaultNumPartitions(1)) // as the recorded broker: records without key all go to one partition
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &brokers{c, c.ListenAddrs()[0]}
}

// runs is who runs which task, as the tasks themselves tell it.
type runs struct {
	t       *testing.T
	mu      sync.Mutex
	running map[connect.TaskID][]string // workers
	changed chan struct{}
	starts  map[connect.TaskID]int
	twice   []string
	work    map[string]int    // by connector: how many tasks its work makes now, else option tasks says it
	fault   error             // of dividing that work
	changes map[string]func() // by connector: what its Watch was given
}

func newRuns(t *testing.T) *runs {
	return &runs{t: t, running: make(map[connect.TaskID][]string), changed: make(chan struct{}), starts: make(map[connect.TaskID]int),
		work: make(map[string]int), changes: make(map[string]func())}
}

// works gives connectors another amount of work, and tells them of it.
func (r *runs) works(tasks int, connectors ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range connectors {
		r.work[name] = tasks
		r.changes[name]()
	}
}

// fails makes dividing the work fail, until it is called with nil.
func (r *runs) fails(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = err
}

func (r *runs) workOf(name string) (tasks int, known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tasks, known = r.work[name]
	return tasks, known, r.fault
}

func (r *runs) begin(id connect.TaskID, worker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.running[id]) > 0 {
		r.twice = append(r.twice, fmt.Sprintf("%s begins on %s while it runs on %v", id, worker, r.running[id]))
	}
	r.running[id] = append(r.running[id], worker)
	r.starts[id]++
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *runs) end(id connect.TaskID, worker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.running[id], worker)
	r.running[id] = slices.Delete(r.running[id], i, i+1)
	if len(r.running[id]) == 0 {
		delete(r.running, id)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until what runs is as wanted.
func (r *runs) await(what string, ok func(running map[connect.TaskID]string) bool) map[connect.TaskID]string {
	r.t.Helper()
	timeout := time.After(limit)
	for {
		r.mu.Lock()
		now := make(map[connect.TaskID]string)
		for id, workers := range r.running {
			now[id] = strings.Join(workers, "+")
		}
		changed := r.changed
		r.mu.Unlock()
		if ok(now) {
			return now
		}
		select {
		case <-changed:
		case <-timeout:
			r.t.Fatalf("%s: runs are %v", what, now)
		}
	}
}

// awaitTasks waits until so many tasks run, level among so many workers.
func (r *runs) awaitTasks(tasks, workers int) map[connect.TaskID]string {
	r.t.Helper()
	return r.await(fmt.Sprintf("want %d tasks on %d workers", tasks, workers), func(running map[connect.TaskID]string) bool {
		load := make(map[string]int)
		for _, w := range running {
			load[w]++
		}
		if len(running) != tasks || len(load) != min(workers, tasks) {
			return false
		}
		if tasks == 0 {
			return true
		}
		loads := slices.Collect(maps.Values(load))
		return slices.Max(loads)-slices.Min(loads) <= 1
	})
}

// check fails when a task ever ran twice at a time.
func (r *runs) check() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.twice {
		r.t.Error(text)
	}
}

const tickClass = "test.TickSourceConnector"

// ticks is a source whose tasks do nothing but be there, and store an offset when they begin. Option tasks says how many there shall be.
func (r *runs) ticks(worker string) connect.Source {
	return connect.Source{
		Class: tickClass, TaskClass: "test.TickSourceTask", Version: "1",
		Validate: func(map[string]string) config.Report { return config.Report{} },
		TaskConfigs: func(props map[string]string, most int) ([]map[string]string, error) {
			n, known, err := r.workOf(props["name"])
			if err == nil && !known {
				n, err = strconv.Atoi(props["tasks"])
			}
			if err != nil {
				return nil, err
			}
			var configs []map[string]string
			for i := range min(n, most) {
				c := maps.Clone(props)
				c["number"] = strconv.Itoa(i)
				configs = append(configs, c)
			}
			return configs, nil
		},
		Watch: func(ctx context.Context, props map[string]string, changed func()) error {
			r.mu.Lock()
			r.changes[props["name"]] = changed
			r.mu.Unlock()
			<-ctx.Done()
			return nil
		},
		NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
			if props["fail"] != "" {
				return nil, errors.New(props["fail"])
			}
			return &tickTask{r, connect.TaskID{Connector: env.Connector, Task: env.Task}, worker}, nil
		},
	}
}

type tickTask struct {
	runs   *runs
	id     connect.TaskID
	worker string
}

func (t *tickTask) Run(ctx context.Context, _ connect.Emitter) error {
	t.runs.begin(t.id, t.worker)
	defer t.runs.end(t.id, t.worker)
	<-ctx.Done()
	return nil
}
func (t *tickTask) Offset(uint64) (partition, offset []byte, ok bool) { return nil, nil, false }
func (t *tickTask) Stored(uint64)                                     {}

// worker is a Herder with its Run.
type worker struct {
	*Herder
	t    *testing.T
	name string
	rest *rest.Server
	stop context.CancelFunc
	done chan struct{}
	err  error
	log  *logBuffer
}

// logBuffer keeps what a worker says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// workerProps are worker.properties for tests: quick.
func workerProps(broker string) map[string]string {
	return map[string]string{
		"bootstrap.servers": broker, "group.id": "connect-cluster",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"config.storage.topic": "configs", "offset.storage.topic": "offsets", "status.storage.topic": "statuses",
		"config.storage.replication.factor": "1", "offset.storage.replication.factor": "1", "status.storage.replication.factor": "1",
		"offset.storage.partitions": "3", "status.storage.partitions": "3",
		"session.timeout.ms": "3000", "heartbeat.interval.ms": "100", "scheduled.rebalance.max.delay.ms": "0",
		"listeners":        "http://127.0.0.1:0",
		"retry.backoff.ms": "5", "retry.backoff.max.ms": "50", "task.shutdown.graceful.timeout.ms": "2000",
	}
}

func startWorker(t *testing.T, r *runs, props map[string]string, name string) *worker {
	t.Helper()
	w := newWorker(t, r, props, name)
	w.start()
	return w
}

func newWorker(t *testing.T, r *runs, props map[string]string, name string) *worker {
	t.Helper()
	cfg, report := connect.ParseDistributedConfig(props)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	w := &worker{t: t, name: name, done: make(chan struct{}), log: &logBuffer{}}
	h, err := New(cfg, connect.Plugins{Sources: []connect.Source{r.ticks(name)}}, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	w.Herder = h
	w.rest = rest.NewServer(h, h.log)
	if _, err := w.rest.Listen(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *worker) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() {
		defer close(w.done)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return w.rest.Run(ctx) })
		g.Go(func() error { return w.Run(ctx) })
		w.err = g.Wait()
	}()
	w.t.Cleanup(func() {
		w.end()
		if w.t.Failed() {
			w.t.Logf("log of worker %s:\n%s", w.name, w.log)
		}
	})
}

// end stops the worker in order.
func (w *worker) end() {
	w.t.Helper()
	w.stop()
	select {
	case <-w.done:
		if w.err != nil {
			w.t.Errorf("worker %s: Run = %v, want nil", w.name, w.err)
		}
	case <-time.After(limit):
		w.t.Errorf("worker %s does not end", w.name)
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// create makes a connector with so many tasks through whichever of the workers leads.
func create(t *testing.T, name string, tasks int, workers ...*worker) {
	t.Helper()
	lead(t, workers, func(h *Herder) error {
		_, err := h.Create(testContext(t), connect.Request{Name: name, Config: map[string]string{"connector.class": tickClass, "tasks.max": "100", "tasks": strconv.Itoa(tasks)}})
		return err
	})
}

// lead does what only the leader does, on the worker that is it.
func lead(t *testing.T, workers []*worker, f func(*Herder) error) {
	t.Helper()
	for {
		for _, w := range workers {
			err := f(w.Herder)
			if redirect := (*connect.RedirectError)(nil); errors.As(err, &redirect) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if testContext(t).Err() != nil {
			t.Fatal("nobody leads")
		}
	}
}

// write writes records into a topic.
func (b *brokers) write(t *testing.T, topic string, records ...kafka.Record) {
	t.Helper()
	c := client.DefaultConfig(client.ForProducer)
	c.Brokers = []string{b.addr}
	p := client.NewProducer(c)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for _, r := range records {
		r.Topic, r.Partition = topic, kafka.AnyPartition
		if err := p.Send(ctx, &r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.WaitAcked(ctx, uint64(len(records))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// records reads an internal topic to its end.
func records(t *testing.T, broker, topic string) []kafka.Record {
	t.Helper()
	c := client.DefaultConfig(client.ForConsumer)
	c.Brokers = []string{broker}
	var all []kafka.Record
	err := client.Read(testContext(t), c, client.Reading{Topic: topic, From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		all = append(all, kafka.Record{Partition: r.Partition, Offset: r.Offset, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
