package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc/replication"
)

// heartbeat says when a heartbeat record is due (heartbeat.interval.ms) and runs heartbeat.action.query with it.
type heartbeat struct {
	every time.Duration // 0: never
	query string
	log   *slog.Logger
	dial  func(ctx context.Context) (*pgx.Conn, error)
	conn  *pgx.Conn // of the query; dialled when first needed
	next  time.Time
}

func (h *heartbeat) due(now time.Time) bool { return h.every > 0 && !now.Before(h.next) }

// beat notes that a heartbeat was sent and runs the query. A query whose table is missing fails the task, one that the server or a broken
// connection cut off restarts it, and a statement that is refused for another reason is only logged, as in Debezium.
func (h *heartbeat) beat(ctx context.Context, now time.Time) error {
	h.next = now.Add(h.every)
	if h.query == "" {
		return nil
	}
	if h.conn == nil || h.conn.IsClosed() {
		conn, err := h.dial(ctx)
		if err != nil {
			return fmt.Errorf("connect for heartbeat.action.query: %w", err)
		}
		h.conn = conn
	}
	_, err := h.conn.Exec(ctx, h.query)
	if err == nil {
		return nil
	}
	if refused(err) {
		h.log.Warn("heartbeat.action.query was refused; the heartbeat was sent all the same", "query", h.query, "error", err)
		return nil
	}
	return fmt.Errorf("run heartbeat.action.query %q: %w", h.query, replication.Classify(err))
}

func (h *heartbeat) close() {
	if h.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		h.conn.Close(ctx)
	}
}

// refused tells that the server refused the statement itself.
func refused(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "57P01", "42P01", "57P03": // admin_shutdown, undefined_table, cannot_connect_now
		return false
	}
	return true
}
