// Package pgtest gives tests a real PostgreSQL with logical decoding.
//
// In: a test. Out: a server, shared by the tests of one process, or a fresh database in it, or a server of the test's own. Servers end with
// the process at the latest; no goroutines. With -short the test is skipped: it is the only thing that is; a server that cannot be had fails it.
//
// With the environment variable TANDEM_TEST_POSTGRES, the URL of a superuser, databases are made in that server instead; with
// TANDEM_TEST_POSTGRES_VERSION, a major version, servers are of that version.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver"
)

// Environment variables that choose the server of the tests.
const (
	URLVariable     = "TANDEM_TEST_POSTGRES"         // an URL of a superuser
	VersionVariable = "TANDEM_TEST_POSTGRES_VERSION" // a major version
)

// quiet are settings of shared servers: nobody but the tests writes WAL, and nobody waits for it.
var quiet = map[string]string{
	"autovacuum":         "off",
	"checkpoint_timeout": "1h",
	"max_wal_size":       "4GB",
	"wal_writer_delay":   "10ms", // what is not committed, a logical message for one, is flushed by the WAL writer only
}

// shared are the servers of this process, by major version; 0 is the one of whichever version is found.
var shared struct {
	sync.Mutex
	servers map[int]*pgserver.Server
	errs    map[int]error // a server that did not start once is not tried again by every test
}

// needed is for what needs a server: -short leaves it out.
func needed(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL server, which -short leaves out")
	}
}

// Server returns the server that all tests of this process share. It is started at the first call.
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	return Version(t, Wanted(t))
}

// Wanted is the major version that TANDEM_TEST_POSTGRES_VERSION names; 0 when any will do.
func Wanted(t testing.TB) int {
	t.Helper()
	text := os.Getenv(VersionVariable)
	if text == "" {
		return 0
	}
	major, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: want a major version of PostgreSQL", VersionVariable, text)
	}
	return major
}

// Version returns a shared server of a major version, whose programs are fetched when they are not on the machine.
func Version(t testing.TB, major int) *pgserver.Server {
	t.Helper()
	needed(t)
	shared.Lock()
	defer shared.Unlock()
	if s := shared.servers[major]; s != nil {
		return s
	}
	if shared.errs[major] != nil {
		t.Fatal(shared.errs[major])
	}
	s, err := pgserver.Start(context.Background(), pgserver.Options{Version: major, Settings: quiet, Progress: progress(t)})
	if err != nil {
		err = fmt.Errorf("start a private PostgreSQL: %w\nor name a server with %s=postgres://superuser:password@host:port/postgres", err, URLVariable)
		if shared.errs == nil {
			shared.errs = map[int]error{}
		}
		shared.errs[major] = err
		t.Fatal(err)
	}
	if shared.servers == nil {
		shared.servers = map[int]*pgserver.Server{}
	}
	shared.servers[major] = s
	return s
}

// PrivateServer starts a server for one test, which may stop, kill and restart it. It is stopped when the test ends.
func PrivateServer(t testing.TB, opts pgserver.Options) *pgserver.Server {
	t.Helper()
	needed(t)
	if opts.Progress == nil {
		opts.Progress = progress(t)
	}
	if opts.Version == 0 {
		opts.Version = Wanted(t)
	}
	s, err := pgserver.Start(context.Background(), opts)
	if err != nil {
		t.Fatalf("start a private PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func progress(t testing.TB) func(string) {
	return func(step string) { t.Log(step) }
}

// Database creates a fresh database and returns its URL. When the test ends it is dropped, with its replication slots.
func Database(t testing.TB) string {
	t.Helper()
	needed(t)
	admin := os.Getenv(URLVariable)
	if admin == "" {
		admin = Server(t).URL("postgres")
	}
	return databaseIn(t, admin)
}

// DatabaseIn creates a fresh database in a server, as Database does.
func DatabaseIn(t testing.TB, s *pgserver.Server) string {
	t.Helper()
	return databaseIn(t, s.URL("postgres"))
}

func databaseIn(t testing.TB, admin string) string {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("read %s: %v", URLVariable, err)
	}
	name := "t" + strings.ToLower(rand.Text())
	if err := exec(admin, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		// An active slot keeps its database: end its user first, and wait for that. Inactive ones go with the database.
		const release = "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE active AND database = "
		if err := exec(admin, release+"'"+name+"'", "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

func exec(dsn string, statements ...string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Runner is what TestMain runs: *testing.M, or what Main makes of it.
type Runner interface{ Run() int }

// Main wraps the tests of a package so that the shared servers are stopped behind them, in order; without it they end, less tidily, with
// the process. For TestMain: os.Exit(pgtest.Main(m).Run()), or goleak.VerifyTestMain(pgtest.Main(m)).
func Main(m Runner) Runner { return runner{m} }

type runner struct{ tests Runner }

// Run runs the tests and stops the shared servers.
func (r runner) Run() int {
	code := r.tests.Run()
	shared.Lock()
	defer shared.Unlock()
	for _, s := range shared.servers {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	shared.servers = nil
	return code
}
