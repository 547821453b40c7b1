package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// fakeProducer keeps what is sent and acknowledges when told to.
type fakeProducer struct {
	mu       sync.Mutex
	keep     bool
	records  []kafka.Record
	sent     uint64
	acked    uint64
	fail     error // of Run
	failed   chan struct{}
	progress chan struct{}
}

func newFakeProducer() *fakeProducer {
	return &fakeProducer{keep: true, failed: make(chan struct{}), progress: make(chan struct{}, 1)}
}

func (p *fakeProducer) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.failed:
		return p.fail
	}
}

func (p *fakeProducer) Send(ctx context.Context, r *kafka.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	p.sent++
	if p.keep {
		c := *r
		c.Key, c.Value, c.Headers = slices.Clone(r.Key), slices.Clone(r.Value), slices.Clone(r.Headers)
		p.records = append(p.records, c)
	}
	return nil
}

func (p *fakeProducer) Flush() {}

func (p *fakeProducer) Sent() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

func (p *fakeProducer) Acked() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

func (p *fakeProducer) ack(n uint64) {
	p.mu.Lock()
	p.acked = n
	p.mu.Unlock()
	select {
	case p.progress <- struct{}{}:
	default:
	}
}

func (p *fakeProducer) Expect(...string) {}

func (p *fakeProducer) Progress() <-chan struct{} { return p.progress }

func (p *fakeProducer) WaitAcked(ctx context.Context, n uint64) error {
	for p.Acked() < n {
		select {
		case <-p.progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// rawSerializer writes texts as they are: a serializer without a format.
type rawSerializer struct {
	schema.Writer
	dst  []byte
	null bool
	err  error
}

func (s *rawSerializer) Begin(dst []byte) schema.Writer {
	s.dst, s.null = dst, false
	return s
}

func (s *rawSerializer) Text(v []byte)   { s.dst = append(s.dst, v...) }
func (s *rawSerializer) String(v string) { s.dst = append(s.dst, v...) }
func (s *rawSerializer) Null()           { s.null = true }
func (s *rawSerializer) Err() error      { return s.err }

func (s *rawSerializer) End() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.null {
		return nil, nil
	}
	return s.dst, nil
}

type rawConverter struct {
	mu       sync.Mutex
	failures []error // of the next calls
	broken   error   // of every End
}

func (c *rawConverter) NewSerializer(context.Context, string, *schema.Schema) (converter.Serializer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		return nil, err
	}
	return &rawSerializer{err: c.broken}, nil
}

func (c *rawConverter) Deserialize(_ context.Context, _ string, data []byte) (*schema.Schema, schema.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		return nil, schema.Value{}, err
	}
	if data == nil {
		return nil, schema.NullValue, nil
	}
	if string(data) == "poison" {
		return nil, schema.Value{}, &converter.DataError{Converter: "RawConverter", Err: errors.New("cannot read poison")}
	}
	return nil, schema.OfString(string(data)), nil
}

func (c *rawConverter) Reader(context.Context, string, []byte) (schema.Reader, []byte, error) {
	return nil, nil, errors.New("not used")
}

func (c *rawConverter) Close() {}

type rawHeaders struct{}

func (rawHeaders) FromHeader(_ context.Context, _ string, h schema.Header) ([]byte, error) {
	return []byte(h.Value.Text()), nil
}

func (rawHeaders) ToHeader(_ context.Context, _, key string, data []byte) (schema.Header, error) {
	return schema.Header{Key: key, Value: schema.OfString(string(data))}, nil
}

type noTopics struct{}

func (noTopics) ensure(context.Context, string) error { return nil }

func (noTopics) foresee(_ context.Context, topics []string) map[string]bool {
	ready := make(map[string]bool)
	for _, t := range topics {
		ready[t] = true
	}
	return ready
}

func newTestEmitter(t testing.TB, p producer, c *rawConverter) *emitter {
	return &emitter{ctx: t.Context(), log: slog.New(slog.DiscardHandler), conv: converters{key: c, value: c, header: rawHeaders{}}, topics: noTopics{}, producer: p, retries: retries{most: time.Millisecond},
		decide: &tolerance{config: &ConnectorConfig{Tolerance: TolerateNone}}}
}

var text = schema.Of(schema.String)

func TestEmitter(t *testing.T) {
	p := newFakeProducer()
	e := newTestEmitter(t, p, new(rawConverter))
	headers := []schema.Header{{Key: "h", Value: schema.OfString("1")}}
	row, err := e.Stream("orders", kafka.AnyPartition, text, text, headers)
	if err != nil {
		t.Fatal(err)
	}
	tombstone, err := e.Stream("orders", 3, text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(handle int, key, value string, first ...schema.Header) {
		t.Helper()
		k, v := e.Begin(handle)
		k.Text([]byte(key))
		if (v == nil) != (handle == tombstone) {
			t.Fatalf("Begin(%d) gives the value writer %v", handle, v)
		}
		if v != nil {
			v.Text([]byte(value))
		}
		if err := e.End(first); err != nil {
			t.Fatal(err)
		}
	}
	write(row, "k1", "v1")
	write(row, "k2", "v2", schema.Header{Key: "newkey", Value: schema.OfString("9")})
	write(tombstone, "k1", "")
	want := []kafka.Record{
		{Topic: "orders", Partition: kafka.AnyPartition, Key: []byte("k1"), Value: []byte("v1"), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}},
		{Topic: "orders", Partition: kafka.AnyPartition, Key: []byte("k2"), Value: []byte("v2"),
			Headers: []kafka.Header{{Key: "newkey", Value: []byte("9")}, {Key: "h", Value: []byte("1")}}},
		{Topic: "orders", Partition: 3, Key: []byte("k1")},
	}
	if diff := cmp.Diff(want, p.records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := e.End(nil); !errors.Is(err, errNoRecord) {
		t.Errorf("End without Begin = %v, want %v", err, errNoRecord)
	}
	if k, v := e.Begin(99); k != nil || v != nil || e.End(nil) == nil {
		t.Error("a handle that Stream did not give makes a record")
	}
}

type temporary string

func (e temporary) Error() string { return string(e) }
func (temporary) Retriable() bool { return true }

func TestEmitterWaitsForTheRegistry(t *testing.T) {
	c := &rawConverter{failures: []error{temporary("registry is away")}}
	e := newTestEmitter(t, newFakeProducer(), c)
	if _, err := e.Stream("orders", 0, text, text, nil); err != nil {
		t.Errorf("Stream = %v, want it to wait for a retriable error", err)
	}
	e.retries.giveUp = time.Millisecond
	c.failures = slices.Repeat([]error{temporary("registry is away")}, 100)
	if _, err := e.Stream("orders", 0, text, text, nil); err == nil || retriable(err) || !strings.Contains(err.Error(), "errors.retry.timeout=1: ") {
		t.Errorf("Stream beyond errors.retry.timeout = %v, want an error that is not retriable and names the option", err)
	}
	c.failures = []error{errors.New("incompatible")}
	if _, err := e.Stream("orders", 0, text, text, nil); err == nil {
		t.Error("Stream with an error that is not retriable has none")
	}
}

// Records that are left out keep their number: what the task is told to be done with must not run ahead of the acknowledgements.
func TestEmitterCountsWhatItLeavesOut(t *testing.T) {
	p := newFakeProducer()
	good, bad := new(rawConverter), &rawConverter{broken: errors.New("broken")}
	e := newTestEmitter(t, p, good)
	e.decide = &tolerance{config: &ConnectorConfig{Tolerance: TolerateAll}}
	fine, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.conv.value = bad
	broken, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, handle := range []int{broken, fine, fine, broken, broken, fine} {
		_, v := e.Begin(handle)
		v.Text([]byte("x"))
		if err := e.End(nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ acked, want uint64 }{{0, 1}, {1, 2}, {2, 5}, {3, 6}} {
		p.ack(c.acked)
		if got := e.acked(); got != c.want {
			t.Errorf("acked() after %d acknowledgements = %d, want %d", c.acked, got, c.want)
		}
	}
}

func TestEmitterAllocates(t *testing.T) {
	write := hotEmitter(t)
	if allocs := testing.AllocsPerRun(1000, write); allocs != 0 {
		t.Errorf("a record costs %v allocations, want 0", allocs)
	}
}

func BenchmarkEmitter(b *testing.B) {
	write := hotEmitter(b)
	b.ReportAllocs()
	for b.Loop() {
		write()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func hotEmitter(t testing.TB) func() {
	p := newFakeProducer()
	p.keep = false
	e := newTestEmitter(t, p, new(rawConverter))
	handle, err := e.Stream("orders", kafka.AnyPartition, text, text, []schema.Header{{Key: "h", Value: schema.OfString("1")}})
	if err != nil {
		t.Fatal(err)
	}
	key, value := []byte("12345678"), []byte(fmt.Sprintf("%0500d", 1))
	return func() {
		k, v := e.Begin(handle)
		k.Text(key)
		v.Text(value)
		if err := e.End(nil); err != nil {
			t.Fatal(err)
		}
	}
}
