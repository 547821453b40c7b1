package transform

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// timestampRouterConfig holds the options of TimestampRouter.
type timestampRouterConfig struct{ Topic, Timestamp string }

func (c *timestampRouterConfig) reset() {
	*c = timestampRouterConfig{Topic: "${topic}-${timestamp}", Timestamp: "yyyyMMdd"}
}

func (c *timestampRouterConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Topic, "topic.format", "The topic's new name, in which ${topic} stands for its name and ${timestamp} for the record's timestamp.", config.Rank(config.High)),
		config.String(&c.Timestamp, "timestamp.format", "Format of the timestamp, a pattern of Java's SimpleDateFormat; in UTC.", config.Rank(config.High)),
	}
}

// timestampRouter is org.apache.kafka.connect.transforms.TimestampRouter.
type timestampRouter struct {
	timestampRouterConfig
	format  *dateFormat
	refused *Failure // of the format: Kafka Connect finds out by the first record
	text    []byte
	// The last topic, time and what became of them.
	topic, stamp, routed string
}

func newTimestampRouter(props map[string]string) (Transform, config.Report) {
	t := new(timestampRouter)
	r := read(&t.timestampRouterConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	if t.format, t.refused = newDateFormat(t.Timestamp); t.refused != nil {
		r.Warn("timestamp.format", "Every record will fail: %v.", t.refused)
	}
	return t, r
}

// Apply implements Transform.
func (t *timestampRouter) Apply(r *schema.Record) (bool, error) {
	if r.Timestamp == schema.NoTimestamp {
		return false, badData("Timestamp missing on record: %s", recordText(r))
	}
	if t.refused != nil {
		return false, t.refused
	}
	t.text = t.format.append(t.text[:0], r.Timestamp)
	if t.routed == "" || r.Topic != t.topic || string(t.text) != t.stamp {
		t.topic, t.stamp = r.Topic, string(t.text)
		t.routed = strings.ReplaceAll(strings.ReplaceAll(t.Topic, "${topic}", t.topic), "${timestamp}", t.stamp)
	}
	r.Topic = t.routed
	return true, nil
}

// recordText is ConnectRecord.toString, as far as it is known here.
func recordText(r *schema.Record) string {
	var b strings.Builder
	if r.Offset == schema.NoOffset {
		b.WriteString("SourceRecord{} ")
	} else {
		fmt.Fprintf(&b, "SinkRecord{kafkaOffset=%d, timestampType=CreateTime, originalTopic=%s, originalKafkaPartition=%d, originalKafkaOffset=%d} ", r.Offset, r.Topic, r.Partition, r.Offset)
	}
	partition := "null"
	if r.Partition >= 0 {
		partition = fmt.Sprint(r.Partition)
	}
	fmt.Fprintf(&b, "ConnectRecord{topic='%s', kafkaPartition=%s, key=%s, keySchema=%s, value=%s, valueSchema=%s, timestamp=null, headers=ConnectHeaders(headers=", r.Topic, partition,
		converter.AppendText(nil, r.KeySchema, r.Key), describe(r.KeySchema), converter.AppendText(nil, r.ValueSchema, r.Value), describe(r.ValueSchema))
	for i, h := range r.Headers {
		open := ", "
		if i == 0 {
			open = "["
		}
		fmt.Fprintf(&b, "%sConnectHeader(key=%s, value=%s, schema=%s)", open, h.Key, converter.AppendText(nil, h.Schema, h.Value), describe(h.Schema))
	}
	if len(r.Headers) > 0 {
		b.WriteByte(']')
	}
	b.WriteString(")}")
	return b.String()
}
