package connect

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// transactions is what the emitter of a source task with exactly-once delivery sends to. Records go on into the producer at once; where a
// transaction ends is decided by the life (see onceLife), between two records of the task, behind a whole change. To it and to the emitter a record
// counts as acknowledged once its transaction is committed.
//
// The task goes on while a transaction is committed: what it sends meanwhile waits in the producer's buffer for the next one. It is held up only when
// the life wants a cut, none is being committed, and it has come to the end of a change.
type transactions struct {
	transactional
	poll bool // Flush ends a transaction
	// whole tells whether what the task has ended with so many records sent are whole changes, for a transaction of this age.
	whole func(sent uint64, age time.Duration) bool

	wake     chan struct{} // for the life. Maker: newTransactions; senders: the task; never closed; bound: 1
	progress chan struct{} // of Acked. Maker: newTransactions; sender: the life; never closed; bound: 1

	sent atomic.Uint64 // records of the task; written under mu
	done atomic.Uint64 // records of the task that are committed; written under mu

	mu     sync.Mutex
	open   uint64        // of them, those behind the cut
	since  time.Time     // of the first of these
	wanted bool          // a cut
	busy   bool          // a transaction is being committed
	cutAt  uint64        // records of the task up to the cut
	moved  chan struct{} // closed and made anew when there was a cut or a commit
}

func newTransactions(p transactional, poll bool) *transactions {
	return &transactions{transactional: p, poll: poll, wake: make(chan struct{}, 1), progress: make(chan struct{}, 1), moved: make(chan struct{})}
}

// Send implements producer.
func (t *transactions) Send(ctx context.Context, r *kafka.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.wanted && !t.busy && t.open > 0 && t.whole(t.sent.Load(), time.Since(t.since)) {
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	if err := t.transactional.Send(ctx, r); err != nil {
		return err
	}
	if t.open == 0 {
		t.since = time.Now()
		nudge(t.wake)
	}
	t.open++
	t.sent.Add(1)
	return nil
}

// wait gives mu up until something has moved.
func (t *transactions) wait(ctx context.Context) error {
	moved := t.moved
	nudge(t.wake)
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush implements producer: the task pauses.
func (t *transactions) Flush() {
	t.transactional.Flush()
	if t.poll {
		t.want()
	}
}

// want asks for a cut, if there is something to be cut off.
func (t *transactions) want() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open > 0 {
		t.wanted = true
		nudge(t.wake)
	}
}

// age asks for a cut when the open transaction is so old, and tells when it will be; 0: there is none.
func (t *transactions) age(most time.Duration) (in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == 0 || t.wanted {
		return 0
	}
	if in = most - time.Since(t.since); in <= 0 {
		t.wanted = true
		return 0
	}
	return in
}

// opened tells when the open transaction's first record was sent.
func (t *transactions) opened() (since time.Time, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, t.open > 0
}

// settled is told that the transaction up to the cut is committed, or cannot be.
func (t *transactions) settled(committed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy = false; committed {
		t.done.Store(t.cutAt)
		nudge(t.progress)
	}
	t.move()
}

func (t *transactions) move() {
	close(t.moved)
	t.moved = make(chan struct{})
}

// committing tells whether a commit is under way.
func (t *transactions) committing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.busy
}

// Sent implements producer.
func (t *transactions) Sent() uint64 { return t.sent.Load() }

// Acked implements producer.
func (t *transactions) Acked() uint64 { return t.done.Load() }

// Progress implements producer.
func (t *transactions) Progress() <-chan struct{} { return t.progress }

// WaitAcked implements producer.
func (t *transactions) WaitAcked(ctx context.Context, n uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.done.Load() < n {
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// nudge leaves a token for whoever waits at c.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
