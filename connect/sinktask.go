package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/crashpoint"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// consumer is what a sink task needs of kafka/client.Consumer.
type consumer interface {
	Run(ctx context.Context, h client.Handler) error
	Commit(ctx context.Context, positions []kafka.Position) error
}

// sinkRunner runs one sink task as a member of the connector's consumer group: one life.
type sinkRunner struct {
	id      TaskID
	plugin  *Sink
	props   map[string]string
	config  ConnectorConfig
	worker  *WorkerConfig
	conv    converters
	classes map[stage]string
	log     *slog.Logger
	clients clients
	pause   *gate     // closed while the task is paused
	topics  *topicUse // hears which topics are read
	meter   *taskMeter
}

// sinkLife is the state of one life, and the consumer's handler.
type sinkLife struct {
	*sinkRunner
	hard      context.Context // of run
	consumer  consumer
	tolerance *tolerance

	// Of the consumer's goroutine: what it converts while the store takes what was converted before.
	batches [2]batch
	turn    int
	landing chan error // of the batch that the store takes; nil: none. Maker: Records; sender: the goroutine that applies it; bound: 1

	mu      sync.Mutex // one call of the task at a time: the goroutine that applies, and the one that flushes
	task    sink.Task  // nil while no partition is open
	open    []kafka.TopicPartition
	failed  error                          // of the last batch, until it is told
	behind  map[kafka.TopicPartition]int64 // where to go on in partitions whose last records were left out
	dirty   bool                           // something was put or left out since the last commit
	flushes failing
	puts    uint64
	headers headerCache
	way     sinkWay
	mark    *topicMark // of the last record's topic
	chain   *Chain     // nil without transforms
	record  schema.Record
}

// batch is what is converted and put together.
type batch struct {
	consumed []kafka.Record
	records  []sink.Record
	left     []int         // indexes of consumed records that are left out
	room     *schema.Arena // of the values, where the task borrows them; nil: they have their own memory
}

// run is the way of a life: join the group, then per batch Records, and a flush about every second, until ctx ends or a stage fails.
// progress tells that something was put. When ctx ends the life ends in order; when hard does, at once: nothing is put or committed after that.
func (r *sinkRunner) run(ctx, hard context.Context, running func()) (progress bool, err error) {
	l := &sinkLife{sinkRunner: r, hard: hard, behind: make(map[kafka.TopicPartition]int64)}
	l.tolerance = &tolerance{id: r.id, config: &r.config, classes: r.classes, log: r.log}
	if l.chain, err = r.config.chain.build(r.log); err != nil {
		return false, err
	}
	if err = l.makeTask(); err != nil {
		return false, err
	}
	subscription := r.subscription()
	subscription.Recycle = l.borrows()
	l.consumer = r.clients.consumer(subscription)
	dead, stopDead, err := startLetters(ctx, hard, r.id, &r.config, r.clients, r.conv, r.log)
	if err != nil {
		return false, err
	}
	defer stopDead()
	l.tolerance.dead = dead
	l.meter.reads(l.consumer)
	defer l.meter.reads(nil)
	running()
	g, groupCtx := errgroup.WithContext(ctx)
	ended, end := context.WithCancel(groupCtx)
	g.Go(func() error { defer end(); return l.consumer.Run(groupCtx, l) })
	g.Go(func() error { return l.flushRegularly(ended) })
	g.Go(func() error { l.watchRegularly(ended); return nil })
	if dead != nil {
		g.Go(func() error { return dead.watch(ended) })
	}
	err = g.Wait()
	return l.puts > 0, errors.Join(err, l.closeAll())
}

// Assigned opens partitions and returns where the store says to go on.
func (l *sinkLife) Assigned(ctx context.Context, partitions []client.Assignment) ([]kafka.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(partitions) == 0 {
		return nil, nil
	}
	if l.task == nil {
		if err := l.makeTask(); err != nil {
			return nil, err
		}
	}
	opened := make([]sink.Assignment, len(partitions))
	for i, p := range partitions {
		opened[i] = sink.Assignment(p)
	}
	var positions []kafka.Position
	l.way.opening.Store(true)
	defer l.way.opening.Store(false)
	err := l.config.retries().forever().untilDone(ctx, l.log, "open the partitions", func() (err error) {
		positions, err = l.task.Open(ctx, opened)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range partitions { // only now: what Open failed for is not revoked
		l.open = append(l.open, p.TopicPartition)
	}
	return positions, nil
}

// makeTask makes the plugin's task. The first is made before there are partitions: what is wrong with its configuration fails it at once.
func (l *sinkLife) makeTask() error {
	env := l.env()
	env.Report, env.DeadLetters = l.tolerance.report, l.config.Sink.DeadLetterTopic != ""
	task, err := l.plugin.NewTask(l.props, env)
	if err != nil {
		return err
	}
	l.task = task
	_, behind := task.(sink.Background)
	l.way.behind.Store(behind)
	l.meter.measures(task)
	return nil
}

// Records is the way of a batch: convert, put, remember what was left out. Flushing and committing come with the next second. The batch is put
// while the next one is converted: store and worker each have a processor to use. An error of it is that of the next call, or of the next flush.
func (l *sinkLife) Records(ctx context.Context, records []kafka.Record) error {
	if err := l.pause.wait(ctx); err != nil { // the partitions are given up while it is paused: whoever gets them takes the records
		return nil
	}
	b := &l.batches[l.turn]
	l.turn = 1 - l.turn
	l.noteTopics(records)
	l.meter.consumed(records)
	err := l.convert(ctx, b, records)
	if landed := l.land(); landed != nil {
		return landed
	}
	if err != nil {
		if ctx.Err() != nil { // the partitions are given up: whoever gets them begins behind the last commit
			return nil
		}
		return err
	}
	l.landing = make(chan error, 1)
	go func(landing chan<- error) { landing <- l.apply(ctx, b) }(l.landing)
	return nil
}

// land waits for the batch that the store takes, if there is one.
func (l *sinkLife) land() error {
	if l.landing == nil {
		return nil
	}
	err := <-l.landing
	l.landing = nil
	return err
}

// apply puts a batch and takes it into the books.
func (l *sinkLife) apply(ctx context.Context, b *batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.put(ctx, b); err != nil {
		if ctx.Err() != nil { // as above
			return nil
		}
		l.failed = err
		return err
	}
	l.meter.applied(b.consumed, len(b.records))
	l.tookBatch()
	l.remember(b)
	l.puts += uint64(len(b.records))
	l.dirty = true
	return nil
}

// noteTopics tells which topics are read.
func (l *sinkLife) noteTopics(records []kafka.Record) {
	if l.topics == nil || l.topics.off {
		return
	}
	for i := range records {
		if l.mark == nil || l.mark.of != records[i].Topic {
			l.mark = l.topics.mark(records[i].Topic)
		}
		l.mark.used()
	}
}

// put hands the batch to the task. Records that the store refuses, and that the error names, are left out if the connector tolerates it, and
// the others put again.
func (l *sinkLife) put(ctx context.Context, b *batch) error {
	for len(b.records) > 0 {
		if err := l.lettersAcknowledged(ctx); err != nil { // a store that holds the positions stands behind them then
			return err
		}
		err := l.config.retries().forever().untilDone(ctx, l.log, "put records into the store", func() error { return l.putOnce(ctx, b) })
		refused := refusals(err)
		if len(refused) == 0 || l.config.Tolerance != TolerateAll && l.tolerance.dead == nil {
			return err
		}
		for _, e := range refused {
			i := slices.IndexFunc(b.records, func(r sink.Record) bool { return e.names(r.Raw.Topic, r.Raw.Partition, r.Offset) })
			if i < 0 {
				return err
			}
			if err := l.tolerance.sink(ctx, b.records[i].Raw, stagePut, e.err); err != nil {
				return err
			}
			b.records = slices.Delete(b.records, i, i+1)
			at := slices.IndexFunc(b.consumed, func(r kafka.Record) bool { return e.names(r.Topic, r.Partition, r.Offset) })
			place, _ := slices.BinarySearch(b.left, at)
			b.left = slices.Insert(b.left, place, at)
		}
	}
	return nil
}

func (l *sinkLife) putOnce(ctx context.Context, b *batch) error {
	began := time.Now()
	err := l.task.Put(ctx, b.records)
	l.meter.put(len(b.records), time.Since(began))
	return err
}

// refusal is one record that a store refuses for what it holds.
type refusal struct {
	topic     string
	partition int32
	offset    int64
	err       error
}

func (r *refusal) names(topic string, partition int32, offset int64) bool {
	return r.offset == offset && r.partition == partition && r.topic == topic
}

// refusals finds the errors in the tree of err that name a record.
func refusals(err error) []refusal {
	switch e := err.(type) {
	case nil:
		return nil
	case interface {
		Record() (topic string, partition int32, offset int64)
	}:
		topic, partition, offset := e.Record()
		return []refusal{{topic, partition, offset, err}}
	case interface{ Unwrap() []error }:
		var all []refusal
		for _, inner := range e.Unwrap() {
			all = append(all, refusals(inner)...)
		}
		return all
	}
	return refusals(errors.Unwrap(err))
}

// Revoked makes durable what was put, commits, and closes partitions. Lost ones are another's already: nothing is committed.
func (l *sinkLife) Revoked(ctx context.Context, partitions []kafka.TopicPartition, lost bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.hard, cancel)()
	if err := l.land(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.task == nil {
		return nil
	}
	var err error
	if !lost {
		err = l.flush(ctx, false)
	}
	return errors.Join(err, l.close(ctx, partitions))
}

// convert fills the batch. A record that transforms drop is left out; one that cannot be converted is too, or ends the task.
func (l *sinkLife) convert(ctx context.Context, b *batch, records []kafka.Record) error {
	clear(b.records) // let go of what the last one held
	b.consumed, b.records, b.left = records, b.records[:0], b.left[:0]
	l.makeRoom(b)
	for i := range records {
		r := &records[i]
		out := sink.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Raw: r}
		keep := true
		at, err := l.convertRecord(ctx, b.room, r, &out)
		if err == nil && l.chain != nil {
			at = stageTransform
			keep, err = l.transform(ctx, &out)
		}
		switch {
		case err == nil && keep:
			b.records = append(b.records, out)
			continue
		case err == nil:
			b.left = append(b.left, i)
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		if err := l.tolerance.sink(ctx, r, at, err); err != nil {
			return err
		}
		b.left = append(b.left, i)
	}
	return nil
}

// borrows tells whether the task lets go of keys and values when it has put them, so that their memory can be used again. Transforms may keep
// what they are given.
func (l *sinkLife) borrows() bool {
	borrower, ok := l.task.(sink.Borrower)
	return ok && l.chain == nil && borrower.Borrows()
}

// makeRoom takes back the memory of the values that the batch had before, when the task borrows them.
func (l *sinkLife) makeRoom(b *batch) {
	if !l.borrows() {
		b.room = nil
		return
	}
	if b.room == nil {
		b.room = schema.NewRoom()
	}
	b.room.Reset()
}

// convertRecord converts key, value and headers; a registry that is not reachable is waited for.
func (l *sinkLife) convertRecord(ctx context.Context, room *schema.Arena, r *kafka.Record, out *sink.Record) (at stage, err error) {
	if at, err = l.convertOnce(ctx, room, r, out); err == nil || !retriable(err) {
		return at, err
	}
	err = l.config.retries().untilDone(ctx, l.log, "convert a record", func() (err error) {
		at, err = l.convertOnce(ctx, room, r, out)
		return err
	})
	return at, err
}

func (l *sinkLife) convertOnce(ctx context.Context, room *schema.Arena, r *kafka.Record, out *sink.Record) (at stage, err error) {
	if out.KeySchema, out.Key, err = read(ctx, l.conv.key, room, r.Topic, r.Key); err != nil {
		return stageKey, err
	}
	if out.ValueSchema, out.Value, err = read(ctx, l.conv.value, room, r.Topic, r.Value); err != nil {
		return stageValue, err
	}
	out.Headers, err = l.headers.convert(ctx, l.conv, r)
	return stageHeader, err
}

// read reads a key or value, into room if there is one and the converter knows how.
func read(ctx context.Context, c converter.Converter, room *schema.Arena, topic string, data []byte) (*schema.Schema, schema.Value, error) {
	if b, ok := c.(converter.Borrower); ok && room != nil {
		return b.Borrow(ctx, topic, data, room)
	}
	return c.Deserialize(ctx, topic, data)
}

// transform passes a converted record through the transforms; false drops it.
func (l *sinkLife) transform(ctx context.Context, out *sink.Record) (keep bool, err error) {
	r := &l.record
	*r = schema.Record{Topic: out.Topic, Partition: out.Partition, Offset: out.Offset, Timestamp: schema.NoTimestamp, KeySchema: out.KeySchema, Key: out.Key,
		ValueSchema: out.ValueSchema, Value: out.Value, Headers: out.Headers}
	if !out.Timestamp.IsZero() {
		r.Timestamp = out.Timestamp.UnixMilli()
	}
	was := r.Timestamp
	keep, err = l.chain.apply(r, func(what string, do func() error) error {
		return l.config.retries().untilDone(ctx, l.log, what, do)
	})
	out.Topic, out.Partition, out.Headers = r.Topic, r.Partition, r.Headers
	out.KeySchema, out.Key, out.ValueSchema, out.Value = r.KeySchema, r.Key, r.ValueSchema, r.Value
	switch {
	case r.Timestamp == was:
	case r.Timestamp == schema.NoTimestamp:
		out.Timestamp = time.Time{}
	default:
		out.Timestamp = time.UnixMilli(r.Timestamp)
	}
	return keep, err
}

// remember notes, per partition, where the run of left out records at its end is over: the store does not know of them.
func (l *sinkLife) remember(b *batch) {
	if len(b.left) == 0 && len(l.behind) == 0 {
		return
	}
	left := b.left
	for i := range b.consumed {
		at := kafka.TopicPartition{Topic: b.consumed[i].Topic, Partition: b.consumed[i].Partition}
		if len(left) > 0 && left[0] == i {
			left = left[1:]
			l.behind[at] = b.consumed[i].Offset + 1
		} else {
			delete(l.behind, at)
		}
	}
}

// lettersAcknowledged waits until the dead letters are.
func (l *sinkLife) lettersAcknowledged(ctx context.Context) error {
	if l.tolerance.dead == nil {
		return nil
	}
	if err := l.tolerance.dead.acknowledged(ctx); err != nil {
		return fmt.Errorf("publish dead letters: %w", err)
	}
	return nil
}

// flush makes durable what was put and commits the positions behind it, in this order, with those behind left out records.
// The regular flush does not wait for a task that writes in the background.
func (l *sinkLife) flush(ctx context.Context, regular bool) error {
	if l.task == nil || !l.dirty {
		l.meter.nothingToCommit()
		return nil
	}
	if err := l.lettersAcknowledged(ctx); err != nil {
		return err
	}
	skipper, skips := l.task.(sink.Skipper)
	if skips && len(l.behind) > 0 {
		var behind []kafka.Position
		for at, offset := range l.behind {
			behind = append(behind, kafka.Position{TopicPartition: at, Offset: offset})
		}
		skipper.Skip(behind)
	}
	flush := l.task.Flush
	if b, ok := l.task.(sink.Background); ok && regular {
		flush = b.FlushBehind
	}
	positions, err := flush(ctx)
	if err != nil {
		return fmt.Errorf("flush the store: %w", err)
	}
	if err := l.lettersAcknowledged(ctx); err != nil { // of what the store refused meanwhile
		return err
	}
	for at, offset := range l.behind {
		i := slices.IndexFunc(positions, func(p kafka.Position) bool { return p.TopicPartition == at })
		if skips {
			if i >= 0 && positions[i].Offset >= offset {
				delete(l.behind, at)
			}
		} else if i < 0 {
			positions = append(positions, kafka.Position{TopicPartition: at, Offset: offset})
		} else {
			positions[i].Offset = max(positions[i].Offset, offset)
		}
	}
	if len(positions) > 0 {
		crashpoint.Pass("sink.applied")
		began := time.Now()
		err := l.consumer.Commit(ctx, positions)
		if l.meter.committed(time.Since(began), err); err != nil {
			l.log.Warn("cannot commit the group's offsets, the next commit will", "error", err)
			return nil
		}
		l.storedPositions(positions)
	}
	holder, holds := l.task.(sink.Holder)
	l.dirty = skips && len(l.behind) > 0 || holds && holder.Holds() // the store holds something back
	return nil
}

// flushRegularly flushes about every second, until ctx ends or the store fails for good.
func (l *sinkLife) flushRegularly(ctx context.Context) error {
	ticks := time.NewTicker(max(min(commitEvery, l.worker.OffsetFlushInterval), 10*time.Millisecond))
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		l.mu.Lock()
		err := l.failed
		if err == nil {
			err = l.flush(ctx, true)
		}
		l.mu.Unlock()
		l.way.unflushed.Store(err != nil)
		if err != nil && !retriable(err) && ctx.Err() == nil {
			return err
		}
		if l.flushes.say(err != nil) && ctx.Err() == nil {
			l.log.Warn("cannot flush, trying again", "error", err, "failures", l.flushes.count)
		}
	}
}

// close gives partitions up. A task without any is done with; the next assignment gets a new one.
func (l *sinkLife) close(ctx context.Context, partitions []kafka.TopicPartition) error {
	err := l.task.Close(ctx, partitions)
	l.open = slices.DeleteFunc(l.open, func(p kafka.TopicPartition) bool { return slices.Contains(partitions, p) })
	for _, p := range partitions {
		delete(l.behind, p)
	}
	l.meter.givenUp(partitions)
	if len(l.open) == 0 {
		l.task, l.dirty = nil, false
		l.meter.measures(nil)
	}
	if err != nil {
		return fmt.Errorf("close partitions: %w", err)
	}
	return nil
}

// closeAll closes what a life that ended by an error left open, without committing.
func (l *sinkLife) closeAll() error {
	_ = l.land() // nobody applies any more; what it says was told
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.task == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.hard, l.worker.ShutdownTimeout)
	defer cancel()
	return l.close(ctx, slices.Clone(l.open))
}

func (r *sinkRunner) subscription() client.Subscription {
	if len(r.config.Sink.Topics) > 0 {
		return client.Subscription{Topics: r.config.Sink.Topics}
	}
	pattern := newTopicPattern(r.config.Sink.TopicsRegex)
	return client.Subscription{Match: func(topic string) bool {
		matches, err := pattern.matches(topic)
		if err != nil {
			r.log.Error("cannot tell whether the topic is consumed (topics.regex)", "topic", topic, "error", err)
		}
		return matches
	}}
}

func (r *sinkRunner) env() Env {
	return Env{
		Connector:    r.id.Connector,
		Task:         r.id.Task,
		Log:          named(r.log, r.plugin.taskClass()),
		Drain:        r.worker.ShutdownTimeout,
		StoredOffset: func(context.Context, []byte) ([]byte, error) { return nil, nil }, // sinks have consumer offsets
		Paused:       r.pause.closed,
	}
}

// headerCache converts headers, and not again as long as records carry the same ones: most connectors repeat them.
type headerCache struct {
	topic     string
	raw       []kafka.Header
	converted []schema.Header
}

func (c *headerCache) convert(ctx context.Context, conv converters, r *kafka.Record) ([]schema.Header, error) {
	if len(r.Headers) == 0 {
		return nil, nil
	}
	same := func(a, b kafka.Header) bool {
		return a.Key == b.Key && (a.Value == nil) == (b.Value == nil) && bytes.Equal(a.Value, b.Value)
	}
	if c.topic == r.Topic && slices.EqualFunc(c.raw, r.Headers, same) {
		return c.converted, nil
	}
	converted := make([]schema.Header, len(r.Headers))
	raw := make([]kafka.Header, len(r.Headers))
	for i, h := range r.Headers {
		var err error
		if converted[i], err = conv.header.ToHeader(ctx, r.Topic, h.Key, h.Value); err != nil {
			return nil, err
		}
		raw[i] = kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)}
	}
	*c = headerCache{r.Topic, raw, converted}
	return converted, nil
}
