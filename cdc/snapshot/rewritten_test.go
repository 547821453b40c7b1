package snapshot_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// TestRewritten: a table that was rewritten after the snapshot was taken, in which the snapshot sees no row any more, is read as it stands now.
func TestRewritten(t *testing.T) {
	for name, c := range map[string]struct {
		table, rewrite string
		want           int
		told           bool
	}{
		"large":                 {"a", "ALTER TABLE a ALTER v TYPE bigint", 300, true},
		"partition":             {"p", "ALTER TABLE p ALTER v TYPE bigint", 300, true},
		"small":                 {"s", "ALTER TABLE s ADD x float8 DEFAULT random()", 1, true},
		"child":                 {"b", "ALTER TABLE child SET UNLOGGED", 7, true},
		"emptied":               {"s", "TRUNCATE s; INSERT INTO s VALUES (7), (8)", 2, true},
		"moved":                 {"a", "VACUUM FULL a", 300, true},
		"column, not rewritten": {"a", "ALTER TABLE a ADD x int DEFAULT 7", 300, false},
		"later rows":            {"a", "INSERT INTO a VALUES (1000, 1)", 300, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := database(t, wideRows+`; CREATE TABLE b (id int); CREATE TABLE child () INHERITS (b); INSERT INTO child SELECT generate_series(1, 7)`)
			d.exec("VACUUM (ANALYZE) a, p, s, b, child")
			for _, readers := range []int{1, 3} {
				opts := d.options()
				told := 0
				opts.ChunkRows, opts.Readers, opts.Rewritten = 30, readers, func(*cdc.Relation) { told++ }
				s := d.open(opts)
				if readers == 1 {
					d.exec(c.rewrite)
				}
				got := rows(t, s, d.table("none"), d.table(c.table), d.table("none"))
				want := c.want
				if readers == 3 && name == "later rows" {
					want++
				}
				if len(got) != want {
					t.Errorf("%d readers, %s after the snapshot: %d rows, want %d", readers, c.rewrite, len(got), want)
				}
				if (told == 1) != (c.told && readers == 1) {
					t.Errorf("%d readers, %s: told of %d rewritten tables", readers, c.rewrite, told)
				}
			}
		})
	}
}

// TestReadsColumnsOnly: the right to read some columns suffices, also to go on behind a mark.
func TestReadsColumnsOnly(t *testing.T) {
	d := database(t, wideRows+`; DROP ROLE IF EXISTS column_reader; CREATE ROLE column_reader LOGIN PASSWORD 'x'; GRANT SELECT (id, v) ON a TO column_reader`)
	defer d.exec("DROP OWNED BY column_reader; DROP ROLE column_reader")
	cfg := d.cfg
	cfg.User, cfg.Password = "column_reader", "x"
	limited := &db{t: t, cfg: cfg}
	tab := d.table("a")
	tab.Columns, tab.From = []string{"id", "v"}, &snapshot.Mark{Storage: "another", Part: tab.Relation.OID, Block: 1, XMin: 3}
	if got := rows(t, limited.open(limited.options()), tab); len(got) != 300 {
		t.Errorf("Run handed out %d rows, want 300", len(got))
	}
}

// TestReadersHoldLocks: until the last row is handed out, all readers hold the locks of what they read.
func TestReadersHoldLocks(t *testing.T) {
	d := database(t, wideRows)
	d.exec("VACUUM (ANALYZE) a")
	opts := d.options()
	opts.ChunkRows, opts.Readers, opts.BatchBytes, opts.ReaderBytes = 30, 3, 2000, 8000
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	first, held := true, 0
	if err := d.open(opts).Run(ctx, []snapshot.Table{d.table("a")}, func(*snapshot.Rows) error {
		for {
			if err := d.conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()").Scan(&held); err != nil {
				return err
			}
			if held == 4 || !first { // at first, all readers must have come
				first = false
				return nil
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if held != 4 { // one keeps the snapshot
		t.Errorf("with the last rows %d transactions are open, want 4", held)
	}
}

// TestLockBehindReader: a reader that would wait for an ALTER TABLE, which waits for another reader, whose rows wait for the first one's, gives up.
func TestLockBehindReader(t *testing.T) {
	d := database(t, wideRows)
	d.exec("VACUUM (ANALYZE) a")
	altering, err := d.cfg.Connect(t.Context(), replication.General)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	altered := make(chan error, 1) // sender: the ALTER TABLE, once
	queued := make(chan struct{})  // closed once it waits
	opts := d.options()
	var connections atomic.Int32
	connect := opts.Connect
	opts.Connect = func(ctx context.Context) (*pgx.Conn, error) {
		if connections.Add(1) == 3 { // the second reader
			select {
			case <-queued:
			case <-ctx.Done():
			}
		}
		return connect(ctx)
	}
	opts.ChunkRows, opts.Readers, opts.BatchBytes, opts.ReaderBytes, opts.LockTimeout = 30, 2, 2000, 4000, time.Second
	rel, first := d.table("a"), true
	err = d.open(opts).Run(ctx, []snapshot.Table{rel}, func(r *snapshot.Rows) error {
		if !first || len(r.Changes) == 0 || r.Changes[0].Kind != cdc.Read {
			return nil
		}
		first = false
		go func() {
			_, err := altering.Exec(context.Background(), "ALTER TABLE a ADD x int")
			altered <- err
		}()
		for _, want := range []int{1, 2} { // the ALTER TABLE waits, and then the second reader behind it
			for waiting := 0; waiting < want; {
				if err := d.conn.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1", rel.Relation.OID).Scan(&waiting); err != nil {
					return fmt.Errorf("look at locks: %w", err)
				}
			}
			if want == 1 {
				close(queued)
			}
		}
		return nil
	})
	if pgerror.Code(err) != "55P03" {
		t.Errorf("Run = %v, want it to give up the lock", err)
	}
	if err := <-altered; err != nil {
		t.Errorf("ALTER TABLE = %v, want it to go on once the readers are gone", err)
	}
	altering.Close(context.Background())
}
