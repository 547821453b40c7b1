package tandem_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// traps is how many there are in docs/guarantees.md.
const traps = 42

// TestGuarantees holds docs/guarantees.md to the tests: each that it names is there, and each test that carries the number of a trap is named in its row.
func TestGuarantees(t *testing.T) {
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testNames(t)
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1) {
		if there[name] == "" {
			t.Errorf("docs/guarantees.md names %s, which is no test", name)
		}
	}
	rows := make(map[int]string)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|.*$`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(row[1])
		if err != nil || rows[n] != "" {
			t.Errorf("row %q of docs/guarantees.md: %v, want each trap once", row[0], err)
		}
		rows[n] = row[0]
	}
	for n := 1; n <= traps; n++ {
		if rows[n] == "" {
			t.Errorf("docs/guarantees.md has no row of trap %d", n)
		}
	}
	for name, file := range there {
		for _, number := range regexp.MustCompile(`Trap(\d+)(?:And(\d+))?`).FindAllStringSubmatch(name, -1) {
			for _, digits := range number[1:] {
				n, err := strconv.Atoi(digits)
				if err == nil && !strings.Contains(rows[n], name) {
					t.Errorf("docs/guarantees.md does not name %s (%s) in the row of trap %d", name, file, n)
				}
			}
		}
	}
}

// testNames are the tests and fuzz targets of the repository, with their files.
func testNames(t *testing.T) map[string]string {
	t.Helper()
	names, pattern := make(map[string]string), regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "testdata"}, entry.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range pattern.FindAllSubmatch(source, -1) {
			names[string(m[1])] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
