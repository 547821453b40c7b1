package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `A case (PostgreSQL 17).
-- wal.hex --
# begin
42 00 ff

4343
-- changes --
insert a
`

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "insert.txtar")
	if err := os.WriteFile(path, []byte(sample), 0o644); err != nil {
		t.Fatal(err)
	}
	files := Files(t, filepath.Join(dir, "*.txtar"))
	f := files[0]
	if f.Name != "insert" || f.Comment != "A case (PostgreSQL 17)." {
		t.Errorf("name, comment = %q, %q", f.Name, f.Comment)
	}
	if d := cmp.Diff([]string{"wal.hex", "changes"}, f.Sections()); d != "" {
		t.Errorf("Sections() (-want +got):\n%s", d)
	}
	if d := cmp.Diff([][]byte{{0x42, 0, 0xff}, {0x43, 0x43}}, f.Hex("wal.hex")); d != "" {
		t.Errorf("Hex(wal.hex) (-want +got):\n%s", d)
	}
	f.Check(t, "changes", "insert a")
	f.Check(t, "changes", "insert a\n")
	if err := f.check("changes", "insert b"); err == nil || !strings.Contains(err.Error(), "insert b") {
		t.Errorf("check of another text = %v, want a diff", err)
	}
	if err := f.check("absent", "x"); err == nil || !strings.Contains(err.Error(), `section "absent": not in the file`) {
		t.Errorf("check of an absent section = %v", err)
	}
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insert.txtar")
	f := parse("insert", path, []byte(sample))
	old := *update
	*update = true
	defer func() { *update = old }()
	f.Check(t, "changes", "insert b")
	f.Check(t, "more", "x")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(sample, "insert a", "insert b", 1) + "-- more --\nx\n"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("file after update (-want +got):\n%s", d)
	}
}

func TestHexErrorsReachCheck(t *testing.T) {
	for section, want := range map[string]string{"bad.hex": "message 1", "absent": "not in the file"} {
		f := parse("x", "x.txtar", []byte("-- bad.hex --\n4g\n-- out --\nok\n"))
		if got := f.Hex(section); got != nil {
			t.Errorf("Hex(%s) = %v, want nil", section, got)
		}
		if err := f.check("out", "ok"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check after Hex(%s) = %v, want %q in it", section, err, want)
		}
	}
}

func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.golden")
	if err := os.WriteFile(path, []byte("a\nb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	Text(t, path, []byte("a\nb\n"))
}
