package source_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// initial takes a snapshot, in which notifications and the like play no part.
var initial = map[string]string{"snapshot.mode": "initial"}

// Trap 10: a commit that waits for a synchronous standby is in the WAL and not yet visible. One that came before the slot's consistent point is not in
// the stream, so the snapshot must show it although no new transaction sees it; one that came behind is not in the snapshot. What protects: reachSlot,
// whose plan imports the snapshot that the slot exported (name: created.Snapshot), and never takes one of its own beside it.
func TestTrap10CommitsThatAreNotVisible(t *testing.T) {
	server := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}})
	if err := server.CreateDatabase(t.Context(), "invisible"); err != nil {
		t.Fatal(err)
	}
	r := trialOn(t, server.URL("invisible"), trapTable+"INSERT INTO t VALUES (0)")
	first, second := r.connect(), r.connect()
	xid := func(conn *pgx.Conn) (id string) {
		if err := conn.QueryRow(t.Context(), "SELECT txid_current()::text").Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	waits := func(what, query string, args ...any) {
		t.Helper()
		r.until(what, func() (ok bool) {
			if err := r.conn.QueryRow(t.Context(), query, args...).Scan(&ok); err != nil {
				t.Fatal(err)
			}
			return ok
		})
	}
	const creating = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND transactionid::text = $1 AND backend_type = 'walsender')"
	committed := make(chan error, 2) // senders: the sessions whose commits wait. Bound: both.
	hang := func(row int) {
		conn := r.connect()
		r.do(conn, "SET synchronous_commit = on")
		go func() {
			_, err := conn.Exec(t.Context(), "INSERT INTO t VALUES ($1)", row)
			committed <- err
		}()
		waits("the commit waits for the standby", "SELECT count(*) >= $1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'", row)
	}

	// The server builds a slot's snapshot in two steps, each of which waits for the transactions that are open at its begin. What commits in the second
	// belongs to the snapshot, visible or not.
	r.do(first, "BEGIN")
	held := xid(first)
	reading := make(chan struct{})
	r.begin(nil, initial, func(line string) error {
		if line == "r t 1" {
			<-reading
		}
		return nil
	})
	waits("the slot waits for the first transaction", creating, held)
	r.do(second, "BEGIN")
	held = xid(second)
	r.do(first, "ROLLBACK")
	waits("the slot waits for the second transaction", creating, held)
	hang(1)
	r.do(second, "ROLLBACK")
	r.sees("r t 0")
	hang(2) // the snapshot is taken
	close(reading)
	r.streams()
	r.exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") // the commits have happened, they wait no longer
	for range 2 {
		if err := <-committed; err != nil {
			t.Fatal(err)
		}
	}
	r.exec("INSERT INTO t VALUES (3)")
	r.sees("c t 3")
	if diff := cmp.Diff([]string{"r t 0", "r t 1", "c t 2", "c t 3"}, r.lines()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Trap 12: the rows of the snapshot are published and the stream is on, but the broker has acknowledged only some of them when the end comes. The slot
// has not moved, and the next run gives what is missing. What protects: publisher.endSnapshot and read, which note the end of the snapshot behind
// its last record; position.confirmable, 0 until then; session.wantsSnapshot, which takes an unfinished one up again.
func TestTrap12SnapshotThatIsNotAcknowledged(t *testing.T) {
	for _, acked := range []int{0, 35, 60} {
		t.Run(fmt.Sprint(acked), func(t *testing.T) {
			r := newTrial(t, trapTable+"CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 30); INSERT INTO u SELECT generate_series(1, 30)")
			r.begin(nil, initial, nil)
			r.streams()
			point, before := r.confirmed(), r.lsn("SELECT pg_current_wal_insert_lsn()::text")
			r.exec("INSERT INTO t VALUES (31)")
			r.sees("c t 31")
			stored := r.ack(acked)
			r.replies(3)
			if got := r.confirmed(); acked < 60 && got != point || got > before {
				t.Errorf("confirmed_flush_lsn = %s, want %s, the consistent point, still, and never beyond %s, where the stream's row begins", got, point, before)
			}
			have := r.lines()[:acked]
			r.kill()
			r.begin(stored, initial, nil)
			if acked == 60 {
				r.streams()
			} else {
				r.sees("r u 30")
			}
			r.await(1, "31 of table t", func(line string) bool { return strings.HasSuffix(line, " t 31") })
			have = append(have, r.lines()...)
			for table, rows := range map[string]int{"t": 31, "u": 30} {
				for id := 1; id <= rows; id++ {
					if !slices.ContainsFunc(have, func(line string) bool { return strings.HasSuffix(line, fmt.Sprintf(" %s %d", table, id)) }) {
						t.Errorf("row %d of table %s is missing from what was acknowledged and what came again", id, table)
					}
				}
			}
			if acked == 60 && slices.ContainsFunc(r.lines(), func(line string) bool { return line[0] == 'r' }) {
				t.Errorf("records = %q, want none of the snapshot, all of which was acknowledged", r.lines())
			}
		})
	}
}

// TestTransactionsWaitForTheSnapshotToBeStored: with the metadata of transactions none is published until the end of the snapshot is stored. A run that
// is killed before leaves rows of later snapshots out of its transactions; the counts of one that was said before would then never be reached.
func TestTransactionsWaitForTheSnapshotToBeStored(t *testing.T) {
	r := newTrial(t, trapTable+"INSERT INTO t SELECT generate_series(1, 30)")
	var stored atomic.Bool
	r.begin(nil, map[string]string{"snapshot.mode": "initial", "provide.transaction.metadata": "true"}, func(line string) error {
		if !stored.Load() && line[0] != 'r' {
			return fmt.Errorf("%s is published before the end of the snapshot is stored", line)
		}
		return nil
	})
	r.sees("r t 30")
	r.exec("INSERT INTO t VALUES (31)")
	if r.ack(29) == nil {
		t.Fatal("there is no offset within the snapshot")
	}
	r.exec("SELECT pg_sleep(0.3)") // a stream that did not wait would be on by then
	stored.Store(true)
	if got := string(r.ack(30)); !strings.Contains(got, `"last_snapshot_record":true`) {
		t.Errorf("the offset behind the last row is %s, want the end of the snapshot", got)
	}
	r.sees("END")
	if diff := cmp.Diff([]string{"BEGIN", "c t 31", "END"}, r.lines()[30:]); diff != "" {
		t.Errorf("records behind the snapshot (-want +got):\n%s", diff)
	}
}

// Trap 13: every row is changed while the snapshot is read, before it is read itself and behind it. Each change comes from the stream. What protects:
// the stream begins at the snapshot's point (reachSlot, point: created.ConsistentPoint; beginSnapshot; startStream, Start: from.start()).
func TestTrap13ChangesWhileTheSnapshotIsRead(t *testing.T) {
	const rows = 60
	r := newTrial(t, trapTable+fmt.Sprintf("INSERT INTO t SELECT generate_series(1, %d)", rows))
	writer := r.connect()
	r.begin(nil, initial, func(line string) error {
		if id, ok := strings.CutPrefix(line, "r t "); ok {
			_, err := writer.Exec(t.Context(), fmt.Sprintf("UPDATE t SET v = v + 1 WHERE id IN (%s, %d - %[1]s)", id, rows+1))
			return err
		}
		return nil
	})
	r.await(2*rows, "of updates", func(line string) bool { return line[0] == 'u' })
	r.exec("INSERT INTO t VALUES (0)")
	r.sees("c t 0")
	got := map[string]int{}
	for _, line := range r.lines() {
		got[line]++
	}
	want := map[string]int{"c t 0": 1}
	for id := range rows {
		want[fmt.Sprintf("r t %d", id+1)] = 1
		want[fmt.Sprintf("u t %d", id+1)] = 2
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("how often each record came (-want +got):\n%s", diff)
	}
}

// Trap 14: nothing between snapshot and stream waits for an acknowledgement, and one that gets lost is made up for by any later one: the numbers of
// acknowledged records only grow. What protects: Task.run goes on to streamChanges without asking, positions.behind takes all entries up to a number,
// and drain looks at positions and not at signs.
func TestTrap14LostAcknowledgement(t *testing.T) {
	r := newTrial(t, trapTable+"INSERT INTO t SELECT generate_series(1, 10)")
	r.begin(nil, initial, nil)
	for id := 11; id <= 20; id++ { // none of the snapshot's records was acknowledged
		if id > 15 {
			r.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", id))
			r.sees(fmt.Sprintf("c t %d", id))
		} else if id == 11 {
			r.streams()
		}
	}
	last := cdc.LSN(r.out.lsns[14])
	if _, _, ok := r.task.Offset(10); !ok { // the worker could not store it, and says nothing
		t.Error("Offset(10) = nothing, want the end of the snapshot")
	}
	r.until("the last commit is confirmed", func() bool { r.ack(15); return r.confirmed() > last })
}

// Trap 15: a snapshot that takes longer than every timeout of the server's loses neither its own connections nor those that wait for its end. What
// protects: session.initialStatements, which turns them off for the session of the catalog (replication.KeepIdle).
func TestTrap15SnapshotLongerThanTimeouts(t *testing.T) {
	r := newTrial(t, trapTable+"INSERT INTO t SELECT generate_series(1, 20000)")
	var settings string
	if err := r.conn.QueryRow(t.Context(), `SELECT string_agg(format('ALTER DATABASE %I SET %I = ''300ms''', current_database(), name), ';') FROM pg_settings
		WHERE name IN ('wal_sender_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'statement_timeout', 'transaction_timeout')`).Scan(&settings); err != nil {
		t.Fatal(err)
	}
	r.do(r.conn, settings)
	held := make(chan struct{})
	reading := make(chan struct{})
	r.begin(nil, map[string]string{"snapshot.mode": "initial", "snapshot.delay.ms": "1000", "snapshot.fetch.size": "100", "max.queue.size.in.bytes": "200000"}, func(line string) error {
		if line == "r t 100" {
			close(reading)
			<-held
		}
		return nil
	})
	select {
	case <-reading:
	case err := <-r.ended:
		r.ended <- err
		t.Fatalf("Run() = %v before the hundredth row", err)
	}
	// Sessions that are idle in and outside of a transaction from here on end by those timeouts.
	canaries := []*pgx.Conn{r.connect(), r.connect()}
	r.do(canaries[0], "BEGIN; SELECT")
	for _, c := range canaries {
		pid := c.PgConn().PID()
		r.until("the server has ended a session that idled meanwhile", func() (ended bool) {
			if err := r.conn.QueryRow(t.Context(), "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid).Scan(&ended); err != nil {
				t.Fatal(err)
			}
			return ended
		})
	}
	close(held)
	r.do(r.conn, strings.ReplaceAll(strings.ReplaceAll(settings, " SET ", " RESET "), " = '300ms'", ""))
	r.streams()
	r.exec("INSERT INTO t VALUES (0)")
	r.sees("c t 0")
	if got := len(r.lines()); got != 20001 {
		t.Errorf("%d records, want 20001", got)
	}
}
