package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// A value that its column cannot hold: that row is named, alone; without it the rest goes.
func TestRowsAtFault(t *testing.T) {
	for _, c := range []struct {
		name, ddl string
		schema    *schema.Schema
		good, bad schema.Value
		want      []string
	}{
		{"varchar", "varchar(5)", stringOf(), str("ok"), str("too long a text"), []string{`column "v", value "too long a text"`, "22001"}},
		{"int2 checked here", "smallint", typed(schema.Int64, ""), i64(1), i64(40000), []string{`column "v", value "40000"`, "column type smallint"}},
		{"int from text", "int", stringOf(), str("12"), str("twelve"), []string{`column "v", value "twelve"`, "22P02"}},
		{"numeric", "numeric(4,2)", decimalSchema("10", "2"), decimalOf(1), decimalOf(123456), []string{`column "v", value "1234.56"`, "22003"}},
		{"uuid", "uuid", logicalOf(schema.String, "data.Uuid"), str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), str("nope"), []string{`column "v", value "nope"`}},
		{"enum", "mood", stringOf(), str("open"), str("shut"), []string{`column "v", value "shut"`, "22P02"}},
		{"json", "jsonb", stringOf(), str("{}"), str("{"), []string{`column "v", value "{"`}},
		{"null byte", "text", stringOf(), str("a"), str("a\x00b"), []string{`table "public.t"`, "22021"}},
		{"check", "int CHECK (v < 10)", int32Of(), i32(1), i32(10), []string{"23514", "t_v_check"}},
		{"not null", "text NOT NULL", nullable(), str("a"), schema.NullValue, []string{"23502", `"v"`}},
		{"foreign key", "int REFERENCES other", int32Of(), i32(1), i32(7), []string{"23503"}},
		{"trigger", "int", int32Of(), i32(1), i32(666), []string{"P0001", "no devils"}},
		{"long value", "int", stringOf(), str("1"), str(strings.Repeat("é", 100)), []string{"… (200 bytes)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t)
			d.exec("CREATE TYPE mood AS ENUM ('open'); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)")
			d.exec("CREATE TABLE t (id int PRIMARY KEY, v " + c.ddl + ")")
			if c.name == "trigger" {
				d.exec("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 666 THEN RAISE 'no devils'; END IF; RETURN NEW; END $$; CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")
			}
			task := d.task("schema.evolution", "none", "batch.size", "7")
			s := newSource("t", 1, field("id", int32Of()), field("v", c.schema))
			open(t, task, s.topic)
			var batch []sink.Record
			for i := range 50 {
				v := c.good
				if i == 13 || i == 31 {
					v = c.bad
				}
				batch = append(batch, s.create(i32(i), v))
			}
			err := task.Put(context.Background(), batch)
			var rows RowErrors
			if !errors.As(err, &rows) || len(rows) != 2 || rows[0].Offset != 13 || rows[1].Offset != 31 || isRetriable(err) {
				t.Fatalf("Put = %v, want the rows at 13 and 31", err)
			}
			for _, w := range append(c.want, "record t-0@13", `table "public.t"`) {
				if !strings.Contains(rows[0].Error(), w) {
					t.Errorf("error %q, want %q in it", rows[0], w)
				}
			}
			var one *RowError
			if !errors.As(err, &one) || one != rows[0] {
				t.Errorf("errors.As(*RowError) = %v, want the first", one)
			}
			if got := d.rows("SELECT count(*) FROM t"); got != "0\n" {
				t.Errorf("rows after a refused batch = %s, want 0", got)
			}
			rest := append(append(append([]sink.Record(nil), batch[:13]...), batch[14:31]...), batch[32:]...)
			put(t, task, rest...)
			if got := d.rows("SELECT count(*), count(*) FILTER (WHERE id IN (13, 31)) FROM t"); got != "48|0\n" {
				t.Errorf("rows without those at fault = %s, want 48 and none of them", got)
			}
			if got, want := standing(t, task), int64(50); got != want {
				t.Errorf("position = %d, want %d", got, want)
			}
		})
	}
}

func standing(t *testing.T, task *Task) int64 {
	t.Helper()
	got, err := task.Flush(context.Background())
	if err != nil || len(got) != 1 {
		t.Fatalf("Flush = %v, %v, want one position", got, err)
	}
	return got[0].Offset
}

// A unique value that wanders from row to row: no set of last states can be applied at once, but their order can.
func TestOrderWithinABatchHelpsUniqueValues(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE)")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 1, field("id", int32Of()), field("email", stringOf()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1), str("a")), s.create(i32(2), str("b")))
	put(t, task, s.update(i32(1), str("tmp")), s.update(i32(2), str("a")), s.update(i32(1), str("b")))
	if d := cmp.Diff("1|b\n2|a\n", d.rows("SELECT * FROM t ORDER BY id")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	if got := task.Stats().Written; got != 5 {
		t.Errorf("Stats().Written = %d, want 5: what was rolled back does not count", got)
	}
}

// standingAt is a session that knows where a partition stands.
type standingAt struct {
	session
	claimed
}

func (s standingAt) standing(context.Context, *position) (claimed, bool, error) {
	return s.claimed, true, nil
}

// A batch that was committed although nobody heard of it took what was held with it: that must not be applied a second time, for the
// row may have been made anew since.
func TestRecoverForgetsWhatWasHeld(t *testing.T) {
	p := &partition{position: position{next: 10, epoch: 1}, target: 15, held: held{next: 12, muts: make([]mutation, 2)}}
	for offset := int64(10); offset < 15; offset++ {
		p.muts = append(p.muts, mutation{rec: &sink.Record{Offset: offset}})
	}
	again, err := new(Task).recover(context.Background(), standingAt{claimed: claimed{next: 13, epoch: 1}}, p)
	if !again || err != nil || p.next != 13 || len(p.muts) != 2 {
		t.Fatalf("recover = %v, %v at %d with %d records left, want to go on at 13 with 2", again, err, p.next, len(p.muts))
	}
	if len(p.held.muts) != 0 {
		t.Errorf("%d records are still held, want none", len(p.held.muts))
	}
}

// Keys that are equal to the database, but not to us.
func TestKeysThatTheDatabaseFindsEqual(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	d.exec("CREATE TABLE t (id text COLLATE ci PRIMARY KEY, v int)")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 1, field("id", stringOf()), field("v", int32Of()))
	open(t, task, s.topic)
	put(t, task, s.create(str("a"), i32(1)), s.update(str("A"), i32(2)))
	if d := cmp.Diff("a|2\n", d.rows("SELECT * FROM t")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
}

func TestSetupErrors(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE nokey (id int, v text); CREATE TABLE narrow (id int PRIMARY KEY)")
	reader := "reader_" + d.name()
	d.exec("CREATE ROLE " + reader + " LOGIN PASSWORD 'secret'")
	t.Cleanup(func() { d.exec("DROP OWNED BY " + reader + "; DROP ROLE " + reader) })
	d.exec("REVOKE CREATE ON SCHEMA public FROM public")
	with := func(query string) string { // other parameters in the URL
		base, _, _ := strings.Cut(d.jdbc, "?")
		return base + "?" + query
	}
	for _, c := range []struct {
		name, topic string
		options     []string
		want        []string
	}{
		{"no privilege", "fresh", []string{"connection.url", with("sslmode=disable&password=secret&user=" + reader)}, []string{"tandem_positions", "42501", "connection.username", "CREATE TABLE IF NOT EXISTS"}},
		{"missing table", "nowhere", []string{"schema.evolution", "none"}, []string{`table "nowhere"`, "does not exist", "schema.evolution=basic"}},
		{"missing column", "narrow", []string{"schema.evolution", "none"}, []string{`table "public.narrow"`, "no column v", "field.exclude.list"}},
		{"no key", "nokey", nil, []string{`table "public.nokey"`, "insert.mode=upsert", "ALTER TABLE public.nokey ADD PRIMARY KEY (id)"}},
		{"no such role", "fresh", []string{"connection.username", "nobody_here"}, []string{"nobody_here", "connection.username"}},
		{"no such database", "fresh", []string{"connection.url", strings.Replace(d.jdbc, d.name(), "no_such_db", 1)}, []string{"3D000", `CREATE DATABASE "no_such_db"`}},
		{"no such schema", "fresh", []string{"collection.name.format", "nope.${topic}"}, []string{"3F000", "collection.name.format", "create the schema"}},
		{"no such time zone", "fresh", []string{"use.time.zone", "Mars/Olympus"}, []string{"use.time.zone", "pg_timezone_names"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := d.task(c.options...)
			t.Cleanup(func() { closeTask(t, task) })
			s := newSource(c.topic, 1, field("id", int32Of()), field("v", stringOf()))
			_, err := task.Open(context.Background(), []sink.Assignment{assignment(c.topic, 0)})
			if err == nil {
				err = task.Put(context.Background(), []sink.Record{s.create(i32(1), str("x"))})
			}
			var setup *SetupError
			if !errors.As(err, &setup) || isRetriable(err) {
				t.Fatalf("Open and Put = %v, want a *SetupError", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q, want %q in it", err, w)
				}
			}
		})
	}
}

// What a server says to those it does not let in, as the option to change.
func TestConnectErrors(t *testing.T) {
	c, r := Debezium.Parse(map[string]string{"connection.url": "jdbc:postgresql://db:5433/shop?user=u&password=hush"})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	e, err := c.endpoint()
	if err != nil {
		t.Fatal(err)
	}
	st, err := newPostgres(&c, e.postgres, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		code      string
		retriable bool
		want      string
	}{
		{"28P01", false, "connection.password"}, {"28000", false, "pg_hba.conf"}, {"3D000", false, `CREATE DATABASE "shop"`}, {"42501", false, "GRANT CONNECT"},
		{"57P03", true, "db:5433/shop"}, {"53300", true, "db:5433/shop"}, {"", false, "sslmode"},
	} {
		cause := error(&pgconn.PgError{Severity: "FATAL", Code: e.code, Message: "no"})
		if e.code == "" {
			cause = errors.New("tls: failed to verify certificate")
		}
		got := st.connectError(cause)
		if isRetriable(got) != e.retriable || !strings.Contains(got.Error(), e.want) || strings.Contains(got.Error(), "hush") {
			t.Errorf("connectError(%s) = %v (retriable %v), want %q in it, retriable %v", e.code, got, isRetriable(got), e.want, e.retriable)
		}
	}
}

func (d *database) name() string {
	return strings.TrimSuffix(d.rows("SELECT current_database()"), "\n")
}

// A database that is down fails the call as a whole, to be tried again: no row is at fault.
func TestDatabaseDown(t *testing.T) {
	d := newDatabase(t)
	p := newProxy(t, d)
	task := d.task("flush.max.retries", "1")
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1)))
	p.Set(faultproxy.Rule{Refuse: true})
	p.Reset()
	batch := []sink.Record{s.create(i32(2))}
	err := task.Put(context.Background(), batch)
	var down *UnavailableError
	var row *RowError
	if !errors.As(err, &down) || !isRetriable(err) || errors.As(err, &row) {
		t.Errorf("Put = %v, want a retriable *UnavailableError", err)
	}
	if got := task.Stats().Retries; got != 1 {
		t.Errorf("retries = %d, want flush.max.retries=1", got)
	}
}

func TestPositions(t *testing.T) {
	d := newDatabase(t)
	s := newSource("t", 1, field("id", int32Of()))
	first := d.task()
	open(t, first, "t")
	put(t, first, s.create(i32(1)), s.create(i32(2)))
	ask := func(change func(*sink.Assignment)) error {
		task := d.task()
		t.Cleanup(func() { closeTask(t, task) })
		a := assignment("t", 0)
		change(&a)
		_, err := task.Open(context.Background(), []sink.Assignment{a})
		return err
	}
	for _, c := range []struct {
		name   string
		change func(*sink.Assignment)
		want   string
	}{
		{"recreated", func(a *sink.Assignment) { a.TopicID = "other" }, "belongs to a topic of the same name that was deleted (id id-t, now other)"},
		{"beyond the end", func(a *sink.Assignment) { a.End = 1 }, "lies beyond the topic's end, 1"},
		{"retention", func(a *sink.Assignment) { a.Begin, a.End = 9, 10 }, "records 2 to 8 were deleted"},
	} {
		err := ask(c.change)
		var p *PositionError
		if !errors.As(err, &p) || isRetriable(err) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "FROM \"tandem_positions\"") && !strings.Contains(err.Error(), "UPDATE \"tandem_positions\"") {
			t.Errorf("%s: Open = %v, want a *PositionError with %q and what to run", c.name, err, c.want)
		}
	}
	put(t, first, s.create(i32(3))) // those who were refused have fenced nobody
	got, err := d.task().Open(context.Background(), nil)
	if got != nil || err != nil {
		t.Errorf("Open of nothing = %v, %v", got, err)
	}
	second := d.task()
	if got := open(t, second, "t"); len(got) != 1 || got[0].Offset != 3 {
		t.Errorf("Open = %v, want offset 3", got)
	}
	late := s.create(i32(4))
	var fenced *FencedError
	if err := first.Put(context.Background(), []sink.Record{late}); !errors.As(err, &fenced) || isRetriable(err) {
		t.Errorf("Put of the first task = %v, want a *FencedError", err)
	}
	put(t, second, late)
	put(t, second, late) // again: left out
	if got := d.rows("SELECT count(*) FROM t"); got != "4\n" {
		t.Errorf("rows = %s, want 4", got)
	}
	d.exec("DELETE FROM tandem_positions")
	if err := second.Put(context.Background(), []sink.Record{s.create(i32(5))}); !errors.As(err, &fenced) || !fenced.Removed {
		t.Errorf("Put without position = %v, want a *FencedError that says so", err)
	}
}

// Two clusters and two connectors have positions of their own.
func TestPositionsAreKeyed(t *testing.T) {
	d := newDatabase(t)
	s := newSource("t", 1, field("id", int32Of()))
	task := d.task()
	open(t, task, "t")
	put(t, task, s.create(i32(1)))
	other := d.task()
	t.Cleanup(func() { closeTask(t, other) })
	a := assignment("t", 0)
	a.ClusterID = "elsewhere"
	if got, err := other.Open(context.Background(), []sink.Assignment{a}); got != nil || err != nil {
		t.Errorf("Open on another cluster = %v, %v, want no position", got, err)
	}
	put(t, task, s.create(i32(2)))
}

// Many partitions and tasks meet a table that does not exist, and then one that lacks a column.
func TestConcurrentCreate(t *testing.T) {
	d := newDatabase(t)
	const tasks, partitions = 3, 4
	fields := []schema.Field{field("id", int32Of()), field("a", stringOf())}
	var wg sync.WaitGroup
	errs := make([]error, tasks)
	all := make([]*Task, tasks)
	sources := make([][]*source, tasks)
	for n := range tasks {
		all[n] = d.task()
		t.Cleanup(func() { closeTask(t, all[n]) })
		for p := range partitions {
			s := newSource("t", 1, fields...)
			s.partition = int32(n*partitions + p)
			sources[n] = append(sources[n], s)
		}
	}
	round := func(f func(n int) error) {
		t.Helper()
		for n := range tasks {
			wg.Go(func() { errs[n] = f(n) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	round(func(n int) error {
		var as []sink.Assignment
		for _, s := range sources[n] {
			as = append(as, assignment("t", s.partition))
		}
		_, err := all[n].Open(context.Background(), as)
		return err
	})
	write := func(n int, values ...schema.Value) error {
		var batch []sink.Record
		for _, s := range sources[n] {
			batch = append(batch, s.create(append([]schema.Value{i32(int(s.partition))}, values...)...))
		}
		return all[n].Put(context.Background(), batch)
	}
	round(func(n int) error { return write(n, str("x")) })
	for _, ss := range sources {
		for _, s := range ss {
			s.alter(1, append(fields, field("b", nullable()))...)
		}
	}
	round(func(n int) error { return write(n, str("x"), str("y")) })
	if got := d.rows("SELECT count(*) FROM t WHERE b = 'y'"); got != fmt.Sprintln(tasks*partitions) {
		t.Errorf("rows = %s, want %d", got, tasks*partitions)
	}
}

// Somebody alters the table under a running task: dropped, widened and recreated.
func TestAlteredUnderneath(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("t", 1, field("id", int32Of()), field("v", typed(schema.Int64, "")))
	open(t, task, "t")
	d.exec("CREATE TABLE t (id int PRIMARY KEY, v int)")
	put(t, task, s.create(i32(1), i64(1)))
	d.exec("ALTER TABLE t ALTER COLUMN v TYPE bigint")
	put(t, task, s.create(i32(2), i64(1<<40)))
	d.exec("ALTER TABLE t DROP COLUMN v")
	put(t, task, s.create(i32(3), i64(3)))
	d.exec("DROP TABLE t")
	put(t, task, s.create(i32(4), i64(4)))
	if d := cmp.Diff("4|4\n", d.rows("SELECT * FROM t")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	d.exec("ALTER TABLE t ALTER COLUMN v TYPE text")
	put(t, task, s.create(i32(5), i64(5)))
	d.exec("DISCARD ALL")
	if err := task.Close(context.Background(), []kafka.TopicPartition{{Topic: "t"}}); err != nil {
		t.Error(err)
	}
}

// A process that was stopped within its transaction does not keep its successor out for ever.
func TestStalledOwner(t *testing.T) {
	d := newDatabase(t)
	s := newSource("t", 1, field("id", int32Of()))
	task := d.task()
	open(t, task, "t")
	put(t, task, s.create(i32(1)))
	held, err := pgconn.Connect(context.Background(), d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(context.Background())
	pipe := held.StartPipeline(context.Background())
	pipe.SendQueryParams("BEGIN", nil, nil, nil, nil)
	pipe.SendQueryParams("UPDATE tandem_positions SET next_offset = 99", nil, nil, nil, nil)
	pipe.SendFlushRequest()
	if err := pipe.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := pipe.GetResults(); err != nil {
			t.Fatal(err)
		}
	}
	next := d.task()
	if err := next.prepare(); err != nil {
		t.Fatal(err)
	}
	next.store.(*pgStore).stalled, next.store.(*pgStore).patience = 0, 50*time.Millisecond
	if got := open(t, next, "t"); len(got) != 1 || got[0].Offset != 1 {
		t.Errorf("Open = %v, want offset 1", got)
	}
	if got := next.Stats().Retries; got == 0 {
		t.Error("Open did not wait for the lock")
	}
}

func TestTruncateOfAReferencedTable(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int REFERENCES t)")
	task := d.task("truncate.enabled", "true")
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, "t")
	err := task.Put(context.Background(), []sink.Record{s.change("t", nil, nil)})
	var setup *SetupError
	if !errors.As(err, &setup) || !strings.Contains(err.Error(), "foreign key") {
		t.Errorf("Put = %v, want a *SetupError that names the foreign keys", err)
	}
}

// interrupted is a session during whose transactions something else happens.
type interrupted struct {
	session
	during func()
}

func (s interrupted) begin(ctx context.Context) error {
	s.during()
	return s.session.begin(ctx)
}

// Partitions share what was compiled for a table: when one of them finds it stale, another's batch under way loses nothing.
func TestStaleForAnotherPartition(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, "t")
	put(t, task, s.create(i32(1)), s.create(i32(2)))
	w := task.idle[0]
	var other []mutation
	w.session = interrupted{w.session, func() { task.tables.rebind(other) }}
	batch := concat(s.create(i32(3)), s.remove(i32(1)), s.remove(i32(2))[1])
	for i := range batch {
		m, _, _, err := task.mutator.mutate(&batch[i])
		if err != nil {
			t.Fatal(err)
		}
		other = append(other, m)
	}
	put(t, task, batch...)
	if diff := cmp.Diff("3\n", d.rows("SELECT * FROM t")); diff != "" {
		t.Errorf("rows: (-want +got)\n%s", diff)
	}
}
