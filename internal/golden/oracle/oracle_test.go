package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExplain: behind a difference stand the topic and the column's definition.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "expected.jsonl", `{"topic":"p.public.a"}`+"\n"+`{"topic":"p.public.b"}`+"\n")
	write(t, dir, "setup.sql", "CREATE TABLE b (\n  \"c\" numeric(3, 1) NOT NULL,\n  \"d\" text\n);\n")
	write(t, dir, "changes.sql", "ALTER TABLE b ADD COLUMN \"c\" int;\n")
	got := explain(dir, "=== RUN\n    suite.go:1: case differs:\n    \tline 2: value.after.c[0]: got 1, want 2\n    \tline 9: value.op: got c\ntime=12:00 level=WARN\n")
	want := "--- " + dir + "\n    suite.go:1: case differs:\n    \tline 2: value.after.c[0]: got 1, want 2\n" +
		"\t    in p.public.b: \"c\" numeric(3, 1) NOT NULL | ALTER TABLE b ADD COLUMN \"c\" int;\n    \tline 9: value.op: got c\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("explain (-want +got):\n%s", diff)
	}
}

// TestCompare: a case without a recording gets its first one, files beside its own; one with a recording is compared.
func TestCompare(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, kept, "a/connector.properties", "x=1\n")
	write(t, "fresh", "a/connector.properties", "x=other\n")
	write(t, "fresh", "a/expected.jsonl", `{"topic":"t","value":1}`+"\n")
	write(t, "fresh", "a/schemas/t-value.avsc", `"int"`+"\n")
	if found, err := compare("fresh", "a"); len(found) > 0 || err != nil {
		t.Fatalf("compare of a first recording = %v, %v", found, err)
	}
	for name, want := range map[string]string{"connector.properties": "x=1\n", "expected.jsonl": `{"topic":"t","value":1}` + "\n", "schemas/t-value.avsc": `"int"` + "\n"} {
		if got, err := os.ReadFile(filepath.Join(kept, "a", name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	if found, err := compare("fresh", "a"); len(found) > 0 || err != nil {
		t.Errorf("compare of the same recording = %v, %v", found, err)
	}
	write(t, "fresh", "a/expected.jsonl", `{"topic":"t","value":2}`+"\n")
	found, err := compare("fresh", "a")
	if want := []string{"line 1: value: got 2, want 1"}; err != nil || !cmp.Equal(want, found) {
		t.Errorf("compare of another recording = %q, %v, want %q", found, err, want)
	}
}

func TestMatching(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"arrays", "arrays-odd", "bits"} {
		write(t, kept, name+"/connector.properties", "")
	}
	got, err := matching("arrays*, bits,arrays")
	if want := []string{"arrays", "arrays-odd", "bits"}; err != nil || !cmp.Equal(want, got) {
		t.Errorf("matching = %q, %v, want %q", got, err, want)
	}
	if _, err := matching("bots"); err == nil || !strings.Contains(err.Error(), "bots") {
		t.Errorf("matching(bots) = %v, want an error that names it", err)
	}
}
