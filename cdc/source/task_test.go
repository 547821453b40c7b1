package source_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// counter is an Emitter that counts.
type counter struct {
	streams [][2]*schema.Schema
	records atomic.Uint64
}

func (c *counter) Stream(_ string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	c.streams = append(c.streams, [2]*schema.Schema{key, value})
	return len(c.streams) - 1, nil
}

func (c *counter) Begin(handle int) (key, value schema.Writer) {
	if s := c.streams[handle][0]; s != nil {
		key = schema.NewBuilder(s)
	}
	if s := c.streams[handle][1]; s != nil {
		value = schema.NewBuilder(s)
	}
	return key, value
}

func (c *counter) End([]schema.Header) error { c.records.Add(1); return nil }
func (c *counter) Flush() error              { return nil }

// running is a task at work on a database of its own.
type running struct {
	*testing.T
	task *source.Task
	out  *counter
	conn *pgx.Conn
	slot string
}

func run(t *testing.T, stored []byte, more map[string]string) *running {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL server")
	}
	return runOn(t, pgtest.Database(t), stored, more)
}

func runOn(t *testing.T, database string, stored []byte, more map[string]string) *running {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{T: t, out: new(counter), slot: strings.TrimPrefix(u.Path, "/")}
	if r.conn, err = pgx.Connect(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close(context.Background()) })
	password, _ := u.User.Password()
	props := map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
		"database.dbname": r.slot, "slot.name": r.slot, "status.update.interval.ms": "20"}
	for k, v := range more {
		props[k] = v
	}
	r.task, err = source.NewTask(props, source.Env{Connector: "test", Log: slog.New(slog.DiscardHandler),
		StoredOffset: func(context.Context, []byte) ([]byte, error) { return stored, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- r.task.Run(ctx, r.out) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	return r
}

func (r *running) exec(sql string) {
	r.Helper()
	if _, err := r.conn.Exec(r.Context(), sql); err != nil {
		r.Fatal(err)
	}
}

// lsn asks for a position.
func (r *running) lsn(sql string, args ...any) cdc.LSN {
	r.Helper()
	var text *string
	if err := r.conn.QueryRow(r.Context(), sql, args...).Scan(&text); err != nil {
		r.Fatal(err)
	}
	if text == nil {
		return 0
	}
	lsn, err := cdc.ParseLSN(*text)
	if err != nil {
		r.Fatal(err)
	}
	return lsn
}

func (r *running) confirmed() cdc.LSN {
	return r.lsn("SELECT max(confirmed_flush_lsn)::text FROM pg_replication_slots WHERE slot_name = $1", r.slot)
}

func (r *running) until(what string, done func() bool) {
	r.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			r.Fatalf("waited a minute until %s", what)
		}
		<-tick.C
	}
}

// replies waits until the server has had n more status replies.
func (r *running) replies(n int) {
	r.Helper()
	last := ""
	r.until("the server has had status replies", func() bool {
		var at *string
		err := r.conn.QueryRow(r.Context(), "SELECT (SELECT w.reply_time::text FROM pg_stat_replication w JOIN pg_replication_slots s ON s.active_pid = w.pid WHERE s.slot_name = $1)", r.slot).Scan(&at)
		if err != nil {
			r.Fatal(err)
		}
		if at != nil && *at != last {
			last, n = *at, n-1
		}
		return n < 0
	})
}

// TestConfirmsWhatIsStored: the slot moves behind what Stored says, and only then; traps 1 and 3.
func TestConfirmsWhatIsStored(t *testing.T) {
	r := run(t, nil, nil)
	r.exec("CREATE TABLE t (id int PRIMARY KEY)")
	r.until("the stream is on", func() bool {
		r.exec("INSERT INTO t SELECT count(*) FROM t")
		return r.out.records.Load() > 3
	})
	before := r.confirmed()
	r.exec("INSERT INTO t SELECT g FROM generate_series(100000, 100500) g")
	end := r.lsn("SELECT pg_current_wal_lsn()::text")
	r.until("the rows are published", func() bool { return r.out.records.Load() > 500 })
	r.replies(5)
	if got := r.confirmed(); got != before {
		t.Errorf("confirmed_flush_lsn = %s before anything was stored, want %s still", got, before)
	}
	r.until("the offset behind the last row is confirmed", func() bool {
		n := r.out.records.Load()
		if _, _, ok := r.task.Offset(n); ok {
			r.task.Stored(n)
		}
		return r.confirmed() >= end
	})
}

// TestIdleDatabaseRetainsNoWAL: the slot follows a server that writes for other databases; trap 31.
func TestIdleDatabaseRetainsNoWAL(t *testing.T) {
	r := run(t, nil, map[string]string{"snapshot.mode": "no_data"})
	r.until("the stream is on", func() bool { return r.confirmed() != 0 })
	other, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), "CREATE TABLE busy AS SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g"); err != nil {
		t.Fatal(err)
	}
	end := r.lsn("SELECT pg_current_wal_lsn()::text")
	var offset []byte
	r.until("the position of the idle database is confirmed", func() bool {
		if _, o, ok := r.task.Offset(0); ok {
			offset = o
			r.task.Stored(0)
		}
		return r.confirmed() >= end
	})
	var stored struct {
		Idle cdc.LSN `json:"tandem_lsn_idle"`
	}
	if err := json.Unmarshal(offset, &stored); err != nil || stored.Idle < end {
		t.Errorf("stored offset %s, want one that carries the confirmed position, %d or more (%v)", offset, end, err)
	}
}

// TestRefusesGap: a slot that is ahead of the stored offset has lost changes; traps 16 and 34.
func TestRefusesGap(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL server")
	}
	for _, c := range []struct {
		name, prepare, offset, want string
	}{
		{"slot advanced", "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", `{"lsn":5,"lsn_commit":5,"lsn_proc":5,"messageType":"COMMIT"}`, "has been advanced"},
		{"slot missing", "SELECT $1::text", `{"lsn":5,"lsn_commit":5,"lsn_proc":5,"messageType":"COMMIT"}`, "does not exist"},
		{"another server", "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", `{"lsn":999999999999,"lsn_commit":999999999999}`, "lies ahead of the server"},
		{"no position", "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", `{"txId":7}`, `has no "lsn"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			database := pgtest.Database(t)
			u, err := url.Parse(database)
			if err != nil {
				t.Fatal(err)
			}
			slot := strings.TrimPrefix(u.Path, "/")
			conn, err := pgx.Connect(t.Context(), database)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(t.Context(), c.prepare, slot); err != nil {
				t.Fatal(err)
			}
			password, _ := u.User.Password()
			task, err := source.NewTask(map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(),
				"database.password": password, "database.dbname": slot, "slot.name": slot}, source.Env{Connector: "test", Log: slog.New(slog.DiscardHandler),
				StoredOffset: func(context.Context, []byte) ([]byte, error) { return []byte(c.offset), nil }})
			if err != nil {
				t.Fatal(err)
			}
			if err := task.Run(t.Context(), new(counter)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run() = %v, want an error that says %q", err, c.want)
			}
		})
	}
}
