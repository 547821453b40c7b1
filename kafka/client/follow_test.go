package client

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/kafka"
)

// follow takes n records, and fails at the next if one must.
func follow(t *testing.T, c Config, topic string, n int, last error) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	var values []string
	err := Follow(ctx, c, kafka.TopicPartition{Topic: topic}, func(_ context.Context, r *kafka.Record) error {
		if len(values) == n {
			return last
		}
		values = append(values, string(r.Value))
		if len(values) == n && last == nil {
			cancel()
		}
		return nil
	})
	if err != last {
		t.Fatalf("Follow = %v, want %v", err, last)
	}
	return values
}

func TestFollow(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	produce(t, brokers, numbered(topic, 1, 0, 6)...)
	c := testConfig(ForConsumer, brokers)
	c.Consumer.Group = topic + "-group"
	boom := errors.New("boom")
	var got []string
	got = append(got, follow(t, c, topic, 2, boom)...) // the third comes again: it was not taken
	got = append(got, follow(t, c, topic, 1, boom)...)
	c.Consumer.Reset = Latest // of a group that has a position it says nothing
	got = append(got, follow(t, c, topic, 3, nil)...)
	want := []string{valueOf(0), valueOf(1), valueOf(2), valueOf(3), valueOf(4), valueOf(5)}
	if !slices.Equal(got, want) {
		t.Errorf("Follow in three runs = %q, want %q", got, want)
	}
}

func TestFollowWithoutPosition(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	produce(t, brokers, numbered(topic, 1, 0, 2)...)
	c := testConfig(ForConsumer, brokers)
	nobody := func(context.Context, *kafka.Record) error { return nil }
	if err := Follow(testContext(t), c, kafka.TopicPartition{Topic: topic}, nobody); err == nil {
		t.Error("Follow without group.id = nil, want an error")
	}
	c.Consumer.Group, c.Consumer.Reset = topic+"-group", Fail
	if err := Follow(testContext(t), c, kafka.TopicPartition{Topic: topic}, nobody); err == nil {
		t.Error("Follow with auto.offset.reset=none = nil, want an error")
	}
	admin := NewAdmin(testConfig(ForAdmin, brokers))
	defer admin.Close()
	gone := []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: topic}, Offset: 99}}
	if err := admin.SetCommitted(testContext(t), c.Consumer.Group, gone); err != nil {
		t.Fatal(err)
	}
	c.Consumer.Reset = Earliest
	if got, want := follow(t, c, topic, 2, nil), []string{valueOf(0), valueOf(1)}; !slices.Equal(got, want) {
		t.Errorf("Follow from a position that is gone = %q, want %q", got, want)
	}
}
