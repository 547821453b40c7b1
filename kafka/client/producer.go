package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
)

// ErrProducerEnded: Send or WaitAcked came after Run was told to end.
var ErrProducerEnded = errors.New("the Kafka producer has ended")

// Producer publishes records.
//
//  1. Records of one partition reach the broker in the order of Send, each once (acks=all, idempotent).
//  2. Acked never passes a record that is not acknowledged.
//  3. A record that finally fails ends the producer; nothing is sent after that is known.
//  4. What is buffered stays within buffer.memory, or is one record.
//  5. With a TransactionalID records are sent in transactions only, one after the other; see Init, Cut and Commit.
//
// Send is safe for concurrent use; the numbers follow the order in which the calls take effect.
type Producer struct {
	cfg Config
	log *slog.Logger

	acked    atomic.Uint64
	progress chan struct{} // maker: NewProducer; sender: advance; never closed; bound: 1
	lookup   chan struct{} // wakes the metadata goroutine; sender: anyone; never closed; bound: 1

	mu         sync.Mutex
	phase      phase
	err        error // why it ended
	topics     map[string]*topic
	lastTopic  *topic // of the record before: most are of the same
	active     []*partition
	senders    map[int32]*sender
	pool       chunkPool
	outbox     outbox
	buffered   int64
	sent       uint64
	producerID int64 // written by identify, before the first sender starts
	epoch      int16
	identified bool // the metadata goroutine's own
	txn        *txn // nil without a transactional id
	outage     outage
	changed    broadcast
	stats      producerCounts
	lookedUp   time.Time // topics, last
	clock      time.Time // for the records that come one upon the other: looking costs a fortieth of a drain
	clockFor   int       // as many more
}

// clockRecords take less than a millisecond when nobody waits between them. Who waits calls Flush or finds no open batch, unless linger.ms is
// beyond mostCoarse.
const (
	clockRecords = 64
	mostCoarse   = 10 * time.Millisecond
)

type phase uint8

const (
	running phase = iota // also before Run
	initial              // transactional, before Init
	closing              // no more records; those there are sent
	ended
)

// topic is what the producer knows of one topic.
type topic struct {
	name   string
	counts TopicStats
	parts  []*partition // nil: not known yet
	sticky int          // index of the partition for records without key
	since  time.Time    // when it was asked for
	// expected: no record has come for it yet, so that it was in vain for nobody if it is not found.
	expected bool
	stale    bool  // some leader is not known or was wrong
	err      error // why its partitions cannot be known
}

// partition is what the producer has for one partition. Its records are in flight, queued and open, in this order.
type partition struct {
	topic    *topic
	id       int32
	sender   *sender // leads it; nil: not known
	open     *batch  // takes records
	queue    []*batch
	flight   []*batch
	flightBy *sender
	pending  bool // in the sender's list
	draining bool // something failed: send nothing before all in flight is answered
	retryAt  time.Time
	lastErr  error // of the attempt before
	sequence int32
	ackedAt  time.Time // of the last acknowledgement
	txn      uint64    // number of the last transaction it was added to
	wanted   bool      // is to be added to the present one
	listed   bool      // in active
}

func (t *partition) outstanding() bool { return t.open != nil || len(t.queue)+len(t.flight) > 0 }

// oldest is the batch that was made first; nil without any.
func (t *partition) oldest() *batch {
	var b *batch
	if len(t.flight) > 0 {
		b = t.flight[0]
	}
	if len(t.queue) > 0 && (b == nil || t.queue[0].first < b.first) {
		b = t.queue[0]
	}
	if b == nil {
		b = t.open
	}
	return b
}

// NewProducer stores the configuration; Run dials.
func NewProducer(c Config) *Producer {
	c.Producer.BatchBytes = min(max(c.Producer.BatchBytes, 1), c.Producer.MaxRequestBytes)
	p := &Producer{
		cfg:      c,
		log:      c.logger(),
		progress: make(chan struct{}, 1),
		lookup:   make(chan struct{}, 1),
		topics:   make(map[string]*topic),
		senders:  make(map[int32]*sender), producerID: -1, epoch: -1,
	}
	if c.Producer.TransactionalID != "" {
		p.cfg.Producer.Idempotent, p.cfg.Producer.Acks = true, AcksAll
		p.cfg.Producer.MaxInFlight = min(max(c.Producer.MaxInFlight, 1), maxInFlightIdempotent)
		p.txn, p.phase = newTxn(p.cfg), initial
	}
	return p
}

// Run sends until ctx ends (nil) or a record finally fails. When ctx ends it still waits for acknowledgements, for CloseTimeout at
// the most; a transaction that was not committed is aborted instead. It is called once.
func (p *Producer) Run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent)) // ends connections; parent's end only begins the drain
	defer cancel(nil)
	client, err := open(ctx, p.cfg, p.outbox.wrap)
	if err != nil {
		p.end(err)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { cancel(nil) })               // so that whoever waits for a broker that hangs returns
	g.Go(func() error { return p.keepMetadata(ctx, client, g) }) // starts a sender per broker
	g.Go(func() error { return p.watch(ctx) })
	if p.txn != nil {
		g.Go(func() error { return p.keepTransaction(ctx) })
	}
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-parent.Done():
		}
		p.drain(ctx)
		return errDrained
	})
	err = g.Wait()
	_ = client.Close()
	if errors.Is(err, errDrained) {
		err = p.failure()
	}
	p.end(err)
	if p.txn != nil {
		p.leave(parent)
	}
	return err
}

var errDrained = errors.New("drained")

// end wakes whoever waits.
func (p *Producer) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = ended
	if p.err == nil {
		p.err = err
	}
	p.changed.all()
}

// drain sends what there is and waits for the acknowledgements.
func (p *Producer) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Producer.CloseTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = closing
	p.changed.all()
	if p.txn != nil {
		return
	}
	p.flushLocked()
	for len(p.active) > 0 && p.err == nil && p.changed.wait(ctx, &p.mu) == nil {
	}
}

// watch ends the producer when a record has waited for delivery.timeout.ms.
func (p *Producer) watch(ctx context.Context) error {
	limit := p.cfg.Producer.DeliveryTimeout
	tick := time.NewTicker(min(max(limit/10, 5*time.Millisecond), time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := p.overdue(now.Add(-limit)); err != nil {
				return err
			}
		}
	}
}

func (p *Producer) overdue(before time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.active {
		if b := part.oldest(); b != nil && b.created.Before(before) {
			cause := part.lastErr
			if cause == nil {
				cause = errors.New("no broker answered")
			}
			p.fail(&kafka.UnavailableError{
				Op: fmt.Sprintf("publish to topic %q partition %d", part.topic.name, part.id),
				Err: fmt.Errorf("no acknowledgement within delivery.timeout.ms=%d from %v: %w",
					p.cfg.Producer.DeliveryTimeout.Milliseconds(), p.cfg.Brokers, cause),
			})
			return p.err
		}
	}
	return nil
}

// Send queues a record, numbering it from 1. Key, value and headers are copied: the caller may use them again at once.
// It blocks while buffer.memory is full, and, max.block.ms at the most, while the topic's partitions are not known. An error means
// that this record was not taken and has no number.
func (p *Producer) Send(ctx context.Context, r *kafka.Record) error {
	size := sizeOf(r)
	if limit := p.cfg.Producer.MaxRequestBytes; size+batchHead-recordHead > limit {
		return &kafka.RecordTooLargeError{Topic: r.Topic, Key: slices.Clone(r.Key), Bytes: size - recordHead, Limit: limit}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.lastTopic
	for t == nil || t.name != r.Topic || t.parts == nil || p.phase != running || p.buffered >= p.cfg.Producer.BufferBytes {
		var err error
		if t, err = p.await(ctx, r.Topic); err != nil {
			return err
		}
	}
	part, err := t.choose(r)
	if err != nil {
		return err
	}
	b := part.open
	if b != nil && b.size+size > p.cfg.Producer.BatchBytes {
		p.seal(part)
		b = nil
	}
	p.sent++
	if p.clockFor--; b == nil || p.clockFor < 0 || p.cfg.Producer.Linger > mostCoarse {
		p.clock, p.clockFor = time.Now(), clockRecords
	}
	if b == nil {
		b = p.openBatch(part, p.clock)
	}
	p.buffered += b.add(&p.pool, r, size, p.clock.UnixMilli())
	p.stats.MostRecord = max(p.stats.MostRecord, int64(size))
	if b.size >= p.cfg.Producer.BatchBytes {
		p.seal(part)
	} else if !part.pending {
		p.offer(part)
	}
	return nil
}

// await blocks for a step towards what Send needs, and returns the topic.
func (p *Producer) await(ctx context.Context, name string) (*topic, error) {
	if p.phase != running {
		if p.err == nil && p.phase == initial {
			return nil, errNoInit
		}
		return nil, p.over()
	}
	t := p.topics[name]
	if t == nil {
		t = &topic{name: name, since: time.Now()}
		p.topics[name] = t
	}
	if t.expected {
		t.expected, t.since, t.err = false, time.Now(), nil
	}
	switch {
	case t.err != nil:
		delete(p.topics, name) // asked for anew the next time
		return nil, t.err
	case t.parts == nil:
		wake(p.lookup)
	case p.buffered >= p.cfg.Producer.BufferBytes:
		if !p.inFlight() { // else the next answer makes room, and open batches become larger meanwhile
			p.flushLocked()
		}
	default:
		p.lastTopic = t
		return t, nil
	}
	full, began := t.parts != nil, time.Now()
	p.clockFor = 0
	p.stats.waiting++
	err := p.changed.wait(ctx, &p.mu)
	p.stats.waiting--
	p.stats.waited(full, time.Since(began))
	if err != nil {
		return nil, fmt.Errorf("publish to topic %q: %w", name, err)
	}
	return t, nil
}

// choose finds the record's partition.
func (t *topic) choose(r *kafka.Record) (*partition, error) {
	switch {
	case r.Partition >= 0:
		if int(r.Partition) >= len(t.parts) {
			return nil, fmt.Errorf("publish to topic %q: it has %d partitions, the record wants number %d", t.name, len(t.parts), r.Partition)
		}
		return t.parts[r.Partition], nil
	case r.Key != nil:
		return t.parts[partitionOf(r.Key, len(t.parts))], nil
	}
	return t.parts[t.sticky%len(t.parts)], nil
}

func (p *Producer) openBatch(part *partition, now time.Time) *batch {
	b := p.pool.batch()
	b.part, b.first, b.created = part, p.sent, now
	part.open = b
	if !part.listed {
		part.listed = true
		p.active = append(p.active, part)
	}
	return b
}

// seal closes the open batch and has the sender look.
func (p *Producer) seal(part *partition) {
	p.closeOpen(part)
	p.offer(part)
	if s := part.sender; s != nil {
		wake(s.wake)
	}
}

// closeOpen moves the open batch into the queue.
func (p *Producer) closeOpen(part *partition) {
	b := part.open
	part.open = nil
	if p.cfg.Producer.Idempotent {
		b.sequence = part.sequence
		part.sequence = addSequence(part.sequence, b.count)
	} else {
		b.sequence = -1
	}
	part.queue = append(part.queue, b)
	t := part.topic
	if len(t.parts) > 1 && t.parts[t.sticky%len(t.parts)] == part {
		t.sticky = (t.sticky + 1) % len(t.parts)
	}
}

// addSequence wraps as Kafka's DefaultRecordBatch.incrementSequence.
func addSequence(s int32, n int) int32 {
	return int32((int64(s) + int64(n)) & 0x7fffffff)
}

// offer puts the partition on its leader's list, or has the leader looked up.
func (p *Producer) offer(part *partition) {
	s := part.sender
	if s == nil {
		part.topic.stale = true
		wake(p.lookup)
		return
	}
	if !part.pending {
		part.pending = true
		s.pending = append(s.pending, part)
		if s.idle { // else it looks in time
			wake(s.wake)
		}
	}
}

// Flush sends what is queued without waiting for more. It does not wait for the acknowledgements.
func (p *Producer) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushLocked()
}

func (p *Producer) inFlight() bool {
	for _, s := range p.senders {
		if s.inFlight > 0 {
			return true
		}
	}
	return false
}

func (p *Producer) flushLocked() {
	p.clockFor = 0 // nothing waits
	for _, s := range p.senders {
		for _, part := range s.pending {
			if part.open != nil {
				part.open.flush = true
			}
		}
		if len(s.pending) > 0 {
			wake(s.wake)
		}
	}
}

// Sent is the number of the last record that Send took.
func (p *Producer) Sent() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Acked is the number n such that the records 1 to n are all acknowledged. It stays readable after Run.
func (p *Producer) Acked() uint64 { return p.acked.Load() }

// Progress has a token whenever Acked has grown since the last was taken.
func (p *Producer) Progress() <-chan struct{} { return p.progress }

// WaitAcked blocks until the records 1 to n are acknowledged (nil), the producer ended or ctx did.
func (p *Producer) WaitAcked(ctx context.Context, n uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.acked.Load() < n {
		if p.phase == ended {
			return p.over()
		}
		if err := p.changed.wait(ctx, &p.mu); err != nil {
			return fmt.Errorf("wait for the acknowledgement of record %d: %w", n, err)
		}
	}
	return nil
}

// over says why the producer takes no more.
func (p *Producer) over() error {
	if p.err != nil {
		return p.err
	}
	return ErrProducerEnded
}

// advance finds how far the acknowledgements go without a gap.
func (p *Producer) advance() {
	least := p.sent + 1
	kept := p.active[:0]
	for _, part := range p.active {
		b := part.oldest()
		if b == nil {
			part.listed = false
			continue
		}
		kept = append(kept, part)
		least = min(least, b.first)
	}
	clear(p.active[len(kept):])
	p.active = kept
	if least-1 > p.acked.Load() {
		p.acked.Store(least - 1)
		wake(p.progress)
	}
	p.changed.all()
}

// wake leaves a token for whoever sleeps on c.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// broadcast wakes all who wait under one mutex, which guards it too.
type broadcast struct{ c chan struct{} } // maker: wait; closer: all

func (b *broadcast) all() {
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

// wait gives mu up until all is called (nil) or ctx ends.
func (b *broadcast) wait(ctx context.Context, mu *sync.Mutex) error {
	if b.c == nil {
		b.c = make(chan struct{})
	}
	c := b.c
	mu.Unlock()
	defer mu.Lock()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
