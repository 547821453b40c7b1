package client

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Role says which of Kafka's Java clients a Config stands for: it decides the options.
type Role uint8

// Roles.
const (
	ForProducer Role = iota
	ForConsumer
	ForAdmin
)

func (r Role) String() string { return [...]string{"producer", "consumer", "admin"}[r] }

// Compression is the value of compression.type.
type Compression string

// Compressions.
const (
	None   Compression = "none"
	GZIP   Compression = "gzip"
	Snappy Compression = "snappy"
	LZ4    Compression = "lz4"
	Zstd   Compression = "zstd"
)

// Acks is the value of acks.
type Acks string

// Acks.
const (
	AcksAll    Acks = "all"
	AcksMinus1 Acks = "-1" // the older name of all
	AcksLeader Acks = "1"
)

// OffsetReset is the value of auto.offset.reset.
type OffsetReset string

// Where a consumer without position starts.
const (
	Earliest OffsetReset = "earliest"
	Latest   OffsetReset = "latest"
	Fail     OffsetReset = "none"
)

// Isolation is the value of isolation.level.
type Isolation string

// Isolations.
const (
	ReadUncommitted Isolation = "read_uncommitted"
	ReadCommitted   Isolation = "read_committed"
)

// Assignor is one value of partition.assignment.strategy.
type Assignor string

// Assignors.
const (
	RangeAssignor      Assignor = "range"
	RoundRobinAssignor Assignor = "roundrobin"
	StickyAssignor     Assignor = "sticky"
)

// Config holds the settings of a client; start from DefaultConfig or FromProperties.
type Config struct {
	Role     Role
	Brokers  []string
	ClientID string
	Rack     string
	Security Security

	RequestTimeout   time.Duration
	DialTimeout      time.Duration
	RetryBackoff     time.Duration
	RetryBackoffMost time.Duration
	MetadataAge      time.Duration
	APITimeout       time.Duration // bound of one admin or consumer call, retries included

	Producer ProducerConfig
	Consumer ConsumerConfig

	Log     *slog.Logger // what goes on with the brokers; nil: nothing
	Traffic *Traffic     // counts what goes over the connections; nil: nobody does
}

func (c *Config) logger() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// ProducerConfig holds what only a producer needs.
type ProducerConfig struct {
	Acks            Acks
	Idempotent      bool
	Compression     Compression
	GzipLevel       int // -1 is gzip's default
	ZstdLevel       int
	BatchBytes      int // uncompressed bytes of one partition's batch
	Linger          time.Duration
	MaxRequestBytes int // a larger record is refused, and no request is made larger
	BufferBytes     int64
	MaxInFlight     int // requests per broker
	DeliveryTimeout time.Duration
	MaxBlock        time.Duration // wait for a topic that does not exist (yet)
	CloseTimeout    time.Duration // wait for acknowledgements after the end was asked for

	// Lease tells whether the producer may still send: it is asked before each request, and Run fails when it may not. nil: it always may. It is no
	// option of the user's.
	Lease func() bool

	// TransactionalID makes the producer transactional: who has it next fences who had it before. It is no option of the user's.
	TransactionalID    string
	TransactionTimeout time.Duration // after which the broker aborts an open transaction
}

// ConsumerConfig holds what only a consumer needs.
type ConsumerConfig struct {
	Group           string
	Instance        string // static membership
	Reset           OffsetReset
	Isolation       Isolation
	assignors       []string // as given
	AutoCreate      bool
	MaxPollRecords  int
	FetchMinBytes   int
	FetchMaxBytes   int
	PartitionBytes  int
	FetchWait       time.Duration
	Session         time.Duration
	Heartbeat       time.Duration
	MaxPollInterval time.Duration
}

// DefaultConfig is the only place of defaults. They are those of Kafka's Java clients 4.3, but for batch.size (16 KiB
// cost a request per two dozen records) and linger.ms (5; a lone record does not wait for it here).
func DefaultConfig(role Role) Config {
	return Config{
		Role:             role,
		Security:         defaultSecurity(),
		RequestTimeout:   30 * time.Second,
		DialTimeout:      10 * time.Second,
		RetryBackoff:     100 * time.Millisecond,
		RetryBackoffMost: time.Second,
		MetadataAge:      5 * time.Minute,
		APITimeout:       time.Minute,
		Producer: ProducerConfig{
			Acks: AcksAll, Idempotent: true, Compression: None, GzipLevel: -1, ZstdLevel: 3,
			BatchBytes: 512 << 10, Linger: 2 * time.Millisecond, MaxRequestBytes: 1 << 20, BufferBytes: 32 << 20, MaxInFlight: 5,
			DeliveryTimeout: 2 * time.Minute, MaxBlock: time.Minute, CloseTimeout: 10 * time.Second, TransactionTimeout: time.Minute,
		},
		Consumer: ConsumerConfig{
			Reset: Latest, Isolation: ReadUncommitted, assignors: []string{string(RangeAssignor)}, AutoCreate: true,
			MaxPollRecords: 500, FetchMinBytes: 1, FetchMaxBytes: 50 << 20, PartitionBytes: 1 << 20, FetchWait: 500 * time.Millisecond,
			Session: 45 * time.Second, Heartbeat: 3 * time.Second, MaxPollInterval: 5 * time.Minute,
		},
	}
}

// FromProperties reads the options of Kafka's Java client of that role. Unknown names are warned about, but for those in known.
func FromProperties(props map[string]string, role Role, known ...string) (Config, config.Report) {
	c := DefaultConfig(role)
	report := c.keys().Parse(props, known...)
	c.check(props, &report)
	return c, report
}

// Keys are the options of a role, for documentation and validation.
func Keys(role Role) config.Keys {
	c := DefaultConfig(role)
	return c.keys()
}

// check finds what only several options together tell.
func (c *Config) check(props map[string]string, r *config.Report) {
	for _, addr := range c.Brokers {
		if _, port, err := net.SplitHostPort(addr); err != nil || !isPort(port) {
			r.Fail("bootstrap.servers", "Invalid value %s for configuration bootstrap.servers: %q is not host:port", strings.Join(c.Brokers, ","), addr)
		}
	}
	if len(c.Brokers) == 0 && len(r.Errors) == 0 {
		r.Fail("bootstrap.servers", "Invalid value for configuration bootstrap.servers: no broker is named")
	}
	c.Security.check(props, r)
	if c.Role == ForProducer {
		c.Producer.check(props, r)
	}
	if k := &c.Consumer; c.Role == ForConsumer && k.Heartbeat >= k.Session {
		r.Fail("heartbeat.interval.ms", "heartbeat.interval.ms must be less than session.timeout.ms, it is %d and that %d",
			k.Heartbeat.Milliseconds(), k.Session.Milliseconds())
	}
}

func (p *ProducerConfig) check(props map[string]string, r *config.Report) {
	if p.Acks == AcksMinus1 {
		p.Acks = AcksAll
	}
	if p.Acks != AcksAll && p.Idempotent {
		if _, given := props["enable.idempotence"]; given {
			r.Fail("acks", "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.")
			return
		}
		p.Idempotent = false
		r.Warn("acks", "Option \"acks\"=%q switches the idempotent producer off: a change of the partition's leader may lose or repeat records; use \"all\".", string(p.Acks))
	}
	if p.Idempotent && p.MaxInFlight > maxInFlightIdempotent {
		r.Fail("max.in.flight.requests.per.connection", "Must set max.in.flight.requests.per.connection to at most %d to use the idempotent producer.", maxInFlightIdempotent)
	}
	if _, given := props["retries"]; given {
		r.Warn("retries", "Option \"retries\" has no effect: delivery.timeout.ms alone bounds the retries.")
	}
	if p.BufferBytes < int64(p.MaxRequestBytes) {
		r.Warn("buffer.memory", "Option \"buffer.memory\"=%d is less than max.request.size=%d, which is used instead.", p.BufferBytes, p.MaxRequestBytes)
		p.BufferBytes = int64(p.MaxRequestBytes)
	}
}

// maxInFlightIdempotent is how many batches a broker remembers per producer and partition.
const maxInFlightIdempotent = 5

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 1<<16
}

func (c *Config) keys() config.Keys {
	keys := append(c.commonKeys(), c.Security.keys()...)
	switch c.Role {
	case ForProducer:
		return append(keys, c.Producer.keys()...)
	case ForConsumer:
		return append(keys, c.Consumer.keys()...)
	}
	return append(keys, config.Int(new(int), "retries", "default.api.timeout.ms bounds the retries.", 0, math.MaxInt32, config.Rank(config.Low), config.WithoutEffect()))
}

func (c *Config) commonKeys() config.Keys {
	return append(config.Keys{
		config.List(&c.Brokers, "bootstrap.servers", "Brokers to find the cluster by: host:port, comma separated.", config.Required(), config.Rank(config.High)),
		config.String(&c.ClientID, "client.id", "Name of this client in the broker's log, quotas and metrics; empty: tandem."),
		config.String(&c.Rack, "client.rack", "Rack of this client, to fetch from a near replica; empty: from the leader.", config.Rank(config.Low)),
		config.Millis(&c.RequestTimeout, "request.timeout.ms", "How long to wait for one response of a broker.", time.Millisecond),
		config.Millis(&c.DialTimeout, "socket.connection.setup.timeout.ms", "How long to wait for a connection to a broker.", time.Millisecond),
		config.Millis(&c.RetryBackoff, "retry.backoff.ms", "Wait before a request is sent again; doubled each time, up to retry.backoff.max.ms.", 0, config.Rank(config.Low)),
		config.Millis(&c.RetryBackoffMost, "retry.backoff.max.ms", "Longest wait before a request is sent again.", 0, config.Rank(config.Low)),
		config.Millis(&c.MetadataAge, "metadata.max.age.ms", "How often leaders, partitions and matching topics are looked up without need.", 0, config.Rank(config.Low)),
		config.Millis(&c.APITimeout, "default.api.timeout.ms", "Bound of one call, such as creating a topic or committing offsets, with all its retries.", time.Millisecond),
	}, config.Ignored("metric.reporters", "metrics.num.samples", "metrics.sample.window.ms", "metrics.recording.level", "interceptor.classes",
		"key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "send.buffer.bytes", "receive.buffer.bytes",
		"connections.max.idle.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms", "socket.connection.setup.timeout.max.ms",
		"enable.metrics.push", "client.dns.lookup", "metadata.recovery.strategy", "metadata.recovery.rebootstrap.trigger.ms",
		"auto.include.jmx.reporter", "security.providers", "config.providers")...)
}

func (p *ProducerConfig) keys() config.Keys {
	return config.Keys{
		config.Enum(&p.Compression, "compression.type", "How batches are compressed.", []Compression{None, GZIP, Snappy, LZ4, Zstd}, config.Rank(config.High)),
		config.Int(&p.GzipLevel, "compression.gzip.level", "Level of gzip, 1 to 9; -1 for its default, 0 for none.", -1, 9, config.Rank(config.Low)),
		config.Int(&p.ZstdLevel, "compression.zstd.level", "Level of zstd.", 1, 22, config.Rank(config.Low)),
		config.Int(ptr(9), "compression.lz4.level", "lz4 has one level here, the fast one.", 1, 17, config.Rank(config.Low), config.WithoutEffect()),
		config.Enum(&p.Acks, "acks", "Who must have a record before it counts: all in-sync replicas, or (1) the leader alone.", []Acks{AcksAll, AcksMinus1, AcksLeader}),
		config.Bool(&p.Idempotent, "enable.idempotence", "Whether a record that is sent again is stored once; needs acks=all."),
		config.Int(&p.BatchBytes, "batch.size", "Bytes of records, before compression, that are sent together for one partition; 0: one record at a time.", 0, math.MaxInt32),
		config.Millis(&p.Linger, "linger.ms", "Least time between two requests that could have been one. A record that comes after a pause leaves at once. With a backlog in more than 64 partitions small batches wait for more records, 500 ms at most.", 0),
		config.Int(&p.MaxRequestBytes, "max.request.size", "Bytes of the largest record, and of the largest request, before compression.", 1, math.MaxInt32),
		config.Long(&p.BufferBytes, "buffer.memory", "Bytes of records that are sent and not yet acknowledged; more wait.", 0, math.MaxInt64, config.Rank(config.High)),
		config.Int(&p.MaxInFlight, "max.in.flight.requests.per.connection", "Requests to one broker that wait for their response; at most 5 with enable.idempotence.", 1, math.MaxInt32, config.Rank(config.Low)),
		config.Millis(&p.DeliveryTimeout, "delivery.timeout.ms", "How long a record may wait for its acknowledgement, all retries included, before the producer fails.", 0),
		config.Millis(&p.MaxBlock, "max.block.ms", "How long to wait for the partitions of a topic that is not there (yet).", 0),
		config.Int(new(int), "retries", "delivery.timeout.ms alone bounds the retries; it is warned about.", 0, math.MaxInt32, config.WithoutEffect()),
		config.Refused("transactional.id", "", "records are sent idempotently, without a transaction; remove it."),
		config.Refused("partitioner.class", "", "records are partitioned as Kafka's default partitioner does; remove it."),
		config.Bool(new(bool), "partitioner.ignore.keys", "Keys decide the partition: only false is taken.", config.Rank(config.Low), config.Check(onlyFalse), config.WithoutEffect()),
		config.Bool(ptr(true), "partitioner.adaptive.partitioning.enable", "Records without key change the partition with every batch.", config.Rank(config.Low), config.WithoutEffect()),
		config.Millis(new(time.Duration), "partitioner.availability.timeout.ms", "A partition is waited for, up to delivery.timeout.ms.", 0, config.Rank(config.Low), config.WithoutEffect()),
		config.Millis(&p.TransactionTimeout, "transaction.timeout.ms", "How long a transaction of a source with exactly-once delivery may be open before the broker aborts it; "+
			"transactions are committed long before.", time.Millisecond, config.Rank(config.Low)),
		config.Millis(ptr(5*time.Minute), "metadata.max.idle.ms", "A topic that was published to stays known.", 0, config.Rank(config.Low), config.WithoutEffect()),
	}
}

func onlyFalse(text string) error {
	if !strings.EqualFold(text, "false") {
		return fmt.Errorf("keys decide the partition; only false is possible")
	}
	return nil
}

func (k *ConsumerConfig) keys() config.Keys {
	return config.Keys{
		config.String(&k.Group, "group.id", "Consumer group.", config.Null(), config.Rank(config.High)),
		config.String(&k.Instance, "group.instance.id", "Name of a static member of the group: it may be away for session.timeout.ms without a rebalance.", config.Null()),
		config.Enum(&k.Reset, "auto.offset.reset", "Where a partition without position starts: at its first record, behind its last, or nowhere (none is an error).", []OffsetReset{Earliest, Latest, Fail}),
		config.Enum(&k.Isolation, "isolation.level", "Whether records of open and aborted transactions are read (read_uncommitted) or left out.", []Isolation{ReadCommitted, ReadUncommitted}),
		config.Int(&k.MaxPollRecords, "max.poll.records", "Most records handed on at once.", 1, math.MaxInt32),
		config.Int(&k.FetchMinBytes, "fetch.min.bytes", "Bytes a broker waits for before it answers a fetch; no longer than fetch.max.wait.ms.", 0, math.MaxInt32),
		config.Int(&k.FetchMaxBytes, "fetch.max.bytes", "Most bytes of one fetch; a larger batch comes alone.", 0, math.MaxInt32),
		config.Int(&k.PartitionBytes, "max.partition.fetch.bytes", "Most bytes of one partition in a fetch; a larger batch comes alone.", 0, math.MaxInt32, config.Rank(config.High)),
		config.Millis(&k.FetchWait, "fetch.max.wait.ms", "How long a broker waits for fetch.min.bytes.", 0, config.Rank(config.Low)),
		config.Millis(&k.Session, "session.timeout.ms", "Silence after which the group gives the partitions to another member.", 0),
		config.Millis(&k.Heartbeat, "heartbeat.interval.ms", "Time between two signs of life to the group; less than session.timeout.ms.", 0),
		config.Millis(&k.MaxPollInterval, "max.poll.interval.ms", "How long members may take to join a rebalance, finishing their records first; a minute at the most.", time.Millisecond),
		config.List((*[]string)(&k.assignors), "partition.assignment.strategy", "How partitions are divided among the members: a Java class name, or range, roundrobin, sticky.", config.Check(knownAssignor)),
		config.Bool(&k.AutoCreate, "allow.auto.create.topics", "Whether the broker may create a topic that is subscribed and missing."),
		config.Bool(new(bool), "enable.auto.commit", "Offsets are committed after the records are applied, and only then: only false is taken.", config.Check(onlyFalse), config.WithoutEffect()),
		config.Millis(ptr(5*time.Second), "auto.commit.interval.ms", "See enable.auto.commit.", 0, config.Rank(config.Low), config.WithoutEffect()),
		config.Bool(ptr(true), "check.crcs", "Checksums are always checked.", config.Rank(config.Low), config.WithoutEffect()),
		config.Bool(ptr(true), "exclude.internal.topics", "Internal topics are never matched by a pattern.", config.Rank(config.Low), config.WithoutEffect()),
		config.Refused("group.protocol", "classic", "only the classic protocol is spoken; remove it."),
	}
}

// assignors maps Java's class names and the protocol's own names.
var assignors = map[string]Assignor{
	"org.apache.kafka.clients.consumer.RangeAssignor":             RangeAssignor,
	"org.apache.kafka.clients.consumer.RoundRobinAssignor":        RoundRobinAssignor,
	"org.apache.kafka.clients.consumer.StickyAssignor":            StickyAssignor,
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor": "", // offered by nobody here: the next in the list is taken
	"range":      RangeAssignor,
	"roundrobin": RoundRobinAssignor,
	"sticky":     StickyAssignor,
}

func knownAssignor(text string) error {
	usable := false
	for _, name := range config.SplitList(text) {
		a, ok := assignors[name]
		if !ok {
			return fmt.Errorf("%q is not one of range, roundrobin, sticky or Kafka's classes of these names", name)
		}
		usable = usable || a != ""
	}
	if !usable {
		return fmt.Errorf("want at least one of range, roundrobin, sticky")
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
