//go:build integration

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// TestIntegrationCrashPoints: a worker dies by signal 9 just where it hurts, and is started again. No row is lost; with exactly-once delivery none
// comes twice for readers of committed records; else none does that the stored offset was behind; and a sink applies each record once, whatever the
// group's offsets say. A case says which line it guards: without that line it was seen to fail.
func TestIntegrationCrashPoints(t *testing.T) {
	binary := built(t, "-tags", "crashpoint")
	for _, c := range []crashCase{
		// The broker has the records, and their offset is not stored. Meanwhile PostgreSQL must not hear of them: Stored behind Put in
		// sourceLife.commit. Else the slot is ahead of the offset, and a gap.
		{at: "source.acknowledged:5:500ms"},
		// The offset is stored, and PostgreSQL has not heard of it: the stream begins behind the offset, not where the slot stands (position.start in
		// session.startStream).
		{at: "source.stored:5"},
		// The offset is stored, and records behind it are on their way: it is that of acknowledged records alone (acked, not Sent, in
		// sourceLife.commit).
		{at: "source.stored:5", burst: 50},
		// The snapshot's last row is on its way, others before it are acknowledged, and an offset behind these is stored. It must not say that the
		// snapshot is complete (publisher.read at cdc.MarkLast), nor be taken for one that does (session.wantsSnapshot).
		{at: "snapshot.ended:1:500ms", snapshot: 8000},
		// The same, in transactions: rows that an unfinished snapshot has told do not come again (progress.markOf).
		{at: "snapshot.ended", snapshot: 6000, once: true},
		// A transaction of Kafka is complete, and not committed. Its offset counts for nobody (client.ReadCommitted in kafkaClients.readTopic), and
		// PostgreSQL must not have heard of it (Stored in onceLife.settle, behind the commit).
		{at: "once.ended:3:1s", once: true},
		// The first one, with rows of the snapshot.
		{at: "once.ended:1:1s", once: true},
		// It is committed, and PostgreSQL has not heard of it: the offset was in it (Send before Cut in onceLife.cut).
		{at: "once.committed:3", once: true},
		// The target has the rows, and the worker does not know it: the position moves in the same transaction (move in Task.transaction).
		{at: "sink.committed:3", sink: true},
		// The worker knows, and the group's offset is not committed: the target's position counts, which stays (claimPosition).
		{at: "sink.applied:3", sink: true},
	} {
		name := c.at
		if c.once {
			name += " once"
		}
		if c.burst > 0 {
			name += " burst"
		}
		t.Run(name, func(t *testing.T) {
			k := newCrashTest(t, binary, c)
			k.environment = []string{"TANDEM_CRASH_AT=" + c.at}
			k.begin()
			k.dies()
			stored := k.storedLSN()
			k.environment = nil
			k.begin()
			k.insert(10)
			k.check(stored)
		})
	}
}

type crashCase struct {
	at         string // a name of package crashpoint, which time it is passed, and how long it takes to die there
	burst      int    // rows that are inserted at a time, 0 for one, so many that the producer, which sends a request for each row, falls behind
	snapshot   int    // rows, so many that they are not all published when they are all read
	once, sink bool   // exactly-once delivery; a sink
}

// mostBursts is how many rows come in bursts: what a slow machine sends in a few seconds.
const mostBursts = 5000

type crashTest struct {
	*worker
	crashCase
	source, target, prefix string
	load                   *pgx.Conn
	rows                   int
}

func newCrashTest(t *testing.T, binary string, c crashCase) *crashTest {
	k := &crashTest{worker: workerOf(t, binary), crashCase: c, source: pgtest.Database(t), prefix: fmt.Sprintf("crashes%d", rand.Uint32())}
	k.rows = max(50, c.snapshot)
	k.exec(k.source, "CREATE SCHEMA store", "CREATE TABLE store.t0 (id int PRIMARY KEY)",
		fmt.Sprintf("INSERT INTO store.t0 SELECT generate_series(1, %d)", k.rows))
	k.load = k.dial(k.source)
	broker := requiredEnv(t, "TANDEM_KAFKA")
	worker := map[string]string{"bootstrap.servers": broker, "offset.flush.interval.ms": "50", "listeners": "http://127.0.0.1:0",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"offset.storage.file.filename": k.offsets()}
	source := sourceProperties(t, k.prefix, k.source)
	source["topic.creation.default.partitions"], source["status.update.interval.ms"] = "1", "100"
	source["producer.override.linger.ms"] = "300" // so that records are on their way whenever it dies
	if !c.sink {
		worker["key.converter.schemas.enable"], worker["value.converter.schemas.enable"] = "false", "false"
	}
	if c.snapshot > 0 || c.burst > 0 { // a request for each row
		source["producer.override.linger.ms"], source["producer.override.batch.size"], source["producer.override.max.in.flight.requests.per.connection"] = "0", "512", "1"
	}
	if c.snapshot > 0 && c.once { // rows wait for room, so that some transactions are over when the last one is read
		source["producer.override.buffer.memory"], source["snapshot.fetch.size"] = "100000", "500"
	}
	if c.once {
		for name, value := range map[string]string{"group.id": k.prefix, "offset.storage.topic": k.prefix + "-offsets", "offset.storage.replication.factor": "1",
			"exactly.once.source.support": "enabled"} {
			worker[name] = value
		}
		source["transaction.boundary"] = "poll"
	}
	k.write("worker.properties", worker)
	k.write("source.properties", source)
	if !c.sink {
		return k
	}
	k.target = pgtest.Database(t)
	k.exec(k.target, "CREATE SCHEMA store")
	props := sinkProperties(t, k.prefix, k.target)
	for name, value := range map[string]string{"insert.mode": "insert", "primary.key.mode": "none", "delete.enabled": "false", "consumer.override.auto.offset.reset": "earliest"} {
		props[name] = value
	}
	k.write("sink.properties", props)
	return k
}

func (k *crashTest) offsets() string { return filepath.Join(k.dir, "offsets") }

func (k *crashTest) begin() {
	k.Helper()
	if k.sink {
		k.start("source.properties", "sink.properties")
	} else {
		k.start("source.properties")
	}
}

// insert inserts rows in a transaction.
func (k *crashTest) insert(n int) {
	k.Helper()
	if _, err := k.load.Exec(k.Context(), "INSERT INTO store.t0 SELECT generate_series($1::int, $2::int)", k.rows+1, k.rows+n); err != nil {
		k.Fatal(err)
	}
	k.rows += n
}

// dies waits until the worker has died where it should. Rows come all the while, so that some are always on their way.
func (k *crashTest) dies() {
	k.Helper()
	ended := make(chan error, 1) // sender: the wait for the process, once
	cmd := k.cmd
	go func() { ended <- cmd.Wait() }()
	ticks, limit := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer ticks.Stop()
	for dead := false; !dead; {
		select {
		case <-ticks.C:
			if k.rows < mostBursts {
				k.insert(max(1, k.burst))
			} else {
				k.insert(1)
			}
		case <-limit:
			_ = cmd.Process.Kill()
			<-ended
			dead = true
		case <-ended:
			dead = true
		}
	}
	k.cmd = nil
	point, _, _ := strings.Cut(k.at, ":")
	text, _ := k.said(k.since)
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL || !strings.Contains(text, "crash point "+point+"\n") {
		k.Fatalf("the worker ended with %v, want signal 9 at %s", cmd.ProcessState, point)
	}
	if n := len(k.published()); k.snapshot > 0 && (n == 0 || n >= k.snapshot) {
		k.Fatalf("%d of the snapshot's %d rows were published when the worker died, want some and not all", n, k.snapshot)
	}
}

// storedLSN is where the stream stood by the offset file; 0 when that does not tell.
func (k *crashTest) storedLSN() uint64 {
	k.Helper()
	if k.once { // in a topic; nothing comes twice at all
		return 0
	}
	text, err := os.ReadFile(k.offsets())
	if err != nil {
		k.Fatalf("no offset was stored: %v", err)
	}
	entries, err := java.DecodeMap(text)
	if err != nil || len(entries) != 1 {
		k.Fatalf("offset file: %d entries, error %v, want one", len(entries), err)
	}
	var stored struct {
		LSN      uint64
		Snapshot any
	}
	if err := json.Unmarshal(entries[0].Value, &stored); err != nil {
		k.Fatalf("offset %s: %v", entries[0].Value, err)
	}
	switch streaming := stored.Snapshot == nil; {
	case k.sink: // the source dies anywhere
		return 0
	case streaming == (k.snapshot > 0):
		k.Fatalf("the worker died with offset %s, want one of a stream: %t", entries[0].Value, k.snapshot == 0)
	case streaming:
		return stored.LSN
	}
	return 0
}

// published has the LSNs of each row's records, as readers of committed records see them.
func (k *crashTest) published() map[int][]uint64 {
	k.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": requiredEnv(k.T, "TANDEM_KAFKA"), "isolation.level": "read_committed"}, client.ForConsumer)
	if err := report.Err(); err != nil {
		k.Fatal(err)
	}
	found := make(map[int][]uint64)
	err := client.Read(k.Context(), c, client.Reading{Topic: k.prefix + ".store.t0", From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		type change struct {
			After  struct{ ID int }
			Source struct{ LSN uint64 }
		}
		var value struct {
			change
			Payload *change // where the schema comes along
		}
		if err := json.Unmarshal(r.Value, &value); err != nil {
			return err
		}
		c := cmp.Or(value.Payload, &value.change)
		found[c.After.ID] = append(found[c.After.ID], c.Source.LSN)
		return nil
	})
	if err != nil {
		k.Logf("read the topic: %v", err) // it is not there yet
	}
	return found
}

// mustRun fails with a connector that failed for good.
func (k *crashTest) mustRun(connectors ...string) {
	k.Helper()
	for _, c := range connectors {
		for _, task := range k.status(k.prefix + c).Tasks {
			if task.State == connect.Failed {
				k.Fatalf("%s%s failed: %s", k.prefix, c, task.Trace)
			}
		}
	}
}

// check waits until the last row is there, behind which nothing can come any more: they are all of one partition. It wants every row, and none twice
// where that is promised: with exactly-once delivery, and for what lies before the stored LSN.
func (k *crashTest) check(stored uint64) {
	k.Helper()
	var published map[int][]uint64
	k.until("the last row is published", func() (bool, string) {
		k.mustRun("-source")
		published = k.published()
		return published[k.rows] != nil, fmt.Sprintf("%d of %d", len(published), k.rows)
	})
	lost, again, twice, before := 0, 0, 0, 0
	for id := 1; id <= k.rows; id++ {
		lsns := published[id]
		switch {
		case len(lsns) == 0:
			lost++
			continue
		case len(lsns) > 1:
			again++
		}
		if lsns[0] < stored {
			before++
		}
		if len(lsns) > 1 && (k.once || lsns[0] < stored) {
			twice++
		}
	}
	k.Logf("%d rows, %d of them in the topic more than once; %d lie before the stored offset", k.rows, again, before)
	if lost > 0 || twice > 0 {
		k.Errorf("of %d rows %d are lost, and %d in the topic again that must not be", k.rows, lost, twice)
	}
	if k.sink {
		k.checkTarget(published)
	}
}

// checkTarget waits until the target has each record once.
func (k *crashTest) checkTarget(published map[int][]uint64) {
	k.Helper()
	conn := k.dial(k.target)
	k.until("the target has each record once", func() (bool, string) {
		k.mustRun("-source", "-sink")
		rows, err := conn.Query(k.Context(), "SELECT id, count(*) FROM store.t0 GROUP BY id")
		if err != nil {
			return false, err.Error()
		}
		defer rows.Close()
		applied := make(map[int]int)
		for rows.Next() {
			var id, n int
			if err := rows.Scan(&id, &n); err != nil {
				return false, err.Error()
			}
			if applied[id] = n; n > len(published[id]) {
				k.Fatalf("row %d is in the target %d times, in the topic %d times", id, n, len(published[id]))
			}
		}
		for id, lsns := range published {
			if applied[id] != len(lsns) {
				return false, fmt.Sprintf("row %d is in the target %d times, in the topic %d times", id, applied[id], len(lsns))
			}
		}
		return rows.Err() == nil, fmt.Sprint(rows.Err())
	})
}
