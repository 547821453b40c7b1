package incremental

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

func text(s string) cdc.Datum { return cdc.Datum{Kind: cdc.Text, Bytes: []byte(s)} }

// tuple makes a row; "-" is null, "=" a value that did not change.
func tuple(values ...string) cdc.Tuple {
	t := make(cdc.Tuple, len(values))
	for i, v := range values {
		switch v {
		case "-":
		case "=":
			t[i] = cdc.Datum{Kind: cdc.Unchanged}
		default:
			t[i] = text(v)
		}
	}
	return t
}

func relation(names ...string) *cdc.Relation {
	r := &cdc.Relation{Schema: "public", Name: "t"}
	for _, n := range names {
		r.Columns = append(r.Columns, cdc.Column{Name: n})
	}
	return r
}

// left are the first two columns of the rows that are left.
func left(t *testing.T, w *Window) (rows []string) {
	err := w.Rows(func(tuple cdc.Tuple, key Key) error {
		rows = append(rows, string(tuple[0].Bytes)+string(tuple[1].Bytes))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != w.Len() {
		t.Errorf("Len() = %d with %d rows", w.Len(), len(rows))
	}
	return rows
}

func TestWindow(t *testing.T) {
	ab, ba := relation("a", "b"), relation("b", "x", "a")
	for _, c := range []struct {
		name   string
		key    []string
		of     []int
		unique bool
		rows   []cdc.Tuple
		change cdc.Change
		want   []string
	}{
		{"insert", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y")}, cdc.Change{Kind: cdc.Insert, Relation: ab, New: tuple("1", "q")}, []string{"2y"}},
		{"delete by key", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y")}, cdc.Change{Kind: cdc.Delete, Relation: ab, Old: tuple("2", "-")}, []string{"1x"}},
		{"change of key", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y"), tuple("3", "z")}, cdc.Change{Kind: cdc.Update, Relation: ab, Old: tuple("1", "-"), New: tuple("3", "n")}, []string{"2y"}},
		{"other order of columns", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y")}, cdc.Change{Kind: cdc.Update, Relation: ba, New: tuple("q", "r", "1")}, []string{"2y"}},
		{"unchanged key", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y")}, cdc.Change{Kind: cdc.Update, Relation: ab, Old: tuple("1", "-"), New: tuple("=", "n")}, []string{"2y"}},
		{"another row", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x")}, cdc.Change{Kind: cdc.Insert, Relation: ab, New: tuple("11", "x")}, []string{"1x"}},
		{"columns do not run together", []string{"a", "b"}, []int{0, 1}, true, []cdc.Tuple{tuple("1", "12")}, cdc.Change{Kind: cdc.Insert, Relation: ab, New: tuple("11", "2")}, []string{"112"}},
		{"null is no text", []string{"a", "b"}, []int{0, 1}, false, []cdc.Tuple{tuple("1", "-"), tuple("1", "")}, cdc.Change{Kind: cdc.Delete, Relation: ab, Old: tuple("1", "-")}, []string{"1"}},
		{"one of several", []string{"b"}, []int{1}, false, []cdc.Tuple{tuple("1", "-"), tuple("2", "-"), tuple("3", "-")}, cdc.Change{Kind: cdc.Delete, Relation: ab, Old: tuple("2", "-")}, []string{"1", "3"}},
		{"truncate", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x"), tuple("2", "y")}, cdc.Change{Kind: cdc.Truncate, Relation: ab}, nil},
		{"key column is gone", []string{"a"}, []int{0}, true, []cdc.Tuple{tuple("1", "x")}, cdc.Change{Kind: cdc.Insert, Relation: relation("b"), New: tuple("1")}, []string{"1x"}},
	} {
		var w Window
		w.Begin(c.key, c.of, c.unique)
		for _, r := range c.rows {
			row := w.Tuple(len(r))
			copy(row, r)
			w.Add(row, []KeyColumn{{Name: "a"}})
		}
		w.Changed(&c.change)
		w.Changed(&cdc.Change{Kind: cdc.Insert, Relation: relation("a", "b"), New: tuple("none", "none")}) // another relation does no harm
		if diff := cmp.Diff(c.want, left(t, &w)); diff != "" {
			t.Errorf("%s: rows left (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestStatements(t *testing.T) {
	key := func(names ...string) (k []KeyColumn) {
		for i, n := range names {
			k = append(k, KeyColumn{Name: n, Index: i, TypeOID: 23, NotNull: true})
		}
		return k
	}
	nullable := key("a", "b")
	nullable[0].NotNull, nullable[1].NotNull = false, false
	one := Table{Schema: "s", Name: `t"x`, Columns: []string{"a", "v"}, Key: key("a"), Unique: true}
	two := Table{Schema: "s", Name: "t", Columns: []string{"a"}, Key: key("a", "b"), Unique: true, Condition: "v > 1 -- all"}
	nulls := Table{Schema: "s", Name: "t", Columns: []string{"a"}, Key: nullable}
	for _, c := range []struct{ got, want Statement }{
		{one.Chunk(nil, Key{text("9")}, 5), Statement{SQL: `SELECT "a", "v" FROM "s"."t""x" ORDER BY "a" LIMIT 5`}},
		{one.Chunk(Key{text("1")}, Key{text("9")}, 5), Statement{`SELECT "a", "v" FROM "s"."t""x" WHERE "a" > $1 AND "a" <= $2 ORDER BY "a" LIMIT 5`, [][]byte{[]byte("1"), []byte("9")}, []uint32{23, 23}}},
		{two.Chunk(Key{text("1"), text("2")}, Key{text("8"), text("9")}, 5), Statement{"SELECT \"a\" FROM \"s\".\"t\" WHERE (\"a\", \"b\") > ($1, $2) AND (\"a\", \"b\") <= ($3, $4) AND (v > 1 -- all\n) ORDER BY \"a\", \"b\" LIMIT 5",
			[][]byte{[]byte("1"), []byte("2"), []byte("8"), []byte("9")}, []uint32{23, 23, 23, 23}}},
		{two.Maximum(), Statement{SQL: "SELECT \"a\", \"b\" FROM \"s\".\"t\" WHERE (v > 1 -- all\n) ORDER BY \"a\" DESC, \"b\" DESC LIMIT 1"}},
		{one.Count(Key{text("9")}), Statement{`SELECT count(*) FROM "s"."t""x" WHERE "a" <= $1`, [][]byte{[]byte("9")}, []uint32{23}}},
		{nulls.Chunk(Key{text("1"), {}}, nil, 5), Statement{`SELECT "a" FROM "s"."t" WHERE (("a" > $1 OR "a" IS NULL)) ORDER BY "a", "b" FETCH FIRST 5 ROWS WITH TIES`, [][]byte{[]byte("1")}, []uint32{23}}},
		{nulls.Count(Key{{}, text("2")}), Statement{`SELECT count(*) FROM "s"."t" WHERE NOT ("a" IS NULL AND ("b" > $1 OR "b" IS NULL))`, [][]byte{[]byte("2")}, []uint32{23}}},
		{nulls.Chunk(Key{{}, {}}, nil, 5), Statement{SQL: `SELECT "a" FROM "s"."t" WHERE (false) ORDER BY "a", "b" FETCH FIRST 5 ROWS WITH TIES`}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("statement (-want +got):\n%s", diff)
		}
	}
}

// The order was recorded: a signal for public.* and app.*.
func TestMapOrder(t *testing.T) {
	got := MapOrder([]string{"app.x", "public.Alpha", "public.a", "public.b", "public.c", "public.customers", "public.inventory", "public.order_items", "public.orders",
		"public.products", "public.sig", "public.t1", "public.t10", "public.t2", "public.users", "public.zeta"})
	want := []string{"app.x", "public.users", "public.inventory", "public.c", "public.customers", "public.orders", "public.a", "public.b", "public.products", "public.zeta",
		"public.order_items", "public.t10", "public.Alpha", "public.sig", "public.t2", "public.t1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("MapOrder (-want +got):\n%s", diff)
	}
}

func TestVisibility(t *testing.T) {
	for _, c := range []struct {
		snapshot string
		seen     []uint32
		unseen   []uint32
	}{
		{"100:100:", []uint32{99, 1}, []uint32{100, 101}},
		{"100:110:100,105", []uint32{99, 101, 104, 106, 109}, []uint32{100, 105, 110, 2000}},
		{"4294967290:4294967300:4294967290,4294967297", []uint32{4294967289, 4294967291, 0, 2, 3}, []uint32{4294967290, 1, 4, 5}},
		{"8589934600:8589934600:", []uint32{7, 4294967295}, []uint32{8, 9}},
	} {
		v, err := ParseVisibility(c.snapshot)
		if err != nil {
			t.Fatal(err)
		}
		for _, xid := range c.seen {
			if !v.Sees(xid) {
				t.Errorf("%s: Sees(%d) = false, want true", c.snapshot, xid)
			}
		}
		for _, xid := range c.unseen {
			if v.Sees(xid) {
				t.Errorf("%s: Sees(%d) = true, want false", c.snapshot, xid)
			}
		}
	}
	for _, bad := range []string{"", "1:2", "x:2:", "1:y:", "1:2:z", "1:2:3,", "-1:2:"} {
		if _, err := ParseVisibility(bad); err == nil {
			t.Errorf("ParseVisibility(%q) = nil, want an error", bad)
		}
	}
}
