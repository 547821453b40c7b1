//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/compare"
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
	k.compare()
	k.checkTopics()
}

type killTest struct {
	*testing.T
	rand           *rand.Rand
	dir, binary    string
	source, target string // URLs
	prefix         string
	broker         *jvmserver.Kafka // of its own, for it is stopped now and then
	shop           *shop
	admin          *pgx.Conn // of the source
	worker         *exec.Cmd
	log            *os.File
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
	k := &killTest{T: t, rand: r, dir: t.TempDir(), source: pgtest.Database(t), target: pgtest.Database(t), prefix: fmt.Sprintf("kill%d", r.Uint32()), broker: broker}
	k.binary = filepath.Join(k.dir, "tandem")
	if out, err := exec.Command("go", "build", "-o", k.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	k.admin = k.dial(k.source)
	for _, sql := range []string{bikestore.Schema, bikestore.Data, auditSchema} {
		if _, err := k.admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.dial(k.target).Exec(t.Context(), "CREATE SCHEMA store"); err != nil { // the sink makes tables, not schemas
		t.Fatal(err)
	}
	if k.shop, err = openShop(t.Context(), k.source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.shop.close(context.Background()) })
	k.configure()
	if k.log, err = os.Create(filepath.Join(k.dir, "worker.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.stopWorker()
		if t.Failed() {
			text, _ := os.ReadFile(k.log.Name())
			t.Logf("end of the worker's log:\n%s", text[max(0, len(text)-20000):])
		}
	})
	return k
}

func requiredEnv(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run \"make integration\", which starts Kafka and a registry", name)
	}
	return value
}

func (k *killTest) dial(u string) *pgx.Conn {
	conn, err := pgx.Connect(k.Context(), u)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// configure writes the three files of the worker.
func (k *killTest) configure() {
	registry := requiredEnv(k.T, "TANDEM_REGISTRY")
	k.write("worker.properties", map[string]string{
		"bootstrap.servers": k.broker.Addr(), "offset.storage.file.filename": filepath.Join(k.dir, "offsets"), "offset.flush.interval.ms": "1000",
		"key.converter": "io.confluent.connect.avro.AvroConverter", "key.converter.schema.registry.url": registry,
		"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry,
		"listeners": "http://127.0.0.1:0",
	})
	source := connection(k.T, k.source)
	k.write("source.properties", map[string]string{
		"name": k.prefix + "-source", "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": k.prefix,
		"database.hostname": source.Hostname(), "database.port": source.Port(), "database.user": source.User.Username(), "database.password": password(source), "database.dbname": strings.TrimPrefix(source.Path, "/"),
		"schema.include.list": "store", "slot.name": k.prefix, "publication.name": k.prefix, "publication.autocreate.mode": "filtered", "slot.retry.delay.ms": "500",
		"retriable.restart.connector.wait.ms": "500",
		"topic.creation.default.partitions":   "3", "topic.creation.default.replication.factor": "1",
	})
	target := connection(k.T, k.target)
	k.write("sink.properties", map[string]string{
		"name": k.prefix + "-sink", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics.regex": k.prefix + `\.store\..*`,
		"connection.url": "jdbc:postgresql://" + target.Host + target.Path, "connection.username": target.User.Username(), "connection.password": password(target),
		"insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true", "schema.evolution": "basic", "collection.name.format": "${source.schema}.${source.table}",
		"consumer.override.metadata.max.age.ms": "1000", "consumer.override.session.timeout.ms": "6000",
	})
}

func connection(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func password(u *url.URL) string {
	text, _ := u.User.Password()
	return text
}

func (k *killTest) write(name string, props map[string]string) {
	var b bytes.Buffer
	for key, value := range props {
		fmt.Fprintf(&b, "%s=%s\n", key, strings.ReplaceAll(value, `\`, `\\`))
	}
	if err := os.WriteFile(filepath.Join(k.dir, name), b.Bytes(), 0o600); err != nil {
		k.Fatal(err)
	}
}

func (k *killTest) start() {
	k.worker = exec.Command(k.binary, "standalone", filepath.Join(k.dir, "worker.properties"), filepath.Join(k.dir, "source.properties"), filepath.Join(k.dir, "sink.properties"))
	k.worker.Stdout, k.worker.Stderr = k.log, k.log
	if err := k.worker.Start(); err != nil {
		k.Fatal(err)
	}
}

func (k *killTest) stopWorker() {
	if k.worker != nil && k.worker.Process != nil {
		_ = k.worker.Process.Kill()
		_ = k.worker.Wait()
		k.worker = nil
	}
}

// audit commits one id and one count after the other; each is a transaction.
func (k *killTest) audit(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, k.source)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for n := int64(0); ctx.Err() == nil; n++ {
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
		k.stopWorker()
	} else {
		k.stopWorker()
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

// until polls until done, which says what it last saw.
func (k *killTest) until(what string, done func() (bool, string)) {
	k.Helper()
	const limit = 2 * time.Minute
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("waited %s until %s; last: %s", limit, what, seen)
		}
		<-tick.C
	}
}

// compare waits until the target equals the source.
func (k *killTest) compare() {
	var report bytes.Buffer
	k.until("the target equals the source", func() (bool, string) {
		tables, err := compare.Run(k.Context(), compare.Options{Source: k.source, Target: k.target, Schemas: []string{"store"}})
		if err != nil {
			return false, err.Error()
		}
		report.Reset()
		_ = compare.WriteTable(&report, tables)
		if !compare.Equal(tables) {
			_ = compare.WriteDiff(&report, tables)
		}
		return compare.Equal(tables), report.String()
	})
	k.Logf("after %d kills:\n%s", *kills, report.String())
}

// checkTopics reads the topics of the audit tables: every id and every value of every counter must be there, and a counter may only go back
// to repeat what was published before a kill.
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
