package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// sample is what one run measured; zero is not measured.
type sample struct {
	Rate      float64 `json:"rate,omitempty"`      // changes or rows a second, from the first to the last
	First     float64 `json:"first,omitempty"`     // s, from the start of the process to the first record
	CPU       float64 `json:"cpu,omitempty"`       // s, of the contender after its first record
	ServerCPU float64 `json:"serverCPU,omitempty"` // s, of the process of the server that feeds it, in the same time
	Peak      float64 `json:"peak,omitempty"`      // MB, of all memory
	Anon      float64 `json:"anon,omitempty"`      // MB, greatest seen of its own
	File      float64 `json:"file,omitempty"`      // MB, greatest seen of files
	P50       float64 `json:"p50,omitempty"`       // ms, and so on
	P99       float64 `json:"p99,omitempty"`
	Most      float64 `json:"most,omitempty"`
	P99First  float64 `json:"p99First,omitempty"` // of the first sixth of the time
	P99Last   float64 `json:"p99Last,omitempty"`  // of the last
}

// fields are all of them, so that the median has to be written once.
func (s *sample) fields() []*float64 {
	return []*float64{&s.Rate, &s.First, &s.CPU, &s.ServerCPU, &s.Peak, &s.Anon, &s.File, &s.P50, &s.P99, &s.Most, &s.P99First, &s.P99Last}
}

// median is that of each measure for itself; of an even number of runs the mean of the middle two.
func median(runs []sample) (m sample) {
	for i, into := range m.fields() {
		var all []float64
		for r := range runs {
			all = append(all, *runs[r].fields()[i])
		}
		slices.Sort(all)
		if n := len(all); n > 0 {
			*into = (all[n/2] + all[(n-1)/2]) / 2
		}
	}
	return m
}

// row is one contender at one load, as it is in the report.
type row struct {
	Load      string   `json:"load"`
	Contender string   `json:"contender"`
	Format    string   `json:"format,omitempty"`
	Work      int64    `json:"work"`            // changes, rows or transactions
	Bytes     int64    `json:"bytes,omitempty"` // of WAL
	Runs      []sample `json:"runs,omitempty"`
	Failed    string   `json:"failed,omitempty"` // why there is nothing else
}

// section is a part's results.
type section struct {
	When  time.Time `json:"when"`
	Took  float64   `json:"took"` // s
	Scale float64   `json:"scale"`
	// Version is tandem's, by its own word.
	Version string            `json:"version,omitempty"`
	Rows    []row             `json:"rows"`
	Loads   map[string]string `json:"loads"` // what each is
}

// results are those of all parts, and where they were measured.
type results struct {
	Machine  machine             `json:"machine"`
	Sections map[string]*section `json:"sections"`
	Commands map[string]string   `json:"commands"` // by contender and part: configuration and command line
}

func newResults() *results {
	return &results{Sections: map[string]*section{}, Commands: map[string]string{}}
}

// readResults reads what an earlier run has left; without one there is nothing.
func readResults(path string) (*results, error) {
	r := newResults()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the results in %s: %w", path, err)
	}
	return r, nil
}

func (r *results) write(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// seconds is the number of seconds of a duration.
func seconds(d time.Duration) float64 { return d.Seconds() }

// usage fills in what a run has used until it was seen to end.
func (s *sample) usage(p *process, w *watched) {
	s.First = seconds(w.first.Sub(p.started))
	s.CPU = seconds(w.lastCPU - w.firstCPU)
	s.ServerCPU = seconds(max(0, w.after-w.serverBefore))
	m := p.memory()
	const kbPerMB = 1024
	s.Peak, s.Anon, s.File = float64(m.Peak)/kbPerMB, float64(m.Anon)/kbPerMB, float64(m.File)/kbPerMB
}
