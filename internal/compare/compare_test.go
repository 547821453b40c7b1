package compare

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// md5Text is the key of a row without one.
var md5Text = regexp.MustCompile(`md5=[0-9a-f]+`)

const tables = `
CREATE SCHEMA shop;
CREATE TABLE shop.items (a int, b text, price numeric(8,2), at timestamptz, note text, double_price numeric GENERATED ALWAYS AS (price * 2) STORED, PRIMARY KEY (a, b));
INSERT INTO shop.items SELECT i, 'b' || i % 3, i * 1.25, timestamptz '2025-01-01 00:00+00' + i * interval '1 second', CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'it''s, "x"' END
	FROM generate_series(1, 50) i;
CREATE TABLE shop.plain (n int, s text);
INSERT INTO shop.plain VALUES (1, 'x'), (1, 'x'), (2, NULL);
CREATE TABLE shop.empty (id int PRIMARY KEY);`

// pair makes two databases with the same rows; the target's types, column order and time zone are others.
func pair(t *testing.T) (source, target string) {
	t.Helper()
	source, target = pgtest.Database(t), pgtest.Database(t)
	exec(t, source, tables)
	exec(t, target, strings.NewReplacer(
		"a int, b text, price numeric(8,2)", "extra int, price numeric(10,2), b varchar(20), a bigint",
		", double_price numeric GENERATED ALWAYS AS (price * 2) STORED", "",
		"INTO shop.items SELECT i, 'b' || i % 3, i * 1.25", "INTO shop.items SELECT 7, i * 1.25, 'b' || i % 3, i",
	).Replace(tables))
	return source, target
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func report(t *testing.T, opts Options) (text string, equal bool) {
	t.Helper()
	found, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteTable(&b, found); err != nil {
		t.Fatal(err)
	}
	if err := WriteDiff(&b, found); err != nil {
		t.Fatal(err)
	}
	return b.String(), Equal(found)
}

func TestEqual(t *testing.T) {
	source, target := pair(t)
	text, equal := report(t, Options{Source: source, Target: target})
	if !equal {
		t.Errorf("Run = unequal, want equal\n%s", text)
	}
	const head = `table       rows in source  rows in target  equal by checksum
shop.empty  0               0               yes  d41d8cd98f00b204e9800998ecf8427e
shop.items  50              50              yes  `
	if !strings.HasPrefix(text, head) {
		t.Errorf("report = %s\nwant it to start with\n%s", text, head)
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	source, target := pair(t)
	exec(t, target, `UPDATE shop.items SET price = price + 0.01, note = NULL WHERE a = 7;
		DELETE FROM shop.items WHERE a = 9;
		INSERT INTO shop.items (a, b) VALUES (10, 'B'), (99, 'b0');
		INSERT INTO shop.plain VALUES (3, 'y')`)
	text, equal := report(t, Options{Source: source, Target: target})
	want := `table       rows in source  rows in target  equal by checksum
shop.empty  0               0               yes  d41d8cd98f00b204e9800998ecf8427e
shop.items  50              51              NO
shop.plain  3               4               NO
shop.items (a=10, b=B): only in target
shop.items (a=7, b=b1): differs
    price: source "8.75", target "8.76"
    note: source "", target NULL
shop.items (a=9, b=b0): missing in target
shop.items (a=99, b=b0): only in target
shop.plain (md5=5a99e81e5ee3c0f09c1c9a4c1c4c4c53): only in target
`
	got := md5Text.ReplaceAllString(text, "md5=…")
	if diff := cmp.Diff(md5Text.ReplaceAllString(want, "md5=…"), got); diff != "" || equal {
		t.Errorf("report, equal %v (-want +got):\n%s", equal, diff)
	}
}

func TestMissingTableAndColumn(t *testing.T) {
	source, target := pair(t)
	exec(t, target, `DROP TABLE shop.plain; ALTER TABLE shop.items DROP COLUMN at`)
	text, equal := report(t, Options{Source: source, Target: target, Tables: []string{"shop.plain", "shop.items"}})
	want := `table       rows in source  rows in target       equal by checksum
shop.items  50              0                    NO
shop.plain  3               no table shop.plain  NO
shop.items: the target has no column at
shop.plain: the target has no table shop.plain
`
	if diff := cmp.Diff(want, text); diff != "" || equal {
		t.Errorf("report, equal %v (-want +got):\n%s", equal, diff)
	}
}

func TestOtherNamesAndManyRows(t *testing.T) {
	source, target := pair(t)
	exec(t, target, `ALTER TABLE shop.items SET SCHEMA public; ALTER TABLE items RENAME TO shop_items; UPDATE shop_items SET note = 'new'`)
	text, equal := report(t, Options{Source: source, Target: target, Schemas: []string{"shop"}, Tables: []string{"shop.items"}, TargetTable: "${schema}_${table}", MaxRows: 1})
	want := `table       rows in source  rows in target  equal by checksum
shop.items  50              50              NO
shop.items (a=1, b=b1): differs
    note: source "", target "new"
shop.items: 49 more rows differ
`
	if diff := cmp.Diff(want, text); diff != "" || equal {
		t.Errorf("report, equal %v (-want +got):\n%s", equal, diff)
	}
}

func TestErrorsNameTheOperand(t *testing.T) {
	source, target := pair(t)
	for _, test := range []struct {
		opts Options
		want string
	}{
		{Options{Source: source, Target: target, Tables: []string{"shop.nothing"}}, "shop.nothing"},
		{Options{Source: source, Target: target, Schemas: []string{"nothing"}}, "no tables"},
		{Options{Source: source, Target: target, TargetTable: "${topic}"}, "${topic}"},
		{Options{Source: source, Target: "postgres://127.0.0.1:1/x"}, "connect to the target"},
	} {
		if _, err := Run(t.Context(), test.opts); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Run(%+v) = %v, want an error with %q", test.opts, err, test.want)
		}
	}
}

// Columns that a primary key's index merely includes are no part of the key, and may be null.
func TestKeyWithIncludedColumns(t *testing.T) {
	source, target := pair(t)
	for _, url := range []string{source, target} {
		exec(t, url, "CREATE TABLE shop.covered (id int, note text, PRIMARY KEY (id) INCLUDE (note)); INSERT INTO shop.covered VALUES (1, NULL), (2, 'b')")
	}
	exec(t, target, "UPDATE shop.covered SET note = 'c' WHERE id = 1")
	text, equal := report(t, Options{Source: source, Target: target, Tables: []string{"shop.covered"}})
	if equal || !strings.Contains(text, "id=1") || !strings.Contains(text, `note: source NULL, target "c"`) {
		t.Errorf("report = %s\nwant the row of id 1", text)
	}
}
