package polling

import "sync"

// positions knows which offset stands behind which record, and which offsets are stored. Records of several partitions lie between each
// other, so each partition goes on by itself; what is stored, is stored for all that have moved.
//
// begin and mark are called by the task's goroutine, the rest by the worker's.
type positions struct {
	mu      sync.Mutex
	marks   []mark // ascending by number; those before head are done with
	head    int
	last    uint64    // number of the last one that is done with
	reached []reached // by partition
	given   []moved   // what was returned last
}

// moved is where a partition stands.
type moved struct {
	partition int
	at        offset
}

// mark says that behind the record of a number, a partition stands at an offset.
type mark struct {
	number    uint64
	partition int
	at        offset
}

type reached struct {
	at, stored offset
	moved      bool // at is behind acknowledged records
}

func newPositions(partitions int) *positions { return &positions{reached: make([]reached, partitions)} }

// begin tells the stored offset of a partition.
func (p *positions) begin(partition int, at offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached[partition] = reached{at: at, stored: at}
}

// mark notes an offset behind the record of a number. Numbers do not fall.
func (p *positions) mark(number uint64, partition int, at offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.marks); n > p.head && p.marks[n-1].number == number && p.marks[n-1].partition == partition {
		p.marks[n-1].at = at
		return
	}
	if p.head > 0 && len(p.marks) == cap(p.marks) { // make room in place
		p.marks = p.marks[:copy(p.marks, p.marks[p.head:])]
		p.head = 0
	}
	if len(p.marks)-p.head >= maxMarks {
		p.thin()
	}
	p.marks = append(p.marks, mark{number, partition, at})
}

// maxMarks bounds what is kept until the worker asks again, to 4 MB.
const maxMarks = 1 << 16

// thin drops every other mark of a run of one partition: what is acknowledged only up to there is read again after a crash, no more.
func (p *positions) thin() {
	kept := p.marks[:0]
	for i, waiting := p.head, p.marks; i < len(waiting); i++ {
		if i+1 < len(waiting) && waiting[i+1].partition == waiting[i].partition {
			i++
		}
		kept = append(kept, waiting[i])
	}
	p.marks, p.head = kept, 0
}

// exact tells whether the offset right behind record n is known. It is not, in mode timestamp, where more rows of one time may follow. n is the number
// of the last record, or of the one before it.
func (p *positions) exact(n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.marks) - 1; i >= p.head; i-- {
		if p.marks[i].number <= n {
			return p.marks[i].number == n
		}
	}
	return p.last == n
}

// behind returns up to so many partitions whose offset behind the first n records is not stored. They are good until it is called again.
func (p *positions) behind(n uint64, most int) []moved {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head < len(p.marks) && p.marks[p.head].number <= n {
		m := &p.marks[p.head]
		r := &p.reached[m.partition]
		r.at, r.moved = m.at, m.at != r.stored
		p.last = m.number
		p.head++
	}
	if p.head == len(p.marks) {
		p.marks, p.head = p.marks[:0], 0
	}
	p.given = p.given[:0]
	for i := range p.reached {
		if r := &p.reached[i]; r.moved && len(p.given) < most {
			p.given = append(p.given, moved{i, r.at})
		}
	}
	return p.given
}

// stored tells that what behind returned last is stored.
func (p *positions) stored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.given {
		r := &p.reached[g.partition]
		r.stored = g.at
		r.moved = r.at != r.stored
	}
}
