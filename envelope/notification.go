package envelope

import (
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// Schemas of notifications. schema.name.adjustment.mode does not concern them.
var (
	notificationKeySchema = structure("io.debezium.connector.common.NotificationKey", 1, "", field("id", stringSchema))
	notificationSchema    = structure("io.debezium.connector.common.Notification", 1, "",
		field("id", stringSchema),
		field("type", stringSchema),
		field("aggregate_type", stringSchema),
		field("additional_data", optional(schema.MapOf(stringSchema, stringSchema))),
		field("timestamp", int64Schema))
)

// Notification tells how a snapshot goes on.
type Notification struct {
	ID        string // "" for a random one
	Aggregate string // "Initial Snapshot", "Incremental Snapshot"
	Type      string // STARTED, IN_PROGRESS …
	Data      []Detail
}

// Detail is an entry of a notification's additional_data.
type Detail struct{ Key, Value string }

// NotificationTopic writes notifications as records of one topic. As with an Encoder, an error leaves it and its Emitter of no use.
type NotificationTopic struct {
	out    Emitter
	topic  string
	handle int
}

// NewNotificationTopic makes one for notification.sink.topic.name. The topic is opened with the first notification.
func NewNotificationTopic(out Emitter, topic string) *NotificationTopic {
	return &NotificationTopic{out: out, topic: topic, handle: noHandle}
}

// Write writes one record; the details stand in the order given.
func (t *NotificationTopic) Write(n *Notification, at time.Time) error {
	if t.handle == noHandle {
		handle, err := t.out.Stream(t.topic, kafka.AnyPartition, notificationKeySchema, notificationSchema, nil)
		if err != nil {
			return err
		}
		t.handle = handle
	}
	key, w := t.out.Begin(t.handle)
	key.BeginStruct()
	key.String(n.ID)
	key.EndStruct()
	w.BeginStruct()
	w.String(n.ID)
	w.String(n.Type)
	w.String(n.Aggregate)
	w.BeginMap(len(n.Data))
	for _, d := range n.Data {
		w.String(d.Key)
		w.String(d.Value)
	}
	w.EndMap()
	w.Int(at.UnixMilli())
	w.EndStruct()
	return t.out.End(nil)
}
