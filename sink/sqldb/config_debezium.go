package sqldb

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// Debezium is the connector io.debezium.connector.jdbc.JdbcSinkConnector, version 3.7.
var Debezium = Family{
	Class: "io.debezium.connector.jdbc.JdbcSinkConnector", TaskClass: "io.debezium.connector.jdbc.JdbcSinkConnectorTask",
	defaults: DefaultConfig, keys: (*Config).debeziumKeys, check: (*Config).checkDebezium, listing: listing,
}

// Evolution is what the task may do to tables.
type Evolution string

// Modes of schema.evolution.
const (
	EvolutionNone     Evolution = "none"
	EvolutionBasic    Evolution = "basic"         // CREATE TABLE and ADD COLUMN
	EvolutionValidate Evolution = "validate-only" // nothing, and tables must be there at the start
)

const (
	groupConnection = "Connection"
	groupWriting    = "Writing"
	groupMapping    = "Mapping"
)

// defaultCloudEvents is Debezium's pattern for the names of CloudEvents' schemas.
const defaultCloudEvents = `.*CloudEvents\.Envelope$`

// Strategies of Debezium's that make names of tables.
const (
	namingDefault     = "io.debezium.sink.naming.DefaultCollectionNamingStrategy"
	namingDefaultOld  = "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy"
	namingPassthrough = "io.debezium.sink.naming.PassthroughCollectionNamingStrategy"
	namingColumns     = "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy"
)

// debeziumKeys is the only place of Debezium's option names.
func (c *Config) debeziumKeys() config.Keys {
	conn, writing, mapping := config.Group(groupConnection), config.Group(groupWriting), config.Group(groupMapping)
	ks := config.Keys{
		config.String(&c.URL, "connection.url", "JDBC URL of the target: jdbc:postgresql://host:5432/database, with pgjdbc's parameters (user, password, ssl, sslmode, sslrootcert, sslcert, sslkey, currentSchema, ApplicationName, connectTimeout, targetServerType, options, prepareThreshold=0 for poolers in transaction mode); "+
			"jdbc:mysql://host:3306/database or jdbc:mariadb: with those of Connector/J; jdbc:sqlite:/path/to/file.", config.Required(), config.Rank(config.High), conn),
		config.String(&c.User, "connection.username", "Role to connect as.", config.Alias("connection.user"), config.Null(), config.Rank(config.High), conn),
		config.Password(&c.Password, "connection.password", "Password of that role.", config.Null(), config.Rank(config.High), conn),

		config.Enum(&c.InsertMode, "insert.mode", "insert: plain INSERT. upsert: insert or update by primary key. update: update existing rows only.", []InsertMode{Insert, Upsert, Update}, config.Rank(config.Low), writing),
		config.Bool(&c.DeleteEnabled, "delete.enabled", "Delete rows for delete events and tombstones. Needs primary.key.mode record_key, record_value or record_header.", config.Rank(config.Low), writing),
		config.Bool(&c.TruncateEnabled, "truncate.enabled", "Truncate the table for truncate events.", config.Rank(config.Low), writing),
		config.Int(&c.BatchSize, "batch.size", "Most rows of one statement.", 1, 100_000, writing),
		config.Int(&c.MaxRetries, "flush.max.retries", "Attempts after the first one when a transaction fails for a reason that passes: a deadlock, a lost connection, a server that starts. Then the worker waits and puts the same records again, as long as it takes.", 0, 1<<30, config.Rank(config.Low), writing),
		config.Millis(&c.RetryDelay, "flush.retry.delay.ms", "Pause before each such attempt.", 0, config.Rank(config.Low), writing),

		config.Enum(&c.KeyMode, "primary.key.mode", "Where the primary key comes from: none, kafka (topic, partition, offset), record_key, record_value, record_header.", []KeyMode{KeyNone, KeyKafka, KeyRecord, KeyValue, KeyHeader}, config.Rank(config.High), mapping),
		config.List(&c.KeyFields, "primary.key.fields", "Fields of the key, value or headers that are the primary key; empty means all. A primitive record key needs exactly one name.", config.Null(), config.Rank(config.Low), mapping),
		config.String(&c.Collection, "collection.name.format", "Name of the table: ${topic} (its dots become underscores), ${source.schema}, ${source.table} and other fields of the source block. A dot in the format parts schema and table.", config.Alias("table.name.format"), config.Check(checkCollection), mapping),
		config.Enum(&c.given.evolution, "schema.evolution", "none: tables must exist and fit. basic: missing tables are created, missing columns are added. validate-only: as none, and the tables of the topics must exist when the task starts.",
			[]Evolution{EvolutionNone, EvolutionBasic, EvolutionValidate}, config.Rank(config.Low), mapping),
		config.Bool(&c.Quote, "quote.identifiers", "Keep the letters of names as they are. Without, they are folded as the database folds unquoted names.", config.Rank(config.Low), mapping),
		config.String(&c.TimeZone, "use.time.zone", "Time zone in which times without zone meet columns with one, and the other way.", config.Alias("database.time_zone"), config.Match(regexp.MustCompile(`[A-Za-z0-9_+:/-]+`), "a time zone name such as UTC or Europe/Paris"), mapping),
		config.List(&c.given.include, "field.include.list", "Fields to write, as field or topic:field. Key fields are always written.", config.Null(), mapping),
		config.List(&c.given.exclude, "field.exclude.list", "Fields not to write, as field or topic:field.", config.Null(), mapping),
		config.String(&c.PostGISSchema, "dialect.postgres.postgis.schema", "Schema of the PostGIS types in the target.", config.Rank(config.Low), mapping),
		config.Enum(&c.given.naming, "collection.naming.strategy", "Java class that makes the table's name: the default one, or "+namingPassthrough+", which leaves the dots of a topic in the name.",
			[]string{namingDefault, namingPassthrough, namingDefaultOld}, config.Alias("table.naming.strategy"), config.ClassName("other Java classes cannot be loaded; give the name by collection.name.format, or by a transform of the topic (RegexRouter)"),
			config.Rank(config.Low), mapping),
		config.String(&c.records.cloudEvents, "cloud.events.schema.name.pattern", "Regular expression on the name of the value's schema. What it matches is a CloudEvents message: the struct in its field data is taken as the value.",
			config.Check(func(text string) error { _, err := javaregex.Compile(text, false); return err }), config.Rank(config.Low), mapping),

		config.Refused("column.naming.strategy", namingColumns, "columns have the names of the fields; rename fields by a transform (ReplaceField)."),
	}
	return slices.Concat(ks, c.ownKeys(), c.TransactionConfig.keys(), c.debeziumWithoutEffect())
}

// debeziumWithoutEffect are options that make no difference here.
func (c *Config) debeziumWithoutEffect() config.Keys {
	mode, format := "deduplication", "${table}"
	pool := [3]int{5, 32, 1800}
	var off [3]bool
	const noPool = "There is no such pool; see parallel.connections."
	jvmOnly := func(opts ...config.Option) []config.Option {
		return append(opts, config.OnlyJVM(), config.WithoutEffect(), config.Rank(config.Low))
	}
	ks := config.Keys{
		config.Int(&pool[0], "connection.pool.min_size", noPool, 0, 1<<31-1, jvmOnly()...),
		config.Int(&pool[1], "connection.pool.max_size", noPool, 0, 1<<31-1, jvmOnly()...),
		config.Int(&pool[2], "connection.pool.timeout", noPool, 0, 1<<31-1, jvmOnly()...),
		config.Bool(&off[0], "dialect.postgres.unnest.insert.enabled", "Rows always go as arrays that the server takes apart.", config.OnlyJVM(), config.WithoutEffect()),
		config.Bool(&off[1], "dialect.sqlserver.identity.insert", "It concerns SQL Server only.", jvmOnly()...),
		config.Bool(&off[2], "connection.restart.on.errors", "A connection that is lost is always made again; what was committed is known by the position in the database.", jvmOnly()...),

		config.Enum(&mode, "keyed.message.batch.mode", "Each key is brought to its last state within a batch, in every mode but insert: the rows in the end are those of either value.",
			[]string{"deduplication", "passthrough"}, config.WithoutEffect(), config.Rank(config.Low)),
		config.String(&format, "collection.table.format", "Debezium defines it and does not read it; use collection.name.format.", config.WithoutEffect()),
	}
	ks = append(ks, config.Ignored("connection.provider", "use.reduction.buffer", "dialect.starrocks.catalog.name")...)
	jvm := func(name, _ string) error { c.warns = append(c.warns, name); return nil }
	return append(ks,
		config.Family(regexp.MustCompile(`hibernate\..+`), "hibernate.*", config.TypeString, "It concerns the JVM only.", jvm, config.Rank(config.Low), config.WithoutEffect()),
		config.Family(regexp.MustCompile(`connection\.pool\..+`), "connection.pool.*", config.TypeString, noPool, jvm, config.Rank(config.Low), config.WithoutEffect()))
}

// checkDebezium looks at options together, and at what they mean.
func (c *Config) checkDebezium(_ map[string]string, r *config.Report) {
	basic := c.given.evolution == EvolutionBasic
	c.Create, c.Extend, c.Exists = basic, basic, c.given.evolution == EvolutionValidate
	c.Include, c.Exclude = parseRules(c.given.include), parseRules(c.given.exclude)
	if c.Exists && strings.Contains(c.Collection, "${source.") {
		r.Fail("schema.evolution", "Invalid value validate-only for configuration schema.evolution: which tables must be there cannot be told before there are records, for collection.name.format names fields of the source block")
	}
	if c.given.naming == namingPassthrough {
		c.records.nameParts = partThrough
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
	if len(c.Include) > 0 && len(c.Exclude) > 0 {
		r.Fail("field.exclude.list", "Invalid value for configuration field.exclude.list: field.include.list is set too; set one of them")
	}
}

func checkCollection(text string) error {
	if text == "" {
		return errors.New("want a table name")
	}
	_, err := parseNameFormat(text, partFormat)
	return err
}
