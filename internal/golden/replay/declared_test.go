package replay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/golden"
)

// TestDivergences holds docs/divergences.md to declared.txt; -update rewrites it.
func TestDivergences(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	declared, err := readDeclared(filepath.Join(root, folder, declaredFile))
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, filepath.Join(root, "docs", "divergences.md"), []byte(Divergences(declared)))
}

func TestDeclarations(t *testing.T) {
	file := filepath.Join(t.TempDir(), "declared.txt")
	const text = "# a comment\n\na-* [form] one | two\nc@14 [run] no\na-b@14,15 [failure, value.after.n] why\na-b [records] why not\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	declared, err := readDeclared(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Declaration{
		{Case: "a-*", Fields: []string{"form"}, Reason: "one | two"},
		{Case: "c", Majors: []int{14}, Fields: []string{"run"}, Reason: "no"},
		{Case: "a-b", Majors: []int{14, 15}, Fields: []string{"failure", "value.after.n"}, Reason: "why"},
		{Case: "a-b", Fields: []string{"records"}, Reason: "why not"},
	}
	if d := cmp.Diff(want, declared); d != "" {
		t.Fatalf("readDeclared (-want +got):\n%s", d)
	}
	for _, test := range []struct {
		name  string
		major int
		want  *Declaration
	}{{"a-b", 14, &declared[2]}, {"a-b", 16, &declared[3]}, {"a-c", 14, &declared[0]}, {"b", 14, nil}} {
		if got := declarationOf(declared, test.name, test.major); got != test.want {
			t.Errorf("declarationOf(%q, %d) = %v, want %v", test.name, test.major, got, test.want)
		}
	}
	page := divergencesHead + "| `a-*` | `form` | one \\| two |\n" +
		"| `a-b` on PostgreSQL 14, 15 | `failure`, `value.after.n` | why |\n| `a-b` | `records` | why not |\n"
	if d := cmp.Diff(page, Divergences(declared)); d != "" {
		t.Errorf("Divergences (-want +got):\n%s", d)
	}
	for _, line := range []string{"a", "a why", "a [x why", "a [x]", "a@x [y] why"} {
		if got, err := parseDeclaration(line); err == nil {
			t.Errorf("parseDeclaration(%q) = %v, want an error", line, got)
		}
	}
}

func TestUndeclared(t *testing.T) {
	for _, test := range []struct {
		name                   string
		declared, fields, want []string
	}{
		{"the field", []string{"value.after.n"}, []string{"value.after.n"}, nil},
		{"its Avro bytes", []string{"value.after.n"}, []string{"value.after.n", "valueAvro"}, nil},
		{"bytes of the key", []string{"value.after.n"}, []string{"keyAvro"}, []string{"keyAvro"}},
		{"bytes alone", []string{"valueAvro"}, []string{"valueAvro"}, nil},
		{"what holds it", []string{"value.after"}, []string{"value.after.n", "value.before.n"}, []string{"value.before.n"}},
		{"a name that begins so", []string{"value.after.n"}, []string{"value.after.name"}, []string{"value.after.name"}},
		{"schema", []string{"value.after.n"}, []string{"valueSchema"}, []string{"valueSchema"}},
		{"words", []string{"failure"}, []string{"failure", "records"}, []string{"records"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &Declaration{Fields: test.declared}
			if diff := cmp.Diff(test.want, d.undeclared(test.fields)); diff != "" {
				t.Errorf("undeclared (-want +got):\n%s", diff)
			}
		})
	}
}
