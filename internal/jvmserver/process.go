package jvmserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// stopTimeout is how long a server may take to end in order.
const stopTimeout = 20 * time.Second

// process is one JVM.
type process struct {
	*childserver.Child
	name string
	log  string // path
}

// launch starts java; its output is appended to dir/name.log.
func launch(name, java, dir string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log")}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(java, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = out, out
	if p.Child, err = childserver.Start(cmd); err != nil {
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
		case <-p.Done():
			return p.failure(fmt.Errorf("it ended: %w", p.Err()))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("%w; last answer: %w", context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}

// failure adds the end of the log.
func (p *process) failure(err error) error {
	return fmt.Errorf("start %s: %w; the end of its log:\n%s", p.name, err, childserver.LastLines(p.log, 30))
}

// stop ends the process in order, or, when that takes too long, at once.
func (p *process) stop() error {
	if err := terminate(p.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	select {
	case <-p.Done():
		return nil
	case <-t.C:
		return p.kill()
	}
}

// kill ends the process at once and returns when it is gone.
func (p *process) kill() error {
	if err := killGroup(p.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.Done()
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
