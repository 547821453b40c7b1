package connect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// SetTarget implements Herder.
func (s *Standalone) SetTarget(ctx context.Context, name string, target State) error {
	s.life.Lock()
	defer s.life.Unlock()
	c := s.connector(name)
	if c == nil && target == Stopped {
		return &RefusedError{Internal, fmt.Sprintf("No connector `%s` configured", name)}
	}
	if c == nil {
		return &RefusedError{NotFound, fmt.Sprintf("Unknown connector %s", name)}
	}
	ctx = context.WithoutCancel(ctx)
	if target == Stopped {
		s.removeTasks(ctx, name)
	}
	s.setConnector(name, &configured{props: c.props, target: target, tasks: s.connector(name).tasks})
	s.worker.SetTarget(ctx, name, target)
	if target == Running && s.mustDivide(ctx, name) {
		if err := s.divide(ctx, name); err != nil && retriable(err) {
			s.later(name)
		} else if err != nil { // its state tells; the request was to aim at that
			s.log.Warn("the connector cannot be resumed", "connector", name, "error", err)
		}
	}
	return nil
}

// mustDivide tells that a connector has no tasks, or those of a configuration that was changed while it was paused.
func (s *Standalone) mustDivide(ctx context.Context, name string) bool {
	c := s.connector(name)
	if len(c.tasks) == 0 {
		return true
	}
	configs, err := s.worker.TaskConfigs(ctx, name)
	return err == nil && !slices.EqualFunc(configs, c.tasks, maps.Equal)
}

// RestartConnector implements Herder.
func (s *Standalone) RestartConnector(ctx context.Context, name string) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.connector(name) == nil {
		return &RefusedError{Internal, fmt.Sprintf("No connector `%s` configured", name)}
	}
	return s.restartInstance(context.WithoutCancel(ctx), name)
}

// restartInstance restarts the connector itself; its tasks are not concerned unless their configurations have changed.
func (s *Standalone) restartInstance(ctx context.Context, name string) error {
	c := s.connector(name)
	s.worker.StopConnector(ctx, name)
	return s.worker.StartConnector(ctx, name, c.props, c.target)
}

// Restart implements Herder.
func (s *Standalone) Restart(ctx context.Context, name string, plan Restart) (ConnectorStatus, error) {
	s.life.Lock()
	defer s.life.Unlock()
	c := s.connector(name)
	status, err := s.Status(name)
	if c == nil || err != nil {
		return ConnectorStatus{}, &RefusedError{NotFound, fmt.Sprintf("Unknown connector: %s", name)}
	}
	planned, connector, tasks := plan.Plan(status)
	ctx = context.WithoutCancel(ctx)
	s.worker.StopTasks(ctx, tasks...)
	if connector {
		s.statuses.PutConnector(name, planned.Connector)
		if err := s.restartInstance(ctx, name); err != nil {
			s.log.Warn("cannot restart the connector", "connector", name, "error", err)
		}
	}
	for _, id := range tasks {
		s.statuses.PutTask(id, InstanceStatus{State: Restarting, WorkerID: s.ID()})
		if err := s.startTask(ctx, id); err != nil {
			s.log.Warn("cannot restart the task", "connector", name, "task", id.Task, "error", err)
		}
	}
	return planned, nil
}

// RestartTask implements Herder. A task that does not exist leaves a FAILED status behind, as in Kafka Connect.
func (s *Standalone) RestartTask(ctx context.Context, id TaskID) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.connector(id.Connector) == nil {
		return &RefusedError{Internal, fmt.Sprintf("Failed to start task %s since it is not a recognizable type (source or sink)", id)}
	}
	ctx = context.WithoutCancel(ctx)
	s.worker.StopTasks(ctx, id)
	s.statuses.PutTask(id, InstanceStatus{State: Restarting, WorkerID: s.ID()})
	if err := s.startTask(ctx, id); err != nil {
		return &RefusedError{NotFound, fmt.Sprintf("Task %s not found", id)}
	}
	return nil
}

// startTask starts a task that is stopped.
func (s *Standalone) startTask(ctx context.Context, id TaskID) error {
	c := s.connector(id.Connector)
	var props map[string]string
	if id.Task >= 0 && id.Task < len(c.tasks) {
		props = c.tasks[id.Task]
	}
	return s.worker.StartTask(ctx, id, c.props, props, c.target)
}

// Topics implements Herder.
func (s *Standalone) Topics(name string) ([]string, error) { return s.statuses.Topics(name), nil }

// ResetTopics implements Herder.
func (s *Standalone) ResetTopics(_ context.Context, name string) error {
	s.statuses.DropTopics(name)
	s.worker.ForgetTopics(name)
	return nil
}

// Loggers implements Herder.
func (s *Standalone) Loggers(context.Context) []LoggerLevel { return LoggerLevels(s.levels) }

// Logger implements Herder.
func (s *Standalone) Logger(_ context.Context, name string) (LoggerLevel, bool) {
	return LoggerNamed(s.levels, name)
}

// SetLogger implements Herder. The cluster is this worker.
func (s *Standalone) SetLogger(_ context.Context, name, level string, _ bool) ([]string, error) {
	return SetLogger(s.levels, name, level)
}

// LoggerLevels are the loggers of this process.
func LoggerLevels(l *loglevel.Levels) []LoggerLevel {
	var all []LoggerLevel
	for _, one := range l.All() {
		all = append(all, LoggerLevel{one.Name, loglevel.Name(one.Level), one.Modified})
	}
	return all
}

// LoggerNamed is one logger of this process.
func LoggerNamed(l *loglevel.Levels, name string) (LoggerLevel, bool) {
	one, known := l.Get(name)
	return LoggerLevel{one.Name, loglevel.Name(one.Level), one.Modified}, known
}

// SetLogger changes the level of a logger of this process, and of those below it.
func SetLogger(l *loglevel.Levels, name, level string) ([]string, error) {
	if level == "" {
		return nil, &RefusedError{Internal, "Illegal null or empty Level name."}
	}
	parsed, ok := loglevel.Parse(strings.TrimSpace(level))
	if !ok {
		return nil, &RefusedError{NotFound, fmt.Sprintf("invalid log level '%s'.", level)}
	}
	return l.Set(name, parsed, time.Now()), nil
}

// PutTaskConfigs implements Herder: refused.
func (s *Standalone) PutTaskConfigs(context.Context, string, []map[string]string, InternalAuth) error {
	return &RefusedError{Internal, "Kafka Connect in standalone mode does not support externally setting task configurations."}
}

// Fence implements Herder: refused.
func (s *Standalone) Fence(context.Context, string, InternalAuth) error {
	return &RefusedError{Internal, "Kafka Connect in standalone mode does not support exactly-once source connectors."}
}

// Others implements Herder: the worker is alone.
func (s *Standalone) Others() []OtherWorker { return nil }

// Signed implements Herder: there is nobody to ask.
func (s *Standalone) Signed(context.Context, []byte) (map[string]string, error) { return nil, nil }

// Verify implements Herder: refused.
func (s *Standalone) Verify(context.Context, InternalAuth) error {
	return &RefusedError{Forbidden, "A standalone worker has no others that could ask it."}
}

// Offsets implements Herder.
func (s *Standalone) Offsets(ctx context.Context, name string) ([]PartitionOffset, error) {
	c := s.connector(name)
	if c == nil {
		return nil, notFound(name)
	}
	return s.worker.ConnectorOffsets(ctx, name, c.props)
}

// AlterOffsets implements Herder.
func (s *Standalone) AlterOffsets(ctx context.Context, name string, offsets []PartitionOffset) (string, error) {
	s.life.Lock()
	defer s.life.Unlock()
	c, err := s.stopped(name)
	if err != nil {
		return "", err
	}
	return s.worker.AlterOffsets(ctx, name, c.props, offsets)
}

// ResetOffsets implements Herder.
func (s *Standalone) ResetOffsets(ctx context.Context, name string) (string, error) {
	s.life.Lock()
	defer s.life.Unlock()
	c, err := s.stopped(name)
	if err != nil {
		return "", err
	}
	return s.worker.ResetOffsets(ctx, name, c.props)
}

// stopped is a connector whose offsets may be changed.
func (s *Standalone) stopped(name string) (*configured, error) {
	c := s.connector(name)
	if c == nil {
		return nil, notFound(name)
	}
	if c.target != Stopped || len(c.tasks) > 0 {
		return nil, NotStopped(name)
	}
	return c, nil
}

// NotStopped refuses to change the offsets of a connector that is not stopped.
func NotStopped(name string) error {
	return &RefusedError{Invalid, fmt.Sprintf("Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' endpoint", name)}
}
