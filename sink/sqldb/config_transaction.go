package sqldb

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// Consistency is what becomes visible in the target together.
type Consistency string

// Modes of consistency.
const (
	ConsistencyPartition   Consistency = "partition"
	ConsistencyTransaction Consistency = "transaction"
)

// TransactionConfig holds the options of consistency=transaction. None is an option of the Java connectors.
type TransactionConfig struct {
	Consistency        Consistency
	TransactionTopic   string
	TransactionTimeout time.Duration
	TransactionBuffer  int64 // bytes
	TransactionDir     string

	wants func(topic string) bool // whether the connector consumes a topic, from topics or topics.regex
}

func defaultTransactions() TransactionConfig {
	return TransactionConfig{Consistency: ConsistencyPartition, TransactionTimeout: 10 * time.Minute, TransactionBuffer: 32 << 20}
}

func (c *TransactionConfig) keys() config.Keys {
	group := config.Group("Transactions")
	return config.Keys{
		config.Enum(&c.Consistency, "consistency", "partition: each partition for itself, in its order. transaction: the source's transactions whole and in the order of their commits, over all tables, so that foreign keys hold at every moment; it needs the topic of the source's provide.transaction.metadata among the topics, tasks.max=1, and Debezium's envelopes.", []Consistency{ConsistencyPartition, ConsistencyTransaction}, group),
		config.String(&c.TransactionTopic, "transaction.topic", "Topic of the transactions' metadata. Empty: the one whose name ends in .transaction.", config.Null(), config.Rank(config.Low), group),
		config.Millis(&c.TransactionTimeout, "transaction.timeout.ms", "With consistency=transaction: how long a transaction may wait for the rest of it while no record comes, before the task stops and names it. Longer than the consumer's metadata.max.age.ms, by which a topic that is made later is found.", 1000, config.Rank(config.Low), group),
		config.Long(&c.TransactionBuffer, "transaction.buffer.bytes", "With consistency=transaction: memory for records that wait for the rest of their transaction; what is more goes to a temporary file.", 1<<20, 1<<40, config.Rank(config.Low), group),
		config.String(&c.TransactionDir, "transaction.buffer.dir", "Folder of that file. Empty: the system's folder for temporary files.", config.Null(), config.Rank(config.Low), group),
	}
}

// checkTransactions holds consistency=transaction against the other options.
func (c *Config) checkTransactions(props map[string]string, r *config.Report) {
	if c.Consistency != ConsistencyTransaction {
		return
	}
	if n, err := strconv.Atoi(props["tasks.max"]); err == nil && n > 1 {
		r.Fail("tasks.max", "Invalid value %d for configuration tasks.max: consistency=transaction needs one task over all topics", n)
	}
	c.wants = consumes(props["topics"], props["topics.regex"])
	if topics := props["topics"]; topics != "" {
		named := func(topic string) bool {
			topic = strings.TrimSpace(topic)
			return topic == c.TransactionTopic || c.TransactionTopic == "" && strings.HasSuffix(topic, ".transaction")
		}
		if !slices.ContainsFunc(strings.Split(topics, ","), named) {
			r.Fail("topics", "Invalid value %s for configuration topics: consistency=transaction needs the topic of the transactions' metadata among them (PREFIX.transaction, "+
				"which the source writes with provide.transaction.metadata=true, or the one that transaction.topic names)", topics)
		}
	}
}

// consumes tells which topics a connector consumes. An expression that is none, or that gives up, wants nothing here: the worker refuses it.
func consumes(topics, regex string) func(topic string) bool {
	var names []string
	for name := range strings.SplitSeq(topics, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	expression, err := javaregex.Compile(regex, false)
	return func(topic string) bool {
		if regex == "" {
			return slices.Contains(names, topic)
		}
		if err != nil {
			return false
		}
		matches, err := expression.MatchString(topic)
		return matches && err == nil
	}
}
