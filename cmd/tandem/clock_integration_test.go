//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// TestClocksJump: the wall clock of a worker jumps an hour forwards and backwards while rows flow from a database over Kafka into another. The sessions with the
// database and the group go on, nothing is said, lost or doubled. Then it jumps further than the broker lets records be ahead: they wait, PostgreSQL is told
// of none of them, the log says what is wrong, and they go on when the clock is right. The clock is that of package time in the worker, which is built
// for this; that takes minutes, so that the test has a target of its own: make clocks.
func TestClocksJump(t *testing.T) {
	c := newClockTest(t)
	c.rows(20)
	c.waitEqual(c.source, c.target)
	reader := c.reader()
	_, quiet := c.said(0)
	for _, seconds := range []int{3500, 0, -3600, 0, 3500, -3600, 0} { // the broker takes 3600, and what is on its way counts
		c.jump(seconds)
		c.rows(30)
		c.waitRecords(c.prefix, 1, c.n)
		c.waitEqual(c.source, c.target)
		if got := c.reader(); got != reader {
			t.Errorf("after a jump to %d s the slot is read by process %d of the server, by %d before", seconds, got, reader)
		}
		text, end := c.said(quiet)
		for line := range strings.Lines(text) {
			if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
				t.Errorf("after a jump to %d s: %s", seconds, line)
			}
		}
		quiet = end
	}
	before := c.n
	c.jump(2 * 3600)
	c.rows(30)
	c.until("the records were refused some times, and the log names the broker's option", func() (bool, string) {
		text, _ := c.said(quiet)
		return strings.Contains(text, "message.timestamp.after.max.ms") && strings.Contains(text, "attempts=4"), text
	})
	c.waitRecords(c.prefix, 1, before)
	if confirmed := c.confirmed(); confirmed >= c.committed {
		t.Errorf("%d is confirmed to the server, though the commit that ends at %d was refused by the broker", confirmed, c.committed)
	}
	c.jump(0)
	c.waitRecords(c.prefix, 1, c.n)
	c.Logf("%s", c.waitEqual(c.source, c.target))
	if got := c.reader(); got != reader {
		t.Errorf("at the end the slot is read by process %d of the server, by %d at the beginning", got, reader)
	}
}

type clockTest struct {
	*worker
	source, target, prefix string
	clock                  string // file of the seconds that the worker's wall clock is ahead
	n                      int    // rows
	committed              int64  // where the first commit of the last rows ended
}

func newClockTest(t *testing.T) *clockTest {
	c := &clockTest{worker: workerOf(t, built(t, "-overlay", clockOverlay(t, t.TempDir()))), prefix: fmt.Sprintf("clocks%d", rand.Uint32())}
	c.source, c.target = pgtest.Database(t), pgtest.Database(t)
	c.clock = filepath.Join(c.dir, "clock")
	c.jumpFile(0)
	c.exec(c.source, "CREATE SCHEMA store", "CREATE TABLE store.t0 (id int PRIMARY KEY, name text NOT NULL)")
	c.exec(c.target, "CREATE SCHEMA store")
	c.configure(requiredEnv(t, "TANDEM_KAFKA"), requiredEnv(t, "TANDEM_REGISTRY"))
	source := sourceProperties(t, c.prefix, c.source)
	for name, value := range map[string]string{"snapshot.mode": "no_data", "status.update.interval.ms": "500", "topic.creation.default.partitions": "1"} {
		source[name] = value
	}
	c.write("source.properties", source)
	c.write("sink.properties", sinkProperties(t, c.prefix, c.target))
	c.environment = []string{"TANDEM_TEST_WALL_CLOCK=" + c.clock}
	c.start("source.properties", "sink.properties")
	c.waitStreams(c.source, c.prefix)
	return c
}

// jumpedClock is added to package time.
const jumpedClock = `package time

import (
	"sync/atomic"
	"syscall"
)

// wallJump is how far the wall clock is to be ahead, in seconds. Now only reads it, for it also runs where nothing may wait.
var wallJump atomic.Int64

func init() {
	if name, ok := syscall.Getenv("TANDEM_TEST_WALL_CLOCK"); ok {
		go func() {
			for ; ; Sleep(10 * Millisecond) {
				readJump(name)
			}
		}()
	}
}

func readJump(name string) {
	fd, err := open(name)
	if err != nil {
		return
	}
	defer closefd(fd)
	var text [32]byte
	size, err := read(fd, text[:])
	if err != nil || size == 0 {
		return
	}
	sign, n := int64(1), int64(0)
	for _, c := range text[:size] {
		if c == '-' {
			sign = -1
		} else if c >= '0' && c <= '9' {
			n = n*10 + int64(c-'0')
		}
	}
	wallJump.Store(sign * n)
}
`

// clockOverlay writes what go build -overlay reads: package time with a wall clock that jumps. What measures time that passes is as it was.
func clockOverlay(t *testing.T, dir string) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if n := strings.Count(string(text), now); n != 1 {
		t.Fatalf("time.go of %s has Now as it is known %d times, want once: see what it has become", folder, n)
	}
	replaced := make(map[string]string)
	for name, text := range map[string]string{"time.go": strings.Replace(string(text), now, now+"\tsec += wallJump.Load()\n", 1), "jumped.go": jumpedClock} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(folder, name)] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (c *clockTest) jumpFile(seconds int) {
	c.Helper()
	file := c.clock + ".new"
	if err := os.WriteFile(file, []byte(strconv.Itoa(seconds)), 0o600); err != nil {
		c.Fatal(err)
	}
	if err := os.Rename(file, c.clock); err != nil {
		c.Fatal(err)
	}
}

// jump puts the worker's clock so far ahead, and waits until its REST API tells that time.
func (c *clockTest) jump(seconds int) {
	c.Helper()
	c.jumpFile(seconds)
	base := c.rest()
	c.until(fmt.Sprintf("the worker's clock is %d s ahead", seconds), func() (bool, string) {
		res, err := http.Get(base + "/")
		if err != nil {
			return false, err.Error()
		}
		res.Body.Close()
		told, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil {
			return false, err.Error()
		}
		off := time.Until(told) - time.Duration(seconds)*time.Second
		return off.Abs() < time.Minute, told.String()
	})
}

// rows inserts rows, one at a time, over seconds: longer than sessions are patient that an hour has passed for.
func (c *clockTest) rows(n int) {
	c.Helper()
	conn := c.dial(c.source)
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for i := range n {
		<-ticks.C
		if _, err := conn.Exec(c.Context(), "INSERT INTO store.t0 VALUES ($1, 'row')", c.n); err != nil {
			c.Fatal(err)
		}
		c.n++
		if i > 0 {
			continue
		}
		if err := conn.QueryRow(c.Context(), "SELECT (pg_current_wal_lsn() - '0/0')::bigint").Scan(&c.committed); err != nil {
			c.Fatal(err)
		}
	}
}

// reader is the server's process that serves the stream.
func (c *clockTest) reader() (pid int) {
	c.Helper()
	if err := c.dial(c.source).QueryRow(c.Context(), "SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1", c.prefix).Scan(&pid); err != nil {
		c.Fatal(err)
	}
	return pid
}

func (c *clockTest) confirmed() (lsn int64) {
	c.Helper()
	if err := c.dial(c.source).QueryRow(c.Context(), "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = $1", c.prefix).Scan(&lsn); err != nil {
		c.Fatal(err)
	}
	return lsn
}
