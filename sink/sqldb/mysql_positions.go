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

// createMyPositions makes the table of consumer positions. next_offset -1: opened, nothing applied yet. epoch counts the owners, session
// is the connection that moved the position last.
const createMyPositions = "CREATE TABLE IF NOT EXISTS %s (connector varchar(255) NOT NULL, cluster_id varchar(64) NOT NULL, topic varchar(249) NOT NULL, `partition` int NOT NULL, " +
	"topic_id varchar(64) NOT NULL, next_offset bigint NOT NULL, epoch bigint NOT NULL, session bigint unsigned NOT NULL DEFAULT 0, " +
	"moved_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (connector, cluster_id, topic, `partition`)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

// claimMyPosition draws a new epoch. A transaction of the owner before that is still open holds the row: this waits for its end.
const claimMyPosition = "INSERT INTO %s (connector, cluster_id, topic, `partition`, topic_id, next_offset, epoch) VALUES (%s, %s, %s, %d, %s, -1, 1) " +
	"ON DUPLICATE KEY UPDATE epoch = epoch + 1, topic_id = IF(topic_id = '' OR next_offset < 0, %[6]s, topic_id)"

const (
	moveMyPosition   = "UPDATE %s SET next_offset=%d, session=CONNECTION_ID(), moved_at=NOW(6) WHERE %s AND epoch=%d AND next_offset=%d"
	readMyPosition   = "SELECT next_offset, epoch, topic_id, session FROM %s WHERE %s"
	forgetMyPosition = "DELETE FROM %s WHERE %s"
)

// whereMine finds a position by its key.
func (st *myStore) whereMine(cluster string, tp kafka.TopicPartition) string {
	return fmt.Sprintf("connector=%s AND cluster_id=%s AND topic=%s AND `partition`=%d", dialect.LiteralMySQL(st.connector), dialect.LiteralMySQL(cluster), dialect.LiteralMySQL(tp.Topic), tp.Partition)
}

func (s *mySession) claim(ctx context.Context, parts []sink.Assignment) (out []claimed, err error) {
	if err := s.makePositions(ctx); err != nil {
		return nil, err
	}
	patience := max(1, int(s.store.patience/time.Second))
	if err := s.exec(ctx, fmt.Sprintf("SET SESSION innodb_lock_wait_timeout=%d", patience)); err != nil {
		return nil, err
	}
	defer func() {
		if s.usable() {
			err = errors.Join(err, s.exec(ctx, "SET SESSION innodb_lock_wait_timeout=DEFAULT"))
		}
	}()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var problems []error
	for _, a := range parts {
		c, err := s.claimOne(ctx, a)
		switch {
		case isPositionError(err):
			problems = append(problems, err)
		case myNumber(err) == 1205: // ER_LOCK_WAIT_TIMEOUT
			return nil, s.endStalled(ctx, a, err)
		case err != nil:
			return nil, errors.Join(fmt.Errorf("open the positions in table %q: %w", s.store.positions, err), s.rollback(ctx))
		}
		out = append(out, c)
	}
	if problems != nil {
		return nil, errors.Join(append(problems, s.rollback(ctx))...)
	}
	return out, s.commit(ctx)
}

func (s *mySession) claimOne(ctx context.Context, a sink.Assignment) (claimed, error) {
	table, lit := quoteMyTable(s.store.positions), dialect.LiteralMySQL
	if err := s.exec(ctx, fmt.Sprintf(claimMyPosition, table, lit(s.store.connector), lit(a.ClusterID), lit(a.Topic), a.Partition, lit(a.TopicID))); err != nil {
		return claimed{}, err
	}
	where := s.store.whereMine(a.ClusterID, a.TopicPartition)
	rows, err := s.query(ctx, fmt.Sprintf(readMyPosition, table, where))
	if err != nil {
		return claimed{}, err
	}
	if len(rows) != 1 {
		return claimed{}, errors.New("the row of the position is not there: look for triggers")
	}
	c, err := readClaimed(rows[0])
	if err != nil {
		return c, err
	}
	return c, checkPosition(c, string(rows[0][2]), a, s.store.positions, table, where)
}

// endStalled ends the session that has a position locked for longer than a transaction takes and has not heard from its process for a while:
// one that was stopped, or lost with its machine. Its number is in the row it moved, which is not committed. The error is retriable.
func (s *mySession) endStalled(ctx context.Context, a sink.Assignment, cause error) error {
	err := fmt.Errorf("the position of %s-%d in table %q is locked by another session, perhaps of the task before this one: %w", a.Topic, a.Partition, s.store.positions, cause)
	if failed := s.rollback(ctx); failed != nil {
		return failed
	}
	if failed := s.exec(ctx, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"); failed != nil {
		return errors.Join(err, failed)
	}
	rows, failed := s.query(ctx, fmt.Sprintf(readMyPosition, quoteMyTable(s.store.positions), s.store.whereMine(a.ClusterID, a.TopicPartition)))
	if failed != nil || len(rows) == 0 {
		return errors.Join(err, failed)
	}
	holder := string(rows[0][3])
	rows, failed = s.query(ctx, fmt.Sprintf("SELECT ID FROM information_schema.PROCESSLIST WHERE ID = %s AND COMMAND = 'Sleep' AND TIME >= %d", holder, int(s.store.stalled/time.Second)))
	if failed != nil || len(rows) == 0 {
		return errors.Join(err, failed)
	}
	if failed := s.exec(ctx, "KILL "+holder); failed != nil && myNumber(failed) != 1094 { // ER_NO_SUCH_THREAD: it ended by itself
		return errors.Join(err, failed)
	}
	return err
}

// makePositions creates the table when it is missing; a user that may not create anything is served by one who may.
func (s *mySession) makePositions(ctx context.Context) error {
	t, err := s.describe(ctx, s.store.positions)
	if t != nil || err != nil {
		return err
	}
	return s.ddl(ctx, fmt.Sprintf("create table %q, which keeps the consumer positions", s.store.positions), fmt.Sprintf(createMyPositions, quoteMyTable(s.store.positions)))
}

func (s *mySession) standing(ctx context.Context, p *position) (claimed, bool, error) {
	rows, err := s.query(ctx, fmt.Sprintf(readMyPosition, quoteMyTable(s.store.positions), s.store.whereMine(p.cluster, p.TopicPartition)))
	if err != nil || len(rows) == 0 {
		return claimed{next: -1}, false, err
	}
	c, err := readClaimed(rows[0])
	return c, true, err
}

func (s *mySession) forget(ctx context.Context, partitions []kafka.TopicPartition) error {
	t, err := s.describe(ctx, s.store.positions)
	if t == nil || err != nil {
		return err
	}
	mine := "connector=" + dialect.LiteralMySQL(s.store.connector)
	where := []string{mine}
	if len(partitions) > 0 {
		where = nil
		for _, p := range partitions { // of every cluster that the connector has read the topic from
			where = append(where, mine+" AND topic="+dialect.LiteralMySQL(p.Topic)+" AND `partition`="+strconv.Itoa(int(p.Partition)))
		}
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	for _, w := range where {
		if err := s.exec(ctx, fmt.Sprintf(forgetMyPosition, quoteMyTable(s.store.positions), w)); err != nil {
			return errors.Join(fmt.Errorf("remove positions from table %q: %w", s.store.positions, err), s.rollback(ctx))
		}
	}
	return s.commit(ctx)
}

func (s *mySession) move(ctx context.Context, p *position, next int64) error {
	found, err := s.run(ctx, fmt.Sprintf(moveMyPosition, quoteMyTable(s.store.positions), next, s.store.whereMine(p.cluster, p.TopicPartition), p.epoch, p.next))
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] == 0 {
		return &movedError{}
	}
	return nil
}
