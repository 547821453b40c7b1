package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/crashpoint"
	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
)

// position is where a partition stands, as this task knows it.
type position struct {
	kafka.TopicPartition
	cluster string
	epoch   int64 // drawn by Open; a higher one in the table means another owner
	next    int64 // offset of the first record not applied; -1: nothing was
}

// claimed is what the positions table says of a partition.
type claimed struct{ next, epoch int64 }

// partition is one that the task has, and what the batch at hand does to it.
type partition struct {
	position
	inBatch bool
	target  int64 // position behind the batch; 0: nothing to apply
	muts    []mutation
	skip    int64 // the worker has nothing to put before it
	held    held  // of batches before
	coming  held  // what is held once the batch at hand is applied
}

// apply brings a partition's part of a batch into the database, with its position, in one transaction; again while it fails for
// reasons that pass.
func (t *Task) apply(ctx context.Context, p *partition) error {
	if p.target <= p.next { // nothing but what is held, or was applied before
		p.held = p.coming
		return nil
	}
	return t.retrying(ctx, func() error {
		w, err := t.acquire(ctx)
		if err != nil {
			return err
		}
		defer t.release(ctx, w)
		return t.settle(ctx, w, p)
	})
}

// retrying calls try until it succeeds, fails for good, or has used flush.max.retries up.
func (t *Task) retrying(ctx context.Context, try func() error) error {
	for attempt := 0; ; attempt++ {
		err := try()
		if err == nil || !isRetriable(err) || attempt >= t.config.MaxRetries || ctx.Err() != nil {
			return err
		}
		t.stats.retries.Add(1)
		t.log.Warn("the transaction is tried again", "attempt", attempt+1, "of", t.config.MaxRetries, "wait", t.config.RetryDelay, "err", err)
		if !pause.For(ctx, t.config.RetryDelay) {
			return err
		}
	}
}

// maxStale bounds how often one batch starts over because somebody alters its tables, or locks its position away.
const maxStale = 10

// settle runs a partition's transaction on one connection: what is stale is read anew, what was applied by an attempt whose outcome
// was unknown is left out, what is refused as a set is divided.
func (t *Task) settle(ctx context.Context, w *worker, p *partition) error {
	var refreshed, dividing bool
	for stale := 0; ; {
		bad, err := t.transaction(ctx, w, p, dividing)
		var moved *movedError
		var old *staleError
		var unfit *unfitError
		switch {
		case err == nil && bad != nil:
			return RowErrors(bad)
		case err == nil:
			t.done(w, p)
			return nil
		case errors.As(err, &moved) && stale < maxStale:
			stale++
			if again, err := t.recover(ctx, w.session, p); !again || err != nil {
				return err
			}
		case errors.As(err, &old) && stale < maxStale:
			stale++
			if _, err := t.tables.refresh(ctx, w.session, p.muts); err != nil {
				return err
			}
			t.tables.rebind(p.muts)
		case errors.As(err, &unfit):
			return unfit.rows(p.muts)
		case isRowFault(err) && !refreshed: // perhaps a column was altered
			refreshed = true
			changed, err := t.tables.refresh(ctx, w.session, p.muts)
			if err != nil {
				return err
			}
			dividing = !changed
		case isRowFault(err) && !dividing:
			dividing = true
		case isRowFault(err): // a deferred constraint, checked at commit: no single row can be told
			return &SetupError{Object: p.tables(), Err: err, Remedy: "the constraint is checked at commit, so it cannot be said which record breaks it; make it immediate, or drop it"}
		case errors.As(err, &old):
			return &SetupError{Object: p.tables(), Err: err, Remedy: "the statement does not fit the table as it is; look for what alters it, for columns of types that no text is converted to, " +
				"and, with truncate.enabled, for foreign keys that refer to it"}
		case errors.As(err, &moved):
			return &SetupError{Object: fmt.Sprintf("table %q", t.config.Positions), Option: "positions.table", Err: fmt.Errorf("the position of %s-%d cannot be moved", p.Topic, p.Partition),
				Remedy: "look for triggers or row security policies on that table"}
		default:
			return err
		}
	}
}

// transaction moves the position, applies the rows and commits: in sets as the ordinary way, or dividing what is refused. Rows at
// fault leave nothing behind.
func (t *Task) transaction(ctx context.Context, w *worker, p *partition, dividing bool) (bad []*RowError, err error) {
	s := w.session
	if err := t.tables.ensure(ctx, s, p.muts); err != nil {
		return nil, err
	}
	w.applier.counts = counts{}
	if err = s.begin(ctx); err == nil {
		err = s.move(ctx, &p.position, p.target)
	}
	switch {
	case err != nil:
	case dividing:
		if err = s.settle(ctx); err == nil {
			bad, err = w.applier.divide(ctx, s, p.muts, nil)
		}
	default:
		if err = w.applier.apply(ctx, s, p.muts); err == nil {
			err = s.settle(ctx)
		}
	}
	if err == nil && bad == nil {
		if err = s.commit(ctx); err == nil {
			crashpoint.Pass("sink.committed")
			return nil, nil
		}
	}
	if s.usable() {
		if failed := s.rollback(ctx); failed != nil && !isRetriable(err) {
			return nil, failed
		}
	}
	return bad, err
}

// tables names the tables a batch writes to.
func (p *partition) tables() string {
	var names []string
	for i := range p.muts {
		if n := fmt.Sprintf("table %q", p.muts[i].target.name); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// recover looks why the position was not where the batch starts. again is true when it was this task that moved it, in a
// transaction whose outcome it could not learn: the batch then goes on behind it.
func (t *Task) recover(ctx context.Context, s session, p *partition) (again bool, err error) {
	now, found, err := s.standing(ctx, &p.position)
	if err != nil {
		return false, err
	}
	if !found || now.epoch != p.epoch || now.next < p.next {
		return false, &FencedError{Topic: p.Topic, Partition: p.Partition, Expected: p.next, Found: now.next, Removed: !found, Table: t.config.Positions}
	}
	if now.next == p.next {
		return true, nil // whatever stood in the way has gone
	}
	p.next = now.next
	if p.held.next <= p.next {
		p.held = held{} // applied by that transaction
	}
	rest := p.muts[:0]
	for _, m := range p.muts {
		if m.rec.Offset >= p.next {
			rest = append(rest, m)
		}
	}
	clear(p.muts[len(rest):])
	p.muts = rest
	if p.target <= p.next {
		p.held = p.coming
		return false, nil
	}
	return true, nil
}

// done takes a committed transaction into the books.
func (t *Task) done(w *worker, p *partition) {
	p.next, p.held = p.target, p.coming
	t.count(w)
}

// count adds what a transaction did.
func (t *Task) count(w *worker) {
	c := w.applier.counts
	t.stats.written.Add(c.written)
	t.stats.deleted.Add(c.deleted)
	t.stats.truncated.Add(c.truncated)
	t.stats.statements.Add(c.statements)
	t.stats.transactions.Add(1)
}

// rows blames the records whose columns cannot be made.
func (e *unfitError) rows(muts []mutation) RowErrors {
	var out RowErrors
	for i := range muts {
		if m := &muts[i]; m.target == e.target {
			at := m.rec.Consumed()
			out = append(out, &RowError{Topic: at.Topic, Partition: at.Partition, Offset: m.rec.Offset, Table: m.target.name.String(), Err: e.err})
		}
	}
	return out
}
