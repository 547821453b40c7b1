package sqldb

import (
	"context"
	"hash/maphash"
)

// applier hands mutations to a session in sets: within a table the last state per key, deletes first; in insert mode and
// for tables without key, runs of the same kind in their order. One per connection: its buffers are kept between batches.
type applier struct {
	config  *Config
	seed    maphash.Seed
	pending []*pending // tables of this batch, in order of their first mutation
	free    []*pending
	rows    []*mutation // reused
	counts  counts

	order  sequence
	ranks  *graph // where order is not perTable
	turnOf *pending
	turnOp Op
	clears []*mutation // truncates that followed each other, where the order of tables matters
}

// counts is what a transaction did, in rows as the records asked for them.
type counts struct{ written, deleted, truncated, statements int64 }

// pending is what is to be done to one table.
type pending struct {
	name    tableName
	reducer reducer
	dest    *destination // of the writes in the reducer
	keySig  string       // of everything in the reducer
	run     []*mutation  // without reduction: mutations of the same kind, in order
	runDest *destination
	runOp   Op
	runSub  *subset
}

func newApplier(c *Config) *applier { return &applier{config: c, seed: maphash.MakeSeed()} }

// apply queues all mutations on the session. An error of the session ends it; nothing is settled.
func (a *applier) apply(ctx context.Context, s session, muts []mutation) error {
	a.reset()
	for i := range muts {
		m := &muts[i]
		d := m.dest
		if d == nil {
			continue // a delete from a table that does not exist
		}
		p := a.of(d.table.name)
		err := a.turn(ctx, s, p, m)
		if err == nil && m.op != opTruncate {
			err = a.clear(ctx, s)
		}
		switch {
		case err != nil:
		case m.op == opTruncate && a.order != perTable:
			err = a.flushAll(ctx, s)
			a.clears = append(a.clears, m)
		case m.op == opTruncate:
			if err = a.flush(ctx, s, p); err == nil {
				a.counts.truncated++
				err = a.write(ctx, s, stTruncate, d, nil, []*mutation{m})
			}
		case a.config.InsertMode == Insert || d.plan.keys == 0:
			err = a.append(ctx, s, p, d, m)
		default:
			err = a.reduce(ctx, s, p, d, m)
		}
		if err != nil {
			return err
		}
	}
	if err := a.clear(ctx, s); err != nil {
		return err
	}
	return a.flushAll(ctx, s)
}

func (a *applier) reset() {
	for _, p := range a.pending {
		p.reducer.reset()
		clear(p.run)
		p.run, p.dest, p.runDest, p.keySig = p.run[:0], nil, nil, ""
		a.free = append(a.free, p)
	}
	a.pending = a.pending[:0]
	a.turnOf = nil
	clear(a.clears)
	a.clears = a.clears[:0]
}

func (a *applier) of(n tableName) *pending {
	for i := len(a.pending) - 1; i >= 0; i-- {
		if a.pending[i].name == n {
			return a.pending[i]
		}
	}
	var p *pending
	if last := len(a.free) - 1; last >= 0 {
		p, a.free = a.free[last], a.free[:last]
	} else {
		p = &pending{reducer: reducer{seed: a.seed}}
	}
	p.name = n
	a.pending = append(a.pending, p)
	return p
}

// append adds to the run, or ends it and begins another.
func (a *applier) append(ctx context.Context, s session, p *pending, d *destination, m *mutation) error {
	if len(p.run) > 0 && (p.runDest != d || p.runOp != m.op || p.runSub != m.sub) || len(p.reducer.entries) > 0 {
		if err := a.barrier(ctx, s, p); err != nil {
			return err
		}
	}
	p.runDest, p.runOp, p.runSub = d, m.op, m.sub
	p.run = append(p.run, m)
	return nil
}

// reduce takes a mutation into the table's last states. Another plan of rows, or other key columns, end what was collected: two
// rows of different shape cannot become one.
func (a *applier) reduce(ctx context.Context, s session, p *pending, d *destination, m *mutation) error {
	if len(p.reducer.entries) > 0 && p.keySig != d.plan.keySig || len(p.run) > 0 { // not for a table's first row: where their order matters that would flush all tables
		if err := a.barrier(ctx, s, p); err != nil {
			return err
		}
	}
	if m.op == opWrite {
		if m.moved != nil && a.config.InsertMode == Upsert && !p.reducer.writes(m) {
			return a.carry(ctx, s, p, d, m)
		}
		if p.dest != nil && p.dest != d {
			if err := a.barrier(ctx, s, p); err != nil {
				return err
			}
		}
		p.dest = d
	}
	p.keySig = d.plan.keySig
	p.reducer.add(m, a.config.InsertMode == Update)
	return nil
}

// carry writes the second half of a key change whose row has columns the source did not know: they are in the row under the old
// key, which must not be deleted before they are copied. When its delete is in the batch it goes in the same statement: both rows
// side by side might share a unique value, or be one to the database. Else that row may be another one by now, and stays.
func (a *applier) carry(ctx context.Context, s session, p *pending, d *destination, m *mutation) error {
	deleted := p.reducer.undelete(m.moved)
	if err := a.barrier(ctx, s, p); err != nil {
		return err
	}
	op := stCarry
	if deleted {
		op = stMove
		a.counts.deleted++
	}
	a.counts.written++
	return a.write(ctx, s, op, d, m.sub, []*mutation{m})
}

// flush queues what a table has pending and empties it.
func (a *applier) flush(ctx context.Context, s session, p *pending) error {
	if err := a.flushRun(ctx, s, p); err != nil {
		return err
	}
	if len(p.reducer.entries) > 0 {
		if err := a.deletes(ctx, s, p); err != nil {
			return err
		}
		if err := a.writes(ctx, s, p); err != nil {
			return err
		}
		p.reducer.reset()
	}
	p.dest, p.keySig = nil, ""
	return nil
}

// flushRun queues what a table has pending that is not reduced.
func (a *applier) flushRun(ctx context.Context, s session, p *pending) error {
	if len(p.run) == 0 {
		return nil
	}
	op := stInsert
	if p.runOp == opDelete {
		op = stDelete
		a.counts.deleted += int64(len(p.run))
	} else {
		a.counts.written += int64(len(p.run))
		if a.config.InsertMode == Update {
			op = stUpdate
		}
	}
	if err := a.write(ctx, s, op, p.runDest, p.runSub, p.run); err != nil {
		return err
	}
	clear(p.run)
	p.run = p.run[:0]
	return nil
}

// deletes queues the deletes, per destination: an event and its tombstone have plans of their own.
func (a *applier) deletes(ctx context.Context, s session, p *pending) error {
	entries := p.reducer.entries
	for next := 0; next < len(entries); {
		var d *destination
		a.rows = a.rows[:0]
		rest := len(entries)
		for i := next; i < len(entries); i++ {
			m := entries[i].deleted
			if m == nil {
				continue
			}
			switch of := m.dest; {
			case d == nil || of == d:
				d = of
				a.rows = append(a.rows, m)
				entries[i].deleted = nil // done
			case rest == len(entries):
				rest = i
			}
		}
		if len(a.rows) > 0 {
			a.counts.deleted += int64(len(a.rows))
			if err := a.write(ctx, s, stDelete, d, nil, a.rows); err != nil {
				return err
			}
		}
		next = rest
	}
	return nil
}

// writes queues the rows, per set of unknown columns.
func (a *applier) writes(ctx context.Context, s session, p *pending) error {
	op := stUpsert
	if a.config.InsertMode == Update {
		op = stUpdate
	}
	entries := p.reducer.entries
	for next := 0; next < len(entries); {
		var sub *subset
		a.rows = a.rows[:0]
		rest := len(entries)
		for i := next; i < len(entries); i++ {
			m := entries[i].write
			switch {
			case m == nil:
			case len(a.rows) == 0 || m.sub == sub:
				sub = m.sub
				a.rows = append(a.rows, m)
				entries[i].write = nil // done
			case rest == len(entries):
				rest = i
			}
		}
		if len(a.rows) > 0 {
			a.counts.written += int64(len(a.rows))
			if err := a.write(ctx, s, op, p.dest, sub, a.rows); err != nil {
				return err
			}
		}
		next = rest
	}
	return nil
}

// write queues rows, batch.size at a time.
func (a *applier) write(ctx context.Context, s session, op statementOp, d *destination, sub *subset, rows []*mutation) error {
	for len(rows) > 0 {
		n := min(len(rows), a.config.BatchSize)
		if a.order != perTable && a.ranks.circle(d.table.name) {
			n = len(rows) // they may refer to each other, which is looked at when the statement ends
		}
		a.counts.statements++
		if err := s.write(ctx, op, d, sub, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// maxRowErrors bounds how many rows at fault one call looks for: when every row is bad, one need not try them all.
const maxRowErrors = 100

// divide applies mutations inside an open transaction and finds those the database refuses: it halves what fails until single
// mutations are left. In the end all others are applied, in order, so that sets which fail only for the order within them (a unique
// value that moves from row to row) succeed.
func (a *applier) divide(ctx context.Context, s session, muts []mutation, bad []*RowError) ([]*RowError, error) {
	if err := s.savepoint(ctx); err != nil {
		return bad, err
	}
	before := a.counts
	err := a.apply(ctx, s, muts)
	if err == nil {
		err = s.settle(ctx)
	}
	if err == nil {
		return bad, s.release(ctx)
	}
	if !isRowFault(err) {
		return bad, err
	}
	if err := s.rollbackTo(ctx); err != nil {
		return bad, err
	}
	a.counts = before
	half := middle(muts)
	if half == 0 {
		return append(bad, a.rowError(ctx, s, &muts[len(muts)-1], err)), nil
	}
	if bad, err = a.divide(ctx, s, muts[:half], bad); err != nil || len(bad) >= maxRowErrors {
		return bad, err
	}
	return a.divide(ctx, s, muts[half:], bad)
}

// middle is where to divide mutations: near the middle, but not between the halves of a key change of which the second needs the row
// that the first deletes. 0: nowhere.
func middle(muts []mutation) int {
	parts := func(i int) bool {
		next := i
		for next < len(muts) && muts[next].half {
			next++
		}
		return muts[i-1].half && next < len(muts) && muts[next].moved != nil
	}
	for i := len(muts) / 2; i > 0; i-- {
		if !parts(i) {
			return i
		}
	}
	for i := len(muts)/2 + 1; i < len(muts); i++ {
		if !parts(i) {
			return i
		}
	}
	return 0
}

// rowError says which value of a mutation cannot be written. The session is within a transaction that is sound.
func (a *applier) rowError(ctx context.Context, s session, m *mutation, err error) *RowError {
	at := m.rec.Consumed()
	e := &RowError{Topic: at.Topic, Partition: at.Partition, Offset: m.rec.Offset, Err: err}
	if a.config.HideValues {
		defer e.hide()
	}
	d := m.dest
	if d == nil {
		return e
	}
	e.Table = d.table.name.String()
	if v, ok := asValueError(err); ok {
		e.Column, e.Value, e.Err = v.column, v.value, v.err
		return e
	}
	if m.op == opWrite {
		e.Column, e.Value = s.culprit(ctx, d, m)
	}
	return e
}
