package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/pgscript"
)

// slotAt is the confirmed position of the scripted slot.
const slotAt = 0x10

// scriptedRun is the stream of a task between a scripted server and an encoder that may be held up.
type scriptedRun struct {
	*testing.T
	task   *Task
	server *pgscript.Stream
	ended  chan error // sender: the goroutine of the stream, once. Bound: 1
	stop   func()     // and wait; the error of the stream

	mu       sync.Mutex // guards records
	records  []string
	count    int // of them, also where they are not kept
	keep     bool
	held     string // the row that the encoder is held up at
	released chan struct{}
	release  func() // closes it
}

// Encode holds the encoder up as a slow broker does. The run stands in for the envelope; what is no row is not of interest.
func (r *scriptedRun) Encode(_ *envelope.Plan, c *cdc.Change, _ *envelope.Source) (int, error) {
	if r.held != "" && string(c.New[0].Bytes) == r.held {
		<-r.released
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count++; r.keep {
		r.records = append(r.records, string(c.New[0].Bytes))
	}
	return 1, nil
}

// scriptedEncoder takes the rest from the recorder.
type scriptedEncoder struct {
	recorder
	*scriptedRun
}

func (e scriptedEncoder) Encode(p *envelope.Plan, c *cdc.Change, s *envelope.Source) (int, error) {
	return e.scriptedRun.Encode(p, c, s)
}

type flushOnly struct{ Emitter }

func (flushOnly) Flush() error { return nil }

func runScripted(t *testing.T, held string, keep bool) *scriptedRun {
	t.Helper()
	server := pgscript.Start(t, slotAt)
	task, err := NewTask(map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": "127.0.0.1", "database.port": fmt.Sprint(server.Port()), "database.user": "u",
		"database.password": "p", "database.sslmode": "disable", "database.dbname": pgscript.Database, "slot.name": pgscript.Slot, "status.update.interval.ms": "5"},
		Env{Connector: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &scriptedRun{T: t, task: task, ended: make(chan error, 1), keep: keep, held: held, released: make(chan struct{})}
	r.release = sync.OnceFunc(func() { close(r.released) })
	s := &session{task: task, cfg: &task.cfg, publication: "p"}
	pub := newPublisher(&scriptedEncoder{scriptedRun: r}, &tableFilter{}, noTable{}, &task.sent, nil)
	pub.at = position{lsn: slotAt} // behind a snapshot
	pub.out, pub.log = flushOnly{}, task.log
	pub.signals = &signals{cfg: &task.cfg.Signals, log: task.log, incoming: make(chan request)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { r.ended <- s.streamChanges(ctx, pub, nil) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		r.release()
		<-r.ended
	})
	t.Cleanup(r.stop)
	select {
	case r.server = <-server.Streams:
	case err := <-r.ended:
		t.Fatalf("the stream did not begin: %v", err)
	}
	return r
}

func (r *scriptedRun) send(messages ...pgproto3.BackendMessage) {
	r.Helper()
	if err := r.server.Send(messages...); err != nil {
		r.Fatal(err)
	}
}

// ack does what the worker does when the broker has acknowledged n records.
func (r *scriptedRun) ack(n uint64) {
	if _, _, ok := r.task.Offset(n); ok {
		r.task.Stored(n)
	}
}

// statuses reads the next n status updates of after the call; they and those of before must confirm a position, three times.
func (r *scriptedRun) statuses(n int, want uint64, when string) {
	r.Helper()
	for n += len(r.server.Statuses) + 1; n > 0; n-- { // those that wait here, and one that may be on its way, are of before
		if got := <-r.server.Statuses; got.Written != want || got.Flushed != want || got.Applied != want {
			r.Fatalf("status = %+v %s, want %#x three times", got, when, want)
		}
	}
}

// moves reads status updates until one confirms a position; those before must confirm what was confirmed before.
func (r *scriptedRun) moves(from, to uint64) {
	r.Helper()
	for got := range r.server.Statuses {
		switch got.Flushed {
		case from:
			continue
		case to:
			return
		}
		r.Fatalf("status = %+v, want %#x and then %#x", got, from, to)
	}
	r.Fatal("the connection ended")
}

func (r *scriptedRun) rows() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// published waits until n rows are.
func (r *scriptedRun) published(n int) {
	r.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		got := r.count
		r.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-tick.C:
		case err := <-r.ended:
			r.ended <- err
			r.Fatalf("the stream ended with %v after %d rows, want %d", err, got, n)
		case <-deadline:
			r.Fatalf("%d rows are published after a minute, want %d", got, n)
		}
	}
}

// Trap 2: a keepalive that says the server is far ahead moves nothing while rows are on their way: not while the encoder is held up, nor while their
// acknowledgements are missing, nor when it comes within their transaction. What protects: positions.behind, which gives a position for
// acknowledged records only, and for the last, publisher.batch, which takes no server's position inside a transaction (!p.inTx).
func TestTrap02KeepaliveWhileRowsAreOnTheirWay(t *testing.T) {
	t.Run("slow producer", func(t *testing.T) {
		r := runScripted(t, "held", true)
		r.send(append(pgscript.Transaction(7, 0x100, 0x200, "a", "held", "b"), pgscript.Keepalive(0x900, true))...)
		r.published(1)
		r.ack(1)
		for range 3 {
			r.send(pgscript.Keepalive(0x900, true))
			r.statuses(2, slotAt, "while the encoder is held up")
		}
		r.release()
		r.published(3)
		r.send(pgscript.Keepalive(0x901, true))
		r.statuses(5, slotAt, "while rows are not acknowledged")
		r.ack(2)
		r.statuses(5, slotAt, "while the last row is not acknowledged")
		r.until("the server's position is stored", func() bool { r.ack(3); return r.task.stored.idle >= 0x900 })
		r.moves(slotAt, uint64(r.task.stored.idle))
	})
	t.Run("within the transaction", func(t *testing.T) {
		r := runScripted(t, "", true)
		r.send(pgscript.Transaction(7, 0x100, 0x200, "a")[:3]...)
		r.send(pgscript.Keepalive(0x900, true)) // the commit has not been sent
		r.published(1)
		for range 3 {
			r.ack(1)
			r.send(pgscript.Keepalive(0x900, true))
			r.statuses(2, slotAt, "within the transaction")
		}
		r.send(pgscript.XLogData(0x200, pgscript.Commit(0x1ff, 0x200)))
		r.until("the commit is stored", func() bool { r.ack(1); return r.task.stored.commit == 0x200 })
	})
}

func (r *scriptedRun) until(what string, done func() bool) {
	r.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			r.Fatalf("waited a minute until %s", what)
		}
	}
}

// Trap 20: a server that streams transactions which are still open, as protocol version 2 does, stops the stream before a row leaks, and nothing
// of them is confirmed. Nobody asks for it: replication.ownParams refuses the options. What protects: the decoder's laterTags, ErrNotRequested.
func TestTrap20StreamedTransactions(t *testing.T) {
	for name, first := range map[string][]byte{"stream start": pgscript.StreamStart(7, true), "stream stop": pgscript.StreamStop(), "stream commit": pgscript.StreamCommit(7, 0x1ff, 0x200)} {
		t.Run(name, func(t *testing.T) {
			r := runScripted(t, "", true)
			r.send(pgscript.XLogData(0x100, first), pgscript.XLogData(0x100, pgscript.Relation()), pgscript.XLogData(0x110, pgscript.Insert("leaked")), pgscript.XLogData(0, pgscript.StreamStop()),
				pgscript.XLogData(0x200, pgscript.StreamCommit(7, 0x1ff, 0x200)), pgscript.Keepalive(0x200, true))
			err := <-r.ended
			r.ended <- err
			if !errors.Is(err, pgoutput.ErrNotRequested) {
				t.Errorf("the stream ended with %v, want %v", err, pgoutput.ErrNotRequested)
			}
			if rows := r.rows(); len(rows) > 0 {
				t.Errorf("rows = %q, want none: their transaction had not committed", rows)
			}
			for status := range r.server.Statuses {
				if status.Flushed != slotAt {
					t.Errorf("status = %+v, want %#x confirmed", status, slotAt)
				}
			}
		})
	}
	for _, option := range []string{"proto_version=2", "streaming=on", "streaming=parallel", "two_phase=true"} {
		if _, err := replication.ParseStreamParams(option); err == nil || !strings.Contains(err.Error(), "cannot be set") {
			t.Errorf("slot.stream.params=%s: %v, want it refused", option, err)
		}
	}
}

// Trap 21: a transaction of any size is published while it comes, before its commit, and what is kept of it does not grow with it, though the
// broker acknowledges nothing. What protects: Stream.Receive hands out what a read brought, whatever the transaction (len(into.Changes) > given), and positions.add thins its
// queue at exactEntries.
func TestTrap21OpenTransactionIsNotKept(t *testing.T) {
	const rows, bound = 400_000, 16 << 20 // its text alone is 40 MB
	r := runScripted(t, "", false)
	r.send(pgscript.XLogData(0x100, pgscript.Begin(1<<40, 7)), pgscript.XLogData(0, pgscript.Relation()))
	row := strings.Repeat("x", 100)
	var piece []byte
	for i := range 1000 {
		var err error
		if piece, err = pgscript.XLogData(uint64(0x100+i), pgscript.Insert(row)).Encode(piece); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	for n := 0; n < rows; n += 1000 {
		// Each piece has LSNs of its own, as rows of real transactions have.
		for i, at := 0, 0; i < 1000; i++ {
			lsn := uint64(0x100 + n + i)
			for b := range 8 {
				piece[at+6+b] = byte(lsn >> (56 - 8*b))
			}
			at += len(piece) / 1000
		}
		if err := r.server.SendBytes(piece); err != nil {
			t.Fatal(err)
		}
		if n%100_000 == 50_000 {
			r.published(n)
			most = max(most, heap())
		}
	}
	r.published(rows)
	if most = max(most, heap()); most > before+bound {
		t.Errorf("the heap grew by %d MiB while %d rows of an open transaction were published, want less than %d", (most-before)>>20, rows, bound>>20)
	}
}
