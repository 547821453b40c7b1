package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is a recording of Apache Kafka Connect 4.3.1, a standalone worker: requests in order, with the answers.
type scenario struct {
	Steps []step
}

type step struct {
	Note    string
	Polled  bool // the request was repeated until it had this answer
	Request struct {
		Method, Path string
		Headers      map[string]string
		JSON         json.RawMessage
		Text         *string
	}
	Response struct {
		Status  int
		Headers map[string]string
		JSON    json.RawMessage
		Text    *string
		Empty   bool
	}
}

// later are the requests that belong to parts of the API that do not exist yet.
var later = []struct {
	method, path string
	why          string
}{
	{"PATCH", "^/connectors/[^/]+/config$", "PATCH of a configuration"},
	{"", "^/connectors/[^/]+/offsets$", "offsets"},
	{"", "^/connectors/[^/]+/topics", "active topics"},
	{"", "^/connectors/[^/]+/(pause|resume|stop|fence)$", "target states"},
	{"", "/restart($|\\?)", "restart"},
	{"", "^/connectors/lonely/", "what a restart leaves behind"},
	{"POST", "^/connectors/[^/]+/tasks$", "calls between workers"},
	{"PUT", "^/connectors/[^/]+/tasks", "calls between workers"},
	{"", "^/connector-plugins/[^/]+/config", "validation and definitions"},
	{"", "^/connector-plugins\\?connectorsOnly=(false|maybe)", "plugins that are no connectors"},
	{"", "^/admin/loggers", "loggers"},
}

// diverges are steps whose answer is another, by file and note, with the reason.
var diverges = map[string]string{
	"create-errors: sink with broken topics.regex":                                         "Go's text for a regular expression that is not one",
	"create-errors: converter class not a converter":                                       "a Java class that is no plugin is not known here",
	"create-errors: converter option invalid":                                              "our text for a value that is none of several",
	"create-errors: topic.creation without partitions":                                     "refused at once; Kafka Connect answers 500 and leaves a FAILED connector",
	"create-errors: topic.creation replication factor 0":                                   "refused for what it is before it is refused for its name",
	"create-errors: config provider resolves before validation":                            "config providers",
	"create-errors: what was created after all":                                            "the FAILED connector of topic.creation without partitions",
	"create-errors: status of e21":                                                         "transforms and predicates",
	"create-errors: status of e25":                                                         "the FAILED connector of topic.creation without partitions",
	"failed-tasks: expand status":                                                          "transforms and predicates",
	"failed-tasks: connector class fails to start (Debezium without a reachable database)": "validation does not connect; the task waits for the database",
}

// dependent are the notes of steps that ask for what a request of a later part did.
var dependent = []string{"status until PAUSED", "status until STOPPED", "status after pause", "status after resume", "config after patches", "get while stopped",
	"tasks while stopped", "task status while stopped", "update config while stopped", "info of console sink"}

func TestReplay(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "rest/standalone-*.json") {
		file := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "standalone-"), ".json")
		t.Run(file, func(t *testing.T) { replay(t, file, path) })
	}
}

func replay(t *testing.T, file, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s scenario
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	worker := startWorker(t)
	handler := Handler(worker, slog.New(slog.DiscardHandler))
	counts := make(map[string]int)
	for _, st := range s.Steps {
		at := file + ": " + st.Note
		if why := belongsLater(st); why != "" {
			counts["later: "+why]++
			continue
		}
		if why := diverges[at]; why != "" {
			counts["diverges: "+why]++
			continue
		}
		if st.Response.Status == http.StatusCreated { // the recordings leave out what cleans up between two cases
			name := st.Response.Headers["Location"]
			name = name[strings.LastIndexByte(name, '/')+1:]
			do(handler, http.MethodDelete, "/connectors/"+name, nil, nil)
		}
		counts["equal"]++
		check(t, handler, at, st)
	}
	for _, kind := range slices.Sorted(keysOf(counts)) {
		t.Logf("%d steps %s", counts[kind], kind)
	}
}

func keysOf(m map[string]int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func belongsLater(s step) string {
	if regexp.MustCompile(`"(transforms|predicates)"`).Match(s.Request.JSON) || strings.HasPrefix(s.Request.Path, "/connectors/breaks") {
		return "transforms and predicates"
	}
	if slices.Contains(dependent, s.Note) {
		return "a state that depends on the others"
	}
	for _, l := range later {
		if (l.method == "" || l.method == s.Request.Method) && regexp.MustCompile(l.path).MatchString(s.Request.Path) {
			return l.why
		}
	}
	return ""
}

// check sends the request of a step, again and again if it was polled or asks for a state, which tasks come to in their own time, and compares.
func check(t *testing.T, handler http.Handler, at string, s step) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for {
		got := send(handler, s)
		diff := compare(s, got)
		if diff == "" {
			return
		}
		if s.Polled || s.Request.Method == http.MethodGet && strings.HasSuffix(s.Request.Path, "/status") {
			select {
			case <-ticks.C:
				continue
			case <-deadline:
			}
		}
		t.Errorf("%s: %s %s (-want +got):\n%s", at, s.Request.Method, s.Request.Path, diff)
		return
	}
}

func send(handler http.Handler, s step) *http.Response {
	var body []byte
	switch {
	case s.Request.Text != nil:
		body = []byte(*s.Request.Text)
	case s.Request.JSON != nil:
		body = s.Request.JSON
	}
	headers := s.Request.Headers
	return do(handler, s.Request.Method, s.Request.Path, headers, body)
}

func do(handler http.Handler, method, path string, headers map[string]string, body []byte) *http.Response {
	r := httptest.NewRequest(method, "http://worker-1:8083/", bytes.NewReader(body))
	if err := setPath(r, path); err != nil {
		panic(err) // a recording's path
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	return rec.Result()
}

// setPath sets a path as it stood in the request line, a doubled slash at its beginning included.
func setPath(r *http.Request, path string) error {
	u, err := r.URL.Parse("http://worker-1:8083" + path)
	if err == nil {
		r.URL = u
	}
	return err
}

func compare(s step, got *http.Response) string {
	if got.StatusCode != s.Response.Status {
		var body bytes.Buffer
		body.ReadFrom(got.Body)
		return fmt.Sprintf("status %d, want %d; body %s", got.StatusCode, s.Response.Status, body.String())
	}
	for _, name := range []string{"Content-Type", "Location", "Allow"} {
		if g, w := got.Header.Get(name), s.Response.Headers[name]; g != w {
			return fmt.Sprintf("header %s: %q, want %q", name, g, w)
		}
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(got.Body); err != nil {
		return err.Error()
	}
	switch {
	case s.Request.Method == http.MethodHead: // net/http leaves the body out
		return ""
	case s.Response.Text != nil:
		if strings.HasPrefix(*s.Response.Text, "<html>") {
			return ""
		}
		return cmp.Diff(*s.Response.Text, body.String())
	case s.Response.Empty:
		return cmp.Diff("", body.String())
	}
	var want, have any
	if err := errors.Join(json.Unmarshal(s.Response.JSON, &want), json.Unmarshal(body.Bytes(), &have)); err != nil {
		return fmt.Sprintf("%v in %s", err, body.String())
	}
	if m, ok := want.(map[string]any); ok && got.StatusCode == http.StatusInternalServerError && isJava(m["message"]) {
		delete(m, "message")
		if h, ok := have.(map[string]any); ok {
			delete(h, "message")
		}
	}
	return cmp.Diff(normalise("", want), normalise("", have))
}

// isJava tells texts of Jackson and of null pointers, which are no contract.
func isJava(message any) bool {
	text, _ := message.(string)
	return regexp.MustCompile(`Cannot invoke|StreamReadFeature|because`).MatchString(text)
}

var (
	available = regexp.MustCompile(`(?s)available connectors are: (.*)$`)
	inBraces  = regexp.MustCompile(`^Connector config \{(.*)\} contains`)
)

// normalise sorts what Kafka Connect gives in the order of a hash and cuts what differs by nature.
func normalise(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, e := range v {
			out[k] = normalise(k, e)
		}
		return out
	case []any:
		names := true
		for i := range v {
			v[i] = normalise("", v[i])
			_, text := v[i].(string)
			names = names && text
		}
		if names {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		return v
	case string:
		switch key {
		case "commit", "kafka_cluster_id":
			return "<" + key + ">"
		case "trace":
			return "<trace>"
		case "message":
			return sorted(v)
		}
	}
	return v
}

func sorted(message string) string {
	if m := available.FindStringSubmatchIndex(message); m != nil {
		list := regexp.MustCompile(`location='[^']*'`).ReplaceAllString(message[m[2]:m[3]], "location")
		parts := strings.SplitAfter(list, "}, ")
		for i := range parts {
			parts[i] = strings.TrimSuffix(parts[i], ", ")
		}
		slices.Sort(parts)
		return message[:m[2]] + strings.Join(parts, ", ")
	}
	if m := inBraces.FindStringSubmatchIndex(message); m != nil {
		parts := strings.Split(message[m[2]:m[3]], ", ")
		slices.Sort(parts)
		return message[:m[2]] + strings.Join(parts, ", ") + message[m[3]:]
	}
	return message
}

// startWorker runs a worker with the plugins of the recordings, which do nothing, over an embedded broker.
func startWorker(t *testing.T) *connect.Worker {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.Options{Topics: []string{"co-paper"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cfg, report := connect.ParseWorkerConfig(map[string]string{
		"bootstrap.servers":              broker.Addr(),
		"key.converter":                  "org.apache.kafka.connect.json.JsonConverter",
		"value.converter":                "org.apache.kafka.connect.json.JsonConverter",
		"offset.storage.file.filename":   filepath.Join(t.TempDir(), "offsets"),
		"offset.flush.interval.ms":       "1000",
		"rest.advertised.host.name":      "worker-1",
		"rest.advertised.port":           "8083",
		"consumer.heartbeat.interval.ms": "100",
	})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	worker := connect.NewStandalone(cfg, plugins(), slog.New(slog.DiscardHandler))
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

func plugins() connect.Plugins {
	const file = "org.apache.kafka.connect.file.FileStream"
	nothing := func(map[string]string) config.Report { return config.Report{} }
	whole := func(props map[string]string, _ int) ([]map[string]string, error) {
		return []map[string]string{props}, nil
	}
	idle := func(map[string]string, connect.Env) (connect.SourceTask, error) { return idleSource{}, nil }
	return connect.Plugins{
		Sources: []connect.Source{
			{Class: file + "SourceConnector", TaskClass: file + "SourceTask", Version: "4.3.1", TaskConfigs: whole, NewTask: idle,
				Validate: func(props map[string]string) (r config.Report) {
					if _, given := props["topic"]; !given {
						r.Fail("topic", "Missing required configuration \"topic\" which has no default value.")
					}
					return r
				}},
			{Class: "io.debezium.connector.postgresql.PostgresConnector", Version: "3.7.0.Final", TaskConfigs: whole, NewTask: idle, Validate: nothing},
		},
		Sinks: []connect.Sink{{Class: file + "SinkConnector", TaskClass: file + "SinkTask", Version: "4.3.1", Validate: nothing,
			NewTask: func(props map[string]string, _ connect.Env) (sink.Task, error) {
				if strings.HasPrefix(props["file"], "/nonexistent") {
					return nil, errors.New("cannot create the file")
				}
				return idleSink{}, nil
			}}},
	}
}

// idleSource produces nothing.
type idleSource struct{}

func (idleSource) Run(ctx context.Context, _ connect.Emitter) error {
	<-ctx.Done()
	return nil
}
func (idleSource) Offset(uint64) (partition, offset []byte, ok bool) { return nil, nil, false }
func (idleSource) Stored(uint64)                                     {}

// idleSink takes everything.
type idleSink struct{}

func (idleSink) Open(context.Context, []sink.Assignment) ([]kafka.Position, error) { return nil, nil }
func (idleSink) Put(context.Context, []sink.Record) error                          { return nil }
func (idleSink) Flush(context.Context) ([]kafka.Position, error)                   { return nil, nil }
func (idleSink) Close(context.Context, []kafka.TopicPartition) error               { return nil }
