package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
)

// snapshotPlan is a snapshot that is to be read.
type snapshotPlan struct {
	holder    *replication.Conn  // exports the snapshot until it is imported; nil when none is
	name      string             // of the exported snapshot
	isolation snapshot.Isolation // of a snapshot that is not imported
	point     cdc.LSN            // where the stream begins; 0 without a slot
}

// snapshot reads the existing rows and publishes them.
func (s *session) snapshot(ctx context.Context, pub *publisher, plan *snapshotPlan) error {
	// Sender: the publisher, which gives batches back. Never closed. Bound: more than ever exist.
	empty := make(chan *cdc.Batch, 8)
	snap, tables, err := s.openSnapshot(ctx, plan, empty)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = snap.Close(last) // it read only
	}()
	started := time.Now()
	s.task.log.Info("snapshot started", "tables", len(tables), "lsn", snap.LSN())
	pub.beginSnapshot(snap.LSN(), snap.XID(), snap.Time())

	g, gctx := errgroup.WithContext(ctx)
	// Sender and closer: the reader. Bound: 2 batches, beside the two the reader fills.
	full := make(chan *cdc.Batch, 2)
	g.Go(func() error {
		defer close(full)
		return snap.Run(gctx, tables, func(b *cdc.Batch) error {
			select {
			case full <- b:
				return nil
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	})
	g.Go(func() error {
		for b := range full {
			if err := pub.batch(gctx, b); err != nil {
				return err
			}
			b.Reset()
			empty <- b
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := pub.endSnapshot(ctx); err != nil {
		return err
	}
	s.task.log.Info("snapshot complete", "records", pub.records, "took", time.Since(started).Round(time.Millisecond))
	return nil
}

// openSnapshot imports the slot's snapshot, or takes one, and lists what to read from it.
func (s *session) openSnapshot(ctx context.Context, plan *snapshotPlan, empty <-chan *cdc.Batch) (snap *snapshot.Snapshot, tables []snapshot.Table, err error) {
	if plan.holder != nil {
		// Once it is imported, the keeper holds the snapshot; the replication connection has done its part, and would only be
		// cut by whatever dislikes idle connections.
		defer func() { err = errors.Join(err, plan.holder.Close(ctx)) }()
	}
	if err := pause(ctx, s.cfg.SnapshotDelay); err != nil {
		return nil, nil, err
	}
	snap, err = snapshot.Open(ctx, snapshot.Options{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return s.cfg.Database.Connect(ctx, replication.Snapshot)
		},
		Import: plan.name, LSN: plan.point,
		Isolation:  plan.isolation,
		LockTables: s.cfg.SnapshotLocking == "shared", LockTimeout: s.cfg.LockTimeout,
		BatchBytes: int(s.cfg.queueBytes() / queuedBatches),
		NewBatch: func() *cdc.Batch {
			select {
			case b := <-empty:
				return b
			default:
				return new(cdc.Batch)
			}
		},
	})
	if err != nil {
		return nil, nil, err
	}
	if tables, err = s.snapshotTables(ctx); err != nil {
		return nil, nil, errors.Join(err, snap.Close(ctx))
	}
	return snap, tables, nil
}

// snapshotTables lists the captured tables, or those of them that snapshot.include.collection.list names, with their shape of now.
func (s *session) snapshotTables(ctx context.Context) ([]snapshot.Table, error) {
	names, err := s.captured(ctx)
	if err != nil {
		return nil, err
	}
	only, err := compileList(s.cfg.SnapshotTables)
	if err != nil {
		return nil, err
	}
	s.listed = make(map[*cdc.Relation]*cdc.Table, len(names))
	var tables []snapshot.Table
	for _, n := range names {
		full := n.Schema + "." + n.Name
		if only != nil && matching(only, full) < 0 {
			continue
		}
		rel, table, ok, err := s.catalog.ByName(ctx, n.Schema, n.Name)
		if err != nil {
			return nil, fmt.Errorf("read table %s from the catalog: %w", full, err)
		}
		if !ok {
			continue // dropped a moment ago
		}
		s.listed[rel] = table
		t := snapshot.Table{Relation: rel, Columns: s.included(rel)}
		if slices.Contains(s.cfg.SnapshotOverrides, full) {
			t.Select = s.cfg.Overrides[full]
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// included are the columns that pass the filters; nil for all, also when none does, as in Debezium.
func (s *session) included(rel *cdc.Relation) []string {
	var names []string
	for i := range rel.Columns {
		if s.encoder.Includes(rel.Schema, rel.Name, rel.Columns[i].Name) {
			names = append(names, rel.Columns[i].Name)
		}
	}
	return names
}

// beginSnapshot sets what all rows of the snapshot share.
func (p *publisher) beginSnapshot(lsn cdc.LSN, xid uint32, at cdc.Micros) {
	p.at = position{lsn: lsn, snap: snapshotRunning, micros: at, xid: xid, hasXID: xid != 0}
	p.snapshotLSN = lsn
	p.source = envelope.Source{Micros: at, TxID: int64(xid), HasTx: xid != 0, LSN: lsn, HasLSN: true}
}

// endSnapshot notes that the snapshot is complete; what is published from here on comes from the stream.
func (p *publisher) endSnapshot(ctx context.Context) error {
	p.at.snap = snapshotDone
	p.note(true)
	p.at.snap = snapshotNone
	return p.heartbeat(ctx)
}

// read publishes one row of a snapshot.
func (p *publisher) read(c *cdc.Change) error {
	plan, err := p.planOf(c)
	if err != nil || plan == nil {
		return err
	}
	p.source.Snapshot, p.source.Micros, p.at.micros = c.Snapshot, c.CommitTime, c.CommitTime
	n, err := p.enc.Encode(plan, c, &p.source)
	p.records += uint64(n)
	if n > 0 && err == nil {
		if c.Snapshot == cdc.MarkLast {
			p.at.snap = snapshotDone
		}
		p.note(false)
	}
	return err
}
