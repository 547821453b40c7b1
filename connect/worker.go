package connect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Version is the release of Kafka Connect whose behaviour this worker has; clients ask for it.
const Version = "4.3.1"

// Worker is a standalone worker: connectors live in memory, source offsets in a file, sink offsets in their consumer groups.
//
// Invariants:
//  1. Every goroutine runs under Run, which hands them out through spawn and returns after all have ended.
//  2. Creating, changing and deleting connectors is one at a time (under life); statuses are read at any time (under mu).
type Worker struct {
	cfg     WorkerConfig
	plugins Plugins
	log     *slog.Logger
	offsets *fileOffsets
	id      atomic.Pointer[string] // worker_id
	cluster atomic.Pointer[string] // kafka_cluster_id, nil until a broker told it

	// What a test replaces: the way to Kafka and to the registry.
	newClients    func(clientOptions, *ConnectorConfig, Kind, *slog.Logger) (clients, config.Report)
	newConverters func(*WorkerConfig, *ConnectorConfig, *config.Report) converters
	// Sender: whoever starts a task. Receiver: Run. Bound: none waits in it.
	spawn chan func(context.Context)
	over  chan struct{} // closed by Run when it takes no more tasks

	life sync.Mutex // one change at a time

	mu         sync.Mutex // guards what follows, and the statuses in the connectors
	ready      bool       // Run runs
	connectors map[string]*connector
	changed    chan struct{} // closed and made anew with every change of a status
}

// NewStandalone stores the configuration; Run acts.
func NewStandalone(cfg WorkerConfig, plugins Plugins, log *slog.Logger) *Worker {
	w := &Worker{
		cfg:           cfg,
		plugins:       plugins,
		log:           log,
		offsets:       newFileOffsets(cfg.OffsetFile),
		spawn:         make(chan func(context.Context)),
		over:          make(chan struct{}),
		connectors:    make(map[string]*connector),
		changed:       make(chan struct{}),
		newClients:    parseClients,
		newConverters: buildConverters,
	}
	w.Listening(8083)
	return w
}

// Listening says on which port the REST API is served: a part of worker_id. To be called before Run.
func (w *Worker) Listening(port int) {
	id := w.cfg.WorkerID(port)
	w.id.Store(&id)
}

// Config is the worker's configuration.
func (w *Worker) Config() WorkerConfig { return w.cfg }

// ID is the worker's id in statuses, host:port.
func (w *Worker) ID() string { return *w.id.Load() }

// ClusterID is the id of the Kafka cluster, "" until a broker told it.
func (w *Worker) ClusterID() string {
	if id := w.cluster.Load(); id != nil {
		return *id
	}
	return ""
}

// Run runs the connectors that Create makes until ctx ends (nil); tasks stop in order then. It fails at once when the offset file cannot be
// read.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.offsets.open(); err != nil {
		return err
	}
	defer close(w.over)
	var g errgroup.Group
	g.Go(func() error { w.askCluster(ctx); return nil })
	w.update(func() { w.ready = true })
	defer w.update(func() { w.ready = false })
	for {
		select {
		case run := <-w.spawn:
			g.Go(func() error { run(ctx); return nil })
			continue
		case <-ctx.Done():
		}
		err := g.Wait()
		w.closeAll()
		return err
	}
}

// closeAll lets go of what the connectors hold after their tasks have ended.
func (w *Worker) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.connectors {
		c.conv.close()
	}
}

// askCluster learns the cluster's id, however long the broker takes to come up.
func (w *Worker) askCluster(ctx context.Context) {
	props := map[string]string{"bootstrap.servers": strings.Join(w.cfg.BootstrapServers, ","), "client.id": "connect-worker"}
	maps.Copy(props, w.cfg.Client)
	c, report := client.FromProperties(props, client.ForAdmin)
	for _, p := range report.Warnings {
		w.log.Warn(p.Message)
	}
	if err := report.Err(); err != nil {
		w.log.Error("cannot ask for the cluster's id", "error", err)
		return
	}
	c.Log = w.log
	a := client.NewAdmin(c)
	defer a.Close()
	err := retries{most: 30 * time.Second}.untilDone(ctx, w.log, "ask the broker for the cluster's id", func() error {
		id, err := a.ClusterID(ctx)
		if err == nil {
			w.cluster.Store(&id)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.log.Error("cannot ask for the cluster's id", "error", err)
	}
}

// Ready tells that Run runs and takes connectors.
func (w *Worker) Ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

// Create validates a configuration and starts the connector: what "POST /connectors" does. It waits for Run to run.
func (w *Worker) Create(ctx context.Context, req Request) (ConnectorInfo, error) {
	props, err := withName(req.Name, req.Config)
	if err != nil {
		return ConnectorInfo{}, err
	}
	w.life.Lock()
	defer w.life.Unlock()
	c, err := w.prepare(Request{req.Name, props, req.Null, req.InitialState})
	if err != nil {
		return ConnectorInfo{}, err
	}
	if _, exists := w.connector(req.Name); exists {
		c.conv.close()
		return ConnectorInfo{}, &RefusedError{Conflict, fmt.Sprintf("Connector %s already exists", req.Name)}
	}
	return w.start(ctx, c)
}

// Put creates a connector or changes its configuration, which restarts it: what "PUT /connectors/{name}/config" does. The state
// stays what it is.
func (w *Worker) Put(ctx context.Context, req Request) (info ConnectorInfo, created bool, err error) {
	name := req.Name
	props, err := withName(name, req.Config)
	if err != nil {
		return ConnectorInfo{}, false, err
	}
	w.life.Lock()
	defer w.life.Unlock()
	old, exists := w.connector(name)
	state := Running
	if exists {
		state = w.target(old)
	}
	c, err := w.prepare(Request{name, props, req.Null, state})
	if err != nil {
		return ConnectorInfo{}, false, err
	}
	if exists {
		ctx = context.WithoutCancel(ctx) // else a connector would stay stopped when the caller leaves meanwhile
		w.stopTasks(old)
		old.conv.close()
	}
	info, err = w.start(ctx, c)
	return info, !exists, err
}

// Delete stops a connector in order and forgets it. Its offsets stay: created again under the name, it goes on.
func (w *Worker) Delete(name string) error {
	w.life.Lock()
	defer w.life.Unlock()
	c, exists := w.connector(name)
	if !exists {
		return notFound(name)
	}
	w.stopTasks(c)
	w.update(func() { delete(w.connectors, name) })
	c.conv.close()
	c.log.Info("deleted the connector")
	return nil
}

// Names are the names of all connectors, sorted.
func (w *Worker) Names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.connectors))
}

// Info tells what a connector is.
func (w *Worker) Info(name string) (ConnectorInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, exists := w.connectors[name]
	if !exists {
		return ConnectorInfo{}, notFound(name)
	}
	return c.info(), nil
}

// Tasks tells what the tasks of a connector are.
func (w *Worker) Tasks(name string) ([]TaskInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, exists := w.connectors[name]
	if !exists {
		return nil, notFound(name)
	}
	infos := make([]TaskInfo, len(c.tasks))
	for i, t := range c.tasks {
		infos[i] = TaskInfo{Connector: name, ID: t.id.task, Config: maps.Clone(t.config)}
	}
	return infos, nil
}

// Status is the state of one connector.
func (w *Worker) Status(name string) (ConnectorStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, exists := w.connectors[name]
	if !exists {
		return ConnectorStatus{}, &RefusedError{NotFound, fmt.Sprintf("No status found for connector %s", name)}
	}
	return c.statusOf(), nil
}

// TaskStatus is the state of one task.
func (w *Worker) TaskStatus(name string, task int) (TaskStatus, error) {
	status, err := w.Status(name)
	if err == nil {
		if i := slices.IndexFunc(status.Tasks, func(t TaskStatus) bool { return t.ID == task }); i >= 0 {
			return status.Tasks[i], nil
		}
	}
	return TaskStatus{}, &RefusedError{NotFound, fmt.Sprintf("No status found for task %s-%d", name, task)}
}

// Plugins lists the connector plugins, sinks first.
func (w *Worker) Plugins() []PluginInfo {
	var infos []PluginInfo
	for _, p := range w.plugins.list() {
		infos = append(infos, p.PluginInfo)
	}
	return infos
}

// WaitRunning waits until a connector and all its tasks run. The error is the trace of what failed meanwhile.
func (w *Worker) WaitRunning(ctx context.Context, name string) error {
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		status, err := w.Status(name)
		switch {
		case err != nil:
			return err
		case status.Failure() != "":
			return fmt.Errorf("connector %s failed: %s", name, status.Failure())
		case status.Running():
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for connector %s: %w", name, ctx.Err())
		}
	}
}

// update changes what mu guards and wakes who waits for a change.
func (w *Worker) update(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *Worker) connector(name string) (*connector, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, exists := w.connectors[name]
	return c, exists
}

func notFound(name string) error {
	return &RefusedError{NotFound, fmt.Sprintf("Connector %s not found", name)}
}

// withName returns the configuration with its name in it, which must be the one it is called by.
func withName(name string, config map[string]string) (map[string]string, error) {
	props := maps.Clone(config)
	if props == nil {
		props = make(map[string]string)
	}
	given, has := props["name"]
	if has && given != name {
		return nil, &RefusedError{Invalid, fmt.Sprintf("Connector name configuration (%s) doesn't match connector name in the URL (%s)", given, name)}
	}
	props["name"] = name
	return props, nil
}
