package source

import (
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
)

// at is a position that differs from others by its LSN.
func at(lsn cdc.LSN) *position { return &position{lsn: lsn, kind: typeInsert} }

// TestExact: a transaction of the worker's may only end where the position right behind the last record is known.
func TestExact(t *testing.T) {
	var q positions
	expect := func(n uint64, want bool, lsn cdc.LSN) {
		t.Helper()
		if got := q.exact(n, false); got != want {
			t.Errorf("exact(%d) = %v, want %v", n, got, want)
		}
		if p, _ := q.behind(n); want && p.lsn != lsn {
			t.Errorf("behind(%d) = %v, want %v", n, p.lsn, lsn)
		}
	}
	expect(0, true, 0) // nothing was published
	q.add(1, at(10), false, false)
	expect(1, true, 10)
	expect(2, false, 0) // the second record is ended, its change may not be
	q.add(3, at(20), false, false)
	expect(3, true, 20)
	expect(3, true, 20) // asked for again
	q.add(3, at(25), false, true)
	expect(3, true, 25) // the stream moved on without a record
	for n := range uint64(2 * exactEntries) {
		q.add(4+n, at(100+cdc.LSN(n)), false, false)
	}
	expect(3+2*exactEntries, false, 0) // thinned out: the position there is not kept
	q.add(3+2*exactEntries+1, at(5000), false, true)
	expect(3+2*exactEntries+1, true, 5000)
	q.pass(9999) // a record that nothing has to be remembered of
	expect(9999, true, 5000)
}

// TestEnds: behind a row of a transaction that goes on, a worker's transaction may end, but none that is to hold whole ones of the source.
func TestEnds(t *testing.T) {
	task := Task{}
	expect := func(want bool, when string) {
		t.Helper()
		if got := task.Ends(1); got != want {
			t.Errorf("Ends %s = %v, want %v", when, got, want)
		}
	}
	expect(true, "before all")
	p := publisher{sent: &task.sent, inTx: true, records: 1}
	p.at = *at(10)
	p.note(false)
	expect(false, "inside a transaction")
	task.sent.behind(1)
	expect(false, "inside a transaction whose records are acknowledged")
	p.inTx = false
	p.note(true)
	expect(true, "behind its commit")
}

// TestExactInASnapshot: rows of a chunk would be read again until its end is noted; one that takes too long is not waited for.
func TestExactInASnapshot(t *testing.T) {
	var q positions
	p := publisher{sent: &q}
	expect := func(n uint64, late, want bool, when string) {
		t.Helper()
		if got := q.exact(n, late); got != want {
			t.Errorf("exact(%d, %v) %s = %v, want %v", n, late, when, got, want)
		}
	}
	p.soften(true)
	q.add(1, at(10), false, false)
	expect(1, false, false, "within a chunk")
	expect(1, true, true, "within a chunk")
	expect(2, true, false, "within a change")
	p.soften(false)
	q.add(1, at(10), false, true)
	expect(1, false, true, "at the end of a chunk")
}
