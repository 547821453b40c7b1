package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Names that all loads use.
const (
	loadSchema  = "store"
	publication = "bench"
	baseSlot    = "bench_base" // holds the load; contenders read copies of it
	runSlot     = "bench_run"
)

// load is a kind of work: tables, and what is written into them before a contender starts.
type load struct {
	name  string
	about string // for the report
	ddl   string // makes the tables, in the schema store
	write []string
	// tables are what comes out; the first one is written first.
	tables []table
	// round is how many records there are when every table has had its first ones, if what counts is what follows them; 0: everything counts.
	round int
}

// table is one captured table.
type table struct {
	name    string
	changes int // rows inserted, updated and deleted by write
	rows    int // in it, after that
}

func (l *load) changes() (n int) {
	for _, t := range l.tables {
		n += t.changes
	}
	return n
}

func (l *load) rows() (n int) {
	for _, t := range l.tables {
		n += t.rows
	}
	return n
}

// topic is the topic of a table.
func topic(prefix, table string) string { return prefix + "." + loadSchema + "." + table }

// written is a load that is in a database, behind baseSlot.
type written struct {
	load
	database string
	url      string
	conn     *pgx.Conn // to the database
	end      string    // LSN behind the load
	wal      int64     // bytes of it, with what the server writes of its own
}

// writeLoad makes a database with the tables, the publication and the slot, and then runs what the load writes.
func (b *bench) writeLoad(ctx context.Context, l load) (*written, error) {
	b.say("writing %s: %s changes", l.name, grouped(int64(l.changes())))
	w := &written{load: l, database: "bench_" + identifier(l.name)}
	if err := b.source.CreateDatabase(ctx, w.database); err != nil {
		return nil, err
	}
	w.url = b.source.URL(w.database)
	var err error
	if w.conn, err = pgx.Connect(ctx, w.url); err != nil {
		return nil, fmt.Errorf("connect to database %q: %w", w.database, err)
	}
	statements := []string{"CREATE SCHEMA " + loadSchema, l.ddl, "CREATE PUBLICATION " + publication + " FOR ALL TABLES",
		"SELECT pg_create_logical_replication_slot('" + baseSlot + "', 'pgoutput')"}
	if err := run(ctx, w.conn, append(statements, l.write...)...); err != nil {
		return nil, fmt.Errorf("write the load %s: %w", l.name, err)
	}
	const extent = `SELECT pg_current_wal_insert_lsn()::text, pg_current_wal_insert_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '` + baseSlot + `'`
	if err := w.conn.QueryRow(ctx, extent).Scan(&w.end, &w.wal); err != nil {
		return nil, fmt.Errorf("measure the load %s: %w", l.name, err)
	}
	// What the load has left to do is done before a contender starts.
	return w, run(ctx, w.conn, "VACUUM ANALYZE", "CHECKPOINT")
}

// forget removes the database and what holds WAL for it; not when the bench is called off, for the server goes with it.
func (b *bench) forget(ctx context.Context, w *written) error {
	if ctx.Err() != nil {
		return nil
	}
	const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active`
	if err := run(ctx, w.conn, drop); err != nil {
		return fmt.Errorf("drop the slots of database %q: %w", w.database, err)
	}
	if err := w.conn.Close(ctx); err != nil {
		return err
	}
	return b.dropDatabase(ctx, b.source.URL("postgres"), w.database)
}

func (b *bench) dropDatabase(ctx context.Context, admin, name string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("drop database %q: %w", name, err)
	}
	defer conn.Close(ctx)
	return run(ctx, conn, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

// copySlot gives a contender its own copy of the slot.
func (w *written) copySlot(ctx context.Context) error {
	return run(ctx, w.conn, "SELECT pg_copy_logical_replication_slot('"+baseSlot+"', '"+runSlot+"')")
}

// dropSlot drops the copy, whose reader may be about to go.
func (w *written) dropSlot(ctx context.Context) error {
	const holder = `SELECT coalesce((SELECT active_pid FROM pg_replication_slots WHERE slot_name = '` + runSlot + `'), 0)`
	err := poll(ctx, stopTimeout, func() (bool, error) {
		var pid int
		err := w.conn.QueryRow(ctx, holder).Scan(&pid)
		return pid == 0, err
	})
	if err != nil {
		return fmt.Errorf("wait for the reader of slot %q to go: %w", runSlot, err)
	}
	return run(ctx, w.conn, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '"+runSlot+"'")
}

// sender is the process of the server that feeds the copy; 0: there is none now.
func (w *written) sender(ctx context.Context) (pid int, err error) {
	err = w.conn.QueryRow(ctx, `SELECT coalesce((SELECT active_pid FROM pg_replication_slots WHERE slot_name = '`+runSlot+`'), 0)`).Scan(&pid)
	return pid, err
}

// run runs statements, each in a transaction of its own, so that procedures may commit.
func run(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return fmt.Errorf("%.80s: %w", s, err)
		}
	}
	return nil
}
