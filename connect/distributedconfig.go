package connect

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// GroupProtocol is the value of connect.protocol.
type GroupProtocol string

// Protocols between the workers of a group, each with those before it: what the group speaks is what all its members know.
const (
	ProtocolEager      GroupProtocol = "eager"
	ProtocolCompatible GroupProtocol = "compatible"
	ProtocolSessioned  GroupProtocol = "sessioned"
)

// ExactlyOnce is the value of exactly.once.source.support.
type ExactlyOnce string

// Support of sources that deliver exactly once.
const (
	ExactlyOnceDisabled  ExactlyOnce = "disabled"
	ExactlyOncePreparing ExactlyOnce = "preparing"
	ExactlyOnceEnabled   ExactlyOnce = "enabled"
)

// DeliveryConfig is what exactly-once delivery of sources needs. A worker of a group has it in any case, one alone if exactly.once.source.support says so.
type DeliveryConfig struct {
	Group       string
	OffsetTopic StorageTopic
	ExactlyOnce ExactlyOnce
}

// DistributedConfig holds what only a worker of a group has; start from DefaultDistributedConfig.
type DistributedConfig struct {
	DeliveryConfig
	ConfigTopic, StatusTopic StorageTopic

	Session, Heartbeat, Rebalance time.Duration
	SyncTimeout, UnsyncBackoff    time.Duration
	MaxDelay                      time.Duration // scheduled.rebalance.max.delay.ms
	Protocol                      GroupProtocol

	KeyAlgorithm           string
	KeySize                int // bits; 0: the algorithm's own
	KeyTTL                 time.Duration
	SignatureAlgorithm     string
	VerificationAlgorithms []string
}

// StorageTopic is an internal topic as it is created when it does not exist.
type StorageTopic struct {
	Name       string
	Partitions int // -1: the broker's default
	Replicas   int // -1: the broker's default
	Settings   map[string]string
}

func defaultDeliveryConfig() DeliveryConfig {
	return DeliveryConfig{OffsetTopic: StorageTopic{Partitions: 25, Replicas: 3}, ExactlyOnce: ExactlyOnceDisabled}
}

// DefaultDistributedConfig is the only place of defaults.
func DefaultDistributedConfig() DistributedConfig {
	return DistributedConfig{
		DeliveryConfig: defaultDeliveryConfig(),
		ConfigTopic:    StorageTopic{Partitions: 1, Replicas: 3},
		StatusTopic:    StorageTopic{Partitions: 5, Replicas: 3},
		Session:        10 * time.Second, Heartbeat: 3 * time.Second, Rebalance: time.Minute,
		SyncTimeout: 3 * time.Second, UnsyncBackoff: 5 * time.Minute, MaxDelay: 5 * time.Minute,
		Protocol:     ProtocolSessioned,
		KeyAlgorithm: "HmacSHA256", KeyTTL: time.Hour, SignatureAlgorithm: "HmacSHA256", VerificationAlgorithms: []string{"HmacSHA256"},
	}
}

// MACAlgorithms are those that requests between workers can be signed with, by Java's names.
var MACAlgorithms = []string{"HmacSHA1", "HmacSHA224", "HmacSHA256", "HmacSHA384", "HmacSHA512"}

// Keys are the options that a worker of a group has besides those of every worker, and in place of offset.storage.file.filename.
func (c *DistributedConfig) Keys() config.Keys {
	high, low := config.Rank(config.High), config.Rank(config.Low)
	algorithm := config.Check(oneOf(MACAlgorithms...))
	return slices.Concat(config.Keys{
		config.String(&c.Group, "group.id", "Group of workers that share connectors and tasks; no sink may have a consumer group of this name.", config.Required(), high),
		config.String(&c.ConfigTopic.Name, "config.storage.topic", "Topic that holds the configurations of connectors and tasks; all workers of the group have the same.", config.Required(), high),
		c.ConfigTopic.replicas("config.storage."),
		c.ConfigTopic.settings("config.storage.", "Settings of that topic when it is created. It has one partition and is compacted, whatever is set."),
		config.String(&c.OffsetTopic.Name, "offset.storage.topic", "Topic that holds the offsets of source connectors; all workers of the group have the same.", config.Required(), high),
	}, c.OffsetTopic.keys("offset.storage."), config.Keys{
		config.String(&c.StatusTopic.Name, "status.storage.topic", "Topic that holds the states of connectors and tasks; all workers of the group have the same.", config.Required(), high),
	}, c.StatusTopic.keys("status.storage."), config.Keys{
		config.Millis(&c.Session, "session.timeout.ms", "Silence after which the group takes a worker for dead. A worker that is cut off from Kafka stops its tasks after two thirds of it.", time.Millisecond, high, config.As32()),
		config.Millis(&c.Heartbeat, "heartbeat.interval.ms", "Time between two signs of life to the group; less than session.timeout.ms.", time.Millisecond, high, config.As32()),
		config.Millis(&c.Rebalance, "rebalance.timeout.ms", "How long the group waits for a worker to stop what it gives up and to join a round.", time.Millisecond, high, config.As32()),
		config.Millis(&c.SyncTimeout, "worker.sync.timeout.ms", "How long a worker that is behind the others tries to read the config topic to its end before it leaves the group.", 0, config.As32()),
		config.Millis(&c.UnsyncBackoff, "worker.unsync.backoff.ms", "How long it then stays away, if it cannot read the config topic.", 0, config.As32()),
		config.Millis(&c.MaxDelay, "scheduled.rebalance.max.delay.ms", "How long the work of workers that left is kept for them. It is given back at once when as many workers have come without work as have left.",
			0, low, config.As32()),
		config.Enum(&c.Protocol, "connect.protocol", "How workers agree: eager stops everything for each round, compatible moves only what must move, sessioned also signs the requests between workers.",
			[]GroupProtocol{ProtocolEager, ProtocolCompatible, ProtocolSessioned}, low),
		config.String(&c.KeyAlgorithm, "inter.worker.key.generation.algorithm", "What the key is for that requests between workers are signed with.", low, algorithm),
		config.Int(&c.KeySize, "inter.worker.key.size", "Bits of that key; none: what suits the algorithm.", 1, 1<<16, low, config.Null()),
		config.Millis(&c.KeyTTL, "inter.worker.key.ttl.ms", "How long that key is used before the leader makes another; 0: for ever.", 0, low, config.As32()),
		config.String(&c.SignatureAlgorithm, "inter.worker.signature.algorithm", "How this worker signs; all others must have it in their inter.worker.verification.algorithms.", low, algorithm),
		config.List(&c.VerificationAlgorithms, "inter.worker.verification.algorithms", "Signatures that are accepted.", low, config.Check(knownAlgorithms)),
		config.Enum(&c.ExactlyOnce, "exactly.once.source.support", "Whether sources may deliver exactly once: enabled once all workers of the group are preparing or enabled.",
			[]ExactlyOnce{ExactlyOnceDisabled, ExactlyOncePreparing, ExactlyOnceEnabled}, high),
	})
}

// keys are the options of a topic of several partitions besides its name.
func (t *StorageTopic) keys(prefix string) config.Keys {
	return config.Keys{
		config.Int(&t.Partitions, prefix+"partitions", "Partitions of that topic when it is created; -1: the broker's default.", -1, math.MaxInt32, config.Rank(config.Low), config.Check(notZero)),
		t.replicas(prefix),
		t.settings(prefix, "Settings of that topic when it is created. It is compacted, whatever is set."),
	}
}

func (t *StorageTopic) replicas(prefix string) config.Key {
	return config.Int(&t.Replicas, prefix+"replication.factor", "Replicas of that topic when it is created; -1: the broker's default.", -1, math.MaxInt16, config.Rank(config.Low), config.Check(notZero))
}

func (t *StorageTopic) settings(prefix, about string) config.Key {
	return config.Prefix(prefix, about, func(name, text string) error {
		if t.Settings == nil {
			t.Settings = make(map[string]string)
		}
		t.Settings[name] = text
		return nil
	}, config.Rank(config.Low))
}

// aloneKeys are the options of a worker that is alone. Kafka Connect has no exactly-once delivery there.
func (c *DeliveryConfig) aloneKeys() config.Keys {
	high, low := config.Rank(config.High), config.Rank(config.Low)
	return slices.Concat(config.Keys{
		config.Enum(&c.ExactlyOnce, "exactly.once.source.support", "Whether sources deliver exactly once, which Kafka Connect has in groups only. enabled needs group.id and offset.storage.topic: "+
			"offsets are kept in that topic, in the transactions of the records they belong to, and offset.storage.file.filename gets a copy.", []ExactlyOnce{ExactlyOnceDisabled, ExactlyOnceEnabled}, high),
		config.String(&c.Group, "group.id", "With exactly.once.source.support=enabled: what the transactional ids of the tasks begin with. A worker with the same id takes the place of this one.", low),
		config.String(&c.OffsetTopic.Name, "offset.storage.topic", "With exactly.once.source.support=enabled: topic that holds the offsets of source connectors.", low),
	}, c.OffsetTopic.keys("offset.storage."))
}

// checkAlone finds what is missing for exactly-once delivery, or has no effect without it.
func (c *DeliveryConfig) checkAlone(props map[string]string, r *config.Report) {
	needed := []struct{ option, text string }{{"group.id", c.Group}, {"offset.storage.topic", c.OffsetTopic.Name}}
	if c.ExactlyOnce == ExactlyOnceEnabled {
		for _, n := range needed {
			if n.text == "" {
				r.Fail(n.option, "exactly.once.source.support=enabled needs the option %s", n.option)
			}
		}
		return
	}
	for _, n := range needed {
		if _, given := props[n.option]; given {
			r.Warn(n.option, "Option %q has no effect in a standalone worker without exactly.once.source.support=enabled.", n.option)
		}
	}
}

func knownAlgorithms(text string) error {
	names := config.SplitList(text)
	if len(names) == 0 {
		return fmt.Errorf("at least one signature verification algorithm must be provided")
	}
	for _, name := range names {
		if !slices.Contains(MACAlgorithms, name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(MACAlgorithms, ", "))
		}
	}
	return nil
}

// check finds what only several options together tell.
func (c *DistributedConfig) check(r *config.Report) {
	if c.Heartbeat >= c.Session {
		r.Fail("heartbeat.interval.ms", "heartbeat.interval.ms must be less than session.timeout.ms, it is %d and that %d", c.Heartbeat.Milliseconds(), c.Session.Milliseconds())
	} else if 2*c.Heartbeat >= c.Session {
		r.Warn("heartbeat.interval.ms", "heartbeat.interval.ms=%d leaves room for a single heartbeat in session.timeout.ms=%d: one that is late stops all tasks; use a third of it.",
			c.Heartbeat.Milliseconds(), c.Session.Milliseconds())
	}
	if !slices.Contains(c.VerificationAlgorithms, c.SignatureAlgorithm) {
		r.Fail("inter.worker.signature.algorithm", "inter.worker.signature.algorithm=%s must be one of inter.worker.verification.algorithms=%s",
			c.SignatureAlgorithm, strings.Join(c.VerificationAlgorithms, ","))
	}
	topics := map[string]string{}
	for _, t := range []struct {
		option string
		topic  *StorageTopic
	}{{"config.storage.topic", &c.ConfigTopic}, {"offset.storage.topic", &c.OffsetTopic}, {"status.storage.topic", &c.StatusTopic}} {
		if other, taken := topics[t.topic.Name]; taken && t.topic.Name != "" {
			r.Fail(t.option, "%s and %s name the same topic %q; each needs one of its own", other, t.option, t.topic.Name)
		}
		topics[t.topic.Name] = t.option
		prefix := strings.TrimSuffix(t.option, "topic")
		for _, forced := range []string{"cleanup.policy", "partitions", "file.filename"} { // the last is a standalone worker's
			if text, given := t.topic.Settings[forced]; given {
				delete(t.topic.Settings, forced)
				if forced != "cleanup.policy" || text != "compact" {
					r.Warn(prefix+forced, "Option %q has no effect on the topic.", prefix+forced)
				}
			}
		}
	}
}

// ParseDistributedConfig reads worker.properties of a worker of a group, that were parsed before.
func ParseDistributedConfig(props map[string]string) (WorkerConfig, config.Report) {
	return parseWorkerConfig(props, os.LookupEnv, newDistributed())
}

// ReadDistributedConfig reads a worker.properties file of a worker of a group; see ReadWorkerConfig.
func ReadDistributedConfig(path string, environ []string) (WorkerConfig, config.Report, error) {
	return readWorkerConfig(path, environ, newDistributed())
}

func newDistributed() *DistributedConfig {
	d := DefaultDistributedConfig()
	return &d
}

// ClientOptions are the options of the worker's own clients, the brokers among them.
func (c *WorkerConfig) ClientOptions() map[string]string {
	props := map[string]string{"bootstrap.servers": strings.Join(c.BootstrapServers, ",")}
	maps.Copy(props, c.Client)
	return props
}
