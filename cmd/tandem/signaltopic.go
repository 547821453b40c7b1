package main

import (
	"context"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// readSignals is source.Env.ReadSignals over our Kafka client.
func readSignals(ctx context.Context, consumer map[string]string, topic string, record func(context.Context, int64, []byte, []byte) error) error {
	c, report := client.FromProperties(consumer, client.ForConsumer)
	if err := report.Err(); err != nil {
		return err
	}
	return client.Follow(ctx, c, kafka.TopicPartition{Topic: topic}, func(ctx context.Context, r *kafka.Record) error {
		return record(ctx, r.Offset, r.Key, r.Value)
	})
}
