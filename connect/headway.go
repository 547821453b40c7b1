package connect

import (
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
)

// Laddered is a SourceTask that knows what its source still has for it. Both methods may be called by any goroutine.
type Laddered interface {
	// Waits tells whether the source, or the task, holds changes behind the stored offset. known is false while the source has not been asked.
	Waits() (waits, known bool)
	// Rungs are the steps of the task's way and how far each has come, names and positions in turn, for a line of the log.
	Rungs() []any
}

// headway notes when a task last got on: a source task when an offset was stored, a sink task when its store took something, and both when nothing waited
// for them. It outlives the lives of the task, for one
// that is started again and again and fails at the same place gets nowhere either. Its methods may be called by any goroutine.
type headway struct {
	mu     sync.Mutex    // guards what follows
	after  time.Duration // option task.stalled.after.ms; 0: it is never too long
	last   time.Time     // when it got on; zero: it is not meant to, because it is paused, has failed or was not started
	wanted time.Duration // without getting on, before it is said next
}

// atLeast makes the patience no shorter than d.
func (h *headway) atLeast(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.after > 0 && h.after < d {
		h.after, h.wanted = d, max(h.wanted, d)
	}
}

// patience is how long it may take to get on.
func (h *headway) patience() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.after
}

// is notes a state of the task.
func (h *headway) is(s State, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch s {
	case Running, restarting:
		if h.last.IsZero() {
			h.last, h.wanted = now, h.after
		}
	default:
		h.last = time.Time{}
	}
}

// gotOn notes that the task got on. after is how long it had not, if that was said; else 0.
func (h *headway) gotOn(now time.Time) (after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.IsZero() {
		return 0
	}
	if h.wanted > h.after {
		after = now.Sub(h.last)
	}
	h.last, h.wanted = now, h.after
	return after
}

// later tells whether a moment is behind the one at which the task got on last.
func (h *headway) later(at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return at.After(h.last)
}

// standstill is how long the task has not got on although it should, and whether that is too long.
func (h *headway) standstill(now time.Time) (d time.Duration, stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.IsZero() {
		return 0, false
	}
	d = now.Sub(h.last)
	return d, h.after > 0 && d >= h.after
}

// due tells that a standstill is worth a line of the log: when it has lasted long enough, then twice as long, and so on.
func (h *headway) due(now time.Time) (d time.Duration, due bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.IsZero() || h.after <= 0 || now.Sub(h.last) < h.wanted {
		return 0, false
	}
	h.wanted *= 2
	return now.Sub(h.last), true
}

// collect gives both as series of our own.
func (h *headway) collect(now time.Time, kind Kind, out *metrics.Out, labels []string) {
	d, stalled := h.standstill(now)
	out.Own("tandem_"+string(kind)+"_stalled", truth(stalled), labels...)
	out.Own("tandem_"+string(kind)+"_standstill_seconds", d.Seconds(), labels...)
}

// watch looks whether the task gets on, and says in the log when it does not. What is in the task's hands, or in the producer's, waits.
func (l *sourceLife) watch() {
	l.stall.watch(l.producer, l.log)
	if l.meter == nil {
		return
	}
	waits, known := l.store.count > 0 || l.emitter.polled() > l.emitter.acked(), true
	laddered, some := l.task.(Laddered)
	if some && !waits {
		waits, known = laddered.Waits()
	}
	if known && !waits {
		l.meter.gotOn(l.log)
		return
	}
	if d, due := l.meter.way.due(time.Now()); due {
		args := []any{"for", d.Round(time.Second)}
		if some {
			args = append(args, laddered.Rungs()...)
		}
		l.log.Warn("the task is stalled: its source has changes for it, and no offset was stored for some time. It waits at the first position that is behind the one before", args...)
	}
}

// patient makes the patience no shorter than d: between two looks nobody knows.
func (m *taskMeter) patient(d time.Duration) {
	if m != nil {
		m.way.atLeast(d)
	}
}

// gotOn notes that the task got on, and says so if it was said that it did not.
func (m *taskMeter) gotOn(log *slog.Logger) {
	if m != nil {
		m.gotOnAt(time.Now(), log)
	}
}

func (m *taskMeter) gotOnAt(at time.Time, log *slog.Logger) {
	if after := m.way.gotOn(at); after > 0 {
		log.Info("the task gets on again", "after", after.Round(time.Second))
	}
}
