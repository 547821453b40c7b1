package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// sender sends to one broker. Its goroutine encodes and compresses; the producer's mutex guards the fields.
type sender struct {
	broker   int32
	wake     chan struct{} // maker: Producer.senderOf; sender: anyone; never closed; bound: 1
	pending  []*partition  // with records not in flight
	inFlight int
	next     time.Time // a batch that is not full waits until then
	linger   time.Duration
	broken   bool // the connection is to be closed
	idle     bool // sleeps until it is woken

	// The goroutine's own.
	conn *sarama.Broker // used last
	pack packer
}

// request is batches on their way, at most one of a partition.
type request struct {
	batches     []*batch
	bytes       int
	acks        sarama.RequiredAcks
	timeoutMs   int32
	codec       int16
	transaction string // transactional id; "": none
}

// send is the sender's loop. While there is nothing to do it sleeps without a timer.
func (p *Producer) send(ctx context.Context, client sarama.Client, s *sender) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		req, wait, broken := p.collect(s)
		if broken {
			if s.conn != nil {
				_ = s.conn.Close() // the next request opens another
			}
			continue
		}
		if req != nil {
			if err := p.dispatch(client, s, req); err != nil {
				return err
			}
			continue
		}
		if done, err := p.packAhead(s); err != nil {
			return err
		} else if done {
			continue
		}
		if wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		if err := p.failure(); err != nil {
			return err
		}
	}
}

// failure is set by an answer that no attempt can better.
func (p *Producer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// collect takes what is to be sent now, or tells how long to wait (0: until woken).
func (p *Producer) collect(s *sender) (req *request, wait time.Duration, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.broken {
		s.broken = false
		return nil, 0, true
	}
	if p.err == nil && s.inFlight < p.cfg.Producer.MaxInFlight && len(s.pending) > 0 {
		req, wait = p.pick(s, time.Now())
	}
	s.idle = req == nil && wait == 0
	return req, wait, false
}

// pick makes a request of the partitions whose batch is full or, when the time to linger is over, of all.
func (p *Producer) pick(s *sender, now time.Time) (req *request, wait time.Duration) {
	due := p.phase != running || !now.Before(s.next)
	var r request
	var again []*partition // those that have more go behind the others
	full, asked := false, false
	keep := s.pending[:0]
	for _, part := range s.pending {
		if len(part.queue) == 0 && part.open == nil {
			part.pending = false
			continue
		}
		hold, ready := p.ready(part, s, now)
		if !ready {
			wait = sooner(wait, hold)
		}
		if !ready || full || len(part.queue) == 0 && !due && !part.open.flush {
			keep = append(keep, part)
			continue
		}
		if len(part.queue) == 0 {
			asked = asked || part.open.flush
			p.closeOpen(part)
		}
		b := part.queue[0]
		if len(r.batches) > 0 && r.bytes+b.size > p.cfg.Producer.MaxRequestBytes {
			full = true
			keep = append(keep, part)
			continue
		}
		p.takeOff(part, s, b)
		r.batches = append(r.batches, b)
		r.bytes += b.size
		if part.pending = len(part.queue) > 0 || part.open != nil; part.pending {
			again = append(again, part)
		}
	}
	rest := append(keep, again...)
	clear(s.pending[min(len(rest), len(s.pending)):])
	s.pending = rest
	if len(r.batches) > 0 {
		s.pace(&r, asked, p.cfg.Producer.Linger)
	}
	if due && !full || asked {
		s.next = now.Add(s.linger)
	}
	if len(r.batches) == 0 {
		if !due {
			wait = sooner(wait, s.next.Sub(now))
		}
		return nil, wait
	}
	s.inFlight++
	p.stats.Requests++
	return &r, 0
}

// Batches that are many and small wait longer for more records, as long as nobody asks for what there is: whoever publishes a backlog does not.
const (
	manyBatches = 64
	smallBatch  = 16 << 10
	mostLinger  = 500 * time.Millisecond
)

// pace sets how long open batches wait. A batch costs a broker some 60 µs whatever is in it, more than ten records do: a backlog of transactions that each
// write to another one of 2,000 tables was in Kafka 1.25 times as fast (197,000 against 245,000 changes/s), in three fifths of the batches.
func (s *sender) pace(r *request, asked bool, least time.Duration) {
	if asked || len(r.batches) < manyBatches || r.bytes > len(r.batches)*smallBatch {
		s.linger = least
		return
	}
	s.linger = max(least, min(2*max(s.linger, time.Millisecond), mostLinger))
}

// sooner is the lesser of two waits, of which 0 means none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// pipelines tells whether a second batch may be on its way. A broker that has no state of this producer and partition, because it is new or
// was forgotten after producer.id.expiration.ms (a day), takes a batch of any sequence number: it would take the second one when the
// first one fails.
func (t *partition) pipelines(now time.Time) bool {
	return now.Sub(t.ackedAt) < time.Minute
}

// alone tells that what is in flight is another attempt: what follows waits for its answer. Else newer batches, up to five at a time, could
// push it out of the broker's memory of five while its acknowledgement is lost once more.
func (t *partition) alone() bool { return len(t.flight) > 0 && t.flight[0].attempts > 1 }

// ready tells whether the partition's order lets another batch go; hold is when to look again, 0 when an answer will tell.
func (p *Producer) ready(part *partition, s *sender, now time.Time) (hold time.Duration, ready bool) {
	if len(part.flight) > 0 && (part.draining || part.alone() || part.flightBy != s || !p.cfg.Producer.Idempotent || !part.pipelines(now)) {
		return 0, false
	}
	if now.Before(part.retryAt) {
		return part.retryAt.Sub(now), false
	}
	if len(part.queue) > 0 && part.queue[0].form == packing { // by the leader before this one
		return 0, false
	}
	return 0, p.txn == nil || p.txn.admits(part)
}

func (p *Producer) takeOff(part *partition, s *sender, b *batch) {
	part.queue = slices.Delete(part.queue, 0, 1)
	part.flight = append(part.flight, b)
	part.flightBy, part.draining = s, false
	if b.attempts++; b.attempts == 1 {
		b.producer, b.epoch, b.transactional = p.producerID, p.epoch, p.txn != nil
		p.stats.taken(b)
	} else {
		p.stats.again(b)
	}
}

// ErrNoLease is the error of a producer whose Lease is over: what it has not sent yet is another's to send, unless there is another lease.
var ErrNoLease error = new(leaseError)

type leaseError struct{}

func (*leaseError) Error() string {
	return "another may send these records by now: the lease of the producer is over"
}
func (*leaseError) Retriable() bool { return true }

// packAhead compresses a batch that has to wait, while there is nothing to send: a queue takes a fraction of the memory then.
func (p *Producer) packAhead(s *sender) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.unpacked(s)
	if b == nil {
		return false, nil
	}
	b.form = packing
	p.mu.Unlock()
	out, err := s.pack.pack(&b.body)
	p.mu.Lock()
	if err != nil {
		return false, err
	}
	p.finishPacking(s, b, out)
	return true, nil
}

// finishPacking gives the batch its compressed bytes.
func (p *Producer) finishPacking(s *sender, b *batch, out pile) {
	p.pool.put(&b.body)
	b.body, b.form = out, packed
	switch {
	case b.dropped:
		p.pool.recycle(b)
	case b.part.sender != nil && b.part.sender != s: // it may wait for this batch
		wake(b.part.sender.wake)
	}
}

// mostOpen is how many bytes of open batches wait for a broker as they are; of more, the largest is closed to be compressed. With few partitions
// there is never more: it takes a hundred that share buffer.memory.
const mostOpen = 4 << 20

// unpacked is a batch that waits and is not compressed, if it ever is.
func (p *Producer) unpacked(s *sender) *batch {
	if p.cfg.Producer.Compression == None || p.err != nil {
		return nil
	}
	open := 0
	var largest *partition
	for _, part := range s.pending {
		for _, b := range part.queue {
			if b.form == plain {
				return b
			}
		}
		if b := part.open; b != nil {
			if open += b.body.room; largest == nil || b.body.room > largest.open.body.room {
				largest = part
			}
		}
	}
	if open <= mostOpen || s.inFlight < p.cfg.Producer.MaxInFlight || largest.open.body.room < chunkBytes {
		return nil
	}
	b := largest.open
	p.closeOpen(largest)
	return b
}

// dispatch compresses and writes.
func (p *Producer) dispatch(client sarama.Client, s *sender, r *request) error {
	if lease := p.cfg.Producer.Lease; lease != nil && !lease() {
		return ErrNoLease
	}
	r.acks, r.timeoutMs, r.codec = sarama.WaitForAll, int32(p.cfg.RequestTimeout.Milliseconds()), codecs[p.cfg.Producer.Compression]
	if p.cfg.Producer.Acks == AcksLeader {
		r.acks = sarama.WaitForLocal
	}
	if p.txn != nil {
		r.transaction = p.txn.id
	}
	for _, b := range r.batches {
		if b.form == packed || r.codec == 0 {
			continue
		}
		out, err := s.pack.pack(&b.body)
		if err != nil {
			return err
		}
		p.pool.put(&b.body)
		b.body, b.form = out, packed
	}
	name, done := p.outbox.put(r)
	defer done()
	broker, err := client.Broker(s.broker)
	if err == nil {
		s.conn = broker
		err = broker.AsyncProduce(wireOf(r, &name), func(res *sarama.ProduceResponse, err error) { p.answered(s, r, res, err) })
	}
	if err != nil {
		p.answered(s, r, nil, err)
	}
	return nil
}

// answered settles a request. It runs on the goroutine that reads the broker's responses, which must not use the broker.
func (p *Producer) answered(s *sender, r *request, res *sarama.ProduceResponse, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.inFlight--
	if err != nil {
		s.broken = true
	} else {
		p.reached()
		p.stats.throttled(res.ThrottleTime)
	}
	for _, b := range r.batches {
		outcome := err
		if err == nil {
			if block := res.GetBlock(b.part.topic.name, b.part.id); block == nil {
				outcome = sarama.ErrIncompleteResponse
			} else if block.Err != sarama.ErrNoError {
				outcome = block.Err
			}
		}
		p.settle(b, outcome)
	}
	p.advance()
	wake(s.wake)
}

// settle decides what becomes of a batch after an answer.
func (p *Producer) settle(b *batch, err error) {
	part := b.part
	part.flight = slices.DeleteFunc(part.flight, func(o *batch) bool { return o == b })
	var code sarama.KError
	switch {
	case err == nil || errors.Is(err, sarama.ErrDuplicateSequenceNumber): // stored by an earlier attempt
		p.complete(b)
	case !errors.As(err, &code): // the connection, not the broker
		p.again(b, err)
		p.unreachable(err)
	case p.txn != nil && doubtful(code):
		p.restore(b)
		p.doubt(fmt.Errorf("publish to topic %q partition %d: %w", part.topic.name, part.id, plainText(err)))
	case code == sarama.ErrMessageSizeTooLarge || code == sarama.ErrMessageSetSizeTooLarge:
		p.tooLarge(b, err)
	case code == sarama.ErrOutOfOrderSequenceNumber && part.before(b):
		p.again(b, err) // one before it failed and is sent again first
	case code == sarama.ErrInvalidMessage || code == sarama.ErrUnknownTopicOrPartition || code == sarama.ErrLeaderNotAvailable ||
		code == sarama.ErrNotLeaderForPartition || code == sarama.ErrRequestTimedOut || code == sarama.ErrNotEnoughReplicas ||
		code == sarama.ErrNotEnoughReplicasAfterAppend || code == sarama.ErrKafkaStorageError || code == sarama.ErrNetworkException ||
		code == sarama.ErrReplicaNotAvailable || code == sarama.ErrThrottlingQuotaExceeded || code == sarama.ErrFencedLeaderEpoch ||
		code == sarama.ErrUnknownLeaderEpoch || code == sarama.ErrConcurrentTransactions:
		p.again(b, err)
	case code == sarama.ErrInvalidTimestamp && b.restamp(time.Now()): // a clock jumped, and will be put right
		if b.attempts&(b.attempts-1) == 0 {
			p.log.Warn("the broker refuses records for their time: its clock and this machine's differ by more than the topic's message.timestamp.after.max.ms or "+
				"message.timestamp.before.max.ms. They are sent again with the time that it is then", "topic", part.topic.name, "partition", part.id, "attempts", b.attempts)
		}
		p.again(b, err)
	default:
		p.restore(b)
		p.stats.refused(b)
		p.fail(classify(fmt.Sprintf("publish to topic %q partition %d", part.topic.name, part.id), err))
	}
	if len(part.queue) > 0 || part.open != nil {
		p.offer(part)
		if part.sender != nil {
			wake(part.sender.wake)
		}
	}
}

// before tells whether the partition has a batch with records before those of b.
func (t *partition) before(b *batch) bool {
	o := t.oldest()
	return o != nil && o.first < b.first
}

func (p *Producer) complete(b *batch) {
	p.stats.complete(b)
	b.part.lastErr, b.part.ackedAt = nil, time.Now()
	p.buffered -= b.charged
	p.pool.recycle(b)
}

// restore puts the batch back in its place in the queue.
func (p *Producer) restore(b *batch) {
	part := b.part
	at, _ := slices.BinarySearchFunc(part.queue, b, func(o, b *batch) int {
		if o.first < b.first {
			return -1
		}
		return 1
	})
	part.queue = slices.Insert(part.queue, at, b)
}

// again has the batch sent once more, after a while and behind none that came before it.
func (p *Producer) again(b *batch, err error) {
	part := b.part
	p.restore(b)
	part.draining, part.lastErr = true, plainText(err)
	part.retryAt = time.Now().Add(p.cfg.backoff(b.attempts - 1))
	part.topic.stale = true
	wake(p.lookup)
}

// tooLarge halves the batch; its numbers stay, so that the order does.
func (p *Producer) tooLarge(b *batch, err error) {
	part := b.part
	n := b.count
	if n == 1 {
		p.restore(b)
		var key []byte
		readErr := b.recover(p.cfg.Producer.Compression, func(_ int, r *kafka.Record) { key = slices.Clone(r.Key) })
		p.fail(errors.Join(&kafka.RecordTooLargeError{Topic: part.topic.name, Key: key, Bytes: b.size - batchHead - recordHead, Err: plainText(err)}, readErr))
		return
	}
	first, second := p.pool.batch(), p.pool.batch()
	readErr := b.recover(p.cfg.Producer.Compression, func(i int, r *kafka.Record) {
		half := first
		if i >= n/2 {
			half = second
		}
		p.buffered += half.add(&p.pool, r, sizeOf(r), 0)
	})
	if readErr != nil {
		p.restore(b)
		p.fail(fmt.Errorf("halve a batch for topic %q partition %d, which is too large for the broker: %w", part.topic.name, part.id, readErr))
		return
	}
	first.part, first.first, first.created, first.sequence = part, b.first, b.created, b.sequence
	second.part, second.first, second.created, second.sequence = part, b.first+uint64(n/2), b.created, b.sequence
	if b.sequence >= 0 {
		second.sequence = addSequence(b.sequence, n/2)
	}
	p.restore(second)
	p.restore(first)
	p.stats.Splits++
	part.draining = true
	p.buffered -= b.charged
	p.pool.recycle(b)
}

// fail ends the producer; what was not acknowledged stays where it was, so that nothing behind it counts.
func (p *Producer) fail(err error) {
	if p.err == nil {
		p.phase, p.err = ended, err
		p.changed.all()
		for _, s := range p.senders {
			wake(s.wake)
		}
	}
}

// unreachable and reached are told what requests come to.
func (p *Producer) unreachable(err error) {
	if p.phase == running {
		p.outage.began(p.log, p.cfg.Brokers, err)
	}
}

func (p *Producer) reached() { p.outage.ended(p.log, p.cfg.Brokers) }
