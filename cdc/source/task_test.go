package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/config"
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
	stop func() // and wait until it has returned
}

// drain is how long a task may stay after its context ended.
const drain = 20 * time.Second

func run(t *testing.T, stored []byte, more map[string]string) *running {
	t.Helper()
	return runOn(t, pgtest.Database(t), stored, more)
}

func runOn(t *testing.T, database string, stored []byte, more map[string]string) *running {
	t.Helper()
	return runLogged(t, database, stored, slog.New(slog.DiscardHandler), more)
}

// sessionOn is a session on a database, for a task whose slot is named like it; its address.
func sessionOn(t *testing.T, database string) (*running, *url.URL) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &running{T: t, out: new(counter), conn: conn, slot: strings.TrimPrefix(u.Path, "/")}, u
}

func runLogged(t *testing.T, database string, stored []byte, log *slog.Logger, more map[string]string) *running {
	t.Helper()
	r, u := sessionOn(t, database)
	r.task = taskOn(t, u, stored, log, more)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- r.task.Run(ctx, r.out) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// taskOn makes a task whose slot is named like its database.
func taskOn(t *testing.T, u *url.URL, stored []byte, log *slog.Logger, more map[string]string) *source.Task {
	t.Helper()
	password, _ := u.User.Password()
	name := strings.TrimPrefix(u.Path, "/")
	props := map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
		"database.dbname": name, "slot.name": name, "status.update.interval.ms": "20"}
	for k, v := range more {
		props[k] = v
	}
	task, err := source.NewTask(props, source.Env{Connector: "test", Log: log, Drain: drain,
		StoredOffset: func(context.Context, []byte) ([]byte, error) { return stored, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return task
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

// TestTrap31IdleDatabaseRetainsNoWAL: the slot follows a server that writes for other databases; trap 31.
func TestTrap31IdleDatabaseRetainsNoWAL(t *testing.T) {
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
			task := taskOn(t, u, []byte(c.offset), slog.New(slog.DiscardHandler), nil)
			if err := task.Run(t.Context(), new(counter)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run() = %v, want an error that says %q", err, c.want)
			}
		})
	}
}

// restartable makes a table with a row in a fresh database, a slot that stands before the row, and the offset behind it.
func restartable(t *testing.T) (database string, offset []byte, behind cdc.LSN) {
	t.Helper()
	database = pgtest.Database(t)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, sql := range []string{"CREATE TABLE t (id int PRIMARY KEY)", "CREATE PUBLICATION dbz_publication FOR ALL TABLES",
		"SELECT pg_create_logical_replication_slot('" + strings.TrimPrefix(u.Path, "/") + "', 'pgoutput')", "INSERT INTO t VALUES (0)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(t.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&text); err != nil {
		t.Fatal(err)
	}
	if behind, err = cdc.ParseLSN(text); err != nil {
		t.Fatal(err)
	}
	return database, fmt.Appendf(nil, `{"lsn":%d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT","txId":700,"ts_usec":1}`, behind), behind
}

// fill writes WAL in another database until the server has sent the stream all of it, and returns the position behind it.
func (r *running) fill() cdc.LSN {
	r.Helper()
	other, err := pgx.Connect(r.Context(), pgtest.Database(r))
	if err != nil {
		r.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(r.Context(), "CREATE TABLE busy AS SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g"); err != nil {
		r.Fatal(err)
	}
	end := r.lsn("SELECT pg_current_wal_lsn()::text")
	r.until("the server has read its WAL", func() bool {
		return r.lsn("SELECT (SELECT w.sent_lsn::text FROM pg_stat_replication w JOIN pg_replication_slots s ON s.active_pid = w.pid WHERE s.slot_name = $1)", r.slot) >= end
	})
	return end
}

// TestIdleAfterRestart: a database in which nothing is written after a restart retains no WAL either, and has its heartbeats; trap 31.
func TestIdleAfterRestart(t *testing.T) {
	database, offset, _ := restartable(t)
	r := runOn(t, database, offset, map[string]string{"heartbeat.interval.ms": "10"})
	r.until("a heartbeat is sent", func() bool { return r.out.records.Load() > 0 })
	end := r.fill()
	r.until("the position of the idle database is confirmed", func() bool {
		n := r.out.records.Load()
		if _, _, ok := r.task.Offset(n); ok {
			r.task.Stored(n)
		}
		return r.confirmed() >= end
	})
}

// TestConfirmsStoredOffsetAtStart: the run before stored an offset and was killed before it confirmed it. The server hears of it at once.
func TestConfirmsStoredOffsetAtStart(t *testing.T) {
	database, offset, behind := restartable(t)
	r := runOn(t, database, offset, nil)
	r.until("the stored offset is confirmed", func() bool { return r.confirmed() >= behind })
}

// idleOf is the idle server's position in an offset; 0: there is none.
func idleOf(t *testing.T, offset []byte) cdc.LSN {
	t.Helper()
	var o struct {
		Idle cdc.LSN `json:"tandem_lsn_idle"`
	}
	if err := json.Unmarshal(offset, &o); err != nil {
		t.Fatal(err)
	}
	return o.Idle
}

// TestStopsAtOnceWhenIdle: a stop waits for records, not for the position of an idle server.
func TestStopsAtOnceWhenIdle(t *testing.T) {
	database, offset, _ := restartable(t)
	r := runOn(t, database, offset, map[string]string{"status.update.interval.ms": "3600000"})
	r.until("the stream is on", func() bool {
		return r.lsn("SELECT (SELECT restart_lsn::text FROM pg_replication_slots WHERE active AND slot_name = $1)", r.slot) != 0
	})
	end := r.fill()
	r.until("the position of the idle database is stored", func() bool {
		_, offset, ok := r.task.Offset(0)
		if ok && idleOf(t, offset) >= end { // one before it, stored, would be the only one for an hour
			r.task.Stored(0)
		}
		return r.confirmed() >= end
	})
	r.fill() // so soon that it is not worth another offset
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > drain/2 {
		t.Errorf("Run() returned %s after its context ended, want at once: no record was in flight", took)
	}
}

// TestTrap34RefusesGapWhileWaiting: somebody else reads the slot on while the task waits for it; trap 34.
func TestTrap34RefusesGapWhileWaiting(t *testing.T) {
	database, offset, _ := restartable(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	slot := strings.TrimPrefix(u.Path, "/")
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	cfg := replication.DefaultConfig()
	password, _ := u.User.Password()
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Name = u.Hostname(), port, u.User.Username(), config.Secret(password), slot
	conn, err := replication.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	holder, err := conn.Stream(t.Context(), replication.StreamOptions{Slot: slot, Publication: "dbz_publication"})
	if err != nil {
		t.Fatal(err)
	}
	waits := make(lineWaiter, 1)
	task := taskOn(t, u, offset, slog.New(waits), map[string]string{"slot.retry.delay.ms": "10", "slot.max.retries": "1000"})
	ended := make(chan error, 1) // sender: the goroutine below, once
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { ended <- task.Run(ctx, new(counter)) }()
	select {
	case <-waits:
	case err := <-ended:
		t.Fatalf("Run() = %v while the slot is held, want it to wait", err)
	}
	reader, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(context.Background())
	var text string
	if err := reader.QueryRow(t.Context(), "INSERT INTO t VALUES (1) RETURNING pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		t.Fatal(err)
	}
	end, err := cdc.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	var batch cdc.Batch
	for holder.ServerLSN() < end {
		batch.Reset()
		if err := holder.Receive(t.Context(), &batch); err != nil {
			t.Fatal(err)
		}
	}
	holder.Confirm(holder.ServerLSN())
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var gap *source.OffsetError
	if err := <-ended; !errors.As(err, &gap) {
		t.Errorf("Run() = %v, want an OffsetError: the holder took the second row", err)
	}
}

// TestSaysThatSlotWasNotDropped: with slot.drop.on.stop a slot that stays retains WAL, and the state of a stopped task tells nobody.
func TestSaysThatSlotWasNotDropped(t *testing.T) {
	database, offset, behind := restartable(t)
	r, u := sessionOn(t, database)
	log := make(lineWaiter, 1)
	task := taskOn(t, u, offset, slog.New(log), map[string]string{"slot.drop.on.stop": "true"})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- task.Run(ctx, new(counter)) }()
	r.until("the stream is on", func() bool { return r.confirmed() >= behind })
	r.exec("UPDATE pg_database SET datallowconn = false WHERE datname = current_database()") // nor can it dial again
	r.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	select {
	case <-log:
	default:
		t.Error("nothing was logged of a slot that could not be dropped")
	}
}

// lineWaiter is a log that tells of its first warning.
type lineWaiter chan struct{}

func (w lineWaiter) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w lineWaiter) Handle(context.Context, slog.Record) error {
	select {
	case w <- struct{}{}:
	default:
	}
	return nil
}
func (w lineWaiter) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w lineWaiter) WithGroup(string) slog.Handler      { return w }
