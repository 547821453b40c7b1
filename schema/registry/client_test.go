package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`

// newFake is a registry in process; requests counts what reaches it.
func newFake(t *testing.T, opts ...srfake.Option) (fake *srfake.Registry, requests *atomic.Int32) {
	t.Helper()
	fake, requests = srfake.New(opts...), new(atomic.Int32)
	t.Cleanup(fake.Close)
	fake.Intercept(func(http.ResponseWriter, *http.Request) bool { requests.Add(1); return false })
	return fake, requests
}

func newClient(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestRegisterOnce(t *testing.T) {
	fake, requests := newFake(t)
	c := newClient(t, Config{URLs: []string{fake.URL()}})
	first, err := c.Register(t.Context(), "topic/with slash-value", text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Register(t.Context(), "topic/with slash-value", text)
	if err != nil || again != first {
		t.Errorf("Register again = %d, %v, want %d", again, err, first)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests for one schema that was registered twice, want 1", n)
	}
	for range 2 {
		if got, err := c.Schema(t.Context(), first); err != nil || got != text {
			t.Errorf("Schema(%d) = %q, %v", first, got, err)
		}
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests after the schema was asked for twice, want 2", n)
	}
	if id, err := c.Lookup(t.Context(), "topic/with slash-value", text); err != nil || id != first {
		t.Errorf("Lookup = %d, %v, want %d", id, err, first)
	}
	latest, err := c.Latest(t.Context(), "topic/with slash-value")
	if want := (Version{ID: first, Version: 1, Schema: text}); err != nil || latest != want {
		t.Errorf("Latest = %+v, %v, want %+v", latest, err, want)
	}
}

func TestNotFound(t *testing.T) {
	fake, _ := newFake(t)
	c := newClient(t, Config{URLs: []string{fake.URL()}})
	_, lookup := c.Lookup(t.Context(), "nobody-value", text)
	_, latest := c.Latest(t.Context(), "nobody-value")
	_, byID := c.Schema(t.Context(), 99)
	for name, err := range map[string]error{"Lookup": lookup, "Latest": latest, "Schema": byID} {
		var missing *NotFoundError
		if !errors.As(err, &missing) || retriable(err) {
			t.Errorf("%s of what does not exist = %v, want *NotFoundError, not retriable", name, err)
		}
	}
}

func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// server answers every request the same.
func server(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status    int
		body      string
		check     func(err error) bool
		retriable bool
		says      []string
	}{
		{409, `{"error_code":409,"message":"Schema being registered is incompatible"}`, is[*IncompatibleError], false,
			[]string{`subject "t-value"`, "Schema being registered is incompatible", "PUT /config/t-value"}},
		{401, `{"error_code":40101,"message":"Unauthorized"}`, is[*AuthError], false, []string{"basic.auth.user.info"}},
		{403, ``, is[*AuthError], false, []string{"Forbidden"}},
		{422, `{"error_code":42201,"message":"Invalid schema"}`, is[*RejectedError], false, []string{"422", "Invalid schema", "42201"}},
		{500, `{"error_code":50001,"message":"store down"}`, is[*UnavailableError], true, []string{"store down", "http://127.0.0.1"}},
		{503, `<html>`, is[*UnavailableError], true, []string{"Service Unavailable"}},
		{429, ``, is[*UnavailableError], true, nil},
	} {
		client := newClient(t, Config{URLs: []string{server(t, c.status, c.body).URL}})
		_, err := client.Register(t.Context(), "t-value", text)
		if !c.check(err) || retriable(err) != c.retriable {
			t.Errorf("status %d: Register = %v (%T), retriable %t, want retriable %t", c.status, err, errors.Unwrap(err), retriable(err), c.retriable)
			continue
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("status %d: Register = %v, want it to say %q", c.status, err, part)
			}
		}
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestFailover(t *testing.T) {
	fake, requests := newFake(t)
	down := httptest.NewServer(nil)
	down.Close()
	failing := server(t, 503, "")
	c := newClient(t, Config{URLs: []string{down.URL, failing.URL, fake.URL()}})
	if _, err := c.Register(t.Context(), "a", text); err != nil {
		t.Fatalf("Register with one good address of three: %v", err)
	}
	if _, err := c.Register(t.Context(), "b", text); err != nil || requests.Load() != 2 {
		t.Errorf("Register again = %v after %d requests, want 2", err, requests.Load())
	}

	_, err := newClient(t, Config{URLs: []string{down.URL}}).Register(t.Context(), "a", text)
	if !is[*UnavailableError](err) || !retriable(err) || !strings.Contains(err.Error(), strings.TrimPrefix(down.URL, "http://")) {
		t.Errorf("Register with no good address = %v, want *UnavailableError that names it", err)
	}
}

// A server that does not answer is given up after the time limit, and at once when the context ends.
func TestHangingServer(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	_, err := newClient(t, Config{URLs: []string{s.URL}, Timeout: 20 * time.Millisecond}).Register(t.Context(), "a", text)
	if !is[*UnavailableError](err) || !retriable(err) || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("Register of a hanging server = %v, want *UnavailableError with the time limit", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the task was stopped")
	time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
	if _, err := newClient(t, Config{URLs: []string{s.URL}}).Register(ctx, "a", text); !errors.Is(err, reason) {
		t.Errorf("Register with a cancelled context = %v, want %v", err, reason)
	}
}

func TestCredentials(t *testing.T) {
	const want = "Basic dXNlcjpzM2NyM3Q=" // user:s3cr3t
	fake, _ := newFake(t, srfake.WithAuth(want))
	host := strings.TrimPrefix(fake.URL(), "http://")
	for name, c := range map[string]Config{
		"in the URL": {URLs: []string{"http://user:s3cr3t@" + host}},
		"apart":      {URLs: []string{"http://" + host}, User: "user", Password: "s3cr3t"},
		"both":       {URLs: []string{"http://x:y@" + host}, User: "user", Password: "s3cr3t"},
	} {
		if _, err := newClient(t, c).Register(t.Context(), "a", text); err != nil {
			t.Errorf("%s: Register = %v", name, err)
		}
	}
	_, err := newClient(t, Config{URLs: []string{"http://user:wr0ng@" + host}}).Register(t.Context(), "a", text)
	if !is[*AuthError](err) || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("Register with a wrong password = %v, want *AuthError without it", err)
	}
	if _, err := New(Config{URLs: []string{"http://user:s3cr3t@bad host"}}); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("New of a bad URL = %v, want an error without the password", err)
	}
}

func TestRequest(t *testing.T) {
	var seen *http.Request
	var body map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		json.NewDecoder(r.Body).Decode(&body)
		w.Write([]byte(`{"id":5}`))
	}))
	defer s.Close()
	c := newClient(t, Config{URLs: []string{s.URL + "/apis/ccompat/v7/"}, Normalize: true, Token: "tok", Headers: http.Header{"X-Tenant": {"a"}}})
	if id, err := c.Register(t.Context(), "a/b-value", text); err != nil || id != 5 {
		t.Fatalf("Register = %d, %v, want 5", id, err)
	}
	if got, want := seen.RequestURI, "/apis/ccompat/v7/subjects/a%2Fb-value/versions?normalize=true"; got != want {
		t.Errorf("request to %s, want %s", got, want)
	}
	if seen.Header.Get("Authorization") != "Bearer tok" || seen.Header.Get("X-Tenant") != "a" || !strings.HasPrefix(seen.Header.Get("Content-Type"), "application/vnd.schemaregistry") {
		t.Errorf("request headers %v", seen.Header)
	}
	if body["schema"] != text {
		t.Errorf("request body %v", body)
	}
}

func TestForeignSchemas(t *testing.T) {
	for body, want := range map[string]string{
		`{"schema":"syntax = \"proto3\";","schemaType":"PROTOBUF"}`:                       "PROTOBUF",
		`{"schema":"{}","references":[{"name":"o","subject":"other-value","version":1}]}`: "other-value",
	} {
		_, err := newClient(t, Config{URLs: []string{server(t, 200, body).URL}}).Schema(t.Context(), 3)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Schema(%s) = %v, want an error that says %s", body, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, urls := range [][]string{nil, {"localhost:8081"}, {"ftp://h"}, {"http://"}} {
		if _, err := New(Config{URLs: urls}); err == nil {
			t.Errorf("New(%v) gives no error", urls)
		}
	}
}
