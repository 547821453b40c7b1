package distributed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// topic makes a topic beforehand.
func (b *brokers) topic(t *testing.T, name string, partitions int, policy string) {
	t.Helper()
	c := client.DefaultConfig(client.ForAdmin)
	c.Brokers = []string{b.addr}
	a := client.NewAdmin(c)
	defer a.Close()
	if _, err := a.CreateTopic(testContext(t), client.NewTopic{Name: name, Partitions: partitions, Replicas: 1, Configs: map[string]string{"cleanup.policy": policy}}); err != nil {
		t.Fatal(err)
	}
}

func TestUnfitTopicsStopTheWorker(t *testing.T) {
	for name, c := range map[string]struct {
		topic      string
		partitions int
		policy     string
		says       []string
	}{
		"offsets are deleted":              {"offsets", 3, "delete", []string{`"offsets"`, "offset.storage.topic", "cleanup.policy=delete", "offsets of source connectors", "cleanup.policy=compact"}},
		"states are compacted and deleted": {"statuses", 3, "compact,delete", []string{`"statuses"`, "status.storage.topic", "cleanup.policy=compact,delete"}},
		"configurations are deleted":       {"configs", 1, "delete", []string{`"configs"`, "config.storage.topic"}},
		"configurations are divided":       {"configs", 2, "compact", []string{`"configs"`, "config.storage.topic", "2 partitions", "in one"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBrokers(t)
			b.topic(t, c.topic, c.partitions, c.policy)
			w := newWorker(t, newRuns(t), workerProps(b.addr), "a")
			err := w.Run(testContext(t))
			if err == nil || retriable(err) {
				t.Fatalf("Run = %v, want a final error", err)
			}
			for _, text := range c.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("Run = %v, want %q in it", err, text)
				}
			}
		})
	}
}

func TestTopicsAreMade(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	props := workerProps(b.addr)
	props["config.storage.cleanup.policy"], props["offset.storage.max.message.bytes"] = "delete", "2000000"
	startWorker(t, r, props, "a")
	c := client.DefaultConfig(client.ForAdmin)
	c.Brokers = []string{b.addr}
	a := client.NewAdmin(c)
	defer a.Close()
	ctx := testContext(t)
	for name, partitions := range map[string]int{"configs": 1, "offsets": 3, "statuses": 3} {
		topic, exists, err := a.Topic(ctx, name)
		for ; err == nil && !exists; topic, exists, err = a.Topic(ctx, name) {
			if ctx.Err() != nil {
				t.Fatalf("topic %q is not made", name)
			}
		}
		if err != nil || topic.Partitions != partitions {
			t.Errorf("topic %q = %+v, %v, want %d partitions", name, topic, err, partitions)
		}
		if policy, _, err := a.TopicConfig(ctx, name, "cleanup.policy"); policy != "compact" || err != nil {
			t.Errorf("topic %q has cleanup.policy=%q, %v, want compact", name, policy, err)
		}
	}
	if bytes, _, err := a.TopicConfig(ctx, "offsets", "max.message.bytes"); bytes != "2000000" || err != nil {
		t.Errorf("max.message.bytes of the offset topic is %q, %v, want what is configured", bytes, err)
	}
}

func TestTooFewBrokers(t *testing.T) {
	b := startBrokers(t)
	props := workerProps(b.addr)
	delete(props, "config.storage.replication.factor")
	b.ControlKey(int16(kmsg.CreateTopics), func(q kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		req := q.(*kmsg.CreateTopicsRequest)
		if req.Topics[0].ReplicationFactor == 1 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		topic := kmsg.NewCreateTopicsResponseTopic()
		topic.Topic, topic.ErrorCode = req.Topics[0].Topic, kerr.InvalidReplicationFactor.Code
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	w := newWorker(t, newRuns(t), props, "a")
	err := w.Run(testContext(t))
	if err == nil || !strings.Contains(err.Error(), "config.storage.replication.factor") || !strings.Contains(err.Error(), `"configs" with 1 partitions and 3 replicas`) {
		t.Errorf("Run = %v, want it to name the topic and the option", err)
	}
}

// runningLog is a topicLog with its Run.
func runningLog(t *testing.T, b *brokers, apply func(*kafka.Record) error) *topicLog {
	t.Helper()
	clients, err := newLogClients(map[string]string{"bootstrap.servers": b.addr, "retry.backoff.ms": "5", "retry.backoff.max.ms": "50"}, "test", client.ReadCommitted, quiet())
	if err != nil {
		t.Fatal(err)
	}
	l := newTopicLog(topicSpec{name: "log", option: "config.storage.topic", what: "configurations", partitions: 2, replicas: 1}, clients, quiet(), apply)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l
}

func TestLogReadsBack(t *testing.T) {
	got := make(map[string]string)
	l := runningLog(t, startBrokers(t), func(r *kafka.Record) error { got[string(r.Key)] = string(r.Value); return nil })
	for i := range 20 {
		key := fmt.Sprint(i)
		if err := l.put(testContext(t), kafka.Record{Key: []byte(key), Value: []byte("v" + key)}); err != nil {
			t.Fatal(err)
		}
		if err := l.toEnd(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if got[key] != "v"+key { // toEnd orders it before
			t.Fatalf("record %s = %q after toEnd", key, got[key])
		}
	}
}

// What could not be written in its time is not written later; what others write meanwhile is.
func TestLogDropsWhatIsLate(t *testing.T) {
	b := startBrokers(t)
	keys := make(chan string, 100)
	l := runningLog(t, b, func(r *kafka.Record) error { keys <- string(r.Key); return nil })
	if err := l.put(testContext(t), kafka.Record{Key: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 1)
	var healed atomic.Bool
	b.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if healed.Load() {
			return nil, nil, false
		}
		select {
		case refused <- struct{}{}:
		default:
		}
		return nil, errors.New("cut"), true
	})
	late, cancel := context.WithCancel(testContext(t))
	lateErr, otherErr := make(chan error, 1), make(chan error, 1)
	go func() { lateErr <- l.put(late, kafka.Record{Key: []byte("late")}) }()
	<-refused
	other := testContext(t)
	go func() { otherErr <- l.put(other, kafka.Record{Key: []byte("other")}) }()
	cancel()
	if err := <-lateErr; !errors.Is(err, context.Canceled) {
		t.Errorf("put = %v, want what its context says", err)
	}
	healed.Store(true)
	if err := <-otherErr; err != nil {
		t.Fatalf("put beside it = %v", err)
	}
	if err := l.toEnd(testContext(t)); err != nil {
		t.Fatal(err)
	}
	close(keys)
	for key := range keys {
		if key == "late" {
			t.Error("the late record was written after all")
		}
	}
}

func TestOffsetTopic(t *testing.T) {
	b := startBrokers(t)
	o := newOffsetTopic(quiet())
	o.topic = runningLog(t, b, o.apply)
	ctx := testContext(t)
	put := func(name string, offsets ...connect.PartitionOffset) {
		t.Helper()
		if err := o.Put(ctx, name, offsets...); err != nil {
			t.Fatal(err)
		}
	}
	put(`a"b`, connect.PartitionOffset{Partition: []byte(`{"p":1}`), Offset: []byte(`{"o":1}`)}, connect.PartitionOffset{Partition: []byte(`{"p":2}`), Offset: []byte(`{"o":2}`)})
	put("c", connect.PartitionOffset{Partition: []byte(`{"p":1}`), Offset: []byte(`{"o":3}`)})
	put(`a"b`, connect.PartitionOffset{Partition: []byte(`{"p":1}`)})
	if got, err := o.Get(ctx, `a"b`, []byte(`{"p":2}`)); string(got) != `{"o":2}` || err != nil {
		t.Errorf("Get = %s, %v, want {\"o\":2}", got, err)
	}
	if got, err := o.Get(ctx, `a"b`, []byte(`{"p":1}`)); got != nil || err != nil {
		t.Errorf("Get of what was reset = %s, %v, want nothing", got, err)
	}
	list, err := o.List(ctx, `a"b`)
	if err != nil || len(list) != 1 || string(list[0].Partition) != `{"p":2}` || string(list[0].Offset) != `{"o":2}` {
		t.Errorf("List = %q, %v, want one", list, err)
	}
	keys := make(map[string]bool)
	for _, r := range records(t, b.addr, "log") {
		keys[string(r.Key)] = true
	}
	if !keys[`["a\"b",{"p":1}]`] || !keys[`["c",{"p":1}]`] {
		t.Errorf("keys %v, want them as Kafka Connect writes them", keys)
	}
}
