package snapshot

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Table is a table to read.
type Table struct {
	// Relation is the shape of the changes: their tuples have its columns, in its order.
	Relation *cdc.Relation
	// Columns are those to read; nil for all. The others are null in the tuples.
	Columns []string
	// Select replaces the statement (snapshot.select.statement.overrides). Its columns are matched by name: one that the table does not have is
	// left out, one that is missing is null.
	Select string
}

// Run reads the tables in order and hands batches to emit, which owns them from then on. It returns after the last row, or with the first
// error, emit's included.
//
// The last row is handed out only when it is known to be the last (cdc.MarkLast), so emit lags one batch behind. Memory is bounded by two
// batches and the largest row.
func (s *Snapshot) Run(ctx context.Context, tables []Table, emit func(*cdc.Batch) error) error {
	conn, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(closing) // a read-only transaction has nothing to lose
		select {                // a copy that was broken off is cancelled by a goroutine of the driver
		case <-conn.PgConn().CleanupDone():
		case <-closing.Done():
		}
	}()
	if err := s.lock(ctx, conn, tables); err != nil {
		return err
	}
	out := &marker{emit: emit, newBatch: s.opts.NewBatch, limit: s.opts.BatchBytes, cur: s.opts.NewBatch()}
	out.cur.Reset()
	for i := range tables {
		if err := s.table(ctx, conn, &tables[i], out); err != nil {
			return err
		}
	}
	return out.finish()
}

// lock takes the locks of snapshot.locking.mode=shared, which keep the tables' shapes as they are until the last row is read.
func (s *Snapshot) lock(ctx context.Context, conn *pgx.Conn, tables []Table) error {
	if !s.opts.LockTables || len(tables) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", strconv.FormatInt(s.opts.LockTimeout.Milliseconds(), 10)); err != nil {
		return pgerror.Wrap(err, "set lock_timeout to snapshot.lock.timeout.ms")
	}
	for _, t := range tables {
		if _, err := conn.Exec(ctx, "LOCK TABLE "+tableName(t.Relation)+" IN ACCESS SHARE MODE"); err != nil {
			return pgerror.Wrap(err, "lock table %s.%s within snapshot.lock.timeout.ms=%d", t.Relation.Schema, t.Relation.Name, s.opts.LockTimeout.Milliseconds())
		}
	}
	return nil
}

// table reads one table.
func (s *Snapshot) table(ctx context.Context, conn *pgx.Conn, t *Table, out *marker) error {
	rel := t.Relation
	query, fields, err := t.query(ctx, conn)
	if err != nil {
		return err
	}
	rows := &copyReader{rel: rel, fields: fields, out: out, row: cdc.Change{Kind: cdc.Read, LSN: s.lsn, Relation: rel, XID: s.xid, CommitTime: s.time}}
	out.beginTable(rel, s.lsn)
	if _, err := conn.PgConn().CopyTo(ctx, rows, "COPY ("+query+"\n) TO STDOUT"); err != nil {
		if rows.err != nil { // ours: the driver only passes it on
			return rows.err
		}
		return pgerror.Wrap(err, "read table %s.%s", rel.Schema, rel.Name)
	}
	if err := rows.close(); err != nil {
		return err
	}
	out.endTable()
	return nil
}

// query is the statement that reads the table, and which column of the relation each of its fields is; -1 for none.
func (t *Table) query(ctx context.Context, conn *pgx.Conn) (string, []int, error) {
	if t.Select != "" {
		return t.override(ctx, conn)
	}
	wanted := make(map[string]bool, len(t.Columns))
	for _, name := range t.Columns {
		wanted[name] = true
	}
	var names []string
	var fields []int
	for i := range t.Relation.Columns {
		if name := t.Relation.Columns[i].Name; t.Columns == nil || wanted[name] {
			names = append(names, identifier(name))
			fields = append(fields, i)
		}
	}
	return "SELECT " + strings.Join(names, ", ") + " FROM " + tableName(t.Relation), fields, nil
}

// override has the server describe the user's statement.
func (t *Table) override(ctx context.Context, conn *pgx.Conn) (string, []int, error) {
	sql := strings.TrimRight(t.Select, "; \t\r\n")
	described, err := conn.PgConn().Prepare(ctx, "", sql, nil)
	if err != nil {
		return "", nil, pgerror.Wrap(err, "prepare snapshot.select.statement.overrides.%s.%s", t.Relation.Schema, t.Relation.Name)
	}
	columns := make(map[string]int, len(t.Relation.Columns))
	for i := range t.Relation.Columns {
		columns[t.Relation.Columns[i].Name] = i
	}
	fields := make([]int, len(described.Fields))
	matched := false
	for i, f := range described.Fields {
		column, ok := columns[f.Name]
		if !ok {
			column = -1
		}
		fields[i], matched = column, matched || ok
	}
	if !matched {
		return "", nil, fmt.Errorf("snapshot.select.statement.overrides.%s.%s: the statement returns none of the table's columns: %s", t.Relation.Schema, t.Relation.Name, t.Select)
	}
	return sql, fields, nil
}

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

func tableName(rel *cdc.Relation) string { return pgx.Identifier{rel.Schema, rel.Name}.Sanitize() }
