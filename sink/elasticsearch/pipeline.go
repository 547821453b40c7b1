package elasticsearch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// mostBulk bounds a bulk when bulk.size.bytes does not: servers refuse more than 100 MB (http.max_content_length).
const mostBulk = 64 << 20

// letter is a record that is left out, for the dead letter queue.
type letter struct {
	part      *partition
	number    uint64
	record    *kafka.Record
	err       *RecordError
	tolerated bool // by the connector's own options
}

// pipeline holds the bulks of a task and sends them: one open bulk is filled, full ones wait in their order, at most max.in.flight.requests are
// on their way.
//
// Invariants:
//  1. No two bulks on their way hold the same document, and one that waits never goes before an older one: the writes of a document reach
//     the server in the order in which they were put.
//  2. A record counts as settled when the server has answered for it, or the worker was told that it is left out.
type pipeline struct {
	cfg     *Config
	client  *client
	log     *slog.Logger
	most    int           // bytes of a bulk
	changed chan struct{} // maker: newPipeline; senders: whoever changes what is below, without waiting; never closed; bound: 1

	mu      sync.Mutex // guards what follows
	open    *bulk      // nil: empty
	full    []*bulk
	flight  []*bulk
	spare   []*bulk
	records int // in open, full and flight
	bytes   int // of these
	letters []letter
	err     error         // ends the task
	moved   chan struct{} // closed, and another one made, when something was answered
	stats   Stats
	warned  time.Time // of conflicts
}

// Stats are counts since the task was made.
type Stats struct {
	Written   int64 // documents that the server took, deletes included
	Bytes     int64 // of the bulks that were answered
	Bulks     int64
	Retries   int64 // attempts after the first one
	Conflicts int64 // writes that were older than the document
	LeftOut   int64 // records without a document: refused, invalid, or without value
}

func newPipeline(cfg *Config, c *client, log *slog.Logger) *pipeline {
	most := mostBulk
	if cfg.BulkBytes > 0 {
		most = int(cfg.BulkBytes)
	}
	return &pipeline{cfg: cfg, client: c, log: log, most: most, changed: make(chan struct{}, 1), moved: make(chan struct{})}
}

// run sends bulks until ctx ends, and returns when the last of them is answered or cut off.
func (p *pipeline) run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for ctx.Err() == nil {
		b, wait := p.next(time.Now())
		if b != nil {
			sending.Go(func() { p.finish(b, p.send(ctx, b)) })
			continue
		}
		linger.Reset(wait)
		select {
		case <-ctx.Done():
		case <-p.changed:
		case <-linger.C:
		}
	}
}

// wake makes run look again.
func (p *pipeline) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// next takes the bulk that is to be sent now, or tells how long there is none even if nothing changes.
func (p *pipeline) next(now time.Time) (*bulk, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flight) >= p.cfg.MaxInFlight || p.err != nil {
		return nil, time.Hour
	}
	b := p.open
	if len(p.full) > 0 {
		b = p.full[0]
	}
	if b == nil {
		return nil, time.Hour
	}
	if b == p.open && !b.due {
		if wait := b.since.Add(time.Duration(p.cfg.LingerMillis) * time.Millisecond).Sub(now); wait > 0 {
			return nil, wait
		}
	}
	if slices.ContainsFunc(p.flight, b.meets) {
		return nil, time.Hour
	}
	if b == p.open {
		p.open = nil
	} else {
		p.full = slices.Delete(p.full, 0, 1)
	}
	p.flight = append(p.flight, b)
	return b, 0
}

// finish takes the outcome of a bulk.
func (p *pipeline) finish(b *bulk, o *outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight = slices.DeleteFunc(p.flight, func(o *bulk) bool { return o == b })
	p.records -= len(b.items)
	p.bytes -= b.bytes()
	p.stats.Written += int64(o.written)
	p.stats.Bytes += int64(len(b.body))
	p.stats.Bulks++
	if o.err != nil {
		p.fail(o.err)
	} else {
		for i := range b.items {
			if it := &b.items[i]; !o.left[i] {
				it.part.settle(it.number)
			}
		}
		p.letters = append(p.letters, o.letters...)
	}
	p.conflicts(o)
	if len(p.spare) <= p.cfg.MaxInFlight && cap(b.body) <= 2*p.most {
		b.reset()
		p.spare = append(p.spare, b)
	}
	p.announce()
	p.wake()
}

func (p *pipeline) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// announce lets all that wait look again.
func (p *pipeline) announce() {
	close(p.moved)
	p.moved = make(chan struct{})
}

// conflictsEvery is how often at most the log tells of writes that were older than their documents.
const conflictsEvery = time.Minute

// conflicts counts writes that lost to a newer version. After a restart that is expected. It is not for records that came after the partition was
// assigned: nobody has written these before.
func (p *pipeline) conflicts(o *outcome) {
	p.stats.Conflicts += int64(o.conflicts)
	if o.odd == nil || time.Since(p.warned) < conflictsEvery {
		return
	}
	p.warned = time.Now()
	p.log.Warn("a document has a newer version than a new record, which is left out: versions are offsets, and this document was written with those of another partition or topic, "+
		"of a topic that was deleted and made anew, or by somebody else; write to another index, or use external.version.header",
		"topic", o.odd.part.at.Topic, "partition", o.odd.part.at.Partition, "offset", o.odd.offset, "index", o.odd.resource.name)
}

// await waits until done, which is called under the lock and may be so again and again; it returns with the lock held when the error is nil.
// problem is what is wrong when it takes longer than flush.timeout.ms.
func (p *pipeline) await(ctx context.Context, done func() bool, problem string) error {
	var timeout <-chan time.Time
	p.mu.Lock()
	for !done() {
		if err := p.err; err != nil {
			p.mu.Unlock()
			return err
		}
		moved := p.moved
		p.mu.Unlock()
		p.wake()
		if timeout == nil {
			timer := time.NewTimer(time.Duration(p.cfg.FlushTimeoutMillis) * time.Millisecond)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout:
			return &TimeoutError{fmt.Sprintf("%s within flush.timeout.ms=%d", problem, p.cfg.FlushTimeoutMillis)}
		case <-moved:
		}
		p.mu.Lock()
	}
	if err := p.err; err != nil {
		p.mu.Unlock()
		return err
	}
	return nil
}

// room waits until another record may be held; the lock is held when the error is nil.
func (p *pipeline) room(ctx context.Context) error {
	return p.await(ctx, func() bool { return p.records < p.cfg.MaxBuffered && p.bytes < p.most*(p.cfg.MaxInFlight+1) },
		"no room for another record became free (max.buffered.records, bulk.size.bytes)")
}

// current is the bulk to be filled; the lock is held.
func (p *pipeline) current() *bulk {
	if p.open != nil {
		return p.open
	}
	if n := len(p.spare); n > 0 {
		p.open, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		p.open = &bulk{}
	}
	p.open.since = time.Now()
	return p.open
}

// filled closes the open bulk; the lock is held.
func (p *pipeline) filled() {
	p.full = append(p.full, p.open)
	p.open = nil
	p.wake()
}

// hurry makes the open bulk wait no longer.
func (p *pipeline) hurry() {
	p.mu.Lock()
	if p.open != nil {
		p.open.due = true
	}
	p.mu.Unlock()
	p.wake()
}

// drain waits until everything is answered.
func (p *pipeline) drain(ctx context.Context) error {
	p.hurry()
	if err := p.await(ctx, func() bool { return p.records == 0 }, "not all requests were answered"); err != nil {
		return err
	}
	p.mu.Unlock()
	return nil
}

// failure is why the task cannot go on, nil while it can.
func (p *pipeline) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// takeLetters hands out the records that are left out and not yet reported.
func (p *pipeline) takeLetters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.letters
	p.letters = nil
	return out
}

// settle says that nothing more is to be done for a record that is left out.
func (p *pipeline) settle(part *partition, number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.LeftOut++
	part.settle(number)
}
