package transaction

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// Group is what is to be applied together: whole transactions in their order, or rows of a snapshot. It holds until Done.
type Group struct {
	// IDs of its transactions; none for rows of a snapshot.
	IDs  []string
	Rows int
	// Moves are the positions of the partitions that it moves, in the order of the assignment.
	Moves []Move

	of       *Assembler
	segments []segment
	taken    map[*queue]int // runs
	ends     int
	anew     bool             // its order is not the source's, so that it is applied in pieces as large as memory allows
	has      map[string]bool  // keys of the transactions
	pass     map[*queue]int64 // positions of queues from which nothing was taken
}

// Move is where a partition stands before and behind a group.
type Move struct {
	kafka.TopicPartition
	From, To int64 // From is -1 when the partition has no position yet
}

// segment is a part of a group: runs of several partitions whose entries are merged by their order.
type segment struct {
	runs   []*run
	queues []*queue
}

// Next gives the transactions that are complete and next in the order of commits, and rows of no transaction that are before them: about most
// bytes of them, one transaction at least. nil: there is none.
func (a *Assembler) Next(most int64) (*Group, error) {
	g := &Group{of: a, taken: make(map[*queue]int), has: make(map[string]bool)}
	bytes := int64(0)
	for _, e := range a.ends {
		if bytes > most {
			break
		}
		n, ok, err := a.take(g, e)
		if err != nil || !ok {
			if len(g.segments) == 0 && g.ends == 0 && err != nil {
				return nil, err
			}
			break // what stands before the error is given first
		}
		bytes += n
		g.ends++
	}
	a.takeLoose(g, most-bytes)
	return g.finish(), nil
}

// take adds a transaction to a group if it is complete and its turn.
func (a *Assembler) take(g *Group, e *end) (bytes int64, ok bool, err error) {
	if a.done.known[e.key] || g.has[e.key] { // said again; what came of it again goes as the head of its queues
		return 0, true, nil
	}
	p := a.open[e.key]
	for _, c := range e.counts {
		if p.of(c.topic) < c.n {
			return 0, false, a.missing(g, e, p)
		}
	}
	var s segment
	var before, behind []segment // what is in the way and may go along
	drop := make(map[*queue]int)
	for _, q := range a.order {
		if q == a.meta || p == nil || p.runs[q] == 0 { // the transaction is not in this queue
			continue
		}
		if countOf(e, q.at.Topic) == 0 {
			return 0, false, fmt.Errorf("transaction %s: topic %s has records of it, but its END counts none there", e.id, q.at.Topic)
		}
		n := g.taken[q]
		for left := p.runs[q]; left > 0; n++ {
			switch r := q.runs[n]; {
			case r.kind == snapshot: // it has to be applied first
				return 0, false, nil
			case r.kind == change && r.key == e.key:
				s.runs, s.queues = append(s.runs, r), append(s.queues, q)
				left--
			case r.kind == change && !a.done.known[r.key] && !g.has[r.key]:
				return 0, false, fmt.Errorf("transaction %s: partition %s-%d has records of it before those of transaction %s, but its END is not before that one's in the metadata topic; "+
					"was the metadata topic made anew, or have its records been deleted by retention? Take a new snapshot into empty tables, from new offsets", r.id, q.at.Topic, q.at.Partition, e.id)
			case r.kind == loose && left == p.runs[q]:
				before = append(before, segment{[]*run{r}, []*queue{q}})
			case r.kind == loose:
				behind = append(behind, segment{[]*run{r}, []*queue{q}})
			}
		}
		drop[q] = n
	}
	for q, n := range drop {
		g.taken[q] = n
	}
	g.segments = append(append(append(g.segments, before...), s), behind...)
	g.IDs = append(g.IDs, e.id)
	g.has[e.key] = true
	for _, r := range s.runs {
		bytes += r.bytes
	}
	return bytes, true, nil
}

func countOf(e *end, topic string) int64 {
	for _, c := range e.counts {
		if c.topic == topic {
			return c.n
		}
	}
	return 0
}

// takeLoose adds what is of no transaction and next in its queue, and leaves out what was said again.
func (a *Assembler) takeLoose(g *Group, most int64) {
	for _, q := range a.order {
		n := g.taken[q]
		for ; n < len(q.runs); n++ {
			r := q.runs[n]
			if again := r.kind == change && a.done.known[r.key]; !again {
				if r.kind != loose || most <= 0 {
					break
				}
				g.segments = append(g.segments, segment{[]*run{r}, []*queue{q}})
				most -= r.bytes
			}
		}
		if n > 0 {
			g.taken[q] = n
		}
	}
}

// IncompleteError says that a transaction does not become complete.
type IncompleteError struct {
	ID      string
	Missing []string // a clause for each table
	Why     string
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("transaction %s does not become complete: %v; %s. A transform or a dead letter that takes records out, retention, or a table that this connector "+
		"does not read from its beginning may be the reason", e.ID, e.Missing, e.Why)
}

// Retriable is false: what was not there in time will not be there when it is tried again.
func (e *IncompleteError) Retriable() bool { return false }

// missing tells that a transaction cannot become complete any more: in all partitions that it waits for there are records of later ones.
func (a *Assembler) missing(g *Group, e *end, p *progress) error {
	for _, c := range e.counts {
		if p.of(c.topic) >= c.n {
			continue
		}
		if len(a.topics[c.topic]) == 0 || a.elsewhere(c.topic) > 0 {
			return nil // it will be assigned
		}
		for _, q := range a.topics[c.topic] {
			later := false
			for _, r := range q.runs[g.taken[q]:] {
				later = later || r.kind == change && r.key != e.key && !a.done.known[r.key]
			}
			if !later {
				return nil
			}
		}
		return &IncompleteError{ID: e.id, Missing: a.lacks(e, p), Why: "records of later transactions have come"}
	}
	return nil
}

func (a *Assembler) lacks(e *end, p *progress) (out []string) {
	for _, c := range e.counts {
		n := p.of(c.topic)
		if n >= c.n {
			continue
		}
		clause := fmt.Sprintf("topic %s has %d of %d records", c.topic, n, c.n)
		if others := a.elsewhere(c.topic); others > 0 {
			clause += fmt.Sprintf(" (%d of its %d partitions are another group member's)", others, a.sizes[c.topic])
		}
		out = append(out, clause)
	}
	return out
}

// elsewhere is how many partitions of a topic other members of the group have: one that died has its share until its session is over.
func (a *Assembler) elsewhere(topic string) int { return a.sizes[topic] - len(a.topics[topic]) }

// Overdue is an error when the oldest transaction has waited for too long while nothing came.
func (a *Assembler) Overdue(now time.Time) error {
	if now.Sub(a.moved) < a.config.Timeout {
		return nil
	}
	why := fmt.Sprintf("for %v no record has come (transaction.timeout.ms)", a.config.Timeout)
	for _, e := range a.ends {
		if p := a.open[e.key]; len(a.lacks(e, p)) > 0 {
			return &IncompleteError{ID: e.id, Missing: a.lacks(e, p), Why: why}
		}
	}
	for _, q := range a.order {
		if r := q.head(); r != nil && r.kind == change && len(a.ends) == 0 {
			missing := "its END is not in the metadata topic"
			if topic, assigned := a.Metadata(); !assigned {
				missing = fmt.Sprintf("the metadata topic %s does not exist, the consumer has not seen it (metadata.max.age.ms), or another member of the group has it", topic)
			}
			return &IncompleteError{ID: r.id, Missing: []string{missing}, Why: why}
		}
	}
	return nil
}

// Snapshot tells what waits of snapshots: for each topic, in the order of the assignment, whether rows of it are next, and whether all its rows
// have come.
func (a *Assembler) Snapshot(yield func(topic string, rows, complete bool)) {
	for _, topic := range a.Topics() {
		rows, others := false, false
		for _, q := range a.topics[topic] {
			if r := q.head(); r != nil && r.kind == snapshot {
				rows = true
			}
			others = others || slices.ContainsFunc(q.runs, func(r *run) bool { return r.kind == change })
		}
		yield(topic, rows, a.over || a.began[topic] || others)
	}
}

// Rows gives rows of the snapshots of topics: about most bytes of them, or all that wait.
func (a *Assembler) Rows(topics []string, most int64) *Group {
	g := &Group{of: a, taken: make(map[*queue]int)}
	bytes := int64(0)
	for _, topic := range topics {
		for _, q := range a.topics[topic] {
			n := 0
			for ; n < len(q.runs) && bytes <= most; n++ {
				r := q.runs[n]
				if r.kind != snapshot {
					break
				}
				g.segments = append(g.segments, segment{[]*run{r}, []*queue{q}})
				bytes += r.bytes
			}
			if n > 0 {
				g.taken[q] = n
			}
		}
	}
	return g.finish()
}

// finish says where the partitions go; nil when nothing moves.
func (g *Group) finish() *Group {
	a := g.of
	g.pass = make(map[*queue]int64)
	for _, s := range g.segments {
		for _, r := range s.runs {
			g.Rows += r.entries
		}
	}
	for _, q := range a.order {
		to, passes := int64(-1), false
		switch n := g.taken[q]; {
		case q == a.meta && g.ends > 0:
			to, passes = a.ends[g.ends-1].offset+1, true
		case q == a.meta && len(a.ends) == 0, n == 0 && len(q.runs) == 0:
			to, passes = q.pass, true
		case n > 0:
			to = q.runs[n-1].last + 1
		}
		if to <= max(q.next, 0) {
			continue
		}
		g.Moves = append(g.Moves, Move{q.at, q.next, to})
		if passes {
			g.pass[q] = to
		}
	}
	if len(g.Moves) == 0 {
		return nil
	}
	return g
}

// Samples gives a record of each kind that the group holds. They live as long as they are referred to.
func (g *Group) Samples(yield func(r *sink.Record) error) error {
	seen := make(map[int]bool)
	for _, s := range g.segments {
		for _, run := range s.runs {
			for _, n := range run.samples {
				if seen[n] {
					continue
				}
				seen[n] = true
				r := new(sink.Record)
				if _, err := g.of.decode(g.of.sample[n], r); err != nil {
					return err
				}
				if err := yield(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (a *Assembler) decode(entry string, r *sink.Record) (order int64, err error) {
	d := decoder{names: a.names, text: entry}
	order = int64(d.uvarint())
	return order, d.record(r)
}

// batchRows and batchBytes bound what Records hands out at once.
const (
	batchRows  = 20_000
	batchBytes = 8 << 20
)

// Records hands the group's records out in their order, so many at a time as memory allows. It may be called again. The records live as long
// as they are referred to.
func (g *Group) Records(yield func([]sink.Record) error) error {
	var batch []sink.Record
	bytes := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := yield(batch)
		batch, bytes = nil, 0
		return err
	}
	for _, s := range g.segments {
		if err := s.walk(g.of, func(r sink.Record, size int) error {
			batch = append(batch, r)
			if bytes += size; !g.anew && (len(batch) >= batchRows || bytes >= batchBytes) || int64(bytes) >= max(g.of.config.Buffer, batchBytes) {
				return flush()
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return flush()
}

// lane is the next entry of one of the runs that are merged.
type lane struct {
	reader reader
	left   int
	rec    sink.Record
	order  int64
	size   int
}

func (l *lane) advance(a *Assembler) error {
	if l.left == 0 {
		l.left = -1
		return nil
	}
	l.left--
	entry, err := l.reader.next()
	if err != nil {
		return err
	}
	before := l.order
	l.rec = sink.Record{}
	if l.order, err = a.decode(entry, &l.rec); l.order == 0 {
		l.order = before // a tombstone
	}
	l.size = len(entry)
	return err
}

// walk merges the runs of a segment by the order of their records.
func (s *segment) walk(a *Assembler, yield func(sink.Record, int) error) error {
	lanes := make([]lane, len(s.runs))
	for i, r := range s.runs {
		lanes[i] = lane{reader: s.queues[i].log.read(r.from), left: r.entries}
		if err := lanes[i].advance(a); err != nil {
			return err
		}
	}
	for {
		var next *lane
		for i := range lanes {
			if l := &lanes[i]; l.left >= 0 && (next == nil || l.order < next.order) {
				next = l
			}
		}
		if next == nil {
			return nil
		}
		if err := yield(next.rec, next.size); err != nil {
			return err
		}
		if err := next.advance(a); err != nil {
			return err
		}
	}
}

// errStale: a group was given up or done before.
var errStale = errors.New("the group does not hold any more")

// Done says that a group was applied and the positions behind it were stored.
func (a *Assembler) Done(g *Group, now time.Time) error {
	if g.of != a || g.taken == nil {
		return errStale
	}
	a.moved = now
	for _, q := range a.order {
		q.given(g.taken[q])
		if to, ok := g.pass[q]; ok {
			q.next = to
		}
	}
	for _, e := range a.ends[:g.ends] {
		if !a.done.known[e.key] {
			a.done.add(e.key)
		}
		delete(a.open, e.key)
	}
	clear(a.ends[:g.ends])
	a.ends = a.ends[g.ends:]
	g.taken = nil
	return nil
}
