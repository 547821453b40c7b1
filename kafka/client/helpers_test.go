package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tandem-cdc/tandem/kafka"
)

// limit is how long a test may wait for what must come.
const limit = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func testConfig(role Role, brokers []string) Config {
	c := DefaultConfig(role)
	c.Brokers = brokers
	c.RetryBackoff, c.RetryBackoffMost = 5*time.Millisecond, 50*time.Millisecond
	c.Consumer.Reset = Earliest
	c.Consumer.FetchWait = 50 * time.Millisecond
	return c
}

func topicName(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '#' {
			return '.'
		}
		return r
	}, t.Name())
	return name + "." + rand.Text()[:8]
}

// newTopic makes a topic.
func newTopic(t testing.TB, brokers []string, partitions int) string {
	t.Helper()
	name := topicName(t)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	if _, err := a.CreateTopic(testContext(t), NewTopic{Name: name, Partitions: partitions, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	return name
}

// running is a Producer with its Run.
type runningProducer struct {
	*Producer
	stop context.CancelFunc
	done chan error
}

func startProducer(t testing.TB, c Config) *runningProducer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &runningProducer{Producer: NewProducer(c), stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-p.done:
		case <-time.After(limit):
			t.Error("Run does not end")
		}
	})
	return p
}

// end stops the producer and returns Run's error.
func (p *runningProducer) end() error {
	p.stop()
	err := <-p.done
	p.done <- err
	return err
}

// failed waits for Run to end by itself.
func (p *runningProducer) failed(t testing.TB) error {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(limit):
		t.Fatal("Run does not end")
		return nil
	}
}

func send(t testing.TB, p *Producer, records ...kafka.Record) {
	t.Helper()
	for i := range records {
		if err := p.Send(testContext(t), &records[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func waitAcked(t testing.TB, p *Producer, n uint64) {
	t.Helper()
	if err := p.WaitAcked(testContext(t), n); err != nil {
		t.Fatal(err)
	}
}

// readAll reads a topic to its end, by partition.
func readAll(t testing.TB, brokers []string, topic string) map[int32][]kafka.Record {
	t.Helper()
	got := make(map[int32][]kafka.Record)
	err := Read(testContext(t), testConfig(ForConsumer, brokers), Reading{Topic: topic, From: FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		c := *r
		c.Headers = append([]kafka.Header(nil), r.Headers...)
		got[r.Partition] = append(got[r.Partition], c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func text(topic, key, value string) kafka.Record {
	return kafka.Record{Topic: topic, Partition: kafka.AnyPartition, Key: []byte(key), Value: []byte(value)}
}

// fakeCluster is a broker whose answers a test decides on.
func fakeCluster(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, []string) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()
}

// freeAddr is an address nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func isRetriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// checkOrder fails unless each partition holds, in order and once, the values that were sent to it.
func checkOrder(t testing.TB, got map[int32][]kafka.Record, want map[int32][]string) {
	t.Helper()
	for id, values := range want {
		if len(got[id]) != len(values) {
			t.Errorf("partition %d holds %d records, want %d", id, len(got[id]), len(values))
		}
		for i := range min(len(values), len(got[id])) {
			if string(got[id][i].Value) != values[i] {
				t.Fatalf("partition %d record %d = %q, want %q", id, i, got[id][i].Value, values[i])
			}
		}
	}
}

func valueOf(i int) string { return fmt.Sprintf("value-%06d", i) }
