package connect

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tandem-cdc/tandem/kafka/client"
)

// admin is what the worker needs of kafka/client.Admin.
type admin interface {
	ClusterID(ctx context.Context) (string, error)
	Topic(ctx context.Context, name string) (client.Topic, bool, error)
	CreateTopic(ctx context.Context, t client.NewTopic) (bool, error)
	TopicConfig(ctx context.Context, topic, setting string) (value string, ok bool, err error)
	Close()
}

// ruledTopics makes missing topics as topic.creation.* says; without rules the broker creates them by itself, or does not.
// One goroutine uses it.
type ruledTopics struct {
	rules  *topicRules
	admin  admin
	spared string // the topic of the task's own offsets, with exactly-once delivery; "": any topic will do
	log    *slog.Logger
	known  map[string]bool
}

func (t *ruledTopics) ensure(ctx context.Context, topic string) error {
	if topic == t.spared && topic != "" { // the task would wait for its own transaction when it reads its offsets
		return complaint("Source tasks may not produce to their own offsets topics when exactly-once support is enabled (topic %s)", topic)
	}
	if t.rules == nil || t.known[topic] {
		return nil
	}
	_, exists, err := t.admin.Topic(ctx, topic)
	if err != nil {
		return fmt.Errorf("look for topic %q: %w", topic, err)
	}
	if !exists {
		g, err := t.rules.forTopic(topic)
		if err != nil {
			return err
		}
		created, err := t.admin.CreateTopic(ctx, client.NewTopic{Name: topic, Partitions: int(g.partitions), Replicas: int(g.replication), Configs: g.settings})
		if err != nil {
			return fmt.Errorf("create topic %q (topic.creation.%s.*): %w", topic, g.name, err)
		}
		if created {
			t.log.Info("created a topic", "topic", topic, "group", g.name, "partitions", g.partitions, "replication.factor", g.replication)
		}
	}
	if t.known == nil {
		t.known = make(map[string]bool)
	}
	t.known[topic] = true
	return nil
}
