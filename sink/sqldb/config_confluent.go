package sqldb

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/dialect"
)

// Confluent is the connector io.confluent.connect.jdbc.JdbcSinkConnector, as its 10.9 line defines it.
var Confluent = Family{
	Class: "io.confluent.connect.jdbc.JdbcSinkConnector", TaskClass: "io.confluent.connect.jdbc.sink.JdbcSinkTask",
	defaults: confluentDefaults, keys: (*Config).confluentKeys, check: (*Config).checkConfluent,
}

// Groups of Confluent's options.
const (
	groupWrites  = "Writes"
	groupData    = "Data Mapping"
	groupDDL     = "DDL Support"
	groupDML     = "DML Support"
	groupRetries = "Retries"
)

// Words of Confluent's options.
const (
	credentialsDefault = "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider"

	quoteAlways, quoteNever         = "always", "never"
	dateZoneSame, dateZoneUTC       = "DB_TIMEZONE", "UTC"
	calendarLegacy, calendarISO     = "LEGACY", "PROLEPTIC_GREGORIAN"
	precisionMicros, precisionNanos = "microseconds", "nanoseconds"
)

// confluentDialects are the dialects of the original, and which databases of ours they are for.
var confluentDialects = []struct {
	name  string
	kinds []dialect.Kind
}{
	{"Db2DatabaseDialect", nil}, {"DerbyDatabaseDialect", nil}, {"GenericDatabaseDialect", nil},
	{"MySqlDatabaseDialect", []dialect.Kind{dialect.MySQL, dialect.MariaDB}}, {"OracleDatabaseDialect", nil},
	{"PostgreSqlDatabaseDialect", []dialect.Kind{dialect.PostgreSQL}}, {"SapHanaDatabaseDialect", nil}, {"SqlServerDatabaseDialect", nil},
	{"SqliteDatabaseDialect", []dialect.Kind{dialect.SQLite}}, {"SybaseDatabaseDialect", nil}, {"VerticaDatabaseDialect", nil},
}

func confluentDefaults() Config {
	c := DefaultConfig()
	c.BatchSize, c.MaxRetries, c.RetryDelay = 3000, 10, 3*time.Second
	c.Attempts, c.Backoff = 3, 10*time.Second
	c.NullDefaults = true
	c.TableTypes = []string{string(kindTable)}
	c.records = recordRules{strict: true, plain: true, stringColumn: "record_value", nameParts: partName}
	c.given = givenOptions{quote: quoteAlways, dateZone: dateZoneSame, calendar: calendarLegacy, precision: precisionMicros, zone: "UTC", credentials: credentialsDefault}
	c.names = optionNames{user: "connection.user", keyMode: "pk.mode", keyFields: "pk.fields", collection: "table.name.format",
		create: "auto.create", createYes: "auto.create=true", extend: "auto.evolve", extendYes: "auto.evolve=true",
		quote: "quote.sql.identifiers", quoteYes: "quote.sql.identifiers=always", zone: "db.timezone", leaveOut: "fields.whitelist"}
	return c
}

// enumerator is an Enum as the original checks it: its words are written in small or in capital letters, not in both.
func enumerator[S ~string](dst *S, name, doc string, values []S, opts ...config.Option) config.Key {
	return config.Enum(dst, name, doc, values, append(opts, config.Check(func(text string) error {
		for _, v := range values {
			if text == string(v) || text == strings.ToLower(string(v)) || text == strings.ToUpper(string(v)) {
				return nil
			}
		}
		return config.Complain("Invalid enumerator")
	}))...)
}

// confluentKeys is the only place of Confluent's option names.
func (c *Config) confluentKeys() config.Keys {
	ks := slices.Concat(c.confluentConnection(), c.confluentWrites(), c.confluentData(), c.confluentDDL(), c.ownKeys(), c.TransactionConfig.keys())
	driver := func(name, text string) error {
		c.Driver = append(c.Driver, dialect.Param{Name: strings.TrimPrefix(name, "connection."), Value: text})
		return nil
	}
	return append(ks,
		config.Prefix("jdbc.credentials.provider.", "Options of a Java class that cannot be loaded.", func(string, string) error { return nil }, config.Rank(config.Low), config.Group(groupConnection), config.WithoutEffect()),
		config.Family(regexp.MustCompile(`connection\..+`), "connection.*", config.TypeString, "A property of the database's driver, as it may also stand in connection.url, which wins: connection.sslmode, connection.loginTimeout.",
			driver, config.Rank(config.Low), config.Group(groupConnection)))
}

func (c *Config) confluentConnection() config.Keys {
	group := config.Group(groupConnection)
	dialects := []string{""}
	for _, d := range confluentDialects {
		dialects = append(dialects, d.name)
	}
	return config.Keys{
		config.String(&c.URL, "connection.url", "JDBC URL of the target: jdbc:postgresql://host:5432/database, jdbc:mysql://host:3306/database, jdbc:mariadb://host:3306/database or jdbc:sqlite:/path/to/file, with the driver's properties behind a question mark.",
			config.Required(), config.Rank(config.High), group, config.Sized(config.WidthLong, 1), config.Label("JDBC URL")),
		config.String(&c.User, "connection.user", "Role to connect as.", config.Null(), config.Rank(config.High), group, config.Sized(config.WidthMedium, 2), config.Label("JDBC User")),
		config.Password(&c.Password, "connection.password", "Password of that role.", config.Null(), config.Rank(config.High), group, config.Sized(config.WidthMedium, 3), config.Label("JDBC Password")),
		config.Class(&c.given.credentials, "jdbc.credentials.provider.class", "Java class that knows user and password. None can be loaded: connection.user and connection.password are taken.",
			config.Rank(config.Low), group, config.Sized(config.WidthLong, 4), config.Label("JDBC Credentials Provider Class"), config.WithoutEffect()),
		enumerator(&c.given.dialect, "dialect.name", "Which kind of database it is. The URL tells it; any other is refused.", dialects,
			config.Rank(config.Low), group, config.Sized(config.WidthLong, 5), config.Label("Database Dialect"), config.Recommends(dialects...)),
		config.Int(&c.Attempts, "connection.attempts", "Attempts to connect, before the database counts as unavailable and the records are put again.", 1, 1<<31-1,
			config.Rank(config.Low), group, config.Sized(config.WidthShort, 6), config.Label("JDBC connection attempts")),
		config.Millis(&c.Backoff, "connection.backoff.ms", "Pause between attempts to connect.", minMillis, config.Rank(config.Low), group, config.Sized(config.WidthShort, 7), config.Label("JDBC connection backoff (millis)")),
	}
}

// minMillis is the least duration of a long that the original does not look at.
const minMillis = -1 << 63

func (c *Config) confluentWrites() config.Keys {
	group, boolean := config.Group(groupWrites), config.Recommends("true", "false")
	return config.Keys{
		enumerator(&c.InsertMode, "insert.mode", "insert: plain INSERT. upsert: insert or update by primary key. update: update existing rows only.", []InsertMode{Insert, Upsert, Update},
			config.Rank(config.High), group, config.Sized(config.WidthMedium, 1), config.Label("Insert Mode")),
		config.Int(&c.BatchSize, "batch.size", "Most rows of one statement.", 0, 1<<31-1, group, config.Sized(config.WidthShort, 2), config.Label("Batch Size")),
		config.Bool(&c.DeleteEnabled, "delete.enabled", "A record whose value is null deletes the row of its key. Needs pk.mode=record_key.", group, config.Sized(config.WidthShort, 3), config.Label("Enable deletes"), boolean),
		config.List(&c.TableTypes, "table.types", "Kinds of tables that may be written to: TABLE, VIEW, PARTITIONED TABLE. Views are never altered.",
			config.Check(checkTableTypes), config.Rank(config.Low), group, config.Sized(config.WidthMedium, 4), config.Label("Table Types"), config.Recommends(string(kindTable), string(kindView), string(kindPartitioned))),
		config.Bool(&c.NullDefaults, "replace.null.with.default", "A null is written as the default of its field, where the schema has one.", config.Rank(config.Low), group, config.Sized(config.WidthMedium, 5), config.Label("Replace null value with default value")),
	}
}

func (c *Config) confluentData() config.Keys {
	group := config.Group(groupData)
	modes := []KeyMode{KeyNone, KeyKafka, KeyRecord, KeyValue}
	dateZones, calendars, precisions := []string{dateZoneSame, dateZoneUTC}, []string{calendarLegacy, calendarISO}, []string{precisionMicros, precisionNanos}
	return config.Keys{
		config.String(&c.Collection, "table.name.format", "Name of the table, in which ${topic} is the topic's. Dots part catalog, schema and table, those of the topic's name too: the table of topic server.schema.orders is orders in schema.",
			config.Check(checkConfluentName), group, config.Sized(config.WidthLong, 1), config.Label("Table Name Format")),
		enumerator(&c.KeyMode, "pk.mode", "Where the primary key comes from. none: there is none. kafka: topic, partition and offset. record_key: fields of the key, or the key itself. record_value: fields of the value.", modes,
			config.Rank(config.High), group, config.Sized(config.WidthMedium, 2), config.Label("Primary Key Mode"), config.Recommends("none", "kafka", "record_key", "record_value")),
		config.List(&c.KeyFields, "pk.fields", "Names of the primary key. kafka: three, or none for __connect_topic, __connect_partition, __connect_offset. record_key: fields of a struct, none for all; the one name for a key that is a single value. record_value: fields, none for all.",
			group, config.Sized(config.WidthLong, 3), config.Label("Primary Key Fields")),
		config.List(&c.given.include, "fields.whitelist", "Fields of the value to write; none: all. Those of the primary key are always written.", group, config.Sized(config.WidthLong, 4), config.Label("Fields Whitelist")),
		config.String(&c.given.zone, "db.timezone", "Time zone in which Connect's Time and Timestamp are written into columns without one.", config.Check(func(text string) error { _, err := parseZone(text); return err }),
			group, config.Sized(config.WidthMedium, 5), config.Label("DB Time Zone")),
		enumerator(&c.given.dateZone, "date.timezone", "Time zone in which Connect's Date is written. DB_TIMEZONE: that of db.timezone, which moves dates by a day west of Greenwich. UTC: dates stay what they are.", dateZones,
			config.Rank(config.Low), group, config.Sized(config.WidthMedium, 6), config.Label("Time Zone used for Date"), config.Recommends(dateZones...)),
		enumerator(&c.given.precision, "timestamp.precision.mode", "What the numbers of the fields in timestamp.fields.list count since 1970.", precisions,
			config.Rank(config.Low), group, config.Sized(config.WidthMedium, 7), config.Label("Timestamp precision mode"), config.Recommends(precisions...)),
		config.List(&c.instant.fields, "timestamp.fields.list", "Fields of the value, 64-bit integers or texts, that are timestamps: numbers as timestamp.precision.mode says, texts of such numbers or in ISO 8601.",
			group, config.Sized(config.WidthLong, 8), config.Label("Timestamp fields")),
		enumerator(&c.given.calendar, "date.calendar.system", "Calendar of Connect's Date and Timestamp before 15 October 1582. LEGACY: the Julian one, as java.util.Date has it. PROLEPTIC_GREGORIAN: ISO 8601, which is what the databases and Debezium have.", calendars,
			config.Rank(config.Low), group, config.Sized(config.WidthMedium, 9), config.Label("Date Calendar System"), config.Recommends(calendars...)),
		config.String(&c.records.stringColumn, "string.output.value.column.name", "Column that a value goes to which is a text and no struct.", config.Check(func(text string) error {
			if text == "" {
				return config.Complain("String must be non-empty")
			}
			return nil
		}), config.Rank(config.Low), group, config.Sized(config.WidthMedium, 10), config.Label("String value column name")),
	}
}

func (c *Config) confluentDDL() config.Keys {
	group, dml, retries := config.Group(groupDDL), config.Group(groupDML), config.Group(groupRetries)
	holdlock := true
	return config.Keys{
		config.Bool(&c.Create, "auto.create", "Missing tables are created after the schemas of the records.", group, config.Sized(config.WidthShort, 1), config.Label("Auto-Create")),
		config.Bool(&c.Extend, "auto.evolve", "Missing columns are added. Columns are never dropped, and their types stay.", group, config.Sized(config.WidthShort, 2), config.Label("Auto-Evolve")),
		config.Enum(&c.given.quote, "quote.sql.identifiers", "always: names keep their letters. never: they are folded as the database folds unquoted names; words of SQL are quoted all the same.", []string{quoteAlways, quoteNever},
			group, config.Sized(config.WidthMedium, 3), config.Label("Quote Identifiers"), config.Recommends(quoteAlways, quoteNever)),
		config.Bool(&holdlock, "mssql.use.merge.holdlock", "It concerns SQL Server only.", config.Rank(config.Low), dml, config.Sized(config.WidthMedium, 1), config.Label("SQL Server - Use HOLDLOCK in MERGE"), config.WithoutEffect()),
		config.Int(&c.MaxRetries, "max.retries", "Attempts after the first one when a transaction fails for a reason that passes: a deadlock, a lost connection, a server that starts. Then the worker waits and puts the same records again, as long as it takes.", 0, 1<<31-1,
			retries, config.Sized(config.WidthShort, 1), config.Label("Maximum Retries")),
		config.Millis(&c.RetryDelay, "retry.backoff.ms", "Pause before each such attempt.", 0, config.As32(), retries, config.Sized(config.WidthShort, 2), config.Label("Retry Backoff (millis)")),
		config.Bool(&c.HideValues, "trim.sensitive.log", "Messages about rows that the database refuses name tables and columns, not what is in the records.", config.Rank(config.Low), config.Unlisted()),
	}
}

func checkTableTypes(text string) error {
	list := config.SplitList(text)
	for _, kind := range list {
		if !slices.Contains([]tableKind{kindTable, kindView, kindPartitioned}, tableKind(strings.ToUpper(kind))) {
			return fmt.Errorf("%q is no kind of table; there are %s, %s and %s", kind, kindTable, kindView, kindPartitioned)
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("want at least one of %s, %s and %s", kindTable, kindView, kindPartitioned)
	}
	return nil
}

func checkConfluentName(text string) error {
	if text == "" {
		return config.Complain("String must be non-empty")
	}
	_, err := parseNameFormat(text, partName)
	return err
}

// checkConfluent looks at options together, and at what they mean.
func (c *Config) checkConfluent(props map[string]string, r *config.Report) {
	c.Include = nil
	for _, name := range c.given.include {
		c.Include = append(c.Include, fieldRule{field: name})
	}
	for i, kind := range c.TableTypes {
		c.TableTypes[i] = strings.ToUpper(kind)
	}
	c.BatchSize = max(c.BatchSize, 1) // 0 is taken by the original, too, and writes one by one
	c.Quote = c.given.quote == quoteAlways
	c.instant.julian = c.given.calendar == calendarLegacy
	c.instant.nanos = c.given.precision == precisionNanos
	if zone, err := parseZone(c.given.zone); err == nil {
		c.instant.zone = zone
		if c.given.dateZone != dateZoneUTC {
			c.instant.dateZone = zone
		}
		if zone != nil && zone.String() != "" { // offsets have no name that databases agree on
			c.TimeZone = zone.String()
		}
	}
	if c.DeleteEnabled && c.KeyMode != KeyRecord {
		r.Fail("delete.enabled", "Invalid value true for configuration delete.enabled: Primary key mode must be 'record_key' when delete support is enabled (pk.mode is %s)", c.KeyMode)
	}
	if c.InsertMode != Insert && c.KeyMode == KeyNone {
		r.Fail("pk.mode", "Invalid value none for configuration pk.mode: insert.mode=%s finds rows by their primary key; set pk.mode to record_key, record_value or kafka", c.InsertMode)
	}
	if n := len(c.KeyFields); c.KeyMode == KeyKafka && n != 0 && n != 3 {
		r.Fail("pk.fields", "Invalid value %s for configuration pk.fields: pk.mode=kafka needs three names, of topic, partition and offset, or none; there are %d", strings.Join(c.KeyFields, ","), n)
	}
	if c.given.credentials != credentialsDefault {
		r.Warn("jdbc.credentials.provider.class", "Option %q=%q names a Java class, which cannot be loaded: connection.user and connection.password are taken.", "jdbc.credentials.provider.class", c.given.credentials)
	}
	if c.Consistency == ConsistencyTransaction {
		r.Fail("consistency", "Invalid value transaction for configuration consistency: it needs Debezium's envelopes, which tell the transaction of each row; use connector.class=%s", Debezium.Class)
	}
	c.checkDialect(r)
}

// checkDialect holds dialect.name against the URL.
func (c *Config) checkDialect(r *config.Report) {
	u, err := dialect.ParseJDBC(c.URL)
	if c.given.dialect == "" || err != nil {
		return
	}
	for _, d := range confluentDialects {
		if d.name == c.given.dialect && !slices.Contains(d.kinds, u.Kind) {
			r.Fail("dialect.name", "Invalid value %s for configuration dialect.name: connection.url names a database of kind %s; leave dialect.name out", d.name, u.Kind)
		}
	}
}
