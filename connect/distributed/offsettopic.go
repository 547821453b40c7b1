package distributed

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// offsetTopic is connect.OffsetStore in the offset topic, whose records are Kafka Connect's: key ["connector",{partition}], value {offset}, both
// without blanks, compared byte by byte.
type offsetTopic struct {
	log   *slog.Logger
	topic *topicLog
	lease func() bool // whether this worker may still write offsets; nil: it may

	mu      sync.Mutex // guards entries
	entries map[string][]byte
}

func newOffsetTopic(log *slog.Logger) *offsetTopic {
	return &offsetTopic{log: log, entries: make(map[string][]byte)}
}

func (o *offsetTopic) apply(r *kafka.Record) error {
	if r.Key == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Value == nil || string(r.Value) == "null" {
		delete(o.entries, string(r.Key))
	} else {
		o.entries[string(r.Key)] = slices.Clone(r.Value)
	}
	return nil
}

// Get implements connect.OffsetStore. It reads what others have written before it was called.
func (o *offsetTopic) Get(ctx context.Context, connector string, partition []byte) ([]byte, error) {
	if err := o.topic.toEnd(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.entries[string(connect.OffsetKey(connector, partition))]), nil
}

// Put implements connect.OffsetStore.
func (o *offsetTopic) Put(ctx context.Context, connector string, offsets ...connect.PartitionOffset) error {
	if o.lease != nil && !o.lease() {
		return fmt.Errorf("store offsets of connector %s: %w", connector, client.ErrMembershipLost)
	}
	records := make([]kafka.Record, len(offsets))
	for i, offset := range offsets {
		records[i] = kafka.Record{Key: connect.OffsetKey(connector, offset.Partition), Value: offset.Offset}
	}
	return o.topic.put(ctx, records...)
}

// List implements connect.OffsetStore.
func (o *offsetTopic) List(ctx context.Context, connector string) ([]connect.PartitionOffset, error) {
	if err := o.topic.toEnd(ctx); err != nil {
		return nil, err
	}
	prefix := append(connect.AppendJSONText([]byte{'['}, connector), ',')
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []connect.PartitionOffset
	for key, value := range o.entries {
		if partition, ok := bytes.CutPrefix([]byte(key), prefix); ok && len(partition) > 0 {
			out = append(out, connect.PartitionOffset{Partition: partition[:len(partition)-1], Offset: slices.Clone(value)})
		}
	}
	slices.SortFunc(out, func(a, b connect.PartitionOffset) int { return bytes.Compare(a.Partition, b.Partition) })
	return out, nil
}
