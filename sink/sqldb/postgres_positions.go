package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// createPositions makes the table of consumer positions. next_offset -1: opened, nothing applied yet. epoch counts the owners.
const createPositions = `CREATE TABLE IF NOT EXISTS %s (connector text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, partition integer NOT NULL, ` +
	`topic_id text NOT NULL, next_offset bigint NOT NULL, epoch bigint NOT NULL, moved_at timestamptz NOT NULL DEFAULT now(), ` +
	`PRIMARY KEY (connector, cluster_id, topic, partition))`

// claimPosition draws a new epoch. A transaction of the owner before that is still open holds the row: this waits for its end and
// then sees what it left.
const claimPosition = `INSERT INTO %s AS p (connector, cluster_id, topic, partition, topic_id, next_offset, epoch) VALUES ($1, $2, $3, $4, $5, -1, 1) ` +
	`ON CONFLICT (connector, cluster_id, topic, partition) DO UPDATE SET epoch = p.epoch + 1, topic_id = CASE WHEN p.topic_id = '' OR p.next_offset < 0 THEN EXCLUDED.topic_id ELSE p.topic_id END ` +
	`RETURNING next_offset, epoch, topic_id`

const movePosition = `UPDATE %s SET next_offset = $1, moved_at = now() WHERE connector = $2 AND cluster_id = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7`

const readPosition = `SELECT next_offset, epoch FROM %s WHERE connector = $1 AND cluster_id = $2 AND topic = $3 AND partition = $4`

// These are for every cluster that the connector has read the topic from.
const forgetPositions = `DELETE FROM %s WHERE connector = $1`
const forgetPosition = `DELETE FROM %s WHERE connector = $1 AND topic = $2 AND partition = $3`

// endStalled ends sessions of the same role that have the positions locked and have not heard from their process for a while: one that
// was stopped, or lost with its machine. The server does that by itself only between statements (idle_in_transaction_session_timeout).
const endStalled = `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid ` +
	`WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid() AND a.wait_event = 'ClientRead' ` +
	`AND a.xact_start < clock_timestamp() - $1::interval AND l.relation = to_regclass($2) AND l.granted AND l.mode = 'RowExclusiveLock'`

// stalledAfter is how long a transaction that holds a position may wait for its process while another task wants it.
const stalledAfter = time.Minute

// claimPatience is how long a claim waits for a transaction that has the position: they take milliseconds.
const claimPatience = 5 * time.Second

func (s *pgSession) positions(statement string) string {
	return fmt.Sprintf(statement, quoteTable(s.store.positions))
}

func (s *pgSession) claim(ctx context.Context, parts []sink.Assignment) ([]claimed, error) {
	if err := s.makePositions(ctx); err != nil {
		return nil, err
	}
	if err := s.exec(ctx, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '%dms'", s.store.patience.Milliseconds())); err != nil {
		return nil, err
	}
	out := make([]claimed, len(parts))
	var problems []error
	for i, a := range parts {
		rows, err := s.query(ctx, s.positions(claimPosition), s.store.connector, a.ClusterID, a.Topic, strconv.Itoa(int(a.Partition)), a.TopicID)
		if err == nil && len(rows) != 1 {
			err = errors.New("no row came back: look for triggers or row security policies")
		}
		if err == nil {
			out[i], err = s.check(a, rows[0])
		}
		var p *PositionError
		if errors.As(err, &p) {
			problems = append(problems, err)
		} else if sqlState(err) == "55P03" { // lock_not_available
			return nil, s.endStalled(ctx, a, err)
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("open the positions in table %q: %w", s.store.positions, err), s.rollback(ctx))
		}
	}
	if problems != nil {
		return nil, errors.Join(append(problems, s.rollback(ctx))...)
	}
	return out, s.exec(ctx, "COMMIT")
}

// endStalled is called when another session has a position locked for longer than a transaction takes. The error is retriable.
func (s *pgSession) endStalled(ctx context.Context, a sink.Assignment, cause error) error {
	err := fmt.Errorf("the position of %s-%d in table %q is locked by another session, perhaps of the task before this one: %w", a.Topic, a.Partition, s.store.positions, cause)
	if failed := s.rollback(ctx); failed != nil {
		return failed
	}
	seconds := strconv.FormatFloat(s.store.stalled.Seconds(), 'f', -1, 64) + " seconds"
	if _, failed := s.query(ctx, endStalled, seconds, quoteTable(s.store.positions)); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

// makePositions creates the table when it is missing; a role that may not create anything is served by one who may.
func (s *pgSession) makePositions(ctx context.Context) error {
	t, err := s.describe(ctx, s.store.positions)
	if t != nil || err != nil {
		return err
	}
	if err := s.ddl(ctx, fmt.Sprintf("create table %q, which keeps the consumer positions", s.store.positions), s.positions(createPositions)); err != nil {
		var setup *SetupError
		if errors.As(err, &setup) && sqlState(err) != "42501" {
			setup.Option = "positions.table"
		}
		return err
	}
	return nil
}

// check compares a stored position with the topic.
func (s *pgSession) check(a sink.Assignment, row [][]byte) (claimed, error) {
	c, err := readClaimed(row)
	if err != nil {
		return c, err
	}
	where := fmt.Sprintf("connector = %s AND topic = %s AND partition = %d", dialect.LiteralPostgres(s.store.connector), dialect.LiteralPostgres(a.Topic), a.Partition)
	return c, checkPosition(c, string(row[2]), a, s.store.positions, quoteTable(s.store.positions), where)
}

func readClaimed(row [][]byte) (claimed, error) {
	next, err := strconv.ParseInt(string(row[0]), 10, 64)
	if err != nil {
		return claimed{}, fmt.Errorf("next_offset %q is no number", row[0])
	}
	epoch, err := strconv.ParseInt(string(row[1]), 10, 64)
	if err != nil {
		return claimed{}, fmt.Errorf("epoch %q is no number", row[1])
	}
	return claimed{next: next, epoch: epoch}, nil
}

func (s *pgSession) standing(ctx context.Context, p *position) (claimed, bool, error) {
	rows, err := s.query(ctx, s.positions(readPosition), s.store.connector, p.cluster, p.Topic, strconv.Itoa(int(p.Partition)))
	if err != nil || len(rows) == 0 {
		return claimed{next: -1}, false, err
	}
	c, err := readClaimed(rows[0])
	return c, true, err
}

func (s *pgSession) forget(ctx context.Context, partitions []kafka.TopicPartition) error {
	t, err := s.describe(ctx, s.store.positions)
	if t == nil || err != nil {
		return err
	}
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if len(partitions) == 0 {
		if _, err := s.query(ctx, s.positions(forgetPositions), s.store.connector); err != nil {
			return errors.Join(fmt.Errorf("remove the positions from table %q: %w", s.store.positions, err), s.rollback(ctx))
		}
	}
	for _, p := range partitions {
		if _, err := s.query(ctx, s.positions(forgetPosition), s.store.connector, p.Topic, strconv.Itoa(int(p.Partition))); err != nil {
			return errors.Join(fmt.Errorf("remove the position of %s-%d from table %q: %w", p.Topic, p.Partition, s.store.positions, err), s.rollback(ctx))
		}
	}
	return s.exec(ctx, "COMMIT")
}

func (s *pgSession) move(ctx context.Context, p *position, next int64) error {
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	s.send(ctx, s.store.move, [][]byte{number(next), []byte(s.store.connector), []byte(p.cluster), []byte(p.Topic), number(int64(p.Partition)), number(p.epoch), number(p.next)}, nil, true)
	return nil
}
