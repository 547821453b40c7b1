package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
)

// TestTrap33CutSocket: the connections to the database are cut, and nobody is told. Whoever asks hears that the task is stalled, while its state and
// /health say what Kafka Connect's would; and that it gets on when the network is back. headway protects, and Task.Waits, to which a server that does not
// answer is none that has nothing.
func TestTrap33CutSocket(t *testing.T) {
	w := startMetered(t, "jmx-exporter\ntask.stalled.after.ms=500")
	props := w.shop()
	network, err := faultproxy.New(net.JoinHostPort(props["database.hostname"], props["database.port"]))
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	props["database.hostname"], props["database.port"] = "127.0.0.1", strconv.Itoa(network.Port())
	w.create("shop-source", props)
	w.await(`tandem_source_lag_bytes\{.*rung="confirmed".*\} 0\n`)
	w.await(`tandem_source_stalled\{.*\} 0\n`)
	want := func(when, path string, status int, text string) {
		t.Helper()
		res, err := http.Get(w.rest + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != status || !strings.Contains(string(body), text) {
			t.Errorf("%s: GET %s = %d %s, %v, want %d and %s", when, path, res.StatusCode, body, err, status, text)
		}
	}
	want("before", "/admin/lag", http.StatusOK, `"stalled":false`)
	network.Hold()
	w.exec("insert into shops values (3)")
	w.await(`tandem_source_stalled\{.*\} 1\n`)
	want("cut", "/admin/lag", http.StatusServiceUnavailable, `{"stalled":1,"tasks":[{"connector":"shop-source","task":0,"state":"RUNNING","stalled":true,`)
	want("cut", "/health", http.StatusOK, `"healthy"`)
	want("cut", "/connectors/shop-source/tasks/0/status", http.StatusOK, `"RUNNING"`)
	network.Heal()
	w.await(`tandem_source_changes_total\{.*op="c".*\} 1\n`)
	w.await(`tandem_source_stalled\{.*\} 0\n`)
	want("healed", "/admin/lag", http.StatusOK, `"stalled":false`)
}

// TestIdleSinkHasNoLag: a sink that has all records of an exactly-once source says so, although the mark of a transaction stands behind the last one.
func TestIdleSinkHasNoLag(t *testing.T) {
	w := startMetered(t, "jmx-exporter\nexactly.once.source.support=enabled\nconsumer.isolation.level=read_committed\nconsumer.fetch.max.wait.ms=100")
	w.create("shop-source", w.shop())
	w.create("kept", map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "topics": "shop.public.bikes", "file": w.path("out.txt")})
	w.await(`tandem_sink_position\{.*rung="committed".*\} 50\n`)
	w.await(`tandem_sink_lag_records\{.*rung="committed".*\} 0\n`)
	res, err := http.Get(w.rest + "/admin/lag")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	want := `{"rung":"end","position":50,"records":0,"seconds":0},{"rung":"consumed","position":50,"records":0,"seconds":0},` +
		`{"rung":"applied","position":50,"records":0,"seconds":0},{"rung":"committed","position":50,"records":0,"seconds":0}`
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), want) {
		t.Errorf("GET /admin/lag = %s, %v, want %s in it", body, err, want)
	}
}

// TestStalledSink: the target's table is locked. Whoever asks hears that the task is stalled, while its state says what Kafka
// Connect's would; and that it gets on when the lock is gone. sinkLife.watch protects.
func TestStalledSink(t *testing.T) {
	w := startMetered(t, "jmx-exporter\ntask.stalled.after.ms=700\nconsumer.heartbeat.interval.ms=100\nconsumer.fetch.max.wait.ms=100")
	source := w.shop()
	source["key.converter.schemas.enable"], source["value.converter.schemas.enable"] = "true", "true"
	source["key.converter"], source["value.converter"] = "org.apache.kafka.connect.json.JsonConverter", "org.apache.kafka.connect.json.JsonConverter"
	w.create("shop-source", source)
	w.await(`tandem_source_lag_bytes\{.*rung="confirmed".*\} 0\n`)
	sink := map[string]string{"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "shop.public.bikes",
		"connection.url": "jdbc:postgresql://" + net.JoinHostPort(source["database.hostname"], source["database.port"]) + "/" + source["database.dbname"], "connection.username": source["database.user"],
		"connection.password": source["database.password"], "insert.mode": "upsert", "primary.key.mode": "record_key", "schema.evolution": "basic",
		"collection.name.format": "kept"}
	for _, name := range []string{"key.converter", "value.converter", "key.converter.schemas.enable", "value.converter.schemas.enable"} {
		sink[name] = source[name]
	}
	w.create("kept", sink)
	w.await(`tandem_sink_position\{.*rung="applied".*\} 50\n`)
	w.await(`tandem_sink_stalled\{connector="kept".*\} 0\n`)
	want := func(when string, status int, texts ...string) {
		t.Helper()
		res, err := http.Get(w.rest + "/admin/lag")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Errorf("%s: GET /admin/lag = %d %s, %v, want %d", when, res.StatusCode, body, err, status)
		}
		for _, text := range texts {
			if !strings.Contains(string(body), text) {
				t.Errorf("%s: GET /admin/lag = %s, want %s in it", when, body, text)
			}
		}
	}
	conn, err := pgx.Connect(t.Context(), w.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{"begin", "lock table kept in access exclusive mode"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	w.exec("insert into bikes values (51, 'late')")
	w.await(`tandem_sink_stalled\{connector="kept".*\} 1\n`)
	want("locked", http.StatusServiceUnavailable, `{"connector":"kept","task":0,"state":"RUNNING","stalled":true,`, `{"rung":"applied","position":50,"records":1,`,
		`{"connector":"shop-source","task":0,"state":"RUNNING","stalled":false,`)
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	w.await(`tandem_sink_stalled\{connector="kept".*\} 0\n`)
	want("unlocked", http.StatusOK, `{"rung":"applied","position":51,"records":0,"seconds":0}`)
}
