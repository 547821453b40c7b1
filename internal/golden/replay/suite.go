package replay

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
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
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c, err := Load(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			if !c.hasMessages() {
				t.Parallel()
			}
			p.test(t, c, declared[name])
		})
	}
}

// test replays one case; reason says why it is declared to differ, "" when it must not.
func (p *Replayer) test(t *testing.T, c *Case, reason string) {
	differences := p.replay(t, c)
	for range messageAttempts - 1 {
		if len(differences) == 0 || reason != "" || !c.hasMessages() {
			break
		}
		differences = p.replay(t, c)
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
func (p *Replayer) replay(t *testing.T, c *Case) []string {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	defer cancel()
	url := "" // a validation needs no database
	if !c.flag("validate", false) {
		url = c.database(t)
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

var createExtension = regexp.MustCompile(`(?i)\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?"?(\w+)`)

// database makes a fresh database in a server that fits the case. The test is skipped where only another server, or one without the
// extensions of the case, can be had.
func (c *Case) database(t *testing.T) string {
	least, err := c.number("pg.min", 0)
	if err != nil {
		t.Fatal(err)
	}
	most, err := c.number("pg.max", anyVersion)
	if err != nil {
		t.Fatal(err)
	}
	var url string
	if least > 0 && os.Getenv("TANDEM_TEST_POSTGRES") == "" {
		url = pgtest.DatabaseIn(t, pgtest.Version(t, least))
	} else {
		url = pgtest.Database(t)
	}
	extensions := createExtension.FindAllStringSubmatch(c.Setup, -1)
	if least == 0 && most == anyVersion && len(extensions) == 0 {
		return url
	}
	version, available := serverOf(t, url)
	if version < least || version > most {
		t.Skipf("needs PostgreSQL %d to %d, the server is %d", least, most, version)
	}
	for _, m := range extensions {
		if !slices.Contains(available, m[1]) {
			t.Skipf("needs the extension %s, which the server does not have", m[1])
		}
	}
	return url
}

// serverOf asks a server for its major version and the extensions it could have.
func serverOf(t *testing.T, url string) (version int, extensions []string) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer conn.Close(context.Background())
	const query = "SELECT current_setting('server_version_num')::int / 10000, (SELECT array_agg(name::text) FROM pg_available_extensions)"
	if err := conn.QueryRow(t.Context(), query).Scan(&version, &extensions); err != nil {
		t.Fatalf("ask the test server for its version: %v", err)
	}
	return version, extensions
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
