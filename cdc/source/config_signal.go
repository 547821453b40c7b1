package source

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/cdc/signal"
	"github.com/tandem-cdc/tandem/internal/config"
)

// signalConfig holds the options of signals.
type signalConfig struct {
	tables   []string // signal.data.collection: at most one
	channels []string
	poll     time.Duration

	topic, servers, group string
	consumer              map[string]string // signal.consumer.*, without the prefix
	file                  string

	// Writing the watermarks of incremental snapshots.
	emitRetries int
	emitBackoff time.Duration
}

func defaultSignalConfig() signalConfig {
	return signalConfig{channels: []string{signal.ChannelSource}, poll: 5 * time.Second, group: "kafka-signal",
		file: "file-signals.txt", emitBackoff: 10 * time.Second, consumer: map[string]string{}}
}

func (c *signalConfig) keys() config.Keys {
	const group = "CONNECTOR_ADVANCED"
	pollTimeout := time.Duration(0)
	return config.Keys{
		config.List(&c.tables, "signal.data.collection", "Table whose inserted rows are signals, as schema.table: three columns, whatever their names, that hold id, type and data. "+
			"It is captured without being in the include lists, and is in the publication.", config.Group(group), config.Null()),
		config.List(&c.channels, "signal.enabled.channels", "Where signals come from: source (the table), kafka (a topic), file.", config.Group(group)),
		config.Millis(&c.poll, "signal.poll.interval.ms", "Time between two looks into the file.", time.Millisecond, config.Group("ADVANCED_HEARTBEAT"), config.Says("A long value is expected", "A positive, non-zero integer value is expected")),
		config.String(&c.topic, "signal.kafka.topic", "Topic of signals; <topic.prefix>-signal without. Partition 0 is read; the key of a record must be the topic.prefix.", config.Group(group), config.Null()),
		config.String(&c.servers, "signal.kafka.bootstrap.servers", "Brokers of that topic; required for the channel kafka.", config.Group(group), config.Null()),
		config.String(&c.group, "signal.kafka.groupId", "Consumer group that keeps the position in that topic.", config.Group(group), config.Rank(config.Low), config.Check(notEmpty)),
		config.Millis(&pollTimeout, "signal.kafka.poll.timeout.ms", "Records are waited for all the time, so there is no timeout to set.", math.MinInt64, config.Group(group), config.Rank(config.Low), config.WithoutEffect()),
		config.Prefix("signal.consumer.", "Option of the consumer of that topic, as Kafka's consumer has it; wins over signal.kafka.*.",
			func(name, text string) error { c.consumer[name] = text; return nil }, config.Group(group)),
		config.String(&c.file, "signal.file", "File of signals, a JSON object in each line. Lines are removed when they are read.", config.Group(group), config.Check(notEmpty)),
		config.Int(&c.emitRetries, "signal.emit.failure.max.retries", "How often to try again when a watermark of an incremental snapshot cannot be written into the signal table.", 0, math.MaxInt32, config.Group("ADVANCED")),
		config.Millis(&c.emitBackoff, "signal.emit.failure.backoff.ms", "Time between those tries.", time.Millisecond, config.Group("ADVANCED"), config.Says("A long value is expected", "A positive, non-zero integer value is expected")),
	}
}

// table is the signal table as schema.table, or "".
func (c *signalConfig) table() string {
	if len(c.tables) == 0 {
		return ""
	}
	return c.tables[0]
}

func (c *signalConfig) has(channel string) bool { return slices.Contains(c.channels, channel) }

// complete checks what concerns several options at once.
func (c *signalConfig) complete(prefix string, r *config.Report) {
	if len(c.tables) > 1 {
		r.Fail("signal.data.collection", "The 'signal.data.collection' value is invalid: For single task connector only one signal data collection is permitted.")
	}
	if name := c.table(); name != "" && !strings.Contains(name, ".") {
		r.Warn("signal.data.collection", "Option \"signal.data.collection\"=%q names no table, so there are no signals in one: write schema.table.", name)
	}
	for _, name := range c.channels {
		switch name {
		case signal.ChannelSource, signal.ChannelKafka, signal.ChannelFile:
		case signal.ChannelJMX, signal.ChannelInProcess:
			r.Fail("signal.enabled.channels", "Option \"signal.enabled.channels\" names %q, through which only a JVM can be reached: remove it and send signals through source, kafka or file.", name)
		default:
			r.Warn("signal.enabled.channels", "Option \"signal.enabled.channels\" names %q, which is not known and has no effect; source, kafka and file are.", name)
		}
	}
	if c.has(signal.ChannelKafka) && c.servers == "" && c.consumer["bootstrap.servers"] == "" {
		r.Fail("signal.kafka.bootstrap.servers", "The 'signal.kafka.bootstrap.servers' value is invalid: the brokers must be given when the channel kafka is in signal.enabled.channels")
	}
	if c.topic == "" {
		c.topic = prefix + "-signal"
	}
}

// clientProperties are the options of the consumer of the signal topic, with Debezium's defaults.
func (c *signalConfig) clientProperties() map[string]string {
	props := map[string]string{"bootstrap.servers": c.servers, "group.id": c.group, "auto.offset.reset": "earliest"}
	for name, text := range c.consumer {
		props[name] = text
	}
	return props
}

// Channels of notifications, as notification.enabled.channels has them.
const (
	notifySink = "sink"
	notifyLog  = "log"
	notifyHTTP = "http"
	notifyJMX  = "jmx"
)

// notificationConfig holds the options of notifications.
type notificationConfig struct {
	channels     []string
	topic        string
	url          string
	timeout      time.Duration
	retries      int
	allowPrivate bool
}

func defaultNotificationConfig() notificationConfig {
	return notificationConfig{timeout: 5 * time.Second, retries: 2}
}

func (c *notificationConfig) keys() config.Keys {
	const group = "CONNECTOR_ADVANCED"
	return config.Keys{
		config.List(&c.channels, "notification.enabled.channels", "Where to tell how snapshots go on: sink (a topic), log, http (a URL).", config.Group(group), config.Null()),
		config.String(&c.topic, "notification.sink.topic.name", "Topic of notifications; required for the channel sink.", config.Group(group), config.Rank(config.High), config.Null()),
		config.String(&c.url, "notification.http.url", "URL to which each notification is posted as a JSON object; required for the channel http.", config.Group(group), config.Rank(config.High), config.Null()),
		config.Millis(&c.timeout, "notification.http.timeout.ms", "Bound of one such request.", time.Millisecond, config.Group(group), config.Rank(config.Low), config.As32()),
		config.Int(&c.retries, "notification.http.retries", "How often a request that failed is tried again; the last notification of a snapshot at least three times.", 0, math.MaxInt32, config.Group(group), config.Rank(config.Low)),
		config.Bool(&c.allowPrivate, "notification.http.allow.private.networks", "Whether the URL may be that of a loopback, link-local or private address.", config.Group(group), config.Rank(config.Low)),
	}
}

func (c *notificationConfig) has(channel string) bool { return slices.Contains(c.channels, channel) }

// complete checks what concerns several options at once.
func (c *notificationConfig) complete(r *config.Report) {
	for _, name := range c.channels {
		switch name {
		case notifySink, notifyLog, notifyHTTP:
		case notifyJMX:
			r.Warn("notification.enabled.channels", "Option \"notification.enabled.channels\" names \"jmx\", which concerns the JVM only and has no effect.")
		default:
			r.Warn("notification.enabled.channels", "Option \"notification.enabled.channels\" names %q, which is not known and has no effect; sink, log and http are.", name)
		}
	}
	if c.has(notifySink) && c.topic == "" {
		r.Fail("notification.sink.topic.name", "The 'notification.sink.topic.name' value is invalid: Notification topic name must be provided when kafka notification channel is enabled")
	}
	if c.has(notifyHTTP) {
		if err := c.checkURL(); err != nil {
			r.Fail("notification.http.url", "The 'notification.http.url' value is invalid: %v", err)
		}
	}
}

// checkURL looks at the text alone: what its host resolves to is checked with every request.
func (c *notificationConfig) checkURL() error {
	if c.url == "" {
		return fmt.Errorf("HTTP notification URL must be provided when the 'http' notification channel is enabled")
	}
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, strings.ToLower(u.Scheme)) {
		return fmt.Errorf("HTTP notification URL must be a valid http(s) URL with a host")
	}
	if address, ok := literalAddress(u.Hostname()); ok && !c.allowPrivate && !public(address) {
		return fmt.Errorf("URL resolves to non-public address: %s", address)
	}
	return nil
}
