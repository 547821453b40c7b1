package source

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
)

// at is a position that differs from others by its LSN.
func at(lsn cdc.LSN) *position { return &position{lsn: lsn, kind: typeInsert} }

// TestExact: a transaction of the worker's may only end where the position right behind the last record is known.
func TestExact(t *testing.T) {
	var q positions
	expect := func(n uint64, want bool, lsn cdc.LSN) {
		t.Helper()
		if got := q.exact(n); got != want {
			t.Errorf("exact(%d) = %v, want %v", n, got, want)
		}
		if p, _ := q.behind(n); want && p.lsn != lsn {
			t.Errorf("behind(%d) = %v, want %v", n, p.lsn, lsn)
		}
	}
	expect(0, true, 0) // nothing was published
	q.add(1, at(10), false)
	expect(1, true, 10)
	expect(2, false, 0) // the second record is ended, its change may not be
	q.add(3, at(20), false)
	expect(3, true, 20)
	expect(3, true, 20) // asked for again
	q.add(3, at(25), true)
	expect(3, true, 25) // the stream moved on without a record
	for n := range uint64(2 * exactEntries) {
		q.add(4+n, at(100+cdc.LSN(n)), false)
	}
	expect(3+2*exactEntries, false, 0) // thinned out: the position there is not kept
	q.add(3+2*exactEntries+1, at(5000), true)
	expect(3+2*exactEntries+1, true, 5000)
	q.pass(9999) // a record that nothing has to be remembered of
	expect(9999, true, 5000)
}

// TestExactInASnapshot: rows of a chunk would be read again, until its end is noted; a snapshot that never notes one is not waited for.
func TestExactInASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q positions
		p := publisher{sent: &q}
		p.soften(true)
		q.add(1, at(10), false)
		if q.exact(1) {
			t.Error("exact within a chunk = true, want false")
		}
		p.soften(false)
		q.add(1, at(10), true)
		if !q.exact(1) {
			t.Error("exact at the end of a chunk = false, want true")
		}
		p.soften(true)
		q.add(2, at(10), false)
		time.Sleep(looseMost / 2)
		p.soften(true) // another row
		q.add(3, at(10), false)
		if q.exact(3) {
			t.Error("exact within a chunk = true, want false")
		}
		time.Sleep(looseMost/2 + 1)
		if !q.exact(3) {
			t.Error("exact a long time behind the last chunk = false, want true")
		}
	})
}
