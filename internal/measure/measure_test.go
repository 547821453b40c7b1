package measure

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestPeak(t *testing.T) {
	var p Peak
	if got := p.Value(); got != -1 {
		t.Fatalf("Value() of the zero Peak = %d, want -1", got)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for v := range int64(1000) {
				p.See(v*8 + int64(i))
			}
		})
	}
	all.Wait()
	if got := p.Take(); got != 7999 {
		t.Errorf("Take() = %d, want 7999", got)
	}
	if p.See(0); p.Value() != 0 {
		t.Errorf("Value() after See(0) = %d, want 0", p.Value())
	}
}

func TestSketchQuantilesAreNear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{1, 50, 1e6, 1e12} {
		var s Sketch
		values := make([]int64, 2000)
		for i := range values {
			values[i] = int64(random.ExpFloat64() * scale)
			s.See(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			want := float64(values[int(q*float64(len(values)-1))])
			if got := s.Quantile(q); math.Abs(got-want) > want*0.0101 {
				t.Errorf("Quantile(%v) at scale %v = %v, want %v", q, scale, got, want)
			}
		}
		if s.Min() != values[0] || s.Max() != values[len(values)-1] || s.Count() != 2000 {
			t.Errorf("Min, Max, Count = %d, %d, %d, want %d, %d, 2000", s.Min(), s.Max(), s.Count(), values[0], values[len(values)-1])
		}
	}
}

func TestSketchBounds(t *testing.T) {
	var s Sketch
	if got := s.Quantile(0.5); !math.IsNaN(got) {
		t.Errorf("Quantile of nothing = %v, want NaN", got)
	}
	s.See(-5)
	s.See(math.MaxInt64 - 1)
	if s.Min() != 0 || s.Quantile(0) != 0 {
		t.Errorf("Min() = %d, Quantile(0) = %v, want 0", s.Min(), s.Quantile(0))
	}
}
