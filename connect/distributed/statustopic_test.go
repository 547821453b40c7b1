package distributed

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
)

func status(state connect.State, worker string) connect.InstanceStatus {
	return connect.InstanceStatus{State: state, WorkerID: worker, Version: "1"}
}

// read applies a record as another worker's.
func read(s *statusTopic, id unit, state connect.State, worker string, generation int32) {
	_ = s.apply(&kafka.Record{Key: []byte(statusKey(id)), Value: statusJSON(status(state, worker), generation)}) // never fails
}

func TestStatusRecords(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"state":"RUNNING","trace":null,"worker_id":"w:1","generation":3,"version":"1"}`:       statusJSON(status(connect.Running, "w:1"), 3),
		`{"state":"FAILED","trace":"a\n\"b\"","worker_id":"w:1","generation":0,"version":null}`: statusJSON(connect.InstanceStatus{State: connect.Failed, WorkerID: "w:1", Trace: "a\n\"b\""}, 0),
	} {
		if string(got) != want {
			t.Errorf("statusJSON = %s, want %s", got, want)
		}
	}
}

// What comes late from a worker that gave something up does not hide that another runs it.
func TestStatusLateEnd(t *testing.T) {
	x := unit{Connector: "a", Task: 0}
	s := newStatusTopic(quiet())
	read(s, x, connect.Running, "b:1", 5)
	read(s, x, connect.Unassigned, "a:1", 4)
	if got, _ := s.shown.Task(x); got.State != connect.Running {
		t.Errorf("state %s, want RUNNING of the later generation", got.State)
	}
	read(s, x, connect.Unassigned, "b:1", 5)
	if got, _ := s.shown.Task(x); got.State != connect.Unassigned {
		t.Errorf("state %s, want UNASSIGNED of the same worker", got.State)
	}
	read(s, x, connect.Running, "b:1", 5)
	read(s, x, connect.Unassigned, "a:1", 6)
	if got, _ := s.shown.Task(x); got.State != connect.Unassigned {
		t.Errorf("state %s, want UNASSIGNED of a later generation", got.State)
	}
}

// An end is not even written over what another worker of a later generation says; all else is.
func TestStatusSafeWrites(t *testing.T) {
	x := unit{Connector: "a", Task: connectorTask}
	for state, written := range map[connect.State]int{connect.Unassigned: 0, connect.Failed: 0, connect.Running: 1, connect.Paused: 1} {
		s := newStatusTopic(quiet())
		read(s, x, connect.Running, "b:1", 5)
		s.put(x, status(state, "a:1"), 4)
		if len(s.queue) != written {
			t.Errorf("%s of an earlier generation: %d records queued, want %d", state, len(s.queue), written)
		}
		s.put(x, status(state, "a:1"), 5)
		if len(s.queue) != written+1 {
			t.Errorf("%s of the same generation is not queued", state)
		}
	}
}

// What this worker writes is shown at once, and reading it back changes nothing that came later.
func TestStatusReadBack(t *testing.T) {
	x := unit{Connector: "a", Task: 2}
	s := newStatusTopic(quiet())
	for _, state := range []connect.State{connect.Unassigned, connect.Restarting, connect.Running} {
		s.put(x, status(state, "a:1"), 1)
		if got, err := s.shown.Task(x); err != nil || got.State != state {
			t.Errorf("state = %v, %v, want %s at once", got.State, err, state)
		}
	}
	for i := range s.queue {
		_ = s.apply(&s.queue[i]) // never fails
		if got, err := s.shown.Task(x); err != nil || got.State != connect.Running {
			t.Errorf("state after reading record %d = %v, %v, want RUNNING", i, got.State, err)
		}
	}
	read(s, x, connect.Paused, "b:1", 2)
	if got, err := s.shown.Task(x); err != nil || got.State != connect.Paused {
		t.Errorf("state = %v, %v, want another worker's", got.State, err)
	}
	s.remove(x)
	if _, err := s.shown.Task(x); err == nil {
		t.Error("a state that was removed is shown")
	}
}

func TestStatusTopics(t *testing.T) {
	s := newStatusTopic(quiet())
	for _, key := range []string{"status-topic-a.b:connector-c:connector-d", "status-topic-e:connector-c:connector-d"} {
		_ = s.apply(&kafka.Record{Key: []byte(key), Value: []byte(`{"topic":{}}`)}) // never fails
	}
	if diff := cmp.Diff([]string{"a.b", "e"}, s.shown.Topics("c:connector-d")); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	s.removeTopics("c:connector-d")
	for i := range s.queue {
		_ = s.apply(&s.queue[i]) // never fails
	}
	if topics := s.shown.Topics("c:connector-d"); len(topics) > 0 {
		t.Errorf("topics %q after they were removed", topics)
	}
}

// A broker that is away for long costs no more than the last state of everything.
func TestStatusQueueIsBounded(t *testing.T) {
	s := newStatusTopic(quiet())
	for n := range 3 * manyQueued {
		s.put(unit{Connector: "a", Task: n % 7}, status(connect.Running, "a:1"), int32(n))
	}
	if len(s.queue) > manyQueued+1 {
		t.Errorf("%d records are queued, want at most %d", len(s.queue), manyQueued+1)
	}
}

func FuzzStatusRecord(f *testing.F) {
	for _, key := range []string{"status-connector-a", "status-task-a-0", "status-task-a", "status-topic-a:connector-b", "status-topic-a", "x"} {
		for _, value := range []string{"", "{}", "null", "[]", `{"state":"RUNNING","worker_id":"w","generation":1}`, `{"state":"DESTROYED"}`, `{"generation":99999999999}`} {
			f.Add(key, []byte(value))
		}
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if err := newStatusTopic(quiet()).apply(&kafka.Record{Key: []byte(key), Value: value}); err != nil {
			t.Fatal(err)
		}
	})
}
