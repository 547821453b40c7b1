//go:build unix

package scene

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Options say what a README needs.
type Options struct {
	Files    []string      // files and folders that commands name, from the top of the repository
	Ports    []int         // well-known ports in the README and the files, which are replaced
	Patience time.Duration // how long what is to be seen may take; 0: a minute
}

// longest is how long a command may take that nothing is expected of: it may have to build and to fetch.
const longest = 10 * time.Minute

// build is how a README builds programs; they are built from the repository's own folder.
const build = "go build -o bin/"

// Run runs the commands of a README, which is named from the top of the repository.
func Run(t *testing.T, readme string, o Options) {
	t.Helper()
	top := repository(t)
	ports := freePorts(t, o.Ports)
	dir := t.TempDir()
	for _, name := range o.Files {
		if err := copyInto(dir, top, name, ports); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(top, readme))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Parse(string(text))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("%s: %d commands, %v", readme, len(blocks), err)
	}
	sh := startShell(t, dir)
	began := time.Now()
	for _, b := range blocks {
		command := ports.in(strings.ReplaceAll(b.Command, build, fmt.Sprintf("go build -C '%s' -o '%s/bin/'", top, dir)+" "))
		start := time.Now()
		printed, err := sh.perform(command, ports.in(b.Expected), o.patience())
		if err != nil {
			t.Fatalf("%s line %d: %v", readme, b.Line, err)
		}
		t.Logf("%6.1f s  +%.1f s  line %d\n%s\n%s", time.Since(began).Seconds(), time.Since(start).Seconds(), b.Line, b.Command, printed)
	}
}

func (o Options) patience() time.Duration {
	if o.Patience > 0 {
		return o.Patience
	}
	return time.Minute
}

// perform runs a command: once, or until it prints what is expected. Printed is what it printed last.
func (s *shell) perform(command, expected string, patience time.Duration) (printed string, err error) {
	deadline := time.Now().Add(patience)
	if expected == "" {
		printed, code, err := s.run("set -e\n"+command+"\nset +e", longest)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d", code)
		}
		if err != nil {
			return printed, fmt.Errorf("%w\n%s\n%s", err, command, printed)
		}
		return printed, nil
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		printed, code, err := s.run("(set -e\n"+command+"\n)", time.Until(deadline)+time.Second)
		if err != nil {
			return printed, fmt.Errorf("%w\n%s", err, command)
		}
		if code == 0 && Matches(expected, printed) {
			return printed, nil
		}
		if time.Now().After(deadline) {
			return printed, fmt.Errorf("after %s it does not print what is expected\n%s\nprinted, exit code %d:\n%s\nexpected:\n%s", patience, command, code, printed, expected)
		}
		<-tick.C
	}
}

// repository is its top folder.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			err = errors.New("no go.mod above the working folder")
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}

// portMap holds what stands for well-known ports.
type portMap struct {
	pattern *regexp.Regexp // nil: none
	free    map[string]string
}

func freePorts(t *testing.T, known []int) portMap {
	t.Helper()
	m := portMap{free: make(map[string]string)}
	var texts []string
	for _, port := range known {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // held until all are found, so that they differ
		text := strconv.Itoa(port)
		texts = append(texts, text)
		m.free[text] = strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	}
	if len(texts) > 0 {
		m.pattern = regexp.MustCompile(`([:=]\s*"?)(` + strings.Join(texts, "|") + `)\b`)
	}
	return m
}

// in replaces the ports in a text: behind a colon, as in addresses, or an equals sign, as in properties.
func (m portMap) in(text string) string {
	if m.pattern == nil {
		return text
	}
	return m.pattern.ReplaceAllStringFunc(text, func(found string) string {
		parts := m.pattern.FindStringSubmatch(found)
		return parts[1] + m.free[parts[2]]
	})
}

// copyInto copies a file or a folder, with the ports replaced.
func copyInto(dir, top, name string, ports portMap) error {
	return filepath.WalkDir(filepath.Join(top, name), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, relative)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(ports.in(string(text))), 0o644)
	})
}
