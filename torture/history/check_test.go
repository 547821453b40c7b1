package history

import (
	"slices"
	"testing"
)

// recording is a round of the torture on real servers, with its faults.
func recording(t *testing.T) *Recording {
	t.Helper()
	r, err := Read("testdata/round.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

func (r *Recording) check(mode Mode) []Verdict {
	verdicts := Check(r.Tables, r.Truth, r.Records, mode)
	return append(verdicts, CheckBoundaries(r.Tables, r.Truth, r.Boundaries, mode)...)
}

// first is the place of the first record that is asked for.
func (r *Recording) first(t *testing.T, what string, wanted func(int, *Record) bool) int {
	t.Helper()
	for i := range r.Records {
		if wanted(i, &r.Records[i]) {
			return i
		}
	}
	t.Fatalf("the recording has no %s", what)
	return -1
}

func (r *Recording) drop(i int) { r.Records = slices.Delete(r.Records, i, i+1) }

func TestRecordingIsWell(t *testing.T) {
	r := recording(t)
	for _, mode := range []Mode{ExactlyOnce, AtLeastOnce} {
		for _, v := range r.check(mode) {
			t.Errorf("%s: %v", mode, v)
		}
	}
	ops := make(map[Op]int)
	for i := range r.Records {
		ops[r.Records[i].Op]++
	}
	for _, op := range []Op{Insert, Update, Delete, Truncate, Message, Tombstone} {
		if ops[op] == 0 {
			t.Errorf("the recording has no record with op %s", op)
		}
	}
}

// sibling is the place of the next record of the same key; -1: there is none.
func (r *Recording) sibling(i int) int {
	for j := i + 1; j < len(r.Records) && r.Records[j].Table == r.Records[i].Table && r.Records[j].Partition == r.Records[i].Partition; j++ {
		if r.Records[j].Key == r.Records[i].Key && r.Records[j].Op != Tombstone && r.Records[j].XID != r.Records[i].XID {
			return j
		}
	}
	return -1
}

// Whatever is done to a history, the checker tells.
func TestMutationsAreCaught(t *testing.T) {
	op := func(want Op) func(int, *Record) bool { return func(_ int, r *Record) bool { return r.Op == want } }
	keyed := func(_ int, r *Record) bool { return r.Op == Update && r.Key != "" }
	for _, tt := range []struct {
		name   string
		kind   Kind
		mutate func(*testing.T, *Recording)
	}{
		{"an update is dropped", Lost, func(t *testing.T, r *Recording) { r.drop(r.first(t, "update", op(Update))) }},
		{"a tombstone is dropped", Lost, func(t *testing.T, r *Recording) { r.drop(r.first(t, "tombstone", op(Tombstone))) }},
		{"a truncate is dropped", Lost, func(t *testing.T, r *Recording) { r.drop(r.first(t, "truncate", op(Truncate))) }},
		{"a message is dropped", Lost, func(t *testing.T, r *Recording) {
			r.drop(slices.IndexFunc(r.Records, func(r Record) bool { return r.Op == Message }))
		}},
		{"a partition ends early", Lost, func(t *testing.T, r *Recording) {
			last := r.Records[r.first(t, "update", keyed)]
			r.Records = slices.DeleteFunc(r.Records, func(x Record) bool {
				return x.Table == last.Table && x.Partition == last.Partition && x.Offset > last.Offset
			})
		}},
		{"a record is doubled at once", Doubled, func(t *testing.T, r *Recording) {
			i := r.first(t, "update", keyed)
			r.Records = slices.Insert(r.Records, i, r.Records[i])
		}},
		{"a delete and its tombstone come again", Doubled, func(t *testing.T, r *Recording) {
			i := r.first(t, "delete with its tombstone behind it", func(i int, x *Record) bool {
				return x.Op == Delete && i+1 < len(r.Records) && r.Records[i+1].Op == Tombstone
			})
			r.Records = slices.Insert(r.Records, i+2, r.Records[i], r.Records[i+1])
		}},
		{"two records of a key change places", Disordered, func(t *testing.T, r *Recording) {
			i := r.first(t, "pair", func(i int, x *Record) bool { return x.Op == Update && x.Key != "" && r.sibling(i) > 0 })
			j := r.sibling(i)
			r.Records[i], r.Records[j] = r.Records[j], r.Records[i]
		}},
		{"a record is in another partition than its key", Disordered, func(t *testing.T, r *Recording) {
			i := r.first(t, "pair", func(i int, x *Record) bool { return x.Op == Update && x.Key != "" && r.sibling(i) > 0 })
			r.Records[i].Partition++
			Sort(r.Records)
		}},
		{"a record of a transaction that was rolled back", Phantom, func(t *testing.T, r *Recording) {
			i := r.first(t, "update", keyed)
			x := r.Records[i]
			x.XID += 1 << 20
			r.Records = slices.Insert(r.Records, i, x)
		}},
		{"a record that a savepoint took back", Phantom, func(t *testing.T, r *Recording) {
			i := r.first(t, "update", keyed)
			x := r.Records[i]
			x.Order += 1 << 20
			r.Records = slices.Insert(r.Records, i, x)
		}},
		{"a tombstone without its delete", Phantom, func(t *testing.T, r *Recording) {
			i := r.first(t, "update", keyed)
			r.Records = slices.Insert(r.Records, i, Record{Table: r.Records[i].Table, Partition: r.Records[i].Partition, Op: Tombstone, Key: r.Records[i].Key})
		}},
		{"a value is another", Wrong, func(t *testing.T, r *Recording) { r.Records[r.first(t, "update", keyed)].After["mark"] = "another" }},
		{"a column is missing", Wrong, func(t *testing.T, r *Recording) { delete(r.Records[r.first(t, "update", keyed)].After, "mark") }},
		{"a value that has not changed is null", Wrong, func(t *testing.T, r *Recording) {
			i := r.first(t, "value that is not known", func(_ int, x *Record) bool { return x.After["big"] == Unknown })
			r.Records[i].After["big"] = Null
		}},
		{"a former value is another", Wrong, func(t *testing.T, r *Recording) {
			i := r.first(t, "former row", func(_ int, x *Record) bool { return x.Op == Update && x.Table == "store.parts" })
			r.Records[i].Before["mark"] = "another"
		}},
		{"an operation is another", Wrong, func(t *testing.T, r *Recording) { r.Records[r.first(t, "update", keyed)].Op = Insert }},
		{"a key is another", Wrong, func(t *testing.T, r *Recording) { r.Records[r.first(t, "update", keyed)].Key += "0" }},
		{"a position in the WAL is another", Wrong, func(t *testing.T, r *Recording) { r.Records[r.first(t, "update", keyed)].LSN++ }},
		{"an order within the table is another", Wrong, func(t *testing.T, r *Recording) { r.Records[r.first(t, "update", keyed)].CollectionOrder++ }},
		{"an END counts too much", Metadata, func(t *testing.T, r *Recording) { r.Boundaries[r.end(t)].Count++ }},
		{"an END counts a table wrongly", Metadata, func(t *testing.T, r *Recording) {
			for name := range r.Boundaries[r.end(t)].Tables {
				r.Boundaries[r.end(t)].Tables[name]++
			}
		}},
		{"an END is missing", Lost, func(t *testing.T, r *Recording) { r.Boundaries = slices.Delete(r.Boundaries, r.end(t), r.end(t)+1) }},
		{"a BEGIN comes twice", Doubled, func(t *testing.T, r *Recording) {
			i := r.end(t) - 1
			r.Boundaries = slices.Insert(r.Boundaries, i, r.Boundaries[i])
		}},
		{"transactions change places", Disordered, func(t *testing.T, r *Recording) {
			i := r.end(t)
			r.Boundaries[i-1], r.Boundaries[i+1] = r.Boundaries[i+1], r.Boundaries[i-1]
			r.Boundaries[i], r.Boundaries[i+2] = r.Boundaries[i+2], r.Boundaries[i]
		}},
		{"a transaction that was rolled back is told of", Phantom, func(t *testing.T, r *Recording) { r.Boundaries[r.end(t)].XID += 1 << 20 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := recording(t)
			tt.mutate(t, r)
			verdicts := r.check(ExactlyOnce)
			if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Kind == tt.kind }) {
				t.Errorf("the verdicts are %v, want one of kind %s", verdicts, tt.kind)
			}
		})
	}
}

// end is the place of an END with records before it.
func (r *Recording) end(t *testing.T) int {
	t.Helper()
	for i := len(r.Boundaries) / 2; i+2 < len(r.Boundaries); i++ {
		if r.Boundaries[i].End && r.Boundaries[i].Count > 1 && len(r.Boundaries[i].Tables) > 1 && r.Boundaries[i+2].End {
			return i
		}
	}
	t.Fatal("the recording has no END of a transaction with records of two tables")
	return -1
}

// At least once, what follows a record may come again as a whole, and nothing else.
func TestRepeats(t *testing.T) {
	r := recording(t)
	i := r.first(t, "partition", func(i int, x *Record) bool {
		return x.Table == "store.items" && i+30 < len(r.Records) && r.Records[i+30].Table == x.Table && r.Records[i+30].Partition == x.Partition &&
			x.Op == Update && r.Records[i+10].Op != Tombstone && r.Records[i+11].Op != Tombstone
	})
	whole := r.Records
	repeated := slices.Clone(whole[i : i+10])
	r.Records = slices.Insert(slices.Clone(whole), i+10, repeated...)
	if verdicts := r.check(AtLeastOnce); len(verdicts) > 0 {
		t.Errorf("ten records that come again: %v, want no verdict", verdicts)
	}
	if verdicts := r.check(ExactlyOnce); !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Kind == Doubled }) {
		t.Errorf("ten records that come again, exactly once: %v, want a verdict of kind %s", verdicts, Doubled)
	}
	for name, broken := range map[string][]Record{
		"with a hole":        slices.Delete(slices.Clone(repeated), 4, 5),
		"that end too early": repeated[:6],
		"in reverse":         {whole[i+9], whole[i+8], whole[i+7]},
	} {
		if slices.ContainsFunc(broken, func(x Record) bool { return x.Op == Tombstone }) && name == "in reverse" {
			continue
		}
		r.Records = slices.Insert(slices.Clone(whole), i+10, broken...)
		if verdicts := r.check(AtLeastOnce); len(verdicts) == 0 {
			t.Errorf("records that come again %s: no verdict, want one", name)
		}
	}
}

func TestModels(t *testing.T) {
	r := recording(t)
	truth, replayed := NewModel(r.Tables), NewModel(r.Tables)
	truth.Apply(r.Truth)
	replayed.ApplyRecords(r.Records)
	if verdicts := truth.CompareModel("the records", replayed); len(verdicts) > 0 {
		t.Errorf("replay of the records = %v, want what the truth makes", verdicts)
	}
	for name, mutate := range map[string]func(*Stored){
		"a row is missing": func(s *Stored) {
			for key := range s.Rows {
				delete(s.Rows, key)
				return
			}
		},
		"a row too many": func(s *Stored) { s.Rows["id=-1"] = Row{"id": "-1"} },
		"a value is another": func(s *Stored) {
			for key, row := range s.Rows {
				s.Rows[key] = merged(row, Row{"mark": "another"})
				return
			}
		},
	} {
		s := Stored{Columns: []string{"id", "mark"}, Rows: make(map[string]Row)}
		for key, row := range truth.rows["store.items"] {
			s.Rows[key] = row
		}
		if verdicts := truth.Compare("a table", "store.items", s); len(verdicts) > 0 {
			t.Errorf("the same rows: %v, want no verdict", verdicts)
		}
		mutate(&s)
		if verdicts := truth.Compare("a table", "store.items", s); len(verdicts) != 1 {
			t.Errorf("%s: %v, want one verdict", name, verdicts)
		}
	}
}

// Rows of a table without a key are told apart by nothing but how many there are.
func TestModelOfATableWithoutKey(t *testing.T) {
	table := Table{Name: "s.t", Full: true}
	m := NewModel([]Table{table})
	row := func(n string) Row { return Row{"n": n} }
	m.Apply([]Transaction{{Changes: []Change{
		{Table: "s.t", Op: Insert, After: row("1")}, {Table: "s.t", Op: Insert, After: row("1")}, {Table: "s.t", Op: Insert, After: row("2")},
		{Table: "s.t", Op: Update, Before: row("1"), After: row("2")}, {Table: "s.t", Op: Delete, Before: row("2")},
	}}})
	if verdicts := m.Compare("the table", "s.t", table.Store([]string{"n"}, []Row{row("2"), row("1")})); len(verdicts) > 0 {
		t.Errorf("rows 1 and 2: %v, want no verdict", verdicts)
	}
	if verdicts := m.Compare("the table", "s.t", table.Store([]string{"n"}, []Row{row("2"), row("1"), row("1")})); len(verdicts) != 1 {
		t.Errorf("rows 1, 1 and 2: %v, want one verdict", verdicts)
	}
}

func TestPhantoms(t *testing.T) {
	records := []Record{{Table: "s.t", After: Row{"mark": "kept"}}, {Table: "s.t", After: Row{"mark": "ROLLED BACK 1"}}}
	if got := Phantoms(records, "ROLLED BACK "); len(got) != 1 || got[0].Kind != Phantom {
		t.Errorf("Phantoms = %v, want one", got)
	}
}
