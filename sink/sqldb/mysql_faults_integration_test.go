//go:build integration

package sqldb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/mariadbserver"
	"github.com/tandem-cdc/tandem/internal/mariadbserver/mariadbtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestIntegrationSetupErrorsMySQL(t *testing.T) {
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE nokey (id int, v text)")
	d.exec("CREATE TABLE narrow (id int PRIMARY KEY)")
	d.exec("CREATE TABLE twokeys (id int NULL UNIQUE, v varchar(9) UNIQUE)")
	name := strings.TrimSuffix(d.rows("SELECT DATABASE()"), "\n")
	reader := "r" + name[:20]
	d.exec("CREATE USER '" + reader + "'@'%' IDENTIFIED BY 'secret'")
	t.Cleanup(func() { d.exec("DROP USER '" + reader + "'@'%'") })
	d.exec("GRANT SELECT ON " + name + ".* TO '" + reader + "'@'%'")
	base, _, _ := strings.Cut(d.jdbc, "?")
	as := func(user, password string) string {
		return base + "?" + url.Values{"user": {user}, "password": {password}}.Encode()
	}
	for _, c := range []struct {
		name, topic string
		options     []string
		want        []string
	}{
		{"wrong password", "t", []string{"connection.url", as(reader, "wrong")}, []string{"1045", "connection.username", "connection.password"}},
		{"no such user", "t", []string{"connection.username", "nobody_here"}, []string{"1045", "nobody_here"}},
		{"no privilege", "t", []string{"connection.url", as(reader, "secret")}, []string{"1142", "tandem_positions", "CREATE TABLE IF NOT EXISTS", "connection.username"}},
		{"no such database", "t", []string{"connection.url", strings.Replace(d.jdbc, name, "no_such_db", 1)}, []string{"1049", "CREATE DATABASE `no_such_db`"}},
		{"no such schema", "t", []string{"collection.name.format", "nope.${topic}"}, []string{"1049", "collection.name.format"}},
		{"missing table", "nowhere", []string{"schema.evolution", "none"}, []string{`table "nowhere"`, "does not exist", "schema.evolution=basic"}},
		{"missing column", "narrow", []string{"schema.evolution", "none"}, []string{".narrow", "no column v"}},
		{"no key", "nokey", nil, []string{".nokey", "insert.mode=upsert"}},
		{"a key that may be null beside another", "twokeys", nil, []string{".twokeys", "NOT NULL"}},
		{"no TLS", "t", []string{"connection.url", d.jdbc + "&sslMode=REQUIRED"}, []string{"connection.url", "sslMode"}},
		{"session variables", "t", []string{"connection.url", d.jdbc + "&sessionVariables=no_such_variable=1"}, []string{"1193", "sessionVariables"}},
		{"no such time zone", "t", []string{"use.time.zone", "Mars/Olympus"}, []string{"use.time.zone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkSetupError(t, d.task(c.options...), c.topic, c.want)
		})
	}
}

// Rows at fault are named alone, by column and value where one is at fault; the others go.
func TestIntegrationRowsAtFaultMySQL(t *testing.T) {
	for _, c := range []struct {
		name, ddl string
		schema    *schema.Schema
		good, bad schema.Value
		want      []string
	}{
		{"varchar", "varchar(5)", stringOf(), str("ok"), str("too long a text"), []string{`column "v", value "too long a text"`, "1406"}},
		{"smallint", "smallint", typed(schema.Int64, ""), i64(1), i64(40000), []string{`column "v", value "40000"`, "1264"}},
		{"decimal", "decimal(4,2)", decimalSchema("10", "2"), decimalOf(1), decimalOf(123456), []string{`column "v", value "1234.56"`, "1264"}},
		{"check", "int CHECK (v < 10)", int32Of(), i32(1), i32(10), []string{"4025"}},
		{"not null", "varchar(9) NOT NULL", nullable(), str("a"), schema.NullValue, []string{"1048", `column "v", value null`}},
		{"foreign key", "int REFERENCES other (id)", int32Of(), i32(1), i32(7), []string{"1452"}},
		{"long value", "int", stringOf(), str("1"), str(strings.Repeat("é", 100)), []string{"… (200 bytes)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newMySQLDatabase(t)
			d.exec("CREATE TABLE other (id int PRIMARY KEY) ENGINE=InnoDB")
			d.exec("INSERT INTO other VALUES (1)")
			d.exec("CREATE TABLE t (id int PRIMARY KEY, v " + c.ddl + ") CHARACTER SET utf8mb4")
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
			refusedAt(t, d, task, batch, []int64{13, 31}, c.want...)
			if got := d.rows("SELECT count(*) FROM t"); got != "48\n" {
				t.Errorf("rows without those at fault = %s, want 48", got)
			}
			if got := standing(t, task); got != 50 {
				t.Errorf("position = %d, want 50", got)
			}
		})
	}
}

// A server that is killed within a batch, restarted, or away for a while: nothing is lost and nothing is there twice.
func TestIntegrationServerKilledMySQL(t *testing.T) {
	ctx := context.Background()
	server := mariadbtest.PrivateServer(t, mariadbserver.Options{Settings: map[string]string{"max-allowed-packet": "1M"}})
	base := mariadbtest.In(t, server)
	d := &sqlDatabase{t: t, jdbc: base.JDBC, db: base.DB}
	p := d.through()
	killed := make(chan error, 1) // maker: here; sender: the proxy, once per budget; never closed; bound: 1
	task := d.task("insert.mode", "insert", "primary.key.mode", "none", "delete.enabled", "false", "flush.max.retries", "0")
	s := newSource("t", 0, field("seq", int32Of()), field("text", stringOf()))
	open(t, task, s.topic)
	n := 0
	for round := range 6 {
		var batch []sink.Record
		for range 5000 {
			batch = append(batch, s.create(i32(n), str("some text or other")))
			n++
		}
		p.CutAfter(int64(round)*27_000, func() { killed <- server.Kill() }) // of some 150,000 bytes that a batch takes
		err := task.Put(ctx, batch)
		if failed := <-killed; failed != nil {
			t.Fatal(failed)
		}
		var down *UnavailableError
		if !errors.As(err, &down) || !isRetriable(err) {
			t.Fatalf("Put while the server is killed = %v, want a retriable *UnavailableError", err)
		}
		if err := task.Put(ctx, batch); !errors.As(err, &down) {
			t.Fatalf("Put while the server is down = %v, want a *UnavailableError", err)
		}
		if err := server.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		for err != nil {
			if err = task.Put(ctx, batch); err != nil && !isRetriable(err) {
				t.Fatalf("Put after a restart = %v", err)
			}
		}
	}
	db, err := server.Open(base.Name) // the pool's connections died
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fresh := &sqlDatabase{t: t, db: db}
	if got, want := fresh.rows("SELECT count(*), count(DISTINCT seq) FROM t"), fmt.Sprintf("%d|%d\n", n, n); got != want {
		t.Errorf("rows and different ones = %s, want %s", got, want)
	}
	// A row larger than the server takes is the row's fault, and the connection stays.
	task = fresh.taskAt(d.jdbc, "insert.mode", "insert", "primary.key.mode", "none", "delete.enabled", "false")
	s.next = int64(n)
	open(t, task, s.topic)
	batch := []sink.Record{s.create(i32(n), str(strings.Repeat("x", 600_000))), s.create(i32(n), str(strings.Repeat("x", 600_000))), s.create(i32(n), str(strings.Repeat("x", 1<<20)))}
	err = task.Put(ctx, batch)
	var rows RowErrors
	if !errors.As(err, &rows) || len(rows) != 1 || rows[0].Offset != s.next-1 || !strings.Contains(err.Error(), "max_allowed_packet") {
		t.Errorf("Put of a row of a megabyte = %.300v, want it refused", err)
	}
	put(t, task, batch[:2]...)
}

func (d *sqlDatabase) taskAt(jdbc string, options ...string) *Task {
	return newTask(d.t, jdbc, options...)
}

// A task that was stopped within a transaction has its position locked. Whoever takes over ends its connection after a while.
func TestIntegrationStalledOwnerMySQL(t *testing.T) {
	ctx := context.Background()
	d := newMySQLDatabase(t)
	s := newSource("t", 1, field("id", int32Of()))
	first := d.task()
	open(t, first, "t")
	put(t, first, s.create(i32(1)))
	stuck, err := first.store.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.close(ctx)
	p := first.partitions[kafka.TopicPartition{Topic: "t"}]
	if err := errors.Join(stuck.begin(ctx), stuck.move(ctx, &p.position, 2)); err != nil {
		t.Fatal(err)
	}
	second := d.task("flush.max.retries", "0")
	if err := second.prepare(); err != nil {
		t.Fatal(err)
	}
	second.store.(*myStore).patience = time.Second
	second.store.(*myStore).stalled = time.Hour
	t.Cleanup(func() { closeTask(t, second) })
	parts := []sink.Assignment{assignment("t", 0)}
	if _, err := second.Open(ctx, parts); !isRetriable(err) || !strings.Contains(err.Error(), "locked by another session") {
		t.Fatalf("Open of a locked position = %v, want it to be tried again", err)
	}
	if !stuck.usable() {
		t.Fatal("the session that is not stalled yet was ended")
	}
	second.store.(*myStore).stalled = 0
	if _, err := second.Open(ctx, parts); !isRetriable(err) {
		t.Fatalf("Open of a stalled position = %v, want it to be tried again", err)
	}
	got, err := second.Open(ctx, parts)
	if err != nil || len(got) != 1 || got[0].Offset != 1 {
		t.Errorf("Open after the stalled session was ended = %v, %v, want offset 1", got, err)
	}
	var down *UnavailableError
	if err := stuck.commit(ctx); !errors.As(err, &down) {
		t.Errorf("commit of the stalled session = %v, want its connection gone", err)
	}
}

// Deletes and updates by a key of two columns read the index, not the table.
func TestIntegrationKeysUseTheIndexMySQL(t *testing.T) {
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE t (k int, l varchar(20) COLLATE utf8mb4_bin, v int, PRIMARY KEY (k, l)) CHARACTER SET utf8mb4")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 2, field("k", int32Of()), field("l", stringOf()), field("v", int32Of()))
	open(t, task, s.topic)
	var all, some []sink.Record
	for i := range 20000 {
		all = append(all, s.create(i32(i), str(fmt.Sprint(i)), i32(i)))
	}
	put(t, task, all...)
	read := func() (n int) {
		fmt.Sscan(strings.Fields(strings.ReplaceAll(d.rows("SHOW GLOBAL STATUS LIKE 'Handler_read_rnd_next'"), "|", " "))[1], &n)
		return n
	}
	before := read()
	for i := range 1500 {
		some = append(some, s.remove(i32(i*3), str(fmt.Sprint(i*3)), i32(0))[0])
	}
	put(t, task, some...)
	if n := read() - before; n > 10000 { // what looking at the server reads
		t.Errorf("1500 deletes read %d rows one after the other, want an index to be used", n)
	}
	if got := d.rows("SELECT count(*) FROM t"); got != "18500\n" {
		t.Errorf("rows = %s, want 18500", got)
	}
}

// Partitions that are applied at once, into a table with a second unique index, and by two tasks, each with half of them.
func TestIntegrationParallelMySQL(t *testing.T) {
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE t (id int PRIMARY KEY, email varchar(40) UNIQUE, n int)")
	var group sync.WaitGroup
	tasks := make([]*Task, 2)
	for half := range tasks {
		task := d.task("schema.evolution", "none", "flush.max.retries", "50")
		tasks[half] = task
		var parts []sink.Assignment
		var sources []*source
		for p := range 3 {
			s := newSource("t", 1, field("id", int32Of()), field("email", stringOf()), field("n", int32Of()))
			s.partition = int32(half*3 + p)
			sources = append(sources, s)
			parts = append(parts, assignment("t", s.partition))
		}
		if _, err := task.Open(context.Background(), parts); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeTask(t, task) })
		group.Go(func() {
			for round := range 10 {
				var batch []sink.Record
				for i := range 300 {
					for _, s := range sources {
						id := i*6 + int(s.partition)
						batch = append(batch, s.create(i32(id), str(fmt.Sprintf("%d@%d", (id*7919)%1800, round)), i32(round)))
					}
				}
				if err := task.Put(context.Background(), batch); err != nil {
					t.Errorf("Put = %v", err)
					return
				}
			}
		})
	}
	group.Wait()
	if d := cmp.Diff("1800|1800|9|9\n", d.rows("SELECT count(*), count(DISTINCT email), min(n), max(n) FROM t")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	t.Logf("retries: %d and %d", tasks[0].Stats().Retries, tasks[1].Stats().Retries)
}

// Two tasks that find the same column missing.
func TestIntegrationExtendTwiceMySQL(t *testing.T) {
	ctx := context.Background()
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE t (id int PRIMARY KEY)")
	task := d.task()
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, "t")
	put(t, task, s.create(i32(1)))
	opened, err := task.store.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.close(ctx)
	tab, err := opened.describe(ctx, tableName{table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	text := nullable()
	columns := []column{{name: "a", schema: text, fresh: text, kind: kindText, freshK: kindText}, {name: "b", schema: text, fresh: text, kind: kindText, freshK: kindText}}
	if err := opened.extend(ctx, tab, columns[:1]); err != nil {
		t.Fatal(err)
	}
	if err := opened.extend(ctx, tab, columns); err != nil {
		t.Errorf("extend by a column that is there and one that is not = %v", err)
	}
	if err := opened.create(ctx, tableName{table: "t"}, columns, 0); err != nil {
		t.Errorf("create of a table that is there = %v", err)
	}
	if got := d.rows("SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't'"); got != "3\n" {
		t.Errorf("columns = %s, want 3", got)
	}
}

// A survey names the rights that are missing, and makes nothing.
func TestIntegrationInspectMySQL(t *testing.T) {
	d := newMySQLDatabase(t)
	d.exec("CREATE TABLE there (id int PRIMARY KEY, v text)")
	name := strings.TrimSuffix(d.rows("SELECT DATABASE()"), "\n")
	reader := "i" + name[:20]
	d.exec("CREATE USER '" + reader + "'@'%' IDENTIFIED BY 'secret'")
	t.Cleanup(func() { d.exec("DROP USER '" + reader + "'@'%'") })
	d.exec("GRANT SELECT, INSERT ON " + name + ".* TO '" + reader + "'@'%'")
	base, _, _ := strings.Cut(d.jdbc, "?")
	look := func(jdbc string) *Survey {
		t.Helper()
		v, err := Inspect(context.Background(), newTask(t, jdbc, "truncate.enabled", "true").config, "c", []string{"there", "absent"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := look(d.jdbc)
	if len(v.Tables) != 3 || !v.Tables[0].Exists || v.Tables[1].Exists || !v.Tables[1].Created || len(v.Problems) != 0 || !strings.HasPrefix(v.Server, "MariaDB 1") {
		t.Errorf("Inspect = %+v, want a table, two to be created, and no problems", v)
	}
	v = look(base + "?user=" + reader + "&password=secret")
	if got := strings.Join(v.Problems, "\n"); len(v.Problems) != 4 || !strings.Contains(got, "no right to UPDATE on table") || !strings.Contains(got, "no right to DELETE") || !strings.Contains(got, "no right to create table absent") {
		t.Errorf("Inspect of a user with few rights: problems = %s, want UPDATE, DELETE and twice CREATE", got)
	}
	if got := d.rows("SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"); got != "1\n" {
		t.Errorf("tables = %s, want 1", got)
	}
}
