package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pgserver"
)

// Names of the demonstration's connectors.
const (
	demoSource      = "bikestore-source"
	demoSink        = "bikestore-sink"
	demoTopicPrefix = "bikes"
)

// option is one line of a connector's configuration, in an order for people.
type option struct{ name, value string }

func (d *demo) sourceOptions() []option {
	return []option{
		{"connector.class", "io.debezium.connector.postgresql.PostgresConnector"},
		{"database.hostname", "127.0.0.1"},
		{"database.port", strconv.Itoa(d.source.Port())},
		{"database.user", pgserver.User},
		{"database.password", d.source.Password()},
		{"database.dbname", demoDatabase},
		{"topic.prefix", demoTopicPrefix},
		{"schema.include.list", demoSchema},
		{"plugin.name", "pgoutput"},
		{"slot.name", "bikestore"},
		{"publication.name", "bikestore"},
		{"publication.autocreate.mode", "filtered"},
		{"snapshot.mode", "initial"},
		{"topic.creation.default.partitions", "3"},
		{"topic.creation.default.replication.factor", "1"},
	}
}

func (d *demo) sinkOptions() []option {
	return []option{
		{"connector.class", "io.debezium.connector.jdbc.JdbcSinkConnector"},
		{"topics.regex", demoTopicPrefix + `\.` + demoSchema + `\..*`},
		{"connection.url", "jdbc:postgresql://" + d.target.Addr() + "/" + demoDatabase},
		{"connection.username", pgserver.User},
		{"connection.password", d.target.Password()},
		{"insert.mode", "upsert"},
		{"primary.key.mode", "record_key"},
		{"delete.enabled", "true"},
		{"schema.evolution", "basic"},
		{"collection.name.format", "${source.schema}.${source.table}"},
		{"consumer.override.metadata.max.age.ms", "1000"}, // topics that are new are found this soon
	}
}

// connect creates the connectors and shows what they are told.
func (d *demo) connect(ctx context.Context, w *connect.Standalone) error {
	for _, c := range []struct {
		name    string
		options []option
	}{{demoSource, d.sourceOptions()}, {demoSink, d.sinkOptions()}} {
		props := make(map[string]string, len(c.options))
		d.say("\nconnector %s", c.name)
		for _, o := range c.options {
			props[o.name] = o.value
			shown := o.value
			if strings.HasSuffix(o.name, "password") {
				shown = config.Hidden
			}
			d.say("  %s=%s", o.name, shown)
		}
		if _, err := w.Create(ctx, connect.Request{Name: c.name, Config: props}); err != nil {
			return fmt.Errorf("create connector %s: %w", c.name, err)
		}
		if err := w.WaitRunning(ctx, c.name); err != nil {
			return err
		}
	}
	return nil
}

// sayAddresses tells where to look.
func (d *demo) sayAddresses() {
	broker, registry, worker := d.stack.broker.Addr(), d.stack.registry.URL(), d.stack.host.url()
	flags := ""
	if port := strconv.Itoa(brokerPort); !strings.HasSuffix(broker, ":"+port) {
		flags += " --bootstrap-server " + broker
	}
	if port := strconv.Itoa(registryPort); !strings.HasSuffix(registry, ":"+port) {
		flags += " --schema-registry-url " + registry
	}
	d.say("\nlook at it from another terminal:")
	d.say("  source    psql %s", d.source.URL(demoDatabase))
	d.say("  target    psql %s", d.target.URL(demoDatabase))
	d.say("  records   tandem consume --topic %s.%s.orders --from-beginning%s", demoTopicPrefix, demoSchema, flags)
	d.say("  broker    kcat -b %s -L", broker)
	d.say("  schemas   curl %s/subjects", registry)
	d.say("  worker    curl %s/connectors/%s/status", worker, demoSource)
	d.say("  log       %s\n", d.logFile())
}
