package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// childEnv makes this test program a process that starts a server and is killed by the test that ran it.
const childEnv = "PGSERVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// child starts a server, says where it is, and waits for the end of its input.
func child() int {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Printf("%s\n%s\n", s.dir, s.URL("postgres"))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return 0
}

func start(t *testing.T, opts Options) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	s, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, s *Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func ask(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var answer string
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func makeTable(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
}

func TestStartStop(t *testing.T) {
	s := start(t, Options{Settings: map[string]string{"work_mem": "5MB"}})
	conn := connect(t, s)
	for name, want := range map[string]string{
		"wal_level":       "logical",
		"work_mem":        "5MB",
		"fsync":           "off",
		"server_encoding": "UTF8",
		"port":            fmt.Sprint(s.Port()),
	} {
		if got := ask(t, conn, "SHOW "+name); got != want {
			t.Errorf("SHOW %s = %s, want %s", name, got, want)
		}
	}
	if got, want := ask(t, conn, "SHOW server_version_num")[:2], fmt.Sprint(s.Version()); got != want {
		t.Errorf("server_version_num starts with %s, want %s", got, want)
	}
	if err := s.CreateDatabase(t.Context(), `shop "1"`); err != nil {
		t.Error(err)
	}
	// The open connection does not hold up the shutdown.
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("Stat(%s) after Stop = %v, want not exist", s.dir, err)
	}
	if _, err := pgx.Connect(t.Context(), s.URL("postgres")); err == nil {
		t.Error("server answers after Stop")
	}
}

func TestKillRestart(t *testing.T) {
	s := start(t, Options{})
	conn := connect(t, s)
	makeTable(t, conn)
	url := s.URL("postgres")
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("connection lives on after Kill")
	}
	for range 2 { // after a crash, and while it runs
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.URL("postgres") != url {
			t.Errorf("URL after Restart = %s, want %s", s.URL("postgres"), url)
		}
		if got := ask(t, connect(t, s), "SELECT n::text FROM t"); got != "7" {
			t.Errorf("row after Restart = %s, want 7", got)
		}
	}
}

func TestDirIsKept(t *testing.T) {
	top := t.TempDir()
	if err := os.Chmod(filepath.Dir(top), 0o755); err != nil { // as root, the server is another user
		t.Fatal(err)
	}
	dir := filepath.Join(top, "source")
	s := start(t, Options{Dir: dir, Durable: true})
	conn := connect(t, s)
	if got := ask(t, conn, "SHOW fsync"); got != "on" {
		t.Errorf("SHOW fsync = %s, want on", got)
	}
	makeTable(t, conn)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: dir})
	if got := ask(t, connect(t, again), "SELECT n::text FROM t"); got != "7" {
		t.Errorf("row after a second Start = %s, want 7", got)
	}
}

// A start that was interrupted while the data folder was made leaves nothing that is in the way of the next one.
func TestDirAfterAnInterruptedStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	top := t.TempDir()
	if err := os.Chmod(filepath.Dir(top), 0o755); err != nil { // as root, the server is another user
		t.Fatal(err)
	}
	dir := filepath.Join(top, "source")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Start(ctx, Options{Dir: dir, Progress: func(string) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Start = %v, want context.Canceled", err)
	}
	start(t, Options{Dir: dir})
}

// Only root starts the server as another user, to whom a folder may be closed.
func TestUnreachableDir(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	s, err := Start(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "source")})
	if os.Geteuid() == 0 {
		if err == nil || !strings.Contains(err.Error(), "cannot reach") {
			t.Errorf("Start in a folder closed to others = %v, want an error that says who cannot reach it", err)
		}
	} else if err != nil {
		t.Error(err)
	} else if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func TestForeignDirIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("Start in a folder with other files = %v, want an error that names it", err)
	}
}

func TestWrongSettingSaysWhy(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	_, err := Start(t.Context(), Options{Settings: map[string]string{"wal_level": "sideways"}})
	if err == nil || !strings.Contains(err.Error(), "sideways") {
		t.Errorf("Start with a wrong setting = %v, want an error with the server's words", err)
	}
}

// TestStarterKilled kills a process that runs a server, and waits for the server and its folder to vanish.
func TestStarterKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server; not with -short")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said []string
	for len(said) < 2 && lines.Scan() {
		said = append(said, lines.Text())
	}
	if len(said) < 2 {
		t.Fatalf("child said %q, want a folder and a URL", said)
	}
	dir, url := said[0], said[1]
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The end of the connection is the end of the server: it waits, no time is measured.
	if _, err := conn.Exec(t.Context(), "SELECT pg_sleep(60)"); err == nil {
		t.Error("server lives on after its starter was killed")
	}
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if !pause.For(deadline, 20*time.Millisecond) {
			t.Fatalf("folder %s is still there", dir)
		}
	}
}

func TestFindPrefersAsked(t *testing.T) {
	if bin, ok := find(t.Context(), 9); ok {
		t.Errorf("find(9) = %v, want nothing", bin)
	}
	if _, err := locate(t.Context(), Options{BinDir: t.TempDir()}); err == nil {
		t.Error("locate in an empty folder succeeded")
	}
	if _, err := fetch(t.Context(), 9, nil); err == nil || !strings.Contains(err.Error(), "14 to 18") {
		t.Errorf("fetch(9) = %v, want an error with the versions there are", err)
	}
}
