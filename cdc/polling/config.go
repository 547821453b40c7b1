package polling

import (
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/dialect"
)

// Mode is how rows are found.
type Mode string

// Modes.
const (
	Bulk                  Mode = "bulk"
	Incrementing          Mode = "incrementing"
	Timestamp             Mode = "timestamp"
	TimestampIncrementing Mode = "timestamp+incrementing"
)

func (m Mode) usesID() bool   { return m == Incrementing || m == TimestampIncrementing }
func (m Mode) usesTime() bool { return m == Timestamp || m == TimestampIncrementing }

// NumericMapping is what NUMERIC columns become.
type NumericMapping string

// Values of numeric.mapping.
const (
	NumericNone               NumericMapping = "none"
	NumericPrecisionOnly      NumericMapping = "precision_only"
	NumericBestFit            NumericMapping = "best_fit"
	NumericBestFitEagerDouble NumericMapping = "best_fit_eager_double"
)

// Granularity is what timestamp columns become.
type Granularity string

// Values of timestamp.granularity.
const (
	ConnectLogical         Granularity = "connect_logical"
	MicrosLong             Granularity = "micros_long"
	MicrosString           Granularity = "micros_string"
	MicrosISODatetime      Granularity = "micros_iso_datetime_string"
	NanosLong              Granularity = "nanos_long"
	NanosString            Granularity = "nanos_string"
	NanosISODatetimeString Granularity = "nanos_iso_datetime_string"
)

// Isolation is the isolation level of the transactions that queries run in.
type Isolation string

// Values of transaction.isolation.mode.
const (
	IsolationDefault  Isolation = "DEFAULT"
	ReadUncommitted   Isolation = "READ_UNCOMMITTED"
	ReadCommitted     Isolation = "READ_COMMITTED"
	RepeatableRead    Isolation = "REPEATABLE_READ"
	Serializable      Isolation = "SERIALIZABLE"
	SQLServerSnapshot Isolation = "SQL_SERVER_SNAPSHOT"
)

// Quoting is when identifiers are quoted.
type Quoting string

// Values of quote.sql.identifiers.
const (
	QuoteAlways Quoting = "ALWAYS"
	QuoteNever  Quoting = "NEVER"
)

// initialUnset is timestamp.initial when it is not given; initialNow asks for the database's time.
const (
	initialUnset = math.MinInt64
	initialNow   = -1
)

// Config holds the options of a connector or task; start from DefaultConfig.
type Config struct {
	URL      string
	User     string
	Password config.Secret
	Attempts int
	Backoff  time.Duration
	Dialect  string

	Include, Exclude     []string // table.whitelist and table.blacklist
	IncludeRE, ExcludeRE []string // table.include.list and table.exclude.list
	Catalog, Schema      string
	TableTypes           []string
	TablePoll            time.Duration
	StartupLimit         time.Duration
	PrecisionMapping     bool
	Numeric              NumericMapping

	Mode        Mode
	ID          string
	IDMapping   []string
	Times       []string
	TimeMapping []string
	Initial     int64
	NonNull     bool
	Query       string
	Masked      config.Secret
	Suffix      string
	Quote       Quoting
	Isolation   Isolation
	Retries     int

	Poll        time.Duration
	BatchRows   int
	TopicPrefix string
	Delay       time.Duration
	Zone        string
	Granularity Granularity

	Tables        string // of a task
	TablesFetched bool

	driver []dialect.Param // connection.*
}

// DefaultConfig is the only place of defaults: those of the Java connector's 10.9 line.
func DefaultConfig() Config {
	return Config{
		Attempts: 3, Backoff: 10 * time.Second, TableTypes: []string{"TABLE"}, TablePoll: time.Minute, StartupLimit: 10 * time.Second,
		Initial: initialUnset, NonNull: true, Quote: QuoteAlways, Isolation: IsolationDefault, Retries: -1,
		Poll: 5 * time.Second, BatchRows: 1000, Zone: "UTC", Granularity: ConnectLogical, TablesFetched: true,
	}
}

const (
	groupDatabase  = "Database"
	groupMode      = "Mode"
	groupConnector = "Connector"
)

// Keys is the only place of option names.
func (c *Config) Keys() config.Keys {
	ks := append(c.databaseKeys(), c.modeKeys()...)
	return append(ks, c.connectorKeys()...)
}

func at(group string, order int, width config.Width, label string) config.Option {
	sized, named, in := config.Sized(width, order), config.Label(label), config.Group(group)
	return func(k *config.Key) { sized(k); named(k); in(k) }
}

func (c *Config) databaseKeys() config.Keys {
	short, long := config.WidthShort, config.WidthLong
	group := func(order int, width config.Width, label string) config.Option {
		return at(groupDatabase, order, width, label)
	}
	high, low := config.Rank(config.High), config.Rank(config.Low)
	ks := config.Keys{
		config.String(&c.URL, "connection.url", "JDBC URL of the database: `jdbc:postgresql://host:5432/db`, `jdbc:mysql://host:3306/db`, `jdbc:mariadb://host:3306/db` or `jdbc:sqlite:/path/to/file.db`, with the parameters that the JDBC drivers know.", config.Required(), high, group(1, long, "JDBC URL")),
		config.String(&c.User, "connection.user", "User to connect as; wins over the URL's.", config.Null(), high, group(2, long, "JDBC user")),
		config.Password(&c.Password, "connection.password", "Password of that user.", config.Null(), high, group(3, short, "JDBC password")),
		config.Int(&c.Attempts, "connection.attempts", "How often to try to connect before the task gives up; it is then started anew after a while.", 1, math.MaxInt32, low, group(5, short, "Connection attempts")),
		config.Millis(&c.Backoff, "connection.backoff.ms", "Pause between two of these attempts.", 0, low, group(6, short, "Pause between attempts (ms)")),
		config.List(&c.Include, "table.whitelist", "Tables to read, as `table`, `schema.table` or `\"schema\".\"table\"` (MySQL: `database.table`). Not together with table.blacklist or the options that take regular expressions.", group(7, long, "Tables to read")),
		config.List(&c.Exclude, "table.blacklist", "Tables not to read, written as in table.whitelist; all others are read.", group(8, long, "Tables not to read")),
		config.List(&c.IncludeRE, "table.include.list", "Java regular expressions: tables are read whose whole qualified name (`schema.table`, `database.schema.table`; MySQL: `database.table`) one of them matches.", group(9, long, "Tables to read (regular expressions)"), config.Check(expressions)),
		config.List(&c.ExcludeRE, "table.exclude.list", "Java regular expressions: of the tables of table.include.list, these are left out.", group(10, long, "Tables not to read (regular expressions)"), config.Check(expressions)),
		config.String(&c.Catalog, "catalog.pattern", "Only tables of databases whose name is like this SQL pattern (`%`, `_`). Matters for MySQL and MariaDB; a PostgreSQL connection sees one database.", config.Null(), group(11, short, "Databases")),
		config.String(&c.Schema, "schema.pattern", "Only tables of schemas whose name is like this SQL pattern (`%`, `_`). Matters for PostgreSQL.", config.Null(), high, group(12, short, "Schemas")),
		config.Bool(&c.PrecisionMapping, "numeric.precision.mapping", "Old form of `numeric.mapping=precision_only`; numeric.mapping wins.", low, group(13, short, "Map NUMERIC by precision (deprecated)")),
		config.Enum(&c.Numeric, "numeric.mapping", "What NUMERIC columns become. none: Connect's Decimal. precision_only: an integer when the scale is 0 and the precision at most 18. best_fit: the smallest integer or FLOAT64 that precision and scale (up to 18 digits) allow, else Decimal. best_fit_eager_double: as best_fit, and FLOAT64 for all columns with a scale. Columns of MySQL are DECIMAL to JDBC: they stay Decimal.", []NumericMapping{NumericNone, NumericPrecisionOnly, NumericBestFit, NumericBestFitEagerDouble}, config.Null(), low, group(14, short, "Map NUMERIC by precision and scale")),
		config.String(&c.Dialect, "dialect.name", "Dialect to use in place of the URL's: PostgreSqlDatabaseDialect, MySqlDatabaseDialect or SqliteDatabaseDialect. It must be the one of the URL.", low, group(15, long, "Database dialect")),
	}
	ks = append(ks, config.Refused("jdbc.credentials.provider.class", "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider", "it is a Java class; give connection.user and connection.password, from a config provider if need be."))
	driver := func(name, value string) error {
		c.driver = append(c.driver, dialect.Param{Name: strings.TrimPrefix(name, "connection."), Value: value})
		return nil
	}
	return append(ks, config.Family(regexp.MustCompile(`connection\..+`), "connection.*", config.TypeString, "Every other option that begins so is a parameter of the JDBC URL: `connection.sslmode=require` is `?sslmode=require`.", driver, low, config.Unlisted()))
}

func (c *Config) modeKeys() config.Keys {
	short, medium := config.WidthShort, config.WidthMedium
	group := func(order int, width config.Width, label string) config.Option {
		return at(groupMode, order, width, label)
	}
	high, low := config.Rank(config.High), config.Rank(config.Low)
	initial := config.Long(&c.Initial, "timestamp.initial", "Where to begin without a stored offset, in milliseconds since 1970; -1 is the database's time at the start. Without it everything is read.", math.MinInt64, math.MaxInt64, config.Null(), low, group(6, medium, "First timestamp"))
	return config.Keys{
		config.Enum(&c.Mode, "mode", "bulk: everything at each poll. incrementing: rows whose id is greater than the last one; no updates are seen. timestamp: rows whose timestamp is later than the last one; rows must get a new one with each update. timestamp+incrementing: both, so that each change of a row has an offset of its own.", []Mode{Bulk, Timestamp, Incrementing, TimestampIncrementing}, config.Required(), high, group(1, medium, "How rows are found")),
		config.String(&c.ID, "incrementing.column.name", "The column that only grows. Empty: the table's auto-increment column (serial, identity, AUTO_INCREMENT, INTEGER PRIMARY KEY).", group(2, medium, "Incrementing column")),
		config.List(&c.IDMapping, "incrementing.column.mapping", "That column by table: a list of `regular expression:column`. Each table must match exactly one. Goes with table.include.list.", group(3, medium, "Incrementing columns by table")),
		config.List(&c.Times, "timestamp.column.name", "Columns that tell when a row was written; of several the first that is not null counts.", group(4, medium, "Timestamp columns")),
		config.List(&c.TimeMapping, "timestamp.columns.mapping", "Those columns by table: a list of `regular expression:[column|column]`. Each table must match exactly one. Goes with table.include.list.", group(5, medium, "Timestamp columns by table")),
		initial,
		config.Bool(&c.NonNull, "validate.non.null", "Refuse tables whose incrementing column may be null, or all of whose timestamp columns may be: such rows would never be seen.", low, group(7, short, "Refuse nullable columns")),
		config.String(&c.Query, "query", "SELECT to read in place of tables, into the topic that topic.prefix names. In every mode but bulk, what is new is appended as WHERE … ORDER BY …, so it must not end with such clauses itself; put it in a sub-select if it has some.", group(8, short, "Query")),
		config.Password(&c.Masked, "query.masked", "The same for a query that logs and the REST API must not show.", config.Null(), group(9, short, "Query (masked)")),
		config.Enum(&c.Quote, "quote.sql.identifiers", "ALWAYS: names of tables and columns keep their letters. NEVER: the database folds them as it does with unquoted names.", []Quoting{QuoteAlways, QuoteNever}, group(10, medium, "Quote identifiers")),
		config.String(&c.Suffix, "query.suffix", "Text to put behind each query, such as `LIMIT 1000` or `FOR SHARE`. With mode=timestamp a LIMIT may cut rows of one timestamp in two: the second part is then never read.", low, group(11, medium, "Suffix of queries")),
		config.Enum(&c.Isolation, "transaction.isolation.mode", "Isolation level of the transactions that queries run in; DEFAULT is the database's.", []Isolation{IsolationDefault, ReadUncommitted, ReadCommitted, RepeatableRead, Serializable, SQLServerSnapshot}, low, group(12, medium, "Isolation level")),
		config.Int(&c.Retries, "query.retry.attempts", "How often a query is tried again, a poll interval later, when it fails for a reason that passes; -1: without end.", -1, math.MaxInt32, low, group(13, medium, "Retries of a query")),
	}
}

func (c *Config) connectorKeys() config.Keys {
	short, medium := config.WidthShort, config.WidthMedium
	group := func(order int, width config.Width, label string) config.Option {
		return at(groupConnector, order, width, label)
	}
	high, low := config.Rank(config.High), config.Rank(config.Low)
	linger, buffer := int64(5000), 0
	ks := config.Keys{
		config.List(&c.TableTypes, "table.types", "Types of tables to read: TABLE, VIEW; PostgreSQL also MATERIALIZED VIEW, FOREIGN TABLE, PARTITIONED TABLE, SYSTEM TABLE, TEMPORARY TABLE.", low, group(1, medium, "Table types")),
		config.Millis(&c.Poll, "poll.interval.ms", "Time between the end of a table's query and its next one.", 0, config.As32(), high, group(2, short, "Poll interval (ms)")),
		config.Int(&c.BatchRows, "batch.max.rows", "Rows after which records are sent without waiting for more.", 1, math.MaxInt32, low, group(3, short, "Rows of a batch")),
		config.Millis(&c.TablePoll, "table.poll.interval.ms", "Time between two looks at which tables there are; new and dropped ones divide the tasks anew.", time.Millisecond, low, group(4, short, "Interval of looking for tables (ms)")),
		config.Millis(&c.StartupLimit, "table.monitoring.startup.polling.limit.ms", "How long the start waits for the list of tables; the tasks then begin as soon as it is there.", time.Millisecond, low, config.Unlisted(), group(5, short, "Wait for tables at start (ms)")),
		config.String(&c.TopicPrefix, "topic.prefix", "Put before the name of a table to name its topic; with a query it is the whole name.", config.Required(), high, group(6, medium, "Topic prefix"), config.Check(checkPrefix)),
		config.Millis(&c.Delay, "timestamp.delay.interval.ms", "Rows younger than this are left for a later poll, so that transactions that were open when they were written can still commit rows with earlier timestamps.", math.MinInt64, high, group(7, medium, "Delay (ms)")),
		config.String(&c.Zone, "db.timezone", "Time zone of the database's times without zone, such as UTC, Europe/Paris or +02:00.", group(8, medium, "Time zone of the database"), config.Check(checkZone)),
		config.Enum(&c.Granularity, "timestamp.granularity", "What timestamp columns become. connect_logical: Connect's Timestamp, in milliseconds. micros_long and nanos_long: INT64 since 1970. micros_string and nanos_string: the same number as text. micros_iso_datetime_string and nanos_iso_datetime_string: `2024-02-29T10:20:30.123456789` in db.timezone.", []Granularity{ConnectLogical, MicrosLong, MicrosString, MicrosISODatetime, NanosLong, NanosString, NanosISODatetimeString}, low, group(9, medium, "Granularity of timestamps")),
		config.Long(&linger, "poll.linger.ms", "Rows go to the producer as they are read, so nothing waits for this.", math.MinInt64, math.MaxInt64, low, config.WithoutEffect(), group(10, short, "Poll linger (ms)")),
		config.Int(&buffer, "max.buffer.size", "Rows go to the producer as they are read; its buffer.memory bounds what is under way, in bytes.", math.MinInt32, math.MaxInt32, low, config.WithoutEffect(), group(11, short, "Buffer (records)")),
	}
	// Of a task alone: the connector writes them, and validation lets them be.
	return append(ks,
		config.String(&c.Tables, "tables", "Tables of a task; the connector sets it.", low, config.Unlisted()),
		config.Bool(&c.TablesFetched, "tables.fetched", "Whether the list of tables is known; the connector sets it.", low, config.Unlisted()))
}
