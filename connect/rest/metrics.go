package rest

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/connect/metrics"
)

// metricsPath is a resource of our own, which is no part of Kafka Connect's API: text, in the format of Prometheus.
const metricsPath = "/metrics"

// metrics answers a request for the metrics; served is false for any other.
func (a *api) metrics(rw http.ResponseWriter, r *http.Request) (status int, served bool) {
	if strings.TrimSuffix(r.URL.Path, "/") != metricsPath {
		return 0, false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		rw.Header().Set("Allow", "GET,HEAD,OPTIONS")
		rw.WriteHeader(http.StatusOK)
		return http.StatusOK, true
	default:
		return writeError(rw, http.StatusMethodNotAllowed, bare), true
	}
	var text bytes.Buffer // whole, so that a reader that is slow keeps nobody's locks
	if err := a.herder.Metrics().Write(&text); err != nil {
		return writeFailure(rw, err), true
	}
	rw.Header().Set("Content-Type", metrics.ContentType)
	rw.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = rw.Write(text.Bytes()) // a reader that has gone is no error of ours
	}
	return http.StatusOK, true
}
