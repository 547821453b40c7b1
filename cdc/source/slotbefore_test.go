package source_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// lines prints the records of a table.
func (b *broker) lines(table string) []string {
	var got []string
	for _, p := range b.log {
		if p.topic == table && p.op != "" {
			got = append(got, fmt.Sprintf("%s %s %s", p.op, p.key, p.after["v"]))
		}
	}
	return got
}

const slotBeforeSetup = `INSERT INTO small VALUES (100, 1);
	UPDATE small SET v = 7 WHERE id = 100; UPDATE small SET id = 30 WHERE id = 3; DELETE FROM small WHERE id NOT IN (5, 30, 100)`

// TestSlotFromBefore: with a slot that was there before the first offset, rows come once, and rows that are gone are told of, for a run before may have
// published them. So it is with Debezium's offset of a snapshot that was interrupted, which says no more.
func TestSlotFromBefore(t *testing.T) {
	for name, offset := range map[string]string{"no offset": "", "Debezium's": `{"last_snapshot_record":false,"lsn":%d,"snapshot":"INITIAL","snapshot_completed":false,"ts_usec":1,"txId":5}`} {
		t.Run(name, func(t *testing.T) {
			b, u := crashBroker(t, 0)
			b.every = 0
			var lsn int64
			if err := b.writing.QueryRow(t.Context(), "SELECT (lsn - '0/0')::bigint FROM pg_create_logical_replication_slot(current_database()::text, 'pgoutput')").Scan(&lsn); err != nil {
				t.Fatal(err)
			}
			if offset != "" {
				b.stored = fmt.Appendf(nil, offset, lsn)
			}
			b.exec(slotBeforeSetup)
			b.live(u, 0, b.ask(), map[string]string{"table.include.list": "public.small,public.tail"})
			want := []string{"d id=3 "}
			for id := range 20 {
				if id+1 != 3 && id+1 != 5 {
					want = append(want, fmt.Sprintf("d id=%d ", id+1))
				}
			}
			want = append(want, "r id=5 0", "r id=100 7", "r id=30 0", "c id=4712 0")
			if diff := cmp.Diff(want, b.lines("small")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			b.live(u, 0, b.sentinel(), map[string]string{"table.include.list": "public.small,public.tail"})
			if got := len(b.lines("small")); got != len(want)+1 {
				t.Errorf("records after another run = %q, want one more: the stored offset is behind the snapshot", b.lines("small"))
			}
		})
	}
}

// ask is sentinel for a run whose snapshot is to come.
func (b *broker) ask() func(*published) bool {
	stored := b.stored
	b.stored = nil
	defer func() { b.stored = stored }()
	return b.sentinel()
}

// TestNoTemporarySlot: without room for a temporary slot the rows are read anew, and what was published stands right in the end.
func TestNoTemporarySlot(t *testing.T) {
	server := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"max_replication_slots": "1"}})
	if err := server.CreateDatabase(t.Context(), "crowded"); err != nil {
		t.Fatal(err)
	}
	b, u := brokerOn(t, server.URL("crowded"), 5)
	props := crashProps(b.rng)
	b.live(u, 300, b.sentinel(), props)
	b.betweenRuns()
	b.live(u, 0, b.sentinel(), props)
	rows := 0
	for _, p := range b.log {
		if p.topic == "still" && p.op == "r" {
			rows++
		}
	}
	if rows != 300 {
		t.Errorf("rows of table still = %d, want 150 of each run", rows)
	}
	if diff := cmp.Diff(b.table(), b.fold()); diff != "" {
		t.Errorf("tables and what a consumer has (-tables +consumer):\n%s", diff)
	}
}

// TestAdvancedSlot: when somebody else has read the slot, an interrupted snapshot does not go on.
func TestAdvancedSlot(t *testing.T) {
	b, u := crashBroker(t, 2)
	props := crashProps(b.rng)
	b.live(u, 400, b.sentinel(), props)
	b.exec("SELECT pg_replication_slot_advance(current_database()::text, pg_current_wal_lsn())")
	if !bytes.Contains(b.stored, []byte(`"tandem_snapshot":"{\"done\":[`)) {
		t.Fatalf("offset of the interrupted run = %s, want one with complete tables", b.stored)
	}
	first := len(b.log)
	b.live(u, 0, b.sentinel(), props)
	rows := 0
	for _, p := range b.log[first:] {
		if p.topic == "still" && p.op == "r" {
			rows++
		}
	}
	if rows != 150 {
		t.Errorf("rows of table still = %d, want all 150 again", rows)
	}
}

// TestMovedMessageKey: before the snapshot's point, a row moves away from its key also where message.key.columns chose that key.
func TestMovedMessageKey(t *testing.T) {
	b, u := crashBroker(t, 0)
	b.every = 0
	b.exec("SELECT pg_create_logical_replication_slot(current_database()::text, 'pgoutput')")
	b.exec("ALTER TABLE small REPLICA IDENTITY FULL; DELETE FROM small WHERE id > 2; UPDATE small SET v = 8 WHERE id = 1")
	b.live(u, 0, func(p *published) bool { return p.snapshot == "last" },
		map[string]string{"table.include.list": "public.small", "message.key.columns": "public.small:v"})
	got := b.lines("small")
	want := append(slices.Repeat([]string{"d v=0 "}, 18+1), "r v=0 0", "r v=8 8") // 18 rows are deleted, one moves
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestNoMoreRows: a mode that reads no rows leaves an interrupted snapshot for good.
func TestNoMoreRows(t *testing.T) {
	b, u := crashBroker(t, 2)
	b.every = 0
	props := crashProps(b.rng)
	b.live(u, 400, b.sentinel(), props)
	if !bytes.Contains(b.stored, []byte("tandem_snapshot")) {
		t.Fatalf("offset of the interrupted run = %s, want an unfinished snapshot", b.stored)
	}
	props["snapshot.mode"] = "no_data"
	b.exec("INSERT INTO small VALUES (5000, 0)")
	b.live(u, 0, func(p *published) bool { return p.key == "id=5000" }, props)
	if bytes.Contains(b.stored, []byte("tandem_snapshot")) {
		t.Errorf("offset = %s, want no word of the snapshot", b.stored)
	}
}

// TestTrap29RewrittenWhileReading: a table that an ALTER TABLE rewrites while others are read, or while the stream comes to the point of the snapshot, is not
// taken for an empty one.
func TestTrap29RewrittenWhileReading(t *testing.T) {
	b, u := crashBroker(t, 4)
	b.every = 0
	props := crashProps(b.rng)
	rewriting := func(table string) func(*published) bool {
		n, done := 0, b.sentinel()
		return func(p *published) bool {
			if n++; n == 5 {
				b.exec("ALTER TABLE " + table + " ALTER v TYPE bigint; UPDATE " + table + " SET v = v + 1 WHERE v % 3 = 1")
			}
			return done(p)
		}
	}
	b.live(u, 40, rewriting("comp"), props)
	b.exec("UPDATE still SET v = v + 1 WHERE id < 5; DELETE FROM plain WHERE id < 30")
	b.live(u, 0, rewriting("part"), props)
	if diff := cmp.Diff(b.table(), b.fold()); diff != "" {
		t.Errorf("tables and what a consumer has (-tables +consumer):\n%s", diff)
	}
}

// TestLostSlotAnew: snapshot.mode=when_needed leaves a slot behind whose WAL was lost before the snapshot was complete.
func TestLostSlotAnew(t *testing.T) {
	server := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}})
	if err := server.CreateDatabase(t.Context(), "lost"); err != nil {
		t.Fatal(err)
	}
	b, u := brokerOn(t, server.URL("lost"), 2)
	props := crashProps(b.rng)
	props["snapshot.mode"] = "when_needed"
	b.live(u, 300, b.sentinel(), props)
	for range 3 {
		b.exec("SELECT pg_logical_emit_message(false, 'x', repeat('x', 20000000))")
		b.exec("SELECT pg_switch_wal()")
		b.exec("CHECKPOINT")
	}
	b.log = nil
	b.live(u, 0, b.ask(), props)
	if diff := cmp.Diff(b.table(), b.fold()); diff != "" {
		t.Errorf("tables and what a consumer has (-tables +consumer):\n%s", diff)
	}
}
