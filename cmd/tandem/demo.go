package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/compare"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

const (
	demoDatabase = "bikestore"
	demoSchema   = "store"

	demoRate      = 40  // steps of the shop a second
	demoOnceSteps = 240 // of --once: six seconds
	caughtUpIn    = 2 * time.Minute
)

var demoCommand = command{
	name:    "demo",
	summary: "watch a bike store being captured and replicated, with nothing set up",
	usage:   "[--once] [--scale N] [--dir D]",
	text: `Starts two private PostgreSQL servers, a Kafka broker, a schema registry and a worker, fills a bike store into the
first server and runs two connectors: one captures its nine tables, one topic a table, the other applies the topics
to the second server. Then orders come in, live. Ctrl-C closes the shop, and both databases are compared.

PostgreSQL is taken from this machine, or fetched once into the user's cache folder. Everything listens on 127.0.0.1
alone and is gone at the end, unless there is a folder to keep it in.

The exit code is 0 when source and target hold the same, and 1 when they do not: the rows that differ are named then.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		d := demo{}
		flags.BoolVar(&d.once, "once", false, "end after some seconds of orders and the comparison")
		flags.IntVar(&d.scale, "scale", 1, "`N` load N times as many products, customers and orders")
		flags.StringVar(&d.given, "dir", "", "`D` keep databases, records and log in folder D; a demo on it goes on from there")
		return func(ctx context.Context, c *console, args []string) error {
			if err := noArguments("demo", args); err != nil {
				return err
			}
			if d.scale < 1 {
				return fmt.Errorf("demo: --scale %d: want 1 or more", d.scale)
			}
			d.console = c
			return d.run(ctx)
		}
	},
}

// demo is one run of the demonstration.
type demo struct {
	*console
	once  bool
	scale int
	given string // --dir

	dir            string
	source, target *pgserver.Server
	rows           int64 // in the source before the orders
	stack          *stack
	shop           *shop
}

// errInterrupted: Ctrl-C came before there was something to compare.
var errInterrupted = errors.New("interrupted before there was anything to compare")

// run is the way of the demonstration: servers, data, connectors, orders, comparison; whatever was started is stopped behind it.
func (d *demo) run(ctx context.Context) (err error) {
	dir, done, err := workDir(d.given, "tandem-demo")
	if err != nil {
		return err
	}
	d.dir = dir
	defer func() { err = errors.Join(err, done()) }()
	logFile, err := os.OpenFile(d.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer logFile.Close()
	defer func() { d.sayWarnings(err) }()

	defer func() { err = errors.Join(err, d.stopServers()) }()
	if err := d.startServers(ctx); err != nil {
		return d.interrupted(ctx, err)
	}
	if err := d.load(ctx); err != nil {
		return d.interrupted(ctx, err)
	}
	log := slog.New(slog.NewTextHandler(logFile, nil))
	if d.stack, err = startStack(dir, d.given != "", log); err != nil {
		return err
	}
	defer d.stack.close()

	// Ctrl-C ends the orders, not the worker: what was ordered is to arrive.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	return d.stack.host.run(work, func(running context.Context, w *connect.Standalone) error {
		defer stop()
		return d.scene(ctx, running, w)
	})
}

func (d *demo) logFile() string { return filepath.Join(d.dir, "tandem.log") }

// sayWarnings shows what the log has to say about a failure, when it goes with its folder.
func (d *demo) sayWarnings(err error) {
	if err == nil || d.given != "" || errors.Is(err, errInterrupted) {
		return
	}
	text, readErr := os.ReadFile(d.logFile())
	if readErr != nil {
		return
	}
	var warnings []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " level=WARN ") || strings.Contains(line, " level=ERROR ") {
			warnings = append(warnings, line)
		}
	}
	if len(warnings) > 0 {
		const most = 20
		fmt.Fprintf(d.err, "\nlast warnings of the log:\n%s\n", strings.Join(warnings[max(0, len(warnings)-most):], ""))
	}
}

// interrupted replaces the error that a cancelled context made of some call.
func (d *demo) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// startServers starts both servers at the same time.
func (d *demo) startServers(ctx context.Context) error {
	start := func(ctx context.Context, s **pgserver.Server, name string) func() error {
		return func() (err error) {
			opts := pgserver.Options{}
			if d.given != "" {
				opts.Dir = filepath.Join(d.dir, name)
			}
			if name == "source" { // one voice is enough
				opts.Progress = func(step string) { d.say("%s", step) }
			}
			if *s, err = pgserver.Start(ctx, opts); err != nil {
				return fmt.Errorf("start the %s: %w", name, err)
			}
			return nil
		}
	}
	g, groupCtx := errgroup.WithContext(ctx)
	g.Go(start(groupCtx, &d.source, "source"))
	g.Go(start(groupCtx, &d.target, "target"))
	if err := g.Wait(); err != nil {
		return err
	}
	d.say("PostgreSQL %d runs, as source on port %d and as target on port %d", d.source.Version(), d.source.Port(), d.target.Port())
	return nil
}

func (d *demo) stopServers() (err error) {
	for _, s := range []*pgserver.Server{d.source, d.target} {
		if s != nil {
			err = errors.Join(err, s.Stop())
		}
	}
	return err
}

// load makes both databases and fills the source, unless the folder has them already.
func (d *demo) load(ctx context.Context) error {
	target, err := openDatabase(ctx, d.target)
	if err != nil {
		return fmt.Errorf("make the target database: %w", err)
	}
	defer target.Close(ctx)
	if _, err := target.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+demoSchema); err != nil { // the sink makes tables, not schemas
		return fmt.Errorf("make the target database: %w", err)
	}
	source, err := openDatabase(ctx, d.source)
	if err != nil {
		return fmt.Errorf("make the source database: %w", err)
	}
	defer source.Close(ctx)
	var there bool
	if err := source.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", demoSchema+".stocks").Scan(&there); err != nil {
		return fmt.Errorf("look for the bike store: %w", err)
	}
	switch {
	case !there: // in one transaction: the data's own BEGIN takes in what stands before it
		scale := "; SET bikestore.scale = '" + strconv.Itoa(d.scale) + "';"
		if _, err := source.Exec(ctx, bikestore.Schema+scale+bikestore.Data, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("load the bike store: %w", err)
		}
	case d.scale != 1:
		d.say("folder %s has a bike store already; its size stays as it is", d.given)
	}
	const count = `SELECT count(*), sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', schemaname, tablename), false, true, '')))[1]::text::bigint)
		FROM pg_tables WHERE schemaname = $1`
	var tables int
	if err := source.QueryRow(ctx, count, demoSchema).Scan(&tables, &d.rows); err != nil {
		return fmt.Errorf("count the rows of the bike store: %w", err)
	}
	d.say("the bike store is open: %d tables, %s rows", tables, grouped(d.rows))
	return nil
}

// openDatabase connects to the demonstration's database on a server, and makes it first if need be.
func openDatabase(ctx context.Context, s *pgserver.Server) (*pgx.Conn, error) {
	admin, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx)
	var there bool
	if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", demoDatabase).Scan(&there); err != nil {
		return nil, err
	}
	if !there {
		if err := s.CreateDatabase(ctx, demoDatabase); err != nil {
			return nil, err
		}
	}
	return pgx.Connect(ctx, s.URL(demoDatabase))
}

// scene is what is to be seen while the worker runs: until ctx ends, or with --once some seconds. running is the worker's.
func (d *demo) scene(ctx, running context.Context, w *connect.Standalone) error {
	starting, cancel := context.WithCancel(running)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if err := d.connect(starting, w); err != nil {
		return d.interrupted(ctx, err)
	}
	watch, err := d.newWatch(starting, w)
	if err != nil {
		return d.interrupted(ctx, err)
	}
	defer watch.close()
	d.sayAddresses()
	if err := watch.snapshot(starting); err != nil {
		return d.interrupted(ctx, err)
	}
	if err := d.orders(ctx, running, watch); err != nil {
		return err
	}
	bound, cancel := context.WithTimeout(running, caughtUpIn)
	defer cancel()
	if err := watch.caughtUp(bound); err != nil {
		return err
	}
	d.say("")
	return runCompare(running, d.console, compare.Options{
		Source: d.source.URL(demoDatabase), Target: d.target.URL(demoDatabase), Schemas: []string{demoSchema}})
}

// orders lets the shop take orders until ctx ends or, with --once, there were enough.
func (d *demo) orders(ctx, running context.Context, watch *watch) (err error) {
	if d.shop, err = openShop(running, d.source.URL(demoDatabase)); err != nil {
		return err
	}
	defer d.shop.close(running)
	limit, hint := 0, "; Ctrl-C ends"
	if d.once {
		limit, hint = demoOnceSteps, ""
	}
	d.say("\nthe shop takes orders now%s", hint)
	g, groupCtx := errgroup.WithContext(running)
	watching, stop := context.WithCancel(groupCtx)
	g.Go(func() error {
		defer stop()
		open, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(groupCtx, cancel)() // a failed worker closes the shop
		return d.shop.run(open, demoRate, limit)
	})
	g.Go(func() error { return watch.orders(watching, d.shop) })
	return g.Wait()
}
