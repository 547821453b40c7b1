package envelope

import (
	"log/slog"
	"time"
)

// Version is the Debezium release whose records these are: it stands in source.version.
const Version = "3.7.0.Final"

// Decimals is decimal.handling.mode.
type Decimals string

// Values of decimal.handling.mode.
const (
	DecimalsPrecise Decimals = "precise" // Decimal, VariableScaleDecimal where the scale is open
	DecimalsDouble  Decimals = "double"
	DecimalsString  Decimals = "string"
)

// Times is time.precision.mode.
type Times string

// Values of time.precision.mode.
const (
	TimesAdaptive      Times = "adaptive"
	TimesAdaptiveMicro Times = "adaptive_time_microseconds"
	TimesConnect       Times = "connect"
	TimesISO           Times = "isostring"
	TimesMicro         Times = "microseconds"
	TimesNano          Times = "nanoseconds"
	TimesStructured    Times = "structured"
)

// Intervals is interval.handling.mode.
type Intervals string

// Values of interval.handling.mode.
const (
	IntervalsNumeric Intervals = "numeric" // microseconds, a month counted as 30.4375 days
	IntervalsString  Intervals = "string"  // ISO 8601
)

// HStores is hstore.handling.mode.
type HStores string

// Values of hstore.handling.mode.
const (
	HStoresJSON HStores = "json"
	HStoresMap  HStores = "map"
)

// Binaries is binary.handling.mode.
type Binaries string

// Values of binary.handling.mode.
const (
	BinariesBytes     Binaries = "bytes"
	BinariesBase64    Binaries = "base64"
	BinariesBase64URL Binaries = "base64-url-safe"
	BinariesHex       Binaries = "hex"
)

// Adjustment is schema.name.adjustment.mode and field.name.adjustment.mode.
type Adjustment string

// Values of the adjustment modes.
const (
	AdjustNone        Adjustment = "none"
	AdjustAvro        Adjustment = "avro"
	AdjustAvroUnicode Adjustment = "avro_unicode"
)

// OnFailure is event.converting.failure.handling.mode: what becomes of a column whose value has no place in its schema.
type OnFailure string

// Values of event.converting.failure.handling.mode.
const (
	FailureFail OnFailure = "fail" // Encode returns a ConvertError
	FailureWarn OnFailure = "warn" // null, and a warning
	FailureSkip OnFailure = "skip" // null
)

// Config holds every option that shapes records; start from DefaultConfig.
type Config struct {
	TopicPrefix string
	Database    string // source.db; database.dbname belongs to the connection, so the caller sets it
	Version     string // source.version
	TaskID      string // header __debezium.context.taskId
	RunID       string // header __debezium.context.runId, a UUID per start
	Now         func() time.Time
	Log         *slog.Logger

	Decimals      Decimals
	Times         Times
	Intervals     Intervals
	HStores       HStores
	Binaries      Binaries
	MoneyDigits   int
	UnknownTypes  bool // include.unknown.datatypes
	OnFailure     OnFailure
	Placeholder   string // unavailable.value.placeholder, "hex:" form included
	SchemaNames   Adjustment
	FieldNames    Adjustment
	Headers       bool // extended.headers.enabled
	Tombstones    bool
	SkippedOps    []string // letters of skipped.operations, or none
	SkipUnchanged bool     // skip.messages.without.change

	TransactionMetadata bool
	TransactionTopic    string

	NamingStrategy   string // topic.naming.strategy
	Delimiter        string
	TopicRegex       string
	TopicReplacement string
	// KeyUnique adds a field to the keys of topics that the regex strategies merge, so that they stay unique.
	KeyUnique           bool
	KeyField            string
	KeyFieldRegex       string
	KeyFieldReplacement string

	HeartbeatPrefix string
	HeartbeatTopic  string // topic.heartbeat.name, "" derives it from HeartbeatPrefix

	ColumnInclude, ColumnExclude   []string
	MessageInclude, MessageExclude []string // prefixes of logical decoding messages
	KeyColumns                     []KeyRule

	// Mappers, in the order Debezium tries them: the first that matches a column is its only one.
	Truncate      []ColumnRule // N: characters
	Mask          []ColumnRule // N: asterisks
	Hash          []HashRule
	PropagateType []string // column.propagate.source.type
	PropagateData []string // datatype.propagate.source.type
}

// KeyRule is one entry of message.key.columns.
type KeyRule struct {
	Tables  string // regular expression on schema.table
	Columns []string
}

// ColumnRule is a number with the columns it holds for.
type ColumnRule struct {
	Columns []string // regular expressions on schema.table.column
	N       int
}

// HashRule is one column.mask.hash option.
type HashRule struct {
	Columns   []string
	Algorithm string // Java's name, such as SHA-256
	Salt      string
	V2        bool // hashes the text itself instead of its Java serialisation
}

// byRegex tells the naming strategies that rewrite topics.
func (c *Config) byRegex() bool {
	return c.NamingStrategy == namingByRegex || c.NamingStrategy == namingBySchemaRegex
}

// Classes of topic.naming.strategy.
const (
	namingBySchema        = "io.debezium.schema.SchemaTopicNamingStrategy"
	namingDefault         = "io.debezium.schema.DefaultTopicNamingStrategy"
	namingByRegex         = "io.debezium.schema.DefaultRegexTopicNamingStrategy"
	namingBySchemaRegex   = "io.debezium.schema.SchemaRegexTopicNamingStrategy"
	namingByUnicode       = "io.debezium.schema.DefaultUnicodeTopicNamingStrategy"
	namingBySchemaUnicode = "io.debezium.schema.SchemaUnicodeTopicNamingStrategy"
)

// DefaultConfig is the only place of defaults.
func DefaultConfig() Config {
	return Config{
		Version:          Version,
		TaskID:           "0", // the connector has one task
		Now:              time.Now,
		Log:              slog.Default(),
		Decimals:         DecimalsPrecise,
		Times:            TimesAdaptive,
		Intervals:        IntervalsNumeric,
		HStores:          HStoresJSON,
		Binaries:         BinariesBytes,
		MoneyDigits:      2,
		OnFailure:        FailureWarn,
		Placeholder:      "__debezium_unavailable_value",
		SchemaNames:      AdjustNone,
		FieldNames:       AdjustNone,
		Headers:          true,
		Tombstones:       true,
		SkippedOps:       []string{"t"},
		TransactionTopic: "transaction",
		NamingStrategy:   namingBySchema,
		Delimiter:        ".",
		HeartbeatPrefix:  "__debezium-heartbeat",
		KeyUnique:        true,
		KeyField:         "__dbz__physicalTableIdentifier",
	}
}
