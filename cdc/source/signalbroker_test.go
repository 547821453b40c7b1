package source_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// signalBroker is a Kafka broker in the test's process.
type signalBroker struct{ *embedded.Broker }

func newSignalBroker(t *testing.T) *signalBroker {
	b, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return &signalBroker{b}
}

// Bootstrap implements replay.Broker.
func (b *signalBroker) Bootstrap() string { return b.Addr() }

// CreateTopic implements replay.Broker.
func (b *signalBroker) CreateTopic(ctx context.Context, topic string) error {
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": b.Addr()}, client.ForAdmin)
	admin := client.NewAdmin(c)
	defer admin.Close()
	_, err := admin.CreateTopic(ctx, client.NewTopic{Name: topic, Partitions: 1, Replicas: 1})
	return errors.Join(report.Err(), err)
}

// Produce implements replay.Broker.
func (b *signalBroker) Produce(ctx context.Context, topic, key, value string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}).FirstErr()
}

// readSignals is what the program gives a task as source.Env.ReadSignals.
func readSignals(ctx context.Context, consumer map[string]string, topic string, record func(context.Context, int64, []byte, []byte) error) error {
	c, report := client.FromProperties(consumer, client.ForConsumer)
	if err := report.Err(); err != nil {
		return err
	}
	return client.Follow(ctx, c, kafka.TopicPartition{Topic: topic}, func(ctx context.Context, r *kafka.Record) error {
		return record(ctx, r.Offset, r.Key, r.Value)
	})
}
