package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// pieceSize is how much is read at a time. Small enough that cuts fall into messages and that throttled connections flow.
const pieceSize = 16 << 10

// Proxy forwards TCP connections to a server, with faults as told. Its methods may be called at the same time.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	rule    Rule
	changed chan struct{} // maker and closer: whoever changes rule or closed; replaced then; nothing is sent
	budget  int64         // bytes of all connections that still pass before a cut; negative: no cut
	then    func()        // called at that cut, before what still passes is written; nil: nobody
	passed  int64
	cuts    int64
	closed  bool
	conns   map[*conn]struct{}
}

// conn is a pair of connections.
type conn struct {
	proxy  *Proxy
	client *net.TCPConn

	// Guarded by proxy.mu.
	server  *net.TCPConn // nil: there is none yet
	opening []byte       // what the client said first
	muted   bool
	holed   bool          // bytes of it were dropped
	ended   bool          // gone is closed
	gone    chan struct{} // closed by end, once
}

// New listens on a free port of 127.0.0.1 and forwards to target.
func New(target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen as a proxy of %s: %w", target, err)
	}
	p := &Proxy{listener: ln, target: target, changed: make(chan struct{}), budget: -1, conns: make(map[*conn]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is host:port of where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Port is the port of where it listens.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Set makes r the rule, for connections that there are and that come.
func (p *Proxy) Set(r Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = r
	p.tell()
	for c := range p.conns {
		if c.muted && !r.Mute || c.holed && !r.Up.Drop && !r.Down.Drop {
			c.end(true)
		}
	}
}

// Heal ends whatever rule there is, and a cut that was to come.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.budget, p.then = -1, nil
	p.mu.Unlock()
	p.Set(Rule{})
}

// Hold lets nothing pass until Heal, and tells nobody.
func (p *Proxy) Hold() { p.Set(Silence) }

// Reset cuts all connections that there are.
func (p *Proxy) Reset() { p.ResetOnly(nil) }

// ResetOnly cuts the connections whose client began with what only accepts; nil: all. It tells how many.
func (p *Proxy) ResetOnly(only func(opening []byte) bool) (cut int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if only == nil || only(c.opening) {
			c.end(true)
			cut++
		}
	}
	p.cuts += int64(cut)
	return cut
}

// CutAfter lets n more bytes pass, counted over all connections and both directions, and cuts the connection that carries the next one: within a
// message, before a request arrives or before its answer does. then is called at that moment, before the last of the n bytes are written; nil:
// nobody.
func (p *Proxy) CutAfter(n int64, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget, p.then = max(n, 0), then
}

// Stats are numbers since New.
type Stats struct {
	Open  int   // connections now
	Bytes int64 // that were passed on
	Cuts  int64 // connections that were reset by Reset and CutAfter
}

// Stats counts.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Open: len(p.conns), Bytes: p.passed, Cuts: p.cuts}
}

// Close ends all connections and listens no more.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.tell()
	for c := range p.conns {
		c.end(false)
	}
	p.mu.Unlock()
	p.running.Wait()
}

// tell wakes whoever waits for a change. The caller holds mu.
func (p *Proxy) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

// serve leads one connection to the server.
func (p *Proxy) serve(client *net.TCPConn) {
	c := &conn{proxy: p, client: client, gone: make(chan struct{})}
	p.mu.Lock()
	refused := p.closed || p.rule.Refuse
	if refused {
		c.end(true)
	} else {
		p.conns[c] = struct{}{}
		c.muted = p.rule.Mute
	}
	p.mu.Unlock()
	if refused {
		return
	}
	defer c.finish()
	if c.muted {
		_, _ = io.Copy(io.Discard, client)
		return
	}
	if !c.wait(Up) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		p.mu.Lock()
		c.end(true)
		p.mu.Unlock()
		return
	}
	p.mu.Lock()
	c.server = server.(*net.TCPConn)
	if c.ended {
		_ = server.Close()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.pump(Up, c.server, client) })
	both.Go(func() { c.pump(Down, client, c.server) })
	both.Wait()
}

// finish forgets a connection.
func (c *conn) finish() {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.end(false)
	delete(c.proxy.conns, c)
}

// end closes both sides; with reset they see an error and not an end of file. The caller holds mu.
func (c *conn) end(reset bool) {
	if c.ended {
		return
	}
	c.ended = true
	close(c.gone)
	for _, side := range []*net.TCPConn{c.client, c.server} {
		if side == nil {
			continue
		}
		if reset {
			_ = side.SetLinger(0)
		}
		_ = side.Close()
	}
}

// pump carries one direction to its end, which is passed on as all else.
func (c *conn) pump(d Direction, dst, src *net.TCPConn) {
	buf := make([]byte, pieceSize)
	for {
		n, err := src.Read(buf)
		if n > 0 && !c.carry(d, dst, buf[:n]) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			if c.wait(d) {
				_ = dst.CloseWrite()
			}
			return
		case err != nil:
			c.proxy.mu.Lock()
			c.end(true)
			c.proxy.mu.Unlock()
			return
		}
	}
}

// carry brings a piece over, as the rule wants; false: the connection has ended.
func (c *conn) carry(d Direction, dst io.Writer, piece []byte) bool {
	c.note(d, piece)
	if !c.wait(d) {
		return false
	}
	way := c.way(d)
	if way.Drop {
		c.proxy.mu.Lock()
		c.holed = true
		c.proxy.mu.Unlock()
		return true
	}
	if way.Delay > 0 && !c.sleep(way.Delay) {
		return false
	}
	for len(piece) > 0 {
		part := piece
		if way.BytesPerSecond > 0 { // in twentieths of a second
			part = piece[:min(len(piece), max(way.BytesPerSecond/20, 1))]
			if !c.sleep(time.Duration(len(part)) * time.Second / time.Duration(way.BytesPerSecond)) {
				return false
			}
			way = c.way(d)
		}
		passes, whole, then := c.spend(len(part))
		if then != nil {
			then()
		}
		if _, err := dst.Write(part[:passes]); err != nil || !whole {
			c.proxy.mu.Lock()
			c.end(true)
			c.proxy.mu.Unlock()
			return false
		}
		piece = piece[len(part):]
	}
	return true
}

// note keeps what the client said first.
func (c *conn) note(d Direction, piece []byte) {
	if d != Up {
		return
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.opening == nil {
		c.opening = append([]byte{}, piece...)
	}
}

func (c *conn) way(d Direction) Way {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	return c.proxy.rule.way(d, c.opening)
}

// spend takes n bytes from the budget: passes of them may go, and when that is not the whole, the connection is to be cut.
func (c *conn) spend(n int) (passes int, whole bool, then func()) {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.budget < 0 || int64(n) <= p.budget {
		if p.budget >= 0 {
			p.budget -= int64(n)
		}
		p.passed += int64(n)
		return n, true, nil
	}
	passes, then = int(p.budget), p.then
	p.budget, p.then = -1, nil
	p.passed += int64(passes)
	p.cuts++
	return passes, false, then
}

// wait returns when nothing holds the direction; false: the connection has ended.
func (c *conn) wait(d Direction) bool {
	p := c.proxy
	for {
		p.mu.Lock()
		held, ended, changed := p.rule.way(d, c.opening).Hold, c.ended || p.closed, p.changed
		p.mu.Unlock()
		switch {
		case ended:
			return false
		case !held:
			return true
		}
		select {
		case <-changed:
		case <-c.gone:
			return false
		}
	}
}

// sleep waits for d; false: the connection has ended.
func (c *conn) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.gone:
		return false
	}
}
