package snapshot

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

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
	// Origin names the statement in errors; "" for the option.
	Origin string
	// OrderBy are the columns by which the rows come when one statement reads them all; nil: as they lie.
	OrderBy []string
	// From is how far an earlier run handed the table out; nil: not at all. A table that was rewritten since is read from the start.
	From *Mark
}

// Run reads the tables in order and hands batches to emit, in the caller's goroutine; a batch holds until emit returns. It returns after the
// last row, or with the first error, emit's included.
//
// The last row is handed out only when it is known to be the last (cdc.MarkLast), so emit lags one batch behind.
func (s *Snapshot) Run(parent context.Context, tables []Table, emit func(*Rows) error) error {
	parent, cancel := context.WithCancel(parent)
	defer cancel()
	conn, err := s.reader(parent)
	if err != nil {
		return err
	}
	p, err := s.prepare(parent, conn, tables)
	if err != nil {
		closeReader(parent, conn)
		return err
	}
	g, ctx := errgroup.WithContext(parent)
	// Sender and closer: the readers, one at a time. Bound: a job per reader.
	r := &run{snap: s, plan: p, order: make(chan *job, s.readers()), over: make(chan struct{})}
	g.Go(func() error { return r.read(ctx, conn) })
	for range s.readers() - 1 {
		g.Go(func() error {
			conn, err := s.reader(ctx)
			if err != nil {
				return err
			}
			return r.read(ctx, conn)
		})
	}
	refused, err := r.merge(ctx, &marker{noFirst: s.opts.NoFirst, emit: emit})
	close(r.over)
	if err != nil {
		cancel()
	}
	if failed := g.Wait(); failed != nil && !refused {
		return failed // the cause: the merge only saw the end of ctx
	}
	return err
}

// prepare takes the locks and divides the tables.
func (s *Snapshot) prepare(ctx context.Context, conn *pgx.Conn, tables []Table) (*plan, error) {
	if err := s.lock(ctx, conn, tables); err != nil {
		return nil, err
	}
	p := &plan{tables: tables, storage: make([]storage, len(tables)), xmin: s.xmin}
	if s.export == "" || !s.ranges {
		return p, nil // each statement would see another moment, or scan the whole table
	}
	for i := range tables {
		// A rewrite between the look at the storage and the first row would move rows unseen. Readers lock what they read, this comes first.
		if tables[i].From != nil {
			if _, err := conn.Exec(ctx, "SELECT FROM "+tableName(tables[i].Relation)+" LIMIT 0"); err != nil {
				return nil, pgerror.Wrap(err, "lock table %s.%s to go on with its snapshot", tables[i].Relation.Schema, tables[i].Relation.Name)
			}
		}
	}
	var err error
	p.storage, err = s.lookStorage(ctx, conn, tables)
	return p, err
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

// run is one call of Run.
type run struct {
	snap  *Snapshot
	order chan *job     // in the order of the plan
	over  chan struct{} // closed when all rows are handed out, or no more will be

	mu     sync.Mutex // guards what follows, and that jobs enter order as the plan gives them
	plan   *plan
	closed bool // order is
}

// job is a chunk with its rows, which a reader fills while the merge empties it.
type job struct {
	chunk
	rows chan *Rows // sender and closer: the reader. Bound: all batches it has
	done bool       // set before rows is closed: it was read to its end
}

// take gives a reader its next chunk; nil when there are no more.
//
// It cannot block for ever: the job that the merge waits for belongs to a reader that is at work on it, or is done with it.
func (r *run) take(ctx context.Context, conn *pgx.Conn, batches int) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := false
	if t := r.plan.opens(); t != nil {
		var err error
		if fresh, err = r.rewritten(ctx, conn, t); err != nil {
			return nil, failed(t, err)
		}
	}
	c, ok := r.plan.next(fresh)
	if !ok {
		if !r.closed {
			close(r.order)
		}
		r.closed = true
		return nil, nil
	}
	j := &job{chunk: c, rows: make(chan *Rows, batches)}
	select {
	case r.order <- j:
		return j, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rewrittenQuery compares where the snapshot sees the rows of a table, its partitions and its children with where they lie now.
const rewrittenQuery = `; WITH RECURSIVE t AS (SELECT %d::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = t.oid)
	SELECT count(*)::text FROM t JOIN pg_class c USING (oid) WHERE c.relkind = 'r' AND c.relfilenode <> pg_relation_filenode(c.oid)`

// rewritten locks a table before its first chunk and tells whether it was rewritten since the snapshot was taken. An ALTER TABLE that rewrites makes
// all rows new, as of itself: the snapshot sees none of them, and the stream does not bring them. Such a table is read as it stands now; what
// the stream brings again leads to the same rows.
//
// The lock is that of any SELECT: LOCK TABLE would ask for more than the right to read some columns.
func (r *run) rewritten(ctx context.Context, conn *pgx.Conn, t *Table) (bool, error) {
	if r.snap.export == "" || t.Select != "" {
		return false, nil // each statement sees its own moment; the user's may read anything
	}
	sql := "SELECT FROM " + tableName(t.Relation) + " LIMIT 0" + fmt.Sprintf(rewrittenQuery, t.Relation.OID)
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return false, pgerror.Wrap(err, "read table %s.%s", t.Relation.Schema, t.Relation.Name)
	}
	if string(results[1].Rows[0][0]) == "0" {
		return false, nil
	}
	if r.snap.opts.Rewritten != nil {
		r.snap.opts.Rewritten(t.Relation)
	}
	return true, nil
}

// merge hands the rows of all chunks out in order. refused tells that emit did not take them.
func (r *run) merge(ctx context.Context, out *marker) (refused bool, err error) {
	for {
		select {
		case j, ok := <-r.order:
			if !ok {
				err = out.finish()
				return err != nil, err
			}
			if err := r.hand(ctx, j, out); err != nil {
				return ctx.Err() == nil, err
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// hand hands out one chunk.
func (r *run) hand(ctx context.Context, j *job, out *marker) error {
	t := &r.plan.tables[j.table]
	if j.first {
		if err := out.beginTable(j.table, t.Relation, r.snap.lsn, j.midway); err != nil {
			return err
		}
	}
	for rows := range j.rows {
		if err := out.add(rows); err != nil {
			return err
		}
	}
	if !j.done {
		<-ctx.Done() // the reader failed: its error is told
		return ctx.Err()
	}
	if j.mark.Storage != "" {
		if err := out.endChunk(j.table, j.mark); err != nil {
			return err
		}
	}
	if j.last {
		return out.endTable(j.table)
	}
	return nil
}

// Count counts the rows of the tables, as far as Run reads whole tables; those with a Select count as none.
func (s *Snapshot) Count(ctx context.Context, tables []Table) ([]int64, error) {
	conn, err := s.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer closeReader(ctx, conn)
	counts := make([]int64, len(tables))
	for i := range tables {
		if tables[i].Select != "" {
			continue
		}
		rel := tables[i].Relation
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+tableName(rel)).Scan(&counts[i]); err != nil {
			return nil, pgerror.Wrap(err, "count the rows of table %s.%s", rel.Schema, rel.Name)
		}
	}
	return counts, nil
}
