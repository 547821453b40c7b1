package measure

import (
	"math"
	"sync/atomic"
)

// Sketch finds quantiles of values that are not negative, a hundredth more or less. It keeps a count for each of a fixed number of ranges,
// whose bounds grow by a fiftieth each; what is below 1 counts as 0 and what is above 2^53 as that.
type Sketch struct {
	counts   [buckets]atomic.Uint64
	n, sum   atomic.Uint64
	min, max atomic.Int64 // the value and one
}

// gamma is (1+a)/(1-a) for the relative error a of a hundredth: the middle of a bucket is that near to all values in it.
const gamma = 1.01 / 0.99

var logGamma = math.Log(gamma)

// buckets is one for 0, and what reaches 2^53: ln(2^53)/ln(gamma) is 1837.
const buckets = 1839

// See notes a value; a negative one counts as 0.
func (s *Sketch) See(v int64) {
	v = max(v, 0)
	i := 0
	if v >= 1 {
		i = min(1+int(math.Ceil(math.Log(float64(v))/logGamma)), buckets-1)
	}
	s.counts[i].Add(1)
	s.sum.Add(uint64(v))
	for {
		old := s.min.Load()
		if old != 0 && v+1 >= old || s.min.CompareAndSwap(old, v+1) {
			break
		}
	}
	for {
		old := s.max.Load()
		if v+1 <= old || s.max.CompareAndSwap(old, v+1) {
			break
		}
	}
	s.n.Add(1)
}

// Count is how many values there were.
func (s *Sketch) Count() uint64 { return s.n.Load() }

// Sum is the sum of the values.
func (s *Sketch) Sum() uint64 { return s.sum.Load() }

// Min is the least value, -1 when there was none.
func (s *Sketch) Min() int64 { return s.min.Load() - 1 }

// Max is the greatest value, -1 when there was none.
func (s *Sketch) Max() int64 { return s.max.Load() - 1 }

// Quantile is the value below which the share q of all lies, NaN when there was none.
func (s *Sketch) Quantile(q float64) float64 {
	n := s.n.Load()
	if n == 0 {
		return math.NaN()
	}
	rank := uint64(q * float64(n-1))
	seen := uint64(0)
	for i := range s.counts {
		if seen += s.counts[i].Load(); seen > rank {
			if i == 0 {
				return 0
			}
			return 2 * math.Pow(gamma, float64(i-1)) / (gamma + 1)
		}
	}
	return float64(s.Max())
}
