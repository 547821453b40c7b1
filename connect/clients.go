package connect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// clients makes the Kafka clients of a task. They dial when they are run.
type clients interface {
	producer() producer
	deadLetters() producer
	admin() admin
	consumer(s client.Subscription) consumer
	// transactional makes the producer of a source task with exactly-once delivery, and tells how long a transaction of it may be open.
	transactional(id string) (transactional, time.Duration)
	// offsetProducer writes source offsets into a topic of the connector's own.
	offsetProducer() producer
	// readTopic reads what is committed in a topic, to its end at the call: it waits for transactions that are open.
	readTopic(ctx context.Context, topic string, f func(*kafka.Record) error) error
}

// clientOptions are the options of a task's clients in Kafka's names: the worker's defaults, worker.properties and the connector's overrides, in
// this order.
type clientOptions struct {
	source, deadLetter, sink, reader, admin map[string]string
	offsetTopics                            bool        // offsets may stand in topics
	lease                                   func() bool // of the source's producer; see client.ProducerConfig
}

// optionsFor puts the options of a task together. Kafka Connect's defaults, but for idempotence: a record that is sent again is stored once.
func (w *WorkerConfig) optionsFor(id TaskID, c *ConnectorConfig) clientOptions {
	merge := func(own, workers, overrides map[string]string) map[string]string {
		props := map[string]string{"bootstrap.servers": strings.Join(w.BootstrapServers, ",")}
		maps.Copy(props, own)
		maps.Copy(props, workers)
		maps.Copy(props, overrides)
		return props
	}
	producer := func(kind string) map[string]string {
		return merge(map[string]string{
			"client.id":           fmt.Sprintf("connector-%s-%s", kind, id),
			"acks":                "all",
			"delivery.timeout.ms": strconv.Itoa(math.MaxInt32),
			"max.block.ms":        strconv.FormatInt(math.MaxInt64, 10),
		}, w.Producer, c.ProducerOverride)
	}
	source := producer("producer")
	if w.exactlyOnce() {
		bindOnce(source)
	}
	return clientOptions{
		source:     source,
		deadLetter: producer("dlq-producer"),
		sink: merge(map[string]string{
			"group.id":           "connect-" + id.Connector,
			"client.id":          fmt.Sprintf("connector-consumer-%s", id),
			"auto.offset.reset":  "earliest",
			"enable.auto.commit": "false",
			"max.poll.records":   "5000", // Kafka's 500 make statements too small for stores that take sets
		}, w.Consumer, c.ConsumerOverride),
		offsetTopics: w.Distributed != nil || w.exactlyOnce(),
		reader:       merge(map[string]string{"client.id": fmt.Sprintf("connector-consumer-%s", id)}, w.Consumer, c.ConsumerOverride),
		admin:        merge(map[string]string{"client.id": fmt.Sprintf("connector-adminclient-%s", id)}, w.Admin, c.AdminOverride),
	}
}

// kafkaClients is clients over kafka/client.
type kafkaClients struct{ produce, dead, consume, read, administer client.Config }

// closeAfter is how long a producer waits for acknowledgements after it was told to end: the task has waited before.
const closeAfter = 100 * time.Millisecond

// parseClients reads the options of a task's clients. The problems stand at the names that the user gave.
func parseClients(o clientOptions, c *ConnectorConfig, kind Kind, log *slog.Logger) (clients, config.Report) {
	var k kafkaClients
	var all config.Report
	parse := func(dst *client.Config, props map[string]string, role client.Role, overrides map[string]string) {
		parsed, r := client.FromProperties(props, role)
		parsed.Log, parsed.Traffic = named(log, clientLoggers[role]), new(client.Traffic)
		parsed.Producer.CloseTimeout = closeAfter
		*dst = parsed
		all.Errors = append(all.Errors, renamed(r.Errors, role, overrides)...)
		all.Warnings = append(all.Warnings, renamed(r.Warnings, role, overrides)...)
	}
	if kind == KindSource {
		parse(&k.produce, o.source, client.ForProducer, c.ProducerOverride)
		k.produce.Producer.Lease = o.lease
		if o.offsetTopics { // Kafka Connect does not look at these options before it uses them
			k.parseOffsetClients(o, log)
		}
	} else {
		parse(&k.consume, o.sink, client.ForConsumer, c.ConsumerOverride)
	}
	letters, _, _ := c.letters()
	if letters != "" {
		parse(&k.dead, o.deadLetter, client.ForProducer, c.ProducerOverride)
	}
	if kind == KindSource && c.Source.topics != nil || letters != "" {
		parse(&k.administer, o.admin, client.ForAdmin, c.AdminOverride)
	}
	return &k, all
}

// renamed puts the prefix before the names of options, in the texts too.
func renamed(problems []config.Problem, role client.Role, overrides map[string]string) []config.Problem {
	out := make([]config.Problem, 0, len(problems))
	for _, p := range problems {
		full := role.String() + "." + p.Name
		if _, overridden := overrides[p.Name]; overridden {
			full = role.String() + ".override." + p.Name
		}
		text := strings.Replace(p.Message, `"`+p.Name+`"`, `"`+full+`"`, 1)
		text = strings.Replace(text, "for configuration "+p.Name+":", "for configuration "+full+":", 1)
		out = append(out, config.Problem{Name: full, Message: text})
	}
	return out
}

func (k *kafkaClients) producer() producer    { return client.NewProducer(k.produce) }
func (k *kafkaClients) deadLetters() producer { return client.NewProducer(k.dead) }
func (k *kafkaClients) admin() admin          { return client.NewAdmin(k.administer) }
func (k *kafkaClients) consumer(s client.Subscription) consumer {
	return client.NewConsumer(k.consume, s)
}
