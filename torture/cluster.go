package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/torture/history"
)

// sourceDatabase is captured; each capture has a target of its own.
const sourceDatabase = "source"

// cluster is the servers and processes.
type cluster struct {
	options
	out io.Writer
	dir string // of logs and properties

	postgres *pgserver.Server
	kafka    *jvmserver.Kafka
	registry *jvmserver.Registry
	admin    *client.Admin
	consumer client.Config

	captures []*capture
	workers  []*worker

	mu       sync.Mutex     // guards what follows and the output
	restarts map[string]int // of tasks that had failed, by what they said
	failures map[string]int // of connectors, since all was healed
}

// mostFailures of a connector are borne once all is healed: what fails again and again does not recover.
const mostFailures = 5

// forgive begins to count failures anew.
func (c *cluster) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = make(map[string]int)
}

func (c *cluster) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
}

// serverSettings: connections that are silent are given up soon, deadlocks found soon, and slots saved often.
var serverSettings = map[string]string{
	"wal_sender_timeout": "5s", "deadlock_timeout": "100ms", "checkpoint_timeout": "30s", "max_wal_size": "2GB", "shared_buffers": "128MB",
	"wal_writer_delay": "10ms", "max_prepared_transactions": "0", "tcp_keepalives_idle": "10",
}

// open starts all servers and processes. The caller closes, whatever it returns.
func open(ctx context.Context, o options, out io.Writer) (c *cluster, err error) {
	c = &cluster{options: o, out: out, restarts: make(map[string]int), failures: make(map[string]int)}
	if c.dir, err = os.MkdirTemp("", "tandem-torture-"); err != nil {
		return c, err
	}
	binary := o.tandem
	if binary == "" {
		binary = filepath.Join(c.dir, "tandem")
		if err := build(ctx, binary, o.overlay); err != nil {
			return c, err
		}
	}
	c.say("starting PostgreSQL, Kafka and the registry; logs are in %s", c.dir)
	g, start := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		c.postgres, err = pgserver.Start(start, pgserver.Options{Version: o.postgres, Settings: serverSettings})
		return err
	})
	g.Go(func() (err error) {
		c.kafka, err = jvmserver.StartKafka(start, jvmserver.KafkaOptions{Dir: filepath.Join(c.dir, "kafka"), Proxies: 3, Config: map[string]string{"group.min.session.timeout.ms": "1000"}})
		return err
	})
	g.Go(func() (err error) {
		c.registry, err = jvmserver.StartRegistry(start, jvmserver.RegistryOptions{})
		return err
	})
	if err := g.Wait(); err != nil {
		return c, err
	}
	if err := c.prepare(ctx); err != nil {
		return c, err
	}
	return c, c.startWorkers(ctx, binary)
}

// build builds tandem.
func build(ctx context.Context, to, overlay string) error {
	args := []string{"build", "-o", to}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, "github.com/tandem-cdc/tandem/cmd/tandem")...).CombinedOutput(); err != nil {
		return fmt.Errorf("build tandem: %w\n%s", err, out)
	}
	return nil
}

// prepare makes databases, tables, the slot of the truth, clients and proxies.
func (c *cluster) prepare(ctx context.Context) error {
	exactly := &capture{mode: history.ExactlyOnce, name: "exactly", prefix: "exactly", target: "target_exactly"}
	// A crash may bring a move of a key again after the row has moved on: the former row, which had the long value, is gone then.
	least := &capture{mode: history.AtLeastOnce, name: "least", prefix: "least", target: "target_least", stale: []string{"big"}}
	c.captures = []*capture{exactly, least}
	for _, name := range []string{sourceDatabase, exactly.target, least.target} {
		if err := c.postgres.CreateDatabase(ctx, name); err != nil {
			return err
		}
	}
	for _, x := range []struct{ database, sql string }{
		{sourceDatabase, schemaSQL},
		{sourceDatabase, "SELECT pg_create_logical_replication_slot('" + truthSlot + "', 'test_decoding')"},
		{exactly.target, "CREATE SCHEMA store"},
		{least.target, "CREATE SCHEMA store"},
	} {
		if err := c.execute(ctx, x.database, x.sql); err != nil {
			return err
		}
	}
	var err error
	for _, x := range c.captures {
		x.position = newPositions()
		if x.source, err = faultproxy.New(c.postgres.Addr()); err != nil {
			return err
		}
		if x.sink, err = faultproxy.New(c.postgres.Addr()); err != nil {
			return err
		}
	}
	consumer, report := client.FromProperties(map[string]string{"bootstrap.servers": c.kafka.Addr(), "client.id": "torture", "isolation.level": "read_committed"}, client.ForConsumer)
	if err := report.Err(); err != nil {
		return err
	}
	admin, report := client.FromProperties(map[string]string{"bootstrap.servers": c.kafka.Addr(), "client.id": "torture"}, client.ForAdmin)
	c.consumer, c.admin = consumer, client.NewAdmin(admin)
	return report.Err()
}

func (c *cluster) execute(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, c.postgres.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	results := conn.PgConn().Exec(ctx, sql)
	_, err = results.ReadAll()
	return err
}

// startWorkers starts the processes and makes the connectors of the group.
func (c *cluster) startWorkers(ctx context.Context, binary string) error {
	exactly, least := c.captures[0], c.captures[1]
	for i := range 3 {
		port, err := jvmserver.FreePort()
		if err != nil {
			return err
		}
		x, name := exactly, fmt.Sprintf("worker%d", i)
		if i == 2 {
			x = least
		}
		file, err := properties(c.dir, name+".properties", x.workerProperties(port, c.kafka.Proxy(i).Addr(), c.registry.URL(), filepath.Join(c.dir, "offsets")))
		if err != nil {
			return err
		}
		w := &worker{name: name, log: filepath.Join(c.dir, name+".log"), rest: fmt.Sprintf("http://127.0.0.1:%d", port), command: []string{binary, "distributed", file}}
		if x == least {
			source, sink, err := c.writeConnectors(x)
			if err != nil {
				return err
			}
			w.command = []string{binary, "standalone", file, source, sink}
		}
		c.workers, x.workers = append(c.workers, w), append(x.workers, w)
		if err := w.start(); err != nil {
			return err
		}
	}
	if err := c.createConnectors(ctx, exactly); err != nil {
		return err
	}
	return c.awaitRunning(ctx)
}

// writeConnectors writes the files of a standalone worker's connectors.
func (c *cluster) writeConnectors(x *capture) (source, sink string, err error) {
	if source, err = properties(c.dir, "source.properties", x.sourceProperties(c.postgres)); err != nil {
		return "", "", err
	}
	sink, err = properties(c.dir, "sink.properties", x.sinkProperties(c.postgres))
	return source, sink, err
}

// createConnectors makes those of a group.
func (c *cluster) createConnectors(ctx context.Context, x *capture) error {
	for _, props := range []map[string]string{x.sourceProperties(c.postgres), x.sinkProperties(c.postgres)} {
		if err := c.create(ctx, x, props); err != nil {
			return err
		}
	}
	return nil
}

// create makes a connector through whichever worker answers.
func (c *cluster) create(ctx context.Context, x *capture, props map[string]string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("no worker takes connector %q", props["name"]))
	defer cancel()
	for n := 0; ; n++ {
		status, answer, err := x.workers[n%len(x.workers)].call(ctx, http.MethodPost, "/connectors", map[string]any{"name": props["name"], "config": props})
		if err == nil && (status == http.StatusCreated || status == http.StatusConflict && n > 0 && x.has(ctx, props["name"])) { // an answer may be lost
			return nil
		}
		if err == nil && status == http.StatusBadRequest {
			return fmt.Errorf("create connector %q: %s", props["name"], answer)
		}
		if !pause.For(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// recovery is how long connectors may take until they run again once all is healed.
const recovery = 90 * time.Second

// awaitRunning waits until all connectors run.
func (c *cluster) awaitRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for {
		var waiting []string
		for _, x := range c.captures {
			s, err := c.look(ctx, x)
			if hopeless := (*hopelessError)(nil); errors.As(err, &hopeless) {
				return err
			}
			if err != nil {
				waiting = append(waiting, err.Error())
				continue
			}
			for _, name := range []string{x.sourceName(), x.sinkName()} {
				if !s.running(name) {
					text, _ := json.Marshal(s[name])
					waiting = append(waiting, fmt.Sprintf("%s: %s", name, text))
				}
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		if !pause.For(ctx, 200*time.Millisecond) {
			return fmt.Errorf("connectors do not run %v after all was healed: %v", recovery, waiting)
		}
	}
}

// look asks the workers of a capture for the states, and starts again what has failed, as an operator would.
func (c *cluster) look(ctx context.Context, x *capture) (s states, err error) {
	for _, w := range x.workers {
		if s, err = w.states(ctx); err != nil {
			continue
		}
		for name, of := range s {
			for _, t := range append(of.Status.Tasks, of.Status.Connector) {
				if t.State != "FAILED" {
					continue
				}
				if err := c.failed(name, t.Trace); err != nil {
					return s, err
				}
				if _, _, err := w.call(ctx, http.MethodPost, "/connectors/"+name+"/restart?includeTasks=true&onlyFailed=true", nil); err != nil {
					return s, err
				}
			}
		}
		return s, nil
	}
	return nil, err
}

// failed notes that a task needed an operator.
func (c *cluster) failed(connector, trace string) error {
	text := connector + ": " + firstLine(trace)
	c.mu.Lock()
	c.restarts[text]++
	c.failures[connector]++
	hopeless := c.failures[connector] > mostFailures
	c.mu.Unlock()
	if hopeless {
		return &hopelessError{fmt.Sprintf("it fails again and again, %d times: %s", mostFailures+1, text)}
	}
	c.say("FAILED and started again: %s", text)
	return nil
}

// hopelessError says that a connector does not recover though all is healed.
type hopelessError struct{ text string }

func (e *hopelessError) Error() string { return e.text }

func firstLine(text string) string {
	for i, r := range text {
		if r == '\n' || i > 400 {
			return text[:i]
		}
	}
	return text
}

// close ends all and, unless something went wrong, removes the logs.
func (c *cluster) close(keep bool) error {
	var errs []error
	for _, w := range c.workers {
		errs = append(errs, w.signal(sigCont), w.kill())
	}
	for _, x := range c.captures {
		for _, p := range []*faultproxy.Proxy{x.source, x.sink} {
			if p != nil {
				p.Close()
			}
		}
	}
	if c.admin != nil {
		c.admin.Close()
	}
	if c.kafka != nil {
		errs = append(errs, c.kafka.Close())
	}
	if c.registry != nil {
		errs = append(errs, c.registry.Close())
	}
	if c.postgres != nil {
		errs = append(errs, c.postgres.Stop())
	}
	if c.dir != "" && !keep {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}
