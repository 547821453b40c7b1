package connect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
)

// connector is one connector with its tasks. What stands below guarded is changed under Worker.mu only.
type connector struct {
	name   string
	plugin plugin
	props  map[string]string
	config ConnectorConfig
	conv   converters
	log    *slog.Logger

	// guarded
	target State // Running, Paused or Stopped: what the user wants
	status InstanceStatus
	tasks  []*task
}

// task is one task of a connector and the goroutine that supervises it.
type task struct {
	id     taskID
	props  map[string]string // what the plugin gets
	config map[string]string // what REST shows: task.class too
	cancel context.CancelFunc
	ended  chan struct{} // closed by the goroutine when it ended

	status InstanceStatus // guarded by Worker.mu
}

func (c *connector) info() ConnectorInfo {
	info := ConnectorInfo{Name: c.name, Config: maps.Clone(c.props), Kind: c.plugin.Kind}
	for _, t := range c.tasks {
		info.Tasks = append(info.Tasks, t.id.task)
	}
	return info
}

func (c *connector) statusOf() ConnectorStatus {
	s := ConnectorStatus{Name: c.name, Connector: c.status, Kind: c.plugin.Kind}
	for _, t := range c.tasks {
		s.Tasks = append(s.Tasks, TaskStatus{t.id.task, t.status})
	}
	return s
}

// prepare validates a configuration and makes a connector of it that does not run. Warnings are logged.
func (w *Worker) prepare(req Request) (*connector, error) {
	props := req.Config
	class, given := props["connector.class"]
	if !given {
		return nil, &RefusedError{Invalid, fmt.Sprintf("Connector config %s contains no connector type", javaMap(props))}
	}
	p, err := w.plugins.find(class)
	if err != nil {
		return nil, err
	}
	c := &connector{name: req.Name, plugin: p, props: props, log: w.log.With("connector", req.Name), target: req.InitialState}
	if c.target == "" {
		c.target = Running
	}
	report := w.validate(c)
	for _, option := range req.Null {
		report.Fail(option, NullOption)
	}
	if err := refuse(report); err != nil {
		c.conv.close()
		return nil, err
	}
	for _, warning := range report.Warnings {
		c.log.Warn(warning.Message)
	}
	return c, nil
}

// start takes a prepared connector over, in place of one of the same name whose tasks have ended, and starts its tasks.
func (w *Worker) start(ctx context.Context, c *connector) (ConnectorInfo, error) {
	c.status = InstanceStatus{State: c.target, WorkerID: w.ID(), Version: c.plugin.Version}
	var failure error
	if c.target == Running {
		if failure = w.makeTasks(c); failure != nil {
			c.status = InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: trace(failure)}
			c.tasks = nil
		}
	}
	var info ConnectorInfo
	w.update(func() {
		w.connectors[c.name] = c
		info = c.info()
	})
	if failure != nil {
		c.log.Error("the connector failed", "error", failure)
		return info, &RefusedError{Internal, failure.Error()}
	}
	c.log.Info("started the connector", "class", c.plugin.Class, "tasks", len(info.Tasks), "state", string(c.target))
	for i, t := range c.tasks {
		if err := w.startTask(ctx, c, t); err != nil {
			for _, rest := range c.tasks[i:] {
				rest.cancel = func() {}
				close(rest.ended)
				w.setTask(rest, InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: err.Error()})
			}
			return info, err
		}
	}
	return info, nil
}

// makeTasks divides the work.
func (w *Worker) makeTasks(c *connector) error {
	var configs []map[string]string
	if c.plugin.source != nil {
		var err error
		if configs, err = c.plugin.source.TaskConfigs(maps.Clone(c.props), c.config.TasksMax); err != nil {
			return fmt.Errorf("divide the work of connector %s: %w", c.name, err)
		}
		if len(configs) > c.config.TasksMax && c.config.EnforceTasks {
			return complaint("The connector %s has generated %d tasks, which is greater than %d, the maximum number of tasks it is configured to create. "+
				"This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with "+
				"'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect.", c.name, len(configs), c.config.TasksMax)
		}
	} else {
		for range c.config.TasksMax {
			configs = append(configs, c.props)
		}
	}
	for i, props := range configs {
		shown := maps.Clone(props)
		shown["task.class"] = c.plugin.taskClass()
		c.tasks = append(c.tasks, &task{
			id:     taskID{c.name, i},
			props:  props,
			config: shown,
			ended:  make(chan struct{}),
			status: InstanceStatus{State: Unassigned, WorkerID: w.ID()},
		})
	}
	return nil
}

// startTask hands the task's goroutine to Run.
func (w *Worker) startTask(ctx context.Context, c *connector, t *task) error {
	taskCtx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	run := func(workerCtx context.Context) {
		defer close(t.ended)
		defer cancel()
		defer context.AfterFunc(workerCtx, cancel)()
		w.supervise(taskCtx, c, t)
	}
	err := context.Canceled
	select {
	case w.spawn <- run:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-w.over:
	}
	cancel()
	return fmt.Errorf("start task %s: the worker does not run: %w", t.id, err)
}

// stopTasks stops a connector's tasks in order and waits for their end.
func (w *Worker) stopTasks(c *connector) {
	w.mu.Lock()
	tasks := slices.Clone(c.tasks)
	w.mu.Unlock()
	for _, t := range tasks {
		t.cancel()
	}
	for _, t := range tasks {
		<-t.ended
	}
}

func (w *Worker) target(c *connector) State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.target
}

func (w *Worker) setTask(t *task, s InstanceStatus) {
	w.update(func() { t.status = s })
}
