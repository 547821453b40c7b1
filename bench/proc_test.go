package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	// Of a program whose name has a space and a parenthesis; utime 1234, stime 66.
	const stat = "4321 (a b) c) S 1 4321 4321 0 -1 4194560 100 0 0 0 1234 66 7 8 20 0 1 0 99 1000 200 18446744073709551615 0\n"
	got, err := parseStat([]byte(stat))
	if want := 13 * time.Second; err != nil || got != want {
		t.Errorf("parseStat(%q) = %v, %v, want %v", stat, got, err, want)
	}
	for _, bad := range []string{"", "4321 name S 1", "4321 (name) S 1 2", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 many 66"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %v, want an error", bad, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	const status = "Name:\tx\nVmPeak:\t 9000 kB\nVmHWM:\t 5000 kB\nVmRSS:\t 4000 kB\nRssAnon:\t 3000 kB\nRssFile:\t 1000 kB\nRssShmem:\t 0 kB\n"
	got, err := parseStatus([]byte(status))
	if want := (memory{Peak: 5000, Anon: 3000, File: 1000}); err != nil || got != want {
		t.Errorf("parseStatus = %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "Name:\tzombie\n", "Name:\tx\nVmHWM:\t5000 MB\nRssAnon:\t1 kB\nRssFile:\t1 kB\n", "Name:\tx\nVmHWM:"} {
		if got, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("parseStatus(%q) = %+v, want an error", bad, got)
		}
	}
}

func TestParseIO(t *testing.T) {
	const text = "rchar: 3980\nwchar: 112\nsyscr: 9\nsyscw: 1\n"
	if got, err := parseIO([]byte(text)); err != nil || got != 112 {
		t.Errorf("parseIO(%q) = %d, %v, want 112", text, got, err)
	}
	if got, err := parseIO([]byte("rchar: 1\n")); err == nil {
		t.Errorf("parseIO without wchar = %d, want an error", got)
	}
}

func TestOwnProcessIsRead(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Log("there is no /proc here, and bench does not run")
		return
	}
	pid := os.Getpid()
	m, err := memoryOf(pid)
	if err != nil || m.Peak < m.Anon || m.Anon == 0 || m.File == 0 {
		t.Errorf("memoryOf(own process) = %+v, %v, want a peak that is no less than either kind", m, err)
	}
	if _, err := cpuOf(pid); err != nil {
		t.Errorf("cpuOf(own process): %v", err)
	}
}

func TestFailedConnectorsAreSeen(t *testing.T) {
	const running = `{"source":{"status":{"name":"source","connector":{"state":"RUNNING","worker_id":"x"},"tasks":[{"id":0,"state":"RUNNING","worker_id":"x"}],"type":"source"}}}`
	if err := failedIn([]byte(running)); err != nil {
		t.Errorf("failedIn(running) = %v, want nil", err)
	}
	for _, bad := range []string{
		strings.Replace(running, `"state":"RUNNING"`, `"state":"FAILED","trace":"why"`, 1),
		strings.Replace(running, `"id":0,"state":"RUNNING"`, `"id":0,"state":"FAILED","trace":"why"`, 1),
	} {
		if err := failedIn([]byte(bad)); err == nil || !strings.Contains(err.Error(), "why") {
			t.Errorf("failedIn(%s) = %v, want the trace", bad, err)
		}
	}
}

func TestMedianIsOfEachMeasure(t *testing.T) {
	got := median([]sample{{Rate: 30, CPU: 1, P99: 5}, {Rate: 10, CPU: 3, P99: 7}, {Rate: 20, CPU: 2, P99: 6}})
	if diff := cmp.Diff(sample{Rate: 20, CPU: 2, P99: 6}, got); diff != "" {
		t.Errorf("median of three (-want +got):\n%s", diff)
	}
	if got := median([]sample{{Rate: 10}, {Rate: 20}}); got.Rate != 15 {
		t.Errorf("median of two rates 10 and 20 = %v, want 15", got.Rate)
	}
	if got := median(nil); got != (sample{}) {
		t.Errorf("median of none = %+v, want zero", got)
	}
}
