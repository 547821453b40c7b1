package connect

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// topicAdmin has topics, and counts what it is asked.
type topicAdmin struct {
	admin
	there  []string
	refuse string // a topic that cannot be made
	asked  int
}

func (a *topicAdmin) Topic(_ context.Context, name string) (client.Topic, bool, error) {
	a.asked++
	return client.Topic{Name: name}, slices.Contains(a.there, name), nil
}

func (a *topicAdmin) TopicsNamed(_ context.Context, names ...string) (found []client.Topic, err error) {
	a.asked++
	for _, name := range names {
		if slices.Contains(a.there, name) {
			found = append(found, client.Topic{Name: name})
		}
	}
	return found, nil
}

func (a *topicAdmin) CreateTopic(ctx context.Context, t client.NewTopic) (bool, error) {
	created, err := a.CreateTopics(ctx, t)
	return len(created) > 0, err
}

func (a *topicAdmin) CreateTopics(_ context.Context, topics ...client.NewTopic) (created []string, err error) {
	a.asked++
	for _, t := range topics {
		if t.Name == a.refuse {
			err = errors.New("refused")
			continue
		}
		a.there, created = append(a.there, t.Name), append(created, t.Name)
	}
	return created, err
}

func TestMissingTopicsAreMadeTogether(t *testing.T) {
	a := &topicAdmin{there: []string{"a"}, refuse: "c"}
	topics := &ruledTopics{rules: &topicRules{groups: []topicGroup{{name: "default", everything: true, partitions: 1, replication: 1}}}, admin: a, spared: "offsets",
		log: slog.New(slog.DiscardHandler)}
	got := topics.foresee(t.Context(), []string{"a", "b", "b", "c", "d", "offsets"})
	if diff := cmp.Diff(map[string]bool{"a": true, "b": true, "d": true}, got); diff != "" {
		t.Errorf("foresee (-want +got):\n%s", diff)
	}
	if a.asked != 2 {
		t.Errorf("%d requests for six topics, want one to look and one to make", a.asked)
	}
	for _, topic := range []string{"a", "b", "d"} {
		if err := topics.ensure(t.Context(), topic); err != nil || a.asked != 2 {
			t.Errorf("ensure(%q) = %v after %d requests, want nil after 2: it is known", topic, err, a.asked)
		}
	}
	for _, topic := range []string{"c", "offsets"} {
		if err := topics.ensure(t.Context(), topic); err == nil {
			t.Errorf("ensure(%q) = nil, want the error that foresee has left to it", topic)
		}
	}
}

// noticingConverter is asked by several at a time.
type noticingConverter struct {
	converter.Converter
	mu     sync.Mutex
	topics []string
	fail   error
}

func (c *noticingConverter) NewSerializer(_ context.Context, topic string, _ *schema.Schema) (converter.Serializer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics = append(c.topics, topic)
	return &rawSerializer{}, c.fail
}

func TestSchemasAreRegisteredAhead(t *testing.T) {
	keys, values := new(noticingConverter), &noticingConverter{fail: errors.New("incompatible")}
	p := newFakeProducer()
	e := newTestEmitter(t, p, new(rawConverter))
	e.conv.key, e.conv.value = keys, values
	e.Foresee([]string{"a", "b"}, []*schema.Schema{text, nil}, []*schema.Schema{text, text})
	slices.Sort(values.topics)
	if diff := cmp.Diff([][]string{{"a"}, {"a", "b"}}, [][]string{keys.topics, values.topics}); diff != "" {
		t.Errorf("topics of keys and values that were registered (-want +got):\n%s", diff)
	}
	if _, err := e.Stream("a", 0, text, text, nil); !errors.Is(err, values.fail) {
		t.Errorf("Stream = %v, want the error that Foresee has left to it: %v", err, values.fail)
	}
	chain := newTransforming(e, new(Chain))
	chain.Foresee([]string{"a"}, []*schema.Schema{text}, []*schema.Schema{text})
	if len(keys.topics) != 2 { // one of them Stream's
		t.Errorf("keys were registered for %q, want none before the transforms have seen a record", keys.topics)
	}
}
