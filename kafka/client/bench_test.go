package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// orderRecords are change records of about 600 bytes that compress as such do: most of a record is as in the one before.
func orderRecords(topic string, n int) []kafka.Record {
	rnd := rand.New(rand.NewPCG(1, 2))
	records := make([]kafka.Record, n)
	for i := range records {
		value := fmt.Appendf(nil, "\x00\x00\x00\x00\x07order %d customer %d status shipped total %d.%02d %s", i, rnd.IntN(1e6), rnd.IntN(5000), rnd.IntN(100), time.UnixMicro(int64(i)).UTC())
		for len(value) < 560 {
			value = fmt.Appendf(value, " source 3.7.0.Final postgresql bikestore sales orders lsn %d tx %d note %x", 24023128+i*56, i/500, rnd.Uint64())
		}
		records[i] = kafka.Record{
			Topic: topic, Partition: kafka.AnyPartition, Key: fmt.Appendf(nil, "\x00\x00\x00\x00\x06%06d", i), Value: value[:560],
			Headers: []kafka.Header{{Key: "__op", Value: []byte("c")}, {Key: "__table", Value: []byte("orders")}},
		}
	}
	return records
}

// benchBrokers is the broker of TANDEM_KAFKA, or one in this process, which then counts in the CPU time.
func benchBrokers(b *testing.B) []string {
	if addr := os.Getenv("TANDEM_KAFKA"); addr != "" {
		return []string{addr}
	}
	return testBrokers(b)
}

// BenchmarkProducer reports records/s and the process's CPU time per record; TANDEM_KAFKA=host:port names a broker in a process of its own.
func BenchmarkProducer(b *testing.B) {
	for _, compression := range []Compression{None, LZ4} {
		b.Run(string(compression), func(b *testing.B) {
			c := DefaultConfig(ForProducer)
			c.Brokers = benchBrokers(b)
			c.Producer.Compression = compression
			p := NewProducer(c)
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			topic := fmt.Sprintf("bench-%d", time.Now().UnixNano())
			records := orderRecords(topic, 10_000)
			if err := p.Send(ctx, &records[0]); err != nil {
				b.Fatal(err)
			}
			if err := p.WaitAcked(ctx, 1); err != nil {
				b.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			cpu := cpuTime(b)
			b.ResetTimer()
			for i := range b.N {
				if err := p.Send(ctx, &records[i%len(records)]); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.WaitAcked(ctx, uint64(b.N)+1); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/record")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/record")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N), "B/record")
			b.ReportMetric(float64(p.Stats().Requests), "requests")
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkConsumer reports how fast a group member takes records of about 600 bytes, lz4, from one partition.
func BenchmarkConsumer(b *testing.B) {
	brokers := benchBrokers(b)
	topic := newTopic(b, brokers, 1)
	c := DefaultConfig(ForProducer)
	c.Brokers, c.Producer.Compression = brokers, LZ4
	p := startProducer(b, c)
	records := orderRecords(topic, 10_000)
	for i := range b.N {
		if err := p.Send(b.Context(), &records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.WaitAcked(b.Context(), uint64(b.N)); err != nil {
		b.Fatal(err)
	}
	if err := p.end(); err != nil {
		b.Fatal(err)
	}
	k := groupConfig(b, brokers)
	h := &counter{want: b.N, done: make(chan struct{})}
	cpu := cpuTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	startConsumer(b, k, Subscription{Topics: []string{topic}}, h)
	<-h.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/record")
	b.ReportMetric(float64(b.N)/float64(h.calls), "records/call")
}

// counter is a Handler that only counts.
type counter struct {
	want, got, calls int
	done             chan struct{} // maker: the benchmark; closer: Records
}

func (h *counter) Assigned(context.Context, []Assignment) ([]kafka.Position, error) { return nil, nil }
func (h *counter) Revoked(context.Context, []kafka.TopicPartition, bool) error      { return nil }
func (h *counter) Records(_ context.Context, records []kafka.Record) error {
	h.calls++
	if h.got += len(records); h.got == h.want {
		close(h.done)
	}
	return nil
}

// BenchmarkTransactions is BenchmarkProducer with a commit behind every 2,000 records, while the next ones are sent already.
func BenchmarkTransactions(b *testing.B) {
	brokers := benchBrokers(b)
	topic := newTopic(b, brokers, 1)
	c := DefaultConfig(ForProducer)
	c.Brokers, c.Producer.TransactionalID = brokers, topic
	p := startTxn(b, c)
	records := orderRecords(topic, 10_000)
	committed := make(chan error, 1) // sender: the goroutine of a commit. Bound: one commit at a time.
	committed <- nil
	b.ResetTimer()
	for i := range b.N {
		if err := p.Send(b.Context(), &records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
		if i%2000 == 1999 {
			if err := <-committed; err != nil {
				b.Fatal(err)
			}
			p.Cut()
			go func() { committed <- p.Commit(b.Context()) }()
		}
	}
	if err := <-committed; err != nil {
		b.Fatal(err)
	}
	if err := p.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkProducerLatency is the time from Send to the acknowledgement of a record after a pause.
func BenchmarkProducerLatency(b *testing.B) {
	brokers := benchBrokers(b)
	c := DefaultConfig(ForProducer)
	c.Brokers = brokers
	p := startProducer(b, c)
	records := orderRecords(newTopic(b, brokers, 1), 1)
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for i := range b.N {
		b.StopTimer()
		<-pause.C
		b.StartTimer()
		if err := p.Send(b.Context(), &records[0]); err != nil {
			b.Fatal(err)
		}
		if err := p.WaitAcked(b.Context(), uint64(i+1)); err != nil {
			b.Fatal(err)
		}
	}
}
