package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// stopTimeout is how long a worker may take to end in order.
const stopTimeout = 40 * time.Second

// worker is one of tandem's processes, which is started again and again. Its log is one file.
type worker struct {
	name    string
	command []string // tandem and its arguments
	log     string   // path
	rest    string   // URL of its REST API

	mu     sync.Mutex         // guards what follows
	child  *childserver.Child // nil: not running
	starts int
}

// start starts the process.
func (w *worker) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.child != nil {
		return fmt.Errorf("start %s: it is running", w.name)
	}
	out, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	w.starts++
	fmt.Fprintf(out, "--- start %d of %s\n", w.starts, w.name)
	cmd := exec.Command(w.command[0], w.command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if w.child, err = childserver.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", w.name, err)
	}
	return nil
}

// signal sends one; a worker that is not running gets none.
func (w *worker) signal(s syscall.Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.child == nil {
		return nil
	}
	if err := w.child.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, w.name, err)
	}
	return nil
}

// kill ends it as kill -9 does.
func (w *worker) kill() error {
	if err := w.signal(syscall.SIGKILL); err != nil {
		return err
	}
	_, err := w.wait(stopTimeout)
	return err
}

// terminate ends it in order: it must end in time, and without an error.
func (w *worker) terminate() error {
	if err := w.signal(syscall.SIGTERM); err != nil {
		return err
	}
	failure, err := w.wait(stopTimeout)
	if err != nil {
		return errors.Join(err, w.kill())
	}
	if failure != nil {
		return fmt.Errorf("%s ended with %w after SIGTERM", w.name, failure)
	}
	return nil
}

// wait waits for its end.
func (w *worker) wait(patience time.Duration) (failure, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.child == nil {
		return nil, nil
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-w.child.Done():
		failure, w.child = w.child.Err(), nil
		return failure, nil
	case <-t.C:
		return nil, fmt.Errorf("%s did not end within %v", w.name, patience)
	}
}

// ended tells whether it ended by itself.
func (w *worker) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.child == nil {
		return false
	}
	select {
	case <-w.child.Done():
		return true
	default:
		return false
	}
}

// lastSaid is the end of its log.
func (w *worker) lastSaid() string { return childserver.LastLines(w.log, 25) }

// call sends a request to its REST API.
func (w *worker) call(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.rest+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// state is that of a connector or a task.
type state struct {
	ID    int
	State string
	Trace string
}

// states are those of all connectors, by name.
type states map[string]struct {
	Status struct {
		Connector state
		Tasks     []state
	}
}

func (w *worker) states(ctx context.Context) (s states, err error) {
	status, answer, err := w.call(ctx, http.MethodGet, "/connectors?expand=status", nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("GET /connectors of %s: %d %s", w.name, status, answer)
	}
	return s, json.Unmarshal(answer, &s)
}

// running tells whether a connector and a task of it run.
func (s states) running(connector string) bool {
	c := s[connector].Status
	return c.Connector.State == "RUNNING" && len(c.Tasks) == 1 && c.Tasks[0].State == "RUNNING"
}

// properties writes a file of properties and returns its path.
func properties(dir, name string, props map[string]string) (string, error) {
	var b strings.Builder
	for key, value := range props {
		fmt.Fprintf(&b, "%s=%s\n", key, strings.ReplaceAll(value, `\`, `\\`))
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}
