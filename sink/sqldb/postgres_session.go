package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/schema"
)

// pgSession is one connection. Statements of a batch go out in one pipeline, encoded while the server works on those before; their
// results are read by settle.
type pgSession struct {
	store    *pgStore
	conn     *pgconn.PgConn
	pipe     *pgconn.Pipeline // nil: nothing queued
	queue    []pgQueued       // whose results are due, in their order
	prepared map[string]string
	names    int
	columns  [][]byte // of the statement being gathered: one binary array each
	nulls    []bool
}

// pgQueued is a message whose result is due.
type pgQueued struct {
	prepare string // SQL text that was prepared; "" for an execution
	move    bool   // must have changed a row
}

// Limits of one session.
const (
	// maxStatementBytes bounds the parameters of one statement: the server takes 1 GiB, and memory is better spent otherwise.
	maxStatementBytes = 8 << 20
	// maxPrepared bounds the prepared statements kept on the server.
	maxPrepared = 256
)

var (
	binaryFormat = []int16{1}
	// arrayHeader is one dimension, no nulls yet, element type, length, lower bound: all but the bound are filled in at the end.
	arrayHeader = [20]byte{3: 1, 19: 1}
)

// query runs a statement with text parameters at once and returns its rows as texts, nil for null.
func (s *pgSession) query(ctx context.Context, sql string, args ...string) ([][][]byte, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	result := s.conn.ExecParams(ctx, sql, params, nil, nil, nil).Read()
	return result.Rows, s.store.classify(result.Err)
}

// exec runs statements without parameters at once.
func (s *pgSession) exec(ctx context.Context, sql string) error {
	return s.store.classify(s.conn.Exec(ctx, sql).Close())
}

// send queues one execution, preparing the statement when it is new here.
func (s *pgSession) send(ctx context.Context, sql string, params [][]byte, formats []int16, move bool) {
	if s.pipe == nil {
		s.pipe = s.conn.StartPipeline(ctx)
	}
	if s.store.target.Unprepared {
		s.pipe.SendQueryParams(sql, params, nil, formats, nil)
		s.queue = append(s.queue, pgQueued{move: move})
		return
	}
	name, ok := s.prepared[sql]
	if !ok {
		s.names++
		name = "tandem_" + strconv.Itoa(s.names)
		s.pipe.SendPrepare(name, sql, nil)
		s.prepared[sql] = name
		s.queue = append(s.queue, pgQueued{prepare: sql})
	}
	s.pipe.SendQueryPrepared(name, params, formats, nil)
	s.queue = append(s.queue, pgQueued{move: move})
}

func (s *pgSession) begin(ctx context.Context) error {
	if len(s.prepared) > maxPrepared {
		if err := s.exec(ctx, "DEALLOCATE ALL"); err != nil {
			return err
		}
		clear(s.prepared)
	}
	s.send(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED", nil, nil, false)
	return nil
}

// settle reads the results of all that is queued.
func (s *pgSession) settle(ctx context.Context) error {
	if s.pipe == nil {
		return nil
	}
	pipe, queue := s.pipe, s.queue
	s.pipe, s.queue = nil, s.queue[:0]
	if err := pipe.Sync(); err != nil {
		_ = pipe.Close() // the connection is lost, or the context had ended before anything was sent; err says it
		s.unprepared(queue)
		return s.store.classify(err)
	}
	var first error
	for _, q := range queue {
		if first != nil { // the server skips to the end, and so do the results
			if q.prepare != "" {
				delete(s.prepared, q.prepare)
			}
			continue
		}
		result, err := pipe.GetResults()
		switch r := result.(type) {
		case *pgconn.ResultReader:
			var tag pgconn.CommandTag
			if tag, err = r.Close(); err == nil && q.move && tag.RowsAffected() == 0 {
				err = &movedError{}
			}
		case *pgconn.PipelineSync:
			err = errors.New("the server ended the pipeline early")
		}
		if err == nil {
			continue
		}
		if _, moved := err.(*movedError); !moved && q.prepare != "" {
			delete(s.prepared, q.prepare)
		}
		first = err
		if sqlState(err) == "" { // no error of the server's: it goes on answering
			s.drain(pipe, queue)
			return s.store.classify(first)
		}
	}
	if err := pipe.Close(); err != nil && first == nil {
		first = err
	}
	first = s.store.classify(first)
	var stale *staleError
	if errors.As(first, &stale) && s.usable() {
		clear(s.prepared) // names are never used twice, so what stays on the server does no harm but its memory
	}
	return first
}

// drain reads and drops what is left of a pipeline.
func (s *pgSession) drain(pipe *pgconn.Pipeline, queue []pgQueued) {
	if err := pipe.Close(); err != nil { // some of them were not prepared, and it is not known which
		s.unprepared(queue)
	}
}

func (s *pgSession) unprepared(queue []pgQueued) {
	for _, q := range queue {
		delete(s.prepared, q.prepare)
	}
}

func (s *pgSession) commit(ctx context.Context) error {
	s.send(ctx, "COMMIT", nil, nil, false)
	return s.settle(ctx)
}

func (s *pgSession) rollback(ctx context.Context) error {
	if s.pipe != nil {
		if err := s.settle(ctx); err != nil && !s.usable() {
			return err
		}
	}
	if s.conn.TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := lastWord(ctx)
	defer cancel()
	err := s.exec(ctx, "ROLLBACK")
	if err != nil {
		s.close(ctx)
	}
	return err
}

func (s *pgSession) savepoint(ctx context.Context) error {
	return s.exec(ctx, "SAVEPOINT tandem")
}

func (s *pgSession) rollbackTo(ctx context.Context) error {
	if s.pipe != nil {
		if err := s.settle(ctx); err != nil && !s.usable() {
			return err
		}
	}
	return s.exec(ctx, "ROLLBACK TO SAVEPOINT tandem; RELEASE SAVEPOINT tandem")
}

func (s *pgSession) release(ctx context.Context) error {
	return s.exec(ctx, "RELEASE SAVEPOINT tandem")
}

func (s *pgSession) usable() bool { return !s.conn.IsClosed() }

func (s *pgSession) close(ctx context.Context) {
	_ = s.conn.Close(ctx) // nothing is open on it that could be lost
}

// write gathers rows, a binary array per column, and queues as many statements as their bytes need.
func (s *pgSession) write(ctx context.Context, op statementOp, d *destination, sub *subset, rows []*mutation) error {
	b := d.bound.(*pgBound)
	st := b.statement(op, sub)
	if st.sql == "" {
		return nil // nothing of the row can be written
	}
	if op == stTruncate || op == stClear {
		s.send(ctx, st.sql, nil, nil, false)
		return nil
	}
	for len(rows) > 0 {
		n, err := s.gather(b, st, rows)
		if err != nil {
			return err
		}
		s.send(ctx, st.sql, s.columns[:len(st.params)], binaryFormat, false)
		if err := s.pipe.Flush(); err != nil { // the server begins while the next rows are gathered
			return s.store.classify(err)
		}
		rows = rows[n:]
	}
	return nil
}

// gather appends rows to the column buffers until there are no more or they are large enough, and returns how many it took.
func (s *pgSession) gather(b *pgBound, st *pgStatement, rows []*mutation) (int, error) {
	for len(s.columns) < len(st.params) {
		s.columns = append(s.columns, nil)
		s.nulls = append(s.nulls, false)
	}
	for i := range st.params {
		s.columns[i] = append(s.columns[i][:0], arrayHeader[:]...)
		s.nulls[i] = false
	}
	n, size := 0, 0
	for n < len(rows) && (size < maxStatementBytes || n == 0) {
		size = 0
		for i := range st.params {
			buf, err := s.value(s.columns[i], b, st.params[i], rows[n], i)
			if err != nil {
				return 0, err
			}
			s.columns[i] = buf
			size += len(buf)
		}
		n++
	}
	for i := range st.params {
		finishArray(s.columns[i], st.params[i].oid, n, s.nulls[i])
	}
	return n, nil
}

// value appends one element: its length and bytes, or -1 for null.
func (s *pgSession) value(buf []byte, b *pgBound, p pgParam, m *mutation, column int) ([]byte, error) {
	var v schema.Value
	c := &b.columns[p.column]
	if p.moved {
		v = m.moved[p.column]
	} else if c.point {
		v = c.column.instant(m)
	} else {
		v = c.column.value(m)
	}
	if v.IsNull() {
		s.nulls[column] = true
		return append(buf, 0xff, 0xff, 0xff, 0xff), nil
	}
	at := len(buf)
	buf, err := c.append(append(buf, 0, 0, 0, 0), v, c)
	if err != nil {
		return buf, &valueError{column: c.target.name, value: shortValue(v, c.column.schema), err: fmt.Errorf("%w (column type %s)", err, c.target.typ)}
	}
	size := len(buf) - at - 4
	buf[at], buf[at+1], buf[at+2], buf[at+3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
	return buf, nil
}
