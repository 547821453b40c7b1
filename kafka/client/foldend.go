package client

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tandem-cdc/tandem/kafka"
)

// tail is what the answers tell of the end of a partition. Marks of transactions and records of aborted ones have offsets too, and nobody gets them: behind the
// last record a partition may go on.
type tail struct {
	records int64 // offset behind the last record
	passed  int64 // offset behind all that was looked at; between records and passed there is none
	end     int64 // of the partition, or of what of it is committed, as the newest answer has it; -1: there was no answer
}

// starts makes offset the place from where on a partition is read.
func (f *folder) starts(at kafka.TopicPartition, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tails[at] = tail{records: offset, passed: offset, end: -1}
}

// end is the offset behind the last record of a partition, as far as answers tell; ok is false when none does.
func (f *folder) end(at kafka.TopicPartition) (offset int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tails[at]
	if !ok || t.end < 0 {
		return 0, false
	}
	if t.passed >= t.end {
		return min(t.records, t.end), true
	}
	return t.end, true
}

// ended keeps what an answer told of the end of a partition. What comes late, of a reading that another one has followed, only adds to what is known.
func (f *folder) ended(at kafka.TopicPartition, w *tailWalk, end int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.tails[at]; ok {
		f.tails[at] = tail{records: max(t.records, w.records), passed: max(t.passed, w.passed), end: end}
	}
}

// tailWalk goes through the batches of one partition in an answer, in their order.
type tailWalk struct {
	records, passed int64
	aborted         []abortedFrom // that no batch has come to yet, in the order of their offsets
	open            []int64       // producers within an aborted transaction
}

// abortedFrom is an aborted transaction that an answer tells of.
type abortedFrom struct{ producer, first int64 }

// batch is the next one. What cutBatch could not cut, and the formats without transactions, tell nothing.
func (w *tailWalk) batch(b []byte) {
	if len(b) < batchHeader || b[batchMagic] != 2 || batchSize(b) != int64(len(b)) {
		return
	}
	next := int64(binary.BigEndian.Uint64(b)) + int64(int32(binary.BigEndian.Uint32(b[batchLastDelta:]))) + 1
	for len(w.aborted) > 0 && w.aborted[0].first < next {
		w.open = append(w.open, w.aborted[0].producer)
		w.aborted = w.aborted[1:]
	}
	attributes := binary.BigEndian.Uint16(b[batchAttributes:])
	producer := int64(binary.BigEndian.Uint64(b[batchProducer:]))
	switch {
	case attributes&attributeControl != 0:
		w.open = slices.DeleteFunc(w.open, func(p int64) bool { return p == producer })
	case binary.BigEndian.Uint32(b[batchCount:]) == 0: // all of its records were compacted away
	case attributes&attributeTransaction != 0 && slices.Contains(w.open, producer):
	default:
		w.records = max(w.records, next)
	}
	w.passed = max(w.passed, next)
}

// aborted reads the aborted transactions of an answer, of which only those to readers of committed records have any: Int64 producer | Int64 first offset (t).
func (a *answerCursor) aborted() (all []abortedFrom) {
	for range a.array() {
		t := abortedFrom{producer: a.number(8), first: a.number(8)}
		a.tags()
		if a.err == nil {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(x, y abortedFrom) int { return cmp.Compare(x.first, y.first) })
	return all
}
