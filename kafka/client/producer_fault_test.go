//go:build !integration

package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
)

// flakyListener breaks every connection after a random number of bytes in either direction, requests and acknowledgements alike.
type flakyListener struct {
	net.Listener
	breaks *atomic.Int64 // how many more
	mu     sync.Mutex
	rnd    *rand.Rand
}

func (l *flakyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &flakyConn{Conn: conn, breaks: l.breaks}
	c.in.Store(int64(20_000 + l.rnd.IntN(60_000)))
	c.out.Store(int64(600 + l.rnd.IntN(1500)))
	return c, nil
}

type flakyConn struct {
	net.Conn
	in, out atomic.Int64
	breaks  *atomic.Int64
}

func (c *flakyConn) spend(left *atomic.Int64, n int) error {
	if left.Add(-int64(n)) < 0 && c.breaks.Add(-1) >= 0 {
		c.Conn.Close()
		return net.ErrClosed
	}
	return nil
}

func (c *flakyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = c.spend(&c.in, n)
	}
	return n, err
}

func (c *flakyConn) Write(p []byte) (int, error) {
	if err := c.spend(&c.out, len(p)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// TestTrap40OrderWhateverBreaks: connections break between request and acknowledgement, and the broker answers errors that may and may
// not have stored the batch; every record is there once and in order.
func TestTrap40OrderWhateverBreaks(t *testing.T) {
	const partitions, records = 3, 6000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var breaks atomic.Int64
	breaks.Store(40)
	listen := func(network, addr string) (net.Listener, error) {
		ln, err := net.Listen(network, addr)
		return &flakyListener{Listener: ln, breaks: &breaks, rnd: rand.New(rand.NewPCG(seed, 2))}, err
	}
	cluster, brokers := fakeCluster(t, kfake.ListenFn(listen), kfake.SeedTopics(partitions, "t"))
	var faults atomic.Int64
	faults.Store(60)
	codes := []int16{3, 5, 6, 7, 19, 56} // unknown topic, no leader, not leader, timed out, too few replicas, storage
	faultRnd := rand.New(rand.NewPCG(seed, 3))
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if faultRnd.IntN(4) != 0 || faults.Add(-1) < 0 {
			return nil, nil, false
		}
		return refuseProduce(req.(*kmsg.ProduceRequest), func(string, int32) int16 { return codes[faultRnd.IntN(len(codes))] }), nil, true
	})
	c := testConfig(ForProducer, brokers)
	c.Producer.BatchBytes = 2000
	c.Producer.MaxRequestBytes = 6000
	c.Producer.BufferBytes = 1 << 20
	p := startProducer(t, c)
	want := make(map[int32][]string)
	var last uint64
	for i := range records {
		id := int32(rnd.IntN(partitions))
		r := kafka.Record{Topic: "t", Partition: id, Value: []byte(valueOf(i))}
		send(t, p.Producer, r)
		want[id] = append(want[id], valueOf(i))
		if acked := p.Acked(); acked < last || acked > uint64(i+1) {
			t.Fatalf("Acked() = %d after %d, with %d sent", acked, last, i+1)
		} else {
			last = acked
		}
		if rnd.IntN(500) == 0 {
			waitAcked(t, p.Producer, uint64(i+1))
		}
	}
	waitAcked(t, p.Producer, records)
	if err := p.end(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	t.Logf("%+v, breaks left %d, faults left %d", p.Stats(), breaks.Load(), faults.Load())
	if p.Stats().Retries == 0 {
		t.Error("nothing was sent again: the test tests nothing")
	}
	breaks.Store(0)
	checkOrder(t, readAll(t, brokers, "t"), want)
}

// refuseProduce answers every partition with a code.
func refuseProduce(req *kmsg.ProduceRequest, code func(topic string, partition int32) int16) kmsg.Response {
	res := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, code(t.Topic, p.Partition), -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res
}

// TestTrap23FailedRecordIsNotCountedPast: one partition refuses one batch for good; later records of others do not count.
func TestTrap23FailedRecordIsNotCountedPast(t *testing.T) {
	for _, c := range []struct {
		name      string
		code      int16
		retriable bool
	}{
		{"INVALID_RECORD", 87, false},
		{"TOPIC_AUTHORIZATION_FAILED", 29, false},
		{"OUT_OF_ORDER_SEQUENCE_NUMBER", 45, true}, // another producer id may go on
		{"UNKNOWN_PRODUCER_ID", 59, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, brokers := fakeCluster(t, kfake.SeedTopics(2, "t"))
			var refuse atomic.Bool
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				r := req.(*kmsg.ProduceRequest)
				if !refuse.Load() || r.Topics[0].Partitions[0].Partition != 0 {
					return nil, nil, false
				}
				return refuseProduce(r, func(string, int32) int16 { return c.code }), nil, true
			})
			p := startProducer(t, testConfig(ForProducer, brokers))
			send(t, p.Producer, kafka.Record{Topic: "t", Partition: 0}, kafka.Record{Topic: "t", Partition: 1})
			waitAcked(t, p.Producer, 2)
			refuse.Store(true)
			send(t, p.Producer, kafka.Record{Topic: "t", Partition: 0, Key: []byte("bad")})
			err := p.failed(t)
			if err == nil || isRetriable(err) != c.retriable || !contains(err, `"t"`) {
				t.Errorf("Run = %v, retriable %v, want an error of topic \"t\", retriable %v", err, isRetriable(err), c.retriable)
			}
			if got := p.Acked(); got != 2 {
				t.Errorf("Acked() = %d, want 2", got)
			}
			if err := p.Send(testContext(t), &kafka.Record{Topic: "t", Partition: 1}); err == nil {
				t.Error("Send after the failure = nil, want the failure")
			}
		})
	}
}

func TestProducerAckedWaitsForTheSlowPartition(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(2, "t"))
	var held atomic.Bool
	held.Store(true)
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r := req.(*kmsg.ProduceRequest)
		if !held.Load() || !slices.ContainsFunc(r.Topics[0].Partitions, func(p kmsg.ProduceRequestTopicPartition) bool { return p.Partition == 0 }) {
			return nil, nil, false
		}
		return refuseProduce(r, func(string, int32) int16 { return 19 }), nil, true // too few replicas: again
	})
	c := testConfig(ForProducer, brokers)
	p := startProducer(t, c)
	send(t, p.Producer, kafka.Record{Topic: "t", Partition: 1})
	waitAcked(t, p.Producer, 1)
	send(t, p.Producer, kafka.Record{Topic: "t", Partition: 0}, kafka.Record{Topic: "t", Partition: 1})
	for p.Stats().Records < 2 || p.Stats().Retries < 2 { // 1 and 3 are stored, 2 is refused
		select {
		case <-time.After(time.Millisecond):
		case <-testContext(t).Done():
			t.Fatalf("Stats() = %+v", p.Stats())
		}
	}
	if got := p.Acked(); got != 1 {
		t.Errorf("Acked() = %d while record 2 is refused, want 1", got)
	}
	held.Store(false)
	waitAcked(t, p.Producer, 3)
}

func TestProducerRecordTooLarge(t *testing.T) {
	key := []byte(strings.Repeat("k", 300))
	t.Run("for max.request.size", func(t *testing.T) {
		c := testConfig(ForProducer, []string{"127.0.0.1:1"})
		c.Producer.MaxRequestBytes = 1000
		err := NewProducer(c).Send(t.Context(), &kafka.Record{Topic: "t", Key: key, Value: make([]byte, 1000)})
		var big *kafka.RecordTooLargeError
		if !errors.As(err, &big) || big.Limit != 1000 || big.Topic != "t" || big.Bytes != 1300 || isRetriable(err) {
			t.Errorf("Send = %#v, want a RecordTooLargeError of 1300 bytes with limit 1000", err)
		}
	})
	t.Run("for the broker", func(t *testing.T) {
		_, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "5000"}))
		p := startProducer(t, testConfig(ForProducer, brokers))
		send(t, p.Producer, kafka.Record{Topic: "t", Key: key, Value: make([]byte, 1000)}, kafka.Record{Topic: "t", Key: key, Value: make([]byte, 6000)})
		err := p.failed(t)
		var big *kafka.RecordTooLargeError
		if !errors.As(err, &big) || big.Topic != "t" || string(big.Key) != string(key) || big.Bytes != 6300 || isRetriable(err) {
			t.Errorf("Run = %v, want a RecordTooLargeError of 6300 bytes", err)
		}
		if got := p.Acked(); got != 1 {
			t.Errorf("Acked() = %d, want 1", got)
		}
	})
}

// TestProducerSplitsBatches: the topic takes less than a batch; each record fits.
func TestProducerSplitsBatches(t *testing.T) {
	_, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "5000"}))
	c := testConfig(ForProducer, brokers)
	c.Producer.Linger = time.Hour
	p := startProducer(t, c)
	want := make(map[int32][]string)
	var number []uint64
	for i := range 500 {
		value := valueOf(i) + strings.Repeat(".", i)
		send(t, p.Producer, kafka.Record{Topic: "t", Value: []byte(value), Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}})
		want[0] = append(want[0], value)
		number = append(number, p.Sent())
	}
	p.Flush()
	waitAcked(t, p.Producer, number[len(number)-1])
	checkOrder(t, readAll(t, brokers, "t"), want)
	if got := p.Stats().Buffered; got != 0 {
		t.Errorf("Stats().Buffered = %d after the last acknowledgement, want 0", got)
	}
}

func TestProducerDeliveryTimeout(t *testing.T) {
	b, err := embedded.StartBroker(embedded.Options{Topics: []string{"t"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := testConfig(ForProducer, []string{b.Addr()})
	c.Producer.DeliveryTimeout = 300 * time.Millisecond
	p := startProducer(t, c)
	send(t, p.Producer, text("t", "k", "v"))
	waitAcked(t, p.Producer, 1)
	b.Close()
	send(t, p.Producer, text("t", "k", "v"))
	err = p.failed(t)
	if !errors.Is(err, kafka.ErrUnavailable) || !isRetriable(err) || !contains(err, "delivery.timeout.ms=300") || !contains(err, b.Addr()) {
		t.Errorf("Run = %v, want a retriable kafka.ErrUnavailable that names delivery.timeout.ms=300 and %s", err, b.Addr())
	}
	if got := p.Acked(); got != 1 {
		t.Errorf("Acked() = %d, want 1", got)
	}
}

// TestProducerOutage: the broker goes and comes back; the producer resumes without loss or repetition.
func TestProducerOutage(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.StartBroker(embedded.Options{Dir: dir, Topics: []string{"t"}, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr := b.Addr()
	p := startProducer(t, testConfig(ForProducer, []string{addr}))
	want := make(map[int32][]string)
	produce := func(from, to int) {
		for i := from; i < to; i++ {
			id := int32(i % 2)
			send(t, p.Producer, kafka.Record{Topic: "t", Partition: id, Value: []byte(valueOf(i))})
			want[id] = append(want[id], valueOf(i))
		}
	}
	produce(0, 1000)
	for round := range 3 {
		b.Close()
		produce(1000*(round+1), 1000*(round+2))
		if b, err = embedded.StartBroker(embedded.Options{Addr: addr, Dir: dir}); err != nil {
			t.Fatal(err)
		}
		waitAcked(t, p.Producer, p.Sent())
	}
	defer b.Close()
	checkOrder(t, readAll(t, []string{addr}, "t"), want)
}

func TestProducerMemoryIsBounded(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	var held atomic.Bool
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if held.Load() {
			return refuseProduce(req.(*kmsg.ProduceRequest), func(string, int32) int16 { return 19 }), nil, true
		}
		return nil, nil, false
	})
	c := testConfig(ForProducer, brokers)
	c.Producer.BufferBytes = 2 << 20
	p := startProducer(t, c)
	send(t, p.Producer, text("t", "k", "v"))
	waitAcked(t, p.Producer, 1)
	held.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var err error
	for err == nil {
		err = p.Send(ctx, &kafka.Record{Topic: "t", Value: make([]byte, 1000)})
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Send with a full buffer = %v, want %v", err, context.DeadlineExceeded)
	}
	if got := p.Stats().Buffered; got > c.Producer.BufferBytes+chunkBytes+10_000 || got < c.Producer.BufferBytes {
		t.Errorf("Stats().Buffered = %d, want about %d", got, c.Producer.BufferBytes)
	}
	sent := p.Sent()
	held.Store(false)
	waitAcked(t, p.Producer, sent)
	send(t, p.Producer, text("t", "k", "v"))
	waitAcked(t, p.Producer, sent+1)
}

func TestProducerUnknownTopic(t *testing.T) {
	_, brokers := fakeCluster(t) // makes no topics
	c := testConfig(ForProducer, brokers)
	c.Producer.MaxBlock = 300 * time.Millisecond
	p := startProducer(t, c)
	err := p.Send(testContext(t), ptr(text("nowhere", "k", "v")))
	var unknown *kafka.UnknownTopicError
	if !errors.As(err, &unknown) || unknown.Topic != "nowhere" || !isRetriable(err) {
		t.Fatalf("Send = %v, want a retriable UnknownTopicError", err)
	}
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	if _, err := a.CreateTopic(testContext(t), NewTopic{Name: "nowhere", Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	send(t, p.Producer, text("nowhere", "k", "v")) // looked up anew
	waitAcked(t, p.Producer, 1)
}

// TestProducerFollowsTheLeader: partitions move from broker to broker while records flow.
func TestProducerFollowsTheLeader(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
	p := startProducer(t, testConfig(ForProducer, brokers))
	want := make(map[int32][]string)
	for i := range 3000 {
		id := int32(i % 3)
		send(t, p.Producer, kafka.Record{Topic: "t", Partition: id, Value: []byte(valueOf(i))})
		want[id] = append(want[id], valueOf(i))
		if i%100 == 0 {
			if err := cluster.MoveTopicPartition("t", id, int32(i/100%3)); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitAcked(t, p.Producer, 3000)
	checkOrder(t, readAll(t, brokers, "t"), want)
}

func TestProducerProgress(t *testing.T) {
	_, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	p := startProducer(t, testConfig(ForProducer, brokers))
	for i := range 10 {
		send(t, p.Producer, text("t", "k", fmt.Sprint(i)))
		for p.Acked() <= uint64(i) {
			select {
			case <-p.Progress():
			case <-testContext(t).Done():
				t.Fatalf("no progress at record %d", i)
			}
		}
	}
}

// TestProducerEndsWhileABrokerHangs: a broker that takes connections and never answers does not hold the end up.
func TestProducerEndsWhileABrokerHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := testConfig(ForProducer, []string{ln.Addr().String()})
	c.Producer.CloseTimeout = 50 * time.Millisecond
	p := startProducer(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx, ptr(text("t", "k", "v"))); !errors.Is(err, context.DeadlineExceeded) { // the look-up hangs by now
		t.Fatalf("Send = %v, want %v", err, context.DeadlineExceeded)
	}
	began := time.Now()
	if err := p.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Run took %v to end, want about %v", took, c.Producer.CloseTimeout)
	}
}

// TestProducerSendsNothingAfterTheDeliveryTimeout: one partition's records are overdue, another's could be sent.
func TestProducerSendsNothingAfterTheDeliveryTimeout(t *testing.T) {
	p := NewProducer(testConfig(ForProducer, []string{freeAddr(t)}))
	topic := &topic{name: "t"}
	s := &sender{wake: make(chan struct{}, 1)}
	topic.parts = []*partition{{topic: topic}, {topic: topic, id: 1, sender: s}}
	p.topics["t"] = topic
	for id := range int32(2) {
		send(t, p, kafka.Record{Topic: "t", Partition: id, Value: []byte("v")})
	}
	if err := p.overdue(time.Now().Add(time.Minute)); !isRetriable(err) {
		t.Fatalf("overdue = %v, want a retriable error", err)
	}
	if req, _, _ := p.collect(s); req != nil {
		t.Error("collect gives a request after a record has finally failed")
	}
	if err := p.Send(t.Context(), ptr(text("t", "k", "v"))); !errors.Is(err, kafka.ErrUnavailable) {
		t.Errorf("Send = %v, want why the producer ended", err)
	}
}
