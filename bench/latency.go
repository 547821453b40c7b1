package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

const latencyAbout = `Transactions of one inserted row each, at an even pace that does not wait for those behind it. The time runs from when the database has acknowledged the
commit to when a consumer has the record, on one clock. Before, 2,000 rows warm the contender up. First and last sixth: p99 of the first and last sixth of
the rows, which shows whether delays grow.`

// pace is one rate of transactions.
type pace struct {
	rate    int // transactions a second
	seconds int
	writers int // connections that share it
}

var paces = []pace{{200, 20, 1}, {5000, 60, 4}}

// warmRows are written before the first pace, at warmRate.
const (
	warmRows = 2000
	warmRate = 1000
)

// latencyLoad is one table without rows.
var latencyLoad = load{
	name:   "single rows",
	about:  "one row a transaction",
	ddl:    "CREATE TABLE store.products (product_id int PRIMARY KEY, product_name varchar(255) NOT NULL, brand_id int NOT NULL, model_year smallint NOT NULL, list_price decimal(10,2) NOT NULL)",
	tables: []table{{"products", 0, 0}},
}

// latencyPart measures each contender at all paces in one run of its process.
func (b *bench) latencyPart(ctx context.Context, s *section) (err error) {
	w, err := b.writeLoad(ctx, latencyLoad)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.forget(ctx, w)) }()
	for _, p := range paces {
		s.Loads[p.name()] = fmt.Sprintf("%s rows in all, on %d connections", grouped(int64(p.rows(b.scale))), p.writers)
	}
	var trials []trial
	for _, c := range []contender{ours(avro), stock(avro), quick(avro)} {
		if !b.wants(c.system) {
			continue
		}
		for _, p := range paces {
			trials = append(trials, trial{row{Load: p.name(), Contender: c.name, Format: string(c.format), Work: int64(p.rows(b.scale))},
				func(ctx context.Context) (sample, error) { return b.latency(ctx, w, &c, p) }})
		}
	}
	return b.measure(ctx, s, trials)
}

func (p pace) name() string { return grouped(int64(p.rate)) + " transactions/s" }

func (p pace) rows(scale float64) int { return max(p.rate, int(float64(p.rate*p.seconds)*scale)) }

// latency measures one contender at one pace, on a slot of its own.
func (b *bench) latency(ctx context.Context, w *written, c *contender, p pace) (m sample, err error) {
	if err := run(ctx, w.conn, "TRUNCATE store.products", "SELECT pg_create_logical_replication_slot('"+runSlot+"', 'pgoutput')"); err != nil {
		return m, err
	}
	prefix := c.prefix(&w.load)
	name := topic(prefix, w.tables[0].name)
	if err := b.freshTopics(ctx, []string{name}); err != nil {
		return m, err
	}
	props, err := sourceProperties(c, prefix, w.url, nil)
	if err != nil {
		return m, err
	}
	dir, err := b.folder()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	proc, err := b.launch(ctx, c, dir, props)
	if err != nil {
		return m, err
	}
	m, err = b.paced(ctx, w, c, proc, name, p)
	return m, errors.Join(err, proc.stop(), w.dropSlot(ctx), b.dropTopics(ctx, []string{name}))
}

// stamps are the moments of rows by their number, in ns since base; 0: not yet. Each is written by one goroutine.
type stamps struct {
	base               time.Time
	committed, arrived []atomic.Int64
	count              atomic.Int64 // that have arrived
}

func newStamps(n int) *stamps {
	return &stamps{base: time.Now(), committed: make([]atomic.Int64, n), arrived: make([]atomic.Int64, n)}
}

func (t *stamps) now() int64 { return max(1, time.Since(t.base).Nanoseconds()) }

// paced warms the contender up, and then writes at the pace while a reader looks when the rows arrive.
func (b *bench) paced(ctx context.Context, w *written, c *contender, proc *process, name string, p pace) (m sample, err error) {
	rows := p.rows(b.scale)
	t := newStamps(warmRows + rows)
	reading, stopReading := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(reading)
	g.Go(func() error {
		return client.Read(gctx, b.consumer, client.Reading{Topic: name, From: client.FromBeginning}, func(r *kafka.Record) error { return t.arrive(c.format, r.Key) })
	})
	err = func() error {
		for _, phase := range []struct{ from, rows, rate, writers int }{{0, warmRows, warmRate, 1}, {warmRows, rows, p.rate, p.writers}} {
			began := time.Now()
			if err := t.write(gctx, w.url, phase.from, phase.rows, phase.rate, phase.writers); err != nil {
				return err
			}
			m.Rate = float64(phase.rows) / seconds(time.Since(began))
			err := poll(gctx, b.patience, func() (bool, error) { return t.count.Load() == int64(phase.from+phase.rows), proc.failed() })
			if err != nil {
				return fmt.Errorf("wait for the records of %s rows, of which %s are there: %w; last said: %s", grouped(int64(phase.from+phase.rows)), grouped(t.count.Load()), err, proc.lastSaid())
			}
		}
		return nil
	}()
	stopReading()
	if err = errors.Join(err, g.Wait()); err != nil {
		return m, err
	}
	t.summary(&m, warmRows)
	kept := proc.memory()
	m.Peak, m.Anon, m.File = float64(kept.Peak)/1024, float64(kept.Anon)/1024, float64(kept.File)/1024
	return m, nil
}

// write writes rows at a rate, divided among connections. A writer that is late does not wait.
func (t *stamps) write(ctx context.Context, url string, from, rows, rate, writers int) error {
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for k := range writers {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			timer := time.NewTimer(0)
			defer timer.Stop()
			for i := k; i < rows; i += writers {
				if wait := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))); wait > 0 {
					timer.Reset(wait)
					select {
					case <-timer.C:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if _, err := conn.Exec(ctx, "INSERT INTO store.products VALUES ($1, 'a bike of the shop', 1, 2024, 99.99)", from+i); err != nil {
					return err
				}
				t.committed[from+i].Store(t.now())
			}
			return nil
		})
	}
	return g.Wait()
}

// arrive notes when a row arrived, the first time it did.
func (t *stamps) arrive(f format, key []byte) error {
	now := t.now()
	id, err := keyNumber(f, key)
	if err != nil {
		return err
	}
	if id < 0 || id >= len(t.arrived) {
		return fmt.Errorf("the key %q is of row %d, of %d", key, id, len(t.arrived))
	}
	if t.arrived[id].CompareAndSwap(0, now) {
		t.count.Add(1)
	}
	return nil
}

// keyNumber reads the number that is the whole of a key: in Avro behind five bytes of framing, as a zigzag varint; in JSON the only digits.
func keyNumber(f format, key []byte) (int, error) {
	if f == avro {
		const framing = 5
		if len(key) < framing {
			return 0, fmt.Errorf("the key %x is not framed", key)
		}
		n, size := binary.Varint(key[framing:])
		if size <= 0 || size != len(key)-framing {
			return 0, fmt.Errorf("the key %x is not one number", key)
		}
		return int(n), nil
	}
	digits := slices.DeleteFunc(slices.Clone(key), func(c byte) bool { return c < '0' || c > '9' })
	return strconv.Atoi(string(digits))
}

// summary fills in the quantiles of the rows from a number on. A record that was read before the commit was acknowledged took no time.
func (t *stamps) summary(m *sample, from int) {
	delays := make([]float64, 0, len(t.arrived)-from)
	for i := from; i < len(t.arrived); i++ {
		delays = append(delays, max(0, float64(t.arrived[i].Load()-t.committed[i].Load())/float64(time.Millisecond)))
	}
	sixth := max(1, len(delays)/6)
	m.P99First, m.P99Last = quantile(delays[:sixth], 0.99), quantile(delays[len(delays)-sixth:], 0.99)
	m.P50, m.P99, m.Most = quantile(delays, 0.5), quantile(delays, 0.99), quantile(delays, 1)
}

// quantile is the smallest value that a share of all is not above.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}
