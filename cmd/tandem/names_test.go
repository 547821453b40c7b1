package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// Names that end every statement they are put into without quotes, and mean something to formats and to JSON.
const (
	wildTable = `"x"; drop table y; --`
	wildKey   = `k"; drop table y; --'`
	wildText  = `a.b', 'c'); drop table y; -- ${source.table} %s \ é`
	wildAlter = `"`
)

func quotedName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// wildTarget is the database that is written to.
type wildTarget struct {
	*testing.T
	url string
}

// holds waits until a table's rows, each key with its text, are these; absent counts as empty.
func (d *wildTarget) holds(when, table string, want string) {
	d.Helper()
	conn, err := pgx.Connect(d.Context(), d.url)
	if err != nil {
		d.Fatal(err)
	}
	defer conn.Close(d.Context())
	limit, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		var got string
		err := conn.QueryRow(d.Context(), "SELECT coalesce(string_agg("+quotedName(wildKey)+" || '=' || coalesce("+quotedName(wildText)+", 'NULL'), ' ' ORDER BY "+quotedName(wildKey)+"), '') FROM "+quotedName(table)).Scan(&got)
		if err == nil && got == want {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			d.Fatalf("%s: table %s holds %q, %v, want %q", when, table, got, err, want)
		}
	}
}

// TestNamesAllTheWay takes a table and columns whose names are SQL through the source (snapshot, stream, incremental snapshot, truncate, a new column),
// Kafka and the relational sink, and through the JDBC source. Nothing of what the names say is done.
func TestNamesAllTheWay(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs a PostgreSQL server, which -short leaves out")
	}
	w := startMetered(t, "jmx-exporter")
	source := w.shop()
	target := &wildTarget{t, pgtest.Database(t)}
	u, err := url.Parse(target.url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	table, key, text := quotedName(wildTable), quotedName(wildKey), quotedName(wildText)
	inTarget := &metered{T: t, database: target.url}
	for _, d := range []*metered{w, inTarget} {
		d.exec("CREATE TABLE y (id int PRIMARY KEY)", "INSERT INTO y VALUES (1)")
	}
	w.exec("CREATE TABLE "+table+" ("+key+" int PRIMARY KEY, "+text+" text)", "INSERT INTO "+table+" VALUES (1, 'one'), (2, 'two')",
		"CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))")
	const converter = "org.apache.kafka.connect.json.JsonConverter"
	schemas := []string{"key.converter", converter, "key.converter.schemas.enable", "true", "value.converter", converter, "value.converter.schemas.enable", "true"}
	sink := with(map[string]string{"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics.regex": `shop\.public\..*drop.*`, "quote.identifiers": "true",
		"connection.url": "jdbc:postgresql://" + u.Host + u.Path, "connection.username": u.User.Username(), "connection.password": password,
		"collection.name.format": "${source.table}", "primary.key.mode": "record_key", "insert.mode": "upsert", "delete.enabled": "true", "truncate.enabled": "true", "schema.evolution": "basic",
		"consumer.override.auto.offset.reset": "earliest", "consumer.override.metadata.max.age.ms": "200"}, schemas...)
	w.create("wild-source", with(source, append(schemas, "signal.data.collection", "public.sig", "skipped.operations", "none", "incremental.snapshot.chunk.size", "2")...))
	w.create("wild-sink", sink)
	target.holds("after the snapshot", wildTable, "1=one 2=two")

	w.exec("INSERT INTO "+table+" VALUES (3, 'three'), (4, 'four')", "UPDATE "+table+" SET "+text+" = 'uno' WHERE "+key+" = 1", "DELETE FROM "+table+" WHERE "+key+" = 2")
	target.holds("after changes", wildTable, "1=uno 3=three 4=four")

	inTarget.exec("DELETE FROM " + table + " WHERE " + key + " > 1") // which the incremental snapshot brings again
	signal, err := json.Marshal(map[string]any{"data-collections": []string{"public." + wildTable}, "type": "incremental"})
	if err != nil {
		t.Fatal(err)
	}
	w.exec("INSERT INTO sig VALUES ('a', 'execute-snapshot', '" + strings.ReplaceAll(string(signal), "'", "''") + "')")
	target.holds("after an incremental snapshot", wildTable, "1=uno 3=three 4=four")

	w.exec("ALTER TABLE "+table+" ADD COLUMN "+quotedName(wildAlter)+" int", "TRUNCATE "+table, "INSERT INTO "+table+" VALUES (5, 'five', 5), (6, NULL, 6)")
	target.holds("after a truncate", wildTable, "5=five 6=NULL")

	polled := with(map[string]string{"connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": "jdbc:postgresql://" + u.Host + "/" + source["database.dbname"],
		"connection.user": u.User.Username(), "connection.password": password, "mode": "incrementing", "incrementing.column.name": wildKey, "table.whitelist": wildTable, "topic.prefix": "p-", "poll.interval.ms": "50",
		"transforms": "route", "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter", "transforms.route.regex": "(?s).*", "transforms.route.replacement": "polled"}, schemas...)
	w.create("wild-polled", polled)
	const second = `z"; drop table y; --`
	w.create("wild-second", with(sink, "topics.regex", "polled", "collection.name.format", second, "primary.key.mode", "record_value", "primary.key.fields", wildKey, "delete.enabled", "false", "truncate.enabled", "false"))
	target.holds("polled", second, "5=five 6=NULL")

	for _, d := range []*metered{w, inTarget} {
		d.exec("UPDATE y SET id = 1 / (SELECT count(*) FROM y)") // it is still there, and has its row
	}
}
