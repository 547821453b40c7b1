package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
)

// GroupConfig says which group a GroupMember is of, and how patient the coordinator is with it.
type GroupConfig struct {
	Group string
	Type  string // protocol type: "connect" for workers

	Session   time.Duration // silence after which the coordinator strikes a member off
	Heartbeat time.Duration
	Rebalance time.Duration // how long the coordinator waits for members to join a round
	// Margin is how long before its place can have expired a member is told that it is lost: its time to stop. 0 is a third of Session.
	Margin time.Duration
}

// GroupProtocol is one way of dividing work that a member offers, with what it says of itself.
type GroupProtocol struct {
	Name     string
	Metadata []byte
}

// GroupRound is what the leader divides by.
type GroupRound struct {
	Protocol   string
	Generation int32
	MemberID   string            // the leader's own
	Members    map[string][]byte // metadata by member id
}

// Membership is a place in one generation of a group.
type Membership struct {
	Protocol   string
	Generation int32
	MemberID   string
	LeaderID   string
	Assignment []byte
}

// GroupHandler is whom a GroupMember serves. All but Lost are called on one goroutine; Lost may come while another call runs, whose context has
// ended then.
type GroupHandler interface {
	// Protocols is called before every join: what is offered, preferred first. ctx ends with the membership.
	Protocols(ctx context.Context) ([]GroupProtocol, error)
	// Lead divides the work, on the leader of a round alone: assignments by member id.
	Lead(ctx context.Context, round GroupRound) (map[string][]byte, error)
	// Joined hands over a place in a new generation. ctx ends with the membership, which may last many generations.
	Joined(ctx context.Context, m Membership) error
	// Lost tells that the membership is over, or may be from until on: what only a member may do must have ended then. No join is sent
	// before it returns.
	Lost(cause error, until time.Time)
}

// ErrMembershipLost is the cause of a membership's end that Lost tells of.
var ErrMembershipLost = errors.New("the membership in the group is lost")

// GroupMember is a member of a group of the classic protocol, of any protocol type: bytes in, bytes out.
//
//  1. Heartbeats go on while a join is pending, on a connection of their own: a broker answers the requests of one in their order.
//  2. Lost is called Margin before the coordinator can have struck the member off: the coordinator's clock starts anew no earlier than the last
//     acknowledged heartbeat was sent. The same holds for a round that began without an answer to this member's join.
//  3. After Lost no join is sent before it has returned, and nothing that was on its way is handed over.
type GroupMember struct {
	cfg   Config
	group GroupConfig
	side  link // finds the coordinator

	rejoin chan struct{} // maker: NewGroupMember; sender: anyone; never closed; bound: 1
	alive  chan struct{} // wakes beat: there is a generation; sender: join; never closed; bound: 1
	taken  chan struct{} // wakes watch: there is a place to hold; sender: take; never closed; bound: 1

	mu          sync.Mutex
	coordinator string // address; "" is not known
	id          string
	generation  int32     // -1: none
	epoch       int       // grows with every loss
	held        bool      // a place was handed over and not lost since
	until       time.Time // when the place that was lost last may be another's
	ack         time.Time
	stable      time.Time // when the last heartbeat was sent that met no rebalance
	joinedFor   int32     // the generation of the last join that was answered
	cancel      context.CancelCauseFunc
	tenure      context.Context
	losing      chan struct{} // closed when Lost has returned; nil: none runs
	joinConn    *groupConn
	joining     bool
}

// NewGroupMember stores the configuration; Run dials.
func NewGroupMember(c Config, g GroupConfig) *GroupMember {
	if g.Margin <= 0 {
		g.Margin = g.Session / 3
	}
	quick := c
	quick.Role = ForAdmin
	quick.RequestTimeout = min(c.RequestTimeout, max(g.Session/3, time.Millisecond))
	quick.DialTimeout = min(c.DialTimeout, quick.RequestTimeout)
	return &GroupMember{
		cfg: quick, group: g, side: link{cfg: quick}, generation: -1, joinedFor: -1,
		rejoin: make(chan struct{}, 1), alive: make(chan struct{}, 1), taken: make(chan struct{}, 1),
	}
}

// Holds tells whether the coordinator cannot have given this member's place to another yet. A process that was frozen finds here that it cannot
// know: what it does next may not depend on a timer that has yet to run.
func (m *GroupMember) Holds() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held {
		return time.Now().Before(m.expiry())
	}
	return time.Now().Before(m.until)
}

// Rejoin has the member join again with what Protocols says then. If that is not what it said before, or the member leads, a new round begins; else
// the coordinator gives it its present place once more.
func (m *GroupMember) Rejoin() { wake(m.rejoin) }

// Run joins the group and is a member until ctx ends (nil), the group refuses it or the handler fails; then it leaves.
func (m *GroupMember) Run(parent context.Context, h GroupHandler) error {
	defer m.side.close()
	g, ctx := errgroup.WithContext(parent)
	m.mu.Lock()
	m.joinConn = newGroupConn(m.cfg, m.group.Rebalance+5*time.Second)
	m.mu.Unlock()
	g.Go(func() error { return m.belong(ctx, h) })
	g.Go(func() error { return m.beat(ctx, h) })
	g.Go(func() error { m.watch(ctx, h); return nil })
	err := g.Wait()
	m.end(parent)
	if parent.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// end gives the place back.
func (m *GroupMember) end(parent context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), min(farewell, m.group.Session))
	defer cancel()
	m.Leave(ctx)
	m.joinConn.close()
}

// Leave gives the place back, so that the group need not wait for it to expire. Whoever calls it has ended what only a member may do. Within
// Protocols it gives up the place while there is nothing to offer; the join that follows asks for a new one.
func (m *GroupMember) Leave(ctx context.Context) {
	m.mu.Lock()
	id := m.id
	if m.cancel != nil {
		m.cancel(nil)
	}
	m.forget()
	m.id = ""
	m.mu.Unlock()
	if id == "" {
		return
	}
	conn := newGroupConn(m.cfg, m.cfg.RequestTimeout)
	defer conn.close()
	err := m.ask(ctx, conn, func(b *sarama.Broker) (sarama.KError, error) {
		res, err := b.LeaveGroup(&sarama.LeaveGroupRequest{Version: 3, GroupId: m.group.Group, MemberId: id, Members: []sarama.MemberIdentity{{MemberId: id}}})
		if err != nil {
			return 0, err
		}
		return res.Err, nil
	})
	if err != nil {
		m.cfg.logger().Info("could not leave the group; the place expires", "group", m.group.Group, "error", plainText(err))
	}
}

// forget drops the place. Under mu.
func (m *GroupMember) forget() {
	m.generation, m.held, m.joinedFor = -1, false, -1
	m.cancel, m.tenure = nil, nil
	m.epoch++
}

// belong joins whenever there is a reason to.
func (m *GroupMember) belong(ctx context.Context, h GroupHandler) error {
	var trouble outage
	for attempt := 0; ; {
		if err := m.settled(ctx); err != nil {
			return nil
		}
		err := m.round(ctx, h)
		switch {
		case ctx.Err() != nil:
			return endOf(ctx, err)
		case err == nil:
			trouble.ended(m.cfg.logger(), m.cfg.Brokers)
			attempt = 0
			select {
			case <-ctx.Done():
				return nil
			case <-m.rejoin:
			}
			continue
		case errors.Is(err, errAgain):
			attempt = 0
			continue
		case !retriable(err):
			return err
		}
		if attempt > 1 {
			trouble.began(m.cfg.logger(), m.cfg.Brokers, err)
		}
		pause.For(ctx, m.cfg.backoff(attempt))
		attempt++
	}
}

// errAgain: the round was overtaken by another.
var errAgain = errors.New("join again")

// settled waits until no Lost runs.
func (m *GroupMember) settled(ctx context.Context) error {
	for {
		m.mu.Lock()
		losing := m.losing
		m.mu.Unlock()
		if losing == nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-losing:
		}
	}
}

// round is one join and what follows from it.
func (m *GroupMember) round(ctx context.Context, h GroupHandler) error {
	select {
	case <-m.rejoin: // this is the join that was asked for
	default:
	}
	m.mu.Lock()
	here := ctx
	if m.tenure != nil {
		here = m.tenure
	}
	m.mu.Unlock()
	protocols, err := h.Protocols(here)
	if err != nil {
		if here.Err() != nil && ctx.Err() == nil {
			return errAgain
		}
		return err
	}
	m.mu.Lock()
	epoch := m.epoch // Protocols may have left
	m.joining = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.joining = false
		m.mu.Unlock()
	}()
	joined, err := m.join(ctx, h, epoch, protocols)
	if err != nil {
		return err
	}
	place, sent, err := m.sync(ctx, h, epoch, joined)
	if err != nil {
		return err
	}
	tenure, ok := m.take(ctx, epoch, sent)
	if !ok {
		return errAgain
	}
	if err := h.Joined(tenure, place); err != nil && tenure.Err() == nil {
		return err
	}
	return nil
}

// take begins or prolongs the tenure.
func (m *GroupMember) take(ctx context.Context, epoch int, sent time.Time) (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch != epoch {
		return nil, false
	}
	if m.tenure == nil {
		m.tenure, m.cancel = context.WithCancelCause(ctx)
	}
	m.held = true
	m.acknowledged(sent, true)
	wake(m.taken)
	return m.tenure, true
}

// askIn asks the coordinator; errAgain when the epoch has passed meanwhile, whatever the answer.
func (m *GroupMember) askIn(ctx context.Context, epoch int, request func(*sarama.Broker) (sarama.KError, error)) error {
	err := m.ask(ctx, m.joinConn, request)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch != epoch {
		return errAgain
	}
	return err
}

// join sends JoinGroup until there is a generation, or a reason to begin anew.
func (m *GroupMember) join(ctx context.Context, h GroupHandler, epoch int, protocols []GroupProtocol) (*sarama.JoinGroupResponse, error) {
	req := sarama.NewJoinGroupRequest(sarama.MaxVersion)
	req.GroupId, req.ProtocolType = m.group.Group, m.group.Type
	req.SessionTimeout, req.RebalanceTimeout = int32(m.group.Session.Milliseconds()), int32(m.group.Rebalance.Milliseconds())
	for _, p := range protocols {
		req.OrderedGroupProtocols = append(req.OrderedGroupProtocols, &sarama.GroupProtocol{Name: p.Name, Metadata: p.Metadata})
	}
	m.mu.Lock()
	req.MemberId = m.id
	m.mu.Unlock()
	var res *sarama.JoinGroupResponse
	sent := time.Now()
	err := m.askIn(ctx, epoch, func(b *sarama.Broker) (code sarama.KError, err error) {
		if res, err = b.JoinGroup(req); err != nil {
			return 0, err
		}
		return res.Err, nil
	})
	switch {
	case errors.Is(err, errAgain):
		return nil, err
	case errors.Is(err, sarama.ErrMemberIdRequired):
		m.mu.Lock()
		m.id = res.MemberId
		m.mu.Unlock()
		return m.join(ctx, h, epoch, protocols)
	case errors.Is(err, sarama.ErrUnknownMemberId):
		m.lose(h, err, true)
		return nil, errAgain
	case errors.Is(err, sarama.ErrRebalanceInProgress):
		return nil, &kafka.UnavailableError{Op: fmt.Sprintf("join group %q", m.group.Group), Err: plainText(err)}
	case errors.Is(err, sarama.ErrInconsistentGroupProtocol):
		return nil, fmt.Errorf("join group %q: its members are of another kind, or share no protocol with this one; choose another group.id: %w",
			m.group.Group, plainText(err))
	case err != nil:
		return nil, classify(fmt.Sprintf("join group %q", m.group.Group), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch != epoch {
		return nil, errAgain
	}
	m.id, m.generation, m.joinedFor = res.MemberId, res.GenerationId, res.GenerationId
	if m.ack.Before(sent) {
		m.ack = sent
	}
	wake(m.alive)
	return res, nil
}

// sync sends SyncGroup, on the leader with everybody's assignment.
func (m *GroupMember) sync(ctx context.Context, h GroupHandler, epoch int, joined *sarama.JoinGroupResponse) (Membership, time.Time, error) {
	place := Membership{Protocol: joined.GroupProtocol, Generation: joined.GenerationId, MemberID: joined.MemberId, LeaderID: joined.LeaderId}
	req := &sarama.SyncGroupRequest{Version: 5, GroupId: m.group.Group, GenerationId: joined.GenerationId, MemberId: joined.MemberId,
		ProtocolType: &m.group.Type, ProtocolName: &joined.GroupProtocol}
	if joined.LeaderId == joined.MemberId {
		round := GroupRound{Protocol: joined.GroupProtocol, Generation: joined.GenerationId, MemberID: joined.MemberId, Members: make(map[string][]byte)}
		for _, other := range joined.Members {
			round.Members[other.MemberId] = other.Metadata
		}
		assignments, err := h.Lead(ctx, round)
		if err != nil {
			return place, time.Time{}, fmt.Errorf("divide the work of group %q: %w", m.group.Group, err)
		}
		for id, assignment := range assignments {
			req.GroupAssignments = append(req.GroupAssignments, sarama.SyncGroupRequestAssignment{MemberId: id, Assignment: assignment})
		}
	}
	sent := time.Now()
	var res *sarama.SyncGroupResponse
	err := m.askIn(ctx, epoch, func(b *sarama.Broker) (code sarama.KError, err error) {
		if res, err = b.SyncGroup(req); err != nil {
			return 0, err
		}
		return res.Err, nil
	})
	switch {
	case errors.Is(err, errAgain):
		return place, sent, err
	case errors.Is(err, sarama.ErrUnknownMemberId):
		m.lose(h, err, true)
		return place, sent, errAgain
	case errors.Is(err, sarama.ErrRebalanceInProgress), errors.Is(err, sarama.ErrIllegalGeneration):
		return place, sent, errAgain
	case err != nil:
		return place, sent, classify(fmt.Sprintf("take a place in group %q", m.group.Group), err)
	}
	place.Assignment = slices.Clone(res.MemberAssignment)
	return place, sent, nil
}
