package golden

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected sections of golden files")

// Updating tells that the flag -update was given: tests rewrite what they would compare with.
func Updating() bool { return *update }

// File is one golden file in txtar form.
type File struct {
	Name    string // base name without extension: the name of the subtest
	Path    string
	Comment string // the text before the first section

	mu      sync.Mutex
	archive *txtar.Archive
	errs    []error // of sections that could not be read; Check reports them
}

// Files reads the files that match glob, in the order of their names. None at all is fatal: a wrong pattern must not pass.
func Files(t testing.TB, glob string) []*File {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil {
		t.Fatalf("golden files %q: %v", glob, err)
	}
	if len(paths) == 0 {
		t.Fatalf("golden files %q: no file matches", glob)
	}
	files := make([]*File, 0, len(paths))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("golden file: %v", err)
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		files = append(files, parse(name, path, text))
	}
	return files
}

func parse(name, path string, text []byte) *File {
	a := txtar.Parse(text)
	return &File{Name: name, Path: path, Comment: strings.TrimSpace(string(a.Comment)), archive: a}
}

// Has tells whether the file has the section.
func (f *File) Has(section string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(section) != nil
}

// Sections lists the names of the file's sections in their order.
func (f *File) Sections() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, len(f.archive.Files))
	for i, s := range f.archive.Files {
		names[i] = s.Name
	}
	return names
}

// Text is the text of a section, "" when there is none.
func (f *File) Text(section string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.find(section); s != nil {
		return string(s.Data)
	}
	return ""
}

// Lines is the lines of a section without empty ones and without those that begin with '#'.
func (f *File) Lines(section string) []string {
	var lines []string
	for line := range strings.Lines(f.Text(section)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// Hex reads a section of hexadecimal bytes, spaces between them free, one message per line; a line that begins with '#' is a comment.
// A section that is missing or no hexadecimal text answers nil and fails the file's next Check.
func (f *File) Hex(section string) [][]byte {
	if !f.Has(section) {
		f.fail(fmt.Errorf("section %q: not in the file", section))
		return nil
	}
	var messages [][]byte
	for i, line := range f.Lines(section) {
		b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			f.fail(fmt.Errorf("section %q: message %d: %w", section, i+1, err))
			return nil
		}
		messages = append(messages, b)
	}
	return messages
}

// Check compares a section with got and fails the test with a diff where they differ. A newline at the end of either does not count.
func (f *File) Check(t testing.TB, section, got string) {
	t.Helper()
	if err := f.check(section, got); err != nil {
		t.Errorf("%s: %v", f.Path, err)
	}
}

func (f *File) check(section, got string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) > 0 {
		return errors.Join(f.errs...)
	}
	got = terminated(got)
	s := f.find(section)
	if s != nil && terminated(string(s.Data)) == got {
		return nil
	}
	if !*update {
		if s == nil {
			return fmt.Errorf("section %q: not in the file; go test -update writes it:\n%s", section, got)
		}
		return fmt.Errorf("section %q (-want +got; go test -update accepts it):\n%s", section, cmp.Diff(lines(string(s.Data)), lines(got)))
	}
	if s == nil {
		f.archive.Files = append(f.archive.Files, txtar.File{Name: section})
		s = f.find(section)
	}
	s.Data = []byte(got)
	return os.WriteFile(f.Path, txtar.Format(f.archive), 0o644)
}

func (f *File) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

// find is called with mu held.
func (f *File) find(section string) *txtar.File {
	for i := range f.archive.Files {
		if f.archive.Files[i].Name == section {
			return &f.archive.Files[i]
		}
	}
	return nil
}

// Text compares a whole file with got, for expected texts that are documents of their own; -update writes it.
func Text(t testing.TB, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err == nil && bytes.Equal(want, got) {
		return
	}
	switch {
	case *update:
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Errorf("golden file: %v", err)
		}
	case err != nil:
		t.Errorf("golden file: %v; go test -update writes it", err)
	default:
		t.Errorf("%s (-want +got; go test -update accepts it):\n%s", path, cmp.Diff(lines(string(want)), lines(string(got))))
	}
}

func terminated(s string) string {
	if s == "" || strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }
