package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// pgStore is PostgreSQL, 14 and later.
type pgStore struct {
	config    *Config
	target    dialect.PostgresTarget
	connector string
	positions tableName     // folded; schema "" is the session's default one
	move      string        // the statement
	stalled   time.Duration // stalledAfter and claimPatience, but for tests
	patience  time.Duration
}

func newPostgres(c *Config, target dialect.PostgresTarget, connector string) (*pgStore, error) {
	st := &pgStore{config: c, target: target, connector: connector, stalled: stalledAfter, patience: claimPatience}
	schemaName, name, ok := strings.Cut(c.Positions, ".")
	if !ok {
		schemaName, name = "", c.Positions
	}
	if name == "" {
		return nil, &SetupError{Option: "positions.table", Err: errors.New("the name is empty")}
	}
	st.positions = tableName{st.fold(schemaName), st.fold(name)}
	st.move = fmt.Sprintf(movePosition, quoteTable(st.positions))
	if target.Config.RuntimeParams["application_name"] == "" {
		target.Config.RuntimeParams["application_name"] = "tandem " + connector
	}
	return st, nil
}

// fold makes of a name what the server makes of it: lower case when it is not quoted, and 63 bytes at most. Names are then always
// quoted in statements, so that words such as "order" and topics with dashes work either way.
func (st *pgStore) fold(name string) string {
	if !st.config.Quote {
		name = strings.ToLower(name)
	}
	if len(name) > dialect.PostgresNameLimit {
		name = strings.ToValidUTF8(name[:dialect.PostgresNameLimit], "")
	}
	return name
}

// address is what messages call the target.
func (st *pgStore) address() string {
	c := st.target.Config
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}

// settings are made on each new connection. A process that was stopped within a transaction must not keep its position locked:
// whoever takes over waits for it. The plans are to be those of lookups by key whatever the statistics of a table that was
// empty a moment ago say, and to be made once.
func (st *pgStore) settings() []dialect.Param {
	out := []dialect.Param{
		{Name: "DateStyle", Value: "ISO, YMD"},
		{Name: "IntervalStyle", Value: "iso_8601"},
		{Name: "idle_in_transaction_session_timeout", Value: "60s"},
		{Name: "plan_cache_mode", Value: "force_generic_plan"},
		{Name: "enable_seqscan", Value: "off"},
		{Name: "enable_hashjoin", Value: "off"},
		{Name: "enable_mergejoin", Value: "off"},
		{Name: "jit", Value: "off"},
	}
	return append(out, st.target.Settings...)
}

func (st *pgStore) connect(ctx context.Context) (session, error) {
	conn, err := pgconn.ConnectConfig(ctx, st.target.Config.Copy())
	if err != nil {
		return nil, st.connectError(err)
	}
	s := &pgSession{store: st, conn: conn, prepared: make(map[string]string)}
	if _, err := s.query(ctx, "SELECT set_config('TimeZone', $1, false)", st.config.TimeZone); err != nil {
		s.close(ctx)
		if sqlState(err) == "22023" { // invalid_parameter_value
			return nil, &SetupError{Option: st.config.names.zone, Err: err, Remedy: "give a time zone that the server knows: SELECT name FROM pg_timezone_names"}
		}
		return nil, err
	}
	var calls, values []string
	for i, p := range st.settings() {
		calls = append(calls, fmt.Sprintf("set_config('%s', $%d, false)", p.Name, i+1))
		values = append(values, p.Value)
	}
	if _, err := s.query(ctx, "SELECT "+strings.Join(calls, ", "), values...); err != nil {
		s.close(ctx)
		return nil, fmt.Errorf("set the session up: %w", err)
	}
	return s, nil
}

// connectError says what is wrong when no connection can be made.
func (st *pgStore) connectError(err error) error {
	user, database := st.target.Config.User, st.target.Config.Database
	code := sqlState(err)
	switch code {
	case "28P01": // invalid_password
		return &SetupError{Option: "connection.password", Object: "database " + st.address(), Err: err, Remedy: fmt.Sprintf("check %s (%q) and connection.password", st.config.names.user, user)}
	case "28000": // invalid_authorization_specification
		return &SetupError{Option: st.config.names.user, Object: "database " + st.address(), Err: err,
			Remedy: fmt.Sprintf("check that role %q exists and may log in, and that pg_hba.conf lets it in from this host with this kind of encryption", user)}
	case "3D000": // invalid_catalog_name
		return &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err, Remedy: fmt.Sprintf("create it (CREATE DATABASE %s) or check connection.url", dialect.QuotePostgres(database))}
	case "42501": // insufficient_privilege
		return &SetupError{Option: st.config.names.user, Object: "database " + st.address(), Err: err,
			Remedy: fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s", dialect.QuotePostgres(database), dialect.QuotePostgres(user))}
	}
	if code == "" && !isNetwork(err) {
		return &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err, Remedy: "check host, encryption (sslmode, sslrootcert) and credentials"}
	}
	return st.classify(err)
}

// isNetwork tells what may be the weather: everything but a handshake that was understood and refused.
func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// sqlState is the SQLSTATE of a server's error, "" when it is none.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// classify says what an error of a statement means. PostgreSQL manual, appendix "PostgreSQL Error Codes".
func (st *pgStore) classify(err error) error {
	if err == nil {
		return nil
	}
	var told interface{ Retriable() bool }
	if errors.As(err, &told) {
		return err
	}
	code := sqlState(err)
	if len(code) < 2 { // not the server's: the connection
		return &UnavailableError{Target: st.address(), Err: err}
	}
	switch code {
	case "57014", // query_canceled: statement_timeout among others
		"55006",          // object_in_use
		"55P03",          // lock_not_available
		"25006",          // read_only_sql_transaction: a standby, until it is promoted or the primary is back
		"25P03", "25P04": // idle_in_transaction_session_timeout, transaction_timeout
		return &UnavailableError{Target: st.address(), Err: err}
	case "42703", // undefined_column
		"42P01", // undefined_table
		"42P10", // invalid_column_reference: the unique constraint is gone
		"42P11", // invalid_cursor_definition
		"26000", // invalid_sql_statement_name: a pooler or DISCARD took it
		"42P05", // duplicate_prepared_statement
		"42804", // datatype_mismatch
		"42704", // undefined_object: a type
		"428C9", // generated_always
		"0A000": // feature_not_supported: a cached plan whose table changed
		return &staleError{err}
	case "42501": // insufficient_privilege
		return &SetupError{Option: st.config.names.user, Err: err,
			Remedy: fmt.Sprintf("grant role %q what it needs: SELECT, INSERT, UPDATE, DELETE on the table (TRUNCATE with truncate.enabled), and CREATE on the schema with %s", st.target.Config.User, st.config.names.createYes)}
	case "3F000": // invalid_schema_name
		return &SetupError{Option: st.config.names.collection, Err: err, Remedy: "create the schema, or set currentSchema in connection.url"}
	case "42846": // cannot_coerce
		return &SetupError{Option: st.config.names.create, Err: err, Remedy: "change the column's type to one that takes these values"}
	}
	switch code[:2] {
	case "08", "40", "53", "57", "58": // connection, rollback (deadlock, serialization), resources, operator intervention, system
		return &UnavailableError{Target: st.address(), Err: err}
	case "21", "22", "23", "44", "54", "P0", "2B", "09", "38", "39": // data, constraints, limits, what triggers raise
		return &refusedError{err: err, reference: code == "23503"} // foreign_key_violation
	}
	return &SetupError{Err: err, Object: "database " + st.address()}
}
