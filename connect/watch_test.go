package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// tables is what a source divides its work by, as far as it says so itself.
type tables struct {
	count atomic.Int32
	fault atomic.Pointer[error] // of dividing
	tell  chan func()           // maker: newTables; sender: Watch; receiver: the test; never closed; bound: 8
	ended atomic.Int32          // Watches that have
}

func newTables(n int32) *tables {
	t := &tables{tell: make(chan func(), 8)}
	t.count.Store(n)
	return t
}

func (t *tables) fails(err error) { t.fault.Store(&err) }

// on makes a source divide its work by tables, one task for each.
func (t *tables) on(s *Source) {
	s.TaskConfigs = func(props map[string]string, _ int) (all []map[string]string, err error) {
		if fault := t.fault.Load(); fault != nil && *fault != nil {
			return nil, *fault
		}
		for n := range t.count.Load() {
			c := maps.Clone(props)
			c["table"] = fmt.Sprint(n)
			all = append(all, c)
		}
		return all, nil
	}
	s.Watch = func(ctx context.Context, _ map[string]string, changed func()) error {
		t.tell <- changed
		<-ctx.Done()
		t.ended.Add(1)
		return nil
	}
}

// gone is an error that passes.
type gone struct{ error }

func (gone) Retriable() bool { return true }

// TestWatch has a connector see its work change: its tasks are made anew, and only then.
func TestWatch(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	tables := newTables(1)
	tables.on(&b.worker.plugins.Sources[0])
	b.start(t)
	req := counterConfig()
	req.Config["tasks.max"] = "9"
	if _, err := b.Create(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	changed := <-tables.tell
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	changed() // to what it is
	tables.count.Store(3)
	changed()
	waitStates(t, b, "count", "RUNNING 0:RUNNING 1:RUNNING 2:RUNNING")
	eventually(t, "three tasks were made beside the first", func() bool { return b.runs.Load() >= 4 })
	if tasks, err := b.Tasks(t.Context(), "count"); err != nil || len(tasks) != 3 || tasks[2].Config["table"] != "2" {
		t.Errorf("Tasks = %v, %v; want three, one for each table", tasks, err)
	}
	changed()

	tables.fails(gone{errors.New("the database restarts")})
	tables.count.Store(2)
	changed()
	tables.fails(nil) // nobody tells of that
	waitStates(t, b, "count", "RUNNING 0:RUNNING 1:RUNNING")
	eventually(t, "two tasks were made", func() bool { return b.runs.Load() >= 6 })

	tables.fails(errors.New("no such schema"))
	changed()
	waitStates(t, b, "count", "FAILED 0:RUNNING 1:RUNNING")
	tables.fails(nil)
	changed()
	waitStates(t, b, "count", "RUNNING 0:RUNNING 1:RUNNING")

	if err := b.SetTarget(t.Context(), "count", Paused); err != nil {
		t.Fatal(err)
	}
	tables.count.Store(1)
	changed()
	waitStates(t, b, "count", "PAUSED 0:PAUSED 1:PAUSED")
	if err := b.SetTarget(t.Context(), "count", Running); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	eventually(t, "one task was made", func() bool { return b.runs.Load() >= 7 })
	if got := b.runs.Load(); got != 7 {
		t.Errorf("%d tasks were made, want 7: 1, 3, 2 and 1", got)
	}

	if err := b.Delete(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	if tables.ended.Load() != 1 {
		t.Error("Watch runs on after the connector was deleted")
	}
	changed()
}

// TestWorkThatCannotBeDividedYet creates a connector whose database does not answer yet: its tasks come by themselves.
func TestWorkThatCannotBeDividedYet(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	tables := newTables(2)
	tables.on(&b.worker.plugins.Sources[0])
	tables.fails(gone{errors.New("the database starts")})
	b.start(t)
	req := counterConfig()
	req.Config["tasks.max"] = "9"
	if info, err := b.Create(t.Context(), req); err != nil || len(info.Tasks) != 0 {
		t.Fatalf("Create = %v, %v, want a connector without tasks", info, err)
	}
	waitStates(t, b, "count", "RUNNING")
	tables.fails(nil)
	waitStates(t, b, "count", "RUNNING 0:RUNNING 1:RUNNING")
}
