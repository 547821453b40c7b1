package sqldb

import (
	"cmp"
	"context"
	"slices"
)

// sequence is the order in which an applier hands what it has gathered to a session.
type sequence uint8

const (
	perTable sequence = iota // table by table, of each the deletes first: foreign keys are not looked at
	// The others are tried one after the other. Rows are written before others refer to them, and deleted when none refer to them any more.
	writesFirst  // all writes, then all deletes: right unless a written row has a unique value of one that is deleted
	deletesFirst // all deletes, then all writes: right unless a row refers to one that is deleted until it is written itself
	asCommitted  // runs of writes or deletes of one table, as the source made them
)

// barrier ends what was gathered of a table; where the order of tables matters, of all.
func (a *applier) barrier(ctx context.Context, s session, p *pending) error {
	if a.order == perTable {
		return a.flush(ctx, s, p)
	}
	return a.flushAll(ctx, s)
}

// flushAll queues all that is pending, in the order of the sequence.
func (a *applier) flushAll(ctx context.Context, s session) error {
	if a.order == perTable || a.order == asCommitted {
		for _, p := range a.pending {
			if err := a.flush(ctx, s, p); err != nil {
				return err
			}
		}
		return nil
	}
	ordered := slices.Clone(a.pending)
	slices.SortStableFunc(ordered, func(p, q *pending) int { return cmp.Compare(a.ranks.component(p.name), a.ranks.component(q.name)) })
	steps := []func(context.Context, session, []*pending) error{a.allWrites, a.allDeletes}
	if a.order == deletesFirst {
		slices.Reverse(steps)
	} else {
		for _, p := range ordered {
			for i := range p.reducer.entries {
				if e := &p.reducer.entries[i]; e.write != nil {
					e.deleted = nil // it is written over; deleting it first would take from others what they refer to
				}
			}
		}
	}
	for _, step := range steps {
		if err := step(ctx, s, ordered); err != nil {
			return err
		}
	}
	for _, p := range ordered {
		p.reducer.reset()
		p.dest, p.keySig = nil, ""
	}
	return nil
}

// allWrites writes the rows of all tables, referred ones first.
func (a *applier) allWrites(ctx context.Context, s session, ordered []*pending) error {
	for _, p := range ordered {
		if len(p.run) > 0 && p.runOp != opDelete {
			if err := a.flushRun(ctx, s, p); err != nil {
				return err
			}
		}
		if err := a.writes(ctx, s, p); err != nil {
			return err
		}
	}
	return nil
}

// allDeletes deletes the rows of all tables, referred ones last.
func (a *applier) allDeletes(ctx context.Context, s session, ordered []*pending) error {
	for _, p := range slices.Backward(ordered) {
		if len(p.run) > 0 && p.runOp == opDelete {
			if err := a.flushRun(ctx, s, p); err != nil {
				return err
			}
		}
		if err := a.deletes(ctx, s, p); err != nil {
			return err
		}
	}
	return nil
}

// turn is called before a mutation is gathered: as the source made them, another table or another kind ends what was gathered.
func (a *applier) turn(ctx context.Context, s session, p *pending, m *mutation) error {
	if a.order != asCommitted || a.turnOf == p && a.turnOp == m.op {
		return nil
	}
	a.turnOf, a.turnOp = p, m.op
	return a.flushAll(ctx, s)
}

// clear empties tables whose truncates followed each other, referred ones last. TRUNCATE refuses tables that others refer to.
func (a *applier) clear(ctx context.Context, s session) error {
	if len(a.clears) == 0 {
		return nil
	}
	slices.SortStableFunc(a.clears, func(m, n *mutation) int {
		return cmp.Compare(a.ranks.component(n.dest.table.name), a.ranks.component(m.dest.table.name))
	})
	for _, m := range a.clears {
		a.counts.truncated++
		if err := a.write(ctx, s, stClear, m.dest, nil, []*mutation{m}); err != nil {
			return err
		}
	}
	clear(a.clears)
	a.clears = a.clears[:0]
	return nil
}
