package main

import (
	"fmt"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/torture/history"
)

// capture is one of the two ways in which the source is captured.
type capture struct {
	mode     history.Mode
	name     string
	prefix   string // of its topics; also its slot, publication and group. It is the name, and a number once the capture was begun anew
	target   string // database that its sink writes to
	source   *faultproxy.Proxy
	sink     *faultproxy.Proxy
	workers  []*worker
	position *positions
	stale    []string // columns of which a sink of this mode cannot know all values
}

func (c *capture) sourceName() string { return c.prefix + "-source" }
func (c *capture) sinkName() string   { return c.prefix + "-sink" }

// sourceProperties are those of its source connector.
func (c *capture) sourceProperties(server *pgserver.Server) map[string]string {
	p := map[string]string{
		"name": c.sourceName(), "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": c.prefix, "tasks.max": "1",
		"database.hostname": "127.0.0.1", "database.port": fmt.Sprint(c.source.Port()), "database.user": pgserver.User, "database.password": server.Password(), "database.dbname": sourceDatabase,
		"schema.include.list": "store", "slot.name": c.prefix, "publication.name": c.prefix, "publication.autocreate.mode": "filtered", "snapshot.mode": "initial",
		"decimal.handling.mode": "string", "skipped.operations": "none", "provide.transaction.metadata": "true", "binary.handling.mode": "bytes",
		"slot.max.retries": "1000", "slot.retry.delay.ms": "300", "retriable.restart.connector.wait.ms": "300", "status.update.interval.ms": "1000",
		"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
		"snapshot.fetch.size": "500", "signal.data.collection": signalTable, "incremental.snapshot.chunk.size": "250",
	}
	if c.mode == history.ExactlyOnce {
		p["exactly.once.support"], p["publication.autocreate.mode"] = "required", "all_tables"
		p["topic.creation.default.partitions"] = "3"
		p["topic.creation.groups"] = "one"
		p["topic.creation.one.include"], p["topic.creation.one.partitions"], p["topic.creation.one.replication.factor"] = onePartition, "1", "1"
	}
	return p
}

// sinkProperties are those of its sink connector: the first applies the source's transactions one by one, the second each partition for itself.
func (c *capture) sinkProperties(server *pgserver.Server) map[string]string {
	p := map[string]string{
		"name": c.sinkName(), "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1",
		"topics.regex":   c.prefix + `\.store\.(` + sinkTables + `)`,
		"connection.url": "jdbc:postgresql://" + c.sink.Addr() + "/" + c.target, "connection.username": pgserver.User, "connection.password": server.Password(),
		"insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true", "truncate.enabled": "true", "schema.evolution": "basic",
		"collection.name.format":                "${source.schema}.${source.table}",
		"consumer.override.metadata.max.age.ms": "1000", "consumer.override.session.timeout.ms": "6000", "consumer.override.auto.offset.reset": "earliest",
		"consumer.override.isolation.level": "read_committed",
	}
	if c.mode == history.ExactlyOnce {
		p["consistency"], p["topics.regex"] = "transaction", c.prefix+`\.(store\.(`+sinkTables+`)|transaction)`
	}
	return p
}

// workerProperties are those of a worker of it.
func (c *capture) workerProperties(rest int, broker, registry, offsets string) map[string]string {
	const avro = "io.confluent.connect.avro.AvroConverter"
	p := map[string]string{
		"bootstrap.servers": broker, "listeners": fmt.Sprintf("http://127.0.0.1:%d", rest), "offset.flush.interval.ms": "1000",
		"key.converter": avro, "key.converter.schema.registry.url": registry, "value.converter": avro, "value.converter.schema.registry.url": registry,
	}
	if c.mode == history.AtLeastOnce {
		p["offset.storage.file.filename"] = offsets
		return p
	}
	for _, topic := range []string{"config", "offset", "status"} {
		p[topic+".storage.topic"], p[topic+".storage.replication.factor"] = c.name+"-"+topic, "1"
	}
	p["group.id"], p["offset.storage.partitions"] = c.name, "3"
	p["exactly.once.source.support"] = "enabled"
	p["session.timeout.ms"], p["heartbeat.interval.ms"], p["scheduled.rebalance.max.delay.ms"] = "6000", "1000", "1000"
	return p
}
