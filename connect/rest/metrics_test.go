package rest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	worker := newWorker(t, map[string]string{"listeners": "http://127.0.0.1:0", "metrics.listeners": "http://127.0.0.1:0", "metrics.names": "confluent"})
	server := NewServer(worker, testLog())
	if _, err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	api, apart := server.listeners[0].url, server.listeners[1].url
	go func() { ended <- server.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	const figure = "kafka_connect_connect_worker_metrics_connector_count{connector=\"aggregate\"} 0\n"
	for _, test := range []struct {
		method, url string
		status      int
		body        string
	}{
		{http.MethodGet, api + "/metrics", 200, figure},
		{http.MethodGet, apart + "/metrics", 200, figure},
		{http.MethodGet, apart + "/metrics/", 200, figure},
		{http.MethodHead, api + "/metrics", 200, ""},
		{http.MethodOptions, api + "/metrics", 200, ""},
		{http.MethodPost, api + "/metrics", 405, ""},
		{http.MethodGet, apart + "/connectors", 404, ""},
		{http.MethodGet, api + "/connectors", 200, ""},
	} {
		req, err := http.NewRequestWithContext(ctx, test.method, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/plain;version=0.0.4") // which the API itself does not take
		if strings.HasSuffix(test.url, "/connectors") {
			req.Header.Set("Accept", "*/*")
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != test.status || !strings.Contains(string(body), test.body) || test.method == http.MethodHead && len(body) > 0 {
			t.Errorf("%s %s = %d %s, %v, want %d and %q", test.method, test.url, res.StatusCode, body, err, test.status, test.body)
		}
		if kind := res.Header.Get("Content-Type"); test.body != "" && !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
			t.Errorf("%s %s has Content-Type %q", test.method, test.url, kind)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}
