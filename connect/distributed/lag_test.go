package distributed

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect"
)

// lagAnswer is what the tests read of GET /admin/lag.
type lagAnswer struct {
	status  int
	Stalled int
	Tasks   []struct {
		Connector string
		Task      int
		State     string
		Worker    string
	}
	Workers []struct {
		Worker string
		Error  *string
	}
}

func askLag(t *testing.T, base, query string) lagAnswer {
	t.Helper()
	res, err := http.Get(strings.TrimSuffix(base, "/") + "/admin/lag" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := lagAnswer{status: res.StatusCode}
	if res.StatusCode != http.StatusNotFound {
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("GET /admin/lag%s = %d %s: %v", query, res.StatusCode, text, err)
		}
	}
	return got
}

// awaitHeard waits until a worker has heard that all tasks of a connector run.
func awaitHeard(t *testing.T, name string, tasks int, workers ...*worker) {
	t.Helper()
	for _, w := range workers {
		awaitStatus(t, w, name, allIn(connect.Running, tasks))
	}
}

// TestLagOfGroup: whichever worker is asked tells of the tasks of all, those it does not lead included; with scope=worker of its own.
func TestLagOfGroup(t *testing.T) {
	for name, more := range map[string]map[string]string{
		"open":   nil,
		"admins": {"admin.listeners": "http://127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			b, r := startBrokers(t), newRuns(t)
			props := workerProps(b.addr)
			for option, text := range more {
				props[option] = text
			}
			var workers []*worker
			admins := make(map[*worker]string)
			for _, name := range []string{"one", "two", "three"} {
				if more != nil { // an address that is known
					ln, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					props["admin.listeners"] = "http://" + ln.Addr().String()
					ln.Close()
				}
				w := startWorker(t, r, props, name)
				if admins[w] = w.url(); more != nil {
					admins[w] = props["admin.listeners"]
				}
				workers = append(workers, w)
			}
			create(t, "a", 6, workers...)
			r.awaitTasks(6, 3)
			awaitHeard(t, "a", 6, workers...)
			for _, w := range workers {
				got := askLag(t, admins[w], "")
				if got.status != http.StatusOK || len(got.Tasks) != 6 || len(got.Workers) != 3 || got.Workers[0].Worker != w.ID() {
					t.Errorf("GET /admin/lag of worker %s = %+v, want 6 tasks of 3 workers, itself first", w.name, got)
				}
				on := make(map[string]int)
				for i, task := range got.Tasks {
					on[task.Worker]++
					if task.Task != i || task.State != "RUNNING" {
						t.Errorf("GET /admin/lag of worker %s: task %d is %+v, want them in order, RUNNING", w.name, i, task)
					}
				}
				for _, other := range workers {
					if on[other.ID()] != 2 {
						t.Errorf("GET /admin/lag of worker %s has tasks on %v, want 2 on each", w.name, on)
					}
				}
				if got := askLag(t, admins[w], "?scope=worker"); got.status != http.StatusOK || len(got.Tasks) != 2 || len(got.Workers) != 1 || got.Tasks[0].Worker != w.ID() {
					t.Errorf("GET /admin/lag?scope=worker of worker %s = %+v, want its own 2 tasks", w.name, got)
				}
				if more != nil {
					if got := askLag(t, w.url(), "?scope=worker"); got.status != http.StatusNotFound {
						t.Errorf("GET /admin/lag without signature on the listeners of worker %s = %d, want 404", w.name, got.status)
					}
				}
			}
		})
	}
}

// TestLagOfSilentWorker: a worker that does not answer is named, and what others tell is there; so is one whose answer is no lag.
func TestLagOfSilentWorker(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, workerProps(b.addr), "one")
	create(t, "a", 1, w)
	r.awaitTasks(1, 1)
	awaitHeard(t, "a", 1, w)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	java := &http.Server{Handler: http.NotFoundHandler()}
	defer java.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = java.Serve(ln) }()
	defer func() { java.Close(); <-served }()
	other := func(task int, id string, state connect.State) {
		value := statusJSON(connect.InstanceStatus{State: state, WorkerID: id}, 1)
		if err := w.statuses.applyRecord(statusKey(connect.TaskID{Connector: "b", Task: task}), value); err != nil {
			t.Fatal(err)
		}
	}
	other(0, silent.Addr().String(), connect.Running)
	other(1, ln.Addr().String(), connect.Failed)
	other(2, "127.0.0.1:1", connect.Unassigned)
	got := askLag(t, w.url(), "")
	if got.status != http.StatusServiceUnavailable || len(got.Tasks) != 1 || len(got.Workers) != 3 {
		t.Fatalf("GET /admin/lag = %+v, want 503, the task at hand, and three workers", got)
	}
	for id, want := range map[string]string{w.ID(): "", silent.Addr().String(): "no answer within 3s", ln.Addr().String(): "it runs Kafka Connect"} {
		i := slices.IndexFunc(got.Workers, func(w struct {
			Worker string
			Error  *string
		}) bool {
			return w.Worker == id
		})
		if i < 0 || want == "" && got.Workers[i].Error != nil || want != "" && (got.Workers[i].Error == nil || !strings.Contains(*got.Workers[i].Error, want)) {
			t.Errorf("GET /admin/lag: workers are %+v, want %s with %q", got.Workers, id, want)
		}
	}
}

// TestURLOfTLSWorker: others are told of the scheme that the worker listens with.
func TestURLOfTLSWorker(t *testing.T) {
	for _, c := range []struct {
		listeners []string
		wanted    string
		want      string
	}{
		{[]string{"http://:8083"}, "", "http://"},
		{[]string{"https://:8443"}, "", "https://"},
		{[]string{"http://:8083", "https://:8443"}, "https", "https://"},
		{nil, "", "http://"},
	} {
		h := &Herder{cfg: connect.WorkerConfig{Listeners: c.listeners}}
		h.cfg.REST.AdvertisedListener = c.wanted
		if got := h.urlOf("w:1"); got != c.want+"w:1/" {
			t.Errorf("the URL of a worker that listens on %v (rest.advertised.listener=%q) = %s, want %sw:1/", c.listeners, c.wanted, got, c.want)
		}
	}
}
