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
	columns []column
	run     func(*bench, context.Context, *section) error
}

// parts are in the order of the report.
var parts = []part{
	{"drain", "Draining a backlog", drainAbout, drainColumns, (*bench).drainPart},
	{"loads", "Other loads", loadsAbout, drainColumns, (*bench).loadsPart},
	{"growth", "Growth", growthAbout, drainColumns, (*bench).growthPart},
	{"snapshot", "Snapshot", snapshotAbout, snapshotColumns, (*bench).snapshotPart},
	{"latency", "From commit to consumer", latencyAbout, latencyColumns, (*bench).latencyPart},
	{"sink", "Applying records to PostgreSQL", sinkAbout, sinkColumns, (*bench).sinkPart},
	{"end", "From source to target", endAbout, sinkColumns, (*bench).endPart},
}

func partNames() (names []string) {
	for i := range parts {
		names = append(names, parts[i].name)
	}
	return names
}

// measurePart runs one part and puts its results in the place of older ones.
func (b *bench) measurePart(ctx context.Context, p part) error {
	began := time.Now()
	b.part = p.name
	s := &section{When: began.UTC().Truncate(time.Minute), Scale: b.scale, Loads: map[string]string{}}
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
