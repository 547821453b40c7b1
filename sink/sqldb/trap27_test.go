package sqldb

import "testing"

// Trap 27: records that are equal, of a table without key, are a row each, also within one batch: nothing is brought to its last state where there is no
// key to tell rows apart. batch.add protects, which asks the reducer for plans with keys alone.
func TestTrap27EqualRowsOfOneBatch(t *testing.T) {
	d := newDatabase(t)
	task := d.task("insert.mode", "insert", "primary.key.mode", "none", "delete.enabled", "false")
	s := newSource("shop.public.twins", 0, field("v", nullable()))
	open(t, task, "shop.public.twins")
	put(t, task, s.create(str("a")), s.create(str("a")), s.create(str("b")), s.create(str("a")))
	put(t, task, s.create(str("a")))
	if got, want := d.rows("SELECT v, count(*) FROM shop_public_twins GROUP BY v ORDER BY v"), "a|4\nb|1\n"; got != want {
		t.Errorf("rows = %q, want %q", got, want)
	}
}
