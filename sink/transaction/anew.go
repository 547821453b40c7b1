package transaction

import (
	"slices"
	"time"
)

// Anew gives, as one group, what stands before the rows of a snapshot that came behind transactions, and those rows. A source that was ended before its
// snapshot was stored takes another one, and leaves what that one's rows bring out of the transactions before it: rows of those may refer to rows
// that only the snapshot has. nil: there are no such rows, more of them may come, or something that stands before them has not come.
func (a *Assembler) Anew(now time.Time) *Group {
	if now.Sub(a.row) < lull {
		return nil
	}
	g := &Group{of: a, taken: make(map[*queue]int), has: make(map[string]bool), anew: true}
	for _, q := range a.order {
		changed := false
		for n, r := range q.runs {
			changed = changed || r.kind == change
			if changed && r.kind == snapshot {
				g.taken[q] = n + 1
			}
		}
	}
	if len(g.taken) == 0 || !a.closed(g) {
		return nil
	}
	transactions := make(map[string]*segment)
	before := make(map[string][]segment) // rows of no transaction, by the transaction that is next in their partition; "": none is
	for _, q := range a.order {
		from := 0
		for n, r := range q.runs[:g.taken[q]] {
			if r.kind == change && !a.done.known[r.key] {
				s := transactions[r.key]
				if s == nil {
					s = new(segment)
					transactions[r.key] = s
				}
				s.runs, s.queues = append(s.runs, r), append(s.queues, q)
				before[r.key] = appendLoose(before[r.key], q, q.runs[from:n])
				from = n + 1
			}
		}
		before[""] = appendLoose(before[""], q, q.runs[from:g.taken[q]])
	}
	for _, e := range a.ends[:g.ends] {
		if s := transactions[e.key]; s != nil {
			g.segments = append(append(g.segments, before[e.key]...), *s)
			g.IDs = append(g.IDs, e.id)
			delete(transactions, e.key)
		}
	}
	g.segments = append(g.segments, before[""]...)
	return g.finish()
}

// appendLoose appends the runs of a queue that are of no transaction; what was said again is left out.
func appendLoose(s []segment, q *queue, runs []*run) []segment {
	for _, r := range runs {
		if r.kind != change {
			s = append(s, segment{[]*run{r}, []*queue{q}})
		}
	}
	return s
}

// closed takes into a group the transactions whose records it holds some of, with all before them in the order of commits, until it holds all of their
// records; false: not all have come.
func (a *Assembler) closed(g *Group) bool {
	for grown := true; grown; {
		grown = false
		for _, q := range a.order {
			for _, r := range q.runs[:g.taken[q]] {
				if r.kind != change || a.done.known[r.key] || g.has[r.key] {
					continue
				}
				n := slices.IndexFunc(a.ends, func(e *end) bool { return e.key == r.key })
				if n < 0 {
					return false
				}
				for ; g.ends <= n; g.ends++ {
					if e := a.ends[g.ends]; !a.done.known[e.key] {
						if len(a.lacks(e, a.open[e.key])) > 0 {
							return false
						}
						g.has[e.key] = true
					}
				}
			}
		}
		for _, q := range a.order {
			for n := g.taken[q]; n < len(q.runs); n++ {
				if g.has[q.runs[n].key] {
					g.taken[q], grown = n+1, true
				}
			}
		}
	}
	return true
}
