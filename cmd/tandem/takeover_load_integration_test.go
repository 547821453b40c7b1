//go:build integration

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// takeoverSchema holds a table for each thing that is checked; the runners capture all of them.
const takeoverSchema = `
CREATE TABLE audit (id bigserial PRIMARY KEY, how text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE big (id bigserial PRIMARY KEY, filler text);
CREATE TABLE counters (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE keyed (id int PRIMARY KEY, v text);
CREATE TABLE cut (id int PRIMARY KEY);
CREATE TABLE wall (id int PRIMARY KEY);
INSERT INTO counters SELECT g, 0 FROM generate_series(1, 5) g;
INSERT INTO keyed SELECT g, 'first' FROM generate_series(1, 20) g;`

// load is what was written.
type load struct {
	open       []*pgx.Conn // with a transaction each, begun before a switch
	keyChanges int
	truncates  int
	messages   int
}

// insert adds a row to audit.
func (h *takeover) insert(conn *pgx.Conn, how string) (id int64) {
	h.Helper()
	if err := conn.QueryRow(context.WithoutCancel(h.Context()), "INSERT INTO audit (how) VALUES ($1) RETURNING id", how).Scan(&id); err != nil {
		h.Fatal(err)
	}
	return id
}

// copyRows inserts rows by COPY: many changes share an LSN.
func (h *takeover) copyRows(conn *pgx.Conn, table, column, text string, rows int) {
	h.Helper()
	_, err := conn.CopyFrom(h.Context(), pgx.Identifier{table}, []string{column}, pgx.CopyFromSlice(rows, func(int) ([]any, error) { return []any{text}, nil }))
	if err != nil {
		h.Fatal(err)
	}
}

// changes makes some of each kind.
func (h *takeover) changes() {
	h.Helper()
	for range 5 {
		h.insert(h.db, "single")
	}
	h.must(h.db, "INSERT INTO audit (how) SELECT 'rows' FROM generate_series(1, 20)", "INSERT INTO big (filler) VALUES ('announced')")
	h.copyRows(h.db, "audit", "how", "copy", 60)
	for range 3 {
		h.must(h.db, "UPDATE counters SET n = n + 1")
	}
	h.must(h.db, "BEGIN", "INSERT INTO audit (how) VALUES ('in')")
	h.emit(true)
	h.emit(false)
	h.must(h.db, "UPDATE keyed SET id = id + 1000 WHERE id = (SELECT min(id) FROM keyed)", "INSERT INTO cut VALUES (1), (2)", "TRUNCATE cut", "INSERT INTO audit (how) VALUES ('in')")
	h.emit(true)
	h.must(h.db, "COMMIT", "DELETE FROM keyed WHERE id = (SELECT max(id) FROM keyed)", "INSERT INTO keyed SELECT max(id) + 1, 'again' FROM keyed")
	h.load.keyChanges++
	h.load.truncates++
	h.emit(false)
}

// emit writes a logical decoding message.
func (h *takeover) emit(transactional bool) {
	h.load.messages++
	h.must(h.db, fmt.Sprintf("SELECT pg_logical_emit_message(%v, 'takeover', '%d')", transactional, h.load.messages))
}

// begin opens transactions that end behind the switch: a small one, and one of which each runner's decoder has to keep much.
func (h *takeover) begin() {
	h.Helper()
	for _, rows := range []int{3, 1500} {
		conn := h.dial(h.source)
		h.must(conn, "BEGIN", fmt.Sprintf("INSERT INTO audit (how) SELECT 'open' FROM generate_series(1, %d)", rows))
		h.load.open = append(h.load.open, conn)
	}
}

// finish ends them.
func (h *takeover) finish() {
	h.Helper()
	for _, conn := range h.load.open {
		h.must(conn, "INSERT INTO audit (how) VALUES ('closing')", "COMMIT")
		if err := conn.Close(h.Context()); err != nil {
			h.Fatal(err)
		}
	}
	h.load.open = nil
}

// largeRows is how many rows the transaction has that a runner ends in.
const largeRows = 2000

// large commits one transaction of which a part passes the gate. Debezium repeats a row when it goes on within a COPY, tandem does not.
func (h *takeover) large(byCopy bool) {
	h.Helper()
	filler := strings.Repeat("f", 300)
	if byCopy {
		h.copyRows(h.db, "big", "filler", filler, largeRows)
		return
	}
	h.must(h.db, fmt.Sprintf("INSERT INTO big (filler) SELECT '%s' FROM generate_series(1, %d)", filler, largeRows))
}
