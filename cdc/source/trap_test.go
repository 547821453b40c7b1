package source_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// ledger is an Emitter that keeps what passes, as "op table id", and acknowledges nothing by itself.
type ledger struct {
	hook func(line string) error // before a record counts; may block

	streams []liveStream
	current int
	value   *schema.Builder

	mu    sync.Mutex // guards what follows
	lines []string
	lsns  []int64
}

func (l *ledger) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	l.streams = append(l.streams, liveStream{strings.TrimPrefix(topic, "p.public."), key, value})
	return len(l.streams) - 1, nil
}

func (l *ledger) Begin(handle int) (key, value schema.Writer) {
	l.current, l.value = handle, nil
	if s := l.streams[handle].key; s != nil {
		key = schema.NewBuilder(s)
	}
	if s := l.streams[handle].value; s != nil {
		l.value = schema.NewBuilder(s)
		value = l.value
	}
	return key, value
}

func (l *ledger) End([]schema.Header) error {
	line, lsn := "tombstone "+l.streams[l.current].topic, int64(0)
	if v := l.value; v != nil && l.streams[l.current].topic == "p.transaction" {
		line = v.Value().Struct().Field("status").Text()
	} else if v != nil {
		v := v.Value().Struct()
		image := v.Field("after")
		if image.IsNull() {
			image = v.Field("before")
		}
		line, lsn = v.Field("op").Text()+" "+l.streams[l.current].topic, v.Field("source").Struct().Field("lsn").Int()
		if !image.IsNull() {
			line += " " + render(image.Struct().Field("id"))
		}
	}
	if l.hook != nil {
		if err := l.hook(line); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines, l.lsns = append(l.lines, strings.Clone(line)), append(l.lsns, lsn)
	return nil
}

func (*ledger) Flush() error { return nil }

// trial is a database whose changes a task captures that may be killed and started again.
type trial struct {
	*running
	database *url.URL
	log      *slog.Logger

	out    *ledger
	ended  chan error // sender: the task's goroutine, once per run. Bound: 1
	cancel context.CancelFunc
}

func newTrial(t *testing.T, setup string) *trial {
	t.Helper()
	return trialOn(t, pgtest.Database(t), setup)
}

func trialOn(t *testing.T, database, setup string) *trial {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	r := &trial{running: &running{T: t, slot: strings.TrimPrefix(u.Path, "/")}, database: u, log: slog.New(slog.DiscardHandler)}
	r.conn = r.connect()
	r.do(r.conn, setup)
	t.Cleanup(func() {
		if r.cancel != nil {
			r.halt()
		}
	})
	return r
}

// connect is one more session.
func (r *trial) connect() *pgx.Conn {
	r.Helper()
	conn, err := pgx.Connect(r.Context(), r.database.String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// do runs statements in a session; those of one call are not a transaction unless they say so.
func (r *trial) do(conn *pgx.Conn, statements ...string) {
	r.Helper()
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(r.Context(), sql).ReadAll(); err != nil {
			r.Fatalf("%s: %v", sql, err)
		}
	}
}

// begin starts a run from a stored offset.
func (r *trial) begin(stored []byte, props map[string]string, hook func(line string) error) {
	r.Helper()
	r.task = taskOn(r.T, r.database, stored, r.log, props)
	r.out = &ledger{hook: hook}
	ctx, cancel := context.WithCancel(r.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	task, out, ended := r.task, r.out, r.ended
	go func() { ended <- task.Run(ctx, out) }()
}

// end is the error of a run that ends by itself.
func (r *trial) end() error {
	err := <-r.ended
	r.cancel()
	r.cancel = nil
	return err
}

// kill ends a run that streams, at once: it has nobody to say good-bye to.
func (r *trial) kill() {
	r.Helper()
	if _, err := r.conn.Exec(r.Context(), "SELECT pg_terminate_backend(active_pid, 60000) FROM pg_replication_slots WHERE slot_name = $1", r.slot); err != nil {
		r.Fatal(err)
	}
	if err := r.end(); err == nil {
		r.Fatal("Run() = nil after its connection was cut")
	}
}

// halt ends a run in order; all that it has published is acknowledged meanwhile.
func (r *trial) halt() {
	r.Helper()
	r.cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-r.ended:
			if r.cancel = nil; err != nil {
				r.Errorf("Run() = %v, want nil", err)
			}
			return
		case <-tick.C:
			r.ack(math.MaxInt)
		}
	}
}

func (r *trial) lines() []string {
	r.out.mu.Lock()
	defer r.out.mu.Unlock()
	return slices.Clone(r.out.lines)
}

// await waits for n records that satisfy what, or the run's end.
func (r *trial) await(n int, what string, satisfies func(line string) bool) {
	r.Helper()
	r.until(fmt.Sprintf("%d records %s are there", n, what), func() bool {
		select {
		case err := <-r.ended:
			r.ended <- err
			r.Fatalf("Run() = %v while record %s is awaited", err, what)
		default:
		}
		r.out.mu.Lock()
		defer r.out.mu.Unlock()
		found := 0
		for _, line := range r.out.lines {
			if satisfies(line) {
				found++
			}
		}
		return found >= n
	})
}

// sees waits for a record.
func (r *trial) sees(line string) {
	r.Helper()
	r.await(1, line, func(other string) bool { return other == line })
}

// ack does what the worker does when the broker has acknowledged n records, and returns the offset that is stored then.
func (r *trial) ack(n int) []byte {
	_, offset, ok := r.task.Offset(uint64(n))
	if !ok {
		return nil
	}
	offset = slices.Clone(offset)
	r.task.Stored(uint64(n))
	return offset
}

// streams waits until the stream of a run has begun.
func (r *trial) streams() {
	r.Helper()
	r.until("the stream is on", func() bool {
		select {
		case err := <-r.ended:
			r.ended <- err
			r.Fatalf("Run() = %v before it streams", err)
		default:
		}
		var on bool
		if err := r.conn.QueryRow(r.Context(), "SELECT EXISTS (SELECT FROM pg_stat_replication w JOIN pg_replication_slots s ON s.active_pid = w.pid WHERE s.slot_name = $1 AND w.state = 'streaming')", r.slot).Scan(&on); err != nil {
			r.Fatal(err)
		}
		return on
	})
}

const trapTable = "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL DEFAULT 0); CREATE PUBLICATION dbz_publication FOR ALL TABLES;"

func ids(op string, from, to int) (lines []string) {
	for id := from; id <= to; id++ {
		lines = append(lines, fmt.Sprintf("%s t %d", op, id))
	}
	return lines
}

var _ source.Emitter = new(ledger)
