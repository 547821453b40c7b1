package sqldb

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

// mySession is one connection. Statements are texts with the values in them, many rows each; the server answers one before the next is
// made.
type mySession struct {
	store     *myStore
	conn      myConn
	packet    int    // largest statement the server takes
	begun     bool   // a transaction is wanted; START TRANSACTION goes out with its first statement
	open      bool   // it has gone out
	unchecked bool   // foreign keys are not, until it ends
	buf       []byte // of the statement being made
}

// Limits of one statement.
const (
	// maxMyStatement bounds its text, where max_allowed_packet does not: longer ones are not faster.
	maxMyStatement = 1 << 20
	// packetSlack is what a packet holds besides the text.
	packetSlack = 16
)

// run sends statements parted by semicolons and returns how many rows each of them found.
func (s *mySession) run(ctx context.Context, sql string) ([]int64, error) {
	opening := s.begun && !s.open
	if opening {
		sql = "START TRANSACTION;" + sql
		s.open = true
	}
	if len(sql)+packetSlack > s.packet && s.packet > 0 {
		return nil, s.tooLarge(len(sql))
	}
	result, err := s.conn.ExecContext(ctx, sql, nil)
	if err != nil {
		return nil, s.store.classify(err)
	}
	all, ok := result.(mysql.Result)
	if !ok {
		return nil, fmt.Errorf("run a statement on %s: the driver's results are not as expected", s.store.address())
	}
	counts := all.AllRowsAffected()
	if opening {
		counts = counts[min(1, len(counts)):]
	}
	return counts, nil
}

func (s *mySession) tooLarge(size int) error {
	return &refusedError{err: fmt.Errorf("the row makes a statement of %d bytes, and the server takes %d; raise its max_allowed_packet", size, s.packet)}
}

// exec runs statements at once.
func (s *mySession) exec(ctx context.Context, sql string) error {
	_, err := s.run(ctx, sql)
	return err
}

// query runs a statement at once and returns its rows as texts, nil for null.
func (s *mySession) query(ctx context.Context, sql string) (out [][][]byte, err error) {
	rows, err := s.conn.QueryContext(ctx, sql, nil)
	if err != nil {
		return nil, s.store.classify(err)
	}
	out, err = driverRows(rows)
	return out, s.store.classify(err)
}

func (s *mySession) begin(context.Context) error {
	s.begun, s.open = true, false
	return nil
}

// settle has nothing to wait for: each statement was answered.
func (s *mySession) settle(context.Context) error { return nil }

func (s *mySession) end(ctx context.Context, how string) error {
	if s.unchecked {
		how += checkMyReferences
	}
	if s.open {
		if err := s.exec(ctx, how); err != nil {
			return err
		}
	}
	s.begun, s.open, s.unchecked = false, false, false
	return nil
}

func (s *mySession) commit(ctx context.Context) error { return s.end(ctx, "COMMIT") }

func (s *mySession) rollback(ctx context.Context) error {
	ctx, cancel := lastWord(ctx)
	defer cancel()
	err := s.end(ctx, "ROLLBACK")
	if err != nil {
		s.close(ctx)
	}
	return err
}

func (s *mySession) savepoint(ctx context.Context) error { return s.exec(ctx, "SAVEPOINT tandem") }

func (s *mySession) rollbackTo(ctx context.Context) error {
	return s.exec(ctx, "ROLLBACK TO SAVEPOINT tandem;RELEASE SAVEPOINT tandem")
}

func (s *mySession) release(ctx context.Context) error {
	return s.exec(ctx, "RELEASE SAVEPOINT tandem")
}

func (s *mySession) usable() bool { return s.conn.IsValid() }

func (s *mySession) close(context.Context) {
	_ = s.conn.Close() // nothing is open on it that could be lost
}

// myHarmless are warnings about the statement and not about the data: deprecated syntax, and statements whose log a replica may read
// differently.
var myHarmless = numbers(1287, 1592, 1681, 3719, 3778, 3808)

// warned gives the warnings of the last statement, data that was cut among them, as the error that they are.
func (s *mySession) warned(ctx context.Context) error {
	rows, err := s.query(ctx, "SHOW WARNINGS")
	if err != nil {
		return err
	}
	for _, r := range rows {
		n, err := strconv.ParseUint(string(r[1]), 10, 16)
		if err == nil && !myHarmless[uint16(n)] {
			return &refusedError{err: &mysql.MySQLError{Number: uint16(n), Message: string(r[2])}, reference: myReference[uint16(n)]}
		}
	}
	return nil
}
