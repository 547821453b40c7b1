package sqldb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/transaction"
)

// consistency=transaction: the source's transactions are applied whole and in the order of their commits, over all tables, so that foreign
// keys hold at every moment. sink/transaction puts them together; here a group of them becomes one transaction of the target, in which the
// positions of all its partitions move. Within it tables are written in the order of their foreign keys, as foreignkeys.go and apply_order.go say.

// transactional is what a task has besides when its consistency is that of transactions.
type transactional struct {
	assembler *transaction.Assembler
	graph     *graph           // nil: to be read
	blocked   map[string]error // topics whose rows of a snapshot refer to rows that have not come, until something comes
	refused   error            // of transactions that refer to rows which are not there: they wait for a snapshot that may bring them; nil: none do
	since     time.Time        // when refused came up
	again     bool             // rows of a snapshot were applied since
	tried     bool             // to apply transactions with the snapshot behind them, in vain, until something comes
	paused    func() bool
	now       func() time.Time
}

// PausedBy tells the task how to know that the worker has paused it.
func (t *Task) PausedBy(paused func() bool) {
	if t.txn != nil {
		t.txn.paused = paused
	}
}

// groupBytes is how much is applied in one transaction of the target, or one transaction of the source if that is larger.
const groupBytes = 8 << 20

func newTransactional(c *Config) *transactional {
	return &transactional{now: time.Now, paused: func() bool { return false }, blocked: make(map[string]error), assembler: transaction.New(transaction.Config{Topic: c.TransactionTopic,
		Buffer: c.TransactionBuffer, Dir: c.TransactionDir, Timeout: c.TransactionTimeout, TopicOf: envelope.SanitizeTopic, Wants: c.wants})}
}

// open begins anew with the partitions, in their order.
func (x *transactional) open(parts []sink.Assignment, found []claimed) error {
	x.graph, x.refused, x.again, x.tried = nil, nil, false, false
	clear(x.blocked)
	var next []int64
	for i := range parts {
		next = append(next, found[i].next)
	}
	return x.assembler.Open(parts, next, x.now())
}

// TransactionError says that transactions cannot be applied. That is never a matter of single records: without them it would not be whole.
type TransactionError struct {
	IDs []string // none for rows of a snapshot
	Err error
}

func (e *TransactionError) Error() string {
	switch n := len(e.IDs); n {
	case 0:
		return fmt.Sprintf("rows of the snapshot cannot be applied: %v", e.Err)
	case 1:
		return fmt.Sprintf("transaction %s cannot be applied: %v", e.IDs[0], e.Err)
	default:
		return fmt.Sprintf("the transactions from %s to %s cannot be applied: %v", e.IDs[0], e.IDs[n-1], e.Err)
	}
}

// Unwrap returns the cause.
func (e *TransactionError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *TransactionError) Retriable() bool { return false }

// putTransactions takes records in and applies what they complete.
func (t *Task) putTransactions(ctx context.Context, records []sink.Record) error {
	if len(records) > 0 {
		clear(t.txn.blocked)
		t.txn.tried = false
	}
	for i := range records {
		if err := t.txn.assembler.Add(&records[i], t.txn.now()); err != nil {
			if isRetriable(err) {
				return err
			}
			return &SetupError{Err: err}
		}
	}
	return t.drain(ctx, false)
}

// drain applies all that is complete. At a flush it also tries to apply transactions together with a snapshot that has come behind them.
func (t *Task) drain(ctx context.Context, flush bool) error {
	x := t.txn
	for {
		g, topic, err := t.nextGroup(ctx)
		if err != nil {
			return err
		}
		anew := false
		if g == nil && flush && !x.tried {
			g = x.assembler.Anew(x.now())
			anew = g != nil
		}
		if g == nil {
			return nil
		}
		err = t.retrying(ctx, func() error {
			w, err := t.acquire(ctx)
			if err != nil {
				return err
			}
			defer t.release(ctx, w)
			return t.settleGroup(ctx, w, g)
		})
		switch {
		case err == nil:
		case topic != "" && isRowFault(err):
			x.blocked[topic], x.graph = err, nil
			continue
		case topic == "" && isReferenceFault(err):
			t.waitForSnapshot(err, anew)
			continue
		default:
			return err
		}
		if err := x.assembler.Done(g, x.now()); err != nil {
			return err
		}
		if x.again = topic != "" && x.refused != nil; !x.again {
			x.refused = nil
		}
	}
}

// nextGroup is what is to be applied next: transactions, or rows of the snapshot of a topic.
func (t *Task) nextGroup(ctx context.Context) (g *transaction.Group, topic string, err error) {
	x := t.txn
	if x.refused == nil {
		if g, err = x.assembler.Next(groupBytes); g != nil || err != nil {
			return g, "", err
		}
	}
	if g, topic, err = t.snapshotGroup(ctx); g != nil || err != nil || !x.again {
		return g, topic, err
	}
	x.again = false
	g, err = x.assembler.Next(groupBytes)
	return g, "", err
}

// waitForSnapshot keeps transactions that refer to rows which are not in the target. A source that was killed before its snapshot was stored leaves out
// of them what the rows of its next snapshot bring; those come behind, and all is applied together.
func (t *Task) waitForSnapshot(err error, anew bool) {
	x := t.txn
	x.graph, x.tried = nil, x.tried || anew
	if anew && x.refused == nil { // the rows of the snapshot are not all there
		return
	}
	if x.refused == nil {
		x.since = x.now()
		t.log.Warn("transactions refer to rows that are not in the target, or of which others still refer to some that they delete: they wait for a snapshot that the source may be taking again, for transaction.timeout.ms at most",
			"error", err)
	}
	x.refused = err
}

// overdue is an error when something has waited in vain.
func (x *transactional) overdue(timeout time.Duration) error {
	if err := x.assembler.Overdue(x.now()); err != nil && x.refused == nil {
		return err
	}
	if x.refused != nil && x.now().Sub(x.since) >= timeout {
		return x.refused
	}
	if x.assembler.Idle(x.now()) >= timeout {
		for _, topic := range slices.Sorted(maps.Keys(x.blocked)) {
			return fmt.Errorf("topic %s: for %v nothing has come that its rows could refer to (transaction.timeout.ms): %w", topic, timeout, x.blocked[topic])
		}
	}
	return nil
}

// Holds tells whether records wait for the rest of their transaction.
func (t *Task) Holds() bool {
	t.calls.Lock()
	defer t.calls.Unlock()
	return t.txn != nil && t.txn.assembler.Waiting()
}

// flushTransactions applies what can be, and tells of what has waited for too long.
func (t *Task) flushTransactions(ctx context.Context) error {
	t.txn.assembler.Rest(t.txn.now())
	if err := t.drain(ctx, true); err != nil {
		return err
	}
	if t.txn.paused() { // such time does not count as waiting
		t.txn.assembler.Touch(t.txn.now())
		t.txn.since = t.txn.now()
	}
	return t.txn.overdue(t.config.TransactionTimeout)
}

// settleGroup runs a group's transaction on one connection, in other orders when the database refuses one.
func (t *Task) settleGroup(ctx context.Context, w *worker, g *transaction.Group) error {
	targets, err := t.targets(g)
	if err != nil {
		return err
	}
	var refreshed bool
	order := writesFirst
	for stale := 0; ; {
		err := t.groupTransaction(ctx, w, g, targets, order)
		var moved *movedError
		var old *staleError
		switch {
		case err == nil:
			t.groupDone(w, g)
			return nil
		case errors.As(err, &moved) && stale < maxStale:
			stale++
			if done, err := t.recoverGroup(ctx, w.session, g); done || err != nil {
				return err
			}
		case errors.As(err, &old) && stale < maxStale:
			stale++
			if _, err := t.tables.refresh(ctx, w.session, targets); err != nil {
				return err
			}
			t.tables.rebind(targets)
		case isRowFault(err) && !refreshed: // perhaps a column was altered, or a foreign key is new
			refreshed = true
			changed, failed := t.tables.refresh(ctx, w.session, targets)
			if failed != nil {
				return failed
			}
			if t.txn.graph = nil; !changed {
				order++
			}
		case isRowFault(err) && order < asCommitted:
			order++
		case isRowFault(err):
			return &TransactionError{g.IDs, err}
		default:
			return err
		}
	}
}

// targets are the tables that a group writes to, as mutations without rows.
func (t *Task) targets(g *transaction.Group) ([]mutation, error) {
	var out []mutation
	err := g.Samples(func(r *sink.Record) error {
		m, ok, _, err := t.mutator.mutate(r)
		if err != nil {
			return recordError(r, err)
		}
		if ok && !slices.ContainsFunc(out, func(o mutation) bool { return o.target == m.target }) {
			out = append(out, mutation{op: m.op, target: m.target})
		}
		return nil
	})
	return out, err
}

// recordError says which record it is. It names no record to the worker: leaving it out would not leave the transaction whole.
func recordError(r *sink.Record, err error) error {
	at := r.Consumed()
	return &SetupError{Err: fmt.Errorf("record %s-%d@%d: %w", at.Topic, at.Partition, r.Offset, err)}
}

// groupTransaction applies a group in one transaction with the positions.
func (t *Task) groupTransaction(ctx context.Context, w *worker, g *transaction.Group, targets []mutation, order sequence) (err error) {
	s := w.session
	if err := t.tables.ensure(ctx, s, targets); err != nil {
		return err
	}
	ranks, err := t.ranks(ctx, s)
	if err != nil {
		return err
	}
	w.applier.counts = counts{}
	w.applier.order, w.applier.ranks = order, ranks
	defer func() { w.applier.order, w.applier.ranks = perTable, nil }()
	defer func() {
		if err != nil && s.usable() {
			if failed := s.rollback(ctx); failed != nil && !isRetriable(err) {
				err = failed
			}
		}
	}()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.(transactor).deferConstraints(ctx); err != nil {
		return err
	}
	for _, m := range g.Moves {
		if err := s.move(ctx, &t.partitions[m.TopicPartition].position, m.To); err != nil {
			return err
		}
	}
	var muts []mutation
	err = g.Records(func(records []sink.Record) error {
		muts = muts[:0]
		for i := range records {
			m, ok, why, err := t.mutator.mutate(&records[i])
			if err != nil {
				return recordError(&records[i], err)
			}
			if ok {
				muts = append(muts, m)
			} else {
				t.skip(&records[i], why)
			}
		}
		t.tables.assign(muts)
		if err := w.applier.apply(ctx, s, muts); err != nil {
			return err
		}
		return s.settle(ctx)
	})
	if err != nil {
		return err
	}
	return s.commit(ctx)
}

// groupDone takes a committed group into the books.
func (t *Task) groupDone(w *worker, g *transaction.Group) {
	t.groupMoved(g)
	t.count(w)
}

func (t *Task) groupMoved(g *transaction.Group) {
	for _, m := range g.Moves {
		t.partitions[m.TopicPartition].next = m.To
	}
}

// recoverGroup looks why the positions were not where the group starts. done is true when it was this task that moved them, in a transaction
// whose outcome it could not learn.
func (t *Task) recoverGroup(ctx context.Context, s session, g *transaction.Group) (done bool, err error) {
	moved := 0
	for _, m := range g.Moves {
		p := t.partitions[m.TopicPartition]
		now, found, err := s.standing(ctx, &p.position)
		if err != nil {
			return false, err
		}
		if !found || now.epoch != p.epoch || now.next != m.From && now.next != m.To {
			return false, &FencedError{Topic: p.Topic, Partition: p.Partition, Expected: p.next, Found: now.next, Removed: !found, Table: t.config.Positions}
		}
		if now.next == m.To {
			moved++
		}
	}
	if moved == 0 {
		return false, nil // whatever stood in the way has gone
	}
	if moved < len(g.Moves) {
		return false, fmt.Errorf("%d of %d positions of a transaction have moved in table %q: somebody else writes to it", moved, len(g.Moves), t.config.Positions)
	}
	t.groupMoved(g)
	return true, nil
}

// tableOf is the table of a topic: as its records have shown, or as the configuration names it.
func (t *Task) tableOf(topic string) tableName {
	schemaName, name, ok := cutLast(t.txn.assembler.Collection(topic))
	if !ok {
		name = schemaName
	}
	source := &schema.StructValue{Schema: namesOnly, Values: []schema.Value{schema.OfString(schemaName), schema.OfString(name)}}
	n, err := t.mutator.planner.format.name(topic, source)
	if err != nil {
		return tableName{}
	}
	n = tableName{t.mutator.planner.fold(n.schema), t.mutator.planner.fold(n.table)}
	t.tables.mu.Lock()
	defer t.tables.mu.Unlock()
	if known := t.tables.known[n]; known != nil {
		return known.name
	}
	return n
}

// namesOnly is as much of a source block as a table's name needs.
var namesOnly = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{{Name: "schema", Schema: textSchema}, {Name: "table", Schema: textSchema}}}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// ranks are the places of the tables in the order of their foreign keys.
func (t *Task) ranks(ctx context.Context, s session) (*graph, error) {
	if t.txn.graph != nil {
		return t.txn.graph, nil
	}
	tr, ok := s.(transactor)
	if !ok {
		return nil, &SetupError{Option: "consistency", Err: errors.New("consistency=transaction is not there for this database")}
	}
	refs, err := tr.references(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys of the target: %w", err)
	}
	var tables []tableName
	for _, topic := range t.txn.assembler.Topics() {
		tables = append(tables, t.tableOf(topic))
	}
	t.txn.graph = newGraph(tables, refs)
	return t.txn.graph, nil
}

// snapshotGroup chooses rows of a snapshot to be applied next: those of tables whose rows refer to nothing that is still to come. Tables that
// refer to each other in a circle, or to themselves, go whole and together.
func (t *Task) snapshotGroup(ctx context.Context) (*transaction.Group, string, error) {
	x := t.txn
	type status struct {
		topic          string
		rows, complete bool
	}
	var all []status
	waiting := false
	x.assembler.Snapshot(func(topic string, rows, complete bool) {
		all = append(all, status{topic, rows, complete})
		waiting = waiting || rows
	})
	if !waiting {
		return nil, "", nil
	}
	var g *graph
	err := t.retrying(ctx, func() error {
		w, err := t.acquire(ctx)
		if err != nil {
			return err
		}
		defer t.release(ctx, w)
		g, err = t.ranks(ctx, w.session)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	component := make([]int, len(all))
	for i, s := range all {
		component[i] = g.component(t.tableOf(s.topic))
	}
	for i, s := range all {
		if !s.rows || x.blocked[s.topic] != nil {
			continue
		}
		circle := g.circles[component[i]]
		ready := true
		var topics []string
		for j, o := range all {
			switch {
			case component[j] == component[i]:
				topics = append(topics, o.topic)
				ready = ready && (!circle || o.complete)
			case g.before(component[j], component[i]):
				ready = ready && o.complete && !o.rows
			}
		}
		if !ready {
			continue
		}
		if c := g.fixed[component[i]]; c != "" {
			return nil, "", &SetupError{Err: fmt.Errorf("tables refer to each other in a circle, and foreign key %s is checked at once, so that no order of their rows is right", c),
				Remedy: "run ALTER TABLE … ALTER CONSTRAINT … DEFERRABLE on it"}
		}
		most := int64(groupBytes)
		if circle {
			most = math.MaxInt64
		} else {
			topics = []string{s.topic}
		}
		if rows := x.assembler.Rows(topics, most); rows != nil {
			return rows, s.topic, nil
		}
	}
	return nil, "", nil
}
