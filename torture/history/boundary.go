package history

import (
	"maps"
	"slices"
)

// CheckBoundaries holds the topic of transactions against the truth. Of a transaction without a record of its own the topic may tell or not.
func CheckBoundaries(tables []Table, truth []Transaction, boundaries []Boundary, mode Mode) []Verdict {
	c := &checker{expectation: expect(tables, truth), mode: mode, told: make(map[Kind]int)}
	const topic = "transaction"
	byXID := make(map[uint32]int, len(truth))
	for i := range truth {
		if truth[i].XID != 0 {
			byXID[truth[i].XID] = i
		}
	}
	ended := make([]int, len(truth))
	began := make([]int, len(truth))
	last := -1 // twice the number of the transaction, and one more behind its end
	for _, b := range boundaries {
		i, ok := byXID[b.XID]
		if !ok {
			c.tell(Phantom, topic, "offset %d tells of transaction %d, which was not committed", b.Offset, b.XID)
			continue
		}
		at := 2 * i
		if b.End {
			at++
			ended[i]++
			c.compareCounts(b, i)
		} else {
			began[i]++
		}
		if mode == ExactlyOnce && (ended[i] > 1 || began[i] > 1) {
			c.tell(Doubled, topic, "offset %d: BEGIN of transaction %d came %d times, END %d times", b.Offset, b.XID, began[i], ended[i])
		}
		if at > last && !c.mayFollow(last, at) || at < last && mode == ExactlyOnce {
			c.tell(Disordered, topic, "offset %d: %s of transaction %d, number %d in the order of commits, came behind number %d", b.Offset, name(b.End), b.XID, i, last/2)
		}
		last = at
	}
	for i := range truth {
		if len(c.counts[i]) > 0 && (began[i] == 0 || ended[i] == 0) {
			c.tell(Lost, topic, "transaction %d, committed at %s: BEGIN came %d times, END %d times", truth[i].XID, truth[i].Commit, began[i], ended[i])
		}
	}
	return c.finish()
}

func name(end bool) string {
	if end {
		return "END"
	}
	return "BEGIN"
}

// mayFollow tells whether only transactions without records stand between two places.
func (c *checker) mayFollow(last, at int) bool {
	for between := last + 1; between < at; between++ {
		if len(c.counts[between/2]) > 0 {
			return false
		}
	}
	return true
}

func (c *checker) compareCounts(b Boundary, i int) {
	var total int64
	want := make(map[string]int64)
	for table, n := range c.counts[i] {
		total += n
		want[table] = n
	}
	if b.Count != total {
		c.tell(Metadata, "transaction", "offset %d: END of transaction %d counts %d events, want %d", b.Offset, b.XID, b.Count, total)
	}
	if !maps.Equal(b.Tables, want) {
		names := slices.Sorted(maps.Keys(want))
		c.tell(Metadata, "transaction", "offset %d: END of transaction %d counts %v, want %v of %v", b.Offset, b.XID, b.Tables, want, names)
	}
}
