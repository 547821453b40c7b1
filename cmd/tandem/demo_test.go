package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

func executeSQL(ctx context.Context, url string, scripts ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, sql := range scripts {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// TestShop lets the shop work on a bike store for a while: every kind of step succeeds, and what must not change does not.
func TestShop(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	source, before := pgtest.Database(t), pgtest.Database(t)
	for _, url := range []string{source, before} {
		if err := executeSQL(t.Context(), url, bikestore.Schema, bikestore.Data); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openShop(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(t.Context())
	if err := s.run(t.Context(), 2000, 400); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int64{"placed": s.placed.Load(), "shipped": s.shipped.Load(), "cancelled": s.cancelled.Load(), "others": s.others.Load()} {
		if n == 0 {
			t.Errorf("no orders or customers %s in 400 steps", what)
		}
	}
	same := []string{"--source", before, "--target", source, "--table"}
	if code, out, _ := tandem(t, t.Context(), append([]string{"compare"}, append(same, "store.brands,store.categories,store.stores,store.staffs")...)...); code != 0 {
		t.Errorf("tables that stay as they are differ:\n%s", out)
	}
	code, out, _ := tandem(t, t.Context(), append([]string{"compare"}, append(same, "store.orders")...)...)
	if code != 1 || !strings.Contains(out, "only in target") {
		t.Errorf("tandem compare of changed orders = %d, want 1 and rows named:\n%s", code, out)
	}
}

// tapped is an output that calls a function with every line.
type tapped struct {
	mu   sync.Mutex
	all  bytes.Buffer
	rest []byte
	line func(string)
}

func (w *tapped) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.line(string(w.rest[:i]))
		w.rest = w.rest[i+1:]
	}
}

func (w *tapped) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// runDemo runs tandem demo --once and calls line with what it prints.
func runDemo(t *testing.T, line func(string), args ...string) (code int, out, errors string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers; not with -short")
	}
	o := &tapped{line: line}
	var e bytes.Buffer
	code = run(t.Context(), &console{out: o, err: &e}, append([]string{"demo", "--once"}, args...))
	return code, o.String(), e.String()
}

// TestDemoOnce runs the demonstration twice on one folder. The second goes on from the first, and while its orders flow a row of the
// target is changed behind its back.
func TestDemoOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // as root, PostgreSQL runs as another user
		t.Fatal(err)
	}
	code, out, errors := runDemo(t, func(string) {}, "--dir", dir)
	if code != 0 {
		t.Fatalf("tandem demo --once = exit code %d: %s\n%s", code, errors, out)
	}
	if n := len(regexp.MustCompile(`(?m)^store\.\w+ .* yes  [0-9a-f]{32}$`).FindAllString(out, -1)); n != 9 {
		t.Errorf("%d tables are equal, want 9:\n%s", n, out)
	}
	for _, want := range []string{"a record of bikes.store.orders:", `"op": "`, "connector bikestore-source", "connector bikestore-sink",
		"database.password=[hidden]", "psql postgres://", "kcat -b 127.0.0.1:"} {
		if !strings.Contains(out, want) {
			t.Errorf("tandem demo --once did not print %q:\n%s", want, out)
		}
	}

	address := regexp.MustCompile(`^  target\s+psql (\S+)$`)
	target := ""
	code, out, errors = runDemo(t, func(line string) {
		if m := address.FindStringSubmatch(line); m != nil {
			target = m[1]
		}
		if strings.HasPrefix(line, "the shop takes orders") {
			if err := executeSQL(t.Context(), target, "UPDATE store.brands SET brand_name = 'Egret' WHERE brand_id = 4"); err != nil {
				t.Error(err)
			}
		}
	}, "--dir", dir, "--scale", "3")
	if code != 1 || !strings.Contains(errors, "source and target differ") {
		t.Errorf("tandem demo --once with a changed row = exit code %d, want 1: %s", code, errors)
	}
	for _, want := range []string{
		"store.brands (brand_id=4): differs\n    brand_name: source \"Heron\", target \"Egret\"\n",
		"has a bike store already",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("tandem demo --once did not print %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "yes  "); n != 8 {
		t.Errorf("%d tables are equal, want 8:\n%s", n, out)
	}
}
