package source_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// TestManualFlush: with lsn.flush.mode=manual nothing lets the server forget WAL, while other modes do.
func TestManualFlush(t *testing.T) {
	for mode, moves := range map[string]bool{"manual": false, "connector": true, "connector_and_driver": true} {
		t.Run(mode, func(t *testing.T) {
			r := run(t, nil, map[string]string{"lsn.flush.mode": mode, "snapshot.mode": "no_data"})
			r.until("the slot is there", func() bool { return r.confirmed() != 0 })
			before := r.confirmed()
			r.exec("CREATE TABLE t (id int PRIMARY KEY)")
			r.exec("INSERT INTO t VALUES (1)")
			r.until("the row is published", func() bool { return r.out.records.Load() >= 1 })
			end := r.lsn("SELECT pg_current_wal_flush_lsn()::text")
			r.until("its offset is stored", func() bool {
				if _, _, ok := r.task.Offset(r.out.records.Load()); ok {
					r.task.Stored(r.out.records.Load())
				}
				stored := r.lsn("SELECT pg_current_wal_flush_lsn()::text") >= end
				return stored && (!moves || r.confirmed() > before)
			})
			r.stop() // sends the last status
			if got := r.confirmed(); (got > before) != moves {
				t.Errorf("confirmed_flush_lsn went from %s to %s, want it to move: %v", before, got, moves)
			}
		})
	}
}

// lockedBuffer takes the log of a task at work.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestIdentityRefused: a table of somebody else, an index that is not there and two entries for one table are said in the log, other tables get their
// identity, and the stream begins.
func TestIdentityRefused(t *testing.T) {
	r, u := sessionOn(t, pgtest.Database(t))
	conn, name := r.conn, r.slot
	role := "r_" + name
	if _, err := conn.Exec(t.Context(), `CREATE ROLE `+role+` LOGIN REPLICATION PASSWORD 'x';
		CREATE TABLE foreign_t (id int PRIMARY KEY); CREATE TABLE own (id int PRIMARY KEY); CREATE TABLE "Odd Name" (id int PRIMARY KEY); CREATE TABLE no_index (id int PRIMARY KEY); CREATE TABLE twice (id int PRIMARY KEY);
		ALTER TABLE own OWNER TO `+role+`; ALTER TABLE "Odd Name" OWNER TO `+role+`; ALTER TABLE no_index OWNER TO `+role+`; ALTER TABLE twice OWNER TO `+role+`;
		CREATE PUBLICATION dbz_publication FOR ALL TABLES`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	log := new(lockedBuffer)
	u.User = url.UserPassword(role, "x")
	r.task = taskOn(t, u, nil, slog.New(slog.NewTextHandler(log, nil)), map[string]string{"snapshot.mode": "no_data", "publication.autocreate.mode": "disabled",
		"replica.identity.autoset.values": `public.(foreign_t|own|odd.name):FULL,public.no_index:INDEX nope,public.tw.*:FULL,public.twice:NOTHING`})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- r.task.Run(ctx, r.out) }()
	r.until("the stream begins", func() bool { return r.confirmed() != 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	for table, want := range map[string]string{"foreign_t": "d", "own": "f", "Odd Name": "f", "no_index": "d", "twice": "d"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT relreplident::text FROM pg_class WHERE relname = $1", table).Scan(&got); err != nil || got != want {
			t.Errorf("replica identity of %s = %q, %v, want %q", table, got, err, want)
		}
	}
	for _, want := range []string{"table=public.foreign_t", "42501", "table=public.no_index", "two entries of replica.identity.autoset.values match table public.twice"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

// TestSlotTimeout: a slot that cannot be created in time is tried again, and given up after slot.max.retries.
func TestSlotTimeout(t *testing.T) {
	r, u := sessionOn(t, pgtest.Database(t))
	if _, err := r.conn.Exec(t.Context(), "CREATE TABLE t (id int PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	task := taskOn(t, u, nil, slog.New(slog.DiscardHandler), map[string]string{"snapshot.mode": "no_data", "internal.create.slot.command.timeout": "1", "slot.max.retries": "1", "slot.retry.delay.ms": "1"})
	started := time.Now()
	err := task.Run(t.Context(), new(counter))
	if err == nil || !strings.Contains(err.Error(), "gave up after 2 tries") || !strings.Contains(err.Error(), "end transactions that are open for long") {
		t.Errorf("Run() = %v, want it to give up and name the open transactions", err)
	}
	if took := time.Since(started); took < 2*time.Second {
		t.Errorf("Run() gave up after %s, want two tries of a second", took)
	}
}
