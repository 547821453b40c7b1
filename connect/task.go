package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// task is one task that runs in this process, and the goroutine that supervises it.
type task struct {
	id     TaskID
	c      *connector
	worker *Worker
	props  map[string]string  // what the plugin gets
	stop   context.CancelFunc // asks for an end in order
	cut    context.CancelFunc // ends everything at once
	ended  chan struct{}      // closed by the goroutine when it ended
	pause  gate
	topics topicUse
	meter  *taskMeter
	forget func() // takes the meter away

	mu     sync.Mutex // guards what follows, and the order of what the listener hears
	target State      // Running or Paused
	state  State
}

// abandonedAfter is how long a task that was cut off may take to notice before nobody waits for it any more.
const abandonedAfter = 2 * time.Second

// StartTask starts a task. One that cannot be started is FAILED, and the error says why. It waits for Run to run.
func (w *Worker) StartTask(ctx context.Context, id TaskID, connectorProps, taskProps map[string]string, target State) error {
	t, err := w.newTask(id, connectorProps, taskProps, target)
	started(&w.meter.tasks, &w.meter.failedTasks, err)
	if err != nil {
		return w.taskRefused(id, err)
	}
	taskCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	t.stop, t.cut = stop, cut
	w.mu.Lock()
	_, exists := w.tasks[id]
	if !exists {
		w.tasks[id] = t
		t.forget = w.metrics.Add(t.meter)
	}
	w.mu.Unlock()
	if exists {
		stop()
		cut()
		t.c.conv.close()
		return fmt.Errorf("start task %s: it runs already", id)
	}
	err = w.launch(ctx, "task "+id.String(), func(context.Context) {
		defer close(t.ended)
		defer cut()
		defer stop()
		defer t.c.conv.close()
		w.supervise(taskCtx, hard, t)
	})
	if err != nil {
		w.mu.Lock()
		delete(w.tasks, id)
		t.forget()
		w.mu.Unlock()
		stop()
		cut()
		t.c.conv.close()
		return w.taskRefused(id, err)
	}
	return nil
}

// newTask reads the configurations.
func (w *Worker) newTask(id TaskID, connectorProps, taskProps map[string]string, target State) (*task, error) {
	if taskProps == nil {
		return nil, fmt.Errorf("start task %s: it has no configuration", id)
	}
	c, err := w.prepare(Request{Name: id.Connector, Config: connectorProps})
	if err != nil {
		return nil, err
	}
	if err := startFault(c.faults.tasks); err != nil {
		c.conv.close()
		return nil, err
	}
	props, err := w.resolve(id.Connector, taskProps)
	if err != nil {
		c.conv.close()
		return nil, err
	}
	delete(props, taskClassOption)
	t := &task{id: id, c: c, worker: w, props: props, ended: make(chan struct{}), target: target}
	t.meter = newTaskMeter(id, c.plugin.Kind, w.metrics, w.texts(c))
	t.meter.way.after = w.cfg.Metrics.StalledAfter
	t.topics.tell = func(topic string) { w.listener.TopicUsed(id, topic) }
	t.topics.off = !w.cfg.TopicTracking
	if target != Running {
		t.target = Paused
		t.pause.close()
	}
	return t, nil
}

// taskRefused tells of a task that was not started.
func (w *Worker) taskRefused(id TaskID, err error) error {
	if !errors.Is(err, errOver) {
		w.log.Error("the task cannot be started", "connector", id.Connector, "task", id.Task, "error", err)
		w.listener.TaskState(id, InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: trace(err)})
	}
	return err
}

// StopTasks stops tasks in order and waits for their end, for task.shutdown.graceful.timeout.ms together or until ctx ends; then they are cut
// off. Tasks that do not run here are left out.
func (w *Worker) StopTasks(ctx context.Context, ids ...TaskID) {
	var stopping []*task
	w.mu.Lock()
	for _, id := range ids {
		if t := w.tasks[id]; t != nil {
			stopping = append(stopping, t)
		}
	}
	w.mu.Unlock()
	for _, t := range stopping {
		t.stop()
	}
	patience := time.NewTimer(w.cfg.ShutdownTimeout)
	defer patience.Stop()
	late := false
	for _, t := range stopping {
		if !late {
			select {
			case <-t.ended:
			case <-patience.C:
				late = true
			case <-ctx.Done():
				late = true
			}
		}
	}
	if late {
		for _, t := range stopping {
			t.cut()
		}
		w.abandon(stopping)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range stopping {
		delete(w.tasks, t.id)
		t.forget()
	}
}

// abandon waits a moment for tasks that were cut off, and then no longer.
func (w *Worker) abandon(tasks []*task) {
	for _, t := range tasks {
		select {
		case <-t.ended:
		default:
			t.c.log.Warn("the task did not stop in order within task.shutdown.graceful.timeout.ms: it is cut off, and what it sent last will be sent again",
				"task", t.id.Task, "timeout", w.cfg.ShutdownTimeout)
		}
	}
	moment, cancel := context.WithTimeout(context.Background(), abandonedAfter)
	defer cancel()
	for _, t := range tasks {
		select {
		case <-t.ended:
		case <-moment.Done():
			t.mute()
		}
	}
}

// mute is for a task that nobody waits for: the listener shall hear no more of it.
func (t *task) mute() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.ended:
		return
	default:
	}
	t.sayLocked(Unassigned, nil)
	t.state = muted
	t.meter.is(muted)
	t.c.log.Error("the task does not end although it was cut off: it is abandoned. It can neither send records nor store offsets", "task", t.id.Task)
}

// muted is the state of an abandoned task.
const muted State = "ABANDONED"

// say tells the listener of a new state.
func (t *task) say(s State, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sayLocked(s, err)
}

func (t *task) sayLocked(s State, err error) {
	if t.state == muted || t.state == s && err == nil {
		return
	}
	t.state = s
	t.meter.is(s)
	status := InstanceStatus{State: s, WorkerID: t.worker.ID(), Version: t.c.plugin.Version}
	if err != nil {
		status.Trace = trace(err)
	}
	t.worker.listener.TaskState(t.id, status)
}

// lives tells that a life began.
func (t *task) lives() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sayLocked(t.target, nil)
	if t.state != muted {
		t.meter.is(t.state) // between two lives it was restarting, of which the listener hears nothing
	}
}

// aim pauses or resumes. A paused task is kept: it neither produces nor takes records, and goes on where it was.
func (t *task) aim(target State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if target == Running {
		t.target = Running
		t.pause.open()
	} else {
		t.target = Paused
		t.pause.close()
	}
	if t.state == Running || t.state == Paused {
		t.sayLocked(t.target, nil)
	}
}

// gate lets records through, or holds back whoever comes with one. The zero gate is open.
type gate struct {
	shut atomic.Bool // the only thing that a record costs

	mu     sync.Mutex // guards opened
	opened chan struct{}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut.CompareAndSwap(false, true) {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut.CompareAndSwap(true, false) {
		close(g.opened)
	}
}

// closed tells whether who comes has to wait. A nil gate is open.
func (g *gate) closed() bool { return g != nil && g.shut.Load() }

// wait returns when the gate is open, or with the error of ctx. A nil gate is open.
func (g *gate) wait(ctx context.Context) error {
	for g.closed() {
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// topicUse tells of the first record of each topic.
type topicUse struct {
	off  bool // topic.tracking.enable=false
	tell func(topic string)

	mu   sync.Mutex // guards told
	told map[string]*topicMark
}

// topicMark is set once the use of its topic was told. One that is set costs a load per record.
type topicMark struct {
	set atomic.Bool
	use *topicUse
	of  string
}

// mark is the mark of a topic, nil if topics are not tracked.
func (u *topicUse) mark(topic string) *topicMark {
	if u == nil || u.off {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.told[topic]
	if m == nil {
		if u.told == nil {
			u.told = make(map[string]*topicMark)
		}
		m = &topicMark{use: u, of: topic}
		u.told[topic] = m
	}
	return m
}

// used says that there is a record of the topic.
func (m *topicMark) used() {
	if m != nil && !m.set.Load() && m.set.CompareAndSwap(false, true) {
		m.use.tell(m.of)
	}
}

// forget makes every next record of a topic count as its first.
func (u *topicUse) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, m := range u.told {
		m.set.Store(false)
	}
}

// ForgetTopics makes the tasks of a connector tell anew which topics they use.
func (w *Worker) ForgetTopics(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, t := range w.tasks {
		if id.Connector == name {
			t.topics.forget()
		}
	}
}
