package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// snapshotOf runs the task until the incremental snapshot that a signal asks for is complete and what came before it in the signal table is
// published. hook, if there is one, sees every record.
func (s *shelf) snapshotOf(data string, hook func(*shelved)) {
	s.Helper()
	s.until("COMPLETED", hook, func() { s.signal("c", "execute-snapshot", data) })
}

// until runs the task until a notification.
func (s *shelf) until(note string, hook func(*shelved), began func()) {
	s.Helper()
	s.ended = func(r *shelved) error {
		if hook != nil {
			hook(r)
		}
		if r.note == note {
			s.stop()
		}
		return nil
	}
	s.live(began)
}

// statuses are how the scans of tables ended.
func (s *shelf) statuses() (list []string) {
	for _, r := range s.log {
		if r.status != "" {
			list = append(list, r.table+" "+r.status)
		}
	}
	return list
}

func (s *shelf) want(what string, got, want []string) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Generated columns are left out of rows, as the stream leaves them out; Debezium leaves out the table.
func TestIncrementalGenerated(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (a int, b int, g int GENERATED ALWAYS AS (a + b) STORED, v text, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 1, DEFAULT, 'x'), (1, 2, DEFAULT, 'y'), (2, 1, DEFAULT, 'z');
		CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)`, map[string]string{"incremental.snapshot.chunk.size": "2"})
	s.snapshotOf(`{"data-collections":["public.t","public.w"]}`, nil)
	s.want("rows", s.rows("t", "v"), []string{"x", "y", "z"})
	s.want("rows of the next table", s.rows("w", "id"), []string{"1"})
	for _, r := range s.log {
		if _, ok := r.after["g"]; ok {
			t.Errorf("row %v has the generated column", r.after)
		}
	}
}

// Rows that agree in what orders them are all read, wherever a chunk ends; Debezium loses all but one, or those behind the end.
func TestIncrementalSameKey(t *testing.T) {
	s := newShelf(t, `CREATE TABLE s (n int, v text); INSERT INTO s SELECT g / 3, 'v' || g FROM generate_series(0, 9) g;
		CREATE TABLE n (a int, v text); CREATE UNIQUE INDEX ON n (a); INSERT INTO n VALUES (NULL, 'v4'), (2, 'v2'), (NULL, 'v3'), (1, 'v1'), (NULL, 'v5')`,
		map[string]string{"incremental.snapshot.chunk.size": "2"})
	s.snapshotOf(`{"data-collections":["public.s"],"surrogate-key":"n"}`, nil)
	s.want("rows by surrogate key", sorted(s.rows("s", "v")), []string{"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"})
	s.until("COMPLETED", nil, func() { s.signal("d", "execute-snapshot", `{"data-collections":["public.n"]}`) })
	s.want("rows by unique index", sorted(s.rows("n", "v")), []string{"v1", "v2", "v3", "v4", "v5"})
}

// sorted is a copy in order.
func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// A TRUNCATE inside of a window empties it; Debezium publishes the rows all the same.
func TestIncrementalTruncate(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 9) g;
		CREATE FUNCTION during() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.type = 'snapshot-window-close' AND (SELECT count(*) FROM sig) = 4 THEN TRUNCATE t; END IF; RETURN NEW; END $$;
		CREATE TRIGGER during BEFORE INSERT ON sig FOR EACH ROW EXECUTE FUNCTION during()`, map[string]string{"incremental.snapshot.chunk.size": "3", "skipped.operations": "none"})
	s.snapshotOf(`{"data-collections":["public.t"]}`, nil)
	s.want("rows", s.rows("t", "id"), []string{"1", "2", "3"})
}

// A table may be altered, renamed or dropped between two chunks.
func TestIncrementalAltered(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		rows      []string
		statuses  []string
	}{
		{"column added", "ALTER TABLE t ADD COLUMN x text DEFAULT 'x'", []string{"1 -", "2 -", "3 x", "4 x", "5 x"}, []string{"public.t SUCCEEDED", "public.w SUCCEEDED"}},
		{"column dropped", "ALTER TABLE t DROP COLUMN v", []string{"1 -", "2 -", "3 -", "4 -", "5 -"}, []string{"public.t SUCCEEDED", "public.w SUCCEEDED"}},
		{"column of another type", "ALTER TABLE t ALTER v TYPE varchar(9)", []string{"1 -", "2 -", "3 -", "4 -", "5 -"}, []string{"public.t SUCCEEDED", "public.w SUCCEEDED"}},
		{"key of another type", "ALTER TABLE t ALTER id TYPE text", []string{"1 -", "2 -", "1 -", "2 -", "3 -", "4 -", "5 -"}, []string{"public.t SUCCEEDED", "public.w SUCCEEDED"}},
		{"renamed", "ALTER TABLE t RENAME TO u", []string{"1 -", "2 -"}, []string{"public.t UNKNOWN_SCHEMA", "public.w SUCCEEDED"}},
		{"dropped", "DROP TABLE t", []string{"1 -", "2 -"}, []string{"public.t UNKNOWN_SCHEMA", "public.w SUCCEEDED"}},
		{"key dropped", "ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (6, 'new')", []string{"1 -", "2 -"}, []string{"public.t NO_PRIMARY_KEY", "public.w SUCCEEDED"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5) g;
				CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)`, map[string]string{"incremental.snapshot.chunk.size": "2"})
			altered := false
			s.snapshotOf(`{"data-collections":["public.t","public.w"]}`, func(r *shelved) {
				if r.op == "r" && !altered {
					altered = true
					s.exec(c.sql)
				}
			})
			var rows []string
			for _, r := range s.log {
				if x := r.after["x"]; r.topic == "t" && r.op == "r" {
					if x == "" {
						x = "-"
					}
					rows = append(rows, r.after["id"]+" "+x)
				}
			}
			s.want("rows", rows, c.rows)
			s.want("statuses", s.statuses(), c.statuses)
		})
	}
}

// What the server refuses leaves a table out, and the snapshot goes on with the next.
func TestIncrementalRefused(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3); CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1);
		CREATE TABLE e (id int PRIMARY KEY); CREATE TABLE k (id int)`, map[string]string{"incremental.snapshot.chunk.size": "2"})
	s.snapshotOf(`{"data-collections":["public.t","public.nowhere","public.e","public.k","public.w"],"additional-conditions":[{"data-collection":"public.t","filter":"no such SQL"}]}`, nil)
	s.want("statuses", s.statuses(), []string{"public.t SQL_EXCEPTION", "public.nowhere UNKNOWN_SCHEMA", "public.e EMPTY", "public.k NO_PRIMARY_KEY", "public.w SUCCEEDED"})
	s.want("rows", s.rows("w", "id"), []string{"1"})
	s.until("COMPLETED", nil, func() {
		s.signal("bad", "execute-snapshot", `{"data-collections":["public.(t"]}`) // no expression: the signal is left
		s.exec("REVOKE ALL ON sig FROM PUBLIC")
		s.signal("d", "execute-snapshot", `{"data-collections":["public.w"],"surrogate-key":"none"}`)
	})
	if got := s.statuses(); got[len(got)-1] != "public.w SQL_EXCEPTION" {
		t.Errorf("status of a table without the surrogate key = %s, want SQL_EXCEPTION", got[len(got)-1])
	}
}

// A signal table that takes no watermarks, because of a constraint of its own, ends the snapshot and not the task.
func TestIncrementalNoWatermarks(t *testing.T) {
	s := newShelf(t, `ALTER TABLE sig ADD CHECK (id NOT LIKE '%-open'); CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)`, nil)
	s.snapshotOf(`{"data-collections":["public.t","public.w"]}`, nil)
	s.want("statuses", s.statuses(), []string{"public.t SQL_EXCEPTION", "public.w SQL_EXCEPTION"})
}

// Debezium's offset is taken over in the middle of a table.
func TestIncrementalTakeOver(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (a int, b text, PRIMARY KEY (a, b)); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 9) g; CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)`,
		map[string]string{"incremental.snapshot.chunk.size": "2"})
	s.ended = func(r *shelved) error {
		if r.topic == "w" {
			s.stop()
		}
		return nil
	}
	s.live(func() { s.exec("INSERT INTO w VALUES (2)") })
	s.store(s.n)
	offset := make(map[string]any)
	if err := json.Unmarshal(s.stored, &offset); err != nil {
		t.Fatal(err)
	}
	const head = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000002737200116a6176612e6c616e672e496e746567657212e2a0a4f7818738020001" +
		"49000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870"
	for k, v := range map[string]any{"incremental_snapshot_collections": `[{"incremental_snapshot_collections_id":"public.t","incremental_snapshot_collections_additional_condition":"(a <> 6)",` +
		`"incremental_snapshot_collections_surrogate_key":null,"incremental_snapshot_collections_correlation_id":"x"},{"incremental_snapshot_collections_id":"public.w"}]`,
		"incremental_snapshot_correlation_id": "x", "incremental_snapshot_primary_key": head + "0000000474000178", "incremental_snapshot_maximum_key": head + "0000000874000178",
		"incremental_snapshot_total_rows": "7", "snapshot": "INCREMENTAL", "snapshot_completed": false, "last_snapshot_record": false} {
		offset[k] = v
	}
	var err error
	if s.stored, err = json.Marshal(offset); err != nil {
		t.Fatal(err)
	}
	s.until("COMPLETED", nil, nil)
	s.want("rows behind the stored key, up to the largest", s.rows("t", "a"), []string{"5", "7", "8"})
	s.want("rows of the next table", s.rows("w", "id"), []string{"1", "2"})
}

// What a signal brings forth is published before the signal's own row. A run that ends between publishes the row all the same after a restart, and
// does not carry the signal out again.
func TestIncrementalEndsInside(t *testing.T) {
	for _, c := range []struct {
		name string
		ends func(*shelved) bool // kills the run at this record, with the offset before it stored
	}{
		{"of a window", func(r *shelved) bool { return r.op == "r" && r.after["id"] == "2" }},
		{"of a signal", func(r *shelved) bool { return r.note == "IN_PROGRESS" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT g FROM generate_series(1, 7) g", map[string]string{"incremental.snapshot.chunk.size": "3"})
			s.ended = func(r *shelved) error {
				if c.ends(r) {
					s.store(s.n - 1)
					return errKilled
				}
				return nil
			}
			s.live(func() { s.signal("c", "execute-snapshot", `{"data-collections":["public.t"]}`) })
			s.log = s.log[:len(s.log)-1] // the record was not acknowledged
			complete := false
			s.ended = func(r *shelved) error {
				switch {
				case r.note == "COMPLETED":
					complete = true
				case complete && strings.HasSuffix(r.key, "-open"): // the last window's, which is closed already
					s.signal("last", "log", "{}")
				case r.key == "id=last":
					s.stop()
				}
				return nil
			}
			s.live(nil)
			s.want("rows", s.rows("t", "id"), []string{"1", "2", "3", "4", "5", "6", "7"})
			var published []string
			for _, r := range s.log {
				if r.topic == "sig" {
					published = append(published, r.key)
				}
			}
			var written []string
			for key := range s.table("SELECT 'id=' || id, '' FROM sig") {
				written = append(written, key)
			}
			s.want("signals", sorted(published), sorted(written))
		})
	}
}

// Rows that are too large to hold a chunk of them are read in smaller ones.
func TestIncrementalLargeRows(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL; INSERT INTO t SELECT g, repeat('x', 3000000) FROM generate_series(1, 14) g`, nil)
	windows := 0
	s.snapshotOf(`{"data-collections":["public.t"]}`, func(r *shelved) {
		if strings.Contains(r.after["id"], "-open") {
			windows++
		}
		delete(r.after, "v")
	})
	if rows := s.rows("t", "id"); len(rows) != 14 || windows < 3 {
		t.Errorf("%d rows in %d windows, want 14 in 3 or more", len(rows), windows)
	}
}

// A transaction that is streamed but not yet visible, for it waits for a synchronous standby, is not undone by a chunk read meanwhile.
func TestIncrementalInvisible(t *testing.T) {
	file := t.TempDir() + "/signals"
	server := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}})
	s := newShelfOn(t, pgtest.DatabaseIn(t, server), `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old')`,
		map[string]string{"read.only": "true", "signal.enabled.channels": "file", "signal.file": file, "signal.poll.interval.ms": "5", "incremental.snapshot.chunk.size": "5"})
	waits, err := pgx.Connect(t.Context(), s.database.String())
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close(context.Background())
	committed := make(chan error, 2) // senders: the goroutines below, once each
	s.until("COMPLETED", func(r *shelved) {
		switch {
		case r.op == "u": // streamed; nobody else sees it
			writeFile(t, file, `{"id":"c","type":"execute-snapshot","data":{"data-collections":["public.t"]}}`)
		case r.note == "DATA_COLLECTIONS_RESOLVED": // now the chunk is read, and the waiting ended, not the transaction
			go func() {
				s.exec(fmt.Sprintf("SELECT pg_sleep(0.05), pg_cancel_backend(%d)", waits.PgConn().PID()))
				committed <- nil
			}()
		}
	}, func() {
		go func() {
			_, err := waits.Exec(context.Background(), "SET synchronous_commit = on; UPDATE t SET v = 'new' WHERE id = 1")
			committed <- err
		}()
	})
	if err := errors.Join(<-committed, <-committed); err != nil {
		t.Fatal(err)
	}
	s.want("rows", s.rows("t", "v"), []string{"new", "old"})
}

// newShelfOn is newShelf in a server of the test's own.
func newShelfOn(t *testing.T, server, setup string, props map[string]string) *shelf {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{T: t, database: u, props: incrementalProps(props)}
	if s.conn, err = pgx.Connect(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close(context.Background()) })
	s.exec(signalTable + setup)
	return s
}
