package connect

import (
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// meteredClients has the clients of a life measured until done.
type meteredClients struct {
	clients
	registry *metrics.Registry
	removes  []func()
}

func (m *meteredClients) producer() producer    { return measured(m, m.clients.producer()) }
func (m *meteredClients) deadLetters() producer { return measured(m, m.clients.deadLetters()) }
func (m *meteredClients) offsetProducer() producer {
	return measured(m, m.clients.offsetProducer())
}
func (m *meteredClients) transactional(id string) (transactional, time.Duration) {
	p, timeout := m.clients.transactional(id)
	return measured(m, p), timeout
}
func (m *meteredClients) admin() admin { return measured(m, m.clients.admin()) }
func (m *meteredClients) consumer(s client.Subscription) consumer {
	return measured(m, m.clients.consumer(s))
}

// done forgets the clients.
func (m *meteredClients) done() {
	for _, remove := range m.removes {
		remove()
	}
	m.removes = nil
}

// measured adds a client, if it is one that counts.
func measured[T any](m *meteredClients, c T) T {
	if meter := newClientMeter(m.registry, any(c)); meter != nil {
		m.removes = append(m.removes, m.registry.Add(meter))
	}
	return c
}

// newClientMeter is the meter of a client; nil for one that does not count.
func newClientMeter(r *metrics.Registry, c any) metrics.Meter {
	t, ok := c.(interface {
		ClientID() string
		Traffic() *client.Traffic
	})
	if !ok || t.Traffic() == nil {
		return nil
	}
	m := &clientMeter{id: t.ClientID(), traffic: t.Traffic(), began: time.Now(), window: metrics.NewWindowIn[clientStats](r)}
	switch c := c.(type) {
	case *client.Producer:
		m.side, m.kind, m.producer = "producer", "producer", c
	case *client.Consumer:
		m.side, m.kind, m.consumer = "consumer", "consumer", c
	default:
		m.side, m.kind = "admin.client", "admin-client"
	}
	return m
}

// NewGroupMeter is the meter of a worker's membership in its group; see Worker.MeasureGroup.
func NewGroupMeter(r *metrics.Registry, id string, t *client.Traffic, group func(sample bool) GroupStats) metrics.Meter {
	return &clientMeter{side: "connect", kind: "connect", id: id, traffic: t, began: time.Now(), window: metrics.NewWindowIn[clientStats](r), group: group}
}

// clientMeter measures one Kafka client.
type clientMeter struct {
	side, kind, id string // kafka.<side>:type=<kind>-metrics,client-id=<id>
	began          time.Time
	traffic        *client.Traffic
	producer       *client.Producer             // nil: another client
	consumer       *client.Consumer             // nil: another client
	group          func(sample bool) GroupStats // nil: no worker's
	window         *metrics.Window[clientStats]
}

// clientStats is what is sampled of a client.
type clientStats struct {
	traffic  client.TrafficStats
	producer client.ProducerStats
	consumer client.ConsumerStats
	group    GroupStats
}

// Sample implements metrics.Meter.
func (m *clientMeter) Sample(now time.Time) {
	s := clientStats{traffic: m.traffic.Sample()}
	if m.producer != nil {
		s.producer = m.producer.Sample()
	}
	if m.consumer != nil {
		s.consumer = m.consumer.Sample()
	}
	if m.group != nil {
		s.group = m.group(true)
	}
	m.window.Sample(now, s)
}

// Collect implements metrics.Meter.
func (m *clientMeter) Collect(now time.Time, out *metrics.Out) {
	s := clientStats{traffic: m.traffic.Stats()}
	if m.producer != nil {
		s.producer = m.producer.Stats()
	}
	if m.consumer != nil {
		s.consumer = m.consumer.Stats()
	}
	if m.group != nil {
		s.group = m.group(false)
	}
	v := m.window.View(now, s)
	domain := "kafka." + m.side
	info := out.Bean(domain, "app-info", "client-id", m.id)
	info.Put("start-time-ms", float64(m.began.UnixMilli()))
	info.Text("version", Version)
	info.Text("commit-id", Commit())
	b := out.Bean(domain, m.kind+"-metrics", "client-id", m.id)
	collectTraffic(&v, func(s *clientStats) client.NodeStats { return s.traffic.Total }, b)
	b.Put("connection-creation-total", float64(s.traffic.Total.Opened))
	b.Put("connection-creation-rate", v.Rate(func(s *clientStats) float64 { return float64(s.traffic.Total.Opened) }))
	b.Put("connection-close-total", float64(s.traffic.Total.Closed))
	b.Put("connection-close-rate", v.Rate(func(s *clientStats) float64 { return float64(s.traffic.Total.Closed) }))
	b.Put("connection-count", float64(s.traffic.Total.Opened-min(s.traffic.Total.Opened, s.traffic.Total.Closed)))
	b.Put("network-io-total", float64(s.traffic.Total.Requests+s.traffic.Total.Responses))
	b.Put("network-io-rate", v.Rate(func(s *clientStats) float64 { return float64(s.traffic.Total.Requests + s.traffic.Total.Responses) }))
	switch {
	case m.producer != nil:
		m.collectProducer(now, &v, b, out)
	case m.consumer != nil:
		m.collectConsumer(now, &v, b, out)
	case m.group != nil:
		m.collectGroup(now, &v, out)
		m.collectRebalances(now, &v, out)
	}
	for id := range s.traffic.Nodes {
		node := out.Bean(domain, m.kind+"-node-metrics", "client-id", m.id, "node-id", "node-"+strconv.Itoa(int(id)))
		of := func(s *clientStats) client.NodeStats { return s.traffic.Nodes[id] }
		collectTraffic(&v, of, node)
		collectLatency(&v, of, node)
	}
}

// collectTraffic gives what all clients have, and each of their nodes.
func collectTraffic(v *metrics.View[clientStats], of func(*clientStats) client.NodeStats, b *metrics.Bean) {
	now := of(&v.Now)
	for _, a := range []struct {
		name  string
		total uint64
		count func(*clientStats) float64
	}{
		{"incoming-byte", now.BytesIn, func(s *clientStats) float64 { return float64(of(s).BytesIn) }},
		{"outgoing-byte", now.BytesOut, func(s *clientStats) float64 { return float64(of(s).BytesOut) }},
		{"request", now.Requests, func(s *clientStats) float64 { return float64(of(s).Requests) }},
		{"response", now.Responses, func(s *clientStats) float64 { return float64(of(s).Responses) }},
	} {
		b.Put(a.name+"-total", float64(a.total))
		b.Put(a.name+"-rate", v.Rate(a.count))
	}
	b.Put("request-size-avg", v.Avg(func(s *clientStats) float64 { return float64(of(s).BytesOut) }, func(s *clientStats) float64 { return float64(of(s).Requests) }))
	b.Put("request-size-max", v.Peak(func(s *clientStats) float64 {
		if n := of(s); n.Requests > 0 {
			return float64(n.MostOut)
		}
		return -1
	}))
}

func collectLatency(v *metrics.View[clientStats], of func(*clientStats) client.NodeStats, b *metrics.Bean) {
	b.Put("request-latency-avg", v.Avg(func(s *clientStats) float64 { return milliseconds(of(s).Latency) }, func(s *clientStats) float64 { return float64(of(s).Responses) }))
	b.Put("request-latency-max", v.Peak(func(s *clientStats) float64 {
		if n := of(s); n.Responses > 0 {
			return milliseconds(n.Slowest)
		}
		return -1
	}))
}

func milliseconds(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return float64(d) / 1e6
}

func (m *clientMeter) collectProducer(now time.Time, v *metrics.View[clientStats], b *metrics.Bean, out *metrics.Out) {
	p := &v.Now.producer
	collectLatency(v, func(s *clientStats) client.NodeStats { return s.traffic.Total }, b)
	put := func(name string, count func(*client.ProducerStats) uint64) {
		b.Put(name+"-total", float64(count(p)))
		b.Put(name+"-rate", v.Rate(func(s *clientStats) float64 { return float64(count(&s.producer)) }))
	}
	put("record-send", func(p *client.ProducerStats) uint64 { return p.Records })
	put("record-retry", func(p *client.ProducerStats) uint64 { return p.Retried })
	put("record-error", func(p *client.ProducerStats) uint64 { return p.Refused })
	put("batch-split", func(p *client.ProducerStats) uint64 { return p.Splits })
	avg := func(name string, sum, count func(*client.ProducerStats) float64) {
		b.Put(name, v.Avg(func(s *clientStats) float64 { return sum(&s.producer) }, func(s *clientStats) float64 { return count(&s.producer) }))
	}
	records, batches := func(p *client.ProducerStats) float64 { return float64(p.Records) }, func(p *client.ProducerStats) float64 { return float64(p.Batches) }
	bytes := func(p *client.ProducerStats) float64 { return float64(p.Bytes) }
	avg("batch-size-avg", bytes, batches)
	avg("record-size-avg", bytes, records)
	avg("records-per-request-avg", records, func(p *client.ProducerStats) float64 { return float64(p.Requests) })
	avg("record-queue-time-avg", func(p *client.ProducerStats) float64 { return milliseconds(p.Queued) }, func(p *client.ProducerStats) float64 { return float64(p.QueuedOf) })
	b.Put("compression-rate-avg", v.Avg(func(s *clientStats) float64 { return float64(s.traffic.Of(client.APIProduce).BytesOut) }, func(s *clientStats) float64 { return bytes(&s.producer) }))
	b.Put("batch-size-max", v.Peak(func(s *clientStats) float64 { return atLeastOne(s.producer.MostBatch) }))
	b.Put("record-size-max", v.Peak(func(s *clientStats) float64 { return atLeastOne(s.producer.MostRecord) }))
	b.Put("record-queue-time-max", v.Peak(func(s *clientStats) float64 {
		if s.producer.QueuedOf == 0 {
			return -1
		}
		return milliseconds(s.producer.MostQueued)
	}))
	avg("produce-throttle-time-avg", func(p *client.ProducerStats) float64 { return milliseconds(p.Throttled) }, func(p *client.ProducerStats) float64 { return float64(p.Requests) })
	b.Put("produce-throttle-time-max", v.Peak(func(s *clientStats) float64 { return milliseconds(s.producer.MostThrottled) }))
	b.Put("buffer-exhausted-total", 0) // Send waits for as long as it takes
	b.Put("buffer-exhausted-rate", 0)
	b.Put("requests-in-flight", float64(p.InFlight))
	b.Put("buffer-total-bytes", float64(p.Buffer))
	b.Put("buffer-available-bytes", float64(max(0, p.Buffer-p.Buffered)))
	b.Put("waiting-threads", float64(p.Waiting))
	b.Put("bufferpool-wait-time-ns-total", float64(p.Blocked))
	b.Put("bufferpool-wait-ratio", share((p.Blocked-v.Then.producer.Blocked).Seconds(), v.Elapsed()))
	b.Put("metadata-wait-time-ns-total", float64(p.MetadataWait))
	b.Put("metadata-age", ago(now, p.Metadata, m.began))
	for topic := range p.Topics {
		t := out.Bean("kafka.producer", "producer-topic-metrics", "client-id", m.id, "topic", topic)
		for _, a := range []struct {
			name  string
			count func(client.TopicStats) uint64
		}{
			{"record-send", func(t client.TopicStats) uint64 { return t.Records }}, {"byte", func(t client.TopicStats) uint64 { return t.Bytes }},
			{"record-retry", func(t client.TopicStats) uint64 { return t.Retried }}, {"record-error", func(t client.TopicStats) uint64 { return t.Refused }},
		} {
			t.Put(a.name+"-total", float64(a.count(p.Topics[topic])))
			t.Put(a.name+"-rate", v.Rate(func(s *clientStats) float64 { return float64(a.count(s.producer.Topics[topic])) }))
		}
	}
}

// ago is how many seconds ago something was, or since the beginning.
func ago(now, last, began time.Time) float64 {
	if last.IsZero() {
		last = began
	}
	return max(0, now.Sub(last).Seconds())
}

// atLeastOne is a peak, negative where there is none: sizes are never 0.
func atLeastOne(n int64) float64 {
	if n <= 0 {
		return -1
	}
	return float64(n)
}
