//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// TestIntegrationCrashPoints: a worker dies by signal 9 just where it hurts, and is started again. No row is lost; with exactly-once delivery none
// comes twice for readers of committed records; and a sink applies each record once, whatever the group's offsets say.
func TestIntegrationCrashPoints(t *testing.T) {
	binary := built(t, "-tags", "crashpoint")
	for _, c := range []struct {
		at   string
		once bool // exactly-once delivery
		sink bool
	}{
		{at: "source.acknowledged:3"},           // the broker has the records, and their offset is not stored
		{at: "source.stored:3"},                 // it is, and PostgreSQL has not heard of it
		{at: "snapshot.ended"},                  // the snapshot's last row is on its way, and that it is the last is not stored
		{at: "sink.applied:2", sink: true},      // the target has the rows, and the group's offset is not committed
		{at: "once.ended:3", once: true},        // a transaction of Kafka is complete, and not committed
		{at: "once.committed:3", once: true},    // it is, and PostgreSQL has not heard of it
		{at: "snapshot.ended", once: true},      // as above
		{at: "once.ended", once: true},          // the first one, with rows of the snapshot
		{at: "source.acknowledged", sink: true}, // the same, and a sink behind
	} {
		name := c.at
		if c.once {
			name += " once"
		}
		t.Run(name, func(t *testing.T) {
			k := newCrashTest(t, binary, c.once, c.sink)
			k.environment = []string{"TANDEM_CRASH_AT=" + c.at}
			k.begin()
			k.insert(100)
			k.dies(strings.Split(c.at, ":")[0])
			k.environment = nil
			k.begin()
			k.insert(10)
			k.check()
		})
	}
}

type crashTest struct {
	*worker
	once, sink             bool
	source, target, prefix string
	rows                   int
}

func newCrashTest(t *testing.T, binary string, once, sink bool) *crashTest {
	k := &crashTest{worker: workerOf(t, binary), once: once, sink: sink, source: pgtest.Database(t), prefix: fmt.Sprintf("crashes%d", rand.Uint32())}
	k.exec(k.source, "CREATE SCHEMA store", "CREATE TABLE store.t0 (id int PRIMARY KEY)")
	k.insert(50) // for the snapshot
	broker := requiredEnv(t, "TANDEM_KAFKA")
	worker := map[string]string{"bootstrap.servers": broker, "offset.flush.interval.ms": "50", "listeners": "http://127.0.0.1:0",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"offset.storage.file.filename": k.dir + "/offsets"}
	source := sourceProperties(t, k.prefix, k.source)
	source["topic.creation.default.partitions"], source["status.update.interval.ms"] = "1", "100"
	source["producer.override.linger.ms"] = "100" // so that records are on their way whenever it dies
	if once {
		for name, value := range map[string]string{"group.id": k.prefix, "offset.storage.topic": k.prefix + "-offsets", "offset.storage.replication.factor": "1",
			"exactly.once.source.support": "enabled"} {
			worker[name] = value
		}
		source["transaction.boundary"] = "poll"
	}
	k.write("worker.properties", worker)
	k.write("source.properties", source)
	if !sink {
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

func (k *crashTest) begin() {
	k.Helper()
	if k.sink {
		k.start("source.properties", "sink.properties")
	} else {
		k.start("source.properties")
	}
}

// insert inserts rows, a transaction each.
func (k *crashTest) insert(n int) {
	k.Helper()
	conn := k.dial(k.source)
	for range n {
		k.rows++
		if _, err := conn.Exec(k.Context(), "INSERT INTO store.t0 VALUES ($1)", k.rows); err != nil {
			k.Fatal(err)
		}
	}
}

// dies waits until the worker has died at a point. While it has not, rows come, for there is nothing to die of without.
func (k *crashTest) dies(point string) {
	k.Helper()
	ended := make(chan error, 1) // sender: the wait for the process, once
	cmd := k.cmd
	go func() { ended <- cmd.Wait() }()
	ticks, limit := time.NewTicker(100*time.Millisecond), time.After(time.Minute)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			k.insert(1)
			continue
		case <-limit:
			_ = cmd.Process.Kill()
			<-ended
		case <-ended:
		}
		break
	}
	k.cmd = nil
	text, _ := k.said(k.since)
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL || !strings.Contains(text, "crash point "+point+"\n") {
		k.Fatalf("the worker ended with %v, want signal 9 at %s", cmd.ProcessState, point)
	}
}

// published counts the records of each row, as readers of committed records see them.
func (k *crashTest) published() map[int]int {
	k.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": requiredEnv(k.T, "TANDEM_KAFKA"), "isolation.level": "read_committed"}, client.ForConsumer)
	if err := report.Err(); err != nil {
		k.Fatal(err)
	}
	counts := make(map[int]int)
	err := client.Read(k.Context(), c, client.Reading{Topic: k.prefix + ".store.t0", From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		var key struct{ Payload struct{ ID int } }
		if err := json.Unmarshal(r.Key, &key); err != nil {
			return err
		}
		counts[key.Payload.ID]++
		return nil
	})
	if err != nil {
		k.Logf("read the topic: %v", err) // it is not there yet
	}
	return counts
}

// check waits until every row is there, and wants none twice where that is promised.
func (k *crashTest) check() {
	k.Helper()
	var published map[int]int
	k.until("all rows are published", func() (bool, string) {
		published = k.published()
		return len(published) == k.rows, fmt.Sprintf("%d of %d", len(published), k.rows)
	})
	twice := 0
	for id, n := range published {
		if n > 1 {
			if twice++; k.once {
				k.Errorf("row %d is in the topic %d times", id, n)
			}
		}
	}
	k.Logf("%d rows, %d of them in the topic more than once", k.rows, twice)
	if !k.sink {
		return
	}
	conn := k.dial(k.target)
	k.until("the target has each record once", func() (bool, string) {
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
			if applied[id] = n; n > published[id] {
				k.Fatalf("row %d is in the target %d times, in the topic %d times", id, n, published[id])
			}
		}
		for id, n := range published {
			if applied[id] != n {
				return false, fmt.Sprintf("row %d is in the target %d times, in the topic %d times", id, applied[id], n)
			}
		}
		return rows.Err() == nil, fmt.Sprint(rows.Err())
	})
}
