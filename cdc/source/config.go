package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
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
	DatabaseInclude              []string
	IgnoreBuiltin                bool
	Guard                        guardConfig

	SnapshotMode                  SnapshotMode
	Switches                      snapshotSwitches
	SnapshotIsolation             snapshot.Isolation
	SnapshotLocking               snapshotLocking
	LockTimeout                   time.Duration
	SnapshotTables                []string
	SnapshotOverrides             []string
	Overrides                     map[string]string // by schema.table
	SnapshotDelay, StreamingDelay time.Duration
	LagInterval                   time.Duration

	Heartbeat      time.Duration
	HeartbeatQuery string

	QueueBytes int64 // max.queue.size.in.bytes; 0: defaultQueueBytes

	Reading       readingConfig
	Reselect      reselectConfig
	Signals       signalConfig
	Notifications notificationConfig
	Incremental   incrementalConfig
	Envelope      envelope.Config
	Replication   slotConfig
	Run           runConfig

	pluginName string
	tasksMax   int
	skippedSet bool // skipped.operations was given
}

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
		LagInterval:       5 * time.Second,
		IgnoreBuiltin:     true,
		SnapshotMode:      SnapshotInitial,
		SnapshotIsolation: snapshot.Serializable,
		SnapshotLocking:   "none",
		LockTimeout:       defaultLockTimeout,
		Overrides:         map[string]string{},
		Reading:           defaultReading(),
		Signals:           defaultSignalConfig(),
		Notifications:     defaultNotificationConfig(),
		Incremental:       defaultIncrementalConfig(),
		Envelope:          envelope.DefaultConfig(),
		Replication:       defaultSlotConfig(),
		Run:               defaultRunConfig(),
		Guard:             defaultGuardConfig(),
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

// Keys is the only place of option names beside those of the connection and of the envelope, which it includes.
func (c *Config) Keys() config.Keys {
	keys := slices.Concat(c.Database.Keys(), c.Database.DriverKeys(), c.slotKeys(), config.Keys{
		config.String(&c.InitialStatements, "database.initial.statements", "SQL run on every connection but the replication connection; separated by ;, and ;; is a literal one.", config.Group(groupConnection), config.Rank(config.Low), config.Null()),
	}, c.filterKeys(), c.snapshotKeys(), c.runKeys(), c.Envelope.Keys())
	keys = append(keys, c.Reading.keys()...)
	keys = append(keys, c.Reselect.keys()...)
	keys = append(keys, c.Signals.keys()...)
	keys = append(keys, c.Notifications.keys()...)
	keys = append(keys, c.Incremental.keys()...)
	keys = append(keys, unsupportedKeys()...)
	return append(keys, jvmKeys()...)
}

func notEmpty(s string) error {
	if s == "" {
		return fmt.Errorf("a value is required")
	}
	return nil
}

// connectKeys are the options of every connector, which the worker reads.
var connectKeys = []string{"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "config.action.reload",
	"key.converter", "value.converter", "header.converter", "key.converter.", "value.converter.", "header.converter.",
	"driver.", "transforms", "transforms.", "predicates", "predicates.", "topic.creation.", "producer.override.", "consumer.override.", "admin.override.", "errors.",
	"exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms", "offsets.storage.topic", "retriable.restart.connector.wait.ms", "task.id"}

// Parse reads a configuration and reports every error and warning at once, in Debezium's words and ordered by name as Debezium does.
func Parse(props map[string]string) (Config, config.Report) {
	c, report := parse(props)
	if renamed, warnings := renameValues(props); renamed != nil {
		// Old values count in a configuration that has no other fault; in one that has to be corrected anyway they are among the faults, as in
		// Debezium.
		if mapped, better := parse(renamed); better.Err() == nil {
			c, report = mapped, better
			report.Warnings = append(report.Warnings, warnings...)
		}
	}
	byName := func(a, b config.Problem) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(report.Errors, byName)
	slices.SortStableFunc(report.Warnings, byName)
	return c, report
}

func parse(props map[string]string) (Config, config.Report) {
	c := DefaultConfig()
	keys := c.Keys()
	props = driverProperties(props)
	report := keys.ParseAs(config.DebeziumStyle, props, connectKeys...)
	props = keys.Canonical(props)
	_, c.skippedSet = props["skipped.operations"]
	c.Envelope.Complete(props, &report)
	c.completeSlot(props, &report)
	c.completeFilters(props, &report)
	c.completeSnapshot(&report)
	c.completeRun(props, &report)
	c.Reselect.complete(props, &report)
	c.Signals.complete(c.Envelope.TopicPrefix, &report)
	c.Notifications.complete(&report)
	c.Envelope.Database = c.Database.Name
	return c, report
}
