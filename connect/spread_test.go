package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// lanes is a source task with several source partitions, whose records lie between each other: each counts by itself. It pauses and fails at random.
type lanes struct {
	env  Env
	upto uint64 // of each partition
	rnd  *rand.Rand

	mu     sync.Mutex
	marks  []laneMark // ascending
	behind [laneCount]laneState
	given  []int // partitions of the last Offsets
}

const laneCount = 4

type laneMark struct {
	records uint64
	lane    int
	number  uint64
}

type laneState struct{ at, given, stored uint64 }

func lanePartition(lane int) []byte { return fmt.Appendf(nil, `{"lane":%d}`, lane) }

func (l *lanes) Run(ctx context.Context, out Emitter) error {
	var next [laneCount]uint64
	l.mu.Lock()
	for lane := range laneCount {
		stored, err := l.env.StoredOffset(ctx, lanePartition(lane))
		if err != nil {
			l.mu.Unlock()
			return err
		}
		var at struct{ N uint64 }
		if stored != nil {
			if err := json.Unmarshal(stored, &at); err != nil {
				l.mu.Unlock()
				return err
			}
		}
		l.behind[lane] = laneState{at.N, at.N, at.N}
		next[lane] = at.N + 1
	}
	l.mu.Unlock()
	handle, err := out.Stream("lanes", 0, nil, text, nil)
	if err != nil {
		return err
	}
	for records := uint64(1); ; records++ {
		var open []int
		for lane := range laneCount {
			if next[lane] <= l.upto {
				open = append(open, lane)
			}
		}
		if len(open) == 0 {
			break
		}
		lane := open[l.rnd.IntN(len(open))]
		_, v := out.Begin(handle)
		v.Text(fmt.Appendf(nil, "%d.%d", lane, next[lane]))
		l.mu.Lock()
		l.marks = append(l.marks, laneMark{records, lane, next[lane]})
		l.mu.Unlock()
		if err := out.End(nil); err != nil {
			return err
		}
		next[lane]++
		switch l.rnd.IntN(300) {
		case 0, 1, 2:
			if err := out.Flush(); err != nil {
				return err
			}
		case 3:
			return &storeError{errors.New("the database is away")}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// advance takes over what lies behind the first n records.
func (l *lanes) advance(n uint64) {
	for len(l.marks) > 0 && l.marks[0].records <= n {
		l.behind[l.marks[0].lane].at = l.marks[0].number
		l.marks = l.marks[1:]
	}
}

// Offset implements SourceTask: nobody asks, for there is Offsets.
func (l *lanes) Offset(uint64) (partition, offset []byte, ok bool) { panic("Offset of a SpreadSource") }

func (l *lanes) Offsets(n uint64, give func(partition, offset []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(n)
	l.given = l.given[:0]
	for lane := range l.behind {
		if s := &l.behind[lane]; s.at != s.stored {
			s.given = s.at
			l.given = append(l.given, lane)
			give(lanePartition(lane), fmt.Appendf(nil, `{"n":%d}`, s.at))
		}
	}
}

func (l *lanes) Stored(uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range l.given {
		l.behind[lane].stored = l.behind[lane].given
	}
	l.given = nil
}

var lanesID = TaskID{Connector: "lanes", Task: 0}

// checkLanes fails unless of each partition the numbers up to its stored offset, and no others, are committed once and in order.
func checkLanes(t *testing.T, addr string) (done bool) {
	t.Helper()
	var upto [laneCount]uint64
	for _, r := range readCommitted(t, addr, "offsets") {
		for lane := range laneCount {
			var at struct{ N uint64 }
			if slices.Equal(r.Key, OffsetKey("lanes", lanePartition(lane))) {
				if err := json.Unmarshal(r.Value, &at); err != nil || at.N <= upto[lane] {
					t.Fatalf("offset record %s=%s behind %d: %v", r.Key, r.Value, upto[lane], err)
				}
				upto[lane] = at.N
			}
		}
	}
	var seen [laneCount]uint64
	for _, r := range readCommitted(t, addr, "lanes") {
		first, second, _ := strings.Cut(string(r.Value), ".")
		lane, err := strconv.Atoi(first)
		n, err2 := strconv.ParseUint(second, 10, 64)
		if err != nil || err2 != nil || n != seen[lane]+1 {
			t.Fatalf("record %q is behind %d.%d: lost or there twice", r.Value, lane, seen[lane])
		}
		seen[lane] = n
	}
	if seen != upto {
		t.Fatalf("records are committed up to %d, offsets are %d", seen, upto)
	}
	return upto == [laneCount]uint64{allLanes, allLanes, allLanes, allLanes}
}

// allLanes is how many records each partition has.
const allLanes = 1500

// TestExactlyOnceOfSeveralPartitions: a source whose partitions share its transactions, such as several tables of one task, is stopped, cut off, made to
// fail and displaced: each transaction carries the newest offset of every partition whose records it holds.
func TestExactlyOnceOfSeveralPartitions(t *testing.T) {
	for _, boundary := range []string{"poll", "interval"} {
		t.Run(boundary, func(t *testing.T) {
			addr := startBroker(t)
			makeTopics(t, addr, "lanes", 1, "offsets", 5)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			var tasks atomic.Uint64
			task := func(env Env) SourceTask {
				return &lanes{env: env, upto: allLanes, rnd: rand.New(rand.NewPCG(seed, tasks.Add(1)))}
			}
			props := map[string]string{"name": "lanes", "connector.class": "test.PairsConnector", "transaction.boundary": boundary,
				"transaction.boundary.interval.ms": "30", "retriable.restart.connector.wait.ms": "1"}
			lives := 0
			for done := false; !done; lives++ {
				if lives > 200 {
					t.Fatalf("not done after %d lives", lives)
				}
				shortLives(t, addr, task, lanesID, props, rnd, nil)
				done = checkLanes(t, addr)
			}
			t.Logf("%d workers", lives)
		})
	}
}
