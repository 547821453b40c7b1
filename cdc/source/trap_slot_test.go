package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/source"
)

// Traps 16 and 17: between two runs the slot is dropped and made anew, or only dropped, while rows come, change and go. The task refuses to go on as
// if nothing were missing. Where snapshot.mode=when_needed has it begin anew, it reads all rows that are there, and says what no snapshot can
// tell: that rows were deleted. What protects: session.missing, which compares the slot with the stored offset (b.slot.Confirmed > from.known()), and
// the warning of session.withSlot.
func TestTrap16SlotMadeAnew(t *testing.T) {
	for name, again := range map[string]string{"made anew": "SELECT pg_create_logical_replication_slot(current_database()::text, 'pgoutput')", "dropped": "SELECT 1"} {
		t.Run(name, func(t *testing.T) {
			r := newTrial(t, trapTable+"INSERT INTO t SELECT generate_series(1, 5)")
			r.begin(nil, initial, nil)
			r.sees("r t 5")
			r.streams()
			r.exec("INSERT INTO t VALUES (6)")
			r.sees("c t 6")
			stored := r.ack(6)
			r.kill()
			r.exec("SELECT pg_drop_replication_slot(current_database()::text)")
			r.do(r.conn, "DELETE FROM t WHERE id = 2", "UPDATE t SET v = 1 WHERE id = 3", "INSERT INTO t VALUES (7)", again)

			r.begin(stored, initial, nil)
			var gap *source.OffsetError
			if err := r.end(); !errors.As(err, &gap) || gap.Retriable() {
				t.Errorf("Run() = %v, want an OffsetError that is not retriable", err)
			}
			if lines := r.lines(); len(lines) > 0 {
				t.Errorf("records = %q, want none", lines)
			}

			var log bytes.Buffer
			r.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			r.begin(stored, map[string]string{"snapshot.mode": "when_needed"}, nil)
			r.sees("r t 7")
			r.streams()
			r.exec("INSERT INTO t VALUES (8)")
			r.sees("c t 8")
			got := r.lines()
			slices.Sort(got)
			if diff := cmp.Diff([]string{"c t 8", "r t 1", "r t 3", "r t 4", "r t 5", "r t 6", "r t 7"}, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			r.halt()
			if text := log.String(); !strings.Contains(text, "deleted since") {
				t.Errorf("log = %q, want a warning that rows were deleted since, which consumers keep", text)
			}
		})
	}
}

// Trap 18: a transaction that is larger than the server's memory for decoding, with a savepoint that is rolled back to in its midst, comes whole: all rows
// before the savepoint and behind the rollback, none between. What protects: StreamOptions.command, which asks for protocol version 1, so that the
// server spills what is open to its disk and takes back what was rolled back itself.
func TestTrap18RollbackToSavepoint(t *testing.T) {
	r := newTrial(t, trapTable)
	r.do(r.conn, "ALTER DATABASE \""+r.slot+"\" SET logical_decoding_work_mem = '64kB'")
	r.begin(nil, map[string]string{"snapshot.mode": "no_data"}, nil)
	r.streams()
	insert := func(from, to int) string {
		return fmt.Sprintf("INSERT INTO t SELECT generate_series(%d, %d)", from, to)
	}
	r.do(r.conn, "BEGIN", insert(1, 2000), "SAVEPOINT a", insert(2001, 4000), "SAVEPOINT b", insert(4001, 4100), "ROLLBACK TO b", "ROLLBACK TO a", insert(5001, 5005), "SAVEPOINT c",
		insert(6001, 6010), "RELEASE c", insert(7001, 7001), "COMMIT")
	r.do(r.conn, "BEGIN", insert(8001, 10000), "ROLLBACK")
	r.exec(insert(9, 9) + " ON CONFLICT DO NOTHING")
	r.exec(insert(11000, 11000))
	r.sees("c t 11000")
	want := slices.Concat(ids("c", 1, 2000), ids("c", 5001, 5005), ids("c", 6001, 6010), ids("c", 7001, 7001), ids("c", 11000, 11000))
	if diff := cmp.Diff(want, r.lines()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	var spilled int64
	r.until("the server's statistics tell of the transaction", func() bool {
		if err := r.conn.QueryRow(t.Context(), "SELECT coalesce(max(spill_txns), 0) FROM pg_stat_replication_slots WHERE slot_name = $1", r.slot).Scan(&spilled); err != nil {
			t.Fatal(err)
		}
		return spilled > 0
	})
}
