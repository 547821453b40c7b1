package sqldb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Names that end every statement they are put into without quotes.
const (
	evilTable  = `x"; DROP TABLE victim; --`
	evilKey    = `k'"; DROP TABLE victim; --`
	evilColumn = `v"; DROP TABLE victim; --'`
)

// Whatever a table or a column is called, it is only a name: when the target is made, changed and written to.
func TestNamesAreOnlyNames(t *testing.T) {
	d := newDatabase(t)
	checkNames(t, d.task("collection.name.format", evilTable, "quote.identifiers", "true"), d.exec, d.rows)
}

func TestNamesAreOnlyNamesSQLite(t *testing.T) {
	d := newSQLiteDatabase(t)
	checkNames(t, d.task("collection.name.format", evilTable, "quote.identifiers", "true"), d.exec, d.rows)
}

func checkNames(t *testing.T, task *Task, exec func(string, ...any), rows func(string, ...any) string) {
	exec("CREATE TABLE victim (id int)")
	s := newSource("shop.public.items", 1, field(evilKey, int32Of()), field(evilColumn, nullable()))
	open(t, task, s.topic)
	put(t, task, concat(s.create(i32(1), str("one")), s.create(i32(2), str("two")), s.update(i32(1), str("uno")), s.remove(i32(2), str("")))...)
	s.alter(1, field(evilKey, int32Of()), field(evilColumn, nullable()), field(evilColumn+"2", nullable()))
	put(t, task, concat(s.create(i32(3), str("three"), str("more")))...)
	if diff := cmp.Diff("1|uno|NULL\n3|three|more\n", rows(`SELECT * FROM "x""; DROP TABLE victim; --" ORDER BY 1`)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	exec("INSERT INTO victim VALUES (1)") // it is still there
}
