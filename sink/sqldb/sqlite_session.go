package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"

	"github.com/tandem-cdc/tandem/schema"
)

// sqSession is the connection to the file. Statements are prepared once and run per row: there is no way to the server to save.
type sqSession struct {
	store      *sqStore
	conn       sqConn
	file       os.FileInfo // as it was opened
	statements map[string]sqStatement
	args       []driver.NamedValue // reused
	begun      bool
	broken     bool
	asked      bool // of Survey
}

// sqStatement is a prepared statement.
type sqStatement interface {
	driver.Stmt
	driver.StmtExecContext
}

// maxSQStatements bounds the prepared statements kept.
const maxSQStatements = 256

// errReplaced: SQLite would go on writing to a file that nobody can open any more.
var errReplaced = errors.New("the file was removed or replaced since it was opened")

// exec runs a statement at once and tells how many rows it changed.
func (s *sqSession) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	result, err := s.conn.ExecContext(ctx, sql, named(args))
	if err != nil {
		return 0, s.store.classify(err)
	}
	return result.RowsAffected()
}

func named(args []any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// query runs a statement at once and returns its rows as texts, nil for null.
func (s *sqSession) query(ctx context.Context, sql string, args ...any) (out [][][]byte, err error) {
	rows, err := s.conn.QueryContext(ctx, sql, named(args))
	if err != nil {
		return nil, s.store.classify(err)
	}
	out, err = driverRows(rows)
	return out, s.store.classify(err)
}

// prepare returns the prepared statement of a text.
func (s *sqSession) prepare(ctx context.Context, sql string) (sqStatement, error) {
	if st, ok := s.statements[sql]; ok {
		return st, nil
	}
	if len(s.statements) >= maxSQStatements {
		if err := s.forgetStatements(); err != nil {
			return nil, s.store.classify(err)
		}
	}
	prepared, err := s.conn.PrepareContext(ctx, sql)
	if err != nil {
		if sqCode(err) == sqError { // it names what the table does not have any more
			return nil, &staleError{err}
		}
		return nil, s.store.classify(err)
	}
	st, ok := prepared.(sqStatement)
	if !ok {
		return nil, errors.Join(fmt.Errorf("prepare a statement on %s: the driver's statements are not as expected", s.store.address()), prepared.Close())
	}
	s.statements[sql] = st
	return st, nil
}

func (s *sqSession) forgetStatements() error {
	var err error
	for sql, st := range s.statements {
		err = errors.Join(err, st.Close())
		delete(s.statements, sql)
	}
	return err
}

// begin takes the write lock: waiting for it later could be in vain, for what was read before would be old by then.
func (s *sqSession) begin(ctx context.Context) error {
	now, err := os.Stat(s.store.target.Path)
	if err != nil || !os.SameFile(now, s.file) {
		s.broken = true
		return &UnavailableError{Target: s.store.address(), Err: errReplaced}
	}
	s.begun = true // an error may be that of a context that has ended behind it
	_, err = s.exec(ctx, "BEGIN IMMEDIATE")
	return err
}

// settle has nothing to wait for.
func (s *sqSession) settle(context.Context) error { return nil }

func (s *sqSession) commit(ctx context.Context) error {
	if _, err := s.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	s.begun = false
	return nil
}

// rollback ends the transaction. An error that ended it already leaves nothing to do; whether it has, only trying tells.
func (s *sqSession) rollback(ctx context.Context) error {
	if !s.begun {
		return nil
	}
	s.begun = false
	ctx, cancel := lastWord(ctx)
	defer cancel()
	if _, err := s.exec(ctx, "ROLLBACK"); err != nil && sqCode(err) != sqError {
		s.broken = true
		return err
	}
	return nil
}

func (s *sqSession) savepoint(ctx context.Context) error {
	_, err := s.exec(ctx, "SAVEPOINT tandem")
	return err
}

func (s *sqSession) rollbackTo(ctx context.Context) error {
	_, err := s.exec(ctx, "ROLLBACK TO tandem; RELEASE tandem")
	return err
}

func (s *sqSession) release(ctx context.Context) error {
	_, err := s.exec(ctx, "RELEASE tandem")
	return err
}

func (s *sqSession) usable() bool { return !s.broken }

func (s *sqSession) close(context.Context) {
	s.broken = true
	_ = s.forgetStatements() // nothing is open on it that could be lost
	_ = s.conn.Close()
}

// write runs one operation on rows.
func (s *sqSession) write(ctx context.Context, op statementOp, d *destination, sub *subset, rows []*mutation) error {
	b := d.bound.(*sqBound)
	switch op {
	case stTruncate, stClear:
		_, err := s.exec(ctx, "DELETE FROM "+b.table)
		return err
	case stUpsert:
		if sub != nil {
			return s.updateOrInsert(ctx, b, sub, rows)
		}
	case stCarry, stMove:
		return s.carry(ctx, b, sub, rows[0], op == stMove)
	}
	return s.many(ctx, b, b.statement(op, sub), rows)
}

// interruptEvery is how many rows may be written before the context is looked at. The driver would start a goroutine per row for it.
const interruptEvery = 1000

func (s *sqSession) many(ctx context.Context, b *sqBound, st *sqText, rows []*mutation) error {
	if st.sql == "" {
		return nil // nothing of the row can be written
	}
	for i, m := range rows {
		if i%interruptEvery == 0 && ctx.Err() != nil {
			return &UnavailableError{Target: s.store.address(), Err: ctx.Err()}
		}
		if _, err := s.row(b, st, m); err != nil {
			return err
		}
	}
	return nil
}

// row runs a statement for one row and tells how many rows it changed.
func (s *sqSession) row(b *sqBound, st *sqText, m *mutation) (int64, error) {
	ctx := context.Background()
	prepared, err := s.prepare(ctx, st.sql)
	if err != nil {
		return 0, err
	}
	for len(s.args) < len(st.params) {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1})
	}
	args := s.args[:len(st.params)]
	for i, p := range st.params {
		if args[i].Value, err = b.value(p, m); err != nil {
			return 0, err
		}
	}
	result, err := prepared.ExecContext(ctx, args)
	if err != nil {
		return 0, s.store.classify(err)
	}
	return result.RowsAffected()
}

// value is what a parameter is bound to.
func (b *sqBound) value(p sqParam, m *mutation) (driver.Value, error) {
	c := &b.columns[p.column]
	var v schema.Value
	switch {
	case p.moved:
		v = m.moved[p.column]
	case c.instant:
		v = c.column.instant(m)
	default:
		v = c.column.value(m)
	}
	if v.IsNull() {
		if c.column.key {
			return nil, &valueError{column: c.target.name, value: "NULL", err: errNullKey}
		}
		return nil, nil
	}
	out, err := c.convert(v, c)
	if err != nil {
		return nil, &valueError{column: c.target.name, value: shortValue(v, c.column.schema), err: fmt.Errorf("%w (column type %s)", err, c.target.typ)}
	}
	return out, nil
}

// errNullKey: SQLite takes nulls in keys, each as another row, and makes numbers up for them.
var errNullKey = errors.New("a column of the primary key must not be null")

// updateOrInsert is for rows with unknown columns. They exist, as a rule, so an update comes first: an insert would be refused for the
// columns that may not be null before it could turn into one.
func (s *sqSession) updateOrInsert(ctx context.Context, b *sqBound, sub *subset, rows []*mutation) error {
	update, insert := b.statement(stUpdate, sub), b.statement(stInsert, sub)
	if update.sql == "" { // the key is all that is known: only a row that is not there has anything to gain
		return s.many(ctx, b, b.statement(stUpsert, sub), rows)
	}
	for i, m := range rows {
		if i%interruptEvery == 0 && ctx.Err() != nil {
			return &UnavailableError{Target: s.store.address(), Err: ctx.Err()}
		}
		n, err := s.row(b, update, m)
		if err == nil && n == 0 {
			_, err = s.row(b, insert, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carry writes one row under a new key whose unknown columns are in the row under the key before. When neither is there any more, they
// become null; when only the row with the new key is there, it keeps its own. With move the row under the key before goes.
func (s *sqSession) carry(_ context.Context, b *sqBound, sub *subset, m *mutation, move bool) error {
	if move { // as a rule the row under the key before is there, and none under the new one
		n, err := s.row(b, b.rename(sub), m)
		if err == nil && n > 0 {
			return nil
		}
		if code := sqCode(err); err != nil && code != sqPrimaryKey && code != sqUnique && code != sqRowID {
			return err
		}
	}
	n, err := s.row(b, b.carry(sub), m)
	if err == nil && n == 0 {
		_, err = s.row(b, b.carried(sub), m)
	}
	if err == nil && move {
		_, err = s.row(b, b.leave(), m)
	}
	return err
}
