package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// tape is an Emitter that keeps what passes as "op id snapshot", and the offsets behind it.
type tape struct {
	task *source.Task
	hook func(line string) error // before a record counts; may block

	streams [][2]*schema.Schema
	current int
	begun   bool
	value   *schema.Builder
	n       uint64

	mu    sync.Mutex
	lines []string
	acked []byte // offset behind the record before the last
}

func (p *tape) Stream(_ string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	p.streams = append(p.streams, [2]*schema.Schema{key, value})
	return len(p.streams) - 1, nil
}

func (p *tape) Begin(handle int) (key, value schema.Writer) {
	if p.begun {
		panic("a record was begun and not ended")
	}
	p.begun = true
	p.current = handle
	if s := p.streams[handle][0]; s != nil {
		key = schema.NewBuilder(s)
	}
	p.value = schema.NewBuilder(p.streams[handle][1])
	return key, p.value
}

func (p *tape) End([]schema.Header) error {
	p.begun = false
	v := p.value.Value().Struct()
	id := v.Field("after").Struct().Field("id")
	text := strconv.FormatInt(id.Int(), 10)
	if id.Type() == schema.String {
		text = id.Text() // of a signal
	}
	line := fmt.Sprintf("%s %s %s", v.Field("op").Text(), text, v.Field("source").Struct().Field("snapshot").Text())
	if p.hook != nil {
		if err := p.hook(line); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, offset, ok := p.task.Offset(p.n); ok {
		p.acked = slices.Clone(offset)
		p.task.Stored(p.n)
	}
	p.n++
	p.lines = append(p.lines, strings.TrimSpace(line))
	return nil
}

func (*tape) Flush() error { return nil }

func (p *tape) has(line string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.lines, line)
}

// signalled is a database with a table t of five rows, whose changes a task captures that hears signals.
type signalled struct {
	*running
	database *url.URL
	props    map[string]string
	file     string
	env      source.Env
	tape     *tape
	ended    chan error // sender: the task's goroutine, once per run. Bound: 1
	cancel   context.CancelFunc
}

func newSignalled(t *testing.T, props map[string]string) *signalled {
	t.Helper()
	r, u := sessionOn(t, pgtest.Database(t))
	s := &signalled{running: r, database: u, file: filepath.Join(t.TempDir(), "signals.txt"),
		env: source.Env{Connector: "test", Log: slog.New(slog.DiscardHandler)}}
	password, _ := u.User.Password()
	s.props = map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(),
		"database.password": password, "database.dbname": s.slot, "slot.name": s.slot, "status.update.interval.ms": "20", "snapshot.mode": "no_data",
		"signal.file": s.file, "signal.poll.interval.ms": "5"}
	for k, v := range props {
		s.props[k] = v
	}
	s.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5)")
	t.Cleanup(func() {
		if s.cancel != nil {
			s.cancel()
			<-s.ended
		}
	})
	return s
}

// begin starts a run from a stored offset.
func (s *signalled) begin(stored []byte, hook func(string) error) {
	s.Helper()
	s.env.StoredOffset = func(context.Context, []byte) ([]byte, error) { return stored, nil }
	task, err := source.NewTask(s.props, s.env)
	if err != nil {
		s.Fatal(err)
	}
	s.tape = &tape{task: task, hook: hook, acked: stored}
	ctx, cancel := context.WithCancel(s.Context())
	s.cancel, s.ended = cancel, make(chan error, 1)
	ended, out := s.ended, s.tape
	go func() { ended <- task.Run(ctx, out) }()
}

// end waits until the run has ended by itself, or ends it in order.
func (s *signalled) end(stop bool) error {
	if stop {
		s.cancel()
	}
	err := <-s.ended
	s.cancel()
	s.cancel = nil
	return err
}

func (s *signalled) await(line string) {
	s.Helper()
	s.until("record "+line+" is there", func() bool { return s.tape.has(line) })
}

// streams waits until the task streams, by rows from id on. A slot that is still being made is active too, and has no confirmed LSN yet.
func (s *signalled) streams(id int) {
	s.Helper()
	s.until("the stream is on", func() bool {
		var active bool
		if err := s.conn.QueryRow(s.Context(), "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active AND confirmed_flush_lsn IS NOT NULL)", s.slot).Scan(&active); err != nil {
			s.Fatal(err)
		}
		return active
	})
	s.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", id))
	s.await(fmt.Sprintf("c %d", id))
}

const blockingSignal = `{"id":"b1","type":"execute-snapshot","data":{"type":"blocking","data-collections":["public.t"]}}`

func (s *signalled) signal(text string) {
	s.Helper()
	if err := os.WriteFile(s.file, []byte(text+"\n"), 0o600); err != nil {
		s.Fatal(err)
	}
}

// A blocking snapshot that is killed at any row is not taken up again, and the stream goes on behind what it published before.
func TestBlockingSnapshotKilled(t *testing.T) {
	for _, at := range []string{"r 1 first", "r 3 true", "r 6 last"} {
		t.Run(at, func(t *testing.T) {
			s := newSignalled(t, map[string]string{"signal.enabled.channels": "file"})
			killed := errors.New("kill -9")
			s.begin(nil, func(line string) error {
				if line == at {
					return killed
				}
				return nil
			})
			s.streams(6)
			s.signal(blockingSignal)
			if err := s.end(false); !errors.Is(err, killed) {
				t.Fatalf("Run() = %v, want %v", err, killed)
			}
			stored := s.tape.acked
			s.exec("INSERT INTO t VALUES (7)")
			s.begin(stored, nil)
			s.await("c 7")
			if err := s.end(true); err != nil {
				t.Fatalf("Run() = %v, want nil", err)
			}
			got := slices.DeleteFunc(s.tape.lines, func(line string) bool { return line == "c 6" }) // its offset may not have been stored
			if diff := cmp.Diff([]string{"c 7"}, got); diff != "" {
				t.Errorf("records of the second run, behind offset %s (-want +got):\n%s", stored, diff)
			}
		})
	}
}

// So it is before the stream has brought anything.
func TestBlockingSnapshotKilledBeforeStream(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "file", "snapshot.mode": "initial", "status.update.interval.ms": "60000"})
	killed := errors.New("kill -9")
	initial := true
	s.begin(nil, func(line string) error {
		if line == "r 3 true" && !initial {
			return killed
		}
		initial = initial && line != "r 5 last"
		return nil
	})
	s.signal(blockingSignal)
	if err := s.end(false); !errors.Is(err, killed) {
		t.Fatalf("Run() = %v, want %v", err, killed)
	}
	stored := s.tape.acked
	if !bytes.Contains(stored, []byte("BLOCKING")) {
		t.Fatalf("offset of the killed run = %s, want one of a blocking snapshot", stored)
	}
	s.exec("INSERT INTO t VALUES (7)")
	s.begin(stored, nil)
	s.streams(8)
	if err := s.end(true); err != nil {
		t.Fatalf("Run() = %v, want nil", err)
	}
	if diff := cmp.Diff([]string{"c 7", "c 8"}, s.tape.lines); diff != "" {
		t.Errorf("records of the second run, behind offset %s (-want +got):\n%s", stored, diff)
	}
}

// A blocking snapshot that is asked for while the stream comes to the point of the initial one waits for that, and takes nothing from it.
func TestBlockingSnapshotWithinCatchUp(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "source", "signal.data.collection": "public.sig", "snapshot.mode": "initial", "table.include.list": "public.t"})
	s.exec("CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048)); CREATE PUBLICATION dbz_publication FOR ALL TABLES")
	s.exec("SELECT pg_create_logical_replication_slot(current_database()::text, 'pgoutput')")
	s.exec(`INSERT INTO sig VALUES ('b1', 'execute-snapshot', '{"type":"blocking","data-collections":["public.t"]}')`)
	killed := errors.New("kill -9")
	s.begin(nil, func(line string) error {
		if line == "r 3 true" {
			return killed
		}
		return nil
	})
	if err := s.end(false); !errors.Is(err, killed) {
		t.Fatalf("Run() = %v, want %v", err, killed)
	}
	if stored := s.tape.acked; bytes.Contains(stored, []byte("BLOCKING")) || !bytes.Contains(stored, []byte(`"snapshot_completed":false`)) {
		t.Errorf("offset of the killed run = %s, want one of the initial snapshot", stored)
	}
	s.begin(nil, nil)
	s.until("both snapshots are read", func() bool {
		s.tape.mu.Lock()
		defer s.tape.mu.Unlock()
		return len(s.tape.lines) >= 11
	})
	s.streams(6)
	if err := s.end(true); err != nil {
		t.Fatalf("Run() = %v, want nil", err)
	}
	rows := []string{"r 1 first", "r 2 true", "r 3 true", "r 4 true", "r 5 last"}
	want := append(append([]string{"c b1"}, rows...), append(rows, "c 6")...)
	if diff := cmp.Diff(want, s.tape.lines); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A change that is left out leaves no half of a record behind, whatever event.converting.failure.handling.mode says: a column that is NOT NULL
// has no null to fall back on.
func TestChangeLeftOutWhole(t *testing.T) {
	for _, mode := range []string{"fail", "warn", "skip"} {
		t.Run(mode, func(t *testing.T) {
			s := newSignalled(t, map[string]string{"event.processing.failure.handling.mode": "skip", "event.converting.failure.handling.mode": mode})
			s.exec("CREATE TABLE n (id int PRIMARY KEY, v numeric(5, 2) NOT NULL)")
			s.begin(nil, nil)
			s.streams(6)
			s.exec("INSERT INTO n VALUES (7, 'NaN'); INSERT INTO n VALUES (8, 1); INSERT INTO n VALUES (9, 'NaN')")
			s.exec("INSERT INTO t VALUES (10)")
			s.await("c 10")
			if err := s.end(true); err != nil {
				t.Errorf("Run() = %v, want nil", err)
			}
			if diff := cmp.Diff([]string{"c 6", "c 8", "c 10"}, s.tape.lines); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// Rows of the signal table are not read again, as in Debezium: those of signals that were carried out are often gone.
func TestSignalTableIsNotReselected(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "source", "signal.data.collection": "public.sig", "skipped.operations": "d",
		"post.processors": "again", "again.type": "io.debezium.processors.reselect.ReselectColumnsPostProcessor", "again.reselect.error.handling.mode": "fail"})
	s.exec("CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048))")
	s.begin(nil, nil)
	s.streams(6)
	s.exec("INSERT INTO sig VALUES ('gone', 'log', NULL); DELETE FROM sig")
	s.exec("INSERT INTO t VALUES (7)")
	s.await("c 7")
	if err := s.end(true); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}

// A metadata connection that was cut while it was idle does not spoil the snapshot.
func TestBlockingSnapshotAfterCut(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "file"})
	s.begin(nil, nil)
	s.streams(6)
	s.exec("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
	s.signal(blockingSignal)
	s.await("r 6 last")
	if err := s.end(true); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}

// Nor does it keep slot.drop.on.stop from dropping the slot.
func TestSlotDroppedAfterCut(t *testing.T) {
	s := newSignalled(t, map[string]string{"slot.drop.on.stop": "true"})
	s.begin(nil, nil)
	s.streams(6)
	s.exec("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
	if err := s.end(true); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	var slots int
	if err := s.conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", s.slot).Scan(&slots); err != nil || slots != 0 {
		t.Errorf("slots after the stop = %d, %v, want none", slots, err)
	}
}

// While a blocking snapshot is read, and the broker is slow, the server hears of the replication connection; trap 15.
func TestBlockingSnapshotKeepsConnection(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "file", "status.update.interval.ms": "100"})
	s.exec("ALTER DATABASE " + pgx.Identifier{s.slot}.Sanitize() + " SET wal_sender_timeout = '1s'")
	// Closed by the test when the publisher may go on.
	slow, held := make(chan struct{}), make(chan struct{})
	s.begin(nil, func(line string) error {
		if line == "r 3 true" {
			close(held)
			<-slow
		}
		return nil
	})
	s.streams(6)
	s.signal(blockingSignal)
	<-held
	began := time.Now()
	s.until("thrice wal_sender_timeout has passed", func() bool { return time.Since(began) > 3*time.Second })
	close(slow)
	s.exec("INSERT INTO t VALUES (7)")
	s.await("c 7")
	if err := s.end(true); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}

// Signals of a topic are carried out once, also those that came while the task was down.
func TestSignalTopicAcrossRestart(t *testing.T) {
	broker := newSignalBroker(t)
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "kafka", "signal.kafka.bootstrap.servers": broker.Bootstrap()})
	s.env.ReadSignals = readSignals
	if err := broker.CreateTopic(t.Context(), "p-signal"); err != nil {
		t.Fatal(err)
	}
	filtered := func(id, where string) {
		t.Helper()
		text := `{"id":"` + id + `","type":"execute-snapshot","data":{"type":"blocking","data-collections":["public.t"],"additional-conditions":[{"data-collection":"public.t","filter":"SELECT * FROM t WHERE ` + where + `"}]}}`
		if err := broker.Produce(t.Context(), "p-signal", "p", text); err != nil {
			t.Fatal(err)
		}
	}
	s.begin(nil, nil)
	s.streams(6)
	filtered("1", "id = 1")
	s.await("r 1 last")
	if err := s.end(true); err != nil {
		t.Fatal(err)
	}
	filtered("2", "id = 2")
	s.begin(s.tape.acked, nil)
	s.await("r 2 last")
	filtered("3", "id = 3")
	s.await("r 3 last")
	if err := s.end(true); err != nil {
		t.Fatal(err)
	}
	if s.tape.has("r 1 last") {
		t.Errorf("the second run has %q: a signal was carried out twice", s.tape.lines)
	}
}

// Where nothing is streamed, signals are heard all the same.
func TestSignalsWithoutStream(t *testing.T) {
	s := newSignalled(t, map[string]string{"signal.enabled.channels": "file", "snapshot.mode": "initial_only"})
	s.begin(nil, nil)
	s.await("r 5 last")
	for _, row := range []string{"6", "7"} {
		s.exec("INSERT INTO t VALUES (" + row + ")")
		s.signal(blockingSignal)
		s.await("r " + row + " last")
	}
	if err := s.end(true); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}
