package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/torture/history"
)

func TestPlanIsTheSeeds(t *testing.T) {
	plan := func(seed uint64) string {
		text := ""
		for _, e := range newPlan(seed, 10*time.Minute, 2*time.Second) {
			text += fmt.Sprintln(e.at, e)
		}
		return text
	}
	if diff := cmp.Diff(plan(7), plan(7)); diff != "" {
		t.Errorf("two plans of a seed differ:\n%s", diff)
	}
	if plan(7) == plan(8) {
		t.Error("the plans of seeds 7 and 8 are the same")
	}
	drawn := make(map[kind]bool)
	const length = 10 * time.Minute
	for _, e := range newPlan(7, length, 2*time.Second) {
		drawn[e.kind] = true
		if e.at >= length || e.lasts > longestFault || e.network.For > longestFault {
			t.Errorf("%v at %v: want it within %v and no longer than %v", e, e.at, length, longestFault)
		}
	}
	for _, k := range kinds {
		if !drawn[k] {
			t.Errorf("ten minutes have no %s", k)
		}
	}
	if seedOf(1, 1) == seedOf(1, 2) || seedOf(1, 1) == seedOf(2, 1) {
		t.Error("seeds of rounds are not the seed's and the round's")
	}
}

// Rounds with a struggle have all workers killed while their way to Kafka is shut.
func TestPlansOfRounds(t *testing.T) {
	const length = 25 * time.Second
	for kind, kills := range map[roundKind]int{streamRound: 0, incrementalRound: 0, initialRound: 2, slowRound: 5} {
		plan := planOf(kind, 7, length, time.Hour) // without other faults
		if diff := cmp.Diff(fmt.Sprint(plan), fmt.Sprint(planOf(kind, 7, length, time.Hour))); diff != "" {
			t.Errorf("%s: two plans of a seed differ:\n%s", kind, diff)
		}
		killed, cuts := make(map[int]int), 0
		for i, e := range plan {
			if i > 0 && e.at < plan[i-1].at || e.at < 0 || e.at+e.network.For > length {
				t.Errorf("%s: %v at %v is out of its order, or not within %v", kind, e, e.at, length)
			}
			switch {
			case e.kind == killWorker:
				killed[e.which]++
				if !slices.ContainsFunc(plan, func(o event) bool { return o.kind == networkKafka && o.which == e.which && o.at+o.network.For == e.at }) {
					t.Errorf("%s: %v at %v, and its way to Kafka is not shut up to then", kind, e, e.at)
				}
			case e.network.CutAfter > 0 && e.kind == networkSource:
				cuts++
			}
		}
		for which := range 3 {
			if killed[which] != kills {
				t.Errorf("%s: worker %d is killed %d times, want %d", kind, which, killed[which], kills)
			}
		}
		if (cuts > 4) != (kills > 0) {
			t.Errorf("%s: %d connections to the source are cut", kind, cuts)
		}
	}
}

func TestParse(t *testing.T) {
	if o, err := parse([]string{"-minutes", "2", "-seed", "7"}); err != nil || o.minutes != 2 || o.seed != 7 {
		t.Errorf("parse = %+v, %v", o, err)
	}
	if o, err := parse(nil); err != nil || o.seed == 0 {
		t.Errorf("parse without a seed = %+v, %v, want one drawn", o, err)
	}
	if o, err := parse([]string{"-rounds", "slow,initial"}); err != nil || !slices.Equal(o.rounds, []roundKind{slowRound, initialRound}) {
		t.Errorf("parse = %v, %v, want slow and initial", o.rounds, err)
	}
	for _, args := range [][]string{{"-rounds", "slow,quick"}, {"-sessions", "0"}, {"more"}, {"-sabotage", "x", "-tandem", "y"}, {"-no"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%q) = nil, want an error", args)
		}
	}
}

// A sabotage that does not fit the sources any more would prove nothing.
func TestSabotagesFit(t *testing.T) {
	names, err := sabotages("..")
	if err != nil || len(names) < 10 {
		t.Fatalf("there are the sabotages %q, %v, want ten at least", names, err)
	}
	for _, name := range names {
		s, err := readSabotage("..", name)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := s.sabotaged(".."); err != nil {
			t.Error(err)
		}
	}
}

func TestCaught(t *testing.T) {
	s := sabotage{kinds: []string{"lost", "diverged"}}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {fmt.Errorf("no broker"), false}, {fmt.Errorf("round 1: %w", &verdictError{}), false},
		{&verdictError{[]history.Verdict{{Kind: history.Doubled}}}, false}, {errors.Join(errors.New("stopped"), &verdictError{[]history.Verdict{{Kind: history.Lost}}}), true},
	} {
		if _, got := s.caught(tt.err); got != tt.want {
			t.Errorf("caught(%v) = %t, want %t", tt.err, got, tt.want)
		}
	}
	hopeless := fmt.Errorf("round 1: %w", &hopelessError{"a connector"})
	if said, ok := s.caught(hopeless); ok {
		t.Errorf("caught(%v) = %q, true, where that is not expected", hopeless, said)
	}
	s.kinds = append(s.kinds, stuck)
	if said, ok := s.caught(hopeless); !ok || said != "a connector" {
		t.Errorf("caught(%v) = %q, %t, want what it says", hopeless, said, ok)
	}
	if said, ok := s.caught(errors.New("no broker")); ok {
		t.Errorf("caught of another error = %q, true", said)
	}
}
