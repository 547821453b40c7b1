package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

const snapshotAbout = `The rows of the mix of a shop, read by snapshot.mode=initial_only. COPY is "COPY … TO STDOUT" of the same tables on one connection, whose output is
dropped.`

// copyOut is the contender that does nothing with the rows.
const copyOut = "COPY to nowhere"

// snapshotPart is the tables of the shop.
func (b *bench) snapshotPart(ctx context.Context, s *section) (err error) {
	l := bikeStore(b.scaled(200_000, leastCustomers))
	w, err := b.writeLoad(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.forget(ctx, w)) }()
	s.Loads[l.name] = fmt.Sprintf("%s rows in %d tables", grouped(int64(l.rows())), len(l.tables))
	rows := int64(l.rows())
	trials := []trial{{row{Load: l.name, Contender: copyOut, Work: rows}, func(ctx context.Context) (sample, error) { return copyTables(ctx, w) }}}
	for _, c := range []contender{ours(avro), stock(avro), ours(plainJSON), stock(plainJSON)} {
		if b.wants(c.system) {
			trials = append(trials, trial{row{Load: l.name, Contender: c.name, Format: string(c.format), Work: rows},
				func(ctx context.Context) (sample, error) { return b.snapshot(ctx, w, &c) }})
		}
	}
	return b.measure(ctx, s, trials)
}

// snapshot has a contender read the tables.
func (b *bench) snapshot(ctx context.Context, w *written, c *contender) (m sample, err error) {
	prefix := c.prefix(&w.load)
	props, err := sourceProperties(c, prefix, w.url, map[string]string{"snapshot.mode": "initial_only"})
	if err != nil {
		return m, err
	}
	expect, topics := w.expected(prefix, func(t table) int { return t.rows })
	// The order of tables is the contender's: the first record may be of any.
	m, err = b.publish(ctx, c, props, work{expect, topics, 0}, nil)
	return m, errors.Join(err, w.dropSlot(ctx), b.dropTopics(ctx, topics))
}

// copyTables reads the tables to nowhere.
func copyTables(ctx context.Context, w *written) (m sample, err error) {
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return m, err
	}
	defer conn.Close(ctx)
	began := time.Now()
	rows := int64(0)
	for _, t := range w.tables {
		done, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY "+loadSchema+"."+t.name+" TO STDOUT")
		if err != nil {
			return m, fmt.Errorf("copy table %q: %w", t.name, err)
		}
		rows += done.RowsAffected()
	}
	m.Rate = float64(rows) / seconds(time.Since(began))
	if rows != int64(w.rows()) {
		return m, fmt.Errorf("COPY gave %d rows, want %d", rows, w.rows())
	}
	return m, nil
}
