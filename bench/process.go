package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long a contender may take to end in order.
const stopTimeout = 30 * time.Second

// usageEvery is the time between two looks at a process. Greatest values of parts of its memory are those of the looks.
const usageEvery = 25 * time.Millisecond

// process is a contender that runs.
type process struct {
	cmd     *exec.Cmd
	log     string        // path of what it says
	started time.Time     // before the process was made
	rest    string        // URL of its REST API; empty: it has none
	asked   time.Time     // when that was last asked
	done    chan struct{} // maker: start; closer: the goroutine that waits, once the process has ended
	err     error         // why it ended; readable after done

	mu         sync.Mutex
	cpu        time.Duration
	peak       int64 // KB, as memory.Peak
	anon, file int64 // KB, greatest
}

// start starts a command, which says what it has to say into dir/name.log. It ends with this program.
func start(cmd *exec.Cmd, dir, name, rest string) (*process, error) {
	p := &process{cmd: cmd, log: filepath.Join(dir, name+".log"), rest: rest, done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	isolate(cmd)
	began := make(chan error) // maker: start; sender: the goroutine, once; never closed; bound: none
	p.started = time.Now()
	go func() {
		// The kernel ends the process with the thread that started it: the thread must last as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		began <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-began; err != nil {
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
		case <-p.done:
			return
		case <-look.C:
		}
	}
}

// look keeps what the process uses now. Of one that has just ended there is nothing to read, which is no error.
func (p *process) look() {
	cpu, cpuErr := cpuOf(p.cmd.Process.Pid)
	m, memoryErr := memoryOf(p.cmd.Process.Pid)
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
	case <-p.done:
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
	case <-p.done:
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
func (p *process) lastSaid() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}

// stop ends the process, in order if it can be done in time.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}
