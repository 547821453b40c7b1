package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// memoryURL is the address of every memoryRegistry; nothing is dialled.
const memoryURL = "http://registry.invalid"

// memoryRegistry is a schema registry without a network: the transport of a converter's client. It takes every schema.
type memoryRegistry struct {
	mu       sync.Mutex
	schemas  []string // text of id i+1
	subjects map[string]string
}

func newMemoryRegistry() *memoryRegistry { return &memoryRegistry{subjects: map[string]string{}} }

// text is the schema last registered under a subject.
func (m *memoryRegistry) text(subject string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subjects[subject]
}

// add gives a schema its id.
func (m *memoryRegistry) add(subject, text string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subjects[subject] = text
	for i, s := range m.schemas {
		if s == text {
			return i + 1
		}
	}
	m.schemas = append(m.schemas, text)
	return len(m.schemas)
}

// RoundTrip implements http.RoundTripper: POST /subjects/{subject}/versions and GET /schemas/ids/{id}.
func (m *memoryRegistry) RoundTrip(req *http.Request) (*http.Response, error) {
	path := strings.Split(strings.Trim(req.URL.EscapedPath(), "/"), "/")
	switch {
	case req.Method == http.MethodPost && len(path) == 3 && path[0] == "subjects" && path[2] == "versions":
		subject, err := url.PathUnescape(path[1])
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		var in struct{ Schema string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return answer(req, map[string]any{"id": m.add(subject, in.Schema)})
	case req.Method == http.MethodGet && len(path) == 3 && path[0] == "schemas" && path[1] == "ids":
		id, err := strconv.Atoi(path[2])
		m.mu.Lock()
		defer m.mu.Unlock()
		if err != nil || id < 1 || id > len(m.schemas) {
			return nil, fmt.Errorf("memory registry: no schema %q", path[2])
		}
		return answer(req, map[string]any{"schema": m.schemas[id-1]})
	}
	return nil, fmt.Errorf("memory registry: %s %s: unknown request", req.Method, req.URL)
}

func answer(req *http.Request, v any) (*http.Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/vnd.schemaregistry.v1+json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
}
