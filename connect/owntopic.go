package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// ownOffsets is the OffsetStore of a source connector with an offsets topic of its own (offsets.storage.topic), or with exactly-once delivery. What
// stands in the topic wins over what the worker's store has, which gets a copy of everything: a connector that loses its topic goes on from
// there. In transactions the task's producer writes, not Put.
type ownOffsets struct {
	connector string
	topic     string
	worker    OffsetStore // nil: the topic is the worker's own
	read      func(ctx context.Context, topic string, f func(*kafka.Record) error) error
	write     func(ctx context.Context, records ...kafka.Record) error // returns when they are durable; nil in transactions
	log       *slog.Logger

	mu      sync.Mutex
	entries map[string][]byte // by key, of this connector alone; nil: not read yet
}

// load reads the topic to its end, behind transactions that are open: those of this connector are over by now.
func (o *ownOffsets) load(ctx context.Context) error {
	if o.entries != nil {
		return nil
	}
	prefix := offsetKeyPrefix(o.connector)
	entries := make(map[string][]byte)
	err := o.read(ctx, o.topic, func(r *kafka.Record) error {
		switch {
		case !bytes.HasPrefix(r.Key, prefix):
		case r.Value == nil || isNull(r.Value):
			delete(entries, string(r.Key))
		default:
			entries[string(r.Key)] = slices.Clone(r.Value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the offsets of connector %s in topic %q: %w", o.connector, o.topic, err)
	}
	o.entries = entries
	return nil
}

// offsetKeyPrefix is what the keys of a connector's offsets begin with.
func offsetKeyPrefix(connector string) []byte {
	return append(AppendJSONText([]byte{'['}, connector), ',')
}

// Get implements OffsetStore.
func (o *ownOffsets) Get(ctx context.Context, connector string, partition []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx); err != nil {
		return nil, err
	}
	if value, found := o.entries[string(OffsetKey(connector, partition))]; found {
		return slices.Clone(value), nil
	}
	if o.worker == nil {
		return nil, nil
	}
	return o.worker.Get(ctx, connector, partition)
}

// List implements OffsetStore.
func (o *ownOffsets) List(ctx context.Context, connector string) ([]PartitionOffset, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx); err != nil {
		return nil, err
	}
	prefix := offsetKeyPrefix(connector)
	var out []PartitionOffset
	for key, value := range o.entries {
		out = append(out, PartitionOffset{Partition: []byte(key[len(prefix) : len(key)-1]), Offset: slices.Clone(value)})
	}
	if o.worker != nil {
		others, err := o.worker.List(ctx, connector)
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			if _, found := o.entries[string(OffsetKey(connector, other.Partition))]; !found {
				out = append(out, other)
			}
		}
	}
	slices.SortFunc(out, func(a, b PartitionOffset) int { return bytes.Compare(a.Partition, b.Partition) })
	return out, nil
}

// Put implements OffsetStore. What is reset is reset in the worker's store first: else it would come back from there.
func (o *ownOffsets) Put(ctx context.Context, connector string, offsets ...PartitionOffset) error {
	var resets, rest []PartitionOffset
	records := make([]kafka.Record, len(offsets))
	for i, offset := range offsets {
		records[i] = o.record(offset)
		if offset.Offset == nil {
			resets = append(resets, offset)
		} else {
			rest = append(rest, offset)
		}
	}
	if o.worker != nil && len(resets) > 0 {
		if err := o.worker.Put(ctx, connector, resets...); err != nil {
			return err
		}
	}
	if err := o.write(ctx, records...); err != nil {
		return fmt.Errorf("store the offsets of connector %s in topic %q: %w", connector, o.topic, err)
	}
	o.stored(ctx, rest...)
	return nil
}

func (o *ownOffsets) record(offset PartitionOffset) kafka.Record {
	return kafka.Record{Topic: o.topic, Partition: kafka.AnyPartition, Key: OffsetKey(o.connector, offset.Partition), Value: offset.Offset}
}

// stored copies what is durable in the topic into the worker's store. That it cannot be is no error: the topic's word counts.
func (o *ownOffsets) stored(ctx context.Context, offsets ...PartitionOffset) {
	if o.worker == nil || len(offsets) == 0 {
		return
	}
	if err := o.worker.Put(ctx, o.connector, offsets...); err != nil && ctx.Err() == nil {
		o.log.Warn("the connector's offsets are stored in its own topic, but not in the worker's", "topic", o.topic, "error", err)
	}
}

// offsetsOf is the store of a connector's offsets, for somebody who is no task of it. close ends it.
func (w *Worker) offsetsOf(c *connector) (store OffsetStore, closeStore func(), err error) {
	topic, workers := w.cfg.offsetsTopic(&c.config)
	if workers {
		return w.offsets, func() {}, nil
	}
	k, report := w.newClients(w.cfg.optionsFor(TaskID{Connector: c.name}, &c.config), &c.config, c.plugin.Kind, c.log)
	if err := report.Err(); err != nil {
		return nil, nil, err
	}
	writer := &topicWriter{next: k.offsetProducer}
	return &ownOffsets{connector: c.name, topic: topic, worker: w.offsets, read: k.readTopic, write: writer.write, log: c.log}, writer.close, nil
}

// ensureOffsetsTopic makes the topic of a connector's offsets, compacted as the worker's; one that exists and is not compacted is refused.
func ensureOffsetsTopic(ctx context.Context, a admin, topic string, like StorageTopic) error {
	_, exists, err := a.Topic(ctx, topic)
	if err != nil {
		return fmt.Errorf("look for the offsets topic (offsets.storage.topic): %w", err)
	}
	if !exists {
		settings := map[string]string{}
		for name, text := range like.Settings {
			settings[name] = text
		}
		settings["cleanup.policy"] = "compact"
		_, err := a.CreateTopic(ctx, client.NewTopic{Name: topic, Partitions: like.Partitions, Replicas: like.Replicas, Configs: settings})
		if err != nil {
			return fmt.Errorf("create the offsets topic (offsets.storage.topic, with the settings offset.storage.* of the worker): %w", err)
		}
		return nil
	}
	policy, known, err := a.TopicConfig(ctx, topic, "cleanup.policy")
	if err != nil {
		return fmt.Errorf("look at the offsets topic (offsets.storage.topic): %w", err)
	}
	if known && policy != "compact" {
		return fmt.Errorf("topic %q (offsets.storage.topic) has cleanup.policy=%s, which loses source offsets: set it to compact, or name another topic", topic, policy)
	}
	return nil
}

// topicWriter writes and waits. Its producer runs from the first write to close; one that failed is replaced.
type topicWriter struct {
	next func() producer

	mu    sync.Mutex // one write at a time
	p     producer   // nil: none runs
	stop  context.CancelFunc
	ended chan error // sender: the producer's goroutine, once. Bound: that one.
}

func (w *topicWriter) write(ctx context.Context, records ...kafka.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.p == nil {
		p, ended := w.next(), make(chan error, 1)
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		w.p, w.stop, w.ended = p, stop, ended
		go func() { ended <- p.Run(run) }()
	}
	err := error(nil)
	for i := range records {
		if err = w.p.Send(ctx, &records[i]); err != nil {
			break
		}
	}
	if err == nil {
		w.p.Flush()
		err = w.p.WaitAcked(ctx, w.p.Sent())
	}
	if err != nil { // what it still holds must not be written later
		err = errors.Join(err, w.drop())
	}
	return err
}

func (w *topicWriter) drop() error {
	if w.p == nil {
		return nil
	}
	w.stop()
	err := <-w.ended
	w.p = nil
	return err
}

func (w *topicWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.drop() // all that counts was waited for
}
