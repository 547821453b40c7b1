package distributed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
)

// Keys of the status topic's records, or what they begin with.
const (
	statusConnectorKey = "status-connector-"
	statusTaskKey      = "status-task-"
	statusTopicKey     = "status-topic-"
	topicSeparator     = ":connector-" // no topic has a colon in its name
)

// statusTopic keeps the states of connectors and tasks, and the topics they use, in the status topic, whose records are Kafka Connect's. It shows
// what it has read, and at once what this worker writes. Writing does not wait: a goroutine of its own sends what is queued, in order.
type statusTopic struct {
	log   *slog.Logger
	topic *topicLog
	shown *connect.Statuses

	mu      sync.Mutex // guards what follows
	latest  map[unit]statusRecord
	own     map[unit][][]byte // values that this worker has queued and not yet read, in their order
	words   map[unit]int      // how many states this worker has queued
	queue   []kafka.Record
	sending bool
	queued  chan struct{} // has a token when there is something to send; bound: 1
	idle    chan struct{} // closed while nothing is queued or on its way
}

// statusRecord is the value of a connector's or task's state.
type statusRecord struct {
	State      connect.State `json:"state"`
	Trace      *string       `json:"trace"`
	WorkerID   string        `json:"worker_id"`
	Generation int32         `json:"generation"`
	Version    *string       `json:"version"`
}

func newStatusTopic(log *slog.Logger) *statusTopic {
	s := &statusTopic{log: log, shown: connect.NewStatuses(), latest: make(map[unit]statusRecord), own: make(map[unit][][]byte), words: make(map[unit]int), queued: make(chan struct{}, 1), idle: make(chan struct{})}
	close(s.idle)
	return s
}

// apply takes a record over.
func (s *statusTopic) apply(r *kafka.Record) error {
	if r.Key == nil {
		return nil
	}
	if err := s.applyRecord(string(r.Key), r.Value); err != nil {
		s.log.Error("a record of the status topic cannot be read and is left out", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "key", string(r.Key), "error", err)
	}
	return nil
}

func (s *statusTopic) applyRecord(key string, value []byte) error {
	if name, ok := strings.CutPrefix(key, statusConnectorKey); ok {
		return s.applyState(unit{Connector: name, Task: connectorTask}, value)
	}
	if text, ok := strings.CutPrefix(key, statusTaskKey); ok {
		id, ok := splitTaskKey(text)
		if !ok {
			return fmt.Errorf("%q is not NAME-NUMBER", text)
		}
		return s.applyState(id, value)
	}
	if text, ok := strings.CutPrefix(key, statusTopicKey); ok {
		topic, name, ok := strings.Cut(text, topicSeparator)
		if !ok {
			return fmt.Errorf("%q is not TOPIC%sNAME", text, topicSeparator)
		}
		if value == nil {
			s.shown.DropTopic(name, topic)
		} else {
			s.shown.PutTopic(name, topic)
		}
		return nil
	}
	return fmt.Errorf("key %q is none of Kafka Connect's", key)
}

func (s *statusTopic) applyState(id unit, value []byte) error {
	var record statusRecord
	if value != nil {
		if err := json.Unmarshal(value, &record); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own[id]
	if i := slices.IndexFunc(own, func(v []byte) bool { return bytes.Equal(v, value) }); i >= 0 {
		if s.own[id] = own[i+1:]; i+1 < len(own) { // what this worker wrote later is shown already
			return nil
		}
		delete(s.own, id)
	}
	if before, known := s.latest[id]; known && value != nil && record.State == connect.Unassigned && before.State == connect.Running &&
		before.Generation >= record.Generation && before.WorkerID != record.WorkerID {
		return nil // it came late: another worker runs it already
	}
	s.show(id, record, value == nil || record.State == "DESTROYED")
	return nil
}

// show is under mu.
func (s *statusTopic) show(id unit, record statusRecord, over bool) {
	if over {
		delete(s.latest, id)
		if id.Task == connectorTask {
			s.shown.DropConnector(id.Connector)
		} else {
			s.shown.DropTask(id)
		}
		return
	}
	s.latest[id] = record
	status := connect.InstanceStatus{State: record.State, WorkerID: record.WorkerID}
	if record.Trace != nil {
		status.Trace = *record.Trace
	}
	if record.Version != nil {
		status.Version = *record.Version
	}
	if id.Task == connectorTask {
		s.shown.PutConnector(id.Connector, status)
	} else {
		s.shown.PutTask(id, status)
	}
}

// put queues the state of a connector or task. A state that ends something is not written over that of another worker of a later generation.
func (s *statusTopic) put(id unit, status connect.InstanceStatus, generation int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.latest[id]
	if ends := status.State == connect.Unassigned || status.State == connect.Failed; ends && known && before.WorkerID != status.WorkerID && before.Generation > generation {
		return
	}
	record := statusRecord{State: status.State, WorkerID: status.WorkerID, Generation: generation, Trace: textOrNull(status.Trace), Version: textOrNull(status.Version)}
	s.words[id]++
	s.own[id] = append(s.own[id], statusJSON(status, generation))
	s.show(id, record, false)
	s.enqueue(kafka.Record{Key: []byte(statusKey(id)), Value: statusJSON(status, generation)})
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// remove queues the end of a state.
func (s *statusTopic) remove(id unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.words, id)
	s.own[id] = append(s.own[id], nil)
	s.show(id, statusRecord{}, true)
	s.enqueue(kafka.Record{Key: []byte(statusKey(id))})
}

// putTopic queues that a task uses a topic.
func (s *statusTopic) putTopic(id unit, topic string, at time.Time) {
	value := connect.AppendJSONText([]byte(`{"topic":{"name":`), topic)
	value = connect.AppendJSONText(append(value, `,"connector":`...), id.Connector)
	value = fmt.Appendf(value, `,"task":%d,"discoverTimestamp":%d}}`, id.Task, at.UnixMilli())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(kafka.Record{Key: []byte(statusTopicKey + topic + topicSeparator + id.Connector), Value: value})
	s.shown.PutTopic(id.Connector, topic) // at once: a connector that is deleted before the record is read back must not leave it behind
}

// removeTopics queues that a connector uses no topics.
func (s *statusTopic) removeTopics(name string) {
	for _, topic := range s.shown.Topics(name) {
		s.mu.Lock()
		s.enqueue(kafka.Record{Key: []byte(statusTopicKey + topic + topicSeparator + name)})
		s.mu.Unlock()
	}
}

func statusKey(id unit) string {
	if id.Task == connectorTask {
		return statusConnectorKey + id.Connector
	}
	return statusTaskKey + id.String()
}

// statusJSON writes all fields, null where there is nothing.
func statusJSON(status connect.InstanceStatus, generation int32) []byte {
	text := func(dst []byte, s string) []byte {
		if s == "" {
			return append(dst, "null"...)
		}
		return connect.AppendJSONText(dst, s)
	}
	b := connect.AppendJSONText([]byte(`{"state":`), string(status.State))
	b = text(append(b, `,"trace":`...), status.Trace)
	b = connect.AppendJSONText(append(b, `,"worker_id":`...), status.WorkerID)
	b = fmt.Appendf(b, `,"generation":%d,"version":`, generation)
	return append(text(b, status.Version), '}')
}

// manyQueued is when of several states of one thing only the last is kept: the broker must have been away for long.
const manyQueued = 10_000

// enqueue is under mu.
func (s *statusTopic) enqueue(r kafka.Record) {
	if len(s.queue) >= manyQueued {
		last := make(map[string]int, len(s.queue))
		for i, q := range s.queue {
			last[string(q.Key)] = i
		}
		kept := s.queue[:0]
		for i, q := range s.queue {
			if last[string(q.Key)] == i {
				kept = append(kept, q)
			}
		}
		s.queue = kept
		for id, own := range s.own {
			s.own[id] = own[len(own)-1:]
		}
	}
	if len(s.queue) == 0 && !s.sending {
		s.idle = make(chan struct{})
	}
	s.queue = append(s.queue, r)
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// run sends what is queued until ctx ends.
func (s *statusTopic) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.queued:
		}
		s.mu.Lock()
		batch := s.queue
		s.queue, s.sending = nil, len(batch) > 0
		s.mu.Unlock()
		for len(batch) > 0 && ctx.Err() == nil {
			if err := s.topic.put(ctx, batch...); err == nil {
				break
			} else if ctx.Err() == nil {
				s.log.Warn("cannot write states; trying on", "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
		s.mu.Lock()
		s.sending = false
		if len(s.queue) == 0 {
			select {
			case <-s.idle:
			default:
				close(s.idle)
			}
		}
		s.mu.Unlock()
	}
}

// flush waits until all that was queued is durable, or ctx ends.
func (s *statusTopic) flush(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write the last states: %w", ctx.Err())
	}
}

// known is all that has a state.
func (s *statusTopic) known() []unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(units, len(s.latest))
	for x := range s.latest {
		all[x] = struct{}{}
	}
	return all.sorted()
}

// workers are those that have tasks, by their ids.
func (s *statusTopic) workers() map[string]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]struct{})
	for x, record := range s.latest {
		if x.Task != connectorTask && record.State != connect.Unassigned {
			out[record.WorkerID] = struct{}{}
		}
	}
	return out
}

// said is how many states of something this worker has queued.
func (s *statusTopic) said(id unit) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.words[id]
}
