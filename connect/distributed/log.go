package distributed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// topicSpec is what an internal topic must be.
type topicSpec struct {
	name       string
	option     string // that names it: config.storage.topic …
	what       string // for errors: "connector configurations" …
	partitions int    // when it is created; -1: the broker's default
	single     bool   // it must have one partition
	replicas   int    // -1: the broker's default
	settings   map[string]string
}

// topicLog is an internal topic, read as a whole and followed, and written to. Its Run owns the goroutines: one reads and calls apply, one
// runs the producer.
type topicLog struct {
	spec   topicSpec
	read   client.Config
	write  client.Config
	admin  *client.Admin
	apply  func(*kafka.Record) error // an error ends Run: it is for what must not be passed over
	log    *slog.Logger
	ready  chan struct{} // closed when the topic is there and the reading has begun
	failed chan struct{} // closed when Run has ended

	mu       sync.Mutex // guards what follows
	reached  []int64    // next offset by partition
	moved    chan struct{}
	producer *client.Producer
	renew    context.CancelFunc // ends the producer without another try of what it holds
	fresh    chan struct{}      // closed when a producer runs
	err      error              // of Run
}

// logClients are the settings of the clients of internal topics, the worker's own.
type logClients struct{ read, write, admin client.Config }

// forever is a bound for what is tried until its context ends.
const forever = 10 * 365 * 24 * time.Hour

// newLogClients reads the options of the worker's own clients.
func newLogClients(options map[string]string, clientID string, isolation client.Isolation, log *slog.Logger) (logClients, error) {
	props := map[string]string{"client.id": clientID}
	maps.Copy(props, options)
	parse := func(role client.Role) (client.Config, error) {
		c, report := client.FromProperties(props, role, slices.Collect(maps.Keys(props))...)
		c.Log = log
		return c, report.Err()
	}
	var c logClients
	var errs [3]error
	c.read, errs[0] = parse(client.ForConsumer)
	c.write, errs[1] = parse(client.ForProducer)
	c.admin, errs[2] = parse(client.ForAdmin)
	c.read.APITimeout, c.read.Consumer.Isolation = forever, isolation
	c.write.Producer.DeliveryTimeout = math.MaxInt32 * time.Millisecond
	c.write.Producer.MaxBlock, c.write.Producer.CloseTimeout = forever, time.Millisecond // who must have it stored waits for that
	c.write.Producer.Linger = 0
	c.write.Producer.BufferBytes = max(c.write.Producer.BufferBytes, int64(c.write.Producer.MaxRequestBytes))
	return c, errors.Join(errs[:]...)
}

func newTopicLog(spec topicSpec, c logClients, log *slog.Logger, apply func(*kafka.Record) error) *topicLog {
	return &topicLog{spec: spec, read: c.read, write: c.write, admin: client.NewAdmin(c.admin), apply: apply, log: log,
		ready: make(chan struct{}), failed: make(chan struct{}), moved: make(chan struct{}), fresh: make(chan struct{})}
}

// run makes or checks the topic and follows it until ctx ends (nil).
func (l *topicLog) run(ctx context.Context) (err error) {
	defer l.admin.Close()
	defer close(l.failed)
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err = err; err == nil {
			l.err = errLogClosed
		}
	}()
	partitions, err := l.prepare(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	l.mu.Lock()
	l.reached = make([]int64, partitions)
	l.mu.Unlock()
	close(l.ready)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.follow(ctx) })
	g.Go(func() error { l.produce(ctx); return nil })
	return g.Wait()
}

// errLogClosed: the worker is ending.
var errLogClosed = errors.New("the worker is ending")

func (l *topicLog) follow(ctx context.Context) error {
	err := client.Read(ctx, l.read, client.Reading{Topic: l.spec.name, From: client.FromBeginning, Reached: l.reach}, l.apply)
	if err != nil {
		return fmt.Errorf("read topic %q (%s): %w", l.spec.name, l.spec.option, err)
	}
	return nil
}

// reach notes progress.
func (l *topicLog) reach(partition int32, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.reached) <= int(partition) {
		l.reached = append(l.reached, 0)
	}
	l.reached[partition] = next
	close(l.moved)
	l.moved = make(chan struct{})
}

// produce runs one producer after the other: one that failed, or whose records shall not be tried again, is replaced.
func (l *topicLog) produce(ctx context.Context) {
	for ctx.Err() == nil {
		p := client.NewProducer(l.write)
		pctx, cancel := context.WithCancel(ctx)
		l.mu.Lock()
		l.producer, l.renew = p, cancel
		close(l.fresh)
		l.mu.Unlock()
		err := p.Run(pctx)
		cancel()
		l.mu.Lock()
		l.producer, l.fresh = nil, make(chan struct{})
		l.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			l.log.Warn("cannot write to an internal topic; trying on", "topic", l.spec.name, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// toEnd returns when all that was in the topic at the call has been applied.
func (l *topicLog) toEnd(ctx context.Context) error {
	select {
	case <-l.ready:
	case <-l.failed:
		return l.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-l.failed: // both are closed: no connection is opened any more
		return l.failure()
	default:
	}
	ends, err := l.admin.EndOffsets(ctx, l.spec.name, l.read.Consumer.Isolation)
	if err != nil {
		return fmt.Errorf("find the end of topic %q (%s): %w", l.spec.name, l.spec.option, err)
	}
	for {
		l.mu.Lock()
		moved, there := l.moved, true
		for i, end := range ends {
			there = there && (end == 0 || i < len(l.reached) && l.reached[i] >= end)
		}
		l.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-moved:
		case <-l.failed:
			return l.failure()
		case <-ctx.Done():
			return fmt.Errorf("read topic %q (%s) to its end: %w", l.spec.name, l.spec.option, ctx.Err())
		}
	}
}

func (l *topicLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// send queues records without waiting for them.
func (l *topicLog) send(ctx context.Context, records ...kafka.Record) (*client.Producer, uint64, error) {
	for {
		l.mu.Lock()
		p, fresh := l.producer, l.fresh
		l.mu.Unlock()
		if p == nil {
			select {
			case <-fresh:
				continue
			case <-l.failed:
				return nil, 0, l.failure()
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
		}
		for i := range records {
			records[i].Topic, records[i].Partition = l.spec.name, kafka.AnyPartition
			if err := p.Send(ctx, &records[i]); err != nil {
				return nil, 0, err
			}
		}
		return p, p.Sent(), nil
	}
}

// put writes records and returns when they are durable. When ctx ends before, what is not on its way already is not written any more.
func (l *topicLog) put(ctx context.Context, records ...kafka.Record) error {
	for {
		p, n, err := l.send(ctx, records...)
		if err == nil {
			err = p.WaitAcked(ctx, n)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			l.drop(p)
			return fmt.Errorf("write to topic %q (%s): %w", l.spec.name, l.spec.option, context.Cause(ctx))
		case errors.Is(err, client.ErrProducerEnded) && l.failure() == nil: // dropped for another's sake
			continue
		}
		return fmt.Errorf("write to topic %q (%s): %w", l.spec.name, l.spec.option, err)
	}
}

// drop ends a producer, nil for the present one, and forgets what it holds. Others that wait for it write theirs again.
func (l *topicLog) drop(p *client.Producer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.producer != nil && (p == nil || l.producer == p) {
		l.renew()
	}
}
