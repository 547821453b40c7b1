package replay

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// databases gives cases their databases. Making and dropping one takes several times as long as most cases, so that cases which only
// make tables and the like share a few, emptied in between; the others get one of their own.
type databases struct {
	// free is filled by newDatabases, taken from and given back to by cases; bound: as many as tests run in parallel.
	free chan string
}

func newDatabases(t *testing.T) *databases {
	d := &databases{free: make(chan string, runtime.GOMAXPROCS(0))}
	for range cap(d.free) {
		d.free <- pgtest.Database(t)
	}
	return d
}

// lasting matches what emptying a database does not undo.
var lasting = regexp.MustCompile(`(?i)\b(create|alter|drop)\s+(or\s+replace\s+)?(trusted\s+)?(database|system|role|user|group|extension|event|tablespace|language|server|foreign|access|cast|subscription|owned)\b` +
	`|\bpg_replication_origin|\blo_(create|import|from)`)

var createExtension = regexp.MustCompile(`(?i)\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?"?(\w+)`)

// take returns the URL of an empty database in a server that fits the case, and what gives it back. The test is skipped where only another server, or one
// without the extensions of the case, can be had.
func (d *databases) take(t *testing.T, c *Case) (url string, release func()) {
	least, err := c.number("pg.min", 0)
	if err != nil {
		t.Fatal(err)
	}
	most, err := c.number("pg.max", anyVersion)
	if err != nil {
		t.Fatal(err)
	}
	extensions := createExtension.FindAllStringSubmatch(c.Setup, -1)
	if least == 0 && most == anyVersion && !lasting.MatchString(c.Setup+c.Changes) {
		return d.share(t)
	}
	if least > 0 && os.Getenv("TANDEM_TEST_POSTGRES") == "" {
		url = pgtest.DatabaseIn(t, pgtest.Version(t, least))
	} else {
		url = pgtest.Database(t)
	}
	version, available := serverOf(t, url)
	if version < least || version > most {
		t.Skipf("needs PostgreSQL %d to %d, the server is %d", least, most, version)
	}
	for _, m := range extensions {
		if !slices.Contains(available, m[1]) {
			t.Skipf("needs the extension %s, which the server does not have", m[1])
		}
	}
	return url, func() {}
}

// share takes one of the shared databases.
func (d *databases) share(t *testing.T) (url string, release func()) {
	url = <-d.free
	return url, func() {
		if err := empty(url); err != nil {
			t.Errorf("empty the database of the case: %v", err)
		}
		d.free <- url
	}
}

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

// serverOf asks a server for its major version and the extensions it could have.
func serverOf(t *testing.T, url string) (version int, extensions []string) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer conn.Close(context.Background())
	const query = "SELECT current_setting('server_version_num')::int / 10000, (SELECT array_agg(name::text) FROM pg_available_extensions)"
	if err := conn.QueryRow(t.Context(), query).Scan(&version, &extensions); err != nil {
		t.Fatalf("ask the test server for its version: %v", err)
	}
	return version, extensions
}
