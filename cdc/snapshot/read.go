package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// read takes chunks until there are no more. It owns conn and closes it, but not before all rows are handed out: its locks keep tables from being
// rewritten between two chunks that different readers read.
func (r *run) read(ctx context.Context, conn *pgx.Conn) error {
	defer closeReader(ctx, conn)
	if err := r.chunks(ctx, conn); err != nil {
		return err
	}
	select {
	case <-r.over:
	case <-ctx.Done():
	}
	return nil
}

func (r *run) chunks(ctx context.Context, conn *pgx.Conn) error {
	// Senders: this reader at first, then the merge, which gives batches back. Never closed. Bound: all of them.
	empty := make(chan *Rows, r.snap.batches())
	for range cap(empty) {
		empty <- &Rows{home: empty}
	}
	for {
		j, err := r.take(ctx, conn, cap(empty))
		if err != nil || j == nil {
			return err
		}
		if err := r.chunk(ctx, conn, j, empty); err != nil {
			return failed(&r.plan.tables[j.table], err)
		}
	}
}

func closeReader(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // a read-only transaction has nothing to lose
	select {            // a copy that was broken off is cancelled by a goroutine of the driver
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// chunk reads one chunk.
func (r *run) chunk(ctx context.Context, conn *pgx.Conn, j *job, empty <-chan *Rows) error {
	defer close(j.rows)
	s, t := r.snap, &r.plan.tables[j.table]
	if j.fresh {
		var err error
		if conn, err = s.freshReader(ctx); err != nil {
			return err
		}
		defer closeReader(ctx, conn)
	}
	query, fields, err := r.query(ctx, conn, j)
	if err != nil {
		return err
	}
	rows := &copyReader{rel: t.Relation, fields: fields, row: cdc.Change{Kind: cdc.Read, Snapshot: cdc.MarkTrue, LSN: s.lsn, Relation: t.Relation, XID: s.xid, CommitTime: s.time},
		out: &filler{ctx: ctx, empty: empty, full: j.rows, limit: s.opts.BatchBytes}}
	if _, err := conn.PgConn().CopyTo(ctx, rows, "COPY ("+query+"\n) TO STDOUT"); err != nil {
		if rows.err != nil { // ours: the driver only passes it on
			return rows.err
		}
		return pgerror.Wrap(err, "read table %s.%s", t.Relation.Schema, t.Relation.Name)
	}
	if err := rows.close(); err != nil {
		return err
	}
	rows.out.finish()
	j.done = true
	return nil
}

// filler puts rows into batches and passes them on when they are full.
type filler struct {
	ctx   context.Context // of one chunk: the driver's Write has no place for it
	empty <-chan *Rows
	full  chan<- *Rows
	limit int
	cur   *Rows
}

// next returns the batch to put the next row's bytes in. It waits while all batches of the reader wait to be handed out.
func (f *filler) next() (*cdc.Batch, error) {
	if f.cur == nil {
		select {
		case f.cur = <-f.empty:
			f.cur.reset()
		case <-f.ctx.Done():
			return nil, f.ctx.Err()
		}
	}
	return &f.cur.Batch, nil
}

// add appends the row whose bytes are in the batch that next returned.
func (f *filler) add(row *cdc.Change) {
	*f.cur.Next() = *row
	if f.cur.Size() >= f.limit {
		f.finish()
	}
}

// finish passes on what there is.
func (f *filler) finish() {
	if f.cur != nil && len(f.cur.Changes) > 0 {
		f.full <- f.cur // never blocks: it takes all batches
		f.cur = nil
	}
}

// query is the statement that reads the chunk, and which column of the relation each of its fields is; -1 for none.
func (r *run) query(ctx context.Context, conn *pgx.Conn, j *job) (string, []int, error) {
	t := &r.plan.tables[j.table]
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
	sql := "SELECT " + strings.Join(names, ", ") + " FROM "
	if !j.whole {
		return sql + "ONLY " + r.plan.storage[j.table].parts[j.span.part].name + j.span.where(t.From), fields, nil
	}
	sql += tableName(t.Relation)
	for i, name := range t.OrderBy {
		if i == 0 {
			sql += " ORDER BY "
		} else {
			sql += ", "
		}
		sql += identifier(name)
	}
	return sql, fields, nil
}

// override has the server describe the user's statement.
func (t *Table) override(ctx context.Context, conn *pgx.Conn) (string, []int, error) {
	sql := strings.TrimRight(t.Select, "; \t\r\n")
	described, err := conn.PgConn().Prepare(ctx, "", sql, nil)
	if err != nil {
		return "", nil, pgerror.Wrap(err, "prepare %s", t.origin())
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
		return "", nil, fmt.Errorf("%s: the statement returns none of the table's columns: %s", t.origin(), t.Select)
	}
	return sql, fields, nil
}

// origin is where the statement comes from.
func (t *Table) origin() string {
	return cmp.Or(t.Origin, "snapshot.select.statement.overrides."+t.Relation.Schema+"."+t.Relation.Name)
}

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

func tableName(rel *cdc.Relation) string { return pgx.Identifier{rel.Schema, rel.Name}.Sanitize() }
