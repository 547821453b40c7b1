package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// Topic describes one topic.
type Topic struct {
	Name       string
	ID         string // canonical UUID text; "" when the broker is too old to say
	Partitions int
	Replicas   int
	Internal   bool
}

// NewTopic asks for a topic.
type NewTopic struct {
	Name       string
	Partitions int // -1: the broker's default
	Replicas   int // -1: the broker's default
	Configs    map[string]string
}

// PartitionOffsets is the extent of a partition: the offset of its first record and of the next to be written.
type PartitionOffsets struct {
	kafka.TopicPartition
	Begin, End int64
}

// Admin looks at and changes topics and offsets of groups. Its calls try again while brokers are not reachable, for default.api.timeout.ms or
// until their context ends. Safe for concurrent use; the calls run one after another.
type Admin struct{ link link }

// NewAdmin stores the configuration; the first call dials.
func NewAdmin(c Config) *Admin { return &Admin{link{cfg: c}} }

// ClientID is the option client.id.
func (a *Admin) ClientID() string { return a.link.cfg.ClientID }

// Traffic counts what goes over its connections; nil: nobody does.
func (a *Admin) Traffic() *Traffic { return a.link.cfg.Traffic }

// Close ends the connections.
func (a *Admin) Close() { a.link.close() }

// ClusterID asks for the cluster's id.
func (a *Admin) ClusterID(ctx context.Context) (id string, err error) {
	err = a.link.call(ctx, "ask for the cluster's id", func() error {
		res, err := a.link.metadata([]string{noTopic})
		if err == nil && res.ClusterID != nil {
			id = *res.ClusterID
		}
		return err
	})
	return id, err
}

// Topics lists all topics by name.
func (a *Admin) Topics(ctx context.Context) (topics []Topic, err error) {
	err = a.link.call(ctx, "list topics", func() (err error) {
		_, topics, err = a.link.describe(nil)
		return err
	})
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics, err
}

// Topic describes one topic; ok is false when it does not exist.
func (a *Admin) Topic(ctx context.Context, name string) (t Topic, ok bool, err error) {
	err = a.link.call(ctx, fmt.Sprintf("look up topic %q", name), func() error {
		_, topics, err := a.link.describe([]string{name})
		if len(topics) > 0 {
			t, ok = topics[0], true
		}
		return err
	})
	return t, ok, err
}

// CreateTopic makes a topic; created is false when it existed.
func (a *Admin) CreateTopic(ctx context.Context, t NewTopic) (created bool, err error) {
	err = a.link.call(ctx, fmt.Sprintf("create topic %q with %d partitions and %d replicas", t.Name, t.Partitions, t.Replicas), func() error {
		if err := a.link.refresh(t.Name); err != nil {
			return err
		}
		err := a.link.admin.CreateTopic(t.Name, t.detail(), false)
		created = err == nil
		if errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return nil
		}
		return err
	})
	return created, err
}

// Offsets are the first and the next offset of every partition of a topic, in the order of the partitions.
func (a *Admin) Offsets(ctx context.Context, topic string) ([]PartitionOffsets, error) {
	return a.offsets(ctx, topic, ReadUncommitted)
}

func (a *Admin) offsets(ctx context.Context, topic string, isolation Isolation) (out []PartitionOffsets, err error) {
	op := fmt.Sprintf("look up the offsets of topic %q", topic)
	err = a.link.call(ctx, op, func() error {
		_, topics, err := a.link.describe([]string{topic})
		if err != nil {
			return err
		}
		if len(topics) == 0 {
			return errNoTopic
		}
		parts := make([]kafka.TopicPartition, topics[0].Partitions)
		for i := range parts {
			parts[i] = kafka.TopicPartition{Topic: topic, Partition: int32(i)}
		}
		out, err = a.link.extents(parts, isolation)
		return err
	})
	if errors.Is(err, errNoTopic) {
		err = &kafka.UnknownTopicError{Op: op, Topic: topic}
	}
	return out, err
}

var errNoTopic = errors.New("the topic does not exist")

// Committed are the committed offsets of a group, of all its partitions.
func (a *Admin) Committed(ctx context.Context, group string) (positions []kafka.Position, err error) {
	err = a.link.call(ctx, fmt.Sprintf("look up the offsets of group %q", group), func() error {
		positions = nil
		res, err := a.link.admin.ListConsumerGroupOffsets(group, nil)
		if errors.Is(err, sarama.ErrGroupIDNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		blocks := res.Blocks
		if g := res.GetGroup(group); g != nil {
			blocks = g.Blocks
		}
		for topic, parts := range blocks {
			for id, block := range parts {
				if block.Offset >= 0 {
					positions = append(positions, kafka.Position{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: id}, Offset: block.Offset})
				}
			}
		}
		return nil
	})
	slices.SortFunc(positions, func(a, b kafka.Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return positions, err
}

// SetCommitted stores the committed offsets of a group without members.
func (a *Admin) SetCommitted(ctx context.Context, group string, positions []kafka.Position) error {
	return a.link.call(ctx, fmt.Sprintf("set the offsets of group %q", group), func() error {
		return a.link.commit(group, member{}, positions)
	})
}

// DeleteCommitted forgets committed offsets of a group without members; those that it has none of are no error, nor is an unknown group.
func (a *Admin) DeleteCommitted(ctx context.Context, group string, partitions []kafka.TopicPartition) error {
	return a.link.call(ctx, fmt.Sprintf("delete offsets of group %q", group), func() error {
		for _, p := range partitions {
			err := a.link.admin.DeleteConsumerGroupOffset(group, p.Topic, p.Partition)
			if err != nil && !errors.Is(err, sarama.ErrGroupIDNotFound) {
				return fmt.Errorf("topic %q partition %d: %w", p.Topic, p.Partition, err)
			}
		}
		return nil
	})
}

// DeleteGroup forgets a group without members; one that does not exist is no error.
func (a *Admin) DeleteGroup(ctx context.Context, group string) error {
	return a.link.call(ctx, fmt.Sprintf("delete group %q", group), func() error {
		err := a.link.admin.DeleteConsumerGroup(group)
		if errors.Is(err, sarama.ErrGroupIDNotFound) {
			return nil
		}
		return err
	})
}
