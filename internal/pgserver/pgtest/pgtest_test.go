package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Main(m)) }

func TestDatabaseIsFreshAndDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	var first string
	t.Run("use", func(t *testing.T) {
		first = Database(t)
		conn := connect(t, first)
		// A slot in use must not keep the database.
		if _, err := conn.Exec(t.Context(), "SELECT pg_create_logical_replication_slot('pgtest_'||current_database(), 'pgoutput')"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), first); err == nil {
		_ = conn.Close(t.Context())
		t.Error("database is still there after its test")
	}
	second := Database(t)
	if second == first {
		t.Errorf("Database(t) = %s twice", first)
	}
	if _, err := connect(t, second).Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
		t.Error(err)
	}
}

func TestServerIsShared(t *testing.T) {
	if a, b := Server(t), Server(t); a != b {
		t.Errorf("Server(t) = %p, then %p", a, b)
	}
	connect(t, DatabaseIn(t, Server(t)))
}

func TestWanted(t *testing.T) {
	for text, want := range map[string]int{"": 0, "17": 17} {
		t.Setenv(VersionVariable, text)
		if got := Wanted(t); got != want {
			t.Errorf("Wanted with %s=%s = %d, want %d", VersionVariable, text, got, want)
		}
	}
}

// TestServerIsQuiet: recordings hold where nobody else writes WAL.
func TestServerIsQuiet(t *testing.T) {
	var autovacuum string
	if err := connect(t, Server(t).URL("postgres")).QueryRow(t.Context(), "SHOW autovacuum").Scan(&autovacuum); err != nil || autovacuum != "off" {
		t.Errorf("autovacuum of a shared server is %q, %v; want off", autovacuum, err)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
