package source

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/signal"
	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// connection is the connection of chunks and watermarks: every statement is a transaction of its own.
func (i *incrementalRun) connection(ctx context.Context) (*pgx.Conn, error) {
	if i.conn != nil && !i.conn.IsClosed() {
		return i.conn, nil
	}
	conn, err := i.s.cfg.Database.Connect(ctx, replication.Snapshot)
	if err != nil {
		return nil, err
	}
	err = i.s.initialStatements(ctx, conn)
	if err == nil {
		// set_config ignores what a server of the version does not have: idle_session_timeout came with 14.
		_, err = conn.Exec(ctx, `SELECT set_config(name, CASE name WHEN 'idle_session_timeout' THEN '0' ELSE $1 END, false) FROM pg_settings
			WHERE name IN ('idle_session_timeout', 'default_transaction_read_only')`, onOff(i.readOnly != nil))
		err = pgerror.Wrap(err, "prepare the connection of incremental snapshots")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	i.conn = conn
	return conn, nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// openWindow tells the stream, and through it ourselves, that a chunk is about to be read.
func (i *incrementalRun) openWindow(ctx context.Context) error {
	i.chunk, i.open, i.closing = newRunID(), false, false
	if i.readOnly != nil {
		i.readOnly.held = false
		return nil
	}
	c := &i.queue[0]
	i.mark = incremental.Watermark{Opened: time.Now(), Correlation: c.CorrelationID, Collection: c.ID}
	return i.write(ctx, "INSERT INTO "+i.signalTable+" VALUES ($1, $2, $3)", i.chunk+"-open", signal.TypeWindowOpen, string(i.mark.AppendJSON(nil)))
}

// closeWindow tells that the chunk was read.
func (i *incrementalRun) closeWindow(ctx context.Context) error {
	if i.readOnly != nil {
		return i.readOnly.end(ctx, i)
	}
	if i.cfg.watermarking == insertDelete {
		return i.write(ctx, "DELETE FROM "+i.signalTable+" WHERE id = $1", i.chunk+"-open")
	}
	i.mark.Closed = time.Now()
	return i.write(ctx, "INSERT INTO "+i.signalTable+" VALUES ($1, $2, $3)", i.chunk+"-close", signal.TypeWindowClose, string(i.mark.AppendJSON(nil)))
}

// settle waits until the server sees every transaction that was streamed before, and notes what else it sees: a chunk that was read before
// would undo their changes.
func (i *incrementalRun) settle(ctx context.Context) error {
	conn, err := i.connection(ctx)
	if err != nil {
		return err
	}
	return awaitVisible(ctx, conn, func(v *incremental.Visibility) bool {
		i.low = *v
		return i.streams.seenBy(v)
	}, func(waited time.Duration) (bool, error) {
		i.log.Warn("the incremental snapshot, and the stream with it, waits for transactions that are committed but not visible yet: a synchronous standby does not answer", "waited", waited)
		return false, nil
	})
}

// recentXIDs are the transactions that were streamed last: more than a server has sessions that commit at once.
type recentXIDs struct {
	xids [4096]uint32
	n    int
}

func (r *recentXIDs) add(xid uint32) {
	r.xids[r.n%len(r.xids)] = xid
	r.n++
}

func (r *recentXIDs) seenBy(v *incremental.Visibility) bool {
	for _, xid := range r.xids[:min(r.n, len(r.xids))] {
		if !v.Sees(xid) {
			return false
		}
	}
	return true
}

// write writes a watermark; signal.emit.failure.max.retries says how often it tries again, and a connection that was cut while it was idle
// does not count.
func (i *incrementalRun) write(ctx context.Context, sql string, args ...string) error {
	idle := i.conn != nil
	for tries := i.s.cfg.Signals.emitRetries; ; tries-- {
		err := i.tryWrite(ctx, sql, args)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if idle && i.conn.IsClosed() {
			tries++
		} else if tries <= 0 {
			return refusedTo(err)
		} else if !pause.For(ctx, i.s.cfg.Signals.emitBackoff) {
			return ctx.Err()
		}
		idle = false
		i.log.Warn("a watermark could not be written; trying again", "table", i.s.cfg.Signals.table(), "error", err)
	}
}

func (i *incrementalRun) tryWrite(ctx context.Context, sql string, args []string) error {
	conn, err := i.connection(ctx)
	if err != nil {
		return err
	}
	params := make([][]byte, len(args))
	for n, a := range args {
		params[n] = []byte(a)
	}
	err = conn.PgConn().ExecParams(ctx, sql, params, nil, nil, nil).Read().Err
	if pgerror.Code(err) == "23505" { // unique_violation: the row of a try whose answer was lost
		err = nil
	}
	return pgerror.Wrap(err, "write a watermark into the signal table %s", i.s.cfg.Signals.table())
}
