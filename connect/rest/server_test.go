package rest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
)

func newWorker(t *testing.T, props map[string]string) *connect.Standalone {
	t.Helper()
	all := map[string]string{
		"bootstrap.servers":            "127.0.0.1:1",
		"key.converter":                "org.apache.kafka.connect.json.JsonConverter",
		"value.converter":              "org.apache.kafka.connect.json.JsonConverter",
		"offset.storage.file.filename": filepath.Join(t.TempDir(), "offsets"),
	}
	for name, value := range props {
		all[name] = value
	}
	cfg, report := connect.ParseWorkerConfig(all)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return connect.NewStandalone(cfg, resttest.Plugins(), testLog())
}

func TestServer(t *testing.T) {
	worker := newWorker(t, map[string]string{"listeners": "http://127.0.0.1:0,http://127.0.0.1:0"})
	server := NewServer(worker, slog.New(slog.DiscardHandler))
	addrs, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, addr := range addrs {
		response, err := client.Get("http://" + addr.String() + "/health")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusServiceUnavailable || string(body) != `{"status":"starting","message":"Worker is still starting up."}` {
			t.Errorf("GET /health before Run = %d %s, %v", response.StatusCode, body, err)
		}
	}
	if want := addrs[0].String(); worker.ID() != want {
		t.Errorf("worker id = %s, want the first listener, %s", worker.ID(), want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestListenOnATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listener := "http://" + taken.Addr().String()
	server := NewServer(newWorker(t, map[string]string{"listeners": "http://127.0.0.1:0," + listener}), slog.New(slog.DiscardHandler))
	if _, err := server.Listen(); err == nil || !strings.Contains(err.Error(), listener+" (listeners)") {
		t.Errorf("Listen = %v, want the listener and the option", err)
	}
}

func TestCrossOrigin(t *testing.T) {
	handler := Handler(newWorker(t, map[string]string{"access.control.allow.origin": "http://ui:8000", "access.control.allow.methods": "GET,PUT"}), http.DefaultClient, slog.New(slog.DiscardHandler))
	got := resttest.Do(handler, "worker-1:8083", http.MethodOptions, "/connectors", map[string]string{"Origin": "http://ui:8000", "Access-Control-Request-Method": "PUT"}, nil)
	if got.StatusCode != http.StatusOK || got.Header.Get("Access-Control-Allow-Methods") != "GET,PUT" || got.Header.Get("Access-Control-Allow-Origin") != "http://ui:8000" {
		t.Errorf("preflight = %d %v", got.StatusCode, got.Header)
	}
	got = resttest.Do(handler, "worker-1:8083", http.MethodGet, "/connectors", map[string]string{"Origin": "http://ui:8000"}, nil)
	if got.StatusCode != http.StatusOK || got.Header.Get("Access-Control-Allow-Origin") != "http://ui:8000" {
		t.Errorf("GET of the allowed origin = %d %v", got.StatusCode, got.Header)
	}
	got = resttest.Do(handler, "worker-1:8083", http.MethodGet, "/connectors", map[string]string{"Origin": "http://evil"}, nil)
	if got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("GET of another origin = %v", got.Header)
	}
}

// TestRequestLines has what the real worker answered to requests that clients of a library cannot send.
func TestRequestLines(t *testing.T) {
	server := NewServer(newWorker(t, map[string]string{"listeners": "http://127.0.0.1:0"}), testLog())
	addrs, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	for _, c := range []struct {
		line, host string
		status     int
		body       string // what is in it; "": it is empty
	}{
		{"GET /connectors HTTP/1.1", "Host: a", 200, "[]"},
		{"GET /connectors HTTP/1.1", "Host: [::1]:8083", 200, "[]"},
		{"GET /connectors?a=1&b HTTP/1.1", "Host:", 400, "<tr><th>URI:</th><td>/connectors?a=1&amp;b</td></tr>\n<tr><th>STATUS:</th><td>400</td></tr>\n<tr><th>MESSAGE:</th><td>Blank Host</td></tr>"},
		{"GET /connectors HTTP/1.0", "X: y", 200, "[]"},
		{"GET /connectors HTTP/1.1", "Host: a:xx", 400, "Bad HostPort"},
		{"GET /connectors HTTP/1.1", "Host: a:", 400, "Bad HostPort"},
		{"GET /connectors HTTP/1.1", "Host: a:0", 400, "Bad HostPort"},
		{"GET /connectors HTTP/1.1", "Host: a:99999", 400, "Bad HostPort"},
		{"GET /connectors HTTP/1.1", "Host: :8083", 400, "Bad HostPort"},
		{"GET /connectors HTTP/1.1", "Host: [::1", 400, "Bad HostPort"},
		{"OPTIONS * HTTP/1.1", "Host: a", 404, ""},
		{"GET * HTTP/1.1", "Host: a", 400, "Bad URI path"},
	} {
		conn, err := net.Dial("tcp", addrs[0].String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\n%s\r\nConnection: close\r\n\r\n", c.line, c.host)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s, %s: %v", c.line, c.host, err)
		}
		body, err := io.ReadAll(response.Body)
		conn.Close()
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(body), c.body) || c.body == "" && len(body) > 0 {
			t.Errorf("%s, %s = %d %s, %v, want %d %s", c.line, c.host, response.StatusCode, body, err, c.status, c.body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}
