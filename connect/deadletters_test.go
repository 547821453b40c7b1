package connect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// letterRecording is what the recorded worker did with records that it could not read: lines of a file, as strings with a header orig=12.
type letterRecording struct {
	Lines []string
	Cases []struct {
		Note   string
		Config map[string]string
		Status struct {
			Tasks []struct{ State, Trace string }
		}
		Offsets struct {
			Offsets []struct {
				Offset map[string]int64
			}
		}
		Letters []recordedLetter `json:"dlq_records"`
		File    string           `json:"sink_file"`
	}
}

type recordedLetter struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value *string
	Headers    []recordedHeader
}

type recordedHeader struct {
	Key   string
	Value *string
}

// filePlugins are the file connectors and the transforms of Kafka Connect.
func filePlugins() Plugins {
	p := Plugins{
		Sources: []Source{{Class: filestream.SourceClass, TaskClass: filestream.SourceTaskClass, Version: filestream.Version, Validate: filestream.ValidateSource,
			TaskConfigs: filestream.SourceTaskConfigs,
			NewTask: func(props map[string]string, env Env) (SourceTask, error) {
				return filestream.NewSourceTask(props, filestream.SourceEnv{Log: env.Log, StoredOffset: env.StoredOffset})
			}}},
		Sinks: []Sink{{Class: filestream.SinkClass, TaskClass: filestream.SinkTaskClass, Version: filestream.Version, Validate: filestream.ValidateSink,
			NewTask: func(props map[string]string, env Env) (sink.Task, error) {
				return filestream.NewSinkTask(props, filestream.SinkEnv{Log: env.Log})
			}}},
	}
	for _, t := range transform.Plugins() {
		p.Transforms = append(p.Transforms, TransformPlugin{Class: t.Class, Version: transform.Version, Keys: t.Keys, New: t.New})
	}
	return p
}

func TestRecordedDeadLetters(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "..", "topics/dead-letter-queue.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var recording letterRecording
		if err := json.Unmarshal(text, &recording); err != nil {
			t.Fatal(err)
		}
		topic := recording.Cases[0].Config["topics"]
		addr := startBroker(t, topic)
		for _, line := range recording.Lines {
			publish(t, addr, kafka.Record{Topic: topic, Partition: 0, Value: []byte(line), Headers: []kafka.Header{{Key: "orig", Value: []byte("12")}}})
		}
		folder := t.TempDir()
		w := kafkaWorker(t, addr, filepath.Join(folder, "offsets"), filePlugins())
		runs(t, w)
		for _, c := range recording.Cases {
			t.Run(c.Note, func(t *testing.T) {
				name := strings.TrimSuffix(filepath.Base(c.Config["file"]), ".out")
				c.Config["file"] = filepath.Join(folder, name)
				if _, err := w.Create(t.Context(), Request{Name: name, Config: c.Config}); err != nil {
					t.Fatal(err)
				}
				want := int64(-1)
				if len(c.Offsets.Offsets) > 0 {
					want = c.Offsets.Offsets[0].Offset["kafka_offset"]
				}
				trace, _, _ := strings.Cut(c.Status.Tasks[0].Trace, "\n")
				eventually(t, "the recorded state", func() bool {
					status, err := w.TaskStatus(TaskID{name, 0})
					if err != nil || string(status.State) != c.Status.Tasks[0].State || want >= 0 && committed(t, addr, "connect-"+name) != want {
						return false
					}
					first, _, _ := strings.Cut(status.Trace, "\n")
					return first == trace
				})
				var letters []recordedLetter
				if dead := c.Config["errors.deadletterqueue.topic.name"]; dead != "" {
					for _, r := range readAll(t, addr, dead) {
						letters = append(letters, letterOf(r))
					}
				}
				for _, l := range c.Letters { // the recording's trace is cut too
					cutTrace(l.Headers)
				}
				if diff := cmp.Diff(c.Letters, letters, cmp.Transformer("empty", func(l []recordedLetter) []recordedLetter { return append([]recordedLetter{}, l...) })); diff != "" {
					t.Errorf("dead letters (-want +got)\n%s", diff)
				}
				file, err := os.ReadFile(c.Config["file"])
				// Which records come in one poll is chance; those of polls before one that fails the task are in the file.
				same := string(file) == c.File || c.Status.Tasks[0].State == "FAILED" && strings.HasPrefix(string(file), c.File)
				if err != nil || !same {
					t.Errorf("the sink's file holds %q, %v, want %q", file, err, c.File)
				}
				if err := w.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// letterOf is a record as the recordings show it.
func letterOf(r kafka.Record) recordedLetter {
	text := func(b []byte) *string {
		if b == nil {
			return nil
		}
		s := string(b)
		return &s
	}
	l := recordedLetter{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: text(r.Key), Value: text(r.Value)}
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, recordedHeader{h.Key, text(h.Value)})
	}
	cutTrace(l.Headers)
	return l
}

func cutTrace(headers []recordedHeader) {
	for _, h := range headers {
		if strings.HasSuffix(h.Key, "stacktrace") && h.Value != nil {
			*h.Value, _, _ = strings.Cut(*h.Value, "\n")
		}
	}
}
