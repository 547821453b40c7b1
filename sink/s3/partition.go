package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// partition is a partition of a topic, the files that are open for its records, and the position behind those that are stored.
//
// Invariants:
//  1. All open files are finished together: a rotation. Every record before next is in an open file, in one of a rotation, or left out.
//  2. What opens and finishes files depends on the records since the last rotation only, unless Config.byClock.
//  3. stored moves from one rotation to the next, when all files of it are stored, and all of those before.
type partition struct {
	at     kafka.TopicPartition
	parter *partitioner
	end    int64 // of the topic, when the partition was opened

	files   map[fileKey]*file
	order   []*file // the open ones, in the order in which they were opened
	last    *file   // that the last record went to
	records int     // in open files
	base    int64   // time of the first of them

	next      int64 // offset behind the last record that was taken
	due       int64 // next rotation by the clock, in milliseconds
	rotations []rotation
	stored    int64 // position behind what is stored; -1: as it was when the partition was opened
	skipped   int64 // position behind records that are not put
	told      int64 // position that Flush returned last
	refused   bool  // a record of this batch: those behind it wait
	known     map[fileKey]*existing
}

// fileKey is where a file is.
type fileKey struct{ topic, encoded string }

// rotation are files that were finished together.
type rotation struct {
	files  []*file
	behind int64 // position, once they are stored
}

func (t *Task) newPartition(a sink.Assignment, now time.Time) *partition {
	p := &partition{at: a.TopicPartition, parter: newPartitioner(&t.config), end: a.End, files: make(map[fileKey]*file), next: math.MinInt64,
		stored: -1, skipped: -1, told: -1, known: make(map[fileKey]*existing)}
	p.schedule(&t.config, now)
	return p
}

// schedule sets the next rotation by the clock.
func (p *partition) schedule(c *Config, now time.Time) {
	if c.RotateSchedule > 0 {
		p.due = nextTimeAdjustedByDay(now.UnixMilli(), c.RotateSchedule.Milliseconds(), c.location)
	}
}

// isDue tells whether the clock ends what is open. A clock that was put back does not keep it open for longer than an interval.
func (p *partition) isDue(c *Config, now time.Time) bool {
	if c.RotateSchedule <= 0 {
		return false
	}
	if p.due-now.UnixMilli() > c.RotateSchedule.Milliseconds() {
		p.schedule(c, now)
	}
	return now.UnixMilli() >= p.due
}

// nextTimeAdjustedByDay is DateTimeUtils': the next multiple of a period since midnight, at most the next midnight.
func nextTimeAdjustedByDay(now, period int64, location *time.Location) int64 {
	const day = int64(24 * time.Hour / time.Millisecond)
	local := now + offsetAt(location, now)
	start := localToUTC(location, local/day*day)
	return start + min(((now-start)/period+1)*period, day)
}

// take puts a record into its file, and finishes what is open before it or after it.
func (t *Task) take(ctx context.Context, p *partition, r *sink.Record, now time.Time) error {
	if r.Value.IsNull() && t.config.OnNull != onNullWrite {
		if t.config.OnNull == onErrorIgnore {
			return nil
		}
		return refuse(r, saying("Null valued records are not writeable with current behavior.on.null.values settings; ignore leaves them out, write stores their keys"))
	}
	millis, timed, err := p.parter.time(r, now.UnixMilli())
	if err != nil {
		return refuse(r, err)
	}
	encoded, err := p.parter.encode(r, millis)
	if err != nil {
		return refuse(r, err)
	}
	f := p.last
	if f == nil || f.encoded != string(encoded) || f.topic != r.Topic {
		f = p.files[fileKey{r.Topic, string(encoded)}]
	}
	if rotate, err := t.mustRotate(p, f, r, millis, timed, now); err != nil || rotate {
		if err != nil {
			return refuse(r, err)
		}
		if err := t.finish(p); err != nil {
			return err
		}
		f = nil
	}
	opened := f == nil
	if opened {
		if f, err = t.open(ctx, p, r, string(encoded)); err != nil {
			return err
		}
	}
	if err := t.write(f, r); err != nil {
		if opened {
			err = errors.Join(err, f.discard(ctx))
		}
		return err
	}
	if opened {
		p.files[fileKey{f.topic, f.encoded}] = f
		p.order = append(p.order, f)
	}
	p.last = f
	if p.records++; p.records == 1 {
		p.base = millis
	}
	p.next = r.Offset + 1
	if p.records >= t.config.FlushSize {
		return t.finish(p)
	}
	return nil
}

func refuse(r *sink.Record, err error) error {
	at := r.Consumed()
	return &RecordError{Topic: at.Topic, Partition: at.Partition, Offset: r.Offset, Err: err}
}

// mustRotate tells whether what is open is to be finished before a record that would go to f, nil for a file that is not open.
func (t *Task) mustRotate(p *partition, f *file, r *sink.Record, millis int64, timed bool, now time.Time) (bool, error) {
	c := &t.config
	if p.records == 0 {
		if p.isDue(c, now) {
			p.schedule(c, now)
		}
		return false, nil
	}
	if c.RotateInterval > 0 && timed && (millis-p.base >= c.RotateInterval.Milliseconds() || c.RotateOnPartition && (f == nil || f != p.last)) ||
		p.isDue(c, now) {
		p.schedule(c, now)
		return true, nil
	}
	if f == nil {
		return c.MaxOpenFiles > 0 && len(p.order) >= c.MaxOpenFiles, nil
	}
	if !r.Value.IsNull() {
		verdict, err := f.judge(r.ValueSchema, c.SchemaCompatibility)
		if err != nil || verdict == rotates {
			return err == nil, err
		}
	}
	if f.streams[keyView].object != nil && r.KeySchema != f.keys && r.KeySchema != f.alikeKeys {
		if !r.KeySchema.Equal(f.keys) {
			return true, nil
		}
		f.alikeKeys = r.KeySchema
	}
	return f.existing != nil && f.existing.begins(r.Offset), nil
}

// write appends a record to a file.
func (t *Task) write(f *file, r *sink.Record) error {
	value := r.Value
	if !value.IsNull() && r.ValueSchema != f.values && r.ValueSchema == f.older {
		var err error
		if value, err = project(r.ValueSchema, value, f.values); err != nil {
			return refuse(r, err)
		}
	}
	if err := f.prepare(t, r, value); err != nil {
		return refuse(r, err)
	}
	return f.commit(r.Offset)
}

// open makes a file that begins with a record. It changes nothing else: the record may turn out not to be writable.
func (t *Task) open(ctx context.Context, p *partition, r *sink.Record, encoded string) (*file, error) {
	key, c := fileKey{r.Topic, encoded}, &t.config
	f := &file{topic: r.Topic, encoded: encoded, start: r.Offset, values: r.ValueSchema, keys: r.KeySchema, untagged: c.Tagging || len(c.Tags) > 0}
	base := t.baseName(p.at, key)
	name := string(pad([]byte(base), int(r.Offset), c.OffsetPad))
	if len(name) > 1000 { // S3's 1024 bytes, and room for extensions
		return nil, refuse(r, fmt.Errorf("the name of its object would have %d bytes, S3 takes 1024: shorten topics.dir, path.format or the fields of partition.field.name", len(name)))
	}
	if c.byClock() && r.Offset < p.end {
		known, ok := p.known[key]
		if !ok {
			var err error
			if known, err = t.newExisting(ctx, base, r.Offset); err != nil {
				return nil, err
			}
			p.known[key] = known
		}
		f.existing = known
	}
	mark := rand.Text()
	tombstones := r.Value.IsNull()
	for v := range views {
		format := t.formats[v]
		if format == nil || v == valueView && tombstones {
			continue
		}
		s := &f.streams[v]
		switch v {
		case valueView:
			s.schema = r.ValueSchema
		case keyView:
			s.schema = t.keySchema(format, r.KeySchema)
		case headerView:
			s.schema = headerSchemaOf(format)
		}
		s.object = &object{store: t.store, name: name + viewExtensions[v] + format.extension(), partSize: c.PartSize, memory: &t.memory}
		s.object.options = putOptions{mark: mark, kind: format.kind()}
		if c.Conditional && c.byClock() {
			s.object.options.condition, s.object.options.etag = f.existing.condition(s.object.name)
		}
		var err error
		if s.writer, err = format.open(s.schema, s.object, s.object.name); err != nil {
			return nil, errors.Join(refuse(r, err), f.discard(ctx))
		}
		s.groups, _ = s.writer.(grouper)
	}
	return f, nil
}

// baseName is the beginning of the names of a directory's objects, up to the offset. The file's name has the topic and partition that were consumed, and not those
// that transforms made of them, so that no two partitions write the same.
func (t *Task) baseName(at kafka.TopicPartition, key fileKey) string {
	c := &t.config
	name := key.topic + c.DirDelimiter + key.encoded + c.DirDelimiter + at.Topic + c.FileDelim + fmt.Sprint(at.Partition) + c.FileDelim
	if c.TopicsDir == "" {
		return name
	}
	return c.TopicsDir + c.DirDelimiter + name
}

// finish ends what is open: a rotation.
func (t *Task) finish(p *partition) error {
	for _, f := range p.order {
		if err := f.finish(); err != nil {
			return err
		}
	}
	p.rotations = append(p.rotations, rotation{files: p.order, behind: p.next})
	p.order, p.last, p.records = nil, nil, 0
	clear(p.files)
	return nil
}

// settle moves the position behind the rotations that are stored.
func (p *partition) settle() {
	done := 0
	for _, r := range p.rotations {
		for _, f := range r.files {
			if f.pending() {
				p.rotations = p.rotations[done:]
				return
			}
		}
		p.stored = r.behind
		done++
	}
	p.rotations = nil
}

// position is where to go on in the partition; -1 where nothing is known beyond what the group has.
func (p *partition) position() int64 {
	if p.records == 0 && len(p.rotations) == 0 {
		return max(p.stored, p.next, p.skipped)
	}
	return p.stored
}
