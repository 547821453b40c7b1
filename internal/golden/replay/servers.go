package replay

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

const (
	recordedWith = 15 // the major version of PostgreSQL that recordings were made with which ask for no other
	anyVersion   = 99 // at most
)

// servers gives cases their databases: each case on the version of PostgreSQL that its recording was made with, or all cases on one version
// when the environment asks for it.
type servers struct {
	outer *testing.T // the test around the cases, behind which databases are dropped
	fixed int        // the version of all cases; 0: each its own

	mu      sync.Mutex
	byMajor map[int]*server
}

// server is one PostgreSQL. Making and dropping a database takes several times as long as most cases, so that cases which only make
// tables and the like share a few, emptied in between; the others get one of their own.
type server struct {
	major      int
	extensions []string // that it could have
	create     func(testing.TB) (url string)

	// still is held by running cases for reading; for writing by one that must be alone, and by who creates a database where that makes a checkpoint: before
	// PostgreSQL 15. Behind a checkpoint a sequence writes WAL at its next use, and a transaction begins there.
	still  sync.RWMutex
	mu     sync.Mutex
	shared []string // free databases
}

func newServers(t *testing.T) *servers {
	s := &servers{outer: t, byMajor: map[int]*server{}}
	if os.Getenv(pgtest.URLVariable) != "" {
		external := open(t, pgtest.Database)
		s.fixed, s.byMajor[external.major] = external.major, external
	} else {
		s.fixed = pgtest.Wanted(t)
	}
	return s
}

// open asks a server what it is.
func open(t *testing.T, create func(testing.TB) string) *server {
	s := &server{create: create}
	conn, err := pgx.Connect(t.Context(), create(t))
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer conn.Close(context.Background())
	const query = "SELECT current_setting('server_version_num')::int / 10000, (SELECT array_agg(name::text) FROM pg_available_extensions)"
	if err := conn.QueryRow(t.Context(), query).Scan(&s.major, &s.extensions); err != nil {
		t.Fatalf("ask the test server for its version: %v", err)
	}
	return s
}

// of returns the server of a version.
func (s *servers) of(t *testing.T, major int) *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byMajor[major] == nil {
		private := pgtest.Version(t, major)
		s.byMajor[major] = open(t, func(t testing.TB) string { return pgtest.DatabaseIn(t, private) })
	}
	return s.byMajor[major]
}

// versions are the oldest and the newest version a case is for.
func (c *Case) versions(t *testing.T) (least, most int) {
	least, err := c.number("pg.min", 0)
	if err != nil {
		t.Fatal(err)
	}
	if most, err = c.number("pg.max", anyVersion); err != nil {
		t.Fatal(err)
	}
	return least, most
}

// majorFor is the version that a case runs on.
func (s *servers) majorFor(t *testing.T, c *Case) int {
	least, most := c.versions(t)
	if s.fixed != 0 {
		return s.fixed
	}
	return min(max(recordedWith, least), most)
}

// has tells whether a case belongs to the run. Where all run on one version, those for others do not, nor those with extensions that
// can be had for the version of the recordings only.
func (s *servers) has(t *testing.T, c *Case) bool {
	if s.fixed == 0 {
		return true
	}
	if least, most := c.versions(t); s.fixed < least || s.fixed > most {
		t.Logf("not for PostgreSQL %d: %s", s.fixed, c.Name)
		return false
	}
	if missing := s.of(t, s.fixed).missing(c); len(missing) > 0 && s.fixed != recordedWith {
		t.Logf("not on PostgreSQL %d, for which there is no extension %s: %s", s.fixed, strings.Join(missing, ", "), c.Name)
		return false
	}
	return true
}

var createExtension = regexp.MustCompile(`(?i)\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?"?(\w+)`)

// missing are extensions that a case makes and the server does not have, nor we a stand-in for.
func (s *server) missing(c *Case) []string {
	var names []string
	for _, m := range createExtension.FindAllStringSubmatch(c.Setup+c.Changes, -1) {
		if name := strings.ToLower(m[1]); standIns[name] == "" && !slices.Contains(s.extensions, name) {
			names = append(names, name)
		}
	}
	return names
}

// lasting matches what emptying a database does not undo.
var lasting = regexp.MustCompile(`(?i)\b(create|alter|drop)\s+(or\s+replace\s+)?(trusted\s+)?(database|system|role|user|group|extension|event|tablespace|language|server|foreign|access|cast|subscription|owned)\b` +
	`|\bpg_replication_origin|\blo_(create|import|from)`)

// take returns the URL of an empty database for the case, and what gives it back. Until then no other case runs on its server if it is to be alone.
func (s *servers) take(t *testing.T, c *Case, major int, alone bool) (url string, release func()) {
	on := s.of(t, major)
	if missing := on.missing(c); len(missing) > 0 {
		t.Fatalf("needs the extension %s, which this PostgreSQL %d does not have; install it, on Debian with \"apt-get install postgresql-%d postgresql-%[2]d-postgis-3\"",
			strings.Join(missing, ", "), major, major)
	}
	giveBack := func() {}
	if lasting.MatchString(c.Setup + c.Changes) {
		url = on.newDatabase(t, s.outer)
	} else {
		url, giveBack = on.share(t, s.outer)
	}
	running := on.still.RLocker()
	if alone {
		running = &on.still
	}
	running.Lock()
	return url, func() {
		giveBack() // emptying writes, too
		running.Unlock()
	}
}

// newDatabase makes a database, which is dropped behind all cases: dropping one makes a checkpoint, too.
func (s *server) newDatabase(t, outer *testing.T) string {
	if s.major < 15 {
		s.still.Lock()
		defer s.still.Unlock()
	}
	return s.create(lastingTest{t, outer})
}

// share takes one of the shared databases, or makes one more.
func (s *server) share(t, outer *testing.T) (url string, release func()) {
	s.mu.Lock()
	if n := len(s.shared); n > 0 {
		url, s.shared = s.shared[n-1], s.shared[:n-1]
	}
	s.mu.Unlock()
	if url == "" {
		url = s.newDatabase(t, outer)
	}
	return url, func() {
		if err := empty(url); err != nil {
			t.Errorf("empty the database of the case: %v", err)
			return // it is not given to another
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shared = append(s.shared, url)
	}
}

// lastingTest is a subtest whose cleanup belongs to the test around it.
type lastingTest struct {
	testing.TB
	outer *testing.T
}

// Cleanup implements testing.TB.
func (t lastingTest) Cleanup(f func()) { t.outer.Cleanup(f) }

// Errorf implements testing.TB, for what is cleaned up when the subtest has ended.
func (t lastingTest) Errorf(format string, args ...any) { t.outer.Errorf(format, args...) }

// emptying drops what cases make, and complains about what is left.
const emptying = `DO $$
DECLARE r record; n bigint;
BEGIN
	FOR r IN SELECT quote_ident(pubname) AS name FROM pg_publication LOOP
		EXECUTE 'DROP PUBLICATION ' || r.name;
	END LOOP;
	FOR r IN SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' LOOP
		EXECUTE 'DROP SCHEMA ' || r.name || ' CASCADE';
	END LOOP;
	CREATE SCHEMA public;
	-- 16384 is FirstNormalObjectId: what lies below came with the server.
	SELECT count(*) INTO n FROM (SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_type UNION ALL SELECT oid FROM pg_proc UNION ALL SELECT oid FROM pg_operator) o WHERE oid >= 16384;
	IF n > 0 THEN
		RAISE '% objects are left', n;
	END IF;
END $$`

func empty(url string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET client_min_messages = warning; "+emptying); err != nil {
		return fmt.Errorf("drop everything: %w", err)
	}
	return nil
}
