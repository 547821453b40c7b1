package distributed

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// url is where others find this worker's REST API.
func (h *Herder) url() string {
	return h.urlOf(h.worker.ID())
}

// urlOf is that of the REST API of a worker that listens as this one does.
func (h *Herder) urlOf(id string) string {
	return (&url.URL{Scheme: h.cfg.AdvertisedScheme(), Host: id, Path: "/"}).String()
}

// startAssigned starts what is assigned and does not run.
func (h *Herder) startAssigned() {
	for _, x := range h.place.wanted.sorted() {
		if !h.runs(x) {
			h.start(x)
		}
	}
}

func (h *Herder) runs(x unit) bool {
	h.gate.Lock()
	defer h.gate.Unlock()
	return h.running.has(x)
}

// start starts a connector or task as the config topic has it. What is not configured any more is left: a round that takes it away is to come.
func (h *Herder) start(x unit) {
	props, known := h.state.connectors[x.Connector]
	if !known {
		return
	}
	target := h.state.target(x.Connector)
	if x.Task != connectorTask {
		configured := !h.state.broken[x.Connector] && x.Task < h.state.counts[x.Connector]
		if task := h.state.tasks[x]; configured && task != nil {
			h.at("starting task " + x.String())
			h.under(x, func(ctx context.Context) error { return h.worker.StartTask(ctx, x, props, task, target) })
		}
		return
	}
	h.at("starting connector " + x.Connector)
	if h.under(x, func(ctx context.Context) error { return h.worker.StartConnector(ctx, x.Connector, props, target) }) && target == connect.Running {
		h.divide(x.Connector)
	}
}

// under starts something under the gate. What fails to start counts as running: it is FAILED, and it is here that it is restarted.
func (h *Herder) under(x unit, start func(context.Context) error) (started bool) {
	h.gate.Lock()
	defer h.gate.Unlock()
	if h.place.tenure == nil || h.place.tenure.Err() != nil {
		return false
	}
	h.running[x], h.commits[x] = struct{}{}, h.state.commits[x.Connector]
	err := start(h.place.tenure)
	if err != nil && h.place.tenure.Err() == nil {
		h.log.Error("cannot start what is assigned", "unit", nameOf(x), "error", err)
	}
	return err == nil
}

func nameOf(x unit) string {
	if x.Task == connectorTask {
		return x.Connector
	}
	return x.String()
}

// stop stops what runs of these, in order, and forgets the states of what is not configured any more.
func (h *Herder) stop(these units) {
	h.at("stopping connectors and tasks")
	h.stopRunning(context.Background(), these)
	configured := h.state.configured()
	for _, x := range these.sorted() {
		if !configured.has(x) {
			h.statuses.remove(x)
		}
	}
}

func (h *Herder) stopRunning(ctx context.Context, these units) {
	var tasks, connectors []unit
	h.gate.Lock()
	for _, x := range these.sorted() {
		switch {
		case !h.running.has(x):
		case x.Task == connectorTask:
			connectors = append(connectors, x)
		default:
			tasks = append(tasks, x)
		}
	}
	h.gate.Unlock()
	h.worker.StopTasks(ctx, tasks...)
	for _, x := range connectors {
		h.worker.StopConnector(ctx, x.Connector)
	}
	h.gate.Lock()
	defer h.gate.Unlock()
	for _, x := range append(tasks, connectors...) {
		delete(h.running, x)
		delete(h.commits, x)
	}
}

// cutMargin is what is kept of the time until a place expires, for tasks that do not stop in order to be cut off.
const cutMargin = time.Second

// giveUp stops all that runs. until is when others may run it; zero: not before this worker says so. Any goroutine may call it.
func (h *Herder) giveUp(until time.Time) {
	ctx := context.Background()
	if !until.IsZero() {
		left := time.Until(until)
		bounded, cancel := context.WithDeadline(ctx, until.Add(-min(cutMargin, left/2)))
		defer cancel()
		ctx = bounded
	}
	h.gate.Lock()
	all := make(units, len(h.running))
	for x := range h.running {
		all[x] = struct{}{}
	}
	h.gate.Unlock()
	h.stopRunning(ctx, all)
}

// restart stops and starts what is assigned here.
func (h *Herder) restart(these units) {
	h.stopRunning(context.Background(), these)
	for _, x := range these.sorted() {
		h.start(x)
	}
}

// removeStates forgets the states of what is not configured: the leader's duty after each round.
func (h *Herder) removeStates() {
	configured := h.state.configured()
	for _, x := range h.statuses.known() {
		if configured.has(x) {
			continue
		}
		h.statuses.remove(x)
	}
}

// takeChanges brings the state up to what has been read, and does what follows from it here.
func (h *Herder) takeChanges() {
	changes := h.configs.take()
	h.state = h.configs.snapshot()
	if changes.empty() {
		return
	}
	for _, l := range changes.loggers {
		if _, err := connect.SetLogger(h.levels, l.name, l.level); err != nil {
			h.log.Warn("cannot set the level of a logger that the cluster was told", "logger", l.name, "level", l.level, "error", err)
		}
	}
	if h.place.tenure == nil {
		return
	}
	for name := range changes.connectors {
		h.reconfigure(name)
		if !h.state.has(name) && h.place.leads() {
			h.statuses.removeTopics(name)
		}
	}
	for name := range changes.targets {
		h.aim(name)
	}
	stopping := make(units)
	for x := range changes.tasks {
		if h.place.wanted.has(x) {
			stopping[x] = struct{}{} // it starts with its new configuration after the round
		}
	}
	if len(stopping) > 0 {
		h.stopRunning(context.Background(), stopping)
	}
	for name, plan := range changes.restarts {
		h.restartAsPlanned(name, plan)
	}
	if h.structure = max(h.structure, changes.structure); h.structure > h.place.given.offset { // else the last round knew of it
		h.place.settled = false
		h.member.Rejoin()
	}
}

// reconfigure restarts a connector whose configuration changed; one that was deleted ends here and its tasks in the next round.
func (h *Herder) reconfigure(name string) {
	x := unit{Connector: name, Task: connectorTask}
	if !h.place.wanted.has(x) || !h.runs(x) {
		return
	}
	h.stopRunning(context.Background(), unitsOf(x))
	if !h.state.has(name) {
		h.statuses.remove(x)
	}
	h.start(x)
}

// aim tells what runs here of a connector what it shall do now.
func (h *Herder) aim(name string) {
	if !h.state.has(name) {
		return
	}
	target := h.state.target(name)
	if target == connect.Stopped { // its tasks are not configured any more
		these := make(units)
		for y := range h.place.wanted {
			if y.Connector == name && y.Task != connectorTask {
				these[y] = struct{}{}
			}
		}
		h.stop(these)
	}
	h.worker.SetTarget(h.place.tenure, name, target)
	if x := (unit{Connector: name, Task: connectorTask}); target == connect.Running && h.place.wanted.has(x) && h.runs(x) {
		h.divide(name)
	}
}

// restartAsPlanned restarts what is here of a connector that somebody wants restarted.
func (h *Herder) restartAsPlanned(name string, plan connect.Restart) {
	status, err := h.statuses.shown.Status(name, connect.KindUnknown)
	if err != nil || !h.state.has(name) {
		return
	}
	_, connector, tasks := plan.Plan(status)
	if connector {
		tasks = append(tasks, unit{Connector: name, Task: connectorTask})
	}
	here := make(units)
	for _, x := range tasks {
		if h.place.wanted.has(x) {
			here[x] = struct{}{}
		}
	}
	h.stopRunning(context.Background(), here)
	for _, x := range here.sorted() {
		h.statuses.put(x, connect.InstanceStatus{State: connect.Restarting, WorkerID: h.worker.ID()}, h.generation.Load())
	}
	for _, x := range here.sorted() {
		h.start(x)
	}
}

// asking is a connector that is being asked to divide its work, for the length of a membership at most.
type asking struct {
	again bool // the loop's: once more
	err   error
}

// divide asks a connector that runs here to divide its work, and publishes the outcome if it is new. Connectors may take their time: a goroutine
// asks, one per connector.
func (h *Herder) divide(name string) {
	if h.place.tenure == nil {
		return
	}
	if a := h.asked[name]; a != nil {
		a.again = true
		return
	}
	a, tenure := &asking{}, h.place.tenure
	h.asked[name] = a
	h.divisions.Go(func() {
		for wait := firstDivision; ; {
			a.err = h.divideOnce(tenure, name)
			again := false
			told := h.tell(tenure, func() {
				if again = a.err != nil || a.again; !again {
					delete(h.asked, name)
				}
				a.again = false
			})
			switch {
			case told != nil || !again:
				return
			case a.err == nil:
				wait = firstDivision
				continue
			}
			h.log.Warn("cannot publish the configurations of a connector's tasks; trying on", "connector", name, "wait", wait, "error", a.err)
			select {
			case <-time.After(wait):
			case <-tenure.Done():
				return
			case <-h.over:
				return
			}
			wait = min(2*wait, lastDivision)
		}
	})
}

// Pauses between tries to publish configurations of tasks, as Kafka Connect's.
const (
	firstDivision = 250 * time.Millisecond
	lastDivision  = time.Minute
)

// divideOnce asks and publishes: an error is worth another try.
func (h *Herder) divideOnce(ctx context.Context, name string) error {
	configs, err := h.worker.TaskConfigs(ctx, name)
	if err != nil && retriable(err) {
		return err
	}
	if err != nil { // the connector says it in its state, or does not run here any more
		h.log.Info("the work of a connector is not divided", "connector", name, "error", err)
		return nil
	}
	var leader string
	err = nil
	told := h.tell(ctx, func() {
		switch p := &h.place; {
		case !h.state.has(name) || h.state.target(name) != connect.Running || h.state.sameTasks(name, configs):
		case p.leads():
			h.at("writing the configurations of tasks of " + name)
			err = h.configs.putTasks(ctx, name, configs)
		case p.leaderURL == "":
			err = fmt.Errorf("the leader is not known")
		default:
			leader = p.leaderURL
		}
	})
	if told != nil || err != nil || leader == "" {
		return err
	}
	return h.postTasks(ctx, leader, name, configs)
}
