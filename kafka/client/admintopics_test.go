package client

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

func TestManyTopics(t *testing.T) {
	brokers := testBrokers(t)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	ctx := testContext(t)
	there := newTopic(t, brokers, 2)
	var topics []NewTopic
	var names, fresh []string
	for i := range 5 {
		name := fmt.Sprintf("%s-%d", topicName(t), i)
		topics, names, fresh = append(topics, NewTopic{Name: name, Partitions: i + 1, Replicas: 1}), append(names, name), append(fresh, name)
	}
	topics, names = append(topics, NewTopic{Name: there, Partitions: 1, Replicas: 1}), append(names, there)
	if found, err := a.TopicsNamed(ctx, names...); err != nil || len(found) != 1 || found[0].Name != there {
		t.Fatalf("TopicsNamed before they are made = %v, %v, want %q alone", found, err, there)
	}
	created, err := a.CreateTopics(ctx, topics...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fresh, created); diff != "" {
		t.Errorf("CreateTopics: created (-want +got):\n%s", diff)
	}
	produce(t, brokers, numbered(names[1], 2, 0, 10)...)
	ends, err := a.EndsOf(ctx, ReadUncommitted, names[1], names[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]int64{{5, 5}, {0}}, ends); diff != "" {
		t.Errorf("EndsOf (-want +got):\n%s", diff)
	}
	for range 2 { // the second time none of them is there
		if err := a.DeleteTopics(ctx, fresh...); err != nil {
			t.Fatal(err)
		}
	}
	var unknown *kafka.UnknownTopicError
	for !errors.As(err, &unknown) { // a broker hears of a deletion a little later
		if _, err = a.EndsOf(ctx, ReadUncommitted, there, names[2]); ctx.Err() != nil {
			t.Fatalf("EndsOf a deleted topic = %v, want an UnknownTopicError of %q", err, names[2])
		}
	}
	if unknown.Topic != names[2] {
		t.Errorf("EndsOf a deleted topic = %v, want an UnknownTopicError of %q", unknown, names[2])
	}
	bad := []NewTopic{{Name: names[0], Partitions: 1, Replicas: 1}, {Name: names[1], Partitions: 0, Replicas: 1}}
	created, err = a.CreateTopics(ctx, bad...)
	if err == nil || isRetriable(err) || !contains(err, names[1]) {
		t.Errorf("CreateTopics with one without partitions = %v, want an error that is not retriable and names it", err)
	}
	if diff := cmp.Diff(names[:1], created); diff != "" {
		t.Errorf("CreateTopics with one without partitions: created (-want +got):\n%s", diff)
	}
}

func TestErrorsOfManyTopicsNameAFew(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	err := eachAnswer(names, func(name string) error {
		if name == "e" {
			return sarama.ErrNotController
		}
		return sarama.ErrInvalidTopic
	})
	if !retriable(classify("create topics", err)) {
		t.Errorf("eachAnswer = %v, want it retriable for the sake of topic e", err)
	}
	if contains(err, `"d"`) || !contains(err, `"a"`) || !contains(err, `"e"`) {
		t.Errorf("eachAnswer = %v, want it to name e and the first", err)
	}
	for n, want := range map[int]string{1: `topic "a"`, 2: `topics ["a" "b"]`, 5: `5 topics (["a" "b" "c"], …)`} {
		if got := few(names[:n]); got != want {
			t.Errorf("few(%q) = %s, want %s", names[:n], got, want)
		}
	}
}

// Topics that are expected are looked up in one request, and one that is in vain harms no record that comes for it later.
func TestExpectedTopics(t *testing.T) {
	cluster, brokers := fakeCluster(t)
	var names []string
	for range 20 {
		names = append(names, newTopic(t, brokers, 1))
	}
	c := testConfig(ForProducer, brokers)
	p := startProducer(t, c)
	var lookups atomic.Int32
	cluster.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		lookups.Add(1)
		return nil, nil, false
	})
	p.Expect(names...)
	for _, name := range names {
		send(t, p.Producer, text(name, "k", "v"))
	}
	waitAcked(t, p.Producer, uint64(len(names)))
	if n := lookups.Load(); n == 0 || n > 5 {
		t.Errorf("%d requests for metadata of %d topics, want a few", n, len(names))
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyAbsent(t *testing.T) {
	absent := fmt.Errorf("a: %w", sarama.ErrUnknownTopicOrPartition)
	for _, c := range []struct {
		err  error
		want bool
	}{
		{absent, true},
		{errors.Join(absent, fmt.Errorf("b: %w", sarama.ErrLeaderNotAvailable)), true},
		{errors.Join(absent, fmt.Errorf("b: %w", sarama.ErrTopicAuthorizationFailed)), false},
		{sarama.ErrInvalidTopic, false},
		{errors.New("closed"), false},
	} {
		if got := onlyAbsent(c.err); got != c.want {
			t.Errorf("onlyAbsent(%v) = %t, want %t", c.err, got, c.want)
		}
	}
}
