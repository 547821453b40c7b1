package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
)

// certificate makes a key and a certificate of 127.0.0.1 that signs itself, in one PEM file.
func certificate(t *testing.T) string {
	t.Helper()
	c := tlstest.SelfSigned(t, "127.0.0.1")
	path := filepath.Join(t.TempDir(), "worker.pem")
	if err := os.WriteFile(path, slices.Concat(c.KeyPEM, c.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve runs a server until the test ends and returns the URLs of all that it listens on.
func serveWorker(t *testing.T, props map[string]string) (h *connect.Standalone, urls []string) {
	t.Helper()
	h = newWorker(t, props)
	s := NewServer(h, slog.New(slog.DiscardHandler))
	if _, err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	for _, l := range s.listeners {
		urls = append(urls, l.url)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return h, urls
}

// ask makes one request and returns status and body.
func ask(t *testing.T, client *http.Client, method, url string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

func TestHTTPS(t *testing.T) {
	file := certificate(t)
	props := map[string]string{
		"listeners":                             "https://127.0.0.1:0,http://127.0.0.1:0",
		"rest.advertised.listener":              "http",
		"listeners.https.ssl.keystore.location": file, "listeners.https.ssl.keystore.type": "PEM",
		"listeners.https.ssl.truststore.location": file, "listeners.https.ssl.truststore.type": "PEM",
		"listeners.https.ssl.client.auth": "required",
		"ssl.keystore.location":           "/not/there", // with a prefix elsewhere, it does not count
	}
	h, urls := serveWorker(t, props)
	cfg := h.Config()
	if got, want := "http://"+h.ID(), urls[1]; got != want || cfg.AdvertisedURL(8083) != "http://127.0.0.1:8083/" {
		t.Errorf("worker id = %s, want that of the http listener, %s; advertised is %s", got, want, cfg.AdvertisedURL(8083))
	}
	own := cfg.REST.ClientTLS
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: own, DisableKeepAlives: true}}
	if status, body, _ := ask(t, client, http.MethodGet, urls[0]+"/connectors"); status != http.StatusOK || body != "[]" {
		t.Errorf("GET over https = %d %s", status, body)
	}
	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own.RootCAs}, DisableKeepAlives: true}}
	if status, body, _ := ask(t, stranger, http.MethodGet, urls[0]+"/connectors"); status != 0 || !strings.Contains(body, "certificate") {
		t.Errorf("GET without a certificate = %d %s, want that it is refused", status, body)
	}
	if status, _, _ := ask(t, stranger, http.MethodGet, urls[1]+"/connectors"); status != http.StatusOK {
		t.Errorf("GET over http = %d", status)
	}
}

// The stores may be Java's, and listeners for administrators may have others.
func TestJavaStores(t *testing.T) {
	stores := filepath.Join("..", "..", "internal", "keystore", "testdata")
	file := certificate(t)
	props := map[string]string{
		"listeners":                                   "https://127.0.0.1:0",
		"admin.listeners":                             "https://127.0.0.1:0",
		"listeners.https.ssl.keystore.location":       filepath.Join(stores, "key.jks"),
		"listeners.https.ssl.keystore.password":       "store-pw",
		"listeners.https.ssl.key.password":            "key-pw",
		"listeners.https.ssl.truststore.location":     filepath.Join(stores, "trust.p12"),
		"listeners.https.ssl.truststore.type":         "PKCS12",
		"listeners.https.ssl.truststore.password":     "store-pw",
		"admin.listeners.https.ssl.keystore.location": file,
	}
	h, urls := serveWorker(t, props)
	cfg := h.Config()
	if len(cfg.Admin) != 0 {
		t.Errorf("options of admin clients = %v, want none: these are of listeners", cfg.Admin)
	}
	var names []string
	for i, path := range []string{"/connectors", "/admin/loggers"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			names = append(names, s.PeerCertificates[0].Subject.CommonName)
			return nil
		}}, DisableKeepAlives: true}}
		if status, body, _ := ask(t, client, http.MethodGet, urls[i]+path); status != http.StatusOK {
			t.Errorf("GET %s over https = %d %s", path, status, body)
		}
	}
	if diff := cmp.Diff([]string{"leaf", "127.0.0.1"}, names); diff != "" {
		t.Errorf("certificates of listeners and admin.listeners (-want +got):\n%s", diff)
	}
}

// A worker forwards over https to one that wants a certificate: both have the same stores.
func TestForwardingOverHTTPS(t *testing.T) {
	file := certificate(t)
	props := map[string]string{"listeners": "https://127.0.0.1:0", "listeners.https.ssl.keystore.location": file, "listeners.https.ssl.truststore.location": file,
		"listeners.https.ssl.client.auth": "required"}
	leader, urls := serveWorker(t, props)
	follower := NewServer(elsewhere{newWorker(t, props), urls[0] + "/"}, slog.New(slog.DiscardHandler))
	defer follower.others.CloseIdleConnections()
	handler := Handler(follower.herder, follower.others, slog.New(slog.DiscardHandler))
	got := resttest.Do(handler, "worker-2:8083", http.MethodPost, "/connectors/missing/restart", nil, nil)
	if body, err := io.ReadAll(got.Body); err != nil || !strings.Contains(string(body), "No connector `missing` configured") {
		t.Errorf("forwarded restart = %d %s, %v, want the answer of %s", got.StatusCode, body, err, leader.ID())
	}
	stranger := Handler(follower.herder, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, slog.New(slog.DiscardHandler))
	got = resttest.Do(stranger, "worker-2:8083", http.MethodPost, "/connectors/missing/restart", nil, nil)
	if body, err := io.ReadAll(got.Body); err != nil || !strings.Contains(string(body), "IO Error trying to forward REST request") {
		t.Errorf("forwarded restart without the stores = %d %s, %v, want that it is not trusted", got.StatusCode, body, err)
	}
}

// Whoever can be reached by other machines and asks nobody's name says so.
func TestOpenListenerIsWarnedAbout(t *testing.T) {
	file := certificate(t)
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ann=secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	https := map[string]string{"listeners": "https://:0", "listeners.https.ssl.keystore.location": file, "listeners.https.ssl.truststore.location": file}
	with := func(props map[string]string, more ...string) map[string]string {
		out := maps.Clone(props)
		for i := 0; i+1 < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for _, c := range []struct {
		name  string
		props map[string]string
		want  int
	}{
		{"this machine alone", map[string]string{"listeners": "http://127.0.0.1:0"}, 0},
		{"all addresses", map[string]string{"listeners": "http://:0"}, 1},
		{"all addresses, for administrators too", map[string]string{"listeners": "http://0.0.0.0:0", "admin.listeners": "http://:0"}, 2},
		{"with names and passwords", map[string]string{"listeners": "http://:0", "rest.extension.classes": connect.BasicAuthClass, "rest.basic.auth.file": users}, 0},
		{"https", https, 1},
		{"https that asks for a certificate", with(https, "listeners.https.ssl.client.auth", "requested"), 1},
		{"https that wants a certificate", with(https, "listeners.https.ssl.client.auth", "required"), 0},
		{"metrics", map[string]string{"listeners": "http://127.0.0.1:0", "metrics.listeners": "http://:0"}, 0},
	} {
		var log bytes.Buffer
		s := NewServer(newWorker(t, c.props), slog.New(slog.NewTextHandler(&log, nil)))
		if _, err := s.Listen(); err != nil {
			t.Fatal(err)
		}
		s.close()
		if got := strings.Count(log.String(), "without authentication"); got != c.want {
			t.Errorf("%s: %d warnings, want %d:\n%s", c.name, got, c.want, log.String())
		}
	}
}

func TestRESTOptionsAreChecked(t *testing.T) {
	file := certificate(t)
	for _, c := range []struct {
		props map[string]string
		want  string
	}{
		{map[string]string{"listeners": "https://127.0.0.1:0"}, "ssl.keystore.location"},
		{map[string]string{"listeners": "https://127.0.0.1:0", "ssl.keystore.location": "/not/there"}, "/not/there"},
		{map[string]string{"listeners.https.ssl.keystore.location": "/not/there", "listeners": "https://127.0.0.1:0"}, "listeners.https.ssl.keystore.location"},
		{map[string]string{"listeners": "https://127.0.0.1:0", "ssl.keystore.location": file, "ssl.client.auth": "required"}, "ssl.truststore.location"},
		{map[string]string{"listeners": "https://127.0.0.1:0", "listeners.https.ssl.keystore.location": file, "listeners.https.ssl.client.auth": "perhaps"}, "listeners.https.ssl.client.auth"},
		{map[string]string{"admin.listeners": "https://127.0.0.1:0", "admin.listeners.https.ssl.keystore.location": "/not/there"}, "admin.listeners.https.ssl.keystore.location"},
		{map[string]string{"admin.listeners": "https://127.0.0.1:0"}, "ssl.keystore.location"},
		{map[string]string{"rest.advertised.listener": "https"}, "none of the listeners"},
		{map[string]string{"admin.listeners": "ftp://x"}, "admin.listeners"},
		{map[string]string{"admin.pprof.enable": "true"}, "set admin.listeners"},
		{map[string]string{"admin.pprof.enable": "true", "admin.listeners": ""}, "set admin.listeners"},
		{map[string]string{"response.http.headers.config": "put X: y"}, "none of set, add"},
		{map[string]string{"response.http.headers.config": "set X"}, "not of the form"},
		{map[string]string{"response.http.headers.config": "setDate Expires: soon"}, "milliseconds"},
		{map[string]string{"rest.extension.classes": "com.example.Mine"}, "com.example.Mine"},
		{map[string]string{"rest.extension.classes": connect.BasicAuthClass}, "rest.basic.auth.file"},
	} {
		all := map[string]string{"bootstrap.servers": "127.0.0.1:1", "key.converter": "JsonConverter", "value.converter": "JsonConverter", "offset.storage.file.filename": "x"}
		for name, text := range c.props {
			all[name] = text
		}
		_, report := connect.ParseWorkerConfig(all)
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseWorkerConfig(%v) = %v, want %s", c.props, err, c.want)
		}
	}
}

func TestAdminListeners(t *testing.T) {
	const loggers = "/admin/loggers"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		name, admin string
		given       bool
		want        []int // of GET /admin/loggers and of GET /connectors, per listener
	}{
		{"on the listeners", "", false, []int{200, 200}},
		{"apart", "http://127.0.0.1:0", true, []int{404, 200, 200, 404}},
		{"nowhere", "", true, []int{404, 200}},
	} {
		props := map[string]string{"listeners": "http://127.0.0.1:0"}
		if c.given {
			props["admin.listeners"] = c.admin
		}
		_, urls := serveWorker(t, props)
		var got []int
		for _, url := range urls {
			for _, path := range []string{loggers, "/connectors"} {
				status, _, _ := ask(t, client, http.MethodGet, url+path)
				got = append(got, status)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	h := newWorker(t, map[string]string{"response.http.headers.config": `add Cache-Control: no-cache, "add Cache-Control: no-store, must-revalidate", set X-Frame-Options: DENY, setDate Expires: 60000`})
	handler := Handler(h, http.DefaultClient, slog.New(slog.DiscardHandler))
	for _, path := range []string{"/connectors", "/nope", "//x"} {
		got := resttest.Do(handler, "worker-1:8083", http.MethodGet, path, nil, nil).Header
		expires, err := http.ParseTime(got.Get("Expires"))
		if diff := cmp.Diff([]string{"no-cache", "no-store, must-revalidate"}, got.Values("Cache-Control")); diff != "" || got.Get("X-Frame-Options") != "DENY" || err != nil || time.Until(expires) > time.Minute {
			t.Errorf("headers of GET %s = %v, %v", path, got, err)
		}
	}
}

func TestBasicAuth(t *testing.T) {
	dir := t.TempDir()
	users, jaas := filepath.Join(dir, "users.properties"), filepath.Join(dir, "jaas.conf")
	for path, text := range map[string]string{users: "ann=secret\nbob=", jaas: "KafkaConnect {\n  org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required\n  file=\"" + users + "\";\n};\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KAFKA_OPTS", "-Xmx1g -Djava.security.auth.login.config="+jaas)
	_, urls := serveWorker(t, map[string]string{"listeners": "http://127.0.0.1:0", "rest.extension.classes": connect.BasicAuthClass})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	basic := func(name, password string) []string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth(name, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	for _, c := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"nobody", "GET", "/connectors", nil, 401},
		{"ann", "GET", "/connectors", basic("ann", "secret"), 200},
		{"ann with another password", "GET", "/connectors", basic("ann", "secret2"), 401},
		{"an unknown user", "GET", "/connectors", basic("eve", ""), 401},
		{"another scheme", "GET", "/connectors", []string{"Authorization", "Bearer secret"}, 401},
		{"health", "GET", "/health", nil, 401},
		{"another worker", "PUT", "/connectors/x/fence", nil, 500}, // refused by the herder, for what it is
		{"a question that only looks like another worker's", "GET", "/connectors/x/tasks", nil, 401},
	} {
		status, body, _ := ask(t, client, c.method, urls[0]+c.path, c.headers...)
		if status != c.want || status == 401 && body != "User cannot access the resource." {
			t.Errorf("%s: %s %s = %d %s, want %d", c.name, c.method, c.path, status, body, c.want)
		}
	}
	if err := os.WriteFile(users, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewServer(newWorker(t, map[string]string{"rest.extension.classes": "BasicAuthSecurityRestExtension", "rest.basic.auth.file": users}), slog.New(slog.DiscardHandler))
	if _, err := s.Listen(); err == nil || !strings.Contains(err.Error(), users) {
		t.Errorf("Listen without users = %v, want the file", err)
	}
}

// elsewhere is a herder that another worker must answer for.
type elsewhere struct {
	connect.Herder
	url string
}

func (e elsewhere) Create(context.Context, connect.Request) (connect.ConnectorInfo, error) {
	return connect.ConnectorInfo{}, &connect.RedirectError{URL: e.url}
}
func (e elsewhere) RestartConnector(context.Context, string) error {
	return &connect.RedirectError{URL: e.url}
}
func (e elsewhere) Restart(context.Context, string, connect.Restart) (connect.ConnectorStatus, error) {
	return connect.ConnectorStatus{}, &connect.RedirectError{URL: e.url}
}

func TestForwarding(t *testing.T) {
	var seen []string
	leader := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(body))
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("X-Other", "not passed on")
		if r.URL.Path == "/connectors" {
			rw.Header().Set("Location", "http://leader:1/connectors/a%20b")
			rw.WriteHeader(http.StatusCreated)
		} else {
			rw.WriteHeader(http.StatusConflict)
		}
		_, _ = rw.Write([]byte(`{"a":1}`))
	}))
	defer leader.Close()
	client := leader.Client()
	defer client.CloseIdleConnections()
	base := newWorker(t, nil)
	handler := Handler(elsewhere{base, leader.URL + "/"}, client, slog.New(slog.DiscardHandler))
	do := func(h http.Handler, method, path string, body string) (*http.Response, string) {
		res := resttest.Do(h, "worker-2:8083", method, path, map[string]string{"Content-Type": "application/json", "Authorization": "Basic x"}, []byte(body))
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(text)
	}
	const create = "{ \"name\": \"a b\",\n\"config\": {} }"
	res, body := do(handler, http.MethodPost, "/connectors", create)
	if res.StatusCode != http.StatusCreated || body != `{"a":1}` || res.Header.Get("Location") != "http://worker-2:8083/connectors/a%20b" ||
		res.Header.Get("Content-Type") != "application/json" || res.Header.Get("X-Other") != "" {
		t.Errorf("forwarded POST = %d %v %s", res.StatusCode, res.Header, body)
	}
	if res, _ = do(handler, http.MethodPost, "/connectors/a%20b/restart?includeTasks=true&forward=true", ""); res.StatusCode != http.StatusConflict {
		t.Errorf("forwarded restart = %d, want the other's answer", res.StatusCode)
	}
	want := []string{
		"POST /connectors?forward=true Basic x " + create,
		"POST /connectors/a%20b/restart?forward=false&includeTasks=true Basic x ",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("what the other worker saw (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		url, query string
		status     int
		want       string
	}{
		{leader.URL, "?forward=false", 409, "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"},
		{"", "", 409, "no known leader URL"},
		{"http://127.0.0.1:1", "", 500, "IO Error trying to forward REST request: "},
	} {
		res, body := do(Handler(elsewhere{base, c.url}, client, slog.New(slog.DiscardHandler)), http.MethodPost, "/connectors/x/restart"+c.query, "")
		if res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("restart%s with the leader at %q = %d %s, want %d %s", c.query, c.url, res.StatusCode, body, c.status, c.want)
		}
	}
	if len(seen) != 2 {
		t.Errorf("the other worker saw %d requests, want 2", len(seen))
	}
}

func TestTopicTrackingOff(t *testing.T) {
	for _, c := range []struct {
		props        map[string]string
		topics, want int
	}{
		{map[string]string{"topic.tracking.enable": "false"}, 403, 403},
		{map[string]string{"topic.tracking.allow.reset": "false"}, 200, 403},
	} {
		handler := Handler(newWorker(t, c.props), http.DefaultClient, slog.New(slog.DiscardHandler))
		topics := resttest.Do(handler, "w", http.MethodGet, "/connectors/x/topics", nil, nil).StatusCode
		reset := resttest.Do(handler, "w", http.MethodPut, "/connectors/x/topics/reset", nil, nil).StatusCode
		if topics != c.topics || reset != c.want {
			t.Errorf("%v: GET topics = %d, PUT reset = %d, want %d and %d", c.props, topics, reset, c.topics, c.want)
		}
	}
}
