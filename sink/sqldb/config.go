package sqldb

import (
	"fmt"
	"regexp"
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

// Modes of primary.key.mode.
const (
	KeyNone   KeyMode = "none"
	KeyKafka  KeyMode = "kafka"
	KeyRecord KeyMode = "record_key"
	KeyValue  KeyMode = "record_value"
	KeyHeader KeyMode = "record_header"
)

// Evolution is what the task may do to tables.
type Evolution string

// Modes of schema.evolution.
const (
	EvolutionNone  Evolution = "none"
	EvolutionBasic Evolution = "basic" // CREATE TABLE and ADD COLUMN
)

// Config holds the options of a task; start from DefaultConfig.
type Config struct {
	URL             string
	User            string
	Password        config.Secret
	InsertMode      InsertMode
	DeleteEnabled   bool
	TruncateEnabled bool
	KeyMode         KeyMode
	KeyFields       []string
	Collection      string
	Evolution       Evolution
	Quote           bool
	TimeZone        string
	BatchSize       int
	IncludeFields   []string
	ExcludeFields   []string
	MaxRetries      int
	RetryDelay      time.Duration
	PostGISSchema   string
	Unavailable     string
	Positions       string
	Connections     int

	jvm []string // hibernate.* and connection.pool.*, to be warned about
}

// DefaultConfig is the only place of defaults: Debezium's, as its JDBC sink 3.7 documents them.
func DefaultConfig() Config {
	return Config{
		InsertMode: Insert, KeyMode: KeyNone, Evolution: EvolutionNone, Collection: "${topic}", TimeZone: "UTC", BatchSize: 500,
		MaxRetries: 5, RetryDelay: time.Second, PostGISSchema: "public", Unavailable: "__debezium_unavailable_value",
		Positions:   "tandem_positions",
		Connections: max(4, runtime.NumCPU()), // the server does most of the work: more connections than that only queue
	}
}

const (
	groupConnection = "Connection"
	groupWriting    = "Writing"
	groupMapping    = "Mapping"
)

// Keys is the only place of option names.
func (c *Config) Keys() config.Keys {
	conn, writing, mapping := config.Group(groupConnection), config.Group(groupWriting), config.Group(groupMapping)
	ks := config.Keys{
		config.String(&c.URL, "connection.url", "JDBC URL of the target: jdbc:postgresql://host:5432/database, with pgjdbc's parameters (user, password, ssl, sslmode, sslrootcert, sslcert, sslkey, currentSchema, ApplicationName, connectTimeout, targetServerType, options, prepareThreshold=0 for poolers in transaction mode).", config.Required(), config.Rank(config.High), conn),
		config.String(&c.User, "connection.username", "Role to connect as.", config.Alias("connection.user"), config.Null(), config.Rank(config.High), conn),
		config.Password(&c.Password, "connection.password", "Password of that role.", config.Null(), config.Rank(config.High), conn),
		config.Int(&c.Connections, "parallel.connections", "Most connections of one task: that many partitions are applied at once. Not an option of Debezium's.", 1, 256, config.DefaultIs("number of CPUs, at least 4"), config.Rank(config.Low), conn),

		config.Enum(&c.InsertMode, "insert.mode", "insert: plain INSERT. upsert: insert or update by primary key. update: update existing rows only.", []InsertMode{Insert, Upsert, Update}, config.Rank(config.High), writing),
		config.Bool(&c.DeleteEnabled, "delete.enabled", "Delete rows for delete events and tombstones. Needs primary.key.mode record_key, record_value or record_header.", config.Rank(config.High), writing),
		config.Bool(&c.TruncateEnabled, "truncate.enabled", "Truncate the table for truncate events.", config.Rank(config.Low), writing),
		config.Int(&c.BatchSize, "batch.size", "Most rows of one statement.", 1, 100_000, writing),
		config.Int(&c.MaxRetries, "flush.max.retries", "Attempts after the first one when a transaction fails for a reason that passes: a deadlock, a lost connection, a server that starts.", 0, 1<<30, writing),
		config.Millis(&c.RetryDelay, "flush.retry.delay.ms", "Pause before each such attempt.", 0, writing),
		config.String(&c.Unavailable, "unavailable.value.placeholder", "What the source writes for a column whose value it does not know (an unchanged TOAST value). Such columns are left as they are in the target. A text that starts with hex: gives the bytes.", config.Rank(config.Low), writing),
		config.String(&c.Positions, "positions.table", "Table of the consumer positions, created when missing; they move in the transaction of the rows. Not an option of Debezium's.", config.Rank(config.Low), writing),

		config.Enum(&c.KeyMode, "primary.key.mode", "Where the primary key comes from: none, kafka (topic, partition, offset), record_key, record_value, record_header.", []KeyMode{KeyNone, KeyKafka, KeyRecord, KeyValue, KeyHeader}, config.Rank(config.High), mapping),
		config.List(&c.KeyFields, "primary.key.fields", "Fields of the key, value or headers that are the primary key; empty means all. A primitive record key needs exactly one name.", config.Null(), mapping),
		config.String(&c.Collection, "collection.name.format", "Name of the table: ${topic} (its dots become underscores), ${source.schema}, ${source.table} and other fields of the source block. A dot in the format parts schema and table.", config.Alias("table.name.format"), config.Check(checkCollection), mapping),
		config.Enum(&c.Evolution, "schema.evolution", "none: tables must exist and fit. basic: missing tables are created, missing columns are added.", []Evolution{EvolutionNone, EvolutionBasic}, config.Rank(config.High), mapping),
		config.Bool(&c.Quote, "quote.identifiers", "Keep the letters of names as they are. Without, they are folded as the database folds unquoted names.", mapping),
		config.String(&c.TimeZone, "use.time.zone", "Time zone in which times without zone meet columns with one, and the other way.", config.Alias("database.time_zone"), config.Match(regexp.MustCompile(`[A-Za-z0-9_+:/-]+`), "a time zone name such as UTC or Europe/Paris"), mapping),
		config.List(&c.IncludeFields, "field.include.list", "Fields to write, as field or topic:field. Key fields are always written.", config.Null(), mapping),
		config.List(&c.ExcludeFields, "field.exclude.list", "Fields not to write, as field or topic:field.", config.Null(), mapping),
		config.String(&c.PostGISSchema, "dialect.postgres.postgis.schema", "Schema of the PostGIS types in the target.", config.Rank(config.Low), mapping),

		config.Refused("collection.naming.strategy", "io.debezium.sink.naming.DefaultCollectionNamingStrategy", "use collection.name.format."),
		config.Refused("table.naming.strategy", "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy", "use collection.name.format."),
		config.Refused("column.naming.strategy", "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy", "columns have the names of the fields."),
		config.Refused("collection.table.format", "${table}", "use collection.name.format."),
		config.Refused("keyed.message.batch.mode", "deduplication", "each key is brought to its last state within a batch, in every mode but insert."),
	}
	ks = append(ks, config.Ignored("connection.provider", "connection.restart.on.errors", "use.reduction.buffer", "dialect.postgres.unnest.insert.enabled",
		"dialect.sqlserver.identity.insert", "dialect.starrocks.catalog.name", "cloud.events.schema.name.pattern")...)
	jvm := func(name, _ string) error { c.jvm = append(c.jvm, name); return nil }
	return append(ks,
		config.Family(regexp.MustCompile(`hibernate\..+`), "hibernate.*", config.TypeString, "It concerns the JVM only.", jvm, config.Rank(config.Low), config.WithoutEffect()),
		config.Family(regexp.MustCompile(`connection\.pool\..+`), "connection.pool.*", config.TypeString, "There is no such pool; see parallel.connections.", jvm, config.Rank(config.Low), config.WithoutEffect()))
}

// frameworkNames belong to every sink connector, and to the worker.
var frameworkNames = []string{
	"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "task.class", "topics", "topics.regex", "config.action.reload", "config.providers",
	"key.converter", "key.converter.", "value.converter", "value.converter.", "header.converter", "header.converter.", "transforms", "transforms.", "predicates", "predicates.",
	"errors.", "consumer.override.", "producer.override.", "admin.override.", "config.providers.",
}

// Parse reads the options of a connector or task and checks them against each other. It does not connect.
func Parse(props map[string]string) (Config, config.Report) {
	c := DefaultConfig()
	r := c.Keys().Parse(props, frameworkNames...)
	for _, name := range c.jvm {
		r.Warn(name, "Option %q concerns the JVM only and has no effect.", name)
	}
	if c.URL != "" {
		_, warnings, err := c.target()
		if err != nil {
			r.Fail("connection.url", "Invalid value for configuration connection.url: %v", err)
		}
		for _, w := range warnings {
			r.Warn("connection.url", "%s", w)
		}
	}
	if c.InsertMode != Insert && c.KeyMode == KeyNone {
		r.Fail("primary.key.mode", "Invalid value none for configuration primary.key.mode: insert.mode=%s finds rows by their primary key; set record_key, record_value, record_header or kafka", c.InsertMode)
	}
	if c.DeleteEnabled && (c.KeyMode == KeyNone || c.KeyMode == KeyKafka) {
		r.Fail("delete.enabled", "Invalid value true for configuration delete.enabled: rows to delete are found by the record's key; set primary.key.mode to record_key (it is %s)", c.KeyMode)
	}
	if c.KeyMode == KeyHeader && len(c.KeyFields) == 0 {
		r.Fail("primary.key.fields", "Missing configuration primary.key.fields: primary.key.mode=record_header needs the names of the headers")
	}
	if len(c.IncludeFields) > 0 && len(c.ExcludeFields) > 0 {
		r.Fail("field.exclude.list", "Invalid value for configuration field.exclude.list: field.include.list is set too; set one of them")
	}
	if _, err := placeholderBytes(c.Unavailable); err != nil {
		r.Fail("unavailable.value.placeholder", "Invalid value %s for configuration unavailable.value.placeholder: %v", c.Unavailable, err)
	}
	return c, r
}

// target reads the URL.
func (c *Config) target() (dialect.PostgresTarget, []string, error) {
	u, err := dialect.ParseJDBC(c.URL)
	if err != nil {
		return dialect.PostgresTarget{}, nil, err
	}
	t, err := dialect.PostgresConfig(u, c.User, c.Password.Reveal())
	return t, t.Warnings, err
}

// writes tells whether the lists let a field of a topic through.
func (c *Config) writes(topic, field string) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(list, func(entry string) bool {
			t, f, ok := strings.Cut(entry, ":")
			if !ok {
				return entry == field
			}
			return t == topic && f == field
		})
	}
	if len(c.IncludeFields) > 0 {
		return named(c.IncludeFields)
	}
	return !named(c.ExcludeFields)
}

func checkCollection(text string) error {
	if text == "" {
		return fmt.Errorf("want a table name")
	}
	_, err := parseNameFormat(text)
	return err
}
