package distributed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// awaitStatus waits until a worker shows a status that is right.
func awaitStatus(t *testing.T, w *worker, name string, ok func(connect.ConnectorStatus) bool) {
	t.Helper()
	ctx := testContext(t)
	for {
		changed := w.statuses.shown.Changed()
		status, err := w.Status(name)
		if err == nil && ok(status) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("status of %s on %s is %+v, %v", name, w.name, status, err)
		}
	}
}

func allIn(state connect.State, tasks int) func(connect.ConnectorStatus) bool {
	return func(s connect.ConnectorStatus) bool {
		for _, task := range s.Tasks {
			if task.State != state {
				return false
			}
		}
		return len(s.Tasks) == tasks && s.Connector.State == state
	}
}

func TestOneWorker(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, workerProps(b.addr), "a")
	create(t, "one", 3, w)
	r.awaitTasks(3, 1)
	awaitStatus(t, w, "one", allIn(connect.Running, 3))
	info, err := w.Info(testContext(t), "one")
	if err != nil || len(info.Tasks) != 3 || info.Config["name"] != "one" || info.Kind != connect.KindSource {
		t.Errorf("Info = %+v, %v, want a source of three tasks", info, err)
	}
	w.end()
	r.awaitTasks(0, 1)
	states := make(map[string]string)
	for _, rec := range records(t, b.addr, "statuses") {
		var value struct{ State string }
		if err := json.Unmarshal(rec.Value, &value); err != nil {
			t.Fatal(err)
		}
		states[string(rec.Key)] = value.State
	}
	want := map[string]string{"status-connector-one": "UNASSIGNED", "status-task-one-0": "UNASSIGNED", "status-task-one-1": "UNASSIGNED", "status-task-one-2": "UNASSIGNED"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states after the end (-want +got):\n%s", diff)
	}
	r.check()
}

// Workers that join and leave in order: each task runs once at a time, and only what must move does.
func TestWorkersJoinAndLeave(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	a := startWorker(t, r, workerProps(b.addr), "a")
	for i := range 6 {
		create(t, fmt.Sprint("c", i), 3, a)
	}
	r.awaitTasks(18, 1)
	c := startWorker(t, r, workerProps(b.addr), "b")
	first := r.awaitTasks(18, 2)
	d := startWorker(t, r, workerProps(b.addr), "c")
	second := r.awaitTasks(18, 3)
	moved := 0
	for id, on := range second {
		if first[id] != on {
			moved++
		}
	}
	if moved != 6 {
		t.Errorf("%d tasks moved to the third worker, want its share of 6", moved)
	}
	c.end()
	third := r.awaitTasks(18, 2)
	for id, on := range second {
		if on != "b" && third[id] != on {
			t.Errorf("%s moved from %s to %s when b left", id, on, third[id])
		}
	}
	a.end() // the leader
	r.awaitTasks(18, 1)
	awaitStatus(t, d, "c0", func(s connect.ConnectorStatus) bool {
		return allIn(connect.Running, 3)(s) && s.Tasks[0].WorkerID == d.ID()
	})
	r.check()
}

// Changes of what is configured reach all workers: more tasks, fewer, others, none.
func TestConfigurationsChange(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	workers := []*worker{startWorker(t, r, workerProps(b.addr), "a"), startWorker(t, r, workerProps(b.addr), "b")}
	create(t, "x", 4, workers...)
	create(t, "y", 4, workers...)
	r.awaitTasks(8, 2)
	put := func(name string, tasks int) {
		lead(t, workers, func(h *Herder) error {
			_, created, err := h.Put(testContext(t), connect.Request{Name: name, Config: map[string]string{"connector.class": tickClass, "tasks.max": "100", "tasks": fmt.Sprint(tasks)}})
			if created {
				t.Errorf("Put of %s created it", name)
			}
			return err
		})
	}
	put("x", 7)
	r.awaitTasks(11, 2)
	put("x", 1)
	r.awaitTasks(5, 2)
	for _, w := range workers {
		awaitStatus(t, w, "x", allIn(connect.Running, 1))
	}
	lead(t, workers, func(h *Herder) error { return h.SetTarget(testContext(t), "y", connect.Stopped) })
	r.awaitTasks(1, 1)
	for _, w := range workers {
		awaitStatus(t, w, "y", allIn(connect.Stopped, 0))
	}
	if err := workers[1].SetTarget(testContext(t), "y", connect.Paused); err != nil { // on whichever worker
		t.Fatal(err)
	}
	for _, w := range workers {
		awaitStatus(t, w, "y", allIn(connect.Paused, 0))
	}
	if err := workers[0].SetTarget(testContext(t), "y", connect.Running); err != nil {
		t.Fatal(err)
	}
	r.awaitTasks(5, 2)
	lead(t, workers, func(h *Herder) error { return h.Delete(testContext(t), "y") })
	r.awaitTasks(1, 1)
	for _, w := range workers {
		ctx := testContext(t)
		for {
			changed := w.statuses.shown.Changed()
			_, err := w.Status("y")
			if len(w.statuses.shown.TaskIDs("y")) == 0 && err != nil {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("the states of a deleted connector stay on %s", w.name)
			}
		}
		if names, err := w.Names(ctx); err != nil || len(names) != 1 {
			t.Errorf("Names on %s = %q, %v, want x alone", w.name, names, err)
		}
	}
	r.check()
}

// A worker whose heartbeats nobody acknowledges stops its tasks before others get them, and comes back.
func TestWorkerIsCutOff(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	var mu sync.Mutex
	victim := "" // member id
	cut := func(id string) (any, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		if victim != "" && id == victim {
			return nil, errors.New("cut"), true
		}
		return nil, nil, false
	}
	for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.JoinGroup, kmsg.SyncGroup} {
		b.ControlKey(key.Int16(), func(q kmsg.Request) (kmsg.Response, error, bool) {
			b.KeepControl()
			id := ""
			switch q := q.(type) {
			case *kmsg.HeartbeatRequest:
				id = q.MemberID
			case *kmsg.JoinGroupRequest:
				id = q.MemberID
			case *kmsg.SyncGroupRequest:
				id = q.MemberID
			}
			_, err, handled := cut(id)
			return nil, err, handled
		})
	}
	a := startWorker(t, r, workerProps(b.addr), "a")
	create(t, "x", 6, a)
	r.awaitTasks(6, 1)
	c := startWorker(t, r, workerProps(b.addr), "b")
	r.awaitTasks(6, 2)
	for range 2 {
		for _, w := range []*worker{c, a} {
			var id string
			if err := w.tell(testContext(t), func() { id = w.place.memberID }); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			victim = id
			mu.Unlock()
			other := map[*worker]string{a: "b", c: "a"}[w]
			r.await("all tasks on "+other, func(running map[connect.TaskID]string) bool {
				for _, on := range running {
					if on != other {
						return false
					}
				}
				return len(running) == 6
			})
			mu.Lock()
			victim = ""
			mu.Unlock()
			r.awaitTasks(6, 2)
		}
	}
	r.check()
	for _, w := range []*worker{a, c} {
		if n := strings.Count(w.log.String(), "this worker may not be of its group any more"); n < 2 {
			t.Errorf("worker %s was cut off %d times, want 2", w.name, n)
		}
	}
}

// A worker whose rounds are eager stops all for each of them.
func TestEager(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	eager := func() map[string]string {
		props := workerProps(b.addr)
		props["connect.protocol"] = "eager"
		return props
	}
	a := startWorker(t, r, eager(), "a")
	create(t, "x", 5, a)
	r.awaitTasks(5, 1)
	startWorker(t, r, workerProps(b.addr), "b") // can do more, and goes along
	running := r.awaitTasks(5, 2)
	r.mu.Lock()
	starts := maps.Clone(r.starts)
	r.mu.Unlock()
	for id := range running {
		if starts[id] < 2 {
			t.Errorf("%s started %d times, want it stopped for the round", id, starts[id])
		}
	}
	if len(records(t, b.addr, "configs")) == 0 {
		t.Error("the config topic is empty")
	}
	for _, rec := range records(t, b.addr, "configs") {
		if string(rec.Key) == sessionKeyKey {
			t.Error("an eager group makes a key")
		}
	}
	r.check()
}

func TestRestarts(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	workers := []*worker{startWorker(t, r, workerProps(b.addr), "a"), startWorker(t, r, workerProps(b.addr), "b")}
	create(t, "x", 4, workers...)
	before := r.awaitTasks(4, 2)
	for _, w := range workers {
		awaitStatus(t, w, "x", allIn(connect.Running, 4))
	}
	started := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		n := 0
		for _, s := range r.starts {
			n += s
		}
		return n
	}
	n := started()
	lead(t, workers, func(h *Herder) error {
		status, err := h.Restart(testContext(t), "x", connect.Restart{IncludeTasks: true})
		if err == nil && !allIn(connect.Restarting, 4)(status) {
			t.Errorf("Restart = %+v, want all RESTARTING", status)
		}
		return err
	})
	r.await("four more starts", func(running map[connect.TaskID]string) bool {
		return started() == n+4 && maps.Equal(running, before)
	})
	for id, on := range before {
		for _, w := range workers {
			err := w.RestartTask(testContext(t), id)
			redirect := (*connect.RedirectError)(nil)
			if w.name == on {
				if err != nil {
					t.Errorf("RestartTask(%s) on %s = %v", id, w.name, err)
				}
			} else if !errors.As(err, &redirect) || redirect.URL == "" || redirect.URL == w.url() {
				t.Errorf("RestartTask(%s) on %s, which does not run it = %v, want a redirection", id, w.name, err)
			}
		}
	}
	r.await("eight starts more", func(map[connect.TaskID]string) bool {
		return started() == n+8
	})
	r.check()
}

// A worker that never reaches Kafka says that it is starting, keeps requests waiting and ends when it is told to.
func TestEndsWithoutKafka(t *testing.T) {
	props := workerProps("127.0.0.1:1")
	props["socket.connection.setup.timeout.ms"] = "500"
	w := newWorker(t, newRuns(t), props, "a")
	w.start()
	if h := w.Health(testContext(t)); h.State != connect.Starting {
		t.Errorf("Health = %+v, want starting", h)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	var refusal *connect.RefusedError
	if _, err := w.Names(ctx); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "reading the internal topics") {
		t.Errorf("Names = %v, want what the worker is at", err)
	}
	w.end()
}

// When the broker goes for good, the worker still ends in order, and its tasks have.
func TestEndsWhenKafkaIsGone(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, workerProps(b.addr), "a")
	create(t, "x", 3, w)
	r.awaitTasks(3, 1)
	b.Close()
	r.awaitTasks(0, 1) // the membership is lost
	w.end()
}
