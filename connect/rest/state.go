package rest

import (
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// target is PUT /connectors/{connector}/pause, /resume and /stop.
func (a *api) target(state connect.State) handler {
	status := http.StatusAccepted
	if state == connect.Stopped {
		status = http.StatusNoContent
	}
	return func(c *call) (answer, error) {
		return answer{status: status}, a.herder.SetTarget(c.Context(), c.name, state)
	}
}

// restart is POST /connectors/{connector}/restart. Without flags it restarts the connector alone and has no body to show.
func (a *api) restart(c *call) (answer, error) {
	plan := connect.Restart{OnlyFailed: flag(c, "onlyFailed"), IncludeTasks: flag(c, "includeTasks")}
	if plan == (connect.Restart{}) {
		return answer{status: http.StatusNoContent}, a.herder.RestartConnector(c.Context(), c.name)
	}
	status, err := a.herder.Restart(c.Context(), c.name, plan)
	return answer{status: http.StatusAccepted, body: statusOf(status)}, err
}

// flag reads a query parameter as Java's Boolean does: what is not "true" is false.
func flag(c *call, name string) bool { return strings.EqualFold(c.URL.Query().Get(name), "true") }

// restartTask is POST /connectors/{connector}/tasks/{task}/restart.
func (a *api) restartTask(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, a.herder.RestartTask(c.Context(), connect.TaskID{Connector: c.name, Task: c.task})
}
