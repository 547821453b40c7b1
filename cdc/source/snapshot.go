package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/crashpoint"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// snapshotPlan is a snapshot that is to be read.
type snapshotPlan struct {
	holder    *replication.Conn  // exports the snapshot until it is imported; nil when none is
	name      string             // of the exported snapshot
	isolation snapshot.Isolation // of a snapshot that is not imported
	point     cdc.LSN            // where the stream begins; 0 without a slot

	stream   *position // from where the stream of the slot comes to the point first; nil: it begins there
	progress *progress // what is published already; nil: a restart cannot go on, but reads all anew
}

// snapshot reads the existing rows and publishes them.
func (s *session) snapshot(ctx context.Context, pub *publisher, plan *snapshotPlan) error {
	if err := pub.snapshotStarted(ctx); err != nil {
		return err
	}
	snap, tables, err := s.openSnapshot(ctx, plan)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = snap.Close(last) // it read only
	}()
	if plan.stream != nil {
		if err := s.comeToPoint(ctx, pub, plan, tables); err != nil {
			return err
		}
	}
	started := time.Now()
	s.task.log.Info("snapshot started", "tables", len(tables), "lsn", snap.LSN())
	r := &snapshotRun{publisher: pub, legacy: !s.cfg.Reading.chunked()}
	if err := s.arrange(ctx, snap, tables, r); err != nil {
		return err
	}
	if err := pub.snapshotResolved(ctx, s.told, r.names()); err != nil {
		return err
	}
	pub.beginSnapshot(snap.LSN(), snap.XID(), snap.Time(), plan.progress)
	pub.counts.scanBegins(r.names())
	if err := r.run(ctx, snap); err != nil {
		pub.counts.scanEnds(scanAborted)
		return r.tellFailure(ctx, err)
	}
	if err := pub.endSnapshot(ctx); err != nil {
		return err
	}
	crashpoint.Pass("snapshot.ended")
	pub.counts.scanEnds(scanCompleted)
	s.task.log.Info("snapshot complete", "records", pub.records, "took", time.Since(started).Round(time.Millisecond))
	return nil
}

// openSnapshot imports the slot's snapshot, or takes one, and lists what to read from it.
func (s *session) openSnapshot(ctx context.Context, plan *snapshotPlan) (snap *snapshot.Snapshot, tables []snapshot.Table, err error) {
	if plan.holder != nil {
		// Once it is imported, the keeper holds the snapshot; the replication connection has done its part, and would only be
		// cut by whatever dislikes idle connections. A temporary slot ends with it.
		defer func() { err = errors.Join(err, plan.holder.Close(ctx)) }()
	}
	if !pause.For(ctx, s.cfg.SnapshotDelay) {
		return nil, nil, ctx.Err()
	}
	snap, err = snapshot.Open(ctx, s.snapshotOptions(plan))
	if err != nil {
		return nil, nil, err
	}
	if tables, err = s.snapshotTables(ctx, plan.progress); err != nil {
		return nil, nil, errors.Join(err, snap.Close(ctx))
	}
	return snap, tables, nil
}

// snapshotOptions says how a snapshot is taken and read.
func (s *session) snapshotOptions(plan *snapshotPlan) snapshot.Options {
	return snapshot.Options{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return s.cfg.Database.Connect(ctx, replication.Snapshot)
		},
		Import: plan.name, LSN: plan.point,
		Isolation:  plan.isolation,
		LockTables: s.cfg.SnapshotLocking == "shared", LockTimeout: s.cfg.LockTimeout,
		Rewritten: func(rel *cdc.Relation) {
			s.task.log.Warn("the table was rewritten since the snapshot was taken, which may no longer see its rows; they are read as they stand now, and the stream may bring some of them again",
				"table", rel.Schema+"."+rel.Name)
		},
		BatchBytes: int(s.cfg.queueBytes() / queuedBatches), Readers: s.cfg.Reading.Threads, ChunkRows: s.cfg.Reading.FetchRows,
		NoFirst: plan.progress.any() || s.cfg.Reading.Legacy && s.cfg.Reading.Threads > 1,
	}
}

// comeToPoint publishes the stream of the slot up to the snapshot's point, so that what was published before stands where the rows that come
// next stand. Of tables that are read next it publishes deletes alone: all else is in their rows.
func (s *session) comeToPoint(ctx context.Context, pub *publisher, plan *snapshotPlan, tables []snapshot.Table) error {
	pub.catchUp = catchUp{until: plan.point, ahead: make(map[uint32]bool, len(tables))}
	for i := range tables {
		pub.catchUp.ahead[tables[i].Relation.OID] = true
	}
	started, before := time.Now(), pub.records
	err := s.streamChanges(ctx, pub, plan.stream)
	switch {
	case errors.As(err, new(errCaughtUp)):
	case err == nil && ctx.Err() == nil:
		return fmt.Errorf("the stream ended before the point of the snapshot, %s", plan.point)
	default:
		return cmp.Or(err, ctx.Err())
	}
	s.task.log.Info("the stream has come to the point of the snapshot", "lsn", plan.point, "records", pub.records-before, "took", time.Since(started).Round(time.Millisecond))
	pub.catchUp, pub.resume, pub.inTx = catchUp{}, resume{}, false
	return pub.out.Flush()
}

// snapshotTables lists the captured tables, or those of them that snapshot.include.collection.list names, with their shape of now, but for those
// whose rows are published already.
func (s *session) snapshotTables(ctx context.Context, published *progress) ([]snapshot.Table, error) {
	names, err := s.captured(ctx)
	if err != nil {
		return nil, err
	}
	only, err := compileList(s.cfg.SnapshotTables)
	if err != nil {
		return nil, err
	}
	s.listed, s.told = make(map[*cdc.Relation]*cdc.Table, len(names)), nil
	var tables []snapshot.Table
	for _, n := range names {
		full := n.Schema + "." + n.Name
		if only != nil && matching(only, full) < 0 || published.finished(n.OID) || s.onlyTold(n) {
			continue
		}
		rel, table, err := s.list(ctx, n)
		if err != nil {
			return nil, err
		}
		if rel == nil {
			continue // dropped a moment ago
		}
		t := snapshot.Table{Relation: rel, Columns: s.included(rel), From: published.markOf(rel.OID)}
		if slices.Contains(s.cfg.SnapshotOverrides, full) {
			t.Select = s.cfg.Overrides[full]
		}
		if s.cfg.Reading.chunked() && t.Select == "" && table.PrimaryKey {
			t.OrderBy = table.Key
		}
		tables = append(tables, t)
	}
	// The table at hand comes first: one table at a time is published in part.
	slices.SortStableFunc(tables, func(a, b snapshot.Table) int {
		return cmp.Compare(published.rank(a.Relation.OID), published.rank(b.Relation.OID))
	})
	return tables, only.Err()
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

// snapshotRun publishes the rows of one snapshot.
type snapshotRun struct {
	*publisher
	tables []snapshot.Table
	chunks []int // pieces of each table that notifications tell of
	counts []int64
	legacy bool // they tell of tables only

	told    int       // pieces of the table at hand that were told of as complete
	failed  error     // of publishing
	pending *progress // holds once the row that waits is published; nil: nothing waits
}

func (r *snapshotRun) names() []string {
	names := make([]string, len(r.tables))
	for i := range r.tables {
		names[i] = r.name(i)
	}
	return names
}

func (r *snapshotRun) name(table int) string {
	rel := r.tables[table].Relation
	return rel.Schema + "." + rel.Name
}

// publish publishes rows and notes what happened between them.
func (r *snapshotRun) publish(ctx context.Context, rows *snapshot.Rows) error {
	events := rows.Events
	for i := range rows.Changes {
		for ; len(events) > 0 && events[0].At <= i; events = events[1:] {
			if err := r.event(ctx, &events[0]); err != nil {
				return err
			}
		}
		c := &rows.Changes[i]
		if r.pending != nil && c.Kind == cdc.Read {
			if err := r.settle(); err != nil {
				return err
			}
		}
		if err := r.change(ctx, c); err != nil {
			return err
		}
	}
	for i := range events {
		if err := r.event(ctx, &events[i]); err != nil {
			return err
		}
	}
	r.note(true)
	if p := r.publisher; p.current.rel != nil {
		p.counts.rows(p.current.rel.Schema+"."+p.current.rel.Name, &p.tally)
	}
	return nil
}

// settle publishes the row that waits, behind which the pending progress holds.
func (r *snapshotRun) settle() error {
	if err := r.readHeld(); err != nil {
		return err
	}
	r.at.progress, r.pending = r.pending, nil
	return nil
}

func (r *snapshotRun) event(ctx context.Context, e *snapshot.Event) error {
	if e.Kind == snapshot.TableEnds {
		r.publisher.counts.rows(r.name(e.Table), &r.tally)
		r.publisher.counts.tableScanned()
	}
	if err := r.tell(ctx, e); err != nil || r.at.progress == nil {
		return err
	}
	t := &r.tables[e.Table]
	last := cmp.Or(r.pending, r.at.progress)
	switch e.Kind {
	case snapshot.TableBegins:
		r.pending = last.begin(t.Relation.OID, t.From)
	case snapshot.ChunkEnds:
		r.pending = last.upTo(e.Mark)
	case snapshot.TableEnds:
		r.pending = last.end()
	}
	if r.notes == nil { // no row waits
		r.at.progress, r.pending = r.pending, nil
		r.soften(false)
		r.note(true)
	}
	return nil
}

// tell sends the notifications of an event. The pieces that they name are Debezium's: snapshot.max.threads times its multiplier of a table.
func (r *snapshotRun) tell(ctx context.Context, e *snapshot.Event) error {
	if r.notes == nil {
		return nil
	}
	name := r.name(e.Table)
	switch e.Kind {
	case snapshot.TableBegins:
		if err := r.tableStarted(ctx, name); err != nil || r.legacy {
			return err
		}
		r.told = 0
		return r.chunkStarted(ctx, name, 0, r.chunks[e.Table], 0)
	case snapshot.ChunkEnds:
		return r.pieces(ctx, e, name, false)
	}
	if err := r.pieces(ctx, e, name, true); err != nil {
		return err
	}
	return r.tableDone(ctx, name, e.Rows)
}

// pieces tells of the pieces whose rows are all published.
func (r *snapshotRun) pieces(ctx context.Context, e *snapshot.Event, name string, all bool) error {
	if r.legacy {
		return nil
	}
	total := r.chunks[e.Table]
	size := max(1, r.counts[e.Table]/int64(total))
	for r.told < total && (all || r.told+1 < total && int64(e.Rows) >= int64(r.told+1)*size) {
		if err := r.chunkDone(ctx, name, r.told, total); err != nil {
			return err
		}
		if r.told++; r.told < total {
			if err := r.chunkStarted(ctx, name, r.told, total, e.Rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginSnapshot sets what all rows of the snapshot share.
func (p *publisher) beginSnapshot(lsn cdc.LSN, xid uint32, at cdc.Micros, published *progress) {
	p.at = position{lsn: lsn, snap: snapshotRunning, micros: cdc.MicrosOf(time.Now()), xid: xid, hasXID: xid != 0, progress: published}
	p.snapshotLSN, p.lastCommit = lsn, 0
	p.source = envelope.Source{Micros: at, TxID: int64(xid), HasTx: xid != 0, LSN: lsn, HasLSN: true}
	clear(p.plans)
	p.current = planned{}
}

// endSnapshot notes that the snapshot is complete; what is published from here on comes from the stream.
func (p *publisher) endSnapshot(ctx context.Context) error {
	if err := p.readLast(); err != nil {
		return err
	}
	p.at.snap, p.at.progress = snapshotDone, nil
	p.soften(false)
	p.note(true)
	p.at.snap = snapshotNone
	if err := p.heartbeat(ctx); err != nil {
		return err
	}
	return p.snapshotCompleted(ctx)
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
		p.tally.scanned++
		if c.Snapshot == cdc.MarkLast {
			p.at.snap, p.at.progress = p.at.snap.done(), nil
		}
		p.soften(c.Snapshot != cdc.MarkLast)
		p.note(false)
	}
	return err
}
