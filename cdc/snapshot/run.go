package snapshot

import (
	"context"
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
	r := &run{snap: s, plan: p, order: make(chan *job, s.readers())}
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
			if err := lockTable(ctx, conn, tables[i].Relation); err != nil {
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
		if err := lockTable(ctx, conn, t.Relation); err != nil {
			return pgerror.Wrap(err, "lock table %s.%s within snapshot.lock.timeout.ms=%d", t.Relation.Schema, t.Relation.Name, s.opts.LockTimeout.Milliseconds())
		}
	}
	return nil
}

func lockTable(ctx context.Context, conn *pgx.Conn, rel *cdc.Relation) error {
	_, err := conn.Exec(ctx, "LOCK TABLE "+tableName(rel)+" IN ACCESS SHARE MODE")
	return err
}

// run is one call of Run.
type run struct {
	snap  *Snapshot
	order chan *job // in the order of the plan

	mu   sync.Mutex // guards what follows, and that jobs enter order as the plan gives them
	plan *plan
	over bool // order is closed
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
func (r *run) take(ctx context.Context, batches int) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.plan.next()
	if !ok {
		if !r.over {
			close(r.order)
		}
		r.over = true
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
