//go:build unix

// Package diskfulltest fills the disk of a test, without being root and without a disk: the test runs again in a process of its own, whose files
// must not grow beyond a size. A write beyond it writes what fits and then fails, as on a disk that is full.
//
// In: a test. Out: whether this is that process, and a Limit there. The child is waited for; no goroutine stays.
package diskfulltest

import (
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"
	"testing"
)

const variable = "TANDEM_TEST_FULL_DISK"

// Child tells whether this is the process whose disk may be filled. Where it is not, the test has run in one, and what it said is told.
func Child(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		signal.Ignore(syscall.SIGXFSZ) // the write says it
		t.Cleanup(func() { Limit(t, Unlimited) })
		return true
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// Unlimited is a disk with room.
const Unlimited = int64(-1)

// Limit has no file of this process grow beyond a size, from now on. Processes that it starts afterwards inherit it.
func Limit(t *testing.T, size int64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if size != Unlimited {
		limit.Cur = uint64(size)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}
