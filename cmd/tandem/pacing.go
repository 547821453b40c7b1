package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go's collector lets the heap grow by a share of what lives. With little alive that is a collection every few milliseconds, a dozen before the
// first record is out. So the heap may grow to leastHeap whatever lives, beyond by gcPercent. Between fairHeap and bigHeap it is half of that: what
// a source holds while its broker lags is bytes of records, which cost the collector nothing to pass and the process as much again as it
// lets them grow. Draining a million changes keeps 8 MB alive.
const (
	leastHeap = 16 << 20
	fairHeap  = 40 << 20
	bigHeap   = 64 << 20
	gcPercent = 50
	// goHeap is the least heap that Go collects at, at 100 percent; it scales with the percentage.
	goHeap = 4 << 20
)

// trimmed is how long after the start the pages of the program are given back a second time: connectors run then.
const trimmed = 2 * time.Second

// giveBackSoon is for a process that is ready to run connectors.
func giveBackSoon(log *slog.Logger) {
	trim := func() {
		if err := giveBackProgram(); err != nil {
			log.Debug("cannot give back pages of the program that are not in use", "error", err)
		}
	}
	trim()
	time.AfterFunc(trimmed, trim)
}

// paceCollector sets the share after each collection. GOGC in the environment wins.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	p := &pacer{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	p.set(percentFor(0))
	p.again()
}

// pacer belongs to the goroutine of finalizers.
type pacer struct {
	live    []metrics.Sample
	percent int
}

// percentFor is the share by which a heap with so many live bytes may grow.
func percentFor(live uint64) int {
	upTo := func(heap uint64) int { return int((heap - live) * 100 / live) }
	switch {
	case live < goHeap: // Go's least heap
		return leastHeap / goHeap * 100
	case live*(100+gcPercent)/100 < leastHeap:
		return upTo(leastHeap)
	case live*(100+gcPercent)/100 < fairHeap || live >= bigHeap:
		return gcPercent
	case live*(100+gcPercent/2)/100 < fairHeap:
		return upTo(fairHeap)
	}
	return gcPercent / 2
}

// again has look called after the next collection: an object that nothing refers to is gone then.
func (p *pacer) again() {
	runtime.SetFinalizer(new(sentinel), func(*sentinel) { p.look() })
}

// sentinel is large enough not to share its memory with other small objects, which would keep it.
type sentinel [32]byte

func (p *pacer) look() {
	metrics.Read(p.live)
	p.set(percentFor(p.live[0].Value.Uint64()))
	p.again()
}

// set tells the runtime, which stops the program for a moment, of what differs by more than a tenth.
func (p *pacer) set(percent int) {
	if differ := percent - p.percent; differ*10 > p.percent || -differ*10 > p.percent {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}
