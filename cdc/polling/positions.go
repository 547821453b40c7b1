package polling

import "sync"

// positions knows which offset stands behind which record, and which offsets are stored. Records of several partitions lie between each
// other, so each partition goes on by itself.
//
// mark is called by the task's goroutine, the rest by the worker's.
type positions struct {
	mu       sync.Mutex
	marks    []mark // ascending by number; those before head are done with
	head     int
	reached  []reached // by partition
	given    int       // partition of what was returned last
	givenPos offset
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

// behind returns a partition whose offset behind the first n records is not stored.
func (p *positions) behind(n uint64) (partition int, at offset, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head < len(p.marks) && p.marks[p.head].number <= n {
		m := &p.marks[p.head]
		r := &p.reached[m.partition]
		r.at, r.moved = m.at, m.at != r.stored
		p.head++
	}
	if p.head == len(p.marks) {
		p.marks, p.head = p.marks[:0], 0
	}
	for i := range p.reached {
		if r := &p.reached[i]; r.moved {
			p.given, p.givenPos = i, r.at
			return i, r.at, true
		}
	}
	return 0, offset{}, false
}

// stored tells that what behind returned last is stored.
func (p *positions) stored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.reached[p.given]
	r.stored = p.givenPos
	r.moved = r.at != r.stored
}
