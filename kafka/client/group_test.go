package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testMember is a GroupMember whose calls a test reads.
type testMember struct {
	*GroupMember
	name string

	joined chan Membership
	lost   chan lostCall
	run    chan error
	stop   context.CancelFunc
	hold   chan struct{} // Lost returns when it is closed; nil: at once

	mu     sync.Mutex
	tenure context.Context
	rounds []GroupRound
	offers int
}

type lostCall struct {
	cause error
	at    time.Time
	until time.Time
}

func (m *testMember) Protocols(context.Context) ([]GroupProtocol, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offers++
	return []GroupProtocol{{"second", []byte(m.name + "/2")}, {"first", []byte(m.name + "/1")}}, nil
}

func (m *testMember) Lead(_ context.Context, r GroupRound) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rounds = append(m.rounds, r)
	out := make(map[string][]byte)
	for id, metadata := range r.Members {
		out[id] = fmt.Appendf(nil, "%s of %d", metadata, len(r.Members))
	}
	return out, nil
}

func (m *testMember) Joined(ctx context.Context, p Membership) error {
	m.mu.Lock()
	m.tenure = ctx
	m.mu.Unlock()
	m.joined <- p
	return nil
}

func (m *testMember) Lost(cause error, until time.Time) {
	m.lost <- lostCall{cause, time.Now(), until}
	if m.hold != nil {
		<-m.hold
	}
}

func (m *testMember) place(t *testing.T, want string) Membership {
	t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case p := <-m.joined:
			if string(p.Assignment) == want {
				return p
			}
		case err := <-m.run:
			t.Fatalf("%s: Run = %v", m.name, err)
		case <-timeout:
			t.Fatalf("%s never had the assignment %q", m.name, want)
		}
	}
}

func (m *testMember) end(t *testing.T) {
	t.Helper()
	m.stop()
	select {
	case err := <-m.run:
		if err != nil {
			t.Errorf("%s: Run = %v, want nil", m.name, err)
		}
		m.run <- nil
	case <-time.After(limit):
		t.Fatalf("%s: Run does not end", m.name)
	}
}

const (
	testSession   = 1500 * time.Millisecond
	testHeartbeat = 100 * time.Millisecond
)

func startMember(t *testing.T, brokers []string, group, name string) *testMember {
	return startMemberWith(t, brokers, GroupConfig{Group: group, Type: "test", Session: testSession, Heartbeat: testHeartbeat, Rebalance: limit}, name)
}

func startMemberWith(t *testing.T, brokers []string, g GroupConfig, name string) *testMember {
	t.Helper()
	c := testConfig(ForAdmin, brokers)
	m := &testMember{GroupMember: NewGroupMember(c, g), name: name, joined: make(chan Membership, 100), lost: make(chan lostCall, 100), run: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.run <- m.Run(ctx, m) }()
	t.Cleanup(func() { m.end(t) })
	return m
}

// silentListener is a broker's listener whose connections can be made to swallow everything, as a network that is cut does.
type silentListener struct {
	net.Listener
	mu  sync.Mutex
	cut bool
}

func (l *silentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &silentConn{c, l}, nil
}

func (l *silentListener) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *silentListener) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

type silentConn struct {
	net.Conn
	l *silentListener
}

func (c *silentConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.l.isCut() {
			return n, err
		}
	}
}

func (c *silentConn) Write(b []byte) (int, error) {
	if c.l.isCut() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func groupCluster(t *testing.T) (*kfake.Cluster, []string, *silentListener) {
	t.Helper()
	l := &silentListener{}
	c, addrs := fakeCluster(t, kfake.GroupMinSessionTimeout(time.Millisecond), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		inner, err := net.Listen(network, address)
		l.Listener = inner
		return l, err
	}))
	return c, addrs, l
}

func TestGroupMembersShare(t *testing.T) {
	_, brokers, _ := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.place(t, "a/2 of 1")
	b := startMember(t, brokers, "g", "b")
	pb, pa := b.place(t, "b/2 of 2"), a.place(t, "a/2 of 2")
	if pa.Generation != pb.Generation || pa.LeaderID != pa.MemberID || pb.LeaderID != pa.MemberID || pa.Protocol != "second" {
		t.Errorf("places are %+v and %+v, want one generation, led by a, with the preferred protocol", pa, pb)
	}
	a.mu.Lock()
	last := a.rounds[len(a.rounds)-1]
	a.mu.Unlock()
	want := map[string][]byte{pa.MemberID: []byte("a/2"), pb.MemberID: []byte("b/2")}
	if diff := cmp.Diff(want, last.Members); diff != "" {
		t.Errorf("metadata of the round (-want +got):\n%s", diff)
	}
	b.end(t)
	if after := a.place(t, "a/2 of 1"); after.Generation <= pa.Generation {
		t.Errorf("generation %d after b has left, want more than %d", after.Generation, pa.Generation)
	}
	if len(a.lost)+len(b.lost) > 0 {
		t.Errorf("Lost was called %d and %d times, want never", len(a.lost), len(b.lost))
	}
}

func TestGroupRejoin(t *testing.T) {
	_, brokers, _ := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	first := a.place(t, "a/2 of 1")
	a.Rejoin()
	if second := a.place(t, "a/2 of 1"); second.Generation <= first.Generation || second.MemberID != first.MemberID {
		t.Errorf("place %+v after Rejoin, want a later generation for the same member as in %+v", second, first)
	}
}

// A member whose network is cut is told before the coordinator gives its place away.
func TestGroupLostBeforeExpiry(t *testing.T) {
	_, brokers, l := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.place(t, "a/2 of 1")
	tenure := a.tenure
	l.set(true)
	cut := time.Now()
	lost := <-a.lost
	if !errors.Is(lost.cause, ErrMembershipLost) || !strings.Contains(lost.cause.Error(), "no heartbeat was acknowledged") {
		t.Errorf("Lost(%v), want the cause in it", lost.cause)
	}
	if !errors.Is(context.Cause(tenure), ErrMembershipLost) {
		t.Errorf("the context of the membership ended with %v, want ErrMembershipLost", context.Cause(tenure))
	}
	if last := cut.Add(testSession); lost.until.After(last) || lost.at.After(lost.until) {
		t.Errorf("Lost came %v after the cut with %v left, want it before %v are over", lost.at.Sub(cut), lost.until.Sub(lost.at), testSession)
	}
	if at, holds := time.Now(), a.Holds(); holds != at.Before(lost.until) {
		t.Errorf("Holds() %v before the place expires = %v, want it to hold until then", lost.until.Sub(at), holds)
	}
	select { // it is no matter of a timer that runs
	case <-time.After(time.Until(lost.until)):
		if a.Holds() {
			t.Error("Holds() after the place has expired = true, want false")
		}
	case <-testContext(t).Done():
	}
	if margin := lost.until.Sub(lost.at); margin < testSession/3-200*time.Millisecond {
		t.Errorf("Lost leaves %v, want about %v", margin, testSession/3)
	}
	l.set(false)
	a.place(t, "a/2 of 1")
}

// The same when the cut falls into a join that is not answered.
func TestGroupLostWhileJoining(t *testing.T) {
	c, brokers, l := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.place(t, "a/2 of 1")
	release := make(chan struct{})
	asked := make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		once()
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	a.Rejoin()
	<-asked
	l.set(true)
	cut := time.Now()
	lost := <-a.lost
	if lost.until.After(cut.Add(testSession)) || lost.at.After(lost.until) {
		t.Errorf("Lost came %v after the cut with %v left", lost.at.Sub(cut), lost.until.Sub(lost.at))
	}
	close(release)
	l.set(false)
	a.place(t, "a/2 of 1")
}

// A round that begins and is never joined ends the membership in time, however well heartbeats are answered.
func TestGroupLostToARound(t *testing.T) {
	c, brokers, _ := groupCluster(t)
	const rebalance = 1200 * time.Millisecond
	a := startMemberWith(t, brokers, GroupConfig{Group: "g", Type: "test", Session: time.Minute, Heartbeat: testHeartbeat, Rebalance: rebalance, Margin: 400 * time.Millisecond}, "a")
	a.place(t, "a/2 of 1")
	release := make(chan struct{})
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		select {
		case <-release:
			return nil, nil, false
		default:
		}
		res := r.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = kerr.RebalanceInProgress.Code
		return res, nil, true
	})
	began := time.Now()
	lost := <-a.lost
	if lost.until.After(began.Add(rebalance)) || lost.at.After(lost.until) {
		t.Errorf("Lost came %v after the round began with %v left, want it before %v are over", lost.at.Sub(began), lost.until.Sub(lost.at), rebalance)
	}
	close(release)
	a.place(t, "a/2 of 1")
}

// While Lost runs no join is sent: the leader would give away what still runs.
func TestGroupJoinsAfterLost(t *testing.T) {
	c, brokers, _ := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.hold = make(chan struct{})
	first := a.place(t, "a/2 of 1")
	var joins []string
	var mu sync.Mutex
	c.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		joins = append(joins, r.(*kmsg.JoinGroupRequest).MemberID)
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		res := r.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = kerr.UnknownMemberID.Code
		return res, nil, true
	})
	lost := <-a.lost
	if a.Holds() {
		t.Error("Holds() of a member that the coordinator does not know = true, want false")
	}
	if lost.until.After(lost.at) {
		t.Errorf("Lost leaves %v to a member that the coordinator does not know, want nothing", lost.until.Sub(lost.at))
	}
	a.Rejoin()
	mu.Lock()
	if len(joins) > 0 {
		t.Errorf("joins while Lost runs: %q, want none", joins)
	}
	mu.Unlock()
	close(a.hold)
	if second := a.place(t, "a/2 of 1"); second.MemberID == first.MemberID {
		t.Errorf("member id %q again, which the coordinator does not know", second.MemberID)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(joins) == 0 || joins[0] != "" {
		t.Errorf("joins are %q, want the first without an id", joins)
	}
}

// A coordinator that moves is found again, without a loss.
func TestGroupCoordinatorMoves(t *testing.T) {
	c, brokers, _ := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.place(t, "a/2 of 1")
	met := make(chan struct{})
	var once sync.Once
	for range 3 {
		c.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
			res := r.ResponseKind().(*kmsg.HeartbeatResponse)
			res.ErrorCode = kerr.NotCoordinator.Code
			return res, nil, true
		})
	}
	c.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() { close(met) })
		return nil, nil, false
	})
	select {
	case <-met:
	case <-time.After(limit):
		t.Fatal("the coordinator is not looked up again")
	}
	a.Rejoin()
	a.place(t, "a/2 of 1")
	if len(a.lost) > 0 {
		t.Errorf("Lost was called, want it not")
	}
}

func TestGroupRefused(t *testing.T) {
	_, brokers, _ := groupCluster(t)
	a := startMember(t, brokers, "g", "a")
	a.place(t, "a/2 of 1")
	c := testConfig(ForAdmin, brokers)
	other := &testMember{name: "b", joined: make(chan Membership, 1), lost: make(chan lostCall, 1)}
	m := NewGroupMember(c, GroupConfig{Group: "g", Type: "other", Session: testSession, Heartbeat: testHeartbeat, Rebalance: limit})
	err := m.Run(testContext(t), other)
	if err == nil || isRetriable(err) || !strings.Contains(err.Error(), `group "g"`) || !strings.Contains(err.Error(), "another group.id") {
		t.Errorf("Run of a member of another type = %v, want a final error with the remedy", err)
	}
}

// Many members that come, go and are cut off: in every generation everybody has its place, and one leads.
func TestGroupChurn(t *testing.T) {
	_, brokers, _ := groupCluster(t)
	const n = 6
	var members []*testMember
	for i := range n {
		members = append(members, startMember(t, brokers, "g", fmt.Sprint(i)))
	}
	want := fmt.Sprintf("of %d", n)
	generations := make(map[int32]int)
	for _, m := range members {
		p := m.place(t, fmt.Sprintf("%s/2 %s", m.name, want))
		generations[p.Generation]++
	}
	for range 2 {
		members[0].end(t)
		members = slices.Delete(members, 0, 1)
	}
	for _, m := range members {
		m.place(t, fmt.Sprintf("%s/2 of %d", m.name, len(members)))
	}
	if len(generations) != 1 {
		t.Logf("the members settled over generations %v", generations)
	}
}

// The same on whatever broker the tests run on: members come, ask for a round and go.
func TestGroupOnABroker(t *testing.T) {
	brokers, group := testBrokers(t), topicName(t)
	join := func(name string) *testMember {
		return startMemberWith(t, brokers, GroupConfig{Group: group, Type: "connect", Session: 10 * time.Second, Heartbeat: testHeartbeat, Rebalance: limit}, name)
	}
	a := join("a")
	a.place(t, "a/2 of 1")
	b, c := join("b"), join("c")
	for _, m := range []*testMember{a, b, c} {
		m.place(t, m.name+"/2 of 3")
	}
	a.Rejoin() // the leader: a round for all
	for _, m := range []*testMember{a, b, c} {
		m.place(t, m.name+"/2 of 3")
	}
	a.end(t)
	for _, m := range []*testMember{b, c} {
		if p := m.place(t, m.name+"/2 of 2"); p.LeaderID == "" {
			t.Errorf("place %+v of %s has no leader", p, m.name)
		}
	}
	for _, m := range []*testMember{a, b, c} {
		if len(m.lost) > 0 {
			t.Errorf("%s lost its membership: %v", m.name, (<-m.lost).cause)
		}
	}
}
