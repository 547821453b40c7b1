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
)

// operations are the values of skipped.operations with what the publication calls them.
var operations = []struct{ letter, publish string }{{"c", "insert"}, {"u", "update"}, {"d", "delete"}, {"t", "truncate"}}

// ensurePublication makes the publication as publication.autocreate.mode says. An explicit skipped.operations narrows what is
// published, as in Debezium.
func (s *session) ensurePublication(ctx context.Context, tables []catalog.TableName) error {
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
	var err error
	s.publication, err = replication.EnsurePublication(ctx, s.conn, p)
	return err
}

// reachSlot creates the slot where there is none. Where rows are to be read, a new slot also exports the snapshot that meets its stream
// without gap or overlap.
//
// A slot that was there before may belong to a run that was killed within its snapshot, and rows that run published may have been deleted
// since: only the stream says so. So the rows are read as of now and the stream begins where the slot stands: what was
// written in between comes twice, as in Debezium, and every row is right from the present on.
func (s *session) reachSlot(ctx context.Context, b *beginning, exists, wanted bool) error {
	if exists {
		if wanted {
			b.snapshot = &snapshotPlan{isolation: snapshot.RepeatableRead, point: b.slot.Confirmed}
		}
		return nil
	}
	conn, err := replication.Connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	s.task.log.Info("creating replication slot; this waits for the transactions that are open now", "slot", s.cfg.Slot)
	var created replication.CreatedSlot
	err = s.retrying(ctx, "create the slot", func() error {
		created, err = conn.CreateSlot(ctx, s.cfg.Slot, s.cfg.SlotFailover)
		return err
	})
	if err != nil || !wanted {
		return errors.Join(err, conn.Close(ctx))
	}
	b.snapshot = &snapshotPlan{holder: conn, name: created.Snapshot, point: created.ConsistentPoint}
	return nil
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
		StatusInterval: s.cfg.StatusInterval, BatchBytes: int(s.cfg.queueBytes() / queuedBatches)}
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
	if known := from.known(); known != 0 && stream.Confirmed() > known {
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
		if err := pause(ctx, s.cfg.SlotRetryDelay); err != nil {
			return err
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
