package source

import (
	"time"

	"github.com/tandem-cdc/tandem/cdc/snapshot"
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
	SnapshotConfigured SnapshotMode = "configuration_based" // by snapshotSwitches
)

// snapshotSwitches are the options of snapshot.mode=configuration_based.
type snapshotSwitches struct {
	data, schema     bool // data: read rows, at every start
	stream           bool
	onData, onSchema bool // onData: begin anew where changes are missing
}

type snapshotLocking string

type snapshotQuery string

// snapshotKeys are the options of snapshots, beside those of how rows are read.
func (c *Config) snapshotKeys() config.Keys {
	snap, low := config.Group(groupSnapshot), config.Rank(config.Low)
	const switches = "snapshot.mode.configuration.based."
	query := snapshotQuery("select_all")
	custom := func(option, class string) config.Key {
		return config.String(new(string), option+".custom.name", "Of "+option+"=custom only, which is refused: "+class+" are Java classes.", snap, config.Null(), config.WithoutEffect())
	}
	return config.Keys{
		config.Enum(&c.SnapshotMode, "snapshot.mode", "When existing rows are read: initial (once, then stream), initial_only (once, then stop), no_data (stream only), always (at every start), when_needed (once, "+
			"and again when the slot or its WAL is gone), configuration_based (as the options snapshot.mode.configuration.based.* say).",
			[]SnapshotMode{SnapshotAlways, SnapshotInitial, SnapshotOnly, SnapshotNoData, SnapshotWhenNeeded, SnapshotConfigured}, snap,
			config.Deny("custom", "custom snapshotters are Java classes; snapshot.mode=configuration_based with its five options says the same in configuration.")),
		custom("snapshot.mode", "custom snapshotters"),
		config.Bool(&c.Switches.data, switches+"snapshot.data", "With snapshot.mode=configuration_based: read the rows, at every start.", snap),
		config.Bool(&c.Switches.schema, switches+"snapshot.schema", "Accepted beside snapshot.mode=configuration_based, and without effect: the shape of tables is always read when they are first needed.", snap, config.WithoutEffect()),
		config.Bool(&c.Switches.stream, switches+"start.stream", "With snapshot.mode=configuration_based: stream changes.", snap),
		config.Bool(&c.Switches.onSchema, switches+"snapshot.on.schema.error", "Accepted beside snapshot.mode=configuration_based, and without effect: there is no stored schema that could be missing.", snap, config.WithoutEffect()),
		config.Bool(&c.Switches.onData, switches+"snapshot.on.data.error", "With snapshot.mode=configuration_based: begin anew, with rows if snapshot.data is set, when changes behind the stored offset are no longer on the server; else the task stops.", snap),
		config.Enum(&c.SnapshotIsolation, "snapshot.isolation.mode", "Isolation of a snapshot that has no slot to take it from (initial_only).",
			[]snapshot.Isolation{snapshot.Serializable, snapshot.RepeatableRead, snapshot.ReadCommitted, snapshot.ReadUncommitted}, snap, low),
		config.Enum(&c.SnapshotLocking, "snapshot.locking.mode", "Whether to lock the tables against schema changes while they are read (shared) or not (none).", []snapshotLocking{"none", "shared"}, snap, low,
			config.Deny("custom", "custom locks are Java classes; choose none or shared.")),
		custom("snapshot.locking.mode", "custom locks"),
		config.Millis(&c.LockTimeout, "snapshot.lock.timeout.ms", "How long to wait for each of those locks; 0 for no bound.", 0, snap, config.Says("A long value is expected", "")),
		config.Enum(&query, "snapshot.query.mode", "How rows are read: select_all, by a SELECT of the included columns.", []snapshotQuery{"select_all"}, snap, low,
			config.Deny("custom", "custom queries are Java classes; give statements of your own in snapshot.select.statement.overrides.")),
		custom("snapshot.query.mode", "custom queries"),
		config.List(&c.SnapshotTables, "snapshot.include.collection.list", "Those of the captured tables whose rows are read: regular expressions on schema.table; all without.", snap, config.Null(), config.Check(checkExpressions)),
		config.List(&c.SnapshotOverrides, "snapshot.select.statement.overrides", "Tables that are read by a statement of their own, in the option of this name followed by a dot and schema.table.", snap, config.Null(), config.Text()),
		config.Prefix("snapshot.select.statement.overrides.", "Statement that reads the rows of schema.table.", func(table, statement string) error { c.Overrides[table] = statement; return nil }, snap),
		config.Millis(&c.SnapshotDelay, "snapshot.delay.ms", "Time to wait before the snapshot is read.", 0, snap, low),
		config.Millis(&c.StreamingDelay, "streaming.delay.ms", "Time to wait between snapshot and stream.", 0, snap, low),
	}
}

// streams tells whether the mode goes on with the stream.
func (c *Config) streams() bool {
	if c.SnapshotMode == SnapshotConfigured {
		return c.Switches.stream
	}
	return c.SnapshotMode != SnapshotOnly
}

// neverSnapshots tells modes that do not read rows at a start.
func (c *Config) neverSnapshots() bool {
	return c.SnapshotMode == SnapshotNoData || c.SnapshotMode == SnapshotConfigured && !c.Switches.data
}

// alwaysSnapshots tells modes that read rows at every start.
func (c *Config) alwaysSnapshots() bool {
	return c.SnapshotMode == SnapshotAlways || c.SnapshotMode == SnapshotConfigured && c.Switches.data
}

// beginsAnewAcrossGap tells modes that forget the stored offset when changes behind it are missing.
func (c *Config) beginsAnewAcrossGap() bool {
	return c.SnapshotMode == SnapshotWhenNeeded || c.SnapshotMode == SnapshotConfigured && c.Switches.onData
}

// completeSnapshot checks what concerns several options.
func (c *Config) completeSnapshot(r *config.Report) {
	if c.SnapshotMode == SnapshotConfigured && !c.Switches.data && !c.Switches.stream {
		r.Warn("snapshot.mode", "Option \"snapshot.mode\"=%q without snapshot.mode.configuration.based.snapshot.data or .start.stream does nothing at all.", SnapshotConfigured)
	}
	for _, table := range c.SnapshotOverrides {
		if c.Overrides[table] == "" {
			r.Warn("snapshot.select.statement.overrides", "Table %q is listed in snapshot.select.statement.overrides, but snapshot.select.statement.overrides.%s is not set; its rows are read as those of other tables.", table, table)
		}
	}
}

// defaultLockTimeout is Debezium's.
const defaultLockTimeout = 10 * time.Second
