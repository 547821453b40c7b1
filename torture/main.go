package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are those of the command line.
type options struct {
	minutes  float64
	seed     uint64
	sessions int
	length   time.Duration // of a round's load
	gap      time.Duration // between faults; 0: none
	pace     time.Duration // between transactions of a session
	postgres int
	tandem   string
	record   string
	rounds   []roundKind // in turn
	sabotage string
	overlay  string // of a sabotage
	keep     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.Float64Var(&o.minutes, "minutes", 10, "`N` minutes after which no round begins")
	flags.Uint64Var(&o.seed, "seed", 0, "`N` that load and faults derive from; 0: one is drawn")
	flags.IntVar(&o.sessions, "sessions", 4, "`N` sessions that write")
	flags.DurationVar(&o.length, "round", 25*time.Second, "`TIME` of load and faults between two judgements")
	flags.DurationVar(&o.gap, "gap", 2500*time.Millisecond, "`TIME` between the beginnings of faults, on average; 0: no faults")
	flags.DurationVar(&o.pace, "pace", 12*time.Millisecond, "`TIME` between transactions of a session, on average")
	flags.IntVar(&o.postgres, "postgres", 0, "`N` major version of PostgreSQL; 0: the newest on the machine")
	flags.StringVar(&o.tandem, "tandem", "", "`FILE` of a tandem that is built already")
	flags.StringVar(&o.record, "record", "", "`FILE` to write the last round to that was well")
	rounds := flags.String("rounds", "", "`KINDS` of rounds in turn: stream, initial (begins with a snapshot), incremental (has one), slow; all unless given, with -sabotage the file's")
	flags.StringVar(&o.sabotage, "sabotage", "", "`NAME` of a file in testdata/sabotage, or all: build tandem so, and want it caught")
	flags.BoolVar(&o.keep, "keep", false, "keep the logs, also when all is well")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds, err = parseRounds(*rounds); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case o.sessions < 1:
		return o, fmt.Errorf("-sessions %d: want 1 or more", o.sessions)
	case o.sabotage != "" && o.tandem != "":
		return o, errors.New("-sabotage builds tandem: leave out -tandem")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000_000)
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return errors.New("private PostgreSQL servers need Unix: run the torture in WSL or in a container")
	}
	if o.sabotage != "" {
		return sabotageAll(ctx, o)
	}
	return tortured(ctx, o)
}

// tortured runs one torture.
func tortured(ctx context.Context, o options) (err error) {
	fmt.Fprintf(os.Stderr, "seed %d: replay with SEED=%d\n", o.seed, o.seed)
	began := time.Now()
	c, err := open(ctx, o, os.Stderr)
	defer func() {
		keep := o.keep || err != nil
		err = errors.Join(err, c.close(keep))
		if keep {
			fmt.Fprintf(os.Stderr, "seed %d; logs are in %s\n", o.seed, c.dir)
		}
	}()
	if err != nil {
		return err
	}
	if len(c.rounds) == 0 {
		c.rounds = roundKinds
	}
	t := newTorture(c)
	if err := t.begin(ctx); err != nil {
		return errors.Join(err, t.lastWords())
	}
	until := time.Now().Add(time.Duration(o.minutes * float64(time.Minute)))
	for n := 1; n == 1 || time.Now().Before(until); n++ {
		if err := t.round(ctx, n); err != nil {
			return fmt.Errorf("round %d of seed %d: %w", n, o.seed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	t.report(time.Since(began))
	return nil
}

// report tells what was done.
func (t *torture) report(took time.Duration) {
	s := &t.sums
	var happened []string
	for k, n := range t.count {
		happened = append(happened, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(happened)
	t.say("all is well: seed %d, %d rounds in %v; %d transactions with %d changes committed, %d rolled back, %d refused, %d broken; %d records checked, %d of them of snapshots",
		t.seed, s.rounds, took.Round(time.Second), s.transactions, s.changes, s.load.rolledBack, s.load.failed, s.load.broken, s.records, s.rows)
	t.say("faults: %s", strings.Join(happened, ", "))
	for text, n := range t.restarts {
		t.say("failed tasks that an operator had to start again, %d times: %s", n, text)
	}
}
