package main

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUntouched: nothing of the process's own is given back.
func TestUntouched(t *testing.T) {
	const smaps = `00400000-01400000 r-xp 00000000 fe:00 123                        /usr/bin/tandem
Size:              16384 kB
Rss:                8000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01400000-01500000 r--p 01000000 fe:00 123                        /usr/bin/tandem
Rss:                1000 kB
Anonymous:             4 kB
01500000-01600000 rw-p 01100000 fe:00 123                        /usr/bin/tandem
Anonymous:             0 kB
01600000-01700000 r--p 01100000 fe:00 123                        /usr/bin/tandem
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 124                /lib/libc.so.6
Anonymous:             0 kB
`
	want := []region{{0x400000, 0x1000000}, {0x1600000, 0x100000}}
	if diff := cmp.Diff(want, untouched([]byte(smaps), "/usr/bin/tandem"), cmp.AllowUnexported(region{})); diff != "" {
		t.Errorf("untouched differs (-want +got):\n%s", diff)
	}
}

// TestGiveBackProgram: the process goes on with fewer pages of its file.
func TestGiveBackProgram(t *testing.T) {
	before := fileBacked(t)
	if err := giveBackProgram(); err != nil {
		t.Fatal(err)
	}
	if after := fileBacked(t); after >= before {
		t.Errorf("%d kB of files are mapped after giving back, want fewer than the %d kB before", after, before)
	}
}

// fileBacked is RssFile.
func fileBacked(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("RssFile:"))
	n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
