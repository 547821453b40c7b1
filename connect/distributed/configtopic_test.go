package distributed

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
)

// feed applies keys and values; an empty value is null.
func feed(c *configTopic, pairs ...string) *configState {
	for i := 0; i < len(pairs); i += 2 {
		r := kafka.Record{Offset: c.snapshot().offset, Key: []byte(pairs[i])}
		if pairs[i+1] != "" {
			r.Value = []byte(pairs[i+1])
		}
		_ = c.apply(&r) // never fails
	}
	return c.snapshot()
}

const props = `{"properties":{"connector.class":"X"}}`

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func following() *configTopic {
	c := newConfigTopic(quiet())
	c.follows = true
	return c
}

func TestConfigTasksCountWithTheirCommit(t *testing.T) {
	c := following()
	s := feed(c, "connector-a-1", props, "task-a-1-0", props, "task-a-1-1", props)
	if n := len(s.configured()); n != 1 {
		t.Errorf("%d configured before the commit, want the connector alone", n)
	}
	if changes := c.take(); changes.structure != 1 || len(changes.tasks) > 0 {
		t.Errorf("changes %+v, want the connector's alone", changes)
	}
	s = feed(c, "commit-a-1", `{"tasks":2}`)
	want := unitsOf(unit{Connector: "a-1", Task: connectorTask}, unit{Connector: "a-1", Task: 0}, unit{Connector: "a-1", Task: 1})
	if diff := cmp.Diff(want, s.configured()); diff != "" {
		t.Errorf("configured (-want +got):\n%s", diff)
	}
	changes := c.take()
	if changes.structure != 4 || len(changes.tasks) != 2 || len(changes.connectors) > 0 {
		t.Errorf("changes %+v, want those of two tasks", changes)
	}
	s = feed(c, "task-a-1-0", props, "commit-a-1", `{"tasks":1}`)
	if ids := s.taskIDs("a-1"); len(ids) != 1 {
		t.Errorf("tasks %v after a smaller commit, want one", ids)
	}
	if changes = c.take(); !maps.Equal(changes.tasks, unitsOf(unit{Connector: "a-1", Task: 0})) {
		t.Errorf("changes %+v, want the task that is left", changes)
	}
}

// After compaction a commit may stand without the configurations that it was for: they must be made anew.
func TestConfigCompacted(t *testing.T) {
	c := newConfigTopic(quiet())
	s := feed(c, "connector-a", props, "task-a-1", props, "commit-a", `{"tasks":2}`)
	if !s.broken["a"] || len(s.taskIDs("a")) > 0 || s.sameTasks("a", nil) {
		t.Errorf("state %+v, want the tasks unusable", s)
	}
	s = feed(c, "task-a-0", props, "commit-a", `{"tasks":1}`)
	if s.broken["a"] || len(s.taskIDs("a")) != 1 || !s.sameTasks("a", []map[string]string{{"connector.class": "X"}}) {
		t.Errorf("state %+v after they were written anew, want one task", s)
	}
	if changes := c.take(); !changes.empty() {
		t.Errorf("changes %+v while the topic is read for the first time, want none", changes)
	}
}

func TestConfigDeleted(t *testing.T) {
	c := following()
	feed(c, "connector-a", props, "task-a-0", props, "commit-a", `{"tasks":1}`, "target-state-a", `{"state":"PAUSED","state.v2":"STOPPED"}`)
	c.take()
	s := feed(c, "connector-a", "", "target-state-a", "")
	if len(s.configured())+len(s.tasks)+len(s.targets)+len(s.counts) > 0 {
		t.Errorf("state %+v after the connector was deleted, want nothing", s)
	}
	if changes := c.take(); changes.structure == 0 || !changes.connectors["a"] || len(changes.targets) > 0 {
		t.Errorf("changes %+v, want the connector's", changes)
	}
}

func TestConfigTargets(t *testing.T) {
	c := following()
	feed(c, "connector-a", props)
	for value, want := range map[string]connect.State{
		`{"state":"STARTED"}`:                           connect.Running,
		`{"state":"PAUSED"}`:                            connect.Paused,
		`{"state":"PAUSED","state.v2":"STOPPED"}`:       connect.Stopped,
		`{"state":"PAUSED","state.v2":"PAUSED"}`:        connect.Paused,
		`{"state":"STARTED","state.v2":"STARTED"}`:      connect.Running,
		`{"state":"PAUSED","state.v2":null}`:            connect.Paused,
		`{"state":"STARTED","state.v2":"PAUSED","x":1}`: connect.Paused,
	} {
		c.take()
		if got := feed(c, "target-state-a", value).target("a"); got != want {
			t.Errorf("target after %s = %s, want %s", value, got, want)
		}
		if changes := c.take(); !changes.targets["a"] || changes.structure != 0 {
			t.Errorf("changes after %s are %+v, want the target alone", value, changes)
		}
	}
	feed(c, "target-state-a", `{"state":"PAUSED"}`)
	for _, bad := range []string{`{}`, `{"state":"ASLEEP"}`, `[]`, `{"state":1}`, `{`} {
		if got := feed(c, "target-state-a", bad).target("a"); got != connect.Paused {
			t.Errorf("target after %s = %s, want the one before", bad, got)
		}
	}
	for state, want := range map[connect.State]string{connect.Running: `{"state":"STARTED","state.v2":"STARTED"}`,
		connect.Paused: `{"state":"PAUSED","state.v2":"PAUSED"}`, connect.Stopped: `{"state":"PAUSED","state.v2":"STOPPED"}`} {
		if got := string(targetRecord("a", state).Value); got != want {
			t.Errorf("targetRecord(%s) = %s, want %s", state, got, want)
		}
	}
}

func TestConfigEvents(t *testing.T) {
	c := newConfigTopic(quiet())
	feed(c, "restart-connector-a", `{"include-tasks":true,"only-failed":true}`, "logger-cluster-org.x", `{"level":"WARN"}`)
	if changes := c.take(); !changes.empty() {
		t.Errorf("changes %+v of before the start, want none", changes)
	}
	c.follows = true
	feed(c, "restart-connector-a", `{"include-tasks":false,"only-failed":true}`, "restart-connector-a", `{"include-tasks":true,"only-failed":false}`,
		"logger-cluster-org.x", `{"level":"WARN"}`, "restart-connector-b", `{}`)
	changes := c.take()
	if diff := cmp.Diff(map[string]connect.Restart{"a": {IncludeTasks: true}}, changes.restarts); diff != "" {
		t.Errorf("restarts (-want +got):\n%s", diff)
	}
	if !slices.Equal(changes.loggers, []loggerChange{{"org.x", "WARN"}}) {
		t.Errorf("loggers %v, want one", changes.loggers)
	}
}

func TestConfigFencing(t *testing.T) {
	c := following()
	s := feed(c, "connector-a", props, "task-a-0", props, "commit-a", `{"tasks":1}`)
	if !s.unfenced["a"] || s.commits["a"] != 1 {
		t.Errorf("state %+v after a commit, want it unfenced", s)
	}
	s = feed(c, "tasks-fencing-a", `{"task-count":1}`)
	if s.unfenced["a"] || s.fenced["a"] != 1 {
		t.Errorf("state %+v after a round of fencing, want it fenced for one task", s)
	}
	if s = feed(c, "task-a-0", props, "commit-a", `{"tasks":1}`); !s.unfenced["a"] || s.fenced["a"] != 1 || s.commits["a"] != 2 {
		t.Errorf("state %+v after another commit, want it unfenced again", s)
	}
}

func TestConfigSessionKey(t *testing.T) {
	c := following()
	key := []byte("0123456789")
	s := feed(c, "session-key", fmt.Sprintf(`{"key":%q,"algorithm":"HmacSHA256","creation-timestamp":1700000000123}`, base64.StdEncoding.EncodeToString(key)))
	want := &sessionKey{key, "HmacSHA256", time.UnixMilli(1700000000123)}
	if diff := cmp.Diff(want, s.key, cmp.AllowUnexported(sessionKey{})); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{}`, `{"key":"?","algorithm":"a","creation-timestamp":1}`, `"x"`} {
		if s = feed(c, "session-key", bad); s.key == nil || string(s.key.key) != string(key) {
			t.Errorf("key after %s = %+v, want the one before", bad, s.key)
		}
	}
}

// A snapshot stays what it was.
func TestConfigSnapshot(t *testing.T) {
	c := following()
	before := feed(c, "connector-a", props)
	feed(c, "connector-a", "", "connector-b", props)
	if !before.has("a") || before.has("b") || before.offset != 1 {
		t.Errorf("snapshot %+v, want it unchanged", before)
	}
}

func TestPropertiesJSON(t *testing.T) {
	for _, config := range []map[string]string{{}, {"b": "1", "a": "x\"\\\n\x01é<&>\u2028"}, {"name": "", "": "v"}} {
		got, err := readProperties(propertiesJSON(config))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(config, got); diff != "" {
			t.Errorf("what was written and read (-want +got):\n%s", diff)
		}
	}
	if got, want := string(propertiesJSON(map[string]string{"b": "<é>", "a": "\u2028"})), "{\"properties\":{\"a\":\"\u2028\",\"b\":\"<é>\"}}"; got != want {
		t.Errorf("propertiesJSON = %s, want %s", got, want)
	}
}

func TestSplitTaskKey(t *testing.T) {
	for text, want := range map[string]unit{"a-0": {Connector: "a", Task: 0}, "my-app-2-13": {Connector: "my-app-2", Task: 13}, "-7": {Connector: "", Task: 7}} {
		if got, ok := splitTaskKey(text); !ok || got != want {
			t.Errorf("splitTaskKey(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "a", "a-", "a-x", "a-1x", "a-99999999999"} {
		if got, ok := splitTaskKey(text); ok {
			t.Errorf("splitTaskKey(%q) = %v, want it refused", text, got)
		}
	}
}

// Whatever is in the config topic: reading it goes on, and says what it left out.
func FuzzConfigRecord(f *testing.F) {
	for _, key := range []string{"connector-a", "task-a-0", "commit-a", "target-state-a", "tasks-fencing-a", "restart-connector-a", "logger-cluster-a", "session-key", "x", ""} {
		for _, value := range []string{"", "{}", "null", "[]", props, `{"tasks":-1}`, `{"tasks":1}`, `{"state":"STARTED"}`, `{"key":"AA==","algorithm":"x","creation-timestamp":1}`} {
			f.Add(key, []byte(value))
		}
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		c := following()
		feed(c, "connector-a", props, "task-a-0", props, "commit-a", `{"tasks":1}`)
		if err := c.apply(&kafka.Record{Offset: 3, Key: []byte(key), Value: value}); err != nil {
			t.Fatal(err)
		}
		s := c.snapshot()
		if s.offset != 4 {
			t.Fatalf("offset %d, want 4", s.offset)
		}
		for x := range s.configured() {
			if x.Task != connectorTask && s.tasks[x] == nil {
				t.Fatalf("task %s is configured and has no configuration", x)
			}
		}
	})
}
