package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// Follow hands the records of one partition to f, one at a time, from where the group of the configuration stands, and stores the group's position
// behind each that f took without an error. It ends when ctx does (nil) or with the first error. It is no member of the group, which nobody
// shares with it then. A group without position, or with one that is not there any more, starts by auto.offset.reset.
//
// It works on the caller's goroutine. A record lives until f returns; one that was taken when the process died comes again.
func Follow(ctx context.Context, c Config, at kafka.TopicPartition, f func(context.Context, *kafka.Record) error) error {
	group := c.Consumer.Group
	if group == "" {
		return fmt.Errorf("follow topic %q: group.id is not set", at.Topic)
	}
	asked := c
	asked.Role = ForAdmin
	admin := NewAdmin(asked)
	defer admin.Close()
	from, err := committedIn(ctx, admin, group, at)
	if err != nil {
		return endOf(ctx, err)
	}
	for {
		if from < 0 {
			if from, err = c.Consumer.Reset.from(); err != nil {
				return fmt.Errorf("follow topic %q partition %d as group %q: %w", at.Topic, at.Partition, group, err)
			}
		}
		err = Read(ctx, c, Reading{Topic: at.Topic, Partitions: []int32{at.Partition}, From: from}, func(r *kafka.Record) error {
			if err := f(ctx, r); err != nil {
				return err
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell) // what was taken is not taken again because ctx ended
			defer cancel()
			return admin.SetCommitted(last, group, []kafka.Position{{TopicPartition: at, Offset: r.Offset + 1}})
		})
		var gone *kafka.PositionError
		if !errors.As(err, &gone) {
			return endOf(ctx, err)
		}
		from = noPosition
	}
}

// farewell bounds the storing of a position when ctx has ended.
const farewell = 5 * time.Second

// noPosition is less than every place a Reading starts from.
const noPosition int64 = -100

// committedIn is the position of a group in a partition, or noPosition.
func committedIn(ctx context.Context, admin *Admin, group string, at kafka.TopicPartition) (int64, error) {
	all, err := admin.Committed(ctx, group)
	if errors.Is(err, sarama.ErrGroupIDNotFound) {
		return noPosition, nil
	}
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if p.TopicPartition == at {
			return p.Offset, nil
		}
	}
	return noPosition, nil
}

// from is where a Reading without position starts.
func (r OffsetReset) from() (int64, error) {
	switch r {
	case Earliest:
		return FromBeginning, nil
	case Latest:
		return FromEnd, nil
	}
	return 0, fmt.Errorf("the group has no position there, and auto.offset.reset=%s", r)
}
