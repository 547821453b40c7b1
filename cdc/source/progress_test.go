package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
)

func TestProgressInOffset(t *testing.T) {
	mark := &snapshot.Mark{Storage: "5af", Part: 9, Block: 4, XMin: 1 << 33}
	for _, want := range []position{
		{lsn: 100, snap: snapshotRunning, micros: 5, xid: 7, hasXID: true, progress: new(progress)},
		{lsn: 100, snap: snapshotRunning, micros: 5, progress: &progress{done: []uint32{3, 1}, table: 8}},
		{lsn: 100, snap: snapshotRunning, micros: 5, progress: &progress{table: 8, mark: mark}},
		// A stream that catches up: within a transaction, behind one, and idle.
		{lsn: 120, proc: 120, commit: 90, events: 2, kind: typeUpdate, micros: 5, xid: 7, hasXID: true, progress: &progress{done: []uint32{3}, table: 8, mark: mark}},
		{lsn: 130, proc: 130, commit: 130, kind: typeCommit, micros: 5, xid: 7, hasXID: true, progress: &progress{done: []uint32{3}}},
		{lsn: 130, proc: 130, commit: 130, idle: 150, kind: typeCommit, micros: 5, xid: 7, hasXID: true, progress: &progress{done: []uint32{3}}},
	} {
		text := want.appendJSON(nil)
		got, err := parsePosition(text)
		if err != nil {
			t.Fatalf("parsePosition(%s): %v", text, err)
		}
		if diff := cmp.Diff(want, *got, cmp.AllowUnexported(position{}, progress{}, txCounts{})); diff != "" {
			t.Errorf("parsePosition(%s) (-want +got):\n%s", text, diff)
		}
		if !got.unfinished() {
			t.Errorf("unfinished(%s) = false, want true", text)
		}
	}
	for _, bad := range []string{`7`, `"x"`, `"{\"stream\":{\"lsn\":5,\"snapshot\":\"INITIAL\"}}"`, `"{\"stream\":{}}"`, `"{\"done\":[-1]}"`} {
		if p, err := parsePosition([]byte(`{"lsn":5,"snapshot":"INITIAL","tandem_snapshot":` + bad + `}`)); err == nil {
			t.Errorf("parsePosition(tandem_snapshot %s) = %+v, want an error", bad, p)
		}
	}
	done, err := parsePosition([]byte(`{"lsn":5,"snapshot":"INITIAL","snapshot_completed":true,"tandem_snapshot":"{}"}`))
	if err != nil || done.unfinished() {
		t.Errorf("a complete snapshot = %+v, %v, want it finished", done, err)
	}
}

// TestProgressIsNotChanged: a progress that is part of a position stays what it was when later ones are made of it.
func TestProgressIsNotChanged(t *testing.T) {
	all := []*progress{new(progress)}
	for table := range uint32(50) {
		g := all[len(all)-1].begin(table, nil)
		all = append(all, g, g.upTo(snapshot.Mark{Block: table}), g.end())
	}
	for i, g := range all {
		if want := (i + 2) / 3; g.table == 0 && len(g.done) != want && i > 3 {
			t.Errorf("progress %d has %d tables done, want %d", i, len(g.done), want)
		}
		for j, oid := range g.done {
			if oid != uint32(j) {
				t.Fatalf("progress %d: done[%d] = %d, want %[2]d", i, j, oid)
			}
		}
	}
}

// TestGone: of a change of a table whose rows come later only the end of a row is told.
func TestGoneOf(t *testing.T) {
	rel := &cdc.Relation{OID: 1, Columns: []cdc.Column{{Name: "id", Key: true}, {Name: "v"}}}
	row := func(texts ...string) cdc.Tuple {
		var t cdc.Tuple
		for _, s := range texts {
			t = append(t, cdc.Datum{Kind: cdc.Text, Bytes: []byte(s)})
		}
		return t
	}
	id, keyless := []int{0}, []int(nil)
	for _, tt := range []struct {
		name string
		key  []int
		c    cdc.Change
		want cdc.Kind // 0: nothing
	}{
		{"insert", id, cdc.Change{Kind: cdc.Insert, New: row("1", "a")}, 0},
		{"delete", id, cdc.Change{Kind: cdc.Delete, Old: row("1", ""), OldKind: cdc.OldKey}, cdc.Delete},
		{"truncate", id, cdc.Change{Kind: cdc.Truncate}, cdc.Truncate},
		{"update", id, cdc.Change{Kind: cdc.Update, New: row("1", "a")}, 0},
		{"update of the key", id, cdc.Change{Kind: cdc.Update, Old: row("1", ""), OldKind: cdc.OldKey, New: row("2", "a")}, cdc.Delete},
		{"update, identity full", id, cdc.Change{Kind: cdc.Update, Old: row("1", "a"), OldKind: cdc.OldFull, New: row("1", "b")}, 0},
		{"update of the key, identity full", id, cdc.Change{Kind: cdc.Update, Old: row("1", "a"), OldKind: cdc.OldFull, New: row("2", "a")}, cdc.Delete},
		{"update of message.key.columns, identity full", []int{1}, cdc.Change{Kind: cdc.Update, Old: row("1", "a"), OldKind: cdc.OldFull, New: row("1", "b")}, cdc.Delete},
		{"update without a key, identity full", keyless, cdc.Change{Kind: cdc.Update, Old: row("1", "a"), OldKind: cdc.OldFull, New: row("1", "b")}, cdc.Delete},
	} {
		tt.c.Relation = rel
		got, ok := goneOf(&tt.c, tt.key)
		if ok != (tt.want != 0) || got.Kind != tt.want && ok || ok && got.New != nil {
			t.Errorf("goneOf(%s) = %s, %t, want %s", tt.name, got.Kind, ok, tt.want)
		}
	}
}
