//go:build integration

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// gate stands between clients and a PostgreSQL server and holds back, when told, what the server sends on replication connections: whole
// messages, so that a client sees a server that has no more to say. Connections must not use TLS. A goroutine per direction; all end
// with the test.
type gate struct {
	server   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	moved  *sync.Cond // something below has changed
	holds  bool
	budget int // bytes that still pass while it holds
	conns  map[net.Conn]bool
	closed bool
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	g := &gate{server: server, conns: make(map[net.Conn]bool)}
	g.moved = sync.NewCond(&g.mu)
	var err error
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	g.running.Add(1)
	go g.accept()
	t.Cleanup(g.close)
	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

// hold lets n more bytes pass, and then nothing until open.
func (g *gate) hold(n int) { g.set(true, n) }

func (g *gate) open() { g.set(false, 0) }

func (g *gate) set(holds bool, budget int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.budget = holds, budget
	g.moved.Broadcast()
}

func (g *gate) close() {
	g.listener.Close()
	g.mu.Lock()
	g.closed = true
	for c := range g.conns {
		c.Close()
	}
	g.moved.Broadcast()
	g.mu.Unlock()
	g.running.Wait()
}

func (g *gate) accept() {
	defer g.running.Done()
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", g.server)
		if err != nil {
			client.Close()
			continue
		}
		g.mu.Lock()
		g.conns[client], g.conns[server] = true, true
		if g.closed {
			client.Close()
			server.Close()
		}
		g.mu.Unlock()
		c := &gated{gate: g, client: client, server: server}
		g.running.Add(2)
		go c.up()
		go c.down()
	}
}

// gated is one connection.
type gated struct {
	gate           *gate
	client, server net.Conn
	// Guarded by gate.mu.
	replication bool
	leaving     bool // the client has said goodbye: it waits for the server's
}

// copyDone is the message by which a client ends a stream. PostgreSQL manual, "Message Formats".
var copyDone = []byte{'c', 0, 0, 0, 4}

// up passes on what the client says.
func (c *gated) up() {
	defer c.end()
	buf := make([]byte, 32<<10)
	for first := true; ; first = false {
		n, err := c.client.Read(buf)
		said := buf[:n]
		c.gate.mu.Lock()
		c.replication = c.replication || first && bytes.Contains(said, []byte("\x00replication\x00"))
		c.leaving = c.leaving || err != nil || bytes.Contains(said, copyDone)
		c.gate.moved.Broadcast()
		c.gate.mu.Unlock()
		if _, werr := c.server.Write(said); err != nil || werr != nil {
			return
		}
	}
}

// down passes on what the server says, message by message: a tag byte and a length, which counts itself.
func (c *gated) down() {
	defer c.end()
	r := bufio.NewReader(c.server)
	for {
		head, err := r.Peek(5)
		if err != nil {
			return
		}
		size := 1 + int64(binary.BigEndian.Uint32(head[1:]))
		if !c.passes(int(size)) {
			return
		}
		if _, err := io.CopyN(c.client, r, size); err != nil {
			return
		}
	}
}

// passes waits until a message may pass.
func (c *gated) passes(size int) bool {
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for c.replication && g.holds && g.budget < size && !c.leaving && !g.closed {
		g.moved.Wait()
	}
	g.budget -= size
	return !g.closed
}

func (c *gated) end() {
	c.client.Close()
	c.server.Close()
	c.gate.mu.Lock()
	delete(c.gate.conns, c.client)
	delete(c.gate.conns, c.server)
	c.gate.mu.Unlock()
	c.gate.running.Done()
}
