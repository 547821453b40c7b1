package polling

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesAreOnlyNamesPostgres(t *testing.T) { checkNames(t, postgresDB(t)) }
func TestNamesAreOnlyNamesSQLite(t *testing.T)   { checkNames(t, sqliteDB(t)) }

// checkNames: whatever a table or a column is called, it is only a name.
func checkNames(t *testing.T, db *testDB) {
	quote := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	table, id, at := quote(`x"; drop table victim; --`), quote(`id"; drop table victim; --'`), quote(`at'; drop table victim; --`)
	db.exec("create table victim (id integer primary key)")
	db.exec("create table " + table + " (" + id + " integer primary key, " + at + " timestamp not null)")
	db.exec("insert into " + table + " values (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:02')")
	got := once(t, db.one("mode", "timestamp+incrementing", "timestamp.column.name", `at'; drop table victim; --`, "incrementing.column.name", `id"; drop table victim; --'`,
		"table.whitelist", `x"; drop table victim; --`))
	if diff := cmp.Diff([]int64{1, 2}, ids(got, `id"; drop table victim; --'`)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	db.exec("insert into victim values (1)") // it is still there
}
