package elasticsearch

import (
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// bulk is one request of the bulk API: filled, waiting, or on its way.
type bulk struct {
	body  []byte // lines
	items []item
	ids   idSet
	held  int       // bytes of the records that are kept for the dead letter queue
	since time.Time // when the first item came
	due   bool      // it need not wait for more
	lines []byte    // of some items only, for another attempt
	gzip  []byte
}

// item is one document of a bulk.
type item struct {
	part       *partition
	number     uint64 // of the record, in part
	offset     int64
	start, end int // of its lines, in the body
	resource   *resource
	id         uint64 // hash of resource and id; 0: no other record can have this document
	versioned  bool   // the external version decides which of two writes stays
	record     *kafka.Record
}

func (b *bulk) bytes() int { return len(b.body) + b.held }

func (b *bulk) reset() {
	b.body, b.held, b.due, b.since = b.body[:0], 0, false, time.Time{}
	clear(b.items)
	b.items = b.items[:0]
	b.ids.reset()
}

// part returns the lines of some items, which live until the next call.
func (b *bulk) part(items []int) []byte {
	if len(items) == len(b.items) {
		return b.body
	}
	b.lines = b.lines[:0]
	for _, i := range items {
		b.lines = append(b.lines, b.body[b.items[i].start:b.items[i].end]...)
	}
	return b.lines
}

// meets tells that both hold the same document; it may be mistaken, once in 2^64.
func (b *bulk) meets(o *bulk) bool {
	if o.ids.count < b.ids.count {
		b, o = o, b
	}
	for _, id := range b.ids.table {
		if id != 0 && o.ids.has(id) {
			return true
		}
	}
	return false
}

// idSet is a set of hashes, none of them 0: a table with open addressing, at most half full.
type idSet struct {
	table []uint64
	count int
}

func (s *idSet) reset() {
	clear(s.table)
	s.count = 0
}

func (s *idSet) add(id uint64) {
	if 2*(s.count+1) > len(s.table) {
		old := s.table
		s.table = make([]uint64, max(64, 2*len(old)))
		for _, id := range old {
			if id != 0 {
				s.table[s.slot(id)] = id
			}
		}
	}
	if at := s.slot(id); s.table[at] == 0 {
		s.table[at] = id
		s.count++
	}
}

func (s *idSet) has(id uint64) bool {
	return s.count > 0 && s.table[s.slot(id)] == id
}

// slot is where the id is, or would be.
func (s *idSet) slot(id uint64) int {
	mask := uint64(len(s.table) - 1)
	at := id & mask
	for s.table[at] != 0 && s.table[at] != id {
		at = (at + 1) & mask
	}
	return int(at)
}
