package distributed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
)

// Keys of the config topic's records, or what they begin with.
const (
	connectorKey  = "connector-"
	taskKey       = "task-"
	commitKey     = "commit-"
	targetKey     = "target-state-"
	fencingKey    = "tasks-fencing-"
	restartKey    = "restart-connector-"
	loggerKey     = "logger-cluster-"
	sessionKeyKey = "session-key"
)

// configTopic keeps the configurations of connectors and tasks in the config topic, whose records are Kafka Connect's. Its apply is called by the
// topicLog's goroutine; all else by any.
type configTopic struct {
	log    *slog.Logger
	topic  *topicLog
	leader *leaderWriter // nil: what the leader writes is written as all else
	wake   chan struct{} // maker: newConfigTopic; sender: apply; never closed; bound: 1

	mu      sync.Mutex // guards what follows
	state   *configState
	snap    *configState // of state; nil: it has changed since
	staged  map[string]map[int]map[string]string
	follows bool // what the topic held at the start has been read: from now on changes are news
	changes configChanges
}

func newConfigTopic(log *slog.Logger) *configTopic {
	return &configTopic{log: log, wake: make(chan struct{}, 1), state: newConfigState(), staged: make(map[string]map[int]map[string]string)}
}

// snapshot is what has been read so far.
func (c *configTopic) snapshot() *configState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snap == nil {
		c.snap = c.state.clone()
	}
	return c.snap
}

// begin reads what there is; what comes later is news.
func (c *configTopic) begin(ctx context.Context) error {
	if err := c.topic.toEnd(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follows = true
	return nil
}

// take is what has changed since the last take. wake has a token when there is something.
func (c *configTopic) take() configChanges {
	c.mu.Lock()
	defer c.mu.Unlock()
	changes := c.changes
	c.changes = configChanges{}
	return changes
}

// apply takes a record over. One that cannot be read is told of and left, as Kafka Connect does: it would stop every worker.
func (c *configTopic) apply(r *kafka.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snap = nil
	c.state.offset = r.Offset + 1
	if r.Key == nil {
		return nil
	}
	if err := c.applyLocked(string(r.Key), r.Value); err != nil {
		c.log.Error("a record of the config topic cannot be read and is left out", "topic", r.Topic, "offset", r.Offset, "key", string(r.Key), "error", err)
	}
	if !c.changes.empty() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (c *configTopic) applyLocked(key string, value []byte) error {
	if name, ok := strings.CutPrefix(key, targetKey); ok {
		return c.applyTarget(name, value)
	}
	if name, ok := strings.CutPrefix(key, connectorKey); ok {
		return c.applyConnector(name, value)
	}
	if text, ok := strings.CutPrefix(key, fencingKey); ok {
		return c.applyFencing(text, value)
	}
	if text, ok := strings.CutPrefix(key, taskKey); ok {
		return c.applyTask(text, value)
	}
	if name, ok := strings.CutPrefix(key, commitKey); ok {
		return c.applyCommit(name, value)
	}
	if name, ok := strings.CutPrefix(key, restartKey); ok {
		return c.applyRestart(name, value)
	}
	if name, ok := strings.CutPrefix(key, loggerKey); ok {
		return c.applyLogger(name, value)
	}
	if key == sessionKeyKey {
		return c.applySessionKey(value)
	}
	return fmt.Errorf("key %q is none of Kafka Connect's", key)
}

func (c *configTopic) applyConnector(name string, value []byte) error {
	s := c.state
	if value == nil {
		_, known := s.connectors[name]
		delete(s.connectors, name)
		delete(s.counts, name)
		delete(s.applied, name)
		delete(s.broken, name)
		delete(s.unfenced, name)
		maps.DeleteFunc(s.tasks, func(id unit, _ map[string]string) bool { return id.Connector == name })
		delete(c.staged, name)
		if c.follows {
			c.restructured(known)
			c.noteConnector(name)
		}
		return nil
	}
	props, err := readProperties(value)
	if err != nil {
		return err
	}
	_, known := s.connectors[name]
	s.connectors[name] = props
	if c.follows {
		c.restructured(!known)
		c.noteConnector(name)
	}
	return nil
}

func (c *configTopic) restructured(yes bool) {
	if yes {
		c.changes.structure = c.state.offset
	}
}

func (c *configTopic) noteConnector(name string) {
	if c.changes.connectors == nil {
		c.changes.connectors = make(map[string]bool)
	}
	c.changes.connectors[name] = true
}

func (c *configTopic) applyTarget(name string, value []byte) error {
	if value == nil {
		delete(c.state.targets, name)
		return nil
	}
	var record struct {
		State *string `json:"state"`
		V2    *string `json:"state.v2"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	text := record.V2
	if text == nil {
		text = record.State
	}
	if text == nil {
		return fmt.Errorf("target state without state")
	}
	target, known := parseTarget(*text)
	if !known {
		return fmt.Errorf("target state %q is none of STARTED, PAUSED, STOPPED", *text)
	}
	c.state.targets[name] = target
	if c.follows && c.state.has(name) {
		if c.changes.targets == nil {
			c.changes.targets = make(map[string]bool)
		}
		c.changes.targets[name] = true
	}
	return nil
}

// applyTask stages a task's configuration: it counts when the commit comes.
func (c *configTopic) applyTask(text string, value []byte) error {
	id, ok := splitTaskKey(text)
	if !ok {
		return fmt.Errorf("%q is not NAME-NUMBER", text)
	}
	if value == nil {
		return fmt.Errorf("task configuration without value")
	}
	props, err := readProperties(value)
	if err != nil {
		return err
	}
	if c.staged[id.Connector] == nil {
		c.staged[id.Connector] = make(map[int]map[string]string)
	}
	c.staged[id.Connector][id.Task] = props
	return nil
}

func (c *configTopic) applyCommit(name string, value []byte) error {
	var record struct {
		Tasks *int `json:"tasks"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	if record.Tasks == nil || *record.Tasks < 0 {
		return fmt.Errorf("commit without a number of tasks")
	}
	s, n, staged := c.state, *record.Tasks, c.staged[name]
	delete(c.staged, name)
	complete := true
	for i := range n {
		_, there := staged[i]
		complete = complete && there
	}
	s.counts[name] = n
	if !complete { // compaction took older ones, or came between: they are made anew
		s.broken[name] = true
	} else {
		delete(s.broken, name)
		for i, props := range staged {
			s.tasks[unit{Connector: name, Task: i}] = props
			if c.follows {
				if c.changes.tasks == nil {
					c.changes.tasks = make(units)
				}
				c.changes.tasks[unit{Connector: name, Task: i}] = struct{}{}
			}
		}
		if props, known := s.connectors[name]; known {
			s.applied[name] = props
		}
	}
	s.unfenced[name] = true
	s.commits[name]++
	c.restructured(c.follows)
	return nil
}

func (c *configTopic) applyFencing(name string, value []byte) error {
	if value == nil {
		delete(c.state.fenced, name)
		return nil
	}
	var record struct {
		Count *int `json:"task-count"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	if record.Count == nil {
		return fmt.Errorf("fencing without a number of tasks")
	}
	c.state.fenced[name] = *record.Count
	delete(c.state.unfenced, name)
	return nil
}

func (c *configTopic) applyRestart(name string, value []byte) error {
	if value == nil || !c.follows { // an event: what was asked for before this worker came is over
		return nil
	}
	var record struct {
		IncludeTasks *bool `json:"include-tasks"`
		OnlyFailed   *bool `json:"only-failed"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	if record.IncludeTasks == nil || record.OnlyFailed == nil {
		return fmt.Errorf("restart without include-tasks or only-failed")
	}
	plan := connect.Restart{IncludeTasks: *record.IncludeTasks, OnlyFailed: *record.OnlyFailed}
	if c.changes.restarts == nil {
		c.changes.restarts = make(map[string]connect.Restart)
	}
	if before, known := c.changes.restarts[name]; known { // the wider one does both
		plan.IncludeTasks = plan.IncludeTasks || before.IncludeTasks
		plan.OnlyFailed = plan.OnlyFailed && before.OnlyFailed
	}
	c.changes.restarts[name] = plan
	return nil
}

func (c *configTopic) applyLogger(name string, value []byte) error {
	if value == nil || !c.follows {
		return nil
	}
	var record struct {
		Level *string `json:"level"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	if record.Level == nil {
		return fmt.Errorf("logger without level")
	}
	c.changes.loggers = append(c.changes.loggers, loggerChange{name, *record.Level})
	return nil
}

func (c *configTopic) applySessionKey(value []byte) error {
	if value == nil {
		return nil
	}
	var record struct {
		Key       *string `json:"key"`
		Algorithm *string `json:"algorithm"`
		Created   *int64  `json:"creation-timestamp"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	if record.Key == nil || record.Algorithm == nil || record.Created == nil {
		return fmt.Errorf("session key without key, algorithm or creation-timestamp")
	}
	key, err := base64.StdEncoding.DecodeString(*record.Key)
	if err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	c.state.key = &sessionKey{key: key, algorithm: *record.Algorithm, created: time.UnixMilli(*record.Created)}
	c.changes.key = c.follows
	return nil
}

func readProperties(value []byte) (map[string]string, error) {
	var record struct {
		Properties map[string]*string `json:"properties"`
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return nil, err
	}
	if record.Properties == nil {
		return nil, fmt.Errorf("a configuration without properties")
	}
	props := make(map[string]string, len(record.Properties))
	for name, text := range record.Properties {
		if text != nil {
			props[name] = *text
		}
	}
	return props, nil
}

// writeTimeout is how long a change of the config topic may take, as in Kafka Connect.
const writeTimeout = 30 * time.Second

// put writes records, one after the other as they must be seen, and returns when this worker has read them.
func (c *configTopic) put(ctx context.Context, records ...kafka.Record) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTimeout, errTimeout)
	defer cancel()
	if err := c.topic.put(ctx, records...); err != nil {
		return err
	}
	return c.topic.toEnd(ctx)
}

// lead is put for what only the leader writes. tenure is the membership in which it leads.
func (c *configTopic) lead(tenure context.Context, records ...kafka.Record) error {
	if c.leader == nil {
		return c.put(tenure, records...)
	}
	ctx, cancel := context.WithTimeoutCause(tenure, writeTimeout, errTimeout)
	defer cancel()
	if err := c.leader.put(ctx, tenure, c.topic.spec.name, records...); err != nil {
		return err
	}
	return c.topic.toEnd(ctx)
}

var errTimeout = fmt.Errorf("no answer within %s", writeTimeout)

func (c *configTopic) putConnector(ctx context.Context, name string, props map[string]string, target *connect.State) error {
	var records []kafka.Record
	if target != nil {
		records = append(records, targetRecord(name, *target))
	}
	return c.lead(ctx, append(records, kafka.Record{Key: []byte(connectorKey + name), Value: propertiesJSON(props)})...)
}

func (c *configTopic) removeConnector(ctx context.Context, name string) error {
	return c.lead(ctx, kafka.Record{Key: []byte(connectorKey + name)}, kafka.Record{Key: []byte(targetKey + name)})
}

func (c *configTopic) putTarget(ctx context.Context, name string, target connect.State) error {
	return c.put(ctx, targetRecord(name, target))
}

// putTasks writes the configurations of a connector's tasks. They count with the commit, which is written when all of them are there.
func (c *configTopic) putTasks(ctx context.Context, name string, configs []map[string]string) error {
	if err := c.topic.toEnd(ctx); err != nil {
		return err
	}
	if len(configs) > 0 {
		records := make([]kafka.Record, len(configs))
		for n, props := range configs {
			records[n] = kafka.Record{Key: []byte(taskKey + name + "-" + strconv.Itoa(n)), Value: propertiesJSON(props)}
		}
		if err := c.lead(ctx, records...); err != nil {
			return err
		}
	}
	return c.lead(ctx, kafka.Record{Key: []byte(commitKey + name), Value: fmt.Appendf(nil, `{"tasks":%d}`, len(configs))})
}

func (c *configTopic) putRestart(ctx context.Context, name string, plan connect.Restart) error {
	return c.lead(ctx, kafka.Record{Key: []byte(restartKey + name),
		Value: fmt.Appendf(nil, `{"include-tasks":%t,"only-failed":%t}`, plan.IncludeTasks, plan.OnlyFailed)})
}

func (c *configTopic) putFencing(ctx context.Context, name string, tasks int) error {
	return c.lead(ctx, kafka.Record{Key: []byte(fencingKey + name), Value: fmt.Appendf(nil, `{"task-count":%d}`, tasks)})
}

func (c *configTopic) putLogger(ctx context.Context, name, level string) error {
	return c.put(ctx, kafka.Record{Key: []byte(loggerKey + name), Value: append(connect.AppendJSONText([]byte(`{"level":`), level), '}')})
}

func (c *configTopic) putSessionKey(ctx context.Context, k *sessionKey) error {
	value := connect.AppendJSONText([]byte(`{"key":`), base64.StdEncoding.EncodeToString(k.key))
	value = connect.AppendJSONText(append(value, `,"algorithm":`...), k.algorithm)
	return c.lead(ctx, kafka.Record{Key: []byte(sessionKeyKey), Value: fmt.Appendf(value, `,"creation-timestamp":%d}`, k.created.UnixMilli())})
}

func targetRecord(name string, target connect.State) kafka.Record {
	v1, v2 := targetNames(target)
	return kafka.Record{Key: []byte(targetKey + name), Value: fmt.Appendf(nil, `{"state":"%s","state.v2":"%s"}`, v1, v2)}
}

// propertiesJSON writes a configuration in the order of its names.
func propertiesJSON(props map[string]string) []byte {
	b := []byte(`{"properties":{`)
	for i, name := range slices.Sorted(maps.Keys(props)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = connect.AppendJSONText(b, name)
		b = connect.AppendJSONText(append(b, ':'), props[name])
	}
	return append(b, '}', '}')
}
