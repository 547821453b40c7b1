package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-cdc/tandem/internal/crashpoint"
)

// commitEvery is the time between two stores of offsets while records are acknowledged; offset.flush.interval.ms may ask for a shorter one.
// The first acknowledgement after a pause is stored at once: a worker that is killed again and again still gets on.
const commitEvery = time.Second

// sourceRunner runs one source task, from its start to its end or failure: one life. The supervisor gives it as many as it needs.
type sourceRunner struct {
	id        TaskID
	plugin    *Source
	props     map[string]string
	config    ConnectorConfig
	worker    *WorkerConfig
	conv      converters
	offsets   OffsetStore
	log       *slog.Logger
	clients   clients
	pause     *gate     // closed while the task is paused
	topics    *topicUse // hears which topics are written to
	guard     Guard     // asked by tasks with exactly-once delivery; nil: nobody is
	meter     *taskMeter
	tolerance *tolerance
}

// sourceLife is the state of one life. Its fields belong to the goroutine of run but for the emitter, which is the task's.
type sourceLife struct {
	*sourceRunner
	hard     context.Context // of run
	task     SourceTask
	producer producer
	emitter  *emitter
	letters  *deadLetters // nil without a dead letter queue
	// lettersErr is why its producer ended.
	lettersErr error
	store      failing // of the offset store
	stored     uint64  // count of stores
	stall      stall
}

// run is the way of a life: start the producer and the task, store offsets while they go on, then drain and store the rest. progress tells
// that something was stored. When ctx ends the life ends in order; when hard does, at once: nothing is sent or stored after that.
func (r *sourceRunner) run(ctx, hard context.Context, running func()) (progress bool, err error) {
	if r.worker.exactlyOnce() {
		return r.runOnce(ctx, hard, running)
	}
	r, closeOffsets, err := r.openOffsets(ctx)
	if err != nil {
		return false, err
	}
	defer closeOffsets()
	l := &sourceLife{sourceRunner: r, hard: hard, producer: r.clients.producer()}
	l.task, err = r.plugin.NewTask(r.props, r.env())
	if err != nil {
		return false, err
	}
	taskCtx, stopTask := context.WithCancel(ctx)
	defer stopTask()
	producerCtx, stopProducer := context.WithCancel(hard) // it outlives the task: what was sent is acknowledged
	defer stopProducer()
	out, unwire, err := l.wire(ctx, taskCtx, "")
	if err != nil {
		return false, err
	}
	defer unwire()

	sent := make(chan error, 1)  // sender: the producer's goroutine, once. Bound: that one.
	ended := make(chan error, 1) // sender: the task's goroutine, once. Bound: that one.
	go func() { sent <- l.producer.Run(producerCtx) }()
	go func() { ended <- l.task.Run(taskCtx, out) }()
	running()

	err, producerErr, producerEnded := l.follow(ctx, stopTask, ended, sent)
	if !producerEnded {
		l.drain()
		stopProducer()
		producerErr = <-sent
	}
	if storeErr := l.commit(); storeErr != nil {
		err = errors.Join(err, storeErr)
	}
	if l.lettersErr != nil {
		err = errors.Join(err, l.lettersErr)
	}
	if producerErr != nil { // the cause: what the task says is its consequence
		err = fmt.Errorf("publish records: %w", producerErr)
	}
	return l.stored > 0, err
}

// wire puts together what stands between the task, whose Run gets taskCtx, and the producer. unwire is for the end. No record goes to spared.
func (l *sourceLife) wire(ctx, taskCtx context.Context, spared string) (out Emitter, unwire func(), err error) {
	topics, closeTopics := &ruledTopics{rules: l.config.Source.topics, spared: spared, log: l.log}, func() {}
	if topics.rules != nil {
		topics.admin = l.clients.admin()
		closeTopics = topics.admin.Close
	}
	chain, err := l.config.chain.build(l.log)
	if err != nil {
		closeTopics()
		return nil, nil, err
	}
	dead, stopDead, err := startLetters(ctx, l.hard, l.id, &l.config, l.clients, l.conv, l.log)
	if err != nil {
		closeTopics()
		return nil, nil, err
	}
	l.tolerance.dead, l.letters = dead, dead
	l.emitter = &emitter{ctx: taskCtx, log: l.log, conv: l.conv, topics: topics, producer: l.producer,
		retries: l.config.retries(), decide: l.tolerance, letters: dead, pause: l.pause, used: l.topics, meter: l.meter}
	out = l.emitter
	if chain != nil || dead != nil { // a dead letter is a record that stands in memory
		out = newTransforming(l.emitter, chain)
	}
	measured := l.measure()
	return out, func() { measured(); stopDead(); closeTopics() }, nil
}

// measure has the life measured until ends is called.
func (l *sourceLife) measure() (ends func()) {
	var task func(Figures)
	if m, ok := l.task.(Measured); ok {
		task = func(out Figures) { m.Measure(l.emitter.acked(), out) }
	}
	return l.meter.lives(func() (polled, written uint64) { return l.emitter.polled(), l.emitter.acked() }, task)
}

// follow stores offsets until the task has returned. A producer that ends before ends the task.
func (l *sourceLife) follow(ctx context.Context, stopTask func(), ended, sent <-chan error) (taskErr, producerErr error, producerEnded bool) {
	every := max(min(commitEvery, l.worker.OffsetFlushInterval), 10*time.Millisecond)
	l.meter.patient(2 * every)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	stopping := ctx.Done()
	lettersEnded := l.letters.over()
	prompt := l.producer.Progress()
	var last time.Time // of a store
	for {
		select {
		case taskErr = <-ended:
			return taskErr, producerErr, producerEnded
		case producerErr = <-sent:
			producerEnded, producerErr, sent = true, producerEnd(producerErr), nil
			stopTask()
		case <-lettersEnded: // no offset behind a dead letter could be stored any more
			lettersEnded, l.lettersErr = nil, l.letters.failure()
			stopTask()
		case <-stopping:
			stopping, every = nil, 0 // the task waits for its last offset
			l.producer.Flush()
			l.commitOrSay()
		case <-prompt:
			if now := time.Now(); now.Sub(last) >= every && l.commitOrSay() {
				last = now
			}
		case <-ticks.C:
			if l.commitOrSay() {
				last = time.Now()
			}
			l.watch()
		}
	}
}

// producerEnd is why the end of a producer ends its task.
func producerEnd(err error) error {
	if err == nil {
		return errors.New("the producer ended by itself")
	}
	return err
}

// drain waits for the acknowledgement of what was sent, for offset.flush.timeout.ms at most.
func (l *sourceLife) drain() {
	l.producer.Flush()
	ctx, cancel := context.WithTimeout(l.hard, l.worker.OffsetFlushTimeout)
	defer cancel()
	if l.letters != nil {
		if err := l.letters.acknowledged(ctx); err != nil {
			l.log.Warn("the last dead letters are not acknowledged, their records will be tried again", "error", err)
		}
	}
	if err := l.producer.WaitAcked(ctx, l.producer.Sent()); err != nil {
		l.log.Warn("the last records are not acknowledged, they will be sent again", "error", err,
			"sent", l.producer.Sent(), "acknowledged", l.producer.Acked())
	}
}

// commit stores the offsets behind the acknowledged records, one for each source partition that has moved, and tells the task: in this order,
// always.
func (l *sourceLife) commit() error {
	for n := l.emitter.acked(); ; {
		moved := offsetsBehind(l.task, n)
		if len(moved) == 0 {
			return nil
		}
		crashpoint.Pass("source.acknowledged")
		began := time.Now()
		err := l.offsets.Put(l.hard, l.id.Connector, moved...)
		if l.meter.committed(time.Since(began), err); err != nil {
			return err
		}
		crashpoint.Pass("source.stored")
		l.stored++
		l.meter.gotOn(l.log)
		l.task.Stored(n)
	}
}

// commitOrSay is commit for the time of running, where the next one may succeed. It reports whether there was something to store.
func (l *sourceLife) commitOrSay() bool {
	if l.hard.Err() != nil {
		return false
	}
	before := l.stored
	err := l.commit()
	if l.store.say(err != nil) {
		l.log.Error("cannot store the source offset, trying again", "error", err, "failures", l.store.count)
	}
	return err != nil || l.stored > before
}

// failing counts failures in a row and says which are worth a line: the first, second, fourth, …
type failing struct{ count int }

func (f *failing) say(failed bool) bool {
	if !failed {
		f.count = 0
		return false
	}
	f.count++
	return f.count&(f.count-1) == 0
}

// stall says when a broker acknowledges nothing for long, for the producer waits as long as delivery.timeout.ms allows: by default for ever.
type stall struct {
	acked  uint64
	since  time.Time     // of the last growth, or of the last record being acknowledged
	wanted time.Duration // when to say it next
}

const stallAfter = 10 * time.Second // longer than a change of the partition's leader takes

func (s *stall) watch(p producer, log *slog.Logger) {
	acked, now := p.Acked(), time.Now()
	if acked != s.acked || acked == p.Sent() || s.since.IsZero() {
		if s.wanted > stallAfter {
			log.Info("records are acknowledged again", "after", now.Sub(s.since).Round(time.Second))
		}
		s.acked, s.since, s.wanted = acked, now, stallAfter
		return
	}
	if silent := now.Sub(s.since); silent >= s.wanted {
		log.Warn("no record was acknowledged for some time: is the broker reachable, has the topic a leader and enough in-sync replicas? Sending goes on",
			"for", silent.Round(time.Second), "waiting", p.Sent()-acked)
		s.wanted *= 2
	}
}

func (r *sourceRunner) env() Env {
	return Env{
		Connector:   r.id.Connector,
		Task:        r.id.Task,
		Log:         named(r.log, r.plugin.taskClass()),
		Drain:       r.worker.ShutdownTimeout,
		ExactlyOnce: r.worker.exactlyOnce(),
		StoredOffset: func(ctx context.Context, partition []byte) ([]byte, error) {
			return r.offsets.Get(ctx, r.id.Connector, partition)
		},
	}
}
