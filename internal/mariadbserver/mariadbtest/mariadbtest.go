// Package mariadbtest gives tests a real MariaDB, or a MySQL that the environment names.
//
// In: a test. Out: a fresh database in a server shared by the tests of one process, or a server of the test's own. Servers end with the
// process at the latest; no goroutines of its own, but a *sql.DB has some until it is closed, which happens when the test ends.
//
// With the environment variable TANDEM_TEST_MYSQL, the JDBC URL of a superuser (jdbc:mysql: or jdbc:mariadb:), databases are made in
// that server instead.
package mariadbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/internal/mariadbserver"
)

// URLVariable is the environment variable that names a server.
const URLVariable = "TANDEM_TEST_MYSQL"

// shared is the server of this process. One that did not start is not tried again by every test.
var shared struct {
	sync.Mutex
	server *mariadbserver.Server
	err    error
}

// Server returns the server that all tests of this process share. It is started at the first call.
func Server(t testing.TB) *mariadbserver.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = mariadbserver.Start(context.Background(), mariadbserver.Options{})
	}
	if shared.err != nil {
		t.Fatalf("start a private MariaDB: %v\nor name a server with %s=jdbc:mariadb://host:port/?user=root&password=...", shared.err, URLVariable)
	}
	return shared.server
}

// PrivateServer starts a server for one test, which may stop, kill and restart it. It is stopped when the test ends.
func PrivateServer(t testing.TB, opts mariadbserver.Options) *mariadbserver.Server {
	t.Helper()
	s, err := mariadbserver.Start(context.Background(), opts)
	if err != nil {
		t.Fatalf("start a private MariaDB: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Database is a fresh database of a test.
type Database struct {
	Name string
	JDBC string  // its JDBC URL, with user and password
	DB   *sql.DB // for looking and for making tables
}

// New creates a fresh database in the shared server. It is dropped when the test ends.
func New(t testing.TB) Database {
	t.Helper()
	if url := os.Getenv(URLVariable); url != "" {
		return create(t, url)
	}
	return In(t, Server(t))
}

// In creates a fresh database in a server, as New does.
func In(t testing.TB, s *mariadbserver.Server) Database {
	t.Helper()
	return create(t, s.URL(""))
}

func create(t testing.TB, admin string) Database {
	t.Helper()
	u, err := dialect.ParseJDBC(admin)
	if err != nil {
		t.Fatalf("read %s: %v", URLVariable, err)
	}
	d := Database{Name: "t" + strings.ToLower(rand.Text())}
	head, query, _ := strings.Cut(admin, "?")
	if u.Database != "" {
		head = strings.TrimSuffix(head, u.Database)
	}
	d.JDBC = strings.TrimSuffix(head, "/") + "/" + d.Name + "?" + query
	d.DB = open(t, u)
	exec(t, d.DB, "CREATE DATABASE "+d.Name)
	if err := d.DB.Close(); err != nil {
		t.Fatal(err)
	}
	u.Database = d.Name
	d.DB = open(t, u)
	t.Cleanup(func() {
		if _, err := d.DB.Exec("DROP DATABASE " + d.Name); err != nil {
			t.Errorf("drop database: %v", err)
		}
		if err := d.DB.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func open(t testing.TB, u dialect.JDBC) *sql.DB {
	t.Helper()
	c, err := dialect.Connect(u, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(c.Connector)
}

func exec(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Runner is what TestMain runs: *testing.M, or what Main makes of it.
type Runner interface{ Run() int }

// Main wraps the tests of a package so that the shared server is stopped behind them, in order; without it it ends, less tidily, with the
// process. For TestMain: os.Exit(mariadbtest.Main(m).Run()), or around another package's Main.
func Main(m Runner) Runner { return runner{m} }

type runner struct{ tests Runner }

// Run runs the tests and stops the shared server.
func (r runner) Run() int {
	code := r.tests.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		shared.server = nil
	}
	return code
}
