//go:build integration

package polling

import (
	"fmt"
	"testing"

	"github.com/tandem-cdc/tandem/internal/mariadbserver/mariadbtest"
)

// mariaDB is a fresh database of a MariaDB server. Only its tables are looked at: others may live in the server.
func mariaDB(t *testing.T) *testDB {
	t.Helper()
	d := mariadbtest.New(t)
	return &testDB{t, d.JDBC, func(statement string, args ...any) {
		t.Helper()
		if _, err := d.DB.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}, d.Name}
}

func TestIntegrationTypesMariaDB(t *testing.T) { checkTypes(t, "testdata/mariadb_*.txtar", mariaDB) }

func TestIntegrationModesMariaDB(t *testing.T) { checkModes(t, mariaDB) }

func TestIntegrationRestartsMariaDB(t *testing.T) { checkRestarts(t, mariaDB) }

// A connection that is killed is made anew, and nothing is missed.
func TestIntegrationLostConnectionMariaDB(t *testing.T) {
	d := mariadbtest.New(t)
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := d.DB.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	db := &testDB{t, d.JDBC, exec, d.Name}
	db.exec("create table item (id int auto_increment primary key)")
	db.exec("insert into item values (default)")
	r := start(t, db.one("mode", "incrementing", "connection.sessionVariables", "wait_timeout=4321"), newStore())
	r.polled(t)
	d.DB.SetMaxOpenConns(1)
	var id int
	if err := d.DB.QueryRowContext(t.Context(), "select id from information_schema.processlist where db = database() and id <> connection_id()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	db.exec(fmt.Sprintf("kill connection %d", id))
	db.exec("insert into item values (default)")
	for len(r.out.all()) < 2 {
		r.more(t)
	}
	r.stop(t)
	if got := fmt.Sprint(ids(r.out.all(), "id")); got != "[1 2]" {
		t.Errorf("ids = %s, want [1 2]", got)
	}
}

// The tables of the whole server are looked at, and those of a database with catalog.pattern.
func TestIntegrationTablesMariaDB(t *testing.T) {
	db := mariaDB(t)
	db.exec("create table `a``b` (id int)")
	db.exec("create view v as select 1 as id")
	for _, c := range []struct {
		props []string
		want  string
	}{
		{nil, "`" + db.catalog + "`.`a``b` true"},
		{[]string{"table.types", "VIEW"}, "`" + db.catalog + "`.`v` true"},
		{[]string{"table.include.list", ".*", "catalog.pattern", "no such"}, " true"},
	} {
		if got := fmt.Sprint(taskTables(db.tasks(db.props(c.props...), 1))); got != "["+c.want+"]" {
			t.Errorf("tables of %q = %s, want %s", c.props, got, c.want)
		}
	}
	r := start(t, db.one(), newStore())
	r.polled(t)
	r.stop(t)
}
