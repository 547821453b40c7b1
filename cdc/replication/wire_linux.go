package replication

import (
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// polledWire is a wire over a TCP socket that Go's network poller does not know.
//
// The server sends every message by itself. While a socket is registered with the poller, each wakes whichever thread waits there, even
// when nobody reads, and the sender pays for the wake-up: 150,000 to 200,000 changes/s, most of it system time on both sides. A socket
// that nobody polls is silent while the stream lets bytes gather (Stream.pace): 430,000 to 450,000 changes/s in the same minutes on the same
// machine, at a twentieth of the reader's CPU. See BenchmarkDrain. SO_RCVLOWAT instead makes the kernel acknowledge
// every segment and gains nothing. The plain twin is netWire.
type polledWire struct {
	fd    int
	small bool     // its window is socketWindow
	wakeR int      // end of a pipe; a byte in it ends a wait
	wakeW *os.File // its other end, which guards against being used after close
}

// socketWindow is how much the kernel takes of a server that is close by, instead of the megabytes that it would come to. While the sender's data
// does not fit, a message costs it an append; while it does, a packet, with all that the network does for one, and a reader that keeps up makes it
// stay so: 200,000 changes/s or 400,000, as it happened, with the window that the kernel chooses, and 370,000 to 410,000 with this one once reads wait until
// it is three quarters full. See BenchmarkDrain.
const (
	socketWindow = 96 << 10
	windowFull   = socketWindow * 3 / 4
	// closeBy is the longest way there and back on which socketWindow bounds nothing: 190 MB/s.
	closeBy = 500 * time.Microsecond
)

// poll takes the socket of a connection without TLS away from Go's poller; any other stays as it is.
func (w *netWire) poll() wire {
	conn := w.conn
	if s, ok := conn.(*socket); ok {
		conn = s.Conn
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return w
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return w
	}
	fd, dupErr := -1, error(nil)
	if err := raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return w
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		_ = unix.Close(fd) // only a number: the connection goes on over the old one
		return w
	}
	_ = tcp.Close() // leaves the poller; the connection itself lives on in fd
	return &polledWire{fd: fd, small: narrow(fd), wakeR: pipe[0], wakeW: os.NewFile(uintptr(pipe[1]), "wake")}
}

// narrow gives the socket of a server that is close by its window.
func narrow(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || time.Duration(info.Min_rtt)*time.Microsecond > closeBy {
		return false
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketWindow) == nil
}

func (w *polledWire) full() bool {
	n, err := unix.IoctlGetInt(w.fd, unix.SIOCINQ)
	return !w.small || err != nil || n >= windowFull
}

func (w *polledWire) read(p []byte, deadline time.Time) (int, error) {
	for {
		n, err := unix.Read(w.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == unix.EINTR:
		case err != unix.EAGAIN:
			return 0, os.NewSyscallError("read", err)
		default:
			if err := w.wait(unix.POLLIN, deadline); err != nil {
				return 0, err
			}
		}
	}
}

func (w *polledWire) write(p []byte, deadline time.Time) (sent int, err error) {
	for sent < len(p) {
		n, err := unix.Write(w.fd, p[sent:])
		switch {
		case n > 0:
			sent += n
		case err == unix.EINTR:
		case err != unix.EAGAIN:
			return sent, os.NewSyscallError("write", err)
		default:
			if err := w.wait(unix.POLLOUT, deadline); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

// wait returns when the socket is ready, or with os.ErrDeadlineExceeded.
func (w *polledWire) wait(events int16, deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	fds := [2]unix.PollFd{{Fd: int32(w.fd), Events: events}, {Fd: int32(w.wakeR), Events: unix.POLLIN}}
	timeout := unix.NsecToTimespec(left.Nanoseconds())
	if _, err := unix.Ppoll(fds[:], &timeout, nil); err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	if events == unix.POLLIN && fds[1].Revents != 0 {
		var b [16]byte
		_, _ = unix.Read(w.wakeR, b[:]) // what is left ends the next wait too
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (w *polledWire) wake() { _, _ = w.wakeW.Write([]byte{0}) } // fails only on a closed wire

func (w *polledWire) close() error {
	_, _ = w.wakeW.Close(), unix.Close(w.wakeR) // a pipe without content
	return os.NewSyscallError("close", unix.Close(w.fd))
}
