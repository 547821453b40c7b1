package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// Standalone is the Herder of a worker that is alone: connectors live in memory, source offsets in a file, sink offsets in their consumer groups.
//
// Invariants:
//  1. Changes of connectors are one at a time (under life); what is asked for is answered at any time (under mu), and so are configurations
//     validated, which may wait for a database.
//  2. A change that has begun is completed, whether or not its caller waits for that.
type Standalone struct {
	worker   *Worker
	offsets  *fileOffsets
	statuses *Statuses
	levels   *loglevel.Levels
	log      *slog.Logger

	life sync.Mutex // one change at a time

	mu         sync.Mutex // guards what follows
	ready      bool       // Run runs
	connectors map[string]*configured
	dividing   map[string]bool // connectors whose work is being divided anew; true: once more after that
}

// configured is one connector as the user wants it. Its fields are replaced, never changed.
type configured struct {
	props  map[string]string // as it was given
	target State
	tasks  []map[string]string
}

// NewStandalone stores the configuration; Run acts.
func NewStandalone(cfg WorkerConfig, plugins Plugins, log *slog.Logger) *Standalone {
	s := &Standalone{
		offsets:    newFileOffsets(cfg.OffsetFile),
		statuses:   NewStatuses(),
		levels:     loglevel.Of(log),
		log:        named(log, standaloneLogger),
		connectors: make(map[string]*configured),
		dividing:   make(map[string]bool),
	}
	s.worker = NewWorker(cfg, plugins, s.offsets, standaloneListener{s}, log)
	return s
}

// standaloneListener keeps what the worker tells.
type standaloneListener struct{ s *Standalone }

func (l standaloneListener) ConnectorState(name string, s InstanceStatus) {
	l.s.statuses.PutConnector(name, s)
}
func (l standaloneListener) TaskState(id TaskID, s InstanceStatus) { l.s.statuses.PutTask(id, s) }
func (l standaloneListener) TopicUsed(id TaskID, topic string) {
	l.s.statuses.PutTopic(id.Connector, topic)
}
func (l standaloneListener) TasksChanged(name string) { l.s.later(name) }

// Config implements Herder.
func (s *Standalone) Config() WorkerConfig { return s.worker.Config() }

// ID implements Herder.
func (s *Standalone) ID() string { return s.worker.ID() }

// ClusterID implements Herder.
func (s *Standalone) ClusterID() string { return s.worker.ClusterID() }

// Metrics implements Herder.
func (s *Standalone) Metrics() *metrics.Registry { return s.worker.Metrics() }

// Listening implements Herder.
func (s *Standalone) Listening(port int) { s.worker.Listening(port) }

// Run implements Herder. It fails at once when the offset file cannot be read.
func (s *Standalone) Run(ctx context.Context) error {
	if err := s.offsets.open(); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { return s.worker.Run(ctx) })
	s.statuses.update(func() { s.setReady(true) })
	defer s.statuses.update(func() { s.setReady(false) })
	return g.Wait()
}

func (s *Standalone) setReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = ready
}

// Ready tells that Run runs and takes connectors.
func (s *Standalone) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// Health implements Herder.
func (s *Standalone) Health(context.Context) Health { return HealthOf(s.Ready()) }

// connector is what is configured; nil: nothing.
func (s *Standalone) connector(name string) *configured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connectors[name]
}

func (s *Standalone) setConnector(name string, c *configured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c == nil {
		delete(s.connectors, name)
	} else {
		s.connectors[name] = c
	}
}

// Names implements Herder; they are sorted.
func (s *Standalone) Names(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.connectors)), nil
}

// Info implements Herder.
func (s *Standalone) Info(_ context.Context, name string) (ConnectorInfo, error) {
	c := s.connector(name)
	if c == nil {
		return ConnectorInfo{}, notFound(name)
	}
	return s.infoOf(name, c), nil
}

func (s *Standalone) infoOf(name string, c *configured) ConnectorInfo {
	info := ConnectorInfo{Name: name, Config: maps.Clone(c.props), Kind: s.worker.KindOf(c.props)}
	for n := range c.tasks {
		info.Tasks = append(info.Tasks, n)
	}
	return info
}

// Tasks implements Herder.
func (s *Standalone) Tasks(_ context.Context, name string) ([]TaskInfo, error) {
	c := s.connector(name)
	if c == nil {
		return nil, notFound(name)
	}
	infos := make([]TaskInfo, len(c.tasks))
	for n, props := range c.tasks {
		infos[n] = TaskInfo{Connector: name, ID: n, Config: maps.Clone(props)}
	}
	return infos, nil
}

// Status implements Herder.
func (s *Standalone) Status(name string) (ConnectorStatus, error) {
	kind := KindUnknown
	if c := s.connector(name); c != nil {
		kind = s.worker.KindOf(c.props)
	}
	return s.statuses.Status(name, kind)
}

// TaskStatus implements Herder.
func (s *Standalone) TaskStatus(id TaskID) (TaskStatus, error) { return s.statuses.Task(id) }

// Plugins implements Herder.
func (s *Standalone) Plugins() []PluginInfo { return s.worker.Plugins() }

// PluginConfig implements Herder.
func (s *Standalone) PluginConfig(ctx context.Context, plugin, version string) ([]config.Definition, error) {
	return s.worker.PluginConfig(ctx, plugin, version)
}

// Validate implements Herder.
func (s *Standalone) Validate(ctx context.Context, req Request) (ConfigInfos, error) {
	return s.worker.Validate(ctx, req)
}

// Create implements Herder. It waits for Run to run.
func (s *Standalone) Create(ctx context.Context, req Request) (ConnectorInfo, error) {
	props, err := WithName(req.Name, req.Config)
	if err != nil {
		return ConnectorInfo{}, err
	}
	if err := s.worker.Check(ctx, Request{Name: req.Name, Config: props, Null: req.Null, Unasked: req.Unasked}); err != nil {
		return ConnectorInfo{}, err
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.connector(req.Name) != nil {
		return ConnectorInfo{}, &RefusedError{Conflict, fmt.Sprintf("Connector %s already exists", req.Name)}
	}
	target := req.InitialState
	if target == "" {
		target = Running
	}
	return s.start(ctx, req.Name, &configured{props: props, target: target})
}

// Put implements Herder.
func (s *Standalone) Put(ctx context.Context, req Request) (info ConnectorInfo, created bool, err error) {
	props, err := WithName(req.Name, req.Config)
	if err != nil {
		return ConnectorInfo{}, false, err
	}
	if err := s.worker.Check(ctx, Request{Name: req.Name, Config: props, Null: req.Null}); err != nil {
		return ConnectorInfo{}, false, err
	}
	s.life.Lock()
	defer s.life.Unlock()
	return s.change(ctx, req.Name, props)
}

// Patch implements Herder.
func (s *Standalone) Patch(ctx context.Context, name string, changes map[string]*string) (ConnectorInfo, error) {
	for {
		c := s.connector(name)
		if c == nil {
			return ConnectorInfo{}, notFound(name)
		}
		props := Patched(c.props, changes)
		if err := s.worker.Check(ctx, Request{Name: name, Config: props}); err != nil {
			return ConnectorInfo{}, err
		}
		if info, err, done := s.patch(ctx, name, c.props, props); done {
			return info, err
		}
	}
}

// patch changes a connector unless its configuration is another by now than the one that was patched.
func (s *Standalone) patch(ctx context.Context, name string, from, to map[string]string) (info ConnectorInfo, err error, done bool) {
	s.life.Lock()
	defer s.life.Unlock()
	if c := s.connector(name); c == nil || !maps.Equal(c.props, from) {
		return info, nil, false
	}
	info, _, err = s.change(ctx, name, to)
	return info, err, true
}

// change gives a connector another configuration, or makes one. To be called under life.
func (s *Standalone) change(ctx context.Context, name string, props map[string]string) (info ConnectorInfo, created bool, err error) {
	target := Running
	old := s.connector(name)
	if old != nil {
		target = old.target
		ctx = context.WithoutCancel(ctx) // else a connector would stay stopped when the caller leaves meanwhile
		s.worker.StopConnector(ctx, name)
	}
	next := &configured{props: props, target: target}
	if old != nil {
		next.tasks = old.tasks
	}
	info, err = s.start(ctx, name, next)
	return info, old == nil, err
}

// start takes a connector over and starts it with its tasks. To be called under life.
func (s *Standalone) start(ctx context.Context, name string, c *configured) (ConnectorInfo, error) {
	s.setConnector(name, c)
	err := s.worker.StartConnector(ctx, name, c.props, c.target)
	if err == nil && c.target == Running {
		if err = s.divide(ctx, name); err != nil && retriable(err) { // it comes by itself
			s.later(name)
			err = nil
		}
	}
	if err != nil {
		var refused *RefusedError
		if ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded); !ended && !errors.As(err, &refused) {
			err = &RefusedError{Internal, err.Error()}
		}
		return ConnectorInfo{}, err
	}
	return s.infoOf(name, s.connector(name)), nil
}

// divide makes the tasks of a connector anew and starts them. To be called under life.
func (s *Standalone) divide(ctx context.Context, name string) error {
	configs, err := s.worker.TaskConfigs(ctx, name)
	if err != nil {
		return err
	}
	return s.startTasks(ctx, name, configs)
}

// startTasks starts tasks in place of those that a connector has. To be called under life.
func (s *Standalone) startTasks(ctx context.Context, name string, configs []map[string]string) error {
	c := s.connector(name)
	s.removeTasks(ctx, name)
	s.setConnector(name, &configured{props: c.props, target: c.target, tasks: configs})
	for n, props := range configs {
		if err := s.worker.StartTask(ctx, TaskID{name, n}, c.props, props, c.target); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// later divides the work of a connector anew, as often as it takes. What is under way for a connector counts for whoever asks meanwhile.
func (s *Standalone) later(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, asked := s.dividing[name]; asked {
		s.dividing[name] = true
		return
	}
	s.dividing[name] = false
	go func() { // ends with the worker at the latest
		wait := backoff{first: restartFirst, most: restartMost}
		for {
			again := s.divideAnew(name)
			if !again && s.divided(name) {
				return
			}
			if !again {
				wait.reset()
				continue
			}
			select {
			case <-time.After(wait.delay()):
			case <-s.worker.over:
				return
			}
		}
	}()
}

// divided ends what later began, unless somebody has asked for more.
func (s *Standalone) divided(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dividing[name] {
		s.dividing[name] = false
		return false
	}
	delete(s.dividing, name)
	return true
}

// divideAnew divides the work of a connector that runs, and leaves its tasks alone if nothing has changed. It tells whether to try again.
func (s *Standalone) divideAnew(name string) (again bool) {
	s.life.Lock()
	defer s.life.Unlock()
	c := s.connector(name)
	if c == nil || c.target != Running {
		return false
	}
	configs, err := s.worker.TaskConfigs(context.Background(), name)
	if err == nil && !slices.EqualFunc(configs, c.tasks, maps.Equal) {
		err = s.startTasks(context.Background(), name, configs)
	}
	if err != nil && !retriable(err) && !errors.Is(err, errOver) {
		s.log.Error("cannot divide the work of the connector anew", "connector", name, "error", err)
	}
	return err != nil && retriable(err)
}

// removeTasks stops the tasks of a connector and forgets them. To be called under life.
func (s *Standalone) removeTasks(ctx context.Context, name string) {
	c := s.connector(name)
	ids := make([]TaskID, len(c.tasks))
	for n := range c.tasks {
		ids[n] = TaskID{name, n}
	}
	s.worker.StopTasks(ctx, ids...)
	for _, id := range ids {
		s.statuses.DropTask(id)
	}
	s.setConnector(name, &configured{props: c.props, target: c.target})
}

// Delete implements Herder.
func (s *Standalone) Delete(ctx context.Context, name string) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.connector(name) == nil {
		return notFound(name)
	}
	ctx = context.WithoutCancel(ctx)
	s.removeTasks(ctx, name)
	s.worker.StopConnector(ctx, name)
	s.setConnector(name, nil)
	for _, id := range s.statuses.TaskIDs(name) { // what restarts of tasks that are not there left behind
		s.statuses.DropTask(id)
	}
	s.statuses.DropConnector(name)
	s.statuses.DropTopics(name)
	s.log.Info("deleted the connector", "connector", name)
	return nil
}

// WaitRunning waits until a connector and all its tasks run. The error is the trace of what failed meanwhile.
func (s *Standalone) WaitRunning(ctx context.Context, name string) error {
	for {
		changed := s.statuses.Changed()
		status, err := s.Status(name)
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

func notFound(name string) error {
	return &RefusedError{NotFound, fmt.Sprintf("Connector %s not found", name)}
}

// WithName returns a configuration with its name in it, which must be the one it is called by.
func WithName(name string, config map[string]string) (map[string]string, error) {
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

// Patched returns a configuration with changes; nil removes an option.
func Patched(config map[string]string, changes map[string]*string) map[string]string {
	props := maps.Clone(config)
	for name, text := range changes {
		if text == nil {
			delete(props, name)
		} else {
			props[name] = *text
		}
	}
	return props
}
