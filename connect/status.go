package connect

import "slices"

// State is the state of a connector or task as Kafka Connect names it.
type State string

// States.
const (
	Unassigned State = "UNASSIGNED"
	Running    State = "RUNNING"
	Paused     State = "PAUSED"
	Stopped    State = "STOPPED"
	Failed     State = "FAILED"
	Restarting State = "RESTARTING"
)

// InstanceStatus is the state of a connector, or of one of its tasks.
type InstanceStatus struct {
	State    State
	WorkerID string // host:port
	Version  string // of the plugin; "" when it never started
	Trace    string // what happened when FAILED
}

// TaskStatus is the state of one task.
type TaskStatus struct {
	ID int
	InstanceStatus
}

// ConnectorStatus is the state of a connector and its tasks, by ascending id.
type ConnectorStatus struct {
	Name      string
	Connector InstanceStatus
	Tasks     []TaskStatus
	Kind      Kind
}

// Failure is the trace of the first failed instance, "" when none failed.
func (s ConnectorStatus) Failure() string {
	if s.Connector.State == Failed {
		return s.Connector.Trace
	}
	if i := slices.IndexFunc(s.Tasks, func(t TaskStatus) bool { return t.State == Failed }); i >= 0 {
		return s.Tasks[i].Trace
	}
	return ""
}

// Running tells that the connector and all its tasks, one at least, run.
func (s ConnectorStatus) Running() bool {
	return s.Connector.State == Running && len(s.Tasks) > 0 &&
		!slices.ContainsFunc(s.Tasks, func(t TaskStatus) bool { return t.State != Running })
}

// ConnectorInfo is what a connector is.
type ConnectorInfo struct {
	Name   string
	Config map[string]string // as it was given
	Tasks  []int
	Kind   Kind
}

// TaskInfo is what a task is.
type TaskInfo struct {
	Connector string
	ID        int
	Config    map[string]string
}
