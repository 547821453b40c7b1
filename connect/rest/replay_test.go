package rest

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diverges are steps whose answer is another, by scenario and note, with the reason.
var diverges = map[string]string{
	"create-errors: converter class not a converter": "a Java class that is no plugin is not known here",
	"create-errors: predicate option missing":        "the second error of the recording is the text of a null pointer",
	"create-errors: status of e21":                   "the trace tells which predicate is missing, where Kafka Connect's tells of an option that it looks for next",
}

func TestReplay(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "rest/standalone-*.json") {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "standalone-"), ".json")
		if name == "cli" || strings.HasPrefix(name, "validate") || strings.HasPrefix(name, "plugin") { // the command's, and validate_test.go's
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := resttest.Load(t, path, dir)
			player := resttest.Player{
				Workers: []http.Handler{Handler(startWorker(t), http.DefaultClient, slog.New(slog.DiscardHandler))},
				Skip:    func(step resttest.Step) string { return diverges[s.Name+": "+step.Note] },
			}
			player.Play(t, s)
		})
	}
}

// testLog is a logger whose levels are those of the recordings.
func testLog() *slog.Logger {
	levels := loglevel.New(slog.LevelInfo)
	levels.Set("org.example.quiet", math.MaxInt32, time.Time{})
	return slog.New(loglevel.NewHandler(slog.DiscardHandler, levels))
}

// startWorker runs a worker with the plugins of the recordings over an embedded broker.
func startWorker(t *testing.T) *connect.Standalone {
	t.Helper()
	t.Setenv("CO_ENV_VALUE", "from-env")
	broker, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	worker := newWorker(t, map[string]string{
		"bootstrap.servers":              broker.Addr(),
		"offset.flush.interval.ms":       "1000",
		"config.providers":               "env,file",
		"config.providers.env.class":     "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
		"config.providers.file.class":    "org.apache.kafka.common.config.provider.FileConfigProvider",
		"rest.advertised.host.name":      "worker-1",
		"rest.advertised.port":           "8083",
		"consumer.heartbeat.interval.ms": "100",
		"consumer.fetch.max.wait.ms":     "50",
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	for !worker.Ready() || worker.ClusterID() == "" {
		select {
		case <-time.After(time.Millisecond):
		case err := <-ended:
			t.Fatal(err)
		}
	}
	return worker
}
