//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

// TestIntegrationSwap has Kafka Connect's own worker and tandem take over from one another on the same three topics, in both orders: connectors,
// their offsets, states and targets go on, and no line is lost or, as they stop in order, sent twice.
func TestIntegrationSwap(t *testing.T) {
	for name, order := range map[string][]string{"Java first": {"java", "tandem", "java", "tandem"}, "tandem first": {"tandem", "java", "tandem"}} {
		t.Run(name, func(t *testing.T) {
			s := newSwap(t)
			for n, kind := range order {
				w := s.start(kind)
				if n == 0 {
					s.create(w)
				}
				s.awaitState(w, "lines", "RUNNING", 1)
				s.awaitState(w, "copy", "RUNNING", 1)
				s.awaitState(w, "resting", "PAUSED", 0)
				s.append(fmt.Sprintf("%d by %s", n, kind), 20)
				s.awaitCopied()
				if n == 1 {
					s.must(w, http.MethodPut, "/connectors/lines/config", s.source("lines", map[string]string{"batch.size": "500"}), http.StatusOK)
					s.append("after a change", 5)
					s.awaitCopied()
				}
				if n == 2 {
					s.must(w, http.MethodPut, "/connectors/lines/stop", nil, http.StatusNoContent)
					s.awaitState(w, "lines", "STOPPED", 0)
					s.append("while stopped", 3)
					s.stop(w)
					w = s.start(kind)
					s.awaitState(w, "lines", "STOPPED", 0)
					s.must(w, http.MethodPut, "/connectors/lines/resume", nil, http.StatusAccepted)
					s.awaitCopied()
				}
				s.awaitOffset(w)
				s.stop(w)
			}
			if diff := cmp.Diff(s.lines, s.copied()); diff != "" {
				t.Errorf("what the sink wrote (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIntegrationMixedGroup has both kinds in one group: they divide the work among them, whoever leads, requests go to the right one, and when one
// leaves the other goes on.
func TestIntegrationMixedGroup(t *testing.T) {
	for _, first := range []string{"java", "tandem"} {
		t.Run(first+" leads", func(t *testing.T) {
			second := map[string]string{"java": "tandem", "tandem": "java"}[first]
			s := newSwap(t)
			leader := s.start(first)
			s.create(leader)
			s.awaitState(leader, "lines", "RUNNING", 1)
			other := s.start(second)
			for i := range 8 { // through both, so that half of the requests are forwarded
				w := []*swapWorker{leader, other}[i%2]
				s.must(w, http.MethodPost, "/connectors", map[string]any{"name": fmt.Sprint("more", i), "config": s.source(fmt.Sprint("more", i), nil)}, http.StatusCreated)
			}
			s.awaitLevel(leader, other)
			s.append("together", 20)
			s.awaitCopied()
			for i := range 8 {
				w := []*swapWorker{leader, other}[i%2]
				s.must(w, http.MethodPut, fmt.Sprintf("/connectors/more%d/config", i), s.source(fmt.Sprint("more", i), map[string]string{"batch.size": "600"}), http.StatusOK)
				s.must(w, http.MethodPost, fmt.Sprintf("/connectors/more%d/restart?includeTasks=true", i), nil, http.StatusAccepted)
			}
			s.awaitLevel(leader, other)
			s.stop(leader)
			s.awaitOn(other)
			s.append("alone", 20)
			s.awaitCopied()
			back := s.start(first)
			s.awaitLevel(back, other)
			s.append("together again", 20)
			s.awaitCopied()
			s.stop(other)
			s.stop(back)
			if diff := cmp.Diff(s.lines, slices.Compact(s.copied())); diff != "" {
				t.Errorf("what the sink wrote (-want +got):\n%s", diff)
			}
		})
	}
}

// swap is a cluster of workers of both kinds, with a source from a file and a sink into another.
type swap struct {
	*testing.T
	dir, name string
	binary    string
	kafka     string
	plugins   string
	lines     []string
}

// swapWorker is one process.
type swapWorker struct {
	kind string
	port int
	java *jvmserver.Connect
	cmd  *exec.Cmd
}

func newSwap(t *testing.T) *swap {
	s := &swap{T: t, dir: t.TempDir(), kafka: requiredEnv(t, "TANDEM_KAFKA"), name: fmt.Sprintf("swap%d", time.Now().UnixNano())}
	s.binary = filepath.Join(s.dir, "tandem")
	if out, err := exec.Command("go", "build", "-o", s.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var err error
	if s.plugins, err = jvmserver.FilePlugins(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"lines.txt", "resting.txt"} {
		if err := os.WriteFile(filepath.Join(s.dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(s.dir, "*", "*.log"))
		for _, log := range logs {
			text, _ := os.ReadFile(log)
			t.Logf("end of %s:\n%s", log, text[max(0, len(text)-5000):])
		}
	})
	return s
}

// start starts a worker and waits until it answers.
func (s *swap) start(kind string) *swapWorker {
	s.Helper()
	port, err := jvmserver.FreePort()
	if err != nil {
		s.Fatal(err)
	}
	dir, err := os.MkdirTemp(s.dir, kind+"-")
	if err != nil {
		s.Fatal(err)
	}
	text := fmt.Sprintf(`bootstrap.servers=%s
group.id=%[2]s
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic=%[2]s-configs
offset.storage.topic=%[2]s-offsets
status.storage.topic=%[2]s-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.flush.interval.ms=500
listeners=http://127.0.0.1:%[3]d
rest.advertised.host.name=127.0.0.1
plugin.path=%[4]s
scheduled.rebalance.max.delay.ms=2000
`, s.kafka, s.name, port, s.plugins)
	file := filepath.Join(dir, "worker.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	w := &swapWorker{kind: kind, port: port}
	if kind == "java" {
		if w.java, err = jvmserver.NewConnect(s.Context(), dir); err == nil {
			err = w.java.StartDistributed(s.Context(), func(ctx context.Context) error {
				status, _, err := s.call(ctx, w, http.MethodGet, "/connectors", nil)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				return err
			}, file)
		}
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = w.java.Kill() })
		return w
	}
	log, err := os.Create(filepath.Join(dir, "tandem.log"))
	if err != nil {
		s.Fatal(err)
	}
	w.cmd = exec.Command(s.binary, "distributed", file)
	w.cmd.Stderr = log
	if err := w.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if w.cmd != nil {
			_ = w.cmd.Process.Kill()
			_ = w.cmd.Wait()
		}
		log.Close()
	})
	s.eventually("tandem answers", func() (bool, string) {
		status, body, err := s.call(s.Context(), w, http.MethodGet, "/connectors", nil)
		return err == nil && status == http.StatusOK, fmt.Sprint(status, string(body), err)
	})
	return w
}

// stop ends a worker in order.
func (s *swap) stop(w *swapWorker) {
	s.Helper()
	if w.java != nil {
		if err := w.java.Stop(); err != nil && !strings.Contains(err.Error(), "143") { // a JVM's exit code after SIGTERM
			s.Fatal(err)
		}
		return
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	if err := w.cmd.Wait(); err != nil {
		s.Errorf("tandem: %v after SIGTERM, want exit code 0", err)
	}
	w.cmd = nil
}

func (s *swap) call(ctx context.Context, w *swapWorker, method, path string, body any) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path), in)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// must sends a request until it is answered so; Kafka Connect refuses some while a rebalance is underway.
func (s *swap) must(w *swapWorker, method, path string, body any, want int) {
	s.Helper()
	s.eventually(method+" "+path+" on "+w.kind, func() (bool, string) {
		status, answer, err := s.call(s.Context(), w, method, path, body)
		if err == nil && status != want && status != http.StatusConflict && status < 500 {
			s.Fatalf("%s %s on %s = %d %s, want %d", method, path, w.kind, status, answer, want)
		}
		return err == nil && status == want, fmt.Sprint(status, string(answer), err)
	})
}

func (s *swap) eventually(what string, ok func() (bool, string)) {
	s.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: not within a minute; it is %s", what, state)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.Context().Done():
		}
	}
}

func (s *swap) source(name string, more map[string]string) map[string]string {
	file := filepath.Join(s.dir, name+".txt")
	if _, err := os.Stat(file); err != nil {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	c := map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1", "file": file, "topic": s.name + "-" + name}
	for option, text := range more {
		c[option] = text
	}
	return c
}

func (s *swap) create(w *swapWorker) {
	s.Helper()
	s.must(w, http.MethodPost, "/connectors", map[string]any{"name": "lines", "config": s.source("lines", nil)}, http.StatusCreated)
	s.must(w, http.MethodPost, "/connectors", map[string]any{"name": "resting", "config": s.source("resting", nil), "initial_state": "PAUSED"}, http.StatusCreated)
	s.append("the first", 1) // makes the topic
	s.must(w, http.MethodPost, "/connectors", map[string]any{"name": "copy", "config": map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "topics": s.name + "-lines", "file": filepath.Join(s.dir, "copy.txt"),
		"consumer.override.metadata.max.age.ms": "500"}}, http.StatusCreated)
}

// append adds lines to the source's file.
func (s *swap) append(what string, n int) {
	s.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, "lines.txt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	for i := range n {
		line := fmt.Sprintf("%s: line %d", what, i)
		s.lines = append(s.lines, line)
		if _, err := fmt.Fprintln(f, line); err != nil {
			s.Fatal(err)
		}
	}
}

// copied is what the sink has written.
func (s *swap) copied() []string {
	text, err := os.ReadFile(filepath.Join(s.dir, "copy.txt"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (s *swap) awaitCopied() {
	s.Helper()
	s.eventually("the last line is copied", func() (bool, string) {
		all := s.copied()
		return slices.Contains(all, s.lines[len(s.lines)-1]), fmt.Sprintf("%d of %d lines", len(all), len(s.lines))
	})
}

// awaitOffset waits until the offset of the source is its file's end.
func (s *swap) awaitOffset(w *swapWorker) {
	s.Helper()
	info, err := os.Stat(filepath.Join(s.dir, "lines.txt"))
	if err != nil {
		s.Fatal(err)
	}
	want := fmt.Sprintf(`"position":%d`, info.Size())
	s.eventually("the offset is "+want, func() (bool, string) {
		_, body, err := s.call(s.Context(), w, http.MethodGet, "/connectors/lines/offsets", nil)
		return strings.Contains(string(body), want), fmt.Sprint(string(body), err)
	})
}

type swapStatus struct {
	Connector struct {
		State  string
		Worker string `json:"worker_id"`
	}
	Tasks []struct {
		State  string
		Worker string `json:"worker_id"`
	}
}

func (s *swap) status(w *swapWorker, name string) (st swapStatus, body []byte) {
	_, body, _ = s.call(s.Context(), w, http.MethodGet, "/connectors/"+name+"/status", nil)
	_ = json.Unmarshal(body, &st)
	return st, body
}

// awaitState waits until a connector and all its tasks are in a state, on this worker.
func (s *swap) awaitState(w *swapWorker, name, state string, tasks int) {
	s.Helper()
	me := fmt.Sprintf("127.0.0.1:%d", w.port)
	s.eventually(name+" is "+state, func() (bool, string) {
		st, body := s.status(w, name)
		ok := st.Connector.State == state && st.Connector.Worker == me && len(st.Tasks) == tasks
		for _, task := range st.Tasks {
			ok = ok && task.State == state && task.Worker == me
		}
		return ok, string(body)
	})
}

// owners are how many running tasks each worker has.
func (s *swap) owners(ask *swapWorker) (running map[string]int, all string) {
	_, body, err := s.call(s.Context(), ask, http.MethodGet, "/connectors?expand=status", nil)
	var list map[string]struct{ Status swapStatus }
	if err != nil || json.Unmarshal(body, &list) != nil {
		return nil, string(body)
	}
	running = make(map[string]int)
	for _, c := range list {
		for _, task := range c.Status.Tasks {
			if task.State == "RUNNING" {
				running[task.Worker]++
			}
		}
	}
	return running, string(body)
}

// awaitLevel waits until both run about half of the ten tasks.
func (s *swap) awaitLevel(a, b *swapWorker) {
	s.Helper()
	s.eventually("the tasks are level on both workers", func() (bool, string) {
		running, all := s.owners(b)
		x, y := running[fmt.Sprintf("127.0.0.1:%d", a.port)], running[fmt.Sprintf("127.0.0.1:%d", b.port)]
		return x+y == 10 && x-y <= 1 && y-x <= 1, all
	})
}

// awaitOn waits until one worker runs all.
func (s *swap) awaitOn(w *swapWorker) {
	s.Helper()
	s.eventually("all tasks are on "+w.kind, func() (bool, string) {
		running, all := s.owners(w)
		return running[fmt.Sprintf("127.0.0.1:%d", w.port)] == 10, all
	})
}
