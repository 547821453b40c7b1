package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// stopTimeout is how long a contender may take to end in order.
const stopTimeout = 30 * time.Second

// usageEvery is the time between two looks at a process. Greatest values of parts of its memory are those of the looks.
const usageEvery = 25 * time.Millisecond

// process is a contender that runs.
type process struct {
	*childserver.Child
	cmd     *exec.Cmd
	log     string    // path of what it says
	started time.Time // before the process was made
	rest    string    // URL of its REST API; empty: it has none
	asked   time.Time // when that was last asked

	mu         sync.Mutex
	cpu        time.Duration
	peak       int64 // KB, as memory.Peak
	anon, file int64 // KB, greatest
}

// start starts a command, which says what it has to say into dir/name.log. It ends with this program.
func start(cmd *exec.Cmd, dir, name, rest string) (*process, error) {
	p := &process{cmd: cmd, log: filepath.Join(dir, name+".log"), rest: rest}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	p.started = time.Now()
	if p.Child, err = childserver.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.watch()
	return p, nil
}

// watch reads the usage until the process ends.
func (p *process) watch() {
	look := time.NewTicker(usageEvery)
	defer look.Stop()
	for {
		p.look()
		select {
		case <-p.Done():
			return
		case <-look.C:
		}
	}
}

// look keeps what the process uses now. Of one that has just ended there is nothing to read, which is no error.
func (p *process) look() {
	cpu, cpuErr := cpuOf(p.Pid)
	m, memoryErr := memoryOf(p.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	if cpuErr == nil {
		p.cpu = max(p.cpu, cpu)
	}
	if memoryErr == nil {
		p.peak, p.anon, p.file = max(p.peak, m.Peak), max(p.anon, m.Anon), max(p.file, m.File)
	}
}

// usedCPU is the CPU time the process has had until now; of one that has ended, all of it.
func (p *process) usedCPU() time.Duration {
	select {
	case <-p.Done():
		if s := p.cmd.ProcessState; s != nil {
			return s.UserTime() + s.SystemTime()
		}
	default:
		p.look()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cpu
}

// memory returns the greatest values until now: of all, and of the two kinds apart.
func (p *process) memory() memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	return memory{Peak: p.peak, Anon: p.anon, File: p.file}
}

// askEvery is the time between two questions to a worker how its connectors are.
const askEvery = 3 * time.Second

// failed is an error when the process has ended, with the last it said, or when a connector of it or a task has failed. One goroutine calls it.
func (p *process) failed() error {
	select {
	case <-p.Done():
		return fmt.Errorf("it has ended (%v): %s", p.cmd.ProcessState, p.lastSaid())
	default:
	}
	if p.rest == "" || time.Since(p.asked) < askEvery || time.Since(p.started) < askEvery {
		return nil
	}
	p.asked = time.Now()
	client := http.Client{Timeout: askEvery}
	res, err := client.Get(p.rest + "/connectors?expand=status")
	if err != nil {
		return nil // it does not serve yet
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil // nor yet
	}
	return failedIn(text)
}

// failedIn finds what has failed in the answer to GET /connectors?expand=status.
func failedIn(answer []byte) error {
	type state struct{ State, Trace string }
	var connectors map[string]struct {
		Status struct {
			Connector state
			Tasks     []state
		}
	}
	if err := json.Unmarshal(answer, &connectors); err != nil {
		return fmt.Errorf("read the states of the connectors: %w", err)
	}
	for name, c := range connectors {
		for _, s := range append(c.Status.Tasks, c.Status.Connector) {
			if s.State == "FAILED" {
				return fmt.Errorf("connector %q has failed: %s", name, s.Trace)
			}
		}
	}
	return nil
}

// lastSaid is the end of the log.
func (p *process) lastSaid() string { return childserver.LastLines(p.log, 15) }

// stop ends the process, in order if it can be done in time.
func (p *process) stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-time.After(stopTimeout):
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.Done()
	return nil
}
