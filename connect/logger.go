package connect

import (
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/loglevel"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Names of loggers, those of the Java classes that do the same: what users set levels of.
const (
	workerLogger     = "org.apache.kafka.connect.runtime.Worker"
	connectorLogger  = "org.apache.kafka.connect.runtime.WorkerConnector"
	sourceTaskLogger = "org.apache.kafka.connect.runtime.WorkerSourceTask"
	sinkTaskLogger   = "org.apache.kafka.connect.runtime.WorkerSinkTask"
	standaloneLogger = "org.apache.kafka.connect.runtime.standalone.StandaloneHerder"
)

var clientLoggers = map[client.Role]string{
	client.ForProducer: "org.apache.kafka.clients.producer.KafkaProducer",
	client.ForConsumer: "org.apache.kafka.clients.consumer.KafkaConsumer",
	client.ForAdmin:    "org.apache.kafka.clients.admin.KafkaAdminClient",
}

// named is a logger with a name and, if it has none yet, attributes.
func named(log *slog.Logger, name string, attrs ...any) *slog.Logger {
	return log.With(append([]any{loglevel.Key, name}, attrs...)...)
}

// taskLogger is the worker's logger for a task.
func (c *connector) taskLogger(id TaskID) *slog.Logger {
	name := sourceTaskLogger
	if c.plugin.sink != nil {
		name = sinkTaskLogger
	}
	return named(c.log, name, "task", id.Task)
}
