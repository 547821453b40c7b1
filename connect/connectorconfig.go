package connect

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Tolerance is the value of errors.tolerance.
type Tolerance string

// Tolerances.
const (
	TolerateNone Tolerance = "none"
	TolerateAll  Tolerance = "all"
)

// ConnectorConfig holds what every connector may set, whatever its class; start from DefaultConnectorConfig. Options of the plugin itself
// are the plugin's.
type ConnectorConfig struct {
	counts *errorCounts // of the task that has it; nil: nobody counts

	Name         string
	Class        string
	Version      string // connector.plugin.version
	TasksMax     int
	EnforceTasks bool

	// Converters without class are the worker's. With a class nothing of the worker's options is inherited.
	KeyConverter, ValueConverter, HeaderConverter ConverterConfig

	Transforms, Predicates []string // their names
	chain                  chainConfig

	RetryTimeout  time.Duration // negative: for ever
	RetryDelayMax time.Duration
	Tolerance     Tolerance
	LogErrors     bool
	LogMessages   bool
	Restarts      RestartPolicy

	ProducerOverride, ConsumerOverride, AdminOverride map[string]string

	Source SourceConfig
	Sink   SinkConfig
}

// SourceConfig holds what every source connector may set.
type SourceConfig struct {
	topics *topicRules // nil: left to the broker

	Boundary         Boundary
	BoundaryInterval time.Duration
	intervalGiven    bool
	OffsetsTopic     string // "": the worker's

	// MaxRetries and RestartWait are Debezium's errors.max.retries and retriable.restart.connector.wait.ms, read from any connector: how
	// often in a row (-1: for ever) and after which pause a task that failed with a retriable error runs again.
	MaxRetries  int
	RestartWait time.Duration // 0: our own back-off

	// The dead letter queue of a source is ours: Kafka Connect has none.
	DeadLetterTopic       string
	DeadLetterReplication int
	DeadLetterContext     bool
}

// SinkConfig holds what every sink connector may set.
type SinkConfig struct {
	Topics      []string
	TopicsRegex string

	DeadLetterTopic       string
	DeadLetterReplication int
	DeadLetterContext     bool
}

// DefaultConnectorConfig is the only place of defaults.
func DefaultConnectorConfig() ConnectorConfig {
	return ConnectorConfig{
		TasksMax:      1,
		EnforceTasks:  true,
		RetryDelayMax: time.Minute,
		Tolerance:     TolerateNone,
		Restarts:      defaultRestartPolicy(),
		Source:        SourceConfig{Boundary: BoundaryPoll, MaxRetries: -1, DeadLetterReplication: 3},
		Sink:          SinkConfig{DeadLetterReplication: 3},
	}
}

// Keys are the options of every connector, in the order of Kafka Connect's listing.
func (c *ConnectorConfig) Keys() config.Keys {
	var reload = "restart"
	collect := func(dst *map[string]string) func(name, text string) error {
		return func(name, text string) error {
			if *dst == nil {
				*dst = make(map[string]string)
			}
			(*dst)[name] = text
			return nil
		}
	}
	keys := config.Keys{
		config.String(&c.Name, "name", "Name of the connector, unique in its worker; offsets and consumer group carry it.",
			config.Required(), config.Rank(config.High), config.Group("Common"), config.Check(checkName), config.Sized(config.WidthMedium, 1), config.Label("Name of the connector")),
		config.String(&c.Class, "connector.class", "Class of the connector: the full Java name, the simple one, or that without \"Connector\".",
			config.Required(), config.Rank(config.High), config.Group("Common"), config.Sized(config.WidthLong, 2), config.Label("Class of the connector")),
		config.String(&c.Version, "connector.plugin.version", "Version of the connector that is wanted.", config.Null(), config.Group("Common"), config.Sized(config.WidthMedium, 3), config.Label("Version of the connector")),
		config.Int(&c.TasksMax, "tasks.max", "Most tasks that the connector is divided into; a source that has one reader, as a replication slot, stays one.", 1, math.MaxInt32, config.Rank(config.High), config.Group("Common"), config.Sized(config.WidthShort, 4), config.NeverNull(), config.Label("Most tasks")),
		config.Bool(&c.EnforceTasks, "tasks.max.enforce", "Whether a connector that makes more tasks than tasks.max fails. Deprecated by Kafka Connect.",
			config.Rank(config.Low), config.Group("Common"), config.Sized(config.WidthShort, 5), config.Label("Fail when there are more tasks")),
		config.Class(&c.KeyConverter.Class, "key.converter", "Converter of record keys; none: the worker's, with the worker's options.", config.Null(), config.Rank(config.Low), config.Group("Common"), config.Sized(config.WidthShort, 6), config.Label("Converter of keys")),
		config.String(&c.KeyConverter.Version, "key.converter.plugin.version", "Version of the key converter that is wanted; there is one of each.", config.Null(), config.Rank(config.Low), config.Group("Common"),
			config.Sized(config.WidthShort, 7), config.Label("Version of the converter of keys")),
		config.Prefix("key.converter.", "Options of the key converter; only with a key.converter of its own.", collect(&c.KeyConverter.Options), config.Group("Common")),
		config.Class(&c.ValueConverter.Class, "value.converter", "Converter of record values; none: the worker's, with the worker's options.", config.Null(), config.Rank(config.Low), config.Group("Common"), config.Sized(config.WidthShort, 8), config.Label("Converter of values")),
		config.String(&c.ValueConverter.Version, "value.converter.plugin.version", "Version of the value converter that is wanted; there is one of each.", config.Null(), config.Rank(config.Low), config.Group("Common"),
			config.Sized(config.WidthShort, 9), config.Label("Version of the converter of values")),
		config.Prefix("value.converter.", "Options of the value converter; only with a value.converter of its own.", collect(&c.ValueConverter.Options), config.Group("Common")),
		config.Class(&c.HeaderConverter.Class, "header.converter", "Converter of record headers; none: the worker's, with the worker's options.", config.Null(), config.Rank(config.Low), config.Group("Common"), config.Sized(config.WidthShort, 10), config.Label("Converter of headers")),
		config.String(&c.HeaderConverter.Version, "header.converter.plugin.version", "Version of the header converter that is wanted; there is one of each.", config.Null(), config.Rank(config.Low), config.Group("Common"),
			config.Sized(config.WidthShort, 11), config.Label("Version of the converter of headers")),
		config.Prefix("header.converter.", "Options of the header converter; only with a header.converter of its own.", collect(&c.HeaderConverter.Options), config.Group("Common")),
		config.List(&c.Transforms, transformsOption, "Names of the transforms that records pass through, in their order; each has its class under transforms.NAME.type and its options beside that. "+
			"With transforms.NAME.predicate it is for the records only that this predicate holds for, with transforms.NAME.negate=true for the others.", config.Rank(config.Low), config.Group("Transforms"), config.Sized(config.WidthLong, 12), config.NoEntry()),
		config.List(&c.Predicates, predicatesOption, "Names of predicates; each has its class under predicates.NAME.type and its options beside that.", config.Rank(config.Low), config.Group("Predicates"), config.Sized(config.WidthLong, 13), config.NoEntry()),
		config.String(&reload, "config.action.reload", "none or restart: what to do when the time of a value from a config provider has ended; those of the providers that there are have no end.",
			config.Rank(config.Low), config.Group("Common"), config.Check(oneOf("none", "restart")), config.Sized(config.WidthMedium, 14), config.Label("When a value of a config provider changes"), config.RefusesNull(oneOf("none", "restart")("\x00"))),
		duration(&c.RetryTimeout, "errors.retry.timeout", "How many milliseconds an operation that fails for a reason that passes, such as a registry that does not answer, is tried again; 0 and -1: until it succeeds or the task is stopped.",
			config.Group("Error Handling"), config.Sized(config.WidthMedium, 1)),
		duration(&c.RetryDelayMax, "errors.retry.delay.max.ms", "Longest pause between two such tries; the first is 300 ms, and each is twice the one before.",
			config.Group("Error Handling"), config.Sized(config.WidthMedium, 2)),
		config.String((*string)(&c.Tolerance), "errors.tolerance", "Whether records that cannot be converted or applied fail the task (none) or are left out (all).",
			config.Group("Error Handling"), config.Check(oneOf("none", "all")), config.Sized(config.WidthShort, 3), config.RefusesNull(oneOf("none", "all")("\x00"))),
		config.Bool(&c.LogErrors, "errors.log.enable", "Whether each error and the operation that failed is logged.", config.Group("Error Handling"), config.Sized(config.WidthShort, 4)),
		config.Bool(&c.LogMessages, "errors.log.include.messages", "Whether that log line also names the record: topic, partition, offset and time.", config.Group("Error Handling"), config.Sized(config.WidthShort, 5)),
		config.Prefix("producer.override.", "Options of the producers, if the worker's policy allows them.", collect(&c.ProducerOverride), config.Group("Kafka clients")),
		config.Prefix("consumer.override.", "Options of the consumers, if the worker's policy allows them.", collect(&c.ConsumerOverride), config.Group("Kafka clients")),
		config.Prefix("admin.override.", "Options of the admin clients, if the worker's policy allows them.", collect(&c.AdminOverride), config.Group("Kafka clients")),
	}
	return append(keys, c.Restarts.keys(config.Group("Error Handling"), config.Unlisted())...)
}

// Keys are the options of every source connector; those of a group of topic.creation.groups are TopicGroupKeys.
func (c *SourceConfig) Keys() config.Keys {
	var groups []string
	support := "requested"
	return config.Keys{
		config.List(&groups, "topic.creation.groups", "Names of groups of topics; each has its options under topic.creation.NAME.*. The group default is always there, and last.",
			config.Rank(config.Low), config.Group(groupTopics), config.Sized(config.WidthLong, 1), config.NoEntry()),
		config.String(&support, "exactly.once.support", "requested, or required: refuse the configuration unless the worker has exactly.once.source.support=enabled and the connector can go on exactly where its offset says. "+
			"With a worker that has it, every source connector writes in transactions. Without effect in a standalone worker that has it not, which delivers at least once; required is warned about.", config.Group("Exactly Once Support"),
			config.Check(oneOfAnyCase("REQUIRED", "REQUESTED")), config.Sized(config.WidthShort, 2), config.RefusesNull(oneOfAnyCase("REQUIRED", "REQUESTED")("\x00"))),
		config.String((*string)(&c.Boundary), "transaction.boundary", "Where a transaction of a source with exactly-once delivery ends: poll, when the connector has nothing more at hand, and a tenth of a second after it began if that does not happen; "+
			"interval, after transaction.boundary.interval.ms. In either case behind a whole change. connector: as poll, but only where a transaction of the source ends, so that readers of committed records never see half of one; for the PostgreSQL connector. One that is longer than the producer's transaction.timeout.ms fails the task. Without effect in a standalone worker without exactly.once.source.support=enabled.", config.Group("Exactly Once Support"),
			config.Check(oneOfAnyCase("INTERVAL", "POLL", "CONNECTOR")), config.Sized(config.WidthShort, 3), config.RefusesNull(oneOfAnyCase("INTERVAL", "POLL", "CONNECTOR")("\x00"))),
		config.Millis(&c.BoundaryInterval, "transaction.boundary.interval.ms", "How long a transaction takes with transaction.boundary=interval, but no longer than half of the producer's transaction.timeout.ms; none: the worker's offset.flush.interval.ms. Without effect in a standalone worker without exactly.once.source.support=enabled.", 0,
			config.Null(), config.Rank(config.Low), config.Group("Exactly Once Support"), config.Sized(config.WidthShort, 4)),
		config.String(&c.OffsetsTopic, "offsets.storage.topic", "Topic for the offsets of this connector alone, on the cluster that its producer writes to; it is made compacted, and the worker's topic gets a copy. None: the worker's topic. "+
			"Without effect in a standalone worker without exactly.once.source.support=enabled, which keeps offsets in a file.", config.Null(), config.Check(notEmpty), config.Rank(config.Low), config.Group("offsets.topic"), config.Sized(config.WidthLong, 1), config.Check(checkNotEmpty)),
		config.Int(&c.MaxRetries, "errors.max.retries", "How often in a row a task that failed for a reason that passes is started again; -1 for ever.", -1, math.MaxInt32, config.Group("Error Handling"), config.Unlisted()),
		config.Millis(&c.RestartWait, "retriable.restart.connector.wait.ms", "Pause before such a start; 0: half a second, doubled with each failure in a row, half a minute at most.", 0, config.Rank(config.Low), config.Group("Error Handling"), config.Unlisted()),
		config.String(&c.DeadLetterTopic, letterOption+"topic.name", "Topic for records that transforms or converters fail for, as JSON with their schemas, as they were before the transforms; empty: none. Kafka Connect has none for sources.",
			config.Group("Error Handling"), config.Unlisted()),
		config.Int(&c.DeadLetterReplication, letterOption+"topic.replication.factor", "Replicas of that topic when it is created; -1 is the broker's default.", -1, math.MaxInt16, config.Group("Error Handling"), config.Unlisted()),
		config.Bool(&c.DeadLetterContext, letterOption+"context.headers.enable", "Whether these records carry headers (__connect.errors.*) that tell what happened.", config.Group("Error Handling"), config.Unlisted()),
	}
}

// Keys are the options of every sink connector.
func (c *SinkConfig) Keys() config.Keys {
	return config.Keys{
		config.List(&c.Topics, "topics", "Topics to consume, separated by commas; this or topics.regex.", config.Rank(config.High), config.Group("Common"), config.Sized(config.WidthLong, 4), config.Label("Topics to consume"), config.Check(checkTopics), config.RefusesNull(config.Sentence("Configuration 'topics' values must not be null."))),
		config.String(&c.TopicsRegex, "topics.regex", "Topics to consume: a regular expression of their whole names; this or topics.",
			config.Rank(config.High), config.Group("Common"), config.Check(checkPattern), config.Sized(config.WidthLong, 4), config.Label("Topics to consume, as a regular expression"), config.RefusesNull(nullPattern)),
		config.String(&c.DeadLetterTopic, "errors.deadletterqueue.topic.name", "Topic for records that cannot be converted or applied, whether or not errors.tolerance lets the task go on; empty: none.", config.Group("Error Handling"), config.Sized(config.WidthMedium, 6)),
		config.Int(&c.DeadLetterReplication, "errors.deadletterqueue.topic.replication.factor", "Replicas of the dead letter queue's topic when it is created; -1 is the broker's default.",
			-1, math.MaxInt16, config.Group("Error Handling"), config.Sized(config.WidthMedium, 7), config.As16()),
		config.Bool(&c.DeadLetterContext, "errors.deadletterqueue.context.headers.enable", "Whether dead letters carry headers (__connect.errors.*) that tell what happened.",
			config.Group("Error Handling"), config.Sized(config.WidthMedium, 8)),
	}
}

// letterOption is what the options of a dead letter queue begin with.
const letterOption = "errors.deadletterqueue."

// workerNames are the names and prefixes of a connector's options that are the worker's business, not the plugin's.
var workerNames = []string{"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce",
	"key.converter", "key.converter.", "value.converter", "value.converter.", "header.converter", "header.converter.",
	"transforms", "transforms.", "predicates", "predicates.", "config.action.reload",
	"errors.retry.timeout", "errors.retry.delay.max.ms", "errors.tolerance", "errors.log.enable", "errors.log.include.messages",
	restartMostOption, restartFirstOption, restartLongestOption,
	"producer.override.", "consumer.override.", "admin.override."}

var workerSourceNames = []string{creationPrefix, "exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms", "offsets.storage.topic",
	"errors.max.retries", "retriable.restart.connector.wait.ms", letterOption}

var workerSinkNames = []string{"topics", "topics.regex", "errors.deadletterqueue.topic.name", "errors.deadletterqueue.topic.replication.factor",
	"errors.deadletterqueue.context.headers.enable"}

// parseConnectorConfig reads the common options. Errors stand in the order of Kafka Connect's.
func parseConnectorConfig(props map[string]string, kind Kind) (ConnectorConfig, config.Report) {
	c := DefaultConnectorConfig()
	keys, names := c.Keys(), workerNames
	switch kind {
	case KindSource:
		keys, names = append(keys, c.Source.Keys()...), slices.Concat(names, workerSourceNames)
	case KindSink:
		keys, names = append(keys, c.Sink.Keys()...), slices.Concat(names, workerSinkNames)
	}
	own := make(map[string]string)
	for name, text := range props {
		if isOf(name, names) {
			own[name] = text
		}
	}
	r := keys.Parse(own, "transforms.", "predicates.", creationPrefix)
	for _, half := range []struct {
		name string
		c    *ConverterConfig
	}{{"key.converter", &c.KeyConverter}, {"value.converter", &c.ValueConverter}, {"header.converter", &c.HeaderConverter}} {
		if half.c.Class == "" && len(half.c.Options) > 0 {
			for _, option := range slices.Sorted(maps.Keys(half.c.Options)) {
				r.Warn(half.name+"."+option, "Option %q has no effect: the connector names no %q of its own, so the worker's holds with the worker's options.",
					half.name+"."+option, half.name)
			}
		}
	}
	switch kind {
	case KindSource:
		c.Source.finish(props, &r)
	case KindSink:
		c.Sink.check(props, &r)
	}
	return c, r
}

// finish reads what several options together tell.
func (c *SourceConfig) finish(props map[string]string, r *config.Report) {
	c.topics = parseTopicRules(props, r)
	c.Boundary = Boundary(strings.ToLower(string(c.Boundary)))
	_, c.intervalGiven = props["transaction.boundary.interval.ms"]
}

// check finds what only several options together tell. The texts count, also where something is wrong with them.
func (c *SinkConfig) check(props map[string]string, r *config.Report) {
	const topics, regex = "topics", "topics.regex"
	listed, matched := strings.TrimSpace(props[topics]) != "", strings.TrimSpace(props[regex]) != ""
	both := func(message string) {
		r.Fail(topics, "%s", message)
		r.Fail(regex, "%s", message)
	}
	switch {
	case listed && matched:
		both("topics and topics.regex are mutually exclusive options, but both are set.")
	case !listed && !matched:
		both("Must configure one of topics or topics.regex")
	}
	if c.DeadLetterTopic == "" {
		return
	}
	if list := config.SplitList(props[topics]); slices.Contains(list, c.DeadLetterTopic) {
		r.Fail(topics, "The DLQ topic '%s' may not be included in the list of topics ('topics=[%s]') consumed by the connector",
			c.DeadLetterTopic, strings.Join(list, ", "))
	}
	if c.TopicsRegex == "" {
		return
	}
	if matched, err := newTopicPattern(c.TopicsRegex).matches(c.DeadLetterTopic); err != nil {
		r.Fail(regex, "%v", err)
	} else if matched {
		r.Fail(regex, "The DLQ topic '%s' may not be matched by the regex for the topics ('topics.regex=%s') consumed by the connector",
			c.DeadLetterTopic, c.TopicsRegex)
	}
}

// nullPattern is what Kafka Connect says of a regular expression that it has not got.
var nullPattern = config.Complain(`Invalid regex: Cannot invoke "String.isEmpty()" because "this.pattern" is null`)

func checkNotEmpty(text string) error {
	if text == "" {
		return complaint("String must be non-empty")
	}
	return nil
}

// checkTopics refuses lists with empty or equal elements.
func checkTopics(text string) error {
	list := config.SplitList(text)
	for i, topic := range list {
		if slices.Contains(list[:i], topic) {
			return config.Sentence("Configuration 'topics' values must not be duplicated.")
		}
	}
	if slices.Contains(list, "") {
		return config.Sentence("Configuration 'topics' values must not be empty.")
	}
	return nil
}

func isOf(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return name == n || strings.HasSuffix(n, ".") && strings.HasPrefix(name, n) })
}

func notEmpty(text string) error {
	if strings.TrimSpace(text) == "" {
		return complaint("String must be non-empty")
	}
	return nil
}

func checkName(text string) error {
	if text == "" {
		return complaint("String may not be empty")
	}
	var control []string
	for _, c := range text {
		if c < 0x20 || c >= 0x7F && c < 0xA0 {
			control = append(control, strconv.Itoa(int(c)))
		}
	}
	if len(control) > 0 {
		return complaint("String may not contain control sequences but had the following ASCII chars: %s", strings.Join(control, ", "))
	}
	return nil
}

func oneOf(values ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(values, text) {
			return complaint("String must be one of: %s", strings.Join(values, ", "))
		}
		return nil
	}
}

func oneOfAnyCase(values ...string) func(string) error {
	return func(text string) error {
		if !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, text) }) {
			return complaint("String must be one of (case insensitive): %s", strings.Join(values, ", "))
		}
		return nil
	}
}

// duration is a number of milliseconds of any sign; a negative one stands for ever.
func duration(dst *time.Duration, name, doc string, opts ...config.Option) config.Key {
	k := config.Millis(dst, name, doc, math.MinInt64, opts...)
	return k
}
