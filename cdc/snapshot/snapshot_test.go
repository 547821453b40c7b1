package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// db is a new database.
type db struct {
	t    testing.TB
	cfg  replication.Config
	conn *pgx.Conn
}

func database(t testing.TB, setup string) *db {
	t.Helper()
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	d := &db{t: t, cfg: replication.DefaultConfig()}
	password, _ := u.User.Password()
	d.cfg.Host, d.cfg.Port, d.cfg.User, d.cfg.Password, d.cfg.Name = u.Hostname(), port, u.User.Username(), config.Secret(password), strings.TrimPrefix(u.Path, "/")
	if d.conn, err = d.cfg.Connect(context.Background(), replication.General); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.conn.Close(context.Background()) })
	d.exec(setup)
	return d
}

func (d *db) exec(sql string) {
	d.t.Helper()
	if _, err := d.conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *db) options() snapshot.Options {
	return snapshot.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) { return d.cfg.Connect(ctx, replication.Snapshot) }}
}

func (d *db) table(name string) snapshot.Table {
	d.t.Helper()
	rel, _, ok, err := catalog.New(d.conn).ByName(context.Background(), "public", name)
	if err != nil || !ok {
		d.t.Fatalf("table %s: %t, %v", name, ok, err)
	}
	return snapshot.Table{Relation: rel}
}

func (d *db) open(opts snapshot.Options) *snapshot.Snapshot {
	d.t.Helper()
	s, err := snapshot.Open(context.Background(), opts)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			d.t.Error(err)
		}
	})
	return s
}

// rows reads tables and prints their rows.
func rows(t testing.TB, s *snapshot.Snapshot, tables ...snapshot.Table) []string {
	t.Helper()
	var got []string
	if err := s.Run(context.Background(), tables, func(b *snapshot.Rows) error {
		for i := range b.Changes {
			if c := &b.Changes[i]; c.Kind == cdc.Read {
				got = append(got, c.Relation.Name+tuple(c.New))
				if c.LSN != s.LSN() || c.XID != s.XID() || c.CommitTime != s.Time() || c.Relation == nil {
					t.Errorf("row = %+v, want the snapshot's LSN %s, XID %d and time %d", c, s.LSN(), s.XID(), s.Time())
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func tuple(row cdc.Tuple) string {
	var s strings.Builder
	for _, d := range row {
		if d.Kind == cdc.Null {
			s.WriteString("|<null>")
		} else {
			fmt.Fprintf(&s, "|%s", d.Bytes)
		}
	}
	return s.String()
}

func TestRun(t *testing.T) {
	d := database(t, `CREATE TABLE a (id int PRIMARY KEY, s text, g int GENERATED ALWAYS AS (id * 2) STORED);
		CREATE TABLE "B ""b" (x text, "X y" int);
		CREATE TABLE none ();
		CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
		INSERT INTO a VALUES (1, E'tab\t line\n back\\slash \\N'), (2, NULL), (3, ''); INSERT INTO "B ""b" VALUES ('x', NULL);
		INSERT INTO none DEFAULT VALUES; INSERT INTO p VALUES (7)`)
	s := d.open(d.options())
	if s.XID() == 0 || s.LSN() == 0 || s.Time() == 0 {
		t.Errorf("snapshot of xid %d at %s, %d, want all set", s.XID(), s.LSN(), s.Time())
	}
	d.exec("INSERT INTO a VALUES (4, 'later')") // is not seen
	want := []string{"a|1|tab\t line\n back\\slash \\N|2", "a|2|<null>|4", "a|3||6", `B "b|x|<null>`, "none", "p|7"}
	if diff := cmp.Diff(want, rows(t, s, d.table("a"), d.table(`B "b`), d.table("none"), d.table("p"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	some := d.table("a")
	some.Columns = []string{"s", "id"}
	if diff := cmp.Diff([]string{"a|1|tab\t line\n back\\slash \\N|<null>", "a|2|<null>|<null>", "a|3||<null>"}, rows(t, s, some)); diff != "" {
		t.Errorf("rows of two columns (-want +got):\n%s", diff)
	}
}

func TestOverride(t *testing.T) {
	d := database(t, `CREATE TABLE a (id int PRIMARY KEY, s text, n int); INSERT INTO a SELECT g, 's' || g, g FROM generate_series(1, 5) g`)
	s := d.open(d.options())
	a := d.table("a")
	for sql, want := range map[string][]string{
		"SELECT * FROM a WHERE id > 4;":                                         {"a|5|s5|5"},
		"SELECT s, 'more' AS other, id FROM a WHERE id = 2 -- so":               {"a|2|s2|<null>"},
		"WITH x AS (SELECT id FROM a ORDER BY id DESC LIMIT 2) SELECT * FROM x": {"a|5|<null>|<null>", "a|4|<null>|<null>"},
		"SELECT * FROM a WHERE false":                                           nil,
	} {
		a.Select = sql
		if diff := cmp.Diff(want, rows(t, s, a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
	for sql, want := range map[string]string{
		"SELECT nothing FROM a": "snapshot.select.statement.overrides.public.a",
		"SELECT 1 AS one":       "none of the table's columns",
	} {
		a.Select = sql
		if err := s.Run(context.Background(), []snapshot.Table{a}, func(*snapshot.Rows) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run(%s) = %v, want an error with %q", sql, err, want)
		}
	}
}

func TestIsolation(t *testing.T) {
	d := database(t, "CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
	for level, want := range map[snapshot.Isolation]int{snapshot.Serializable: 0, "": 0, snapshot.RepeatableRead: 0, snapshot.ReadCommitted: 1, snapshot.ReadUncommitted: 1} {
		t.Run(string(level), func(t *testing.T) {
			opts := d.options()
			opts.Isolation = level
			d.exec("TRUNCATE a")
			s := d.open(opts)
			d.exec("INSERT INTO a VALUES (2)")
			if got := len(rows(t, s, d.table("a"))); got != want {
				t.Errorf("rows inserted after Open = %d, want %d", got, want)
			}
		})
	}
	opts := d.options()
	opts.Isolation = "chaos"
	if _, err := snapshot.Open(context.Background(), opts); err == nil {
		t.Error("Open(isolation chaos) = nil, want an error")
	}
}

func TestLocks(t *testing.T) {
	d := database(t, "CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
	a := d.table("a")
	opts := d.options()
	opts.LockTables, opts.LockTimeout = true, 50*time.Millisecond
	s := d.open(opts)
	if got := rows(t, s, a); len(got) != 1 {
		t.Errorf("rows under lock = %v, want 1", got)
	}
	d.exec("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE")
	err := s.Run(context.Background(), []snapshot.Table{a}, func(*snapshot.Rows) error { return nil })
	var retriable interface{ Retriable() bool }
	if !errors.As(err, &retriable) || !retriable.Retriable() || !strings.Contains(err.Error(), "snapshot.lock.timeout.ms=50") {
		t.Errorf("Run(locked table) = %v, want a retriable error that names the option", err)
	}
	d.exec("ROLLBACK")
}

// TestTableThatChanged: what is gone since the tables were listed is left to the next list, but for a statement of the user's.
func TestTableThatChanged(t *testing.T) {
	d := database(t, "CREATE TABLE gone (id int); CREATE TABLE less (id int, v text); CREATE TABLE own (id int, v text)")
	gone, less, own := d.table("gone"), d.table("less"), d.table("own")
	own.Select = "SELECT id, v FROM own"
	s := d.open(d.options())
	d.exec("DROP TABLE gone; ALTER TABLE less RENAME COLUMN v TO w; ALTER TABLE own DROP COLUMN v")
	for _, c := range []struct {
		table snapshot.Table
		want  bool
	}{{gone, true}, {less, true}, {own, false}} {
		err := s.Run(t.Context(), []snapshot.Table{c.table}, func(*snapshot.Rows) error { return nil })
		var told interface{ Retriable() bool }
		if !errors.As(err, &told) || told.Retriable() != c.want {
			t.Errorf("Run(%s) = %v, want an error with Retriable() = %t", c.table.Relation.Name, err, c.want)
		}
		s = d.open(d.options())
	}
}

func TestRunStops(t *testing.T) {
	d := database(t, "CREATE TABLE a (id int, s text); INSERT INTO a SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g")
	opts := d.options()
	opts.BatchBytes = 10_000
	s := d.open(opts)
	full := errors.New("full")
	if err := s.Run(context.Background(), []snapshot.Table{d.table("a")}, func(*snapshot.Rows) error { return full }); !errors.Is(err, full) {
		t.Errorf("Run = %v, want emit's error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Run(ctx, []snapshot.Table{d.table("a")}, func(*snapshot.Rows) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	if err := s.Run(context.Background(), []snapshot.Table{{Relation: &cdc.Relation{Schema: "public", Name: "gone"}}}, func(*snapshot.Rows) error { return nil }); err == nil || !strings.Contains(err.Error(), "public.gone") {
		t.Errorf("Run(missing table) = %v, want an error that names it", err)
	}
	largest := 0
	if err := s.Run(context.Background(), []snapshot.Table{d.table("a")}, func(b *snapshot.Rows) error { largest = max(largest, b.Size()); return nil }); err != nil || largest > 12_000 {
		t.Errorf("Run = %v, largest batch %d bytes, want 10,000 and one row at most", err, largest)
	}
	if _, err := snapshot.Open(context.Background(), snapshot.Options{Connect: opts.Connect, Import: "00000003-0000001B-1"}); err == nil || !strings.Contains(err.Error(), "import") {
		t.Errorf("Open(no such snapshot) = %v, want an error", err)
	}
}

// A value reads the same from the snapshot and from the stream.
func TestTextsEqualTheStreams(t *testing.T) {
	const values = `(%d, true, 1.10, 0.1, 1e-7, 'NaN', '2024-02-29', '0044-03-15 BC', '24:00', '12:34:56.7+05:30', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.5+02', 'infinity',
		'1 year 2 mons -3 days 04:05:06.789', '\x00ff5c', '{"a": [1, 2]}', '{"b":1}', E'a\tb\\c', '{1,NULL,3}', E'{"x y",NULL,"q\\"u\\\\"}', '[1,5)', '1.2.3.4/8', '(1,2)', B'101', '12.34', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '<a/>', 'x', 'bad')`
	d := database(t, `CREATE TYPE mood AS ENUM ('ok', 'bad');
		CREATE TABLE t (id int PRIMARY KEY, b bool, n numeric(8,2), f float8, f4 float4, nan numeric, d date, bc date, ti time, tz timetz, ts timestamp, tsz timestamptz, inf timestamptz,
		i interval, by bytea, j json, jb jsonb, s text, ia int[], ta text[], r int4range, ip inet, p point, bits bit(3), m money, u uuid, x xml, c char(5), e mood);
		CREATE PUBLICATION p FOR ALL TABLES;`+fmt.Sprintf("INSERT INTO t VALUES "+values, 1))
	d.exec(fmt.Sprintf("ALTER DATABASE %s SET datestyle = 'SQL, DMY'; ALTER DATABASE %[1]s SET timezone = 'Asia/Kolkata'; ALTER DATABASE %[1]s SET intervalstyle = 'iso_8601'; ALTER DATABASE %[1]s SET bytea_output = 'escape'; ALTER DATABASE %[1]s SET extra_float_digits = 0", d.cfg.Name))
	stream, s := d.handover()
	d.exec(fmt.Sprintf("INSERT INTO t VALUES "+values, 2))
	read := rows(t, s, d.table("t"))
	if len(read) != 1 {
		t.Fatalf("rows = %q, want one", read)
	}
	want := strings.Replace(read[0], "t|1|", "t|2|", 1)
	var got string
	for got == "" {
		var b cdc.Batch
		if err := stream.Receive(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Changes {
			if c.Kind == cdc.Insert {
				got = c.Relation.Name + tuple(c.New)
			}
		}
	}
	if diff := cmp.Diff(strings.Split(want, "|"), strings.Split(got, "|")); diff != "" {
		t.Errorf("the stream's text differs from the snapshot's (-snapshot +stream):\n%s", diff)
	}
}

// handover creates a slot, opens its snapshot, and starts the stream behind it.
func (d *db) handover() (*replication.Stream, *snapshot.Snapshot) {
	d.t.Helper()
	ctx := context.Background()
	rc, err := replication.Connect(ctx, d.cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { rc.Close(ctx) })
	slot := "s_" + d.cfg.Name
	created, err := rc.CreateSlot(ctx, slot, false, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	opts := d.options()
	opts.Import, opts.LSN, opts.BatchBytes = created.Snapshot, created.ConsistentPoint, 20_000
	s := d.open(opts)
	// The exporting connection goes on: the keeper holds the snapshot from here.
	stream, err := rc.Stream(ctx, replication.StreamOptions{Slot: slot, Publication: "p"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { stream.Close(ctx) })
	return stream, s
}

// Traps 10, 11 and 13: while rows are changed all the time, the snapshot and the stream behind it are the table: every change in exactly one of
// them.
func TestSnapshotMeetsStream(t *testing.T) {
	d := database(t, "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); CREATE PUBLICATION p FOR ALL TABLES; INSERT INTO t SELECT g, 0 FROM generate_series(1, 3000) g")
	seed := rand.Uint64()
	ctx, stop := context.WithCancel(context.Background())
	writing, g := make(chan struct{}), new(errgroup.Group)
	for w := range 3 {
		conn, err := d.cfg.Connect(context.Background(), replication.General)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		g.Go(func() error { return write(ctx, conn, rng, w == 0, writing) })
	}
	<-writing
	stream, s := d.handover()
	state := map[string]string{}
	if err := s.Run(context.Background(), []snapshot.Table{d.table("t")}, func(b *snapshot.Rows) error { return apply(state, &b.Batch) }); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var end string
	if err := d.conn.QueryRow(context.Background(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	until, err := cdc.ParseLSN(end)
	if err != nil {
		t.Fatal(err)
	}
	for stream.ServerLSN() < until {
		var b cdc.Batch
		if err := stream.Receive(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		if err := apply(state, &b); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	want := map[string]string{}
	found, err := d.conn.Query(context.Background(), "SELECT id::text, v::text FROM t")
	if err != nil {
		t.Fatal(err)
	}
	var id, v string
	if _, err := pgx.ForEachRow(found, []any{&id, &v}, func() error { want[id] = v; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("seed %d: snapshot and stream (-table +got):\n%s", seed, diff)
	}
}

// write changes rows until ctx ends; announce tells the first commit.
func write(ctx context.Context, conn *pgx.Conn, rng *rand.Rand, announce bool, writing chan<- struct{}) error {
	defer conn.Close(context.Background())
	for i := 0; ctx.Err() == nil; i++ {
		id := 1 + rng.IntN(6000)
		sql := []string{
			fmt.Sprintf("INSERT INTO t VALUES (%d, 0), (%d, 0) ON CONFLICT DO NOTHING", id, id%6000+1),
			fmt.Sprintf("UPDATE t SET v = v + 1 WHERE id BETWEEN %d AND %d", id, id+5),
			fmt.Sprintf("DELETE FROM t WHERE id = %d", id),
			fmt.Sprintf("BEGIN; UPDATE t SET v = v + 1 WHERE id = %d; SAVEPOINT s; DELETE FROM t WHERE id = %[1]d; ROLLBACK TO s; COMMIT", id),
		}[rng.IntN(4)]
		if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
			var pg interface{ SQLState() string }
			if errors.As(err, &pg) && pg.SQLState() == "40P01" { // deadlock_detected: three writers cross each other
				if _, err := conn.PgConn().Exec(context.Background(), "ROLLBACK").ReadAll(); err == nil {
					continue
				}
			}
			return err
		}
		if i == 20 && announce {
			close(writing)
		}
	}
	return nil
}

// apply changes the state and tells what does not fit it: a row that is there already, or is not.
func apply(state map[string]string, b *cdc.Batch) error {
	for i := range b.Changes {
		c := &b.Changes[i]
		switch c.Kind {
		case cdc.Read, cdc.Insert:
			id := string(c.New[0].Bytes)
			if _, there := state[id]; there {
				return fmt.Errorf("%s at %s: row %s is there already", c.Kind, c.LSN, id)
			}
			state[id] = string(c.New[1].Bytes)
		case cdc.Update:
			id := string(c.New[0].Bytes)
			before, there := state[id]
			was, _ := strconv.Atoi(before)
			is, _ := strconv.Atoi(string(c.New[1].Bytes))
			if !there || is != was+1 {
				return fmt.Errorf("update at %s: row %s goes from %q to %d", c.LSN, id, before, is)
			}
			state[id] = string(c.New[1].Bytes)
		case cdc.Delete:
			id := string(c.Old[0].Bytes)
			if _, there := state[id]; !there {
				return fmt.Errorf("delete at %s: row %s is not there", c.LSN, id)
			}
			delete(state, id)
		}
	}
	return nil
}

// BenchmarkRun reads a table of the bike store's kind.
func BenchmarkRun(b *testing.B) {
	for _, readers := range []int{1, 2} {
		b.Run(fmt.Sprint("readers=", readers), func(b *testing.B) { benchmark(b, readers) })
	}
}

func benchmark(b *testing.B, readers int) {
	const n = 200_000
	d := database(b, fmt.Sprintf(`CREATE TABLE t (id int PRIMARY KEY, first_name text, last_name text, phone text, email text, street text, city text, state text, zip text);
		INSERT INTO t SELECT g, 'First' || g, 'Last' || g, NULL, 'someone' || g || '@example.org', g || ' Main Street', 'City ' || g %% 100, 'NY', '12345' FROM generate_series(1, %d) g`, n))
	d.exec("VACUUM t")
	opts := d.options()
	opts.Readers = readers
	s := d.open(opts)
	tables := []snapshot.Table{d.table("t")}
	for b.Loop() {
		if err := s.Run(context.Background(), tables, func(*snapshot.Rows) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
}
