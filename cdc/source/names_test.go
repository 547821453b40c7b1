package source_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Names that end every statement they are put into without quotes.
const (
	evilSchema = `s'"; DROP TABLE victim; --`
	evilTable  = `x"; DROP TABLE victim; --'`
	evilKey    = `k"; DROP TABLE victim; --`
	evilColumn = `v'; DROP TABLE victim; --`
	evilSignal = `sig"; DROP TABLE victim`
)

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Whatever a schema, a table or a column is called, it is only a name: in the publication, the snapshot, the stream, the signal table and an
// incremental snapshot.
func TestNamesAreOnlyNames(t *testing.T) {
	table := quoteName(evilSchema) + "." + quoteName(evilTable)
	s := newShelf(t, `CREATE TABLE victim (id int PRIMARY KEY); INSERT INTO victim VALUES (1);
		CREATE TABLE `+quoteName(evilSignal)+` (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
		CREATE SCHEMA `+quoteName(evilSchema)+`; CREATE TABLE `+table+` (`+quoteName(evilKey)+` int PRIMARY KEY, `+quoteName(evilColumn)+` text);
		INSERT INTO `+table+` SELECT g, 'v' || g FROM generate_series(1, 5) g`,
		map[string]string{"snapshot.mode": "initial", "signal.data.collection": "public." + evilSignal, "table.include.list": ".*DROP TABLE victim.*", "publication.autocreate.mode": "filtered",
			"publication.name": `p"; DROP TABLE victim; --`, "incremental.snapshot.chunk.size": "2", "replica.identity.autoset.values": ".*victim.*:FULL"})
	data, err := json.Marshal(map[string]any{"data-collections": []string{evilSchema + "." + evilTable}})
	if err != nil {
		t.Fatal(err)
	}
	s.until("COMPLETED", nil, nil) // the first snapshot says so too
	s.store(s.n)
	s.until("COMPLETED", nil, func() {
		s.exec(`INSERT INTO ` + table + ` VALUES (6, 'v6'); UPDATE ` + table + ` SET ` + quoteName(evilColumn) + ` = 'new' WHERE ` + quoteName(evilKey) + ` = 1; DELETE FROM ` + table + ` WHERE ` + quoteName(evilKey) + ` = 2`)
		s.exec(`INSERT INTO ` + quoteName(evilSignal) + ` VALUES ('a', 'execute-snapshot', '` + strings.ReplaceAll(string(data), "'", "''") + `')`)
	})
	seen := make(map[string][]string)
	for _, r := range s.log {
		for name, v := range r.after {
			if strings.HasPrefix(name, "v") {
				seen[r.op] = append(seen[r.op], v)
			}
		}
		if r.op == "d" {
			seen["d"] = append(seen["d"], "")
		}
	}
	want := map[string][]string{"r": {"v1", "v2", "v3", "v4", "v5", "new", "v3", "v4", "v5", "v6"}, "c": {"v6"}, "u": {"new"}, "d": {""}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("values by operation (-want +got):\n%s", diff)
	}
	s.want("the other table", []string{s.table(`SELECT id::text, 'there' FROM victim`)["1"]}, []string{"there"})
}
