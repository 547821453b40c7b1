package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/torture/history"
)

// truthSlot is read with PostgreSQL's own test_decoding, by nobody but us.
const truthSlot = "truth"

// readTruth takes what has been committed since the last time.
func (c *cluster) readTruth(ctx context.Context, t *history.Truth) error {
	conn, err := pgx.Connect(ctx, c.postgres.URL(sourceDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	t.Restart()
	rows, err := conn.Query(ctx, "SELECT lsn::text, xid::text::bigint, data FROM pg_logical_slot_get_changes($1, NULL, NULL, 'include-xids', '1')", truthSlot)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at, line string
		var xid int64
		if err := rows.Scan(&at, &xid, &line); err != nil {
			return err
		}
		lsn, err := history.ParseLSN(at)
		if err != nil {
			return err
		}
		if err := t.Add(lsn, uint32(xid), line); err != nil {
			return fmt.Errorf("read the truth: %w", err)
		}
	}
	return rows.Err()
}

// stored reads a table.
func (c *cluster) stored(ctx context.Context, database string, t *history.Table) (s history.Stored, err error) {
	conn, err := pgx.Connect(ctx, c.postgres.URL(database))
	if err != nil {
		return s, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT * FROM "+t.Name, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	var all []history.Row
	for rows.Next() {
		row := make(history.Row, len(columns))
		for i, v := range rows.RawValues() { // texts, for the protocol is the simple one
			row[columns[i]] = stringOf(v, rows.FieldDescriptions()[i].DataTypeOID)
		}
		all = append(all, row)
	}
	return t.Store(columns, all), rows.Err()
}

// boolOID is that of PostgreSQL's type boolean, whose texts are t and f.
const boolOID = 16

func stringOf(v []byte, oid uint32) string {
	switch {
	case v == nil:
		return history.Null
	case oid == boolOID && string(v) == "t":
		return "true"
	case oid == boolOID:
		return "false"
	}
	return string(v)
}

// awaitSlots waits until the slots of the captures have passed a position: what is applied need not be kept.
func (c *cluster) awaitSlots(ctx context.Context, behind history.LSN) error {
	conn, err := pgx.Connect(ctx, c.postgres.URL(sourceDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var waiting int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_replication_slots WHERE slot_name IN ($1, $2) AND confirmed_flush_lsn < $3::pg_lsn",
			c.captures[0].prefix, c.captures[1].prefix, behind.String()).Scan(&waiting)
		if err != nil || waiting == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// missing tells that there is no such table.
func missing(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42P01" // undefined_table
}
