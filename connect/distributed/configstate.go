package distributed

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// configState is what the config topic says, up to an offset. A snapshot is never changed; nor are the configurations in it.
type configState struct {
	offset     int64 // of the next record
	key        *sessionKey
	connectors map[string]map[string]string
	targets    map[string]connect.State
	tasks      map[unit]map[string]string
	counts     map[string]int
	applied    map[string]map[string]string // the connector's configuration when its tasks' were committed
	broken     map[string]bool              // compaction has taken some of the tasks' configurations: they must be made anew
	fenced     map[string]int               // how many tasks the last round of fencing was for
	unfenced   map[string]bool              // committed since
	commits    map[string]int               // how often the tasks' were committed, since this worker began to read
}

func newConfigState() *configState {
	return &configState{
		connectors: make(map[string]map[string]string),
		targets:    make(map[string]connect.State),
		tasks:      make(map[unit]map[string]string),
		counts:     make(map[string]int),
		applied:    make(map[string]map[string]string),
		broken:     make(map[string]bool),
		fenced:     make(map[string]int),
		unfenced:   make(map[string]bool),
		commits:    make(map[string]int),
	}
}

func (s *configState) clone() *configState {
	return &configState{
		offset:     s.offset,
		key:        s.key,
		connectors: maps.Clone(s.connectors),
		targets:    maps.Clone(s.targets),
		tasks:      maps.Clone(s.tasks),
		counts:     maps.Clone(s.counts),
		applied:    maps.Clone(s.applied),
		broken:     maps.Clone(s.broken),
		fenced:     maps.Clone(s.fenced),
		unfenced:   maps.Clone(s.unfenced),
		commits:    maps.Clone(s.commits),
	}
}

func (s *configState) has(name string) bool { _, ok := s.connectors[name]; return ok }

// target is what a connector shall do.
func (s *configState) target(name string) connect.State {
	if t, known := s.targets[name]; known {
		return t
	}
	return connect.Running
}

// taskIDs are the tasks of a connector, ascending. One whose configurations are not complete has none.
func (s *configState) taskIDs(name string) []unit {
	if s.broken[name] {
		return nil
	}
	ids := make([]unit, s.counts[name])
	for n := range ids {
		ids[n] = unit{Connector: name, Task: n}
	}
	return ids
}

// configured is all that shall run somewhere.
func (s *configState) configured() units {
	all := make(units)
	for name := range s.connectors {
		all[unit{Connector: name, Task: connectorTask}] = struct{}{}
		for _, id := range s.taskIDs(name) {
			all[id] = struct{}{}
		}
	}
	return all
}

// sameTasks tells that a connector's tasks have these configurations, made of its present one.
func (s *configState) sameTasks(name string, configs []map[string]string) bool {
	ids := s.taskIDs(name)
	if s.broken[name] || len(ids) != len(configs) {
		return false
	}
	for n, id := range ids {
		if !maps.Equal(s.tasks[id], configs[n]) {
			return false
		}
	}
	return true
}

// sessionKey signs requests between workers.
type sessionKey struct {
	key       []byte
	algorithm string
	created   time.Time
}

// stateNames are Kafka Connect's words for targets, in the field state; state.v2 has the state's own name but for STARTED.
func targetNames(target connect.State) (v1, v2 string) {
	switch target {
	case connect.Paused:
		return "PAUSED", "PAUSED"
	case connect.Stopped:
		return "PAUSED", "STOPPED" // workers before 3.5 know no STOPPED
	}
	return "STARTED", "STARTED"
}

func parseTarget(text string) (connect.State, bool) {
	switch text {
	case "STARTED":
		return connect.Running, true
	case "PAUSED":
		return connect.Paused, true
	case "STOPPED":
		return connect.Stopped, true
	}
	return "", false
}

// configChanges is what the config topic has brought since it was asked last.
type configChanges struct {
	structure  int64 // the offset behind the last record by which connectors came or went or tasks were configured; 0: there is none
	connectors map[string]bool
	targets    map[string]bool
	tasks      units
	restarts   map[string]connect.Restart
	loggers    []loggerChange
	key        bool
}

type loggerChange struct{ name, level string }

func (c *configChanges) empty() bool {
	return c.structure == 0 && len(c.connectors)+len(c.targets)+len(c.tasks)+len(c.restarts)+len(c.loggers) == 0 && !c.key
}

// splitTaskKey splits "NAME-3": names may have dashes and digits themselves.
func splitTaskKey(text string) (unit, bool) {
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return unit{}, false
	}
	n := 0
	digits := text[i+1:]
	if digits == "" || len(digits) > 9 || slices.ContainsFunc([]byte(digits), func(c byte) bool { return c < '0' || c > '9' }) {
		return unit{}, false
	}
	for _, c := range []byte(digits) {
		n = 10*n + int(c-'0')
	}
	return unit{Connector: text[:i], Task: n}, true
}
