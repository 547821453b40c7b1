// Package resttest replays recordings of Kafka Connect's REST API against any handler that claims to answer alike.
//
// In: recordings (testdata/golden-connect/rest), http.Handlers of workers that have the Plugins of the recordings, a folder. Out: failures of a
// test. It is for the tests of connect/rest and connect/distributed; it starts no goroutines.
package resttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Scenario is one recording: requests in order, with the answers of Apache Kafka Connect 4.3.1. The steps build on each other.
type Scenario struct {
	Name   string `json:"scenario"`
	Worker string // standalone or distributed
	Steps  []Step
}

// Step is one request and its answer.
type Step struct {
	Note    string
	Polled  bool // the request was repeated until it had this answer
	Request struct {
		Method, Path string
		Via          string // not empty: it was sent to the worker that did not lead
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

// folder is where the files of connectors lay when the recordings were made.
const folder = "/data"

// Load reads a recording. dir stands for the folder that the recording's connectors had their files in.
func Load(t testing.TB, path, dir string) Scenario {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s Scenario
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), folder+"/", dir+"/")), &s); err != nil {
		t.Fatalf("recording %s: %v", path, err)
	}
	if s.Name == "" {
		t.Fatalf("recording %s is no scenario", path)
	}
	return s
}

// isSource tells the configurations of file sources.
func isSource(class string) bool { return strings.Contains(class, "FileStreamSource") }

// configOf is the configuration in a request, nil if there is none.
func (s *Step) configOf() map[string]any {
	var body map[string]any
	if json.Unmarshal(s.Request.JSON, &body) != nil {
		return nil
	}
	if inner, nested := body["config"].(map[string]any); nested {
		return inner
	}
	return body
}

// inputs are the files that sources read, with their sizes, and the topics that sinks read, with their numbers of records: what the recording's
// answers say of them, and else a little.
func (s Scenario) inputs() (files, topics map[string]int) {
	files, topics = make(map[string]int), make(map[string]int)
	for _, step := range s.Steps {
		config := step.configOf()
		class, _ := config["connector.class"].(string)
		if file, ok := config["file"].(string); ok && isSource(class) && filepath.IsAbs(file) && !strings.HasPrefix(filepath.Base(file), "missing-") {
			files[file] = max(files[file], 2)
		}
		var answer struct {
			Offsets []struct {
				Partition struct {
					Filename string
					Topic    string `json:"kafka_topic"`
				}
				Offset struct {
					Position *int
					Offset   *int `json:"kafka_offset"`
				}
			}
		}
		if step.Request.Method != "GET" || !step.Polled || json.Unmarshal(step.Response.JSON, &answer) != nil {
			continue
		}
		for _, o := range answer.Offsets {
			if o.Offset.Position != nil {
				files[o.Partition.Filename] = *o.Offset.Position
			}
			if o.Offset.Offset != nil {
				topics[o.Partition.Topic] = *o.Offset.Offset
			}
		}
	}
	return files, topics
}

// Prepare writes the files that the scenario's sources read.
func (s Scenario) prepare(t testing.TB) (topics map[string]int) {
	t.Helper()
	files, topics := s.inputs()
	for file, size := range files {
		if filepath.Dir(file) == "/" || size == 0 {
			continue
		}
		if err := os.WriteFile(file, []byte(strings.Repeat("x", size-1)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return topics
}
