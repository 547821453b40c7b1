package main

import (
	"fmt"
	"strings"
)

// bikeStoreDDL are four tables of the bike shop, and a procedure that writes n customers with an order of two items each, and then updates the
// order: five changes a customer, in transactions of 100 customers.
const bikeStoreDDL = `
CREATE TABLE store.customers (customer_id int PRIMARY KEY, first_name varchar(255) NOT NULL, last_name varchar(255) NOT NULL, phone varchar(25),
	email varchar(255) NOT NULL, street varchar(255), city varchar(50), state varchar(25), zip_code varchar(5));
CREATE TABLE store.orders (order_id int PRIMARY KEY, customer_id int, order_status smallint NOT NULL, order_date date NOT NULL, required_date date NOT NULL,
	shipped_date date, store_id int NOT NULL, staff_id int NOT NULL, updated_at timestamptz);
CREATE TABLE store.order_items (order_id int, item_id int, product_id int NOT NULL, quantity int NOT NULL, list_price decimal(10,2) NOT NULL,
	discount decimal(4,2) NOT NULL DEFAULT 0, PRIMARY KEY (order_id, item_id));
CREATE PROCEDURE store.write(n int, batch int) LANGUAGE plpgsql AS $$
DECLARE
	i int := 1;
	j int;
BEGIN
	WHILE i <= n LOOP
		j := least(n, i + batch - 1);
		INSERT INTO store.customers SELECT g, 'First'||g, 'Lastname'||g, CASE WHEN g%3 = 0 THEN NULL ELSE '(555) 555-'||lpad((g%10000)::text, 4, '0') END,
			'user'||g||'@example.com', g||' Long Winding Street Apt '||(g%90), 'Springfield', 'NY', lpad((g%99999)::text, 5, '0') FROM generate_series(i, j) g;
		INSERT INTO store.orders SELECT g, g, 1+g%4, date '2024-01-01'+(g%365), date '2024-01-05'+(g%365), NULL, 1+g%3, 1+g%10,
			timestamptz '2024-01-01 00:00:00+00' + g*interval '1.234567 s' FROM generate_series(i, j) g;
		INSERT INTO store.order_items SELECT g, k, 1+g%300, 1+k%2, (100+g%5000)+0.99, 0.05*(k%4) FROM generate_series(i, j) g, generate_series(1, 2) k;
		UPDATE store.orders SET order_status = 4, shipped_date = order_date+2, updated_at = updated_at + interval '1 day' WHERE order_id BETWEEN i AND j;
		COMMIT;
		i := j + 1;
	END LOOP;
END $$`

// bikeStore is the mix of a shop.
func bikeStore(customers int) load {
	return load{
		name:  "bike-store",
		about: fmt.Sprintf("%s customers of nine columns of text, an order of dates and a timestamp for each, two items with numerics, then an update of the order; 500 changes a transaction", grouped(int64(customers))),
		ddl:   bikeStoreDDL,
		write: []string{fmt.Sprintf("CALL store.write(%d, 100)", customers)},
		tables: []table{{"customers", customers, customers}, {"orders", 2 * customers, customers},
			{"order_items", 2 * customers, 2 * customers}},
	}
}

// batches is a statement that runs an INSERT in transactions of size rows; the statement has first and last as $1 and $2.
func batches(rows, size int, insert string) string {
	return fmt.Sprintf(`DO $do$
DECLARE
	i int := 1;
BEGIN
	WHILE i <= %d LOOP
		EXECUTE $sql$%s$sql$ USING i, least(%[1]d, i + %[3]d - 1);
		COMMIT;
		i := i + %[3]d;
	END LOOP;
END $do$`, rows, insert, size)
}

// wideColumns are the types that columns of wide rows have in turn, and a value of each for row g.
var wideColumns = []struct{ sql, value string }{
	{"int", "g"},
	{"varchar(40)", "'some text of row '||g"},
	{"numeric(12,2)", "g + 0.25"},
	{"timestamptz", "timestamptz '2024-01-01 00:00:00+00' + g*interval '1 s'"},
	{"boolean", "g%2 = 0"},
	{"double precision", "g/7.0"},
	{"date", "date '2024-01-01' + g%365"},
	{"bigint", "g*1000000007::bigint"},
	{"text", "CASE WHEN g%4 = 0 THEN NULL ELSE 'another text '||g END"},
}

// wideRows are rows of many columns of several types.
func wideRows(rows, columns int) load {
	ddl, values := []string{"id int PRIMARY KEY"}, []string{"g"}
	for i := range columns - 1 {
		c := wideColumns[i%len(wideColumns)]
		ddl = append(ddl, fmt.Sprintf("c%d %s", i+1, c.sql))
		values = append(values, c.value)
	}
	return load{
		name:   fmt.Sprintf("wide rows, %d columns", columns),
		about:  "inserts of rows of nine types in turn; 100 a transaction",
		ddl:    "CREATE TABLE store.wide (" + strings.Join(ddl, ", ") + ")",
		write:  []string{batches(rows, 100, "INSERT INTO store.wide SELECT "+strings.Join(values, ", ")+" FROM generate_series($1, $2) g")},
		tables: []table{{"wide", rows, rows}},
	}
}

// narrowRows are rows of two numbers.
func narrowRows(rows int) load {
	return load{
		name:   "narrow rows",
		about:  "inserts of a key and a number; 1,000 a transaction",
		ddl:    "CREATE TABLE store.narrow (id int PRIMARY KEY, n int NOT NULL)",
		write:  []string{batches(rows, 1000, "INSERT INTO store.narrow SELECT g, g%1000 FROM generate_series($1, $2) g")},
		tables: []table{{"narrow", rows, rows}},
	}
}

// jsonRows are rows with a document of about 1 KB.
func jsonRows(rows int) load {
	return load{
		name:  "JSON documents",
		about: "inserts of a key and a jsonb of about 1 KB; 100 a transaction",
		ddl:   "CREATE TABLE store.documents (id int PRIMARY KEY, body jsonb NOT NULL)",
		write: []string{batches(rows, 100, `INSERT INTO store.documents SELECT g, jsonb_build_object('id', g, 'kind', 'order', 'at', '2024-01-01T00:00:00Z', 'tags', jsonb_build_array('a', 'b', 'c'),
			'items', (SELECT jsonb_agg(jsonb_build_object('sku', 'sku-'||(g+k), 'name', 'a bicycle with a "quoted" name', 'price', 99.99+k, 'count', k)) FROM generate_series(1, 9) k))
			FROM generate_series($1, $2) g`)},
		tables: []table{{"documents", rows, rows}},
	}
}

// hugeTransaction is one transaction.
func hugeTransaction(rows int) load {
	return load{
		name:   "one transaction",
		about:  fmt.Sprintf("%s inserts of a key, a number, a short text and a timestamp, committed at once", grouped(int64(rows))),
		ddl:    "CREATE TABLE store.huge (id int PRIMARY KEY, n int NOT NULL, name text NOT NULL, at timestamptz NOT NULL)",
		write:  []string{fmt.Sprintf("INSERT INTO store.huge SELECT g, g%%1000, 'row '||g, timestamptz '2024-01-01 00:00:00+00' + g*interval '1 s' FROM generate_series(1, %d) g", rows)},
		tables: []table{{"huge", rows, rows}},
	}
}

// manyTables writes ten rows into one table after the other, a transaction each, until every table has its rows.
func manyTables(tables, rows int) load {
	const batch = 10
	rounds := max(1, rows/batch)
	l := load{
		name:  fmt.Sprintf("%s tables", grouped(int64(tables))),
		about: "inserts of a key, a number and a short text, ten a transaction, into one table after the other; in Kafka the time runs, and start to first ends, when every table has had its first rows",
		round: tables * batch,
		ddl: fmt.Sprintf(`DO $$ BEGIN FOR t IN 1..%d LOOP
			EXECUTE format('CREATE TABLE store.t%%s (id int PRIMARY KEY, n int NOT NULL, name text NOT NULL)', t);
		END LOOP; END $$`, tables),
		write: []string{fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP FOR t IN 1..%d LOOP
			EXECUTE format('INSERT INTO store.t%%s SELECT g, g%%%%1000, ''row ''||g FROM generate_series($1, $2) g', t) USING i*%[3]d+1, (i+1)*%[3]d;
			COMMIT;
		END LOOP; END LOOP; END $$`, rounds-1, tables, batch)},
	}
	for t := range tables {
		l.tables = append(l.tables, table{fmt.Sprintf("t%d", t+1), rounds * batch, rounds * batch})
	}
	return l
}
