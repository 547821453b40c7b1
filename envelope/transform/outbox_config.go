package transform

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// Values of the options of EventRouter that choose.
const (
	onUpdateWarn  = "warn"
	onUpdateError = "error"
	onUpdateFatal = "fatal"

	missingError  = "error"
	missingIgnore = "ignore"

	jsonIgnore         = "ignore"
	jsonOptionalBytes  = "optional_bytes"
	jsonOptionalString = "optional_string"
)

// outboxConfig holds the options of EventRouter.
type outboxConfig struct {
	ID, Key, Type, Payload, Timestamp, SchemaVersion string // columns

	Additional        []string
	AdditionalMissing string
	OnUpdate          string

	RouteBy          string
	TopicRegex       string
	TopicReplacement string
	Tombstones       bool

	Expand      bool
	Nulls       string
	EmptyArrays string
	Names       envelope.Adjustment

	tracing map[string]string
}

func defaultOutboxConfig() outboxConfig {
	return outboxConfig{
		ID: "id", Key: "aggregateid", Type: "type", Payload: "payload",
		AdditionalMissing: missingError, OnUpdate: onUpdateWarn,
		RouteBy: "aggregatetype", TopicRegex: "(?<routedByValue>.*)", TopicReplacement: "outbox.event.${routedByValue}",
		Nulls: jsonIgnore, EmptyArrays: jsonIgnore, Names: envelope.AdjustNone,
	}
}

func (c *outboxConfig) keys() config.Keys {
	const table, router, tracing = "Table", "Router", "Tracing"
	collect := func(name, text string) error {
		if c.tracing == nil {
			c.tracing = make(map[string]string)
		}
		c.tracing["tracing."+name] = text
		return nil
	}
	return config.Keys{
		config.String(&c.ID, "table.field.event.id", "Column with the event's id, which becomes the header id.", config.Rank(config.Low), config.Group(table), config.Sized(config.WidthMedium, 1)),
		config.String(&c.Key, "table.field.event.key", "Column that becomes the record's key.", config.Rank(config.Low), config.Group(table), config.Sized(config.WidthMedium, 2)),
		config.String(&c.Type, "table.field.event.type", "Column with the event's type. Without effect, as in Debezium: place the column with table.fields.additional.placement.", config.Rank(config.Low), config.Group(table), config.WithoutEffect(), config.Sized(config.WidthMedium, 3)),
		config.String(&c.Payload, "table.field.event.payload", "Column that becomes the record's value.", config.Rank(config.Low), config.Group(table), config.Sized(config.WidthMedium, 4)),
		config.String(&c.Timestamp, "table.field.event.timestamp", "Column that becomes the record's timestamp: a timestamp under time.precision.mode adaptive, microseconds or nanoseconds. None: the ts_ms of the envelope.", config.Null(), config.Group(table), config.Sized(config.WidthMedium, 5)),
		config.List(&c.Additional, "table.fields.additional.placement", "Further columns: COLUMN:header, COLUMN:envelope or COLUMN:partition, with a new name as COLUMN:header:NAME. With one of envelope the value is a struct of payload and these.",
			config.Null(), config.Rank(config.High), config.Group(table), config.Sized(config.WidthMedium, 6)),
		config.Enum(&c.AdditionalMissing, "table.field.additional.missing", "What to do when such a column does not exist: error or ignore.", []string{missingError, missingIgnore}, config.Group(table), config.Sized(config.WidthMedium, 7)),
		config.String(&c.SchemaVersion, "table.field.event.schema.version", "Column of type integer with the version of the value's schema; counts when there are columns of placement envelope.", config.Null(), config.Rank(config.Low), config.Group(table), config.Sized(config.WidthMedium, 8)),
		config.Enum(&c.OnUpdate, "table.op.invalid.behavior", "What to do with an update of an outbox row: warn and error drop it with a line in the log, fatal fails the task. Deletes are always dropped.",
			[]string{onUpdateWarn, onUpdateError, onUpdateFatal}, config.Group(table), config.Sized(config.WidthMedium, 9)),
		config.Bool(&c.Expand, "table.expand.json.payload", "Whether a payload that is the text of a JSON object becomes a struct, whose schema is inferred.", config.Group(table), config.Sized(config.WidthMedium, 10)),
		config.Enum(&c.Nulls, "table.json.payload.null.behavior", "What becomes of nulls in it: ignore leaves the member out, optional_bytes makes it a null of type bytes.", []string{jsonIgnore, jsonOptionalBytes}, config.Group(table), config.Sized(config.WidthMedium, 11)),
		config.Enum(&c.EmptyArrays, "table.json.payload.empty.array.behavior", "What becomes of empty arrays in it: ignore leaves the member out, optional_string makes it an array of texts.", []string{jsonIgnore, jsonOptionalString}, config.Group(table), config.Sized(config.WidthMedium, 12)),
		config.Enum(&c.Names, "field.name.adjustment.mode", "How the names of members are made fit for Avro. A member whose name is changed loses its value, as in Debezium.",
			[]envelope.Adjustment{envelope.AdjustNone, envelope.AdjustAvro, envelope.AdjustAvroUnicode}, config.Rank(config.Low), config.Group(table), config.Unlisted()),
		config.String(&c.RouteBy, "route.by.field", "Column whose text decides over the topic.", config.Rank(config.High), config.Group(router), config.Sized(config.WidthMedium, 1)),
		config.String(&c.TopicRegex, "route.topic.regex", "Regular expression of Java for that text as a whole; one that does not match is the topic itself.", config.Rank(config.Low), config.Group(router), config.Check(checkRegex), config.Sized(config.WidthMedium, 2)),
		config.String(&c.TopicReplacement, "route.topic.replacement", "The topic, with ${NAME} and $1 for groups of the expression.", config.Rank(config.High), config.Group(router), config.Sized(config.WidthMedium, 3)),
		config.Bool(&c.Tombstones, "route.tombstone.on.empty.payload", "Whether a payload that is null or blank makes a tombstone.", config.Rank(config.High), config.Group(router), config.Sized(config.WidthMedium, 4)),
		config.Prefix("tracing.", "Tracing is not there; these options are accepted and have no effect, as in a Kafka Connect without OpenTelemetry.", collect, config.Group(tracing), config.WithoutEffect()),
	}
}

// outboxKeys are the options for the documentation and for clients: those of tracing by their names.
func outboxKeys() config.Keys {
	c := defaultOutboxConfig()
	keys := c.keys()
	return append(keys[:len(keys)-1], tracingKeys()...)
}

// tracingKeys are what the family tracing.* has in Debezium.
func tracingKeys() config.Keys {
	const doc = "Accepted and without effect, as in a Kafka Connect without OpenTelemetry."
	field, operation, only := "tracingspancontext", "debezium-read", false
	high, tracing := config.Rank(config.High), config.Group("Tracing")
	return config.Keys{
		config.String(&field, "tracing.span.context.field", doc, high, tracing, config.Sized(config.WidthMedium, 1), config.WithoutEffect()),
		config.String(&operation, "tracing.operation.name", doc, high, tracing, config.Sized(config.WidthMedium, 2), config.WithoutEffect()),
		config.Bool(&only, "tracing.with.context.field.only", doc, high, tracing, config.Sized(config.WidthMedium, 3), config.WithoutEffect()),
	}
}

func checkRegex(text string) error {
	_, err := javaregex.Compile(text, false)
	return err
}

// placement is where an additional column goes.
type placement uint8

const (
	intoHeader placement = iota
	intoEnvelope
	intoPartition
)

var placements = map[string]placement{"header": intoHeader, "envelope": intoEnvelope, "partition": intoPartition}

// additional is one of table.fields.additional.placement.
type additional struct {
	column string
	place  placement
	name   string
}

func parseAdditional(items []string) ([]additional, error) {
	var out []additional
	for _, item := range items {
		parts := strings.Split(item, ":")
		if len(parts) != 2 && len(parts) != 3 {
			return nil, fmt.Errorf("%q is neither COLUMN:PLACEMENT nor COLUMN:PLACEMENT:NAME", item)
		}
		place, ok := placements[strings.ToLower(strings.TrimSpace(parts[1]))]
		if !ok {
			return nil, fmt.Errorf("%q is no placement; there are header, envelope and partition", parts[1])
		}
		a := additional{column: strings.TrimSpace(parts[0]), place: place, name: strings.TrimSpace(parts[0])}
		if len(parts) == 3 {
			a.name = strings.TrimSpace(parts[2])
		}
		out = append(out, a)
	}
	return out, nil
}
