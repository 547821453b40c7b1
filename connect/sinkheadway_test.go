package connect

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink"
)

// watchedSink is the life of a sink task that is watched, and what its log says.
func watchedSink(t *testing.T, task sink.Task) (*sinkLife, *strings.Builder) {
	t.Helper()
	m := testMeter(KindSink)
	m.way.after = time.Minute
	m.is(Running)
	text := new(strings.Builder)
	log := slog.New(slog.NewTextHandler(text, nil))
	l := &sinkLife{sinkRunner: &sinkRunner{meter: m, log: log, worker: new(WorkerConfig)}, hard: t.Context(), behind: make(map[kafka.TopicPartition]int64), consumer: noConsumer{}}
	l.tolerance = &tolerance{config: &l.config}
	l.task = task
	_, behind := task.(sink.Background)
	l.way.behind.Store(behind)
	return l, text
}

// noConsumer takes commits.
type noConsumer struct{ consumer }

func (noConsumer) Commit(context.Context, []kafka.Position) error { return nil }

// locked is a store that takes what it is told to.
type locked struct {
	sink.Task
	put, flush error
}

func (l *locked) Put(context.Context, []sink.Record) error { return l.put }
func (l *locked) Flush(context.Context) ([]kafka.Position, error) {
	return []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: 3}}, l.flush
}

// lagging is a store that writes behind Put.
type lagging struct {
	locked
	upto int64
}

func (l *lagging) FlushBehind(context.Context) ([]kafka.Position, error) {
	return []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: l.upto}}, nil
}
func (l *lagging) Holds() bool           { return true }
func (l *lagging) Skip([]kafka.Position) {}

// passSeconds has so many seconds pass, each with a look.
func passSeconds(l *sinkLife, n int) {
	for range n {
		time.Sleep(time.Second) // of the bubble
		l.watch(time.Now())
	}
}

func wantSinkStalled(t *testing.T, l *sinkLife, when, want string) {
	t.Helper()
	if got := figuresOf(t, l.meter)["tandem_sink_stalled"+ofTask]; got != want {
		t.Errorf("%s: tandem_sink_stalled = %s, want %s", when, got, want)
	}
}

// threeRecords are a batch of partition 0 of topic t.
func threeRecords() *batch {
	return &batch{consumed: []kafka.Record{{Topic: "t", Offset: 0}, {Topic: "t", Offset: 1}, {Topic: "t", Offset: 2}}, records: make([]sink.Record, 3)}
}

// TestStalledSink: a task whose store takes nothing is said to be stalled, in the log and in the metrics, until it does.
func TestStalledSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, text := watchedSink(t, new(locked))
		passSeconds(l, 600)
		wantSinkStalled(t, l, "idle", "0")
		b := threeRecords()
		l.meter.consumed(b.consumed)
		passSeconds(l, 59)
		wantSinkStalled(t, l, "59 s with a batch in hand", "0")
		if text.Len() > 0 {
			t.Errorf("the log is %q, want nothing yet", text)
		}
		passSeconds(l, 200)
		wantSinkStalled(t, l, "259 s with a batch in hand", "1")
		if got := strings.Count(text.String(), "the task is stalled"); got != 3 || !strings.Contains(text.String(), "topic=t partition=0 consumed=3 applied=0 committed=0") {
			t.Errorf("the log is %q, want three lines, after 60, 120 and 240 s, with the rungs", text)
		}
		if err := l.apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		wantSinkStalled(t, l, "the store took it", "0")
		if !strings.Contains(text.String(), "the task gets on again") {
			t.Errorf("the log is %q, want that the task gets on", text)
		}
		passSeconds(l, 600)
		wantSinkStalled(t, l, "idle again", "0")
		l.meter.consumed(b.consumed)
		l.meter.is(Paused)
		passSeconds(l, 600)
		wantSinkStalled(t, l, "paused", "0")
	})
}

// TestSinkThatCannotFlush: a store that takes records and cannot make them durable is stalled, although records come on.
func TestSinkThatCannotFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := new(locked)
		l, _ := watchedSink(t, task)
		l.worker.OffsetFlushInterval = time.Second
		task.flush = gone{errors.New("the disk is full")}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.flushRegularly(ctx) }()
		for range 120 {
			b := threeRecords()
			l.meter.consumed(b.consumed)
			if err := l.apply(ctx, b); err != nil {
				t.Fatal(err)
			}
			passSeconds(l, 1)
		}
		wantSinkStalled(t, l, "120 s without a flush", "1")
		l.mu.Lock()
		task.flush = nil
		l.mu.Unlock()
		passSeconds(l, 10)
		wantSinkStalled(t, l, "flushed", "0")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestStalledSinkBehind: of a store that writes behind Put it counts what is durable, not what it was given.
func TestStalledSinkBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := new(lagging)
		l, _ := watchedSink(t, task)
		b := threeRecords()
		l.meter.consumed(b.consumed)
		if err := l.apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		flush := func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err := l.flush(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			flush()
			passSeconds(l, 1)
		}
		wantSinkStalled(t, l, "100 s with nothing durable", "1")
		task.upto = 2
		flush()
		wantSinkStalled(t, l, "some is durable", "0")
		passSeconds(l, 100)
		wantSinkStalled(t, l, "100 s with a record that is not", "1")
		task.upto = 3
		flush()
		passSeconds(l, 600)
		wantSinkStalled(t, l, "all is durable", "0")
	})
}

// TestSinkFailsAgainAndAgain: a task that is started again and again, and fails at its first batch each time, is stalled: that it has nothing to do while it
// joins the group does not count as getting on. Nor does a store that cannot be opened.
func TestSinkFailsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := watchedSink(t, &locked{put: errors.New("no such column")})
		l.config.RetryDelayMax = time.Second
		for range 20 {
			l.way = sinkWay{}
			l.meter.is(Running)
			passSeconds(l, 3)
			b := threeRecords()
			l.meter.consumed(b.consumed)
			if err := l.apply(t.Context(), b); err == nil {
				t.Fatal("apply to a store that refuses = nil")
			}
			l.meter.givenUp([]kafka.TopicPartition{{Topic: "t"}})
			l.meter.is(restarting)
			time.Sleep(2 * time.Second)
		}
		wantSinkStalled(t, l, "20 lives", "1")
		l.meter.gotOn(l.log)
		l.way.opening.Store(true)
		passSeconds(l, 100)
		wantSinkStalled(t, l, "100 s without the store being open", "1")
	})
}

// TestSinkWithoutBrokers: a task that has taken all it was given does not know whether there is more when the brokers say nothing.
func TestSinkWithoutBrokers(t *testing.T) {
	addr := startBroker(t)
	makeTopics(t, addr, "t", 1)
	c := clientConfig(t, addr, client.ForConsumer)
	c.Consumer.Group, c.Traffic, c.Consumer.Heartbeat = "connect-idle", new(client.Traffic), 20*time.Millisecond
	l, _ := watchedSink(t, new(locked))
	consumer := client.NewConsumer(c, client.Subscription{Topics: []string{"t"}})
	l.consumer = consumer
	if got := consumer.Quiet(); got != 20*time.Millisecond {
		t.Errorf("Quiet() = %s, want 20 ms", got)
	}
	began := time.Now()
	if got := l.heard(began); !got.IsZero() {
		t.Errorf("heard() before the consumer runs = %v, want never", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	assigned := make(chan struct{}, 1)
	go func() { ended <- consumer.Run(ctx, &idleHandler{assigned}) }()
	<-assigned
	eventually(t, "records were asked for", func() bool { return len(consumer.Stats().Partitions) == 1 && l.heard(time.Now()).After(began) })
	last := l.heard(time.Now())
	eventually(t, "the brokers are heard on", func() bool { return l.heard(time.Now()).After(last) })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Hour)
	last = l.heard(now) // what came since the last look
	for range 3 {
		if now = now.Add(time.Hour); l.heard(now) != last {
			t.Errorf("heard() of a consumer that is gone = %v, want %v", l.heard(now), last)
		}
	}
	// The same for the whole: without answers having nothing to do is no news.
	l.way.idleSince = began
	if !l.meter.idled(last, l.log) || l.meter.idled(last, l.log) {
		t.Error("idled() = false, or true for the same answer again, want each answer to be news once")
	}
	l.watch(last.Add(2 * time.Minute))
	if d, stalled := l.meter.way.standstill(last.Add(2 * time.Minute)); !stalled || d != 2*time.Minute {
		t.Errorf("two minutes behind the last answer standstill = %s, %v, want it stalled", d, stalled)
	}
}

// idleHandler takes partitions.
type idleHandler struct{ assigned chan struct{} }

func (h *idleHandler) Assigned(context.Context, []client.Assignment) ([]kafka.Position, error) {
	select {
	case h.assigned <- struct{}{}:
	default:
	}
	return nil, nil
}
func (*idleHandler) Records(context.Context, []kafka.Record) error               { return nil }
func (*idleHandler) Revoked(context.Context, []kafka.TopicPartition, bool) error { return nil }
