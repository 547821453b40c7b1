package source

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
)

// notifier tells how snapshots go on (notification.enabled.channels); nil when nobody wants to know.
type notifier struct {
	connector string // topic.prefix, in every notification
	topic     *envelope.NotificationTopic
	log       *slog.Logger
	web       *webhook

	scan scan
}

// scan is what the notifications of the snapshot at hand need.
type scan struct {
	all    string // its tables in their order
	hashed string // those that are read, in the order of a Java HashSet, as some of Debezium's notifications have them

	held    cdc.Batch // the row that waits
	waiting bool
	before  position // of the publisher when it came: as long as it waits, a restart must read it again
}

// Aggregate types and types of notifications.
const (
	aggregateInitial = "Initial Snapshot" // Debezium's name for every snapshot that is not incremental

	noteStarted       = "STARTED"
	noteSkipped       = "SKIPPED"
	noteResolved      = "DATA_COLLECTIONS_RESOLVED"
	noteInProgress    = "IN_PROGRESS"
	noteTableDone     = "TABLE_SCAN_COMPLETED"
	noteChunkProgress = "TABLE_CHUNK_IN_PROGRESS"
	noteChunkDone     = "TABLE_CHUNK_COMPLETED"
	noteCompleted     = "COMPLETED"
	noteAborted       = "ABORTED"
)

// notifier makes the notifier of a run; nil without channels.
func (s *session) notifier(out Emitter) *notifier {
	c := &s.cfg.Notifications
	n := &notifier{connector: s.cfg.Envelope.TopicPrefix}
	if c.has(notifySink) {
		n.topic = envelope.NewNotificationTopic(out, c.topic)
	}
	if c.has(notifyLog) {
		n.log = s.task.log
	}
	if c.has(notifyHTTP) {
		n.web = newWebhook(c, s.task.log)
	}
	if n.topic == nil && n.log == nil && n.web == nil {
		return nil
	}
	return n
}

// run starts what delivers outside of the emitter and returns what ends it, after a last try for what waits.
func (n *notifier) run(ctx context.Context) (stop func()) {
	if n == nil || n.web == nil {
		return func() {}
	}
	return n.web.run(ctx)
}

// notify sends a notification through all channels. Its source offset is the publisher's position.
func (p *publisher) notify(_ context.Context, n envelope.Notification) error {
	if p.notes == nil {
		return nil
	}
	if n.ID == "" {
		n.ID = newRunID() // a random UUID
	}
	n.Data = append(slices.Clone(n.Data), envelope.Detail{Key: "connector_name", Value: p.notes.connector})
	slices.SortFunc(n.Data, func(a, b envelope.Detail) int { return strings.Compare(a.Key, b.Key) })
	now := time.Now()
	if p.notes.log != nil {
		attrs := []any{"id", n.ID, "aggregate_type", n.Aggregate, "type", n.Type}
		for _, d := range n.Data {
			attrs = append(attrs, d.Key, d.Value)
		}
		p.notes.log.Info("notification", attrs...)
	}
	if p.notes.web != nil {
		p.notes.web.post(&n, now)
	}
	if p.notes.topic == nil {
		return nil
	}
	if err := p.notes.topic.Write(&n, now); err != nil {
		return err
	}
	p.records++
	p.note(false)
	return nil
}

// initial sends a notification of a snapshot that is not incremental; details are keys and values in turn.
func (p *publisher) initial(ctx context.Context, kind string, details ...string) error {
	if p.notes == nil {
		return nil
	}
	n := envelope.Notification{Aggregate: aggregateInitial, Type: kind}
	for i := 0; i+1 < len(details); i += 2 {
		n.Data = append(n.Data, envelope.Detail{Key: details[i], Value: details[i+1]})
	}
	return p.notify(ctx, n)
}

// snapshotSkipped tells that this run reads no rows at its start.
func (p *publisher) snapshotSkipped(ctx context.Context) error {
	p.counts.scanEnds(scanSkipped)
	if p.notes == nil {
		return nil
	}
	if err := p.initial(ctx, noteSkipped); err != nil {
		return err
	}
	p.sent.add(p.records, &p.at, p.inTx, true) // the stored offset, also while what follows was published before
	return nil
}

// snapshotStarted tells that a snapshot begins.
func (p *publisher) snapshotStarted(ctx context.Context) error { return p.initial(ctx, noteStarted) }

// snapshotResolved tells which tables it is about, and keeps which of them are read.
func (p *publisher) snapshotResolved(ctx context.Context, names, read []string) error {
	if p.notes == nil {
		return nil
	}
	p.notes.scan = scan{all: strings.Join(names, ","), hashed: strings.Join(hashSetOrder(read), ",")}
	return p.initial(ctx, noteResolved, "data_collections", strings.Join(slices.Sorted(slices.Values(names)), ","))
}

// tableStarted tells that the rows of a table come next.
func (p *publisher) tableStarted(ctx context.Context, name string) error {
	if p.notes == nil {
		return nil
	}
	return p.initial(ctx, noteInProgress, "current_collection_in_progress", name, "data_collections", p.notes.scan.hashed)
}

// tableDone tells that so many rows of a table were read.
func (p *publisher) tableDone(ctx context.Context, name string, rows uint64) error {
	if p.notes == nil {
		return nil
	}
	return p.initial(ctx, noteTableDone, "scanned_collection", name, "total_rows_scanned", strconv.FormatUint(rows, 10),
		"data_collections", p.notes.scan.all, "status", "SUCCEEDED")
}

// tableFailed tells that a table could not be read.
func (p *publisher) tableFailed(ctx context.Context, name string) error {
	return p.initial(ctx, noteTableDone, "scanned_collection", name, "status", "SQL_EXCEPTION")
}

// chunkStarted tells that a piece of a table is read next; rows of the table were read before.
func (p *publisher) chunkStarted(ctx context.Context, name string, index, total int, rows uint64) error {
	return p.initial(ctx, noteChunkProgress, "current_collection_in_progress", name, "chunk_index", strconv.Itoa(index), "total_chunks", strconv.Itoa(total),
		"total_rows_scanned", strconv.FormatUint(rows, 10))
}

// chunkDone tells that a piece of a table was read.
func (p *publisher) chunkDone(ctx context.Context, name string, index, total int) error {
	if p.notes == nil {
		return nil
	}
	return p.initial(ctx, noteChunkDone, "scanned_collection", name, "chunk_index", strconv.Itoa(index), "total_chunks", strconv.Itoa(total),
		"data_collections", p.notes.scan.all, "status", "SUCCEEDED")
}

// snapshotCompleted tells that all rows were read.
func (p *publisher) snapshotCompleted(ctx context.Context) error {
	return p.initial(ctx, noteCompleted)
}

// snapshotAborted tells that the snapshot ended before. What waits is dropped.
func (p *publisher) snapshotAborted(ctx context.Context) error {
	if p.notes == nil {
		return nil
	}
	p.notes.scan.waiting = false
	return p.initial(ctx, noteAborted)
}

// readNoted publishes a row of a snapshot as Debezium does, who holds every row until the next is there: what it tells of tables comes before the
// last row of the table. Only rows that may be a table's last can be overtaken, so only those wait.
func (p *publisher) readNoted(c *cdc.Change) error {
	if err := p.readHeld(); err != nil {
		return err
	}
	switch c.Snapshot {
	case cdc.MarkFirst, cdc.MarkLastInTable, cdc.MarkLast:
		p.notes.scan.hold(c, &p.at)
		return nil
	}
	return p.read(c)
}

// behind is the position behind the records so far.
func (p *publisher) behind() *position {
	if p.notes != nil && p.notes.scan.waiting {
		return &p.notes.scan.before
	}
	return &p.at
}

// readHeld publishes the row that waits.
func (p *publisher) readHeld() error {
	if p.notes == nil || !p.notes.scan.waiting {
		return nil
	}
	p.notes.scan.waiting = false
	return p.read(&p.notes.scan.held.Changes[0])
}

// readLast publishes the row that waits at the end of a snapshot. Its position is asked for before another takes its place.
func (p *publisher) readLast() error {
	if p.notes == nil {
		return nil
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	if err := p.readHeld(); err != nil {
		return err
	}
	return p.out.Flush()
}

// snapshotFailed tells that a snapshot was broken off by an error of reading.
func (p *publisher) snapshotFailed(ctx context.Context, err error) error {
	if p.notes == nil {
		return nil
	}
	if at := (*snapshot.TableError)(nil); errors.As(err, &at) {
		if err := p.tableFailed(ctx, at.Table.Schema+"."+at.Table.Name); err != nil {
			return err
		}
	}
	if p.at.snap == snapshotBlocking {
		p.at.snap = snapshotNone
	}
	if err := p.snapshotAborted(ctx); err != nil {
		return err
	}
	return p.out.Flush()
}

// run reads and publishes the tables. failed becomes the error of publishing; another is of reading.
func (r *snapshotRun) run(ctx context.Context, snap *snapshot.Snapshot) error {
	return snap.Run(ctx, r.tables, func(rows *snapshot.Rows) error {
		r.failed = r.publish(ctx, rows)
		return r.failed
	})
}

// tellFailure tells that run could not read; where it could not publish, or ctx ended, nothing can be told.
func (r *snapshotRun) tellFailure(ctx context.Context, err error) error {
	if r.failed != nil || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.snapshotFailed(ctx, err))
}

// hold copies a row, whose memory its batch takes back.
func (s *scan) hold(c *cdc.Change, before *position) {
	s.before = *before
	s.held.Reset()
	h := s.held.Next()
	*h = *c
	h.New = s.held.Tuple(len(c.New))
	for i, d := range c.New {
		h.New[i].Kind = d.Kind
		if d.Bytes != nil {
			h.New[i].Bytes = s.held.Copy(d.Bytes)
		}
	}
	s.waiting = true
}

// hashSetOrder is the order in which a java.util.HashSet, made of the names in this order, hands them out: by bucket, and within a bucket
// as they came. Some of Debezium's notifications list their tables so.
func hashSetOrder(names []string) []string {
	buckets := uint32(16) // HashSet(Collection): at least 16, a power of two with room for all at a load of 0.75
	for int(buckets) < len(names)*4/3+1 {
		buckets *= 2
	}
	type place struct {
		bucket uint32
		name   string
	}
	places := make([]place, len(names))
	for i, name := range names {
		var h uint32 // String.hashCode, over UTF-16
		for _, unit := range utf16.Encode([]rune(name)) {
			h = 31*h + uint32(unit)
		}
		places[i] = place{(h ^ h>>16) & (buckets - 1), name}
	}
	slices.SortStableFunc(places, func(a, b place) int { return int(a.bucket) - int(b.bucket) })
	ordered := make([]string, len(places))
	for i := range places {
		ordered[i] = places[i].name
	}
	return ordered
}
