package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
)

func TestAdminTopics(t *testing.T) {
	brokers := testBrokers(t)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	ctx := testContext(t)
	name := topicName(t)
	if _, ok, err := a.Topic(ctx, name); ok || err != nil {
		t.Fatalf("Topic(%q) before it is made = %v, %v, want false, nil", name, ok, err)
	}
	nt := NewTopic{Name: name, Partitions: 3, Replicas: 1, Configs: map[string]string{"retention.ms": "3600000"}}
	for i, want := range []bool{true, false} {
		if created, err := a.CreateTopic(ctx, nt); created != want || err != nil {
			t.Fatalf("CreateTopic, time %d = %v, %v, want %v, nil", i+1, created, err, want)
		}
	}
	got, ok, err := a.Topic(ctx, name)
	if err != nil || !ok || len(got.ID) != 36 || strings.Count(got.ID, "-") != 4 {
		t.Fatalf("Topic(%q) = %+v, %v, %v", name, got, ok, err)
	}
	if diff := cmp.Diff(Topic{Name: name, ID: got.ID, Partitions: 3, Replicas: 1}, got); diff != "" {
		t.Errorf("Topic differs (-want +got):\n%s", diff)
	}
	all, err := a.Topics(ctx)
	if err != nil || !slices.Contains(all, got) {
		t.Errorf("Topics() = %v, %v, want %v in it", all, err, got)
	}
	produce(t, brokers, numbered(name, 2, 0, 10)...)
	offsets, err := a.Offsets(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var want []PartitionOffsets
	for id, end := range []int64{5, 5, 0} {
		want = append(want, PartitionOffsets{TopicPartition: kafka.TopicPartition{Topic: name, Partition: int32(id)}, End: end})
	}
	if diff := cmp.Diff(want, offsets); diff != "" {
		t.Errorf("Offsets differs (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := a.DeleteTopics(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	var unknown *kafka.UnknownTopicError
	if _, err := a.Offsets(ctx, name); !errors.As(err, &unknown) {
		t.Errorf("Offsets of a deleted topic = %v, want an UnknownTopicError", err)
	}
	if _, err := a.CreateTopic(ctx, NewTopic{Name: name, Partitions: 0, Replicas: 1}); err == nil || isRetriable(err) || !contains(err, name) {
		t.Errorf("CreateTopic without partitions = %v, want an error that is not retriable and names it", err)
	}
}

func TestAdminUnreachable(t *testing.T) {
	addr := freeAddr(t)
	c := testConfig(ForAdmin, []string{addr})
	c.APITimeout = 100 * time.Millisecond
	a := NewAdmin(c)
	defer a.Close()
	for range 2 {
		_, err := a.Topics(testContext(t))
		if !errors.Is(err, kafka.ErrUnavailable) || !isRetriable(err) || !contains(err, addr) || !contains(err, "refused") {
			t.Errorf("Topics() = %v, want a retriable kafka.ErrUnavailable with the address and the cause", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Topics(ctx); err == nil {
		t.Error("Topics() with an ended context = nil, want an error")
	}
}
