package distributed

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// balancer divides connectors and tasks among the workers, incrementally: what runs stays where it is unless it was deleted, runs twice, or must
// move for the workers to be level. It is the leader's; what it remembers holds only while one worker leads round after round.
//
//  1. A unit is never assigned while another worker has it: what moves is revoked in one round and assigned in a later one.
//  2. What a worker that left had run is kept for it, for maxDelay at most: until as many workers have come without work as have left.
//  3. Connectors and tasks are level each for themselves: no worker has more than one above another, once all rounds are done.
type balancer struct {
	maxDelay time.Duration
	now      func() time.Time

	leader     string
	generation int32           // of the last round that was divided here; -1: none
	previous   units           // what was assigned after it, lost work included
	worked     map[string]bool // the members after it, and whether they had work
	gone       map[string]bool // members that left with work, since the delay began
	due        time.Time       // when what is lost is given to others; zero: nothing is waited for
	revoked    bool            // the last division that was not level revoked
	rounds     int             // such divisions in a row
	hold       time.Time       // no revoking for balance before; zero: no such wait
}

func newBalancer(maxDelay time.Duration, now func() time.Time) *balancer {
	return &balancer{maxDelay: maxDelay, now: now, generation: -1}
}

// division is the outcome of a round, by member.
type division struct {
	assigned, revoked map[string]units
	delay             time.Duration // until everybody joins again; 0: nothing is waited for
}

// divide makes a round's division: what is configured, what each member has now, the generation of the round and that of the last one that
// this worker completed. Where members are equal the leader comes first: a connector that runs there need not ask it to write its tasks.
func (b *balancer) divide(configured units, current map[string]units, leader string, generation, last int32) division {
	b.leader = leader
	if b.generation != last { // others led since, or the last division did not reach the members
		b.previous = nil
		b.forget()
	}
	active, twice := b.owners(current)
	out := division{assigned: make(map[string]units), revoked: make(map[string]units)}
	next := make(map[string]units, len(current))
	for id, has := range current {
		next[id], out.revoked[id], out.assigned[id] = make(units), make(units), make(units)
		for x := range has {
			if configured.has(x) && (!twice.has(x) || active[x] == id) {
				next[id][x] = struct{}{}
			} else {
				out.revoked[id][x] = struct{}{}
			}
		}
	}
	lost, free := make(units), make(units)
	for x := range configured {
		if _, runs := active[x]; runs {
			continue
		}
		if b.previous.has(x) {
			lost[x] = struct{}{}
		} else {
			free[x] = struct{}{}
		}
	}
	lost = b.settleLost(lost, free, next, &out)
	if out.delay == 0 {
		b.level(configured, current, next, &out)
	}
	b.spread(free, next, slices.Collect(maps.Keys(next)))
	b.previous = make(units, len(configured))
	maps.Copy(b.previous, lost)
	for id, has := range next {
		for x := range has {
			b.previous[x] = struct{}{}
			if !current[id].has(x) {
				out.assigned[id][x] = struct{}{}
			}
		}
	}
	b.generation = generation
	b.worked = make(map[string]bool, len(next))
	for id, has := range next {
		b.worked[id] = len(has) > 0
	}
	return out
}

// forget drops the delay.
func (b *balancer) forget() {
	b.gone, b.due = nil, time.Time{}
}

// owners is who has what; of several that have the same, the one with the least keeps it.
func (b *balancer) owners(current map[string]units) (owner map[unit]string, twice units) {
	owner, twice = make(map[unit]string), make(units)
	members := slices.Sorted(maps.Keys(current))
	slices.SortStableFunc(members, func(a, b string) int { return len(current[a]) - len(current[b]) })
	for _, id := range members {
		for x := range current[id] {
			if _, taken := owner[x]; taken {
				twice[x] = struct{}{}
			} else {
				owner[x] = id
			}
		}
	}
	return owner, twice
}

// settleLost decides about work whose worker left: it waits, goes to workers that came without work, or is free for all. It returns what still
// waits.
func (b *balancer) settleLost(lost, free units, next map[string]units, out *division) units {
	for id, worked := range b.worked {
		if _, stays := next[id]; !stays && worked {
			if b.gone == nil {
				b.gone = make(map[string]bool)
			}
			b.gone[id] = true
		}
	}
	now := b.now()
	switch {
	case len(lost) == 0:
		b.forget()
		return lost
	case b.maxDelay == 0 || len(b.gone) == 0:
		// Without a delay, or nobody has left: some did not get what they were assigned.
		maps.Copy(free, lost)
		b.forget()
		return nil
	}
	var came []string
	for id, has := range next {
		if len(has) == 0 {
			came = append(came, id)
		}
	}
	if b.due.IsZero() {
		b.due = now.Add(b.maxDelay)
	}
	if now.Before(b.due) && len(came) < len(b.gone) {
		out.delay = b.due.Sub(now)
		return lost
	}
	if len(came) > 0 {
		b.spread(lost, next, came)
	} else {
		maps.Copy(free, lost)
	}
	b.forget()
	return nil
}

// spread gives work to members, the least loaded first.
func (b *balancer) spread(work units, next map[string]units, members []string) {
	if len(members) == 0 {
		return
	}
	slices.SortFunc(members, func(x, y string) int { return cmp.Or(b.after(x)-b.after(y), cmp.Compare(x, y)) })
	load := make(map[string]*[2]int, len(members)) // tasks, connectors
	for _, id := range members {
		load[id] = new([2]int)
		for x := range next[id] {
			load[id][kindOf(x)]++
		}
	}
	for _, x := range work.sorted() {
		least := slices.MinFunc(members, func(a, b string) int {
			return load[a][kindOf(x)] - load[b][kindOf(x)] // the first of equals
		})
		load[least][kindOf(x)]++
		next[least][x] = struct{}{}
	}
}

// after is 0 for the leader and 1 for others.
func (b *balancer) after(id string) int {
	if id == b.leader {
		return 0
	}
	return 1
}

func kindOf(x unit) int {
	if x.Task == connectorTask {
		return 1
	}
	return 0
}

// level revokes what some have too much of, so that a later round gives it to those that have too little. Divisions that revoke and follow one
// another wait longer and longer: members that come and go would move everything again and again.
func (b *balancer) level(configured units, current, next map[string]units, out *division) {
	surplus := surplusOf(configured, next)
	maps.DeleteFunc(surplus, func(x unit, id string) bool { return !current[id].has(x) }) // given just now: a later round's
	now := b.now()
	switch {
	case len(surplus) == 0:
		b.revoked, b.rounds, b.hold = false, 0, time.Time{}
		return
	case now.Before(b.hold):
		out.delay = b.hold.Sub(now)
		return
	case b.revoked && b.hold.IsZero():
		b.rounds++
		if out.delay = backoffOf(b.rounds, b.maxDelay); out.delay > 0 {
			b.hold = now.Add(out.delay)
			return
		}
	}
	b.revoked, b.hold = true, time.Time{}
	for x, id := range surplus {
		delete(next[id], x)
		out.revoked[id][x] = struct{}{}
	}
}

// backoffOf is 10 ms · 20ⁿ, as Kafka Connect's.
func backoffOf(n int, most time.Duration) time.Duration {
	d := 10 * time.Millisecond
	for ; n > 0 && d < most; n-- {
		d *= 20
	}
	return min(d, most)
}

// surplusOf finds what members have above their share. The shares differ by one at most, and the larger ones are of those that have most.
func surplusOf(configured units, next map[string]units) map[unit]string {
	var total [2]int
	for x := range configured {
		total[kindOf(x)]++
	}
	surplus := make(map[unit]string)
	for kind, n := range total {
		has := make(map[string][]unit, len(next))
		for id, all := range next {
			for x := range all {
				if kindOf(x) == kind {
					has[id] = append(has[id], x)
				}
			}
			slices.SortFunc(has[id], compareUnits)
		}
		members := slices.Sorted(maps.Keys(next))
		slices.SortStableFunc(members, func(a, b string) int { return len(has[b]) - len(has[a]) })
		for i, id := range members {
			share := n / len(members)
			if i < n%len(members) {
				share++
			}
			for len(has[id]) > share {
				last := len(has[id]) - 1
				surplus[has[id][last]] = id
				has[id] = has[id][:last]
			}
		}
	}
	return surplus
}

// divideEagerly deals everything out anew, connectors first, then tasks.
func divideEagerly(configured units, members []string) map[string]units {
	out := make(map[string]units, len(members))
	for _, id := range members {
		out[id] = make(units)
	}
	members = slices.Sorted(slices.Values(members))
	i := 0
	for _, kind := range []int{1, 0} {
		for _, x := range configured.sorted() {
			if kindOf(x) == kind {
				out[members[i%len(members)]][x] = struct{}{}
				i++
			}
		}
	}
	return out
}
