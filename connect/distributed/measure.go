package distributed

import (
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// rounds counts what the group has this worker do.
type rounds struct {
	mu    sync.Mutex // guards what follows
	stats connect.GroupStats
	began time.Time // of the round that is underway; zero: none is
}

func newRounds() *rounds { return &rounds{stats: connect.GroupStats{MostTook: -1}} }

// begin is told whenever this worker joins; a round that takes several joins begins with the first.
func (r *rounds) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = time.Now()
	}
	r.stats.Rebalancing = true
}

// end is told when what is assigned runs.
func (r *rounds) end(p *place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Protocol, r.stats.Leader, r.stats.Epoch = protocolNames[p.version], p.leaderURL, int64(p.generation)
	r.stats.Connectors, r.stats.Tasks = 0, 0
	for x := range p.wanted {
		if x.Task == connectorTask {
			r.stats.Connectors++
		} else {
			r.stats.Tasks++
		}
	}
	if r.began.IsZero() {
		return
	}
	took := time.Since(r.began)
	r.stats.Completed++
	r.stats.Took += took
	r.stats.MostTook = max(r.stats.MostTook, took)
	r.stats.Last, r.stats.Rebalancing, r.began = time.Now(), false, time.Time{}
}

// lost is told when the membership is over.
func (r *rounds) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Failed++
	r.stats.Connectors, r.stats.Tasks = 0, 0
}

// take is what was counted; with sample the longest round is looked for anew.
func (r *rounds) take(sample bool) connect.GroupStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	if sample {
		r.stats.MostTook = -1
	}
	return s
}

// protocolNames are Kafka Connect's, by version.
var protocolNames = []string{"EAGER", "COMPATIBLE", "SESSIONED"}
