package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
)

// kind is a sort of fault.
type kind string

// Kinds.
const (
	killWorker      kind = "kill -9"
	freezeWorker    kind = "freeze"
	terminateWorker kind = "terminate"
	networkSource   kind = "network to the source"
	networkTarget   kind = "network to the target"
	networkKafka    kind = "network to Kafka"
	killKafka       kind = "kill -9 of Kafka"
	pauseKafka      kind = "pause of Kafka"
	crashPostgres   kind = "crash of PostgreSQL"
	endSenders      kind = "walsenders ended"
)

// kinds are drawn from: each as often as it stands here.
var kinds = []kind{
	killWorker, killWorker, killWorker, killWorker, freezeWorker, freezeWorker, terminateWorker, networkSource, networkSource, networkSource,
	networkTarget, networkTarget, networkKafka, networkKafka, networkKafka, killKafka, pauseKafka, crashPostgres, endSenders,
}

// event is a fault of a plan.
type event struct {
	at      time.Duration // from the beginning of the round
	kind    kind
	which   int // worker or capture
	lasts   time.Duration
	network faultproxy.Fault
}

func (e event) String() string {
	switch e.kind {
	case networkSource, networkTarget, networkKafka:
		return fmt.Sprintf("%s %d: %v", e.kind, e.which, e.network)
	case killKafka, pauseKafka, crashPostgres:
		return fmt.Sprintf("%s for %v", e.kind, e.lasts)
	case endSenders:
		return string(e.kind)
	}
	return fmt.Sprintf("%s of worker %d for %v", e.kind, e.which, e.lasts)
}

// longestFault is longer than a worker's place in its group lasts, and than a walsender waits for an answer.
const longestFault = 9 * time.Second

// planOf makes up the faults of a round.
func planOf(k roundKind, seed uint64, length, gap time.Duration) []event {
	if k == initialRound {
		gap *= 2 // it is to get somewhere
	}
	plan := newPlan(seed, length, gap)
	switch k {
	case initialRound:
		plan = append(plan, newStruggle(seed, length, 2)...)
	case slowRound:
		plan = append(plan, newStruggle(seed, length, 5)...)
	}
	slices.SortStableFunc(plan, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return plan
}

// newStruggle makes up faults that come in the middle of something: the network to the source is so slow that there is always more to read, and its
// connections are cut; and all workers are killed, kills times, while their way to Kafka is shut and what they have sent waits.
func newStruggle(seed uint64, length time.Duration, kills int) (plan []event) {
	r := rand.New(rand.NewPCG(seed, 2<<40))
	for which := range 2 {
		for at := time.Duration(0); at < length*3/5; {
			lasts := time.Duration(1500+r.IntN(2500)) * time.Millisecond
			rate, after := 200_000+r.IntN(500_000), int64(50_000+r.IntN(900_000))
			w := faultproxy.Way{BytesPerSecond: rate}
			plan = append(plan, event{at: at, kind: networkSource, which: which, network: faultproxy.Fault{
				Name: fmt.Sprintf("%d bytes per second, cut after %d bytes", rate, after), Rule: faultproxy.Rule{Up: w, Down: w}, CutAfter: after, For: lasts,
			}})
			at += lasts
		}
	}
	slot := length * 3 / 4 / time.Duration(kills)
	for n := range kills {
		at := time.Duration(n)*slot + slot/4 + time.Duration(r.Int64N(int64(slot/2)))
		shut := min(time.Duration(1100+r.IntN(900))*time.Millisecond, at)
		for which := range 3 {
			plan = append(plan,
				event{at: at - shut, kind: networkKafka, which: which, network: faultproxy.Fault{Name: "nothing goes up", Rule: faultproxy.Rule{Up: faultproxy.Way{Hold: true}}, For: shut}},
				event{at: at, kind: killWorker, which: which, lasts: time.Duration(1+r.IntN(800)) * time.Millisecond})
		}
	}
	return plan
}

// newPlan makes faults up for a round, with gap between their beginnings on average: they may overlap.
func newPlan(seed uint64, length, gap time.Duration) (plan []event) {
	r := rand.New(rand.NewPCG(seed, 1<<40))
	for at := time.Duration(0); ; {
		at += time.Duration(float64(gap) * min(r.ExpFloat64(), 3)).Truncate(time.Millisecond)
		if at >= length {
			return plan
		}
		longest := min(longestFault, length-at)
		within := func(most time.Duration) time.Duration {
			return time.Duration(r.Int64N(int64(min(most, longest))) + 1).Truncate(time.Millisecond)
		}
		e := event{at: at, kind: kinds[r.IntN(len(kinds))]}
		switch e.kind {
		case killWorker, terminateWorker:
			e.which, e.lasts = r.IntN(3), within(2500*time.Millisecond)
		case freezeWorker:
			e.which, e.lasts = r.IntN(3), within(longest)
		case networkSource, networkTarget:
			e.which, e.network = r.IntN(2), faultproxy.Draw(r, longest)
		case networkKafka:
			e.which, e.network = r.IntN(3), faultproxy.Draw(r, longest)
		case killKafka:
			e.lasts = within(time.Second)
		case pauseKafka:
			e.lasts = within(6 * time.Second)
		case crashPostgres:
			e.lasts = within(500 * time.Millisecond)
		}
		plan = append(plan, e)
	}
}
