package replay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/golden"
)

func TestScanner(t *testing.T) {
	for _, file := range golden.Files(t, "testdata/sql/*.txtar") {
		t.Run(file.Name, func(t *testing.T) {
			file.Check(t, "out", renderStatements(newScanner(file.Text("in.sql"), 1, map[string]string{"slot": "s'1"})))
		})
	}
}

func renderStatements(s *scanner) string {
	var b strings.Builder
	for {
		st, ok, err := s.next()
		switch {
		case err != nil:
			fmt.Fprintf(&b, "error: %v\n", err)
			return b.String()
		case !ok:
			return b.String()
		case st.set != nil:
			fmt.Fprintf(&b, "%d: \\set %s=%s\n", st.line, st.set[0], st.set[1])
		case st.into != nil:
			fmt.Fprintf(&b, "%d: into %q: %s\n", st.line, *st.into, st.sql)
		case st.each:
			fmt.Fprintf(&b, "%d: each of %s\n", st.line, st.sql)
		case st.copy != nil:
			fmt.Fprintf(&b, "%d: %s <- %q\n", st.line, st.sql, st.copy)
		default:
			fmt.Fprintf(&b, "%d: %s\n", st.line, st.sql)
		}
	}
}

// FuzzScanner: no text may make it panic or loop, and statements never grow out of nothing.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{"SELECT 1;", "$$", "E'\\", ":'", "/*/*", `\set`, `\`, "COPY t FROM STDIN;\n", "é;", "(;)", "$1$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newScanner(text, 1, map[string]string{})
		for range len(text) + 2 {
			if _, ok, err := s.next(); !ok || err != nil {
				return
			}
		}
		t.Errorf("scanner makes more statements of %q than it has bytes", text)
	})
}

func TestSteps(t *testing.T) {
	got := steps("INSERT 1;\nINSERT 2;\n-- oracle: wait\n-- a remark\n--oracle: restart a=b c=d\nDELETE;\n")
	want := []step{{line: 1, sql: "INSERT 1;\nINSERT 2;\n"}, {line: 3, word: "wait"}, {line: 4, sql: "-- a remark\n"},
		{line: 5, word: "restart", arg: "a=b c=d"}, {line: 6, sql: "DELETE;\n"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(step{})); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
}
