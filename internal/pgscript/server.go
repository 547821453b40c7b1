package pgscript

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Names that the server knows.
const (
	Slot     = "scripted"
	Database = "scripted"
)

// Server is the scripted server.
type Server struct {
	listener net.Listener
	slotAt   uint64

	// Streams are connections that have asked for the slot. Sender: a connection's goroutine. Never closed. Bound: 16, more than a test opens.
	Streams chan *Stream

	ending chan struct{} // closed by the end of the test
	ended  sync.WaitGroup
	mu     sync.Mutex // guards conns
	conns  []net.Conn
}

// Stream is the server's end of a replication stream. Send belongs to one goroutine.
type Stream struct {
	Command string // START_REPLICATION …
	// Statuses are those that the client has sent. Sender and closer: the connection's goroutine, at the end of the connection. Bound: 1000,
	// behind which the connection waits.
	Statuses chan Status

	conn net.Conn
}

// Start listens until the test ends. The slot's confirmed position is slotAt.
func Start(t testing.TB, slotAt uint64) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{listener: l, slotAt: slotAt, Streams: make(chan *Stream, 16), ending: make(chan struct{})}
	s.ended.Go(s.accept)
	t.Cleanup(func() {
		close(s.ending)
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.ended.Wait()
	})
	return s
}

// Port is where it listens, on 127.0.0.1.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.ended.Go(func() {
			defer c.Close()
			_ = s.serve(c) // a test sees it at its own end
		})
	}
}

func (s *Server) serve(c net.Conn) error {
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "18.0"})
	b.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	b.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for {
		if err := b.Flush(); err != nil {
			return err
		}
		m, err := b.Receive()
		if err != nil {
			return err
		}
		q, ok := m.(*pgproto3.Query)
		switch {
		case !ok:
			return fmt.Errorf("%T, want a query", m)
		case strings.HasPrefix(q.String, "START_REPLICATION "):
			b.Send(&pgproto3.CopyBothResponse{})
			if err := b.Flush(); err != nil {
				return err
			}
			return s.stream(&Stream{Command: q.String, Statuses: make(chan Status, 1000), conn: c}, b)
		case strings.Contains(q.String, "pg_replication_slots"):
			s.answer(b)
		case strings.Trim(q.String, " ;") == "" || strings.HasPrefix(q.String, "-- "): // a ping
			b.Send(&pgproto3.EmptyQueryResponse{})
		default:
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000", Message: "not in the script: " + q.String})
		}
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

// answer describes the slot, in the columns that replication.LookupSlot asks for.
func (s *Server) answer(b *pgproto3.Backend) {
	at := fmt.Sprintf("%X/%X", s.slotAt>>32, uint32(s.slotAt))
	row := [][]byte{[]byte(Slot), []byte("pgoutput"), []byte(Database), []byte("false"), nil, []byte(at), []byte(at), nil, []byte("false"), []byte("reserved"), []byte("false")}
	fields := make([]pgproto3.FieldDescription, len(row))
	for i := range fields {
		fields[i] = pgproto3.FieldDescription{Name: []byte("text"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}
	}
	b.Send(&pgproto3.RowDescription{Fields: fields})
	b.Send(&pgproto3.DataRow{Values: row})
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
}

// stream hands the connection to the test and notes the client's statuses.
func (s *Server) stream(to *Stream, b *pgproto3.Backend) error {
	defer close(to.Statuses)
	s.Streams <- to
	for {
		m, err := b.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			status, err := ParseStatus(m.Data)
			if err != nil {
				return err
			}
			select {
			case to.Statuses <- status:
			case <-s.ending:
				return nil
			}
		case *pgproto3.CopyDone: // the client says good-bye
			if err := to.Send(&pgproto3.CopyDone{}, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, &pgproto3.ReadyForQuery{TxStatus: 'I'}); err != nil {
				return err
			}
		}
	}
}

// Send writes messages; it waits while the client does not read.
func (s *Stream) Send(messages ...pgproto3.BackendMessage) error {
	p, err := Encode(messages...)
	if err != nil {
		return err
	}
	return s.SendBytes(p)
}

// SendBytes writes what need not be a message.
func (s *Stream) SendBytes(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}

// Cut ends the connection without a word.
func (s *Stream) Cut() { s.conn.Close() }
