package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

const sinkAbout = `The topics of the mix of a shop, one partition each, applied by upserts to empty tables that have their keys; three tasks, batches of 3,000. The time runs from the
first row that is seen in the target to the last; afterwards number and checksum of all rows are those of the source. The server's own upsert is
INSERT … SELECT … ON CONFLICT DO UPDATE on one connection, of as many rows, from tables that are in the target already.`

const endAbout = `Source and sink in one worker: the mix of a shop from the copy of a slot, through Kafka, into empty tables of another server. The time runs from the first row
that is seen in the target to the last, start to first from the start of the process to that first row. Its two halves are measured beside it, each alone: the
source until the last record is in Kafka, the sink from records that are there.`

// Halves of what is measured end to end.
const (
	sourceHalf = "tandem, the source alone"
	sinkHalf   = "tandem, the sink alone"
)

// setwise is the contender that is the server itself.
const setwise = "upsert inside the server"

// targetDatabase is made anew for each run.
const targetDatabase = "bench_target"

// sinkPart fills topics by tandem, once for each format, and has everybody apply them.
func (b *bench) sinkPart(ctx context.Context, s *section) (err error) {
	l := bikeStore(b.scaled(200_000, leastCustomers))
	w, err := b.writeLoad(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.forget(ctx, w)) }()
	s.Loads[l.name] = fmt.Sprintf("%s records of %d topics", grouped(int64(l.changes())), len(l.tables))
	work := int64(l.changes())
	trials := []trial{{row{Load: l.name, Contender: setwise, Work: work}, func(ctx context.Context) (sample, error) { return b.setwise(ctx, w) }}}
	var filled []string
	defer func() { err = errors.Join(err, b.dropTopics(context.WithoutCancel(ctx), filled)) }()
	for _, f := range []format{avro, schemaJSON} {
		filler := ours(f)
		filler.name = "records"
		topics, err := b.fill(ctx, w, &filler)
		if err != nil {
			return fmt.Errorf("fill the topics: %w", err)
		}
		filled = append(filled, topics...)
		for _, c := range []contender{ours(f), stock(f)} {
			if b.wants(c.system) {
				trials = append(trials, trial{row{Load: l.name, Contender: c.name, Format: string(f), Work: work},
					func(ctx context.Context) (sample, error) { return b.apply(ctx, w, &c, nil, topics) }})
			}
		}
	}
	return b.measure(ctx, s, trials)
}

// fill has tandem publish the load into topics that stay.
func (b *bench) fill(ctx context.Context, w *written, c *contender) (topics []string, err error) {
	props, err := sourceProperties(c, c.prefix(&w.load), w.url, nil)
	if err != nil {
		return nil, err
	}
	if err := w.copySlot(ctx); err != nil {
		return nil, err
	}
	expect, topics := w.expected(c.prefix(&w.load), changesOf)
	_, err = b.publish(ctx, c, props, work{expect, topics, w.round}, w.sender)
	return topics, errors.Join(err, w.dropSlot(ctx))
}

// endPart has source and sink in one worker.
func (b *bench) endPart(ctx context.Context, s *section) (err error) {
	l := bikeStore(b.scaled(200_000, leastCustomers))
	w, err := b.writeLoad(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.forget(ctx, w)) }()
	s.Loads[l.name] = grouped(int64(l.changes())) + " changes"
	of := func(name string, f format) row {
		return row{Load: l.name, Contender: name, Format: string(f), Work: int64(l.changes())}
	}
	var trials []trial
	if b.wants(tandem) {
		half := ours(avro)
		half.name = "records"
		topics, err := b.fill(ctx, w, &half)
		if err != nil {
			return fmt.Errorf("fill the topics: %w", err)
		}
		defer func() { err = errors.Join(err, b.dropTopics(context.WithoutCancel(ctx), topics)) }()
		alone := ours(avro)
		alone.name = sourceHalf
		trials = append(trials,
			trial{of(sourceHalf, avro), func(ctx context.Context) (sample, error) { return b.drain(ctx, w, &alone) }},
			trial{of(sinkHalf, avro), func(ctx context.Context) (sample, error) { return b.apply(ctx, w, &half, nil, topics) }})
	}
	for _, c := range []contender{ours(avro), stock(avro)} {
		if b.wants(c.system) {
			trials = append(trials, trial{of(c.name, c.format), func(ctx context.Context) (sample, error) { return b.endToEnd(ctx, w, &c) }})
		}
	}
	return b.measure(ctx, s, trials)
}

func (b *bench) endToEnd(ctx context.Context, w *written, c *contender) (m sample, err error) {
	prefix := c.prefix(&w.load)
	source, err := sourceProperties(c, prefix, w.url, nil)
	if err != nil {
		return m, err
	}
	if err := w.copySlot(ctx); err != nil {
		return m, err
	}
	expect, topics := w.expected(prefix, changesOf)
	if err := b.freshTopics(ctx, topics); err != nil {
		return m, errors.Join(err, w.dropSlot(ctx))
	}
	m, err = b.apply(ctx, w, c, source, topics)
	if err == nil {
		err = b.count(ctx, c.format, expect)
	}
	return m, errors.Join(err, w.dropSlot(ctx), b.dropTopics(ctx, topics))
}

// emptyTarget makes the database with its tables, without rows.
func (b *bench) emptyTarget(ctx context.Context) (*pgx.Conn, error) {
	if err := b.target.CreateDatabase(ctx, targetDatabase); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, b.target.URL(targetDatabase))
	if err != nil {
		return nil, err
	}
	return conn, run(ctx, conn, "CREATE SCHEMA "+loadSchema, bikeStoreDDL)
}

// dropTarget removes it; not when the bench is called off, as forget.
func (b *bench) dropTarget(ctx context.Context, conn *pgx.Conn) error {
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(conn.Close(ctx), b.dropDatabase(ctx, b.target.URL("postgres"), targetDatabase))
}

// What is asked of the target while a contender works: whether anything is there, how much then, and whether the last record of each topic is.
const (
	presentRows = `SELECT (SELECT count(*) FROM store.customers) + (SELECT count(*) FROM store.orders) + (SELECT count(*) FROM store.order_items)`
	someRow     = `SELECT EXISTS (SELECT FROM store.customers) OR EXISTS (SELECT FROM store.orders) OR EXISTS (SELECT FROM store.order_items)`
	allRows     = `SELECT EXISTS (SELECT FROM store.customers WHERE customer_id = $1) AND EXISTS (SELECT FROM store.orders WHERE order_id = $1 AND shipped_date IS NOT NULL)
		AND EXISTS (SELECT FROM store.order_items WHERE order_id = $1 AND item_id = 2)`
)

// apply runs a contender with a sink, and a source if there is one, until the target has everything.
func (b *bench) apply(ctx context.Context, w *written, c *contender, source map[string]string, topics []string) (m sample, err error) {
	conn, err := b.emptyTarget(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.dropTarget(ctx, conn)) }()
	dir, err := b.folder()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sink, err := sinkProperties(c, topics, b.target.URL(targetDatabase))
	if err != nil {
		return m, err
	}
	sink["name"] = fmt.Sprintf("sink-%d", b.folders) // its group starts at the beginning
	connectors := []map[string]string{sink}
	if source != nil {
		connectors = append(connectors, source)
	}
	p, err := b.launch(ctx, c, dir, connectors...)
	if err != nil {
		return m, err
	}
	seen, err := b.watchTarget(ctx, p, conn, w.tables[0].rows)
	m.usage(p, &seen)
	if err = errors.Join(err, p.stop()); err != nil {
		return m, err
	}
	if m.Rate, err = seen.rate(w.changes()); err != nil {
		return m, err
	}
	return m, sameRows(ctx, w, conn)
}

// watchTarget waits for the first and for the last row.
func (b *bench) watchTarget(ctx context.Context, p *process, conn *pgx.Conn, customers int) (seen watched, err error) {
	ask := func(query string, args ...any) func() (bool, error) {
		return func() (yes bool, err error) {
			if err := p.failed(); err != nil {
				return false, err
			}
			err = conn.QueryRow(ctx, query, args...).Scan(&yes)
			return yes, err
		}
	}
	if err := poll(ctx, b.patience, ask(someRow)); err != nil {
		return seen, fmt.Errorf("wait for the first row: %w; last said: %s", err, p.lastSaid())
	}
	seen.first, seen.firstCPU = time.Now(), p.usedCPU()
	if err := conn.QueryRow(ctx, presentRows).Scan(&seen.present); err != nil {
		return seen, err
	}
	if err := poll(ctx, b.patience, ask(allRows, customers)); err != nil {
		return seen, fmt.Errorf("wait for the last rows: %w; last said: %s", err, p.lastSaid())
	}
	seen.last, seen.lastCPU = time.Now(), p.usedCPU()
	return seen, nil
}

// sameRows holds number and checksum of the rows of the target against the source's.
func sameRows(ctx context.Context, w *written, target *pgx.Conn) error {
	for _, t := range w.tables {
		query := `SELECT count(*) || ' rows, checksum ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM store.` + t.name + ` t`
		var want, got string
		if err := errors.Join(w.conn.QueryRow(ctx, query).Scan(&want), target.QueryRow(ctx, query).Scan(&got)); err != nil {
			return fmt.Errorf("compare table %q: %w", t.name, err)
		}
		if got != want {
			return fmt.Errorf("table %q of the target has %s, the source's %s", t.name, got, want)
		}
	}
	return nil
}

// upserts are what the load does to the tables, set-wise: from tables of the same names in the schema rows, the orders twice.
var upserts = []string{
	`INSERT INTO store.customers SELECT * FROM rows.customers ON CONFLICT (customer_id) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name,
		phone = excluded.phone, email = excluded.email, street = excluded.street, city = excluded.city, state = excluded.state, zip_code = excluded.zip_code`,
	upsertOrders,
	`INSERT INTO store.order_items SELECT * FROM rows.order_items ON CONFLICT (order_id, item_id) DO UPDATE SET product_id = excluded.product_id,
		quantity = excluded.quantity, list_price = excluded.list_price, discount = excluded.discount`,
	upsertOrders,
}

const upsertOrders = `INSERT INTO store.orders SELECT * FROM rows.orders ON CONFLICT (order_id) DO UPDATE SET customer_id = excluded.customer_id, order_status = excluded.order_status,
	order_date = excluded.order_date, required_date = excluded.required_date, shipped_date = excluded.shipped_date, store_id = excluded.store_id, staff_id = excluded.staff_id,
	updated_at = excluded.updated_at`

// setwise measures the server's own upsert.
func (b *bench) setwise(ctx context.Context, w *written) (m sample, err error) {
	conn, err := b.emptyTarget(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.dropTarget(ctx, conn)) }()
	if err := run(ctx, conn, "CREATE SCHEMA rows"); err != nil {
		return m, err
	}
	for _, t := range w.tables {
		if err := run(ctx, conn, "CREATE TABLE rows."+t.name+" (LIKE store."+t.name+")"); err != nil {
			return m, err
		}
		if err := copyAcross(ctx, w.conn, conn, t.name); err != nil {
			return m, fmt.Errorf("copy table %q into the target: %w", t.name, err)
		}
	}
	began := time.Now()
	if err := run(ctx, conn, upserts...); err != nil {
		return m, err
	}
	m.Rate = float64(w.changes()) / seconds(time.Since(began))
	return m, sameRows(ctx, w, conn)
}

// copyAcross copies a table of the source into the schema rows of the target.
func copyAcross(ctx context.Context, source, target *pgx.Conn, table string) error {
	r, w := io.Pipe()
	sent := make(chan error, 1) // maker: here; sender: the goroutine, once; bound: that one
	go func() {
		_, err := source.PgConn().CopyTo(ctx, w, "COPY store."+table+" TO STDOUT")
		w.CloseWithError(err)
		sent <- err
	}()
	_, err := target.PgConn().CopyFrom(ctx, r, "COPY rows."+table+" FROM STDIN")
	r.CloseWithError(err)
	return errors.Join(err, <-sent)
}
