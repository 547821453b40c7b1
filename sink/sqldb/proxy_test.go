package sqldb

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a task and its server and cuts connections: after a number of bytes in either direction, counted over all
// of them, so in the middle of a statement, before a commit arrives, or before its answer does.
type proxy struct {
	server  string
	listen  net.Listener
	budget  atomic.Int64 // bytes until the next cut; negative: none
	cuts    atomic.Int64
	instead func() // of a cut; nil: cut

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// newProxy puts itself between d and its server: d.jdbc leads through it from then on.
func newProxy(t testing.TB, d *database) *proxy {
	t.Helper()
	p, jdbc := proxyTo(t, d.jdbc)
	d.jdbc = jdbc
	return p
}

// proxyTo puts a proxy before the server of a URL, and returns the URL that leads through it.
func proxyTo(t testing.TB, jdbc string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(strings.TrimPrefix(jdbc, "jdbc:"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host, conns: make(map[net.Conn]bool)}
	p.budget.Store(-1)
	if p.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listen.Addr().String()
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.listen.Close()
		p.cut()
		p.wg.Wait()
	})
	return p, "jdbc:" + u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pump(server, client) })
		p.wg.Go(func() { p.pump(client, server) })
	}
}

// pump copies until an end of the pair closes or the budget is used up: what is above it is not delivered.
func (p *proxy) pump(dst, src net.Conn) {
	defer func() {
		dst.Close()
		src.Close()
		p.mu.Lock()
		delete(p.conns, dst)
		delete(p.conns, src)
		p.mu.Unlock()
	}()
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		if b := p.budget.Load(); b >= 0 && n > 0 {
			if left := p.budget.Add(-int64(n)); left < 0 {
				p.budget.Store(-1)
				p.cuts.Add(1)
				if p.instead != nil {
					p.instead()
				}
				dst.Write(buf[:max(0, n+int(left))])
				return
			}
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}
