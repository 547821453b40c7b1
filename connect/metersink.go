package connect

import (
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// consumed notes a batch that came.
func (m *taskMeter) consumed(records []kafka.Record) {
	if m == nil {
		return
	}
	k := &m.sink
	k.read.Add(uint64(len(records)))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.positions == nil {
		k.positions = make(map[kafka.TopicPartition]*sinkPosition)
	}
	for i, last := range lasts(records) {
		r := &records[last]
		at := kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}
		p := k.positions[at]
		if p == nil {
			p = &sinkPosition{committed: records[i].Offset, applied: records[i].Offset}
			k.positions[at] = p
		}
		p.consumed, p.consumedAt = r.Offset+1, r.Timestamp
	}
}

// lasts gives the first and the last index of each run of records of one partition.
func lasts(records []kafka.Record) func(yield func(first, last int) bool) {
	return func(yield func(int, int) bool) {
		first := 0
		for i := range records {
			if i+1 < len(records) && records[i+1].Partition == records[i].Partition && records[i+1].Topic == records[i].Topic {
				continue
			}
			if !yield(first, i) {
				return
			}
			first = i + 1
		}
	}
}

// applied notes that the store has taken all of the last batch, sent of which were put.
func (m *taskMeter) applied(records []kafka.Record, sent int) {
	if m == nil {
		return
	}
	k := &m.sink
	k.sent.Add(uint64(sent))
	k.mu.Lock()
	for _, last := range lasts(records) {
		r := &records[last]
		if p := k.positions[kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}]; p != nil {
			p.applied, p.appliedAt = r.Offset+1, r.Timestamp
		}
	}
	active := k.active()
	k.mu.Unlock()
	m.look(active)
}

// active is how many records were read and are not committed. Under mu.
func (k *sinkCounts) active() (n uint64) {
	for _, p := range k.positions {
		n += uint64(max(0, p.consumed-p.committed))
	}
	return n
}

// put counts one call of the task's Put.
func (m *taskMeter) put(records int, took time.Duration) {
	if m == nil {
		return
	}
	m.sink.puts.Add(1)
	m.sink.putNanos.Add(uint64(took))
	m.sink.slowestPut.See(int64(took))
	c := &m.source
	c.batches.Add(1)
	c.batchRecords.Add(uint64(records))
	c.largest.See(int64(records))
}

// storedAt notes the group's offsets, and tells whether one has moved.
func (m *taskMeter) storedAt(positions []kafka.Position) (moved bool) {
	if m == nil {
		return false
	}
	k := &m.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, at := range positions {
		p := k.positions[at.TopicPartition]
		if p == nil {
			continue
		}
		moved = moved || at.Offset > p.committed
		p.committed = at.Offset
		if at.Offset >= p.applied {
			p.committedAt = p.appliedAt
		}
	}
	return moved
}

// nothingToCommit counts a flush that found nothing.
func (m *taskMeter) nothingToCommit() {
	if m != nil {
		m.sink.skipped.Add(1)
	}
}

// givenUp forgets partitions.
func (m *taskMeter) givenUp(partitions []kafka.TopicPartition) {
	if m == nil {
		return
	}
	m.sink.mu.Lock()
	defer m.sink.mu.Unlock()
	for _, p := range partitions {
		delete(m.sink.positions, p)
	}
}

// measures takes the figures of the sink.Task at hand; nil: none.
func (m *taskMeter) measures(task any) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.task = nil
	if task, ok := task.(MeasuredSink); ok {
		m.task = task.Measure
	}
}

// reads takes the partitions from the consumer of the life at hand; nil: there is none.
func (m *taskMeter) reads(c consumer) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends = nil
	if c, ok := c.(interface{ Stats() client.ConsumerStats }); ok {
		m.ends = func() []client.PartitionStats { return c.Stats().Partitions }
	}
}

func (m *taskMeter) collectSink(now time.Time, v *metrics.View[taskStats], b *metrics.Bean, out *metrics.Out) {
	read, sent := func(s *taskStats) float64 { return float64(s.read) }, func(s *taskStats) float64 { return float64(s.sent) }
	b.Put("sink-record-read-total", read(&v.Now))
	b.Put("sink-record-read-rate", v.Rate(read))
	b.Put("sink-record-send-total", sent(&v.Now))
	b.Put("sink-record-send-rate", v.Rate(sent))
	commits, skipped := func(s *taskStats) float64 { return float64(s.commits) }, func(s *taskStats) float64 { return float64(s.skipped) }
	b.Put("offset-commit-completion-total", commits(&v.Now))
	b.Put("offset-commit-completion-rate", v.Rate(commits))
	b.Put("offset-commit-seq-no", commits(&v.Now)+float64(v.Now.failedCommits))
	b.Put("offset-commit-skip-total", skipped(&v.Now))
	b.Put("offset-commit-skip-rate", v.Rate(skipped))
	b.Put("put-batch-avg-time-ms", zero(v.Avg(func(s *taskStats) float64 { return float64(s.putNanos) / 1e6 }, func(s *taskStats) float64 { return float64(s.puts) })))
	b.Put("put-batch-max-time-ms", zero(v.Peak(func(s *taskStats) float64 { return nanosPeak(s.slowestPut) })))
	b.Put("sink-record-active-count-avg", zero(v.Avg(func(s *taskStats) float64 { return float64(s.activeSum) }, func(s *taskStats) float64 { return float64(s.activeLooks) })))
	b.Put("sink-record-active-count-max", zero(v.Peak(func(s *taskStats) float64 { return float64(s.mostActive) })))
	m.mu.Lock()
	ends := m.ends
	m.mu.Unlock()
	var partitions []client.PartitionStats
	if ends != nil {
		partitions = ends()
	}
	b.Put("partition-count", float64(len(partitions)))
	m.sink.mu.Lock()
	defer m.sink.mu.Unlock()
	b.Put("sink-record-active-count", float64(m.sink.active()))
	for _, p := range partitions {
		m.ladder(now, p, out)
	}
}

// ladder gives how far the steps of the way are behind the end of a partition, in records and in seconds. Under the mutex of sink.
func (m *taskMeter) ladder(now time.Time, p client.PartitionStats, out *metrics.Out) {
	at := m.sink.positions[p.TopicPartition]
	if at == nil { // nothing came yet
		at = &sinkPosition{consumed: p.Next, applied: p.Next, committed: p.Next}
	}
	labels := []string{"connector", m.id.Connector, "task", strconv.Itoa(m.id.Task), "topic", p.Topic, "partition", strconv.Itoa(int(p.Partition)), "rung", ""}
	rung := func(name string) []string {
		labels[len(labels)-1] = name
		return labels
	}
	out.Own("tandem_sink_position", float64(p.End), rung("end")...)
	for _, r := range []struct {
		rung   string
		offset int64
		record time.Time
	}{{"consumed", at.consumed, at.consumedAt}, {"applied", at.applied, at.appliedAt}, {"committed", at.committed, at.committedAt}} {
		behind := max(0, p.End-r.offset)
		out.Own("tandem_sink_position", float64(r.offset), rung(r.rung)...)
		out.Own("tandem_sink_lag_records", float64(behind), rung(r.rung)...)
		switch {
		case behind == 0:
			out.Own("tandem_sink_lag_seconds", 0, rung(r.rung)...)
		case !r.record.IsZero():
			out.Own("tandem_sink_lag_seconds", max(0, now.Sub(r.record).Seconds()), rung(r.rung)...)
		}
	}
}
