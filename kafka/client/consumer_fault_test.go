//go:build !integration

package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
)

// TestConsumerStaysAliveWhileTheHandlerWorks: a call of Records lasts longer than the session's timeout.
func TestConsumerStaysAliveWhileTheHandlerWorks(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"), kfake.GroupMinSessionTimeout(time.Millisecond))
	beat := make(chan struct{}, 1)
	cluster.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		wake(beat)
		return nil, nil, false
	})
	produce(t, brokers, numbered("t", 1, 0, 10)...)
	c := groupConfig(t, brokers)
	c.Consumer.Session, c.Consumer.Heartbeat = time.Second, 30*time.Millisecond
	h := newRecorder()
	h.handle = func(ctx context.Context, _ []kafka.Record) error {
		for began := time.Now(); time.Since(began) < 2*c.Consumer.Session; {
			select {
			case <-beat:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	k := startConsumer(t, c, Subscription{Topics: []string{"t"}}, h)
	h.until(t, "records", func() bool { return h.count == 10 })
	if len(h.assigned) != 1 || h.revoked != 0 {
		t.Errorf("%d assignments and %d revocations, want 1 and 0", len(h.assigned), h.revoked)
	}
	if err := k.Commit(testContext(t), []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: 10}}); err != nil {
		t.Errorf("Commit = %v, want nil", err)
	}
}

// TestConsumerOutage: the broker goes and comes back; the consumer resumes from what was committed.
func TestConsumerOutage(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.StartBroker(embedded.Options{Dir: dir, Topics: []string{"t"}})
	if err != nil {
		t.Fatal(err)
	}
	addr := b.Addr()
	produce(t, []string{addr}, numbered("t", 1, 0, 100)...)
	c := groupConfig(t, []string{addr})
	h := newRecorder()
	var k *runningConsumer
	ready := make(chan struct{})
	var next atomic.Int64
	h.handle = func(ctx context.Context, records []kafka.Record) error {
		<-ready
		next.Store(records[len(records)-1].Offset + 1)
		return nil
	}
	h.start = func(parts []Assignment) []kafka.Position {
		return []kafka.Position{{TopicPartition: parts[0].TopicPartition, Offset: next.Load()}}
	}
	k = startConsumer(t, c, Subscription{Topics: []string{"t"}}, h)
	close(ready)
	h.until(t, "records", func() bool { return h.count == 100 })
	b.Close()
	if b, err = embedded.StartBroker(embedded.Options{Addr: addr, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	produce(t, []string{addr}, numbered("t", 1, 100, 200)...)
	h.until(t, "records after the outage", func() bool { return h.count == 200 })
	for i, got := range h.values[kafka.TopicPartition{Topic: "t"}] {
		if got != valueOf(i) {
			t.Fatalf("record %d = %q, want %q", i, got, valueOf(i))
		}
	}
	if err := k.end(t); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestConsumerEndsWithoutBrokers(t *testing.T) {
	k := startConsumer(t, groupConfig(t, []string{freeAddr(t)}), Subscription{Topics: []string{"t"}}, newRecorder())
	if err := k.end(t); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// TestConsumerRecordsAreDeleted: what is to be read next is deleted while the consumer is running.
func TestConsumerRecordsAreDeleted(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	var gone atomic.Bool
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !gone.Load() {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.(*kmsg.FetchRequest).Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, 1 // OFFSET_OUT_OF_RANGE
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	produce(t, brokers, numbered("t", 1, 0, 10)...)
	h := newRecorder()
	k := startConsumer(t, groupConfig(t, brokers), Subscription{Topics: []string{"t"}}, h)
	h.until(t, "records", func() bool { return h.count == 10 })
	gone.Store(true)
	err := k.result(t)
	var out *kafka.PositionError
	if !errors.As(err, &out) || out.Topic != "t" || out.Offset != 10 || out.End != 10 {
		t.Errorf("Run = %v, want a PositionError at offset 10", err)
	}
}

// TestCommitOfAFormerMember: the broker has given the member up, as it does after a broker that hung. Another attempt with the same
// membership cannot help, and who waits for it cannot take part in the rebalance that does.
func TestCommitOfAFormerMember(t *testing.T) {
	for _, code := range []int16{22, 25, 27} { // ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS
		cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
		var attempts atomic.Int64
		cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			attempts.Add(1)
			res := r.ResponseKind().(*kmsg.OffsetCommitResponse)
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.ErrorCode = code
			topic := kmsg.NewOffsetCommitResponseTopic()
			topic.Topic, topic.Partitions = "t", []kmsg.OffsetCommitResponseTopicPartition{p}
			res.Topics = append(res.Topics, topic)
			return res, nil, true
		})
		produce(t, brokers, numbered("t", 1, 0, 1)...)
		c := groupConfig(t, brokers)
		c.APITimeout = 2 * time.Second // not reached
		h := newRecorder()
		k := startConsumer(t, c, Subscription{Topics: []string{"t"}}, h)
		h.until(t, "records", func() bool { return h.count == 1 })
		err := k.Commit(testContext(t), []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: 1}})
		if n := attempts.Load(); n != 1 || err == nil || !isRetriable(err) {
			t.Errorf("Commit answered with code %d = %v after %d attempts, want a retriable error after 1", code, err, n)
		}
	}
}

// lateRecorder is a recorder whose first Assigned lasts until the partitions are given up.
type lateRecorder struct {
	*recorder
	entered chan struct{} // closed by the first Assigned
	first   sync.Once
	err     error // what that one returns
}

func (h *lateRecorder) Assigned(ctx context.Context, parts []Assignment) ([]kafka.Position, error) {
	late := false
	h.first.Do(func() { late = true })
	if late {
		close(h.entered)
		<-ctx.Done()
		return nil, h.err
	}
	return h.recorder.Assigned(ctx, parts)
}

// TestConsumerRebalanceWhileAssigned: a second member joins while the first still opens its partitions, as it does when many tasks start
// against a slow store. What Assigned makes of its context's end is no failure.
func TestConsumerRebalanceWhileAssigned(t *testing.T) {
	for _, err := range []error{context.Canceled, errors.New("canceling statement due to user request")} {
		_, brokers := fakeCluster(t, kfake.SeedTopics(2, "t"))
		c := groupConfig(t, brokers)
		h := &lateRecorder{recorder: newRecorder(), entered: make(chan struct{}), err: err}
		a := startConsumer(t, c, Subscription{Topics: []string{"t"}}, h)
		<-h.entered
		other := newRecorder()
		startConsumer(t, c, Subscription{Topics: []string{"t"}}, other)
		other.until(t, "assignment of the second member", func() bool { return len(other.assigned) > 0 })
		select {
		case err := <-a.done:
			t.Fatalf("Run of the first member = %v, want it to go on", err)
		default:
		}
		h.until(t, "assignment of the first member", func() bool { return len(h.assigned) > 0 })
		if err := a.end(t); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}
}

// TestConsumerFailureBetweenSessions: what ends Run is found out when one session is over and the next has not begun.
func TestConsumerFailureBetweenSessions(t *testing.T) {
	r := &groupRun{consumer: NewConsumer(groupConfig(t, []string{freeAddr(t)}), Subscription{Topics: []string{"t"}})}
	r.fail(errors.New("out of range"))
	if err := r.session(t.Context(), []string{"t"}); err != nil { // joining would be a nil dereference
		t.Errorf("session = %v, want nil: the failure is the loop's to return", err)
	}
}
