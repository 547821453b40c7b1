package client

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-cdc/tandem/kafka"
)

func read(t testing.TB, c Config, r Reading) []string {
	t.Helper()
	var values []string
	err := Read(testContext(t), c, r, func(r *kafka.Record) error {
		values = append(values, string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatalf("Read(%+v) = %v", r, err)
	}
	return values
}

func TestRead(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	produce(t, brokers, numbered(topic, 2, 0, 20)...)
	c := testConfig(ForConsumer, brokers)
	for _, tt := range []struct {
		reading Reading
		want    []string
	}{
		{Reading{From: FromBeginning, UntilEnd: true, Partitions: []int32{1}, Max: 3}, []string{valueOf(1), valueOf(3), valueOf(5)}},
		{Reading{From: 8, UntilEnd: true, Partitions: []int32{0}}, []string{valueOf(16), valueOf(18)}},
		{Reading{From: 10, UntilEnd: true}, nil},
		{Reading{From: FromEnd, UntilEnd: true}, nil},
		{Reading{From: 9, Max: 2}, []string{valueOf(18), valueOf(19)}},
	} {
		tt.reading.Topic = topic
		got := read(t, c, tt.reading)
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("Read(%+v) = %q, want %q", tt.reading, got, tt.want)
		}
	}
	for name, r := range map[string]Reading{"partition": {Topic: topic, Partitions: []int32{2}}, "offset": {Topic: topic, From: 11}} {
		if err := Read(testContext(t), c, r, func(*kafka.Record) error { return nil }); err == nil {
			t.Errorf("Read from a %s that is not there = nil, want an error", name)
		}
	}
	boom := errors.New("boom")
	if err := Read(testContext(t), c, Reading{Topic: topic, From: FromBeginning}, func(*kafka.Record) error { return boom }); err != boom {
		t.Errorf("Read with a failing function = %v, want %v", err, boom)
	}
	var unknown *kafka.UnknownTopicError
	if err := Read(testContext(t), c, Reading{Topic: topicName(t)}, nil); !errors.As(err, &unknown) {
		t.Errorf("Read of an unknown topic = %v, want an UnknownTopicError", err)
	}
}

// TestReadFollows: reading from the end gets what is written later, until its context ends.
func TestReadFollows(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 3)
	produce(t, brokers, numbered(topic, 3, 0, 6)...)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- Read(ctx, testConfig(ForConsumer, brokers), Reading{Topic: topic, From: FromBeginning}, func(r *kafka.Record) error {
			got <- string(r.Value)
			return nil
		})
	}()
	for range 6 {
		<-got
	}
	produce(t, brokers, text(topic, "k", "later"))
	if v := <-got; v != "later" {
		t.Errorf("record after the end = %q, want %q", v, "later")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Read = %v, want nil", err)
	}
}

// TestReadTransactions: markers end a partition without a record, aborted records are seen by read_uncommitted alone.
func TestReadTransactions(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	p, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := testContext(t)
	for _, tx := range []struct {
		value string
		end   kgo.TransactionEndTry
	}{{"committed", kgo.TryCommit}, {"aborted", kgo.TryAbort}, {"committed too", kgo.TryCommit}, {"aborted too", kgo.TryAbort}} {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := p.ProduceSync(ctx, kgo.StringRecord(tx.value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := p.EndTransaction(ctx, tx.end); err != nil {
			t.Fatal(err)
		}
	}
	c := testConfig(ForConsumer, brokers)
	for isolation, want := range map[Isolation][]string{
		ReadCommitted:   {"committed", "committed too"},
		ReadUncommitted: {"committed", "aborted", "committed too", "aborted too"},
	} {
		c.Consumer.Isolation = isolation
		if got := read(t, c, Reading{Topic: topic, From: FromBeginning, UntilEnd: true}); !slices.Equal(got, want) {
			t.Errorf("Read %s = %q, want %q", isolation, got, want)
		}
	}
}

// TestReachedIsTheEnd: records that come behind the end at which a reading stops are not read, so it has not reached them.
func TestReachedIsTheEnd(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	produce(t, brokers, numbered(topic, 1, 0, 3)...)
	var values []string
	next, written := FromBeginning, 3
	for range 2 {
		late := true
		err := Read(testContext(t), testConfig(ForConsumer, brokers), Reading{Topic: topic, From: next, UntilEnd: true, Reached: func(_ int32, at int64) {
			if next = at; late { // the end is known: what comes now is in the first answer, but behind it
				late = false
				produce(t, brokers, numbered(topic, 1, written, written+2)...)
				written += 2
			}
		}}, func(r *kafka.Record) error {
			values = append(values, string(r.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if next != int64(len(values)) {
			t.Errorf("reached %d behind %d records", next, len(values))
		}
	}
	if want := []string{valueOf(0), valueOf(1), valueOf(2), valueOf(3), valueOf(4)}; !slices.Equal(values, want) {
		t.Errorf("two readings = %q, want %q", values, want)
	}
}
