package polling

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func taskTables(configs []map[string]string) (out []string) {
	for _, c := range configs {
		out = append(out, c["tables"]+" "+c["tables.fetched"])
	}
	return out
}

func TestTaskConfigsPostgres(t *testing.T) {
	db := postgresDB(t)
	db.exec(`create schema "Other S"`)
	for _, s := range []string{"create table a (id int)", `create table "B,c" (id int)`, `create table "Other S".d (id int)`, "create view v as select 1 as id", "create materialized view mv as select 1 as id",
		"create table part (id int) partition by range (id)"} {
		db.exec(s)
	}
	name := strings.Split(strings.Split(db.url, "/")[3], "?")[0]
	for _, c := range []struct {
		props []string
		max   int
		want  []string
	}{
		{nil, 2, []string{`"Other S"."d","public"."B,c" true`, `"public"."a" true`}},
		{nil, 9, []string{`"Other S"."d" true`, `"public"."B,c" true`, `"public"."a" true`}},
		{[]string{"table.whitelist", "a,public.mv"}, 9, []string{`"public"."a" true`}},
		{[]string{"table.whitelist", `"Other S"."d"`}, 9, []string{`"Other S"."d" true`}},
		{[]string{"table.whitelist", name + ".public.a"}, 9, []string{`"public"."a" true`}},
		{[]string{"table.blacklist", "d,public.a"}, 9, []string{`"public"."B,c" true`}},
		{[]string{"schema.pattern", "pub%"}, 1, []string{`"public"."B,c","public"."a" true`}},
		{[]string{"table.types", "view,MATERIALIZED VIEW,PARTITIONED TABLE", "schema.pattern", "public"}, 1, []string{`"public"."mv","public"."part","public"."v" true`}},
		{[]string{"table.include.list", `public\..*`, "table.exclude.list", `.*\.B.*`}, 1, []string{`"public"."a" true`}},
		{[]string{"table.include.list", name + `\..*\.d`}, 1, []string{`"Other S"."d" true`}},
		{[]string{"table.whitelist", "none"}, 1, []string{" true"}},
		{[]string{"query", "select 1"}, 5, []string{" true"}},
		{[]string{"quote.sql.identifiers", "NEVER", "table.whitelist", "a"}, 1, []string{`public.a true`}},
	} {
		if diff := cmp.Diff(c.want, taskTables(db.tasks(db.props(c.props...), c.max))); diff != "" {
			t.Errorf("%q over %d tasks (-want +got)\n%s", c.props, c.max, diff)
		}
	}
	db.exec(`create table "Other S".a (id int)`)
	_, err := NewConnector(quiet).TaskConfigs(db.props(), 1)
	if err == nil || !strings.Contains(err.Error(), "has detected duplicate unqualified table names") || !strings.Contains(err.Error(), "[[Other S.a, public.a]]") {
		t.Errorf("TaskConfigs with two tables a = %v, want the original's refusal", err)
	}
}

// A database that does not answer gives a task that waits; Watch asks to divide anew when it does.
func TestUnreachable(t *testing.T) {
	c := NewConnector(quiet)
	props := map[string]string{"name": "c", "connection.url": "jdbc:postgresql://127.0.0.1:1/d?user=u&connectTimeout=1", "mode": "bulk", "topic.prefix": "t"}
	configs, err := c.TaskConfigs(props, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{" false"}, taskTables(configs)); diff != "" {
		t.Errorf("tasks (-want +got)\n%s", diff)
	}
	r := start(t, configs[0], newStore())
	r.stop(t)
	if report := c.Check(t.Context(), props); len(report.Errors) != 0 || len(report.Warnings) != 1 {
		t.Errorf("Check() = %+v, want one warning", report)
	}
}

// Watch hears of new tables.
func TestWatch(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table a (id int)")
	props := db.props("table.poll.interval.ms", "1")
	c := NewConnector(quiet)
	if _, err := c.TaskConfigs(props, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Watch(ctx, props, func() {
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	for i := range 3 {
		db.exec(fmt.Sprintf("create table t%d (id int)", i))
		select {
		case <-changed:
		case err := <-ended:
			t.Fatalf("Watch() = %v", err)
		case <-time.After(20 * time.Second):
			t.Fatalf("no change within 20 s of table %d", i)
		}
		configs, err := c.TaskConfigs(props, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(splitTables(configs[0]["tables"], '"')); got != i+2 {
			t.Errorf("%d tables, want %d", got, i+2)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch() = %v after its context ended", err)
	}
}

// A query has no tables to watch.
func TestWatchQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		props := map[string]string{"connection.url": "jdbc:sqlite:/nowhere/x.db", "mode": "bulk", "topic.prefix": "t", "query": "select 1"}
		if err := NewConnector(quiet).Watch(ctx, props, func() { t.Error("a query has changed") }); err != nil {
			t.Errorf("Watch() = %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table a (id int)")
	for _, c := range []struct {
		props []string
		want  string // in the first error
	}{
		{nil, ""},
		{[]string{"query", "select id from a -- all"}, ""},
		{[]string{"query", "select nothing from a"}, `query: The configured query is not valid: the database refuses it: ERROR: column "nothing" does not exist`},
		{[]string{"query.masked", "select secret from a"}, "query.masked: The configured query is not valid: the database refuses it"},
		{[]string{"connection.url", db.url + "&user=nobody-here"}, `connection.url: Could not connect to the database`},
	} {
		report := NewConnector(quiet).Check(t.Context(), db.props(c.props...))
		got := ""
		if len(report.Errors) > 0 {
			got = report.Errors[0].Name + ": " + report.Errors[0].Message
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "secret") {
			t.Errorf("Check(%q) = %q, want %q", c.props, got, c.want)
		}
	}
}
