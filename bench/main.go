package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are those of the command line.
type options struct {
	parts    []string
	systems  []string
	loads    *regexp.Regexp // names of the loads that are measured; nil: all
	resume   bool
	runs     int
	scale    float64
	out      string // folder of the report
	binary   string // tandem; empty: built
	postgres int    // major version; 0: the newest there is
	quick    bool
	patience time.Duration // for one run of a contender
}

// wants tells whether contenders of a system take part.
func (o *options) wants(s system) bool { return slices.Contains(o.systems, string(s)) }

// needs tells whether one of the parts is measured.
func (o *options) needs(parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(o.parts, p) })
}

// wantsLoad tells whether a load is measured.
func (o *options) wantsLoad(name string) bool { return o.loads == nil || o.loads.MatchString(name) }

// scaled is a number of changes or rows at the scale asked for, but not so few that the fastest is done before it can be watched.
func (o *options) scaled(n, least int) int { return max(least, int(float64(n)*o.scale)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := measureAll(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("parts", strings.Join(partNames(), ","), "`LIST` of what is measured")
	systems := flags.String("systems", strings.Join([]string{string(tandem), string(recvlogical), string(kafkaConnect)}, ","), "`LIST` of who takes part")
	loads := flags.String("loads", "", "`REGEXP` of the names of the loads that are measured, in parts that have several; the report shows no others then")
	flags.BoolVar(&o.resume, "resume", false, "leave out parts that benchmarks.json holds complete, by the same tandem at the same scale and with as many runs")
	flags.IntVar(&o.runs, "runs", 3, "`N` runs of each, of which the median counts")
	flags.Float64Var(&o.scale, "scale", 1, "`F` times the changes, rows and seconds")
	flags.StringVar(&o.out, "out", "docs", "`DIR` of benchmarks.md, .svg and .json")
	flags.StringVar(&o.binary, "tandem", "", "`FILE` of a tandem that is built already")
	flags.IntVar(&o.postgres, "postgres", 0, "`N` major version of PostgreSQL; 0: the newest on the machine")
	flags.BoolVar(&o.quick, "quick", false, "the first part, tandem and pg_recvlogical alone, a table on standard output and no report")
	flags.DurationVar(&o.patience, "patience", 20*time.Minute, "`TIME` that one run may take")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *loads != "" {
		var err error
		if o.loads, err = regexp.Compile(*loads); err != nil {
			return o, fmt.Errorf("-loads: %w", err)
		}
	}
	o.parts, o.systems = strings.Split(*only, ","), strings.Split(*systems, ",")
	if o.quick {
		o.parts, o.systems = []string{"drain"}, []string{string(tandem), string(recvlogical)}
	}
	for _, p := range o.parts {
		if !slices.Contains(partNames(), p) {
			return o, fmt.Errorf("-parts: %q is none of %s", p, strings.Join(partNames(), ", "))
		}
	}
	for _, s := range o.systems {
		if !slices.Contains([]system{tandem, recvlogical, kafkaConnect}, system(s)) {
			return o, fmt.Errorf("-systems: %q is none of %s, %s, %s", s, tandem, recvlogical, kafkaConnect)
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case o.runs < 1:
		return o, fmt.Errorf("-runs %d: want 1 or more", o.runs)
	case o.scale <= 0:
		return o, fmt.Errorf("-scale %v: want more than 0", o.scale)
	}
	return o, nil
}

// measureAll measures what the command line asks for.
func measureAll(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("CPU and memory of processes are read from Linux's /proc, which %s does not have", runtime.GOOS)
	}
	file := filepath.Join(o.out, "benchmarks.json")
	earlier := newResults()
	if !o.quick {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
		if earlier, err = readResults(file); err != nil {
			return err
		}
	}
	b, err := open(ctx, o, os.Stderr)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return err
	}
	b.results = earlier
	if b.results.Machine, err = b.describe(ctx); err != nil {
		return err
	}
	wanted := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !o.needs(p.name) || b.has(&p) })
	b.estimate(wanted)
	for _, p := range wanted {
		if err := b.measurePart(ctx, p); err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		if o.quick {
			fmt.Print(p.table(b.results.Sections[p.name]))
			continue
		}
		// After each part, so that what took hours is not lost with the part behind it.
		if err := b.results.write(file); err != nil {
			return err
		}
		if err := writeReport(o.out, b.results); err != nil {
			return err
		}
	}
	return nil
}
