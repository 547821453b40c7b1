package polling

import (
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/golden"
)

// The files are the tables: what stands in a table, and the records that are made of it. What the Java connector and its drivers (pgjdbc
// 42.7.13, Connector/J 9.4.0, sqlite-jdbc 3.50.3.0) make of the same values was looked up by running the drivers; the files say where we differ.
func checkTypes(t *testing.T, pattern string, open func(t *testing.T) *testDB) {
	for _, file := range golden.Files(t, pattern) {
		t.Run(file.Name, func(t *testing.T) {
			db := open(t)
			for statement := range strings.SplitSeq(file.Text("sql"), ";\n") {
				if statement = strings.TrimSpace(statement); statement != "" {
					db.exec(statement)
				}
			}
			var got strings.Builder
			props := []string{"table.whitelist", "t"}
			for _, line := range file.Lines("props") {
				if name, value, ok := strings.Cut(line, "="); ok {
					props = append(props, name, value)
				}
			}
			records := once(t, db.one(props...))
			last := ""
			for _, r := range records {
				if s := describe(r.schema); s != last {
					got.WriteString(s)
					last = s
				}
				got.WriteString(strings.ReplaceAll(render(r), " ", "\n    ") + "\n")
			}
			file.Check(t, "records", got.String())
		})
	}
}

func TestTypesPostgres(t *testing.T) { checkTypes(t, "testdata/postgres_*.txtar", postgresDB) }

func TestTypesSQLite(t *testing.T) { checkTypes(t, "testdata/sqlite_*.txtar", sqliteDB) }
