package childserver

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFreePortIsBelowEphemeralRange(t *testing.T) {
	for range 20 {
		if port := FreePort(); port < 15000 || port >= 31000 {
			t.Errorf("FreePort() = %d, want one from 15000 to 30999", port)
		}
	}
}

func TestTail(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"", ""}, {"a\nb\n", "a\nb"}, {"a\nb\nc\n", "b\nc"}} {
		if got := Tail([]byte(c.in), 2); got != c.want {
			t.Errorf("Tail(%q, 2) = %q, want %q", c.in, got, c.want)
		}
	}
}

// TestEndGoesOn: a server that does not heed a signal gets the next one, and all are gone behind End.
func TestEndGoesOn(t *testing.T) {
	heard := filepath.Join(t.TempDir(), "heard")
	cmd := exec.Command("/bin/sh", "-c", `trap 'echo int >> "$1"' INT; trap 'echo term >> "$1"; exit' TERM; echo ready; while :; do sleep 0.01; done`, "server", heard)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Spawn(cmd, Watch{Name: "shell", With: Kill})
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	if p.Gone(time.Millisecond) {
		t.Error("Gone = true, want false")
	}
	if err := p.End(200*time.Millisecond, Interrupt, Terminate); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(heard)
	if got := strings.Fields(string(text)); err != nil || len(got) != 2 || got[0] != "int" || got[1] != "term" {
		t.Errorf("it heard %q, %v, want int and then term", text, err)
	}
}
