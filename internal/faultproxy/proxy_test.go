package faultproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds waits for what must come, shortly is how long is listened for what must not.
const (
	soon    = 20 * time.Second
	shortly = 50 * time.Millisecond
)

// echo answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, lines.Text())
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func proxyOf(t *testing.T, target string) *Proxy {
	t.Helper()
	p, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// caller is a client.
type caller struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func call(t *testing.T, p *Proxy) *caller {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &caller{t, c, bufio.NewReader(c)}
}

func (c *caller) say(text string) {
	c.Helper()
	if _, err := fmt.Fprintln(c, text); err != nil {
		c.Fatal(err)
	}
}

func (c *caller) hear(want string) {
	c.Helper()
	if err := c.SetReadDeadline(time.Now().Add(soon)); err != nil {
		c.Fatal(err)
	}
	if got, err := c.in.ReadString('\n'); got != want+"\n" {
		c.Errorf("heard %q, %v, want %q", got, err, want)
	}
}

func (c *caller) hearNothing() {
	c.Helper()
	if err := c.SetReadDeadline(time.Now().Add(shortly)); err != nil {
		c.Fatal(err)
	}
	if got, err := c.in.ReadString('\n'); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Errorf("heard %q, %v, want nothing", got, err)
	}
}

// hearReset wants the connection cut, after what of the text came yet.
func (c *caller) hearReset(want string) {
	c.Helper()
	if err := c.SetReadDeadline(time.Now().Add(soon)); err != nil {
		c.Fatal(err)
	}
	got, err := io.ReadAll(c.in)
	if string(got) != want || !errors.Is(err, syscall.ECONNRESET) {
		c.Errorf("heard %q, %v, want %q and a reset", got, err, want)
	}
}

// refused wants a new connection reset: as it is made, or before a word.
func refused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	(&caller{t, c, bufio.NewReader(c)}).hearReset("")
}

func TestPasses(t *testing.T) {
	p := proxyOf(t, echo(t))
	a, b := call(t, p), call(t, p)
	a.say("one")
	b.say("two")
	a.hear("one")
	b.hear("two")
	if err := a.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(a.in); len(rest) != 0 || err != nil {
		t.Errorf("after the end of file heard %q, %v, want that of the server", rest, err)
	}
	if s := p.Stats(); s.Bytes != 16 || s.Cuts != 0 {
		t.Errorf("Stats() = %+v, want 16 bytes and no cut", s)
	}
}

func TestHold(t *testing.T) {
	for name, rule := range map[string]Rule{"both": Silence, "up": {Up: Way{Hold: true}}, "down": {Down: Way{Hold: true}}} {
		t.Run(name, func(t *testing.T) {
			p := proxyOf(t, echo(t))
			c := call(t, p)
			c.say("a")
			c.hear("a")
			p.Set(rule)
			c.say("b")
			c.hearNothing()
			late := call(t, p)
			late.say("c")
			late.hearNothing()
			p.Heal()
			c.hear("b")
			late.hear("c")
		})
	}
}

func TestOnly(t *testing.T) {
	p := proxyOf(t, echo(t))
	p.Set(Rule{Down: Way{Hold: true}, Only: func(opening []byte) bool { return bytes.HasPrefix(opening, []byte("held")) }})
	held, free := call(t, p), call(t, p)
	held.say("held one")
	free.say("free one")
	free.hear("free one")
	held.hearNothing()
	if n := p.ResetOnly(func(opening []byte) bool { return strings.HasPrefix(string(opening), "free") }); n != 1 {
		t.Errorf("ResetOnly cut %d connections, want 1", n)
	}
	free.hearReset("")
	p.Heal()
	held.hear("held one")
}

func TestDropIsHealedByReset(t *testing.T) {
	p := proxyOf(t, echo(t))
	holed, whole := call(t, p), call(t, p)
	for _, c := range []*caller{holed, whole} {
		c.say("a")
		c.hear("a")
	}
	p.Set(Rule{Down: Way{Drop: true}})
	holed.say("lost")
	holed.hearNothing()
	p.Heal()
	holed.hearReset("")
	whole.say("b")
	whole.hear("b")
}

func TestRefuseAndMute(t *testing.T) {
	p := proxyOf(t, echo(t))
	before := call(t, p)
	before.say("a")
	before.hear("a")
	p.Set(Rule{Refuse: true})
	refused(t, p)
	p.Set(Rule{Mute: true})
	mute := call(t, p)
	mute.say("b")
	mute.hearNothing()
	before.say("c")
	before.hear("c")
	p.Heal()
	mute.hearReset("")
}

func TestCutAfter(t *testing.T) {
	p := proxyOf(t, echo(t))
	c := call(t, p)
	c.say("first")
	c.hear("first")
	called := make(chan struct{})
	p.CutAfter(int64(len("second\n")+3), func() { close(called) })
	c.say("second") // whole on its way there, three bytes on the way back
	<-called
	c.hearReset("sec")
	again := call(t, p)
	again.say("third")
	again.hear("third")
	if s := p.Stats(); s.Cuts != 1 {
		t.Errorf("Stats().Cuts = %d, want 1", s.Cuts)
	}
}

func TestReset(t *testing.T) {
	p := proxyOf(t, echo(t))
	c := call(t, p)
	c.say("a")
	c.hear("a")
	p.Reset()
	c.hearReset("")
}

func TestServerThatIsNotThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	refused(t, proxyOf(t, ln.Addr().String()))
}

func TestDelayAndRate(t *testing.T) {
	p := proxyOf(t, echo(t))
	c := call(t, p)
	p.Set(Rule{Up: Way{Delay: 60 * time.Millisecond}, Down: Way{BytesPerSecond: 100}})
	began := time.Now()
	c.say("0123456789") // 11 bytes: 60 ms there, 110 ms back
	c.hear("0123456789")
	if took := time.Since(began); took < 170*time.Millisecond {
		t.Errorf("an answer took %v, want 170ms at least", took)
	}
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	p, err := New(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	c := call(t, p)
	c.say("a")
	c.hear("a")
	p.Hold()
	c.say("b")
	p.Close()
	if rest, err := io.ReadAll(c.in); len(rest) != 0 {
		t.Errorf("after Close heard %q, %v", rest, err)
	}
}

func TestPlanIsTheSeeds(t *testing.T) {
	plan := func(seed uint64) string {
		return fmt.Sprint(NewPlan(seed, 10*time.Minute, 5*time.Second, 8*time.Second))
	}
	if diff := cmp.Diff(plan(7), plan(7)); diff != "" {
		t.Errorf("two plans of a seed differ:\n%s", diff)
	}
	if plan(7) == plan(8) {
		t.Error("the plans of seeds 7 and 8 are the same")
	}
	names := make(map[string]bool)
	at := time.Duration(0)
	for _, s := range NewPlan(7, time.Hour, time.Second, 8*time.Second) {
		if s.At < at || s.Fault.For > 8*time.Second {
			t.Errorf("step %v at %v begins before the end of the one before at %v, or lasts too long", s.Fault, s.At, at)
		}
		at = s.At + s.Fault.For
		names[strings.TrimRight(s.Fault.Name, "0123456789.ms")] = true
	}
	for _, name := range []string{"reset", "reset and refuse", "silence", "nothing goes up", "nothing comes down", "reset and mute"} {
		if !names[name] {
			t.Errorf("an hour's plan has no %q", name)
		}
	}
}

func TestFollow(t *testing.T) {
	p := proxyOf(t, echo(t))
	c := call(t, p)
	c.say("a")
	c.hear("a")
	p.Follow(t.Context(), []Step{{At: time.Millisecond, Fault: Fault{Name: "reset", Reset: true}}})
	c.hearReset("")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	p.Suffer(ctx, Fault{Rule: Silence, For: time.Hour})
	late := call(t, p)
	late.say("b")
	late.hear("b")
}

// The times of a plan are kept: this needs no network.
func TestFollowKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxy{changed: make(chan struct{}), budget: -1}
		began := time.Now()
		p.Follow(t.Context(), []Step{{At: time.Second, Fault: Fault{For: 3 * time.Second}}, {At: 2 * time.Second}, {At: 10 * time.Second, Fault: Fault{For: time.Second}}})
		if took := time.Since(began); took != 11*time.Second {
			t.Errorf("the plan took %v, want 11s", took)
		}
	})
}
