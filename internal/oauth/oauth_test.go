package oauth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint answers with a status and a text, and keeps what it was asked.
func endpoint(t *testing.T, status int, answer string) (url string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, secret, _ := r.BasicAuth()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		*asked = append(*asked, fmt.Sprintf("%s %s:%s %s", r.Method, id, secret, r.PostForm.Encode()))
		rw.WriteHeader(status)
		fmt.Fprintf(rw, answer, len(*asked))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/token", asked
}

func TestToken(t *testing.T) {
	url, asked := endpoint(t, 200, `{"access_token":"t%d","expires_in":100}`)
	s := New(Config{Endpoint: url, ClientID: "me", Secret: "se:cret", Scope: "a b"})
	now := time.Unix(1000, 0)
	s.now = func() time.Time { return now }
	var got []string
	for _, later := range []time.Duration{0, 79 * time.Second, 2 * time.Second} {
		now = now.Add(later)
		token, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, token)
	}
	if want := "t1 t1 t2"; strings.Join(got, " ") != want {
		t.Errorf("tokens at 0 s, 79 s and 81 s = %v, want %s", got, want)
	}
	if want := "POST me:se:cret grant_type=client_credentials&scope=a+b"; (*asked)[0] != want || len(*asked) != 2 {
		t.Errorf("the endpoint was asked %q, want %q, twice", *asked, want)
	}
	for want, c := range map[string]Config{
		"POST a%2Bb:c%3Ad grant_type=client_credentials":                        {ClientID: "a+b", Secret: "c:d", Escape: true},
		"POST : client_id=a%2Bb&client_secret=cd&grant_type=client_credentials": {ClientID: "a+b", Secret: "cd", InBody: true},
	} {
		c.Endpoint, *asked = url, nil
		if _, err := New(c).Token(t.Context()); err != nil || (*asked)[0] != want {
			t.Errorf("Token = %v, asked %q, want %q", err, *asked, want)
		}
	}
}

// Many callers at once make one request.
func TestTokenOnce(t *testing.T) {
	url, asked := endpoint(t, 200, `{"id_token":"t%d","expires_in":100}`)
	s := New(Config{Endpoint: url})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if token, err := s.Token(t.Context()); token != "t1" || err != nil {
				t.Errorf("Token = %q, %v", token, err)
			}
		})
	}
	wg.Wait()
	if len(*asked) != 1 {
		t.Errorf("%d requests for eight callers, want 1", len(*asked))
	}
}

func TestLifetimeOfToken(t *testing.T) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1050.5}`))
	url, asked := endpoint(t, 200, `{"access_token":"x.`+claims+`.%d"}`)
	s := New(Config{Endpoint: url})
	now := time.Unix(1000, 0)
	s.now = func() time.Time { return now }
	for _, later := range []time.Duration{0, 39 * time.Second, 2 * time.Second} {
		now = now.Add(later)
		if _, err := s.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(*asked) != 2 {
		t.Errorf("%d requests at 0 s, 39 s and 41 s for a token of 50 s, want 2", len(*asked))
	}
	for _, token := range []string{"opaque", "a.b.c", "a.e30.c"} {
		if got := s.lifetime(token, 0); got != 0 {
			t.Errorf("lifetime(%q) = %v, want 0: it is asked for each time", token, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status    int
		answer    string
		want      string
		retriable bool
	}{
		{401, `{"error":"invalid_client","error_description":"no such client%.0d"}`, "401 Unauthorized invalid_client no such client", false},
		{400, `x%.0d`, "400 Bad Request", false},
		{503, `%.0d`, "503 Service Unavailable", true},
		{429, `%.0d`, "429", true},
		{200, `{"other":%d}`, "no access_token", false},
		{200, `<html>%d`, "no access_token", false},
	} {
		url, _ := endpoint(t, c.status, c.answer)
		_, err := New(Config{Endpoint: url, ClientID: "me", Secret: "s3cret"}).Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Retriable() != c.retriable || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), url) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: Token = %v, want %q, retriable %t", c.status, err, c.want, c.retriable)
		}
	}
	away := httptest.NewServer(nil)
	away.Close()
	var e *Error
	if _, err := New(Config{Endpoint: away.URL}).Token(t.Context()); !errors.As(err, &e) || !e.Retriable() {
		t.Errorf("Token of nobody = %v, want an error that is retriable", err)
	}
	stranger := httptest.NewTLSServer(nil)
	defer stranger.Close()
	if _, err := New(Config{Endpoint: stranger.URL, TLS: &tls.Config{}}).Token(t.Context()); !errors.As(err, &e) || e.Retriable() {
		t.Errorf("Token of a server with a strange certificate = %v, want an error that is not retriable", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("stopped")
	cancel(reason)
	if _, err := New(Config{Endpoint: away.URL}).Token(ctx); !errors.Is(err, reason) {
		t.Errorf("Token without time = %v, want %v", err, reason)
	}
}

func TestHangingEndpoint(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	var e *Error
	if _, err := New(Config{Endpoint: s.URL, Timeout: 20 * time.Millisecond}).Token(t.Context()); !errors.As(err, &e) || !e.Retriable() || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("Token = %v, want an error with the time limit", err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	s := New(Config{Endpoint: "file://" + path})
	if _, err := s.Token(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Token without file = %v, want the file", err)
	}
	for _, text := range []string{"one\n", "two"} { // it is read each time
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Token(t.Context()); got != strings.TrimSpace(text) || err != nil {
			t.Errorf("Token = %q, %v, want %q", got, err, text)
		}
	}
}

func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{"https://h/t": true, "http://h": true, "file:///run/token": true, "h/t": false, "ftp://h": false, "https://": false, "file://": false, "http://[": false} {
		if err := Check(text); (err == nil) != ok {
			t.Errorf("Check(%q) = %v, want ok %t", text, err, ok)
		}
	}
}

func TestUnsecured(t *testing.T) {
	got, err := Unsecured(map[string]any{"sub": "ann"}, time.Unix(10, 0), time.Minute)
	header, rest, _ := strings.Cut(got, ".")
	claims, signature, found := strings.Cut(rest, ".")
	h, _ := base64.RawURLEncoding.DecodeString(header)
	c, _ := base64.RawURLEncoding.DecodeString(claims)
	if err != nil || string(h) != `{"alg":"none"}` || string(c) != `{"exp":70,"iat":10,"sub":"ann"}` || signature != "" || !found {
		t.Errorf("Unsecured = %s: %s %s %s, %v", got, h, c, signature, err)
	}
}
