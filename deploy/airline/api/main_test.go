package main

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

func TestAPI(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `CREATE TABLE "Inventory" (time bigint, flight text, departure bigint, flight_booking_class text, idle_seats_count int);
		INSERT INTO "Inventory" VALUES (1, 'B', 10, 'Y', 3), (2, 'A', 10, 'F', 0), (3, 'A', 20, 'Y', 7)`); err != nil {
		t.Fatal(err)
	}
	const a10, a20, b10 = `{"time":2,"flight":"A","departure":10,"flight_booking_class":"F","idle_seats_count":0}`,
		`{"time":3,"flight":"A","departure":20,"flight_booking_class":"Y","idle_seats_count":7}`,
		`{"time":1,"flight":"B","departure":10,"flight_booking_class":"Y","idle_seats_count":3}`
	list := func(rows ...string) string { return "[" + strings.Join(rows, ",") + "]\n" }
	h := newHandler(pool, "Inventory")
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	for _, test := range []struct {
		path string
		code int
		want string
	}{
		{"/api/v1/inventories", 200, list(a10, a20, b10)},
		{"/api/v1/inventories/", 200, list(a10, a20, b10)},
		{"/api/v1/inventories?per_page=2", 200, list(a10, a20)},
		{"/api/v1/inventories?per_page=2&page=2", 200, list(b10)},
		{"/api/v1/inventories?page=9", 200, list()},
		{"/api/v1/inventories?page=0", 400, "page=0: want a number from 1 to 2147483648\n"},
		{"/api/v1/inventories?per_page=101", 400, "per_page=101: want a number from 1 to 100\n"},
		{"/api/v1/inventories/search/?flight=A", 200, list(a10, a20)},
		{"/api/v1/inventories/search?departure=10&flight_booking_class=Y", 200, list(b10)},
		{"/api/v1/inventories/search?flight=" + url.QueryEscape("' OR true --"), 200, list()},
		{"/api/v1/inventories/search?departure=soon", 400, "departure=soon: want milliseconds since 1970\n"},
	} {
		if code, got := get("GET", test.path); code != test.code || got != test.want {
			t.Errorf("GET %s = %d %s, want %d %s", test.path, code, got, test.code, test.want)
		}
	}
	if code, _ := get("POST", "/api/v1/inventories"); code != 405 {
		t.Errorf("POST = %d, want 405: it is to be read only", code)
	}
}
