package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/signal"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// blockingSnapshot reads tables again while the stream waits, as a signal asks. The rows carry the stream's position, and a restart goes on
// there: a snapshot that was interrupted is not taken up again, as in Debezium. What was written before the stream stood here and after comes
// twice, once as a row and once as a change; from the present on every row is right.
//
// A table that cannot be read ends the snapshot, not the task. The error is that of publishing.
func (s *session) blockingSnapshot(ctx context.Context, p *publisher, id string, sig signal.Execute) error {
	b := &blockingRun{session: s, pub: p, id: id}
	if err := b.parse(sig); err != nil {
		s.task.log.Warn("the signal is ignored", "signal", id, "error", err)
		return nil
	}
	if err := p.out.Flush(); err != nil { // what was published before does not wait for the snapshot
		return err
	}
	if err := p.snapshotStarted(ctx); err != nil {
		return err
	}
	defer b.leave(b.enter())
	started, before := time.Now(), p.records
	s.task.log.Info("blocking snapshot started; the stream waits", "signal", id)
	err := b.read(ctx)
	switch {
	case b.failed != nil:
		return fmt.Errorf("blocking snapshot of signal %q: %w", id, b.failed)
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		s.task.log.Warn("the blocking snapshot is broken off; the stream goes on", "signal", id, "error", err)
		return p.snapshotFailed(ctx, err)
	}
	s.task.log.Info("blocking snapshot complete; the stream goes on", "signal", id, "records", p.records-before, "took", time.Since(started).Round(time.Millisecond))
	return b.finish(ctx)
}

// blockingRun is one blocking snapshot.
type blockingRun struct {
	*session
	pub *publisher
	id  string

	wanted     *javaregex.List
	statements map[string]string

	failed error // of publishing
}

func (b *blockingRun) parse(sig signal.Execute) (err error) {
	if b.wanted, err = collections(sig.Collections); err != nil {
		return err
	}
	b.statements, err = statements(sig.Conditions)
	return err
}

// streamState is what the stream needs as it was.
type streamState struct {
	source envelope.Source
	tx     *txCounts
	plans  map[uint32]planned
}

// enter takes the stream's state away: the snapshot announces its tables anew, and the stream will not.
func (b *blockingRun) enter() streamState {
	p := b.pub
	was := streamState{p.source, p.at.tx, p.plans}
	p.plans, p.current = make(map[uint32]planned), planned{}
	if !p.inTx {
		p.at.tx = nil // Debezium's offsets of a snapshot do not count
	}
	return was
}

func (b *blockingRun) leave(was streamState) {
	p := b.pub
	p.source, p.plans, p.current = was.source, was.plans, planned{}
	p.at.snap = snapshotNone
	if !p.inTx {
		p.at.tx = was.tx
	}
}

// read reads the tables.
func (b *blockingRun) read(ctx context.Context) error {
	if err := b.revive(ctx); err != nil {
		return err
	}
	tables, err := b.tables(ctx)
	if err != nil {
		return err
	}
	r := &snapshotRun{publisher: b.pub, tables: tables, legacy: !b.cfg.Reading.chunked()}
	if b.failed = b.pub.snapshotResolved(ctx, b.told, r.names()); b.failed != nil || len(tables) == 0 {
		return nil
	}
	snap, err := snapshot.Open(ctx, b.snapshotOptions(&snapshotPlan{isolation: snapshot.RepeatableRead}))
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = snap.Close(last) // it read only
	}()
	if err := b.position(ctx, snap); err != nil {
		return err
	}
	if err := b.arrange(ctx, snap, tables, r); err != nil {
		return err
	}
	b.pub.counts.scanBegins(r.names())
	err = r.run(ctx, snap)
	b.failed = r.failed
	if err != nil {
		b.pub.counts.scanEnds(scanAborted)
	} else {
		b.pub.counts.scanEnds(scanCompleted)
	}
	return err
}

// position makes the rows carry the position of the stream, or, before it brought anything, that of the slot.
func (b *blockingRun) position(ctx context.Context, snap *snapshot.Snapshot) error {
	p := b.pub
	if p.at.lsn == 0 {
		if p.at.lsn = snap.LSN(); b.cfg.streams() {
			slot, ok, err := replication.LookupSlot(ctx, b.conn.PgConn(), b.cfg.Slot)
			if err != nil {
				return err
			}
			if ok {
				p.at.lsn = slot.Confirmed // a restart goes on there: nothing behind it was published
			}
		}
		p.at.xid, p.at.hasXID, p.at.micros = snap.XID(), snap.XID() != 0, cdc.MicrosOf(time.Now())
	}
	p.at.snap = snapshotBlocking
	p.source = envelope.Source{Micros: snap.Time(), TxID: int64(p.at.xid), HasTx: p.at.hasXID, LSN: p.at.lsn, HasLSN: true, LastCommitLSN: p.lastCommit,
		Origin: p.source.Origin, OriginLSN: p.source.OriginLSN, HasOriginLSN: p.source.HasOriginLSN}
	return nil
}

// tables lists what the signal asks for: captured tables that one of its expressions matches, each with the statement that the conditions name
// for it. Statements of snapshot.select.statement.overrides do not count, as in Debezium.
func (b *blockingRun) tables(ctx context.Context) ([]snapshot.Table, error) {
	names, err := b.captured(ctx)
	if err != nil {
		return nil, err
	}
	b.listed, b.told = make(map[*cdc.Relation]*cdc.Table, len(names)), nil
	var tables []snapshot.Table
	for _, n := range names {
		full := n.Schema + "." + n.Name
		if matching(b.wanted, full) < 0 && matching(b.wanted, `"`+n.Schema+`"."`+n.Name+`"`) < 0 || b.onlyTold(n) {
			continue
		}
		rel, _, err := b.list(ctx, n)
		if err != nil {
			return nil, err
		}
		if rel == nil {
			continue // dropped a moment ago
		}
		tables = append(tables, snapshot.Table{Relation: rel, Columns: b.included(rel), Select: b.statements[full],
			Origin: fmt.Sprintf("the filter of signal %q on table %s", b.id, full)})
	}
	if err := b.wanted.Err(); err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		b.task.log.Warn("the blocking snapshot reads nothing: no captured table matches", "signal", b.id)
	}
	return tables, nil
}

// finish publishes what waits and tells that the rows are complete.
func (b *blockingRun) finish(ctx context.Context) error {
	p := b.pub
	if err := p.readLast(); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil { // and the last row's position is asked for
		return err
	}
	p.at.snap = snapshotNone
	p.incremental.snapshotTaken()
	return p.snapshotCompleted(ctx)
}

// statements are the conditions of a blocking snapshot by table: each is a whole statement, for a table that is named, not matched.
func statements(conditions []signal.Condition) (map[string]string, error) {
	byTable := make(map[string]string, len(conditions))
	for _, c := range conditions {
		table := strings.ReplaceAll(c.Collection, `"`, "")
		switch {
		case strings.TrimSpace(c.Filter) == "":
			return nil, fmt.Errorf("the condition on table %q has no filter: a blocking snapshot needs a whole SELECT", table)
		case byTable[table] != "":
			return nil, fmt.Errorf("there are two conditions on table %q", table)
		}
		byTable[table] = c.Filter
	}
	return byTable, nil
}

// collections compiles the data-collections of a signal; each may hold several expressions, separated by commas.
func collections(texts []string) (*javaregex.List, error) {
	var all []string
	for _, text := range texts {
		all = append(all, config.SplitList(text)...)
	}
	list, err := compileList(all)
	if err == nil && list == nil {
		err = errors.New("the names of tables are empty")
	}
	return list, err
}

// done is the phase of a snapshot's last row.
func (s snapshotPhase) done() snapshotPhase {
	if s == snapshotBlocking {
		return snapshotBlockingDone
	}
	return snapshotDone
}
