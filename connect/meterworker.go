package connect

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Commit is the revision that this program was built from, in sixteen digits as Kafka's; "unknown" when it was not built from a checkout.
var Commit = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 16 {
				return s.Value[:16]
			}
		}
	}
	return "unknown"
})

// Metrics is where everything that is measured in this worker is asked for.
func (w *Worker) Metrics() *metrics.Registry { return w.metrics }

// GroupStats is what a worker that is in a group counts.
type GroupStats struct {
	Protocol    string // eager, compatible or sessioned
	Leader      string // URL of the leader, "" while it is not known
	Epoch       int64  // generation
	Rebalancing bool
	Completed   uint64        // rebalances
	Failed      uint64        // times that the membership was lost
	Took        time.Duration // they, together
	MostTook    time.Duration // the longest since the sample before; negative: none
	Last        time.Time     // the end of the last; zero: none yet
	Connectors  int           // assigned to this worker
	Tasks       int
}

// MeasureGroup has a worker's membership in its group measured until forget is called: what its connections carry, and what stats tells, which any
// goroutine may call; with sample it begins a new sample.
func (w *Worker) MeasureGroup(clientID string, t *client.Traffic, stats func(sample bool) GroupStats) (forget func()) {
	return w.metrics.Add(NewGroupMeter(w.metrics, clientID, t, stats))
}

// collectRebalances gives connect-worker-rebalance-metrics.
func (m *clientMeter) collectRebalances(now time.Time, v *metrics.View[clientStats], out *metrics.Out) {
	s := &v.Now.group
	b := out.Bean("kafka.connect", "connect-worker-rebalance-metrics")
	b.Text("connect-protocol", s.Protocol)
	b.Text("leader-name", s.Leader)
	b.Put("epoch", float64(s.Epoch))
	b.Put("rebalancing", truth(s.Rebalancing))
	b.Put("completed-rebalances-total", float64(s.Completed))
	b.Put("rebalance-avg-time-ms", v.Avg(func(s *clientStats) float64 { return milliseconds(s.group.Took) }, func(s *clientStats) float64 { return float64(s.group.Completed) }))
	b.Put("rebalance-max-time-ms", v.Peak(mostRebalance))
	b.Put("time-since-last-rebalance-ms", ago(now, s.Last, m.began)*1000)
}

func mostRebalance(s *clientStats) float64 {
	if s.group.Completed == 0 {
		return -1
	}
	return milliseconds(s.group.MostTook)
}

// collectGroup gives connect-coordinator-metrics.
func (m *clientMeter) collectGroup(now time.Time, v *metrics.View[clientStats], out *metrics.Out) {
	b := out.Bean("kafka.connect", "connect-coordinator-metrics", "client-id", m.id)
	g := &v.Now.group
	b.Put("assigned-connectors", float64(g.Connectors))
	b.Put("assigned-tasks", float64(g.Tasks))
	collectMembership(now, m.began, v, b, func(s *clientStats) (uint64, time.Duration, time.Duration) {
		return s.group.Completed, s.group.Took, s.group.MostTook
	}, func(s *clientStats) uint64 { return s.group.Failed }, g.Last)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// workerMeter gives connect-worker-metrics, of the worker and of each connector, connector-metrics, and what of them goes beyond one task.
type workerMeter struct {
	worker *Worker
	began  time.Time

	connectors, failedConnectors, tasks, failedTasks atomic.Uint64 // starts
	restarts                                         atomic.Uint64 // of tasks after an error that passes
}

// started counts the start of a connector or of a task.
func started(attempts, failed *atomic.Uint64, err error) {
	attempts.Add(1)
	if err != nil {
		failed.Add(1)
	}
}

// Sample implements metrics.Meter: all that grows here is a total.
func (m *workerMeter) Sample(time.Time) {}

// Collect implements metrics.Meter.
func (m *workerMeter) Collect(_ time.Time, out *metrics.Out) {
	w := m.worker
	w.mu.Lock()
	instances := make([]*instance, 0, len(w.connectors))
	for _, i := range w.connectors {
		instances = append(instances, i)
	}
	tasks := make(map[string]map[State]int)
	for id, t := range w.tasks {
		if tasks[id.Connector] == nil {
			tasks[id.Connector] = make(map[State]int)
		}
		tasks[id.Connector][t.meter.present()]++
	}
	count := len(w.tasks)
	w.mu.Unlock()
	b := out.Bean("kafka.connect", "connect-worker-metrics")
	b.Put("connector-count", float64(len(instances)))
	b.Put("task-count", float64(count))
	for _, a := range []struct {
		name             string
		attempts, failed *atomic.Uint64
	}{{"connector", &m.connectors, &m.failedConnectors}, {"task", &m.tasks, &m.failedTasks}} {
		attempts, failed := float64(a.attempts.Load()), float64(a.failed.Load())
		b.Put(a.name+"-startup-attempts-total", attempts)
		b.Put(a.name+"-startup-success-total", attempts-failed)
		b.Put(a.name+"-startup-failure-total", failed)
		b.Put(a.name+"-startup-success-percentage", share(attempts-failed, attempts))
		b.Put(a.name+"-startup-failure-percentage", share(failed, attempts))
	}
	for _, i := range instances {
		i.collect(out)
		if tasks[i.name] == nil {
			tasks[i.name] = make(map[State]int)
		}
	}
	for name, states := range tasks {
		b := out.Bean("kafka.connect", "connect-worker-metrics", "connector", name)
		total := 0
		for _, n := range states {
			total += n
		}
		b.Put("connector-total-task-count", float64(total))
		b.Put("connector-running-task-count", float64(states[Running]))
		b.Put("connector-paused-task-count", float64(states[Paused]))
		b.Put("connector-failed-task-count", float64(states[Failed]))
		b.Put("connector-unassigned-task-count", float64(states[Unassigned]))
		b.Put("connector-destroyed-task-count", float64(states[muted]))
		b.Put("connector-restarting-task-count", float64(states[restarting]))
	}
	out.Own("tandem_worker_task_restarts_total", float64(m.restarts.Load()))
	out.Own("tandem_worker_start_time_seconds", float64(m.began.UnixMilli())/1000)
	out.Own("tandem_build_info", 1, "version", Version, "commit", Commit())
	collectRuntime(out)
}

// restarting is a task between two of its lives, for whoever counts states; its status stays RUNNING.
const restarting State = "RESTARTING"

// collect gives connector-metrics.
func (i *instance) collect(out *metrics.Out) {
	i.mu.Lock()
	state := i.state
	i.mu.Unlock()
	b := out.Bean("kafka.connect", "connector-metrics", "connector", i.name)
	b.Text("connector-class", i.plugin.Class)
	b.Text("connector-type", string(i.plugin.Kind))
	b.Text("connector-version", i.plugin.Version)
	b.Text("status", stateText(state))
}

// present is the task's state.
func (m *taskMeter) present() State {
	if m == nil {
		return Unassigned
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// texts are the names and values of what a task's metrics tell of its plugins.
func (w *Worker) texts(c *connector) func() [][2]string {
	classes := converterClasses(&w.cfg, &c.config)
	return func() [][2]string {
		return [][2]string{
			{"connector-class", c.plugin.Class}, {"connector-type", string(c.plugin.Kind)}, {"connector-version", c.plugin.Version},
			{"task-class", c.plugin.taskClass()}, {"task-version", c.plugin.Version},
			{"key-converter-class", classes[stageKey]}, {"key-converter-version", Version},
			{"value-converter-class", classes[stageValue]}, {"value-converter-version", Version},
			{"header-converter-class", classes[stageHeader]}, {"header-converter-version", Version},
		}
	}
}
