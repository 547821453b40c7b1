package history

import (
	"slices"
	"testing"
)

var snapshotTables = []Table{{Name: "s.t", Key: []string{"id"}}, {Name: "s.bag", Full: true}, {Name: "s.w", Key: []string{"id"}, Rewritten: true}, {Name: "s.signal", Key: []string{"id"}, Unread: true}}

func kv(id, v string) Row { return Row{"id": id, "v": v} }

func read(table string, at LSN, row Row) Record {
	r := Record{Table: table, Op: SnapshotRow, LSN: at, After: row}
	if table != "s.bag" {
		r.Key = row.Key([]string{"id"})
	}
	return r
}

// streamed is the record of a change, number order of its transaction and of its table.
func streamed(table string, op Op, xid uint32, at LSN, order int64, before, after Row) Record {
	r := Record{Table: table, Op: op, XID: xid, LSN: at, Order: order, CollectionOrder: order, Before: before, After: after}
	if table != "s.bag" {
		key := after
		if after == nil {
			key = before
		}
		r.Key = key.Key([]string{"id"})
	}
	return r
}

// snapshotHistory is a snapshot at 100, interrupted behind rows 1 and 2, that goes on at 200.
type snapshotHistory struct {
	start   *Model
	truth   []Transaction
	records []Record
}

func startOfSnapshot() *Model {
	m := NewModel(snapshotTables)
	var changes []Change
	for _, row := range []Row{kv("1", "a"), kv("2", "b"), kv("3", "c")} {
		changes = append(changes, Change{Table: "s.t", Op: Insert, After: row})
	}
	for range 2 {
		changes = append(changes, Change{Table: "s.bag", Op: Insert, After: Row{"n": "1"}})
	}
	changes = append(changes, Change{Table: "s.w", Op: Insert, After: kv("1", "old")})
	m.Apply([]Transaction{{XID: 1, Commit: 1, Changes: changes}})
	return m
}

func newSnapshotHistory() *snapshotHistory {
	tombstone := Record{Table: "s.t", Op: Tombstone, Key: "id=1"}
	return &snapshotHistory{
		start: startOfSnapshot(),
		truth: []Transaction{
			{XID: 11, Commit: 110, Changes: []Change{
				{LSN: 101, Table: "s.t", Op: Delete, Before: Row{"id": "1"}},
				{LSN: 102, Table: "s.t", Op: Update, After: kv("2", "b2")},
				{LSN: 103, Table: "s.t", Op: Insert, After: kv("4", "d")},
				{LSN: 104, Table: "s.bag", Op: Update, Before: Row{"n": "1"}, After: Row{"n": "2"}},
			}},
			{XID: 12, Commit: 210, Changes: []Change{
				{LSN: 205, Table: "s.t", Op: Update, After: kv("3", "c2")},
				{LSN: 206, Table: "s.w", Op: Truncate},
				{LSN: 207, Table: "s.w", Op: Insert, After: kv("1", "new")},
			}},
		},
		records: []Record{
			streamed("s.bag", Delete, 11, 104, 1, Row{"n": "1"}, nil), {Table: "s.bag", Op: Tombstone}, // of a table that is read later
			read("s.bag", 200, Row{"n": "1"}), read("s.bag", 200, Row{"n": "2"}),
			read("s.t", 100, kv("1", "a")), read("s.t", 100, kv("2", "b")),
			streamed("s.t", Delete, 11, 101, 1, Row{"id": "1"}, nil), tombstone,
			read("s.t", 200, kv("2", "b2")), read("s.t", 200, kv("3", "c")), read("s.t", 200, kv("4", "d")),
			streamed("s.t", Update, 12, 205, 1, nil, kv("3", "c2")),
			read("s.w", 200, kv("1", "new")), // it was truncated before it was read
			{Table: "s.w", Op: Truncate, XID: 12, LSN: 206, Order: 2, CollectionOrder: 1},
			{Table: "s.w", Op: Insert, XID: 12, LSN: 207, Order: 3, CollectionOrder: 2, Key: "id=1", After: kv("1", "new")},
		},
	}
}

func (h *snapshotHistory) check(mode Mode) []Verdict {
	return CheckInitial(snapshotTables, h.start, h.truth, h.records, mode)
}

// at is the place of a record.
func (h *snapshotHistory) at(t *testing.T, wanted func(*Record) bool) int {
	t.Helper()
	i := slices.IndexFunc(h.records, func(r Record) bool { return wanted(&r) })
	if i < 0 {
		t.Fatal("the history has no such record")
	}
	return i
}

func (h *snapshotHistory) row(t *testing.T, table string, at LSN, key string) int {
	t.Helper()
	return h.at(t, func(r *Record) bool { return r.Table == table && r.Op == SnapshotRow && r.LSN == at && r.Key == key })
}

func (h *snapshotHistory) drop(i, n int) { h.records = slices.Delete(h.records, i, i+n) }

func (h *snapshotHistory) insert(i int, r ...Record) { h.records = slices.Insert(h.records, i, r...) }

func TestInitialIsWell(t *testing.T) {
	for _, mode := range []Mode{ExactlyOnce, AtLeastOnce} {
		for _, v := range newSnapshotHistory().check(mode) {
			t.Errorf("%s: %v", mode, v)
		}
	}
	h := newSnapshotHistory()
	if got := Points(h.records); !slices.Equal(got, []LSN{100, 200}) || Point(h.records) != 200 {
		t.Errorf("Points = %v, Point = %v, want 100 and 200, and 200", got, Point(h.records))
	}
}

// Whatever is done to the records of a snapshot, the checker tells.
func TestInitialMutationsAreCaught(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   Kind
		mode   Mode
		mutate func(*testing.T, *snapshotHistory)
	}{
		{"a row is another", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) { h.records[h.row(t, "s.t", 200, "id=3")].After = kv("3", "x") }},
		{"a row is as it was before", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) { h.records[h.row(t, "s.t", 200, "id=2")].After = kv("2", "b") }},
		{"a row is as it became later", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) { h.records[h.row(t, "s.t", 200, "id=3")].After = kv("3", "c2") }},
		{"a row lacks a column", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.records[h.row(t, "s.t", 200, "id=3")].After = Row{"id": "3"}
		}},
		{"a row has another key than its record", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.records[h.row(t, "s.t", 200, "id=3")].After = kv("2", "c")
		}},
		{"a row that was never there", Phantom, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=3"), read("s.t", 200, kv("9", "x")))
		}},
		{"a row that is gone", Phantom, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=3"), read("s.t", 200, kv("1", "a")))
		}},
		{"a row of a rewritten table that never was so", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.records[h.row(t, "s.w", 200, "id=1")].After = kv("1", "x")
		}},
		{"a row is missing", Diverged, AtLeastOnce, func(t *testing.T, h *snapshotHistory) { h.drop(h.row(t, "s.t", 200, "id=3"), 1) }},
		{"a row without a key is missing", Diverged, ExactlyOnce, func(t *testing.T, h *snapshotHistory) { h.drop(h.row(t, "s.bag", 200, ""), 1) }},
		{"a row without a key comes twice", Doubled, ExactlyOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.row(t, "s.bag", 200, "")
			h.insert(i, h.records[i])
		}},
		{"a row without a key that was never there", Doubled, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.records[h.row(t, "s.bag", 200, "")].After = Row{"n": "7"}
		}},
		{"a row comes twice", Doubled, ExactlyOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.row(t, "s.t", 200, "id=3")
			h.insert(i, h.records[i])
		}},
		{"rows of the former snapshot come again", Disordered, ExactlyOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=3"), h.records[h.row(t, "s.t", 100, "id=2")])
		}},
		{"a row of the former snapshot comes late", Disordered, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.row(t, "s.t", 100, "id=2")
			late := h.records[i]
			h.drop(i, 1)
			h.insert(h.row(t, "s.t", 200, "id=3"), late)
		}},
		{"a delete comes behind rows of the next snapshot", Disordered, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.at(t, func(r *Record) bool { return r.Table == "s.t" && r.Op == Delete })
			late := slices.Clone(h.records[i : i+2])
			h.drop(i, 2)
			h.insert(h.row(t, "s.t", 200, "id=3"), late...)
		}},
		{"a delete between the snapshots is missing", Diverged, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.drop(h.at(t, func(r *Record) bool { return r.Table == "s.t" && r.Op == Delete }), 2)
		}},
		{"a delete comes twice", Doubled, ExactlyOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.at(t, func(r *Record) bool { return r.Table == "s.t" && r.Op == Delete })
			h.insert(i, h.records[i], h.records[i+1])
		}},
		{"a change between the snapshots is another", Wrong, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=2"), streamed("s.t", Update, 11, 102, 2, nil, kv("2", "x")))
		}},
		{"a change between the snapshots that never was", Phantom, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=2"), streamed("s.t", Update, 11, 109, 2, nil, kv("2", "b2")))
		}},
		{"a tombstone without its delete", Phantom, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.insert(h.row(t, "s.t", 200, "id=2"), Record{Table: "s.t", Op: Tombstone, Key: "id=2"})
		}},
		{"a row comes behind the stream", Disordered, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			i := h.row(t, "s.t", 200, "id=4")
			h.records[i], h.records[i+1] = h.records[i+1], h.records[i]
		}},
		{"a change behind the point is missing", Lost, AtLeastOnce, func(t *testing.T, h *snapshotHistory) {
			h.drop(h.at(t, func(r *Record) bool { return r.Table == "s.t" && r.Op == Update }), 1)
		}},
		{"there are no rows", Lost, AtLeastOnce, func(_ *testing.T, h *snapshotHistory) {
			h.records = slices.DeleteFunc(h.records, func(r Record) bool { return r.Op == SnapshotRow })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newSnapshotHistory()
			tt.mutate(t, h)
			verdicts := h.check(tt.mode)
			if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Kind == tt.kind }) {
				t.Errorf("the verdicts are %v, want one of kind %s", verdicts, tt.kind)
			}
		})
	}
}

// At least once, what was published behind the last stored offset comes again.
func TestInitialRepeats(t *testing.T) {
	h := newSnapshotHistory()
	from, to := h.row(t, "s.t", 100, "id=2"), h.row(t, "s.t", 200, "id=3")
	h.insert(to, slices.Clone(h.records[from:to])...)
	if verdicts := h.check(AtLeastOnce); len(verdicts) > 0 {
		t.Errorf("records that come again: %v, want no verdict", verdicts)
	}
	if verdicts := h.check(ExactlyOnce); !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Kind == Doubled }) {
		t.Errorf("records that come again, exactly once: %v, want a verdict of kind %s", verdicts, Doubled)
	}
}

func TestInitialBoundaries(t *testing.T) {
	h := newSnapshotHistory()
	end := Boundary{End: true, XID: 12, Count: 3, Tables: map[string]int64{"s.t": 1, "s.w": 2}}
	well := []Boundary{{XID: 11}, {End: true, XID: 11, Count: 1}, {XID: 12}, end}
	check := func(b []Boundary) []Verdict {
		return CheckInitialBoundaries(snapshotTables, h.truth, 200, b, ExactlyOnce)
	}
	if verdicts := check(well); len(verdicts) > 0 {
		t.Errorf("boundaries: %v, want no verdict", verdicts)
	}
	if verdicts := check(well[:3]); len(verdicts) != 1 || verdicts[0].Kind != Lost {
		t.Errorf("without the last END: %v, want one verdict of kind %s", verdicts, Lost)
	}
	if verdicts := check(append([]Boundary{{XID: 99}}, well...)); len(verdicts) != 1 || verdicts[0].Kind != Phantom {
		t.Errorf("with a transaction that was not committed: %v, want one verdict of kind %s", verdicts, Phantom)
	}
}

func TestIncremental(t *testing.T) {
	signal := Row{"id": "x"}
	truth := []Transaction{
		{XID: 10, Commit: 50, Changes: []Change{{LSN: 49, Table: "s.signal", Op: Insert, After: signal}}},
		{XID: 11, Commit: 60, Changes: []Change{{LSN: 59, Table: "s.t", Op: Update, After: kv("2", "b2")}}},
	}
	first, change, last := read("s.t", 0, kv("1", "a")), streamed("s.t", Update, 11, 59, 1, nil, kv("2", "b2")), read("s.t", 0, kv("3", "c"))
	asked := streamed("s.signal", Insert, 10, 49, 1, nil, signal)
	for _, tt := range []struct {
		name    string
		mode    Mode
		kind    Kind // "": no verdict
		records []Record
	}{
		{"all that did not change", ExactlyOnce, "", []Record{first, change, last}},
		{"all, before", ExactlyOnce, "", []Record{first, read("s.t", 0, kv("2", "b")), change, last}},
		{"all, behind", ExactlyOnce, "", []Record{first, change, read("s.t", 0, kv("2", "b2")), last}},
		{"a row again", AtLeastOnce, "", []Record{first, first, change, last}},
		{"a row twice", ExactlyOnce, Doubled, []Record{first, first, change, last}},
		{"a row that is older than what was told", AtLeastOnce, Wrong, []Record{first, change, read("s.t", 0, kv("2", "b")), last}},
		{"a row that is younger than what was told", AtLeastOnce, Wrong, []Record{first, read("s.t", 0, kv("2", "b2")), change, last}},
		{"a row that is not there", AtLeastOnce, Wrong, []Record{first, change, read("s.t", 0, kv("7", "x")), last}},
		{"a row is missing", AtLeastOnce, Lost, []Record{first, change}},
		{"a change is missing", AtLeastOnce, Lost, []Record{first, last}},
		{"a row of another table", AtLeastOnce, Phantom, []Record{first, change, last, read("s.w", 0, kv("1", "old"))}},
	} {
		verdicts := CheckIncremental(snapshotTables, startOfSnapshot(), truth, append([]Record{asked}, tt.records...), tt.mode, []Asked{{At: 50, Tables: []string{"s.t"}}})
		if tt.kind == "" && len(verdicts) > 0 || tt.kind != "" && !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Kind == tt.kind }) {
			t.Errorf("%s: the verdicts are %v, want one of kind %q", tt.name, verdicts, tt.kind)
		}
	}
}
