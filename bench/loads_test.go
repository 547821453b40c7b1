package main

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

func TestLoadsWriteWhatTheySay(t *testing.T) {
	for _, l := range []load{bikeStore(250), wideRows(150, 100), narrowRows(1500), jsonRows(120), hugeTransaction(300), manyTables(3, 20)} {
		t.Run(l.name, func(t *testing.T) {
			conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if err := run(t.Context(), conn, append([]string{"CREATE SCHEMA " + loadSchema, l.ddl}, l.write...)...); err != nil {
				t.Fatal(err)
			}
			for _, table := range l.tables {
				var rows int
				if err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM %s.%s", loadSchema, table.name)).Scan(&rows); err != nil {
					t.Fatal(err)
				}
				if rows != table.rows || table.changes < rows {
					t.Errorf("table %s has %d rows and %d changes, want %d rows", table.name, rows, table.changes, table.rows)
				}
			}
		})
	}
}

func TestLastRowsOfTheShopAreThoseThatAreWaitedFor(t *testing.T) {
	l := bikeStore(120)
	conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := run(t.Context(), conn, "CREATE SCHEMA "+loadSchema, l.ddl); err != nil {
		t.Fatal(err)
	}
	var some, all bool
	look := func() {
		t.Helper()
		if err := conn.QueryRow(t.Context(), someRow).Scan(&some); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), allRows, l.tables[0].rows).Scan(&all); err != nil {
			t.Fatal(err)
		}
	}
	if look(); some || all {
		t.Errorf("empty tables have some rows %t and all %t, want neither", some, all)
	}
	if err := run(t.Context(), conn, "CALL store.write(100, 100)"); err != nil {
		t.Fatal(err)
	}
	if look(); !some || all {
		t.Errorf("100 of 120 customers: some rows %t and all %t, want only some", some, all)
	}
	if err := run(t.Context(), conn, "TRUNCATE store.customers, store.orders, store.order_items", l.write[0]); err != nil {
		t.Fatal(err)
	}
	if look(); !some || !all {
		t.Errorf("all customers: some rows %t and all %t, want both", some, all)
	}
	var present int
	if err := conn.QueryRow(t.Context(), presentRows).Scan(&present); err != nil || present != l.rows() {
		t.Errorf("%d rows are present (%v), want %d", present, err, l.rows())
	}
}
