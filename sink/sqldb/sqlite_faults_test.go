package sqldb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestSetupErrorsSQLite(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database of any kind ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newSQLiteDatabase(t)
	d.exec("CREATE TABLE nokey (id INTEGER, v TEXT); CREATE TABLE narrow (id INTEGER PRIMARY KEY); CREATE VIEW seen AS SELECT 1 AS id, 'x' AS v")
	for _, c := range []struct {
		name, topic string
		options     []string
		want        []string
	}{
		{"no such folder", "t", []string{"connection.url", "jdbc:sqlite:" + filepath.Join(dir, "no", "t.db")}, []string{"connection.url", "its folder exists"}},
		{"a folder", "t", []string{"connection.url", "jdbc:sqlite:" + dir}, []string{"connection.url", dir}},
		{"no database", "t", []string{"connection.url", "jdbc:sqlite:" + text}, []string{"connection.url", "integrity_check"}},
		{"reading only", "t", []string{"connection.url", d.jdbc + "?open_mode=1"}, []string{"connection.url", "reading only"}},
		{"missing table", "nowhere", []string{"schema.evolution", "none"}, []string{`table "nowhere"`, "does not exist", "schema.evolution=basic"}},
		{"missing column", "narrow", []string{"schema.evolution", "none"}, []string{`table "narrow"`, "no column v"}},
		{"no key", "nokey", nil, []string{`table "nokey"`, "insert.mode=upsert"}},
		{"a schema", "t", []string{"collection.name.format", "public.${topic}"}, []string{"SQLite has no schemas", "collection.name.format"}},
		{"positions in a schema", "t", []string{"positions.table", "a.b"}, []string{"positions.table"}},
		{"no such time zone", "t", []string{"use.time.zone", "Mars/Olympus"}, []string{"use.time.zone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkSetupError(t, d.task(c.options...), c.topic, c.want)
		})
	}
}

// checkSetupError puts a record, and wants the error that says what to change.
func checkSetupError(t *testing.T, task *Task, topic string, want []string) {
	t.Helper()
	t.Cleanup(func() { closeTask(t, task) })
	s := newSource(topic, 1, field("id", int32Of()), field("v", stringOf()))
	_, err := task.Open(context.Background(), []sink.Assignment{assignment(topic, 0)})
	if err == nil {
		err = task.Put(context.Background(), []sink.Record{s.create(i32(1), str("x"))})
	}
	var setup *SetupError
	if !errors.As(err, &setup) || isRetriable(err) {
		t.Fatalf("Open and Put = %v, want a *SetupError", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q, want %q in it", err, w)
		}
	}
}

// While another process writes, the task waits; longer than it is patient, it comes back later.
func TestLockedSQLite(t *testing.T) {
	d := newSQLiteDatabase(t)
	task := d.task("connection.url", d.jdbc+"?busy_timeout=20", "flush.max.retries", "0")
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1)))
	conn, err := d.db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	second := s.create(i32(2))
	var down *UnavailableError
	if err := task.Put(context.Background(), []sink.Record{second}); !errors.As(err, &down) || !isRetriable(err) {
		t.Errorf("Put into a locked file = %v, want a retriable *UnavailableError", err)
	}
	if _, err := conn.ExecContext(context.Background(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	put(t, task, second)
	if got := d.rows("SELECT count(*) FROM t"); got != "2\n" {
		t.Errorf("rows = %s, want 2", got)
	}
}

// A file that was removed or replaced behind the task's back is not written to any more.
func TestRemovedSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	d := openSQL(t, "jdbc:sqlite:"+path, true)
	task := d.task("flush.max.retries", "0")
	s := newSource("t", 1, field("id", int32Of()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1)))
	d.db.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+".old"+suffix); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	second := s.create(i32(2))
	err := task.Put(context.Background(), []sink.Record{second})
	if !errors.Is(err, errReplaced) || !isRetriable(err) {
		t.Fatalf("Put into a file that is gone = %v, want that said", err)
	}
	err = task.Put(context.Background(), []sink.Record{second}) // a new file has no position: the task is not its owner
	var fenced *FencedError
	var setup *SetupError
	if !errors.As(err, &fenced) && !errors.As(err, &setup) {
		t.Errorf("Put into a new file = %v, want the task to stop", err)
	}
}

// SQLite takes nulls in keys and makes numbers up for them, so that each record would be a row.
func TestNullKeySQLite(t *testing.T) {
	d := newSQLiteDatabase(t)
	d.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
	task := d.task()
	s := newSource("t", 1, field("id", optional(int32Of())), field("v", stringOf()))
	open(t, task, s.topic)
	refusedAt(t, d, task, []sink.Record{s.create(i32(1), str("x")), s.create(schema.NullValue, str("y"))}, []int64{1}, "must not be null")
}

// A survey says what would happen, and makes no file and no table.
func TestInspectSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	look := func() *Survey {
		t.Helper()
		task := newTask(t, "jdbc:sqlite:"+path, "schema.evolution", "basic")
		v, err := Inspect(context.Background(), task.config, "c", []string{"there", "absent"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := look()
	if len(v.Tables) != 3 || v.Tables[0].Exists || !v.Tables[0].Created || len(v.Problems) != 0 || !strings.HasPrefix(v.Server, "SQLite 3.") {
		t.Errorf("Inspect of no file = %+v, want three tables to be created", v)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("Inspect made the file: %v", err)
	}
	d := openSQL(t, "jdbc:sqlite:"+path, true)
	d.exec("CREATE TABLE there (id INTEGER PRIMARY KEY, v TEXT)")
	v = look()
	if len(v.Tables) != 3 || !v.Tables[0].Exists || strings.Join(v.Tables[0].Columns, ",") != "id,v" || v.Tables[1].Exists || len(v.Problems) != 0 {
		t.Errorf("Inspect = %+v, want a table of two columns and two to be created", v)
	}
	if got := d.rows("SELECT count(*) FROM sqlite_schema"); got != "1\n" {
		t.Errorf("tables = %s, want 1", got)
	}
	if got := d.rows("PRAGMA journal_mode"); got != "delete\n" {
		t.Errorf("journal_mode = %s, want it left alone", got)
	}
}
