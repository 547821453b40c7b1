package history

import (
	"cmp"
	"slices"
)

// Point is where the last snapshot was taken among records that begin with an initial one: what was committed behind it is streamed, whole. Zero:
// there are no rows.
func Point(records []Record) (point LSN) {
	for i := range records {
		if records[i].Op == SnapshotRow {
			point = max(point, records[i].LSN)
		}
	}
	return point
}

// Points are where the snapshots were taken that the rows come from: one, and one more whenever it went on behind a crash.
func Points(records []Record) (points []LSN) {
	seen := make(map[LSN]bool)
	for i := range records {
		if r := &records[i]; r.Op == SnapshotRow && !seen[r.LSN] {
			seen[r.LSN] = true
			points = append(points, r.LSN)
		}
	}
	slices.Sort(points)
	return points
}

// Behind is what was committed behind a point.
func Behind(truth []Transaction, point LSN) []Transaction {
	at := slices.IndexFunc(truth, func(t Transaction) bool { return t.Commit > point })
	if at < 0 {
		return nil
	}
	return truth[at:]
}

// CheckInitial holds records that begin with an initial snapshot against the truth. start is what the tables held before it.
//
// A snapshot that is interrupted goes on with another one: the rows of each are as they stood at its point. Between come those of the changes up
// to the next point that concern what was told; which they are is tandem's business, so they must be the truth's, and rows and changes together
// must make the tables as they stood at the last point. What was committed behind that point is checked as ever. Exactly once, nothing comes
// twice and nothing goes back in time; at least once, up to the point, it goes back only to what came before, and on from there.
func CheckInitial(tables []Table, start *Model, truth []Transaction, records []Record, mode Mode) []Verdict {
	point := Point(records)
	behind := Behind(truth, point)
	c := newInitial(tables, truth[:len(truth)-len(behind)], mode, point)
	c.takeSnapshots(start, truth, Points(records))
	for i := range records {
		c.record(&records[i])
	}
	c.compareTold(tables)
	return append(c.finish(), Check(tables, behind, c.streamed, mode)...)
}

// CheckInitialBoundaries does for the topic of transactions: those up to the point may be told of or not.
func CheckInitialBoundaries(tables []Table, truth []Transaction, point LSN, boundaries []Boundary, mode Mode) []Verdict {
	behind := Behind(truth, point)
	before := make(map[uint32]bool)
	for _, t := range truth[:len(truth)-len(behind)] {
		before[t.XID] = true
	}
	var streamed []Boundary
	for _, b := range boundaries {
		if !before[b.XID] {
			streamed = append(streamed, b)
		}
	}
	return CheckBoundaries(tables, behind, streamed, mode)
}

// moment is a place in the order of commits: that of a snapshot, or of a change.
type moment struct {
	lsn    LSN
	change int // index of what is expected; -1: a row of the snapshot
}

// state is what a row became.
type state struct {
	commit LSN
	row    Row
}

// mention is what one record tells of: a change, or of a row at a snapshot's point.
type mention struct {
	table, key string
	xid        uint32
	lsn        LSN
	op         Op
}

// initial checks what comes of an initial snapshot up to its point.
type initial struct {
	*checker
	point  LSN
	tables map[string]*Table
	at     map[LSN]*Model                // what the tables held at a snapshot's point
	later  map[string]map[string][]state // of tables that are rewritten, by table and key: what their rows became
	commit map[uint32]LSN                // of transactions up to the point
	known  map[mention][]int             // what is expected up to the point; several changes without a key may share it

	times    map[mention]int  // how often it came
	last     map[place]moment // of the record before
	deleted  map[place]string // key of the delete that was the record before
	behind   map[place]bool   // a record from behind the point has come
	first    []Record         // up to the point
	streamed []Record         // from behind it
}

func newInitial(tables []Table, truth []Transaction, mode Mode, point LSN) *initial {
	c := &initial{
		checker: &checker{expectation: expect(tables, truth), mode: mode, told: make(map[Kind]int)}, point: point,
		tables: make(map[string]*Table), at: make(map[LSN]*Model), later: make(map[string]map[string][]state),
		commit: make(map[uint32]LSN), known: make(map[mention][]int), times: make(map[mention]int),
		last: make(map[place]moment), deleted: make(map[place]string), behind: make(map[place]bool),
	}
	for i := range tables {
		c.tables[tables[i].Name] = &tables[i]
	}
	for i := range truth {
		if truth[i].XID != 0 {
			c.commit[truth[i].XID] = truth[i].Commit
		}
	}
	for i := range c.list {
		x := &c.list[i]
		id := mention{table: x.change.Table, key: x.key, xid: truth[x.tx].XID, lsn: x.change.LSN, op: x.op}
		c.known[id] = append(c.known[id], i)
	}
	return c
}

// takeSnapshots replays the truth and keeps what the tables held at the points.
func (c *initial) takeSnapshots(start *Model, truth []Transaction, points []LSN) {
	m := start.Clone()
	for i := range truth {
		for ; len(points) > 0 && truth[i].Commit > points[0]; points = points[1:] {
			c.at[points[0]] = m.Clone()
		}
		m.Apply(truth[i : i+1])
		for n := range truth[i].Changes {
			change := &truth[i].Changes[n]
			t := c.tables[change.Table]
			if t == nil || !t.Rewritten || change.After == nil {
				continue
			}
			if c.later[t.Name] == nil {
				c.later[t.Name] = make(map[string][]state)
			}
			key := change.After.Key(t.Key)
			if row, ok := m.rows[t.Name][key]; ok {
				c.later[t.Name][key] = append(c.later[t.Name][key], state{truth[i].Commit, row})
			}
		}
	}
	for _, p := range points {
		c.at[p] = m
	}
}

// record sorts one into those from behind the point and those before it, and checks the latter.
func (c *initial) record(r *Record) {
	at := place{r.Table, r.Partition}
	if c.fromBehind(r, at) {
		c.behind[at] = true
		c.streamed = append(c.streamed, *r)
		return
	}
	delete(c.deleted, at)
	c.first = append(c.first, *r)
	if c.behind[at] {
		c.tell(Disordered, r.Table, "%s belongs before the snapshot's point, %s, and came behind records from behind it", r, c.point)
		return
	}
	if r.Op == Tombstone {
		return // fromBehind has found the delete before it
	}
	if r.Op == Delete {
		c.deleted[at] = r.Key
	}
	m, again := moment{r.LSN, -1}, false
	if r.Op == SnapshotRow {
		again = c.row(r)
	} else if m, again = c.change(r); m.change < 0 {
		return
	}
	if (c.mode == ExactlyOnce || !again) && cmp.Or(cmp.Compare(m.lsn, c.last[at].lsn), cmp.Compare(m.change, c.last[at].change)) < 0 {
		c.tell(Disordered, r.Table, "%s tells of %s, and the record before it of %s", r, m.lsn, c.last[at].lsn)
	}
	c.last[at] = m
}

// fromBehind tells whether Check is to judge a record. A tombstone belongs to the delete before it.
func (c *initial) fromBehind(r *Record, at place) bool {
	switch {
	case r.Op == SnapshotRow:
		return false
	case r.Op == Tombstone:
		key, ok := c.deleted[at]
		return !ok || key != r.Key
	case r.XID == 0:
		return r.LSN > c.point
	}
	_, before := c.commit[r.XID]
	return !before
}

// row checks a row of a snapshot, and tells whether it came before.
func (c *initial) row(r *Record) (again bool) {
	t, m := c.tables[r.Table], c.at[r.LSN]
	if t == nil || m == nil || r.After == nil {
		c.tell(Phantom, r.Table, "%s: there is no such table, or no row", r)
		return false
	}
	id := mention{table: r.Table, key: r.Key, lsn: r.LSN, op: r.Op}
	if len(t.Key) == 0 {
		id.key = r.After.whole()
		if c.times[id]++; c.times[id] > m.bags[r.Table][id.key] && (c.mode == ExactlyOnce || m.bags[r.Table][id.key] == 0) {
			c.tell(Doubled, r.Table, "%s: %v came %d times, and was there %d times at %s", r, r.After, c.times[id], m.bags[r.Table][id.key], r.LSN)
		}
		return c.times[id] > 1
	}
	if c.times[id]++; c.times[id] > 1 && c.mode == ExactlyOnce {
		c.tell(Doubled, r.Table, "%s came %d times out of the snapshot at %s", r, c.times[id], r.LSN)
	}
	if key := r.After.Key(t.Key); key != r.Key {
		c.tell(Wrong, r.Table, "%s: the row's key is %s", r, key)
		return c.times[id] > 1
	}
	want, there := m.rows[r.Table][r.Key]
	switch {
	case there && t.agrees(r.After, want):
	case t.Rewritten && slices.ContainsFunc(c.later[r.Table][r.Key], func(s state) bool { return s.commit > r.LSN && t.agrees(r.After, s.row) }):
	case !there:
		c.tell(Phantom, r.Table, "%s: there was no such row at %s: %v", r, r.LSN, r.After)
	default:
		c.tell(Wrong, r.Table, "%s is %v, and was %v at %s", r, r.After, want, r.LSN)
	}
	return c.times[id] > 1
}

// agrees tells whether a row that was read is the one that was there. The columns of a table that is altered are compared as far as both have them.
func (t *Table) agrees(got, want Row) bool {
	for name, v := range want {
		if g, ok := got[name]; v != Unknown && (ok || !t.Rewritten) && g != v {
			return false
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && !t.Rewritten {
			return false
		}
	}
	return true
}

// change checks a record of a change up to the point, and returns its place in the order of commits, and whether it came before.
func (c *initial) change(r *Record) (m moment, again bool) {
	id := mention{table: r.Table, key: r.Key, xid: r.XID, lsn: r.LSN, op: r.Op}
	gone := false
	if t := c.tables[r.Table]; r.Op == Delete && t != nil && len(t.Key) == 0 && len(c.known[id]) == 0 {
		id.op, gone = Update, true // the new row comes with the next snapshot, and has no key that would replace the old one
	}
	list := c.known[id]
	if len(list) == 0 {
		c.tell(Phantom, r.Table, "%s at %s: no transaction that was committed has such a change", r, r.LSN)
		return moment{change: -1}, false
	}
	n := c.times[id]
	if c.times[id]++; n >= len(list) && c.mode == ExactlyOnce {
		c.tell(Doubled, r.Table, "%s came %d times", r, c.times[id])
	}
	i := list[n%len(list)]
	x := &c.list[i]
	if what, ok := differ(r.After, x.after, false); ok && !gone {
		c.tell(Wrong, r.Table, "%s: after is %v, want %v", r, what, x.after)
	}
	if what, ok := differ(r.Before, x.before, true); ok && x.before != nil {
		c.tell(Wrong, r.Table, "%s: before is %v, want %v", r, what, x.before)
	}
	return moment{c.truth[x.tx].Commit, i}, n > 0
}

// compareTold holds what rows and changes together make against the tables at the point. A table that was rewritten is told of as it stood later.
// Rows without a key are told of once only where that is promised.
func (c *initial) compareTold(tables []Table) {
	want := c.at[c.point]
	if want == nil {
		c.tell(Lost, "all", "there is no row of a snapshot")
		return
	}
	told := newReplay(NewModel(tables))
	for i := range c.first {
		told.apply(&c.first[i])
		told.applyToBag(&c.first[i])
	}
	for i := range tables {
		t := &tables[i]
		if t.Rewritten || t.Unread || len(t.Key) == 0 && c.mode != ExactlyOnce {
			continue
		}
		columns := make(map[string]bool)
		for _, row := range want.rows[t.Name] {
			for column := range row {
				columns[column] = true
			}
		}
		s := Stored{Columns: sorted(columns), Rows: told.rows[t.Name], Bag: told.bags[t.Name]}
		for _, v := range want.Compare("at the snapshot's point", t.Name, s) {
			c.tell(v.Kind, v.Table, "%s", v.Detail)
		}
	}
}

// applyToBag replays a record of a table without a key. Deletes are told of also where no row is known to have been.
func (p *replay) applyToBag(r *Record) {
	t := p.tables[r.Table]
	if t == nil || len(t.Key) > 0 {
		return
	}
	switch r.Op {
	case SnapshotRow:
		p.bags[t.Name][r.After.whole()]++
	case Insert, Update:
		p.applyBag(t, &Change{Op: r.Op, Before: r.Before, After: r.After})
	case Delete:
		if p.bags[t.Name][r.Before.whole()] > 0 {
			p.applyBag(t, &Change{Op: r.Op, Before: r.Before})
		}
	}
}
