package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

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
