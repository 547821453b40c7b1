package source

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// Env is what the worker knows and a task may use.
type Env struct {
	Connector string
	Task      int
	Log       *slog.Logger
	// Drain is how long Run may stay after its context ended, to see its last records stored.
	Drain time.Duration
	// StoredOffset reads the stored offset of a source partition (JSON object); nil when there is none.
	StoredOffset func(ctx context.Context, partition []byte) ([]byte, error)
	// ExactlyOnce tells that records and the offset behind them go in one Kafka transaction.
	ExactlyOnce bool
	// ReadSignals reads partition 0 of a topic from where the consumer group stands, by options of Kafka's consumer, and stores behind each
	// record that was handed over. It returns nil when ctx ends, else the first error, record's included. Only the channel kafka of
	// signal.enabled.channels needs it.
	ReadSignals func(ctx context.Context, consumer map[string]string, topic string, record func(ctx context.Context, offset int64, key, value []byte) error) error
}

// Task captures one database. Run it once; Offset and Stored may be called from another goroutine meanwhile and after.
type Task struct {
	cfg       Config
	env       Env
	log       *slog.Logger
	partition []byte // source partition, JSON

	sent     positions
	stream   atomic.Pointer[replication.Stream] // set while it streams; only Confirm is called across goroutines
	safe     atomic.Uint64                      // LSN up to which offsets are stored
	whole    atomic.Bool                        // the offset that this run stored last has no unfinished snapshot
	counts   counts
	lag      lagWatch
	progress chan struct{} // Sender: Stored, which drops what does not fit. Bound: 1. Never closed

	// The worker's offset goroutine owns what follows.
	given, stored position
	storedIdle    time.Time
}

// NewTask makes a task of a valid configuration, whose warnings Validate has given; nothing is dialled before Run.
func NewTask(props map[string]string, env Env) (*Task, error) {
	cfg, report := Parse(props)
	if err := report.Err(); err != nil {
		return nil, err
	}
	env.Log.Debug("the connector's configuration", "options", cfg.Sanitized(props))
	cfg.Envelope.RunID, cfg.Envelope.Log, cfg.Envelope.Now = newRunID(), env.Log, time.Now
	return &Task{cfg: cfg, env: env, log: env.Log, partition: partitionOf(cfg.Envelope.TopicPrefix), progress: make(chan struct{}, 1),
		lag: lagWatch{slot: cfg.Slot, log: env.Log}}, nil
}

// newRunID is a random UUID, version 4.
func newRunID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Run captures changes until ctx ends (nil) or a stage fails. The steps, in order: connect and check, find out where the last
// run stopped, prepare slot and publication, read existing rows if the mode wants them, stream.
func (t *Task) Run(ctx context.Context, out Emitter) error {
	err := t.run(ctx, out)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil) {
		return nil
	}
	return replication.Classify(err)
}

func (t *Task) run(ctx context.Context, out Emitter) error {
	s, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if t.lag.dial = s.dial; t.cfg.streams() {
		t.lag.every = t.cfg.LagInterval
	}
	defer t.lag.run(ctx)()
	begin, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	pub, err := s.publisher(out, begin)
	if err != nil {
		return err
	}
	defer pub.beat.close()
	defer pub.reselect.close()
	defer pub.incremental.close()
	defer pub.notes.run(ctx)()
	if begin.snapshot != nil {
		if err := s.snapshot(ctx, pub, begin.snapshot); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		pub.incremental.snapshotTaken()
		if err := s.wholeStored(ctx, pub); err != nil {
			return err
		}
	} else if err := pub.snapshotSkipped(ctx); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if !t.cfg.streams() {
		t.log.Info("snapshot complete; snapshot.mode=" + string(t.cfg.SnapshotMode) + " does not stream")
		return s.onlySignals(ctx, pub)
	}
	if !pause.For(ctx, t.cfg.StreamingDelay) {
		return ctx.Err()
	}
	err = s.streamChanges(ctx, pub, begin.from)
	if ctx.Err() != nil && t.cfg.SlotDropOnStop {
		if dropErr := s.leaveNoSlot(ctx); dropErr != nil { // the task has ended in order, so nobody would look at its error
			t.log.Error("cannot drop the slot, as slot.drop.on.stop asks; it retains WAL until it is dropped", "slot", t.cfg.Slot, "error", dropErr)
		}
	}
	return err
}

// wholeStored waits, where transactions bear their metadata, until the end of the snapshot is stored. A run that is killed before has the next one take
// another snapshot, and what that one's rows bring is left out of the transactions before it (comeToPoint). So none of them may have been published
// whole by then: the counts of its END, and the orders of its records, would be other ones when it is said again, and who puts transactions together
// would wait for records that never come.
func (s *session) wholeStored(ctx context.Context, pub *publisher) error {
	if !pub.metadata || !s.cfg.streams() || s.task.env.ExactlyOnce {
		return nil
	}
	if err := pub.out.Flush(); err != nil {
		return err
	}
	for !s.task.whole.Load() {
		select {
		case <-s.task.progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// streamChanges runs the two goroutines between the socket and the emitter. stored is the offset of the last run, if it goes on from one.
func (s *session) streamChanges(parent context.Context, pub *publisher, stored *position) (err error) {
	if err := pub.incremental.start(parent); err != nil {
		return err
	}
	if err := pub.snapshotsAskedFor(parent); err != nil {
		return err
	}
	stream, err := s.startStream(parent, &pub.at)
	if err != nil {
		return err
	}
	if stored != nil {
		s.task.confirm(stream, stored) // the last run may have been killed before it could
	}
	if pub.before() == 0 {
		pub.snapshotLSN = stream.Confirmed() // what came before the first transaction
	}
	s.task.counts.waiting.Store(0) // what an earlier stream left in its queue is gone
	s.task.counts.waitBytes.Store(0)
	s.task.stream.Store(stream)
	defer func() {
		if parent.Err() != nil {
			s.drain(stream, pub)
		}
		s.task.stream.Store(nil)
		last, cancel := context.WithTimeout(context.WithoutCancel(parent), closeTimeout)
		defer cancel()
		err = errors.Join(err, stream.Close(last)) // sends the last position confirmed
	}()
	g, ctx := errgroup.WithContext(parent)
	// Sender and closer: receive. Bound: 3 batches, which with the one being filled and the one being published make five.
	full := make(chan *cdc.Batch, queuedBatches)
	// Sender: publish, which gives batches back. Never closed. Bound: all of them.
	empty := make(chan *cdc.Batch, queuedBatches+2)
	for range queuedBatches + 2 {
		empty <- new(cdc.Batch)
	}
	g.Go(func() error { defer close(full); return s.receive(ctx, stream, empty, full) }) // owns the connection
	// Until the initial snapshot is complete, signals stay in their channels.
	if pub.catchUp.until == 0 {
		pub.signals.run(ctx, g, s.task)
	}
	g.Go(func() error { return publish(ctx, pub, full, empty) })
	return g.Wait()
}

// queuedBatches is how many batches wait between the two goroutines.
const queuedBatches = 3

// receive owns the replication connection. While the broker holds publish up and batches wait, it keeps the connection alive.
func (s *session) receive(ctx context.Context, stream *replication.Stream, empty <-chan *cdc.Batch, full chan<- *cdc.Batch) error {
	duty := time.NewTicker(s.cfg.StatusInterval / 4) // a tick that comes a moment before a status is due puts it off to the next
	defer duty.Stop()
	for {
		b, err := hand(ctx, duty.C, stream, empty, nil, nil)
		if err != nil {
			return err
		}
		b.Reset()
		if err := stream.Receive(ctx, b); err != nil {
			return err
		}
		counts := &s.task.counts
		counts.received.Store(uint64(b.ServerLSN))
		counts.waiting.Add(int64(len(b.Changes)))
		counts.waitBytes.Add(int64(b.Size()))
		if _, err := hand(ctx, duty.C, stream, nil, full, b); err != nil {
			return err
		}
	}
}

// drain stays, after an orderly stop, until what was published is acknowledged and stored, so that the server hears of it and the next start
// reads nothing twice.
func (s *session) drain(stream *replication.Stream, pub *publisher) {
	deadline := time.NewTimer(s.task.env.Drain)
	defer deadline.Stop()
	published := pub.at
	published.idle = 0 // nothing was published there; the next start loses nothing without it
	for max(stream.Confirmed(), cdc.LSN(s.task.safe.Load())) < published.confirmable() {
		select {
		case <-s.task.progress:
		case <-deadline.C:
			return
		}
	}
}

// closeTimeout bounds the farewell of a connection.
const closeTimeout = 2 * time.Second

// hand takes a batch, or gives b away: whichever channel is nil is not meant. Meanwhile it sends the statuses that are due.
func hand(ctx context.Context, duty <-chan time.Time, stream *replication.Stream, from <-chan *cdc.Batch, to chan<- *cdc.Batch, b *cdc.Batch) (*cdc.Batch, error) {
	for {
		select {
		case taken := <-from:
			return taken, nil
		case to <- b:
			return nil, nil
		case <-duty:
			if err := stream.KeepAlive(); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// publish owns the encoder and the emitter. It flushes when nothing waits, so that a record never waits for the next one.
func publish(ctx context.Context, pub *publisher, full <-chan *cdc.Batch, empty chan<- *cdc.Batch) error {
	var tick <-chan time.Time
	if pub.beat.every > 0 {
		ticker := time.NewTicker(pub.beat.every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case b, ok := <-full:
			if !ok {
				return ctx.Err()
			}
			changes, size := len(b.Changes), b.Size() // those of the batch, before it is used again
			pub.counts.taken(b.ServerLSN)
			err := pub.batch(ctx, b)
			pub.counts.done(changes, size)
			if err != nil {
				return err
			}
			empty <- b
		case <-tick:
			if err := pub.heartbeat(ctx); err != nil {
				return err
			}
		case r := <-pub.signals.incoming:
			if err := pub.external(ctx, r); err != nil {
				return err
			}
		case <-pub.incremental.more():
			if err := pub.incremental.look(ctx); err != nil {
				return err
			}
		}
		if len(full) == 0 {
			if err := pub.out.Flush(); err != nil {
				return err
			}
		}
	}
}

// Exact tells whether the n-th record is the last of its change, and Offset(n) the position right behind it: a transaction of the worker's may
// end there. If that cannot wait, as it is late, rows of a snapshot count that a restart would read again.
func (t *Task) Exact(n uint64, late bool) bool { return t.sent.exact(n, late) }

// Ends tells whether, for an Exact n, no transaction of the source goes on behind the n-th record.
func (t *Task) Ends(uint64) bool { return !t.sent.inside() }

// Offset returns the source partition and offset behind the first n records. ok is false when nothing is to be stored.
func (t *Task) Offset(n uint64) (partition, offset []byte, ok bool) {
	at, ok := t.sent.behind(n)
	if !ok || at == t.stored {
		return nil, nil, false
	}
	onlyIdle := t.stored
	onlyIdle.idle = at.idle
	if at == onlyIdle && time.Since(t.storedIdle) < t.cfg.StatusInterval {
		return nil, nil, false // a server that idles moves on all the time; its position is worth a write now and then
	}
	t.given = at
	return t.partition, at.appendJSON(nil), true
}

// Stored tells that the offset last returned is durable: the server may forget what lies behind it.
func (t *Task) Stored(uint64) {
	if t.given.idle != t.stored.idle {
		t.storedIdle = time.Now()
	}
	t.stored = t.given
	t.whole.Store(!t.stored.unfinished())
	if s := t.stream.Load(); s != nil {
		t.confirm(s, &t.stored)
	}
	select {
	case t.progress <- struct{}{}:
	default:
	}
}
