package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

const drainAbout = `The load is written before a contender starts; each reads its own copy of one replication slot, so that all do the same work. The time runs from the
first record in Kafka (for pg_recvlogical: the first bytes it writes) to the last. Afterwards a consumer counts every record and decodes one in a
thousand. pg_recvlogical writes pgoutput's messages to /dev/null: nothing is decoded and nothing goes to Kafka.`

const loadsAbout = `As above, with other tables.`

const growthAbout = `As above, tandem alone: what grows beside what does not. Ten times the changes; the same changes in 2,000 tables and in 4, where the time runs from
when every table has had its first records; rows of 100 columns beside rows of 10, to be compared by the bytes of WAL; one transaction of 5,000,000 rows.`

// drainPart is the mix of a shop in all formats.
func (b *bench) drainPart(ctx context.Context, s *section) error {
	everybody := []contender{{name: string(recvlogical), system: recvlogical}, ours(avro), tuned(avro), stock(avro), ours(plainJSON), tuned(plainJSON), stock(plainJSON),
		ours(schemaJSON), stock(schemaJSON)}
	if b.quick {
		everybody = everybody[:2]
	}
	return b.drainLoad(ctx, s, bikeStore(b.scaled(200_000, leastCustomers)), everybody)
}

// loadsPart is Avro alone.
func (b *bench) loadsPart(ctx context.Context, s *section) error {
	everybody := []contender{{name: string(recvlogical), system: recvlogical}, ours(avro), tuned(avro)}
	for _, l := range []load{
		wideRows(b.scaled(100_000, 20_000), 100), narrowRows(b.scaled(1_000_000, 100_000)), jsonRows(b.scaled(200_000, 40_000)), manyTables(100, b.scaled(10_000, 1_500)), hugeTransaction(b.scaled(500_000, 100_000)),
	} {
		if err := b.drainLoad(ctx, s, l, everybody); err != nil {
			return err
		}
	}
	return nil
}

// leastCustomers of the mix of a shop make 100,000 changes.
const leastCustomers = 20_000

// Loads of the part of growth.
const (
	oneMillion = "bike-store"
	tenMillion = "bike-store, ten times"
)

// growthPart holds what grows against what does not.
func (b *bench) growthPart(ctx context.Context, s *section) error {
	alone := []contender{ours(avro)}
	short, long := bikeStore(b.scaled(200_000, leastCustomers)), bikeStore(b.scaled(2_000_000, 2*leastCustomers))
	short.name, long.name = oneMillion, tenMillion
	for _, l := range []load{
		short, long, manyTables(4, b.scaled(250_000, 25_000)), manyTables(2_000, b.scaled(500, 50)),
		wideRows(b.scaled(1_000_000, 200_000), 10), wideRows(b.scaled(100_000, 20_000), 100), hugeTransaction(b.scaled(5_000_000, 100_000)),
	} {
		if err := b.drainLoad(ctx, s, l, alone); err != nil {
			return err
		}
	}
	return nil
}

// drainLoad measures contenders at one load.
func (b *bench) drainLoad(ctx context.Context, s *section, l load, contenders []contender) (err error) {
	if !b.wantsLoad(l.name) {
		return nil
	}
	w, err := b.writeLoad(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.forget(ctx, w)) }()
	s.Loads[l.name] = fmt.Sprintf("%s changes, %s of WAL: %s", grouped(int64(l.changes())), megabytes(w.wal), l.about)
	var trials []trial
	for i := range contenders {
		c := &contenders[i]
		if !b.wants(c.system) {
			continue
		}
		once := func(ctx context.Context) (sample, error) { return b.drain(ctx, w, c) }
		if c.system == recvlogical {
			once = func(ctx context.Context) (sample, error) { return b.receive(ctx, w) }
		}
		trials = append(trials, trial{row{Load: l.name, Contender: c.name, Format: string(c.format), Work: int64(l.changes()), Bytes: w.wal}, once})
	}
	return b.measure(ctx, s, trials)
}

func megabytes(n int64) string { return fmt.Sprintf("%s MB", grouped(n/1_000_000)) }

// prefix of the topics that a contender writes. Contenders of one name and format have one, so that subjects are in place after the first run.
func (c *contender) prefix(l *load) string {
	return "b_" + identifier(l.name+" "+c.name+" "+string(c.format)) // names of Avro, which it becomes a part of, begin with a letter
}

// expected are the topics of a load, with what they must hold.
func (l *load) expected(prefix string, of func(table) int) (expect []expectation, topics []string) {
	for _, t := range l.tables {
		expect = append(expect, expectation{topic(prefix, t.name), of(t)})
		topics = append(topics, topic(prefix, t.name))
	}
	return expect, topics
}

func changesOf(t table) int { return t.changes }

// drain has a contender publish the load.
func (b *bench) drain(ctx context.Context, w *written, c *contender) (m sample, err error) {
	props, err := sourceProperties(c, c.prefix(&w.load), w.url, nil)
	if err != nil {
		return m, err
	}
	if err := w.copySlot(ctx); err != nil {
		return m, err
	}
	expect, topics := w.expected(c.prefix(&w.load), changesOf)
	m, err = b.publish(ctx, c, props, work{expect, topics, w.round}, w.sender)
	return m, errors.Join(err, w.dropSlot(ctx), b.dropTopics(ctx, topics))
}

// work is what a source is to publish.
type work struct {
	expect []expectation
	topics []string
	round  int // as load.round
}

// publish runs a contender with a source until its topics hold what is expected.
func (b *bench) publish(ctx context.Context, c *contender, source map[string]string, todo work, sender func(context.Context) (int, error)) (m sample, err error) {
	if err := b.freshTopics(ctx, todo.topics); err != nil {
		return m, err
	}
	dir, err := b.folder()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := b.launch(ctx, c, dir, source)
	if err != nil {
		return m, err
	}
	seen, err := b.watch(ctx, p, todo, sender)
	m.usage(p, &seen)
	if err = errors.Join(err, p.stop()); err != nil {
		return m, err
	}
	n := 0
	for _, e := range todo.expect {
		n += e.records
	}
	if m.Rate, err = seen.rate(n); err != nil {
		return m, err
	}
	return m, b.count(ctx, c.format, todo.expect)
}

// receive has pg_recvlogical read the load.
func (b *bench) receive(ctx context.Context, w *written) (m sample, err error) {
	if err := w.copySlot(ctx); err != nil {
		return m, err
	}
	m, err = b.receiveCopy(ctx, w)
	return m, errors.Join(err, w.dropSlot(ctx))
}

func (b *bench) receiveCopy(ctx context.Context, w *written) (m sample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.patience, fmt.Errorf("pg_recvlogical has not come to its end within %s", b.patience))
	defer cancel()
	dir, err := b.folder()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cmd := exec.CommandContext(ctx, b.recvlogical, "--dbname="+w.url, "--slot="+runSlot, "--start", "--no-loop", "--endpos="+w.end, "--file="+os.DevNull,
		"--option=proto_version=1", "--option=publication_names="+publication)
	b.keepCommand(string(recvlogical), cmd, nil)
	p, err := start(cmd, dir, string(recvlogical), "")
	if err != nil {
		return m, err
	}
	var seen watched
	look := time.NewTicker(firstEvery)
	defer look.Stop()
	pid := 0
	for running := true; running; {
		select {
		case <-p.Done():
			running = false
		case <-look.C:
			if n, err := writtenBy(cmd.Process.Pid); seen.first.IsZero() && err == nil && n > 0 {
				seen.first, seen.firstCPU = time.Now(), p.usedCPU()
				if pid, err = w.sender(ctx); err != nil {
					return m, errors.Join(err, p.stop())
				}
				seen.serverBefore, _ = cpuOf(pid)
			}
			if now, err := cpuOf(pid); pid != 0 && err == nil {
				seen.after = now // the server's process ends with its client
			}
		}
	}
	seen.last, seen.lastCPU = time.Now(), p.usedCPU()
	switch {
	case context.Cause(ctx) != nil:
		return m, context.Cause(ctx)
	case p.Err() != nil:
		return m, fmt.Errorf("%w: %s", p.Err(), p.lastSaid())
	case seen.first.IsZero():
		return m, errors.New("pg_recvlogical ended before it was seen to write anything: the load is too small to be measured")
	}
	m.usage(p, &seen)
	m.Rate = float64(w.changes()) / seconds(seen.last.Sub(seen.first))
	return m, nil
}
