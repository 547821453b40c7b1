package source

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// publisher turns changes into records. One goroutine owns it; nothing in it is shared but positions.
type publisher struct {
	log      *slog.Logger
	out      Emitter
	enc      encoder
	filter   *tableFilter
	lookup   tableLookup
	sent     *positions
	resume   resume
	beat     heartbeat
	reselect *reselector // nil without post-processors
	// incremental reads tables while the stream goes on; nil when signals cannot ask for it.
	incremental *incrementalRun
	signals     *signals           // nil in tests alone
	notes       *notifier          // nil without channels of notifications
	plans       map[uint32]planned // by relation OID
	ahead       *foresight         // nil in tests alone
	current     planned            // of the change before: tables repeat in runs

	records     uint64 // ended so far
	at          position
	source      envelope.Source
	lastCommit  cdc.LSN // first element of source.sequence
	snapshotLSN cdc.LSN // of this run's snapshot, 0 without one
	inTx        bool
	partial     bool // another change of the same message follows
	loose       bool // see positions.soften
	catchUp     catchUp
	xmin        xminClock
	onFailure   onEventFailure
	check       func(plan *envelope.Plan, c *cdc.Change) error // set when changes that do not fit are left out
	counts      *counts                                        // nil in tests alone
	tally       tally
	metadata    bool // provide.transaction.metadata: offsets inside a transaction carry its counts
}

// planned is a relation with its plan; a nil plan marks a table that is not captured.
type planned struct {
	rel         *cdc.Relation
	plan        *envelope.Plan
	reselection *reselection // nil when no column of it is read again
	ahead       bool         // of catchUp: only deletes are published
	key         []int        // where ahead: the columns of the records' key
	signal      *signalTable // nil when its rows are no signals
}

// encoder is envelope.Encoder.
type encoder interface {
	Plan(rel *cdc.Relation, table *cdc.Table) (*envelope.Plan, error)
	Encode(plan *envelope.Plan, c *cdc.Change, at *envelope.Source) (records int, err error)
	Message(c *cdc.Change, at *envelope.Source) (records int, err error)
	Begin(at *envelope.Source) (records int, err error)
	End(at *envelope.Source) (records int, err error)
	// ResumeTx takes the place of Begin in the transaction of the stored offset; TxCounts is what the offset keeps for it.
	ResumeTx(counts []envelope.TxCount)
	TxCounts(dst []envelope.TxCount) []envelope.TxCount
	Heartbeat(at time.Time) (records int, err error)
}

// tableLookup reads what the catalog knows of a relation now, xid, the transaction that announces it, included (0: none does); nil when the
// table is gone.
type tableLookup interface {
	Table(ctx context.Context, rel *cdc.Relation, xid uint32) (*cdc.Table, error)
	// LoadTypes reads the types again.
	LoadTypes(ctx context.Context) error
}

// batch publishes changes in order and notes the positions behind them.
func (p *publisher) batch(ctx context.Context, b *cdc.Batch) error {
	ahead := p.ahead != nil
	for i := range b.Changes {
		if ahead && b.Changes[i].Kind == cdc.Announce {
			p.lookAhead(ctx, b.Changes[i:])
			ahead = false // it has seen the whole batch
		}
		// One TRUNCATE message of several tables is processed behind the last.
		p.partial = b.Changes[i].Kind == cdc.Truncate && p.truncatesMore(b.Changes[i].LSN, b.Changes[i+1:])
		if err := p.change(ctx, &b.Changes[i]); err != nil {
			return err
		}
	}
	p.counts.add(&p.tally, p.counts.now())
	if p.catchUp.reached(b.ServerLSN) && !p.inTx {
		p.note(true)
		return errCaughtUp{}
	}
	if b.ServerLSN > p.at.confirmable() && !p.inTx && !p.resume.on {
		// Everything the server sent lies behind us in the queue, so its position is confirmed once all that was published is
		// acknowledged: an idle database retains no WAL.
		p.at.idle = b.ServerLSN
	}
	p.note(true)
	p.counts.reached(p.at.confirmable())
	if p.incremental != nil && !p.inTx && !p.resume.on {
		return p.incremental.reached(ctx, max(p.at.idle, p.at.commit))
	}
	return nil
}

// truncatesMore tells whether one of the changes that follow is of the same TRUNCATE message and of a table that is captured.
func (p *publisher) truncatesMore(lsn cdc.LSN, rest []cdc.Change) bool {
	for i := range rest {
		c := &rest[i]
		if c.Kind != cdc.Truncate || c.LSN != lsn {
			return false
		}
		if entry, ok := p.plans[c.Relation.OID]; ok && entry.plan != nil {
			return true
		}
	}
	return false
}

// note remembers the position behind the records so far. While old changes are dropped there is nothing to remember: the stored
// offset is further on.
func (p *publisher) note(keep bool) {
	if p.resume.on {
		p.sent.pass(p.records)
	} else {
		if p.inTx {
			p.count()
		}
		p.sent.add(p.records, p.behind(), p.inTx, keep)
	}
}

// soften says whether a restart from the positions to come repeats rows of a snapshot.
func (p *publisher) soften(loose bool) {
	if p.loose != loose {
		p.loose = loose
		p.sent.soften(loose)
	}
}

// count takes the transaction's counts into the position.
func (p *publisher) count() {
	if p.metadata {
		p.at.tx = &txCounts{xid: p.at.xid, counts: p.enc.TxCounts(nil)}
	}
}

func (p *publisher) change(ctx context.Context, c *cdc.Change) error {
	switch c.Kind {
	case cdc.Announce:
		return p.announce(ctx, c.Relation)
	case cdc.Begin:
		return p.begin(ctx, c)
	case cdc.Commit:
		return p.commit(ctx, c)
	case cdc.Message:
		return p.message(ctx, c)
	case cdc.Read:
		if p.notes != nil {
			return p.readNoted(c)
		}
		return p.read(c)
	default:
		return p.row(ctx, c)
	}
}

// announce plans a relation that is captured.
func (p *publisher) announce(ctx context.Context, rel *cdc.Relation) error {
	entry := planned{rel: rel}
	captured := p.filter.captures(rel.Schema, rel.Name) || p.signals.is(rel.Schema, rel.Name)
	if err := p.filter.err(); err != nil {
		return fmt.Errorf("decide whether to capture table %s.%s: %w", rel.Schema, rel.Name, err)
	}
	entry.ahead = p.catchUp.ahead[rel.OID]
	if captured {
		var xid uint32
		if p.inTx {
			xid = p.at.xid
		}
		l, known := p.ahead.take(rel)
		if !known {
			var err error
			if l.table, err = p.lookup.Table(ctx, rel, xid); err != nil {
				return fmt.Errorf("read table %s.%s from the catalog: %w", rel.Schema, rel.Name, err)
			}
		}
		table := l.table
		if table != nil && len(table.Key) == 0 && rel.Identity != cdc.IdentityFull && rel.Identity != cdc.IdentityIndex {
			p.log.Warn("a captured table has neither primary key nor unique index nor replica identity: its records have no key, and the server refuses UPDATE and DELETE on it while it is published; "+
				"add a primary key, or ALTER TABLE … REPLICA IDENTITY FULL", "table", rel.Schema+"."+rel.Name)
		}
		if entry.plan = l.plan; !known {
			var err error
			if entry.plan, err = p.enc.Plan(rel, table); err != nil {
				return fmt.Errorf("plan table %s.%s: %w", rel.Schema, rel.Name, err)
			}
		}
		if entry.ahead {
			for _, f := range entry.plan.KeyFields() {
				entry.key = append(entry.key, f.Index)
			}
		}
		if entry.signal = p.signals.columns(rel); !p.signals.is(rel.Schema, rel.Name) {
			entry.reselection = p.reselect.plan(rel, entry.plan)
		}
	}
	p.incremental.announced(rel)
	p.plans[rel.OID] = entry
	p.current = planned{}
	return nil
}

// grow plans a table anew, one of whose enums has new labels.
func (p *publisher) grow(ctx context.Context, rel *cdc.Relation) (*envelope.Plan, error) {
	if err := p.lookup.LoadTypes(ctx); err != nil {
		return nil, err
	}
	if err := p.announce(ctx, rel); err != nil {
		return nil, err
	}
	return p.plans[rel.OID].plan, nil
}

// planOf finds the plan of a change's relation; a change whose relation was never announced is a fault of ours.
func (p *publisher) planOf(c *cdc.Change) (*envelope.Plan, error) {
	if c.Relation != p.current.rel {
		entry, ok := p.plans[c.Relation.OID]
		if !ok || entry.rel != c.Relation {
			return nil, fmt.Errorf("%s at %s of table %s.%s: its relation was not announced", c.Kind, c.LSN, c.Relation.Schema, c.Relation.Name)
		}
		p.current = entry
	}
	return p.current.plan, nil
}

func (p *publisher) begin(ctx context.Context, c *cdc.Change) error {
	if p.catchUp.reached(c.FinalLSN) {
		return errCaughtUp{}
	}
	if p.incremental != nil {
		if err := p.incremental.begins(ctx, c); err != nil {
			return err
		}
	}
	if err := p.xmin.look(ctx); err != nil {
		return err
	}
	p.inTx = true
	p.resume.begin(c)
	p.setTransaction(c)
	p.at.lsn, p.at.proc, p.at.events, p.at.kind = c.LSN, p.before(), 0, typeBegin
	p.source.LSN, p.source.HasLSN, p.source.LastCommitLSN = c.LSN, true, p.lastCommit
	if p.resume.skip {
		return nil
	}
	if p.resume.inside {
		if p.resume.stored.tx != nil {
			p.enc.ResumeTx(p.resume.stored.tx.counts)
		}
		return nil
	}
	n, err := p.enc.Begin(&p.source)
	p.records += uint64(n)
	if n > 0 {
		p.note(false)
	}
	return err
}

// setTransaction takes over what all changes of a transaction share.
func (p *publisher) setTransaction(c *cdc.Change) {
	p.at.xid, p.at.hasXID, p.at.micros, p.at.snap = c.XID, true, c.CommitTime, snapshotNone
	p.source = envelope.Source{Micros: c.CommitTime, TxID: int64(c.XID), HasTx: true, Origin: c.Origin, OriginLSN: c.OriginLSN, HasOriginLSN: c.Origin != "" && c.OriginLSN != 0}
	p.at.xmin, p.source.Xmin, p.source.HasXmin = p.xmin.xmin, int64(p.xmin.xmin), p.xmin.xmin != 0
}

func (p *publisher) commit(ctx context.Context, c *cdc.Change) error {
	p.inTx = false
	if skipped := p.resume.commit(); skipped {
		return nil
	}
	p.tally.kinds[cdc.Commit]++
	p.tally.commit, p.tally.xid = c.CommitTime, p.at.xid
	p.lastCommit = c.LSN
	p.at.lsn, p.at.proc, p.at.commit, p.at.events, p.at.kind = c.LSN, c.LSN, c.LSN, 0, typeCommit
	if p.incremental != nil {
		p.at.micros = c.CommitTime // rows of incremental snapshots have their own
	}
	p.source.LSN, p.source.LastCommitLSN = c.LSN, c.LSN
	p.count()
	n, err := p.enc.End(&p.source)
	p.records += uint64(n)
	if err != nil {
		return err
	}
	p.note(true)
	return p.heartbeat(ctx)
}

// before is the end of what came before the transaction at hand: the last commit, or the snapshot.
func (p *publisher) before() cdc.LSN {
	if p.lastCommit != 0 {
		return p.lastCommit
	}
	return p.snapshotLSN
}

func (p *publisher) row(ctx context.Context, c *cdc.Change) error {
	plan, err := p.planOf(c)
	if err != nil {
		return err
	}
	if plan == nil {
		p.tally.filtered++
		return nil // a table that is not captured; Debezium's offsets do not know of it either
	}
	var before position
	if p.check != nil {
		before = p.at
	}
	dropped := p.resume.drops(c)
	p.reach(c)
	if dropped {
		return nil
	}
	if p.current.ahead {
		gone, ok := goneOf(c, p.current.key)
		if !ok {
			return nil
		}
		c = &gone
	}
	signal := p.current.signal
	if signal != nil && !p.resume.redo {
		p.at.pending = true
		if err := p.signalRow(ctx, signal, c); err != nil {
			return err
		}
	}
	p.at.pending, p.resume.redo = false, false
	if p.current.reselection != nil && c.New != nil {
		if err := p.reselect.complete(ctx, p.current.reselection, c); err != nil {
			return err
		}
	}
	if plan.Outgrown(c) {
		if plan, err = p.grow(ctx, c.Relation); err != nil {
			return err
		}
	}
	if err := p.put(plan, c, &before); err != nil {
		return err
	}
	if signal != nil {
		return p.snapshotsAskedFor(ctx)
	}
	return nil
}

// reach moves the position to a row's change.
func (p *publisher) reach(c *cdc.Change) {
	if c.LSN == p.at.lsn && p.at.kind >= typeInsert && p.at.kind <= typeTruncate {
		p.at.events++
	} else {
		p.at.events = 1
	}
	p.at.lsn, p.at.kind = c.LSN, messageTypeOf(c.Kind)
	if !p.partial {
		p.at.proc = c.LSN
	}
	if p.incremental != nil {
		p.at.micros = c.CommitTime
	}
}

// put publishes a row's change. One that is left out leaves the position where it was before, but for what its signal began.
func (p *publisher) put(plan *envelope.Plan, c *cdc.Change, before *position) error {
	p.source.LSN, p.source.HasLSN, p.source.LastCommitLSN = c.LSN, true, p.lastCommit
	if p.check != nil {
		if err := p.check(plan, c); err != nil {
			before.inc = p.at.inc
			p.at = *before
			p.tally.erroneous++
			return p.leaveOut(c, err)
		}
	}
	n, err := p.enc.Encode(plan, c, &p.source)
	p.records += uint64(n)
	if err != nil {
		return err
	}
	if n == 0 {
		if c.Kind == cdc.Update {
			p.tally.unchanged++
		}
		return nil
	}
	p.tally.kinds[c.Kind]++
	if p.incremental != nil {
		p.incremental.changed(c)
	}
	p.note(false)
	return nil
}

// message publishes a logical decoding message. One outside of transactions counts as a commit, for itself and for what follows, as in
// Debezium: it is delivered where it stands, so every transaction that ended before it was delivered too.
func (p *publisher) message(ctx context.Context, c *cdc.Change) error {
	if !c.Transactional && p.catchUp.until != 0 && c.LSN > p.catchUp.until { // the LSN of a message is its end
		return errCaughtUp{}
	}
	dropped := p.resume.drops(c)
	at := p.source
	if !c.Transactional {
		if err := p.xmin.look(ctx); err != nil {
			return err
		}
		at = envelope.Source{Micros: p.at.micros, Xmin: int64(p.xmin.xmin), HasXmin: p.xmin.xmin != 0}
		p.at.xmin = p.xmin.xmin
		p.at.hasXID, p.at.xid, p.at.tx = false, 0, nil
		p.lastCommit, p.at.commit = c.LSN, c.LSN
	}
	p.at.lsn, p.at.proc, p.at.kind, p.at.snap = c.LSN, c.LSN, typeMessage, snapshotNone // events stays: Debezium keeps the last row's
	at.LSN, at.HasLSN, at.LastCommitLSN = c.LSN, true, p.lastCommit
	if dropped {
		return nil
	}
	n, err := p.enc.Message(c, &at)
	p.records += uint64(n)
	if err != nil {
		return err
	}
	if n > 0 {
		p.tally.kinds[cdc.Message]++
		p.note(false)
	}
	return p.heartbeat(ctx)
}

// newPublisher makes a publisher that goes on behind from; nil starts afresh.
func newPublisher(enc encoder, filter *tableFilter, lookup tableLookup, sent *positions, from *position) *publisher {
	p := &publisher{enc: enc, filter: filter, lookup: lookup, sent: sent, plans: make(map[uint32]planned)}
	if from == nil {
		return p
	}
	p.at = *from
	if p.at.commit == 0 && from.kind != typeNone {
		// As Debezium reads an offset from before its first commit. To confirm it is safe, though it lies inside a transaction: that one
		// ends behind it and is sent again whole, and all that ended before it were delivered first.
		p.at.commit = from.proc
	}
	p.lastCommit, p.resume = p.at.commit, newResume(&p.at)
	if from.snap != snapshotNone {
		p.snapshotLSN = from.lsn
	}
	return p
}

// heartbeat sends a heartbeat record when one is due.
func (p *publisher) heartbeat(ctx context.Context) error {
	if p.resume.on || p.beat.every == 0 {
		return nil
	}
	now := time.Now()
	if !p.beat.due(now) {
		return nil
	}
	n, err := p.enc.Heartbeat(now)
	p.records += uint64(n)
	if err != nil {
		return err
	}
	p.note(true)
	return p.beat.beat(ctx, now)
}
