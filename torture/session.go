package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// session writes random transactions over a connection of its own, again and again. What it does depends on its random numbers alone, not on what
// came of it.
type session struct {
	number int
	url    string
	rand   *rand.Rand
	pace   time.Duration // between transactions, on average

	conn *pgx.Conn // nil: not connected
	n    int       // transactions
	rows int64     // that the current transaction has written and not rolled back to a savepoint

	counts  counts
	settled []uint32 // transactions that wrote rows and whose COMMIT the server has confirmed
	undone  []uint32 // transactions whose ROLLBACK it has
}

// counts are what sessions did.
type counts struct{ committed, rolledBack, failed, broken, rows int64 }

func (c *counts) add(o counts) {
	c.committed += o.committed
	c.rolledBack += o.rolledBack
	c.failed += o.failed
	c.broken += o.broken
	c.rows += o.rows
}

func newSession(number int, url string, seed uint64, pace time.Duration) *session {
	return &session{number: number, url: url, rand: rand.New(rand.NewPCG(seed, uint64(number))), pace: pace}
}

// run works until ctx ends. A server that is away is waited for, a transaction that it refuses is none.
func (s *session) run(ctx context.Context, transaction func(context.Context) error) error {
	defer s.disconnect()
	for pause.For(ctx, time.Duration(s.rand.ExpFloat64()*float64(s.pace))) {
		if err := s.connect(ctx); err != nil {
			s.counts.broken++
			pause.For(ctx, 50*time.Millisecond)
			continue
		}
		s.n++
		err := transaction(ctx)
		var refused *pgconn.PgError
		switch {
		case err == nil:
		case errors.As(err, &refused) && !s.conn.IsClosed():
			s.counts.failed++
			if !expectedRefusal(refused.Code) {
				return fmt.Errorf("session %d, transaction %d: %w", s.number, s.n, err)
			}
			if _, err := s.conn.Exec(ctx, "ROLLBACK"); err != nil {
				s.disconnect()
			}
		default:
			s.counts.broken++
			s.disconnect()
		}
	}
	return nil
}

// expectedRefusal tells errors that random transactions run into: anything else is a mistake of the torture.
func expectedRefusal(code string) bool {
	switch code {
	case "23505", // unique_violation
		"40P01",                   // deadlock_detected
		"55P03",                   // lock_not_available
		"42703",                   // undefined_column: another session has changed the table
		"40001",                   // serialization_failure
		"57P01", "57P02", "57P03", // the server ends or begins
		"57014": // query_canceled
		return true
	}
	return false
}

func (s *session) connect(ctx context.Context) (err error) {
	if s.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.ParseConfig(s.url)
	if err != nil {
		return err
	}
	// Tables change under the session: a plan that is kept would fail.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.RuntimeParams["lock_timeout"] = "800ms"
	s.conn, err = pgx.ConnectConfig(ctx, c)
	return err
}

func (s *session) disconnect() {
	if s.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.conn.Close(ctx) // what is open is rolled back
		s.conn = nil
	}
}

// exec runs a statement and counts its rows.
func (s *session) exec(ctx context.Context, sql string, args ...any) error {
	tag, err := s.conn.Exec(ctx, sql, args...)
	if tag.Insert() || tag.Update() || tag.Delete() {
		s.rows += tag.RowsAffected()
	}
	return err
}

// finish commits the transaction, or rolls it back, and keeps its number. A commit whose answer is lost is neither.
func (s *session) finish(ctx context.Context, commit bool) error {
	var xid *uint64
	if err := s.conn.QueryRow(ctx, "SELECT pg_current_xact_id_if_assigned()::text::bigint").Scan(&xid); err != nil {
		return err
	}
	end := "COMMIT"
	if !commit {
		end = "ROLLBACK"
	}
	if _, err := s.conn.Exec(ctx, end); err != nil {
		return err
	}
	switch {
	case !commit:
		s.counts.rolledBack++
		if xid != nil {
			s.undone = append(s.undone, uint32(*xid))
		}
	default:
		s.counts.committed++
		s.counts.rows += s.rows
		if xid != nil && s.rows > 0 {
			s.settled = append(s.settled, uint32(*xid))
		}
	}
	return nil
}
