package measure

import "sync/atomic"

// Peak is the greatest value seen since it was taken. The zero Peak has seen none.
type Peak struct{ v atomic.Int64 } // the value and one: 0 is none

// See notes a value, which is not negative.
func (p *Peak) See(v int64) {
	for {
		old := p.v.Load()
		if v < old || p.v.CompareAndSwap(old, v+1) {
			return
		}
	}
}

// Value is the greatest value, -1 when there was none.
func (p *Peak) Value() int64 { return p.v.Load() - 1 }

// Take is Value, and forgets it.
func (p *Peak) Take() int64 { return p.v.Swap(0) - 1 }
