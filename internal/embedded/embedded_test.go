package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, o Options) *Broker {
	t.Helper()
	b, err := StartBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBrokerAddress(t *testing.T) {
	a := start(t, Options{})
	if _, err := StartBroker(Options{Addr: a.Addr()}); !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), a.Addr()) {
		t.Errorf("StartBroker(%s) a second time = %v, want ErrAddressInUse with the address", a.Addr(), err)
	}
	a.Close()
	if b := start(t, Options{Addr: a.Addr()}); b.Addr() != a.Addr() {
		t.Errorf("Addr() = %s, want %s", b.Addr(), a.Addr())
	}
}

func TestRegistry(t *testing.T) {
	r, err := StartRegistry("")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := StartRegistry(r.Addr()); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("StartRegistry(%s) a second time = %v, want ErrAddressInUse", r.Addr(), err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(r.URL()+"/subjects/s-value/versions", "application/vnd.schemaregistry.v1+json", strings.NewReader(`{"schema":"\"string\""}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != 200 || !bytes.Contains(body, []byte(`"id":1`)) {
		t.Errorf("POST /subjects/s-value/versions = %s %s %v, want 200 and id 1", res.Status, body, err)
	}
}

// TestBrokerKeepsItsDir: a broker finds records and committed offsets of the one before it.
func TestBrokerKeepsItsDir(t *testing.T) {
	o := Options{Dir: t.TempDir(), Topics: []string{"t"}}
	a := start(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	produce(t, ctx, a.Addr(), "t", "one")
	if got := consume(t, ctx, a.Addr(), "g", "t", 1); got != "one" {
		t.Errorf("consumed %q, want one", got)
	}
	a.Close()
	o.Addr = a.Addr()
	b := start(t, o)
	produce(t, ctx, b.Addr(), "t", "two")
	if got := consume(t, ctx, b.Addr(), "g", "t", 1); got != "two" {
		t.Errorf("consumed %q after a restart, want two: the group had committed one", got)
	}
	if got := consume(t, ctx, b.Addr(), "other", "t", 2); got != "one two" {
		t.Errorf("consumed %q after a restart, want one two", got)
	}
}

func produce(t *testing.T, ctx context.Context, addr, topic, value string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, ctx context.Context, addr, group, topic string, n int) string {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var values []string
	for len(values) < n {
		fetches := c.PollRecords(ctx, n-len(values))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	if err := c.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	return strings.Join(values, " ")
}

// BenchmarkBrokerMemory reports what a broker keeps of a record of 600 bytes, lz4.
func BenchmarkBrokerMemory(b *testing.B) {
	for _, dir := range []string{"memory", "folder"} {
		b.Run(dir, func(b *testing.B) {
			o := Options{Topics: []string{"t"}}
			if dir == "folder" {
				o.Dir = b.TempDir()
			}
			broker := start(b, o)
			c, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			value := func(i int) []byte {
				v := make([]byte, 0, 600)
				for j := 0; len(v) < 580; j++ {
					v = fmt.Appendf(v, "column-%d=%d;", j, i*31+j*17)
				}
				return v
			}
			before := heap()
			b.ResetTimer()
			for i := range b.N {
				c.Produce(b.Context(), &kgo.Record{Value: value(i)}, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
			if err := c.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/float64(b.N), "B-kept/record")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
