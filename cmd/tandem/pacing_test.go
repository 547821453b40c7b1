package main

import "testing"

// TestPercentFor: the heap may always grow, never to more than half as much again beyond leastHeap, and less is never allowed for more alive.
func TestPercentFor(t *testing.T) {
	before := uint64(0)
	for live := uint64(goHeap); live < 2*bigHeap; live += 100_003 {
		percent := percentFor(live)
		goal := live + live*uint64(percent)/100
		if percent < gcPercent/2 || goal > max(leastHeap, live*(100+gcPercent)/100) {
			t.Fatalf("percentFor(%d) = %d, which lets the heap grow to %d", live, percent, goal)
		}
		if goal+goal/50 < before { // whole percents
			t.Fatalf("percentFor(%d) = %d lets the heap grow to %d, less than the %d for less alive", live, percent, goal, before)
		}
		before = goal
	}
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 400}, {8 << 20, 100}, {20 << 20, 50}, {32 << 20, 25}, {50 << 20, 25}, {64 << 20, 50}, {1 << 40, 50}} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("percentFor(%d) = %d, want %d", c.live, got, c.want)
		}
	}
}
