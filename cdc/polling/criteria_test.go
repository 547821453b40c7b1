package polling

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func question(int) string { return "?" }
func dollar(n int) string { return fmt.Sprintf("$%d", n) }

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		criteria   criteria
		suffix     string
		want       string
		parameters []parameter
	}{
		{criteria{}, "", "SELECT * FROM t", nil},
		{criteria{}, "LIMIT 5", "SELECT * FROM t LIMIT 5", nil},
		{criteria{id: `"t"."id"`}, "", `SELECT * FROM t WHERE "t"."id" > $1 ORDER BY "t"."id" ASC`, []parameter{idParameter}},
		{criteria{times: []string{"at"}}, "LIMIT 5", `SELECT * FROM t WHERE at > $1 AND at < $2 ORDER BY at ASC LIMIT 5`, []parameter{sinceParameter, untilParameter}},
		{criteria{times: []string{"a", "b"}}, "", `SELECT * FROM t WHERE COALESCE(a,b) > $1 AND COALESCE(a,b) < $2 ORDER BY COALESCE(a,b) ASC`, []parameter{sinceParameter, untilParameter}},
		{criteria{id: "id", times: []string{"at"}}, "", `SELECT * FROM t WHERE at < $1 AND ((at = $2 AND id > $3) OR at > $4) ORDER BY at,id ASC`, []parameter{untilParameter, sinceParameter, idParameter, sinceParameter}},
	} {
		at := ""
		if len(c.criteria.times) > 0 {
			at = c.criteria.time()
		}
		got := c.criteria.selecting("SELECT * FROM t", at, c.suffix, dollar)
		if got.text != c.want {
			t.Errorf("selecting(%+v) = %s, want %s", c.criteria, got.text, c.want)
		}
		if diff := gocmp.Diff(c.parameters, got.parameters); diff != "" {
			t.Errorf("parameters of %s (-want +got)\n%s", got.text, diff)
		}
		plain := c.criteria.selecting("SELECT * FROM t", at, c.suffix, question)
		if n := strings.Count(plain.text, "?"); n != len(plain.parameters) {
			t.Errorf("%s has %d placeholders for %d parameters", plain.text, n, len(plain.parameters))
		}
	}
}

// What a statement finds is what a model finds: rows behind the last one, in order, from any point on.
func TestStatementsAgainstModel(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table row_ (id integer primary key, a timestamp, b timestamp)")
	type line struct{ id, a, b int } // seconds, 0 for none
	rnd := rand.New(rand.NewPCG(3, 4))
	var lines []line
	text := func(second int) string {
		if second == 0 {
			return "NULL"
		}
		return fmt.Sprintf("'2024-01-01 00:00:%02d'", second)
	}
	for id := 1; id <= 60; id++ {
		l := line{id, rnd.IntN(9), rnd.IntN(9)}
		lines = append(lines, l)
		db.exec(fmt.Sprintf("insert into row_ values (%d, %s, %s)", l.id, text(l.a), text(l.b)))
	}
	time := func(l line) int { return cmp.Or(l.a, l.b) }
	const base = 1704067200
	for range 60 {
		second, id := rnd.IntN(10), rnd.IntN(62)
		for _, mode := range []Mode{Incrementing, Timestamp, TimestampIncrementing} {
			var want []int64
			sorted := slices.Clone(lines)
			if mode.usesTime() {
				slices.SortStableFunc(sorted, func(x, y line) int { return cmp.Or(cmp.Compare(time(x), time(y)), cmp.Compare(x.id, y.id)) })
			}
			for _, l := range sorted {
				behind := l.id > id
				switch mode {
				case Timestamp:
					behind = time(l) > second
				case TimestampIncrementing:
					behind = time(l) > 0 && (time(l) > second || time(l) == second && l.id > id)
				}
				if behind && (!mode.usesTime() || time(l) > 0) {
					want = append(want, int64(l.id))
				}
			}
			offsets := newStore()
			offsets.offsets[`{"protocol":"1","table":"row_"}`] = fmt.Sprintf(`{"incrementing":%d,"timestamp":%d000}`, id, base+second)
			r := start(t, db.one("mode", string(mode), "incrementing.column.name", "id", "timestamp.column.name", "a,b", "validate.non.null", "false"), offsets)
			r.polled(t)
			r.stop(t)
			got := ids(r.out.all(), "id")
			if mode == Timestamp { // rows of one time have no order
				slices.Sort(got)
				slices.Sort(want)
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("mode %s behind second %d, id %d (-want +got)\n%s", mode, second, id, diff)
			}
		}
	}
}

func TestUnescapeMarks(t *testing.T) {
	for query, want := range map[string]string{
		"select 1": "select 1", "select j ?? 'a' from t": "select j ? 'a' from t", "select '??', \"a??\", j ??| x": "select '??', \"a??\", j ?| x",
		"select $$??$$ ?? $x$??$x$": "select $$??$$ ? $x$??$x$", "-- ??\nselect a ?? b /* ?? */": "-- ??\nselect a ? b /* ?? */", "'??": "'??", "select a ???? b": "select a ?? b",
	} {
		if got := unescapeMarks(query); got != want {
			t.Errorf("unescapeMarks(%q) = %q, want %q", query, got, want)
		}
	}
}

func TestTableIDs(t *testing.T) {
	for text, want := range map[string]tableID{
		`t`: {table: "t"}, `s.t`: {schema: "s", table: "t"}, `"s.x"."t""u"`: {schema: "s.x", table: `t"u`}, `c.s.t`: {catalog: "c", schema: "s", table: "t"}, `"s".t`: {schema: "s", table: "t"},
	} {
		if got, err := parseTableID(text, '"', false); err != nil || got != want {
			t.Errorf("parseTableID(%s) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	if got, err := parseTableID("`d`.`t`", '`', true); err != nil || got != (tableID{catalog: "d", table: "t"}) {
		t.Errorf("parseTableID of MySQL = %+v, %v", got, err)
	}
	for _, text := range []string{"", ".", "a.", `"a`, `"a"b`, "a.b.c.d", `""`} {
		if got, err := parseTableID(text, '"', false); err == nil {
			t.Errorf("parseTableID(%q) = %+v, want an error", text, got)
		}
	}
	if diff := gocmp.Diff([]string{`"a,b"."c"`, `d`}, splitTables(`"a,b"."c", d`, '"')); diff != "" {
		t.Errorf("splitTables (-want +got)\n%s", diff)
	}
}

func FuzzTableID(f *testing.F) {
	f.Add("a", "b", "c")
	f.Add("", `x"y.,z`, `""`)
	f.Fuzz(func(t *testing.T, catalog, schema, table string) {
		if table == "" || schema == "" && catalog != "" {
			return
		}
		id := tableID{catalog, schema, table}
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		all := splitTables(id.quoted(quote)+","+id.quoted(quote), '"')
		if len(all) != 2 {
			t.Fatalf("splitTables of two %q = %q", id.quoted(quote), all)
		}
		if got, err := parseTableID(all[1], '"', false); err != nil || got != id {
			t.Errorf("parseTableID(%s) = %+v, %v, want %+v", all[1], got, err, id)
		}
	})
}

// As Kafka's ConnectorUtils.groupPartitions.
func TestGroup(t *testing.T) {
	var tables []tableID
	for i := range 7 {
		tables = append(tables, tableID{table: fmt.Sprint(i)})
	}
	for n, want := range map[int]string{1: "[[0 1 2 3 4 5 6]]", 2: "[[0 1 2 3] [4 5 6]]", 3: "[[0 1 2] [3 4] [5 6]]", 7: "[[0] [1] [2] [3] [4] [5] [6]]", 9: "[[0] [1] [2] [3] [4] [5] [6]]"} {
		if got := fmt.Sprint(group(tables, n)); got != want {
			t.Errorf("group(7 tables, %d) = %s, want %s", n, got, want)
		}
	}
}
