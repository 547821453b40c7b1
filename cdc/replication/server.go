package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Server is what matters of a server's version and settings.
type Server struct {
	Version    int    // server_version_num, 180004 for 18.4
	WALLevel   string // wal_level
	InRecovery bool   // a standby
	// LSN is where the server writes now, or a standby has replayed to.
	LSN cdc.LSN
}

// LookupServer reads what Server holds.
func LookupServer(ctx context.Context, conn *pgx.Conn) (Server, error) {
	var s Server
	var lsn string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('wal_level'), pg_is_in_recovery(),
		(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END)::text`).
		Scan(&s.Version, &s.WALLevel, &s.InRecovery, &lsn)
	if err != nil {
		return Server{}, pgerror.Wrap(err, "read the server's settings")
	}
	s.LSN, err = cdc.ParseLSN(lsn)
	return s, err
}

// minVersion is the first server with pgoutput.
const minVersion = 10_00_00

// Check tells whether changes can be streamed from the server; the error says what to set. Whether the role may do so, Connect
// tells: cloud providers give that right in ways of their own.
func (s Server) Check(c *Config) error {
	switch {
	case s.Version < minVersion:
		return &ServerError{c.address(), fmt.Sprintf("PostgreSQL version %d is too old: pgoutput comes with version 10", s.Version/10000)}
	case s.WALLevel != "logical":
		return &ServerError{c.address(), fmt.Sprintf("wal_level is %q, but capturing changes needs \"logical\"; run ALTER SYSTEM SET wal_level = logical and restart the server "+
			"(managed services: Amazon RDS rds.logical_replication=1, Cloud SQL cloudsql.logical_decoding=on, Azure wal_level)", s.WALLevel)}
	}
	return nil
}
