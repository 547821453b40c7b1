package sqldb

import (
	"log/slog"
	"slices"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// endpoint is the database that connection.url names: one of the three.
type endpoint struct {
	kind     dialect.Kind
	postgres dialect.PostgresTarget
	mysql    dialect.MySQLTarget
	sqlite   dialect.SQLiteTarget
	warnings []string // of parameters without effect
}

// endpoint reads the URL. It does not connect.
func (c *Config) endpoint() (endpoint, error) {
	u, err := dialect.ParseJDBC(c.URL)
	if err != nil {
		return endpoint{}, err
	}
	u.Params = append(slices.Clone(c.Driver), u.Params...)
	e := endpoint{kind: u.Kind}
	switch u.Kind {
	case dialect.MySQL, dialect.MariaDB:
		e.mysql, err = dialect.MySQLConfig(u, c.User, c.Password.Reveal())
		e.warnings = e.mysql.Warnings
	case dialect.SQLite:
		e.sqlite, err = dialect.SQLiteConfig(u)
		e.warnings = e.sqlite.Warnings
	default:
		e.postgres, err = dialect.PostgresConfig(u, c.User, c.Password.Reveal())
		e.warnings = e.postgres.Warnings
	}
	return e, err
}

// newStore makes the dialect of the database that c names.
func newStore(c *Config, connector string, log *slog.Logger) (store, error) {
	e, err := c.endpoint()
	if err != nil {
		return nil, &SetupError{Option: "connection.url", Err: err}
	}
	switch e.kind {
	case dialect.MySQL, dialect.MariaDB:
		return newMySQL(c, e.mysql, connector, log)
	case dialect.SQLite:
		return newSQLite(c, e.sqlite, connector)
	}
	return newPostgres(c, e.postgres, connector)
}
