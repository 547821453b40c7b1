package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	"github.com/tandem-cdc/tandem/connect/provider"
)

// connector is what a configuration says of a connector: the plugin, the common options, the converters. It is made anew for every instance
// and every task, and belongs to it.
type connector struct {
	name   string
	plugin plugin
	props  map[string]string // resolved
	config ConnectorConfig
	conv   converters
	faults faults // what validation lets pass and a start fails of
	log    *slog.Logger
}

// instance is a connector that runs in this process.
type instance struct {
	*connector
	worker *Worker
	raw    map[string]string // as it was written
	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutine that watches has ended; nil: there is none

	mu        sync.Mutex // guards what follows, and the order of what the listener hears
	target    State
	state     State
	undivided bool // FAILED because its work could not be divided
}

// say tells the listener of a new state.
func (i *instance) say(s State, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sayLocked(s, err)
}

func (i *instance) sayLocked(s State, err error) {
	i.state = s
	status := InstanceStatus{State: s, WorkerID: i.worker.ID(), Version: i.plugin.Version}
	if err != nil {
		status.Trace = trace(err)
	}
	i.worker.listener.ConnectorState(i.name, status)
}

// resolve puts the values that config providers hold in place of their variables.
func (w *Worker) resolve(name string, props map[string]string) (map[string]string, error) {
	resolved, err := w.cfg.Providers.Resolve(props, w.log.With("connector", name))
	if err != nil {
		return nil, err // Kafka's own words, which name the path
	}
	return resolved, nil
}

// prepare reads a configuration and reports every error and warning in it. The connector's converters must be closed.
func (w *Worker) prepare(req Request) (*connector, error) {
	raw := req.Config
	var err error
	if req.Config, err = w.resolve(req.Name, req.Config); err != nil {
		return nil, err
	}
	class, given := req.Config["connector.class"]
	if !given { // of what a config provider holds nothing is shown
		return nil, noClass(raw, req.Null)
	}
	p, err := w.plugins.find(class)
	if err != nil {
		return nil, err
	}
	c := &connector{name: req.Name, plugin: p, props: req.Config, log: named(w.log, connectorLogger, "connector", req.Name)}
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

// KindOf tells whether a configuration is that of a source or of a sink.
func (w *Worker) KindOf(props map[string]string) Kind {
	p, err := w.plugins.find(props["connector.class"])
	if err != nil {
		return KindUnknown
	}
	return p.Kind
}

// StartConnector starts a connector, which runs no tasks by itself: see TaskConfigs and StartTask. One that cannot be started is FAILED, and
// the error says why. It waits for Run to run.
func (w *Worker) StartConnector(ctx context.Context, name string, props map[string]string, target State) error {
	if w.connectorNamed(name) != nil {
		return fmt.Errorf("start connector %s: it runs already", name)
	}
	c, err := w.prepare(Request{Name: name, Config: props})
	if err == nil {
		if err = startFault(c.faults.connector); err != nil {
			c.conv.close()
		}
	}
	if err == nil && w.connectorNamed(name) != nil {
		c.conv.close()
		err = fmt.Errorf("start connector %s: it runs already", name)
	}
	started(&w.meter.connectors, &w.meter.failedConnectors, err)
	if err != nil {
		w.listener.ConnectorState(name, InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: trace(err)})
		return err
	}
	c.conv.close() // each task has its own
	for _, option := range w.cfg.Providers.Unresolved(c.props) {
		c.log.Warn("the option holds a variable of a config provider that has no value for it", "option", option)
	}
	i := &instance{connector: c, worker: w, raw: maps.Clone(props), target: target}
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	i.cancel = cancel
	run := func(context.Context) {}
	if c.plugin.source != nil && c.plugin.source.Watch != nil {
		i.ended = make(chan struct{})
		run = func(context.Context) { defer close(i.ended); i.watch(watchCtx) }
	}
	if err := w.launch(ctx, "connector "+name, run); err != nil {
		cancel()
		return w.connectorRefused(name, err)
	}
	w.mu.Lock()
	w.connectors[name] = i
	w.mu.Unlock()
	i.say(target, nil)
	c.log.Info("started the connector", "class", c.plugin.Class, "state", string(target))
	return nil
}

// connectorRefused tells of a connector that was not started.
func (w *Worker) connectorRefused(name string, err error) error {
	if !errors.Is(err, errOver) {
		w.log.Error("the connector cannot be started", "connector", name, "error", err)
		w.listener.ConnectorState(name, InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: trace(err)})
	}
	return err
}

// watch runs the plugin's own watch over what the work is divided by.
func (i *instance) watch(ctx context.Context) {
	err := i.plugin.source.Watch(ctx, maps.Clone(i.props), func() { i.worker.listener.TasksChanged(i.name) })
	if err == nil || ctx.Err() != nil {
		return
	}
	i.log.Error("the connector failed", "error", err)
	i.say(Failed, err)
}

// StopConnector stops a connector; its tasks are not concerned.
func (w *Worker) StopConnector(_ context.Context, name string) {
	w.mu.Lock()
	i := w.connectors[name]
	delete(w.connectors, name)
	w.mu.Unlock()
	if i == nil {
		return
	}
	i.cancel()
	if i.ended != nil {
		<-i.ended
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state != Failed {
		i.sayLocked(Unassigned, nil)
	}
}

func (w *Worker) connectorNamed(name string) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connectors[name]
}

// errNoInstance: the herder asked for a connector that it did not start.
var errNoInstance = errors.New("the connector does not run here")

// divided tells how it went to divide the work. What fails for a reason that passes is worth another try, and no failure of the connector.
func (i *instance) divided(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil && i.undivided:
		i.undivided = false
		i.sayLocked(i.target, nil)
	case err != nil && retriable(err):
		i.log.Warn("the work of the connector cannot be divided; trying again", "error", err)
	case err != nil:
		i.log.Error("the connector failed", "error", err)
		i.undivided = true
		i.sayLocked(Failed, err)
	}
}

// TaskConfigs divides the work of a connector that runs here. The configurations are those that are stored and shown. An error that is retriable
// is worth another call.
func (w *Worker) TaskConfigs(_ context.Context, name string) ([]map[string]string, error) {
	i := w.connectorNamed(name)
	if i == nil {
		return nil, fmt.Errorf("divide the work of connector %s: %w", name, errNoInstance)
	}
	var configs []map[string]string
	if i.plugin.source != nil {
		var err error
		if configs, err = i.plugin.source.TaskConfigs(maps.Clone(i.props), i.config.TasksMax); err != nil {
			err = fmt.Errorf("divide the work of connector %s: %w", name, err)
		} else if len(configs) > i.config.TasksMax && i.config.EnforceTasks {
			err = complaint("The connector %s has generated %d tasks, which is greater than %d, the maximum number of tasks it is configured to create. "+
				"This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with "+
				"'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect.", name, len(configs), i.config.TasksMax)
		}
		i.divided(err)
		if err != nil {
			return nil, err
		}
	} else {
		for range i.config.TasksMax {
			configs = append(configs, i.props)
		}
	}
	shown := make([]map[string]string, len(configs))
	for n, props := range configs {
		shown[n] = maps.Clone(props)
		shown[n][taskClassOption] = i.plugin.taskClass()
		shown[n] = provider.Reverse(i.raw, shown[n])
	}
	return shown, nil
}

// taskClassOption is what a task's configuration has besides the connector's.
const taskClassOption = "task.class"

// SetTarget pauses and resumes what runs here of a connector. Stopping is StopTasks, and a new target of the connector itself.
func (w *Worker) SetTarget(_ context.Context, name string, target State) {
	w.mu.Lock()
	i := w.connectors[name]
	var tasks []*task
	for id, t := range w.tasks {
		if id.Connector == name {
			tasks = append(tasks, t)
		}
	}
	w.mu.Unlock()
	if i != nil {
		i.mu.Lock()
		i.target = target
		if i.state != Failed && i.state != target {
			i.sayLocked(target, nil)
		}
		i.mu.Unlock()
	}
	for _, t := range tasks {
		t.aim(target)
	}
}
