package connect

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// sinkWay is what a sink task's life knows of its getting on, beside the meter's positions: a task gets on when its store takes a batch, of one that
// writes behind Put when a position behind such a batch is committed; and when it has nothing to do. That records are in the topic is not enough for
// it to have something to do: what is behind the last one it got may be a mark of a transaction, which nobody gets.
type sinkWay struct {
	opening   atomic.Bool // the task takes over partitions
	unflushed atomic.Bool // the last flush failed
	behind    atomic.Bool // the task writes behind Put

	// Of the goroutine that watches.
	idleSince        time.Time // since when it is known that nothing is to be done; zero: it is not known
	answers, fetches answered
}

// answered is a count of answers, and when it was seen to grow. By the clock alone, which may be set, an answer would be old or yet to come.
type answered struct {
	count uint64
	at    time.Time
}

func (a *answered) see(count uint64, now time.Time) time.Time {
	if count != a.count {
		*a = answered{count, now}
	}
	return a.at
}

// idleFor is how long a task must have nothing to do before that counts as getting on: one that is started again, and fails at its first batch again, has
// nothing to do in between.
const idleFor = 5 * time.Second

// counting is a consumer that knows what it heard of the brokers.
type counting interface {
	Traffic() *client.Traffic
	Stats() client.ConsumerStats
	// Quiet is how long sound brokers may say nothing.
	Quiet() time.Duration
}

// watchRegularly looks whether the task gets on, until ctx ends.
func (l *sinkLife) watchRegularly(ctx context.Context) {
	if l.meter == nil {
		return
	}
	every := max(min(commitEvery, l.worker.OffsetFlushInterval), 10*time.Millisecond)
	l.meter.patient(2 * every)
	if c, counts := l.consumer.(counting); counts {
		l.meter.patient(2 * c.Quiet())
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			l.watch(time.Now())
		}
	}
}

// watch says in the log when the task does not get on.
func (l *sinkLife) watch(now time.Time) {
	w := &l.way
	switch {
	case l.meter.inHand(w.behind.Load()) > 0 || w.opening.Load() || w.unflushed.Load():
		w.idleSince = time.Time{}
	case w.idleSince.IsZero():
		w.idleSince = now
	}
	heard := l.heard(now)
	if !w.idleSince.IsZero() && now.Sub(w.idleSince) >= min(idleFor, l.meter.way.patience()) && l.meter.idled(heard, l.log) {
		return
	}
	if d, due := l.meter.way.due(now); due {
		args := append([]any{"for", d.Round(time.Second), "brokers silent", silence(now, heard), "flush failed", w.unflushed.Load()}, l.meter.sinkRungs()...)
		l.log.Warn("the task is stalled: its store has taken nothing for some time, and it is not known that there is nothing to do. Look at the store for locks and refusals, "+
			"and at the brokers", args...)
	}
}

// heard is when the consumer heard of the brokers last; with partitions, of those who have the records.
func (l *sinkLife) heard(now time.Time) time.Time {
	c, counts := l.consumer.(counting)
	if !counts || c.Traffic() == nil {
		return now
	}
	traffic := c.Traffic().Stats()
	at, fetched := l.way.answers.see(traffic.Total.Responses, now), l.way.fetches.see(traffic.Of(client.APIFetch).Responses, now)
	if len(c.Stats().Partitions) > 0 && fetched.Before(at) {
		return fetched
	}
	return at
}

// idled notes that at some moment there was nothing to do. It tells whether that is news.
func (m *taskMeter) idled(at time.Time, log *slog.Logger) bool {
	if !m.way.later(at) {
		return false
	}
	m.gotOnAt(at, log)
	return true
}

// tookBatch notes that the store has taken a batch. What it has not made durable when it should have does not count.
func (l *sinkLife) tookBatch() {
	if !l.way.behind.Load() && !l.way.unflushed.Load() {
		l.meter.gotOn(l.log)
	}
}

// storedPositions notes that the group's offsets were committed.
func (l *sinkLife) storedPositions(positions []kafka.Position) {
	if moved := l.meter.storedAt(positions); moved && l.way.behind.Load() {
		l.meter.gotOn(l.log)
	}
}

// inHand is how many records were consumed and not applied; committed: and not committed.
func (m *taskMeter) inHand(committed bool) (n int64) {
	k := &m.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.positions {
		done := p.applied
		if committed {
			done = p.committed
		}
		n += max(0, p.consumed-done)
	}
	return n
}

// sinkRungs are the steps of the way of the partition that has most in hand, for a line of the log; none where nothing came.
func (m *taskMeter) sinkRungs() []any {
	k := &m.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	var worst kafka.TopicPartition
	most := int64(-1)
	for tp, p := range k.positions {
		if n := p.consumed - p.committed; n > most {
			worst, most = tp, n
		}
	}
	if most < 0 {
		return nil
	}
	p := k.positions[worst]
	return []any{"topic", worst.Topic, "partition", worst.Partition, "consumed", p.consumed, "applied", p.applied, "committed", p.committed}
}

// silence is how long the brokers have said nothing, for a line of the log.
func silence(now, heard time.Time) string {
	if heard.IsZero() {
		return "always"
	}
	return now.Sub(heard).Round(time.Second).String()
}
