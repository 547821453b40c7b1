package metrics

import (
	"math"
	"sync"
	"time"
)

// Window keeps samples of figures that only grow, and of peaks that each sample begins anew, so that there are rates, averages and peaks over
// the last metrics.num.samples samples. Safe for concurrent use.
type Window[S any] struct {
	every time.Duration
	count int

	mu      sync.Mutex
	samples []sample[S] // the oldest first, count of them at the most
}

type sample[S any] struct {
	at    time.Time
	stats S
}

// NewWindow makes a window of a thing that begins now.
func NewWindow[S any](every time.Duration, count int, now time.Time) *Window[S] {
	return &Window[S]{every: every, count: max(count, 1), samples: []sample[S]{{at: now}}}
}

// Sample takes the figures at the end of a sample, whose peaks are since the one before.
func (w *Window[S]) Sample(now time.Time, stats S) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == w.count {
		w.samples = w.samples[:copy(w.samples, w.samples[1:])]
	}
	w.samples = append(w.samples, sample[S]{now, stats})
}

// View is the window as of now, whose peaks are since the last sample.
func (w *Window[S]) View(now time.Time, stats S) View[S] {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := View[S]{Now: stats, Then: w.samples[0].stats, peaks: []S{stats}}
	for _, s := range w.samples[1:] {
		v.peaks = append(v.peaks, s.stats)
	}
	v.elapsed = max(now.Sub(w.samples[0].at), time.Millisecond).Seconds()
	// As Kafka's Rate: what has just begun is not taken for a burst, but measured over one sample less than there will be.
	v.seconds = max(v.elapsed, (time.Duration(w.count-1) * w.every).Seconds())
	return v
}

// View is a window's figures: now, and where it begins.
type View[S any] struct {
	Now, Then S
	elapsed   float64
	seconds   float64 // elapsed, or what Rate takes for it
	peaks     []S
}

// Elapsed is the length of the window in seconds, as far as it has passed.
func (v *View[S]) Elapsed() float64 { return v.elapsed }

// Rate is the growth per second.
func (v *View[S]) Rate(of func(*S) float64) float64 { return (of(&v.Now) - of(&v.Then)) / v.seconds }

// Avg is the growth of sum per growth of count, NaN where count has not grown.
func (v *View[S]) Avg(sum, count func(*S) float64) float64 {
	n := count(&v.Now) - count(&v.Then)
	if n <= 0 {
		return math.NaN()
	}
	return (sum(&v.Now) - sum(&v.Then)) / n
}

// Each calls f with the figures of now and of every sample.
func (v *View[S]) Each(f func(*S)) {
	for i := range v.peaks {
		f(&v.peaks[i])
	}
}

// Peak is the greatest value, NaN where all are negative: there was none.
func (v *View[S]) Peak(of func(*S) float64) float64 {
	most := -1.0
	for i := range v.peaks {
		most = max(most, of(&v.peaks[i]))
	}
	if most < 0 {
		return math.NaN()
	}
	return most
}

// Least is the least value that is not negative, NaN without one.
func (v *View[S]) Least(of func(*S) float64) float64 {
	least := math.NaN()
	for i := range v.peaks {
		if p := of(&v.peaks[i]); p >= 0 && !(p >= least) {
			least = p
		}
	}
	return least
}
