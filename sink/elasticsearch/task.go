package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// Env is what the worker knows and a task may use.
type Env struct {
	Log *slog.Logger
	// Report takes a record that is left out: it goes to the dead letter queue and counts. The error is that this is not tolerated; tolerated says
	// that the connector's own options want it. raw may lack key and value when Letters is false. nil: nothing is tolerated but what the options want.
	Report func(ctx context.Context, raw *kafka.Record, err error, tolerated bool) error
	// Letters tells that somebody reads key and value of what is reported.
	Letters bool
}

// Task writes records to Elasticsearch or OpenSearch. One goroutine at a time uses it.
type Task struct {
	cfg  *Config
	env  Env
	log  *slog.Logger
	seed maphash.Seed

	client    *client
	pipeline  *pipeline
	resources map[string]*resource
	plans     map[string]*topicPlan
	plan      *topicPlan // of the last record
	parts     map[kafka.TopicPartition]*partition
	part      *partition // of the last record

	running sync.WaitGroup
	stop    context.CancelFunc // ends pipeline.run; nil: it does not run
}

// New makes a task; Open connects.
func New(cfg Config, env Env) *Task {
	t := &Task{cfg: &cfg, env: env, log: env.Log, seed: maphash.MakeSeed(), resources: make(map[string]*resource), plans: make(map[string]*topicPlan),
		parts: make(map[kafka.TopicPartition]*partition)}
	t.client = newClient(t.cfg, t.log)
	t.pipeline = newPipeline(t.cfg, t.client, t.log)
	return t
}

// Stats are the counts so far. Safe for concurrent use.
func (t *Task) Stats() Stats {
	t.pipeline.mu.Lock()
	defer t.pipeline.mu.Unlock()
	s := t.pipeline.stats
	s.Retries = t.client.retried.Load()
	return s
}

// Open implements sink.Task. The server holds no positions. While it cannot be reached the error is retriable: nothing was taken yet.
func (t *Task) Open(ctx context.Context, partitions []sink.Assignment) ([]kafka.Position, error) {
	version, err := t.client.hello(ctx)
	var refused *ResponseError
	switch {
	case errors.As(err, &refused) && refused.Status == 403: // it may be allowed to write
		t.log.Warn("the user may not ask for the server's version", "error", err)
	case err != nil:
		return nil, err
	case !version.openSearch && version.major < oldestMajor:
		return nil, errors.New(tooOld(version))
	default:
		t.log.Info("writing to "+version.String(), "servers", len(t.cfg.servers))
	}
	for _, a := range partitions {
		t.parts[a.TopicPartition] = newPartition(a.TopicPartition, a.End)
	}
	t.part = nil
	t.warnOfVersions(ctx, partitions)
	if t.stop == nil {
		life, stop := context.WithCancel(context.WithoutCancel(ctx))
		t.stop = stop
		t.running.Go(func() { t.pipeline.run(life) })
	}
	return nil, nil
}

// warnOfVersions tells of what makes offsets a bad version: documents of other topics, or of a topic that was deleted and made anew.
func (t *Task) warnOfVersions(ctx context.Context, partitions []sink.Assignment) {
	if t.cfg.VersionHeader != "" {
		return
	}
	topics := make(map[string]string)
	for _, a := range partitions {
		p := t.planOf(a.Topic)
		if p.resource == nil || !t.versioned(p) {
			continue
		}
		other, seen := topics[p.resource.name]
		topics[p.resource.name] = a.Topic
		switch {
		case seen && other != a.Topic:
			t.warnShared(p.resource, other, a.Topic)
		case !seen && (a.Committed < a.Begin || a.Committed > a.End):
			if n, err := t.client.countDocuments(ctx, p.resource.name); err == nil && n > 0 {
				t.log.Warn("the index holds documents, and this connector begins anew: a record replaces a document only if its offset is greater than the one that wrote it. "+
					"If the topic was deleted and made anew since, delete the index too, or use external.version.header", "index", p.resource.name, "documents", n, "topic", a.Topic)
			}
		}
	}
}

func (t *Task) warnShared(r *resource, one, other string) {
	if r.shared {
		return
	}
	r.shared = true
	t.log.Warn("two topics are written to one index: their offsets are compared as versions, and where they have documents in common a newer record may be left out for an older one; "+
		"use external.version.header, or an index for each", "index", r.name, "topics", []string{one, other})
}

// Put implements sink.Task. Records are buffered; it waits while there is no room.
func (t *Task) Put(ctx context.Context, records []sink.Record) error {
	if err := t.report(ctx); err != nil {
		return err
	}
	for i := range records {
		if err := t.put(ctx, &records[i]); err != nil {
			return err
		}
	}
	t.pipeline.wake()
	return t.pipeline.failure()
}

// put buffers one record, or leaves it out.
func (t *Task) put(ctx context.Context, r *sink.Record) error {
	part, err := t.partOf(r)
	if err != nil {
		return err
	}
	if r.Offset < part.accepted { // it was put before
		return nil
	}
	p := t.planOf(r.Topic)
	if p.resource == nil {
		return badData("Topic '%s' is not mapped to any resource. All topics must be mapped when using topic-to-resource mapping configuration. "+
			"Please check the 'topic.to.external.resource.mapping' configuration to ensure all topics are properly mapped.", r.Topic)
	}
	if r.Value.IsNull() {
		if skipped, err := t.skipNull(ctx, part, r); skipped || err != nil {
			return err
		}
	}
	if at := r.Consumed().Topic; p.resource.topic == "" {
		p.resource.topic = at
	} else if p.resource.topic != at && !p.resource.shared && t.versioned(p) && t.cfg.VersionHeader == "" {
		t.warnShared(p.resource, p.resource.topic, at)
	}
	if err = t.prepare(ctx, p, r.ValueSchema, r.Value.IsNull()); err == nil {
		err = t.buffer(ctx, part, p, r)
	}
	var bad *dataError
	if errors.As(err, &bad) {
		return t.leave(ctx, part, p, r, bad)
	}
	return err
}

// skipNull decides about a record without value; true: it is not written.
func (t *Task) skipNull(ctx context.Context, part *partition, r *sink.Record) (bool, error) {
	switch {
	case t.cfg.OnNull == behaviourIgnore:
		return true, t.leaveAs(ctx, part, r, &RecordError{Err: badData("Cannot write null valued record."), class: connectException, message: "Cannot write null valued record."}, true)
	case t.cfg.OnNull == behaviourFail:
		message := fmt.Sprintf("record from topic=%s partition=%d offset=%d has a null value (to ignore future records like this change the configuration property 'behavior.on.null.values' from 'FAIL' to 'IGNORE')",
			r.Topic, r.Partition, r.Offset)
		return true, t.leaveAs(ctx, part, r, &RecordError{Err: badData("%s", message), class: dataException, message: message}, t.cfg.DropInvalid)
	case r.Key.IsNull(): // there is no document to delete
		t.pipeline.settle(part, t.number(part, r.Offset))
		return true, nil
	}
	return false, nil
}

// leave leaves out a record that cannot become a document.
func (t *Task) leave(ctx context.Context, part *partition, p *topicPlan, r *sink.Record, bad *dataError) error {
	e := &RecordError{Resource: p.resource.name, Err: bad, class: dataException, message: bad.message}
	if t.cfg.DropInvalid {
		t.log.Error("a record cannot become a document and is left out (drop.invalid.message=true)", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", bad)
	}
	return t.leaveAs(ctx, part, r, e, t.cfg.DropInvalid)
}

func (t *Task) leaveAs(ctx context.Context, part *partition, r *sink.Record, e *RecordError, tolerated bool) error {
	e.Topic, e.Partition, e.Offset = part.at.Topic, part.at.Partition, r.Offset
	if err := t.tell(ctx, r.Raw, e, tolerated); err != nil {
		return err
	}
	t.pipeline.settle(part, t.number(part, r.Offset))
	return nil
}

// number notes a record in its partition.
func (t *Task) number(part *partition, offset int64) uint64 {
	t.pipeline.mu.Lock()
	defer t.pipeline.mu.Unlock()
	return part.put(offset)
}

// tell reports a record that is left out; the error is that it may not be.
func (t *Task) tell(ctx context.Context, raw *kafka.Record, e *RecordError, tolerated bool) error {
	if raw == nil {
		raw = &kafka.Record{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset}
	}
	switch {
	case t.env.Report != nil:
		return t.env.Report(ctx, raw, e, tolerated)
	case tolerated:
		return nil
	}
	return e
}

// report tells of the records that the server refused since the last time.
func (t *Task) report(ctx context.Context) error {
	letters := t.pipeline.takeLetters()
	for _, l := range letters {
		if err := t.tell(ctx, l.record, l.err, l.tolerated); err != nil {
			return err
		}
		t.pipeline.settle(l.part, l.number)
	}
	return nil
}

// buffer appends a record to the open bulk. A dataError is about the record.
func (t *Task) buffer(ctx context.Context, part *partition, p *topicPlan, r *sink.Record) error {
	l := t.pipeline
	if err := l.room(ctx); err != nil {
		return err
	}
	defer l.mu.Unlock()
	b := l.current()
	it := item{part: part, offset: r.Offset, resource: p.resource, start: len(b.body)}
	if err := t.appendItem(b, p, r, &it); err != nil {
		b.body = b.body[:it.start]
		if len(b.items) == 0 {
			l.open = nil
			l.spare = append(l.spare, b)
		}
		return err
	}
	if it.start > 0 && len(b.body) > l.most { // it goes into the next one
		full := b
		l.filled()
		b = l.current()
		b.body = append(b.body, full.body[it.start:]...)
		full.body, it.start = full.body[:it.start], 0
	}
	it.end = len(b.body)
	it.number = part.put(r.Offset)
	held := 0
	it.record, held = t.keep(r)
	b.held += held
	b.items = append(b.items, it)
	if it.id != 0 {
		b.ids.add(it.id)
	}
	l.records++
	l.bytes += it.end - it.start + held
	if len(b.items) >= t.cfg.BatchSize || len(b.body) >= l.most {
		l.filled()
	}
	return nil
}

// keep copies a record that may become a dead letter, for it outlives Put, and tells how many bytes that takes; nil when there are no dead letters.
func (t *Task) keep(r *sink.Record) (*kafka.Record, int) {
	if !t.env.Letters || r.Raw == nil {
		return nil, 0
	}
	c := *r.Raw
	c.Key, c.Value = bytes.Clone(c.Key), bytes.Clone(c.Value)
	held := len(c.Key) + len(c.Value)
	c.Headers = slices.Clone(c.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
		held += len(c.Headers[i].Key) + len(c.Headers[i].Value)
	}
	return &c, held
}

// partOf is the partition that a record was consumed from.
func (t *Task) partOf(r *sink.Record) (*partition, error) {
	at := r.Consumed()
	if t.part != nil && t.part.at == at {
		return t.part, nil
	}
	part := t.parts[at]
	if part == nil {
		return nil, fmt.Errorf("a record of topic %q, partition %d, which was not opened", at.Topic, at.Partition)
	}
	t.part = part
	return part, nil
}

func (t *Task) planOf(topic string) *topicPlan {
	if t.plan != nil && t.plan.topic == topic {
		return t.plan
	}
	p := t.plans[topic]
	if p == nil {
		p = t.newPlan(topic)
		t.plans[topic] = p
	}
	t.plan = p
	return p
}

// Flush implements sink.Task: it waits until everything is written.
func (t *Task) Flush(ctx context.Context) ([]kafka.Position, error) {
	if err := t.pipeline.drain(ctx); err != nil {
		return nil, err
	}
	return t.settled(ctx)
}

// FlushBehind implements sink.Background: without flush.synchronously the regular flush does not wait.
func (t *Task) FlushBehind(ctx context.Context) ([]kafka.Position, error) {
	if t.cfg.FlushSynchronously {
		return t.Flush(ctx)
	}
	t.pipeline.hurry()
	if err := t.pipeline.failure(); err != nil {
		return nil, err
	}
	return t.settled(ctx)
}

// settled reports what is left out and returns the positions behind what is settled.
func (t *Task) settled(ctx context.Context) ([]kafka.Position, error) {
	if err := t.report(ctx); err != nil {
		return nil, err
	}
	t.pipeline.mu.Lock()
	defer t.pipeline.mu.Unlock()
	var positions []kafka.Position
	for at, part := range t.parts {
		if next := part.next(); next >= 0 {
			positions = append(positions, kafka.Position{TopicPartition: at, Offset: next})
		}
	}
	return positions, t.pipeline.err
}

// Holds implements sink.Holder: there are records whose outcome is not known.
func (t *Task) Holds() bool {
	t.pipeline.mu.Lock()
	defer t.pipeline.mu.Unlock()
	for _, part := range t.parts {
		if part.pending() {
			return true
		}
	}
	return false
}

// Skip implements sink.Skipper.
func (t *Task) Skip(positions []kafka.Position) {
	t.pipeline.mu.Lock()
	defer t.pipeline.mu.Unlock()
	for _, at := range positions {
		if part := t.parts[at.TopicPartition]; part != nil {
			part.behind = max(part.behind, at.Offset)
		}
	}
}

// Close implements sink.Task. What is not answered when the last partition goes is cut off; before that it is waited for.
func (t *Task) Close(ctx context.Context, partitions []kafka.TopicPartition) error {
	rest := len(t.parts)
	for _, at := range partitions {
		if t.parts[at] != nil {
			rest--
		}
	}
	var err error
	if rest > 0 && t.pipeline.failure() == nil {
		err = t.pipeline.drain(ctx)
	}
	t.pipeline.mu.Lock()
	for _, at := range partitions {
		delete(t.parts, at)
	}
	t.pipeline.mu.Unlock()
	t.part = nil
	if rest > 0 {
		return err
	}
	if t.stop != nil {
		t.stop()
		t.running.Wait()
		t.stop = nil
	}
	t.client.close()
	return err
}
