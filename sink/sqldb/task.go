package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// Task applies records to a relational database. It is a sink.Task.
//
// Invariants:
//  1. A partition's rows and its position move in one transaction; next is what the last such transaction left.
//  2. That transaction can only commit under the epoch that Open drew: whoever opens a partition later fences this task.
//  3. Between calls no transaction is open and no goroutine runs, but for the one that ends a hold.
type Task struct {
	config    Config
	connector string
	log       *slog.Logger

	calls sync.Mutex  // one call at a time; the end of a hold is one
	timer *time.Timer // ends the holds; nil: there are none

	store      store // set by the first Open
	mutator    *mutator
	tables     *tables
	partitions map[kafka.TopicPartition]*partition
	order      []*partition   // of the batch at hand, in order of their first record
	txn        *transactional // nil: each partition for itself

	mu   sync.Mutex
	idle []*worker // connections not in use

	stats struct{ written, deleted, truncated, transactions, statements, skipped, retries atomic.Int64 }
	told  map[string]bool // skipped kinds that were warned about

	holdFor time.Duration // the constant, but for tests
}

var (
	_ sink.Task     = (*Task)(nil)
	_ sink.Skipper  = (*Task)(nil)
	_ sink.Holder   = (*Task)(nil)
	_ sink.Borrower = (*Task)(nil)
)

// worker is a connection and the buffers that go with it.
type worker struct {
	session session
	applier *applier
}

// New makes a task. It does not connect: the first Open does. The configuration is one that Parse found no error in; log names the task.
func New(c Config, connectorName string, log *slog.Logger) *Task {
	c.name = connectorName
	t := &Task{config: c, connector: connectorName, log: log,
		partitions: make(map[kafka.TopicPartition]*partition), told: make(map[string]bool), holdFor: holdFor}
	if c.Consistency == ConsistencyTransaction {
		t.txn = newTransactional(&c)
	}
	return t
}

// Borrows implements sink.Borrower: what outlives Put is copied (hold.go). Transactions that wait for their records keep those.
func (t *Task) Borrows() bool { return t.txn == nil }

// Stats is what a task has done since it was made, in rows of records.
type Stats struct {
	Written, Deleted, Truncated int64 // Written: upserted, inserted or updated, after reduction
	Transactions, Statements    int64
	Skipped                     int64 // records that are no rows
	Retries                     int64
}

// Stats may be called at any time, from any goroutine.
func (t *Task) Stats() Stats {
	s := &t.stats
	return Stats{s.written.Load(), s.deleted.Load(), s.truncated.Load(), s.transactions.Load(), s.statements.Load(), s.skipped.Load(), s.retries.Load()}
}

// prepare makes what does not need a connection, once.
func (t *Task) prepare() error {
	if t.store != nil {
		return nil
	}
	st, err := newStore(&t.config, t.connector, t.log)
	if err != nil {
		return err
	}
	if t.mutator, err = newMutator(&t.config, st.fold); err != nil {
		return &SetupError{Option: t.config.names.collection, Err: err}
	}
	t.tables = &tables{config: &t.config, store: st, log: t.log, known: make(map[tableName]*table)}
	t.store = st
	return nil
}

// Open takes partitions over: whoever had them before can commit nothing more, and what it has committed is what the returned
// positions stand behind.
func (t *Task) Open(ctx context.Context, parts []sink.Assignment) ([]kafka.Position, error) {
	t.calls.Lock()
	defer t.calls.Unlock()
	if err := t.prepare(); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, nil
	}
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b sink.Assignment) int { // the order of locks
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	var found []claimed
	err := t.retrying(ctx, func() (err error) {
		w, err := t.acquire(ctx)
		if err != nil {
			return err
		}
		defer t.release(ctx, w)
		if t.config.Exists {
			if err := t.exist(ctx, w.session, parts); err != nil {
				return err
			}
		}
		found, err = w.session.claim(ctx, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []kafka.Position
	for i, a := range parts {
		t.partitions[a.TopicPartition] = &partition{position: position{TopicPartition: a.TopicPartition, cluster: a.ClusterID, epoch: found[i].epoch, next: found[i].next}}
		if found[i].next >= 0 {
			out = append(out, kafka.Position{TopicPartition: a.TopicPartition, Offset: found[i].next})
		}
	}
	if t.txn == nil {
		return out, nil
	}
	if err := t.txn.open(parts, found); err != nil {
		return nil, err
	}
	if topic, assigned := t.txn.assembler.Metadata(); !assigned {
		t.log.Warn("the topic of the transactions' metadata is not assigned yet: rows of snapshots are applied, and transactions when the source has made it and the consumer has seen it "+
			"(consumer.override.metadata.max.age.ms), or when the session of a member of the group is over that had it and died", "topic", cmp.Or(topic, "*.transaction"))
	}
	for i, at := range out {
		n := slices.IndexFunc(parts, func(a sink.Assignment) bool { return a.TopicPartition == at.TopicPartition })
		out[i].Offset = t.txn.assembler.ReadFrom(at.TopicPartition, parts[n].Begin, at.Offset)
	}
	return out, nil
}

// Put applies the records: on return without error they are durable, or held as hold.go says. Rows that cannot be applied give
// RowErrors; the partitions they are in then stand where they stood.
func (t *Task) Put(ctx context.Context, records []sink.Record) error {
	t.calls.Lock()
	defer t.calls.Unlock()
	if t.txn != nil {
		return t.putTransactions(ctx, records)
	}
	if err := t.split(records); err != nil {
		return err
	}
	return t.applyAll(ctx)
}

// applyAll applies what split has laid out, with what was held long enough, and ends the batch.
func (t *Task) applyAll(ctx context.Context) error {
	defer t.forget()
	defer t.wake()
	now := time.Now()
	for _, p := range t.partitions {
		if !p.inBatch && len(p.held.muts) > 0 && now.Sub(p.held.since) >= t.holdFor {
			t.enter(p)
		}
		if !p.inBatch && len(p.held.muts) == 0 && p.skip > max(p.next, 0) {
			t.enter(p)
			p.target = p.skip
		}
	}
	for _, p := range t.order {
		p.hold(now, t.holdFor)
	}
	if len(t.order) == 1 {
		return t.apply(ctx, t.order[0])
	}
	errs := make([]error, len(t.order))
	var g errgroup.Group
	g.SetLimit(t.config.Connections)
	for i, p := range t.order {
		g.Go(func() error { errs[i] = t.apply(ctx, p); return nil })
	}
	_ = g.Wait() // the errors are in errs: one partition's does not stop the others
	return worst(errs)
}

// worst chooses what to report: what ends the task, then all rows at fault, then what passes.
func worst(errs []error) error {
	var rows RowErrors
	var passing error
	for _, err := range errs {
		var r RowErrors
		switch {
		case err == nil:
		case errors.As(err, &r):
			rows = append(rows, r...)
		case !isRetriable(err):
			return err
		default:
			passing = err
		}
	}
	if rows != nil {
		return rows
	}
	return passing
}

// split turns records into mutations, by partition. Records that are applied already are left out.
func (t *Task) split(records []sink.Record) error {
	t.forget()
	var p *partition
	var at kafka.TopicPartition
	var bad RowErrors
	var setup *SetupError
	for i := range records {
		r := &records[i]
		if tp := r.Consumed(); p == nil || tp != at {
			if p = t.partitions[tp]; p == nil {
				t.forget()
				return fmt.Errorf("record %s-%d@%d: the partition was not opened by this task", tp.Topic, tp.Partition, r.Offset)
			}
			at = tp
			if !p.inBatch {
				t.enter(p)
			}
		}
		if r.Offset < p.next || r.Offset < p.target {
			continue
		}
		p.target = r.Offset + 1
		m, ok, why, err := t.mutator.mutate(r)
		switch {
		case errors.As(err, &setup):
			t.forget()
			return setup
		case err != nil:
			bad = append(bad, &RowError{Topic: at.Topic, Partition: at.Partition, Offset: r.Offset, Err: err})
		case ok:
			p.muts = append(p.muts, m)
		default:
			t.skip(r, why)
		}
	}
	if bad != nil {
		t.forget()
		return bad
	}
	return nil
}

// enter makes a partition part of the batch, beginning with what it holds.
func (t *Task) enter(p *partition) {
	p.inBatch, p.target, p.coming = true, p.held.next, held{}
	p.muts = append(p.muts, p.held.muts...)
	t.order = append(t.order, p)
}

func (t *Task) skip(r *sink.Record, why string) {
	t.stats.skipped.Add(1)
	if why == "" || t.told[r.Topic+"\x00"+why] {
		return
	}
	t.told[r.Topic+"\x00"+why] = true
	t.log.Warn("records that are no rows are skipped; further ones are only counted", "kind", why, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
}

// forget lets go of a batch: its records die with the call.
func (t *Task) forget() {
	for _, p := range t.order {
		clear(p.muts)
		p.muts, p.inBatch, p.target, p.coming = p.muts[:0], false, 0, held{}
	}
	t.order = t.order[:0]
}

// Skip implements sink.Skipper. What is held goes first.
func (t *Task) Skip(positions []kafka.Position) {
	t.calls.Lock()
	defer t.calls.Unlock()
	for _, at := range positions {
		if t.txn != nil {
			t.txn.assembler.Left(at)
		} else if p := t.partitions[at.TopicPartition]; p != nil {
			p.skip = max(p.skip, at.Offset)
		}
	}
}

// Flush returns where the partitions stand. What was put is durable already, but for the first halves of key changes at the end of
// a batch: those still waiting stay, and the position is before them.
func (t *Task) Flush(ctx context.Context) ([]kafka.Position, error) {
	t.calls.Lock()
	defer t.calls.Unlock()
	apply := t.applyAll
	if t.txn != nil {
		apply = t.flushTransactions
	}
	if err := apply(ctx); err != nil {
		return nil, err
	}
	var out []kafka.Position
	for _, p := range t.partitions {
		if p.next >= 0 {
			out = append(out, kafka.Position{TopicPartition: p.TopicPartition, Offset: p.next})
		}
	}
	slices.SortFunc(out, func(a, b kafka.Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out, nil
}

// Close gives partitions up; with the last one the connections are closed.
func (t *Task) Close(ctx context.Context, parts []kafka.TopicPartition) error {
	t.calls.Lock()
	defer t.calls.Unlock()
	for _, tp := range parts {
		delete(t.partitions, tp)
	}
	if len(t.partitions) > 0 {
		return nil
	}
	t.wake() // there is nothing to wake for any more
	if t.txn != nil {
		t.txn.assembler.Close()
	}
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	for _, w := range idle {
		w.session.close(ctx)
	}
	return nil
}

// acquire takes an idle connection or makes one. The number is bounded by those who call at once.
func (t *Task) acquire(ctx context.Context) (*worker, error) {
	t.mu.Lock()
	for n := len(t.idle); n > 0; n = len(t.idle) {
		w := t.idle[n-1]
		t.idle = t.idle[:n-1]
		if w.session.usable() {
			t.mu.Unlock()
			return w, nil
		}
	}
	t.mu.Unlock()
	s, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &worker{session: s, applier: newApplier(&t.config)}, nil
}

// connect opens a session, in as many attempts as are configured.
func (t *Task) connect(ctx context.Context) (session, error) {
	for attempt := 1; ; attempt++ {
		s, err := t.store.connect(ctx)
		if err == nil || !isRetriable(err) || attempt >= t.config.Attempts || !pause.For(ctx, t.config.Backoff) {
			return s, err
		}
		t.log.Warn("the database is tried again", "attempt", attempt, "of", t.config.Attempts, "err", err)
	}
}

// release gives a connection back, out of any transaction.
func (t *Task) release(ctx context.Context, w *worker) {
	if w.session.usable() {
		_ = w.session.rollback(ctx) // of what ended within one; the connection is closed when it fails
	}
	if !w.session.usable() {
		w.session.close(ctx)
		return
	}
	t.mu.Lock()
	t.idle = append(t.idle, w)
	t.mu.Unlock()
}
