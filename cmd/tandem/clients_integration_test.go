//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

// TestIntegrationClients captures the bike store, as Avro and as JSON with and without schemas, and reads the topics by clients that share no
// code with tandem: Kafka's console consumer, and franz-go with hamba's Avro and schemas asked of the registry.
func TestIntegrationClients(t *testing.T) {
	c := newClientsTest(t)
	t.Run("Avro", c.avro)
	t.Run("JSON", func(t *testing.T) { c.json(t, c.prefix+"plain", false) })
	t.Run("JSON with schemas", func(t *testing.T) { c.json(t, c.prefix+"schemas", true) })
	t.Run("Partitions", c.partitions)
}

type clientsTest struct {
	*worker
	source, broker, registry string
	prefix                   string // of the topics in Avro; those in JSON have it and a word more
	orders                   map[int]order
	products                 map[int]product
	// How many records their topics hold.
	orderRecords, productRecords int
}

// order is a row of store.orders as Debezium writes it.
type order struct {
	ID       int     `avro:"order_id" json:"order_id"`
	Ref      string  `avro:"order_ref" json:"order_ref"`
	Customer *int    `avro:"customer_id" json:"customer_id"`
	Status   int     `avro:"order_status" json:"order_status"`
	Date     int     `avro:"order_date" json:"order_date"`       // days since 1970
	Required int     `avro:"required_date" json:"required_date"` // the same
	Shipped  *int    `avro:"shipped_date" json:"shipped_date"`   // the same
	Store    int     `avro:"store_id" json:"store_id"`
	Staff    int     `avro:"staff_id" json:"staff_id"`
	Note     *string `avro:"note" json:"note"`
	Placed   string  `avro:"placed_at" json:"placed_at"` // ISO 8601
}

// zoned is SQL for a timestamptz as Debezium writes it.
const zoned = `to_char(%[1]s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

var selectOrders = `SELECT order_id, order_ref::text, customer_id, order_status, order_date - date '1970-01-01', required_date - date '1970-01-01',
	shipped_date - date '1970-01-01', store_id, staff_id, note, ` + fmt.Sprintf(zoned, "placed_at") + ` FROM store.orders`

// product is a row of store.products as Debezium writes it.
type product struct {
	ID           int      `avro:"product_id"`
	Name         string   `avro:"product_name"`
	Brand        int      `avro:"brand_id"`
	Category     int      `avro:"category_id"`
	Year         int      `avro:"model_year"`
	Price        *big.Rat `avro:"list_price"`
	Weight       *float32 `avro:"weight_kg"`
	Discontinued bool     `avro:"discontinued"`
	Specs        *string  `avro:"specs"`
	Description  *string  `avro:"description"`
	Updated      string   `avro:"updated_at"`
}

var selectProducts = `SELECT product_id, product_name, brand_id, category_id, model_year, list_price::text, weight_kg, discontinued, specs::text, description, ` +
	fmt.Sprintf(zoned, "updated_at") + ` FROM store.products`

// change is what is read of an envelope.
type change[Row any] struct {
	Before *Row   `avro:"before" json:"before"`
	After  *Row   `avro:"after" json:"after"`
	Op     string `avro:"op" json:"op"`
	Source struct {
		Connector string `avro:"connector" json:"connector"`
		Table     string `avro:"table" json:"table"`
	} `avro:"source" json:"source"`
}

func newClientsTest(t *testing.T) *clientsTest {
	c := &clientsTest{worker: newWorker(t), source: pgtest.Database(t), broker: requiredEnv(t, "TANDEM_KAFKA"), registry: requiredEnv(t, "TANDEM_REGISTRY"),
		prefix: fmt.Sprintf("clients%d", rand.Uint32())}
	c.exec(c.source, bikestore.Schema, bikestore.Data)
	c.configure(c.broker, c.registry)
	c.write("avro.properties", sourceProperties(t, c.prefix, c.source))
	for name, enabled := range map[string]string{"plain": "false", "schemas": "true"} {
		props := sourceProperties(t, c.prefix+name, c.source)
		props["table.include.list"] = "store.orders"
		delete(props, "schema.include.list")
		for _, side := range []string{"key", "value"} {
			props[side+".converter"], props[side+".converter.schemas.enable"] = "org.apache.kafka.connect.json.JsonConverter", enabled
		}
		c.write(name+".properties", props)
	}
	c.start("avro.properties", "plain.properties", "schemas.properties")
	for _, prefix := range c.prefixes() {
		c.waitRunning(prefix + "-source")
		c.until(prefix+" streams", func() (bool, string) { // the snapshot is over
			var active bool
			err := c.dial(c.source).QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid "+
				"WHERE slot_name = $1 AND r.state = 'streaming')", prefix).Scan(&active)
			return active, fmt.Sprint(err)
		})
	}
	c.change()
	c.orders, c.products = make(map[int]order), make(map[int]product)
	for _, o := range collect[order](c, selectOrders, func(r pgx.Row, o *order) error {
		return r.Scan(&o.ID, &o.Ref, &o.Customer, &o.Status, &o.Date, &o.Required, &o.Shipped, &o.Store, &o.Staff, &o.Note, &o.Placed)
	}) {
		c.orders[o.ID] = o
	}
	for _, p := range collect[product](c, selectProducts, func(r pgx.Row, p *product) error {
		var price string
		err := r.Scan(&p.ID, &p.Name, &p.Brand, &p.Category, &p.Year, &price, &p.Weight, &p.Discontinued, &p.Specs, &p.Description, &p.Updated)
		p.Price, _ = new(big.Rat).SetString(price)
		return err
	}) {
		c.products[p.ID] = p
	}
	return c
}

// change makes changes and counts the records that there must be.
func (c *clientsTest) change() {
	c.Helper()
	conn := c.dial(c.source)
	affected := func(sql string) int {
		tag, err := conn.Exec(c.Context(), sql)
		if err != nil {
			c.Fatal(err)
		}
		return int(tag.RowsAffected())
	}
	c.orderRecords, c.productRecords = affected("SELECT FROM store.orders"), affected("SELECT FROM store.products")
	c.orderRecords += affected("UPDATE store.orders SET order_status = 4, shipped_date = current_date WHERE order_status = 1")
	c.orderRecords += 2 * affected("DELETE FROM store.orders WHERE order_id % 100 = 7") // each with a tombstone
	c.orderRecords += affected(`INSERT INTO store.orders (order_ref, order_status, order_date, required_date, store_id, staff_id, note)
		VALUES (md5('last')::uuid, 1, '1969-12-31', '2262-04-11', 1, 2, E'tab\there')`)
	c.productRecords += affected("UPDATE store.products SET list_price = list_price * 1.1 WHERE product_id % 3 = 0")
}

func (c *clientsTest) prefixes() []string {
	return []string{c.prefix, c.prefix + "plain", c.prefix + "schemas"}
}

// collect reads rows.
func collect[Row any](c *clientsTest, sql string, scan func(pgx.Row, *Row) error) []Row {
	c.Helper()
	rows, err := c.dial(c.source).Query(c.Context(), sql)
	if err != nil {
		c.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row Row, err error) { return row, scan(r, &row) })
	if err != nil {
		c.Fatal(err)
	}
	return all
}

// avro checks the rows of two tables, and keys and subjects of all.
func (c *clientsTest) avro(t *testing.T) {
	read := &avroReader{registry: c.registry, schemas: make(map[uint32]avro.Schema)}
	orders, products := make(map[int]order), make(map[int]product)
	c.read(t, c.prefix+".store.orders", c.orderRecords, func(r *kgo.Record) {
		var key struct {
			ID int `avro:"order_id"`
		}
		read.decode(t, r.Key, &key)
		if r.Value == nil {
			if _, there := orders[key.ID]; there {
				t.Errorf("a tombstone of order %d before its delete", key.ID)
			}
			return
		}
		follow(t, read, r, key.ID, orders, "orders", func(o *order) int { return o.ID })
	})
	equal(t, "store.orders", c.orders, orders)
	c.read(t, c.prefix+".store.products", c.productRecords, func(r *kgo.Record) {
		var key struct {
			ID int `avro:"product_id"`
		}
		read.decode(t, r.Key, &key)
		before := products[key.ID]
		follow(t, read, r, key.ID, products, "products", func(p *product) int { return p.ID })
		if now := products[key.ID]; now.Description != nil && *now.Description == "__debezium_unavailable_value" { // a change of the price does not carry it
			now.Description = before.Description
			products[key.ID] = now
		}
	})
	equal(t, "store.products", c.products, products)
	_, text := request(t, "GET", c.registry+"/subjects", "")
	var subjects []string
	if err := json.Unmarshal([]byte(text), &subjects); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"brands", "categories", "customers", "order_items", "orders", "products", "staffs", "stocks", "stores"} {
		for _, side := range []string{"-key", "-value"} {
			if name := c.prefix + ".store." + table + side; !slices.Contains(subjects, name) {
				t.Errorf("the registry has no subject %s", name)
			}
		}
	}
}

// follow applies a change to the rows.
func follow[Row any](t *testing.T, read *avroReader, r *kgo.Record, key int, rows map[int]Row, table string, id func(*Row) int) {
	t.Helper()
	var v change[Row]
	read.decode(t, r.Value, &v)
	apply(t, &v, key, rows, table, id)
}

func apply[Row any](t *testing.T, v *change[Row], key int, rows map[int]Row, table string, id func(*Row) int) {
	t.Helper()
	if v.Source.Connector != "postgresql" || v.Source.Table != table {
		t.Fatalf("source of %s %d = %+v", table, key, v.Source)
	}
	switch {
	case v.Op == "d" && v.Before != nil && v.After == nil && id(v.Before) == key:
		delete(rows, key)
	case strings.Contains("rcu", v.Op) && v.After != nil && id(v.After) == key:
		rows[key] = *v.After
	default:
		t.Fatalf("%s %d: op %q, before %+v, after %+v", table, key, v.Op, v.Before, v.After)
	}
}

// rats compares numbers by value.
var rats = cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })

func equal[Row any](t *testing.T, table string, want, got map[int]Row) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s is empty", table)
	}
	if diff := cmp.Diff(want, got, rats); diff != "" {
		t.Errorf("rows of %s in the database and as read from the topic differ (-want +got):\n%.4000s", table, diff)
	}
}

// read gives the n records of a topic.
func (c *clientsTest) read(t *testing.T, topic string, n int, each func(*kgo.Record)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := 0
	for got < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read %s: %v after %d records of %d", topic, err, got, n)
		}
		fetches.EachRecord(func(r *kgo.Record) { got++; each(r) })
	}
	if got > n {
		t.Errorf("%s holds %d records, want %d", topic, got, n)
	}
}

// avroReader decodes framed Avro with nothing but the frame and the registry.
type avroReader struct {
	registry string
	schemas  map[uint32]avro.Schema
}

// decode reads 0 | Int32 schema id | Avro.
func (a *avroReader) decode(t *testing.T, framed []byte, into any) {
	t.Helper()
	if len(framed) < 5 || framed[0] != 0 {
		t.Fatalf("%x is not framed", framed)
	}
	id := binary.BigEndian.Uint32(framed[1:])
	if a.schemas[id] == nil {
		code, text := request(t, "GET", fmt.Sprintf("%s/schemas/ids/%d", a.registry, id), "")
		var answer struct{ Schema string }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || code != http.StatusOK {
			t.Fatalf("schema %d: %d %s", id, code, text)
		}
		s, err := avro.ParseWithCache(answer.Schema, "", &avro.SchemaCache{})
		if err != nil {
			t.Fatalf("schema %d: %v", id, err)
		}
		a.schemas[id] = s
	}
	in := bytes.NewReader(framed[5:])
	if err := avro.NewDecoderForSchema(a.schemas[id], in).Decode(into); err != nil || in.Len() != 0 {
		t.Fatalf("decode with schema %d: %v, %d bytes left", id, err, in.Len())
	}
}

// printed is a line of Kafka's console consumer.
type printed struct {
	partition  int
	headers    string
	key, value string
}

// console runs Kafka's console consumer until it has read n records.
func (c *clientsTest) console(t *testing.T, topic string, n int) []printed {
	t.Helper()
	cmd, err := jvmserver.KafkaTool(t.Context(), "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", c.broker, "--topic", topic,
		"--from-beginning", "--max-messages", strconv.Itoa(n), "--timeout-ms", "60000",
		"--formatter-property", "print.partition=true", "--formatter-property", "print.headers=true", "--formatter-property", "print.key=true")
	if err != nil {
		t.Fatal(err)
	}
	out, said := runTool(t, cmd)
	var all []printed
	for line := range strings.Lines(out) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4) // Partition:0 | headers | key | value
		if len(parts) != 4 {
			t.Fatalf("the console consumer printed %q", line)
		}
		partition, err := strconv.Atoi(strings.TrimPrefix(parts[0], "Partition:"))
		if err != nil {
			t.Fatalf("the console consumer printed %q", line)
		}
		all = append(all, printed{partition, parts[1], parts[2], parts[3]})
	}
	if len(all) != n {
		t.Fatalf("the console consumer read %d records of %s, want %d\n%s", len(all), topic, n, said)
	}
	return all
}

// runTool gives what a tool printed, and what it said beside.
func runTool(t *testing.T, cmd *exec.Cmd) (out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args[len(cmd.Args)-1], err, e.String())
	}
	return o.String(), e.String()
}

// json checks the rows of store.orders in what Kafka's console consumer prints.
func (c *clientsTest) json(t *testing.T, prefix string, schemas bool) {
	rows := make(map[int]order)
	for _, p := range c.console(t, prefix+".store.orders", c.orderRecords) {
		var key struct {
			ID int `json:"order_id"`
		}
		unwrap(t, p.key, schemas, "struct", prefix+".store.orders.Key", &key)
		if want := "__debezium.context.connectorLogicalName:" + prefix; !strings.Contains(p.headers, want) {
			t.Fatalf("headers %q lack %s", p.headers, want)
		}
		if p.value == "null" {
			if _, there := rows[key.ID]; there {
				t.Errorf("a tombstone of order %d before its delete", key.ID)
			}
			continue
		}
		var v change[order]
		unwrap(t, p.value, schemas, "struct", prefix+".store.orders.Envelope", &v)
		apply(t, &v, key.ID, rows, "orders", func(o *order) int { return o.ID })
	}
	equal(t, "store.orders", c.orders, rows)
}

// unwrap reads JSON, with the schema around it or without.
func unwrap(t *testing.T, text string, schemas bool, kind, name string, into any) {
	t.Helper()
	payload := []byte(text)
	if schemas {
		var both struct {
			Schema struct {
				Type, Name string
			}
			Payload json.RawMessage
		}
		if err := json.Unmarshal(payload, &both); err != nil || both.Schema.Type != kind || both.Schema.Name != name {
			t.Fatalf("%.300s: %v, want a schema %s %s", text, err, kind, name)
		}
		payload = both.Payload
	}
	if err := json.Unmarshal(payload, into); err != nil {
		t.Fatalf("%.300s: %v", text, err)
	}
}

// partitions has Kafka's own producer write the keys of store.orders to a topic of as many partitions: it must choose the same ones.
func (c *clientsTest) partitions(t *testing.T) {
	ours := make(map[string]int32)
	c.read(t, c.prefix+"plain.store.orders", c.orderRecords, func(r *kgo.Record) {
		if p, ok := ours[string(r.Key)]; ok && p != r.Partition {
			t.Errorf("key %s is in partitions %d and %d", r.Key, p, r.Partition)
		}
		ours[string(r.Key)] = r.Partition
	})
	topic := c.prefix + "-keys"
	create, err := jvmserver.KafkaTool(t.Context(), "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", c.broker, "--create", "--topic", topic, "--partitions", "3")
	if err != nil {
		t.Fatal(err)
	}
	runTool(t, create)
	produce, err := jvmserver.KafkaTool(t.Context(), "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", c.broker, "--topic", topic,
		"--reader-property", "parse.key=true")
	if err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for key := range ours {
		fmt.Fprintf(&in, "%s\tx\n", key)
	}
	produce.Stdin = &in
	runTool(t, produce)
	theirs := make(map[string]int32)
	c.read(t, topic, len(ours), func(r *kgo.Record) { theirs[string(r.Key)] = r.Partition })
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("partitions that Kafka's producer chose, and ours (-want +got):\n%.2000s", diff)
	}
	var of [3]int
	for _, p := range ours {
		of[p]++
	}
	if slices.Contains(of[:], 0) {
		t.Errorf("keys per partition = %v, want some in each", of)
	}
}
