package replay

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Environment names a folder of cases to replay instead of those of the repository: a new recording, or another part of the corpus.
const Environment = "TANDEM_GOLDEN"

const (
	folder       = "testdata/golden" // from the module's root
	declaredFile = "declared.txt"
	// caseTimeout is several times what the slowest case takes, which pauses for most of it.
	caseTimeout = 3 * time.Minute
	// attempts at a case that time decides (see timing).
	attempts = 4
	// waiters is how many cases that pause more than they work run at a time.
	waiters = 8
)

// Test replays every case as a subtest. Those in testdata/golden/declared.txt may differ in what is declared, and must, so that one that
// has come to pass is noticed; in a folder that TANDEM_GOLDEN names they need not.
func (p *Replayer) Test(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL server, which -short leaves out")
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{replayer: p, servers: newServers(t), own: true}
	dir := filepath.Join(root, folder)
	if s.declared, err = readDeclared(filepath.Join(dir, declaredFile)); err != nil {
		t.Fatal(err)
	}
	if env := os.Getenv(Environment); env != "" {
		dir, s.own = env, false
	}
	names, err := Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	var quiet, timed, busy []*Case
	for _, name := range names {
		c, err := Load(dir, name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !s.servers.has(t, c) {
			continue
		}
		switch c.timing() {
		case byNobodyElse:
			quiet = append(quiet, c)
		case byPauses:
			timed = append(timed, c)
		default:
			busy = append(busy, c)
		}
	}
	slices.SortStableFunc(timed, func(a, b *Case) int { return cmp.Compare(len(b.Changes), len(a.Changes)) }) // the long ones first
	s.run(t, timed, waiters)
	s.run(t, busy, runtime.GOMAXPROCS(0))
	s.run(t, quiet, 1)
}

// suite is one run of a folder of cases.
type suite struct {
	replayer *Replayer
	servers  *servers
	declared []Declaration
	own      bool // the folder is that of the repository
}

// run replays cases as subtests, several at a time.
func (s *suite) run(t *testing.T, cases []*Case, workers int) {
	// Sender and closer: this function. Bound: none, the workers take them one by one.
	queue := make(chan *Case)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for c := range queue {
				t.Run(c.Name, func(t *testing.T) { s.test(t, c) })
			}
		})
	}
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	all.Wait()
}

// timing is what else than its input decides what a case emits.
type timing int

const (
	byNothing timing = iota
	// byNobodyElse: the LSN of a logical message is the end of its record, which is the start of the next one only if nobody else, the
	// server's own background included, writes in between.
	byNobodyElse
	// byPauses: signals, snapshots and heartbeats happen at their own pace, and the case waits for them by time.
	byPauses
)

var pausing = regexp.MustCompile(`(?m)^--\s*oracle:\s*(sleep|signal|kafka)\b`)

func (c *Case) timing() timing {
	switch {
	case strings.Contains(c.Setup+c.Changes, "pg_logical_emit_message"):
		return byNobodyElse
	case !c.streams(), c.Steer["oracle.tail.ms"] != "", pausing.MatchString(c.Changes):
		return byPauses
	}
	return byNothing
}

// test replays one case.
func (s *suite) test(t *testing.T, c *Case) {
	major := s.servers.majorFor(t, c)
	c, err := c.on(major)
	if err != nil {
		t.Fatal(err)
	}
	declared := declarationOf(s.declared, c.Name, major)
	differences, fields := s.replay(t, c, major, false)
	for n := 2; n <= attempts && c.timing() != byNothing && len(differences) > 0 && declared == nil; n++ {
		t.Logf("attempt %d of %d, alone on its server, for time or what else the server writes may have decided; the one before differed:\n\t%s", n, attempts, strings.Join(differences, "\n\t"))
		differences, fields = s.replay(t, c, major, true)
	}
	text := strings.Join(differences, "\n\t")
	switch {
	case len(differences) == 0 && declared != nil && declared.Case == c.Name && s.own:
		t.Errorf("passes on PostgreSQL %d, but %s/%s declares it to differ (%s): remove the line", major, folder, declaredFile, declared.Reason)
	case len(differences) == 0:
	case declared == nil:
		t.Errorf("case %s differs on PostgreSQL %d:\n\t%s", c.Name, major, text)
	default:
		if more := declared.undeclared(fields); len(more) > 0 {
			t.Errorf("case %s differs on PostgreSQL %d in more than is declared (%s), in %s:\n\t%s", c.Name, major, strings.Join(declared.Fields, ", "), strings.Join(more, ", "), text)
			return
		}
		t.Logf("differs as declared (%s), in %s:\n\t%s", declared.Reason, strings.Join(fields, ", "), text)
	}
}

// replay runs a case once, alone on its server if asked to, and returns what differs, as texts and as names of fields; that it cannot be run is a difference, too.
func (s *suite) replay(t *testing.T, c *Case, major int, alone bool) (differences, fields []string) {
	url := "" // a validation needs no database
	if !c.flag("validate", false) {
		var release func()
		url, release = s.servers.take(t, c, major, alone)
		defer release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	defer cancel()
	got, err := s.replayer.Run(ctx, c, url, t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		return []string{err.Error()}, []string{inRun}
	}
	return c.compare(got)
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
