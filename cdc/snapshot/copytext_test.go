package snapshot

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// table is a relation of n text columns.
func table(n int) *cdc.Relation {
	rel := &cdc.Relation{Schema: "public", Name: "t"}
	for i := range n {
		rel.Columns = append(rel.Columns, cdc.Column{Name: fmt.Sprint("c", i), TypeOID: 25, TypeMod: -1})
	}
	return rel
}

// reading returns a reader of rows of rel, and what it has handed out so far.
func reading(rel *cdc.Relation, fields ...int) (*copyReader, *cdc.Batch) {
	rows := new(Rows)
	return &copyReader{rel: rel, fields: fields, out: &filler{limit: 1 << 30, cur: rows}, row: cdc.Change{Kind: cdc.Read, Relation: rel}}, &rows.Batch
}

func show(b *cdc.Batch) []string {
	var rows []string
	for _, c := range b.Changes {
		var cols []string
		for _, d := range c.New {
			if d.Kind == cdc.Null {
				cols = append(cols, "<null>")
			} else {
				cols = append(cols, fmt.Sprintf("%q", d.Bytes))
			}
		}
		rows = append(rows, strings.Join(cols, " "))
	}
	return rows
}

func TestCopyText(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cols   int
		fields []int
		in     string
		want   []string
	}{
		{"plain", 2, []int{0, 1}, "1\tx\n2\t\n", []string{`"1" "x"`, `"2" ""`}},
		{"null", 2, []int{0, 1}, "\\N\tN\n\\\\N\t\\N\n", []string{`<null> "N"`, `"\\N" <null>`}},
		{"escapes", 1, []int{0}, `a\bb\fc\nd\re\tf\vg\\h\.i` + "\n", []string{`"a\bb\fc\nd\re\tf\vg\\h.i"`}},
		{"one empty column", 1, []int{0}, "\n\n", []string{`""`, `""`}},
		{"no columns", 0, nil, "\n\n\n", []string{"", "", ""}},
		{"order and left out", 3, []int{2, -1, 0}, "a\tb\tc\n", []string{`"c" <null> "a"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{len(tt.in), 1, 3} { // lines come whole, though the protocol does not promise it
				c, batch := reading(table(tt.cols), tt.fields...)
				for rest := []byte(tt.in); len(rest) > 0; {
					n := min(step, len(rest))
					if _, err := c.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := c.close(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, show(batch)); diff != "" {
					t.Errorf("rows in steps of %d (-want +got):\n%s", step, diff)
				}
			}
		})
	}
}

func TestCopyTextErrors(t *testing.T) {
	for in, want := range map[string]string{
		"1\n":       "1 fields, want 2",
		"1\t2\t3\n": "more than 2 fields",
		"1\tx\\\n":  `column "c1": a backslash ends`,
		"1\tx":      "end inside",
	} {
		c, _ := reading(table(2), 0, 1)
		_, err := c.Write([]byte(in))
		if err == nil {
			err = c.close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "public.t") {
			t.Errorf("rows %q = %v, want an error with %q and the table", in, err, want)
		}
	}
}

// escape writes a value as the server does: the plain twin of unescape.
func escape(value string) string {
	return strings.NewReplacer("\\", `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`).Replace(value)
}

func FuzzCopyText(f *testing.F) {
	f.Add([]byte("1\tx\n"), "a\\N", "\\N")
	f.Add([]byte("\\"), "\t\n\v", "")
	f.Fuzz(func(t *testing.T, raw []byte, a, b string) {
		c, _ := reading(table(2), 0, 1)
		if _, err := c.Write(raw); err == nil { // must not panic
			_ = c.close()
		}
		c, batch := reading(table(3), 0, 1, 2)
		if _, err := c.Write([]byte(escape(a) + "\t\\N\t" + escape(b) + "\n")); err != nil {
			t.Fatalf("rows of %q and %q: %v", a, b, err)
		}
		if row := batch.Changes[0].New; string(row[0].Bytes) != a || row[1].Kind != cdc.Null || string(row[2].Bytes) != b {
			t.Errorf("%q, null, %q come back as %s", a, b, show(batch))
		}
	})
}

func TestCopyTextAllocatesNothing(t *testing.T) {
	c, batch := reading(table(4), 0, 1, 2, 3)
	rows := bytes.Repeat([]byte("17\tsome text\t\\N\twith \\t tab\n"), 100)
	if allocs := testing.AllocsPerRun(50, func() {
		batch.Reset()
		if _, err := c.Write(rows); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("AllocsPerRun(100 rows) = %v, want 0", allocs)
	}
}

func BenchmarkCopyText(b *testing.B) {
	c, batch := reading(table(6), 0, 1, 2, 3, 4, 5)
	const n = 1000
	rows := bytes.Repeat([]byte("4711\tFirst Name\tLast Name\t\\N\tsomebody@example.org\t12.50\n"), n)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		if _, err := c.Write(rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
}
