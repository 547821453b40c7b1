//go:build integration

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// TestIntegrationExactlyOnce: distributed workers with exactly.once.source.support=enabled are killed with signal 9 while rows come and go, and one
// is stopped by SIGSTOP until another has taken its task over, and goes on then: readers of committed records see every change
// once, and a delete with its tombstone.
func TestIntegrationExactlyOnce(t *testing.T) {
	seed := *killSeed
	t.Logf("seed %d: replay with -kill-seed %d", seed, seed)
	e := newExactlyOnce(t, rand.New(rand.NewPCG(seed, 0)))
	e.first.begin()
	e.create()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1) // sender: the load, once
	go func() { done <- e.load(ctx) }()
	for n := range min(*kills, 3) {
		e.passes(1500)
		e.first.kill()
		mark, held := e.inserted.Load(), e.readers()
		e.first.begin()
		e.publishes(e.first, mark)
		t.Logf("kill %d at row %d, committed were rows up to %d", n+1, mark, held)
	}
	e.passes(1000)
	e.zombie()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	e.check()
}

type exactlyOnce struct {
	*testing.T
	rand          *rand.Rand
	source, name  string
	broker        string
	first, second *groupMember
	inserted      atomic.Int64
}

// groupMember is a worker process of the group.
type groupMember struct{ *worker }

func (m *groupMember) begin() {
	m.Helper()
	_, m.since = m.said(0)
	m.cmd = exec.Command(m.binary, "distributed", filepath.Join(m.dir, "worker.properties"))
	m.cmd.Stdout, m.cmd.Stderr = m.log, m.log
	if err := m.cmd.Start(); err != nil {
		m.Fatal(err)
	}
}

// base is the URL of its REST API.
func (m *groupMember) base() string {
	m.Helper()
	if base := m.rest(); strings.Contains(base, "://") {
		return base
	}
	return "http://" + m.rest()
}

// running waits until the connector and its task run, on whichever worker.
func (m *groupMember) running(connector string) {
	m.Helper()
	m.until(connector+" runs", func() (bool, string) {
		_, text := request(m.T, "GET", m.base()+"/connectors/"+connector+"/status", "")
		var s statuses
		_ = json.Unmarshal([]byte(text), &s)
		return s.Connector.State == connect.Running && len(s.Tasks) == 1 && s.Tasks[0].State == connect.Running, text
	})
}

func newExactlyOnce(t *testing.T, r *rand.Rand) *exactlyOnce {
	e := &exactlyOnce{T: t, rand: r, source: pgtest.Database(t), name: fmt.Sprintf("once%d", r.Uint32()), broker: requiredEnv(t, "TANDEM_KAFKA")}
	for _, m := range []**groupMember{&e.first, &e.second} {
		*m = &groupMember{newWorker(t)}
		(*m).write("worker.properties", map[string]string{
			"bootstrap.servers": e.broker, "group.id": e.name, "listeners": "http://127.0.0.1:0",
			"config.storage.topic": e.name + "-configs", "offset.storage.topic": e.name + "-offsets", "status.storage.topic": e.name + "-statuses",
			"config.storage.replication.factor": "1", "offset.storage.replication.factor": "1", "status.storage.replication.factor": "1", "offset.storage.partitions": "3",
			"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
			"exactly.once.source.support": "enabled", "session.timeout.ms": "6000", "heartbeat.interval.ms": "1000", "scheduled.rebalance.max.delay.ms": "0",
		})
	}
	t.Cleanup(e.forget)
	// A process that is stopped keeps its connection: the server gives the slot free when it hears nothing.
	e.first.exec(e.source, "CREATE SCHEMA store", "CREATE TABLE store.items (id bigserial PRIMARY KEY, note text)",
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET wal_sender_timeout = ''3s''', current_database()); END $$`)
	return e
}

// forget deletes the topics once the workers have ended.
func (e *exactlyOnce) forget() {
	e.first.kill()
	e.second.kill()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": e.broker}, client.ForAdmin)
	if err := report.Err(); err != nil {
		e.Error(err)
	}
	a := client.NewAdmin(c)
	defer a.Close()
	err := a.DeleteTopics(context.Background(), e.name+"-configs", e.name+"-offsets", e.name+"-statuses", e.name+".store.items")
	if err != nil {
		e.Error(err)
	}
}

// create creates the connector and waits for its stream.
func (e *exactlyOnce) create() {
	e.Helper()
	props := sourceProperties(e.T, e.name, e.source)
	props["name"], props["snapshot.mode"], props["status.update.interval.ms"] = e.name, "no_data", "500"
	props["publication.autocreate.mode"], props["slot.max.retries"], props["exactly.once.support"] = "all_tables", "100", "required"
	text, err := json.Marshal(map[string]any{"name": e.name, "config": props})
	if err != nil {
		e.Fatal(err)
	}
	e.first.until("the worker takes the connector", func() (bool, string) {
		code, answer := request(e.T, "POST", e.first.base()+"/connectors", string(text))
		return code == 201, answer
	})
	e.first.running(e.name)
	conn := e.first.dial(e.source)
	e.first.until("the slot is read", func() (active bool, _ string) {
		_ = conn.QueryRow(e.Context(), "SELECT active FROM pg_replication_slots WHERE slot_name = $1", e.name).Scan(&active)
		return active, "it is not"
	})
}

// load inserts rows, some of them hundreds in one transaction, and deletes every tenth.
func (e *exactlyOnce) load(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, e.source)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		<-tick.C
		rows := 1
		if n%100 == 50 {
			rows = 700
		}
		const step = `WITH i AS (INSERT INTO store.items (note) SELECT 'item ' || g FROM generate_series(1, $1) g RETURNING id) SELECT max(id) FROM i`
		var last int64
		if err := conn.QueryRow(context.WithoutCancel(ctx), step, rows).Scan(&last); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		if _, err := conn.Exec(context.WithoutCancel(ctx), "DELETE FROM store.items WHERE id = $1 AND id % 10 = 0", last-last%10); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		e.inserted.Store(last)
	}
	return nil
}

// passes waits a random while: random moments are what is tested.
func (e *exactlyOnce) passes(most int) {
	timer := time.NewTimer(time.Duration(e.rand.IntN(most)) * time.Millisecond)
	<-timer.C
}

// zombie stops the first worker's process until the second one has its task and has published with it, and lets it go on then.
func (e *exactlyOnce) zombie() {
	e.Helper()
	e.second.begin()
	e.second.rest()
	if err := e.first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		e.Fatal(err)
	}
	e.second.until("the second worker runs the task", func() (bool, string) {
		_, text := request(e.T, "GET", e.second.base()+"/connectors/"+e.name+"/status", "")
		var s struct {
			Tasks []struct {
				State    connect.State
				WorkerID string `json:"worker_id"`
			}
		}
		_ = json.Unmarshal([]byte(text), &s)
		return len(s.Tasks) == 1 && s.Tasks[0].State == connect.Running && s.Tasks[0].WorkerID == "127.0.0.1:"+parsed(e.T, e.second.base()).Port(), text
	})
	e.publishes(e.second, e.inserted.Load())
	if err := e.first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		e.Fatal(err)
	}
	e.passes(3000) // what the first one still holds is sent now, and refused
}

// onceRecord is a record of the topic.
type onceRecord struct {
	Op     string              `json:"op"`
	Before *struct{ ID int64 } `json:"before"`
	After  *struct{ ID int64 } `json:"after"`
	key    string
	null   bool
}

// committed reads what is committed.
func (e *exactlyOnce) committed(each func(r *onceRecord, partition int32)) {
	e.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": e.broker, "isolation.level": "read_committed"}, client.ForConsumer)
	if err := report.Err(); err != nil {
		e.Fatal(err)
	}
	err := client.Read(e.Context(), c, client.Reading{Topic: e.name + ".store.items", From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		out := onceRecord{key: string(r.Key), null: r.Value == nil}
		if r.Value != nil {
			if err := json.Unmarshal(r.Value, &out); err != nil {
				return err
			}
		}
		each(&out, r.Partition)
		return nil
	})
	if err != nil {
		e.Fatal(err)
	}
}

// publishes waits until a worker has published what came after a row.
func (e *exactlyOnce) publishes(by *groupMember, mark int64) {
	e.Helper()
	by.until("the worker publishes", func() (bool, string) {
		n := e.readers()
		return n > mark, fmt.Sprintf("up to %d of %d", n, mark)
	})
}

// readers is the highest id that readers of committed records have.
func (e *exactlyOnce) readers() (most int64) {
	e.committed(func(r *onceRecord, _ int32) {
		if r.After != nil {
			most = max(most, r.After.ID)
		}
	})
	return most
}

// check waits for the last row and holds the topic against what was done.
func (e *exactlyOnce) check() {
	e.Helper()
	last := e.inserted.Load()
	e.second.until("readers have the last row", func() (bool, string) {
		n := e.readers()
		return n >= last, fmt.Sprintf("up to %d of %d", n, last)
	})
	created, deleted, tombstones := make(map[int64]int), make(map[int64]int), make(map[string]int)
	before := make(map[int32]int64)
	e.committed(func(r *onceRecord, partition int32) {
		switch {
		case r.null:
			tombstones[r.key]++
		case r.Op == "c":
			created[r.After.ID]++
			if r.After.ID <= before[partition] {
				e.Errorf("partition %d: row %d behind %d", partition, r.After.ID, before[partition])
			}
			before[partition] = r.After.ID
		case r.Op == "d":
			deleted[r.Before.ID]++
		default:
			e.Errorf("record with op %q", r.Op)
		}
	})
	for id := int64(1); id <= last; id++ {
		if created[id] != 1 {
			e.Errorf("row %d was created %d times", id, created[id])
		}
	}
	for id, n := range deleted {
		if n != 1 {
			e.Errorf("row %d was deleted %d times", id, n)
		}
	}
	for key, n := range tombstones {
		if n != 1 {
			e.Errorf("key %s has %d tombstones", key, n)
		}
	}
	if len(tombstones) != len(deleted) || len(deleted) == 0 {
		e.Errorf("%d rows are deleted, with %d tombstones", len(deleted), len(tombstones))
	}
	var left int
	if err := e.first.dial(e.source).QueryRow(e.Context(), "SELECT count(*) FROM store.items").Scan(&left); err != nil {
		e.Fatal(err)
	}
	if got := len(created) - len(deleted); got != left {
		e.Errorf("%d rows are left by the topic, %d in the table", got, left)
	}
	e.Logf("%d rows, %d deleted, each once", len(created), len(deleted))
}
