package elasticsearch

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkaclient "github.com/tandem-cdc/tandem/kafka/client"
)

// clientOf makes a client from options.
func clientOf(t testing.TB, server string, options ...string) *client {
	t.Helper()
	c, r := parse(t, append([]string{"connection.url", server, "retry.backoff.ms", "1"}, options...)...)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	out := newClient(&c, slog.New(slog.DiscardHandler))
	t.Cleanup(out.close)
	return out
}

func TestMediaType(t *testing.T) {
	for hello, want := range map[string]string{
		`{"version":{"number":"7.17.29"}}`:                            "application/json",
		`{"version":{"number":"8.19.0"}}`:                             "application/vnd.elasticsearch+json; compatible-with=7",
		`{"version":{"number":"9.1.2"}}`:                              "application/vnd.elasticsearch+json; compatible-with=8",
		`{"version":{"number":"3.8.0","distribution":"opensearch"}}`:  "application/json",
		`{"version":{"number":"2.19.0","distribution":"opensearch"}}`: "application/json",
	} {
		f := newFake(t)
		f.hello = hello
		r := newRig(t, f.URL)
		r.put(record(0, "a", object{"n": 1}))
		r.flush()
		last := f.headers[len(f.headers)-1]
		if last.Get("Content-Type") != want || last.Get("Accept") != want {
			t.Errorf("%s: Content-Type %q, Accept %q, want %q", hello, last.Get("Content-Type"), last.Get("Accept"), want)
		}
	}
}

func TestHelloRefuses(t *testing.T) {
	for hello, want := range map[string]string{
		`{"version":{"number":"6.8.23"}}`: "Connector version 15.2.0 is not compatible with Elasticsearch version 6.8.23. Elasticsearch version must be at least 7.0.0.",
		`<html>welcome</html>`:            "what answers GET / is no Elasticsearch and no OpenSearch",
	} {
		f := newFake(t)
		f.hello = hello
		r := newTask(t, f.URL)
		if _, err := r.task.Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) || retriable(err) {
			t.Errorf("Open with %s = %v, want %s", hello, err, want)
		}
		report := Check(t.Context(), map[string]string{"topics": "orders", "connection.url": f.URL}, kafkaclient.ParseTLS)
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check with %s = %v, want %s", hello, err, want)
		}
	}
}

// TestCheckBlames: what may be the reason is named at each option.
func TestCheckBlames(t *testing.T) {
	f := newFake(t)
	f.Close()
	report := Check(t.Context(), map[string]string{"topics": "orders", "connection.url": f.URL, "connection.username": "u", "connection.password": "p", "proxy.host": hostOnly(t, f.URL)[0],
		"proxy.port": hostOnly(t, f.URL)[1]}, kafkaclient.ParseTLS)
	var got []string
	for _, p := range report.Errors {
		got = append(got, p.Name)
	}
	if want := "connection.url connection.username connection.password proxy.host proxy.port"; strings.Join(got, " ") != want {
		t.Errorf("Check of a server that is not there blames %q, want %s", got, want)
	}
	if err := report.Err(); err == nil || !strings.HasPrefix(err.Error(), "Could not connect to Elasticsearch. Error message: ask for the version at "+f.URL) {
		t.Errorf("Check = %v", err)
	}
	r := newTask(t, f.URL)
	if _, err := r.task.Open(t.Context(), nil); !retriable(err) {
		t.Errorf("Open of a server that is not there = %v, want a retriable error", err)
	}
}

func hostOnly(t testing.TB, url string) []string { return strings.Split(hostOf(t, url), ":") }

func TestAuthentication(t *testing.T) {
	seen := make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`)
	}))
	defer s.Close()
	for _, c := range []*client{clientOf(t, s.URL, "connection.username", "u", "connection.password", "p"), clientOf(t, strings.Replace(s.URL, "http://", "http://u:p@", 1))} {
		_, err := c.do(t.Context(), &request{op: "look", method: "GET", path: "/"})
		user, password, _ := (<-seen).BasicAuth()
		if user != "u" || password != "p" {
			t.Errorf("user %q, password %q, want u and p", user, password)
		}
		want := "look at " + s.URL + ": HTTP 401, security_exception: missing authentication credentials; check connection.username and connection.password"
		if err == nil || err.Error() != want || retriable(err) {
			t.Errorf("do = %v, want %s", err, want)
		}
	}
}

func TestProxy(t *testing.T) {
	seen := make(chan *http.Request, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		_, _ = io.WriteString(w, `{"version":{"number":"7.17.29"}}`)
	}))
	defer proxy.Close()
	at := hostOnly(t, proxy.URL)
	c := clientOf(t, "http://search.invalid:9200", "proxy.host", at[0], "proxy.port", at[1], "proxy.username", "me", "proxy.password", "secret")
	if _, err := c.hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := <-seen
	if r.URL.String() != "http://search.invalid:9200/" || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
		t.Errorf("the proxy was asked for %s with %q", r.URL, r.Header.Get("Proxy-Authorization"))
	}
}

func TestCompression(t *testing.T) {
	f := newFake(t)
	r := newRig(t, f.URL, "connection.compression", "true")
	r.put(record(0, "a", object{"n": 1}))
	r.flush()
	last := f.headers[len(f.headers)-1]
	if last.Get("Content-Encoding") != "gzip" || last.Get("Accept-Encoding") != "gzip" || len(f.sources("orders")) != 1 {
		t.Errorf("headers %v, %d documents, want gzip both ways and one", last, len(f.sources("orders")))
	}
}

// TestServersInTurn: requests go past a server that does not answer, and past one that cannot serve.
func TestServersInTurn(t *testing.T) {
	good := newFake(t)
	dead := newFake(t)
	dead.Close()
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }))
	defer sick.Close()
	c := clientOf(t, dead.URL+","+sick.URL+","+good.URL)
	for range 5 {
		if _, err := c.do(t.Context(), &request{op: "look", method: "GET", path: "/"}); err != nil {
			t.Errorf("do = %v", err)
		}
	}
	if len(good.requests) != 5 {
		t.Errorf("the good server was asked %d times, want 5", len(good.requests))
	}
	c = clientOf(t, dead.URL+","+sick.URL)
	_, err := c.do(t.Context(), &request{op: "look", method: "GET", path: "/"})
	var refused *ResponseError
	if !errors.As(err, &refused) || refused.Status != 503 || !retriable(err) {
		t.Errorf("do without a good server = %v, want what the server answered", err)
	}
}

func TestPoolOrder(t *testing.T) {
	p := pool{servers: []server{{base: "a"}, {base: "b"}, {base: "c"}}}
	now := time.Now()
	names := func(at time.Time) (out string) {
		for _, s := range p.order(at) {
			out += s.base
		}
		return out
	}
	if got := names(now) + " " + names(now) + " " + names(now) + " " + names(now); got != "abc bca cab abc" {
		t.Errorf("order = %s", got)
	}
	p.failed(&p.servers[1], now)
	p.failed(&p.servers[1], now) // for two minutes
	p.failed(&p.servers[0], now) // for one
	if got := names(now); got != "cab" {
		t.Errorf("order with two that failed = %s, want cab", got)
	}
	if got := names(now.Add(90 * time.Second)); got != "cab" && got != "acb" {
		t.Errorf("order a while later = %s, want b last", got)
	}
	p.answered(&p.servers[1])
	if got := names(now); !strings.HasSuffix(got, "a") {
		t.Errorf("order after an answer = %s, want a last", got)
	}
}

// TestReadTimeout: a server that is silent is given up; one that is slow but not silent is not.
func TestReadTimeout(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			<-release
			return
		}
		for range 8 { // longer than the timeout, all in all
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			<-time.After(50 * time.Millisecond)
		}
	}))
	defer s.Close()
	defer close(release)
	c := clientOf(t, s.URL, "read.timeout.ms", "300")
	if _, err := c.do(t.Context(), &request{op: "look", method: "GET", path: "/slow"}); err != nil {
		t.Errorf("do of a slow server = %v", err)
	}
	if _, err := c.do(t.Context(), &request{op: "look", method: "POST", path: "/silent", body: []byte("x")}); !errors.Is(err, errSilent) || !retriable(err) {
		t.Errorf("do of a silent server = %v, want %v", err, errSilent)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.do(ctx, &request{op: "look", method: "GET", path: "/silent"}); !errors.Is(err, context.Canceled) {
		t.Errorf("do with an ended context = %v", err)
	}
}

func TestTLS(t *testing.T) {
	f := &fakeServer{docs: make(map[string]*document), indices: make(map[string]string), busy: make(map[string]int), hello: `{"version":{"number":"7.17.29"}}`}
	s := httptest.NewUnstartedServer(f)
	s.TLS = &tls.Config{ClientAuth: tls.NoClientCert}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	trust := filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clientOf(t, s.URL).hello(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("hello without trust = %v, want an error about the certificate", err)
	}
	c := clientOf(t, s.URL, "elastic.security.protocol", "ssl", "elastic.https.ssl.truststore.location", trust, "elastic.https.ssl.truststore.type", "PEM")
	if _, err := c.hello(t.Context()); err != nil {
		t.Errorf("hello = %v", err)
	}
	wrong := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // the certificate names example.com and 127.0.0.1
	trusted := []string{"elastic.security.protocol", "ssl", "elastic.https.ssl.truststore.location", trust}
	if _, err := clientOf(t, wrong, trusted...).hello(t.Context()); err == nil {
		t.Error("hello of a host that the certificate does not name = no error")
	}
	if _, err := clientOf(t, wrong, append(trusted, "elastic.https.ssl.endpoint.identification.algorithm", "")...).hello(t.Context()); err != nil {
		t.Errorf("hello when the name does not matter = %v", err)
	}
}

func TestWait(t *testing.T) {
	c := clientOf(t, "http://localhost", "retry.backoff.ms", "100")
	for attempt, most := range map[int]time.Duration{1: 200 * time.Millisecond, 3: 800 * time.Millisecond, 40: longestWait, 1 << 20: longestWait} {
		for range 100 {
			if got := c.wait(attempt); got < 0 || got >= most {
				t.Errorf("wait(%d) = %v, want less than %v", attempt, got, most)
			}
		}
	}
	if got := clientOf(t, "http://localhost", "retry.backoff.ms", "0").wait(3); got != 0 {
		t.Errorf("wait without back-off = %v, want 0", got)
	}
}

func TestErrorOf(t *testing.T) {
	for body, want := range map[string][2]string{
		`{"error":{"type":"a","reason":"b"},"status":400}`: {"a", "b"},
		`{"error":"Incorrect HTTP method","status":405}`:   {"", "Incorrect HTTP method"},
		`<html>Bad Gateway</html>`:                         {"", "<html>Bad Gateway</html>"},
		``:                                                 {"", ""},
	} {
		if kind, reason := errorOf([]byte(body)); kind != want[0] || reason != want[1] {
			t.Errorf("errorOf(%s) = %q, %q, want %q", body, kind, reason, want)
		}
	}
}

func FuzzReadAnswers(f *testing.F) {
	f.Add([]byte(`{"errors":false,"items":[]}`), 1)
	f.Add([]byte(`{"errors":true,"items":[{"index":{"status":201}},{"delete":{"status":409,"error":{"type":"x","reason":"y","caused_by":{"type":"z"}}}}]}`), 2)
	f.Add([]byte(`{"errors":true,"items":[{}]}`), 1)
	f.Add([]byte(`[]`), 0)
	f.Fuzz(func(t *testing.T, body []byte, want int) {
		answers, err := readAnswers(body, want)
		if err == nil && answers != nil && len(answers) != want {
			t.Errorf("readAnswers = %d answers, want %d", len(answers), want)
		}
		for i := range answers {
			_ = answers[i].failure()
		}
		_, _ = errorOf(body)
	})
}
