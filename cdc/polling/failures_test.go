package polling

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/jackc/pgx/v5/pgconn"
)

// What stops a task, and what its error says.
func TestFailures(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table nothing (v text)")
	db.exec("create table nullable (id int, at timestamp, v numeric)")
	db.exec("insert into nullable values (1, now() - interval '1 day', 1.5)")
	db.exec("create table texts (id text not null)")
	db.exec("insert into texts values ('a')")
	db.exec("create table great (id numeric(30) not null)")
	db.exec("insert into great values (99999999999999999999)")
	for _, c := range []struct {
		props []string
		want  string
	}{
		{[]string{"mode", "incrementing", "table.whitelist", "nothing"}, "table public.nothing has no auto-increment column: name the column that only grows in incrementing.column.name"},
		{[]string{"mode", "incrementing", "table.whitelist", "nothing", "incrementing.column.name", "x"}, "Incrementing column: x does not exist in table 'public.nothing'"},
		{[]string{"mode", "timestamp", "table.whitelist", "nothing", "timestamp.column.name", "x,y"}, "Timestamp columns: x, y do not exist in table 'public.nothing'"},
		{[]string{"mode", "incrementing", "table.whitelist", "nullable", "incrementing.column.name", "id"}, "Cannot make incremental queries using incrementing column id on public.nullable because this column is nullable."},
		{[]string{"mode", "timestamp", "table.whitelist", "nullable", "timestamp.column.name", "at"}, "Cannot make incremental queries using timestamp columns at on public.nullable because all of these columns are nullable."},
		{[]string{"table.whitelist", "nullable"}, `table public.nullable: column "v": value 1.5 is no number with at most 0 digits behind the point, which is what the column declares; give the column a scale, or read the column by a query`},
		{[]string{"mode", "incrementing", "table.whitelist", "texts", "incrementing.column.name", "id"}, "read rows of public.texts: ERROR: operator does not exist: text > bigint"},
		{[]string{"mode", "incrementing", "table.whitelist", "great", "incrementing.column.name", "id"}, `column "id": Decimal value for incrementing column exceeded Long.MAX_VALUE`},
		{[]string{"query", "select 1 as a, 2 as a"}, `the query has two columns named "a"`},
		{[]string{"query", "select null::int as id", "mode", "incrementing", "incrementing.column.name", "x"}, `column "x" does not exist`},
		{[]string{"table.include.list", `public\.(texts|great)`, "mode", "incrementing", "incrementing.column.mapping", ".*texts:id"}, "Error while validating incrementing column mappings: Included table 'public.great' does not match any of the provided regexes"},
	} {
		configs := db.tasks(db.props(c.props...), 1)
		_, err := NewTask(configs[0], Env{Log: quiet(), StoredOffset: newStore().get})
		if err == nil {
			err = start(t, configs[0], newStore()).failure(t)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || isRetriable(err) {
			t.Errorf("%q: %v, want it to end with %q", c.props, err, c.want)
		}
	}
}

// A server that refuses the connection: the error names the options of this connector.
func TestRefusedConnection(t *testing.T) {
	db := postgresDB(t)
	at := strings.Index(db.url, "?")
	for _, c := range []struct{ url, want string }{
		{db.url[:at] + "_not" + db.url[at:], "check the database's name in connection.url, or create the database"},
		{strings.Replace(db.url, "user=", "user=no_", 1), "check connection.user and connection.password"},
	} {
		props := map[string]string{"name": "refused", "connector.class": Class, "connection.url": c.url, "mode": "bulk", "topic.prefix": "t-"}
		_, err := NewConnector(quiet).TaskConfigs(props, 1)
		if err == nil || !strings.Contains(err.Error(), c.want) || isRetriable(err) {
			t.Errorf("TaskConfigs(%s) = %v, want it to say %q", c.url, err, c.want)
		}
	}
}

// A connection that is lost is made anew, and nothing is missed; a query that fails for good ends the task.
func TestLostConnection(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table item (id serial primary key)")
	db.exec("insert into item default values")
	r := start(t, db.one("mode", "incrementing", "connection.ApplicationName", "lost-one"), newStore())
	r.polled(t)
	db.exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lost-one'")
	db.exec("insert into item default values")
	r.more(t) // fails
	if got := fmt.Sprint(ids(r.out.all(), "id")); got != "[1]" {
		t.Fatalf("ids = %s, want [1]", got)
	}
	r.more(t)
	if got := fmt.Sprint(ids(r.out.all(), "id")); got != "[1 2]" {
		t.Errorf("ids = %s, want [1 2]", got)
	}
	db.exec("drop table item")
	r.again <- struct{}{}
	err := r.failure(t)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42P01" || isRetriable(err) {
		t.Errorf("Run() = %v behind a dropped table, want undefined_table for good", err)
	}
}

// query.retry.attempts counts failures in a row; one that passes is not the end before.
func TestRetryAttempts(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table item (id serial primary key)")
	r := start(t, db.one("mode", "incrementing", "query.retry.attempts", "2", "connection.options", "-c lock_timeout=1ms"), newStore())
	r.polled(t)
	db.exec("begin")
	db.exec("lock table item in access exclusive mode")
	r.more(t)
	db.exec("commit")
	r.more(t) // this one is fine, and the count begins anew
	db.exec("begin")
	db.exec("lock table item in access exclusive mode")
	r.more(t)
	r.again <- struct{}{}
	err := r.failure(t)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "55P03" {
		t.Errorf("Run() = %v after two failures, want lock_not_available", err)
	}
	db.exec("commit")
}

// The worker's failures end the task, whatever they say of retrying: its record is lost with them.
func TestEmitterFails(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table item (id integer primary key)")
	db.exec("insert into item values (1)")
	want := errors.New("the converter is tired")
	r := start(t, db.one("mode", "incrementing"), newStore())
	r.polled(t)
	db.exec("insert into item values (2)")
	r.out.fail = want
	r.again <- struct{}{}
	if err := r.failure(t); err != want {
		t.Errorf("Run() = %v, want %v", err, want)
	}
	if _, _, ok := r.Offset(1); !ok {
		t.Error("the offset behind the first record is lost")
	}
}

// Several tables of a task take turns, each with its own offset and schema; one stops for good with the task.
func TestSeveralTables(t *testing.T) {
	db := sqliteDB(t)
	for i := range 3 {
		db.exec(fmt.Sprintf("create table t%d (id integer primary key, v%d text)", i, i))
		db.exec(fmt.Sprintf("insert into t%d (v%d) values ('a'), ('b')", i, i))
	}
	offsets := newStore()
	r := start(t, db.one("mode", "incrementing", "batch.max.rows", "2"), offsets)
	r.polled(t)
	db.exec("insert into t1 (v1) values ('c')")
	r.more(t)
	want := []string{`t-t0 id=1 v0="a"`, `t-t0 id=2 v0="b"`, `t-t1 id=1 v1="a"`, `t-t1 id=2 v1="b"`, `t-t2 id=1 v2="a"`, `t-t2 id=2 v2="b"`}
	if diff := cmp.Diff(want, renderAll(r.out.all())[:6]); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
	for len(r.out.all()) < 7 {
		r.more(t)
	}
	offsets.commit(r.Task, 3)
	if diff := cmp.Diff(map[string]string{`{"protocol":"1","table":"t0"}`: `{"incrementing":2}`, `{"protocol":"1","table":"t1"}`: `{"incrementing":1}`}, offsets.offsets); diff != "" {
		t.Errorf("offsets behind 3 records (-want +got)\n%s", diff)
	}
	offsets.commit(r.Task, 7)
	if got := offsets.offsets[`{"protocol":"1","table":"t1"}`]; got != `{"incrementing":3}` {
		t.Errorf("offset of t1 = %s, want 3", got)
	}
	if len(r.out.streams) != 3 {
		t.Errorf("%d streams, want one for each table", len(r.out.streams))
	}
	r.stop(t)
}

// A column that is added comes in with the next poll, as a new stream.
func TestColumnAdded(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table item (id serial primary key)")
	db.exec("insert into item default values")
	r := start(t, db.one("mode", "incrementing"), newStore())
	r.polled(t)
	db.exec("alter table item add v text")
	db.exec("insert into item (v) values ('x')")
	r.more(t)
	r.stop(t)
	if diff := cmp.Diff([]string{"t-item id=1", `t-item id=2 v="x"`}, renderAll(r.out.all())); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
	if len(r.out.streams) != 2 {
		t.Errorf("%d streams, want 2", len(r.out.streams))
	}
}

// SQLite: times as numbers compare as numbers; columns whose times are of two forms are refused.
func TestSQLiteTimes(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table n (id integer primary key, at timestamp not null)")
	db.exec("insert into n values (1, 1704067201000), (2, 1704067202500)")
	offsets := newStore()
	props := db.one("mode", "timestamp", "timestamp.column.name", "at", "db.timezone", "Europe/Berlin")
	r := start(t, props, offsets)
	r.polled(t)
	offsets.commit(r.Task, 1)
	r.stop(t)
	if got, want := offsets.offsets[`{"protocol":"1","table":"n"}`], `{"timestamp_nanos":0,"timestamp":1704067201000}`; got != want {
		t.Errorf("offset = %s, want %s", got, want)
	}
	r = start(t, props, offsets)
	r.polled(t)
	r.stop(t)
	if got := fmt.Sprint(ids(r.out.all(), "id")); got != "[2]" {
		t.Errorf("ids = %s, want [2]", got)
	}
	db.exec("insert into n values (3, '2024-01-01 00:00:09')")
	if err := start(t, props, offsets).failure(t); err == nil || !strings.Contains(err.Error(), "value 2024-01-01T00:00:09Z is no timestamp as the others of column") || isRetriable(err) {
		t.Errorf("Run() = %v, want a refusal", err)
	}
}

// MySQL's SQLSTATE 42000 is of many errors: only those that refuse the user or the database say so.
func TestMySQLRefusal(t *testing.T) {
	state := func(s string) (out [5]byte) { copy(out[:], s); return out }
	for _, c := range []struct {
		err  error
		want string
	}{
		{&mysqldriver.MySQLError{Number: 1045, SQLState: state("28000")}, "28000"},
		{fmt.Errorf("dial: %w", &mysqldriver.MySQLError{Number: 1049, SQLState: state("42000")}), "42000"},
		{&mysqldriver.MySQLError{Number: 1064, SQLState: state("42000")}, ""},
		{errors.New("connection refused"), ""},
	} {
		if got := refusal(c.err); got != c.want {
			t.Errorf("refusal(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}
