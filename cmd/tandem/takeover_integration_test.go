//go:build integration

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

var takeovers = flag.Int("takeovers", 1, "how often each chain of take-overs goes through its phases")

// TestIntegrationTakeover lets the Debezium connector in Kafka Connect and tandem take over from each other, with the same files: worker,
// connector and offsets. After an orderly stop nothing is missing and nothing comes twice; after signal 9 nothing is missing.
func TestIntegrationTakeover(t *testing.T) {
	t.Run("Orderly", func(t *testing.T) {
		h := newTakeover(t)
		for range *takeovers {
			h.phases(phase{h.debezium, stop, inside}, phase{h.tandem, stop, inside}, phase{h.debezium, stop, idle}, phase{h.tandem, stop, idle})
		}
		h.last(h.debezium)
		h.check(true)
	})
	t.Run("Killed", func(t *testing.T) {
		h := newTakeover(t)
		for range *takeovers {
			h.phases(phase{h.tandem, kill, inside}, phase{h.debezium, kill, inside}, phase{h.tandem, kill, idle})
		}
		h.last(h.debezium)
		h.check(false)
	})
	t.Run("Debezium's snapshot", func(t *testing.T) {
		newTakeover(t).snapshot(func(h *takeover) (phase, runner) { return phase{h.debezium, kill, inside}, h.tandem })
	})
	t.Run("tandem's snapshot", func(t *testing.T) {
		newTakeover(t).snapshot(func(h *takeover) (phase, runner) { return phase{h.tandem, stop, inside}, h.debezium })
	})
}

// runner is one of the two who run the connector.
type runner interface {
	begin()
	stop()
	kill()
}

func stop(r runner) { r.stop() }
func kill(r runner) { r.kill() }

// phase is a part of the load, and how and where the runner that publishes it ends.
type phase struct {
	runner
	end   func(runner)
	where func(h *takeover, p phase)
}

// takeover is a database whose changes two runners publish in turn.
type takeover struct {
	*worker
	name             string // of slot, publication, topics
	source, other    string // URLs: the database that is captured, and another one of the same server
	gate             *gate  // between the runners and the server
	port             int    // of the REST API
	db, away         *pgx.Conn
	tandem, debezium runner
	consumer         *kgo.Client
	topics           map[string][]published
	load             load
}

func newTakeover(t *testing.T) *takeover {
	h := &takeover{source: pgtest.Database(t), other: pgtest.Database(t), topics: make(map[string][]published)}
	h.worker = newWorker(t)
	h.name = "takeover_" + strings.TrimPrefix(parsed(t, h.source).Path, "/")
	h.db, h.away = h.dial(h.source), h.dial(h.other)
	h.must(h.db, takeoverSchema)
	h.gate = newGate(t, parsed(t, h.source).Host)
	var err error
	if h.port, err = jvmserver.FreePort(); err != nil {
		t.Fatal(err)
	}
	h.files()
	connect, err := jvmserver.NewConnect(t.Context(), h.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		check(t, connect.Kill())
		h.kill()
		if text, err := os.ReadFile(connect.Log()); err == nil && t.Failed() {
			t.Logf("end of Kafka Connect's log:\n%s", text[max(0, len(text)-10000):])
		}
	})
	h.tandem, h.debezium = &tandemRunner{h}, &debeziumRunner{h, connect}
	h.consume()
	return h
}

// files writes what both read.
func (h *takeover) files() {
	plugins, err := jvmserver.DebeziumPlugins(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	h.write("worker.properties", map[string]string{
		"bootstrap.servers": requiredEnv(h.T, "TANDEM_KAFKA"), "offset.storage.file.filename": filepath.Join(h.dir, "offsets"), "offset.flush.interval.ms": "500",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"listeners": fmt.Sprintf("http://127.0.0.1:%d", h.port), "plugin.path": plugins, "plugin.discovery": "service_load",
		"topic.creation.enable": "true", "task.shutdown.graceful.timeout.ms": "2000",
	})
	props := sourceProperties(h.T, h.name, h.source)
	props["name"] = h.name
	_, props["database.port"], _ = strings.Cut(h.gate.address(), ":")
	props["database.hostname"] = "127.0.0.1"
	delete(props, "retriable.restart.connector.wait.ms")
	for name, value := range map[string]string{
		"schema.include.list": "public", "topic.creation.default.partitions": "1", "provide.transaction.metadata": "true", "skipped.operations": "none",
		"heartbeat.interval.ms": "300", "database.sslmode": "disable", "status.update.interval.ms": "300", "slot.max.retries": "60", "poll.interval.ms": "50",
		"snapshot.select.statement.overrides": "public.wall", "snapshot.select.statement.overrides.public.wall": "SELECT * FROM wall WHERE (SELECT pg_advisory_lock_shared(7)) IS NOT NULL",
		"tasks.max": "1", "plugin.name": "pgoutput",
	} {
		props[name] = value
	}
	h.write("source.properties", props)
}

func (h *takeover) file(name string) string { return filepath.Join(h.dir, name) }

func (h *takeover) must(conn *pgx.Conn, statements ...string) {
	h.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(context.WithoutCancel(h.Context()), sql); err != nil {
			h.Fatalf("%s: %v", sql, err)
		}
	}
}

// phases lets each runner publish its part of the load, and ends it.
func (h *takeover) phases(phases ...phase) {
	for _, p := range phases {
		p.begin()
		h.active()
		h.finish() // what was begun before the switch
		h.changes()
		if p.runner == h.tandem {
			h.idle()
			h.changes()
		}
		p.where(h, p)
	}
}

// inside ends a runner in the middle of a transaction, with others open.
func inside(h *takeover, p phase) {
	h.caughtUp() // Debezium reads the WAL twice at its start; what the gate lets through is for what comes then
	h.begin()
	h.gate.hold(100 << 10)
	h.large(p.runner == h.debezium)
	before := len(h.records("public.big"))
	h.until("a part of a transaction is published", func() (bool, string) {
		h.poll()
		return len(h.records("public.big")) > before+20, ""
	})
	p.end(p.runner)
	h.readToEnd()
	h.Logf("%T ended behind %d rows of a transaction of %d; offset %s", p.runner, len(h.records("public.big"))-before, largeRows, h.offset())
	h.gate.open()
}

// idle ends a runner when the server has written for others alone, with a transaction open that was begun since.
func idle(h *takeover, p phase) {
	h.idle()
	h.begin()
	p.end(p.runner)
	h.Logf("%T ended while nothing was to be done; offset %s", p.runner, h.offset())
}

// last publishes the rest.
func (h *takeover) last(r runner) {
	r.begin()
	h.active()
	h.finish()
	h.changes()
	h.caughtUp()
	r.stop()
	h.readToEnd()
}

// caughtUp waits until a row that is inserted now is published.
func (h *takeover) caughtUp() {
	h.Helper()
	id := h.insert(h.db, "marker")
	h.until("the last row is published", func() (bool, string) {
		h.poll()
		return h.rows("audit")[id] > 0, fmt.Sprintf("%d records in the topic of table audit", len(h.records("public.audit")))
	})
}

// idle lets the server write for others alone until the slot retains none of it any more, or, while Debezium runs, which confirms its own
// changes only, for a while.
func (h *takeover) idle() {
	h.caughtUp()
	var lsn string
	if err := h.db.QueryRow(h.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		h.Fatal(err)
	}
	rounds := 0
	h.until("an idle server's position is confirmed", func() (bool, string) {
		h.must(h.away, "CREATE TABLE IF NOT EXISTS noise (t text)", "INSERT INTO noise SELECT repeat('x', 500) FROM generate_series(1, 200)", "SELECT pg_switch_wal()", "CHECKPOINT")
		var restart string
		var beyond bool
		if err := h.db.QueryRow(h.Context(), "SELECT restart_lsn::text, restart_lsn > $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", h.name, lsn).Scan(&restart, &beyond); err != nil {
			h.Fatal(err)
		}
		rounds++
		return beyond || rounds >= 2 && h.cmd == nil, "restart_lsn " + restart + ", wanted beyond " + lsn
	})
}

// snapshot ends one runner between two tables of its snapshot, and lets the other take over.
func (h *takeover) snapshot(who func(h *takeover) (from phase, to runner)) {
	from, to := who(h)
	h.must(h.db, "INSERT INTO audit (how) SELECT 'early' FROM generate_series(1, 20000)", "INSERT INTO wall SELECT g FROM generate_series(1, 10) g")
	lock := h.dial(h.source)
	h.must(lock, "SELECT pg_advisory_lock(7)") // a snapshot reads audit, and cannot go on
	from.begin()
	h.until("a part of the snapshot is published", func() (bool, string) {
		h.poll()
		return len(h.records("public.audit")) >= 100, ""
	})
	h.must(h.db, "INSERT INTO audit (how) SELECT 'meanwhile' FROM generate_series(1, 50)", "UPDATE counters SET n = n + 1")
	from.end(from.runner) // Debezium does not stop in order while a statement runs
	h.must(lock, "SELECT pg_advisory_unlock(7)")
	h.last(to)
	h.check(false)
	if got := len(h.records("public.wall")); got != 10 {
		h.Errorf("%d records of table wall, want 10", got)
	}
}

type tandemRunner struct{ h *takeover }

func (r *tandemRunner) begin() {
	r.h.Helper()
	r.h.start("source.properties")
}

func (r *tandemRunner) kill() { r.h.kill() }

func (r *tandemRunner) stop() {
	r.h.Helper()
	if err := r.h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.h.Fatal(err)
	}
	if err := r.h.cmd.Wait(); err != nil {
		r.h.Fatalf("tandem ended: %v", err)
	}
	r.h.cmd = nil
}

type debeziumRunner struct {
	h       *takeover
	connect *jvmserver.Connect
}

func (r *debeziumRunner) begin() {
	r.h.Helper()
	if err := r.connect.Start(r.h.Context(), r.running, r.h.file("worker.properties"), r.h.file("source.properties")); err != nil {
		r.h.Fatal(err)
	}
}

// running asks the worker for the state of the connector's task.
func (r *debeziumRunner) running(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://127.0.0.1:%d/connectors/%s/status", r.h.port, r.h.name), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func (r *debeziumRunner) stop() { r.end(r.connect.Stop) }
func (r *debeziumRunner) kill() { r.end(r.connect.Kill) }

func (r *debeziumRunner) end(how func() error) {
	r.h.Helper()
	if err := how(); err != nil {
		r.h.Fatal(err)
	}
}

var offsetText = regexp.MustCompile(`\{[^{}]*"lsn":[^{}]*\}`)

// offset is the stored offset.
func (h *takeover) offset() string {
	text, err := os.ReadFile(h.file("offsets"))
	if err != nil {
		h.Fatal(err)
	}
	return string(offsetText.Find(text))
}

// checkLog wants that Debezium could read each offset it was given.
func (h *takeover) checkLog() {
	h.Helper()
	text, err := os.ReadFile(h.debezium.(*debeziumRunner).connect.Log())
	if err != nil {
		h.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "deserialize offset") {
			h.Error(line)
		}
	}
}

// active waits until somebody reads the slot.
func (h *takeover) active() {
	h.Helper()
	h.until("the slot is read", func() (bool, string) {
		var active bool
		err := h.db.QueryRow(h.Context(), "SELECT active FROM pg_replication_slots WHERE slot_name = $1", h.name).Scan(&active)
		return err == nil && active, fmt.Sprint(err)
	})
}
