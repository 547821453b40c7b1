package kafka

import "time"

// AnyPartition leaves the choice to the partitioner: murmur2 of the key as Kafka's Java client, or any partition for a
// record without key.
const AnyPartition int32 = -1

// Record is one Kafka record. A nil Key or Value is null on the wire; an empty one is not.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64 // set by the broker; ignored when sending
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp time.Time // zero when sending: the time of sending
}

// Header is one record header; a nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Position is where a consumer goes on in a partition: the offset of the next record.
type Position struct {
	TopicPartition
	Offset int64
}
