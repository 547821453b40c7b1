//go:build unix

package scene

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("bash is not in PATH; READMEs are run by it")
	}
}

// TestRun: variables, jobs and functions last from one command to the next, also within a shell that a command opens; what is to be seen is
// waited for.
func TestRun(t *testing.T) {
	needBash(t)
	Run(t, "internal/scene/testdata/README.md", Options{Files: []string{"internal/scene/testdata"}, Ports: []int{8083, 5432}, Patience: 20 * time.Second})
}

func TestPerformErrors(t *testing.T) {
	needBash(t)
	for _, test := range []struct{ command, expected, want string }{
		{"false", "", "the shell ended"},
		{"(exit 3)\ntrue", "", "the shell ended"}, // the first that fails counts
		{"exit", "", "the shell ended"},
		{"echo a", "b", "printed, exit code 0:\na"},
		{"echo b; false", "b", "exit code 1"},
	} {
		t.Run(test.command, func(t *testing.T) {
			sh := startShell(t, t.TempDir())
			_, err := sh.perform(test.command, test.expected, 300*time.Millisecond)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("perform(%q, %q) = %v, want %q in it", test.command, test.expected, err, test.want)
			}
		})
	}
	sh := startShell(t, t.TempDir())
	if _, _, err := sh.run("sleep 600", 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "not done after") {
		t.Errorf("run of what does not end = %v, want an error", err)
	}
	// The shell of this one hangs: it is killed, or end would wait.
	if err := sh.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// TestPorts: only what is an address or an option's value is replaced, in commands and in files.
func TestPorts(t *testing.T) {
	m := freePorts(t, []int{8083, 5432})
	a, b := m.free["8083"], m.free["5432"]
	if a == b || a == "8083" {
		t.Fatalf("free ports %v", m.free)
	}
	got := m.in(`curl localhost:8083/x; {"port": "5432"} database.port=5432 5432 80830 :54321 VALUES (8083)`)
	if want := `curl localhost:` + a + `/x; {"port": "` + b + `"} database.port=` + b + ` 5432 80830 :54321 VALUES (8083)`; got != want {
		t.Errorf("in = %s, want %s", got, want)
	}
	top, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "a.properties"), []byte("rest.port=8083\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyInto(dir, top, "a.properties", m); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a.properties")); err != nil || string(text) != "rest.port="+a+"\n" {
		t.Errorf("the copy is %q, %v", text, err)
	}
	if err := copyInto(dir, top, "missing", m); err == nil {
		t.Error("copyInto takes a file that is missing")
	}
}
