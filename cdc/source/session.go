package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// session is what one run holds: the metadata connection and what was read through it.
type session struct {
	task        *Task
	cfg         *Config
	filter      *tableFilter
	conn        *pgx.Conn // catalog and small statements; only the publishing goroutine uses it
	catalog     *catalog.Catalog
	listed      map[*cdc.Relation]*cdc.Table // read for the snapshot, until they are announced
	told        []string                     // tables of the snapshot as notifications name them: the signal table is among them
	encoder     *envelope.Encoder
	server      replication.Server
	publication string // its exact name
}

// beginning is where a run starts.
type beginning struct {
	from     *position // stored offset to go on from; nil for a fresh start
	snapshot *snapshotPlan
	slot     replication.Slot
}

func partitionOf(prefix string) []byte {
	text, _ := json.Marshal(map[string]string{"server": prefix}) // strings always marshal
	return text
}

// open connects and checks the server.
func (t *Task) open(ctx context.Context) (*session, error) {
	filter, err := newTableFilter(&t.cfg)
	if err != nil {
		return nil, err
	}
	conn, err := t.cfg.Database.Connect(ctx, replication.General)
	if err != nil {
		return nil, err
	}
	s := &session{task: t, cfg: &t.cfg, filter: filter, conn: conn}
	if err := s.inspect(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) inspect(ctx context.Context) (err error) {
	if err := s.initialStatements(ctx, s.conn); err != nil {
		return err
	}
	if s.server, err = replication.LookupServer(ctx, s.conn); err != nil {
		return err
	}
	if s.cfg.streams() {
		if err := s.server.Check(&s.cfg.Database); err != nil {
			return err
		}
	}
	s.catalog = catalog.New(s.conn)
	return s.catalog.LoadTypes(ctx)
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Close(ctx)
}

// initialStatements has a session live on while nobody asks it for anything, as it may be for the time of a snapshot, and runs
// database.initial.statements: separated by a semicolon, two of which stand for one.
func (s *session) initialStatements(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, replication.KeepIdle); err != nil {
		return pgerror.Wrap(err, "turn off the idle timeouts of a connection")
	}
	const literal = "\x00"
	for _, sql := range strings.Split(strings.ReplaceAll(s.cfg.InitialStatements, ";;", literal), ";") {
		sql = strings.TrimSpace(strings.ReplaceAll(sql, literal, ";"))
		if sql == "" {
			continue
		}
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %q of database.initial.statements: %w", sql, err)
		}
	}
	return nil
}

// prepare decides where the run begins and makes publication and slot ready.
func (s *session) prepare(ctx context.Context) (*beginning, error) {
	if err := s.guard(ctx); err != nil {
		return nil, err
	}
	b := new(beginning)
	text, err := s.task.env.StoredOffset(ctx, s.task.partition)
	if err != nil {
		return nil, fmt.Errorf("read the stored offset of connector %q: %w", s.task.env.Connector, err)
	}
	if text != nil {
		if b.from, err = parsePosition(text); err != nil {
			return nil, err
		}
	}
	if b.from != nil {
		s.task.stored = *b.from
		if b.from.known() > s.server.LSN {
			return nil, &OffsetError{Offset: b.from.known(), Problem: fmt.Sprintf("it lies ahead of the server, which is at %s: this is another server than the one the offset was taken from, or it was restored from a backup. "+
				"Delete the connector's offset to start afresh", s.server.LSN)}
		}
	}
	if !s.cfg.streams() {
		s.withoutSlot(b)
		return b, nil
	}
	slot, exists, err := replication.LookupSlot(ctx, s.conn.PgConn(), s.cfg.Slot)
	if err != nil {
		return nil, err
	}
	b.slot = slot
	return b, s.withSlot(ctx, b, exists)
}

// withoutSlot prepares the modes that do not stream.
func (s *session) withoutSlot(b *beginning) {
	if s.cfg.neverSnapshots() || b.from != nil && !b.from.unfinished() && !s.cfg.alwaysSnapshots() {
		return // nothing to do, or done in an earlier run
	}
	b.from, b.snapshot = nil, &snapshotPlan{isolation: s.cfg.SnapshotIsolation}
}

// withSlot prepares the modes that stream.
func (s *session) withSlot(ctx context.Context, b *beginning, exists bool) error {
	gap := s.gap(b, exists)
	if gap != nil {
		if !s.cfg.beginsAnewAcrossGap() || errors.Is(gap, replication.ErrSlotForeign) {
			return gap
		}
		if s.cfg.neverSnapshots() {
			s.task.log.Warn("beginning anew without a snapshot: consumers never hear of what was changed since the stored offset", "reason", gap)
		} else {
			s.task.log.Warn("beginning anew: rows that were deleted since the stored offset stay with consumers, for a snapshot tells of the rows that are there", "reason", gap)
		}
		b.from = nil
		if exists && b.slot.Lost {
			if err := replication.DropSlot(ctx, s.conn, s.cfg.Slot); err != nil {
				return err
			}
			exists = false
		}
	}
	if exists {
		if err := b.slot.Check(s.cfg.Database.Name); err != nil {
			return err
		}
	}
	tables, err := s.captured(ctx)
	if err != nil {
		return err
	}
	if err := s.setIdentities(ctx, tables); err != nil {
		return err
	}
	if err := s.ensurePublication(ctx, tables); err != nil {
		return err
	}
	wanted, from := s.wantsSnapshot(b.from), b.from
	if wanted {
		b.from = nil
	} else if b.from != nil {
		b.from.progress = nil // the mode wants no more rows
	}
	return s.reachSlot(ctx, b, exists, wanted, from)
}

// wantsSnapshot decides by snapshot.mode and the stored offset.
func (s *session) wantsSnapshot(from *position) bool {
	switch {
	case s.cfg.neverSnapshots():
		return false
	case s.cfg.alwaysSnapshots():
		return true
	}
	return from == nil || from.unfinished()
}

// gap tells why the stream cannot go on from the stored offset; nil when it can.
func (s *session) gap(b *beginning, exists bool) error {
	from := b.from
	if from == nil || from.unfinished() && !s.cfg.neverSnapshots() {
		if exists && b.slot.Lost && s.cfg.beginsAnewAcrossGap() {
			return b.slot.Check(s.cfg.Database.Name) // nothing is to be had from it, neither before the snapshot nor behind it
		}
		return nil // a snapshot comes first in any case
	}
	gap := s.missing(b, exists)
	if gap == nil || b.slot.Lost || !s.cfg.Replication.goesOnAcrossGap() {
		return gap
	}
	s.task.log.Warn("going on although changes are missing, as the configuration wants it", "offset.mismatch.strategy", s.cfg.Replication.mismatch,
		"internal.log.position.check.enable", s.cfg.Replication.checkPosition, "reason", gap)
	return nil
}

// missing tells which changes behind the stored offset the slot no longer has.
func (s *session) missing(b *beginning, exists bool) error {
	from := b.from
	switch {
	case !exists:
		return &OffsetError{Offset: from.known(), Problem: fmt.Sprintf("replication slot %q does not exist, so the changes since are no longer available on the server. "+
			"Set snapshot.mode=when_needed to take a new snapshot, or delete the connector's offset", s.cfg.Slot)}
	case b.slot.Lost:
		return b.slot.Check(s.cfg.Database.Name)
	case b.slot.Confirmed > from.known():
		return s.advanced(from.known(), b.slot.Confirmed)
	}
	return nil
}

func (s *session) advanced(known, slot cdc.LSN) error {
	return &OffsetError{Offset: known, again: s.cfg.beginsAnewAcrossGap(),
		Problem: fmt.Sprintf("replication slot %q has been advanced to %s, so the changes between are no longer available on the server: it was recreated, or somebody else reads it. "+
			"Set snapshot.mode=when_needed to take a new snapshot, or delete the connector's offset", s.cfg.Slot, slot)}
}

// OffsetError says that the stream cannot go on from the stored offset without losing changes.
type OffsetError struct {
	Offset  cdc.LSN
	Problem string // remedy included
	again   bool   // the next start begins anew, as snapshot.mode says
}

func (e *OffsetError) Error() string {
	return fmt.Sprintf("cannot go on from the stored offset %s: %s", e.Offset, e.Problem)
}

// Retriable is false where only a new snapshot, or another offset, helps; true where the next start takes that snapshot by itself.
func (e *OffsetError) Retriable() bool { return e.again }

// captured lists the captured tables in the order of a snapshot, with the signal table, of which a snapshot reads nothing.
func (s *session) captured(ctx context.Context) ([]catalog.TableName, error) {
	all, err := s.catalog.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables := slices.DeleteFunc(all, func(n catalog.TableName) bool {
		return !s.filter.captures(n.Schema, n.Name) && !s.cfg.Signals.is(n.Schema, n.Name)
	})
	if err := s.filter.err(); err != nil {
		return nil, fmt.Errorf("choose the tables to capture: %w", err)
	}
	slices.SortStableFunc(tables, func(a, b catalog.TableName) int {
		if d := cmp.Compare(s.rank(a), s.rank(b)); d != 0 {
			return d
		}
		return strings.Compare(a.Schema+"."+a.Name, b.Schema+"."+b.Name)
	})
	return tables, nil
}

// publisher makes the encoder's side of a run.
func (s *session) publisher(out Emitter, b *beginning) (*publisher, error) {
	enc, err := envelope.New(s.cfg.Envelope, out, s.catalog)
	if err != nil {
		return nil, err
	}
	s.encoder = enc
	from := b.from
	if b.snapshot != nil {
		from = b.snapshot.stream
	}
	p := newPublisher(enc, s.filter, s, &s.task.sent, from)
	p.counts = &s.task.counts
	p.ahead = &foresight{tables: s.Tables, streams: enc.Foresee, looked: make(map[*cdc.Relation]looked)}
	p.log, p.out, p.metadata = s.task.log, out, s.cfg.Envelope.TransactionMetadata
	p.xmin, p.onFailure = xminClock{every: s.cfg.Replication.xminEvery, fetch: s.slotXmin}, s.cfg.Run.onFailure
	if s.cfg.Run.onFailure != eventFail {
		p.check = enc.Check
	}
	p.signals, p.notes = s.signals(), s.notifier(out)
	if p.incremental = s.incrementalRun(p); p.incremental != nil {
		p.signals.incremental, p.signals.deletes = p.incremental, s.cfg.Incremental.watermarking == insertDelete
	}
	if p.reselect, err = newReselector(&s.cfg.Reselect, s.task.log, s.dial); err != nil {
		return nil, err
	}
	p.beat = heartbeat{every: s.cfg.Heartbeat, query: s.cfg.HeartbeatQuery, log: s.task.log, dial: s.dial}
	return p, nil
}

// list reads a table that a snapshot is to read, as it is now, for Table to give when its first row comes; rel is nil when there is none.
func (s *session) list(ctx context.Context, n catalog.TableName) (rel *cdc.Relation, table *cdc.Table, err error) {
	rel, table, _, err = s.catalog.ByName(ctx, n.Schema, n.Name)
	if rel != nil {
		s.listed[rel] = table
	}
	return rel, table, err
}

// Table gives what was read when the snapshot's tables were listed, once, and else what the catalog knows now, the transaction included.
func (s *session) Table(ctx context.Context, rel *cdc.Relation, xid uint32) (*cdc.Table, error) {
	if table, ok := s.listed[rel]; ok {
		delete(s.listed, rel)
		return table, nil
	}
	if xid != 0 {
		if err := s.awaitTable(ctx, rel, xid); err != nil {
			return nil, err
		}
	}
	return s.catalog.Table(ctx, rel)
}

// LoadTypes reads the types again.
func (s *session) LoadTypes(ctx context.Context) error { return s.catalog.LoadTypes(ctx) }

// revive connects anew where the metadata connection was cut while it was idle.
func (s *session) revive(ctx context.Context) error {
	if s.conn.Ping(ctx) == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	s.close()
	s.conn = conn
	s.catalog.Use(conn)
	return nil
}

// leaveNoSlot serves slot.drop.on.stop when ctx has ended.
func (s *session) leaveNoSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := s.revive(ctx); err != nil {
		return err
	}
	return s.dropSlot()
}

// dial opens one more ordinary connection.
func (s *session) dial(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.cfg.Database.Connect(ctx, replication.General)
	if err != nil {
		return nil, err
	}
	if err := s.initialStatements(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}
