package distributed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect/rest/resttest"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// topicRecord is one record of a recording.
type topicRecord struct {
	Topic     string
	Partition int32
	Key       string
	Value     json.RawMessage
}

type topicStep struct {
	Note    string
	Request *struct {
		Method, Path string
		JSON         json.RawMessage
	}
	Status  int
	Records []topicRecord
}

// TestTopicsReplay replays what Kafka Connect wrote into its three topics. Kept are: every record of the config topic in its order; the states of
// each connector and task in their order; the last of the others. Not kept is how often the same was written again.
func TestTopicsReplay(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "topics/*.json") {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		dir := t.TempDir()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var recording struct{ Steps []topicStep }
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("/data/"), []byte(dir+"/")), &recording); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if len(recording.Steps) == 0 { // the dead letter queue's and the offset file's are connect's
			continue
		}
		t.Run(name, func(t *testing.T) { replayTopics(t, dir, recording.Steps) })
	}
}

func replayTopics(t *testing.T, dir string, steps []topicStep) {
	b := startBrokers(t)
	writeInputs(t, steps)
	for _, s := range steps {
		b.feedSink(t, s.config())
	}
	handler := recordedWorkers(t, b, 1)["worker-1:8083"]
	tail := b.tail(t)
	want, got := newDigest(dir), newDigest(dir)
	for _, s := range steps {
		if s.Request != nil {
			res := resttest.Do(handler, "worker-1:8083", s.Request.Method, s.Request.Path, map[string]string{"Content-Type": "application/json"}, s.Request.JSON)
			if res.StatusCode != s.Status {
				var body bytes.Buffer
				_, _ = body.ReadFrom(res.Body)
				t.Fatalf("%s: %s %s = %d %s, want %d", s.Note, s.Request.Method, s.Request.Path, res.StatusCode, body.String(), s.Status)
			}
		}
		want.next()
		got.next()
		for _, r := range s.Records {
			if r.Topic == "offset" && strings.Contains(s.config()["connector.class"], "Postgres") { // the one here stores nothing by itself
				continue
			}
			want.add(r)
		}
		timeout := time.After(limit)
		for !cmp.Equal(want.lines, got.lines) {
			select {
			case r := <-tail:
				if r.Key == sessionKeyKey && s.Request != nil { // a start's
					continue
				}
				got.add(r)
			case <-timeout:
				t.Fatalf("%s: records (-want +got):\n%s", s.Note, cmp.Diff(want.lines, got.lines))
			}
		}
	}
}

// config is the configuration in a step's request.
func (s *topicStep) config() map[string]string {
	if s.Request == nil {
		return nil
	}
	var body struct{ Config map[string]string }
	if json.Unmarshal(s.Request.JSON, &body) == nil && body.Config != nil {
		return body.Config
	}
	return nil
}

// writeInputs writes the files that sources read, as long as the offsets say that they are.
func writeInputs(t *testing.T, steps []topicStep) {
	t.Helper()
	for _, s := range steps {
		for _, r := range s.Records {
			var key []json.RawMessage
			var partition struct{ Filename string }
			var offset struct{ Position int }
			if r.Topic != "offset" || r.Value == nil || json.Unmarshal([]byte(r.Key), &key) != nil || len(key) != 2 ||
				json.Unmarshal(key[1], &partition) != nil || !filepath.IsAbs(partition.Filename) || json.Unmarshal(r.Value, &offset) != nil {
				continue
			}
			if _, err := os.Stat(partition.Filename); err == nil { // the first offset is the file's end
				continue
			}
			if err := os.WriteFile(partition.Filename, []byte(strings.Repeat("x", offset.Position-1)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range steps { // a failing source has its file, too
		if c := s.config(); c["file"] != "" && strings.Contains(c["connector.class"], "Source") {
			if _, err := os.Stat(c["file"]); err != nil {
				if err := os.WriteFile(c["file"], []byte("x\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// feedSink writes records into the topic that a sink reads.
func (b *brokers) feedSink(t *testing.T, config map[string]string) {
	t.Helper()
	if topic := config["topics"]; topic != "" {
		for i := range 3 {
			b.write(t, topic, kafka.Record{Value: fmt.Appendf(nil, `{"schema":null,"payload":%d}`, i)})
		}
	}
}

// tail follows the three topics.
func (b *brokers) tail(t *testing.T) <-chan topicRecord {
	out := make(chan topicRecord) // senders: the readers; never closed; bound: none waits in it
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	for name, topic := range map[string]string{"config": "configs", "offset": "offsets", "status": "statuses"} {
		c := client.DefaultConfig(client.ForConsumer)
		c.Brokers, c.Consumer.FetchWait = []string{b.addr}, 50*time.Millisecond
		g.Go(func() {
			_ = client.Read(ctx, c, client.Reading{Topic: topic, From: client.FromBeginning}, func(r *kafka.Record) error {
				select {
				case out <- topicRecord{name, r.Partition, string(r.Key), slices.Clone(r.Value)}:
				case <-ctx.Done():
				}
				return ctx.Err()
			})
		})
	}
	t.Cleanup(func() { cancel(); g.Wait() })
	return out
}

// digest is what is kept of records: a list per key, and one for the config topic.
type digest struct {
	dir   string
	lines map[string][]string
	last  map[string]string
}

func newDigest(dir string) *digest {
	return &digest{dir: dir, last: make(map[string]string)}
}

func (d *digest) next() { d.lines = make(map[string][]string) }

func (d *digest) add(r topicRecord) {
	line, list := d.line(r), r.Topic
	if r.Topic != "config" {
		list += " " + r.Key
		if d.last[list] == line { // written again
			return
		}
		d.last[list] = line
	}
	d.lines[list] = append(d.lines[list], line)
}

// line is what counts of a record. Of paths the partition is another than when they were recorded.
func (d *digest) line(r topicRecord) string {
	at := fmt.Sprintf("%d ", r.Partition)
	if strings.Contains(r.Key, d.dir) {
		at = ""
	}
	if r.Value == nil || string(r.Value) == "null" {
		return at + r.Key + " null"
	}
	var value map[string]any
	if json.Unmarshal(r.Value, &value) != nil {
		return at + r.Key + " " + string(r.Value)
	}
	delete(value, "generation") // depends on what came before the recording
	if state := value["state"]; state == "UNASSIGNED" || state == "RESTARTING" {
		delete(value, "version") // there or not, as it happens
	}
	if trace, ok := value["trace"].(string); ok {
		value["trace"] = trace != ""
	}
	if topic, ok := value["topic"].(map[string]any); ok {
		delete(topic, "discoverTimestamp")
		delete(topic, "task") // the first of several that came to it
	}
	if r.Key == sessionKeyKey {
		value["key"], value["creation-timestamp"] = "", ""
	}
	for name, v := range value {
		if _, number := v.(float64); number || v == "<LONG>" {
			if r.Topic == "offset" && strings.Contains(r.Key, "server") {
				value[name] = ""
			}
		}
	}
	text, _ := json.Marshal(value) // what was parsed can be written
	return at + r.Key + " " + string(text)
}
