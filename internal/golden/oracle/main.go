// Command oracle asks the real Debezium: it records the cases of testdata/golden anew and says where they differ from those that are kept,
// then makes up tables, has them recorded and replays the recordings.
//
//	go run ./internal/golden/oracle [-cases 'arrays*,toast*'] [-tables 1000] [-seed 7] [-keep folder]
//
// With -cases alone no tables are made up, with -tables or -seed alone no case is recorded; without any of them both are done. It needs a JDK,
// Maven (the first time), psql and the server programs of PostgreSQL; it starts servers of its own and stops them. The exit code is 1 when
// anything differs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver"
)

// recordedWith is the version of PostgreSQL with which the cases were recorded that do not ask for another.
const recordedWith = 15

// options are the flags.
type options struct {
	cases  string
	tables int
	seed   uint64
	only   int
	keep   string
	kafka  string
}

func main() {
	var o options
	flag.StringVar(&o.cases, "cases", "", "record these cases of testdata/golden `patterns`, separated by commas")
	flag.IntVar(&o.tables, "tables", 0, "make up this `number` of tables")
	flag.Uint64Var(&o.seed, "seed", 0, "`number` that decides which tables; random when 0")
	flag.IntVar(&o.only, "only", -1, "make up only the case of this `number`")
	flag.StringVar(&o.keep, "keep", "", "`folder` in which the cases stay; a temporary one without it")
	flag.StringVar(&o.kafka, "kafka", os.Getenv("TANDEM_KAFKA"), "`host:port` of a broker for the signal-kafka cases, which are left out without it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	differences, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
	}
	if err != nil || differences > 0 {
		os.Exit(1)
	}
}

// run returns how many cases differ.
func run(ctx context.Context, o options) (differences int, err error) {
	all := o.cases == "" && o.tables == 0 && o.seed == 0
	if all {
		o.cases, o.tables = "*", 1000
	}
	if o.seed != 0 && o.tables == 0 {
		o.tables = 1000
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000)
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tandem-oracle-"); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if dir, err = filepath.Abs(dir); err != nil {
		return 0, err
	}
	debezium, err := jvmserver.PrepareOracle(ctx, filepath.FromSlash("testdata/oracle"))
	if err != nil {
		return 0, err
	}
	r := &recorder{debezium: debezium, dir: dir, kafka: o.kafka, servers: map[int]*pgserver.Server{}}
	defer func() { err = errors.Join(err, r.stop()) }()
	if o.cases != "" {
		n, err := r.again(ctx, o.cases)
		if differences += n; err != nil {
			return differences, err
		}
	}
	if o.tables > 0 {
		n, err := r.generated(ctx, o)
		if differences += n; err != nil {
			return differences, err
		}
	}
	return differences, nil
}

// recorder records cases over servers that it starts when they are needed.
type recorder struct {
	debezium *jvmserver.Oracle
	dir      string
	kafka    string
	servers  map[int]*pgserver.Server
}

func (r *recorder) server(ctx context.Context, version int) (*pgserver.Server, error) {
	if s := r.servers[version]; s != nil {
		return s, nil
	}
	s, err := pgserver.Start(ctx, pgserver.Options{Version: version, Progress: func(step string) { fmt.Println(step) }})
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL %d: %w", version, err)
	}
	r.servers[version] = s
	return s, nil
}

func (r *recorder) stop() error {
	var errs []error
	for _, s := range r.servers {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// record records the cases in a folder; what the program says goes to out.
func (r *recorder) record(ctx context.Context, s *pgserver.Server, out io.Writer, folders ...string) error {
	u, err := url.Parse(s.URL("postgres"))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(r.dir, "debezium.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	return r.debezium.Record(ctx, jvmserver.Recording{Host: u.Hostname(), Port: u.Port(), User: pgserver.User, Password: s.Password(),
		Name: "oracle", Kafka: r.kafka, Out: out, Log: log}, folders...)
}
