package connect

import (
	"context"
	"fmt"
	"log/slog"
)

// letters tells what a connector's options say of a dead letter queue; topic is "" without one.
func (c *ConnectorConfig) letters() (topic string, replicas int, context bool) {
	if c.Source.DeadLetterTopic != "" {
		return c.Source.DeadLetterTopic, c.Source.DeadLetterReplication, c.Source.DeadLetterContext
	}
	return c.Sink.DeadLetterTopic, c.Sink.DeadLetterReplication, c.Sink.DeadLetterContext
}

// startLetters makes the queue's topic and runs its producer, which outlives what the task runs until hard ends; nil without a queue.
func startLetters(ctx, hard context.Context, id TaskID, c *ConnectorConfig, made clients, conv converters, log *slog.Logger) (dead *deadLetters, stop func(), err error) {
	topic, replicas, withContext := c.letters()
	if topic == "" {
		return nil, func() {}, nil
	}
	dead = &deadLetters{id: id, topic: topic, replicas: replicas, context: withContext, producer: made.deadLetters(), conv: conv}
	a := made.admin()
	defer a.Close()
	if err := c.retries().forever().untilDone(ctx, log, "prepare the dead letter queue", func() error { return dead.ensure(ctx, a) }); err != nil {
		return nil, nil, err
	}
	runCtx, cancel := context.WithCancel(hard)
	dead.ended = make(chan struct{})
	go func() { defer close(dead.ended); dead.err = dead.producer.Run(runCtx) }()
	return dead, func() {
		cancel()
		if <-dead.ended; dead.err != nil {
			log.Warn("the producer of dead letters ended", "error", dead.err)
		}
	}, nil
}

// over is closed when the producer has ended; nil without a queue.
func (d *deadLetters) over() <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.ended
}

// failure is why the producer has ended.
func (d *deadLetters) failure() error { return fmt.Errorf("publish dead letters: %w", d.err) }
