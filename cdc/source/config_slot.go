package source

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/internal/config"
)

// mismatch is offset.mismatch.strategy: what to do when the slot does not stand where the stored offset does.
type mismatch string

// Values of offset.mismatch.strategy. A slot behind the offset is no difficulty: the stream begins at the offset in any case.
const (
	mismatchNone    mismatch = "no_validation"
	mismatchOffset  mismatch = "trust_offset"
	mismatchSlot    mismatch = "trust_slot"
	mismatchGreater mismatch = "trust_greater_lsn"
)

// flushMode is lsn.flush.mode: who lets the server forget WAL.
type flushMode string

// Values of lsn.flush.mode.
const (
	flushConnector flushMode = "connector"
	flushManual    flushMode = "manual"
	flushDriver    flushMode = "connector_and_driver"
)

// slotConfig holds the options of slot, publication and stream beside those that stand in Config itself.
type slotConfig struct {
	mismatch      mismatch
	checkPosition bool // internal.log.position.check.enable
	createSeconds int  // internal.create.slot.command.timeout; 0: no bound
	flush         flushMode
	flushTimeout  time.Duration
	flushAction   replication.TimeoutAction
	xminEvery     time.Duration // 0: never
	identities    []identityRule

	oldFlush, oldSeek bool // values of the older options
}

func defaultSlotConfig() slotConfig {
	return slotConfig{mismatch: mismatchNone, checkPosition: true, createSeconds: 90, flush: flushConnector,
		flushTimeout: 30 * time.Second, flushAction: replication.TimeoutFail, oldFlush: true}
}

const groupReplication = "CONNECTION_ADVANCED_REPLICATION"

// slotKeys are the options of slot and publication.
func (c *Config) slotKeys() config.Keys {
	rep, low := config.Group(groupReplication), config.Rank(config.Low)
	return config.Keys{
		config.String(&c.pluginName, "plugin.name", "Logical decoding plugin: pgoutput, which comes with every PostgreSQL. Another one is refused.", rep, config.Check(onlyPgoutput)),
		config.String(&c.Slot, "slot.name", "Replication slot that retains WAL for this connector: 1 to 63 of the characters a-z, 0-9 and _. Two connectors never share one.", rep, config.Check(checkSlotName)),
		config.Bool(&c.SlotDropOnStop, "slot.drop.on.stop", "Drop the slot at an orderly stop. Changes until the next start are lost.", rep, config.Alias("slot.drop_on_stop")),
		config.Bool(&c.SlotFailover, "slot.failover", "Create the slot as a failover slot, where the server can: a primary of PostgreSQL 17 or newer.", rep),
		config.String(&c.SlotStreamParams, "slot.stream.params", "Further parameters of START_REPLICATION, as name=value;name=value. Those that tandem sets itself are refused.", rep, low, config.Null(), config.Check(checkStreamParams)),
		config.Int(&c.SlotMaxRetries, "slot.max.retries", "How often to try again when the slot is in use, or could not be created in time; 0 and less: not at all.", math.MinInt32, math.MaxInt32, rep, low,
			config.Says("An integer is expected", "An integer is expected")),
		config.Millis(&c.SlotRetryDelay, "slot.retry.delay.ms", "Time between those tries.", 0, rep, low, config.Says("A long value is expected", "An integer is expected")),
		config.String(&c.Publication, "publication.name", "Publication that is streamed, created where publication.autocreate.mode says so; empty is the default.", rep),
		config.Enum(&c.PublicationMode, "publication.autocreate.mode", "What to do about the publication: create it for all tables (all_tables) or for none (no_tables) when it is missing, "+
			"create it for the captured tables and keep it so (filtered), or only use it (disabled).",
			[]replication.AutocreateMode{replication.AllTables, replication.Disabled, replication.Filtered, replication.NoTables}, rep),
		config.Bool(&c.ViaPartitionRoot, "publish.via.partition.root", "Create the publication so that changes of partitions appear as their root's.", config.Group("CONNECTOR"), config.Twice()),
		config.String(new(string), "replica.identity.autoset.values", "Replica identities to give to captured tables at the start, as table:identity, separated by commas. table is a regular expression on schema.table; "+
			"identity is DEFAULT, FULL, NOTHING or INDEX name. A table whose identity cannot be changed, and one that two entries match, is left as it is, with an error in the log.",
			rep, config.Null(), config.Check(func(text string) (err error) {
				c.Replication.identities, err = parseIdentities(text)
				return err
			})),
		config.Enum(&c.Replication.mismatch, "offset.mismatch.strategy", "What to do when the slot was advanced beyond the stored offset, or is gone: stop, because changes are missing (no_validation, trust_offset), "+
			"or go on where the slot stands, with a warning (trust_slot, trust_greater_lsn). A slot behind the offset is advanced in every case.",
			[]mismatch{mismatchNone, mismatchOffset, mismatchSlot, mismatchGreater}, rep, low),
		config.Bool(&c.Replication.oldSeek, "internal.slot.seek.to.known.offset.on.start", "Old form of offset.mismatch.strategy: true is trust_offset.", rep, low),
		config.Bool(&c.Replication.checkPosition, "internal.log.position.check.enable", "Whether to stop when the slot no longer has the changes behind the stored offset; false goes on without them, with a warning.", config.Group(groupAdvanced)),
		config.Int(&c.Replication.createSeconds, "internal.create.slot.command.timeout", "Seconds that the server has to create the slot, before it is tried again; 0 for no bound.", 0, math.MaxInt32/1000, rep, low),
		config.Millis(&c.StatusInterval, "status.update.interval.ms", "Longest time between two status updates to the server; a newly confirmed position is sent sooner.", time.Millisecond, rep, config.As32()),
		config.Enum(&c.Replication.flush, "lsn.flush.mode", "Who lets the server forget WAL: the connector, as soon as records are acknowledged and their offset is stored (connector); nobody, so that the slot has to be advanced by other means (manual). "+
			"connector_and_driver is connector with heartbeats every ten minutes, if there are none. Positions of an idle server are confirmed in both.",
			[]flushMode{flushConnector, flushManual, flushDriver}, config.Group(groupConnector), low, config.Null()),
		config.Bool(&c.Replication.oldFlush, "flush.lsn.source", "Old form of lsn.flush.mode: true is connector, false is manual.", config.Group(groupConnector), low, config.Twice()),
		config.Millis(&c.Replication.flushTimeout, "lsn.flush.timeout.ms", "How long the server's socket may refuse a status update with a confirmed position.", time.Millisecond, rep,
			config.Says("A long value is expected", "A positive, non-zero integer value is expected")),
		config.Enum(&c.Replication.flushAction, "lsn.flush.timeout.action", "What to do then: start the task again (fail), or try again with the next update, with a warning (warn) or without (ignore).",
			[]replication.TimeoutAction{replication.TimeoutFail, replication.TimeoutWarn, replication.TimeoutIgnore}, rep),
		config.Millis(&c.Replication.xminEvery, "xmin.fetch.interval.ms", "Time between two looks at the slot's catalog_xmin, which source.xmin shows then; 0: source.xmin is null.", 0, rep),
	}
}

const (
	groupConnector  = "CONNECTOR"
	groupAdvanced   = "ADVANCED"
	groupExpert     = "CONNECTOR_ADVANCED"
	groupSnapshot   = "CONNECTOR_SNAPSHOT"
	groupFilters    = "FILTERS"
	groupConnection = "CONNECTION_ADVANCED"
	groupHeartbeat  = "ADVANCED_HEARTBEAT"
)

// completeSlot settles what older options say, and what modes imply.
func (c *Config) completeSlot(props map[string]string, r *config.Report) {
	if c.Publication == "" {
		c.Publication = DefaultConfig().Publication
		r.Warn("publication.name", "Option \"publication.name\" is empty; %q is used.", c.Publication)
	}
	if _, old := props["flush.lsn.source"]; old {
		_, given := props["lsn.flush.mode"]
		mode := flushConnector
		if !c.Replication.oldFlush {
			mode = flushManual
		}
		if given {
			r.Warn("flush.lsn.source", "Option \"flush.lsn.source\" is the old form of \"lsn.flush.mode\", which is set too and wins.")
		} else {
			c.Replication.flush = mode
			r.Warn("flush.lsn.source", "Option \"flush.lsn.source\" is an old form; use lsn.flush.mode=%s.", mode)
		}
	}
	if _, given := props["offset.mismatch.strategy"]; c.Replication.oldSeek && !given {
		c.Replication.mismatch = mismatchOffset
		r.Warn("internal.slot.seek.to.known.offset.on.start", "Option \"internal.slot.seek.to.known.offset.on.start\" is an old form; use offset.mismatch.strategy=%s.", mismatchOffset)
	}
	if c.Replication.flush == flushDriver && c.Heartbeat == 0 && !c.Envelope.TransactionMetadata {
		c.Heartbeat = driverHeartbeat
	}
}

// driverHeartbeat is the interval that lsn.flush.mode=connector_and_driver implies.
const driverHeartbeat = 10 * time.Minute

// confirm lets the server forget what lies behind a stored position, unless lsn.flush.mode=manual leaves that to others.
func (t *Task) confirm(stream *replication.Stream, stored *position) {
	t.safe.Store(uint64(stored.confirmable()))
	if t.cfg.Replication.flush != flushManual {
		stream.Confirm(stored.confirmable())
	}
}

// goesOnAcrossGap tells that the user wants the stream to go on where changes are missing.
func (c *slotConfig) goesOnAcrossGap() bool {
	return !c.checkPosition || c.mismatch == mismatchSlot || c.mismatch == mismatchGreater
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func checkSlotName(text string) error {
	if !slotName.MatchString(text) {
		return config.Complain("Valid replication slot name must contain only digits, lowercase characters and underscores with length <= 63")
	}
	return nil
}

// onlyPgoutput refuses other plugins: those that Debezium knows with the reason, others in its words.
func onlyPgoutput(name string) error {
	switch strings.ToLower(name) {
	case "pgoutput":
		return nil
	case "decoderbufs":
		return fmt.Errorf("%s", pluginRemedy)
	}
	return config.Complain("Value must be one of decoderbufs, pgoutput")
}

const pluginRemedy = "only pgoutput is supported: it comes with every PostgreSQL from 10 on and needs nothing installed on the server. Set plugin.name=pgoutput or leave it out, " +
	"and use a new slot.name: a slot belongs to the plugin it was made with"

func checkStreamParams(text string) error {
	_, err := replication.ParseStreamParams(text)
	return err
}
