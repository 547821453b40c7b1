package source

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/internal/config"
)

// Check connects to the database, as Debezium does when a connector is validated, created or changed: whoever cannot be connected for is told so at
// database.hostname. Nothing is looked at as long as the configuration itself has errors. A role that may not replicate is only warned of: managed
// services give that right in ways of their own.
func Check(ctx context.Context, props map[string]string) config.Report {
	c, report := Parse(props)
	if report.Err() != nil {
		return config.Report{}
	}
	var r config.Report
	ctx, cancel := context.WithTimeout(ctx, c.Run.validation)
	defer cancel()
	err := c.tryConnection(ctx, &r)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		r.Fail("database.hostname", "Connection validation timed out after %d ms", c.Run.validation.Milliseconds())
	default:
		r.Fail("database.hostname", "Error while validating connector config: %s", c.connectionMessage(err))
	}
	return r
}

// tryConnection opens a connection and looks at the role.
func (c *Config) tryConnection(ctx context.Context, r *config.Report) error {
	conn, err := c.Database.Connect(ctx, replication.General)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx)
	}()
	may, err := mayReplicate(ctx, conn)
	if err == nil && !may {
		r.Warn("database.user", "The role %q has not got both LOGIN and REPLICATION: run ALTER ROLE %s REPLICATION as a superuser (Amazon RDS: GRANT rds_replication TO …).",
			c.Database.User, pgx.Identifier{c.Database.User}.Sanitize())
	}
	return err
}

// mayReplicate tells whether the role of a connection has LOGIN and REPLICATION, or what stands for it at Amazon.
func mayReplicate(ctx context.Context, conn *pgx.Conn) (may bool, err error) {
	err = conn.QueryRow(ctx, `SELECT r.rolcanlogin AND (r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles b ON b.oid = m.roleid
		WHERE m.member = r.oid AND b.rolname IN ('rds_superuser', 'rdsadmin', 'rdsrepladmin', 'rds_replication')))
		FROM pg_roles r WHERE r.rolname = current_user`).Scan(&may)
	if err != nil {
		return false, fmt.Errorf("read the rights of role %s: %w", conn.Config().User, err)
	}
	return may, nil
}

// connectionMessage says why there is no connection: where the server or its host said so, in the words that the JDBC driver has for it.
func (c *Config) connectionMessage(err error) string {
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		return refused.Severity + ": " + refused.Message
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Connection to %s:%d refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.", c.Database.Host, c.Database.Port)
	}
	return err.Error()
}
