package distributed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// membership is the herder as a member of its group: client.GroupHandler.
type membership struct{ h *Herder }

// leadership is what a leader knows of the others.
type leadership struct {
	urls   map[string]string // by member
	owners map[unit]string   // members by what they were assigned
}

// url is the REST API of the worker that has something, "" if none has.
func (l *leadership) url(x unit) string {
	if l == nil {
		return ""
	}
	return l.urls[l.owners[x]]
}

// protocols are those that connect.protocol stands for, preferred first.
func protocols(p connect.GroupProtocol) []string {
	all := []string{protocolSessioned, protocolCompatible, protocolEager}
	switch p {
	case connect.ProtocolEager:
		return all[2:]
	case connect.ProtocolCompatible:
		return all[1:]
	}
	return all
}

// Protocols implements client.GroupHandler: what this worker runs, and how far it has read.
func (m membership) Protocols(ctx context.Context) ([]client.GroupProtocol, error) {
	h := m.h
	h.rounds.begin()
	var state workerState
	for {
		behind := false
		err := h.tell(ctx, func() {
			h.at("joining the group")
			h.place.settled = false
			if behind = h.place.behind; behind {
				return
			}
			if h.place.tenure != nil && h.place.version == 0 { // eager: everything is dealt out anew
				h.stop(h.place.wanted)
				h.place.wanted = make(units)
			}
			h.takeChanges()
			state = workerState{url: h.url(), offset: h.state.offset, current: h.place.current()}
		})
		if errors.Is(err, errStopping) { // what still runs is being stopped; heartbeats go on until that is done
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if !behind {
			break
		}
		if err := m.readOn(ctx); err != nil {
			return nil, err
		}
	}
	var offers []client.GroupProtocol
	for _, name := range protocols(h.group.Protocol) {
		s := state
		s.version = versionOf(name)
		if s.current != nil {
			current := *s.current
			current.version = s.version
			s.current = &current
		}
		offers = append(offers, client.GroupProtocol{Name: name, Metadata: appendState(nil, &s)})
	}
	return offers, nil
}

// current is the assignment as others shall see it.
func (p *place) current() *assignment {
	if p.tenure == nil || p.given == nil {
		return nil
	}
	a := *p.given
	a.assigned, a.revoked, a.delay = p.wanted.sorted(), nil, 0
	return &a
}

// readOn stays away until the config topic can be read again.
func (m membership) readOn(ctx context.Context) error {
	h := m.h
	for {
		quick, cancel := context.WithTimeout(ctx, h.group.SyncTimeout)
		err := h.configs.topic.toEnd(quick)
		cancel()
		if err == nil {
			return h.tell(ctx, func() { h.place.behind = false })
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.log.Warn("cannot read the config topic to its end: this worker stays away from the group", "wait", h.group.UnsyncBackoff, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(h.group.UnsyncBackoff):
		}
	}
}

// Lead implements client.GroupHandler: it divides the work of a round.
func (m membership) Lead(ctx context.Context, round client.GroupRound) (map[string][]byte, error) {
	h := m.h
	version := versionOf(round.Protocol)
	states := make(map[string]*workerState, len(round.Members))
	var most int64
	for id, metadata := range round.Members {
		s, err := decodeState(metadata)
		if err != nil { // it is told to join again, and gets nothing
			h.log.Error("a member of the group says what cannot be read", "member", id, "error", err)
			s = &workerState{version: version}
		}
		states[id] = s
		most = max(most, s.offset)
	}
	me := assignment{version: version, leader: round.MemberID, leaderURL: h.url(), offset: most}
	out := make(map[string][]byte, len(states))
	configs, err := h.readUpTo(ctx, most)
	if err != nil {
		h.log.Warn("this worker leads the group and cannot read the config topic as far as others have: all join again", "offset", most, "error", err)
		me.failure = configMismatch
		for id := range states {
			out[id] = appendAssignment(nil, &me)
		}
		return out, nil
	}
	me.offset = configs.offset
	leads := &leadership{urls: make(map[string]string), owners: make(map[unit]string)}
	for id, s := range states {
		leads.urls[id] = s.url
	}
	for id, a := range h.divideRound(configs.configured(), states, round, me) {
		out[id] = appendAssignment(nil, &a.assignment)
		for x := range a.next {
			leads.owners[x] = id
		}
	}
	h.leading.Store(leads)
	return out, nil
}

// share is one member's part of a round.
type share struct {
	assignment
	next units // all that it has after it
}

func (h *Herder) divideRound(configured units, states map[string]*workerState, round client.GroupRound, base assignment) map[string]share {
	out := make(map[string]share, len(states))
	if base.version == 0 {
		for id, has := range divideEagerly(configured, slices.Collect(maps.Keys(states))) {
			a := base
			a.assigned = has.sorted()
			out[id] = share{a, has}
		}
		return out
	}
	current := make(map[string]units, len(states))
	for id, s := range states {
		current[id] = make(units)
		if s.current != nil {
			current[id] = unitsOf(s.current.assigned...)
		}
	}
	last := h.peers.completed
	if last != round.Generation-1 { // others may have led meanwhile
		last = -2
	}
	d := h.balancer.divide(configured, current, round.MemberID, round.Generation, last)
	for id := range states {
		a := base
		a.assigned, a.revoked, a.delay = d.assigned[id].sorted(), d.revoked[id].sorted(), d.delay
		next := maps.Clone(current[id])
		for x := range d.revoked[id] {
			delete(next, x)
		}
		maps.Copy(next, d.assigned[id])
		out[id] = share{a, next}
	}
	if d.delay > 0 {
		h.log.Info("work waits for the workers it belonged to, or for the group to be level", "delay", d.delay)
	}
	return out
}

// peers is what the membership's goroutine keeps for itself.
type peers struct{ completed int32 } // the last generation in which this worker got its place

// readUpTo reads the config topic as far as others have.
func (h *Herder) readUpTo(ctx context.Context, offset int64) (*configState, error) {
	if s := h.configs.snapshot(); s.offset >= offset {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.group.SyncTimeout)
	defer cancel()
	if err := h.configs.topic.toEnd(ctx); err != nil {
		return nil, err
	}
	if s := h.configs.snapshot(); s.offset >= offset {
		return s, nil
	}
	return nil, fmt.Errorf("the config topic ends at %d, others have read to %d: they have another topic, or it was made anew", h.configs.snapshot().offset, offset)
}

// Joined implements client.GroupHandler: it hands the place to the loop.
func (m membership) Joined(ctx context.Context, got client.Membership) error {
	a, err := decodeAssignment(got.Assignment)
	if err != nil {
		return fmt.Errorf("take a place in group %q: %w", m.h.group.Group, err)
	}
	m.h.peers.completed = got.Generation
	if got.MemberID != got.LeaderID {
		m.h.leading.Store(nil)
	}
	err = m.h.tell(ctx, func() { m.h.joined(ctx, got, a) })
	if errors.Is(err, errStopping) {
		return nil
	}
	return err
}

// Lost implements client.GroupHandler: everything stops, now.
func (m membership) Lost(cause error, until time.Time) {
	h := m.h
	h.log.Error("this worker may not be of its group any more: all its tasks stop", "error", cause, "left", time.Until(until).Round(time.Millisecond))
	h.giveUp(until)
	h.rounds.lost()
	h.leading.Store(nil)
	h.offsets.topic.drop(nil) // what an ended task wrote last must not come after what another has written since
	_ = h.tell(context.Background(), func() {
		if h.place.tenure != nil && h.place.tenure.Err() != nil {
			h.place = place{behind: h.place.behind}
		}
	})
	h.log.Info("all tasks have stopped", "left", time.Until(until).Round(time.Millisecond))
}

// joined takes a place.
func (h *Herder) joined(ctx context.Context, got client.Membership, a *assignment) {
	if ctx.Err() != nil { // lost already
		return
	}
	wanted := h.place.wanted
	if h.place.tenure == nil || wanted == nil {
		wanted = make(units)
		h.asked = make(map[string]*asking) // those who asked for the membership before have ended, or will
	}
	if a.version == 0 {
		wanted = make(units)
	}
	for _, x := range a.revoked {
		delete(wanted, x)
	}
	for _, x := range a.assigned {
		wanted[x] = struct{}{}
	}
	h.place = place{tenure: ctx, version: versionOf(got.Protocol), generation: got.Generation, memberID: got.MemberID, leaderID: got.LeaderID, leaderURL: a.leaderURL, given: a, wanted: wanted}
	if a.delay > 0 {
		h.place.rejoinAt = time.Now().Add(a.delay)
	}
	h.generation.Store(got.Generation)
	if w := h.configs.leader; w != nil && !h.place.leads() {
		w.close()
	}
	h.log.Info("this worker has its place in the group", "generation", got.Generation, "leader", a.leaderURL, "leads", h.place.leads(),
		"assigned", len(a.assigned), "revoked", len(a.revoked), "has", len(wanted), "offset", a.offset, "delay", a.delay)
	if len(a.revoked) > 0 {
		h.stop(unitsOf(a.revoked...))
	}
	h.settle()
}

// settle runs what is assigned, if the config topic has been read as far as the leader had.
func (h *Herder) settle() {
	a := h.place.given
	if a.failure != assigned || h.state.offset < a.offset {
		if _, err := h.readUpTo(h.place.tenure, a.offset); err != nil {
			h.fallBehind(err)
			return
		}
		h.takeChanges()
	}
	if a.failure != assigned {
		h.place.rejoinAt = time.Now().Add(mismatchPause)
		return
	}
	h.startAssigned()
	if len(a.revoked) > 0 { // what was given up here may be given to others now
		h.member.Rejoin()
		return
	}
	if h.place.leads() {
		h.removeStates()
	}
	h.rounds.end(&h.place)
	h.place.settled = h.structure <= a.offset // else another round is on its way
	h.ready.Store(true)
}

// mismatchPause is what a worker waits before it joins again because its leader could not read the config topic: the leader is reading it.
const mismatchPause = 100 * time.Millisecond

// fallBehind leaves the group until the config topic can be read: the others shall not wait for this worker.
func (h *Herder) fallBehind(err error) {
	if h.place.tenure.Err() != nil {
		return
	}
	h.log.Warn("this worker cannot read the config topic as far as its leader has, and leaves the group", "error", err)
	h.giveUp(time.Time{})
	h.place = place{behind: true}
	leave, cancel := context.WithTimeout(context.Background(), h.group.Session)
	defer cancel()
	h.member.Leave(leave)
	h.member.Rejoin()
}
