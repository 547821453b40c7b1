package replay

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// TestStandIn: the stand-in for pgvector prints what pgvector does; the texts on the right are its own.
func TestStandIn(t *testing.T) {
	conn := withVector(t, `CREATE SCHEMA "odd One"; CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA "odd One" CASCADE;
		CREATE EXTENSION IF NOT EXISTS vector;
		SET search_path = "odd One"; CREATE TABLE t (id int, v vector(2) DEFAULT '[1, 2]', h halfvec(2) DEFAULT '[0.1,1]', s sparsevec(3) DEFAULT '{2:1}/3');`)
	for _, test := range []struct{ expression, want string }{
		{"'[1,2.5,-3]'::vector", "[1,2.5,-3]"},
		{"' [ 1 , 2.50,3e0 ] '::vector", "[1,2.5,3]"},
		{"'[123456.789,1e7,123456789,0,-0]'::vector", "[123456.79,1e+07,1.2345679e+08,0,-0]"},
		{"'[1e-10,3.4028235e38]'::vector", "[1e-10,3.4028235e+38]"},
		{"'[1,0.1,-65504]'::halfvec", "[1,0.099975586,-65504]"},
		{"'[6.1e-5,1e-7,0.333,-0,1024.5]'::halfvec", "[6.097555e-05,1.1920929e-07,0.3330078,-0,1024]"},
		{"'[0.00006103515625,2048.5,65519]'::halfvec", "[6.1035156e-05,2048,65504]"},
		{"'{40000:1, 1:2.0,7:0}/70000'::sparsevec", "{1:2,40000:1}/70000"},
		{"'{}/3'::sparsevec", "{}/3"},
		{"ARRAY['[1,2]'::vector,'[3]']", `{"[1,2]",[3]}`},
		{"ARRAY[1,2.5]::vector", "[1,2.5]"},
		{"ARRAY[1,0,2]::real[]::vector::sparsevec", "{1:1,3:2}/3"},
		{"'{3:2}/4'::sparsevec::vector", "[0,0,2,0]"},
		{"'[0.1]'::vector::halfvec::vector", "[0.099975586]"},
		{"'[1,2]'::text::vector", "[1,2]"},
		{"(SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1)", "vector(2) halfvec(2) sparsevec(3)"},
		{"(SELECT string_agg(pg_get_expr(adbin, adrelid), ' ' ORDER BY adnum) FROM pg_attrdef WHERE adrelid = 't'::regclass)",
			"'[1,2]'::vector '[0.099975586,1]'::halfvec '{2:1}/3'::sparsevec"},
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT ("+test.expression+")::text").Scan(&got); err != nil {
			t.Errorf("%s: %v", test.expression, err)
		} else if got != test.want {
			t.Errorf("%s = %s, want %s", test.expression, got, test.want)
		}
	}
	for _, refused := range []string{"'[1,2,3]'::vector(2)", "'[1]'::halfvec(2)", "'{}/4'::sparsevec(3)", "'x'::vector", "'[1,x]'::halfvec"} {
		if _, err := conn.Exec(t.Context(), "SELECT "+refused); err == nil {
			t.Errorf("%s is taken, want an error", refused)
		}
	}
}

// withVector runs the text of a case in a fresh database and connects to it.
func withVector(t *testing.T, text string) *pgx.Conn {
	t.Helper()
	url := pgtest.Database(t)
	s, err := openSession(t.Context(), url, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.run(t.Context(), "setup.sql", 1, text); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `SET search_path = "odd One"`); err != nil {
		t.Fatal(err)
	}
	return conn
}
