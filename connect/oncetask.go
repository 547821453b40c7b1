package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/internal/crashpoint"
)

// onceLife is a life of a source task with exactly-once delivery: records and the source offset behind them go in one Kafka transaction, so
// that readers of committed records see each record once, whatever ends the task.
//
//  1. The transactional id is taken before the stored offset is read: whoever had it can commit nothing any more that this life does not know of.
//  2. A transaction ends behind a whole change, and carries the offset that is exactly there; of a source with several partitions, that of each whose
//     records it holds.
//  3. The task hears Stored, and its database that it may forget, when the transaction is committed, not before.
//  4. An end in order commits what is whole; else the open transaction is aborted, and the next life sends its records anew.
//
// Its goroutine alone cuts, and asks the task for offsets; another one, for the length of a commit, commits.
type onceLife struct {
	sourceLife
	once      *transactions
	own       *ownOffsets
	most      time.Duration // age at which an open transaction is to be cut
	timeout   time.Duration // age at which the broker aborts it
	late      sync.Once     // the first transaction that could not wait for an exact offset
	given     bool          // whether the transaction that is being committed carries offsets
	committed chan error    // sender: the goroutine of a commit, once each. Bound: that one.
	failure   error         // of a cut or commit: it ends the life
}

// exacting is a SourceTask of which one change may be several records.
type exacting interface {
	// Exact tells whether the task knows the offset exactly behind its first n records: whether the n-th ends a change, and it has noted that. If
	// the transaction is late, it need not know of rows that a restart would read again.
	Exact(n uint64, late bool) bool
}

// transacting is an exacting task whose source has transactions.
type transacting interface {
	exacting
	// Ends tells, for an Exact n, whether no transaction of the source goes on behind its n-th record.
	Ends(n uint64) bool
}

// runOnce is run with exactly-once delivery.
func (r *sourceRunner) runOnce(ctx, hard context.Context, running func()) (progress bool, err error) {
	p, timeout := r.clients.transactional(r.worker.delivery().TransactionalID(r.id))
	l := &onceLife{sourceLife: sourceLife{sourceRunner: r, hard: hard}, committed: make(chan error, 1), most: r.config.Source.boundaryAge(r.worker, timeout), timeout: timeout}
	l.once = newTransactions(p, r.config.Source.Boundary != BoundaryInterval)
	l.producer = l.once
	open := 2 * l.most // what an open transaction holds is stored at its end
	if r.config.Source.Boundary == BoundaryConnector {
		open = max(open, timeout)
	}
	r.meter.way.atLeast(open)
	producerCtx, stopProducer := context.WithCancel(hard)
	defer stopProducer()
	sent := make(chan error, 1) // sender: the producer's goroutine, once. Bound: that one.
	go func() { sent <- p.Run(producerCtx) }()
	taskCtx, stopTask := context.WithCancel(ctx)
	defer stopTask()
	if err = l.start(ctx); err != nil {
		stopProducer()
		return false, errors.Join(err, <-sent)
	}
	out, unwire, err := l.wire(ctx, taskCtx, l.own.topic)
	if err != nil {
		stopProducer()
		return false, errors.Join(err, <-sent)
	}
	defer unwire()
	l.once.whole = func(sent uint64, age time.Duration) bool { return l.exact(sent+l.emitter.dropped.Load(), age) }
	commits, stopCommits := context.WithCancel(hard)
	defer stopCommits()

	ended := make(chan error, 1) // sender: the task's goroutine, once. Bound: that one.
	go func() { ended <- l.task.Run(taskCtx, out) }()
	running()
	err, producerErr, producerEnded := l.follow(ctx, commits, stopTask, ended, sent)
	if !producerEnded {
		l.finish(commits)
		stopCommits()
		l.await()
		stopProducer()
		producerErr = <-sent
	} else {
		stopCommits()
		l.await()
	}
	err = errors.Join(err, l.failure, l.lettersErr)
	if producerErr != nil { // the cause: what the task says is its consequence
		err = fmt.Errorf("publish records: %w", producerErr)
	}
	return l.stored > 0, err
}

// start takes the task's transactional id, makes ready its offsets and makes the task.
func (l *onceLife) start(ctx context.Context) (err error) {
	if l.guard != nil {
		if err := l.guard.Before(ctx, l.id); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // a task that was stopped takes nobody's place
		return ctx.Err()
	}
	if err := l.once.Init(ctx); err != nil {
		return err
	}
	if l.guard != nil {
		if err := l.guard.After(ctx, l.id); err != nil {
			return err
		}
	}
	topic, workers := l.worker.offsetsTopic(&l.config)
	l.own = &ownOffsets{connector: l.id.Connector, topic: topic, read: l.clients.readTopic, log: l.log}
	if !workers {
		l.own.worker = l.offsets
		if err := l.ensureOffsets(ctx, topic); err != nil {
			return err
		}
	}
	l.sourceRunner = l.withOffsets(l.own)
	l.task, err = l.plugin.NewTask(l.props, l.env())
	return err
}

// exact asks the task whether a transaction of an age may end behind its first n records; one that has no say knows every offset.
func (l *onceLife) exact(n uint64, age time.Duration) bool {
	if t, some := l.task.(exacting); some && !t.Exact(n, false) {
		if age < l.timeout-l.timeout/4 || !t.Exact(n, true) {
			return false
		}
		l.late.Do(func() {
			l.log.Warn("records are committed before a restart could go on behind them: after a crash before the last that belongs to them they come again. "+
				"Raise producer.override.transaction.timeout.ms to what they take, such as the longest table without a primary key in a snapshot, or all rows of one timestamp",
				"transaction.timeout.ms", l.timeout)
		})
	}
	t, some := l.task.(transacting)
	return !some || l.config.Source.Boundary != BoundaryConnector || t.Ends(n)
}

// follow cuts and commits until the task has returned. A producer that ends before ends the task, and so does a commit that fails.
func (l *onceLife) follow(ctx, commits context.Context, stopTask func(), ended, sent <-chan error) (taskErr, producerErr error, producerEnded bool) {
	every := max(commitEvery, min(l.worker.OffsetFlushInterval, l.most))
	l.meter.patient(2 * every)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	aged := time.NewTimer(time.Hour)
	defer aged.Stop()
	stopping := ctx.Done()
	lettersEnded := l.letters.over()
	for {
		look := false
		select {
		case taskErr = <-ended:
			return taskErr, producerErr, producerEnded
		case producerErr = <-sent:
			producerEnded, producerErr, sent = true, producerEnd(producerErr), nil
			stopTask()
		case <-lettersEnded: // no offset behind a dead letter could be stored any more
			lettersEnded, l.lettersErr = nil, l.letters.failure()
			stopTask()
		case err := <-l.committed:
			l.settle(err)
		case <-stopping:
			stopping = nil // the task waits for its last offset
			l.once.want()
		case <-l.once.wake:
		case <-aged.C:
		case <-ticks.C:
			look = true                                // for an offset that moved without a record
			if l.pause != nil && l.pause.shut.Load() { // no transaction stays open while the task is paused
				l.once.want()
			}
			l.watch()
		}
		in := l.once.age(l.most)
		if l.config.Source.Boundary == BoundaryConnector {
			if in, l.failure = l.overdue(in); l.failure != nil {
				stopTask()
			}
		}
		if in > 0 {
			aged.Reset(in)
		}
		if !producerEnded && l.failure == nil {
			if err := l.cut(commits, commits, look || ctx.Err() != nil); err != nil {
				l.failure = err
			}
		}
		if l.failure != nil {
			stopTask()
		}
	}
}

// overdue fails for a transaction of the source that is longer than one of Kafka's may be, shortly before the broker aborts that. It tells when to look
// again; in is when to look in any case, 0 for never.
func (l *onceLife) overdue(in time.Duration) (time.Duration, error) {
	since, open := l.once.opened()
	if !open || l.failure != nil {
		return in, l.failure
	}
	age, most := time.Since(since), l.timeout-l.timeout/10
	if age < most {
		if left := most - age; in == 0 || left < in {
			in = left
		}
		return in, nil
	}
	return in, fmt.Errorf("a transaction of the source has been open for %s, and the broker aborts Kafka's after transaction.timeout.ms (%s): set producer.override.transaction.timeout.ms "+
		"to what the source's longest takes (the broker's transaction.max.timeout.ms must allow it), or transaction.boundary to poll, which ends transactions within those of the source",
		age.Round(time.Millisecond), l.timeout)
}

// cut ends the open transaction if that is wanted and the task stands behind a whole change, and has it committed. look asks for an offset
// even if there is no record. sending bounds the wait for room in the producer's buffer.
func (l *onceLife) cut(sending, ctx context.Context, look bool) error {
	t := l.once
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy || !t.wanted && (!look || t.open > 0) || !t.whole(t.sent.Load(), time.Since(t.since)) {
		return nil
	}
	given := offsetsBehind(l.task, t.sent.Load()+l.emitter.dropped.Load())
	if len(given) == 0 && t.open == 0 {
		t.wanted = false
		return nil
	}
	for _, offset := range given {
		r := l.own.record(offset)
		if err := t.transactional.Send(sending, &r); err != nil {
			return fmt.Errorf("write the source offset to topic %q: %w", l.own.topic, err)
		}
	}
	t.transactional.Cut()
	l.meter.transaction(uint64(t.open))
	t.busy, t.wanted, t.cutAt, t.open, l.given = true, false, t.sent.Load(), 0, len(given) > 0
	t.move()
	go func() { l.committed <- l.commitTo(ctx, given) }()
	return nil
}

// commitTo is the way of one commit, in a goroutine of its own.
func (l *onceLife) commitTo(ctx context.Context, given []PartitionOffset) error {
	if l.letters != nil { // what is left out counts when its dead letter does
		if err := l.letters.acknowledged(ctx); err != nil {
			return fmt.Errorf("publish dead letters: %w", err)
		}
	}
	crashpoint.Pass("once.ended")
	began := time.Now()
	err := l.once.Commit(ctx)
	if l.meter.committed(time.Since(began), err); err != nil {
		return err
	}
	crashpoint.Pass("once.committed")
	l.own.stored(ctx, given...)
	return nil
}

// settle takes a commit's outcome over. The task hears of it: in this order, always.
func (l *onceLife) settle(err error) {
	l.once.settled(err == nil)
	if err != nil {
		l.failure = err
		return
	}
	if l.given {
		l.stored++
		l.meter.gotOn(l.log)
		l.task.Stored(l.emitter.acked())
	}
}

// finish commits what the task has ended, if it is whole, within offset.flush.timeout.ms. What is not is aborted by the producer's end.
func (l *onceLife) finish(commits context.Context) {
	ctx, cancel := context.WithTimeout(commits, l.worker.OffsetFlushTimeout)
	defer cancel()
	for last := false; ; last = true { // the one that is under way, and a last one
		if l.once.committing() {
			select {
			case err := <-l.committed:
				l.settle(err)
			case <-ctx.Done():
				l.log.Warn("the last transaction is not committed: its records will be sent again", "timeout", l.worker.OffsetFlushTimeout)
				return
			}
		}
		if last || l.failure != nil {
			return
		}
		l.once.want()
		l.failure = l.cut(ctx, commits, true)
	}
}

// await waits for the end of a commit that was called off.
func (l *onceLife) await() {
	if l.once.committing() {
		l.settle(<-l.committed)
	}
}

// ensureOffsets makes the topic of the connector's offsets, however long the brokers are away.
func (r *sourceRunner) ensureOffsets(ctx context.Context, topic string) error {
	a := r.clients.admin()
	defer a.Close()
	return r.config.retries().forever().untilDone(ctx, r.log, fmt.Sprintf("make the offsets topic %q", topic), func() error {
		return ensureOffsetsTopic(ctx, a, topic, r.worker.delivery().OffsetTopic)
	})
}

// withOffsets is the runner with another store.
func (r *sourceRunner) withOffsets(o OffsetStore) *sourceRunner {
	c := *r
	c.offsets = o
	return &c
}

// openOffsets makes ready the offsets of a task without exactly-once delivery: the worker's store, or a topic of the connector's own.
func (r *sourceRunner) openOffsets(ctx context.Context) (_ *sourceRunner, closeOffsets func(), err error) {
	topic, workers := r.worker.offsetsTopic(&r.config)
	if workers {
		return r, func() {}, nil
	}
	if err := r.ensureOffsets(ctx, topic); err != nil {
		return nil, nil, err
	}
	w := &topicWriter{next: r.clients.offsetProducer}
	return r.withOffsets(&ownOffsets{connector: r.id.Connector, topic: topic, worker: r.offsets, read: r.clients.readTopic, write: w.write, log: r.log}), w.close, nil
}
