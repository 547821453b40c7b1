//go:build integration

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/compare"
	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

var (
	sinksRows  = flag.Int("sinks-rows", 0, "records that the relational sinks are timed with; 0: they are not")
	sinksRatio = flag.Float64("sinks-ratio", 0, "how many times the rate of Debezium's JDBC sink is wanted at least")
)

// sinksTest has the relational sink and Debezium's, which runs in Kafka Connect, apply the same topics with the same configuration.
type sinksTest struct {
	*worker
	java   *jvmserver.Connect
	prefix string
	source string
	broker string
}

// TestIntegrationSinks compares the relational sink with Debezium's JDBC sink: the same configuration file and topics, what the targets hold, and how
// fast. It needs mvn (or a filled TANDEM_JVM_CACHE) and Java 21.
func TestIntegrationSinks(t *testing.T) {
	s := &sinksTest{worker: newWorker(t), prefix: fmt.Sprintf("sinks%d", rand.Uint32()), source: pgtest.Database(t), broker: requiredEnv(t, "TANDEM_KAFKA")}
	s.configureJSON()
	s.prepareJava()
	s.exec(s.source, bikestore.Schema, bikestore.Data, typesTable,
		"ALTER TABLE store.stores ALTER opens_at DROP DEFAULT") // Debezium's sink cannot create a column of type time with a default
	props := sourceProperties(t, s.prefix, s.source)
	props["topic.creation.default.partitions"] = "1"
	props["schema.include.list"] = "store,kinds"
	s.write("source.properties", props)
	s.start("source.properties")
	s.until("the snapshot is complete", func() (bool, string) {
		text, _ := s.said(s.since)
		return strings.Contains(text, "snapshot complete"), text
	})
	t.Run("target", func(t *testing.T) { s.compareTargets(t) })
	if *sinksRows > 0 {
		t.Run("rate", func(t *testing.T) { s.compareRates(t) })
	}
}

// configureJSON is the configuration of both workers: JSON with schemas.
func (s *sinksTest) configureJSON() {
	common := map[string]string{"bootstrap.servers": s.broker, "offset.flush.interval.ms": "1000",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter"}
	for file, more := range map[string]map[string]string{"worker.properties": {"offset.storage.file.filename": filepath.Join(s.dir, "offsets"), "listeners": "http://127.0.0.1:0"}} {
		for k, v := range common {
			more[k] = v
		}
		s.write(file, more)
	}
}

// prepareJava fetches Kafka Connect and the plugin.
func (s *sinksTest) prepareJava() {
	s.Helper()
	var err error
	if s.java, err = jvmserver.NewConnect(s.Context(), s.dir); err != nil {
		s.Fatal(err)
	}
	s.java.JVM = []string{"-Xmx2g"} // what connect-standalone has
	s.Cleanup(func() {
		_ = s.java.Kill()
		if s.Failed() {
			text, _ := os.ReadFile(s.java.Log())
			s.Logf("end of the log of Kafka Connect:\n%s", text[max(0, len(text)-10000):])
		}
	})
}

// runJava starts the real connector.
func (s *sinksTest) runJava(file string) {
	s.Helper()
	plugins, err := jvmserver.JDBCSinkPlugins(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	port, err := jvmserver.FreePort()
	if err != nil {
		s.Fatal(err)
	}
	s.write("java.properties", map[string]string{"bootstrap.servers": s.broker, "offset.flush.interval.ms": "1000", "plugin.path": plugins,
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"offset.storage.file.filename": filepath.Join(s.dir, "java-offsets"), "listeners": fmt.Sprintf("http://127.0.0.1:%d", port)})
	ready := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://127.0.0.1:%d/connectors", port), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := s.java.Start(s.Context(), ready, filepath.Join(s.dir, "java.properties"), filepath.Join(s.dir, file)); err != nil {
		s.Fatal(err)
	}
}

// sink is the configuration of both sinks, but for the name and the target.
func (s *sinksTest) sink(name, target string, more map[string]string) map[string]string {
	props := sinkProperties(s.T, s.prefix, target)
	props["name"] = name
	props["topics.regex"] = s.prefix + `\.(store|kinds)\..*`
	props["consumer.override.auto.offset.reset"] = "earliest"
	for k, v := range more {
		props[k] = v
	}
	return props
}

// compareTargets has both sinks apply the snapshot and changes of the bike store and of a table of all types.
func (s *sinksTest) compareTargets(t *testing.T) {
	targets := map[string]string{"tandem": pgtest.Database(t), "java": pgtest.Database(t)}
	for name, target := range targets {
		s.exec(target, "CREATE SCHEMA store; CREATE SCHEMA kinds")
		s.write(name+"-sink.properties", s.sink(s.prefix+"-"+name, target, nil))
	}
	s.kill()
	s.start("source.properties", "tandem-sink.properties")
	s.runJava("java-sink.properties")
	s.exec(s.source, "UPDATE store.customers SET city = 'Oslo' WHERE customer_id % 7 = 0; DELETE FROM store.stocks WHERE quantity < 3; UPDATE store.products SET list_price = list_price + 1 WHERE product_id < 50",
		"UPDATE store.order_items SET item_id = item_id + 100 WHERE order_id = 5; INSERT INTO kinds.types (id) VALUES (4)")
	s.waitEqual(s.source, targets["tandem"])
	var tables []compare.Table
	s.until("the target of Debezium's sink has what ours has", func() (bool, string) {
		var err error
		if tables, err = compare.Run(t.Context(), compare.Options{Source: targets["tandem"], Target: targets["java"], Schemas: []string{"store", "kinds"}}); err != nil {
			return false, err.Error()
		}
		var left strings.Builder
		for i := range tables {
			if err := undeclared(&tables[i]); err != nil {
				fmt.Fprintf(&left, "%v\n", err)
			}
		}
		return left.Len() == 0, left.String()
	})
	if err := s.java.Stop(); err != nil {
		t.Error(err)
	}
	java, ours := s.columns(targets["java"]), s.columns(targets["tandem"])
	for i := range java {
		java[i] = meant(java[i])
	}
	if d := cmp.Diff(java, ours); d != "" {
		t.Errorf("columns: (-Debezium's +ours)\n%s", d)
	}
}

// meant is what ours makes of a column that Debezium's sink makes otherwise, on purpose: times keep all digits without saying so, and numbers all of
// theirs.
func meant(column string) string {
	switch column {
	case "types.a_free double precision":
		return "types.a_free numeric"
	case "types.a_money numeric(38,2)":
		return "types.a_money numeric"
	}
	return strings.Replace(strings.Replace(column, "time(6)", "time", 1), "timestamp(6)", "timestamp", 1)
}

// undeclared is a difference between the targets that is not meant.
func undeclared(table *compare.Table) error {
	if table.NoTarget || table.SourceRows != table.TargetRows {
		return fmt.Errorf("%s: %d rows, Debezium's %d", table.Source, table.SourceRows, table.TargetRows)
	}
	for _, r := range table.Rows {
		if r.Difference != compare.Changed {
			return fmt.Errorf("%s: row %v: %s", table.Source, r.Key, r.Difference)
		}
		for _, c := range r.Columns {
			if !declared(table.Source+"."+c.Column, c) {
				return fmt.Errorf("%s: row %v: column %s = %s, Debezium's %s", table.Source, *r.Key[0].Source, c.Column, shown(c.Source), shown(c.Target))
			}
		}
	}
	return nil
}

func shown(text *string) string {
	if text == nil {
		return "NULL"
	}
	return *text
}

// declared tells whether a value may differ from Debezium's.
func declared(column string, c compare.Cell) bool {
	switch column {
	case "kinds.types.a_free": // a number of any scale is double precision there, and loses digits
		return true
	case "store.products.description": // where the source did not know the value, there stands so instead of what it was
		return shown(c.Target) == "__debezium_unavailable_value"
	}
	return false
}

// columns describes the columns of a target's tables.
func (s *sinksTest) columns(database string) []string {
	s.Helper()
	rows, err := s.dial(database).Query(s.Context(), `SELECT format('%s.%s %s%s', table_name, column_name, format_type(a.atttypid, a.atttypmod), CASE WHEN is_nullable = 'NO' THEN ' not null' END)
FROM information_schema.columns JOIN pg_attribute a ON a.attrelid = format('%I.%I', table_schema, table_name)::regclass AND a.attname = column_name WHERE table_schema IN ('store', 'kinds') ORDER BY table_name, ordinal_position`)
	if err != nil {
		s.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// compareRates times both sinks on the same records.
func (s *sinksTest) compareRates(t *testing.T) {
	n := *sinksRows / 3
	const first = 10_000_000
	s.exec(s.source, fmt.Sprintf(`INSERT INTO store.customers (customer_id, first_name, last_name, phone, email, street, city, state, zip_code) SELECT %[1]d + n, 'First'||n, 'Last'||n, '555-'||n, 'c'||n||'@example.com', n||' Main Street', 'Springfield', 'NY', '12345' FROM generate_series(1, %[2]d) n;
INSERT INTO store.orders (order_id, order_ref, customer_id, order_status, order_date, required_date, store_id, staff_id, note) SELECT %[1]d + n, gen_random_uuid(), %[1]d + n, 1, '2026-01-01', '2026-01-09', 1, 1, 'note '||n FROM generate_series(1, %[2]d) n;
INSERT INTO store.order_items (order_id, item_id, product_id, quantity, list_price, discount) SELECT %[1]d + n, 1, n %% 300 + 1, 2, 99.95, 0.10 FROM generate_series(1, %[2]d) n`, first, n))
	s.published()
	// As servers are set up that rows are written to: with the tests' 64 MB of buffers the server alone would be what is timed.
	targets := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB"}})
	topics := map[string]string{"topics": fmt.Sprintf("%[1]s.store.customers,%[1]s.store.orders,%[1]s.store.order_items", s.prefix), "tasks.max": "3", "batch.size": "3000"}
	for _, c := range []struct {
		name string
		more map[string]string // with dialect.postgres.unnest.insert.enabled besides, Debezium's cannot write the timestamps of these tables
	}{
		{"as it is", nil},
		{"larger polls", map[string]string{"consumer.override.max.poll.records": "3000", "use.reduction.buffer": "true"}},
	} {
		for k, v := range c.more {
			topics[k] = v
		}
		s.kill()
		java := s.timed(targets, "java", first, n, topics, func() { s.runJava("rate.properties") })
		if err := s.java.Stop(); err != nil {
			t.Error(err)
		}
		ours := s.timed(targets, "tandem", first, n, topics, func() { s.start("rate.properties") })
		t.Logf("%s, %d records: Debezium's %.0f rows/s, ours %.0f rows/s, %.1f times", c.name, 3*n, java, ours, ours/java)
		if ours < *sinksRatio*java {
			t.Errorf("%s: %.1f times Debezium's rate, want %.1f", c.name, ours/java, *sinksRatio)
		}
	}
}

// published waits until the source has published all that is committed.
func (s *sinksTest) published() {
	s.Helper()
	conn := s.dial(s.source)
	var end string
	if err := conn.QueryRow(s.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&end); err != nil {
		s.Fatal(err)
	}
	s.until("everything is published", func() (done bool, seen string) {
		err := conn.QueryRow(s.Context(), "SELECT confirmed_flush_lsn >= $1::pg_lsn, confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $2", end, s.prefix).Scan(&done, &seen)
		return err == nil && done, fmt.Sprint(seen, " of ", end, " ", err)
	})
}

// timed runs one sink into a database of its own.
func (s *sinksTest) timed(targets *pgserver.Server, name string, first, n int, more map[string]string, start func()) float64 {
	s.Helper()
	name = fmt.Sprintf("%s_%s_%d", s.prefix, name, rand.Uint32())
	s.exec(targets.URL("postgres"), "CREATE DATABASE "+name)
	target := targets.URL(name)
	s.exec(target, "CREATE SCHEMA store")
	props := s.sink(name, target, more)
	delete(props, "topics.regex")
	s.write("rate.properties", props)
	start()
	return s.rate(target, first, n)
}

// rate waits until the last rows are there, and gives the rate from the first ones on.
func (s *sinksTest) rate(target string, first, n int) float64 {
	s.Helper()
	conn := s.dial(target)
	queries := []string{"SELECT coalesce(max(customer_id), 0) FROM store.customers", "SELECT coalesce(max(order_id), 0) FROM store.orders", "SELECT coalesce(max(order_id), 0) FROM store.order_items"}
	standing := func() (rows int) {
		for _, q := range queries {
			var last int
			if err := conn.QueryRow(s.Context(), q).Scan(&last); err == nil {
				rows += max(0, last-first)
			}
		}
		return rows
	}
	var began time.Time
	var before, last int
	const patience = 2 * time.Minute // without progress
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for rows := 0; rows < 3*n; rows = standing() {
		if rows > 0 && began.IsZero() {
			began, before = time.Now(), rows
		}
		if rows > last {
			last, deadline = rows, time.Now().Add(patience)
		}
		if time.Now().After(deadline) {
			s.Fatalf("%d of %d rows, and no more for %v", rows, 3*n, patience)
		}
		<-tick.C
	}
	return float64(3*n-before) / time.Since(began).Seconds()
}

// typesTable has a column of each type that a snapshot and a stream bring, and rows with values, extremes and nulls.
const typesTable = `CREATE SCHEMA kinds; CREATE TABLE kinds.types (id int PRIMARY KEY, a_smallint smallint, a_int int, a_bigint bigint, a_real real, a_double double precision, a_numeric numeric(12, 3), a_free numeric, a_bool boolean,
  a_text text, a_varchar varchar(20), a_char char(5), a_bytea bytea, a_date date, a_time time, a_time3 time(3), a_timetz timetz, a_stamp timestamp, a_stamp3 timestamp(3), a_stamptz timestamptz, an_interval interval,
  a_uuid uuid, a_json json, a_jsonb jsonb, a_xml xml, a_bit bit(1), some_bits bit(5), a_varbit bit varying(12), ints int[], texts text[], a_inet inet, a_cidr cidr, a_macaddr macaddr, a_money money, a_range int4range);
INSERT INTO kinds.types VALUES (1, 1, 2, 3, 1.5, 2.5, 12.345, 1.5, true, 'text', 'varchar', 'ch', '\x0102', '2020-02-29', '12:34:56.789', '12:34:56.789', '12:34:56+02', '2020-02-29 12:34:56.123456', '2020-02-29 12:34:56.123',
  '2020-02-29 12:34:56.123456+02', '1 day 2 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"a": 1}', '<a/>', B'1', B'10101', B'101', '{1,2}', '{a,b}', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '12.34', '[1,5)'),
 (2, -32768, -2147483648, -9223372036854775808, -1e30, 1e300, -999999999.999, -12345678901234567890.5, false, '', '', '', '', '0001-01-01', '00:00', '23:59:59.999', '00:00+00', '1600-01-01 00:00', '1969-12-31 23:59:59.999',
  '1970-01-01 00:00+00', '-1 day', '00000000-0000-0000-0000-000000000000', 'null', '[]', '<b>é</b>', B'0', B'00000', B'', '{}', '{NULL,"x y"}', '::1', '::/0', 'ff:ff:ff:ff:ff:ff', '-0.01', 'empty');
INSERT INTO kinds.types (id) VALUES (3)`
