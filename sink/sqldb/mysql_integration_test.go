//go:build integration

package sqldb

import (
	"math/rand/v2"
	"testing"

	"github.com/tandem-cdc/tandem/internal/mariadbserver/mariadbtest"
	"github.com/tandem-cdc/tandem/schema"
)

// newMySQLDatabase is a fresh database in MariaDB.
func newMySQLDatabase(t testing.TB) *sqlDatabase {
	t.Helper()
	d := mariadbtest.New(t)
	return &sqlDatabase{t: t, jdbc: d.JDBC, db: d.DB}
}

func TestIntegrationMySQLUpserts(t *testing.T) {
	d := newMySQLDatabase(t)
	task := d.task()
	s := newSource("s.public.t", 1, field("id", int32Of()), field("a", nullable()), field("big", stringOf()))
	open(t, task, s.topic)
	put(t, task, concat(s.create(i32(1), str("x"), str("y")), s.create(i32(2), str("x"), str("y")), s.update(i32(1), str("z"), unavailable()), s.remove(i32(2), str(""), str("")))...)
	if got, want := d.rows("SELECT id, a, big FROM s_public_t ORDER BY id"), "1|z|y\n"; got != want {
		t.Errorf("rows = %s, want %s", got, want)
	}
}

func TestIntegrationModelMySQL(t *testing.T) {
	testModel(t, func(t *testing.T) modelTarget {
		d := newMySQLDatabase(t)
		p, jdbc := proxyTo(t, d.jdbc)
		return modelTarget{
			url:     jdbc,
			disturb: func(rng *rand.Rand) { p.CutAfter(int64(rng.IntN(6000)), nil) },
			calm:    p.Heal,
			rows: func(t *testing.T, table string, columns []modelColumn) [][]string {
				return d.modelRows(t, table, columns, func(c *modelColumn) string {
					if c.schema.Type == schema.Bytes && c.schema.Name == "" {
						return "HEX(" + c.name + ")"
					}
					return "CAST(" + c.name + " AS CHAR)"
				})
			},
		}
	})
}

func TestIntegrationUpsertsSurviveCrashesMySQL(t *testing.T) {
	testUpsertsSurviveCrashes(t, func(t *testing.T) crashTarget { return newMySQLDatabase(t) })
}

func TestIntegrationInsertsAreExactlyOnceMySQL(t *testing.T) {
	testInsertsAreExactlyOnce(t, func(t *testing.T) crashTarget { return newMySQLDatabase(t) })
}

func BenchmarkUpsertMySQL(b *testing.B) {
	benchmarkUpsert(b, func(b *testing.B) crashTarget { return newMySQLDatabase(b) })
}

func BenchmarkKindsMySQL(b *testing.B) {
	benchmarkKinds(b, func(b *testing.B) crashTarget { return newMySQLDatabase(b) })
}

func TestIntegrationPositionsMySQL(t *testing.T) {
	testPositions(t, newMySQLDatabase(t), "`tandem_positions`")
}
func TestIntegrationUniqueValuesMySQL(t *testing.T) { testUniqueValues(t, newMySQLDatabase(t)) }
func TestIntegrationKeyChangesMySQL(t *testing.T)   { testKeyChanges(t, newMySQLDatabase(t)) }
func TestIntegrationModesMySQL(t *testing.T)        { testModes(t, newMySQLDatabase(t)) }
func TestIntegrationEvolutionMySQL(t *testing.T)    { testEvolution(t, newMySQLDatabase(t)) }

func TestIntegrationTransactionsInTheTargetMySQL(t *testing.T) {
	testTransactions(t, openMySQLShop)
}
func TestIntegrationGivenUpMySQL(t *testing.T) { testGivenUp(t, openMySQLShop) }

func openMySQLShop(t *testing.T, _ bool) shopTarget { return newMySQLDatabase(t).openShop() }
