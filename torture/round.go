package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/torture/history"
)

// torture is the whole run.
type torture struct {
	*faults
	truth    history.Truth
	model    *history.Model              // what the truth makes of the tables
	before   *history.Model              // what it made of them when the round began
	kind     roundKind                   // of the round
	replayed map[*capture]*history.Model // what the records make of them
	sums     sums
}

// sums are told at the end.
type sums struct {
	rounds                         int
	load                           counts
	transactions, changes, records int64
	rows                           int64 // of snapshots, among the records
}

// verdictError is an end because of what was found.
type verdictError struct{ verdicts []history.Verdict }

func (e *verdictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d verdicts:", len(e.verdicts))
	for _, v := range e.verdicts {
		fmt.Fprintf(&b, "\n  %v", v)
	}
	return b.String()
}

func newTorture(c *cluster) *torture {
	t := &torture{faults: newFaults(c), model: history.NewModel(tables), replayed: make(map[*capture]*history.Model)}
	for _, x := range c.captures {
		t.replayed[x] = history.NewModel(tables)
	}
	return t
}

// seedOf derives the seed of a round.
func seedOf(seed uint64, round int) uint64 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(round))
	return rand.NewChaCha8(key).Uint64()
}

// begin waits until both captures stream.
func (t *torture) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recovery, errors.New("the captures do not begin to stream"))
	defer cancel()
	if err := t.awaitStreaming(ctx, -1_000_000_000); err != nil {
		return err
	}
	if err := t.readTruth(ctx, &t.truth); err != nil {
		return err
	}
	t.model.Apply(t.truth.Transactions)
	last := t.truth.Transactions[len(t.truth.Transactions)-1].XID
	t.truth.Transactions = nil
	for _, x := range t.captures {
		if err := t.await(ctx, x, t.model); err != nil {
			return err
		}
		for !x.position.ended(last) {
			if !pause.For(ctx, 100*time.Millisecond) {
				return context.Cause(ctx)
			}
			if err := t.read(ctx, x); err != nil {
				return err
			}
		}
		t.replayed[x].ApplyRecords(x.position.records)
		x.position.forget()
	}
	return nil
}

// await reads until all rows of markers have come.
func (t *torture) await(ctx context.Context, x *capture, m *history.Model) error {
	for {
		missing := 0
		for _, key := range m.Keys(markerTable) {
			if !x.position.markers[key] {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		if !pause.For(ctx, 200*time.Millisecond) {
			return &hopelessError{fmt.Sprintf("the %s capture does not publish: %d markers are missing: %v", x.mode, missing, context.Cause(ctx))}
		}
		if err := t.read(ctx, x); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// mark writes a row behind all that was committed.
func (t *torture) mark(ctx context.Context, id int) error {
	conn, err := pgx.Connect(ctx, t.postgres.URL(sourceDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "INSERT INTO store.marker VALUES ($1, 'marker')", id)
	return err
}

// round loads the source while faults happen, and judges what came of it.
func (t *torture) round(ctx context.Context, number int) error {
	seed := seedOf(t.seed, number)
	t.kind = t.rounds[(number-1)%len(t.rounds)]
	t.say("round %d (%s), seed %d", number, t.kind, seed)
	if err := t.prepareRound(ctx, number); err != nil {
		return err
	}
	sessions, err := t.loaded(ctx, number, seed)
	if err != nil {
		return err
	}
	if err := t.heal(); err != nil {
		return err
	}
	var load counts
	for _, s := range sessions {
		load.add(s.counts)
	}
	t.sums.load.add(load)
	t.sums.rounds++
	t.say("healed behind %d transactions, %d rolled back, %d refused, %d broken, %d rows", load.committed, load.rolledBack, load.failed, load.broken, load.rows)
	return t.judge(ctx, number, sessions)
}

// loaded runs the sessions and the faults of a round until its time is over.
func (t *torture) loaded(ctx context.Context, number int, seed uint64) ([]*session, error) {
	limited, cancel := context.WithTimeout(ctx, t.length)
	defer cancel()
	g, running := errgroup.WithContext(limited)
	var sessions []*session
	for i := range t.sessions + 1 {
		s := newSession(100*number+i, t.postgres.URL(sourceDatabase), seed, t.pace)
		do := s.transaction
		if i == t.sessions {
			s.pace, do = 900*time.Millisecond, s.alter
		}
		sessions = append(sessions, s)
		g.Go(func() error { return s.run(running, do) })
	}
	if t.gap > 0 {
		g.Go(func() error { return t.follow(running, planOf(t.kind, seed, t.length, t.gap)) })
	}
	t.forgive()
	g.Go(func() error { t.watch(running); return nil })
	return sessions, g.Wait()
}

// watch does what an operator does: it starts again what has failed.
func (t *torture) watch(ctx context.Context) {
	for pause.For(ctx, 2*time.Second) {
		for _, x := range t.captures {
			_, _ = t.look(ctx, x) // that nobody answers is nothing special now
		}
	}
}

// judge waits until what was committed has arrived everywhere, and checks it.
func (t *torture) judge(ctx context.Context, number int, sessions []*session) error {
	for _, w := range t.workers {
		if w.ended() {
			return fmt.Errorf("%s ended by itself; it last said:\n%s", w.name, w.lastSaid())
		}
	}
	healed := time.Now()
	t.forgive()
	if err := t.awaitSnapshots(ctx, number); err != nil {
		return errors.Join(err, t.lastWords())
	}
	if err := t.mark(ctx, number); err != nil {
		return err
	}
	if err := t.readTruth(ctx, &t.truth); err != nil {
		return err
	}
	verdicts := t.checkTruth(sessions)
	t.before = t.model.Clone()
	t.model.Apply(t.truth.Transactions)
	found, err := t.compare(ctx, "the source", sourceDatabase, tables, nil)
	if err != nil {
		return err
	}
	verdicts = append(verdicts, found...)
	if err := t.awaitRunning(ctx); err != nil {
		return errors.Join(err, t.lastWords())
	}
	for _, x := range t.captures {
		found, err := t.judgeCapture(ctx, x)
		if err != nil {
			return errors.Join(err, verdictsOf(verdicts), t.lastWords())
		}
		verdicts = append(verdicts, found...)
		if t.overlay != "" && len(verdicts) > 0 {
			break
		}
	}
	if len(verdicts) > 0 {
		return &verdictError{verdicts}
	}
	limited, cancel := context.WithTimeoutCause(ctx, recovery, fmt.Errorf("the slots did not come to %s within %v", t.truth.End(), recovery))
	defer cancel()
	if err := t.awaitSlots(limited, t.truth.End()); err != nil {
		return errors.Join(err, t.lastWords())
	}
	t.finish(number, healed)
	return nil
}

func verdictsOf(list []history.Verdict) error {
	if len(list) == 0 {
		return nil
	}
	return &verdictError{list}
}

// finish counts a round in which all was well.
func (t *torture) finish(number int, healed time.Time) {
	var changes, records, rows int
	for i := range t.truth.Transactions {
		changes += len(t.truth.Transactions[i].Changes)
	}
	for _, x := range t.captures {
		records += len(x.position.records) + len(x.position.boundaries)
		for i := range x.position.records {
			if x.position.records[i].Op == history.SnapshotRow {
				rows++
			}
		}
		if t.kind == initialRound {
			t.say("the %s capture's snapshot was taken at %v", x.mode, history.Points(x.position.records))
		}
		x.position.forget()
	}
	t.sums.transactions += int64(len(t.truth.Transactions))
	t.sums.changes += int64(changes)
	t.sums.records += int64(records)
	t.sums.rows += int64(rows)
	t.say("round %d is well: %d transactions with %d changes, %d records, %d of them of snapshots, %d rows; judged within %.1f s",
		number, len(t.truth.Transactions), changes, records, rows, t.model.Size(), time.Since(healed).Seconds())
	t.truth.Transactions = nil
}

// checkTruth holds the truth against what the sessions were told.
func (t *torture) checkTruth(sessions []*session) (out []history.Verdict) {
	committed := make(map[uint32]bool)
	for i := range t.truth.Transactions {
		committed[t.truth.Transactions[i].XID] = true
	}
	for _, s := range sessions {
		for _, xid := range s.settled {
			if !committed[xid] {
				out = append(out, history.Verdict{Kind: history.Lost, Table: "truth", Detail: fmt.Sprintf("transaction %d was committed, and the slot of the truth does not tell of it", xid)})
			}
		}
		for _, xid := range s.undone {
			if committed[xid] {
				out = append(out, history.Verdict{Kind: history.Phantom, Table: "truth", Detail: fmt.Sprintf("transaction %d was rolled back, and the slot of the truth tells of it", xid)})
			}
		}
	}
	return out
}

// judgeCapture waits for the records of a capture and for its target.
func (t *torture) judgeCapture(ctx context.Context, x *capture) ([]history.Verdict, error) {
	limited, cancel := context.WithTimeoutCause(ctx, recovery, fmt.Errorf("it had %v", recovery))
	defer cancel()
	if err := t.await(limited, x, t.model); err != nil {
		return nil, err
	}
	verdicts, err := t.settle(ctx, x)
	if err != nil {
		return nil, err
	}
	verdicts = append(verdicts, history.Phantoms(x.position.records, rolledBack)...)
	t.replayed[x].ApplyRecords(x.position.records)
	verdicts = append(verdicts, t.model.CompareModel("the replay of the records, "+x.mode.String(), t.replayed[x])...)
	if t.record != "" && x.mode == history.ExactlyOnce && t.kind == streamRound && len(verdicts) == 0 {
		if err := history.Write(t.record, history.Recording{Tables: tables, Truth: t.truth.Transactions, Records: x.position.records, Boundaries: x.position.boundaries}); err != nil {
			return nil, err
		}
	}
	if t.overlay != "" && len(verdicts) > 0 {
		return verdicts, nil // caught: the target would be waited for in vain
	}
	found, err := t.settleTarget(ctx, x)
	return append(verdicts, found...), err
}

// settle checks the records. The marker may come before records of other partitions: what is lost now may come yet.
func (t *torture) settle(ctx context.Context, x *capture) (verdicts []history.Verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		history.Sort(x.position.records)
		verdicts = t.check(x)
		lost := false
		for _, v := range verdicts {
			lost = lost || v.Kind == history.Lost
		}
		if !lost || !pause.For(ctx, 500*time.Millisecond) {
			return named(x, verdicts), nil
		}
		if err := t.read(ctx, x); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
}

func named(x *capture, verdicts []history.Verdict) []history.Verdict {
	for i := range verdicts {
		verdicts[i].Table = x.mode.String() + ", " + verdicts[i].Table
	}
	return verdicts
}

// settleTarget waits until the target of a capture holds what the source does.
func (t *torture) settleTarget(ctx context.Context, x *capture) (verdicts []history.Verdict, err error) {
	var keyed []history.Table
	for _, table := range tables {
		if len(table.Key) > 0 && !table.Unread {
			keyed = append(keyed, table)
		}
	}
	for deadline := time.Now().Add(recovery); ; {
		if verdicts, err = t.compare(ctx, "the target, "+x.mode.String(), x.target, keyed, x.stale); err != nil || len(verdicts) == 0 {
			return verdicts, err
		}
		if time.Now().After(deadline) || !pause.For(ctx, 500*time.Millisecond) {
			return verdicts, nil
		}
		if _, err := t.look(ctx, x); err != nil {
			return verdicts, err
		}
	}
}

// compare holds tables of a database against the truth, in the columns that the source has.
func (t *torture) compare(ctx context.Context, who, database string, list []history.Table, without []string) (out []history.Verdict, err error) {
	for i := range list {
		s, err := t.stored(ctx, database, &list[i])
		if err != nil {
			if missing(err) {
				out = append(out, history.Verdict{Kind: history.Diverged, Table: list[i].Name, Detail: who + ": there is no such table"})
				continue
			}
			return nil, err
		}
		if database != sourceDatabase {
			of, err := t.stored(ctx, sourceDatabase, &list[i])
			if err != nil {
				return nil, err
			}
			s.Columns = except(of.Columns, without)
		}
		out = append(out, t.model.Compare(who, list[i].Name, s)...)
	}
	return out, nil
}

func except(columns, without []string) (out []string) {
	for _, c := range columns {
		if !strings.Contains(" "+strings.Join(without, " ")+" ", " "+c+" ") {
			out = append(out, c)
		}
	}
	return out
}

// lastWords are the ends of the workers' logs.
func (t *torture) lastWords() error {
	var b strings.Builder
	for _, w := range t.workers {
		fmt.Fprintf(&b, "\n--- %s last said:\n%s", w.name, w.lastSaid())
	}
	return errors.New(b.String())
}
