package connect

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Statuses keeps the states of connectors and tasks, and which topics they use, as a herder shows them. It is safe for concurrent use.
type Statuses struct {
	mu         sync.Mutex // guards what follows
	connectors map[string]InstanceStatus
	tasks      map[string]map[int]InstanceStatus
	topics     map[string]map[string]struct{}
	changed    chan struct{} // closed and made anew with every change
}

// NewStatuses makes an empty one.
func NewStatuses() *Statuses {
	return &Statuses{
		connectors: make(map[string]InstanceStatus),
		tasks:      make(map[string]map[int]InstanceStatus),
		topics:     make(map[string]map[string]struct{}),
		changed:    make(chan struct{}),
	}
}

// Changed is closed with the next change.
func (s *Statuses) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// update makes changes that are seen together.
func (s *Statuses) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// PutConnector keeps the state of a connector.
func (s *Statuses) PutConnector(name string, status InstanceStatus) {
	s.update(func() { s.connectors[name] = status })
}

// PutTask keeps the state of a task.
func (s *Statuses) PutTask(id TaskID, status InstanceStatus) {
	s.update(func() {
		if s.tasks[id.Connector] == nil {
			s.tasks[id.Connector] = make(map[int]InstanceStatus)
		}
		s.tasks[id.Connector][id.Task] = status
	})
}

// DropTask forgets the state of a task.
func (s *Statuses) DropTask(id TaskID) {
	s.update(func() {
		if delete(s.tasks[id.Connector], id.Task); len(s.tasks[id.Connector]) == 0 {
			delete(s.tasks, id.Connector)
		}
	})
}

// DropConnector forgets the state of a connector; those of its tasks stay.
func (s *Statuses) DropConnector(name string) {
	s.update(func() { delete(s.connectors, name) })
}

// Status is the state of a connector and its tasks; not found without a state of the connector.
func (s *Statuses) Status(name string, kind Kind) (ConnectorStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	connector, known := s.connectors[name]
	if !known {
		return ConnectorStatus{}, &RefusedError{NotFound, fmt.Sprintf("No status found for connector %s", name)}
	}
	status := ConnectorStatus{Name: name, Connector: connector, Kind: kind}
	for _, id := range slices.Sorted(maps.Keys(s.tasks[name])) {
		status.Tasks = append(status.Tasks, TaskStatus{id, s.tasks[name][id]})
	}
	return status, nil
}

// Task is the state of one task.
func (s *Statuses) Task(id TaskID) (TaskStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, known := s.tasks[id.Connector][id.Task]
	if !known {
		return TaskStatus{}, &RefusedError{NotFound, fmt.Sprintf("No status found for task %s", id)}
	}
	return TaskStatus{id.Task, status}, nil
}

// TaskIDs are the tasks of a connector that have a state, ascending.
func (s *Statuses) TaskIDs(name string) []TaskID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []TaskID
	for _, n := range slices.Sorted(maps.Keys(s.tasks[name])) {
		ids = append(ids, TaskID{name, n})
	}
	return ids
}

// PutTopic notes a topic that a connector uses.
func (s *Statuses) PutTopic(name, topic string) {
	s.update(func() {
		if s.topics[name] == nil {
			s.topics[name] = make(map[string]struct{})
		}
		s.topics[name][topic] = struct{}{}
	})
}

// DropTopic forgets that a connector uses a topic.
func (s *Statuses) DropTopic(name, topic string) {
	s.update(func() { delete(s.topics[name], topic) })
}

// DropTopics forgets which topics a connector uses.
func (s *Statuses) DropTopics(name string) {
	s.update(func() { delete(s.topics, name) })
}

// Topics are those that a connector uses, sorted.
func (s *Statuses) Topics(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.topics[name]))
}
