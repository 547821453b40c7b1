package source

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
)

// SnapshotMode is Debezium's snapshot.mode: when existing rows are read.
type SnapshotMode string

// Snapshot modes.
const (
	SnapshotAlways     SnapshotMode = "always"
	SnapshotInitial    SnapshotMode = "initial"
	SnapshotOnly       SnapshotMode = "initial_only"
	SnapshotNoData     SnapshotMode = "no_data"
	SnapshotWhenNeeded SnapshotMode = "when_needed"
)

// Config holds the options of the connector; start from DefaultConfig.
type Config struct {
	Database                     replication.Config
	Slot                         string
	SlotFailover, SlotDropOnStop bool
	SlotStreamParams             string
	SlotMaxRetries               int
	SlotRetryDelay               time.Duration
	Publication                  string
	PublicationMode              replication.AutocreateMode
	ViaPartitionRoot             bool
	StatusInterval               time.Duration
	InitialStatements            string

	SchemaInclude, SchemaExclude []string
	TableInclude, TableExclude   []string
	IgnoreBuiltin                bool

	SnapshotMode                  SnapshotMode
	SnapshotIsolation             snapshot.Isolation
	SnapshotLocking               snapshotLocking
	LockTimeout                   time.Duration
	SnapshotTables                []string
	SnapshotOverrides             []string
	Overrides                     map[string]string // by schema.table
	SnapshotDelay, StreamingDelay time.Duration

	Heartbeat      time.Duration
	HeartbeatQuery string

	QueueBytes int64 // max.queue.size.in.bytes; 0: defaultQueueBytes

	Envelope envelope.Config

	pluginName string
	tasksMax   int
	skippedSet bool // skipped.operations was given
}

type snapshotLocking string

// defaultQueueBytes bounds the decoded changes that wait to be encoded when max.queue.size.in.bytes is 0.
const defaultQueueBytes = 2 << 20

// DefaultConfig is the only place of defaults; they are Debezium's, but for plugin.name, which is pgoutput.
func DefaultConfig() Config {
	return Config{
		Database:          replication.DefaultConfig(),
		Slot:              "debezium",
		SlotMaxRetries:    6,
		SlotRetryDelay:    10 * time.Second,
		Publication:       "dbz_publication",
		PublicationMode:   replication.AllTables,
		StatusInterval:    10 * time.Second, // a sixth of wal_sender_timeout's default
		IgnoreBuiltin:     true,
		SnapshotMode:      SnapshotInitial,
		SnapshotIsolation: snapshot.Serializable,
		SnapshotLocking:   "none",
		LockTimeout:       10 * time.Second,
		Overrides:         map[string]string{},
		Envelope:          envelope.DefaultConfig(),
		pluginName:        "pgoutput",
		tasksMax:          1,
	}
}

// queueBytes is the bound on decoded changes that wait.
func (c *Config) queueBytes() int64 {
	if c.QueueBytes > 0 {
		return c.QueueBytes
	}
	return defaultQueueBytes
}

var slotName = regexp.MustCompile(`[a-z0-9_]{1,63}`)

// Keys is the only place of option names beside those of the connection and of the envelope, which it includes.
func (c *Config) Keys() config.Keys {
	const (
		rep    = "CONNECTION_ADVANCED_REPLICATION"
		filter = "FILTERS"
		snap   = "CONNECTOR_SNAPSHOT"
	)
	keys := c.Database.Keys()
	keys = append(keys,
		config.String(&c.pluginName, "plugin.name", "Logical decoding plugin; only pgoutput, which every supported PostgreSQL has.", config.Group(rep), config.Check(onlyPgoutput)),
		config.String(&c.Slot, "slot.name", "Replication slot that retains WAL for this connector.", config.Group(rep), config.Match(slotName, "1 to 63 of the characters a-z, 0-9 and _")),
		config.Bool(&c.SlotDropOnStop, "slot.drop.on.stop", "Drop the slot at an orderly stop. Changes until the next start are lost.", config.Group(rep), config.Alias("slot.drop_on_stop")),
		config.Bool(&c.SlotFailover, "slot.failover", "Create the slot as a failover slot, where the server can: a primary of PostgreSQL 17 or newer.", config.Group(rep)),
		config.String(&c.SlotStreamParams, "slot.stream.params", "Further parameters of START_REPLICATION, as name=value;name=value. Those that tandem sets itself are refused.", config.Group(rep), config.Rank(config.Low), config.Null(), config.Check(checkStreamParams)),
		config.Int(&c.SlotMaxRetries, "slot.max.retries", "How often to try again when the slot is in use, or could not be created in time; 0: not at all.", 0, math.MaxInt32, config.Group(rep), config.Rank(config.Low)),
		config.Millis(&c.SlotRetryDelay, "slot.retry.delay.ms", "Time between those tries.", 0, config.Group(rep), config.Rank(config.Low)),
		config.String(&c.Publication, "publication.name", "Publication that is streamed, created where publication.autocreate.mode says so.", config.Group(rep), config.Check(notEmpty)),
		config.Enum(&c.PublicationMode, "publication.autocreate.mode", "What to do about the publication: create it for all tables, for the captured ones (filtered), for none, or nothing (disabled).",
			[]replication.AutocreateMode{replication.AllTables, replication.Disabled, replication.Filtered, replication.NoTables}, config.Group(rep)),
		config.Bool(&c.ViaPartitionRoot, "publish.via.partition.root", "Create the publication so that changes of partitions appear as their root's.", config.Group("CONNECTOR")),
		config.Millis(&c.StatusInterval, "status.update.interval.ms", "Longest time between two status updates to the server; a newly confirmed position is sent sooner.", time.Millisecond, config.Group(rep)),
		config.String(&c.InitialStatements, "database.initial.statements", "SQL run on every connection but the replication connection; separated by ;, and ;; is a literal one.", config.Group("CONNECTION_ADVANCED"), config.Rank(config.Low), config.Null()),

		config.List(&c.SchemaInclude, "schema.include.list", "Schemas to capture: regular expressions that match the whole name, in any case; all without.", config.Group(filter), config.Rank(config.High), config.Null(), config.Alias("schema.whitelist")),
		config.List(&c.SchemaExclude, "schema.exclude.list", "Schemas not to capture: regular expressions that match the whole name; not beside schema.include.list.", config.Group(filter), config.Null(), config.Alias("schema.blacklist")),
		config.List(&c.TableInclude, "table.include.list", "Tables to capture: regular expressions that match the whole of schema.table, in any case; all without. A snapshot reads them in this order.", config.Group(filter), config.Rank(config.High), config.Null(), config.Alias("table.whitelist")),
		config.List(&c.TableExclude, "table.exclude.list", "Tables not to capture: regular expressions that match the whole of schema.table; not beside table.include.list.", config.Group(filter), config.Null(), config.Alias("table.blacklist")),
		config.Bool(&c.IgnoreBuiltin, "table.ignore.builtin", "Never capture system tables: pg_catalog, information_schema, temporary tables, PostGIS's spatial_ref_sys.", config.Group(filter), config.Rank(config.Low)),

		config.Enum(&c.SnapshotMode, "snapshot.mode", "When existing rows are read: initial (once, then stream), initial_only (once, then stop), no_data (stream only), always (at every start), when_needed (once, and again when the slot or its WAL is gone).",
			[]SnapshotMode{SnapshotAlways, SnapshotInitial, SnapshotOnly, SnapshotNoData, SnapshotWhenNeeded}, config.Group(snap)),
		config.Enum(&c.SnapshotIsolation, "snapshot.isolation.mode", "Isolation of a snapshot that has no slot to take it from (initial_only).",
			[]snapshot.Isolation{snapshot.Serializable, snapshot.RepeatableRead, snapshot.ReadCommitted, snapshot.ReadUncommitted}, config.Group(snap), config.Rank(config.Low)),
		config.Enum(&c.SnapshotLocking, "snapshot.locking.mode", "Whether to lock the tables against schema changes while they are read (shared).", []snapshotLocking{"none", "shared"}, config.Group(snap), config.Rank(config.Low)),
		config.Millis(&c.LockTimeout, "snapshot.lock.timeout.ms", "How long to wait for each of those locks; 0 for no bound.", 0, config.Group(snap)),
		config.List(&c.SnapshotTables, "snapshot.include.collection.list", "Those of the captured tables whose rows are read: regular expressions on schema.table; all without.", config.Group(snap), config.Null()),
		config.List(&c.SnapshotOverrides, "snapshot.select.statement.overrides", "Tables that are read by a statement of their own, in the option of this name followed by a dot and schema.table.", config.Group(snap), config.Null()),
		config.Prefix("snapshot.select.statement.overrides.", "Statement that reads the rows of schema.table.", func(table, statement string) error { c.Overrides[table] = statement; return nil }, config.Group(snap)),
		config.Millis(&c.SnapshotDelay, "snapshot.delay.ms", "Time to wait before the snapshot is read.", 0, config.Group(snap), config.Rank(config.Low)),
		config.Millis(&c.StreamingDelay, "streaming.delay.ms", "Time to wait between snapshot and stream.", 0, config.Group(snap), config.Rank(config.Low)),

		config.Millis(&c.Heartbeat, "heartbeat.interval.ms", "Time between heartbeat records; 0 for none.", 0, config.Group("ADVANCED_HEARTBEAT")),
		config.String(&c.HeartbeatQuery, "heartbeat.action.query", "Statement that is run with every heartbeat, on a connection of its own; needs heartbeat.interval.ms.", config.Group("ADVANCED_HEARTBEAT"), config.Rank(config.Low), config.Null()),
		config.Long(&c.QueueBytes, "max.queue.size.in.bytes", "Bound on the bytes of changes that were read and wait to be published; 0 for 2 MiB.", 0, math.MaxInt64, config.Group("ADVANCED")),
	)
	keys = append(keys, c.Envelope.Keys()...)
	keys = append(keys,
		config.Refused("converters", "", "custom converters are Java classes; convert downstream, or choose one of the handling modes."),
		config.Refused("post.processors", "", "post-processors are Java classes; REPLICA IDENTITY FULL gives the values that ReselectColumnsPostProcessor reads again."),
		config.Refused("sourceinfo.struct.maker", "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker", "the source block is always Debezium's own."),
		config.Refused("transaction.metadata.factory", "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory", "transaction metadata is always Debezium's own."),
		config.Refused("xmin.fetch.interval.ms", "0", "source.xmin is always null; remove the option."),
		config.Refused("replica.identity.autoset.values", "", "run ALTER TABLE … REPLICA IDENTITY yourself and remove the option."),
		config.Refused("signal.data.collection", "", "signals are not understood yet; remove the option, and take new snapshots by deleting the connector's offset."),
		config.Refused("notification.enabled.channels", "", "notifications are not sent yet; remove the option."))
	return append(keys, config.Ignored("max.batch.size", "max.queue.size", "poll.interval.ms", "snapshot.fetch.size", "query.fetch.size", "executor.shutdown.timeout.ms",
		"connection.validation.timeout.ms", "custom.metric.tags", "statistics.metrics.enabled", "topic.cache.size", "queue.provider.type",
		"memory.management.schemas.class", "memory.management.tables.class", "schema.refresh.mode", "database.sslfactory")...)
}

func onlyPgoutput(name string) error {
	if name != "pgoutput" {
		return fmt.Errorf("only pgoutput is supported: it comes with every PostgreSQL from 10 on and needs nothing installed on the server. Set plugin.name=pgoutput or leave it out, and use a new slot.name: a slot belongs to the plugin it was made with")
	}
	return nil
}

func checkStreamParams(text string) error {
	_, err := replication.ParseStreamParams(text)
	return err
}

func notEmpty(s string) error {
	if s == "" {
		return fmt.Errorf("a value is required")
	}
	return nil
}

// oldSnapshotModes maps what tutorials still use.
var oldSnapshotModes = map[string]SnapshotMode{"never": SnapshotNoData, "schema_only": SnapshotNoData, "exported": SnapshotInitial}

// connectKeys are the options of every connector, which the worker reads.
var connectKeys = []string{"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "config.action.reload",
	"key.converter", "value.converter", "header.converter", "key.converter.", "value.converter.", "header.converter.",
	"transforms", "transforms.", "predicates", "predicates.", "topic.creation.", "producer.override.", "consumer.override.", "admin.override.", "errors.",
	"exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms", "offsets.storage.topic", "retriable.restart.connector.wait.ms", "task.id"}

// Parse reads a configuration and reports every error and warning at once.
func Parse(props map[string]string) (Config, config.Report) {
	c := DefaultConfig()
	props, renamed := renameModes(props)
	report := c.Keys().Parse(props, connectKeys...)
	report.Warnings = append(report.Warnings, renamed...)
	_, c.skippedSet = props["skipped.operations"]
	c.Envelope.Complete(props, &report)
	c.Envelope.Database = c.Database.Name
	exclusive(&report, props, "schema.include.list", "schema.exclude.list")
	exclusive(&report, props, "table.include.list", "table.exclude.list")
	for name, list := range map[string][]string{"schema.include.list": c.SchemaInclude, "schema.exclude.list": c.SchemaExclude, "table.include.list": c.TableInclude, "table.exclude.list": c.TableExclude, "snapshot.include.collection.list": c.SnapshotTables} {
		if _, err := compileList(list); err != nil {
			report.Fail(name, "Invalid value %s for configuration %s: %v", props[name], name, err)
		}
	}
	for _, table := range c.SnapshotOverrides {
		if c.Overrides[table] == "" {
			report.Warn("snapshot.select.statement.overrides", "Table %q is listed in snapshot.select.statement.overrides, but snapshot.select.statement.overrides.%s is not set; its rows are read as those of other tables.", table, table)
		}
	}
	return c, report
}

// renameModes maps old values of snapshot.mode.
func renameModes(props map[string]string) (map[string]string, []config.Problem) {
	old := strings.ToLower(strings.TrimSpace(props["snapshot.mode"]))
	mode, ok := oldSnapshotModes[old]
	if !ok {
		return props, nil
	}
	mapped := make(map[string]string, len(props))
	for k, v := range props {
		mapped[k] = v
	}
	mapped["snapshot.mode"] = string(mode)
	return mapped, []config.Problem{{Name: "snapshot.mode", Message: fmt.Sprintf("Value %q of option \"snapshot.mode\" is an old name; use %q.", old, mode)}}
}

// exclusive reports both lists of a pair, at the second as Debezium does.
func exclusive(r *config.Report, props map[string]string, include, exclude string) {
	if strings.TrimSpace(props[include]) != "" && strings.TrimSpace(props[exclude]) != "" {
		r.Fail(exclude, "The '%s' value is invalid: \"%s\" is already specified", exclude, include)
	}
}
