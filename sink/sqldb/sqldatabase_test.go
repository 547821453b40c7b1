package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// sqlDatabase is a target that database/sql opens: its URL as the option wants it, and a pool to look.
type sqlDatabase struct {
	t    testing.TB
	jdbc string
	db   *sql.DB
}

func (d *sqlDatabase) exec(query string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(query, args...); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
}

// rows returns a query's rows, a line each, values as text parted by |.
func (d *sqlDatabase) rows(query string, args ...any) string {
	d.t.Helper()
	rows, err := d.db.Query(query, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		d.t.Fatal(err)
	}
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(any)
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			d.t.Fatalf("%s: %v", query, err)
		}
		for i, v := range values {
			if i > 0 {
				b.WriteByte('|')
			}
			switch v := (*v.(*any)).(type) {
			case nil:
				b.WriteString("NULL")
			case []byte:
				b.Write(v)
			default:
				fmt.Fprint(&b, v)
			}
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	return b.String()
}

// task makes a task with options over those of an ordinary upsert connector.
func (d *sqlDatabase) task(options ...string) *Task {
	d.t.Helper()
	return newTask(d.t, d.jdbc, options...)
}

// modelRows reads a table for testModel: expression makes the SQL that gives a column's text.
func (d *sqlDatabase) modelRows(t *testing.T, table string, columns []modelColumn, expression func(c *modelColumn) string) [][]string {
	t.Helper()
	var names []string
	for i := range columns {
		names = append(names, expression(&columns[i]))
	}
	rows, err := d.db.Query("SELECT " + strings.Join(names, ", ") + " FROM " + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out [][]string
	for rows.Next() {
		texts := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range texts {
			to[i] = &texts[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(columns))
		for i := range texts {
			if row[i] = "NULL"; texts[i].Valid {
				row[i] = columns[i].canonical(texts[i].String)
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// through puts a proxy before the server; a file has none.
func (d *sqlDatabase) through() *faultproxy.Proxy {
	if strings.HasPrefix(d.jdbc, "jdbc:sqlite:") {
		return nil
	}
	p, jdbc := proxyTo(d.t, d.jdbc)
	d.jdbc = jdbc
	return p
}

// testPositions checks what Open makes of stored positions, and who may move them. quoted is how the table of the positions is quoted.
func testPositions(t *testing.T, d *sqlDatabase, quoted string) {
	s := newSource("t", 1, field("id", int32Of()))
	first := d.task()
	open(t, first, "t")
	put(t, first, s.create(i32(1)), s.create(i32(2)))
	for _, c := range []struct {
		name   string
		change func(*sink.Assignment)
		want   string
	}{
		{"recreated", func(a *sink.Assignment) { a.TopicID = "other" }, "belongs to a topic of the same name that was deleted (id id-t, now other)"},
		{"beyond the end", func(a *sink.Assignment) { a.End = 1 }, "lies beyond the topic's end, 1"},
		{"retention", func(a *sink.Assignment) { a.Begin, a.End = 9, 10 }, "records 2 to 8 were deleted"},
	} {
		task := d.task()
		t.Cleanup(func() { closeTask(t, task) })
		a := assignment("t", 0)
		c.change(&a)
		_, err := task.Open(context.Background(), []sink.Assignment{a})
		var p *PositionError
		if !errors.As(err, &p) || isRetriable(err) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), quoted) {
			t.Errorf("%s: Open = %v, want a *PositionError with %q and what to run", c.name, err, c.want)
		}
	}
	put(t, first, s.create(i32(3))) // those who were refused have fenced nobody
	second := d.task()
	if got := open(t, second, "t"); len(got) != 1 || got[0].Offset != 3 {
		t.Errorf("Open = %v, want offset 3", got)
	}
	late := s.create(i32(4))
	var fenced *FencedError
	if err := first.Put(context.Background(), []sink.Record{late}); !errors.As(err, &fenced) || isRetriable(err) {
		t.Errorf("Put of the first task = %v, want a *FencedError", err)
	}
	put(t, second, late)
	put(t, second, late) // again: left out
	if got := d.rows("SELECT count(*) FROM t"); got != "4\n" {
		t.Errorf("rows = %s, want 4", got)
	}
	if err := ForgetPositions(context.Background(), second.config, "sinktest", []kafka.TopicPartition{{Topic: "t"}}, logger(t)); err != nil {
		t.Errorf("ForgetPositions = %v", err)
	}
	if err := second.Put(context.Background(), []sink.Record{s.create(i32(5))}); !errors.As(err, &fenced) || !fenced.Removed {
		t.Errorf("Put without position = %v, want a *FencedError that says so", err)
	}
}

// refusedAt puts a batch of which some records are refused, checks that none was applied, and puts the rest.
func refusedAt(t *testing.T, d *sqlDatabase, task *Task, batch []sink.Record, bad []int64, want ...string) {
	t.Helper()
	before := d.rows("SELECT * FROM t ORDER BY 1")
	err := task.Put(context.Background(), batch)
	var rows RowErrors
	if !errors.As(err, &rows) || isRetriable(err) || len(rows) != len(bad) {
		t.Fatalf("Put = %v, want the rows at %v refused", err, bad)
	}
	var rest []sink.Record
	for _, r := range batch {
		if !slices.Contains(bad, r.Offset) {
			rest = append(rest, r)
		}
	}
	for i, e := range rows {
		if e.Offset != bad[i] {
			t.Errorf("error %d is of offset %d, want %d", i, e.Offset, bad[i])
		}
		for _, w := range want {
			if !strings.Contains(strings.ToLower(e.Error()), w) {
				t.Errorf("error %q, want %q in it", e, w)
			}
		}
	}
	if got := d.rows("SELECT * FROM t ORDER BY 1"); got != before {
		t.Errorf("rows after a refused batch = %s, want those of before, %s", got, before)
	}
	put(t, task, rest...)
}

// testUniqueValues checks upserts into a table with a unique index besides its key: another row is never taken for the one with the key.
func testUniqueValues(t *testing.T, d *sqlDatabase) {
	d.exec("CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(20) UNIQUE, n INT)")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 1, field("id", int32Of()), field("email", nullable()), field("n", int32Of()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1), str("a"), i32(1)), s.create(i32(2), str("b"), i32(2)), s.create(i32(3), schema.NullValue, i32(3)), s.create(i32(4), schema.NullValue, i32(4)))
	refusedAt(t, d, task, []sink.Record{s.create(i32(5), str("e"), i32(5)), s.create(i32(6), str("a"), i32(6)), s.update(i32(2), str("b"), i32(20))}, []int64{5}, "unique")
	if d := cmp.Diff("1|a|1\n2|b|20\n3|NULL|3\n4|NULL|4\n5|e|5\n", d.rows("SELECT * FROM t ORDER BY id")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	// A value that wanders from row to row: no set of last states can be applied at once, but their order can.
	put(t, task, s.update(i32(1), str("tmp"), i32(1)), s.update(i32(2), str("a"), i32(2)), s.update(i32(1), str("b"), i32(1)))
	if d := cmp.Diff("1|b|1\n2|a|2\n", d.rows("SELECT * FROM t WHERE id < 3 ORDER BY id")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
}

// testKeyChanges moves rows with a column that the source does not know to free and to taken keys, alone and with the delete in another batch.
func testKeyChanges(t *testing.T, d *sqlDatabase) {
	d.exec("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), big VARCHAR(20) NOT NULL, extra INT NOT NULL DEFAULT 7)")
	task := d.task("schema.evolution", "none")
	s := newSource("t", 1, field("id", int32Of()), field("a", nullable()), field("big", stringOf()))
	open(t, task, s.topic)
	put(t, task, s.create(i32(1), str("x"), str("one")), s.create(i32(2), str("x"), str("two")), s.create(i32(3), str("x"), str("three")))
	row := func(id int, a string, big schema.Value) []schema.Value { return []schema.Value{i32(id), str(a), big} }
	put(t, task, s.rekey(row(1, "x", str("one")), row(10, "y", unavailable()))...) // in one batch
	half := s.rekey(row(2, "x", str("two")), row(20, "y", unavailable()))
	put(t, task, half[:2]...)
	put(t, task, half[2:]...)
	put(t, task, s.rekey(row(3, "x", str("three")), row(20, "z", unavailable()))...) // onto a row that is there
	if d := cmp.Diff("10|y|one|7\n20|z|three|7\n", d.rows("SELECT * FROM t ORDER BY id")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	put(t, task, s.update(i32(10), str("w"), unavailable()), s.update(i32(10), schema.NullValue, unavailable()))
	if d := cmp.Diff("10|NULL|one|7\n", d.rows("SELECT * FROM t WHERE id = 10")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
	refusedAt(t, d, task, []sink.Record{s.update(i32(99), str("w"), unavailable())}, []int64{s.next - 1}) // big may not be null, and nobody knows it
}

// testModes checks insert.mode=insert and update, truncates, columns that the record does not have, and a key of two columns.
func testModes(t *testing.T, d *sqlDatabase) {
	ctx := context.Background()
	d.exec("CREATE TABLE t (k INT NOT NULL, l VARCHAR(10) NOT NULL, v INT, other INT DEFAULT 5, PRIMARY KEY (k, l))")
	s := newSource("t", 2, field("k", int32Of()), field("l", stringOf()), field("v", int32Of()))
	task := d.task("schema.evolution", "none", "truncate.enabled", "true")
	open(t, task, s.topic)
	put(t, task, s.create(i32(1), str("a"), i32(1)), s.create(i32(1), str("b"), i32(2)), s.create(i32(2), str("a"), i32(3)))
	d.exec("UPDATE t SET other = 6")
	put(t, task, concat(s.update(i32(1), str("a"), i32(10)), s.remove(i32(1), str("b"), i32(0)), s.remove(i32(3), str("b"), i32(0)))...)
	if d := cmp.Diff("1|a|10|6\n2|a|3|6\n", d.rows("SELECT * FROM t ORDER BY k, l")); d != "" {
		t.Errorf("upserts and deletes: (-want +got)\n%s", d)
	}
	put(t, task, s.create(i32(7), str("x"), i32(1)), s.change("t", nil, nil), s.create(i32(8), str("x"), i32(1)))
	if d := cmp.Diff("8|x|1|5\n", d.rows("SELECT * FROM t ORDER BY k, l")); d != "" {
		t.Errorf("truncate: (-want +got)\n%s", d)
	}
	update := d.task("schema.evolution", "none", "insert.mode", "update")
	open(t, update, s.topic)
	put(t, update, s.update(i32(8), str("x"), i32(2)), s.update(i32(9), str("x"), i32(2)))
	if d := cmp.Diff("8|x|2|5\n", d.rows("SELECT * FROM t ORDER BY k, l")); d != "" {
		t.Errorf("insert.mode=update: (-want +got)\n%s", d)
	}
	insert := d.task("schema.evolution", "none", "insert.mode", "insert")
	open(t, insert, s.topic)
	put(t, insert, s.create(i32(9), str("x"), i32(9)))
	err := insert.Put(ctx, []sink.Record{s.create(i32(8), str("x"), i32(3)), s.create(i32(10), str("x"), i32(3))})
	var rows RowErrors
	if !errors.As(err, &rows) || len(rows) != 1 || rows[0].Offset != s.next-2 {
		t.Errorf("insert of a row that is there = %v, want that row refused", err)
	}
	if d := cmp.Diff("8|x|2|5\n9|x|9|5\n", d.rows("SELECT * FROM t ORDER BY k, l")); d != "" {
		t.Errorf("insert.mode=insert: (-want +got)\n%s", d)
	}
}

// testEvolution creates a table whose key is a text, adds columns, and keeps keys apart that look alike.
func testEvolution(t *testing.T, d *sqlDatabase) {
	s := newSource("names", 1, field("name", stringOf()), field("n", int32Of()))
	task := d.task()
	open(t, task, s.topic)
	put(t, task, s.create(str("a"), i32(1)), s.create(str("A"), i32(2)), s.create(str("a "), i32(3)), s.create(str("ä"), i32(4)), s.create(str(strings.Repeat("漢", 700)), i32(5)))
	n := typed(schema.Int32, "")
	seven := i32(7)
	n.Default = &seven
	s.alter(1, field("name", stringOf()), field("n", int32Of()), field("later", nullable()), field("counted", n), field("price", optional(decimalSchema("10", "2"))))
	put(t, task, s.update(str("A"), i32(20), str("later"), i32(8), decimalOf(150)))
	put(t, task, s.remove(str("a"), i32(0), str(""), i32(0), decimalOf(0))...)
	want := "3|NULL|7|NULL\n4|NULL|7|NULL\n5|NULL|7|NULL\n20|later|8|1.5\n"
	if d := cmp.Diff(want, strings.ReplaceAll(d.rows("SELECT n, later, counted, price FROM names ORDER BY n"), "1.50", "1.5")); d != "" {
		t.Errorf("rows: (-want +got)\n%s", d)
	}
}

// openShop makes the tables of a shop, whose foreign keys are checked.
func (d *sqlDatabase) openShop() *sqlDatabase {
	d.exec("CREATE TABLE teams (id bigint PRIMARY KEY)")
	d.exec("CREATE TABLE people (id bigint PRIMARY KEY, team bigint NOT NULL REFERENCES teams (id), boss bigint REFERENCES people (id), nick varchar(100) NOT NULL UNIQUE)")
	d.exec("CREATE TABLE badges (id bigint PRIMARY KEY, person bigint NOT NULL REFERENCES people (id))")
	return d
}

func (d *sqlDatabase) shopState() string {
	return d.rows("SELECT 'team', id FROM teams ORDER BY id") + d.rows("SELECT 'person', id, team, coalesce(boss, 0), nick FROM people ORDER BY id") +
		d.rows("SELECT 'badge', id, person FROM badges ORDER BY id")
}

func (d *sqlDatabase) transactionTask(options ...string) *Task {
	return d.task(append([]string{"consistency", "transaction", "tasks.max", "1", "topics", "p.transaction,p.s.teams,p.s.people,p.s.badges", "truncate.enabled", "true",
		"collection.name.format", "${source.table}", "batch.size", "3"}, options...)...)
}

// wkbSeed is POINT(1 2.5), and with an SRID as PostGIS writes it.
func wkbSeed(srid uint32) []byte {
	b := []byte{1}
	if srid == 0 {
		b = binary.LittleEndian.AppendUint32(b, 1)
	} else {
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 0x20000001), srid)
	}
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(1))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(2.5))
}
