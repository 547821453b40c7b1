package connect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink"
)

// These tests run workers over a broker in this process.

func startBroker(t *testing.T, topics ...string) string {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.Options{Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker.Addr()
}

func kafkaWorker(t *testing.T, addr, offsets string, plugins Plugins) *Standalone {
	t.Helper()
	cfg, report := ParseWorkerConfig(map[string]string{
		"bootstrap.servers":                 addr,
		"key.converter":                     "org.apache.kafka.connect.storage.StringConverter",
		"value.converter":                   "org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable":    "false",
		"offset.storage.file.filename":      offsets,
		"offset.flush.interval.ms":          "20",
		"offset.flush.timeout.ms":           "1000",
		"task.shutdown.graceful.timeout.ms": "1000",
		"producer.linger.ms":                "0",
		"consumer.heartbeat.interval.ms":    "50",
		"consumer.fetch.max.wait.ms":        "20",
		"consumer.retry.backoff.ms":         "10",
		"consumer.retry.backoff.max.ms":     "50",
	})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return NewStandalone(cfg, plugins, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func clientConfig(t *testing.T, addr string, role client.Role) client.Config {
	t.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": addr, "fetch.max.wait.ms": "20"}, role)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// readAll reads a topic from its beginning to its present end.
func readAll(t *testing.T, addr, topic string) []kafka.Record {
	t.Helper()
	var records []kafka.Record
	err := client.Read(t.Context(), clientConfig(t, addr, client.ForConsumer), client.Reading{Topic: topic, From: client.FromBeginning, UntilEnd: true},
		func(r *kafka.Record) error {
			c := *r
			c.Key, c.Value, c.Headers = slices.Clone(r.Key), slices.Clone(r.Value), slices.Clone(r.Headers)
			for i := range c.Headers {
				c.Headers[i].Value = slices.Clone(c.Headers[i].Value)
			}
			records = append(records, c)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func publish(t *testing.T, addr string, records ...kafka.Record) {
	t.Helper()
	p := client.NewProducer(clientConfig(t, addr, client.ForProducer))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for i := range records {
		if err := p.Send(ctx, &records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.WaitAcked(ctx, p.Sent()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// A worker that is stopped or replaced at any moment loses no record, and its offsets are never ahead of what the broker holds.
func TestSourceSurvivesRestarts(t *testing.T) {
	addr := startBroker(t, "numbers")
	path := filepath.Join(t.TempDir(), "offsets")
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	const upto = 6000
	plugins := Plugins{Sources: []Source{{
		Class: "test.CounterConnector", Version: "1.0",
		TaskConfigs: func(props map[string]string, _ int) ([]map[string]string, error) {
			return []map[string]string{props}, nil
		},
		NewTask: func(_ map[string]string, env Env) (SourceTask, error) { return &counter{env: env, upto: upto}, nil },
	}}}
	lives := 0
	for ; lives < 200; lives++ {
		if storedNumber(t, path) >= upto {
			break
		}
		w := kafkaWorker(t, addr, path, plugins)
		w.worker.cfg.ValueConverter = ConverterConfig{Class: "org.apache.kafka.connect.storage.StringConverter"}
		// Many small requests, one at a time: so that there is always something unacknowledged.
		maps.Copy(w.worker.cfg.Producer, map[string]string{"batch.size": "200", "max.request.size": "2000", "buffer.memory": "2000", "max.in.flight.requests.per.connection": "1"})
		stop := runs(t, w)
		if _, err := w.Create(t.Context(), counterConfig()); err != nil {
			t.Fatal(err)
		}
		if err := w.WaitRunning(t.Context(), "count"); err != nil {
			t.Fatal(err)
		}
		wait, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(60))*time.Millisecond)
		<-wait.Done()
		cancel()
		killed, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		stored := storedNumber(t, path)
		if held := distinct(readAll(t, addr, "numbers")); held < stored {
			t.Fatalf("life %d: stored offset %d, but the broker holds %d numbers", lives, stored, held)
		}
		stop()
		if lives%2 == 0 { // what a kill leaves: the offsets of that moment, and more records than they know of
			if err := os.WriteFile(path, killed, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := readAll(t, addr, "numbers")
	if got := distinct(held); got != upto {
		t.Errorf("numbers without a gap = %d, want %d", got, upto)
	}
	t.Logf("%d lives, %d records for %d numbers", lives, len(held), upto)
}

// distinct checks that numbers begin at 1 and go up by one, but for repetitions, and returns how far they go.
func distinct(records []kafka.Record) uint64 {
	var most uint64
	for _, r := range records {
		n, err := strconv.ParseUint(string(r.Value), 10, 64)
		if err != nil || n > most+1 {
			return most
		}
		most = max(most, n)
	}
	return most
}

func TestTopicCreation(t *testing.T) {
	addr := startBroker(t)
	plugins := Plugins{Sources: []Source{{
		Class: "test.CounterConnector", Version: "1.0",
		TaskConfigs: func(props map[string]string, _ int) ([]map[string]string, error) {
			return []map[string]string{props}, nil
		},
		NewTask: func(_ map[string]string, env Env) (SourceTask, error) { return &counter{env: env, upto: 3}, nil },
	}}}
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), plugins)
	runs(t, w)
	_, err := w.Create(t.Context(), counterConfig("topic.creation.default.partitions", "4", "topic.creation.default.replication.factor", "1",
		"topic.creation.default.cleanup.policy", "compact"))
	if err != nil {
		t.Fatal(err)
	}
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	eventually(t, "the topic", func() bool {
		topic, exists, err := a.Topic(t.Context(), "numbers")
		return err == nil && exists && topic.Partitions == 4
	})
	eventually(t, "an offset stored", func() bool {
		list, err := w.offsets.List(t.Context(), "count")
		return err == nil && len(list) == 1
	})
}

// ledger is a store with positions of its own, shared by all tasks and lives.
type ledger struct {
	mu        sync.Mutex
	rows      []string
	positions map[kafka.TopicPartition]int64 // nil: the group's offsets are used
	failures  []error                        // of the next puts
	refuses   string                         // a value that no put takes
	opened    int
	closed    int
}

type ledgerTask struct {
	*ledger
	next map[kafka.TopicPartition]int64
}

func (l *ledgerTask) Open(_ context.Context, partitions []sink.Assignment) ([]kafka.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened += len(partitions)
	l.next = make(map[kafka.TopicPartition]int64)
	var out []kafka.Position
	for _, p := range partitions {
		if p.ClusterID == "" || p.TopicID == "" {
			return nil, errors.New("an assignment without ids")
		}
		if at, known := l.positions[p.TopicPartition]; known {
			out = append(out, kafka.Position{TopicPartition: p.TopicPartition, Offset: at})
		}
	}
	return out, nil
}

func (l *ledgerTask) Put(_ context.Context, records []sink.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) > 0 {
		err := l.failures[0]
		l.failures = l.failures[1:]
		return err
	}
	var refused rowErrors
	for _, r := range records {
		if l.refuses != "" && r.Value.Text() == l.refuses {
			refused = append(refused, rowError{r.Consumed().Topic, r.Consumed().Partition, r.Offset})
		}
	}
	if refused != nil {
		return fmt.Errorf("write rows: %w", refused)
	}
	for _, r := range records {
		at := r.Consumed()
		l.rows = append(l.rows, fmt.Sprintf("%s-%d %s=%s %d", r.Topic, r.Partition, r.Key.Text(), r.Value.Text(), len(r.Headers)))
		l.next[at] = r.Offset + 1
		if l.positions != nil {
			l.positions[at] = r.Offset + 1
		}
	}
	return nil
}

// rowErrors names records as a store does.
type rowErrors []error

func (e rowErrors) Error() string   { return "rows are refused" }
func (e rowErrors) Unwrap() []error { return e }

type rowError struct {
	topic     string
	partition int32
	offset    int64
}

func (e rowError) Error() string                  { return "too long for the column" }
func (e rowError) Record() (string, int32, int64) { return e.topic, e.partition, e.offset }

func (l *ledgerTask) Flush(context.Context) ([]kafka.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []kafka.Position
	for at, offset := range l.next {
		out = append(out, kafka.Position{TopicPartition: at, Offset: offset})
	}
	return out, nil
}

func (l *ledgerTask) Close(_ context.Context, partitions []kafka.TopicPartition) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed += len(partitions)
	return nil
}

func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows)
}

func (l *ledger) plugins() Plugins {
	return Plugins{Sinks: []Sink{{Class: "test.LedgerSinkConnector", Version: "1.0",
		NewTask: func(map[string]string, Env) (sink.Task, error) { return &ledgerTask{ledger: l}, nil }}}}
}

func ledgerConfig(extra ...string) Request {
	props := map[string]string{"connector.class": "LedgerSink", "topics": "orders"}
	for i := 0; i+1 < len(extra); i += 2 {
		props[extra[i]] = extra[i+1]
	}
	return Request{Name: "ledger", Config: props}
}

func order(key, value string, headers ...kafka.Header) kafka.Record {
	r := kafka.Record{Topic: "orders", Partition: 0, Key: []byte(key), Value: []byte(value), Headers: headers}
	if value == "" {
		r.Value = nil
	}
	return r
}

func committed(t *testing.T, addr, group string) int64 {
	t.Helper()
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	positions, err := a.Committed(t.Context(), group)
	if err != nil || len(positions) == 0 {
		return -1
	}
	return positions[0].Offset
}

func TestSink(t *testing.T) {
	addr := startBroker(t, "orders")
	l := &ledger{failures: []error{temporary("store is away"), temporary("still away")}}
	publish(t, addr, order("1", `"a"`), order("2", `"b"`, kafka.Header{Key: "h", Value: []byte("1")}), order("1", ""))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	stop := runs(t, w)
	if _, err := w.Create(t.Context(), ledgerConfig()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three rows", func() bool { return len(l.all()) == 3 })
	want := []string{"orders-0 1=a 0", "orders-0 2=b 1", "orders-0 1= 0"}
	if diff := cmp.Diff(want, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	eventually(t, "the commit", func() bool { return committed(t, addr, "connect-ledger") == 3 })
	publish(t, addr, order("3", `"c"`))
	eventually(t, "four rows", func() bool { return len(l.all()) == 4 })
	stop()
	if n := committed(t, addr, "connect-ledger"); n != 4 {
		t.Errorf("committed after the end = %d, want 4", n)
	}
	if l.opened == 0 || l.opened != l.closed {
		t.Errorf("opened %d partitions, closed %d", l.opened, l.closed)
	}

	// Another worker goes on behind the commit.
	again := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, again)
	if _, err := again.Create(t.Context(), ledgerConfig()); err != nil {
		t.Fatal(err)
	}
	publish(t, addr, order("4", `"d"`))
	eventually(t, "five rows", func() bool { return len(l.all()) == 5 })
}

// The store's own position wins over the group's.
func TestSinkSeeksToTheStoresPosition(t *testing.T) {
	addr := startBroker(t, "orders")
	l := &ledger{positions: map[kafka.TopicPartition]int64{{Topic: "orders", Partition: 0}: 2}}
	publish(t, addr, order("1", `"a"`), order("2", `"b"`), order("3", `"c"`))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	if _, err := w.Create(t.Context(), ledgerConfig()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a row", func() bool { return len(l.all()) > 0 })
	if diff := cmp.Diff([]string{"orders-0 3=c 0"}, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestDeadLetters(t *testing.T) {
	addr := startBroker(t, "orders")
	l := new(ledger)
	orig := kafka.Header{Key: "orig", Value: []byte("12")}
	publish(t, addr, order("1", `"a"`), order("2", `{nope`, orig), order("3", `"c"`), order("4", `nope`))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	_, err := w.Create(t.Context(), ledgerConfig("errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead", "errors.log.enable", "true",
		"errors.deadletterqueue.context.headers.enable", "true", "errors.deadletterqueue.topic.replication.factor", "1"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the commit behind the last bad record", func() bool { return committed(t, addr, "connect-ledger") == 4 })
	if diff := cmp.Diff([]string{"orders-0 1=a 0", "orders-0 3=c 0"}, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	dead := readAll(t, addr, "dead")
	if len(dead) != 2 {
		t.Fatalf("dead letters = %d, want 2", len(dead))
	}
	var names []string
	context := make(map[string]string)
	for _, h := range dead[0].Headers {
		names = append(names, strings.TrimPrefix(h.Key, "__connect.errors."))
		context[h.Key] = string(h.Value)
	}
	wantNames := []string{"orig", "topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name", "exception.class.name", "exception.message", "exception.stacktrace"}
	if diff := cmp.Diff(wantNames, names); diff != "" {
		t.Errorf("headers of a dead letter (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"topic": "orders", "partition": "0", "offset": "1", "connector.name": "ledger", "task.id": "0", "stage": "VALUE_CONVERTER",
		"class.name": "org.apache.kafka.connect.json.JsonConverter", "exception.class.name": "org.apache.kafka.connect.errors.DataException"} {
		if got := context["__connect.errors."+name]; got != want {
			t.Errorf("header %s = %q, want %q", name, got, want)
		}
	}
	if string(dead[0].Value) != "{nope" || string(dead[0].Key) != "2" {
		t.Errorf("dead letter %q=%q, want the record as it was", dead[0].Key, dead[0].Value)
	}
}

// Records that the store refuses go to the queue alone; the others of their batch are applied.
func TestDeadLettersOfTheStore(t *testing.T) {
	addr := startBroker(t, "orders")
	l := &ledger{refuses: "bad"}
	publish(t, addr, order("1", `"a"`), order("2", `"bad"`), order("3", `"c"`), order("4", `nope`), order("5", `"bad"`))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	_, err := w.Create(t.Context(), ledgerConfig("errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead",
		"errors.deadletterqueue.context.headers.enable", "true", "errors.deadletterqueue.topic.replication.factor", "1"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the commit behind the last bad record", func() bool { return committed(t, addr, "connect-ledger") == 5 })
	if diff := cmp.Diff([]string{"orders-0 1=a 0", "orders-0 3=c 0"}, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	var got []string
	for _, d := range readAll(t, addr, "dead") {
		for _, h := range d.Headers {
			if name := strings.TrimPrefix(h.Key, "__connect.errors."); name == "stage" || name == "exception.message" {
				got = append(got, string(d.Key)+" "+string(h.Value))
			}
		}
	}
	slices.Sort(got)
	want := []string{"2 TASK_PUT", "2 too long for the column", "4 VALUE_CONVERTER", "5 TASK_PUT", "5 too long for the column"}
	if got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "4 ") && s != want[2] }); !slices.Equal(got, want) { // what JSON says of record 4
		t.Errorf("dead letters = %q, want %q", got, want)
	}
}

// Without tolerance the store's own error fails the task.
func TestRefusedByTheStore(t *testing.T) {
	addr := startBroker(t, "orders")
	l := &ledger{refuses: "bad"}
	publish(t, addr, order("1", `"a"`), order("2", `"bad"`))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	if _, err := w.Create(t.Context(), ledgerConfig()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "FAILED", func() bool { s, err := w.Status("ledger"); return err == nil && s.Failure() != "" })
	if s, _ := w.Status("ledger"); !strings.Contains(s.Failure(), "write rows: rows are refused") {
		t.Errorf("trace = %s, want the store's error", s.Failure())
	}
}

func TestNoToleranceFailsTheTask(t *testing.T) {
	addr := startBroker(t, "orders")
	l := new(ledger)
	publish(t, addr, order("1", `"a"`), order("2", `nope`))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	_, err := w.Create(t.Context(), ledgerConfig("errors.deadletterqueue.topic.name", "dead", "errors.deadletterqueue.topic.replication.factor", "1"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "FAILED", func() bool { s, err := w.Status("ledger"); return err == nil && s.Failure() != "" })
	s, _ := w.Status("ledger")
	if first, _, _ := strings.Cut(s.Failure(), "\n"); first != "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler" {
		t.Errorf("trace begins with %q", first)
	}
	if !strings.Contains(s.Failure(), `record of topic "orders", partition 0, offset 1`) {
		t.Errorf("trace = %s, want the record", s.Failure())
	}
	if dead := readAll(t, addr, "dead"); len(dead) != 1 {
		t.Errorf("dead letters = %d, want 1: it is reported before the task fails", len(dead))
	}
	if n := committed(t, addr, "connect-ledger"); n > 1 {
		t.Errorf("committed = %d, want nothing behind the bad record", n)
	}
}

// Two tasks are two members of the group; topics.regex finds the topics.
func TestSinkTasksShareTheWork(t *testing.T) {
	addr := startBroker(t, "orders", "orders2", "other")
	l := new(ledger)
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), l.plugins())
	runs(t, w)
	req := ledgerConfig("tasks.max", "2", "topics.regex", "ord.*", "consumer.override.partition.assignment.strategy", "roundrobin")
	delete(req.Config, "topics")
	info, err := w.Create(t.Context(), req)
	if err != nil || len(info.Tasks) != 2 {
		t.Fatalf("Create = %+v, %v, want two tasks", info, err)
	}
	for n := range 20 {
		r := order(strconv.Itoa(n), `"x"`)
		if n%2 == 1 {
			r.Topic = "orders2"
		}
		publish(t, addr, r)
	}
	publish(t, addr, kafka.Record{Topic: "other", Partition: 0, Value: []byte(`"x"`)})
	eventually(t, "twenty rows at least", func() bool { return len(l.all()) >= 20 })
	if slices.ContainsFunc(l.all(), func(row string) bool { return strings.HasPrefix(row, "other") }) {
		t.Error("a topic that the expression does not match was read")
	}
}
