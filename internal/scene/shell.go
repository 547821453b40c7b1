//go:build unix

package scene

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a bash that is given commands and says when each is done.
type shell struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // maker: startShell; sender and closer: its goroutine, when nobody has the shell's output any more; bound: 100
}

// mark is a line that no command prints: behind it stands the exit code.
const mark = "=== scene: the command ended with"

// ending is how long what a scene has started may take to stop.
const ending = time.Minute

// startShell starts a shell that ends with the test, with all it started.
func startShell(t *testing.T, dir string) *shell {
	t.Helper()
	out, printed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	complaints, err := os.Create(filepath.Join(dir, "shell.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer complaints.Close()
	s := &shell{cmd: exec.Command("bash", "--noprofile", "--norc"), lines: make(chan string, 100)}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, printed, complaints
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.in, err = s.cmd.StdinPipe(); err == nil {
		err = s.cmd.Start()
	}
	printed.Close()
	if err != nil {
		out.Close()
		t.Fatalf("start bash: %v", err)
	}
	go func() { // ends with the last process that has the pipe
		defer close(s.lines)
		defer out.Close()
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				s.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { s.end(t, dir) })
	return s
}

// run gives the shell a command, which may itself be a shell that takes those that follow. Printed is what came on standard output.
func (s *shell) run(command string, patience time.Duration) (printed string, code int, err error) {
	if _, err := fmt.Fprintf(s.in, "%s\nprintf '\\n%s %%d\\n' $?\n", command, mark); err != nil {
		return "", 0, fmt.Errorf("give a command to the shell: %w", err)
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	var all strings.Builder
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return all.String(), 0, errors.New("the shell ended: a command in it failed, or ended it")
			}
			if rest, found := strings.CutPrefix(line, mark+" "); found {
				code, err := strconv.Atoi(strings.TrimSpace(rest))
				return strings.TrimSuffix(all.String(), "\n"), code, err
			}
			all.WriteString(line)
		case <-limit.C:
			return all.String(), 0, fmt.Errorf("not done after %s; printed so far:\n%s", patience, all.String())
		}
	}
}

// end lets shells end at the end of their input, then kills what is left of the group.
func (s *shell) end(t *testing.T, dir string) {
	_ = s.in.Close() // it may have ended
	drained := make(chan struct{})
	go func() { // ends with the shell's output
		defer close(drained)
		for range s.lines {
		}
	}()
	done := make(chan error, 1) // maker: end; sender: its goroutine; never closed
	go func() { done <- s.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(ending):
		t.Errorf("the shell has not ended %s after its input", ending)
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // nobody may be left
	<-drained
	if t.Failed() {
		showLogs(t, dir)
	}
}

// showLogs shows the ends of what the commands have logged.
func showLogs(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		const most = 4000
		t.Logf("end of %s:\n%s", filepath.Base(file), text[max(0, len(text)-most):])
	}
}
