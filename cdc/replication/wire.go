package replication

import (
	"crypto/tls"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// wire is the connection of a stream. It belongs to the stream's goroutine, but for wake.
type wire interface {
	// read takes what is there, or waits for bytes; the error is os.ErrDeadlineExceeded when none came until deadline or wake.
	read(p []byte, deadline time.Time) (int, error)
	// full tells that the kernel holds about as much as it takes before the server has to wait, as far as that is known: else it is true.
	full() bool
	// write sends all of p.
	write(p []byte, deadline time.Time) (sent int, err error)
	// wake ends the read at hand, or the next one. It may end another one besides. Safe for concurrent use.
	wake()
	close() error
}

// longAgo is a deadline that ends a read at once.
var longAgo = time.Unix(1, 0)

// netWire is a wire over any net.Conn: TLS, and where polledWire does not exist.
type netWire struct {
	conn  net.Conn
	sock  *socket // below TLS; else nil
	woken atomic.Bool
}

// newNetWire finds the socket below conn and gives it a buffer when TLS is between.
func newNetWire(conn net.Conn) *netWire {
	w := &netWire{conn: conn}
	if c, ok := conn.(*tls.Conn); ok {
		if s, ok := c.NetConn().(*socket); ok {
			s.buf = make([]byte, readBuffer)
			w.sock = s
		}
	}
	return w
}

func (w *netWire) read(p []byte, deadline time.Time) (int, error) {
	if err := w.conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	if w.woken.Swap(false) { // before the deadline was set; a later one moves it
		return 0, os.ErrDeadlineExceeded
	}
	n, err := w.conn.Read(p)
	// TLS hands out a record a read, and the server makes a record of every message.
	for err == nil && w.sock != nil && w.sock.buffered() > 0 && n < len(p) {
		// The rest of a record is on its way; what is here already does not wait for it.
		if err = w.conn.SetReadDeadline(time.Now().Add(paceGap)); err == nil {
			var more int
			more, err = w.conn.Read(p[n:])
			n += more
		}
	}
	if n > 0 {
		return n, nil // an error comes again with the next read
	}
	if err != nil {
		w.woken.Store(false) // this is what wake was for
	}
	return 0, err
}

func (w *netWire) full() bool { return true }

func (w *netWire) write(p []byte, deadline time.Time) (int, error) {
	if err := w.conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return w.conn.Write(p)
}

func (w *netWire) wake() {
	w.woken.Store(true)
	_ = w.conn.SetReadDeadline(longAgo) // fails only on a closed connection
}

func (w *netWire) close() error { return w.conn.Close() }

// socket is the network connection under TLS. With a buffer it reads in large pieces and hands out small ones: TLS asks for a record's
// header and its body one by one. Without one it only passes on.
type socket struct {
	net.Conn
	buf  []byte
	r, w int
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if s.r == s.w {
		if len(p) >= len(s.buf) {
			return s.Conn.Read(p)
		}
		n, err := s.Conn.Read(s.buf)
		s.r, s.w = 0, n
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, s.buf[s.r:s.w])
	s.r += n
	return n, nil
}

// buffered is how many bytes were read and not handed out.
func (s *socket) buffered() int { return s.w - s.r }
