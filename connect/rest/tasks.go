package rest

import (
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

// taskBody is Kafka Connect's TaskInfo.
type taskBody struct {
	ID     taskID            `json:"id"`
	Config map[string]string `json:"config"`
}

// listTasks is GET /connectors/{connector}/tasks.
func (a *api) listTasks(c *call) (answer, error) {
	infos, err := a.herder.Tasks(c.Context(), c.name)
	tasks := []taskBody{}
	for _, t := range infos {
		tasks = append(tasks, taskBody{taskID{t.Connector, t.ID}, t.Config})
	}
	return answer{status: http.StatusOK, body: tasks}, err
}

// getTaskStatus is GET /connectors/{connector}/tasks/{task}/status.
func (a *api) getTaskStatus(c *call) (answer, error) {
	status, err := a.herder.TaskStatus(connect.TaskID{Connector: c.name, Task: c.task})
	return answer{status: http.StatusOK, body: taskStateOf(status)}, err
}

func taskStateOf(t connect.TaskStatus) taskState {
	return taskState{t.ID, stateOf(t.InstanceStatus)}
}
