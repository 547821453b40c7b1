package connect

import (
	"math"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/kafka/client"
)

func (m *clientMeter) collectConsumer(now time.Time, v *metrics.View[clientStats], b *metrics.Bean, out *metrics.Out) {
	c := &v.Now.consumer
	b.Put("last-poll-seconds-ago", ago(now, c.LastPoll, m.began))
	b.Put("time-between-poll-avg", v.Avg(func(s *clientStats) float64 { return milliseconds(s.consumer.Between) }, func(s *clientStats) float64 { return float64(s.consumer.Polls) }))
	b.Put("time-between-poll-max", v.Peak(func(s *clientStats) float64 {
		if s.consumer.Polls < 2 {
			return -1
		}
		return milliseconds(s.consumer.MostBetween)
	}))
	b.Put("poll-idle-ratio-avg", share((c.Idle-v.Then.consumer.Idle).Seconds(), v.Elapsed()))
	b.Put("commit-sync-time-ns-total", float64(c.Committing))
	m.collectFetches(v, out.Bean("kafka.consumer", "consumer-fetch-manager-metrics", "client-id", m.id))
	for topic := range c.Topics {
		t := out.Bean("kafka.consumer", "consumer-fetch-manager-metrics", "client-id", m.id, "topic", topic)
		of := func(s *clientStats) client.ConsumedStats { return s.consumer.Topics[topic] }
		collectConsumed(v, of, t)
		t.Put("fetch-size-avg", v.Avg(func(s *clientStats) float64 { return float64(of(s).Bytes) }, func(s *clientStats) float64 { return float64(s.traffic.Of(client.APIFetch).Responses) }))
	}
	for _, p := range c.Partitions {
		t := out.Bean("kafka.consumer", "consumer-fetch-manager-metrics", "client-id", m.id, "topic", p.Topic, "partition", strconv.Itoa(int(p.Partition)))
		t.Put("records-lag", float64(max(0, p.End-p.Next)))
		t.Put("records-lead", float64(max(0, p.Next-p.Begin)))
		lag, lead := over(v, p, func(q *client.PartitionStats) int64 { return q.End - q.Next }), over(v, p, func(q *client.PartitionStats) int64 { return q.Next - q.Begin })
		t.Put("records-lag-avg", lag.mean)
		t.Put("records-lag-max", lag.most)
		t.Put("records-lead-avg", lead.mean)
		t.Put("records-lead-min", lead.least)
		t.Put("preferred-read-replica", -1) // always the leader
	}
	group := out.Bean("kafka.consumer", "consumer-coordinator-metrics", "client-id", m.id)
	group.Put("assigned-partitions", float64(len(c.Partitions)))
	group.Put("commit-total", float64(c.Commits))
	group.Put("commit-rate", v.Rate(func(s *clientStats) float64 { return float64(s.consumer.Commits) }))
	commits := func(s *clientStats) client.ExchangeStats { return s.traffic.Of(client.APIOffsetCommit) }
	group.Put("commit-latency-avg", latency(v, commits))
	group.Put("commit-latency-max", slowest(v, commits))
	collectMembership(now, m.began, v, group, func(s *clientStats) (uint64, time.Duration, time.Duration) {
		return s.consumer.Rebalances, s.consumer.Rebalancing, s.consumer.MostRebalance
	}, func(s *clientStats) uint64 { return s.consumer.Failed }, c.LastRebalance)
}

// figuresOver are the mean, greatest and least value over the samples of a window.
type figuresOver struct{ mean, most, least float64 }

// over looks at a partition at the end of every sample and now: between them it is not followed.
func over(v *metrics.View[clientStats], p client.PartitionStats, of func(*client.PartitionStats) int64) figuresOver {
	var sum, n float64
	value := func(s *clientStats) float64 {
		for i := range s.consumer.Partitions {
			if q := &s.consumer.Partitions[i]; q.TopicPartition == p.TopicPartition {
				return float64(max(0, of(q)))
			}
		}
		return -1
	}
	v.Each(func(s *clientStats) {
		if x := value(s); x >= 0 {
			sum, n = sum+x, n+1
		}
	})
	return figuresOver{sum / n, v.Peak(value), v.Least(value)}
}

func (m *clientMeter) collectFetches(v *metrics.View[clientStats], b *metrics.Bean) {
	fetch := func(s *clientStats) client.ExchangeStats { return s.traffic.Of(client.APIFetch) }
	b.Put("fetch-total", float64(fetch(&v.Now).Requests))
	b.Put("fetch-rate", v.Rate(func(s *clientStats) float64 { return float64(fetch(s).Requests) }))
	b.Put("fetch-latency-avg", latency(v, fetch))
	b.Put("fetch-latency-max", slowest(v, fetch))
	b.Put("fetch-size-avg", v.Avg(func(s *clientStats) float64 { return float64(fetch(s).BytesIn) }, func(s *clientStats) float64 { return float64(fetch(s).Responses) }))
	b.Put("fetch-size-max", v.Peak(func(s *clientStats) float64 {
		if fetch(s).Responses == 0 {
			return -1
		}
		return float64(fetch(s).MostIn)
	}))
	all := func(s *clientStats) client.ConsumedStats {
		return client.ConsumedStats{Records: s.consumer.Records, Bytes: s.consumer.Bytes}
	}
	collectConsumed(v, all, b)
	most, least := -1.0, -1.0
	for _, p := range v.Now.consumer.Partitions {
		most = max(most, over(v, p, func(q *client.PartitionStats) int64 { return q.End - q.Next }).most)
		if lead := over(v, p, func(q *client.PartitionStats) int64 { return q.Next - q.Begin }).least; least < 0 || lead < least {
			least = lead
		}
	}
	b.Put("records-lag-max", orNaN(most))
	b.Put("records-lead-min", orNaN(least))
}

// orNaN is v, NaN where there is none.
func orNaN(v float64) float64 {
	if v < 0 {
		return math.NaN()
	}
	return v
}

// collectConsumed gives what the whole consumer and each of its topics have.
func collectConsumed(v *metrics.View[clientStats], of func(*clientStats) client.ConsumedStats, b *metrics.Bean) {
	records, bytes := func(s *clientStats) float64 { return float64(of(s).Records) }, func(s *clientStats) float64 { return float64(of(s).Bytes) }
	b.Put("records-consumed-total", records(&v.Now))
	b.Put("records-consumed-rate", v.Rate(records))
	b.Put("bytes-consumed-total", bytes(&v.Now))
	b.Put("bytes-consumed-rate", v.Rate(bytes))
	b.Put("records-per-request-avg", v.Avg(records, func(s *clientStats) float64 { return float64(s.traffic.Of(client.APIFetch).Responses) }))
}

// collectMembership gives what a member of a group has, a consumer as well as a worker.
func collectMembership(now, began time.Time, v *metrics.View[clientStats], b *metrics.Bean, rebalances func(*clientStats) (uint64, time.Duration, time.Duration),
	failed func(*clientStats) uint64, last time.Time) {
	for _, a := range []struct {
		name string
		api  client.API
	}{{"join", client.APIJoinGroup}, {"sync", client.APISyncGroup}} {
		of := func(s *clientStats) client.ExchangeStats { return s.traffic.Of(a.api) }
		b.Put(a.name+"-total", float64(of(&v.Now).Responses))
		b.Put(a.name+"-rate", v.Rate(func(s *clientStats) float64 { return float64(of(s).Responses) }))
		b.Put(a.name+"-time-avg", latency(v, of))
		b.Put(a.name+"-time-max", slowest(v, of))
	}
	beats := func(s *clientStats) client.ExchangeStats { return s.traffic.Of(client.APIHeartbeat) }
	b.Put("heartbeat-total", float64(beats(&v.Now).Responses))
	b.Put("heartbeat-rate", v.Rate(func(s *clientStats) float64 { return float64(beats(s).Responses) }))
	b.Put("heartbeat-response-time-max", slowest(v, beats))
	b.Put("last-heartbeat-seconds-ago", sinceOrMinusOne(now, beats(&v.Now).Last))
	b.Put("failed-rebalance-total", float64(failed(&v.Now)))
	b.Put("failed-rebalance-rate-per-hour", v.Rate(func(s *clientStats) float64 { return float64(failed(s)) })*3600)
	n, took, _ := rebalances(&v.Now)
	count := func(s *clientStats) float64 { n, _, _ := rebalances(s); return float64(n) }
	b.Put("rebalance-total", float64(n))
	b.Put("rebalance-rate-per-hour", v.Rate(count)*3600)
	b.Put("rebalance-latency-total", milliseconds(took))
	b.Put("rebalance-latency-avg", v.Avg(func(s *clientStats) float64 { _, took, _ := rebalances(s); return milliseconds(took) }, count))
	b.Put("rebalance-latency-max", v.Peak(func(s *clientStats) float64 {
		if count(s) == 0 {
			return -1
		}
		_, _, most := rebalances(s)
		return milliseconds(most)
	}))
	b.Put("last-rebalance-seconds-ago", sinceOrMinusOne(now, last))
}

// sinceOrMinusOne is how many seconds ago something was, -1 as in Kafka's metrics where it never was.
func sinceOrMinusOne(now, last time.Time) float64 {
	if last.IsZero() {
		return -1
	}
	return max(0, now.Sub(last).Seconds())
}

func latency(v *metrics.View[clientStats], of func(*clientStats) client.ExchangeStats) float64 {
	return v.Avg(func(s *clientStats) float64 { return milliseconds(of(s).Latency) }, func(s *clientStats) float64 { return float64(of(s).Responses) })
}

func slowest(v *metrics.View[clientStats], of func(*clientStats) client.ExchangeStats) float64 {
	return v.Peak(func(s *clientStats) float64 {
		if of(s).Responses == 0 {
			return -1
		}
		return milliseconds(of(s).Slowest)
	})
}
