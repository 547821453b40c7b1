//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

var (
	kills    = flag.Int("kills", 20, "how often the worker is killed")
	killSeed = flag.Uint64("kill-seed", uint64(time.Now().UnixNano()), "seed of the moments of the kills")
)

// auditSchema is what the topics are judged by: every id, and every value of every counter, must be in them.
const auditSchema = `CREATE TABLE store.audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE store.counters (id int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO store.counters SELECT g, 0 FROM generate_series(1, 5) g;`

// TestIntegrationKill kills a standalone worker with signal 9 at random moments while orders flow, each time while records are
// unacknowledged: the broker is paused until changes were received that it cannot have acknowledged. Afterwards
// the target equals the source, checksum by checksum, and the topics hold every change.
func TestIntegrationKill(t *testing.T) {
	seed := *killSeed
	t.Logf("seed %d: replay with -kill-seed %d", seed, seed)
	k := newKillTest(t, rand.New(rand.NewPCG(seed, 0)))
	k.start()
	k.waitReceived()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 2) // senders: shop and audit, one each
	go func() { done <- k.shop.run(ctx, 200, 0) }()
	go func() { done <- k.audit(ctx) }()
	for n := range *kills {
		k.kill(n)
		k.start()
	}
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	k.Logf("after %d kills:\n%s", *kills, k.waitEqual(k.source, k.target))
	k.checkTopics()
}

type killTest struct {
	*worker
	rand           *rand.Rand
	source, target string // URLs
	prefix         string
	broker         *jvmserver.Kafka // of its own, for it is stopped now and then
	shop           *shop
	admin          *pgx.Conn // of the source
	audited        atomic.Int64
}

func newKillTest(t *testing.T, r *rand.Rand) *killTest {
	broker, err := jvmserver.StartKafka(t.Context(), jvmserver.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	k := &killTest{rand: r, source: pgtest.Database(t), target: pgtest.Database(t), prefix: fmt.Sprintf("kill%d", r.Uint32()), broker: broker}
	k.worker = newWorker(t)
	k.admin = k.dial(k.source)
	k.exec(k.source, bikestore.Schema, bikestore.Data, auditSchema)
	k.exec(k.target, "CREATE SCHEMA store") // the sink makes tables, not schemas
	if k.shop, err = openShop(t.Context(), k.source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.shop.close(context.Background()) })
	k.configure(broker.Addr(), requiredEnv(t, "TANDEM_REGISTRY"))
	k.write("source.properties", sourceProperties(t, k.prefix, k.source))
	k.write("sink.properties", sinkProperties(t, k.prefix, k.target))
	return k
}

func (k *killTest) start() { k.worker.start("source.properties", "sink.properties") }

// audit commits one id and one count after the other; each is a transaction.
func (k *killTest) audit(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, k.source)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Some 500 a second: what a paused broker holds up must fit the producer's buffer, or the worker stops to receive.
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := int64(0); ctx.Err() == nil; n++ {
		<-tick.C
		const step = `WITH a AS (INSERT INTO store.audit DEFAULT VALUES) UPDATE store.counters SET n = n + 1 WHERE id = $1`
		if _, err := conn.Exec(context.WithoutCancel(ctx), step, n%5+1); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		k.audited.Add(1)
	}
	return nil
}

// kill waits a random while, stops the broker, waits until the worker has received changes that were committed since, and kills it.
// Half of the time the broker goes on just before, so that acknowledgements and the kill race.
func (k *killTest) kill(n int) {
	timer := time.NewTimer(time.Duration(k.rand.IntN(1200)) * time.Millisecond) // a random moment is what is tested
	<-timer.C
	k.waitReceived()
	if err := k.broker.Pause(); err != nil {
		k.Fatal(err)
	}
	resume := func() {
		if err := k.broker.Resume(); err != nil {
			k.Fatal(err)
		}
	}
	unacknowledged := k.waitReceived()
	if k.rand.IntN(2) == 0 {
		resume()
		<-time.After(time.Duration(k.rand.IntN(8000)) * time.Microsecond) // again a random moment
		k.worker.kill()
	} else {
		k.worker.kill()
		resume()
	}
	k.Logf("kill %d: while changes up to %s were unacknowledged", n+1, unacknowledged)
}

// waitReceived waits until the worker has been sent everything that is committed now, and returns that position.
func (k *killTest) waitReceived() (lsn string) {
	if err := k.admin.QueryRow(k.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		k.Fatal(err)
	}
	k.until("the worker receives what is committed", func() (bool, string) {
		var sent *string
		err := k.admin.QueryRow(k.Context(), `SELECT (SELECT r.sent_lsn::text FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
			WHERE s.slot_name = $1 AND r.sent_lsn >= $2::pg_lsn)`, k.prefix, lsn).Scan(&sent)
		if err != nil {
			k.Fatal(err)
		}
		return sent != nil, lsn
	})
	return lsn
}

// checkTopics reads the topics of the audit tables: every id and every value of every counter must be there, but for those that a second snapshot brings,
// and a counter may only go back to repeat what was published before a kill.
func (k *killTest) checkTopics() {
	var ids int64
	if err := k.admin.QueryRow(k.Context(), "SELECT count(*) FROM store.audit").Scan(&ids); err != nil {
		k.Fatal(err)
	}
	seen := make(map[int64]int)
	for _, r := range k.consume("audit") {
		seen[r.After.ID]++
	}
	repeated := 0
	for id := int64(1); id <= ids; id++ {
		if seen[id] == 0 {
			k.Errorf("topic %s.store.audit lacks id %d of %d", k.prefix, id, ids)
		}
		repeated += max(0, seen[id]-1)
	}
	highest := make(map[int64]int64)
	for _, r := range k.consume("counters") {
		switch last, ok := highest[r.After.ID]; {
		case !ok && r.After.N == 0, ok && r.After.N == last+1:
			highest[r.After.ID] = r.After.N
		case ok && r.After.N <= last: // repeated after a kill
		case ok && r.Op == "r": // killed before the end of the snapshot was stored: the rows of another one bring what was committed between the two
			highest[r.After.ID] = r.After.N
		default:
			k.Errorf("topic %s.store.counters: counter %d is %d after %d", k.prefix, r.After.ID, r.After.N, last)
		}
	}
	var counted int64
	for _, n := range highest {
		counted += n
	}
	if counted != k.audited.Load() {
		k.Errorf("topic %s.store.counters: counters add up to %d, want %d", k.prefix, counted, k.audited.Load())
	}
	k.Logf("%d audit records, %d of them repeated after kills", ids, repeated)
}

// consumed is what checkTopics looks at.
type consumed struct {
	Op    string `json:"op"`
	After struct {
		ID int64 `json:"id"`
		N  int64 `json:"n"`
	} `json:"after"`
}

// consume reads a topic to its end by the tool a user has.
func (k *killTest) consume(table string) []consumed {
	cmd := exec.Command(k.binary, "consume", "--topic", k.prefix+".store."+table, "--from-beginning", "--until-end",
		"--bootstrap-server", k.broker.Addr(), "--schema-registry-url", os.Getenv("TANDEM_REGISTRY"))
	out, err := cmd.Output()
	if err != nil {
		k.Fatalf("tandem consume %s: %v", table, err)
	}
	var records []consumed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var line struct {
			Value *consumed `json:"value"`
		}
		if err := dec.Decode(&line); err != nil {
			k.Fatalf("tandem consume %s: %v", table, err)
		}
		if line.Value != nil {
			records = append(records, *line.Value)
		}
	}
	return records
}
