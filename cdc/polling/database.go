package polling

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// database is a database of a kind: what its SQL looks like, and how to connect.
type database struct {
	kind       dialect.Kind
	quote      func(name string) string
	mark       byte // that quotes identifiers
	useCatalog bool // two parts of a name are catalog and table
	warnings   []string

	catalog string // the database that PostgreSQL's tables are in

	placeholder func(n int) string
	// connect opens a session. Its errors answer Retriable.
	connect func(ctx context.Context) (session, error)
	// retriable tells whether waiting may help.
	retriable func(err error) bool
}

// session is one connection. Not safe for concurrent use.
type session interface {
	// tables lists the tables of the configured types, in the order of JDBC: type, catalog, schema, name.
	tables(ctx context.Context, want *tableFilter) ([]tableID, error)
	// describe lists the columns of a table; none when there is no such table.
	describe(ctx context.Context, id tableID) ([]described, error)
	// begin opens a transaction for one query and what goes with it; end closes it.
	begin(ctx context.Context, level Isolation) error
	end(ctx context.Context) error
	// now is the database's time.
	now(ctx context.Context, z zone) (moment, error)
	// query asks; id is the table, nil for a query of the user's.
	query(ctx context.Context, id *tableID, s *statement, args []any) (rows, error)
	// comparable makes of timestamp columns, as SQL, what compares with a moment; from is what they are selected from, as SQL.
	comparable(ctx context.Context, from, column string) (string, error)
	// moment writes an instant as a parameter. Called after comparable.
	moment(m moment, z zone) any
	close()
}

// rows is the result of a query, read row by row.
type rows interface {
	// next reads the next row; false at the end, or when it cannot.
	next() bool
	// row is the current one, good until the next call of next.
	row() []cell
	// columns are those of the result; called when there is a row.
	columns() ([]column, error)
	// close ends the query. It returns what reading failed of.
	close() error
}

// described is a column as the catalog knows it.
type described struct {
	name      string
	nullable  bool
	automatic bool // the database numbers its rows
}

// tableFilter says which tables are wanted of a database.
type tableFilter struct {
	catalog, schema string // SQL patterns, "" for all
	types           []string
}

func (f *tableFilter) wants(kind string) bool {
	for _, t := range f.types {
		if strings.EqualFold(t, kind) {
			return true
		}
	}
	return false
}

// open reads which database a configuration means; it does not connect.
func (c *Config) open() (*database, error) {
	u, err := dialect.ParseJDBC(c.URL)
	if err != nil {
		return nil, err
	}
	for _, p := range c.driver { // the URL's own win, as with DriverManager
		if !hasParam(u.Params, p.Name) {
			u.Params = append(u.Params, p)
		}
	}
	var d *database
	switch u.Kind {
	case dialect.PostgreSQL:
		d, err = openPostgres(u, c)
	case dialect.MySQL, dialect.MariaDB:
		d, err = openMySQL(u, c)
	case dialect.SQLite:
		d, err = openSQLite(u)
	default:
		err = fmt.Errorf("database kind %q is not supported", u.Kind)
	}
	if err != nil {
		return nil, err
	}
	if c.Quote == QuoteNever {
		d.quote = func(name string) string { return name }
	}
	return d, nil
}

func hasParam(params []dialect.Param, name string) bool {
	for _, p := range params {
		if p.Name == name {
			return true
		}
	}
	return false
}

// databaseError is a failure of the database together with whether waiting may help.
type databaseError struct {
	op    string
	err   error
	again bool
}

func (e *databaseError) Error() string   { return e.op + ": " + e.err.Error() }
func (e *databaseError) Unwrap() error   { return e.err }
func (e *databaseError) Retriable() bool { return e.again }

// failed says what was tried; nil stays nil, and what answers Retriable already keeps its word.
func (d *database) failed(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	op := fmt.Sprintf(format, args...)
	var told interface{ Retriable() bool }
	if errors.As(err, &told) {
		return &databaseError{op, err, told.Retriable()}
	}
	return &databaseError{op, err, d.retriable(err)}
}

// connectRemedies is what helps when a server refuses the connection, by SQLSTATE.
var connectRemedies = map[string]string{
	"28P01": "check connection.user and connection.password, or user and password in connection.url",
	"28000": "check connection.user and connection.password, or user and password in connection.url, and that the server lets this user in from this host",
	"3D000": "check the database's name in connection.url, or create the database",       // PostgreSQL
	"42000": "check the database's name in connection.url, and that the user may use it", // MySQL: unknown database, or no right to it
}

// unconnected adds to an error what helps; nil stays nil.
func unconnected(err error, state string) error {
	remedy := connectRemedies[state]
	if err == nil || remedy == "" {
		return err
	}
	return &refusedError{err, remedy}
}

// refusedError is a connection that the server refuses, and what helps.
type refusedError struct {
	err    error
	remedy string
}

func (e *refusedError) Error() string { return e.err.Error() + "; " + e.remedy }
func (e *refusedError) Unwrap() error { return e.err }

// isRetriable tells whether an error says that waiting may help.
func isRetriable(err error) bool {
	var told interface{ Retriable() bool }
	return errors.As(err, &told) && told.Retriable()
}
