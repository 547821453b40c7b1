package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// smallKeys is how many keys of items sessions work at: few, so that they meet.
const smallKeys = 2000

// transaction does one random transaction.
func (s *session) transaction(ctx context.Context) error {
	s.rows = 0
	kind := s.rand.IntN(1000)
	steps := 1 + s.rand.IntN(8)
	commit := s.rand.IntN(12) != 0
	mark := fmt.Sprintf("s%d-%d", s.number, s.n)
	if !commit {
		mark = rolledBack + mark
	}
	if _, err := s.conn.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if kind < 6 {
		if err := s.large(ctx, mark); err != nil {
			return err
		}
	}
	for i := range steps {
		if err := s.step(ctx, mark, i); err != nil {
			return err
		}
	}
	return s.finish(ctx, commit)
}

// step does one thing of a transaction, or several behind a savepoint.
func (s *session) step(ctx context.Context, mark string, i int) error {
	if s.rand.IntN(7) == 0 {
		return s.savepoint(ctx, mark, i)
	}
	return s.statement(ctx, mark, i)
}

// savepoint does a few things behind a savepoint and rolls them back, or not.
func (s *session) savepoint(ctx context.Context, mark string, i int) error {
	back := s.rand.IntN(3) != 0
	inner, rows := mark, s.rows
	if back && !strings.HasPrefix(mark, rolledBack) {
		inner = rolledBack + mark
	}
	if _, err := s.conn.Exec(ctx, "SAVEPOINT here"); err != nil {
		return err
	}
	for n := range 1 + s.rand.IntN(4) {
		if err := s.statement(ctx, inner, 100*(i+1)+n); err != nil {
			return err
		}
	}
	end := "RELEASE here"
	if back {
		end, s.rows = "ROLLBACK TO here", rows
	}
	_, err := s.conn.Exec(ctx, end)
	return err
}

func (s *session) key() int { return 1 + s.rand.IntN(smallKeys) }

// long is a value that is stored outside of its row, or one that is not.
func (s *session) long() string {
	letter := string(rune('a' + s.rand.IntN(26)))
	if s.rand.IntN(3) == 0 {
		return strings.Repeat(letter, 2500+s.rand.IntN(3000))
	}
	return letter
}

// statement writes something into one of the tables.
func (s *session) statement(ctx context.Context, mark string, i int) error {
	mark = fmt.Sprintf("%s-%d", mark, i)
	switch kind := s.rand.IntN(100); {
	case kind < 46:
		return s.item(ctx, mark)
	case kind < 68:
		return s.part(ctx, mark)
	case kind < 78:
		return s.stock(ctx, mark)
	case kind < 88:
		return s.journal(ctx, mark)
	case kind < 92:
		return s.shape(ctx, mark)
	case kind < 96:
		return s.exec(ctx, "INSERT INTO noise.other (mark) SELECT $1 FROM generate_series(1, $2)", mark, 1+s.rand.IntN(20))
	default:
		return s.message(ctx, mark, s.rand.IntN(3) != 0)
	}
}

// message writes a logical message: one of the transaction, or one that stays whatever becomes of that.
func (s *session) message(ctx context.Context, mark string, transactional bool) error {
	if !transactional {
		mark = strings.ReplaceAll(mark, rolledBack, "kept ")
	}
	_, err := s.conn.Exec(ctx, "SELECT pg_logical_emit_message($1, 'torture', $2::text)", transactional, mark)
	return err
}

func (s *session) item(ctx context.Context, mark string) error {
	key, other := s.key(), s.key()
	switch s.rand.IntN(10) {
	case 0, 1, 2:
		return s.exec(ctx, `INSERT INTO store.items (id, n, mark, amount, ok, big) SELECT g, $2, $3, $4::numeric, $5, $6 FROM generate_series($1::int, $1::int + $7::int) g ON CONFLICT DO NOTHING`,
			key, s.rand.IntN(1000), mark, fmt.Sprintf("%d.%02d", s.rand.IntN(1000), s.rand.IntN(100)), s.rand.IntN(2) == 0, s.long(), s.rand.IntN(12))
	case 3, 4, 5:
		return s.exec(ctx, "UPDATE store.items SET v = v + 1, mark = $2, n = $3 WHERE id BETWEEN $1::int AND $1::int + $4::int", key, mark, s.rand.IntN(1000), s.rand.IntN(8))
	case 6:
		return s.exec(ctx, "UPDATE store.items SET v = v + 1, mark = $2, big = $3, ok = NULL WHERE id = $1", key, mark, s.long())
	case 7:
		return s.exec(ctx, "UPDATE store.items SET id = $2, v = v + 1, mark = $3 WHERE id = $1 AND NOT EXISTS (SELECT FROM store.items WHERE id = $2)", key, other, mark)
	default:
		return s.exec(ctx, "DELETE FROM store.items WHERE id BETWEEN $1::int AND $1::int + $2::int", key, s.rand.IntN(5))
	}
}

func (s *session) part(ctx context.Context, mark string) error {
	a := s.rand.IntN(300)
	switch s.rand.IntN(10) {
	case 0, 1, 2:
		return s.exec(ctx, "INSERT INTO store.parts (a, b, n, mark, big) VALUES ($1, $2, 1, $3, $4) ON CONFLICT (a, b) DO UPDATE SET n = parts.n + 1, mark = $3",
			a, fmt.Sprintf("b '%d'", s.rand.IntN(20)), mark, s.long())
	case 3:
		return s.copyParts(ctx, mark, 1+s.rand.IntN(300))
	case 4, 5, 6:
		return s.exec(ctx, "UPDATE store.parts SET n = n + 1, mark = $2 WHERE a = $1 AND n < 5", a, mark)
	case 7:
		return s.exec(ctx, "UPDATE store.parts SET b = $2, mark = $3 WHERE a = $1 AND b = (SELECT min(b) FROM store.parts WHERE a = $1)", a, mark+" moved", mark)
	default:
		return s.exec(ctx, "DELETE FROM store.parts WHERE a BETWEEN $1::int AND $1::int + $2::int", a, s.rand.IntN(8))
	}
}

// copyParts brings rows in with COPY, where many rows have one position in the WAL.
func (s *session) copyParts(ctx context.Context, mark string, rows int) error {
	first := s.rand.IntN(300)
	n, err := s.conn.CopyFrom(ctx, pgx.Identifier{"store", "parts"}, []string{"a", "b", "n", "mark"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{int32((first + i) % 300), fmt.Sprintf("%s copied %d", mark, i), int32(i), mark}, nil
	}))
	s.rows += n
	return err
}

func (s *session) stock(ctx context.Context, mark string) error {
	key := 1 + s.rand.IntN(60)
	switch s.rand.IntN(12) {
	case 0, 1, 2, 3:
		return s.exec(ctx, "INSERT INTO store.stock SELECT g, 1, $2 FROM generate_series($1::int, $1::int + 5) g ON CONFLICT DO NOTHING", key, mark)
	case 4, 5, 6, 7:
		return s.exec(ctx, "UPDATE store.stock SET n = n + 1, mark = $2 WHERE id = $1", key, mark)
	case 8, 9:
		return s.exec(ctx, "DELETE FROM store.stock WHERE id = $1", key)
	case 10:
		return s.exec(ctx, "UPDATE store.stock SET id = $2, mark = $3 WHERE id = $1 AND NOT EXISTS (SELECT FROM store.stock WHERE id = $2)", key, 1+s.rand.IntN(60), mark)
	default:
		return s.exec(ctx, "TRUNCATE store.stock")
	}
}

// journal has no key, and equal rows.
func (s *session) journal(ctx context.Context, mark string) error {
	who := fmt.Sprintf("who %d", s.rand.IntN(20))
	switch s.rand.IntN(6) {
	case 0, 1, 2:
		return s.exec(ctx, "INSERT INTO store.journal SELECT $1::int, $2, $3 FROM generate_series(1, $4)", s.rand.IntN(5), who, mark, 1+s.rand.IntN(6))
	case 3:
		return s.exec(ctx, "UPDATE store.journal SET n = n + 1, mark = $2 WHERE who = $1 AND n < 3", who, mark)
	default:
		return s.exec(ctx, "DELETE FROM store.journal WHERE who = $1", who)
	}
}

func (s *session) shape(ctx context.Context, mark string) error {
	key := 1 + s.rand.IntN(200)
	switch s.rand.IntN(4) {
	case 0, 1:
		return s.exec(ctx, "INSERT INTO store.shape (id, mark) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET mark = $2", key, mark)
	case 2:
		return s.exec(ctx, "UPDATE store.shape SET mark = $2 WHERE id BETWEEN $1::int AND $1::int + 10", key, mark)
	default:
		return s.exec(ctx, "DELETE FROM store.shape WHERE id = $1", key)
	}
}

// large writes thousands of rows at once.
func (s *session) large(ctx context.Context, mark string) error {
	rows, from := 1000+s.rand.IntN(9000), 10_000+s.rand.IntN(20_000)
	switch s.rand.IntN(5) {
	case 0:
		return s.exec(ctx, "INSERT INTO store.items (id, n, mark) SELECT g, 0, $3 FROM generate_series($1::int, $1::int + $2::int) g ON CONFLICT DO NOTHING", from, rows, mark)
	case 1, 2:
		return s.copyParts(ctx, mark+" large", rows)
	case 3:
		return s.exec(ctx, "UPDATE store.items SET v = v + 1, mark = $3 WHERE id BETWEEN $1::int AND $1::int + $2::int", from, rows, mark)
	default:
		return s.exec(ctx, "DELETE FROM store.items WHERE id BETWEEN $1::int AND $1::int + $2::int", from, rows)
	}
}
