//go:build integration

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

var (
	fleetConnectors = flag.Int("workers-connectors", 30, "how many connectors the workers share")
	fleetMinutes    = flag.Float64("workers-minutes", 0, "how long workers are killed, stopped and cut off at random, after each of that was done once")
	fleetSeed       = flag.Uint64("workers-seed", uint64(time.Now().UnixNano()), "seed of what happens to them")
)

// TestIntegrationWorkers has three worker processes share connectors on a real Kafka while one is killed with signal 9, all are restarted one by
// one, one is cut off from the network, each behind a proxy of its own, and one is frozen for longer than its place in the group lasts. The logs of
// all workers must show that no task ever ran twice at a time, and the topic must hold every line of every file.
func TestIntegrationWorkers(t *testing.T) {
	f := newFleet(t, *fleetConnectors)
	f.phase("start", func() {
		for _, w := range f.workers {
			w.start()
		}
		f.create()
	})
	f.phase("kill -9", func() {
		f.workers[1].kill9()
		f.waitRunning(f.others(f.workers[1])...)
		f.workers[1].start()
	})
	f.phase("rolling restart", func() {
		for _, w := range f.workers {
			w.terminate()
			w.start()
			f.waitRunning(f.workers...)
		}
	})
	f.phase("network cut", func() {
		w := f.workers[2]
		f.broker.Proxy(2).Hold()
		f.waitRunning(f.others(w)...)
		f.broker.Proxy(2).Heal()
	})
	for _, leads := range []bool{false, true} {
		w := f.leading(leads)
		f.phase(map[bool]string{false: "freeze", true: "freeze leader"}[leads], func() {
			w.freeze()
			f.waitRunning(f.others(w)...)
			w.thaw()
		})
	}
	f.mayhem()
	f.stopLoad()
	f.checkLines()
	for _, w := range f.workers {
		w.terminate()
	}
	f.checkLogs()
}

// fleet is workers in processes of their own, and what they have in common.
type fleet struct {
	*testing.T
	dir, binary string
	broker      *jvmserver.Kafka
	workers     []*fleetWorker
	connectors  int
	rand        *rand.Rand
	load        context.CancelFunc
	loaded      sync.WaitGroup

	mu    sync.Mutex // guards lines
	lines map[string]bool
}

// fleetWorker is one of them. Every process of it has a log of its own.
type fleetWorker struct {
	*fleet
	number int
	port   int
	cmd    *exec.Cmd
	logs   []*fleetLog
	log    *os.File
}

type fleetLog struct {
	path   string
	killed time.Time // with signal 9; zero: it ended by itself
	frozen []freeze
}

// freeze is when a process stood still; zero: it does yet.
type freeze struct{ from, to time.Time }

const (
	fleetTopic   = "fleet"
	fleetDelay   = 4 * time.Second
	fleetSession = 3 * time.Second
)

func newFleet(t *testing.T, connectors int) *fleet {
	t.Logf("seed %d: replay with -workers-seed %d", *fleetSeed, *fleetSeed)
	broker, err := jvmserver.StartKafka(t.Context(), jvmserver.KafkaOptions{Proxies: 3, Config: map[string]string{"group.min.session.timeout.ms": "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fleet{T: t, dir: t.TempDir(), broker: broker, connectors: connectors, rand: rand.New(rand.NewPCG(*fleetSeed, 0)), lines: make(map[string]bool)}
	f.binary = filepath.Join(f.dir, "tandem")
	if out, err := exec.Command("go", "build", "-o", f.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for i := range 3 {
		port, err := jvmserver.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		f.workers = append(f.workers, &fleetWorker{fleet: f, number: i, port: port})
	}
	t.Cleanup(func() {
		for _, w := range f.workers {
			w.kill9()
		}
		if t.Failed() {
			f.showLogs()
		}
	})
	return f
}

func (f *fleet) showLogs() {
	for _, w := range f.workers {
		for _, l := range w.logs {
			text, _ := os.ReadFile(l.path)
			f.Logf("end of %s:\n%s", filepath.Base(l.path), text[max(0, len(text)-6000):])
		}
	}
}

func (f *fleet) others(not *fleetWorker) (all []*fleetWorker) {
	for _, w := range f.workers {
		if w != not {
			all = append(all, w)
		}
	}
	return all
}

// leading is a worker that leads the group, or one that does not.
func (f *fleet) leading(leads bool) *fleetWorker {
	f.Helper()
	var leader string // as of the newest line of any log that names one
	var newest time.Time
	for _, w := range f.workers {
		text, err := os.ReadFile(w.logs[len(w.logs)-1].path)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if at, err := time.Parse(time.RFC3339Nano, field(line, "time")); err == nil && strings.Contains(line, " leader=") && at.After(newest) {
				newest, leader = at, field(line, "leader")
			}
		}
	}
	for _, w := range f.workers {
		if strings.HasSuffix(leader, fmt.Sprintf(":%d/", w.port)) == leads {
			return w
		}
	}
	f.Fatalf("no worker with leads=%v: the leader is %q", leads, leader)
	return nil
}

// phase does something to the workers and waits until all tasks run, level. It says how long tasks were without a worker, and how many moved.
func (f *fleet) phase(name string, do func()) {
	f.Helper()
	before := f.owners(time.Now())
	began := time.Now()
	do()
	f.waitRunning(f.workers...)
	took := time.Since(began)
	moved := 0
	after := f.owners(time.Now())
	for task, worker := range before {
		if after[task] != worker {
			moved++
		}
	}
	idle := f.idle(began, time.Now())
	f.Logf("%-16s %5.1f s; %d of %d tasks moved; without a worker: %d tasks, %.1f s at the longest, %.1f s on average",
		name, took.Seconds(), moved, len(after), len(idle), slices.Max(append(idle, 0)), mean(idle))
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, x := range list {
		sum += x
	}
	return sum / float64(max(len(list), 1))
}

// mayhem does all of it at random.
func (f *fleet) mayhem() {
	if *fleetMinutes == 0 {
		return
	}
	until := time.Now().Add(time.Duration(*fleetMinutes * float64(time.Minute)))
	for n := 1; time.Now().Before(until); n++ {
		i := f.rand.IntN(len(f.workers))
		w := f.workers[i]
		away := time.Duration(f.rand.IntN(9000)) * time.Millisecond
		switch f.rand.IntN(5) {
		case 0:
			f.phase(fmt.Sprintf("%d: kill %d", n, i), func() { w.kill9(); pauseFor(f, away); w.start() })
		case 1:
			f.phase(fmt.Sprintf("%d: stop %d", n, i), func() { w.terminate(); pauseFor(f, away); w.start() })
		case 2:
			f.phase(fmt.Sprintf("%d: cut %d", n, i), func() { f.broker.Proxy(i).Hold(); pauseFor(f, away); f.broker.Proxy(i).Heal() })
		case 3:
			j := (i + 1) % len(f.workers)
			f.phase(fmt.Sprintf("%d: kill %d cut %d", n, i, j), func() {
				w.kill9()
				f.broker.Proxy(j).Hold()
				pauseFor(f, away)
				f.broker.Proxy(j).Heal()
				w.start()
			})
		case 4:
			f.phase(fmt.Sprintf("%d: freeze %d", n, i), func() { w.freeze(); pauseFor(f, away); w.thaw() })
		}
	}
}

// pauseFor lets what was done last.
func pauseFor(f *fleet, d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.Context().Done():
	}
}

func (w *fleetWorker) start() {
	w.Helper()
	props := filepath.Join(w.dir, fmt.Sprintf("worker%d.properties", w.number))
	text := fmt.Sprintf(`bootstrap.servers=%s
group.id=fleet
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic=fleet-configs
offset.storage.topic=fleet-offsets
status.storage.topic=fleet-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.flush.interval.ms=1000
listeners=http://127.0.0.1:%d
session.timeout.ms=%d
heartbeat.interval.ms=500
scheduled.rebalance.max.delay.ms=%d
`, w.broker.Proxy(w.number).Addr(), w.port, fleetSession.Milliseconds(), fleetDelay.Milliseconds())
	if err := os.WriteFile(props, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.dir, fmt.Sprintf("worker%d-%d.log", w.number, len(w.logs)))
	log, err := os.Create(path)
	if err != nil {
		w.Fatal(err)
	}
	w.cmd = exec.Command(w.binary, "distributed", props)
	w.cmd.Stderr = log
	if err := w.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.log = log
	w.logs = append(w.logs, &fleetLog{path: path})
}

func (w *fleetWorker) kill9() {
	if w.cmd == nil {
		return
	}
	_ = w.cmd.Process.Signal(syscall.SIGCONT) // in case it is frozen
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.logs[len(w.logs)-1].killed = time.Now()
	w.log.Close()
	w.cmd = nil
}

// freeze has it stand still.
func (w *fleetWorker) freeze() {
	w.Helper()
	l := w.logs[len(w.logs)-1]
	l.frozen = append(l.frozen, freeze{from: time.Now()})
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		w.Fatal(err)
	}
}

// thaw has it go on, and waits until it has stopped what it has lost.
func (w *fleetWorker) thaw() {
	w.Helper()
	l := w.logs[len(w.logs)-1]
	z := &l.frozen[len(l.frozen)-1]
	z.to = time.Now().Truncate(time.Millisecond) // as the log has it: a worker that stops its tasks at once does it not before
	if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		w.Fatal(err)
	}
	if z.to.Sub(z.from) <= fleetSession {
		return
	}
	unaware := func(x life) bool { return x.from.Before(z.from) && x.to.IsZero() }
	for deadline := z.to.Add(10 * wakesWithin); slices.ContainsFunc(w.livesIn(w, l), unaware); pauseFor(w.fleet, 20*time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("worker %d was frozen for %v and still runs its tasks %v later", w.number, z.to.Sub(z.from), time.Since(z.to))
		}
	}
}

// terminate stops it in order.
func (w *fleetWorker) terminate() {
	w.Helper()
	if w.cmd == nil {
		return
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	if err := w.cmd.Wait(); err != nil {
		w.Errorf("worker %d: %v after SIGTERM, want exit code 0", w.number, err)
	}
	w.log.Close()
	w.cmd = nil
}

func (w *fleetWorker) call(method, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path), bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// create makes the connectors, each through another worker, and begins to append lines to their files.
func (f *fleet) create() {
	for i := range f.connectors {
		name := fmt.Sprintf("file%03d", i)
		file := filepath.Join(f.dir, name+".txt")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			f.Fatal(err)
		}
		body := map[string]any{"name": name, "config": map[string]string{"connector.class": "FileStreamSource", "file": file, "topic": fleetTopic}}
		deadline := time.Now().Add(time.Minute)
		for {
			status, answer, err := f.workers[i%len(f.workers)].call(http.MethodPost, "/connectors", body)
			if err == nil && (status == http.StatusCreated || status == http.StatusConflict && strings.Contains(string(answer), "already exists")) {
				break
			}
			if time.Now().After(deadline) {
				f.Fatalf("create %s: %d %s %v", name, status, answer, err)
			}
			pauseFor(f, 100*time.Millisecond)
		}
	}
	ctx, stop := context.WithCancel(f.Context())
	f.load = stop
	f.loaded.Go(func() { f.append(ctx) })
}

// append writes lines into the files, one after the other.
func (f *fleet) append(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		name := fmt.Sprintf("file%03d", n%f.connectors)
		line := fmt.Sprintf("%s line %d", name, n)
		file, err := os.OpenFile(filepath.Join(f.dir, name+".txt"), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprintln(file, line)
			err = cmp.Or(err, file.Close())
		}
		if err != nil {
			f.Error(err)
			return
		}
		f.mu.Lock()
		f.lines[line] = true
		f.mu.Unlock()
	}
}

func (f *fleet) stopLoad() {
	f.load()
	f.loaded.Wait()
}

// waitRunning waits until these workers run all tasks, level among them.
func (f *fleet) waitRunning(workers ...*fleetWorker) {
	f.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		load := make(map[string]int)
		total := 0
		for _, worker := range f.owners(time.Now()) {
			load[worker]++
			total++
		}
		counts := slices.Collect(maps.Values(load))
		if total == f.connectors && len(load) == min(len(workers), total) && slices.Max(counts)-slices.Min(counts) <= 1 {
			return
		}
		if time.Now().After(deadline) {
			f.Fatalf("%d tasks of %d run, by worker %v; want them level on %d workers", total, f.connectors, load, len(workers))
		}
		pauseFor(f, 100*time.Millisecond)
	}
}

// life is a task's time on a worker.
type life struct {
	task, worker string
	from, to     time.Time // to is zero while it runs
}

// lives are what the logs tell.
func (f *fleet) lives() (all []life) {
	for _, w := range f.workers {
		for _, l := range w.logs {
			all = append(all, f.livesIn(w, l)...)
		}
	}
	slices.SortFunc(all, func(a, b life) int { return cmp.Or(cmp.Compare(a.task, b.task), a.from.Compare(b.from)) })
	return all
}

func (f *fleet) livesIn(w *fleetWorker, l *fleetLog) (all []life) {
	text, err := os.ReadFile(l.path)
	if err != nil {
		f.Fatal(err)
	}
	open := make(map[string]int)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		begins, ends := strings.Contains(line, `msg="started the task"`), strings.Contains(line, `msg="stopped the task"`)
		if !begins && !ends {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, field(line, "time"))
		if err != nil {
			f.Fatalf("%s: %v in %s", l.path, err, line)
		}
		task := field(line, "connector") + "-" + field(line, "task")
		if begins {
			open[task] = len(all)
			all = append(all, life{task, strconv.Itoa(w.number), at, time.Time{}})
		} else if i, runs := open[task]; runs {
			all[i].to = at
			delete(open, task)
		}
	}
	for _, i := range open {
		all[i].to = l.killed
	}
	for i := range all {
		all[i].freeze(l.frozen)
	}
	return all
}

// wakesWithin is how long a worker that was frozen may take to stop its tasks: they are the first thing that it sees to.
const wakesWithin = time.Second

// freeze ends a life with the freeze in which its worker lost its place: frozen, a task does nothing, and it is stopped as soon as its worker is not.
// One that goes on after that for longer is left as it is, so that it shows beside the next one.
func (l *life) freeze(frozen []freeze) {
	for _, z := range frozen {
		if l.from.Before(z.from) && z.to.IsZero() && time.Since(z.from) > fleetSession/2 { // others will run it
			l.to = z.from
		}
		if l.from.Before(z.from) && !z.to.IsZero() && !l.to.Before(z.to) && l.to.Before(z.to.Add(wakesWithin)) {
			l.to = z.from
		}
	}
}

// field is the value of a name in a line of the log.
func field(line, name string) string {
	_, rest, _ := strings.Cut(line, name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.Trim(value, `"`)
}

// owners are who runs each task at a time.
func (f *fleet) owners(at time.Time) map[string]string {
	owners := make(map[string]string)
	for _, l := range f.lives() {
		if !l.from.After(at) && (l.to.IsZero() || l.to.After(at)) {
			owners[l.task] = l.worker
		}
	}
	return owners
}

// idle is how many seconds each task was without a worker between two times, for those that were, and had one before.
func (f *fleet) idle(from, to time.Time) []float64 {
	sum := make(map[string]float64)
	last := make(map[string]time.Time)
	for _, l := range f.lives() {
		if end, had := last[l.task]; had && l.from.After(from) && l.from.Before(to) && l.from.After(end) {
			sum[l.task] += l.from.Sub(end).Seconds()
		}
		last[l.task] = l.to
	}
	return slices.Sorted(maps.Values(sum))
}

// checkLogs looks for tasks that ran twice at a time.
func (f *fleet) checkLogs() {
	f.Helper()
	all := f.lives()
	for i, l := range all {
		if i == 0 || all[i-1].task != l.task {
			continue
		}
		if before := all[i-1]; before.to.IsZero() || l.from.Before(before.to) {
			f.Errorf("task %s ran twice: on worker %s from %s to %s, and on worker %s from %s", l.task, before.worker,
				before.from.Format(time.StampMilli), before.to.Format(time.StampMilli), l.worker, l.from.Format(time.StampMilli))
		}
	}
	f.Logf("%d lives of %d tasks, none beside another", len(all), f.connectors)
}

// checkLines reads the topic until it has every line.
func (f *fleet) checkLines() {
	f.Helper()
	c := client.DefaultConfig(client.ForConsumer)
	c.Brokers = []string{f.broker.Addr()}
	missing := maps.Clone(f.lines)
	count, ctx := 0, f.Context()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := client.Read(ctx, c, client.Reading{Topic: fleetTopic, From: client.FromBeginning}, func(r *kafka.Record) error {
		count++
		if delete(missing, string(r.Value)); len(missing) == 0 {
			return io.EOF
		}
		return nil
	})
	if err != io.EOF {
		f.Fatalf("%d of %d lines are not in the topic: %v, such as %q", len(missing), len(f.lines), err, slices.Sorted(maps.Keys(missing))[0])
	}
	f.Logf("%d lines, %d records: %d were sent again", len(f.lines), count, count-len(f.lines))
}
