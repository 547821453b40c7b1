package source_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// waitWarning is a log that tells whether a transaction was waited for.
type waitWarning struct{ seen *atomic.Bool }

func (w waitWarning) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w waitWarning) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "not visible yet") {
		w.seen.Store(true)
	}
	return nil
}
func (w waitWarning) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w waitWarning) WithGroup(string) slog.Handler      { return w }

// synchronous are settings under which a transaction with synchronous_commit = on waits for a standby called so.
func synchronous(standby string) pgserver.Options {
	return pgserver.Options{Settings: map[string]string{"synchronous_standby_names": standby, "synchronous_commit": "local"}}
}

// second opens another connection to the task's database, whose transactions wait for the standby.
func (r *running) second() *pgx.Conn {
	r.Helper()
	conn, err := pgx.ConnectConfig(r.Context(), r.conn.Config().Copy())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(r.Context(), "SET synchronous_commit = on"); err != nil {
		r.Fatal(err)
	}
	return conn
}

// store stores the offset behind what was published.
func (r *running) store() {
	n := r.out.records.Load()
	if _, _, ok := r.task.Offset(n); ok {
		r.task.Stored(n)
	}
}

// A transaction is streamed before others see it: the table that it made, or altered, is read from the catalog once it is there.
func TestTrap39TableOfInvisibleTransaction(t *testing.T) {
	server := pgtest.PrivateServer(t, synchronous("nobody"))
	for _, c := range []struct{ name, before, change string }{
		{"made", "", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)"},
		{"altered", "CREATE TABLE t (id int NOT NULL)", "ALTER TABLE t ADD PRIMARY KEY (id); INSERT INTO t VALUES (1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var waits atomic.Bool
			r := runLogged(t, pgtest.DatabaseIn(t, server), nil, slog.New(waitWarning{&waits}), map[string]string{"snapshot.mode": "no_data"})
			r.exec(c.before)
			r.until("the stream is on", func() bool { return r.confirmed() != 0 })
			conn := r.second()
			committed := make(chan error, 1) // sender: the goroutine below, once
			go func() {
				_, err := conn.Exec(context.Background(), c.change)
				committed <- err
			}()
			r.until("the transaction is waited for", func() bool { return waits.Load() || r.out.records.Load() > 0 })
			r.exec("SELECT pg_cancel_backend(" + strconv.Itoa(int(conn.PgConn().PID())) + ")") // the waiting ends, not the transaction
			if err := <-committed; err != nil {
				t.Fatal(err)
			}
			r.until("the row is published", func() bool { return r.out.records.Load() > 0 })
			r.store()
			r.stop()
			if len(r.out.streams) != 1 || r.out.streams[0][0] == nil {
				t.Errorf("the row was published without a key: %d streams", len(r.out.streams))
			}
		})
	}
}

// The connector may be the synchronous standby itself: a transaction then waits for it, and it does not wait for the transaction for ever.
func TestTableWhereConnectorIsStandby(t *testing.T) {
	server := pgtest.PrivateServer(t, synchronous("*"))
	r := runOn(t, pgtest.DatabaseIn(t, server), nil, map[string]string{"snapshot.mode": "no_data"})
	r.exec("CREATE TABLE t (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id + 1) STORED)")
	r.until("the stream is on", func() bool { return r.confirmed() != 0 })
	conn := r.second()
	committed := make(chan error, 1) // sender: the goroutine below, once
	go func() {
		_, err := conn.Exec(context.Background(), "INSERT INTO t VALUES (1)")
		committed <- err
	}()
	r.until("the transaction is confirmed", func() bool {
		r.store()
		select {
		case err := <-committed:
			if err != nil {
				t.Fatal(err)
			}
			return true
		default:
			return false
		}
	})
	r.stop()
	if len(r.out.streams) != 1 || r.out.streams[0][0] == nil {
		t.Errorf("the row was published without a key: %d streams", len(r.out.streams))
	}
}
