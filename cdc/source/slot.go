package source

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/replication"
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

// reachSlot creates the slot where there is none. Where rows are to be read, it also exports the snapshot that meets the stream without
// gap or overlap: that of the new slot, or, when the slot was there before, that of a temporary slot made beside it, whose consistent
// point the stream then starts from.
func (s *session) reachSlot(ctx context.Context, b *beginning, exists, wanted bool) error {
	if exists && !wanted {
		return nil
	}
	conn, err := replication.Connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	created, err := s.createSlot(ctx, conn, exists)
	if err != nil || !wanted {
		return errors.Join(err, conn.Close(ctx))
	}
	b.snapshot = &snapshotPlan{holder: conn, name: created.Snapshot, point: created.ConsistentPoint}
	return nil
}

// createSlot creates the connector's slot, or a temporary one beside it. A name that is taken meanwhile and a lock that is not granted in
// time are tried again, slot.max.retries times.
func (s *session) createSlot(ctx context.Context, conn *replication.Conn, temporary bool) (created replication.CreatedSlot, err error) {
	err = s.retrying(ctx, "create the slot", func() error {
		if temporary {
			created, err = conn.CreateTemporarySlot(ctx, temporarySlotName())
		} else {
			s.task.log.Info("creating replication slot; this waits for the transactions that are open now", "slot", s.cfg.Slot)
			created, err = conn.CreateSlot(ctx, s.cfg.Slot, s.cfg.SlotFailover)
		}
		return err
	})
	return created, err
}

// temporarySlotName is new each time: the server may not have noticed yet that a killed predecessor is gone.
func temporarySlotName() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return "tandem_snapshot_" + hex.EncodeToString(b[:])
}

// startStream starts streaming behind the LSN. A slot that somebody else reads is waited for, slot.max.retries times
// slot.retry.delay.ms; then the task fails, for two readers would take each other's changes.
func (s *session) startStream(ctx context.Context, from cdc.LSN) (stream *replication.Stream, err error) {
	params, err := replication.ParseStreamParams(s.cfg.SlotStreamParams)
	if err != nil {
		return nil, err // validation refuses it before
	}
	options := replication.StreamOptions{Slot: s.cfg.Slot, Start: from, Publication: s.publication, Params: params,
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
	return stream, err
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
