package history

import (
	"cmp"
	"fmt"
	"slices"
)

// mostVerdicts of one kind are told in detail.
const mostVerdicts = 10

// place is a partition of a topic.
type place struct {
	table     string
	partition int32
}

// checker compares.
type checker struct {
	*expectation
	mode     Mode
	seen     []int                    // per expected record, how often it came
	where    []int32                  // per expected record, its partition; -1: it has not come
	homes    map[string]int32         // of a table and a key, the partition
	places   map[place][]int          // what is expected in a partition, of what has come
	rank     []int                    // of an expected record within its partition
	told     map[Kind]int             // verdicts, with those that are left out
	verdicts []Verdict                // in the order in which they were found
	deletes  map[place]map[string]int // the last delete of a key, as index of what is expected
}

// Check holds records, of each partition in the order of their offsets, against the truth.
func Check(tables []Table, truth []Transaction, records []Record, mode Mode) []Verdict {
	e := expect(tables, truth)
	c := &checker{
		expectation: e, mode: mode, seen: make([]int, len(e.list)), where: make([]int32, len(e.list)), rank: make([]int, len(e.list)),
		homes: make(map[string]int32), places: make(map[place][]int), told: make(map[Kind]int), deletes: make(map[place]map[string]int),
	}
	for i := range c.where {
		c.where[i] = -1
	}
	found := make([]int, len(records))
	for i := range records {
		found[i] = c.find(&records[i])
	}
	c.checkCompleteness()
	c.checkOrder(records, found)
	return c.finish()
}

func (c *checker) tell(k Kind, table, format string, args ...any) {
	if c.told[k]++; c.told[k] <= mostVerdicts {
		c.verdicts = append(c.verdicts, Verdict{k, table, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) finish() []Verdict {
	for _, k := range []Kind{Lost, Doubled, Disordered, Phantom, Wrong, Metadata, Diverged} {
		if n := c.told[k] - mostVerdicts; n > 0 {
			c.verdicts = append(c.verdicts, Verdict{k, "all", fmt.Sprintf("and %d more", n)})
		}
	}
	return c.verdicts
}

// find returns which of the expected records one is, -1 when it is none, and notes where it came.
func (c *checker) find(r *Record) int {
	at := place{r.Table, r.Partition}
	i := c.identify(r, at)
	if i < 0 {
		return i
	}
	x := &c.list[i]
	c.compare(r, x)
	if r.Op == Delete {
		if c.deletes[at] == nil {
			c.deletes[at] = make(map[string]int)
		}
		c.deletes[at][r.Key] = i
	}
	if c.seen[i]++; c.seen[i] > 1 && c.mode == ExactlyOnce {
		c.tell(Doubled, r.Table, "%s came %d times", r, c.seen[i])
	}
	if c.where[i] < 0 {
		c.where[i] = r.Partition
	}
	if r.Key != "" {
		home, ok := c.homes[r.Table+" "+r.Key]
		if ok && home != r.Partition {
			c.tell(Disordered, r.Table, "%s: records of its key are in partition %d, too", r, home)
		}
		c.homes[r.Table+" "+r.Key] = r.Partition
	}
	return i
}

// identify finds the expected record by its place in the transaction, a tombstone by the delete before it.
func (c *checker) identify(r *Record, at place) int {
	if r.Op == Tombstone {
		i, ok := c.deletes[at][r.Key]
		if !ok || i+1 >= len(c.list) || c.list[i+1].op != Tombstone {
			c.tell(Phantom, r.Table, "%s: no delete of the key stands before it", r)
			return -1
		}
		delete(c.deletes[at], r.Key) // one each
		return i + 1
	}
	id := identity{xid: r.XID, order: r.Order}
	if r.XID == 0 || r.Order == 0 {
		id = identity{lsn: r.LSN}
	}
	i, ok := c.byID[id]
	if !ok {
		c.tell(Phantom, r.Table, "%s: no transaction that was committed has such a change", r)
		return -1
	}
	return i
}

// compare holds what a record says against what it should.
func (c *checker) compare(r *Record, x *expected) {
	if r.Op == Tombstone {
		return
	}
	wrong := func(what string, got, want any) { c.tell(Wrong, r.Table, "%s: %s is %v, want %v", r, what, got, want) }
	if r.Table != x.change.Table {
		wrong("the table", r.Table, x.change.Table)
		return
	}
	if r.Op != x.op {
		wrong("op", r.Op, x.op)
	}
	if r.Key != x.key {
		wrong("the key", r.Key, x.key)
	}
	if r.LSN != x.change.LSN {
		wrong("source.lsn", r.LSN, x.change.LSN)
	}
	if r.CollectionOrder != x.collectionOrder {
		wrong("data_collection_order", r.CollectionOrder, x.collectionOrder)
	}
	if what, ok := differ(r.After, x.after, false); ok {
		wrong("after", what, x.after)
	}
	if x.before != nil {
		if what, ok := differ(r.Before, x.before, true); ok {
			wrong("before", what, x.before)
		}
	}
}

// differ says in which columns a row is another than wanted. With sparse, columns that are not in want are null: test_decoding leaves them out of
// old rows.
func differ(got, want Row, sparse bool) (Row, bool) {
	var out Row
	note := func(name, v string) {
		if out == nil {
			out = make(Row)
		}
		out[name] = v
	}
	for name, v := range want {
		if g, ok := got[name]; !ok {
			note(name, "(no such column)")
		} else if g != v {
			note(name, g)
		}
	}
	for name, v := range got {
		if _, ok := want[name]; !ok && !(sparse && v == Null) {
			note(name, v)
		}
	}
	return out, out != nil
}

// checkCompleteness tells what did not come.
func (c *checker) checkCompleteness() {
	for i := range c.list {
		if c.seen[i] == 0 {
			x := &c.list[i]
			tx := &c.truth[x.tx]
			c.tell(Lost, x.change.Table, "%s %s at %s, number %d of transaction %d, which was committed at %s", x.op, x.key, x.change.LSN, x.order, tx.XID, tx.Commit)
		}
	}
}

// checkOrder goes through every partition: exactly once, what comes must stand behind what came, in the order of commits; at least once, it
// must be next, or something that came already, behind which it goes on from there.
func (c *checker) checkOrder(records []Record, found []int) {
	for i := range c.list {
		if c.where[i] >= 0 {
			at := place{c.list[i].change.Table, c.where[i]}
			c.rank[i] = len(c.places[at])
			c.places[at] = append(c.places[at], i)
		}
	}
	last := make(map[place]int) // rank of the last record, from 1
	for n := range records {
		r, i := &records[n], found[n]
		at := place{r.Table, r.Partition}
		if i < 0 || c.where[i] != r.Partition || c.list[i].change.Table != r.Table {
			continue // told already, or one without a key that came again elsewhere
		}
		rank, before := c.rank[i]+1, last[at]
		if rank != before+1 && (c.mode == ExactlyOnce && c.seen[i] == 1 && rank <= before || rank > before+1) {
			c.tell(Disordered, r.Table, "%s is number %d of its partition in the order of commits and came behind number %d", r, rank, before)
		}
		last[at] = rank
	}
}

// Sort puts records into the order of their tables, partitions and offsets.
func Sort(records []Record) {
	slices.SortStableFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
}
