package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Version is the release of Kafka Connect whose behaviour this worker has; clients ask for it.
const Version = "4.3.1"

// Worker runs connectors and tasks in this process. It does not know where configurations come from and keeps no statuses: a herder tells it
// what to run and hears through a Listener how that goes. Configurations are given as they were written; the Worker resolves what config providers
// hold.
//
// Invariants:
//  1. Every goroutine runs under Run, which hands them out through spawn and returns after all have ended but those of abandoned tasks.
//  2. A task is in tasks from StartTask to StopTasks, whether it still runs or has failed; there are no two of one TaskID.
//  3. A task that StopTasks has given up waiting for can neither send records nor store offsets any more.
type Worker struct {
	cfg      WorkerConfig
	plugins  Plugins
	offsets  OffsetStore
	listener Listener
	log      *slog.Logger
	id       atomic.Pointer[string] // worker_id

	distributed *Distributed           // nil: the worker is alone
	guard       Guard                  // nil: nobody is asked
	lease       func() bool            // whether tasks may still write; nil: they may
	cluster     atomic.Pointer[string] // kafka_cluster_id, nil until a broker told it

	// What a test replaces: the way to Kafka and to the registry.
	newClients    func(clientOptions, *ConnectorConfig, Kind, *slog.Logger) (clients, config.Report)
	newConverters func(*WorkerConfig, *ConnectorConfig, *config.Report) converters
	// Sender: whoever starts a connector or task. Receiver: Run. Bound: none waits in it.
	spawn chan func(context.Context)
	over  chan struct{} // closed by Run when it takes no more

	metrics *metrics.Registry
	meter   *workerMeter

	mu         sync.Mutex // guards what follows
	connectors map[string]*instance
	tasks      map[TaskID]*task
}

// NewWorker stores the configuration; Run acts.
func NewWorker(cfg WorkerConfig, plugins Plugins, offsets OffsetStore, l Listener, log *slog.Logger) *Worker {
	w := &Worker{
		cfg:           cfg,
		plugins:       plugins,
		offsets:       offsets,
		listener:      l,
		log:           named(log, workerLogger),
		spawn:         make(chan func(context.Context)),
		over:          make(chan struct{}),
		connectors:    make(map[string]*instance),
		tasks:         make(map[TaskID]*task),
		newClients:    parseClients,
		newConverters: buildConverters,
	}
	if cfg.Distributed == nil && cfg.exactlyOnce() {
		w.InGroup(Distributed{ExactlyOnce: true})
	}
	w.metrics = &metrics.Registry{Every: cfg.Metrics.SampleWindow, Samples: cfg.Metrics.Samples, Sets: cfg.Metrics.sets()}
	w.meter = &workerMeter{worker: w, began: time.Now()}
	w.metrics.Add(w.meter)
	w.Listening(8083)
	return w
}

// Listening says on which port the REST API is served: a part of worker_id. To be called before Run.
func (w *Worker) Listening(port int) {
	id := w.cfg.WorkerID(port)
	w.id.Store(&id)
}

// Leased sets what tells whether the worker's tasks may still write: it is asked before each request of a source task's producer. To be called
// before Run.
func (w *Worker) Leased(lease func() bool) { w.lease = lease }

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

// Run runs what StartConnector and StartTask start until ctx ends (nil); what still runs then is stopped in order.
func (w *Worker) Run(ctx context.Context) error {
	defer close(w.over)
	var g errgroup.Group
	g.Go(func() error { w.askCluster(ctx); return nil })
	g.Go(func() error { w.metrics.Run(ctx); return nil })
	runs := make(chan struct{}) // closed when all that was spawned has ended
	var spawned sync.WaitGroup
	for {
		select {
		case run := <-w.spawn:
			spawned.Go(func() { run(ctx) })
			continue
		case <-ctx.Done():
		}
		break
	}
	w.StopTasks(context.WithoutCancel(ctx), w.taskIDs()...)
	for _, name := range w.connectorNames() {
		w.StopConnector(context.WithoutCancel(ctx), name)
	}
	go func() { spawned.Wait(); close(runs) }()
	select {
	case <-runs:
	case <-time.After(abandonedAfter): // what is left was abandoned, and has been complained of
	}
	return g.Wait()
}

func (w *Worker) taskIDs() []TaskID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.tasks))
}

func (w *Worker) connectorNames() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.connectors))
}

// errOver: Run has ended. What does not start for that has not failed.
var errOver = errors.New("it has ended")

// launch hands a goroutine to Run, waiting for it to run. The context that the goroutine gets is Run's.
func (w *Worker) launch(ctx context.Context, what string, run func(context.Context)) error {
	err := errOver
	select {
	case w.spawn <- run:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-w.over:
	}
	return fmt.Errorf("start %s: the worker does not run: %w", what, err)
}

// askCluster learns the cluster's id, however long the broker takes to come up.
func (w *Worker) askCluster(ctx context.Context) {
	a, err := w.newAdmin("connect-worker")
	if err != nil {
		w.log.Error("cannot ask for the cluster's id", "error", err)
		return
	}
	defer a.Close()
	err = retries{most: 30 * time.Second}.untilDone(ctx, w.log, "ask the broker for the cluster's id", func() error {
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

// newAdmin makes a client with the worker's own options. It dials when it is used.
func (w *Worker) newAdmin(clientID string) (*client.Admin, error) {
	props := map[string]string{"bootstrap.servers": strings.Join(w.cfg.BootstrapServers, ","), "client.id": clientID}
	maps.Copy(props, w.cfg.Client)
	c, report := client.FromProperties(props, client.ForAdmin)
	for _, p := range report.Warnings {
		w.log.Warn(p.Message)
	}
	if err := report.Err(); err != nil {
		return nil, err
	}
	c.Log = named(w.log, clientLoggers[client.ForAdmin])
	return client.NewAdmin(c), nil
}
