package resttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Player replays scenarios.
type Player struct {
	// Workers answer: the first leads; the second, if there is one, gets what was recorded with the worker that did not.
	Workers []http.Handler
	// Skip tells why a step is not replayed; empty: it is.
	Skip func(s Step) string
	// Patience is how long a state may take to come; zero: ten seconds.
	Patience time.Duration
}

// Play replays a scenario and reports every answer that is another.
func (p *Player) Play(t *testing.T, s Scenario) {
	t.Helper()
	for topic, records := range s.prepare(t) {
		p.feed(t, topic, records)
	}
	skipped := make(map[string]int)
	var before *Step
	last := make(map[string]string) // by path of a status: the tasks' states that were recorded last
	for _, step := range s.Steps {
		if p.Skip != nil {
			if why := p.Skip(step); why != "" {
				skipped[why]++
				continue
			}
		}
		if step.Response.Status == http.StatusCreated { // the recordings leave out what cleans up between two cases
			name := step.Response.Headers["Location"]
			p.remove(t, name[strings.Index(name, "/connectors/"):])
		}
		if step.Request.Method != http.MethodGet {
			p.settle(step.Request.Path)
			p.again(before, last)
		}
		if step.Note == consoleNote {
			p.console(t, step)
		}
		p.check(t, step)
		if strings.HasSuffix(step.Request.Path, "/status") && step.Response.Status == http.StatusOK {
			last[step.Request.Path] = taskStates(step.Response.JSON)
		}
		before = &step
	}
	for why, n := range skipped {
		t.Logf("%d of %d steps left out: %s", n, len(s.Steps), why)
	}
}

func (p *Player) patience() time.Duration {
	if p.Patience > 0 {
		return p.Patience
	}
	return 10 * time.Second
}

// eventually asks until ok, or no longer.
func (p *Player) eventually(ok func() bool) bool {
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.After(p.patience()); !ok(); {
		select {
		case <-ticks.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// check sends the request of a step, again and again if it asks for what comes in its own time, and compares.
func (p *Player) check(t *testing.T, s Step) {
	t.Helper()
	var diff string
	attempt := func() bool {
		diff = compare(s, p.send(s))
		return diff == ""
	}
	if s.Polled || s.Request.Method == http.MethodGet {
		p.eventually(attempt)
	} else {
		attempt()
	}
	if diff != "" {
		t.Errorf("%s: %s %s (-want +got):\n%s", s.Note, s.Request.Method, s.Request.Path, diff)
	}
}

// again waits until the tasks of a connector that was restarted are what they were recorded as before it: a task that fails takes its time to.
func (p *Player) again(before *Step, last map[string]string) {
	if before == nil || !strings.Contains(before.Request.Path, "/restart") || before.Response.Status >= http.StatusBadRequest {
		return
	}
	path := strings.Join(strings.SplitN(before.Request.Path, "/", 4)[:3], "/") + "/status"
	want, known := last[path]
	if !known {
		return
	}
	p.eventually(func() bool {
		var body bytes.Buffer
		body.ReadFrom(p.do(0, http.MethodGet, path, nil, nil).Body)
		return taskStates(body.Bytes()) == want
	})
}

// taskStates are the states of the tasks in a status.
func taskStates(status []byte) string {
	var body struct{ Tasks []struct{ State string } }
	if json.Unmarshal(status, &body) != nil {
		return ""
	}
	return fmt.Sprint(body.Tasks)
}

// settle waits until the connector that a request is about is where it was told to be, for what it is asked next builds on that. One that does not
// exist is settled.
func (p *Player) settle(path string) {
	rest, ok := strings.CutPrefix(path, "/connectors/")
	if !ok {
		return
	}
	name, _, _ := strings.Cut(strings.SplitN(rest, "?", 2)[0], "/")
	p.eventually(func() bool {
		res := p.do(0, http.MethodGet, "/connectors/"+name+"/status", nil, nil)
		var status struct {
			Connector struct{ State string }
			Tasks     []struct{ State string }
		}
		if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&status) != nil {
			return true
		}
		for _, task := range status.Tasks {
			if task.State != status.Connector.State && task.State != "FAILED" {
				return false
			}
		}
		switch status.Connector.State {
		case "RUNNING":
			return len(status.Tasks) > 0
		case "PAUSED", "STOPPED", "FAILED":
			return true
		}
		return false
	})
}

// remove deletes a connector, if there is one, and waits until it is gone.
func (p *Player) remove(t *testing.T, path string) {
	t.Helper()
	if res := p.do(0, http.MethodDelete, path, nil, nil); res.StatusCode == http.StatusNotFound {
		return
	}
	gone := func() bool {
		return p.do(0, http.MethodGet, path+"/status", nil, nil).StatusCode == http.StatusNotFound
	}
	if !p.eventually(gone) {
		t.Errorf("%s is still there after it was deleted", path)
	}
}

// feed writes records to a topic, by a connector that is removed then.
func (p *Player) feed(t *testing.T, topic string, records int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "feed.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("x\n", records)), 0o600); err != nil {
		t.Fatal(err)
	}
	const path = "/connectors/feed"
	body := fmt.Sprintf(`{"name":"feed","config":{"connector.class":"FileStreamSource","file":%q,"topic":%q,"value.converter":"org.apache.kafka.connect.storage.StringConverter"}}`, file, topic)
	if res := p.do(0, http.MethodPost, "/connectors", nil, []byte(body)); res.StatusCode != http.StatusCreated {
		t.Fatalf("feed the topic %s: status %d", topic, res.StatusCode)
	}
	end := fmt.Sprintf(`{"position":%d}`, 2*records)
	fed := func() bool {
		var body bytes.Buffer
		body.ReadFrom(p.do(0, http.MethodGet, path+"/offsets", nil, nil).Body)
		return strings.Contains(body.String(), end)
	}
	if !p.eventually(fed) {
		t.Fatalf("feed the topic %s: no end after %s", topic, p.patience())
	}
	p.remove(t, path)
}

// consoleNote is the step whose recording leaves out the request before it, which takes the file from a sink.
const consoleNote = "info of console sink"

func (p *Player) console(t *testing.T, s Step) {
	t.Helper()
	var want struct{ Config json.RawMessage }
	if err := json.Unmarshal(s.Response.JSON, &want); err != nil {
		t.Fatal(err)
	}
	if res := p.do(0, http.MethodPut, s.Request.Path+"/config", nil, want.Config); res.StatusCode != http.StatusOK {
		t.Errorf("%s: PUT of the configuration = %d, want 200", s.Note, res.StatusCode)
	}
}

func (p *Player) send(s Step) *http.Response {
	var body []byte
	switch {
	case s.Request.Text != nil:
		body = []byte(*s.Request.Text)
	case s.Request.JSON != nil:
		body = s.Request.JSON
	}
	worker := 0
	if s.Request.Via != "" {
		worker = len(p.Workers) - 1
	}
	headers := s.Request.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	return p.do(worker, s.Request.Method, s.Request.Path, headers, body)
}

// do sends a request to one of the workers. Without headers it is JSON.
func (p *Player) do(worker int, method, path string, headers map[string]string, body []byte) *http.Response {
	if headers == nil && body != nil {
		headers = map[string]string{"Content-Type": "application/json"}
	}
	return Do(p.Workers[worker], fmt.Sprintf("worker-%d:8083", worker+1), method, path, headers, body)
}

// Do sends a request to a handler as if it had come to a host. The path is taken as it would stand in the request line, a doubled slash at its
// beginning included.
func Do(h http.Handler, host, method, path string, headers map[string]string, body []byte) *http.Response {
	r := httptest.NewRequest(method, "http://"+host+"/", bytes.NewReader(body))
	if u, err := url.Parse("http://" + host + path); err == nil {
		r.URL = u
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}
