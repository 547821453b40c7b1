package source

import (
	"log/slog"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// onEventFailure is event.processing.failure.handling.mode.
type onEventFailure string

// Values of event.processing.failure.handling.mode; skip and ignore differ in Debezium's log only.
const (
	eventFail   onEventFailure = "fail"
	eventWarn   onEventFailure = "warn"
	eventSkip   onEventFailure = "skip"
	eventIgnore onEventFailure = "ignore"
)

// runConfig holds the options of how the task runs.
type runConfig struct {
	onFailure onEventFailure
	sanitize  string // custom.sanitize.pattern

	batchSize, queueSize int // of Debezium's queue; only checked
	maxRetries           int // errors.max.retries and the next: the worker reads them too, and acts on them
	restartWait          time.Duration
	validation           time.Duration // connection.validation.timeout.ms
}

func defaultRunConfig() runConfig {
	return runConfig{onFailure: eventFail, sanitize: sanitizePattern, batchSize: 2048, queueSize: 8192, maxRetries: -1, restartWait: 10 * time.Second, validation: time.Minute}
}

// sanitizePattern is the default of custom.sanitize.pattern.
const sanitizePattern = `.*secret$|.*password$|.*sasl\.jaas\.config$|.*basic\.auth\.user\.info|.*registry\.auth\.client-secret|.*credentials\.json$|.*connectionstring$|.*connection\.string$`

// runKeys are the options of heartbeats, failures, queues and logs.
func (c *Config) runKeys() config.Keys {
	advanced, low := config.Group(groupAdvanced), config.Rank(config.Low)
	positive := config.Says("A long value is expected", "A positive, non-zero integer value is expected")
	refresh, oldPrefix := refreshMode("columns_diff"), "__debezium-heartbeat"
	activity, poll := 10*time.Minute, 500*time.Millisecond
	return config.Keys{
		config.Millis(&c.Heartbeat, "heartbeat.interval.ms", "Time between heartbeat records; 0 for none.", 0, config.Group(groupHeartbeat), config.As32()),
		config.String(&c.HeartbeatQuery, "heartbeat.action.query", "Statement that is run with every heartbeat, on a connection of its own; needs heartbeat.interval.ms.", config.Group(groupHeartbeat), low, config.Null()),
		config.Enum(&c.Run.onFailure, "event.processing.failure.handling.mode", "What to do with a change of which no record can be made: stop (fail), or leave it out, which loses it: with a warning (warn) or without (skip, ignore). "+
			"event.converting.failure.handling.mode=fail makes such changes of values that do not fit.", []onEventFailure{eventWarn, eventFail, eventSkip, eventIgnore}, advanced),
		config.Int(&c.Run.maxRetries, "errors.max.retries", "How often in a row a task that failed for a reason that passes is started again: 0 for never, less for ever.", math.MinInt32, math.MaxInt32, advanced, low,
			config.Says("An integer is expected", "An integer is expected")),
		config.Millis(&c.Run.restartWait, "retriable.restart.connector.wait.ms", "Pause before such a start. Without the option it is half a second, doubled with each failure in a row, half a minute at most.",
			time.Millisecond, advanced, low),
		config.Long(&c.QueueBytes, "max.queue.size.in.bytes", "Bound on the bytes of changes that were read and wait to be published; 0 for 2 MiB.", 0, math.MaxInt64, advanced),
		config.Millis(&c.LagInterval, "lag.interval.ms", "How often the server is asked where it stands and what the slot holds back, for the metrics of the lag, on a connection of its own; 0 for never.", 0, advanced, low),
		config.String(&c.Run.sanitize, "custom.sanitize.pattern", "Names of options whose values the log hides, beside those that are secrets by themselves: a regular expression on the whole name, in any case.", advanced, low, config.Check(checkSanitize)),

		config.Millis(&c.Run.validation, "connection.validation.timeout.ms", "How long connecting to the database may take when a connector is validated, created or changed; one that cannot be connected for is refused.", time.Millisecond, advanced, low),
		config.Int(&c.Run.batchSize, "max.batch.size", "Changes go on as soon as they are decoded, and batches are bounded by max.queue.size.in.bytes; only checked.", 1, math.MaxInt32, advanced, config.WithoutEffect()),
		config.Int(&c.Run.queueSize, "max.queue.size", "The queue is bounded by max.queue.size.in.bytes; only checked.", math.MinInt32, math.MaxInt32, advanced, config.WithoutEffect()),
		config.Millis(&poll, "poll.interval.ms", "Nothing is polled: changes are waited for.", time.Millisecond, advanced, positive, config.WithoutEffect()),
		config.Int(new(int), "query.fetch.size", "Rows are streamed by COPY, which has no fetch size; snapshot.fetch.size bounds what one statement reads.", 0, math.MaxInt32, config.Group(groupSnapshot), config.WithoutEffect()),
		config.Bool(new(bool), "include.schema.comments", "Comments reach no record of a PostgreSQL connector, in Debezium neither.", config.Group(groupConnector), config.Twice(), config.WithoutEffect()),
		config.Enum(&refresh, "schema.refresh.mode", "pgoutput announces every change of a table's shape, so there is nothing to choose.", []refreshMode{"columns_diff", "columns_diff_exclude_unchanged_toast"}, config.Group(groupExpert), config.WithoutEffect()),
		config.String(&oldPrefix, "heartbeat.topics.prefix", "Without effect, as in Debezium 3; use topic.heartbeat.prefix.", config.Group(groupHeartbeat), low, config.WithoutEffect()),
		config.Bool(new(bool), "internal.snapshot.scan.all.columns.force", "A snapshot reads the columns it needs.", config.Group(groupSnapshot), low, config.WithoutEffect()),
		config.Millis(&activity, "internal.offset.activity.monitor.interval.ms", "Offsets that are not stored are said in the log at once.", 0, advanced, low, config.WithoutEffect()),
		config.String(new(string), "internal.custom.retriable.exception", "Errors are told apart by their SQLSTATE or Kafka error code.", advanced, low, config.Null(), config.WithoutEffect()),
	}
}

type refreshMode string

func checkSanitize(text string) error {
	_, err := javaregex.Compile(text, true)
	return err
}

// completeRun checks what concerns several options.
func (c *Config) completeRun(props map[string]string, r *config.Report) {
	sound := !slices.ContainsFunc(r.Errors, func(p config.Problem) bool { return p.Name == "max.queue.size" })
	if sound && c.Run.queueSize <= 0 {
		r.Fail("max.queue.size", "The 'max.queue.size' value is invalid: A positive queue size is required")
	}
	if sound && c.Run.queueSize <= c.Run.batchSize {
		r.Fail("max.queue.size", "The 'max.queue.size' value is invalid: Must be larger than the maximum batch size")
	}
	if prefix, given := props["heartbeat.topics.prefix"]; given {
		r.Warn("heartbeat.topics.prefix", "Option \"heartbeat.topics.prefix\" is an old name and has no effect, as in Debezium 3; use topic.heartbeat.prefix=%s.", prefix)
	}
}

var secretName = regexp.MustCompile(`(?i)password|secret|jaas|credential|token|\.key$|auth`)

// Sanitized is the configuration as the log shows it: values of secrets, and of what custom.sanitize.pattern names, are hidden.
func (c *Config) Sanitized(props map[string]string) slog.Value {
	pattern, err := javaregex.Compile(c.Run.sanitize, true)
	if err != nil {
		return slog.StringValue(config.Hidden) // validation refuses it
	}
	names := make([]string, 0, len(props))
	for name := range props {
		names = append(names, name)
	}
	slices.Sort(names)
	attrs := make([]slog.Attr, 0, len(names))
	for _, name := range names {
		hide, err := pattern.MatchString(name)
		if hide || err != nil || secretName.MatchString(name) {
			attrs = append(attrs, slog.String(name, config.Hidden))
		} else {
			attrs = append(attrs, slog.String(name, props[name]))
		}
	}
	return slog.GroupValue(attrs...)
}
