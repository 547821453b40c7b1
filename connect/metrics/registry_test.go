package metrics

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sampled is a meter that counts.
type sampled struct{ samples int }

func (s *sampled) Sample(time.Time)              { s.samples++ }
func (s *sampled) Collect(_ time.Time, out *Out) { out.Own("tandem_goroutines", float64(s.samples)) }

func TestRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{Every: 10 * time.Second, Samples: 3}
		m := new(sampled)
		remove := r.Add(m)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		time.Sleep(35 * time.Second) // of the bubble: no time passes
		synctest.Wait()
		var text strings.Builder
		if err := r.Write(&text); err != nil || !strings.HasSuffix(text.String(), "\ntandem_goroutines 3\n") {
			t.Errorf("Write after 35 s of samples of 10 s = %q, %v, want 3 samples", text.String(), err)
		}
		remove()
		text.Reset()
		if err := r.Write(&text); err != nil || text.Len() > 0 {
			t.Errorf("Write without meters = %q, %v, want nothing", text.String(), err)
		}
		stop()
		<-ended
	})
	var none *Registry
	none.Add(new(sampled))()
	if w := NewWindowIn[counted](none); w.every != defaultEvery || w.count != defaultSamples {
		t.Errorf("a window in no registry has %d samples of %v, want the defaults", w.count, w.every)
	}
}
