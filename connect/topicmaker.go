package connect

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/tandem-cdc/tandem/kafka/client"
)

// admin is what the worker needs of kafka/client.Admin.
type admin interface {
	ClusterID(ctx context.Context) (string, error)
	Topic(ctx context.Context, name string) (client.Topic, bool, error)
	TopicsNamed(ctx context.Context, names ...string) ([]client.Topic, error)
	CreateTopic(ctx context.Context, t client.NewTopic) (bool, error)
	CreateTopics(ctx context.Context, topics ...client.NewTopic) (created []string, err error)
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
		topic, g, err := t.wanted(topic)
		if err != nil {
			return err
		}
		created, err := t.admin.CreateTopic(ctx, topic)
		if err != nil {
			return fmt.Errorf("create topic %q (topic.creation.%s.*): %w", topic.Name, g.name, err)
		}
		if created {
			t.say(&topic, g.name)
		}
	}
	t.knows(topic)
	return nil
}

// wanted is a topic as the rules of its group say.
func (t *ruledTopics) wanted(topic string) (client.NewTopic, topicGroup, error) {
	g, err := t.rules.forTopic(topic)
	return client.NewTopic{Name: topic, Partitions: int(g.partitions), Replicas: int(g.replication), Configs: g.settings}, g, err
}

func (t *ruledTopics) say(topic *client.NewTopic, group string) {
	t.log.Info("created a topic", "topic", topic.Name, "group", group, "partitions", topic.Partitions, "replication.factor", topic.Replicas)
}

func (t *ruledTopics) knows(topic string) {
	if t.known == nil {
		t.known = make(map[string]bool)
	}
	t.known[topic] = true
}

// foresee makes those of the topics that are missing, all in one request, and tells which of them are there now, or are left to the broker.
func (t *ruledTopics) foresee(ctx context.Context, topics []string) (ready map[string]bool) {
	ready = make(map[string]bool, len(topics))
	var names []string // not known yet
	for _, topic := range topics {
		switch {
		case topic == t.spared && topic != "":
		case t.rules == nil || t.known[topic]:
			ready[topic] = true
		case !slices.Contains(names, topic): // tables may share a topic
			names = append(names, topic)
		}
	}
	if len(names) == 0 { // always without rules, and so without an admin
		return ready
	}
	found, err := t.admin.TopicsNamed(ctx, names...)
	if err != nil {
		return ready
	}
	for i := range found {
		t.knows(found[i].Name)
		ready[found[i].Name] = true
	}
	var missing []client.NewTopic
	groups := make(map[string]string)
	for _, name := range names {
		if ready[name] {
			continue
		}
		topic, g, err := t.wanted(name)
		if err != nil {
			continue
		}
		missing = append(missing, topic)
		groups[name] = g.name
	}
	created, err := t.admin.CreateTopics(ctx, missing...)
	for i := range missing {
		topic := &missing[i]
		made := slices.Contains(created, topic.Name)
		if made {
			t.say(topic, groups[topic.Name])
		}
		if made || err == nil { // else somebody else has made it
			t.knows(topic.Name)
			ready[topic.Name] = true
		}
	}
	return ready
}
