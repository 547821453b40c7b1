package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a source that produces the numbers behind its stored offset: record n has the value n.
type counter struct {
	env   Env
	upto  uint64
	fail  func(run int, n uint64) error // after record n
	run   int
	mu    sync.Mutex
	base  uint64 // numbers before this run
	given uint64
	kept  uint64
}

var numbers = []byte(`{"counter":"numbers"}`)

// numbersStored is the offset of numbers, zero where there is none.
func numbersStored(ctx context.Context, env Env) (at struct{ N uint64 }, err error) {
	stored, err := env.StoredOffset(ctx, numbers)
	if err == nil && stored != nil {
		err = json.Unmarshal(stored, &at)
	}
	return at, err
}

func (c *counter) Run(ctx context.Context, out Emitter) error {
	at, err := numbersStored(ctx, c.env)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.base, c.kept = at.N, at.N
	c.mu.Unlock()
	handle, err := out.Stream("numbers", 0, nil, text, nil)
	if err != nil {
		return err
	}
	for n := at.N + 1; n <= c.upto; n++ {
		_, v := out.Begin(handle)
		v.Text(fmt.Append(nil, n))
		if err := out.End(nil); err != nil {
			return err
		}
		if c.fail != nil {
			if err := c.fail(c.run, n); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (c *counter) Offset(n uint64) (partition, offset []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base+n <= c.kept {
		return nil, nil, false
	}
	c.given = c.base + n
	return numbers, fmt.Appendf(nil, `{"n":%d}`, c.given), true
}

func (c *counter) Stored(uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = c.given
}

func (c *counter) stored() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept
}

// bench is a worker over fake clients.
type bench struct {
	*Standalone
	producers chan *fakeProducer // one per life of a source task
	counters  chan *counter
	fail      func(run int, n uint64) error
	upto      uint64
	runs      atomic.Int64 // tasks that were made
	stop      func() error
}

type fakeClients struct {
	clients
	b *bench
}

func (f fakeClients) producer() producer {
	p := newFakeProducer()
	f.b.producers <- p
	return p
}
func (f fakeClients) deadLetters() producer                 { return newFakeProducer() }
func (f fakeClients) admin() admin                          { return nil }
func (f fakeClients) consumer(client.Subscription) consumer { return nil }

func newBench(t *testing.T, offsets string) *bench {
	t.Helper()
	b := &bench{producers: make(chan *fakeProducer, 100), counters: make(chan *counter, 100), upto: 10}
	cfg := DefaultWorkerConfig()
	cfg.BootstrapServers = []string{"127.0.0.1:1"}
	cfg.OffsetFile = offsets
	cfg.OffsetFlushInterval = 10 * time.Millisecond
	cfg.OffsetFlushTimeout = 50 * time.Millisecond
	cfg.AdvertisedHost = "worker-1"
	plugins := Plugins{
		Sources: []Source{{
			Class: "test.CounterConnector", TaskClass: "test.CounterTask", Version: "1.0",
			Validate: func(props map[string]string) config.Report {
				var r config.Report
				if _, given := props["topic"]; !given {
					r.Fail("topic", "Missing required configuration \"topic\" which has no default value.")
				}
				r.Warn("tasks.max", "Option \"tasks.max\" is not known and has no effect.")
				return r
			},
			TaskConfigs: func(props map[string]string, most int) ([]map[string]string, error) {
				if props["divide"] == "never" {
					return nil, errors.New("cannot be divided")
				}
				return []map[string]string{props}, nil
			},
			NewTask: func(props map[string]string, env Env) (SourceTask, error) {
				c := &counter{env: env, upto: b.upto, fail: b.fail, run: int(b.runs.Add(1))}
				b.counters <- c
				return c, nil
			},
		}},
		Sinks: []Sink{{Class: "test.NothingSinkConnector", Version: "1.0", NewTask: func(map[string]string, Env) (sink.Task, error) { return nil, errors.New("no sink") }}},
	}
	b.Standalone = NewStandalone(cfg, plugins, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	b.worker.newClients = func(clientOptions, *ConnectorConfig, Kind, *slog.Logger) (clients, config.Report) {
		return fakeClients{b: b}, config.Report{}
	}
	b.worker.newConverters = func(*WorkerConfig, *ConnectorConfig, *config.Report) converters {
		return converters{key: new(rawConverter), value: new(rawConverter), header: rawHeaders{}}
	}
	return b
}

// start runs the worker until the test ends or stop is called.
func (b *bench) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	var once sync.Once
	b.stop = func() (err error) {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Errorf("Run = %v, want none", err)
		}
	})
}

func counterConfig(extra ...string) Request {
	props := map[string]string{"connector.class": "Counter", "topic": "numbers"}
	for i := 0; i+1 < len(extra); i += 2 {
		props[extra[i]] = extra[i+1]
	}
	return Request{Name: "count", Config: props}
}

// eventually waits for a condition that changes with the worker's statuses or within milliseconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticks := time.NewTicker(2 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func storedNumber(t *testing.T, path string) uint64 {
	t.Helper()
	offset, err := newFileOffsets(path).Get(t.Context(), "count", numbers)
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ N uint64 }
	if offset != nil {
		if err := json.Unmarshal(offset, &at); err != nil {
			t.Fatal(err)
		}
	}
	return at.N
}

func TestOffsetsFollowAcknowledgements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	b := newBench(t, path)
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitRunning(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	if n := storedNumber(t, path); n != 0 {
		t.Errorf("stored offset before any acknowledgement = %d, want none", n)
	}
	p.ack(4)
	eventually(t, "4 stored", func() bool { return c.stored() == 4 })
	if n := storedNumber(t, path); n != 4 {
		t.Errorf("stored offset after 4 acknowledgements = %d, want 4: Stored must come after the file", n)
	}
	p.ack(7) // right before the end: stored by the final flush
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if n := storedNumber(t, path); n != 7 {
		t.Errorf("stored offset after the end = %d, want 7: 8 to 10 were never acknowledged", n)
	}

	again := newBench(t, path) // another process
	again.start(t)
	if _, err := again.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p = <-again.producers
	eventually(t, "the rest sent", func() bool { return p.Sent() == 3 })
	if got := string(p.records[0].Value); got != "8" {
		t.Errorf("first record after the restart = %s, want 8", got)
	}
}

func TestRetriableErrorRestartsFromTheStoredOffset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	b := newBench(t, path)
	hold := make(chan struct{})
	b.fail = func(run int, n uint64) error {
		if run == 1 && n == 6 {
			<-hold // until 5 are stored
			return temporary("connection lost")
		}
		return nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig("retriable.restart.connector.wait.ms", "1")); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "six sent", func() bool { return p.Sent() == 6 })
	p.ack(5)
	eventually(t, "five stored", func() bool { return c.stored() == 5 })
	close(hold)
	p = <-b.producers
	eventually(t, "the rest sent", func() bool { return p.Sent() == 5 })
	if got := string(p.records[0].Value); got != "6" {
		t.Errorf("first record of the second life = %s, want 6", got)
	}
	status, err := b.Status("count")
	if err != nil || !status.Running() {
		t.Errorf("Status = %+v, %v, want RUNNING all the time", status, err)
	}
}

func TestProducerFailureRestarts(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig("retriable.restart.connector.wait.ms", "1")); err != nil {
		t.Fatal(err)
	}
	p := <-b.producers
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	p.ack(3)
	p.fail = temporary("delivery timed out")
	close(p.failed)
	p = <-b.producers
	eventually(t, "the rest sent", func() bool { return p.Sent() == 7 })
	if got := string(p.records[0].Value); got != "4" {
		t.Errorf("first record of the second life = %s, want 4", got)
	}
	p.fail = &kafka.RecordTooLargeError{Topic: "numbers", Bytes: 10, Err: errors.New("x")}
	close(p.failed)
	err := waitFailed(t, b)
	if !strings.Contains(err.Error(), "publish records: record of 10 bytes for topic \"numbers\"") {
		t.Errorf("trace = %v, want the producer's error", err)
	}
}

func waitFailed(t *testing.T, b *bench) error {
	t.Helper()
	eventually(t, "FAILED", func() bool { s, err := b.Status("count"); return err == nil && s.Failure() != "" })
	return b.WaitRunning(t.Context(), "count")
}

func TestFatalErrorFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		extra []string
		want  string
	}{
		{"fatal", errors.New("wal_level is replica"), nil, "wal_level is replica"},
		{"retries used up", temporary("unreachable"), []string{"errors.max.retries", "2", "retriable.restart.connector.wait.ms", "1"}, "gave up after 2 retries (errors.max.retries): unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
			b.fail = func(int, uint64) error { return c.err }
			b.start(t)
			if _, err := b.Create(t.Context(), counterConfig(c.extra...)); err != nil {
				t.Fatal(err)
			}
			if err := waitFailed(t, b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("WaitRunning = %v, want %q", err, c.want)
			}
			status, _ := b.TaskStatus(TaskID{"count", 0})
			if status.State != Failed || status.WorkerID != "worker-1:8083" || status.Version != "1.0" {
				t.Errorf("TaskStatus = %+v", status)
			}
			if err := b.Delete(t.Context(), "count"); err != nil {
				t.Errorf("Delete of a failed connector = %v", err)
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	available := "PluginDesc{klass=class test.NothingSinkConnector, name='test.NothingSinkConnector', version='1.0', encodedVersion=1.0, type=sink, typeName='sink', location='classpath'}, " +
		"PluginDesc{klass=class test.CounterConnector, name='test.CounterConnector', version='1.0', encodedVersion=1.0, type=source, typeName='source', location='classpath'}"
	for _, c := range []struct {
		req  Request
		why  Refusal
		want string
	}{
		{counterConfig(), Conflict, "Connector count already exists"},
		{Request{Name: "e"}, Invalid, "Connector config {name=e} contains no connector type"},
		{Request{Name: "e", Config: map[string]string{"connector.class": "Nope"}}, Invalid,
			"Failed to find any class that implements Connector and which name matches Nope, available connectors are: " + available},
		{Request{Name: "e", Config: map[string]string{"connector.class": "Counter", "name": "other"}}, Invalid,
			"Connector name configuration (other) doesn't match connector name in the URL (e)"},
		{Request{Name: "e", Config: map[string]string{"connector.class": "Counter", "tasks.max": "0"}}, Invalid,
			"Connector configuration is invalid and contains the following 2 error(s):\nInvalid value 0 for configuration tasks.max: Value must be at least 1\n" +
				"Missing required configuration \"topic\" which has no default value.\n" +
				"You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"},
		{Request{Name: "", Config: map[string]string{"connector.class": "Counter", "topic": "x"}}, Invalid,
			"Connector configuration is invalid and contains the following 1 error(s):\nInvalid value  for configuration name: String may not be empty\n" +
				"You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"},
		{Request{Name: "e", Config: map[string]string{"connector.class": "Counter", "topic": "x", "divide": "never"}}, Internal,
			"divide the work of connector e: cannot be divided"},
	} {
		_, err := b.Create(t.Context(), c.req)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Why != c.why || refused.Message != c.want {
			t.Errorf("Create(%v) = %v\nwant %s", c.req, err, c.want)
		}
	}
}

func TestLifeOfAConnector(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	b := newBench(t, path)
	b.start(t)
	info, err := b.Create(t.Context(), Request{Name: "count", Config: counterConfig().Config, InitialState: Stopped})
	if err != nil || len(info.Tasks) != 0 {
		t.Fatalf("Create(stopped) = %+v, %v, want no tasks", info, err)
	}
	status, err := b.Status("count")
	if err != nil || status.Connector.State != Stopped || status.Kind != KindSource {
		t.Errorf("Status = %+v, %v, want STOPPED", status, err)
	}
	if err := b.Delete(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Info(t.Context(), "count"); err == nil || err.Error() != "Connector count not found" {
		t.Errorf("Info(deleted) = %v", err)
	}
	if _, created, err := b.Put(t.Context(), counterConfig()); err != nil || !created {
		t.Fatalf("Put(new) = %v, %v, want created", created, err)
	}
	if err := b.WaitRunning(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	p.ack(10)
	eventually(t, "all stored", func() bool { return c.stored() == 10 })
	b.upto = 12
	if _, created, err := b.Put(t.Context(), counterConfig("more", "1")); err != nil || created {
		t.Fatalf("Put(change) = %v, %v, want changed", created, err)
	}
	p = <-b.producers
	eventually(t, "11 and 12 sent", func() bool { return p.Sent() == 2 })
	tasks, err := b.Tasks(t.Context(), "count")
	if err != nil || len(tasks) != 1 || tasks[0].Config["task.class"] != "test.CounterTask" || tasks[0].Config["more"] != "1" {
		t.Errorf("Tasks = %v, %v", tasks, err)
	}
}

// TestChangesAreCompleted: whoever asked for a change may leave, as an HTTP client does that waits no longer; the connector must not stay
// stopped half way.
func TestChangesAreCompleted(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p := <-b.producers
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := b.Put(gone, counterConfig("more", "1")); err != nil { // the task ends offset.flush.timeout.ms later
		t.Errorf("Put = %v, want it carried out", err)
	}
	if err := b.WaitRunning(t.Context(), "count"); err != nil {
		t.Error(err)
	}
	if tasks, err := b.Tasks(t.Context(), "count"); err != nil || len(tasks) != 1 || tasks[0].Config["more"] != "1" {
		t.Errorf("Tasks = %v, %v, want the new configuration", tasks, err)
	}
	if err := b.Delete(t.Context(), "count"); err != nil || b.connector("count") != nil {
		t.Errorf("Delete = %v, and the connector is there: %v", err, b.connector("count") != nil)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(t.Context(), counterConfig()); err == nil || !strings.Contains(err.Error(), "the worker does not run") {
		t.Errorf("Create after the end of Run = %v, want that the worker does not run", err)
	}
}

func TestCreateWaitsForRun(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.Create(ctx, counterConfig()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Create without Run = %v, want the end of its context", err)
	}
	if err := b.Delete(t.Context(), "count"); err != nil {
		t.Errorf("Delete = %v", err)
	}
}

func TestRunRefusesABrokenOffsetFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newBench(t, path).Run(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Run = %v, want the path of the offset file", err)
	}
}
