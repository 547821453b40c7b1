package replay

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Environment names a folder of cases to replay instead of those of the repository: the whole corpus, or a new recording.
const Environment = "TANDEM_GOLDEN"

const (
	folder       = "testdata/golden" // from the module's root
	declaredFile = "declared.txt"
	caseTimeout  = 2 * time.Minute
	// attempts at a case with logical messages: their LSN is the end of their record, which is the start of the next one only if
	// nobody else, the server's own background included, writes in between.
	messageAttempts = 3
	anyVersion      = 99 // of PostgreSQL, at most
)

// Test replays every case as a subtest. Cases in testdata/golden/declared.txt must differ, so that one that has come to pass is noticed.
func (p *Replayer) Test(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL server, which -short leaves out")
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, folder)
	declared, err := readDeclared(filepath.Join(dir, declaredFile))
	if err != nil {
		t.Fatal(err)
	}
	if env := os.Getenv(Environment); env != "" {
		dir = env
	}
	names, err := Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	pool := newDatabases(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c, err := Load(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			if !c.hasMessages() {
				t.Parallel()
			}
			p.test(t, pool, c, declared[name])
		})
	}
}

// test replays one case; reason says why it is declared to differ, "" when it must not.
func (p *Replayer) test(t *testing.T, pool *databases, c *Case, reason string) {
	differences := p.replay(t, pool, c)
	for range messageAttempts - 1 {
		if len(differences) == 0 || reason != "" || !c.hasMessages() {
			break
		}
		differences = p.replay(t, pool, c)
	}
	switch {
	case len(differences) == 0 && reason != "":
		t.Errorf("passes, but %s/%s declares it to differ (%s): remove the line", folder, declaredFile, reason)
	case len(differences) > 0 && reason == "":
		t.Errorf("case %s differs:\n\t%s", c.Name, strings.Join(differences, "\n\t"))
	case len(differences) > 0:
		t.Logf("differs as declared (%s):\n\t%s", reason, strings.Join(differences, "\n\t"))
	}
}

// replay runs a case once; that it cannot be run is a difference, too.
func (p *Replayer) replay(t *testing.T, pool *databases, c *Case) []string {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	defer cancel()
	url := "" // a validation needs no database
	if !c.flag("validate", false) {
		var release func()
		url, release = pool.take(t, c)
		defer release()
	}
	got, err := p.Run(ctx, c, url, t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		return []string{err.Error()}
	}
	return c.Compare(got)
}

// hasMessages tells whether the case emits logical messages of its own.
func (c *Case) hasMessages() bool {
	return strings.Contains(c.Setup+c.Changes, "pg_logical_emit_message")
}

// readDeclared reads lines of a case's name and the reason why it differs; '#' begins a comment.
func readDeclared(path string) (map[string]string, error) {
	text, err := optional(path)
	if err != nil {
		return nil, err
	}
	declared := map[string]string{}
	for i, line := range splitLines(text) {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%s: line %d: want a case and the reason why it differs", path, i+1)
		}
		declared[name] = strings.TrimSpace(reason)
	}
	return declared, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("module root: no go.mod in or above the working directory")
		}
		dir = up
	}
}
