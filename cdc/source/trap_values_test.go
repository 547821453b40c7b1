package source_test

import (
	"fmt"
	"testing"
)

// oddKeys are keys that other programs mistook: as bounds of chunks, or in the records of deletes.
var oddKeys = []struct {
	name, sqlType string
	keys          []string // as in SQL, in the order of the type
}{
	{"numeric", "numeric", []string{"'-Infinity'", "-1.5", "0", "0.10", "1e30", "'Infinity'", "'NaN'"}},
	{"numeric with a scale", "numeric(9,2)", []string{"-1.50", "0", "3", "'NaN'"}},
	{"double", "float8", []string{"'-Infinity'", "-1e300", "0", "1e-300", "'Infinity'", "'NaN'"}},
	{"text", `text COLLATE "C"`, []string{"''", `' '`, `'\'`, `'\N'`, `'a"b'`, `'a''b'`, "'null'"}},
	{"enum", "mood", []string{"'sad'", "''", "'so so'", "'ha\"ppy'"}},
	{"timestamp", "timestamp", []string{"'-infinity'", "'0044-03-15 12:00:00 BC'", "'2024-02-29 23:59:59.999999'", "'infinity'"}},
	{"date", "date", []string{"'0001-01-01'", "'1582-10-15'", "'2024-02-29'"}}, // neither infinities nor BC: Debezium's snapshots have others than its stream
	{"bytea", "bytea", []string{"''", `'\x00'`, `'\x0000'`, `'\x5c4e'`, `'\xff'`}},
	{"boolean", "boolean", []string{"false", "true"}},
	{"uuid", "uuid", []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}},
	{"range", "int4range", []string{"'empty'", "'[1,2)'", "'[1,)'"}},
}

// Trap 42: a key of any value bounds a chunk of an incremental snapshot, so that each row is read once and the snapshot comes to its end; and the
// record of its deletion has the key that the record of its creation has. What protects: incremental's Key carries values as the server wrote them
// and gives them back as parameters (key.go, query.go); the plans of envelope's type_*.go are the same for both records.
func TestTrap42OddKeys(t *testing.T) {
	for _, c := range oddKeys {
		t.Run(c.name, func(t *testing.T) {
			values := ""
			for i, k := range c.keys {
				values += fmt.Sprintf("INSERT INTO t VALUES (%s, 'v%d');", k, i)
			}
			s := newShelf(t, "CREATE TYPE mood AS ENUM ('sad', '', 'so so', 'ha\"ppy'); CREATE TABLE t (k "+c.sqlType+" PRIMARY KEY, v text);"+values,
				map[string]string{"incremental.snapshot.chunk.size": "1", "decimal.handling.mode": "string"}) // which holds NaN
			s.snapshotOf(`{"data-collections":["public.t"]}`, nil)
			var want []string
			for i := range c.keys {
				want = append(want, fmt.Sprintf("v%d", i))
			}
			s.want("rows", s.rows("t", "v"), want)
			var keys []string
			for _, r := range s.log {
				if r.topic == "t" {
					keys = append(keys, r.key)
				}
			}
			s.log = nil
			s.ended = func(r *shelved) error {
				if r.topic == "z" {
					s.stop()
				}
				return nil
			}
			s.live(func() {
				for i := range c.keys {
					s.exec(fmt.Sprintf("DELETE FROM t WHERE v = 'v%d'", i))
				}
				s.exec("CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1)")
			})
			var deleted []string
			for _, r := range s.log {
				if r.topic == "t" && r.op == "d" {
					deleted = append(deleted, r.key)
				}
			}
			s.want("keys of deletes", deleted, keys)
		})
	}
}
