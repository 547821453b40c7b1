package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
)

const wideRows = `CREATE TABLE a (id int PRIMARY KEY, v int, pad text DEFAULT repeat('.', 500));
	INSERT INTO a SELECT g, 0 FROM generate_series(1, 600) g; DELETE FROM a WHERE id % 2 = 0;
	CREATE TABLE p (id int PRIMARY KEY, v int, pad text DEFAULT repeat('.', 500)) PARTITION BY HASH (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO p SELECT g, 0 FROM generate_series(1, 300) g;
	CREATE TABLE none (id int); CREATE TABLE s (id int, v int, pad text); INSERT INTO s VALUES (1, 1, 'x')`

// trace reads tables and prints all that comes.
func trace(t *testing.T, s *snapshot.Snapshot, tables ...snapshot.Table) (got []string, chunks int) {
	t.Helper()
	event := func(e snapshot.Event) {
		got = append(got, fmt.Sprintf("event %d of table %d behind %d rows", e.Kind, e.Table, e.Rows))
		if e.Kind == snapshot.ChunkEnds {
			chunks++
		}
	}
	if err := s.Run(t.Context(), tables, func(rows *snapshot.Rows) error {
		events := rows.Events
		for i, c := range rows.Changes {
			for ; len(events) > 0 && events[0].At == i; events = events[1:] {
				event(events[0])
			}
			got = append(got, c.Kind.String()+" "+c.Relation.Name+" "+c.Snapshot.String()+strings.TrimRight(tuple(c.New), "."))
		}
		for _, e := range events {
			event(e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got, chunks
}

// TestReadersKeepOrder: many readers hand out what one does, in the same order, with markers and events.
func TestReadersKeepOrder(t *testing.T) {
	d := database(t, wideRows)
	d.exec("VACUUM (ANALYZE) a, p, s")
	tables := []snapshot.Table{d.table("none"), d.table("a"), d.table("s"), d.table("p"), d.table("none")}
	opts := d.options()
	opts.ChunkRows = 30
	want, chunks := trace(t, d.open(opts), tables...)
	if chunks < 15 {
		t.Fatalf("Run handed out %d chunks, want some of each table", chunks)
	}
	for _, readers := range []int{2, 5} {
		opts.Readers, opts.BatchBytes, opts.ReaderBytes = readers, 2000, 4000
		opts.ChunkRows = 30
		got, _ := trace(t, d.open(opts), tables...)
		rows := func(lines []string) []string { // chunks are smaller where a reader can hold less
			return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, "event 2") })
		}
		if diff := cmp.Diff(rows(want), rows(got)); diff != "" {
			t.Errorf("%d readers (-one reader +got):\n%s", readers, diff)
		}
	}
}

// TestReadersFail: an error of any reader, or of emit, ends them all.
func TestReadersFail(t *testing.T) {
	d := database(t, wideRows)
	opts := d.options()
	opts.ChunkRows, opts.Readers, opts.BatchBytes, opts.ReaderBytes = 30, 4, 2000, 4000
	s := d.open(opts)
	tables := []snapshot.Table{d.table("a"), d.table("p"), {Relation: &cdc.Relation{OID: 1, Schema: "public", Name: "gone"}}}
	if err := s.Run(t.Context(), tables, func(*snapshot.Rows) error { return nil }); err == nil || !strings.Contains(err.Error(), "public.gone") {
		t.Errorf("Run(missing table) = %v, want an error that names it", err)
	}
	full, n := errors.New("full"), 0
	if err := s.Run(t.Context(), tables[:2], func(*snapshot.Rows) error {
		if n++; n == 20 {
			return full
		}
		return nil
	}); !errors.Is(err, full) {
		t.Errorf("Run = %v, want emit's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Run(ctx, tables[:2], func(*snapshot.Rows) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

// TestGoesOnBehindMark: what one snapshot handed out up to a mark and what another hands out behind it make the table as the other sees it, but for
// rows that are gone.
func TestGoesOnBehindMark(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 3))
	d := database(t, wideRows)
	d.exec("VACUUM (ANALYZE) a, p")
	for round := range 12 {
		name := []string{"a", "p"}[round%2]
		opts := d.options()
		opts.ChunkRows, opts.BatchBytes = 30, 3000
		state, marks := map[string]string{}, []*snapshot.Mark(nil)
		stop, stopped := rng.IntN(8), errors.New("stopped")
		read := func(rows *snapshot.Rows, end int) {
			for _, c := range rows.Changes[:end] {
				if c.Kind == cdc.Read {
					state[string(c.New[0].Bytes)] = string(c.New[1].Bytes)
				}
			}
		}
		err := d.open(opts).Run(t.Context(), []snapshot.Table{d.table(name)}, func(rows *snapshot.Rows) error {
			for _, e := range rows.Events {
				if e.Kind == snapshot.ChunkEnds {
					marks = append(marks, &e.Mark)
					if len(marks) > stop {
						read(rows, e.At)
						return stopped
					}
				}
			}
			read(rows, len(rows.Changes))
			return nil
		})
		if !errors.Is(err, stopped) {
			t.Fatalf("Run = %v after %d marks, want it to be stopped", err, len(marks))
		}
		rewritten := round%6 == 5
		for range 40 {
			id := rng.IntN(700)
			d.exec([]string{
				fmt.Sprintf("UPDATE %s SET v = v + 1 WHERE id BETWEEN %d AND %d", name, id, id+4),
				fmt.Sprintf("UPDATE %s SET id = %d WHERE id = (SELECT max(id) FROM %[1]s) AND NOT EXISTS (SELECT FROM %[1]s WHERE id = %[2]d)", name, id),
				fmt.Sprintf("DELETE FROM %s WHERE id = %d", name, id),
				fmt.Sprintf("INSERT INTO %s VALUES (%d, 0) ON CONFLICT DO NOTHING", name, id),
			}[rng.IntN(4)])
		}
		if rewritten {
			d.exec("VACUUM FULL " + name)
		}
		tab := d.table(name)
		tab.From = marks[len(marks)-1]
		n := 0
		for _, text := range rows(t, d.open(opts), tab) {
			f := strings.Split(text, "|")
			state[f[1]] = f[2]
			n++
		}
		want := map[string]string{}
		for _, text := range rows(t, d.open(opts), d.table(name)) {
			f := strings.Split(text, "|")
			want[f[1]] = f[2]
		}
		for id := range state {
			if _, there := want[id]; !there {
				delete(state, id) // the stream tells of it
			}
		}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Errorf("seed %d, round %d: table %s behind mark %+v (-table +got):\n%s", seed, round, name, tab.From, diff)
		}
		if rewritten != (n == len(want)) {
			t.Errorf("seed %d, round %d: %d rows of %d were read behind the mark, want all only after a rewrite", seed, round, n, len(want))
		}
	}
}

// TestUndivided: tables whose scan is more than its own blocks, or that the role may read through their parent alone, are read by one statement.
func TestUndivided(t *testing.T) {
	d := database(t, wideRows+`; CREATE TABLE child () INHERITS (a); INSERT INTO child SELECT g, 1 FROM generate_series(1000, 1010) g;
		DROP ROLE IF EXISTS limited_reader; CREATE ROLE limited_reader LOGIN PASSWORD 'x'; GRANT SELECT ON p TO limited_reader`)
	defer d.exec("DROP OWNED BY limited_reader; DROP ROLE limited_reader")
	opts := d.options()
	opts.ChunkRows = 30
	if got, chunks := trace(t, d.open(opts), d.table("a")); chunks != 0 || len(got) != 300+11+3 {
		t.Errorf("a table with a child: %d lines in %d chunks, want 311 rows, undivided", len(got), chunks)
	}
	p := d.table("p")
	cfg := d.cfg
	cfg.User, cfg.Password = "limited_reader", "x"
	limited := &db{t: t, cfg: cfg}
	if conn, err := cfg.Connect(t.Context(), replication.General); err == nil {
		conn.Close(t.Context())
	} else {
		t.Fatal(err)
	}
	opts = limited.options()
	opts.ChunkRows = 30
	if got, chunks := trace(t, limited.open(opts), p); chunks != 0 || len(got) != 300+3 {
		t.Errorf("partitions that the role may not read: %d lines in %d chunks, want 300 rows, undivided", len(got), chunks)
	}
	opts.Isolation = snapshot.ReadCommitted
	if _, chunks := trace(t, d.open(opts), p); chunks != 0 {
		t.Errorf("without a shared snapshot: %d chunks, want none", chunks)
	}
}
