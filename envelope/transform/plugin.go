package transform

import (
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// Transform changes records. The same interface literal as connect.Transform, so that neither imports the other.
type Transform = interface {
	// Apply changes r; false drops it.
	Apply(r *schema.Record) (keep bool, err error)
}

// Plugin is one transform, chosen by its Java class name.
type Plugin struct {
	Class string
	// Keys are the options with their defaults, for the documentation.
	Keys func() config.Keys
	// New reads the options, without the prefix they have in a connector's configuration. The Transform is nil when the report has errors.
	New func(props map[string]string, log *slog.Logger) (Transform, config.Report)
	// Refused says for a class that does not exist here what to do instead; Keys and New are nil then.
	Refused string
}

// Plugins lists the transforms, and the classes that are refused.
func Plugins() []Plugin {
	return []Plugin{
		{Class: "io.debezium.transforms.ExtractNewRecordState", Keys: defaults(defaultUnwrapConfig, (*unwrapConfig).keys), New: newUnwrap},
		{Class: "io.debezium.transforms.ExtractChangedRecordState", Keys: defaults(defaultChangedConfig, (*changedConfig).keys), New: newChanged},
		{Class: "io.debezium.transforms.outbox.EventRouter", Keys: outboxKeys, New: newOutbox},
		{Class: "io.debezium.transforms.ByLogicalTableRouter", Keys: defaults(byTableConfig, (*routerConfig).keys), New: newByLogicalTableRouter},
		{Class: "io.debezium.transforms.ToLogicalTopicRouter", Keys: defaults(toTopicConfig, (*routerConfig).keys), New: newToLogicalTopicRouter},
		{Class: "io.debezium.transforms.TimezoneConverter", Keys: defaults(defaultTimezoneConfig, (*timezoneConfig).keys), New: newTimezone},
		{Class: "io.debezium.transforms.HeaderToValue", Keys: defaults(defaultHeaderConfig, (*headerConfig).keys), New: newHeaderToValue},
		{Class: "io.debezium.transforms.partitions.PartitionRouting", Keys: defaults(defaultPartitionConfig, (*partitionConfig).keys), New: newPartitionRouting},
		{Class: "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent", Keys: defaults(defaultDecodeConfig, (*decodeConfig).keys), New: newDecode},
		{Class: "io.debezium.transforms.Filter", Refused: noScripts + "choose rows with the connector's include and exclude lists, with a row filter of the publication (CREATE PUBLICATION … WHERE), or in the consumer."},
		{Class: "io.debezium.transforms.ContentBasedRouter", Refused: noScripts + "route by a column with ExtractNewRecordState (route.by.field) or EventRouter, or by the table's name with ByLogicalTableRouter."},
		{Class: "io.debezium.transforms.tracing.ActivateTracingSpan", Refused: "there is no tracing here; remove the transform."},
		{Class: "io.debezium.transforms.openlineage.OpenLineage", Refused: "there is no lineage reporting here; remove the transform, which leaves records as they are."},
	}
}

const noScripts = "there is no scripting engine here; "

// defaults makes Plugin.Keys of a configuration's defaults and its keys.
func defaults[C any](fresh func() C, keys func(*C) config.Keys) func() config.Keys {
	return func() config.Keys {
		c := fresh()
		return keys(&c)
	}
}
