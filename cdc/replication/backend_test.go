package replication

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgscript"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// backend is the server's end of a stream, told what to say. It speaks through pgproto3, and notes what the client sends.
type backend struct {
	conn     net.Conn
	protocol *pgproto3.Backend
	got      chan any // status, or the client's other messages; closed at the end of the connection. Sender and closer: listen. Bound: 1000.
}

// status is a standby status update.
type status struct {
	written, flushed, applied cdc.LSN
	reply                     bool
}

// scripted connects a stream to a backend.
func scripted(t *testing.T, o StreamOptions, confirmed cdc.LSN) (*Stream, *backend) {
	t.Helper()
	client, server := net.Pipe()
	o.complete()
	o.Slot, o.Publication = "s", "p"
	b := &backend{conn: server, protocol: pgproto3.NewBackend(server, server), got: make(chan any, 1000)}
	ended := make(chan struct{})
	go func() { defer close(ended); b.listen() }()
	t.Cleanup(func() { client.Close(); server.Close(); <-ended })
	return newStream(newNetWire(client), o, confirmed), b
}

func (b *backend) listen() {
	defer close(b.got)
	for {
		m, err := b.protocol.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			s, err := pgscript.ParseStatus(m.Data)
			if err != nil {
				panic(err)
			}
			b.got <- status{cdc.LSN(s.Written), cdc.LSN(s.Flushed), cdc.LSN(s.Applied), s.Reply}
		case *pgproto3.CopyDone:
			b.got <- "copy done"
		case *pgproto3.Terminate:
			b.got <- "terminate"
		}
	}
}

// send writes messages at once; the returned channel tells when they were read.
func (b *backend) send(messages ...pgproto3.BackendMessage) <-chan error {
	p, err := pgscript.Encode(messages...)
	if err != nil {
		panic(err) // a fault of the test
	}
	return b.sendBytes(p)
}

func (b *backend) sendBytes(p []byte) <-chan error {
	done := make(chan error, 1) // sender: one write; bound 1, so that it never blocks
	go func() {
		_, err := b.conn.Write(p)
		done <- err
	}()
	return done
}

func xlog(start cdc.LSN, message []byte) *pgproto3.CopyData {
	return pgscript.XLogData(uint64(start), message)
}

func keepalive(end cdc.LSN, reply bool) *pgproto3.CopyData {
	return pgscript.Keepalive(uint64(end), reply)
}

// transaction is a transaction of inserts that ends at end.
func transaction(first, end cdc.LSN, values ...string) []pgproto3.BackendMessage {
	return pgscript.Transaction(7, uint64(first), uint64(end), values...)
}

// receiveRows receives until n rows have come.
func receiveRows(t *testing.T, s *Stream, n int) (rows []string, last cdc.LSN) {
	t.Helper()
	for len(rows) < n {
		var b cdc.Batch
		if err := s.Receive(context.Background(), &b); err != nil {
			t.Fatalf("Receive after %d rows = %v", len(rows), err)
		}
		rows = append(rows, insertsOf(&b)...)
		last = b.ServerLSN
	}
	return rows, last
}

func insertsOf(b *cdc.Batch) (rows []string) {
	for i := range b.Changes {
		if b.Changes[i].Kind == cdc.Insert {
			rows = append(rows, string(b.Changes[i].New[0].Bytes))
		}
	}
	return rows
}

func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// pair is two ends of a TCP connection.
func pair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1) // sender: one accept
	go func() {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		accepted <- c
	}()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// TestWire holds both kinds of wire to the same contract.
func TestWire(t *testing.T) {
	for name, open := range map[string]func(net.Conn) wire{
		"net":    func(c net.Conn) wire { return newNetWire(c) },
		"polled": func(c net.Conn) wire { return newNetWire(&socket{Conn: c}).poll() },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			w := open(client)
			defer w.close()
			buf := [16]byte{}
			if n, err := w.read(buf[:], time.Now().Add(time.Millisecond)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read without bytes = %d, %v, want 0, %v", n, err, os.ErrDeadlineExceeded)
			}
			w.wake()
			if n, err := w.read(buf[:], time.Now().Add(time.Hour)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read after wake = %d, %v, want 0, %v", n, err, os.ErrDeadlineExceeded)
			}
			stop := time.AfterFunc(time.Millisecond, w.wake)
			if n, err := w.read(buf[:], time.Now().Add(time.Hour)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read while wake = %d, %v, want 0, %v", n, err, os.ErrDeadlineExceeded)
			}
			stop.Stop()
			if _, err := server.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if n, err := w.read(buf[:], time.Now().Add(time.Hour)); string(buf[:n]) != "hello" || err != nil {
				t.Errorf("read = %q, %v, want %q", buf[:n], err, "hello")
			}
			if _, err := w.write([]byte("back"), time.Now().Add(time.Hour)); err != nil {
				t.Errorf("write = %v", err)
			}
			if n, err := server.Read(buf[:]); string(buf[:n]) != "back" || err != nil {
				t.Errorf("the other end reads %q, %v, want %q", buf[:n], err, "back")
			}
			var err error
			for err == nil { // nobody reads
				_, err = w.write(make([]byte, 64<<10), time.Now().Add(time.Millisecond))
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write to a full connection = %v, want %v", err, os.ErrDeadlineExceeded)
			}
			server.Close()
			if n, err := w.read(buf[:], time.Now().Add(time.Hour)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read from a closed connection = %d, %v, want an end", n, err)
			}
			if err := w.close(); err != nil {
				t.Errorf("close = %v", err)
			}
			w.wake() // harmless
		})
	}
}

// TestWindowFills: what nobody reads fills the kernel's buffer soon, which full tells, and all of it is read.
func TestWindowFills(t *testing.T) {
	client, server := pair(t)
	w := newNetWire(&socket{Conn: client}).poll()
	defer w.close()
	const size = 8 << 20        // more than a socket that is left alone holds back
	sent := make(chan error, 1) // sender: the goroutine below, once
	go func() {
		_, err := server.Write(make([]byte, size))
		sent <- err
	}()
	for !w.full() {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	buf := make([]byte, readBuffer)
	for got := 0; got < size; {
		n, err := w.read(buf, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatalf("read after %d bytes = %v", got, err)
		}
		got += n
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestGapOfLargeMessages: the time between reads goes by the size of the messages that the read before brought.
func TestGapOfLargeMessages(t *testing.T) {
	s := new(Stream)
	for _, c := range []struct {
		read     int
		messages uint64 // decoded of it
		want     time.Duration
	}{{100_000, 500, paceGap}, {100_000, 50, paceGap}, {100_000, 0, paceGap / 4}, {100_000, 400, paceGap / 4}, {100_000, 400, paceGap}} {
		s.took(c.read)
		if s.gap != c.want {
			t.Errorf("with %d messages decoded in all the gap is %v, want %v", s.lastMessages, s.gap, c.want)
		}
		s.stats.messages.Add(c.messages)
	}
}

// TestStatusPassesAFullWindow: while nobody takes changes and the server's small messages have filled the kernel's buffer, it still gets every status, for
// without them it would end the stream after its wal_sender_timeout. All that it sent comes out afterwards.
func TestStatusPassesAFullWindow(t *testing.T) {
	client, server := pair(t)
	w := newNetWire(&socket{Conn: client}).poll()
	defer w.close()
	s := &Stream{wire: w, opts: StreamOptions{StatusInterval: time.Millisecond, ReadTimeout: time.Minute, StatusTimeout: time.Minute}, lastRead: time.Now()}
	status, period := make([]byte, statusFrame), make([]byte, 251+150) // 251 is prime, so that the bytes tell where they stood
	for i := range period {
		period[i] = byte(i % 251)
	}
	apart := time.NewTicker(50 * time.Microsecond) // so that each message is a packet of its own
	defer apart.Stop()
	sent := 0
	for i := range 60 {
		for range 100 {
			<-apart.C
			if err := server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := server.Write(period[sent%251:][:150])
			if sent += n; err != nil {
				break // nothing more fits
			}
		}
		if err := s.KeepAlive(); err != nil {
			t.Fatal(err)
		}
		if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, status); err != nil {
			t.Fatalf("status %d does not reach the server: %v", i, err)
		}
	}
	if held := s.w - s.r; held == 0 || held > holdMost {
		t.Errorf("%d bytes are held, want some, and %d at most", held, holdMost)
	}
	got := slices.Clone(s.buf[s.r:s.w])
	for len(got) < sent {
		n, err := w.read(s.buf, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatalf("read after %d of %d bytes = %v", len(got), sent, err)
		}
		got = append(got, s.buf[:n]...)
	}
	for i, b := range got {
		if b != byte(i%251) {
			t.Fatalf("byte %d of %d is %d, want %d", i, sent, b, i%251)
		}
	}
}
