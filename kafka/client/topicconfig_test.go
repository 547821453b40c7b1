package client

import (
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/kafka"
)

func TestTopicConfig(t *testing.T) {
	brokers := testBrokers(t)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	name := topicName(t)
	if _, err := a.CreateTopic(testContext(t), NewTopic{Name: name, Partitions: 1, Replicas: 1, Configs: map[string]string{"cleanup.policy": "compact"}}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := a.TopicConfig(testContext(t), name, "cleanup.policy"); got != "compact" || !ok || err != nil {
		t.Errorf("TopicConfig = %q, %v, %v, want compact", got, ok, err)
	}
	if _, ok, err := a.TopicConfig(testContext(t), name, "no.such.setting"); ok || err != nil {
		t.Errorf("TopicConfig of a setting that is none = %v, %v, want neither value nor error", ok, err)
	}
	other := newTopic(t, brokers, 1)
	if got, _, err := a.TopicConfig(testContext(t), other, "cleanup.policy"); got != "delete" || err != nil {
		t.Errorf("TopicConfig = %q, %v, want the broker's default delete", got, err)
	}
}

func TestReachedAndEndOffsets(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	p := startProducer(t, testConfig(ForProducer, brokers))
	for i := range int32(5) {
		send(t, p.Producer, kafka.Record{Topic: topic, Partition: i % 2, Value: []byte("v")})
	}
	waitAcked(t, p.Producer, 5)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	ends, err := a.EndOffsets(testContext(t), topic, ReadCommitted)
	if want := []int64{3, 2}; err != nil || !slices.Equal(ends, want) {
		t.Errorf("EndOffsets = %v, %v, want %v", ends, err, want)
	}
	reached := make([]int64, 2)
	records := make([]int64, 2)
	err = Read(testContext(t), testConfig(ForConsumer, brokers), Reading{Topic: topic, From: FromBeginning, UntilEnd: true,
		Reached: func(id int32, next int64) {
			if next != records[id] {
				t.Errorf("partition %d has reached %d behind record %d", id, next, records[id]-1)
			}
			reached[id] = next
		}}, func(r *kafka.Record) error { records[r.Partition] = r.Offset + 1; return nil })
	if err != nil || !slices.Equal(reached, ends) {
		t.Errorf("reached %v, %v, want %v", reached, err, ends)
	}
}
