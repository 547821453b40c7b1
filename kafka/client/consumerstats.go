package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/measure"
	"github.com/tandem-cdc/tandem/kafka"
)

// ConsumerStats counts over the consumer's life. What is most is since the sample before, negative when there was none.
type ConsumerStats struct {
	Records, Bytes uint64 // handed over, with the bytes of keys and values
	Polls          uint64 // calls of Handler.Records
	LastPoll       time.Time
	Between        time.Duration // what lay between the polls, together
	MostBetween    time.Duration
	Idle           time.Duration // what was waited for records
	Commits        uint64
	Committing     time.Duration // what Commit took, together

	Rebalances    uint64
	Rebalancing   time.Duration // what they took, together
	MostRebalance time.Duration
	LastRebalance time.Time // the end of the last
	Failed        uint64    // sessions in the group that ended with an error
	Partitions    []PartitionStats
	Topics        map[string]ConsumedStats
}

// ConsumedStats counts the records of one topic.
type ConsumedStats struct{ Records, Bytes uint64 }

// PartitionStats is where the consumer stands in a partition that it has now.
type PartitionStats struct {
	kafka.TopicPartition
	Next  int64 // offset of the next record to hand over
	Begin int64 // of the first record, when it was assigned
	End   int64 // offset behind the last record that the broker told of, when only committed ones are read behind the last such; never that of a mark
}

// consumerCounts is what a Consumer counts.
type consumerCounts struct {
	polls, between, idle       atomic.Uint64
	commits, committing        atomic.Uint64
	rebalances, rebalancing    atomic.Uint64
	failed                     atomic.Uint64
	mostBetween, mostRebalance measure.Peak
	lastPoll, lastRebalance    atomic.Int64 // as ticks has it; 0 never
	rejoin                     atomic.Int64 // when the rebalance that goes on began; 0: none
	waits                      time.Time    // of the pump: since when it waits; zero: it does not

	mu     sync.Mutex // guards topics, not what they count
	topics map[string]*consumed
	last   *consumed // the pump's: of the record before
	of     string
}

type consumed struct{ records, bytes atomic.Uint64 }

// rejoins begins a rebalance.
func (c *consumerCounts) rejoins() { c.rejoin.Store(ticks(time.Now())) }

// joined ends it.
func (c *consumerCounts) joined() {
	now := ticks(time.Now())
	if began := c.rejoin.Swap(0); began != 0 {
		c.rebalances.Add(1)
		c.rebalancing.Add(uint64(now - began))
		c.mostRebalance.See(now - began)
		c.lastRebalance.Store(now)
	}
}

func (c *consumerCounts) commit(took time.Duration) {
	c.commits.Add(1)
	c.committing.Add(uint64(took))
}

// idles, works and rests are the pump's.
func (c *consumerCounts) idles() { c.waits = time.Now() }

func (c *consumerCounts) works() {
	now := time.Now()
	c.idle.Add(uint64(now.Sub(c.waits)))
	c.waits = time.Time{}
	if last := c.lastPoll.Swap(ticks(now)); last != 0 {
		c.between.Add(uint64(ticks(now) - last))
		c.mostBetween.See(ticks(now) - last)
	}
	c.polls.Add(1)
}

func (c *consumerCounts) rests() { c.idle.Add(uint64(time.Since(c.waits))) }

// handed counts records that were handed over, a run of one topic at a time.
func (c *consumerCounts) handed(records []kafka.Record) {
	for len(records) > 0 {
		topic, n, bytes := records[0].Topic, 0, 0
		for n < len(records) && records[n].Topic == topic {
			bytes += len(records[n].Key) + len(records[n].Value)
			n++
		}
		if c.last == nil || c.of != topic {
			c.last, c.of = c.topic(topic), topic
		}
		c.last.records.Add(uint64(n))
		c.last.bytes.Add(uint64(bytes))
		records = records[n:]
	}
}

func (c *consumerCounts) topic(name string) *consumed {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.topics[name]
	if t == nil {
		if c.topics == nil {
			c.topics = make(map[string]*consumed)
		}
		t = new(consumed)
		c.topics[name] = t
	}
	return t
}

// ClientID is the option client.id.
func (c *Consumer) ClientID() string { return c.cfg.ClientID }

// Traffic counts what goes over its connections; nil: nobody does.
func (c *Consumer) Traffic() *Traffic { return c.cfg.Traffic }

// Quiet is how long sound brokers may say nothing to a member of the group: the longer of heartbeat.interval.ms and fetch.max.wait.ms.
func (c *Consumer) Quiet() time.Duration {
	return max(c.cfg.Consumer.Heartbeat, c.cfg.Consumer.FetchWait)
}

// Stats returns the counts.
func (c *Consumer) Stats() ConsumerStats { return c.counted((*measure.Peak).Value) }

// Sample is Stats, and begins a new sample: peaks are forgotten.
func (c *Consumer) Sample() ConsumerStats { return c.counted((*measure.Peak).Take) }

func (c *Consumer) counted(peak func(*measure.Peak) int64) ConsumerStats {
	n := &c.counts
	s := ConsumerStats{
		Polls: n.polls.Load(), LastPoll: at(n.lastPoll.Load()), Between: time.Duration(n.between.Load()), MostBetween: time.Duration(peak(&n.mostBetween)),
		Idle: time.Duration(n.idle.Load()), Commits: n.commits.Load(), Committing: time.Duration(n.committing.Load()),
		Rebalances: n.rebalances.Load(), Rebalancing: time.Duration(n.rebalancing.Load()), MostRebalance: time.Duration(peak(&n.mostRebalance)),
		LastRebalance: at(n.lastRebalance.Load()), Failed: n.failed.Load(), Topics: make(map[string]ConsumedStats),
	}
	n.mu.Lock()
	for name, t := range n.topics {
		s.Topics[name] = ConsumedStats{t.records.Load(), t.bytes.Load()}
		s.Records += t.records.Load()
		s.Bytes += t.bytes.Load()
	}
	n.mu.Unlock()
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	if session != nil {
		s.Partitions = session.partitions()
	}
	return s
}

// tickStart is what ticks are counted from.
var tickStart = time.Now()

// ticks is a time as a number that no jump of the wall clock changes: nanoseconds since tickStart. Never 0.
func ticks(t time.Time) int64 { return int64(t.Sub(tickStart)) + 1 }

// at is the time of ticks, zero for 0.
func at(ticks int64) time.Time {
	if ticks == 0 {
		return time.Time{}
	}
	return tickStart.Add(time.Duration(ticks - 1))
}

// noteBegins keeps where the partitions begin.
func (s *session) noteBegins(assigned []Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begins = make(map[kafka.TopicPartition]int64, len(assigned))
	for _, a := range assigned {
		s.begins[a.TopicPartition] = a.Begin
	}
}

// claimed keeps a claim, which knows how far its partition goes.
func (s *session) claimed(claim sarama.ConsumerGroupClaim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = append(s.claims, claim)
}

// partitions tells where the session stands.
func (s *session) partitions() []PartitionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]PartitionStats, 0, len(s.claims))
	for _, claim := range s.claims {
		tp := kafka.TopicPartition{Topic: claim.Topic(), Partition: claim.Partition()}
		next, ok := s.next[tp]
		if !ok {
			continue
		}
		end, ok := s.run.folder.end(tp)
		if !ok {
			end = claim.HighWaterMarkOffset() // 0 before the first answer: then nothing is known of the end
		}
		out = append(out, PartitionStats{TopicPartition: tp, Next: next, Begin: s.begins[tp], End: max(end, next)})
	}
	return out
}
