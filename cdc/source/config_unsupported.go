package source

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// unsupportedKeys are the options that would change records and do not exist outside of the JVM.
func unsupportedKeys() config.Keys {
	expert, low := config.Group(groupExpert), config.Rank(config.Low)
	class := func(name, def, instead string) config.Key {
		value := def
		return config.Enum(&value, name, "Accepts "+def+" only: "+instead, []string{def}, config.ClassName(instead), expert, low)
	}
	lineage := config.Bool(new(bool), "openlineage.integration.enabled", "Must be false: lineage events are not sent; describe the connector to your lineage service by other means.", config.Group(groupAdvanced), low,
		config.Check(func(text string) error {
			if strings.EqualFold(text, "true") {
				return errors.New("lineage events are not sent; remove the option and describe the connector to your lineage service by other means")
			}
			return nil
		}))
	converters := config.Refused("converters", "", "custom converters are Java classes; convert downstream, or choose one of the handling modes.")
	converters.Group = groupExpert
	return config.Keys{
		converters,
		class("sourceinfo.struct.maker", "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker", "the source block is always Debezium's own; take what you need out of it with a transform."),
		class("transaction.metadata.factory", "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory", "transaction metadata is always Debezium's own; change it with a transform."),
		config.Refused("database.connection.factory.class", "", "connection factories are Java classes; set host, role, password and TLS in database.*."),
		config.Refused("connection.factory.class", "", "connection factories are Java classes; set host, role, password and TLS in database.*."),
		lineage,
	}
}

// jvmKeys are the options that only tune or observe the JVM.
func jvmKeys() config.Keys {
	advanced, expert, low, jvm := config.Group(groupAdvanced), config.Group(groupExpert), config.Rank(config.Low), config.OnlyJVM()
	const doc = "It concerns the JVM only."
	text := func(name, def string, opts ...config.Option) config.Key {
		value := def
		if def == "" {
			opts = append(opts, config.Null())
		}
		return config.String(&value, name, doc, append(opts, jvm)...)
	}
	flag := func(name string, def bool, opts ...config.Option) config.Key {
		return config.Bool(&def, name, doc, append(opts, jvm)...)
	}
	tags := func(name string) config.Key {
		return config.List(new([]string), name, doc, advanced, low, jvm, config.Null(), config.Check(checkPairs))
	}
	const storage = "io.debezium.relational.ConcurrentMapTableMappingStorage"
	class := func(name string) config.Key {
		k := text(name, storage, expert, low, config.Check(checkClass))
		k.Type = config.TypeClass
		return k
	}
	shutdown, wait, batch := 4*time.Second, 10*time.Second, 10
	return config.Keys{
		config.Millis(&shutdown, "executor.shutdown.timeout.ms", doc, time.Millisecond, advanced, jvm),
		tags("custom.metric.tags"),
		flag("statistics.metrics.enabled", true, advanced),
		text("topic.cache.size", "10000", expert),
		text("queue.provider.type", "memory", advanced, low),
		class("memory.management.schemas.class"), class("memory.management.tables.class"),
		text("database.sslfactory", "", config.Group("CONNECTION_ADVANCED_SSL")),
		flag("internal.advanced.metrics.enable", false, advanced),
		config.Millis(&wait, "internal.signal.processor.semaphore.wait.ms", doc, time.Millisecond, advanced, low, jvm, config.Says("A long value is expected", "A positive, non-zero integer value is expected")),
		config.Int(&batch, "internal.signal.synchronous.batch.size", doc, 1, math.MaxInt32, advanced, low, jvm),
		text("openlineage.integration.config.file.path", "./openlineage.yml", advanced, low),
		text("openlineage.integration.dataset.kafka.bootstrap.servers", "", advanced, low),
		text("openlineage.integration.job.description", "Debezium change data capture job", advanced, low),
		text("openlineage.integration.job.namespace", "", advanced, low),
		tags("openlineage.integration.job.owners"), tags("openlineage.integration.job.tags"),
	}
}

// checkPairs checks k1=v1,k2=v2.
func checkPairs(text string) error {
	for _, pair := range config.SplitList(text) {
		if key, _, ok := strings.Cut(pair, "="); !ok || strings.TrimSpace(key) == "" {
			return config.Complain("A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2")
		}
	}
	return nil
}

func checkClass(text string) error {
	if text == "" || strings.ContainsAny(text, " \t") {
		return config.Complain("A Java class name is expected")
	}
	return nil
}
