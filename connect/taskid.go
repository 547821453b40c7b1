package connect

import "strconv"

// TaskID names a task.
type TaskID struct {
	Connector string
	Task      int
}

func (id TaskID) String() string { return id.Connector + "-" + strconv.Itoa(id.Task) }
