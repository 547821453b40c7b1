package source

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// visibility asks which transactions others see now.
func visibility(ctx context.Context, conn *pgx.Conn) (v incremental.Visibility, err error) {
	var text string
	if err := conn.QueryRow(ctx, "SELECT txid_current_snapshot()::text").Scan(&text); err != nil {
		return v, pgerror.Wrap(err, "read the server's snapshot")
	}
	return incremental.ParseVisibility(text)
}

// awaitVisible waits until the server shows others what enough asks for. A transaction is streamed as soon as its commit is in the WAL, and seen by
// others a moment later, or much later where it waits for a synchronous standby: what is read between lacks its changes. slow is called
// after a second, after two, after four and so on; when it says so, the waiting is given up.
func awaitVisible(ctx context.Context, conn *pgx.Conn, enough func(*incremental.Visibility) bool, slow func(waited time.Duration) (giveUp bool, err error)) error {
	began, next := time.Now(), time.Second
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		v, err := visibility(ctx, conn)
		if err != nil || enough(&v) {
			return err
		}
		if waited := time.Since(began); waited >= next {
			next *= 2
			if giveUp, err := slow(waited.Round(time.Second)); giveUp || err != nil {
				return err
			}
		}
		if !pause.For(ctx, wait) {
			return ctx.Err()
		}
	}
}

// awaitTable waits until the catalog holds the transaction that announces a relation, for it may have made or altered the table. A
// transaction that waits for a synchronous standby may be waiting for this connector, which confirms it only behind its changes: where
// the catalog has the relation as it is announced, key included, it is read at last as it is.
func (s *session) awaitTable(ctx context.Context, rel *cdc.Relation, xid uint32) error {
	sees := func(v *incremental.Visibility) bool { return v.Sees(xid) }
	return awaitVisible(ctx, s.conn, sees, func(waited time.Duration) (bool, error) {
		now, _, ok, err := s.catalog.ByOID(ctx, rel.OID)
		if err != nil || ok && agree(now, rel) {
			return true, err
		}
		s.task.log.Warn("the stream waits for a transaction that is committed but not visible yet, for it made or altered a table: a synchronous standby does not answer; "+
			"if synchronous_standby_names means this connector's connection, name the standbys there", "table", rel.Schema+"."+rel.Name, "transaction", xid, "waited", waited)
		return false, nil
	})
}

// agree tells whether the catalog has an announced relation as it is, so that its key is the announced one: with another replica identity
// than the default an announcement does not tell the primary key.
func agree(now, announced *cdc.Relation) bool {
	if now.Schema != announced.Schema || now.Name != announced.Name || now.Identity != announced.Identity || now.Identity != cdc.IdentityDefault {
		return false
	}
	keys := 0
	for i := range now.Columns {
		if now.Columns[i].Key {
			keys++
		}
	}
	for i := range announced.Columns { // generated columns, and those a publication leaves out, are not announced
		c := &announced.Columns[i]
		if !slices.Contains(now.Columns, *c) {
			return false
		}
		if c.Key {
			keys--
		}
	}
	return keys == 0
}
