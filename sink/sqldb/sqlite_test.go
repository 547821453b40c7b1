package sqldb

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// newSQLiteDatabase is a fresh file.
func newSQLiteDatabase(t testing.TB) *sqlDatabase {
	t.Helper()
	return openSQL(t, "jdbc:sqlite:"+filepath.Join(t.TempDir(), "target.db"), true)
}

// openSQL is a target of database/sql; create makes the file of SQLite's.
func openSQL(t testing.TB, jdbc string, create bool) *sqlDatabase {
	t.Helper()
	u, err := dialect.ParseJDBC(jdbc)
	if err != nil {
		t.Fatal(err)
	}
	d := &sqlDatabase{t: t, jdbc: jdbc}
	if u.Kind == dialect.SQLite {
		target, err := dialect.SQLiteConfig(u)
		if err != nil {
			t.Fatal(err)
		}
		target.SetDefault("busy_timeout", "10000")
		c, err := target.Connector(create)
		if err != nil {
			t.Fatal(err)
		}
		d.db = sql.OpenDB(c)
	} else {
		c, err := dialect.Connect(u, "", "")
		if err != nil {
			t.Fatal(err)
		}
		d.db = sql.OpenDB(c.Connector)
	}
	t.Cleanup(func() { d.db.Close() })
	return d
}

func TestSQLiteUpserts(t *testing.T) {
	d := newSQLiteDatabase(t)
	task := d.task()
	s := newSource("s.public.t", 1, field("id", int32Of()), field("a", nullable()), field("big", stringOf()))
	open(t, task, s.topic)
	put(t, task, concat(s.create(i32(1), str("x"), str("y")), s.create(i32(2), str("x"), str("y")), s.update(i32(1), str("z"), unavailable()), s.remove(i32(2), str(""), str("")))...)
	if got, want := d.rows("SELECT id, a, big FROM s_public_t ORDER BY id"), "1|z|y\n"; got != want {
		t.Errorf("rows = %s, want %s", got, want)
	}
}

func TestModelSQLite(t *testing.T) {
	testModel(t, func(t *testing.T) modelTarget {
		d := newSQLiteDatabase(t)
		return modelTarget{url: d.jdbc, rows: func(t *testing.T, table string, columns []modelColumn) [][]string {
			return d.modelRows(t, table, columns, func(c *modelColumn) string {
				switch {
				case c.schema.Type == schema.Bytes && c.schema.Name == "":
					return "hex(" + c.name + ")||iif(" + c.name + " IS NULL, NULL, '')"
				case c.schema.Name == schema.DateName: // milliseconds, as the JVM's driver stores them
					return "date(" + c.name + "/1000, 'unixepoch')"
				case c.schema.Name == schema.TimestampName:
					return "strftime('%Y-%m-%d %H:%M:%f', " + c.name + "/1000.0, 'unixepoch')"
				}
				return "CAST(" + c.name + " AS TEXT)"
			})
		}}
	})
}

func TestUpsertsSurviveCrashesSQLite(t *testing.T) {
	testUpsertsSurviveCrashes(t, func(t *testing.T) crashTarget { return newSQLiteDatabase(t) })
}

func TestInsertsAreExactlyOnceSQLite(t *testing.T) {
	testInsertsAreExactlyOnce(t, func(t *testing.T) crashTarget { return newSQLiteDatabase(t) })
}

func BenchmarkUpsertSQLite(b *testing.B) {
	benchmarkUpsert(b, func(b *testing.B) crashTarget { return newSQLiteDatabase(b) })
}

func BenchmarkKindsSQLite(b *testing.B) {
	benchmarkKinds(b, func(b *testing.B) crashTarget { return newSQLiteDatabase(b) })
}

func TestPositionsSQLite(t *testing.T) {
	testPositions(t, newSQLiteDatabase(t), `"tandem_positions"`)
}
func TestUniqueValuesSQLite(t *testing.T) { testUniqueValues(t, newSQLiteDatabase(t)) }
func TestKeyChangesSQLite(t *testing.T)   { testKeyChanges(t, newSQLiteDatabase(t)) }
func TestModesSQLite(t *testing.T)        { testModes(t, newSQLiteDatabase(t)) }
func TestEvolutionSQLite(t *testing.T)    { testEvolution(t, newSQLiteDatabase(t)) }

func TestTransactionsInTheTargetSQLite(t *testing.T) {
	testTransactions(t, openSQLiteShop)
}
func TestGivenUpSQLite(t *testing.T) { testGivenUp(t, openSQLiteShop) }

func openSQLiteShop(t *testing.T, _ bool) shopTarget {
	return openSQL(t, "jdbc:sqlite:"+filepath.Join(t.TempDir(), "target.db")+"?foreign_keys=on", true).openShop()
}
