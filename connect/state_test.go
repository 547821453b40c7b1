package connect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink"
)

// states renders a status: the connector's state, then those of the tasks.
func states(t *testing.T, b *bench, name string) string {
	t.Helper()
	s, err := b.Status(name)
	if err != nil {
		return err.Error()
	}
	text := string(s.Connector.State)
	for _, task := range s.Tasks {
		text += fmt.Sprintf(" %d:%s", task.ID, task.State)
	}
	return text
}

func waitStates(t *testing.T, b *bench, name, want string) {
	t.Helper()
	got := ""
	defer func() {
		if got != want {
			t.Errorf("states of %s = %s, want %s", name, got, want)
		}
	}()
	eventually(t, "the states "+want, func() bool { got = states(t, b, name); return got == want })
}

func TestPauseHoldsRecordsBack(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	hold := make(chan struct{})
	b.fail = func(_ int, n uint64) error {
		if n == 3 {
			<-hold
		}
		return nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "three sent", func() bool { return p.Sent() == 3 })
	if err := b.SetTarget(t.Context(), "count", Paused); err != nil {
		t.Fatal(err)
	}
	if got := states(t, b, "count"); got != "PAUSED 0:PAUSED" {
		t.Errorf("states after the pause = %s", got)
	}
	close(hold)
	p.ack(3) // what was sent before is stored
	eventually(t, "three stored", func() bool { return c.stored() == 3 })
	if n := p.Sent(); n != 3 {
		t.Errorf("%d records were sent while paused, want the 3 from before", n)
	}
	if err := b.SetTarget(t.Context(), "count", Running); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest sent", func() bool { return p.Sent() == 10 })
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	if len(b.counters) > 0 {
		t.Error("the task was started anew, want the paused one kept")
	}

	// A paused task can be stopped, and one that starts paused does not begin.
	if err := b.SetTarget(t.Context(), "count", Paused); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Restart(t.Context(), "count", Restart{IncludeTasks: true}); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "PAUSED 0:PAUSED")
	if len(b.counters) > 0 {
		t.Error("a task that starts paused has begun")
	}
	if err := b.SetTarget(t.Context(), "count", Running); err != nil {
		t.Fatal(err)
	}
	<-b.counters
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
}

func TestStopAndResume(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.start(t)
	req := counterConfig()
	req.InitialState = Paused
	if _, err := b.Create(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := states(t, b, "count"); got != "PAUSED" {
		t.Errorf("states of one created paused = %s, want no tasks", got)
	}
	steps := []struct {
		target State
		want   string
	}{{Running, "RUNNING 0:RUNNING"}, {Stopped, "STOPPED"}, {Stopped, "STOPPED"}, {Paused, "PAUSED"}, {Stopped, "STOPPED"}, {Running, "RUNNING 0:RUNNING"}}
	for _, s := range steps {
		if err := b.SetTarget(t.Context(), "count", s.target); err != nil {
			t.Fatal(err)
		}
		waitStates(t, b, "count", s.want)
		tasks, err := b.Tasks(t.Context(), "count")
		if err != nil || (len(tasks) > 0) != strings.Contains(s.want, "0:") {
			t.Errorf("Tasks when %s = %v, %v", s.want, tasks, err)
		}
	}
}

func TestRestartOfFailed(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.fail = func(run int, _ uint64) error {
		if run == 1 {
			return errors.New("no such table")
		}
		return nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "RUNNING 0:FAILED")
	if err := b.SetTarget(t.Context(), "count", Paused); err != nil {
		t.Fatal(err)
	}
	if got := states(t, b, "count"); got != "PAUSED 0:FAILED" {
		t.Errorf("states after a pause = %s, want the failed task FAILED", got)
	}
	if err := b.SetTarget(t.Context(), "count", Running); err != nil {
		t.Fatal(err)
	}
	s, err := b.Restart(t.Context(), "count", Restart{OnlyFailed: true})
	if err != nil || s.Connector.State != Running || s.Tasks[0].State != Failed {
		t.Errorf("Restart(onlyFailed) = %+v, %v, want that nothing is restarted", s, err)
	}
	s, err = b.Restart(t.Context(), "count", Restart{OnlyFailed: true, IncludeTasks: true})
	if err != nil || s.Connector.State != Running || s.Tasks[0].State != Restarting || s.Tasks[0].Trace == "" {
		t.Errorf("Restart(onlyFailed, includeTasks) = %+v, %v, want the task RESTARTING with its trace", s, err)
	}
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	for _, c := range []struct {
		err  error
		want string
	}{
		{b.RestartTask(t.Context(), TaskID{"count", 7}), "Task count-7 not found"},
		{b.RestartTask(t.Context(), TaskID{"ghost", 0}), "Failed to start task ghost-0 since it is not a recognizable type (source or sink)"},
		{b.SetTarget(t.Context(), "ghost", Running), "Unknown connector ghost"},
		{b.SetTarget(t.Context(), "ghost", Stopped), "No connector `ghost` configured"},
		{b.Delete(t.Context(), "ghost"), "Connector ghost not found"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
	if got := states(t, b, "count"); got != "RUNNING 0:RUNNING 7:FAILED" {
		t.Errorf("states = %s, want the ghost that Kafka Connect leaves too", got)
	}
	if err := b.Delete(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	if got := states(t, b, "count"); got != "No status found for connector count" {
		t.Errorf("states after Delete = %s", got)
	}
}

func TestAutomaticRestart(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers string // errors.restart.max of the worker
		own     []string
		fails   int // lives that fail
		want    string
		lives   int
	}{
		{"off", "", nil, 1, "RUNNING 0:FAILED", 1},
		{"recovers", "", []string{"errors.restart.max", "3"}, 3, "RUNNING 0:RUNNING", 4},
		{"gives up", "", []string{"errors.restart.max", "2"}, 9, "RUNNING 0:FAILED", 3},
		{"the worker's", "2", nil, 2, "RUNNING 0:RUNNING", 3},
		{"the connector's wins", "2", []string{"errors.restart.max", "0"}, 2, "RUNNING 0:FAILED", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
			if c.workers != "" {
				b.worker.cfg.Restarts.Most = 2
			}
			b.fail = func(run int, _ uint64) error {
				if run <= c.fails {
					return errors.New("out of order")
				}
				return nil
			}
			b.start(t)
			own := append([]string{"errors.restart.backoff.ms", "1", "errors.restart.backoff.max.ms", "2"}, c.own...)
			if _, err := b.Create(t.Context(), counterConfig(own...)); err != nil {
				t.Fatal(err)
			}
			for range c.lives {
				<-b.counters
			}
			waitStates(t, b, "count", c.want)
			if len(b.counters) > 0 {
				t.Errorf("more than %d lives", c.lives)
			}
		})
	}
}

// stubborn is a source task that does not end when it is told to.
type stubborn struct {
	*counter
	free chan struct{}
	sent chan error // of its one record. Bound: that one
}

func (s stubborn) Run(_ context.Context, out Emitter) error {
	<-s.free
	handle, err := out.Stream("numbers", 0, nil, text, nil)
	if err != nil {
		return err
	}
	_, v := out.Begin(handle)
	v.Text([]byte("too late"))
	err = out.End(nil)
	s.sent <- err
	return err
}
func (s stubborn) Offset(uint64) (partition, offset []byte, ok bool) {
	select {
	case <-s.free:
		return numbers, []byte(`{"n":99}`), true
	default:
		return nil, nil, false
	}
}

// TestAbandonedTask: a task that does not end is given up, and can neither send nor store any more; another may take its place.
func TestAbandonedTask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	b := newBench(t, path)
	b.worker.cfg.ShutdownTimeout = 10 * time.Millisecond
	free, sent := make(chan struct{}), make(chan error, 1)
	first := true
	regular := b.worker.plugins.Sources[0].NewTask
	b.worker.plugins.Sources[0].NewTask = func(props map[string]string, env Env) (SourceTask, error) {
		if !first {
			return regular(props, env)
		}
		first = false
		return stubborn{&counter{env: env}, free, sent}, nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	old := <-b.producers
	if err := b.RestartTask(t.Context(), TaskID{"count", 0}); err != nil {
		t.Fatal(err)
	}
	next, c := <-b.producers, <-b.counters
	eventually(t, "the next task has sent", func() bool { return next.Sent() == 10 })
	next.ack(4)
	eventually(t, "the next task has stored", func() bool { return c.stored() == 4 })
	close(free)
	if err := <-sent; err == nil || old.Sent() != 0 {
		t.Errorf("the abandoned task sent %d records, %v", old.Sent(), err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if n := storedNumber(t, path); n != 4 {
		t.Errorf("stored offset = %d, want 4: the abandoned task stored another", n)
	}
}

func TestTopicsAreTracked(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	hold := make(chan struct{})
	b.fail = func(_ int, n uint64) error {
		if n == 1 || n == 5 {
			hold <- struct{}{}
			<-hold
		}
		return nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	topics := func() string {
		t.Helper()
		all, err := b.Topics("count")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, " ")
	}
	<-hold
	if got := topics(); got != "numbers" {
		t.Errorf("topics after the first record = %q", got)
	}
	if err := b.ResetTopics(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	if got := topics(); got != "" {
		t.Errorf("topics after the reset = %q", got)
	}
	hold <- struct{}{}
	<-hold
	if got := topics(); got != "numbers" {
		t.Errorf("topics after more records = %q", got)
	}
	hold <- struct{}{}
	if err := b.Delete(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	if got := topics(); got != "" {
		t.Errorf("topics of a deleted connector = %q", got)
	}
}

func TestOffsetsOfASource(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	source := &b.worker.plugins.Sources[0]
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	p.ack(10)
	eventually(t, "all stored", func() bool { return c.stored() == 10 })
	offsets := func() string {
		t.Helper()
		all, err := b.Offsets(t.Context(), "count")
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, o := range all {
			text += string(o.Partition) + string(o.Offset) + " "
		}
		return text
	}
	if got, want := offsets(), `{"counter":"numbers"}{"n":10} `; got != want {
		t.Errorf("offsets = %s, want %s", got, want)
	}
	if _, err := b.ResetOffsets(t.Context(), "count"); err == nil || !strings.Contains(err.Error(), "must be in the STOPPED state") {
		t.Errorf("ResetOffsets while it runs = %v", err)
	}
	if err := b.SetTarget(t.Context(), "count", Stopped); err != nil {
		t.Fatal(err)
	}
	alter := func(partition, offset string) (string, error) {
		return b.AlterOffsets(t.Context(), "count", []PartitionOffset{{[]byte(partition), []byte(offset)}})
	}
	// Blanks and escapes are those of a task, so that the task finds it.
	message, err := alter("{ \"counter\" : \"n\\u0075mbers\" }", `{ "n": 4.50, "x": "é\n", "y": null, "z" : true }`)
	if err != nil || !strings.HasPrefix(message, "The Connect framework-managed offsets for this connector have been altered successfully. However,") {
		t.Errorf("AlterOffsets = %q, %v", message, err)
	}
	if got, want := offsets(), `{"counter":"numbers"}{"n":4.5,"x":"é\n","y":null,"z":true} `; got != want {
		t.Errorf("offsets after they were altered = %s, want %s", got, want)
	}
	source.AlterOffsets = func(_ context.Context, _ map[string]string, offsets []PartitionOffset) (bool, error) {
		if string(offsets[0].Offset) == `{"n":-1}` {
			return false, errors.New("want no negative number")
		}
		return true, nil
	}
	if _, err := alter(`{"counter":"numbers"}`, `{"n":-1}`); err == nil || err.Error() != "want no negative number" {
		t.Errorf("AlterOffsets that the plugin refuses = %v", err)
	}
	if message, err := alter(`{"counter":"numbers"}`, `null`); err != nil || message != "The offsets for this connector have been altered successfully" || offsets() != "" {
		t.Errorf("AlterOffsets(null) = %q, %v, and the offsets are %s", message, err, offsets())
	}
	if _, err := alter(`null`, `{}`); err == nil || err.Error() != "Partition objects cannot be null" {
		t.Errorf("AlterOffsets without a partition = %v", err)
	}
	for _, partition := range []string{`{"a":1,"b":2}`, `{"b":2,"a":1}`} { // one partition, however it is written
		if _, err := alter(partition, `{"n":1}`); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := offsets(), `{"a":1,"b":2}{"n":1} `; got != want {
		t.Errorf("offsets of one partition written in two ways = %s, want %s", got, want)
	}
	if message, err := b.ResetOffsets(t.Context(), "count"); err != nil || message != "The offsets for this connector have been reset successfully" || offsets() != "" {
		t.Errorf("ResetOffsets = %q, %v, and the offsets are %s", message, err, offsets())
	}
	if _, err := b.Offsets(t.Context(), "ghost"); err == nil || err.Error() != "Connector ghost not found" {
		t.Errorf("Offsets of an unknown connector = %v", err)
	}
}

func TestGroupPositions(t *testing.T) {
	at := func(partition int32, offset int64) kafka.Position {
		return kafka.Position{TopicPartition: kafka.TopicPartition{Topic: "a", Partition: partition}, Offset: offset}
	}
	for _, c := range []struct {
		partition, offset string
		want              kafka.Position
		err               string
	}{
		{`{"kafka_topic":"a","kafka_partition":0}`, `{"kafka_offset":5}`, at(0, 5), ""},
		{`{"kafka_topic":"a","kafka_partition":"3","z":1}`, `{"kafka_offset":"7","y":2}`, at(3, 7), ""},
		{`{"kafka_topic":"a","kafka_partition":1}`, `null`, at(1, -1), ""},
		{`{"kafka_topic":"a","kafka_partition":1}`, ``, at(1, -1), ""},
		{`{"kafka_topic":"a"}`, `null`, kafka.Position{}, "must contain the keys"},
		{`{"kafka_topic":null,"kafka_partition":1}`, `null`, kafka.Position{}, "valid strings"},
		{`{"kafka_topic":"a","kafka_partition":null}`, `null`, kafka.Position{}, "may not be null"},
		{`{"kafka_topic":"a","kafka_partition":1.5}`, `null`, kafka.Position{}, "'1.5'"},
		{`{"kafka_topic":"a","kafka_partition":1}`, `{"kafka_offset":99999999999999999999}`, kafka.Position{}, "'99999999999999999999'"},
		{`{"kafka_topic":"a","kafka_partition":1}`, `{"kafka_offset":null}`, kafka.Position{}, "'null'"},
		{`{"kafka_topic":"a","kafka_partition":1}`, `{"kafka_offset":-2}`, kafka.Position{}, "Failed to modify offsets for sink connector c"},
		{`{"kafka_topic":"a","kafka_partition":1}`, `{}`, kafka.Position{}, "'kafka_offset'"},
		{``, `{}`, kafka.Position{}, "null or missing"},
	} {
		got, err := groupPositions("c", []PartitionOffset{{[]byte(c.partition), []byte(c.offset)}})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("groupPositions(%s, %s) = %v, want %s", c.partition, c.offset, err, c.err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("groupPositions(%s, %s) = %v, %v, want %v", c.partition, c.offset, got, err, c.want)
		}
	}
}

func FuzzCompactJSON(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 2.50, "x\u00e9", null, true]}`, `"`, `{"a"`, `1e5`, `[[[]]]`, `{"a":{"b":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, err := compactJSON(raw)
		if err != nil {
			return
		}
		if twice, err := compactJSON(once); err != nil || string(twice) != string(once) {
			t.Errorf("compactJSON(%s) = %s, and of that it is %s, %v", raw, once, twice, err)
		}
	})
}

// heard is a Listener that writes down what it hears.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}
func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.lines...)
}
func (h *heard) ConnectorState(name string, s InstanceStatus) { h.add("%s %s", name, s.State) }
func (h *heard) TaskState(id TaskID, s InstanceStatus)        { h.add("%s %s", id, s.State) }
func (h *heard) TopicUsed(id TaskID, topic string)            { h.add("%s uses %s", id, topic) }
func (h *heard) TasksChanged(name string)                     { h.add("%s changed", name) }

// TestWorker: a herder that is not Standalone runs connectors and tasks apart from each other.
func TestWorker(t *testing.T) {
	changed := make(chan func())
	plugins := Plugins{
		Sources: []Source{{
			Class: "test.WatchedConnector", Version: "1.0",
			TaskConfigs: func(props map[string]string, most int) (all []map[string]string, err error) {
				for range most {
					all = append(all, props)
				}
				return all, nil
			},
			NewTask: func(map[string]string, Env) (SourceTask, error) { return new(counter), nil },
			Watch: func(ctx context.Context, _ map[string]string, tell func()) error {
				changed <- tell
				<-ctx.Done()
				return nil
			},
			Validate: func(map[string]string) (r config.Report) { return r },
		}},
		Sinks: []Sink{{Class: "test.NothingSinkConnector", Version: "1.0", NewTask: func(map[string]string, Env) (sink.Task, error) { return nil, errors.New("no sink") }}},
	}
	cfg := DefaultWorkerConfig()
	cfg.BootstrapServers = []string{"127.0.0.1:1"}
	h := new(heard)
	bench := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	w := NewWorker(cfg, plugins, bench.offsets, h, bench.log)
	w.newClients, w.newConverters = bench.worker.newClients, bench.worker.newConverters
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()

	props := map[string]string{"connector.class": "Watched", "name": "w", "tasks.max": "2"}
	if err := w.StartConnector(t.Context(), "w", props, Running); err != nil {
		t.Fatal(err)
	}
	tell := <-changed
	tell()
	if err := w.StartConnector(t.Context(), "w", props, Running); err == nil {
		t.Error("a connector was started twice")
	}
	configs, err := w.TaskConfigs(t.Context(), "w")
	if err != nil || len(configs) != 2 || configs[1]["task.class"] != "test.WatchedConnectorTask" {
		t.Fatalf("TaskConfigs = %v, %v", configs, err)
	}
	for n, c := range configs {
		if err := w.StartTask(t.Context(), TaskID{"w", n}, props, c, Paused); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.StartTask(t.Context(), TaskID{"w", 1}, props, configs[1], Running); err == nil {
		t.Error("a task was started twice")
	}
	if err := w.StartTask(t.Context(), TaskID{"other", 0}, map[string]string{"connector.class": "Gone"}, configs[0], Running); err == nil {
		t.Error("a task of an unknown class was started")
	}
	if _, err := w.TaskConfigs(t.Context(), "other"); !errors.Is(err, errNoInstance) {
		t.Errorf("TaskConfigs of a connector that does not run here = %v", err)
	}
	eventually(t, "both are paused", func() bool { return strings.Count(strings.Join(h.all(), "\n"), "PAUSED") == 2 })
	w.StopTasks(t.Context(), TaskID{"w", 0}, TaskID{"unknown", 5})
	w.SetTarget(t.Context(), "w", Paused)
	w.StopConnector(t.Context(), "w")
	w.StopConnector(t.Context(), "w")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := w.StartTask(t.Context(), TaskID{"w", 0}, props, configs[0], Running); err == nil || !strings.Contains(err.Error(), "the worker does not run") {
		t.Errorf("StartTask after the end = %v", err)
	}
	of := func(who string) (lines []string) {
		for _, l := range h.all() {
			if strings.HasPrefix(l, who+" ") {
				lines = append(lines, strings.TrimPrefix(l, who+" "))
			}
		}
		return lines
	}
	for who, want := range map[string][]string{
		"w":       {"RUNNING", "changed", "PAUSED", "UNASSIGNED"},
		"w-0":     {"PAUSED", "UNASSIGNED"},
		"w-1":     {"PAUSED", "UNASSIGNED"},
		"other-0": {"FAILED"},
	} {
		if diff := cmp.Diff(want, of(who)); diff != "" {
			t.Errorf("what was heard of %s (-want +got):\n%s", who, diff)
		}
	}
}

// collecting is a sink task that counts what it gets.
type collecting struct {
	openTask
	got chan int
}

func (c *collecting) Put(_ context.Context, records []sink.Record) error {
	c.got <- len(records)
	return nil
}

func TestPausedSinkTakesNoRecords(t *testing.T) {
	task := &collecting{openTask{open: make(map[kafka.TopicPartition]bool)}, make(chan int, 1)}
	l := newSinkLife(t, task)
	l.conv = converters{key: new(rawConverter), value: new(rawConverter), header: rawHeaders{}}
	l.pause = new(gate)
	l.pause.close()
	if _, err := l.Assigned(t.Context(), []client.Assignment{{TopicPartition: kafka.TopicPartition{Topic: "orders"}}}); err != nil {
		t.Fatal(err)
	}
	records := []kafka.Record{{Topic: "orders", Value: []byte("x")}}
	given, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Records(given, records) }()
	giveUp() // a rebalance while it is paused
	if err := <-ended; err != nil || len(task.got) > 0 || l.dirty {
		t.Errorf("Records while paused = %v, and %d batches were put, want none: another member takes them", err, len(task.got))
	}
	go func() { ended <- l.Records(t.Context(), records) }()
	select {
	case n := <-task.got:
		t.Errorf("%d records were put while paused", n)
	case <-time.After(20 * time.Millisecond):
	}
	l.pause.open()
	if err := <-ended; err != nil || <-task.got != 1 {
		t.Errorf("Records after the pause = %v", err)
	}
}
