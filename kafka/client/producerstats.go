package client

import "time"

// ProducerStats counts over the producer's life. What is most is since the sample before, -1 when there was none.
type ProducerStats struct {
	Records  uint64 // acknowledged
	Bytes    uint64 // of their keys, values and headers, about
	Requests uint64 // of records
	Retries  uint64 // batches sent again
	Buffered int64  // bytes taken from buffer.memory now
	Buffer   int64  // buffer.memory

	Batches       uint64        // acknowledged
	Retried       uint64        // records sent again
	Refused       uint64        // records of batches that finally failed
	Splits        uint64        // batches that were too large for the broker
	Queued        time.Duration // what all batches together have waited to be sent the first time
	QueuedOf      uint64        // as many batches
	MostQueued    time.Duration
	MostBatch     int64         // bytes
	MostRecord    int64         // bytes
	Blocked       time.Duration // what Send has waited for buffer.memory
	MetadataWait  time.Duration // what Send has waited for a topic's partitions
	Waiting       int           // calls of Send that wait now
	InFlight      int           // requests
	Metadata      time.Time     // when the topics were looked up last
	Throttled     time.Duration // what the broker has held answers back, together
	MostThrottled time.Duration
	Topics        map[string]TopicStats
}

// TopicStats counts the records of one topic.
type TopicStats struct{ Records, Bytes, Retried, Refused uint64 }

// producerCounts is what is counted under the producer's mutex.
type producerCounts struct {
	ProducerStats
	waiting   int
	sampledOf uint64 // QueuedOf at the sample before
}

// taken counts a batch that is sent the first time.
func (s *producerCounts) taken(b *batch) {
	queued := time.Since(b.created)
	s.Queued += queued
	s.QueuedOf++
	s.MostQueued = max(s.MostQueued, queued)
	s.MostBatch = max(s.MostBatch, int64(b.size))
}

// again counts a batch that is sent once more.
func (s *producerCounts) again(b *batch) {
	s.Retries++
	s.Retried += uint64(b.count)
	b.part.topic.counts.Retried += uint64(b.count)
}

func (s *producerCounts) complete(b *batch) {
	n, size := uint64(b.count), uint64(b.size)
	s.Records += n
	s.Bytes += size
	s.Batches++
	b.part.topic.counts.Records += n
	b.part.topic.counts.Bytes += size
}

// throttled counts what the broker held an answer back for, by a quota.
func (s *producerCounts) throttled(d time.Duration) {
	s.Throttled += d
	s.MostThrottled = max(s.MostThrottled, d)
}

func (s *producerCounts) refused(b *batch) {
	s.Refused += uint64(b.count)
	b.part.topic.counts.Refused += uint64(b.count)
}

// waited counts what a Send has waited: for memory, or for the topic.
func (s *producerCounts) waited(memory bool, d time.Duration) {
	if memory {
		s.Blocked += d
	} else {
		s.MetadataWait += d
	}
}

// ClientID is the option client.id.
func (p *Producer) ClientID() string { return p.cfg.ClientID }

// Traffic counts what goes over its connections; nil: nobody does.
func (p *Producer) Traffic() *Traffic { return p.cfg.Traffic }

// Stats returns the counts.
func (p *Producer) Stats() ProducerStats { return p.counts(false) }

// Sample is Stats, and begins a new sample: peaks are forgotten.
func (p *Producer) Sample() ProducerStats { return p.counts(true) }

func (p *Producer) counts(sample bool) ProducerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats.ProducerStats
	s.Metadata = p.lookedUp
	s.Buffered, s.Buffer, s.Waiting = p.buffered, p.cfg.Producer.BufferBytes, p.stats.waiting
	for _, sender := range p.senders {
		s.InFlight += sender.inFlight
	}
	s.Topics = make(map[string]TopicStats, len(p.topics))
	for name, t := range p.topics {
		s.Topics[name] = t.counts
	}
	if s.QueuedOf == p.stats.sampledOf {
		s.MostQueued, s.MostBatch = -1, -1
	}
	if s.MostRecord == 0 {
		s.MostRecord = -1
	}
	if sample {
		p.stats.MostQueued, p.stats.MostBatch, p.stats.MostRecord, p.stats.MostThrottled, p.stats.sampledOf = 0, 0, 0, 0, s.QueuedOf
	}
	return s
}
