package source

import "github.com/tandem-cdc/tandem/cdc"

// resume drops what was published before a restart. The server sends whole transactions again, beginning with the first that ends behind
// the stored lsn_commit; the stored offset may lie in the middle of it.
//
// What is dropped, and nothing else:
//  1. transactions whose commit record lies before the stored lsn: they were delivered before the stored change was;
//  2. in the transaction of the stored change (same xid) the changes below the stored lsn, and at that lsn the first
//     lsn_events_processed ones, since several changes may share one LSN;
//  3. messages outside of transactions that were delivered before the stored change.
//
// It switches itself off at the first change that is none of these, so it can never run past what was published.
type resume struct {
	on     bool
	inside bool // of the stored change's transaction
	skip   bool // the whole transaction at hand
	stored position
	events uint32 // seen at the stored lsn
	redo   bool   // the change at hand was pending: its signal was carried out, it was not published
}

func newResume(p *position) resume {
	switch {
	case p.snap != snapshotNone, p.kind == typeNone:
		return resume{}
	case !p.inside() && p.start() >= p.lsn:
		return resume{} // the server leaves out all of it, and may not send anything for long: no reason to wait for a change
	}
	return resume{on: true, stored: *p}
}

// inside tells whether the position may lie before the end of its transaction. Of an offset without a type nobody knows; one that is no
// further than its last commit is taken to be that commit: it may repeat changes, but it drops none.
func (p *position) inside() bool {
	switch p.kind {
	case typeCommit, typeNone:
		return false
	case typeOther:
		return p.hasXID && p.lsn > p.commit
	}
	return p.hasXID
}

// begin decides about a transaction.
func (r *resume) begin(c *cdc.Change) {
	if !r.on {
		return
	}
	switch {
	case r.stored.inside() && c.XID == r.stored.xid:
		r.inside = true
	case c.FinalLSN < r.stored.lsn:
		r.skip = true
	default:
		r.on = false
	}
}

// commit ends a transaction and reports whether it was skipped whole.
func (r *resume) commit() (skipped bool) {
	skipped = r.skip
	if r.inside {
		r.on = false // the stored change's transaction is over: nothing behind it was published
	}
	r.skip, r.inside = false, false
	return skipped
}

// drops tells whether a row change or message was published before.
func (r *resume) drops(c *cdc.Change) bool {
	if !r.on {
		return false
	}
	if r.skip {
		return true
	}
	if !r.inside { // a message outside of transactions
		if r.stored.inside() || c.LSN <= r.stored.lsn {
			return true
		}
		r.on = false
		return false
	}
	switch {
	case c.LSN < r.stored.lsn:
		return true
	case c.LSN > r.stored.lsn:
		r.on = false
		return false
	}
	switch {
	case r.stored.kind == typeBegin: // BEGIN bears the LSN of the first change, which was not published
		r.on = false
		return false
	case c.Kind == cdc.Message:
		return true // its LSN is its end: it stands before a change of the same LSN
	case r.stored.kind == typeMessage:
		r.on = false
		return false
	}
	r.events++
	if r.events <= r.processed() {
		return true
	}
	r.on, r.redo = false, r.stored.pending
	return false
}

// processed is how many changes at the stored lsn were published. Debezium before 3.7 stored no count: one, if it was a change.
func (r *resume) processed() uint32 {
	if r.stored.kind == typeOther {
		return r.stored.events
	}
	n := max(r.stored.events, 1)
	if r.stored.pending {
		n--
	}
	return n
}
