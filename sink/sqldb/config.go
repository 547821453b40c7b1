package sqldb

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/dialect"
)

// InsertMode is what a record that is no delete does to the table.
type InsertMode string

// Modes of insert.mode.
const (
	Insert InsertMode = "insert"
	Upsert InsertMode = "upsert"
	Update InsertMode = "update"
)

// KeyMode is where the primary key comes from.
type KeyMode string

// Modes of primary.key.mode and pk.mode.
const (
	KeyNone   KeyMode = "none"
	KeyKafka  KeyMode = "kafka"
	KeyRecord KeyMode = "record_key"
	KeyValue  KeyMode = "record_value"
	KeyHeader KeyMode = "record_header"
)

// Config says what a task does. Each Family fills it from the options of its connector; nothing behind Parse knows which one did.
type Config struct {
	URL         string
	User        string
	Password    config.Secret
	Driver      []dialect.Param // connection properties besides those of the URL, which win
	Attempts    int             // to connect, before the connection counts as unavailable
	Backoff     time.Duration   // between them
	Connections int

	InsertMode      InsertMode
	DeleteEnabled   bool
	TruncateEnabled bool
	BatchSize       int
	MaxRetries      int
	RetryDelay      time.Duration
	Unavailable     string
	Positions       string
	NullDefaults    bool // a null is the default of its field, where that has one
	HideValues      bool // errors do not show what is in the records

	KeyMode       KeyMode
	KeyFields     []string
	Collection    string
	Include       []fieldRule // none: all
	Exclude       []fieldRule
	TableTypes    []string // kinds of tables that may be written to; none: all
	TimeZone      string
	PostGISSchema string

	Create bool // missing tables are created
	Extend bool // missing columns are added
	Exists bool // tables must be there when partitions are opened
	Quote  bool // names keep their letters

	TransactionConfig

	records recordRules
	instant instantRules
	names   optionNames
	given   givenOptions
	warns   []string // options to be warned about
	name    string   // of the connector, for messages
}

// givenOptions are texts of options from which others of a Config come.
type givenOptions struct {
	evolution        Evolution
	include, exclude []string
	naming           string
	credentials      string
	dialect          string
	quote            string
	zone             string
	dateZone         string
	calendar         string
	precision        string
}

// recordRules are what the two connectors see differently in a record.
type recordRules struct {
	envelopes    bool   // Debezium's envelopes are taken apart; else they are refused
	cloudEvents  string // regular expression on a schema's name: data of such a struct is the row; "": there are none
	strict       bool   // a record without what its mode needs is refused, in the words of Confluent's connector
	plain        bool   // new columns are of the types of Connect alone, in the order of the value
	stringColumn string // a value that is a text is a row of this column; "": it is refused
	nameParts    nameParts
}

// nameParts is what dots of a table's name mean.
type nameParts uint8

const (
	partFormat  nameParts = iota // those of the format part schema and table, those of the topic become underscores
	partThrough                  // likewise, but the topic keeps its dots
	partName                     // all that the name has in the end part catalog, schema and table
)

// instantRules say how Connect's Date, Time and Timestamp, which are points in time, are written where there is no time zone.
type instantRules struct {
	zone     *time.Location // of Time and Timestamp; nil: UTC
	dateZone *time.Location // of Date; nil: UTC
	julian   bool           // days before 15 October 1582 are those of the Julian calendar, as java.util.Date shows them
	fields   []string       // of type Int64 or String, that are timestamps
	nanos    bool           // those count nanoseconds, else microseconds
}

// fieldRule names a field of the records of a topic, or of all.
type fieldRule struct{ topic, field string }

// optionNames are what the options of a Config are called where it comes from, for messages.
type optionNames struct {
	user, keyMode, keyFields, collection, create, createYes, extend, extendYes, quote, quoteYes, zone, leaveOut string
}

// DefaultConfig has the defaults of Debezium's JDBC sink 3.7, and of our own options.
func DefaultConfig() Config {
	return Config{
		InsertMode: Insert, KeyMode: KeyNone, Collection: "${topic}", TimeZone: "UTC", BatchSize: 500, Attempts: 1,
		MaxRetries: 5, RetryDelay: time.Second, PostGISSchema: "public", Unavailable: "__debezium_unavailable_value",
		Positions: "tandem_positions",

		TransactionConfig: defaultTransactions(),
		Connections:       max(4, runtime.NumCPU()), // the server does most of the work: more connections than that only queue
		records:           recordRules{envelopes: true, cloudEvents: defaultCloudEvents},
		given:             givenOptions{evolution: EvolutionNone, naming: namingDefault},
		names: optionNames{user: "connection.username", keyMode: "primary.key.mode", keyFields: "primary.key.fields", collection: "collection.name.format",
			create: "schema.evolution", createYes: "schema.evolution=basic", extend: "schema.evolution", extendYes: "schema.evolution=basic",
			quote: "quote.identifiers", quoteYes: "quote.identifiers=true", zone: "use.time.zone", leaveOut: "field.exclude.list"},
	}
}

// Family is one of the connectors whose options the task takes.
type Family struct {
	Class, TaskClass string
	defaults         func() Config
	keys             func(c *Config) config.Keys
	check            func(c *Config, props map[string]string, r *config.Report)
	listing          func() config.Listing // nil: as the keys have it
}

// Families are all there are.
func Families() []*Family { return []*Family{&Debezium, &Confluent} }

// FamilyOf is the family of a connector class; nil when it is none of a relational sink.
func FamilyOf(class string) *Family {
	for _, f := range Families() {
		if f.Class == class {
			return f
		}
	}
	return nil
}

// Keys are the options of the family, with their defaults.
func (f *Family) Keys() config.Keys {
	c := f.defaults()
	return f.keys(&c)
}

// ListedKeys are the options that the original tells clients of the REST API about, with their defaults and in its order.
func (f *Family) ListedKeys() config.Keys {
	if f.listing == nil {
		return f.Keys()
	}
	return f.Keys().Listed(f.listing())
}

// frameworkNames belong to every sink connector, and to the worker.
var frameworkNames = []string{
	"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "task.class", "topics", "topics.regex", "config.action.reload", "config.providers",
	"key.converter", "key.converter.", "value.converter", "value.converter.", "header.converter", "header.converter.", "transforms", "transforms.", "predicates", "predicates.",
	"errors.", "consumer.override.", "producer.override.", "admin.override.", "config.providers.",
}

// Parse reads the options of a connector or task and checks them against each other. It does not connect.
func (f *Family) Parse(props map[string]string) (Config, config.Report) {
	c := f.defaults()
	r := f.keys(&c).Parse(props, frameworkNames...)
	for _, name := range c.warns {
		r.Warn(name, "Option %q concerns the JVM only and has no effect.", name)
	}
	if c.URL != "" {
		e, err := c.endpoint()
		if err != nil {
			r.Fail("connection.url", "Invalid value for configuration connection.url: %v", err)
		}
		for _, w := range e.warnings {
			r.Warn("connection.url", "%s", w)
		}
	}
	if _, err := placeholderBytes(c.Unavailable); err != nil {
		r.Fail("unavailable.value.placeholder", "Invalid value %s for configuration unavailable.value.placeholder: %v", c.Unavailable, err)
	}
	f.check(&c, props, &r)
	c.checkTransactions(props, &r)
	return c, r
}

// ownKeys are the options that are nobody's but ours.
func (c *Config) ownKeys() config.Keys {
	return config.Keys{
		config.Int(&c.Connections, "parallel.connections", "Most connections of one task: that many partitions are applied at once. An option of tandem's own.", 1, 256,
			config.DefaultIs("number of CPUs, at least 4"), config.Rank(config.Low), config.Group(groupConnection), config.Unlisted()),
		config.String(&c.Positions, "positions.table", "Table of the consumer positions, created when missing; they move in the transaction of the rows. An option of tandem's own.",
			config.Rank(config.Low), config.Group(groupWriting), config.Unlisted()),
		config.String(&c.Unavailable, "unavailable.value.placeholder", "What the source writes for a column whose value it does not know (an unchanged TOAST value). Such columns are left as they are in the target. "+
			"A text that starts with hex: gives the bytes. An option of tandem's own.", config.Rank(config.Low), config.Group(groupWriting), config.Unlisted()),
	}
}

// parseRules reads field or topic:field.
func parseRules(list []string) []fieldRule {
	var out []fieldRule
	for _, entry := range list {
		if topic, field, ok := strings.Cut(entry, ":"); ok {
			out = append(out, fieldRule{topic, field})
		} else {
			out = append(out, fieldRule{field: entry})
		}
	}
	return out
}

// writes tells whether the lists let a field of a topic through.
func (c *Config) writes(topic, field string) bool {
	named := func(list []fieldRule) bool {
		return slices.ContainsFunc(list, func(r fieldRule) bool { return r.field == field && (r.topic == "" || r.topic == topic) })
	}
	if len(c.Include) > 0 {
		return named(c.Include)
	}
	return !named(c.Exclude)
}
