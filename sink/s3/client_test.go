package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeS3 answers requests, and remembers them.
type fakeS3 struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	answer   func(w http.ResponseWriter, r *http.Request) bool // false: the usual answer
}

func newFakeS3(t *testing.T) *fakeS3 {
	f := &fakeS3{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		f.mu.Lock()
		f.requests = append(f.requests, r)
		answer := f.answer
		f.mu.Unlock()
		if answer != nil && answer(w, r) {
			return
		}
		switch {
		case r.URL.Query().Has("uploads") && r.Method == http.MethodPost:
			fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`)
		case r.Method == http.MethodPut:
			w.Header().Set("ETag", `"e1"`)
		case r.Method == http.MethodGet:
			fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeS3) last() *http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[len(f.requests)-1]
}

// testClient is a client of the fake server.
func testClient(t *testing.T, f *fakeS3, extra ...string) *client {
	t.Helper()
	c := parsed(t, append([]string{"store.url", f.URL, "aws.access.key.id", "me", "aws.secret.access.key", "pw", "s3.retry.backoff.ms", "1"}, extra...)...)
	s, err := newClient(c.Client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func putText(ctx context.Context, s *client, text string) error {
	return s.put(ctx, "dir/a b.json", strings.NewReader(text), int64(len(text)), putOptions{mark: "m", kind: "text/plain", condition: ifNone})
}

// TestRequests: what the options add to the requests.
func TestRequests(t *testing.T) {
	const key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	for _, c := range []struct {
		extra []string
		want  map[string]string // headers; "" is none. path and host beside them
	}{
		{nil, map[string]string{"path": "/b/dir/a%20b.json", "Content-Type": "text/plain", "If-None-Match": "*", "X-Amz-Meta-Tandem-Writer": "m", "X-Amz-Acl": "", "Content-Md5": "", "X-Amz-Server-Side-Encryption": "", "X-Amz-Checksum-Crc32": ""}},
		{[]string{"s3.acl.canned", "bucket-owner-full-control", "s3.send.digest", "true"}, map[string]string{"X-Amz-Acl": "bucket-owner-full-control", "Content-Md5": "XUFAKrxLKna5cZ2REBfFkg=="}},
		{[]string{"s3.ssea.name", "AES256"}, map[string]string{"X-Amz-Server-Side-Encryption": "AES256"}},
		{[]string{"s3.ssea.name", "aws:kms", "s3.sse.kms.key.id", "k1"}, map[string]string{"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "k1"}},
		{[]string{"s3.region", "eu-central-1"}, map[string]string{"Authorization": "eu-central-1/s3/aws4_request"}},
	} {
		f := newFakeS3(t)
		s := testClient(t, f, c.extra...)
		if err := s.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := putText(t.Context(), s, "hello"); err != nil {
			t.Fatal(err)
		}
		r := f.last()
		for name, want := range c.want {
			got := r.Header.Get(name)
			if name == "path" {
				got = r.URL.EscapedPath()
			}
			if got != want && (name != "Authorization" || !strings.Contains(got, want)) {
				t.Errorf("%s with %q = %q, want %q", name, c.extra, got, want)
			}
		}
	}
	if s := testClient(t, newFakeS3(t), "s3.ssea.name", "AES256", "s3.sse.customer.key", key); len(s.customerKey) != 32 || s.encryption() != "" {
		t.Errorf("the customer's key has %d bytes, the server's encryption is %q; want 32 and none", len(s.customerKey), s.encryption())
	}
}

// TestRetries: s3.part.retries attempts, then an error that the worker tries again.
func TestRetries(t *testing.T) {
	f := newFakeS3(t)
	s := testClient(t, f, "s3.part.retries", "2")
	if err := s.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	tries := 0
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		tries++
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>slow</Message></Error>`)
		return true
	}
	err := putText(t.Context(), s, "x")
	if tries != 3 || !retriable(err) {
		t.Errorf("put() to a server that is busy = %v after %d attempts, want a retriable error after 3", err, tries)
	}
	f.Close()
	if err := putText(t.Context(), s, "x"); !retriable(err) || !strings.Contains(err.Error(), "store.url") {
		t.Errorf("put() to a server that is gone = %v, want a retriable error that names store.url", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := putText(ctx, s, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("put() that is cancelled = %v", err)
	}
}

func TestDoubling(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 4: 1600 * time.Millisecond, 60: 24 * time.Hour} {
		if got, err := doubling(200*time.Millisecond).BackoffDelay(attempt, nil); got != want || err != nil {
			t.Errorf("BackoffDelay(%d) = %v, want %v", attempt, got, want)
		}
	}
}

// TestRemedies: codes of refusals tell what to do.
func TestRemedies(t *testing.T) {
	for code, want := range map[string]string{"NoSuchBucket": "s3.bucket.name", "InvalidAccessKeyId": "aws.access.key.id", "AccessDenied": "s3:PutObject", "KeyTooLongError": "1024", "PermanentRedirect": "s3.region"} {
		f := newFakeS3(t)
		s := testClient(t, f)
		if err := s.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, code)
			return true
		}
		err := putText(t.Context(), s, "x")
		if err == nil || retriable(err) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `object "dir/a b.json" in bucket "b"`) {
			t.Errorf("put() that is answered %s = %v, want an error that names the object and %q", code, err, want)
		}
		if err := s.check(t.Context()); code == "AccessDenied" && err != nil {
			t.Errorf("check() where looking is not allowed = %v, want nil: writing may be", err)
		}
	}
}

// TestProxy: requests go to the proxy, with its user.
func TestProxy(t *testing.T) {
	f := newFakeS3(t)
	c := parsed(t, "store.url", "http://storage.invalid", "aws.access.key.id", "me", "aws.secret.access.key", "pw", "s3.proxy.url", f.URL, "s3.proxy.user", "u", "s3.proxy.password", "p", "s3.http.send.expect.continue", "false")
	s, err := newClient(c.Client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if err := s.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := f.last().Header.Get("Proxy-Authorization"), "Basic dTpw"; got != want || f.last().Host != "storage.invalid" {
		t.Errorf("host %s, Proxy-Authorization %q, want storage.invalid and %q", f.last().Host, got, want)
	}
}

// TestCredentials: where they come from.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = fromdefault\naws_secret_access_key = s\n[other]\naws_access_key_id = fromother\naws_secret_access_key = s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, c := range []struct {
		env, class, want string
	}{
		{"", defaultChain, "Credential=fromdefault/"},
		{"AWS_PROFILE=other", defaultChain, "Credential=fromother/"},
		{"AWS_PROFILE=other", javaAuth1 + "profile.ProfileCredentialsProvider", "Credential=fromother/"},
		{"", javaAuth2 + "ProfileCredentialsProvider", "Credential=fromdefault/"},
		{"AWS_ACCESS_KEY_ID=fromenv", defaultChain, "Credential=fromenv/"},
		{"AWS_ACCESS_KEY_ID=fromenv", javaAuth2 + "EnvironmentVariableCredentialsProvider", "Credential=fromenv/"},
		{"", javaAuth2 + "AnonymousCredentialsProvider", ""},
		{"", javaAuth1 + "EnvironmentVariableCredentialsProvider", "!set aws.access.key.id and aws.secret.access.key"},
	} {
		t.Run(c.env+c.class, func(t *testing.T) {
			t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
			if name, value, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(name, value)
			}
			f := newFakeS3(t)
			s := testClient(t, f, "s3.credentials.provider.class", c.class, "aws.access.key.id", "", "aws.secret.access.key", "")
			err := s.check(t.Context())
			if want, fails := strings.CutPrefix(c.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("check() = %v, want an error that says %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := f.last().Header.Get("Authorization"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("Authorization = %q, want %q in it", got, c.want)
			}
		})
	}
}

// TestMultipartRequests: an upload in parts, completed under the condition; a part of an upload that is gone stops.
func TestMultipartRequests(t *testing.T) {
	f := newFakeS3(t)
	s := testClient(t, f)
	if err := s.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := s.begin(t.Context(), "a", putOptions{mark: "m"})
	if err != nil || id != "u1" {
		t.Fatalf("begin() = %q, %v", id, err)
	}
	etag, err := s.part(t.Context(), "a", id, 1, bytes.NewReader([]byte("x")), 1)
	if err != nil || etag != `"e1"` {
		t.Fatalf("part() = %q, %v", etag, err)
	}
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusOK) // S3 tells some errors late
		fmt.Fprint(w, `<Error><Code>PreconditionFailed</Code><Message>there</Message></Error>`)
		return true
	}
	var written *WrittenError
	if err := s.complete(t.Context(), "a", id, []sentPart{{1, etag}}, putOptions{mark: "m", condition: ifSame, etag: "e0"}); !errors.As(err, &written) {
		t.Errorf("complete() over another's object = %v, want that it is refused", err)
	}
}
