package connect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Boundary is the value of transaction.boundary: where a transaction of a source task with exactly-once delivery ends.
type Boundary string

// Boundaries.
const (
	BoundaryPoll      Boundary = "poll"      // when the task pauses, and every pollMost while it does not
	BoundaryInterval  Boundary = "interval"  // every transaction.boundary.interval.ms
	BoundaryConnector Boundary = "connector" // as poll, but only where no transaction of the source goes on
)

// pollMost is the age at which a transaction is cut while the task goes on producing: a batch of Kafka Connect's poll has an end, a stream of
// changes under load has none. Readers of committed records see them no later.
const pollMost = 100 * time.Millisecond

// Guard is asked around the moment at which a source task with exactly-once delivery takes its transactional id, and with it the place of any
// task that had it before. An error fails the task; one that is retriable has it tried again.
type Guard interface {
	// Before returns when no task of a former generation of the connector can write any more.
	Before(ctx context.Context, id TaskID) error
	// After refuses a task that this worker was not given, or that is not of the present generation, any more.
	After(ctx context.Context, id TaskID) error
}

// Guarded sets who is asked. To be called before Run.
func (w *Worker) Guarded(g Guard) { w.guard = g }

// TransactionalID is the transactional.id of a source task's producer.
func (c *DeliveryConfig) TransactionalID(id TaskID) string {
	return fmt.Sprintf("%s-%s-%d", c.Group, id.Connector, id.Task)
}

// delivery is what the worker's mode has of it.
func (c *WorkerConfig) delivery() *DeliveryConfig {
	if c.Distributed != nil {
		return &c.Distributed.DeliveryConfig
	}
	return &c.Alone
}

// exactlyOnce tells whether source tasks of this worker write in transactions.
func (c *WorkerConfig) exactlyOnce() bool { return c.delivery().ExactlyOnce == ExactlyOnceEnabled }

// FenceTasks takes the transactional ids of the first so many tasks of a connector away from whoever has them: these can write no more when it
// returns, and what they left open is aborted. props are the connector's.
func (w *Worker) FenceTasks(ctx context.Context, connector string, props map[string]string, tasks int) error {
	props, err := w.resolve(connector, maps.Clone(props))
	if err != nil {
		return err
	}
	cfg, report := parseConnectorConfig(props, KindSource)
	id := TaskID{Connector: connector}
	options := w.cfg.optionsFor(id, &cfg).admin
	options["client.id"] = "connector-worker-adminclient-" + connector
	c, own := client.FromProperties(options, client.ForAdmin)
	if report.Errors = append(report.Errors, own.Errors...); len(own.Errors) > 0 {
		return fmt.Errorf("fence the tasks of connector %s: %w", connector, own.Err())
	}
	c.Log = w.log
	a := client.NewAdmin(c)
	defer a.Close()
	ids := make([]string, tasks)
	for n := range ids {
		id.Task = n
		ids[n] = w.cfg.delivery().TransactionalID(id)
	}
	if err := a.FenceProducers(ctx, ids...); err != nil {
		return fmt.Errorf("fence the %d tasks that connector %s had: %w", tasks, connector, err)
	}
	w.log.Info("fenced the tasks that the connector had before", "connector", connector, "tasks", tasks)
	return nil
}

// checkAlone warns of options of a source connector that only mean something in a group of workers.
func checkAlone(props map[string]string, r *config.Report) {
	if strings.EqualFold(strings.TrimSpace(props["exactly.once.support"]), "required") {
		r.Warn("exactly.once.support", "Option \"exactly.once.support\" has no effect in a standalone worker without exactly.once.source.support=enabled: records are delivered at least once.")
	}
	for _, name := range []string{"transaction.boundary", "transaction.boundary.interval.ms", "offsets.storage.topic"} {
		if _, given := props[name]; given {
			r.Warn(name, "Option %q has no effect in a standalone worker without exactly.once.source.support=enabled.", name)
		}
	}
}

// onceOptions are what the producer of a task with exactly-once delivery is bound to.
var onceOptions = map[string]string{"transactional.id": "the worker's", "enable.idempotence": "true", "acks": "all"}

// checkOnceOverrides warns of overrides that give way to exactly-once delivery.
func checkOnceOverrides(props map[string]string, r *config.Report) {
	for _, name := range slices.Sorted(maps.Keys(onceOptions)) {
		full := "producer.override." + name
		if text, given := props[full]; given && !strings.EqualFold(strings.TrimSpace(text), onceOptions[name]) && !(name == "acks" && strings.TrimSpace(text) == "-1") {
			r.Warn(full, "Option %q has no effect: with exactly.once.source.support=enabled the producer has %s=%s.", full, name, onceOptions[name])
		}
	}
}

// bindOnce takes what gives way to exactly-once delivery out of a producer's options.
func bindOnce(options map[string]string) {
	for name := range onceOptions {
		delete(options, name)
	}
}

// boundaryAge is the age at which an open transaction is cut. timeout is the broker's patience with it.
func (c *SourceConfig) boundaryAge(w *WorkerConfig, timeout time.Duration) time.Duration {
	age := pollMost
	if c.Boundary == BoundaryInterval {
		if age = w.OffsetFlushInterval; c.intervalGiven {
			age = c.BoundaryInterval
		}
	}
	return max(min(age, timeout/2), time.Millisecond)
}

// offsetsTopic is where the offsets of a source connector stand, and whether that is the worker's own store: it is not, although it has the topic's
// name, on another cluster, and where that store is a file.
func (w *WorkerConfig) offsetsTopic(c *ConnectorConfig) (topic string, workers bool) {
	if w.Distributed == nil && !w.exactlyOnce() {
		return "", true
	}
	own := w.delivery().OffsetTopic.Name
	if topic = c.Source.OffsetsTopic; topic == "" {
		if topic = own; !w.exactlyOnce() {
			return topic, true
		}
	}
	servers := w.optionsFor(TaskID{Connector: c.Name}, c).source["bootstrap.servers"]
	return topic, w.Distributed != nil && topic == own && sameServers(config.SplitList(servers), w.BootstrapServers)
}

func sameServers(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// transactional is what a source task with exactly-once delivery needs of kafka/client.Producer.
type transactional interface {
	producer
	// Init takes the transactional id, however long the brokers are away.
	Init(ctx context.Context) error
	// Cut ends the open transaction for records to come.
	Cut()
	// Commit commits the records up to the Cut, however long the brokers are away.
	Commit(ctx context.Context) error
}

func (k *kafkaClients) transactional(id string) (transactional, time.Duration) {
	c := k.produce
	c.Producer.TransactionalID = id
	return client.NewProducer(c), c.Producer.TransactionTimeout
}

// parseOffsetClients reads the options of the clients that only the topic of a source's offsets needs. What is wrong with them is said, and left out.
func (k *kafkaClients) parseOffsetClients(o clientOptions, log *slog.Logger) {
	parse := func(props map[string]string, role client.Role) client.Config {
		c, r := client.FromProperties(props, role)
		c.Log, c.Traffic = named(log, clientLoggers[role]), new(client.Traffic)
		for _, p := range r.Errors {
			log.Warn("an option of the clients for source offsets is left out", "option", role.String()+"."+p.Name, "error", p.Message)
		}
		return c
	}
	k.read, k.administer = parse(o.reader, client.ForConsumer), parse(o.admin, client.ForAdmin)
}

func (k *kafkaClients) offsetProducer() producer {
	c := k.produce
	c.ClientID += "-offsets"
	c.Traffic = new(client.Traffic)
	return client.NewProducer(c)
}

func (k *kafkaClients) readTopic(ctx context.Context, topic string, f func(*kafka.Record) error) error {
	c := k.read
	c.Consumer.Isolation = client.ReadCommitted
	err := client.Read(ctx, c, client.Reading{Topic: topic, From: client.FromBeginning, UntilEnd: true, Pending: true}, f)
	if err == nil && ctx.Err() != nil { // it has not read all
		err = context.Cause(ctx)
	}
	return err
}
