package main

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// part is one table of the report.
type part struct {
	name    string
	title   string
	about   string
	minutes float64 // about so long takes a run of each contender at scale 1, on two cores
	columns []column
	run     func(*bench, context.Context, *section) error
}

// parts are in the order of the report.
var parts = []part{
	{"drain", "Draining a backlog", drainAbout, 7, drainColumns, (*bench).drainPart},
	{"loads", "Other loads", loadsAbout, 7, drainColumns, (*bench).loadsPart},
	{"growth", "Growth", growthAbout, 4, growthColumns, (*bench).growthPart},
	{"snapshot", "Snapshot", snapshotAbout, 2, snapshotColumns, (*bench).snapshotPart},
	{"latency", "From commit to consumer", latencyAbout, 5, latencyColumns, (*bench).latencyPart},
	{"sink", "Applying records to PostgreSQL", sinkAbout, 4, sinkColumns, (*bench).sinkPart},
	{"end", "From source to target", endAbout, 3, sinkColumns, (*bench).endPart},
}

func partNames() (names []string) {
	for i := range parts {
		names = append(names, parts[i].name)
	}
	return names
}

// has tells whether the results hold a part already, when they are to be resumed.
func (b *bench) has(p *part) bool {
	s := b.results.Sections[p.name]
	if !b.resume || s == nil || s.Scale != b.scale || s.Version != b.results.Machine.Versions[string(tandem)] || b.loads != nil {
		return false
	}
	for i := range s.Rows {
		if len(s.Rows[i].Runs) != b.runs {
			return false
		}
	}
	b.say("%s: measured %s already", p.name, s.When.Format(time.DateTime))
	return true
}

// estimate says how long it will take: as long as the last time, where the results know it.
func (b *bench) estimate(wanted []part) {
	total := 0.0
	for i := range wanted {
		p := &wanted[i]
		minutes := p.minutes * float64(b.runs) * b.scale
		if s := b.results.Sections[p.name]; s != nil && s.Scale == b.scale && runsOf(s) > 0 {
			minutes = s.Took / 60 * float64(b.runs) / float64(runsOf(s))
		}
		total += minutes
		b.say("%s: about %s", p.name, count(int(minutes+1), "minute"))
	}
	b.say("altogether about %s, each part of which is written to the report when it is done", count(int(total+1), "minute"))
}

// measurePart runs one part and puts its results in the place of older ones.
func (b *bench) measurePart(ctx context.Context, p part) error {
	began := time.Now()
	b.part = p.name
	s := &section{When: began.UTC().Truncate(time.Minute), Scale: b.scale, Version: b.results.Machine.Versions[string(tandem)], Loads: map[string]string{}}
	maps.DeleteFunc(b.results.Commands, func(key, _ string) bool { return commandPart(key) == p.name })
	if err := p.run(b, ctx, s); err != nil {
		return err
	}
	s.Took = seconds(time.Since(began).Round(time.Second))
	b.results.Sections[p.name] = s
	b.say("%s took %s", p.name, time.Since(began).Round(time.Second))
	return nil
}

// trial is one row to be measured; once makes one run.
type trial struct {
	row
	once func(context.Context) (sample, error)
}

// measure runs all trials once, then all again, as often as is asked for: what slows the machine for a while slows all of them. One that fails is
// not run again, and the report says why it failed.
func (b *bench) measure(ctx context.Context, s *section, trials []trial) error {
	for n := range b.options.runs {
		for i := range trials {
			t := &trials[i]
			if t.Failed != "" {
				continue
			}
			got, err := t.once(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				t.Failed, t.Runs = err.Error(), nil
				b.say("%s, %s %s: %v", t.Load, t.Contender, t.Format, err)
				continue
			}
			t.Runs = append(t.Runs, got)
			b.say("%s, run %d, %s %s: %s", t.Load, n+1, t.Contender, t.Format, got)
		}
	}
	for i := range trials {
		s.Rows = append(s.Rows, trials[i].row)
	}
	return nil
}

// String is for the progress.
func (s sample) String() string {
	if s.P50 != 0 {
		return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", s.P50, s.P99)
	}
	return fmt.Sprintf("%s/s, first after %.2f s, %.1f CPU-s, %.0f MB", grouped(int64(s.Rate)), s.First, s.CPU, s.Peak)
}
