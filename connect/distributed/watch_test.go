package distributed

import (
	"errors"
	"maps"
	"testing"

	"github.com/tandem-cdc/tandem/connect"
)

// gone is an error that passes.
type gone struct{ error }

func (gone) Retriable() bool { return true }

// TestWatch has connectors see their work change, on the worker that leads and on the one that does not: new configurations of tasks are written and
// the tasks run with them.
func TestWatch(t *testing.T) {
	b := startBrokers(t)
	r := newRuns(t)
	one, two := startWorker(t, r, workerProps(b.addr), "one"), startWorker(t, r, workerProps(b.addr), "two")
	for _, name := range []string{"a", "b"} {
		create(t, name, 1, one, two)
	}
	r.awaitTasks(2, 2)
	awaitConnectors(t, one, "a", "b")
	r.works(3, "a", "b")
	r.awaitTasks(6, 2)
	r.works(2, "a")
	r.works(1, "b")
	r.awaitTasks(3, 2)

	r.mu.Lock()
	before := maps.Clone(r.starts)
	r.mu.Unlock()
	r.fails(gone{errors.New("the database restarts")})
	r.works(4, "a") // it is tried until it works
	r.fails(nil)
	r.await("want 4 tasks of a", func(running map[connect.TaskID]string) bool {
		return len(running) == 5 && running[connect.TaskID{Connector: "a", Task: 3}] != ""
	})
	r.works(1, "b") // nothing new
	r.works(5, "a")
	r.awaitTasks(6, 2)
	r.mu.Lock()
	if got, was := r.starts[connect.TaskID{Connector: "b"}], before[connect.TaskID{Connector: "b"}]; got > was+1 { // once, if it had to move
		t.Errorf("the task of b was started %d times after its work did not change, want it left alone or moved", got-was)
	}
	r.mu.Unlock()
	r.check()
}

// awaitConnectors waits until connectors run on both workers, one each.
func awaitConnectors(t *testing.T, w *worker, names ...string) {
	t.Helper()
	for ctx := testContext(t); ; {
		changed := w.statuses.shown.Changed()
		on := make(map[string]bool)
		for _, name := range names {
			if s, err := w.Status(name); err == nil && s.Connector.State == connect.Running {
				on[s.Connector.WorkerID] = true
			}
		}
		if len(on) == len(names) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("connectors run on %v, want one on each of %d workers", on, len(names))
		}
	}
}
