//go:build integration

package jvmserver

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestIntegrationSearch needs mvn (or a filled TANDEM_JVM_CACHE) and a JDK 21.
func TestIntegrationSearch(t *testing.T) {
	for name, start := range map[string]func(context.Context, SearchOptions) (*Search, error){"Elasticsearch": StartElasticsearch, "OpenSearch": StartOpenSearch} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			began := time.Now()
			s, err := start(ctx, SearchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("started in %v", time.Since(began))
			defer s.Close()
			res, err := http.Post(s.URL()+"/_bulk?refresh=true", "application/json", strings.NewReader("{\"index\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"n\":1}\n"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(ctx); err != nil {
				t.Fatal(err)
			}
			res, err = http.Get(s.URL() + "/a/_doc/1")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if text, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(text), `"n":1`) {
				t.Errorf("after kill and start, the document = %s, %v, want it as it was", text, err)
			}
		})
	}
}
