package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/torture/history"
)

// roundKind is what the captures do in a round beside streaming.
type roundKind string

// Kinds of rounds.
const (
	streamRound      roundKind = "stream"
	initialRound     roundKind = "initial"     // both captures begin anew, with an initial snapshot
	incrementalRound roundKind = "incremental" // rows are asked for by a signal
	slowRound        roundKind = "slow"        // the captures are behind all the time, and are killed so
)

// roundKinds are all, in the order in which they come.
var roundKinds = []roundKind{streamRound, initialRound, incrementalRound, slowRound}

// parseRounds reads a list of kinds.
func parseRounds(text string) (kinds []roundKind, err error) {
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		if !slices.Contains(roundKinds, roundKind(word)) {
			return nil, fmt.Errorf("-rounds %s: there are no rounds of kind %q: want some of %v", text, word, roundKinds)
		}
		kinds = append(kinds, roundKind(word))
	}
	return kinds, nil
}

// incrementalTables are those that incremental snapshots are asked of: those with a key.
var incrementalTables = []string{"store.items", "store.parts", "store.stock", "store.shape"}

// signalExecute is the type of a signal that asks for rows.
const signalExecute = "execute-snapshot"

// prepareRound does what a round of its kind needs before its load.
func (t *torture) prepareRound(ctx context.Context, number int) error {
	switch t.kind {
	case initialRound:
		return t.anew(ctx, number)
	case incrementalRound:
		if err := t.execute(ctx, sourceDatabase, fillSQL); err != nil {
			return err
		}
		return t.ask(ctx, number)
	}
	return nil
}

// ask asks both captures for an incremental snapshot.
func (t *torture) ask(ctx context.Context, number int) error {
	data, err := json.Marshal(map[string]any{"type": "incremental", "data-collections": incrementalTables})
	if err != nil {
		return err
	}
	return t.execute(ctx, sourceDatabase, fmt.Sprintf("INSERT INTO %s VALUES ('round %d', '%s', '%s')", signalTable, number, signalExecute, data))
}

// asked are the signals among the transactions of the round.
func (t *torture) asked() (out []history.Asked) {
	for i := range t.truth.Transactions {
		tx := &t.truth.Transactions[i]
		for n := range tx.Changes {
			if c := &tx.Changes[n]; c.Table == signalTable && c.Op == history.Insert && c.After["type"] == signalExecute {
				out = append(out, history.Asked{At: tx.Commit, Tables: incrementalTables})
			}
		}
	}
	return out
}

// check holds the records of a capture against the truth.
func (t *torture) check(x *capture) []history.Verdict {
	truth, records, boundaries := t.truth.Transactions, x.position.records, x.position.boundaries
	switch t.kind {
	case initialRound:
		verdicts := history.CheckInitial(tables, t.before, truth, records, x.mode)
		return append(verdicts, history.CheckInitialBoundaries(tables, truth, history.Point(records), boundaries, x.mode)...)
	case incrementalRound:
		verdicts := history.CheckIncremental(tables, t.before, truth, records, x.mode, t.asked())
		return append(verdicts, history.CheckBoundaries(tables, truth, boundaries, x.mode)...)
	}
	verdicts := history.Check(tables, truth, records, x.mode)
	return append(verdicts, history.CheckBoundaries(tables, truth, boundaries, x.mode)...)
}

// awaitSnapshots waits until the snapshots of a round have come to their ends.
func (t *torture) awaitSnapshots(ctx context.Context, number int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recovery, &hopelessError{fmt.Sprintf("a snapshot does not come to its end within %v", recovery)})
	defer cancel()
	switch t.kind {
	case initialRound:
		return t.awaitStreaming(ctx, 1_000_000*number)
	case incrementalRound:
		return t.awaitIncremental(ctx, number)
	}
	return nil
}

// awaitStreaming waits until both captures stream: a row of the markers that is written now, with a number behind first, comes as an insert, not
// as a row of the snapshot.
func (t *torture) awaitStreaming(ctx context.Context, first int) error {
	written := make(map[string]bool)
	for id := first + 1; ; id++ {
		if err := t.mark(ctx, id); err != nil {
			return err
		}
		written[fmt.Sprintf("id=%d", id)] = true
		streaming := 0
		for _, x := range t.captures {
			if _, err := t.look(ctx, x); errors.As(err, new(*hopelessError)) {
				return err
			}
			if err := t.read(ctx, x); err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
			if slices.ContainsFunc(x.position.records, func(r history.Record) bool {
				return r.Table == markerTable && r.Op == history.Insert && written[r.Key]
			}) {
				streaming++
			}
		}
		if streaming == len(t.captures) {
			return nil
		}
		if !pause.For(ctx, 300*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// awaitIncremental waits until both captures have read all rows that were asked for: their offsets, from behind the signal, tell of no snapshot.
// What they write into the signal table is then in the truth that is read next.
func (t *torture) awaitIncremental(ctx context.Context, number int) error {
	behind, err := t.position(ctx)
	if err != nil {
		return err
	}
	if err := t.mark(ctx, 1_000_000*number); err != nil {
		return err
	}
	for _, x := range t.captures {
		for {
			running, err := x.snapshotRuns(ctx, behind)
			if err == nil && !running {
				break
			}
			if _, err := t.look(ctx, x); errors.As(err, new(*hopelessError)) {
				return err
			}
			if !pause.For(ctx, 200*time.Millisecond) {
				return errors.Join(context.Cause(ctx), err)
			}
		}
	}
	return nil
}

// position is how far the server's WAL has come.
func (c *cluster) position(ctx context.Context) (history.LSN, error) {
	conn, err := pgx.Connect(ctx, c.postgres.URL(sourceDatabase))
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var text string
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&text); err != nil {
		return 0, err
	}
	return history.ParseLSN(text)
}

// snapshotRuns tells whether the stored offset of the source is before a position, or within an incremental snapshot.
func (c *capture) snapshotRuns(ctx context.Context, behind history.LSN) (bool, error) {
	var failed error
	for _, w := range c.workers {
		status, answer, err := w.call(ctx, http.MethodGet, "/connectors/"+c.sourceName()+"/offsets", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the offsets of %s: %d %s", c.sourceName(), status, answer)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		var body struct {
			Offsets []struct {
				Offset struct {
					LSN         history.LSN `json:"lsn"`
					Collections *string     `json:"incremental_snapshot_collections"`
				}
			}
		}
		if err := json.Unmarshal(answer, &body); err != nil {
			return true, fmt.Errorf("the offsets of %s: %w", c.sourceName(), err)
		}
		running := len(body.Offsets) == 0
		for _, o := range body.Offsets {
			running = running || o.Offset.LSN < behind || o.Offset.Collections != nil
		}
		return running, nil
	}
	return true, failed
}
