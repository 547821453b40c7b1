package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
)

// txn is the transactional side of a Producer: what goes to the transaction coordinator, over a connection of its own. The records take the
// ordinary way; only a partition waits until it is added to the transaction, and a record behind the cut until the next one is open.
//
// The classic protocol is spoken (AddPartitionsToTxn, Produce up to version 11, EndTxn up to 3), which every broker since 0.11 serves: the
// requests of KIP-890 cannot be written with sarama. Brokers since 3.6 check with the coordinator that a batch's partition was added, so that a
// batch that comes late opens no transaction; before them, the new epoch of Init refuses it.
type txn struct {
	id   string
	link link
	wake chan struct{} // for keepTransaction. Maker: newTxn; sender: anyone; never closed; bound: 1

	// Producer.mu guards the rest.
	number  uint64       // of the transaction that records go into, from 1
	cut     uint64       // records behind it are of the next transaction; uncut: all are of this one
	begun   bool         // the coordinator may know it
	adding  bool         // partitions are being added to it
	ending  bool         // Commit or Abort is at work
	aborted bool         // by Abort: nothing is sent
	want    []*partition // to be added
	suspect error        // an answer that says that the producer is fenced or its transaction was given up
}

// uncut is behind all records.
const uncut = math.MaxUint64

var (
	errNoInit  = errors.New("the transactional producer is not initialised: call Init first")
	errNoTxn   = errors.New("the producer has no transactional id")
	errTwoEnds = errors.New("another Commit or Abort of this producer is at work")
)

func newTxn(c Config) *txn {
	c.Role = ForAdmin // a look at metadata must not create a topic
	return &txn{id: c.Producer.TransactionalID, link: link{cfg: c}, wake: make(chan struct{}, 1), number: 1, cut: uncut}
}

// Init takes the transactional id: whoever had it before is fenced, and a transaction that it left open is aborted; both are over when Init returns.
// It tries on while brokers are away. To be called once, while Run runs and before the first Send.
func (p *Producer) Init(ctx context.Context) error {
	if p.txn == nil {
		return errNoTxn
	}
	id, epoch, err := p.txn.link.initProducer(ctx, p.txn.id, p.cfg.Producer.TransactionTimeout, -1, -1)
	for attempt := 0; retriable(err) && pause.For(ctx, p.cfg.backoff(attempt)); attempt++ {
		id, epoch, err = p.txn.link.initProducer(ctx, p.txn.id, p.cfg.Producer.TransactionTimeout, -1, -1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == ended || p.phase == closing {
		p.txn.link.close() // Run has left already
		return p.over()
	}
	if err != nil {
		return err
	}
	p.producerID, p.epoch = id, epoch
	if p.phase == initial {
		p.phase = running
	}
	return nil
}

// Cut ends the transaction for records to come: they wait for the next, which opens by itself after Commit. Without records it does nothing.
func (p *Producer) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txn != nil && p.txn.cut == uncut && !p.txn.ending {
		p.cutLocked()
	}
}

func (p *Producer) cutLocked() {
	p.txn.cut = p.sent
	for _, part := range p.active {
		if part.open != nil {
			p.seal(part) // a batch is of one transaction
		}
	}
}

// Commit commits the records up to the Cut, or all that were sent when there was none. It waits for their acknowledgements and until
// the commit is durable, and tries on while brokers are away. After an error that is ctx's the outcome is not known: Commit may be called again, or
// another producer's Init tells it.
func (p *Producer) Commit(ctx context.Context) error {
	if p.txn == nil {
		return errNoTxn
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.txn
	if t.ending {
		return errTwoEnds
	}
	t.ending = true
	defer func() { t.ending = false }()
	if t.cut == uncut {
		p.cutLocked()
	}
	for p.acked.Load() < t.cut || p.phase != running {
		if p.phase != running || p.err != nil {
			if p.err == nil && p.phase == initial {
				return errNoInit
			}
			return p.over()
		}
		if err := p.changed.wait(ctx, &p.mu); err != nil {
			return fmt.Errorf("commit the transaction of %q: %w", t.id, err)
		}
	}
	for attempt := 0; t.begun; attempt++ {
		err := p.endTxn(ctx, true)
		if err == nil {
			break
		}
		if !retriable(err) || p.phase != running {
			return err
		}
		p.mu.Unlock()
		waited := pause.For(ctx, p.cfg.backoff(attempt))
		p.mu.Lock()
		if !waited {
			return err
		}
	}
	p.nextTransaction()
	return nil
}

// Abort drops what was sent since the last Cut or Commit, or up to the Cut and behind it: every record that is not committed. The dropped
// records keep their numbers and count as acknowledged. Not to be called beside Send.
func (p *Producer) Abort(ctx context.Context) error {
	if p.txn == nil {
		return errNoTxn
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.txn
	switch {
	case t.ending:
		return errTwoEnds
	case p.phase == initial:
		return errNoInit
	}
	t.ending, t.aborted = true, true
	defer func() { t.ending, t.aborted = false, false }()
	for p.discard() || t.adding { // until all that is in flight is answered: a partition added behind the abort would begin another transaction
		if p.phase != running || p.err != nil {
			return p.over()
		}
		if err := p.changed.wait(ctx, &p.mu); err != nil {
			return fmt.Errorf("abort the transaction of %q: %w", t.id, err)
		}
	}
	if t.begun {
		if err := p.endTxn(ctx, false); err != nil {
			return err
		}
		if err := p.renew(ctx); err != nil {
			return err
		}
	}
	p.nextTransaction()
	return nil
}

// discard drops what is not in flight, and tells whether anything is.
func (p *Producer) discard() (flying bool) {
	for _, part := range p.active {
		if len(part.queue) > 0 {
			part.sequence = part.queue[0].sequence
		}
		if part.open != nil {
			part.queue = append(part.queue, part.open)
			part.open = nil
		}
		for _, b := range part.queue {
			p.buffered -= b.charged
			if b.dropped = true; b.form != packing {
				p.pool.recycle(b)
			}
		}
		clear(part.queue)
		part.queue = part.queue[:0]
		flying = flying || len(part.flight) > 0
	}
	p.advance()
	return flying
}

// renew gets the next epoch: the sequence numbers of what was dropped are missing, and a new epoch begins at 0.
func (p *Producer) renew(ctx context.Context) error {
	id, epoch := p.producerID, p.epoch
	p.mu.Unlock()
	id, epoch, err := p.txn.link.initProducer(ctx, p.txn.id, p.cfg.Producer.TransactionTimeout, id, epoch)
	p.mu.Lock()
	if err != nil {
		return err
	}
	p.producerID, p.epoch = id, epoch
	for _, topic := range p.topics {
		for _, part := range topic.parts {
			part.sequence, part.ackedAt, part.draining = 0, time.Time{}, false
		}
	}
	return nil
}

// endTxn gives mu up while it asks the coordinator. An answer that casts doubt ends the producer.
func (p *Producer) endTxn(ctx context.Context, commit bool) error {
	id, epoch := p.producerID, p.epoch
	p.mu.Unlock()
	err := p.txn.end(ctx, id, epoch, commit)
	p.mu.Lock()
	if err == nil || !doubtful(err) {
		return err
	}
	p.doubt(err)
	for p.phase == running && p.err == nil { // keepTransaction finds out what it is
		if waitErr := p.changed.wait(ctx, &p.mu); waitErr != nil {
			return err
		}
	}
	return p.over()
}

// nextTransaction lets the records behind the cut go.
func (p *Producer) nextTransaction() {
	t := p.txn
	for _, part := range t.want {
		part.wanted = false
	}
	clear(t.want)
	t.number, t.cut, t.begun, t.want = t.number+1, uncut, false, t.want[:0]
	for _, s := range p.senders {
		if len(s.pending) > 0 {
			wake(s.wake)
		}
	}
	p.changed.all()
}

// admits tells whether the partition's next batch may be sent now, and has the partition added to the transaction if that is what is missing.
func (t *txn) admits(part *partition) bool {
	next := part.open
	if len(part.queue) > 0 {
		next = part.queue[0]
	}
	switch {
	case t.aborted || t.suspect != nil || next == nil || next.first > t.cut:
		return false
	case part.txn == t.number:
		return true
	case !part.wanted:
		part.wanted = true
		t.want = append(t.want, part)
		wake(t.wake)
	}
	return false
}

// doubt has keepTransaction find out what an answer means.
func (p *Producer) doubt(err error) {
	if p.txn.suspect == nil {
		p.txn.suspect = err
		wake(p.txn.wake)
	}
}

// keepTransaction adds partitions to the transaction when there are records for them.
func (p *Producer) keepTransaction(ctx context.Context) error {
	for attempt := 0; ; {
		want, number, suspect := p.wantedInTxn()
		if suspect != nil {
			return endOf(ctx, p.verdict(ctx, suspect))
		}
		if len(want) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-p.txn.wake:
			}
			continue
		}
		err := p.txn.add(ctx, want, p.producerID, p.epoch)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			attempt = 0
		case doubtful(err):
			p.mu.Lock()
			p.doubt(err)
			p.mu.Unlock()
		case !retriable(err):
			p.mu.Lock()
			p.fail(err)
			p.mu.Unlock()
			return err
		default:
			if !pause.For(ctx, p.cfg.backoff(attempt)) {
				return nil
			}
			attempt++
		}
		p.added(want, number, err)
	}
}

// wantedInTxn takes what is to be added. The producer's id and epoch do not change while there is something.
func (p *Producer) wantedInTxn() (want []*partition, number uint64, suspect error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.txn
	if len(t.want) > 0 && t.suspect == nil && !t.aborted {
		want = append(want, t.want...)
		t.want = t.want[:0]
		t.begun, t.adding = true, true
	}
	return want, t.number, t.suspect
}

// added lets the records of added partitions go, or has them asked for again.
func (p *Producer) added(parts []*partition, number uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.txn.adding = false
	defer p.changed.all()
	if p.txn.number != number { // committed meanwhile
		return
	}
	for _, part := range parts {
		part.wanted = false
		if err == nil {
			part.txn = number
		} else {
			part.lastErr = err
		}
		if part.sender != nil {
			wake(part.sender.wake)
		}
	}
	if err == nil {
		p.reached()
	} else {
		p.unreachable(err)
	}
}

// verdict ends the producer with what its refused epoch means. The coordinator gives a new one only to a producer whose transaction it gave up
// itself, after transaction.timeout.ms.
func (p *Producer) verdict(ctx context.Context, suspect error) error {
	_, _, err := p.txn.link.initProducer(ctx, p.txn.id, p.cfg.Producer.TransactionTimeout, p.producerID, p.epoch)
	if err == nil {
		err = &kafka.TransactionError{Op: "go on with the transaction", ID: p.txn.id, Err: suspect}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.txn.begun = false // not ours to abort
	p.fail(err)
	return err
}

// abortPatience is how long Run waits for the broker to abort what it leaves: less than a worker waits for a task that was cut off.
const abortPatience = time.Second

// leave aborts a transaction that is open when Run ends: else readers of committed records would wait for transaction.timeout.ms.
func (p *Producer) leave(parent context.Context) {
	p.mu.Lock()
	open, id, epoch := p.txn.begun, p.producerID, p.epoch
	p.mu.Unlock()
	if open {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), abortPatience)
		defer cancel()
		if err := p.txn.end(ctx, id, epoch, false); err != nil && !errors.Is(err, sarama.ErrInvalidTxnState) {
			p.log.Debug("the open transaction is left to its timeout", "transactional.id", p.txn.id, "error", err)
		}
	}
	p.txn.link.close()
}

// add adds partitions to the open transaction, which begins it.
func (t *txn) add(ctx context.Context, parts []*partition, producer int64, epoch int16) error {
	req := &sarama.AddPartitionsToTxnRequest{Version: 3, TransactionalID: t.id, ProducerID: producer, ProducerEpoch: epoch, TopicPartitions: make(map[string][]int32)}
	for _, part := range parts {
		req.TopicPartitions[part.topic.name] = append(req.TopicPartitions[part.topic.name], part.id)
	}
	return t.link.atTxnCoordinator(ctx, fmt.Sprintf("add %d partitions to the transaction of %q", len(parts), t.id), t.id, func(b *sarama.Broker) (sarama.KError, error) {
		res, err := b.AddPartitionsToTxn(req)
		if err != nil {
			return 0, err
		}
		answered, worst := 0, sarama.ErrNoError
		for _, errs := range res.Errors {
			for _, e := range errs {
				answered++
				if e.Err != sarama.ErrNoError && (worst == sarama.ErrNoError || worst == sarama.ErrOperationNotAttempted) { // the latter for the sake of another
					worst = e.Err
				}
			}
		}
		if worst == sarama.ErrNoError && answered < len(parts) {
			return 0, sarama.ErrIncompleteResponse
		}
		return worst, nil
	})
}

// end commits or aborts the transaction.
func (t *txn) end(ctx context.Context, producer int64, epoch int16, commit bool) error {
	verb := "abort"
	if commit {
		verb = "commit"
	}
	return t.link.atTxnCoordinator(ctx, fmt.Sprintf("%s the transaction of %q", verb, t.id), t.id, func(b *sarama.Broker) (sarama.KError, error) {
		res, err := b.EndTxn(&sarama.EndTxnRequest{Version: 3, TransactionalID: t.id, ProducerID: producer, ProducerEpoch: epoch, TransactionResult: commit})
		if err != nil {
			return 0, err
		}
		return res.Err, nil
	})
}

// initProducer takes a transactional id, or the next epoch of a producer that has it (-1, -1: has none). A producer that lost the id gets a
// kafka.FencedError.
func (l *link) initProducer(ctx context.Context, id string, timeout time.Duration, producer int64, epoch int16) (int64, int16, error) {
	op := fmt.Sprintf("initialise transactional id %q", id)
	var res *sarama.InitProducerIDResponse
	err := l.atTxnCoordinator(ctx, op, id, func(b *sarama.Broker) (_ sarama.KError, err error) {
		res, err = b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, TransactionalID: &id, TransactionTimeout: timeout, ProducerID: producer, ProducerEpoch: epoch})
		if err != nil {
			return 0, err
		}
		return res.Err, nil
	})
	if err != nil && producer >= 0 && doubtful(err) {
		err = &kafka.FencedError{Op: op, ID: id, Err: err}
	}
	if err != nil {
		return -1, -1, err
	}
	return res.ProducerID, res.ProducerEpoch, nil
}

// Waits while the coordinator completes the transaction before: its markers are on their way, which takes some milliseconds.
const (
	concurrentFirst = time.Millisecond
	concurrentMost  = 20 * time.Millisecond // the Java producer's
)

// atTxnCoordinator asks the coordinator of a transactional id, with the retries of call.
func (l *link) atTxnCoordinator(ctx context.Context, op, id string, ask func(*sarama.Broker) (sarama.KError, error)) error {
	return l.call(ctx, op, func() error {
		patience := time.Now().Add(l.cfg.RequestTimeout)
		for wait := concurrentFirst; ; wait = min(2*wait, concurrentMost) {
			coordinator, err := l.client.TransactionCoordinator(id)
			if err != nil {
				return err
			}
			code, err := ask(coordinator)
			switch {
			case err != nil:
				_ = coordinator.Close()
				_ = l.client.RefreshTransactionCoordinator(id)
				return err
			case code == sarama.ErrNoError:
				return nil
			case code == sarama.ErrConcurrentTransactions && time.Now().Before(patience) && pause.For(ctx, wait):
				continue
			case code == sarama.ErrNotCoordinatorForConsumer || code == sarama.ErrConsumerCoordinatorNotAvailable:
				_ = l.client.RefreshTransactionCoordinator(id)
			}
			return code
		}
	})
}

// doubtful tells answers that say that the producer's epoch or transaction is not the present one.
func doubtful(err error) bool {
	var code sarama.KError
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced, sarama.ErrInvalidTxnState, sarama.ErrInvalidProducerIDMapping, errTransactionAbortable:
		return true
	}
	return false
}

// errTransactionAbortable is TRANSACTION_ABORTABLE of KIP-890, which sarama does not name.
const errTransactionAbortable sarama.KError = 120

// FenceProducers takes transactional ids away from whoever has them, and aborts what they left open, as Kafka's own admin client does.
func (a *Admin) FenceProducers(ctx context.Context, transactionalIDs ...string) error {
	for _, id := range transactionalIDs {
		if _, _, err := a.link.initProducer(ctx, id, time.Millisecond, -1, -1); err != nil {
			return fmt.Errorf("fence: %w", err)
		}
	}
	return nil
}
