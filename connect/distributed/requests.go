package distributed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// Config implements connect.Herder.
func (h *Herder) Config() connect.WorkerConfig { return h.cfg }

// ID implements connect.Herder.
func (h *Herder) ID() string { return h.worker.ID() }

// ClusterID implements connect.Herder.
func (h *Herder) ClusterID() string { return h.worker.ClusterID() }

// Metrics implements connect.Herder.
func (h *Herder) Metrics() *metrics.Registry { return h.worker.Metrics() }

// Listening implements connect.Herder.
func (h *Herder) Listening(port int) { h.worker.Listening(port) }

// unhealthyMessage is what Kafka Connect says of a worker that does not come to it.
const unhealthyMessage = "Worker was unable to handle this request and may be unable to handle other requests."

// Health implements connect.Herder: the loop must come to it before ctx ends.
func (h *Herder) Health(ctx context.Context) connect.Health {
	if !h.ready.Load() {
		return connect.HealthOf(false)
	}
	if h.tell(ctx, func() {}) != nil {
		return connect.Health{State: connect.Unhealthy, Message: unhealthyMessage}
	}
	return connect.HealthOf(true)
}

func refused(why connect.Refusal, format string, args ...any) error {
	return &connect.RefusedError{Why: why, Message: fmt.Sprintf(format, args...)}
}

func notFound(name string) error { return refused(connect.NotFound, "Connector %s not found", name) }

// Names implements connect.Herder; they are sorted.
func (h *Herder) Names(ctx context.Context) (names []string, err error) {
	err = h.do(ctx, func() error {
		names = slices.Sorted(maps.Keys(h.state.connectors))
		return nil
	})
	return names, err
}

// Info implements connect.Herder.
func (h *Herder) Info(ctx context.Context, name string) (info connect.ConnectorInfo, err error) {
	err = h.do(ctx, func() error {
		if !h.state.has(name) {
			return notFound(name)
		}
		info = h.infoOf(name, h.state.connectors[name])
		return nil
	})
	return info, err
}

func (h *Herder) infoOf(name string, props map[string]string) connect.ConnectorInfo {
	info := connect.ConnectorInfo{Name: name, Config: maps.Clone(props), Kind: h.worker.KindOf(props)}
	for _, id := range h.state.taskIDs(name) {
		info.Tasks = append(info.Tasks, id.Task)
	}
	return info
}

// Tasks implements connect.Herder.
func (h *Herder) Tasks(ctx context.Context, name string) (infos []connect.TaskInfo, err error) {
	err = h.do(ctx, func() error {
		if !h.state.has(name) {
			return notFound(name)
		}
		infos = []connect.TaskInfo{}
		for _, id := range h.state.taskIDs(name) {
			infos = append(infos, connect.TaskInfo{Connector: name, ID: id.Task, Config: maps.Clone(h.state.tasks[id])})
		}
		return nil
	})
	return infos, err
}

// Status implements connect.Herder: what has been read, whoever wrote it.
func (h *Herder) Status(name string) (connect.ConnectorStatus, error) {
	kind := connect.KindUnknown
	if props, known := h.configs.snapshot().connectors[name]; known {
		kind = h.worker.KindOf(props)
	}
	return h.statuses.shown.Status(name, kind)
}

// TaskStatus implements connect.Herder.
func (h *Herder) TaskStatus(id connect.TaskID) (connect.TaskStatus, error) {
	return h.statuses.shown.Task(id)
}

// lead is do for what only the leader may do: on others it is a *connect.RedirectError.
func (h *Herder) lead(ctx context.Context, f func(ctx context.Context) error) error {
	return h.do(ctx, func() error {
		if !h.place.leads() {
			return &connect.RedirectError{URL: h.place.leaderURL}
		}
		h.at("changing the config topic")
		return f(h.place.tenure)
	})
}

// leadsFor refuses, within the loop, what is only the leader's to do, and for a connector that is there.
func (h *Herder) leadsFor(name string) error {
	if !h.place.leads() {
		return &connect.RedirectError{URL: h.place.leaderURL}
	}
	if !h.state.has(name) {
		return notFound(name)
	}
	return nil
}

// Create implements connect.Herder.
func (h *Herder) Create(ctx context.Context, req connect.Request) (info connect.ConnectorInfo, err error) {
	props, err := connect.WithName(req.Name, req.Config)
	if err != nil {
		return info, err
	}
	target := &req.InitialState
	if req.InitialState == "" {
		target = nil
	}
	info, _, err = h.write(ctx, connect.Request{Name: req.Name, Config: props, Null: req.Null}, target, false)
	return info, err
}

// Put implements connect.Herder.
func (h *Herder) Put(ctx context.Context, req connect.Request) (info connect.ConnectorInfo, created bool, err error) {
	props, err := connect.WithName(req.Name, req.Config)
	if err != nil {
		return info, false, err
	}
	return h.write(ctx, connect.Request{Name: req.Name, Config: props, Null: req.Null}, nil, true)
}

// write validates a configuration, on the leader alone, and writes it. The validation may take its time and is not the loop's.
func (h *Herder) write(ctx context.Context, req connect.Request, target *connect.State, replace bool) (info connect.ConnectorInfo, created bool, err error) {
	if err := h.lead(ctx, func(context.Context) error { return nil }); err != nil {
		return info, false, err
	}
	if err := h.worker.Check(ctx, req); err != nil {
		return info, false, err
	}
	err = h.lead(ctx, func(ctx context.Context) error {
		exists := h.state.has(req.Name)
		if exists && !replace {
			return refused(connect.Conflict, "Connector %s already exists", req.Name)
		}
		if err := h.configs.putConnector(ctx, req.Name, req.Config, target); err != nil {
			return err
		}
		created = !exists
		info = h.infoOf(req.Name, req.Config)
		return nil
	})
	return info, created, err
}

// Patch implements connect.Herder.
func (h *Herder) Patch(ctx context.Context, name string, changes map[string]*string) (info connect.ConnectorInfo, err error) {
	var props map[string]string
	err = h.lead(ctx, func(context.Context) error {
		if !h.state.has(name) {
			return notFound(name)
		}
		props = connect.Patched(h.state.connectors[name], changes)
		return nil
	})
	if err != nil {
		return info, err
	}
	info, _, err = h.write(ctx, connect.Request{Name: name, Config: props}, nil, true)
	return info, err
}

// Delete implements connect.Herder.
func (h *Herder) Delete(ctx context.Context, name string) error {
	return h.lead(ctx, func(ctx context.Context) error {
		if !h.state.has(name) {
			return notFound(name)
		}
		return h.configs.removeConnector(ctx, name)
	})
}

// SetTarget implements connect.Herder. To stop is the leader's, for it takes the tasks away.
func (h *Herder) SetTarget(ctx context.Context, name string, target connect.State) error {
	if target == connect.Stopped {
		return h.lead(ctx, func(ctx context.Context) error {
			if !h.state.has(name) {
				return refused(connect.NotFound, "Unknown connector %s", name)
			}
			if err := h.configs.putTasks(ctx, name, nil); err != nil {
				return err
			}
			return h.configs.putTarget(ctx, name, connect.Stopped)
		})
	}
	return h.do(ctx, func() error {
		if !h.state.has(name) {
			return refused(connect.NotFound, "Unknown connector %s", name)
		}
		return h.configs.putTarget(h.place.tenure, name, target)
	})
}

// owned calls f if something is assigned here; else it is a *connect.RedirectError to the leader, and on the leader to who has it.
func (h *Herder) owned(x unit, f func()) error {
	switch {
	case h.place.wanted.has(x):
		f()
		return nil
	case h.place.leads():
		return &connect.RedirectError{URL: h.leading.Load().url(x)}
	}
	return &connect.RedirectError{URL: h.place.leaderURL}
}

// RestartConnector implements connect.Herder.
func (h *Herder) RestartConnector(ctx context.Context, name string) error {
	return h.do(ctx, func() error {
		if !h.state.has(name) {
			return refused(connect.NotFound, "Unknown connector: %s", name)
		}
		x := unit{Connector: name, Task: connectorTask}
		return h.owned(x, func() { h.restart(unitsOf(x)) })
	})
}

// RestartTask implements connect.Herder. It returns when the task has said how it is, or after a while: who asks then sees no state of before.
func (h *Herder) RestartTask(ctx context.Context, id connect.TaskID) error {
	var before int
	err := h.do(ctx, func() error {
		if !h.state.has(id.Connector) {
			return refused(connect.NotFound, "Unknown connector: %s", id.Connector)
		}
		if h.state.tasks[id] == nil {
			return refused(connect.NotFound, "Unknown task: %s", id)
		}
		return h.owned(id, func() {
			h.stopRunning(context.Background(), unitsOf(id))
			before = h.statuses.said(id)
			h.start(id)
		})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstWord)
	defer cancel()
	for {
		changed := h.statuses.shown.Changed()
		if h.statuses.said(id) != before {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// firstWord is how long a restart waits for the task to say how it is.
const firstWord = time.Second

// Restart implements connect.Herder: all workers hear of it through the config topic.
func (h *Herder) Restart(ctx context.Context, name string, plan connect.Restart) (planned connect.ConnectorStatus, err error) {
	err = h.lead(ctx, func(ctx context.Context) error {
		status, err := h.Status(name)
		if !h.state.has(name) || err != nil {
			return refused(connect.NotFound, "Unknown connector: %s", name)
		}
		planned, _, _ = plan.Plan(status)
		if err := h.configs.putRestart(ctx, name, plan); err != nil {
			return err
		}
		h.takeChanges() // what is here shows RESTARTING when the caller looks
		return nil
	})
	return planned, err
}

// Offsets implements connect.Herder.
func (h *Herder) Offsets(ctx context.Context, name string) ([]connect.PartitionOffset, error) {
	var props map[string]string
	err := h.do(ctx, func() error {
		if !h.state.has(name) {
			return notFound(name)
		}
		props = h.state.connectors[name]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h.worker.ConnectorOffsets(ctx, name, props)
}

// AlterOffsets implements connect.Herder.
func (h *Herder) AlterOffsets(ctx context.Context, name string, offsets []connect.PartitionOffset) (message string, err error) {
	return h.changeOffsets(ctx, name, func(ctx context.Context, props map[string]string) (string, error) {
		return h.worker.AlterOffsets(ctx, name, props, offsets)
	})
}

// ResetOffsets implements connect.Herder.
func (h *Herder) ResetOffsets(ctx context.Context, name string) (message string, err error) {
	return h.changeOffsets(ctx, name, func(ctx context.Context, props map[string]string) (string, error) {
		return h.worker.ResetOffsets(ctx, name, props)
	})
}

// changeOffsets runs within the loop: as long as it does, the connector stays stopped.
func (h *Herder) changeOffsets(ctx context.Context, name string, f func(context.Context, map[string]string) (string, error)) (message string, err error) {
	err = h.lead(ctx, func(tenure context.Context) (err error) {
		switch {
		case !h.state.has(name):
			return notFound(name)
		case h.state.target(name) != connect.Stopped || len(h.state.taskIDs(name)) > 0:
			return connect.NotStopped(name)
		}
		h.at("changing offsets of connector " + name)
		both, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(tenure, cancel)()
		props := h.state.connectors[name]
		if n := h.state.fenced[name]; n > 0 && h.group.ExactlyOnce == connect.ExactlyOnceEnabled && h.worker.KindOf(props) == connect.KindSource {
			// A task that is thought to have ended must not commit an offset of its own behind the one that is set.
			if err := h.worker.FenceTasks(both, name, props, n); err != nil {
				return err
			}
		}
		message, err = f(both, props)
		return err
	})
	return message, err
}

// Topics implements connect.Herder.
func (h *Herder) Topics(name string) ([]string, error) { return h.statuses.shown.Topics(name), nil }

// ResetTopics implements connect.Herder.
func (h *Herder) ResetTopics(_ context.Context, name string) error {
	h.statuses.removeTopics(name)
	h.worker.ForgetTopics(name)
	return nil
}

// Loggers implements connect.Herder.
func (h *Herder) Loggers(context.Context) []connect.LoggerLevel {
	return connect.LoggerLevels(h.levels)
}

// Logger implements connect.Herder.
func (h *Herder) Logger(_ context.Context, name string) (connect.LoggerLevel, bool) {
	return connect.LoggerNamed(h.levels, name)
}

// SetLogger implements connect.Herder. Through the config topic all workers of the cluster hear of it.
func (h *Herder) SetLogger(ctx context.Context, name, level string, cluster bool) ([]string, error) {
	if !cluster {
		return connect.SetLogger(h.levels, name, level)
	}
	if _, known := loglevel.Parse(level); !known {
		return nil, refused(connect.NotFound, "invalid log level '%s'.", level)
	}
	return nil, h.do(ctx, func() error { return h.configs.putLogger(h.place.tenure, name, level) })
}

// PutTaskConfigs implements connect.Herder: another worker runs the connector.
func (h *Herder) PutTaskConfigs(ctx context.Context, name string, configs []map[string]string, auth connect.InternalAuth) error {
	return h.do(ctx, func() error {
		if err := h.verify(auth); err != nil {
			return err
		}
		if err := h.leadsFor(name); err != nil {
			return err
		}
		h.at("writing the configurations of tasks of " + name)
		return h.configs.putTasks(h.place.tenure, name, configs)
	})
}

// Plugins implements connect.Herder.
func (h *Herder) Plugins() []connect.PluginInfo { return h.worker.Plugins() }

// PluginConfig implements connect.Herder.
func (h *Herder) PluginConfig(ctx context.Context, plugin, version string) ([]config.Definition, error) {
	return h.worker.PluginConfig(ctx, plugin, version)
}

// Validate implements connect.Herder.
func (h *Herder) Validate(ctx context.Context, req connect.Request) (connect.ConfigInfos, error) {
	return h.worker.Validate(ctx, req)
}

// Fence implements connect.Herder: the producers of the tasks that the connector had before can write no more when it returns.
func (h *Herder) Fence(ctx context.Context, name string, auth connect.InternalAuth) error {
	return h.fenceAs(ctx, name, func() error { return h.verify(auth) })
}

func (h *Herder) fenceAs(ctx context.Context, name string, allowed func() error) error {
	var props map[string]string
	var before, now int
	err := h.do(ctx, func() error {
		if err := allowed(); err != nil {
			return err
		}
		if err := h.leadsFor(name); err != nil {
			return err
		}
		if h.worker.KindOf(h.state.connectors[name]) != connect.KindSource {
			return refused(connect.Internal, "Connector %s is not a source connector", name)
		}
		if h.state.unfenced[name] {
			props, before, now = h.state.connectors[name], h.state.fenced[name], len(h.state.taskIDs(name))
		}
		return nil
	})
	if err != nil || props == nil {
		return err
	}
	if before > 1 || before == 1 && now != 1 { // a single task that is followed by a single one fences it by itself
		if err := h.worker.FenceTasks(ctx, name, props, before); err != nil {
			return err
		}
	}
	return h.do(ctx, func() error {
		switch {
		case !h.place.leads():
			return &connect.RedirectError{URL: h.place.leaderURL}
		case !h.state.has(name) || len(h.state.taskIDs(name)) != now:
			return refused(connect.Conflict, "Connector %s has been reconfigured while its former tasks were fenced", name)
		case !h.state.unfenced[name]:
			return nil
		}
		return h.configs.putFencing(h.place.tenure, name, now)
	})
}
