package distributed

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// diverges are steps whose answer is another, by scenario and note, with the reason.
var diverges = map[string]string{
	"create-errors: converter class not a converter": "a Java class that is no plugin is not known here",
	"create-errors: predicate option missing":        "the second error of the recording is the text of a null pointer",
	"names-ambiguous: DELETE a/b":                    "the recording of a DELETE leaves the headers of the web server's own page out",
	"names-ambiguous: DELETE a%20b":                  "the same",
	"names: info with variables":                     "it was asked before the tasks were there; here the answer waits for the round in which they come",
	"create-errors: status of e21":                   "the trace tells which predicate is missing, where Kafka Connect's tells of an option that it looks for next",
}

func TestReplay(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "rest/distributed-*.json") {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "distributed-"), ".json")
		if strings.HasPrefix(name, "validate") || strings.HasPrefix(name, "plugin") { // connect/rest replays them
			continue
		}
		if name == "conflicts" { // a 409 for whom asks at the wrong moment: here one waits until it is over
			continue
		}
		t.Run(name, func(t *testing.T) {
			workers := 1
			if name == "two-workers" {
				workers = 2
			}
			net := recordedWorkers(t, startBrokers(t), workers)
			player := resttest.Player{Skip: func(step resttest.Step) string { return diverges[name+": "+step.Note] }}
			for i := range workers {
				player.Workers = append(player.Workers, net[fmt.Sprintf("worker-%d:8083", i+1)])
			}
			player.Play(t, resttest.Load(t, path, t.TempDir()))
		})
	}
}

// hosts are workers by the address they tell others; as a transport it is the network between them.
type hosts map[string]http.Handler

func (n hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h := n[r.URL.Host]
	if h == nil {
		return nil, fmt.Errorf("no host %s", r.URL.Host)
	}
	in := httptest.NewRequest(r.Method, "http://"+r.URL.Host+"/", r.Body).WithContext(r.Context())
	u, err := url.Parse(r.URL.String())
	if err != nil {
		return nil, err
	}
	in.URL, in.Header = u, r.Header
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// recordedWorkers runs workers with the settings and plugins of the recordings; the first leads.
func recordedWorkers(t *testing.T, b *brokers, n int) hosts {
	t.Helper()
	t.Setenv("CO_ENV_VALUE", "from-env")
	net := make(hosts)
	client := &http.Client{Transport: net}
	for i := range n {
		props := workerProps(b.addr)
		delete(props, "listeners")
		for option, text := range map[string]string{
			"offset.flush.interval.ms":       "1000",
			"config.providers":               "env,file",
			"config.providers.env.class":     "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
			"config.providers.file.class":    "org.apache.kafka.common.config.provider.FileConfigProvider",
			"rest.advertised.host.name":      "worker-" + strconv.Itoa(i+1),
			"rest.advertised.port":           "8083",
			"offset.storage.partitions":      "25",
			"status.storage.partitions":      "5",
			"consumer.heartbeat.interval.ms": "100",
			"consumer.fetch.max.wait.ms":     "50",
		} {
			props[option] = text
		}
		cfg, report := connect.ParseDistributedConfig(props)
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		levels := loglevel.New(slog.LevelInfo)
		levels.Set("org.example.quiet", math.MaxInt32, time.Time{})
		levels.Set("org.apache.kafka.clients", slog.LevelWarn, time.Time{})
		out := &logBuffer{}
		log := slog.New(loglevel.NewHandler(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}), levels))
		h, err := New(cfg, resttest.Plugins(), log)
		if err != nil {
			t.Fatal(err)
		}
		h.http = client
		net[h.ID()] = rest.Handler(h, client, log)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v", err)
			}
			if t.Failed() {
				t.Logf("log of %s:\n%s", h.ID(), out)
			}
		})
		for ctx := testContext(t); ; {
			if _, err := h.Names(ctx); err != nil {
				t.Fatal(err)
			}
			if h.ClusterID() != "" {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatal("no id of the cluster")
			case <-time.After(time.Millisecond):
			}
		}
	}
	return net
}
