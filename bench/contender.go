package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// contender is somebody who does the work: a worker with the same connectors as all others.
type contender struct {
	name    string
	system  system
	format  format
	worker  map[string]string // more of the worker's configuration
	source  map[string]string // more of the source's
	sink    map[string]string // more of the sink's
	comment string            // what tells it from the others of its system, for the report
}

// system is a program.
type system string

// Systems.
const (
	tandem       system = "tandem"
	kafkaConnect system = "Debezium"
	recvlogical  system = "pg_recvlogical"
)

// ours is tandem as it is, without an option of its own.
func ours(f format) contender { return contender{name: "tandem", system: tandem, format: f} }

// stock is Debezium as it is.
func stock(f format) contender {
	return contender{name: "Debezium, stock", system: kafkaConnect, format: f, comment: "no option but what all have"}
}

// tuned is Debezium with larger batches and queues, as its users are advised to set them.
func tuned(f format) contender {
	return contender{name: "Debezium, tuned", system: kafkaConnect, format: f, comment: "larger batches and queues",
		worker: map[string]string{"producer.batch.size": "1048576"},
		source: map[string]string{"max.batch.size": "20000", "max.queue.size": "100000", "poll.interval.ms": "100"}}
}

// quick is Debezium that looks for changes often.
func quick(f format) contender {
	return contender{name: "Debezium, poll.interval.ms=5", system: kafkaConnect, format: f, comment: "it waits less for more changes",
		source: map[string]string{"poll.interval.ms": "5"}}
}

// jvm is what Kafka's own connect-standalone.sh and kafka-run-class.sh start a worker with.
var jvm = []string{"-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"}

// workerProperties are those of both systems.
func (b *bench) workerProperties(c *contender, dir string) (map[string]string, error) {
	port, err := jvmserver.FreePort()
	if err != nil {
		return nil, err
	}
	p := map[string]string{
		"bootstrap.servers": b.kafka.Addr(), "offset.storage.file.filename": filepath.Join(dir, "offsets"),
		"listeners":     fmt.Sprintf("http://127.0.0.1:%d", port),
		"producer.acks": "all", "producer.compression.type": "lz4",
		"consumer.max.poll.records": "3000",
	}
	for _, which := range []string{"key.converter", "value.converter"} {
		for name, value := range b.converter(c) {
			p[which+name] = value
		}
	}
	if c.system == kafkaConnect {
		p["plugin.path"] = strings.Join([]string{b.plugins.source, b.plugins.sink, b.plugins.avro}, ",")
		p["plugin.discovery"] = "service_load" // the quickest to start
	}
	maps.Copy(p, c.worker)
	return p, nil
}

// converter is what follows key.converter and value.converter.
func (b *bench) converter(c *contender) map[string]string {
	switch {
	case c.format == plainJSON:
		return map[string]string{"": converter.JSONClass, ".schemas.enable": "false"}
	case c.format == schemaJSON:
		return map[string]string{"": converter.JSONClass, ".schemas.enable": "true"}
	case c.system == tandem:
		return map[string]string{"": converter.AvroClass, ".schema.registry.url": b.registry.URL()}
	}
	// Confluent's converter is not on Maven Central. With these options Apicurio's frames its records and registers whole schemas as Confluent's does.
	return map[string]string{"": "io.apicurio.registry.utils.converter.AvroConverter",
		".apicurio.registry.url":           strings.Replace(b.registry.URL(), "/apis/ccompat/v7", "/apis/registry/v3", 1),
		".apicurio.registry.auto-register": "true", ".apicurio.registry.find-latest": "true", ".apicurio.registry.headers.enabled": "false", ".apicurio.registry.dereference-schema": "true"}
}

// sourceProperties are those of both systems' PostgreSQL connector.
func sourceProperties(c *contender, prefix, database string, more map[string]string) (map[string]string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	p := map[string]string{
		"name": "source", "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "topic.prefix": prefix,
		"database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
		"database.dbname": strings.TrimPrefix(u.Path, "/"), "plugin.name": "pgoutput", "slot.name": runSlot,
		"publication.name": publication, "publication.autocreate.mode": "disabled", "schema.include.list": loadSchema,
		"snapshot.mode": "no_data",
	}
	maps.Copy(p, c.source)
	maps.Copy(p, more)
	return p, nil
}

// sinkProperties are those of both systems' JDBC sink.
func sinkProperties(c *contender, topics []string, database string) (map[string]string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	p := map[string]string{
		"name": "sink", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "3", "topics": strings.Join(topics, ","),
		"connection.url": "jdbc:postgresql://" + u.Host + u.Path, "connection.username": u.User.Username(), "connection.password": password,
		"insert.mode": "upsert", "primary.key.mode": "record_key", "schema.evolution": "none", "batch.size": "3000",
		"collection.name.format": "${source.schema}.${source.table}",
	}
	maps.Copy(p, c.sink)
	return p, nil
}

// launch runs a worker with connectors, whose files it writes into dir.
func (b *bench) launch(ctx context.Context, c *contender, dir string, connectors ...map[string]string) (*process, error) {
	worker, err := b.workerProperties(c, dir)
	if err != nil {
		return nil, err
	}
	var files []string
	texts := make(map[string]string)
	for _, props := range append([]map[string]string{worker}, connectors...) {
		name := props["name"]
		if name == "" {
			name = "worker"
		}
		file := filepath.Join(dir, name+".properties")
		if err := os.WriteFile(file, properties(props), 0o600); err != nil {
			return nil, err
		}
		files = append(files, file)
		texts[filepath.Base(file)] = string(properties(props))
	}
	cmd := exec.CommandContext(ctx, b.tandem, append([]string{"standalone"}, files...)...)
	cmd.Dir = dir
	if c.system == kafkaConnect {
		if cmd, err = jvmserver.ConnectCommand(ctx, dir, jvm, files...); err != nil {
			return nil, err
		}
	}
	b.keepCommand(c.name+", "+string(c.format), cmd, texts)
	return start(cmd, dir, identifier(c.name), worker["listeners"])
}

// properties are the lines of a file of Java properties, in order.
func properties(props map[string]string) []byte {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(&text, "%s=%s\n", name, strings.ReplaceAll(props[name], `\`, `\\`))
	}
	return []byte(text.String())
}
