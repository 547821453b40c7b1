//go:build integration

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

// TestIntegrationOutage takes away, one after the other, every server that a worker needs, while orders flow. The worker says which one it
// misses, its connectors stay RUNNING, and once the server is back what was committed before, meanwhile and since arrives.
func TestIntegrationOutage(t *testing.T) {
	o := newOutageTest(t)
	o.outage("broker", outageOf{
		names: o.broker.Addr(),
		from:  o.broker.Kill,
		lasts: 2 * senderTimeout,
		to:    func() error { return o.broker.Start(t.Context()) },
		keeps: true,
	})
	o.outage("schema registry", outageOf{
		names:     parsed(t, o.registry.URL()).Host,
		from:      o.registry.Stop,
		meanwhile: []string{"ALTER TABLE store.customers ADD COLUMN loyalty int", "UPDATE store.customers SET loyalty = customer_id WHERE customer_id < 20"},
		lasts:     2 * senderTimeout,
		to:        func() error { return o.registry.Start(t.Context()) },
		keeps:     true,
	})
	o.outage("source", outageOf{
		names: fmt.Sprint(o.source.Port()),
		from:  o.source.Kill,
		log:   "failures=2",
		to:    func() error { return o.source.Restart(t.Context()) },
	})
	o.outage("target", outageOf{
		names: fmt.Sprint(o.target.Port()),
		from:  o.target.Kill,
		log:   "cannot put records into the store", // flush.max.retries were not enough
		to:    func() error { return o.target.Restart(t.Context()) },
	})
	o.startAlone()
	o.stopTraffic()
	o.Logf("in the end:\n%s", o.waitEqual(o.url(o.source), o.url(o.target)))
}

// senderTimeout is wal_sender_timeout of the source: a reader that cannot go on must answer all the same.
const senderTimeout = 3 * time.Second

type outageTest struct {
	*worker
	broker         *jvmserver.Kafka
	registry       *jvmserver.Registry
	source, target *pgserver.Server
	stopTraffic    func()
}

const outagePrefix = "outage"

func newOutageTest(t *testing.T) *outageTest {
	o := &outageTest{source: pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"wal_sender_timeout": fmt.Sprint(senderTimeout.Milliseconds())}}), target: pgtest.PrivateServer(t, pgserver.Options{})}
	var err error
	if o.broker, err = jvmserver.StartKafka(t.Context(), jvmserver.KafkaOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, o.broker.Close()) })
	if o.registry, err = jvmserver.StartRegistry(t.Context(), jvmserver.RegistryOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, o.registry.Close()) })
	o.worker = newWorker(t)
	o.exec(o.url(o.source), bikestore.Schema, bikestore.Data, auditSchema)
	o.exec(o.url(o.target), "CREATE SCHEMA store")
	o.configure(o.broker.Addr(), o.registry.URL())
	source, sink := sourceProperties(t, outagePrefix, o.url(o.source)), sinkProperties(t, outagePrefix, o.url(o.target))
	source["max.queue.size.in.bytes"], source["status.update.interval.ms"] = "4096", "1000" // the queue is soon full
	sink["flush.max.retries"], sink["flush.retry.delay.ms"] = "2", "300"
	o.write("source.properties", source)
	o.write("sink.properties", sink)
	o.start("source.properties", "sink.properties")
	o.waitRunning(o.connectors()...)
	o.traffic()
	o.arrives()
	return o
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func (o *outageTest) url(s *pgserver.Server) string { return s.URL("postgres") }

func (o *outageTest) connectors() []string {
	return []string{outagePrefix + "-source", outagePrefix + "-sink"}
}

// traffic lets orders come in until stopTraffic, whenever the source takes them.
func (o *outageTest) traffic() {
	ctx, cancel := context.WithCancel(o.Context())
	done := make(chan struct{}) // closer: the goroutine
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if s, err := openShop(ctx, o.url(o.source)); err == nil {
				_ = s.run(ctx, 50, 0) // ends with an error when the source does: what it then holds is what counts
				s.close(context.Background())
				continue
			}
			retry := time.NewTimer(50 * time.Millisecond) // between two attempts to connect
			select {
			case <-ctx.Done():
			case <-retry.C:
			}
		}
	}()
	o.stopTraffic = func() { cancel(); <-done }
	o.Cleanup(o.stopTraffic)
}

// outageOf is one server that goes away and comes back.
type outageOf struct {
	names     string // the log must contain it in a warning, with log, while the server is away
	log       string
	from, to  func() error
	meanwhile []string      // SQL for the source
	lasts     time.Duration // at least
	keeps     bool          // the replication connection is the same afterwards
}

func (o *outageTest) outage(server string, how outageOf) {
	o.Helper()
	began := time.Now()
	process := o.cmd.Process.Pid
	_, mark := o.said(0)
	sender := o.sender()
	if err := how.from(); err != nil {
		o.Fatal(err)
	}
	if len(how.meanwhile) > 0 {
		o.exec(o.url(o.source), how.meanwhile...)
	}
	var line string
	o.until("the log names the "+server+" at "+how.names+" "+how.log, func() (bool, string) {
		text, _ := o.said(mark)
		for line = range strings.Lines(text) {
			if (strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")) && strings.Contains(line, how.names) && strings.Contains(line, how.log) {
				return true, line
			}
		}
		return false, text
	})
	said := time.Since(began)
	o.until("the outage is long enough", func() (bool, string) { return time.Since(began) >= how.lasts, "" })
	o.allRunning(server + " away")
	if err := how.to(); err != nil {
		o.Fatal(err)
	}
	back := time.Now()
	o.arrives()
	o.allRunning(server + " back")
	if now := o.sender(); how.keeps && now != sender {
		o.Errorf("the walsender is %d after the outage of the %s, and was %d", now, server, sender)
	}
	if o.cmd.Process.Pid != process || o.cmd.ProcessState != nil {
		o.Fatalf("the worker's process %d has ended", process)
	}
	text, _ := o.said(mark)
	for line := range strings.Lines(text) {
		if strings.Contains(line, "the task failed") && !strings.Contains(line, how.names) {
			o.Errorf("outage of the %s: the log does not name %s: %s", server, how.names, line)
		}
	}
	o.Logf("%s: named in the log after %s; changes flow %s after it was back; %s", server, said.Round(time.Millisecond), time.Since(back).Round(time.Millisecond), strings.TrimSpace(line))
}

// startAlone stops the worker in order and starts it while no server is there; then they come.
func (o *outageTest) startAlone() {
	o.Helper()
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		o.Fatal(err)
	}
	if err := o.cmd.Wait(); err != nil {
		o.Fatalf("the worker stopped with %v, want exit code 0", err)
	}
	for _, away := range []func() error{o.registry.Stop, o.broker.Kill, o.source.Kill, o.target.Kill} {
		if err := away(); err != nil {
			o.Fatal(err)
		}
	}
	o.start("source.properties", "sink.properties")
	o.until("the log names broker and source", func() (bool, string) {
		text, _ := o.said(o.since)
		return strings.Contains(text, `"Kafka is not reachable; trying on" connector=outage-sink`) && strings.Contains(text, "the task failed, starting it again"), text
	})
	o.allRunning("no server is there")
	for _, back := range []func(context.Context) error{o.source.Restart, o.broker.Start, o.registry.Start, o.target.Restart} {
		if err := back(o.Context()); err != nil {
			o.Fatal(err)
		}
	}
	o.arrives()
	o.allRunning("all servers are back")
}

// allRunning wants what the REST API says of every connector to be RUNNING.
func (o *outageTest) allRunning(when string) {
	o.Helper()
	for _, c := range o.connectors() {
		s := o.status(c)
		if s.Connector.State != connect.Running || len(s.Tasks) != 1 || s.Tasks[0].State != connect.Running {
			o.Errorf("%s: status of %s = %+v, want RUNNING", when, c, s)
		}
	}
}

// sender is the process of the server that feeds the source connector.
func (o *outageTest) sender() (pid int) {
	o.Helper()
	o.until("the source connector streams", func() (bool, string) { // what arrives may still be of its snapshot
		err := o.once(o.source, "SELECT active_pid FROM pg_replication_slots WHERE active AND slot_name = '"+outagePrefix+"'", &pid)
		return err == nil, fmt.Sprint(err)
	})
	return pid
}

// arrives waits until a change that is made now is in the target.
func (o *outageTest) arrives() {
	o.Helper()
	var id int64
	if err := o.once(o.source, "INSERT INTO store.audit DEFAULT VALUES RETURNING id", &id); err != nil {
		o.Fatal(err)
	}
	o.until("a change arrives", func() (bool, string) {
		var there bool
		err := o.once(o.target, fmt.Sprintf("SELECT EXISTS (SELECT FROM store.audit WHERE id = %d)", id), &there)
		return there, fmt.Sprintf("audit %d, error %v", id, err)
	})
}

// once asks one question by a connection of its own.
func (o *outageTest) once(s *pgserver.Server, sql string, into any) error {
	conn, err := pgx.Connect(o.Context(), o.url(s))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return conn.QueryRow(o.Context(), sql).Scan(into)
}

// TestIntegrationIncompatibleSchema changes a table in a way that readers of its topic could not follow: the registry says 409, and the
// task fails with what it said and the subject.
func TestIntegrationIncompatibleSchema(t *testing.T) {
	w := newWorker(t)
	source := pgtest.Database(t)
	prefix := fmt.Sprintf("incompatible%d", rand.Uint32())
	w.exec(source, "CREATE SCHEMA store", "CREATE TABLE store.t (id int PRIMARY KEY, name text)", "INSERT INTO store.t VALUES (1, 'a')")
	w.configure(requiredEnv(t, "TANDEM_KAFKA"), requiredEnv(t, "TANDEM_REGISTRY"))
	props := sourceProperties(t, prefix, source)
	w.write("source.properties", props)
	w.start("source.properties")
	w.waitRunning(prefix + "-source")
	subject := requiredEnv(t, "TANDEM_REGISTRY") + "/subjects/" + prefix + ".store.t-value/versions"
	w.waitAnswer(subject, "[1]")
	w.exec(source, `BEGIN; ALTER TABLE store.t DROP COLUMN name, ADD COLUMN size int NOT NULL DEFAULT 1; ALTER TABLE store.t ALTER COLUMN size DROP DEFAULT;
		INSERT INTO store.t VALUES (2, 3); COMMIT`)
	var trace string
	w.until("the task fails", func() (bool, string) {
		s := w.status(prefix + "-source")
		if len(s.Tasks) == 1 {
			trace = s.Tasks[0].Trace
		}
		return len(s.Tasks) == 1 && s.Tasks[0].State == connect.Failed, fmt.Sprintf("%+v", s)
	})
	for _, want := range []string{`subject "` + prefix + `.store.t-value"`, "RuleViolationException: Incompatible artifact", "/config/" + prefix + ".store.t-value"} {
		if !strings.Contains(trace, want) {
			t.Errorf("trace of the task lacks %q:\n%s", want, trace)
		}
	}
	// What the trace advises; then the connector is started again where it was.
	put(t, requiredEnv(t, "TANDEM_REGISTRY")+"/config/"+prefix+".store.t-value", map[string]string{"compatibility": "NONE"})
	put(t, w.rest()+"/connectors/"+prefix+"-source/config", props)
	w.waitRunning(prefix + "-source")
	w.waitAnswer(subject, "[1,2]")
}
