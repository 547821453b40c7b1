package source

import (
	"context"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// readOnlyWindow is the window of a chunk that was read without writing (read.only): between what the server saw before and after.
//
// The rows are published as soon as the stream has passed everything that is in the chunk: at the position where the server stood after, or at
// the first transaction it had not seen then.
type readOnlyWindow struct {
	high  incremental.Visibility
	until cdc.LSN // the server's position after the chunk was read
	held  bool    // a chunk waits

	// Sender: the publisher, which drops what does not fit. Never closed. Bound: 1. It asks for another look.
	more  chan struct{}
	timer *time.Timer // asks the server again where it stands; nil unless it does
}

// seen asks the server what it sees, and where it stands. On a primary that is where the next record goes: transactions are seen once
// their record is there, which may be before it is written out. A position at the beginning of a page is that of the page's header, which
// belongs to the next record, so what is below 64 bytes into a page counts as the page's start.
const seen = `SELECT pg_current_snapshot()::text, (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
	ELSE pg_current_wal_insert_lsn() END)::text, current_setting('wal_block_size')`

func (w *readOnlyWindow) ask(ctx context.Context, i *incrementalRun) (v incremental.Visibility, at cdc.LSN, err error) {
	conn, err := i.connection(ctx)
	if err != nil {
		return v, 0, err
	}
	var snapshot, lsn, block string
	if err := conn.QueryRow(ctx, seen).Scan(&snapshot, &lsn, &block); err != nil {
		return v, 0, pgerror.Wrap(err, "read the server's snapshot and position")
	}
	if v, err = incremental.ParseVisibility(snapshot); err != nil {
		return v, 0, err
	}
	if at, err = cdc.ParseLSN(lsn); err != nil {
		return v, 0, err
	}
	size, err := strconv.ParseUint(block, 10, 32)
	if err != nil || size == 0 {
		size = 8192
	}
	if into := uint64(at) % size; into < 64 {
		at -= cdc.LSN(into)
	}
	return v, at, nil
}

func (w *readOnlyWindow) end(ctx context.Context, i *incrementalRun) (err error) {
	if w.high, w.until, err = w.ask(ctx, i); err != nil {
		return err
	}
	w.held = true
	w.again()
	return nil
}

func (w *readOnlyWindow) again() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// begins notes that a transaction is streamed. A chunk that was read only is published before one that is not in it.
func (i *incrementalRun) begins(ctx context.Context, c *cdc.Change) error {
	i.streams.add(c.XID)
	if w := i.readOnly; w == nil || !w.held || i.pub.resume.on || w.high.Sees(c.XID) {
		return nil
	}
	i.readOnly.held = false
	return i.next(ctx)
}

// reached publishes the chunk when the stream, between two transactions, has come to at.
func (i *incrementalRun) reached(ctx context.Context, at cdc.LSN) error {
	if w := i.readOnly; w == nil || !w.held || at < w.until {
		return nil
	}
	i.readOnly.held = false
	return i.next(ctx)
}

// look publishes the chunk if the stream has come far enough, and asks the server for its position if not: where nothing is written, it would
// not tell by itself for a long time.
func (i *incrementalRun) look(ctx context.Context) error {
	w := i.readOnly
	if !w.held {
		return nil
	}
	if at := max(i.pub.at.idle, i.pub.at.commit); at >= w.until && !i.pub.inTx && !i.pub.resume.on {
		return i.reached(ctx, at)
	}
	if stream := i.s.task.stream.Load(); stream != nil {
		stream.Ask()
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(askEvery, w.again)
	} else {
		w.timer.Reset(askEvery)
	}
	return nil
}

// askEvery is the time between two questions where the server stands: what is written asynchronously gets out within 600 ms by default.
const askEvery = 100 * time.Millisecond

// more asks for another look at a chunk that waits; nil where none is ever needed.
func (i *incrementalRun) more() <-chan struct{} {
	if i == nil || i.readOnly == nil {
		return nil
	}
	return i.readOnly.more
}
