package distributed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/loglevel"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Herder is connect.Herder of a worker that shares the work with the others of its group. What is configured, stored and told stands in three
// topics; who runs what is agreed on in the group.
//
// Invariants:
//  1. One goroutine, the loop, owns what stands under "the loop's"; whoever needs it sends a function.
//  2. A connector or task is started only under the gate and while the membership lasts. Whoever ends the membership's work takes the gate after
//     that has ended: so nothing is started behind it.
//  3. Nothing runs here that is not assigned; and what is assigned is in the state that the next join tells, before the loop does anything else.
type Herder struct {
	cfg      connect.WorkerConfig
	group    connect.DistributedConfig
	log      *slog.Logger
	levels   *loglevel.Levels
	worker   *connect.Worker
	configs  *configTopic
	statuses *statusTopic
	offsets  *offsetTopic
	member   *client.GroupMember
	rounds   *rounds
	traffic  *client.Traffic // of the membership
	balancer *balancer       // the membership's goroutine's own
	peers    peers

	http *http.Client

	events   chan func()   // sender: anyone; receiver: loop; bound: none waits in it
	requests chan *request // the same, for what must wait until the worker has its place
	over     chan struct{} // closed when the loop has ended
	ready    atomic.Bool   // it has had a place
	stage    atomic.Pointer[string]

	generation atomic.Int32 // written into states
	leading    atomic.Pointer[leadership]

	// The loop's.
	state     *configState
	place     place
	keyAgain  time.Time // no try to make a key before
	structure int64     // see configChanges: a round that knew less is not the last
	waiting   []*request
	divisions sync.WaitGroup // goroutines that ask connectors to divide their work
	asked     map[string]*asking

	gate    sync.Mutex // guards what follows, and starting
	running units
	commits map[unit]int // by task: which commit of its configuration it runs with
}

var _ connect.Herder = (*Herder)(nil)

// place is what this worker has in the group.
type place struct {
	tenure     context.Context // ends with the membership; nil: there is none
	version    int16           // of the protocol
	generation int32
	memberID   string
	leaderID   string
	leaderURL  string
	given      *assignment // of the last round
	wanted     units       // all that is assigned
	settled    bool        // what is assigned runs, and no other round is expected
	rejoinAt   time.Time   // when the delay of the leader is over; zero: there is none
	behind     bool        // the config topic could not be read: it is, before the next join
}

func (p *place) leads() bool { return p.memberID != "" && p.memberID == p.leaderID }

// New stores the configuration; Run acts.
func New(cfg connect.WorkerConfig, plugins connect.Plugins, log *slog.Logger) (*Herder, error) {
	d := *cfg.Distributed
	h := &Herder{
		cfg: cfg, group: d, log: log, levels: loglevel.Of(log),
		configs: newConfigTopic(log), statuses: newStatusTopic(log), offsets: newOffsetTopic(log),
		rounds: newRounds(), traffic: new(client.Traffic),
		balancer: newBalancer(d.MaxDelay, time.Now),
		http:     &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: cfg.REST.ClientTLS, IdleConnTimeout: 30 * time.Second}},
		events:   make(chan func()), requests: make(chan *request), over: make(chan struct{}),
		state: newConfigState(), running: make(units), asked: make(map[string]*asking), commits: make(map[unit]int),
	}
	h.at("starting")
	isolation := client.ReadUncommitted
	if d.ExactlyOnce != connect.ExactlyOnceDisabled {
		isolation = client.ReadCommitted
	}
	for _, t := range []struct {
		log   **topicLog
		name  string // in client.id
		spec  topicSpec
		apply func(*kafka.Record) error
	}{
		{&h.configs.topic, "configs", spec(d.ConfigTopic, "config.storage.topic", "configurations of connectors", true), h.configs.apply},
		{&h.offsets.topic, "offsets", spec(d.OffsetTopic, "offset.storage.topic", "offsets of source connectors", false), h.offsets.apply},
		{&h.statuses.topic, "statuses", spec(d.StatusTopic, "status.storage.topic", "states of connectors and tasks", false), h.statuses.apply},
	} {
		clients, err := newLogClients(cfg.ClientOptions(), d.Group+"-"+t.name, isolation, log)
		if err != nil {
			return nil, err
		}
		*t.log = newTopicLog(t.spec, clients, log, t.apply)
	}
	if d.ExactlyOnce != connect.ExactlyOnceDisabled {
		h.configs.leader = newLeaderWriter(h.configs.topic.write, d.Group)
	}
	c, report := client.FromProperties(cfg.ClientOptions(), client.ForAdmin)
	if err := report.Err(); err != nil {
		return nil, err
	}
	c.Log, c.Traffic = log, h.traffic
	h.member = client.NewGroupMember(c, client.GroupConfig{Group: d.Group, Type: "connect", Session: d.Session, Heartbeat: d.Heartbeat, Rebalance: d.Rebalance})
	h.worker = connect.NewWorker(cfg, plugins, h.offsets, listener{h}, log)
	h.worker.Guarded(guard{h})
	h.worker.Leased(h.member.Holds)
	h.offsets.lease = h.member.Holds
	h.worker.InGroup(connect.Distributed{Group: d.Group, ExactlyOnce: d.ExactlyOnce == connect.ExactlyOnceEnabled})
	return h, nil
}

func spec(t connect.StorageTopic, option, what string, single bool) topicSpec {
	return topicSpec{name: t.Name, option: option, what: what, single: single, partitions: t.Partitions, replicas: t.Replicas, settings: maps.Clone(t.Settings)}
}

// listener writes what the worker tells into the status topic.
type listener struct{ h *Herder }

func (l listener) ConnectorState(name string, s connect.InstanceStatus) {
	l.h.statuses.put(unit{Connector: name, Task: connectorTask}, s, l.h.generation.Load())
}
func (l listener) TaskState(id connect.TaskID, s connect.InstanceStatus) {
	l.h.statuses.put(id, s, l.h.generation.Load())
}
func (l listener) TopicUsed(id connect.TaskID, topic string) {
	l.h.statuses.putTopic(id, topic, time.Now())
}
func (l listener) TasksChanged(name string) {
	go func() { _ = l.h.tell(context.Background(), func() { l.h.divide(name) }) }() // ends with the loop at the latest
}

// at notes what the loop does, for those that wait too long.
func (h *Herder) at(stage string) { h.stage.Store(&stage) }

// Run implements connect.Herder.
func (h *Herder) Run(parent context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent)) // parent's end only begins the end
	defer cancel()
	defer h.worker.MeasureGroup("connect-"+h.ID(), h.traffic, h.rounds.take)()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.configs.topic.run(ctx) })
	g.Go(func() error { return h.offsets.topic.run(ctx) })
	g.Go(func() error { return h.statuses.topic.run(ctx) })
	g.Go(func() error { h.statuses.run(ctx); return nil })
	g.Go(func() error { return h.worker.Run(ctx) })
	g.Go(func() error {
		defer cancel()
		return h.live(ctx, parent)
	})
	err := g.Wait()
	if parent.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// live reads the topics, is a member of the group until stop ends, and gives up all that runs, in this order, before it leaves.
func (h *Herder) live(ctx, stop context.Context) error {
	starting, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(stop, cancel)()
	defer cancel()
	h.at("reading the internal topics")
	for _, read := range []func(context.Context) error{h.offsets.topic.toEnd, h.statuses.topic.toEnd, h.configs.begin} {
		if err := h.insist(starting, read); err != nil {
			close(h.over)
			return endOf(stop, err)
		}
	}
	h.state = h.configs.snapshot()
	h.at("joining the group")
	member, leave := context.WithCancel(ctx)
	defer leave()
	var g errgroup.Group
	g.Go(func() error {
		defer cancel() // without a membership there is nothing to do
		return h.member.Run(member, membership{h})
	})
	h.loop(starting)
	close(h.over)
	h.divisions.Wait()
	h.giveUp(time.Time{})
	if w := h.configs.leader; w != nil {
		w.close()
	}
	last, done := context.WithTimeout(ctx, lastStates)
	defer done()
	if err := h.statuses.flush(last); err != nil {
		h.log.Warn("the states may show what has stopped as running until another worker runs it", "error", err)
	}
	leave()
	return g.Wait()
}

// lastStates is how long the end of the worker waits for its last states to be stored.
const lastStates = 5 * time.Second

// insist tries on while an error may pass.
func (h *Herder) insist(ctx context.Context, f func(context.Context) error) error {
	for {
		err := f(ctx)
		if err == nil || ctx.Err() != nil || !retriable(err) {
			return err
		}
		h.log.Warn("cannot read an internal topic; trying on", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// endOf is nil when the error is only that the end was asked for.
func endOf(stop context.Context, err error) error {
	if stop.Err() != nil {
		return nil
	}
	return err
}

// loop owns the state until ctx ends.
func (h *Herder) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		h.at("waiting for something to do")
		select {
		case <-ctx.Done():
		case f := <-h.events:
			f()
		case r := <-h.requests:
			h.waiting = append(h.waiting, r)
		case <-h.configs.wake:
		case <-timer.C:
		}
		h.takeChanges()
		h.duties()
		h.answer()
		timer.Reset(h.nextDuty())
	}
	for _, r := range h.waiting {
		r.end(errStopping)
	}
}

// errStopping: the worker is ending.
var errStopping = &connect.RefusedError{Why: connect.Internal, Message: "Worker is shutting down"}

// tell has the loop call f, and returns when it has.
func (h *Herder) tell(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case h.events <- func() { defer close(done); f() }:
		<-done
		return nil
	case <-h.over:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// request is what somebody asks for. It waits for the worker to have its place: what leads, and what runs where, is known then.
type request struct {
	ctx  context.Context
	f    func() error
	done chan struct{} // closed when err counts
	err  error
}

func (r *request) end(err error) {
	r.err = err
	close(r.done)
}

// do has the loop call f once the worker has its place.
func (h *Herder) do(ctx context.Context, f func() error) error {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case h.requests <- r:
	case <-h.over:
		return errStopping
	case <-ctx.Done():
		return h.late(ctx)
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return h.late(ctx)
	}
}

// late is what one hears who has waited too long.
func (h *Herder) late(ctx context.Context) error {
	return &connect.RefusedError{Why: connect.Internal, Message: fmt.Sprintf("Request timed out. The worker is currently %s (%v)", *h.stage.Load(), context.Cause(ctx))}
}

// answer serves those that wait, if the worker has its place.
func (h *Herder) answer() {
	for len(h.waiting) > 0 {
		r := h.waiting[0]
		if r.ctx.Err() == nil && !h.place.settled {
			break
		}
		h.waiting = h.waiting[1:]
		if r.ctx.Err() != nil {
			r.end(r.ctx.Err())
			continue
		}
		h.at("answering a request")
		r.end(r.f())
		h.takeChanges() // the next one finds what this one wrote
	}
}
