package polling

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModesPostgres(t *testing.T) { checkModes(t, postgresDB) }
func TestModesSQLite(t *testing.T)   { checkModes(t, sqliteDB) }

// ids are the values of a field of records.
func ids(records []record, name string) []int64 {
	var out []int64
	for _, r := range records {
		out = append(out, r.value.Struct().Field(name).Int())
	}
	return out
}

// checkModes: what each mode finds, poll by poll, and what it stores.
func checkModes(t *testing.T, open func(t *testing.T) *testDB) {
	db := open(t)
	db.exec("create table item (id integer primary key, v varchar(10), at timestamp not null)")
	insert := func(id int, v, at string) {
		db.exec(fmt.Sprintf("insert into item (id, v, at) values (%d, '%s', '%s')", id, v, at))
	}
	insert(1, "a", "2024-01-01 00:00:01")
	insert(2, "b", "2024-01-01 00:00:02")
	insert(3, "c", "2024-01-01 00:00:02")
	type step struct {
		do      string
		want    []int64
		offsets string // of the partition, when all is acknowledged
	}
	cases := []struct {
		name  string
		props []string
		steps []step
	}{
		{"bulk", nil, []step{{"", []int64{1, 2, 3}, ""}, {"", []int64{1, 2, 3}, ""}}},
		{"incrementing", []string{"mode", "incrementing", "incrementing.column.name", "id"}, []step{
			{"", []int64{1, 2, 3}, `{"incrementing":3}`},
			{"", nil, `{"incrementing":3}`},
			{"insert into item (id, v, at) values (5, 'e', '2023-01-01 00:00:00')", []int64{5}, `{"incrementing":5}`},
			{"insert into item (id, v, at) values (4, 'late', '2024-01-01 00:00:03')", nil, `{"incrementing":5}`}}},
		{"timestamp", []string{"mode", "timestamp", "timestamp.column.name", "at"}, []step{
			{"", []int64{1, 2, 3}, `{"timestamp_nanos":0,"timestamp":1704067202000}`},
			{"update item set v = 'b2', at = '2024-01-01 00:00:03' where id = 2", []int64{2}, `{"timestamp_nanos":0,"timestamp":1704067203000}`},
			{"insert into item (id, v, at) values (6, 'f', '2037-01-01 00:00:00')", nil, `{"timestamp_nanos":0,"timestamp":1704067203000}`}}},
		{"timestamp+incrementing", []string{"mode", "timestamp+incrementing", "timestamp.column.name", "at", "incrementing.column.name", "id"}, []step{
			{"", []int64{1, 2, 3}, `{"timestamp_nanos":0,"incrementing":3,"timestamp":1704067202000}`},
			{"insert into item (id, v, at) values (4, 'd', '2024-01-01 00:00:02')", []int64{4}, `{"timestamp_nanos":0,"incrementing":4,"timestamp":1704067202000}`},
			{"update item set at = '2024-01-01 00:00:04' where id = 1", []int64{1}, `{"timestamp_nanos":0,"incrementing":1,"timestamp":1704067204000}`}}},
		{"initial", []string{"mode", "timestamp", "timestamp.column.name", "at", "timestamp.initial", "1704067201000"}, []step{
			{"", []int64{2, 3}, `{"timestamp_nanos":0,"timestamp":1704067202000}`}}},
		{"now", []string{"mode", "timestamp", "timestamp.column.name", "at", "timestamp.initial", "-1"}, []step{{"", nil, ""}}},
		{"query", []string{"query", "select * from (select id, at, v from item where v <> 'b') x;", "mode", "incrementing", "incrementing.column.name", "id"}, []step{
			{"", []int64{1, 3}, `{"incrementing":3}`}}},
		{"suffix", []string{"mode", "incrementing", "incrementing.column.name", "id", "query.suffix", "LIMIT 2"}, []step{
			{"", []int64{1, 2}, `{"incrementing":2}`}, {"", []int64{3}, `{"incrementing":3}`}}},
		{"delay", []string{"mode", "timestamp", "timestamp.column.name", "at", "timestamp.delay.interval.ms", "3155760000000"}, []step{{"", nil, ""}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			db.exec("delete from item where id > 3")
			db.exec("update item set v = 'b', at = '2024-01-01 00:00:02' where id = 2")
			db.exec("update item set at = '2024-01-01 00:00:01' where id = 1")
			props := db.one(c.props...)
			offsets := newStore()
			r := start(t, props, offsets)
			seen := 0
			for i, s := range c.steps {
				if s.do != "" {
					db.exec(s.do)
				}
				if i == 0 {
					r.polled(t)
				} else {
					r.more(t)
				}
				all := r.out.all()
				got := ids(all[seen:], "id")
				if !strings.Contains(c.name, "incrementing") {
					slices.Sort(got) // rows of one time have no order
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d: ids (-want +got)\n%s", i, diff)
				}
				seen = len(all)
				offsets.commit(r.Task, uint64(seen))
				stored := ""
				for _, text := range offsets.offsets {
					stored = text
				}
				if stored != s.offsets {
					t.Errorf("step %d: offset = %s, want %s", i, stored, s.offsets)
				}
			}
			r.stop(t)
		})
	}
}

func TestRestartsPostgres(t *testing.T) { checkRestarts(t, postgresDB) }
func TestRestartsSQLite(t *testing.T)   { checkRestarts(t, sqliteDB) }

// checkRestarts: rows come in transactions of random sizes with few different times, tasks are stopped and started anew at random, from the
// offset behind a random number of records; every row is read in the end, none twice that was acknowledged, and later versions after earlier.
func checkRestarts(t *testing.T, open func(t *testing.T) *testDB) {
	for _, mode := range []Mode{Incrementing, Timestamp, TimestampIncrementing} {
		t.Run(string(mode), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(7, uint64(len(mode))))
			db := open(t)
			db.exec("create table row_ (id integer primary key, at timestamp not null)")
			props := db.one("mode", string(mode), "incrementing.column.name", "id", "timestamp.column.name", "at", "batch.max.rows", "3", "table.whitelist", "row_")
			offsets := newStore()
			written, read := 0, make(map[int64]int)
			second := 1
			for round := range 25 {
				var values []string
				for range rnd.IntN(12) {
					written++
					if rnd.IntN(3) == 0 {
						second++
					}
					values = append(values, fmt.Sprintf("(%d, '2024-01-01 %02d:%02d:%02d')", written, second/3600, second/60%60, second%60))
				}
				if len(values) > 0 {
					db.exec("insert into row_ (id, at) values " + strings.Join(values, ", "))
				}
				second++ // a transaction has times of its own: what commits later has later ones
				stopAt := 1 + rnd.IntN(14)
				r := startWith(t, props, offsets, func(r *run, n int) {
					if n == stopAt {
						r.cancel()
					}
				})
				select {
				case <-r.idle:
				case err := <-r.ended:
					r.ended <- err
				}
				r.cancel()
				if err := <-r.ended; err != nil {
					t.Fatal(err)
				}
				all := ids(r.out.all(), "id")
				if mode != Timestamp && !slices.IsSorted(all) { // rows of one time have no order
					t.Fatalf("round %d: ids %v are not in order", round, all)
				}
				acked := rnd.IntN(len(all) + 1)
				for _, id := range all[:acked] { // what is behind is lost with the worker
					read[id]++
				}
				offsets.commit(r.Task, uint64(acked))
			}
			r := start(t, props, offsets)
			r.polled(t)
			for _, id := range ids(r.out.all(), "id") {
				read[id]++
			}
			r.stop(t)
			var missing []int64
			twice := 0
			for id := int64(1); id <= int64(written); id++ {
				if read[id] == 0 {
					missing = append(missing, id)
				} else if read[id] > 1 {
					twice++
				}
			}
			if missing != nil {
				t.Errorf("%d of %d rows were not read: %v", len(missing), written, missing)
			}
			if mode != Timestamp && twice > 0 {
				t.Errorf("%d rows were read twice though they were acknowledged", twice)
			}
			if extra := len(slices.Collect(maps.Keys(read))); extra != written {
				t.Errorf("%d different rows were read, want %d", extra, written)
			}
		})
	}
}
