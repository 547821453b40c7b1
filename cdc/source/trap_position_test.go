package source_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// Trap 32: a stream of which nothing is captured is confirmed all the same, whether its changes are sent and the filters leave them out, or the publication
// does and there are keepalives only. publisher.batch protects, which takes over the server's position, and for the former publisher.commit as well.
func TestTrap32NothingIsCaptured(t *testing.T) {
	for _, mode := range []string{"all_tables", "filtered"} {
		t.Run(mode, func(t *testing.T) {
			database := pgtest.Database(t)
			conn, err := pgx.Connect(t.Context(), database)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(t.Context(), "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY, pad text DEFAULT repeat('x', 100))"); err != nil {
				t.Fatal(err)
			}
			r := runOn(t, database, nil, map[string]string{"snapshot.mode": "no_data", "table.include.list": "public.t", "skipped.operations": "c", "publication.autocreate.mode": mode})
			r.until("the stream is on", func() bool { return r.confirmed() != 0 })
			for range 3 {
				r.exec("TRUNCATE u; INSERT INTO u SELECT g FROM generate_series(1, 5000) g; INSERT INTO t SELECT count(*) FROM t")
				end := r.lsn("SELECT pg_current_wal_lsn()::text")
				r.until("what is left out is confirmed", func() bool { r.store(); return r.confirmed() >= end })
			}
			if n := r.out.records.Load(); n != 0 {
				t.Errorf("records = %d, want none", n)
			}
		})
	}
}

// Trap 36: a task that is stopped stays until the offset behind its last record is stored, and the server hears of that; session.drain protects. What
// is not stored is not confirmed: TestTrap36NothingMoreIsConfirmed.
func TestTrap36LastOffsetIsConfirmed(t *testing.T) {
	r := run(t, nil, map[string]string{"snapshot.mode": "no_data"})
	r.exec("CREATE TABLE t (id int PRIMARY KEY)")
	r.until("the stream is on", func() bool { return r.confirmed() != 0 })
	r.exec("INSERT INTO t SELECT generate_series(1, 100)")
	end := r.lsn("SELECT pg_current_wal_lsn()::text")
	r.until("the rows are published", func() bool { return r.out.records.Load() == 100 })
	stopped := make(chan struct{}) // closed by the goroutine below
	go func() { defer close(stopped); r.stop() }()
	for range 50 { // while nothing is stored it stays, and confirms nothing
		select {
		case <-stopped:
			t.Fatal("Run() returned before its last record was stored, want it to stay for Env.Drain")
		default:
		}
		if got := r.confirmed(); got >= end {
			t.Fatalf("confirmed_flush_lsn = %s before the offset was stored, want less than %s", got, end)
		}
	}
	r.until("the task has ended", func() bool {
		r.store()
		select {
		case <-stopped:
			return true
		default:
			return false
		}
	})
	if got := r.confirmed(); got < end {
		t.Errorf("confirmed_flush_lsn = %s behind a stop, want %s at least: the next start would publish the rows again", got, end)
	}
}

// Trap 37: without a stored offset the stream begins where the slot stands, not where the server does: what was written between comes. position.start
// protects, which is 0 then, for which the server takes the slot's confirmed position.
func TestTrap37BeginsWhereTheSlotStands(t *testing.T) {
	database, _, _ := restartable(t) // a slot, and a row behind it
	r := runOn(t, database, nil, map[string]string{"snapshot.mode": "no_data"})
	r.until("the row of before is published", func() bool { return r.out.records.Load() == 1 })
}

// Trap 38: a slot that is not there, as on a standby that was promoted without it, is refused when there is an offset, and is not quietly made anew:
// what was written since is missing from it. session.missing protects. TestIntegrationTrap38Failover promotes a standby that has the slot.
func TestTrap38SlotIsMissing(t *testing.T) {
	database, offset, _ := restartable(t)
	r, u := sessionOn(t, database)
	if _, err := r.conn.Exec(t.Context(), "SELECT pg_drop_replication_slot($1)", r.slot); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and it stays so
		var gap *source.OffsetError
		err := taskOn(t, u, offset, slog.New(slog.DiscardHandler), nil).Run(t.Context(), new(counter))
		if !errors.As(err, &gap) || gap.Retriable() || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("Run() = %v, want an OffsetError that is not retriable and says that the slot does not exist", err)
		}
	}
	if n := r.count("SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", r.slot); n != 0 {
		t.Errorf("the slot was made anew")
	}
}

// Trap 41: creating the slot waits for the transactions that are open, and meanwhile the task holds no snapshot that would keep the server from removing dead
// rows, nor any lock. What the open transaction writes comes once. session.reachSlot protects: the readers of the snapshot begin when the slot is
// there, and the catalog is read statement by statement.
func TestTrap41SlotWaitsForOpenTransactions(t *testing.T) {
	database := pgtest.Database(t)
	r, u := sessionOn(t, database)
	r.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
	long, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer long.Close(context.Background())
	if _, err := long.Exec(t.Context(), "BEGIN; INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	task := taskOn(t, u, nil, slog.New(slog.DiscardHandler), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- task.Run(ctx, r.out) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	}()
	waiting := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'walsender' AND wait_event_type = 'Lock'"
	r.until("the slot waits for the open transaction", func() bool { return r.count(waiting) == 1 })
	for range 20 {
		if n := r.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'active' AND pid <> $1 AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)", long.PgConn().PID()); n != 0 {
			t.Fatalf("%d of the task's sessions are in a transaction while the slot is waited for, want none", n)
		}
	}
	if _, err := long.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	r.until("the slot is streamed", func() bool { return r.confirmed() != 0 && r.out.records.Load() >= 2 })
	r.exec("INSERT INTO t VALUES (3)")
	r.until("the last row is published", func() bool { return r.out.records.Load() >= 3 })
	if n := r.out.records.Load(); n != 3 {
		t.Errorf("records = %d, want 3: each row once", n)
	}
}

// count asks for a number.
func (r *running) count(sql string, args ...any) (n int) {
	r.Helper()
	if err := r.conn.QueryRow(r.Context(), sql, args...).Scan(&n); err != nil {
		r.Fatal(err)
	}
	return n
}
