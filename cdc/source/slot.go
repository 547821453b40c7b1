package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// operations are the values of skipped.operations with what the publication calls them.
var operations = []struct{ letter, publish string }{{"c", "insert"}, {"u", "update"}, {"d", "delete"}, {"t", "truncate"}}

// wantedPublication is the publication that the configuration asks for. An explicit skipped.operations narrows what is published, as in Debezium.
func (s *session) wantedPublication(tables []catalog.TableName) replication.Publication {
	p := replication.Publication{Name: s.cfg.Publication, Mode: s.cfg.PublicationMode, ViaRoot: s.cfg.ViaPartitionRoot}
	for _, t := range tables {
		p.Tables = append(p.Tables, replication.TableName{Schema: t.Schema, Name: t.Name})
	}
	if s.cfg.skippedSet {
		for _, op := range operations {
			if !slices.Contains(s.cfg.Envelope.SkippedOps, op.letter) {
				p.Operations = append(p.Operations, op.publish)
			}
		}
	}
	return p
}

// ensurePublication makes the publication as publication.autocreate.mode says.
func (s *session) ensurePublication(ctx context.Context, tables []catalog.TableName) (err error) {
	if s.publication, err = replication.EnsurePublication(ctx, s.conn, s.wantedPublication(tables)); err != nil {
		return err
	}
	return s.warnOfUnpublished(ctx, tables)
}

// reachSlot creates the slot where there is none. Where rows are to be read, a new slot also exports the snapshot that meets its stream
// without gap or overlap. from is the stored offset, nil when there is none.
func (s *session) reachSlot(ctx context.Context, b *beginning, exists, wanted bool, from *position) error {
	switch {
	case exists && !wanted:
		return nil
	case exists && s.cfg.alwaysSnapshots() && from != nil:
		// Rows as of now, then all changes since the last run, as in Debezium: some come twice, deletes are among them.
		b.snapshot = s.asOfNow(b)
		return nil
	case exists:
		plan, err := s.secondSnapshot(ctx, b, from)
		b.snapshot = plan
		return err
	}
	conn, err := replication.Connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	s.task.log.Info("creating replication slot; this waits for the transactions that are open now", "slot", s.cfg.Slot)
	var created replication.CreatedSlot
	err = s.retrying(ctx, "create the slot", func() error {
		created, err = conn.CreateSlot(ctx, s.cfg.Slot, s.cfg.SlotFailover, time.Duration(s.cfg.Replication.createSeconds)*time.Second)
		return err
	})
	if err != nil || !wanted {
		return errors.Join(err, conn.Close(ctx))
	}
	b.snapshot = &snapshotPlan{holder: conn, name: created.Snapshot, point: created.ConsistentPoint, progress: new(progress)}
	return nil
}

// asOfNow plans a snapshot that meets no point of the stream: what was written between the slot's position and now comes twice.
func (s *session) asOfNow(b *beginning) *snapshotPlan {
	return &snapshotPlan{isolation: snapshot.RepeatableRead, point: b.slot.Confirmed}
}

// secondSnapshot plans a snapshot beside a slot that exists: a temporary slot exports one, the stream of the old slot comes to its point, and then
// the rows are read that no run has published. See docs/adr/0006-snapshot-goes-on-after-a-crash.md.
func (s *session) secondSnapshot(ctx context.Context, b *beginning, from *position) (*snapshotPlan, error) {
	s.task.log.Info("taking a snapshot beside the replication slot, with a temporary one; this waits for the transactions that are open now", "slot", s.cfg.Slot)
	conn, created, err := s.temporarySlot(ctx)
	if errors.Is(err, replication.ErrNoSlotFree) {
		s.task.log.Warn("no temporary replication slot can be had, so the snapshot begins anew and what was written since the slot's position comes twice; "+
			"raise max_replication_slots and max_wal_senders by one to have an interrupted snapshot go on", "slot", s.cfg.Slot, "error", err)
		return s.asOfNow(b), nil
	}
	if err != nil {
		return nil, err
	}
	plan := &snapshotPlan{holder: conn, name: created.Snapshot, point: created.ConsistentPoint}
	switch {
	case from == nil || from.progress == nil:
	case b.slot.Confirmed > from.known():
		s.task.log.Warn("the replication slot has been advanced since the snapshot was interrupted, so it begins anew; rows that were published, and deleted before the slot's position, stay with consumers",
			"slot", s.cfg.Slot, "offset", from.known(), "confirmed", b.slot.Confirmed)
	default:
		s.task.log.Info("going on with the interrupted snapshot", "tables complete", len(from.progress.done), "from", from.known(), "to", plan.point)
		plan.stream, plan.progress = from, from.progress
		return plan, nil
	}
	plan.progress = new(progress)
	plan.stream = &position{lsn: b.slot.Confirmed, snap: snapshotRunning, progress: plan.progress}
	return plan, nil
}

func (s *session) temporarySlot(ctx context.Context) (*replication.Conn, replication.CreatedSlot, error) {
	conn, err := replication.Connect(ctx, s.cfg.Database)
	if err != nil {
		return nil, replication.CreatedSlot{}, err
	}
	var created replication.CreatedSlot
	err = s.retrying(ctx, "create a temporary slot beside the slot", func() error {
		created, err = conn.CreateTemporarySlot(ctx, s.cfg.Slot, time.Duration(s.cfg.Replication.createSeconds)*time.Second)
		return err
	})
	if err != nil {
		return nil, created, errors.Join(err, conn.Close(ctx))
	}
	return conn, created, nil
}

// startStream starts streaming behind the position. A slot that somebody else reads is waited for, slot.max.retries times
// slot.retry.delay.ms; then the task fails, for two readers would take each other's changes. It fails too when the slot has
// meanwhile been read beyond the position.
func (s *session) startStream(ctx context.Context, from *position) (stream *replication.Stream, err error) {
	params, err := replication.ParseStreamParams(s.cfg.SlotStreamParams)
	if err != nil {
		return nil, err // validation refuses it before
	}
	options := replication.StreamOptions{Slot: s.cfg.Slot, Start: from.start(), Publication: s.publication, Params: params,
		StatusInterval: s.cfg.StatusInterval, BatchBytes: int(s.cfg.queueBytes() / queuedBatches),
		StatusTimeout: s.cfg.Replication.flushTimeout, OnStatusTimeout: s.cfg.Replication.flushAction,
		Warn: func(err error) {
			s.task.log.Warn("a confirmed position could not be sent in time; the next status update carries it", "error", err)
		}}
	err = s.retrying(ctx, "stream from the slot", func() error {
		conn, err := replication.Connect(ctx, s.cfg.Database)
		if err != nil {
			return err
		}
		if stream, err = conn.Stream(ctx, options); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if known := from.known(); known != 0 && stream.Confirmed() > known && !s.cfg.Replication.goesOnAcrossGap() {
		return nil, errors.Join(s.advanced(known, stream.Confirmed()), stream.Close(ctx))
	}
	return stream, nil
}

// retrying tries again while the slot is busy.
func (s *session) retrying(ctx context.Context, what string, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		if !errors.Is(err, replication.ErrSlotBusy) {
			return err
		}
		if try >= s.cfg.SlotMaxRetries {
			return &SlotTakenError{Tries: try + 1, Err: err}
		}
		s.task.log.Warn("cannot "+what+" yet", "slot", s.cfg.Slot, "error", err, "again in", s.cfg.SlotRetryDelay)
		if !pause.For(ctx, s.cfg.SlotRetryDelay) {
			return ctx.Err()
		}
	}
}

// SlotTakenError: another reader holds the slot and did not let go. Never retriable: two connectors on one slot take each other's changes.
type SlotTakenError struct {
	Tries int
	Err   error // the last *replication.SlotError, with the holder's PID
}

func (e *SlotTakenError) Error() string {
	return fmt.Sprintf("gave up after %d tries (slot.max.retries): %v", e.Tries, e.Err)
}

// Unwrap is left out on purpose: the busy slot's error is retriable, this is not.

// Retriable is false.
func (e *SlotTakenError) Retriable() bool { return false }

// dropSlot serves slot.drop.on.stop.
func (s *session) dropSlot() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return replication.DropSlot(ctx, s.conn, s.cfg.Slot)
}
