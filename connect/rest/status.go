package rest

import (
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

// state is the state of a connector. The version of a plugin that never started is null; a trace that is empty is left out.
type state struct {
	State    connect.State `json:"state"`
	WorkerID string        `json:"worker_id"`
	Version  *string       `json:"version"`
	Trace    string        `json:"trace,omitempty"`
}

type taskState struct {
	ID int `json:"id"`
	state
}

// statusBody is Kafka Connect's ConnectorStateInfo.
type statusBody struct {
	Name      string       `json:"name"`
	Connector state        `json:"connector"`
	Tasks     []taskState  `json:"tasks"`
	Type      connect.Kind `json:"type"`
}

func stateOf(s connect.InstanceStatus) state {
	out := state{State: s.State, WorkerID: s.WorkerID, Trace: s.Trace}
	if s.Version != "" {
		out.Version = &s.Version
	}
	return out
}

func statusOf(s connect.ConnectorStatus) statusBody {
	b := statusBody{Name: s.Name, Connector: stateOf(s.Connector), Tasks: []taskState{}, Type: s.Kind}
	for _, t := range s.Tasks {
		b.Tasks = append(b.Tasks, taskStateOf(t))
	}
	return b
}

// getStatus is GET /connectors/{connector}/status.
func (a *api) getStatus(c *call) (answer, error) {
	status, err := a.herder.Status(c.name)
	return answer{status: http.StatusOK, body: statusOf(status)}, err
}
