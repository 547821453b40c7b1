package elasticsearch

import "github.com/tandem-cdc/tandem/kafka"

// partition knows how far one partition is written: the records of it that were put, in their order, and which of them are settled. It is guarded
// by its pipeline.
type partition struct {
	at kafka.TopicPartition
	// end is the offset behind the last record when the partition was assigned: what was written before has smaller ones.
	end      int64
	accepted int64 // offset behind the last record that was put; -1: none
	position int64 // offset behind the settled records without a gap; -1: none
	behind   int64 // where to go on behind records that were not put, once those before are settled; -1: none

	base    uint64 // number of offsets[0]
	offsets []int64
	settled []bool
	head    int // of offsets and settled: what is before is gone
}

func newPartition(at kafka.TopicPartition, end int64) *partition {
	return &partition{at: at, end: end, accepted: -1, position: -1, behind: -1}
}

// put notes a record and returns its number.
func (p *partition) put(offset int64) uint64 {
	p.accepted = offset + 1
	p.offsets = append(p.offsets, offset)
	p.settled = append(p.settled, false)
	return p.base + uint64(len(p.offsets)-1)
}

// settle says that nothing more is to be done for a record.
func (p *partition) settle(number uint64) {
	p.settled[number-p.base] = true
	for p.head < len(p.offsets) && p.settled[p.head] {
		p.position = p.offsets[p.head] + 1
		p.head++
	}
	if p.head < len(p.offsets) && (p.head < 1024 || p.head < len(p.offsets)/2) {
		return
	}
	p.base += uint64(p.head)
	p.offsets = append(p.offsets[:0], p.offsets[p.head:]...)
	p.settled = append(p.settled[:0], p.settled[p.head:]...)
	p.head = 0
}

// pending tells that records are not settled.
func (p *partition) pending() bool { return p.head < len(p.offsets) }

// next is where the group is to go on; -1: nothing is known.
func (p *partition) next() int64 {
	if p.pending() {
		return p.position
	}
	return max(p.position, p.behind)
}
