package rest

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect/rest/resttest"
)

// request sends a request to a worker without connectors.
func request(t *testing.T, handler http.Handler, method, path string, headers map[string]string, body string) (response *http.Response, text string) {
	t.Helper()
	response = resttest.Do(handler, "worker-1:8083", method, path, headers, []byte(body))
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(b)
}

// TestPaths has what the real worker answered to odd paths.
func TestPaths(t *testing.T) {
	handler := Handler(newWorker(t, nil), http.DefaultClient, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		path   string
		status int
		body   string // its beginning
	}{
		{"/connectors/x;a=b", 404, `{"error_code":404,"message":"Connector x not found"}`},
		{"/connectors/x;a=b/status", 404, `{"error_code":404,"message":"No status found for connector x"}`},
		{"/connectors/a%3Bb", 404, `{"error_code":404,"message":"Connector a;b not found"}`},
		{"/connectors;v=1", 200, `[]`},
		{"/connectors;x/", 200, `[]`},
		{"/connectors/;x", 200, `[]`},
		{"/health/;jsessionid=1", 503, `{"status":"starting"`},
		{"/connectors/x/tasks/2147483647/status", 404, `{"error_code":404,"message":"No status found for task x-2147483647"}`},
		{"/connectors/x/tasks/2147483648/status", 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"/connectors/x/tasks/-1/status", 404, `{"error_code":404,"message":"No status found for task x--1"}`},
		{"/connectors/%00/status", 400, "<html>"},
		{"/connectors/a%0Ab", 400, "<html>"},
		{"/connectors/a%7Fb", 400, "<html>"},
		{"/connectors/a%5Cb", 400, "<html>"},
		{"/connectors/%ff", 400, "<html>"},
		{"/connectors/a|b", 400, "<html>"},
		{`/connectors/a"b`, 400, "<html>"},
		{"/connectors/a[b]", 400, "<html>"},
		{"/connectors/a%7Cb", 404, `{"error_code":404,"message":"Connector a|b not found"}`},
		{"/connectors/%2e%2E/health", 400, "<html>"},
		{"/connectors/a%2eb", 404, `{"error_code":404,"message":"Connector a.b not found"}`},
		{"/connectors/...", 404, `{"error_code":404,"message":"Connector ... not found"}`},
	} {
		if got, body := request(t, handler, "GET", c.path, nil, ""); got.StatusCode != c.status || !strings.HasPrefix(body, c.body) {
			t.Errorf("GET %s = %d %s, want %d %s", c.path, got.StatusCode, body, c.status, c.body)
		}
	}
}

// TestMediaTypes has what the real worker answered to Accept and Content-Type.
func TestMediaTypes(t *testing.T) {
	handler := Handler(newWorker(t, nil), http.DefaultClient, slog.New(slog.DiscardHandler))
	accept := func(text string) map[string]string { return map[string]string{"Accept": text} }
	content := func(text string) map[string]string { return map[string]string{"Content-Type": text} }
	for _, c := range []struct {
		method, path string
		headers      map[string]string
		body         string
		status       int
		kind         string // the answer's Content-Type
	}{
		{"GET", "/connectors", accept(""), "", 200, "application/json"},
		{"GET", "/connectors", accept("*"), "", 200, "application/json"},
		{"GET", "/connectors", accept("text/html, image/gif, *; q=.2, */*; q=.2"), "", 200, "application/json"}, // Java's HttpURLConnection
		{"GET", "/connectors", accept("application/json;v=1"), "", 200, "application/json;v=1"},
		{"GET", "/connectors", accept("application/json; charset=utf-8"), "", 200, "application/json;charset=utf-8"},
		{"GET", "/connectors", accept(`text/html, application/json; v="a b"`), "", 200, `application/json;v="a b"`},
		{"GET", "/connectors", accept("application/json; charset=utf-8; q=0.5, */*"), "", 200, "application/json;charset=utf-8"},
		{"GET", "/connectors", accept("text/*"), "", 406, ""},
		{"GET", "/connectors", accept("garbage"), "", 406, ""},
		{"GET", "/connectors", accept("a/b/c"), "", 400, ""},
		{"GET", "/connectors", accept("application/json;q=abc"), "", 400, ""},
		{"GET", "/connectors", accept(", application/json"), "", 400, ""},
		{"GET", "/connectors", content("text/plain"), "", 415, ""},
		{"DELETE", "/connectors/x", content("text/plain"), "", 415, ""},
		{"DELETE", "/connectors/x", content("application/*"), "", 404, "application/json"},
		{"PUT", "/connectors/x/pause", map[string]string{}, "{}", 404, "application/json"},
		{"PUT", "/connectors/x/pause", content("*/*"), "{}", 404, "application/json"},
		{"PUT", "/connectors/x/pause", content("json"), "{}", 400, ""},
		{"PUT", "/connectors/x/pause", content("application/json, text/plain"), "{}", 400, ""},
		{"PUT", "/connectors/x/pause", content("application/json; a"), "{}", 400, ""},
		{"PUT", "/connectors/x/pause", content("application/x-www-form-urlencoded"), "", 415, ""},
		{"PUT", "/connectors/x/config", map[string]string{}, "{}", 415, "application/json"},
		{"PUT", "/connectors/x/config", content("application/*"), "{}", 415, "application/json"},
		{"PUT", "/connectors/x/config", content("application/vnd.x+json"), "{}", 415, ""},
		{"PUT", "/connectors/x/config", content("Application/JSON;charset=UTF-8"), "{}", 400, "application/json"},
		{"PUT", "/connectors/x/config", content("application/json;"), "{}", 400, "application/json"},
		{"OPTIONS", "/connectors", accept("*/*"), "", 200, "text/plain"},
		{"OPTIONS", "/connectors", accept("application/json, text/plain, */*"), "", 200, "application/json"},
	} {
		got, _ := request(t, handler, c.method, c.path, c.headers, c.body)
		if kind := got.Header.Get("Content-Type"); got.StatusCode != c.status || kind != c.kind {
			t.Errorf("%s %s %v = %d %q, want %d %q", c.method, c.path, c.headers, got.StatusCode, kind, c.status, c.kind)
		}
	}
}

// TestBodies has what the real worker answered to odd bodies.
func TestBodies(t *testing.T) {
	handler := Handler(newWorker(t, nil), http.DefaultClient, slog.New(slog.DiscardHandler))
	const noClass = `{"error_code":400,"message":"Connector config {name=x} contains no connector type"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // "": any, for the real one's is Jackson's
	}{
		{"POST", "/connectors", `{"name":"x","config":{}}`, 400, noClass},
		{"POST", "/connectors", "\xEF\xBB\xBF" + `{"name":"x","config":{}}`, 400, noClass},
		{"POST", "/connectors", `{"Name":"x","config":{}}`, 500, ""},
		{"POST", "/connectors", `{"name":"x","Config":{}}`, 500, ""},
		{"POST", "/connectors", "{\"name\":\"\xff\",\"config\":{}}", 500, ""},
		{"POST", "/connectors", `{"name":"x","config":{},"initial_state":""}`, 500, ""},
		{"POST", "/connectors", `{"name":"x","config":{},"initial_state":null}`, 400, noClass},
		{"POST", "/connectors", `{"name":"x","config":{"a":null}}`, 400, `{"error_code":400,"message":"Connector config {a=null, name=x} contains no connector type"}`},
		{"POST", "/connectors", `{"name":"x","config":{"name":null}}`, 400, noClass},
		{"PUT", "/admin/loggers/org.example.a", `{"level":" debug "}`, 200, `["org.example.a"]`},
		{"PUT", "/admin/loggers/org.example.a", `{"level":""}`, 500, `{"error_code":500,"message":"Illegal null or empty Level name."}`},
		{"PATCH", "/connectors/x/config", "null", 404, `{"error_code":404,"message":"Connector x not found"}`},
		{"PATCH", "/connectors/x/config", "", 404, `{"error_code":404,"message":"Connector x not found"}`},
		{"PATCH", "/connectors/x/offsets", `{"Offsets":[]}`, 500, ""},
		{"PATCH", "/connectors/x/offsets", `{"offsets":[{"Partition":{},"offset":{}}]}`, 500, ""},
		{"PATCH", "/connectors/x/offsets", `{"offsets":[{"partition":{},"offset":{},"more":1}]}`, 500, ""},
	} {
		got, body := request(t, handler, c.method, c.path, map[string]string{"Content-Type": "application/json"}, c.body)
		if got.StatusCode != c.status || c.want != "" && body != c.want {
			t.Errorf("%s %s %q = %d %s, want %d %s", c.method, c.path, c.body, got.StatusCode, body, c.status, c.want)
		}
	}
}

// TestVariableThatIsNotThere validates a configuration with a variable of a file that does not exist: the text says what would be thrown.
func TestVariableThatIsNotThere(t *testing.T) {
	handler := Handler(newWorker(t, map[string]string{
		"config.providers": "file", "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
	}), http.DefaultClient, slog.New(slog.DiscardHandler))
	const body = `{"connector.class":"FileStreamSource","topic":"${file:/no/such/file:x}"}`
	const want = `{"error_code":500,"message":"org.apache.kafka.common.config.ConfigException: Could not read properties from file /no/such/file"}`
	if got, text := request(t, handler, "PUT", "/connector-plugins/FileStreamSource/config/validate", map[string]string{"Content-Type": "application/json"}, body); got.StatusCode != 500 || text != want {
		t.Errorf("validation = %d %s, want %s", got.StatusCode, text, want)
	}
}

func TestLocation(t *testing.T) {
	for name, want := range map[string]string{
		"a b":      "http://w:1/connectors/a%20b",
		"a'(b)*!c": "http://w:1/connectors/a'(b)*!c",
		"%41 %zz":  "http://w:1/connectors/%41%20%25zz",
		"%21":      "http://w:1/connectors/%21",
		"ä/b":      "http://w:1/connectors/%C3%A4/b",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://w:1/connectors", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := location(&call{Request: r}, name); got != want {
			t.Errorf("location(%q) = %s, want %s", name, got, want)
		}
	}
}

func FuzzMediaTypes(f *testing.F) {
	for _, seed := range []string{"", "*", "*/*", "a/b;c=d;q=0.5, e", `a/b; c="d\"e" ; q=1`, "a/b;", "a/;", ";", `a/b;c="`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		types, ok := mediaTypes(header)
		if ok != (len(types) > 0) {
			t.Errorf("mediaTypes(%q) = %v, %t", header, types, ok)
		}
		for _, m := range types {
			again, ok := mediaTypes(strings.Join(append([]string{m.main + "/" + m.sub}, m.parameters...), ";"))
			if !ok || len(again) != 1 || again[0].main != m.main || again[0].sub != m.sub || strings.Join(again[0].parameters, ";") != strings.Join(m.parameters, ";") {
				t.Errorf("mediaTypes of %v from %q = %v, %t", m, header, again, ok)
			}
		}
	})
}
