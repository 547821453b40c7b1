package main

import (
	"context"
	"log/slog"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// forgetPositions makes the JDBC sink go on where the consumer group stands once that was altered: the target's own positions would win.
func forgetPositions(ctx context.Context, props map[string]string, offsets []kafka.Position) (handled bool, err error) {
	c, report := sqldb.Parse(props)
	if err := report.Err(); err != nil {
		return false, err
	}
	partitions := make([]kafka.TopicPartition, len(offsets))
	for i, o := range offsets {
		partitions[i] = o.TopicPartition
	}
	return true, sqldb.ForgetPositions(ctx, c, props["name"], partitions, slog.New(slog.DiscardHandler))
}
