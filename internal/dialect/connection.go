package dialect

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Connection is what database/sql needs for a JDBC URL: sql.OpenDB(c.Connector).
type Connection struct {
	Kind      Kind
	Connector driver.Connector
	Address   string   // what messages call the database: host:port/name, or a path; never a password
	Database  string   // its name, or path
	Warnings  []string // of parameters that have no effect
}

// Connect reads how to connect to the database of a URL; nothing is dialled, and no file made. user and password, when not empty, win
// over the URL's. Settings of the URL (currentSchema, sessionVariables, PRAGMAs) are made on each new connection. The MySQL driver then
// gives dates and times as texts.
func Connect(u JDBC, user, password string) (Connection, error) {
	c := Connection{Kind: u.Kind, Database: u.Database}
	var err error
	switch u.Kind {
	case PostgreSQL:
		err = c.postgres(u, user, password)
	case MySQL, MariaDB:
		var t MySQLTarget
		if t, err = MySQLConfig(u, user, password); err != nil {
			return c, err
		}
		for _, one := range t.Configs {
			one.Params = make(map[string]string)
			for _, s := range t.Settings {
				one.Params[s.Name] = s.Value
			}
		}
		c.Address, c.Warnings = t.Address(), t.Warnings
		c.Connector, err = t.Connector()
	case SQLite:
		var t SQLiteTarget
		if t, err = SQLiteConfig(u); err != nil {
			return c, err
		}
		t.SetDefault("busy_timeout", "3000") // as the JVM's driver does
		c.Address, c.Warnings = t.Path, t.Warnings
		c.Connector, err = t.Connector(false)
	default:
		err = fmt.Errorf("database kind %q is not supported; supported: %s", u.Kind, kinds)
	}
	return c, err
}

func (c *Connection) postgres(u JDBC, user, password string) error {
	t, dsn, err := postgresTarget(u, user, password)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("%s", withoutText(err, dsn))
	}
	if t.Unprepared {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	c.Address = fmt.Sprintf("%s:%d/%s", config.Host, config.Port, config.Database)
	c.Database, c.Warnings = config.Database, t.Warnings
	c.Connector = stdlib.GetConnector(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		if len(t.Settings) == 0 {
			return nil
		}
		var calls []string
		var values []any
		for i, s := range t.Settings {
			calls = append(calls, fmt.Sprintf("set_config('%s', $%d, false)", s.Name, i+1))
			values = append(values, s.Value)
		}
		_, err := conn.Exec(ctx, "SELECT "+strings.Join(calls, ", "), values...)
		return err
	}))
	return nil
}
