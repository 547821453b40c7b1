package rest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
	"github.com/tandem-cdc/tandem/envelope/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// missing are the plugins of the recordings that do not exist here, with the reason.
var missing = map[string]string{
	"io.debezium.connector.postgresql.transforms.timescaledb.TimescaleDb": "asks a database of its own for each record",
	"io.debezium.converters.CloudEventsConverter":                         "events go out as Debezium's, in Avro or JSON",
	"io.debezium.transforms.EnforceRecordSize":                            "the producer's max.request.size bounds records",
	"io.debezium.transforms.ExtractSchemaToNewRecord":                     "for schema changes, which PostgreSQL's connector does not publish",
	"io.debezium.transforms.GeometryFormatTransformer":                    "for geometries of other databases too; ours are written as WKB",
	"io.debezium.transforms.Neo4jCudConverter":                            "for Neo4j alone",
	"io.debezium.transforms.SchemaChangeEventFilter":                      "for schema changes, which PostgreSQL's connector does not publish",
	"io.debezium.transforms.SwapGeometryCoordinates":                      "for geometries of other databases",
	"io.debezium.transforms.VectorToJsonConverter":                        "vectors are arrays",
	"io.debezium.transforms.openlineage.OpenLineage":                      "refused: lineage events are not sent",
	"io.debezium.transforms.tracing.ActivateTracingSpan":                  "refused: there is no tracing",
}

// extra are ours beside them.
var extra = []string{"io.confluent.connect.avro.AvroConverter"}

// TestValidateReplay replays what Kafka Connect told of plugins and configurations, alone and in a group of workers. Documentation and labels are
// ours; so are the plugins named above, and the default of plugin.name.
func TestValidateReplay(t *testing.T) {
	t.Setenv("CO_ENV_VALUE", "from-env")
	for _, pattern := range []string{"rest/*-validate*.json", "rest/*-plugin*.json"} {
		for _, path := range golden.ConnectFiles(t, "../..", pattern) {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
				alone := newWorker(t, map[string]string{"config.providers": "env,file",
					"config.providers.env.class":  "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
					"config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider"})
				herder := &recorded{Standalone: alone, worker: connect.NewWorker(alone.Config(), recordedPlugins(), nil, nil, slog.New(slog.DiscardHandler))}
				if strings.HasPrefix(filepath.Base(path), "distributed-") {
					herder.worker.InGroup(connect.Distributed{Group: "connect-cluster"})
				}
				for _, p := range herder.Plugins() {
					if why := missing[p.Class]; why != "" {
						t.Errorf("plugin %s is there, and said to be missing: %s", p.Class, why)
					}
				}
				handler := Handler(herder, http.DefaultClient, slog.New(slog.DiscardHandler))
				for _, s := range resttest.Load(t, path, t.TempDir()).Steps {
					replayStep(t, handler, s)
				}
			})
		}
	}
}

func replayStep(t *testing.T, handler http.Handler, s resttest.Step) {
	t.Helper()
	body, headers := []byte(s.Request.JSON), map[string]string{"Content-Type": "application/json"}
	if s.Request.Text != nil {
		body = []byte(*s.Request.Text)
	}
	if s.Request.Headers != nil {
		headers = s.Request.Headers
	}
	if s.Request.JSON == nil && s.Request.Text == nil {
		headers = nil
	}
	got := resttest.Do(handler, "worker-1:8083", s.Request.Method, s.Request.Path, headers, body)
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode != s.Response.Status {
		t.Errorf("%s: %s %s = %d, want %d; body %s", s.Note, s.Request.Method, s.Request.Path, got.StatusCode, s.Response.Status, text[:min(len(text), 600)])
		return
	}
	var want, have any
	if s.Response.JSON == nil {
		return
	}
	if err := json.Unmarshal(s.Response.JSON, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &have); err != nil {
		t.Fatalf("%s: %v in %s", s.Note, err, text)
	}
	if diff := cmp.Diff(leaveOut(want, s.Response.Status), leaveOut(have, s.Response.Status)); diff != "" {
		t.Errorf("%s: %s %s differs (-want +got)\n%s", s.Note, s.Request.Method, s.Request.Path, diff)
	}
}

// leaveOut drops what is ours to say, the plugins of one side only, and texts of the JVM.
func leaveOut(v any, status int) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "documentation")
		delete(v, "display_name")
		if v["name"] == "plugin.name" {
			delete(v, "default_value")
		}
		if message, ok := v["message"].(string); ok {
			v["message"] = leaveOutText(message, status)
		}
		for k, inner := range v {
			v[k] = leaveOut(inner, status)
		}
	case []any:
		v = slices.DeleteFunc(v, func(e any) bool {
			class, ok := e.(string)
			if m, isMap := e.(map[string]any); isMap {
				class, ok = m["class"].(string)
			}
			return ok && (missing[class] != "" || slices.Contains(extra, class))
		})
		for i := range v {
			v[i] = leaveOut(v[i], status)
		}
		return v
	}
	return v
}

// leaveOutText cuts what differs by nature: the JVM's own texts, and the orders of Java's hash maps.
func leaveOutText(message string, status int) string {
	for _, jvm := range []string{"Cannot invoke", "StreamReadFeature", "the request has no body", "cannot read the request"} {
		if status == http.StatusInternalServerError && strings.Contains(message, jvm) {
			return "JVM"
		}
	}
	if at := strings.Index(message, "available connectors are:"); at >= 0 {
		return message[:at]
	}
	if from, to := strings.Index(message, "{"), strings.LastIndex(message, "}"); from >= 0 && to > from {
		parts := strings.Split(message[from+1:to], ", ")
		slices.Sort(parts)
		return message[:from] + strings.Join(parts, ", ") + message[to:]
	}
	return message
}

// recorded is a herder that only validates, with the plugins of the recordings.
type recorded struct {
	*connect.Standalone
	worker *connect.Worker
}

func (h *recorded) Plugins() []connect.PluginInfo { return h.worker.Plugins() }
func (h *recorded) PluginConfig(ctx context.Context, name, version string) ([]config.Definition, error) {
	return h.worker.PluginConfig(ctx, name, version)
}
func (h *recorded) Validate(ctx context.Context, req connect.Request) (connect.ConfigInfos, error) {
	return h.worker.Validate(ctx, req)
}

// recordedPlugins are those of the tests with the definitions of their options; Debezium's is the real one, whose database is there on every port
// but 1.
func recordedPlugins() connect.Plugins {
	p := resttest.Plugins()
	for i := range p.Sources {
		switch s := &p.Sources[i]; s.Class {
		case filestream.SourceClass:
			s.Keys = func() config.Keys { c := filestream.DefaultSourceConfig(); return c.Keys() }
			s.ExactlyOnce = func(map[string]string) bool { return true }
		case source.Class:
			s.Keys, s.Validate = source.ListedKeys, source.Validate
			s.Check = func(_ context.Context, props map[string]string) (r config.Report) {
				if props["database.port"] == "1" {
					r.Fail("database.hostname", "Error while validating connector config: Connection to %s:1 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.", props["database.hostname"])
				}
				return r
			}
		}
	}
	p.Sinks[0].Keys = func() config.Keys { return new(filestream.SinkConfig).Keys() }
	for _, t := range transform.Plugins() {
		p.Transforms = append(p.Transforms, connect.TransformPlugin{Class: t.Class, Version: "3.7.0.Final", Keys: t.Keys, New: t.New, Refused: t.Refused})
	}
	return p
}
