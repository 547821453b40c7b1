//go:build crashpoint

package crashpoint

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// here is where to die, after how long, and left how often it is still to be passed.
var (
	here string
	wait time.Duration
	left atomic.Int64
)

func init() {
	name, times, after, err := parse(os.Getenv("TANDEM_CRASH_AT"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "TANDEM_CRASH_AT: %v\n", err)
		os.Exit(3)
	}
	here, wait = name, after
	left.Store(times)
}

// parse reads NAME[:N[:DURATION]].
func parse(text string) (name string, times int64, after time.Duration, err error) {
	name, rest, _ := strings.Cut(text, ":")
	number, duration, _ := strings.Cut(rest, ":")
	if times, err = strconv.ParseInt(cmp.Or(number, "1"), 10, 64); err != nil {
		return "", 0, 0, err
	}
	after, err = time.ParseDuration(cmp.Or(duration, "0"))
	return name, times, after, err
}

// Pass ends the process where it was told to.
func Pass(name string) {
	if name != here || left.Add(-1) != 0 {
		return
	}
	time.Sleep(wait)
	fmt.Fprintf(os.Stderr, "crash point %s\n", name)
	process, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "crash point %s: %v\n", name, err)
		os.Exit(3)
	}
	select {} // the signal comes
}
