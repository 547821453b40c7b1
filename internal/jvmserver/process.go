package jvmserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// stopTimeout is how long a server may take to end in order.
const stopTimeout = 20 * time.Second

// process is one JVM.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // path
	done chan struct{} // maker: launch; closer: its goroutine, when the process has ended
	err  error         // why it ended; readable after done
}

// launch starts java; its output is appended to dir/name.log.
func launch(name, java, dir string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(java, args...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	isolate(p.cmd)
	started := make(chan error) // maker: launch; sender: the goroutine; never closed; bound: none
	go func() {
		// On Linux the kernel ends the process with the thread that started it: the thread must last as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// await calls probe until it succeeds, the process ends or ctx does.
func (p *process) await(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.failure(fmt.Errorf("it ended: %w", p.err))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("%w; last answer: %w", context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}

// failure adds the end of the log.
func (p *process) failure(err error) error {
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		text = []byte(readErr.Error())
	}
	return fmt.Errorf("start %s: %w; the end of its log:\n%s", p.name, err, tail(text, 30))
}

// stop ends the process in order, or, when that takes too long, at once.
func (p *process) stop() error {
	if err := terminate(p.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	select {
	case <-p.done:
		return nil
	case <-t.C:
		return p.kill()
	}
}

// kill ends the process at once and returns when it is gone.
func (p *process) kill() error {
	if err := killGroup(p.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// freePorts are ports nobody listens on now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // held until all are found, so that they differ
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
