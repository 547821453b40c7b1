package sqldb

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tandem-cdc/tandem/kafka"
)

// ForgetPositions removes what the target holds of a connector's positions in some partitions, or without any in all: the next task goes on where
// the consumer group stands. A task that still runs is fenced. The configuration is one that Parse found no error in.
func ForgetPositions(ctx context.Context, c Config, connectorName string, partitions []kafka.TopicPartition, log *slog.Logger) error {
	t := New(c, connectorName, log)
	if err := t.prepare(); err != nil {
		return err
	}
	s, err := t.store.connect(ctx)
	if err != nil {
		return fmt.Errorf("forget the positions of connector %s: %w", connectorName, err)
	}
	defer s.close(ctx)
	return s.forget(ctx, partitions)
}
