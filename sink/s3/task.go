package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// uploads is how many files are sent at once. Most of the time of a small one is the way to the server and back.
const uploads = 16

// pendingParts is how many bytes of full parts and finished files may wait until the end of a batch, in parts.
const pendingParts = 4

// Task writes the records of its partitions into objects. It satisfies sink.Task, sink.Skipper and sink.Holder.
type Task struct {
	config     Config
	log        *slog.Logger
	store      store
	release    func() // of the store's connections
	clock      func() time.Time
	formats    formats
	headerText converter.HeaderConverter
	keyFields  [1]schema.Value
	keySchemas cache[*schema.Schema]

	memory     memory
	partitions map[kafka.TopicPartition]*partition
	last       *partition // of the last record
	checked    bool
	waiting    int64 // bytes that were cut or finished since the last send
}

// NewTask makes a task. It does not connect.
func NewTask(props map[string]string, log *slog.Logger) (*Task, error) {
	c, report := Parse(props)
	if err := report.Err(); err != nil {
		return nil, err
	}
	store, err := newClient(c.Client)
	if err != nil {
		return nil, err
	}
	return newTask(c, store, store.close, time.Now, log)
}

func newTask(c Config, s store, release func(), clock func() time.Time, log *slog.Logger) (*Task, error) {
	t := &Task{config: c, log: log, store: s, release: release, clock: clock, partitions: make(map[kafka.TopicPartition]*partition), keySchemas: cache[*schema.Schema]{size: c.SchemaCache}}
	var err error
	if t.formats, err = newFormats(&t.config); err != nil {
		return nil, err
	}
	t.headerText, err = newHeaderText()
	return t, err
}

// Open implements sink.Task. The group's committed offsets are the positions: an object's name is that of its first record, so that records which
// come again are written over.
func (t *Task) Open(ctx context.Context, partitions []sink.Assignment) ([]kafka.Position, error) {
	if !t.checked {
		if err := t.store.check(ctx); err != nil {
			return nil, err
		}
		t.checked = true
	}
	for _, a := range partitions {
		t.partitions[a.TopicPartition] = t.newPartition(a, t.clock())
	}
	return nil, nil
}

// Put implements sink.Task. When it returns, all full parts and finished files are stored.
func (t *Task) Put(ctx context.Context, records []sink.Record) error {
	if err := t.send(ctx); err != nil { // what a former call could not send
		return err
	}
	now := t.clock()
	var refused RecordErrors
	for i := range records {
		r := &records[i]
		p, err := t.partition(r)
		if err != nil {
			return err
		}
		if r.Offset < p.next || p.refused { // taken before, or behind one that is not
			continue
		}
		if err := t.take(ctx, p, r, now); err != nil {
			var bad *RecordError
			if !errors.As(err, &bad) {
				return t.leave(err)
			}
			refused = append(refused, bad)
			p.refused = true
			continue
		}
		p.next = r.Offset + 1
		if err := t.relieve(ctx); err != nil {
			return t.leave(err)
		}
	}
	if err := t.leave(t.send(ctx)); err != nil {
		return err
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// leave ends a Put.
func (t *Task) leave(err error) error {
	for _, p := range t.partitions {
		p.refused = false
	}
	return err
}

func (t *Task) partition(r *sink.Record) (*partition, error) {
	at := r.Consumed()
	if t.last != nil && t.last.at == at {
		return t.last, nil
	}
	p := t.partitions[at]
	if p == nil {
		return nil, fmt.Errorf("record %s-%d@%d is of a partition that is not open", at.Topic, at.Partition, r.Offset)
	}
	t.last = p
	return p, nil
}

// relieve sends what is full once it is much, and keeps to s3.buffer.memory.bytes: parts are cut early, and what is too small for one is moved to disk.
func (t *Task) relieve(ctx context.Context) error {
	used := t.memory.used.Load()
	if used <= t.config.MemoryBytes && used <= t.waiting {
		return nil
	}
	if used > t.config.MemoryBytes {
		return t.relieveNow(ctx)
	}
	// Parts and files that are finished are sent at the end of the batch, many at once, unless they become many.
	t.waiting = used + pendingParts*int64(t.config.PartSize)
	return t.send(ctx)
}

func (t *Task) relieveNow(ctx context.Context) error {
	if err := t.send(ctx); err != nil {
		return err
	}
	goal := t.config.MemoryBytes / 4 * 3
	if t.memory.used.Load() <= goal {
		return nil
	}
	var open []kept
	for _, p := range t.partitions {
		for _, f := range p.order {
			for i := range f.streams {
				if s := &f.streams[i]; s.object != nil {
					open = append(open, kept{int64(len(s.object.buf)), s.object.yield}, kept{s.kept, s.yield})
				}
			}
		}
	}
	slices.SortFunc(open, func(a, b kept) int { return cmp.Compare(b.bytes, a.bytes) })
	left := t.memory.used.Load()
	for _, k := range open {
		if left <= goal || k.bytes == 0 {
			break
		}
		if err := k.yield(); err != nil {
			return err
		}
		left -= k.bytes
	}
	return t.send(ctx)
}

// kept are bytes in memory, and what moves them on.
type kept struct {
	bytes int64
	yield func() error
}

// yield cuts a part early, which is sent at the end, or moves what is too small for one to disk.
func (o *object) yield() error {
	if o.filled() < minPartSize {
		return o.spill()
	}
	o.cutPart()
	return nil
}

// yield writes the records that were gathered.
func (s *stream) yield() error {
	if s.groups == nil {
		return nil
	}
	err := s.groups.group()
	s.count(0)
	return err
}

// send sends all full parts and finished files, many at once, and moves positions.
func (t *Task) send(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, p := range t.partitions {
		for _, r := range p.rotations {
			for _, f := range r.files {
				if f.pending() {
					g.Go(func() error { return t.sendFile(ctx, p, f) })
				}
			}
		}
		for _, f := range p.order {
			if f.pending() {
				g.Go(func() error { return t.sendFile(ctx, p, f) })
			}
		}
	}
	err := g.Wait()
	for _, p := range t.partitions {
		p.settle()
	}
	t.waiting = t.memory.used.Load() + pendingParts*int64(t.config.PartSize)
	return err
}

func (t *Task) sendFile(ctx context.Context, p *partition, f *file) error {
	if err := f.send(ctx); err != nil {
		return fmt.Errorf("partition %s-%d: %w", p.at.Topic, p.at.Partition, err)
	}
	if !f.untagged || !f.finished() {
		return nil
	}
	var err error
	tags := t.tags(f)
	f.objects(func(o *object) {
		if err == nil {
			err = t.store.tag(ctx, o.name, tags)
		}
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && t.config.OnTagError == onErrorFail:
		return fmt.Errorf("partition %s-%d (s3.object.behavior.on.tagging.error=fail): %w", p.at.Topic, p.at.Partition, err)
	case err != nil:
		t.log.Warn("cannot tag an object, it stays without", "error", err)
	}
	f.untagged = false
	return nil
}

func (t *Task) tags(f *file) []objectTag {
	var tags []objectTag
	if t.config.Tagging {
		tags = append(tags, objectTag{"startOffset", strconv.FormatInt(f.start, 10)}, objectTag{"endOffset", strconv.FormatInt(f.end, 10)},
			objectTag{"recordCount", strconv.FormatInt(f.count, 10)})
	}
	for _, pair := range t.config.Tags {
		key, value, _ := strings.Cut(pair, ":")
		tags = append(tags, objectTag{key, value})
	}
	return tags
}

// Skip implements sink.Skipper.
func (t *Task) Skip(positions []kafka.Position) {
	for _, at := range positions {
		if p := t.partitions[at.TopicPartition]; p != nil {
			p.skipped = max(p.skipped, at.Offset)
		}
	}
}

// Flush implements sink.Task: it returns positions behind what is stored. Open files stay open, unless the clock ends them: a position lies behind whole files only.
func (t *Task) Flush(ctx context.Context) ([]kafka.Position, error) {
	if now := t.clock(); t.config.RotateSchedule > 0 {
		for _, p := range t.partitions {
			if p.records == 0 || !p.isDue(&t.config, now) {
				continue
			}
			p.schedule(&t.config, now)
			if err := t.finish(p); err != nil {
				return nil, err
			}
		}
	}
	if err := t.send(ctx); err != nil {
		return nil, err
	}
	var positions []kafka.Position
	for at, p := range t.partitions {
		if behind := p.position(); behind > p.told {
			p.told = behind
			positions = append(positions, kafka.Position{TopicPartition: at, Offset: behind})
		}
	}
	return positions, nil
}

// Holds implements sink.Holder: the clock may end files though no record comes.
func (t *Task) Holds() bool {
	if t.config.RotateSchedule <= 0 {
		return false
	}
	for _, p := range t.partitions {
		if p.records > 0 {
			return true
		}
	}
	return false
}

// Close implements sink.Task. What is open is given up: whoever gets the partitions begins behind what is stored.
func (t *Task) Close(ctx context.Context, partitions []kafka.TopicPartition) error {
	var errs []error
	for _, at := range partitions {
		p := t.partitions[at]
		if p == nil {
			continue
		}
		for _, r := range p.rotations {
			p.order = append(p.order, r.files...)
		}
		for _, f := range p.order {
			errs = append(errs, f.discard(ctx))
		}
		delete(t.partitions, at)
	}
	t.last = nil
	if len(t.partitions) == 0 {
		t.release()
	}
	return errors.Join(errs...)
}
