package s3

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/sink"
)

// TestClockJumpsBack: files are finished at the times of the new clock, not an hour later, and behind a jump forwards at once.
func TestClockJumpsBack(t *testing.T) {
	s := newMemoryStore()
	clock := &testClock{at: time.Date(2024, 5, 1, 10, 7, 0, 0, time.UTC)}
	task := testTask(t, s, clock, parsed(t, "flush.size", "1000", "rotate.schedule.interval.ms", "600000", "timezone", "UTC"), assignment("t", 0, 0))
	flush := func(when string, want int64) {
		t.Helper()
		positions, err := task.Flush(t.Context())
		got := int64(-1)
		if len(positions) > 0 {
			got = positions[0].Offset
		}
		if err != nil || got != want {
			t.Errorf("%s: Flush = %v, %v, want position %d", when, positions, err, want)
		}
	}
	put(t, task, record(0, 0))
	clock.at = clock.at.Add(-time.Hour) // 9:07
	flush("put back", -1)
	clock.at = clock.at.Add(3 * time.Minute) // 9:10
	flush("at the next time of the new clock", 1)
	put(t, task, record(0, 1))
	clock.at = clock.at.Add(time.Hour) // 10:10
	flush("put forward", 2)
	put(t, task, record(0, 2))
	clock.at = clock.at.Add(-time.Hour) // 9:10
	put(t, task, record(0, 3))
	clock.at = clock.at.Add(10 * time.Minute) // 9:20
	put(t, task, record(0, 4))
	flush("put back, and ended by a record", 4)
}

// TestClockJumpsLoseNothing: the clock jumps an hour to and fro at random, and the task is made anew at times, from the position that it told last. Every record
// is in the objects once.
func TestClockJumpsLoseNothing(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 11))
		s, clock := newMemoryStore(), &testClock{at: time.UnixMilli(1_700_000_000_000)}
		config := parsed(t, "flush.size", "15", "rotate.schedule.interval.ms", "600000", "timezone", "UTC")
		const total = 150
		var next, told, end int64
		for told < total {
			task := testTask(t, s, clock, config, sink.Assignment{TopicPartition: assignment("t", 0, 0).TopicPartition, End: end, Committed: told})
			for crash := false; told < total && !crash; crash = random.IntN(12) == 0 {
				n := min(random.Int64N(8), total-next)
				if n > 0 {
					put(t, task, records(0, next, next+n)...)
				}
				next += n
				end = max(end, next)
				clock.at = clock.at.Add([]time.Duration{time.Second, time.Second, time.Minute, time.Hour, -time.Hour}[random.IntN(5)])
				if next == total {
					clock.at = clock.at.Add(11 * time.Minute)
				}
				positions, err := task.Flush(t.Context())
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for _, p := range positions {
					told = p.Offset
				}
			}
			next = told
		}
		var all strings.Builder
		for _, name := range s.names() {
			all.WriteString(s.text(name))
		}
		for n := range total {
			if got := strings.Count(all.String(), fmt.Sprintf("{\"n\":%d}\n", n)); got != 1 {
				t.Fatalf("seed %d: record %d is in the objects %d times, want once; there are %v", seed, n, got, s.names())
			}
		}
	}
}
