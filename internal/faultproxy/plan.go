package faultproxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// Fault is something that happens to a network for a while.
type Fault struct {
	Name     string
	Rule     Rule
	Reset    bool  // the connections that there are are cut at the beginning
	CutAfter int64 // above 0: and the one that carries the byte behind so many more
	For      time.Duration
}

func (f Fault) String() string { return fmt.Sprintf("%s for %v", f.Name, f.For) }

// Draw makes up a fault that lasts at most longest. The same random numbers give the same fault.
func Draw(r *rand.Rand, longest time.Duration) Fault {
	lasts := func(most time.Duration) time.Duration {
		return min(most, longest).Truncate(time.Millisecond) * time.Duration(100+r.IntN(900)) / 1000
	}
	delay := time.Duration(2+r.IntN(150)) * time.Millisecond
	rate := 20_000 + r.IntN(500_000)
	after := int64(1 + r.IntN(400_000))
	switch r.IntN(10) {
	case 0:
		return Fault{Name: "reset", Reset: true}
	case 1:
		return Fault{Name: "reset and refuse", Reset: true, Rule: Rule{Refuse: true}, For: lasts(3 * time.Second)}
	case 2, 3:
		return Fault{Name: fmt.Sprintf("cut after %d bytes", after), CutAfter: after, For: lasts(10 * time.Second)}
	case 4:
		return Fault{Name: "silence", Rule: Silence, For: lasts(longest)}
	case 5:
		return Fault{Name: "nothing goes up", Rule: Rule{Up: Way{Hold: true}}, For: lasts(longest)}
	case 6:
		return Fault{Name: "nothing comes down", Rule: Rule{Down: Way{Drop: true}}, For: lasts(longest)}
	case 7:
		return Fault{Name: "reset and mute", Reset: true, Rule: Rule{Mute: true}, For: lasts(longest)}
	case 8:
		return Fault{Name: fmt.Sprintf("delay of %v", delay), Rule: Rule{Up: Way{Delay: delay}, Down: Way{Delay: delay}}, For: lasts(longest)}
	default:
		w := Way{BytesPerSecond: rate}
		return Fault{Name: fmt.Sprintf("%d bytes per second", rate), Rule: Rule{Up: w, Down: w}, For: lasts(longest)}
	}
}

// Suffer has the fault happen, and heals when its time is over or ctx ends.
func (p *Proxy) Suffer(ctx context.Context, f Fault) {
	defer p.Heal()
	if f.CutAfter > 0 {
		p.CutAfter(f.CutAfter, nil)
	}
	p.Set(f.Rule)
	if f.Reset {
		p.Reset()
	}
	pause.For(ctx, f.For)
}

// Step is a fault and when it begins, counted from the beginning of the plan.
type Step struct {
	At    time.Duration
	Fault Fault
}

// NewPlan makes faults up for a time, with gap between them on average. The same seed gives the same plan.
func NewPlan(seed uint64, length, gap, longest time.Duration) []Step {
	r := rand.New(rand.NewPCG(seed, 0))
	var plan []Step
	for at := time.Duration(0); ; {
		at += time.Duration(float64(gap) * r.ExpFloat64())
		if at >= length {
			return plan
		}
		f := Draw(r, min(longest, length-at))
		plan = append(plan, Step{At: at, Fault: f})
		at += f.For
	}
}

// Follow lives through a plan; it returns when that or ctx is at its end.
func (p *Proxy) Follow(ctx context.Context, plan []Step) {
	began := time.Now()
	for _, s := range plan {
		if !pause.For(ctx, s.At-time.Since(began)) {
			return
		}
		p.Suffer(ctx, s.Fault)
	}
}
