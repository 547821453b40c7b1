package distributed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cluster is a group in which rounds are played: what members hold changes as the leader's divisions say.
type cluster struct {
	t          *testing.T
	clock      time.Time
	balancer   *balancer
	configured units
	members    map[string]units
	generation int32
	last       int32
	delay      time.Duration
	moved      int // units taken from a member that stayed
}

func newCluster(t *testing.T, maxDelay time.Duration, connectors, tasks int, members ...string) *cluster {
	c := &cluster{t: t, clock: time.Unix(0, 0), configured: make(units), members: make(map[string]units), last: -1}
	c.balancer = newBalancer(maxDelay, func() time.Time { return c.clock })
	c.configure(connectors, tasks)
	for _, m := range members {
		c.members[m] = make(units)
	}
	return c
}

func (c *cluster) configure(connectors, tasks int) {
	for i := range connectors {
		name := fmt.Sprintf("c%03d", i)
		for task := connectorTask; task < tasks; task++ {
			c.configured[unit{Connector: name, Task: task}] = struct{}{}
		}
	}
}

// round plays one; synced is false when no member hears of the outcome.
func (c *cluster) round(synced bool) division {
	c.t.Helper()
	c.generation++
	current := make(map[string]units)
	for id, has := range c.members {
		current[id] = maps.Clone(has)
	}
	d := c.balancer.divide(c.configured, current, slices.Min(slices.Collect(maps.Keys(current))), c.generation, c.last)
	c.check(current, d)
	if !synced {
		return d
	}
	c.last, c.delay = c.generation, d.delay
	for id, has := range c.members {
		for x := range d.revoked[id] {
			if c.configured.has(x) {
				c.moved++
			}
			delete(has, x)
		}
	}
	for id, has := range c.members {
		maps.Copy(has, d.assigned[id])
	}
	return d
}

// check holds a division against the rules that hold for each.
func (c *cluster) check(current map[string]units, d division) {
	c.t.Helper()
	owner := make(map[unit]string)
	for id, has := range current {
		for x := range has {
			owner[x] = id
		}
	}
	given := make(map[unit]string)
	for id, list := range d.assigned {
		if _, member := current[id]; !member {
			c.t.Fatalf("%q is assigned work and no member", id)
		}
		for x := range list {
			if other, taken := owner[x]; taken {
				c.t.Fatalf("%s is assigned to %s while %s has it", x, id, other)
			}
			if other, twice := given[x]; twice {
				c.t.Fatalf("%s is assigned to %s and to %s", x, id, other)
			}
			if !c.configured.has(x) {
				c.t.Fatalf("%s is assigned and not configured", x)
			}
			given[x] = id
		}
	}
	for id, list := range d.revoked {
		for x := range list {
			if !current[id].has(x) {
				c.t.Fatalf("%s is revoked from %s, which does not have it", x, id)
			}
		}
	}
}

// settle plays rounds, with the delays between them, until one changes nothing, and checks that all runs once and level.
func (c *cluster) settle() {
	c.t.Helper()
	for n := 0; ; n++ {
		d := c.round(true)
		quiet := d.delay == 0
		for id := range c.members {
			quiet = quiet && len(d.assigned[id])+len(d.revoked[id]) == 0
		}
		if quiet {
			break
		}
		if n > 30 {
			c.t.Fatalf("not settled after %d rounds: %+v", n, d)
		}
		c.clock = c.clock.Add(d.delay)
	}
	seen := make(units)
	loads := [2][]int{}
	for _, has := range c.members {
		var n [2]int
		for x := range has {
			if seen.has(x) {
				c.t.Fatalf("%s runs twice", x)
			}
			seen[x] = struct{}{}
			n[kindOf(x)]++
		}
		loads[0], loads[1] = append(loads[0], n[0]), append(loads[1], n[1])
	}
	if diff := cmp.Diff(c.configured, seen); diff != "" {
		c.t.Fatalf("what runs (-configured +runs):\n%s", diff)
	}
	for _, l := range loads {
		if slices.Max(l)-slices.Min(l) > 1 {
			c.t.Fatalf("loads %v differ by more than one", loads)
		}
	}
}

func (c *cluster) leave(id string) units {
	has := c.members[id]
	delete(c.members, id)
	return has
}

func TestBalanceMovesOnlyWhatMust(t *testing.T) {
	c := newCluster(t, time.Minute, 30, 3, "a", "b")
	c.settle()
	if c.moved != 0 {
		t.Errorf("%d units moved at the start, want none", c.moved)
	}
	c.members["c"] = make(units)
	c.settle()
	if want := 30/3 + 90/3; c.moved != want {
		t.Errorf("%d units moved for a third worker, want its share of %d", c.moved, want)
	}
	c.moved = 0
	delete(c.configured, unit{Connector: "c000", Task: 0})
	c.configured[unit{Connector: "new", Task: connectorTask}] = struct{}{}
	c.settle()
	if c.moved > 1 {
		t.Errorf("%d units moved for one that went and one that came, want at most one", c.moved)
	}
}

func TestBalanceKeepsWorkForWhoComesBack(t *testing.T) {
	for name, back := range map[string]string{"the same member": "b", "another member": "d"} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 5*time.Minute, 30, 3, "a", "b", "c")
			c.settle()
			had := c.leave("b")
			d := c.round(true)
			if d.delay != 5*time.Minute || len(d.assigned["a"])+len(d.assigned["c"]) > 0 {
				t.Errorf("division %+v after a worker left, want a delay of 5 m and nothing assigned", d)
			}
			c.clock = c.clock.Add(10 * time.Second)
			c.members[back] = make(units)
			d = c.round(true)
			if diff := cmp.Diff(had, d.assigned[back]); diff != "" || d.delay != 0 {
				t.Errorf("delay %v and assigned to who came (-what left +assigned):\n%s", d.delay, diff)
			}
			c.settle()
			if c.moved != 0 {
				t.Errorf("%d units moved, want none", c.moved)
			}
		})
	}
}

func TestBalanceWaitsForAllThatLeft(t *testing.T) {
	c := newCluster(t, 5*time.Minute, 30, 1, "a", "b", "c")
	c.settle()
	c.leave("b")
	c.round(true)
	c.clock = c.clock.Add(time.Minute)
	c.leave("c")
	if d := c.round(true); d.delay != 4*time.Minute {
		t.Errorf("delay %v, want the 4 m that are left of the first", d.delay)
	}
	c.members["d"] = make(units)
	if d := c.round(true); d.delay != 4*time.Minute || len(d.assigned["d"]) > 0 {
		t.Errorf("delay %v and %d assigned when one of two is back, want 4 m and none", d.delay, len(d.assigned["d"]))
	}
	c.members["e"] = make(units)
	if d := c.round(true); d.delay != 0 || len(d.assigned["d"])+len(d.assigned["e"]) != 40 {
		t.Errorf("delay %v and %d assigned when both are back, want 0 and all 40", d.delay, len(d.assigned["d"])+len(d.assigned["e"]))
	}
	c.settle()
}

func TestBalanceAfterTheDelay(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Minute} {
		c := newCluster(t, delay, 30, 1, "a", "b", "c")
		c.settle()
		c.leave("b")
		d := c.round(true)
		if d.delay != delay {
			t.Errorf("delay %v, want %v", d.delay, delay)
		}
		c.clock = c.clock.Add(delay)
		if delay > 0 {
			d = c.round(true)
		}
		if n := len(d.assigned["a"]) + len(d.assigned["c"]); n != 20 {
			t.Errorf("%d of 20 units of the worker that left are assigned after %v", n, delay)
		}
		c.settle()
	}
}

// A leader that knows nothing of the rounds before goes by what members say, and waits for nobody.
func TestBalanceNewLeader(t *testing.T) {
	c := newCluster(t, time.Minute, 30, 1, "a", "b", "c")
	c.settle()
	c.leave("a")
	c.balancer = newBalancer(time.Minute, func() time.Time { return c.clock })
	if d := c.round(true); d.delay != 0 || len(d.assigned["b"])+len(d.assigned["c"]) != 20 {
		t.Errorf("delay %v and %d assigned by a new leader, want 0 and 20", d.delay, len(d.assigned["b"])+len(d.assigned["c"]))
	}
	c.settle()
}

func TestBalanceRunningTwice(t *testing.T) {
	c := newCluster(t, time.Minute, 4, 1, "a", "b")
	c.settle()
	x := c.members["b"].sorted()[0]
	c.members["a"][x] = struct{}{}
	d := c.round(true)
	if !d.revoked["a"].has(x) || d.revoked["b"].has(x) {
		t.Errorf("revoked are %v and %v, want %s from a, which has more", d.revoked["a"], d.revoked["b"], x)
	}
	c.settle()
}

// Workers that come and go: divisions that revoke wait for one another.
func TestBalanceBacksOff(t *testing.T) {
	c := newCluster(t, time.Hour, 60, 0, "a")
	c.settle()
	var delays []time.Duration
	for i := range 4 {
		c.members[fmt.Sprint("new", i)] = make(units)
		d := c.round(true) // each comes before the round in which the one before gets its share
		delays = append(delays, d.delay)
		c.clock = c.clock.Add(d.delay)
		c.round(true)
	}
	c.settle()
	if delays[0] != 0 {
		t.Errorf("delays %v, want none for the first", delays)
	}
}

// Whatever happens: nothing runs twice at any time, and in the end everything runs, level, once.
func TestBalanceProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		c := newCluster(t, []time.Duration{0, time.Second, time.Minute}[r.IntN(3)], 1+r.IntN(12), r.IntN(4), "m0")
		ids := 1
		for range 40 {
			switch r.IntN(9) {
			case 0, 1:
				c.members[fmt.Sprint("m", ids)] = make(units)
				ids++
			case 2:
				if len(c.members) > 1 {
					c.leave(slices.Sorted(maps.Keys(c.members))[r.IntN(len(c.members))])
				}
			case 3: // loses its place and comes back without work
				id := slices.Sorted(maps.Keys(c.members))[r.IntN(len(c.members))]
				c.members[id] = make(units)
			case 4:
				c.configure(1+r.IntN(14), r.IntN(5))
			case 5:
				name := fmt.Sprintf("c%03d", r.IntN(12))
				maps.DeleteFunc(c.configured, func(x unit, _ struct{}) bool { return x.Connector == name })
			case 6: // another leader
				c.balancer = newBalancer(c.balancer.maxDelay, func() time.Time { return c.clock })
			case 7:
				c.clock = c.clock.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			}
			c.round(r.IntN(8) > 0)
		}
		c.settle()
	}
}

func TestDivideEagerly(t *testing.T) {
	c := newCluster(t, 0, 5, 2, "a", "b", "c")
	got := divideEagerly(c.configured, []string{"c", "a", "b"})
	seen := make(units)
	for id, has := range got {
		for x := range has {
			if seen.has(x) {
				t.Errorf("%s is assigned twice", x)
			}
			seen[x] = struct{}{}
		}
		if len(has) != 5 {
			t.Errorf("%s has %d units, want 5", id, len(has))
		}
	}
	if diff := cmp.Diff(c.configured, seen); diff != "" {
		t.Errorf("assigned (-configured +assigned):\n%s", diff)
	}
	for kind, want := range []int{4, 2} { // 10 tasks and 5 connectors among 3, dealt in turn
		n := 0
		for x := range got["a"] {
			if kindOf(x) == kind {
				n++
			}
		}
		if n > want {
			t.Errorf("a has %d of kind %d, want at most %d", n, kind, want)
		}
	}
}
