package metrics

import (
	"context"
	"io"
	"sync"
	"time"
)

// Meter measures one thing. Its methods are called by several goroutines, but Sample by one.
type Meter interface {
	// Sample ends a sample and begins the next one.
	Sample(now time.Time)
	// Collect gives the figures of now.
	Collect(now time.Time, out *Out)
}

// Registry holds the meters of a process.
type Registry struct {
	// Every and Samples make a window: metrics.sample.window.ms and metrics.num.samples; 0 is their default.
	Every   time.Duration
	Samples int
	// Sets are the rules by which Write names, metrics.names.
	Sets []Set

	mu     sync.Mutex
	meters map[*entry]struct{}
}

type entry struct{ Meter }

// Add takes a meter; remove takes it out again. A nil Registry takes none.
func (r *Registry) Add(m Meter) (remove func()) {
	if r == nil {
		return func() {}
	}
	e := &entry{m}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.meters == nil {
		r.meters = make(map[*entry]struct{})
	}
	r.meters[e] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.meters, e)
	}
}

// Run has samples taken until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	ticks := time.NewTicker(r.every())
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			now := time.Now()
			for _, m := range r.all() {
				m.Sample(now)
			}
		}
	}
}

// Write writes what there is now, in Prometheus' text format.
func (r *Registry) Write(w io.Writer) error { return r.Collect().Write(w, r.Sets) }

// Collect asks all meters.
func (r *Registry) Collect() *Out {
	out, now := new(Out), time.Now()
	for _, m := range r.all() {
		m.Collect(now, out)
	}
	return out
}

func (r *Registry) all() []*entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*entry, 0, len(r.meters))
	for m := range r.meters {
		all = append(all, m)
	}
	return all
}

// Defaults of the options.
const (
	defaultEvery   = 30 * time.Second
	defaultSamples = 2
)

func (r *Registry) every() time.Duration {
	if r == nil || r.Every <= 0 {
		return defaultEvery
	}
	return r.Every
}

// NewWindowIn makes a window of the registry's size for a thing that begins now.
func NewWindowIn[S any](r *Registry) *Window[S] {
	count := defaultSamples
	if r != nil && r.Samples > 0 {
		count = r.Samples
	}
	return NewWindow[S](r.every(), count, time.Now())
}
