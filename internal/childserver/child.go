package childserver

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Child is a command that runs, and that the kernel ends with its starter where it can (Linux). Unlike a Process it has no watchdog and leaves its
// folder; a goroutine waits for its end.
type Child struct {
	*os.Process
	done chan struct{} // maker: Start; closer: its goroutine, when the command has ended
	err  error         // why it ended; readable after done
}

// Start starts a command, in a process group of its own, which signals of the terminal do not reach.
func Start(cmd *exec.Cmd) (*Child, error) {
	Isolate(cmd)
	c := &Child{done: make(chan struct{})}
	started := make(chan error) // maker: Start; sender: the goroutine, once; never closed; bound: none
	go func() {
		// The kernel ends the process with the thread that started it: the thread must last as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	c.Process = cmd.Process
	return c, nil
}

// Done is closed when the command has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is why it has ended, as exec.Cmd.Wait tells it. To be called after Done.
func (c *Child) Err() error { return c.err }

// LastLines are the last lines of a log, or why it cannot be read.
func LastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return Tail(text, n)
}

// Tail is the last lines of a text.
func Tail(text []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
