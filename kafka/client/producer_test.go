package client

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tandem-cdc/tandem/kafka"
)

func TestProducerRoundTrip(t *testing.T) {
	for _, compression := range []Compression{None, GZIP, Snappy, LZ4, Zstd} {
		t.Run(string(compression), func(t *testing.T) {
			brokers := testBrokers(t)
			topic := newTopic(t, brokers, 3)
			c := testConfig(ForProducer, brokers)
			c.Producer.Compression = compression
			p := startProducer(t, c)
			at := time.UnixMilli(1700000000123)
			sent := []kafka.Record{
				{Topic: topic, Partition: 2, Key: []byte("k"), Value: []byte("v"), Timestamp: at,
					Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}}},
				{Topic: topic, Partition: 2, Timestamp: at},
				{Topic: topic, Partition: 2, Key: []byte{}, Value: []byte{}, Timestamp: at.Add(-time.Second)},
				{Topic: topic, Partition: 2, Key: []byte("k"), Value: make([]byte, 100_000), Timestamp: at.Add(time.Hour)},
			}
			for i := range sent { // each is the first of a batch
				send(t, p.Producer, sent[i])
				waitAcked(t, p.Producer, uint64(i+1))
			}
			got := readAll(t, brokers, topic)[2]
			for i := range sent {
				sent[i].Offset = int64(i)
			}
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Errorf("read(sent) differs (-sent +read):\n%s", diff)
			}
		})
	}
}

func TestProducerPartitions(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 7)
	p := startProducer(t, testConfig(ForProducer, brokers))
	want := make(map[int32][]string)
	for i := range 1000 {
		key := fmt.Sprintf("key-%d", i)
		id := partitionOf([]byte(key), 7)
		want[id] = append(want[id], valueOf(i))
		send(t, p.Producer, text(topic, key, valueOf(i)))
	}
	waitAcked(t, p.Producer, 1000)
	checkOrder(t, readAll(t, brokers, topic), want)
	if err := p.Send(testContext(t), &kafka.Record{Topic: topic, Partition: 7}); err == nil {
		t.Error("Send to partition 7 of 7 = nil, want an error")
	}
}

func TestProducerWithoutKeySpreads(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 4)
	c := testConfig(ForProducer, brokers)
	c.Producer.BatchBytes = 1000
	p := startProducer(t, c)
	for i := range 1000 {
		send(t, p.Producer, kafka.Record{Topic: topic, Partition: kafka.AnyPartition, Value: []byte(valueOf(i))})
	}
	waitAcked(t, p.Producer, 1000)
	for id, records := range readAll(t, brokers, topic) {
		if len(records) < 150 || len(records) > 350 {
			t.Errorf("partition %d of 4 got %d of 1000 records", id, len(records))
		}
	}
}

func TestProducerEndDeliversWhatWasSent(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	c := testConfig(ForProducer, brokers)
	c.Producer.Linger = time.Hour // only the end can send the second batch
	p := startProducer(t, c)
	want := make(map[int32][]string)
	for i := range 100 {
		send(t, p.Producer, text(topic, "k", valueOf(i)))
		want[0] = append(want[0], valueOf(i))
	}
	if err := p.end(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	if got := p.Acked(); got != 100 {
		t.Errorf("Acked() = %d, want 100", got)
	}
	checkOrder(t, readAll(t, brokers, topic), want)
	if err := p.Send(testContext(t), ptr(text(topic, "k", "v"))); !errors.Is(err, ErrProducerEnded) {
		t.Errorf("Send after the end = %v, want %v", err, ErrProducerEnded)
	}
	if got := p.Sent(); got != 100 {
		t.Errorf("Sent() = %d, want 100", got)
	}
}

func TestProducerFlush(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	c := testConfig(ForProducer, brokers)
	c.Producer.Linger = time.Hour
	p := startProducer(t, c)
	send(t, p.Producer, text(topic, "k", "leaves at once"))
	waitAcked(t, p.Producer, 1)
	send(t, p.Producer, text(topic, "k", "waits"))
	p.Flush()
	waitAcked(t, p.Producer, 2)
}

func TestProducerBatchesUnderLoad(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	p := startProducer(t, testConfig(ForProducer, brokers))
	records := orderRecords(topic, 20_000)
	send(t, p.Producer, records[0])
	waitAcked(t, p.Producer, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx := testContext(t)
	for i := range records[1:] {
		if err := p.Send(ctx, &records[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	waitAcked(t, p.Producer, uint64(len(records)))
	s := p.Stats()
	if s.Requests > 2000 {
		t.Errorf("Stats().Requests = %d for %d records, want at most a tenth", s.Requests, s.Records)
	}
	if s.Records != uint64(len(records)) || s.Buffered != 0 {
		t.Errorf("Stats() = %+v, want %d records and nothing buffered", s, len(records))
	}
}

// roundTrips has records take the way from Send to the bytes on the socket and to their acknowledgement, without a broker, at each call of round.
func roundTrips(tb testing.TB, compression Compression) (round func(), records int) {
	c := testConfig(ForProducer, nil)
	c.Producer.Compression = compression
	p := NewProducer(c)
	top := &topic{name: "t"}
	top.parts = []*partition{{topic: top}}
	p.topics["t"] = top
	of := orderRecords("t", 200)
	ctx, pack, sending := tb.Context(), packer{cfg: &p.cfg.Producer, pool: &p.pool}, newSending(10)
	return func() {
		for i := range of {
			if err := p.Send(ctx, &of[i]); err != nil {
				tb.Fatal(err)
			}
		}
		part := top.parts[0]
		p.closeOpen(part)
		for _, b := range part.queue {
			packFor(tb, &pack, b)
			sending.send(tb, &p.outbox, b)
			p.complete(b)
		}
		part.queue = part.queue[:0]
		p.advance()
	}, len(of)
}

// TestProducerAllocations holds the way from Send to the socket to its ceiling: batches, their chunks, compressors and requests are used again.
func TestProducerAllocations(t *testing.T) {
	for _, compression := range []Compression{None, LZ4, Snappy, GZIP, Zstd} {
		t.Run(string(compression), func(t *testing.T) {
			round, records := roundTrips(t, compression)
			round()
			got := testing.AllocsPerRun(100, round)
			if perRecord := got / float64(records); perRecord > 0.05 {
				t.Errorf("a record allocates %.3f times on its way, want none", perRecord)
			}
		})
	}
}

func TestProducerUnreachable(t *testing.T) {
	addr := freeAddr(t)
	c := testConfig(ForProducer, []string{addr})
	c.Producer.MaxBlock = 100 * time.Millisecond
	p := startProducer(t, c)
	err := p.Send(testContext(t), ptr(text("t", "k", "v")))
	if !errors.Is(err, kafka.ErrUnavailable) || !isRetriable(err) {
		t.Fatalf("Send = %v, want a retriable kafka.ErrUnavailable", err)
	}
	if !contains(err, addr) || !contains(err, "refused") {
		t.Errorf("Send = %q, want the address %s and the cause in it", err, addr)
	}
	if err := p.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func contains(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

// TestProducerLease: who has lost the right to send sends nothing more, and says so.
func TestProducerLease(t *testing.T) {
	_, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	c := testConfig(ForProducer, brokers)
	var over atomic.Bool
	c.Producer.Lease = func() bool { return !over.Load() }
	p := startProducer(t, c)
	send(t, p.Producer, text("t", "k", "1"))
	waitAcked(t, p.Producer, 1)
	over.Store(true)
	send(t, p.Producer, text("t", "k", "2"))
	if err := p.failed(t); !errors.Is(err, ErrNoLease) || !isRetriable(err) {
		t.Errorf("Run after the lease = %v, want %v, which is retriable", err, ErrNoLease)
	}
	if got := readAll(t, brokers, "t")[0]; len(got) != 1 {
		t.Errorf("the topic has %d records, want the one within the lease", len(got))
	}
}
