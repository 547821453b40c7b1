package connect

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// laddered is a task whose source says what it is told to.
type laddered struct {
	SourceTask
	waits, known bool
	moved        bool
}

func (l *laddered) Waits() (waits, known bool) { return l.waits, l.known }
func (l *laddered) Rungs() []any               { return []any{"server", "0/20", "received", "0/10"} }
func (l *laddered) Offset(uint64) (partition, offset []byte, ok bool) {
	return []byte(`{}`), []byte(`{}`), l.moved
}
func (l *laddered) Stored(uint64) { l.moved = false }

// watched is the life of a task that is watched, and what its log says.
func watched(t *testing.T, task *laddered) (*sourceLife, *strings.Builder) {
	t.Helper()
	m := testMeter(KindSource)
	m.way.after = time.Minute
	m.is(Running)
	text := new(strings.Builder)
	log := slog.New(slog.NewTextHandler(text, nil))
	return &sourceLife{sourceRunner: &sourceRunner{offsets: new(shelf), meter: m, log: log}, hard: t.Context(), task: task,
		producer: newFakeProducer(), emitter: &emitter{producer: newFakeProducer()}}, text
}

func stalledOf(t *testing.T, l *sourceLife) string {
	t.Helper()
	return figuresOf(t, l.meter)["tandem_source_stalled"+ofTask]
}

// TestTrap33StalledTask: a task that lives, whose source has changes and which stores no offset, is said to be stalled: in the log, again and again
// but more and more seldom, and in the metrics. headway protects, above all that waiting alone does not count as getting on (sourceLife.watch).
func TestTrap33StalledTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := &laddered{waits: true, known: true}
		l, text := watched(t, task)
		for range 59 {
			time.Sleep(time.Second) // of the bubble
			l.watch()
		}
		if got := stalledOf(t, l); got != "0" || text.Len() > 0 {
			t.Fatalf("after 59 s tandem_source_stalled = %s, log %q, want 0 and nothing", got, text)
		}
		for range 200 {
			time.Sleep(time.Second)
			l.watch()
		}
		if got := stalledOf(t, l); got != "1" {
			t.Errorf("after 259 s tandem_source_stalled = %s, want 1", got)
		}
		if got := strings.Count(text.String(), "the task is stalled"); got != 3 || !strings.Contains(text.String(), "for=1m0s server=0/20 received=0/10") {
			t.Errorf("the log is %q, want three lines, after 60, 120 and 240 s, with the rungs", text)
		}
		task.moved = true
		if err := l.commit(); err != nil {
			t.Fatal(err)
		}
		if got := stalledOf(t, l); got != "0" || !strings.Contains(text.String(), "the task gets on again") {
			t.Errorf("after an offset was stored tandem_source_stalled = %s, log %q, want 0 and a line", got, text)
		}
	})
}

// TestNothingWaits: an idle source, one that is paused, and one that failed are not stalled; what the task has in its hands waits without being asked.
func TestNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := &laddered{known: true}
		l, _ := watched(t, task)
		hours := func() {
			for range 100 {
				time.Sleep(time.Minute)
				l.watch()
			}
		}
		want := func(what, want string) {
			t.Helper()
			hours()
			if got := stalledOf(t, l); got != want {
				t.Errorf("%s: tandem_source_stalled = %s, want %s", what, got, want)
			}
		}
		want("idle", "0")
		task.known = false
		want("the source cannot be asked", "1")
		task.known = true
		want("idle again", "0")
		l.emitter.producer.(*fakeProducer).sent = 1
		want("a record is not acknowledged", "1")
		l.meter.is(Paused)
		want("paused", "0")
		l.meter.is(Running)
		want("resumed", "1")
		l.meter.is(Failed)
		want("failed", "0")
		l.meter.way.after = 0
		l.meter.is(Running)
		want("task.stalled.after.ms=0", "0")
	})
}

// TestTrap33FailsAgainAndAgain: a task that is started again and again, at the same place, is stalled as well: its clock outlives its lives, and goes
// on while it waits to be started (headway.is leaves it alone). Its status stays RUNNING, as Kafka Connect's does.
func TestTrap33FailsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMeter(KindSource)
		m.way.after = time.Minute
		for range 10 {
			m.is(Running)
			time.Sleep(5 * time.Second)
			m.is(restarting)
			time.Sleep(5 * time.Second)
		}
		wantFigures(t, figuresOf(t, m), map[string]string{"tandem_source_stalled" + ofTask: "1", "tandem_source_standstill_seconds" + ofTask: "100"})
		m.way.atLeast(2 * time.Minute)
		wantFigures(t, figuresOf(t, m), map[string]string{"tandem_source_stalled" + ofTask: "0"})
	})
}

// TestStateAfterRestart: a task that was started again runs, for the metrics too.
func TestStateAfterRestart(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	var failed atomic.Bool
	b.fail = func(run int, n uint64) error {
		if n == 3 && failed.CompareAndSwap(false, true) {
			return gone{errors.New("the server restarts")}
		}
		return nil
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the task was started again", func() bool { return b.runs.Load() == 2 })
	b.worker.mu.Lock()
	m := b.worker.tasks[TaskID{"count", 0}].meter
	b.worker.mu.Unlock()
	eventually(t, "it runs for the metrics", func() bool { return m.present() == Running })
}
