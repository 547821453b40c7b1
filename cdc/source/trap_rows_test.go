package source_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// warnings keeps an attribute of the warnings that have it.
type warnings struct {
	attr string
	mu   sync.Mutex // guards seen
	seen []string
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == w.attr {
			w.mu.Lock()
			w.seen = append(w.seen, fmt.Sprint(a.Value.Any()))
			w.mu.Unlock()
		}
		return true
	})
	return nil
}
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *warnings) WithGroup(string) slog.Handler      { return w }

// upTo runs the task until the table z gets a row, which change puts there behind everything else, after began or, with nil, after the snapshot.
func (s *shelf) upTo(change string) {
	s.Helper()
	asked := false
	s.ended = func(r *shelved) error {
		switch {
		case !asked && r.snapshot == "last":
			asked = true
			s.exec(change + "; INSERT INTO z VALUES (2)")
		case r.topic == "z" && r.key == "id=2":
			s.stop()
		}
		return nil
	}
	s.live(nil)
	s.store(s.n)
}

// streamed are the changes that were streamed, z's left out.
func (s *shelf) streamed() (list []string) {
	for _, r := range s.log {
		if r.op != "" && r.op != "r" && r.topic != "z" {
			list = append(list, strings.TrimSpace(strings.Join([]string{r.op, r.topic, r.key}, " ")))
		}
	}
	return list
}

// Trap 28: whatever the publication says of a partitioned table, the changes of its rows come, under the root's name or the partition's; or, where the
// configuration leaves them out though it captures the table, a warning names it. Debezium is silent: its snapshot looks right, and nothing
// follows. warnOfUnpublished protects; Publication.creation has publish_via_partition_root.
func TestTrap28Partitions(t *testing.T) {
	const root, leaf = "public.part,public.z", "public.part_a,public.z"
	for _, c := range []struct {
		name, publication string // "": the task makes it
		props             map[string]string
		want              []string
		warns             []string
	}{
		{"root", "", map[string]string{"publish.via.partition.root": "true"}, []string{"c part id=2", "c part id=302"}, nil},
		{"leaves", "", nil, []string{"c part_a id=2", "c part_b id=302"}, nil},
		{"leaves, a leaf is included", "", map[string]string{"table.include.list": leaf}, []string{"c part_a id=2"}, nil},
		{"leaves, the root is included", "", map[string]string{"table.include.list": root}, nil, []string{"[public.part]"}},
		{"root, a leaf is included", "", map[string]string{"publish.via.partition.root": "true", "table.include.list": leaf}, nil, []string{"[public.part_a]"}},
		{"filtered root", "", map[string]string{"publish.via.partition.root": "true", "publication.autocreate.mode": "filtered", "table.include.list": root}, []string{"c part id=2", "c part id=302"}, nil},
		{"filtered leaf", "", map[string]string{"publish.via.partition.root": "true", "publication.autocreate.mode": "filtered", "table.include.list": leaf}, []string{"c part_a id=2"}, nil},
		{"made with a leaf", "FOR TABLE part_a, z", map[string]string{"table.include.list": root}, nil, []string{"[public.part public.sig]"}},
		{"made with a leaf, all included", "FOR TABLE part_a, z, plain", nil, []string{"c part_a id=2"}, []string{"[public.part_b public.sig]"}},
		{"made without it", "FOR TABLE z, sig", map[string]string{"table.include.list": root + ",public.plain"}, nil, []string{"[public.part public.plain]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			logs := &warnings{attr: "tables"}
			s := newShelf(t, `CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (300);
				CREATE TABLE part_b PARTITION OF part FOR VALUES FROM (300) TO (600); INSERT INTO part VALUES (1), (301);
				CREATE TABLE plain (id int PRIMARY KEY); CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1)`, c.props)
			s.logs, s.props["snapshot.mode"] = logs, "initial"
			if c.publication != "" {
				s.exec("CREATE PUBLICATION dbz_publication " + c.publication)
				s.props["publication.autocreate.mode"] = "disabled"
			}
			s.upTo("INSERT INTO part VALUES (2), (302)")
			s.want("streamed", s.streamed(), c.want)
			s.want("warnings", logs.seen, c.warns)
		})
	}
}

// Trap 27: rows that are equal, in a table without key whose replica identity is FULL, are told apart by nobody, and each comes as often as it is there:
// from the snapshot, from the stream, and when some of them are changed or deleted. The position counts changes, not keys (position.events);
// records of such a table have no key, so that no compaction takes one for the other (envelope's keys.go).
func TestTrap27EqualRows(t *testing.T) {
	s := newShelf(t, `CREATE TABLE twin (v text); ALTER TABLE twin REPLICA IDENTITY FULL; INSERT INTO twin VALUES ('a'), ('a'), ('a');
		CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1)`, map[string]string{"table.include.list": "public.twin,public.z"})
	s.props["snapshot.mode"] = "initial"
	s.upTo(`INSERT INTO twin VALUES ('a'), ('a'); UPDATE twin SET v = 'b' WHERE ctid IN (SELECT ctid FROM twin LIMIT 2); DELETE FROM twin WHERE ctid = (SELECT max(ctid) FROM twin WHERE v = 'a')`)
	s.want("read", s.rows("twin", "v"), []string{"a", "a", "a"})
	s.want("streamed", s.streamed(), []string{"c twin", "c twin", "u twin", "u twin", "d twin"})
}

// Trap 29: a table that is altered between the snapshot and the stream, and while others are streamed, loses nothing and takes nothing from the others: each
// row has the columns that its table had when it was written. What protects: the decoder's relation messages, each with its place in the stream,
// and publisher's plans by relation.
func TestTrap29AlteredBetweenSnapshotAndStream(t *testing.T) {
	s := newShelf(t, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 3) g;
		CREATE TABLE o (id int PRIMARY KEY, v text); INSERT INTO o VALUES (1, 'o1'); CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1)`,
		map[string]string{"table.include.list": "public.t,public.o,public.z"})
	s.props["snapshot.mode"] = "initial"
	var sql []string
	add := func(n int, ddl, insert string) {
		sql = append(sql, ddl, fmt.Sprintf("INSERT INTO o VALUES (%d, 'o%[1]d')", n), insert)
	}
	add(10, "ALTER TABLE t ADD x text DEFAULT 'x'", "INSERT INTO t VALUES (10, 'v10', 'y')")
	add(11, "ALTER TABLE t DROP v", "INSERT INTO t VALUES (11, 'y')")
	add(12, "ALTER TABLE t RENAME x TO v", "INSERT INTO t VALUES (12, 'v12')")
	add(13, "ALTER TABLE t ALTER id TYPE bigint, ADD w int", "BEGIN; INSERT INTO t VALUES (13, 'v13', 1); ALTER TABLE t DROP w; INSERT INTO t VALUES (14, 'v14'); INSERT INTO o VALUES (14, 'o14'); COMMIT")
	s.upTo(strings.Join(sql, "; "))
	var got []string
	for _, r := range s.log {
		if r.topic != "z" && r.op != "" {
			var columns []string
			for name, v := range r.after {
				columns = append(columns, name+"="+v)
			}
			slices.Sort(columns)
			got = append(got, r.op+" "+r.topic+" "+strings.Join(columns, " "))
		}
	}
	want := []string{"r t id=1 v=v1", "r t id=2 v=v2", "r t id=3 v=v3", "r o id=1 v=o1", "c o id=10 v=o10", "c t id=10 v=v10 x=y", "c o id=11 v=o11", "c t id=11 x=y",
		"c o id=12 v=o12", "c t id=12 v=v12", "c o id=13 v=o13", "c t id=13 v=v13 w=1", "c t id=14 v=v14", "c o id=14 v=o14"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
