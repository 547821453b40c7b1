package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// client speaks HTTP with the servers. Safe for concurrent use, but for hello, which comes first.
type client struct {
	http     *http.Client
	pool     pool
	user     *url.Userinfo // nil: none but those of the URLs
	compress bool
	silence  time.Duration // read.timeout.ms; 0: no bound
	retries  int
	backoff  time.Duration
	log      *slog.Logger

	media   string // of requests and answers
	product string // for messages: "Elasticsearch 7.17.29"

	retried atomic.Int64
	packers sync.Pool // of *gzip.Writer
}

// mostAnswer bounds an answer: that to the largest bulk there may be, an error for each document, is far below.
const mostAnswer = 1 << 30

func newClient(c *Config, log *slog.Logger) *client {
	millis := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	dialer := net.Dialer{Timeout: millis(c.ConnectMillis), KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     c.tls,
		TLSHandshakeTimeout: millis(c.ConnectMillis),
		MaxIdleConnsPerHost: c.MaxInFlight,
		IdleConnTimeout:     millis(max(c.IdleMillis, 0)),
		DisableCompression:  !c.Compression,
	}
	if c.ProxyHost != "" {
		proxy := &url.URL{Scheme: "http", Host: net.JoinHostPort(c.ProxyHost, strconv.Itoa(c.ProxyPort))}
		if c.ProxyUsername != "" {
			proxy.User = url.UserPassword(c.ProxyUsername, c.ProxyPassword.Reveal())
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	out := &client{
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		pool: pool{servers: append([]server(nil), c.servers...)}, compress: c.Compression, silence: millis(c.ReadMillis),
		retries: c.MaxRetries, backoff: time.Duration(c.RetryBackoffMillis) * time.Millisecond, log: log, media: "application/json", product: "the server",
	}
	if c.Username != "" || c.Password != "" {
		out.user = url.UserPassword(c.Username, c.Password.Reveal())
	}
	out.packers.New = func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
		return w
	}
	return out
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request is one call of the API.
type request struct {
	op     string // for errors: a verb phrase and its operand
	method string
	path   string // with a leading slash
	body   []byte // nil: none
	packed bool   // the body is compressed
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do asks one server after the other until one answers that it can serve, and gives the last answer there was. The error is an UnavailableError or
// that of ctx.
func (c *client) do(ctx context.Context, r *request) (*answer, error) {
	var last *answer
	var lastURL string
	var failure error
	for _, s := range c.pool.order(time.Now()) {
		a, err := c.ask(ctx, s, r)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s: %w", r.op, context.Cause(ctx))
		case err != nil:
			c.pool.failed(s, time.Now())
			failure = &UnavailableError{Op: r.op, URL: s.base, Err: err}
		case a.status >= 502 && a.status <= 504: // what stands before the server, or the server without its cluster
			c.pool.failed(s, time.Now())
			last, lastURL = a, s.base
		default:
			c.pool.answered(s)
			return a, c.refusal(r, s.base, a)
		}
	}
	if last != nil {
		return last, c.refusal(r, lastURL, last)
	}
	return nil, failure
}

// refusal is the error in an answer, nil when it is a success.
func (c *client) refusal(r *request, base string, a *answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	kind, reason := errorOf(a.body)
	return &ResponseError{Op: r.op, URL: base, Status: a.status, Type: kind, Reason: reason}
}

// errorOf reads {"error":{"type":…,"reason":…}}, {"error":"text"}, or any text.
func errorOf(body []byte) (kind, reason string) {
	var whole struct{ Error json.RawMessage }
	if json.Unmarshal(body, &whole) == nil && len(whole.Error) > 0 {
		var parts struct{ Type, Reason string }
		if json.Unmarshal(whole.Error, &parts) == nil {
			return parts.Type, parts.Reason
		}
		if json.Unmarshal(whole.Error, &reason) == nil {
			return "", reason
		}
	}
	const most = 200
	if len(body) > most {
		body = body[:most]
	}
	return "", strings.ToValidUTF8(strings.TrimSpace(string(body)), "")
}

var errSilent = errors.New("the server was silent for longer than read.timeout.ms")

// ask makes the request of one server and reads the whole answer.
func (c *client) ask(parent context.Context, s *server, r *request) (*answer, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watch := c.watch(cancel)
	defer watch.stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { watch.alive() }})
	var body io.Reader
	if r.body != nil {
		body = &watchedReader{bytes.NewReader(r.body), watch}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.base+r.path, body)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.ContentLength = int64(len(r.body))
		req.GetBody = func() (io.ReadCloser, error) { // for a kept connection that turns out to be closed
			return io.NopCloser(&watchedReader{bytes.NewReader(r.body), watch}), nil
		}
		req.Header.Set("Content-Type", c.media)
		if r.packed {
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	req.Header.Set("Accept", c.media)
	req.Header.Set("User-Agent", "tandem")
	if user := c.user; user != nil || s.user != nil {
		if user == nil {
			user = s.user
		}
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(&watchedReader{res.Body, watch}, mostAnswer))
	if err != nil {
		return nil, causeOf(ctx, fmt.Errorf("read the answer: %w", err))
	}
	return &answer{res.StatusCode, res.Header, text}, nil
}

// causeOf tells why a request was cut off, and takes the URL out of what net/http says: the caller names it.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var told *url.Error
	if errors.As(err, &told) {
		return told.Err
	}
	return err
}

// watch ends a request on which nothing moves. The time runs while there is a connection.
type watch struct {
	silence time.Duration
	timer   *time.Timer // nil: no bound
}

func (c *client) watch(cancel context.CancelCauseFunc) *watch {
	w := &watch{silence: c.silence}
	if c.silence > 0 {
		w.timer = time.AfterFunc(c.silence, func() { cancel(errSilent) })
		w.timer.Stop()
	}
	return w
}

func (w *watch) alive() {
	if w.timer != nil {
		w.timer.Reset(w.silence)
	}
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

type watchedReader struct {
	io.Reader
	watch *watch
}

func (r *watchedReader) Read(p []byte) (int, error) {
	r.watch.alive()
	n, err := r.Reader.Read(p)
	r.watch.alive()
	return n, err
}

// pack compresses a body behind dst.
func (c *client) pack(dst, body []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w := c.packers.Get().(*gzip.Writer)
	defer c.packers.Put(w)
	w.Reset(out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// call is do, again and again for a reason that passes, as often as max.retries says.
func (c *client) call(ctx context.Context, r *request) (a *answer, err error) {
	for attempt := 1; ; attempt++ {
		if a, err = c.do(ctx, r); err == nil || ctx.Err() != nil || !retriable(err) {
			return a, err
		}
		if err := c.again(ctx, r.op, attempt, err); err != nil {
			return nil, err
		}
	}
}

// again waits before another attempt; the error is that there is none. The wait is random, below retry.backoff.ms doubled with every attempt.
func (c *client) again(ctx context.Context, op string, attempt int, err error) error {
	if attempt > c.retries {
		return &ExhaustedError{Op: op, Attempts: attempt, Err: err}
	}
	wait := c.wait(attempt)
	c.log.Warn("a request failed, trying again", "error", err, "attempt", attempt, "of", c.retries+1, "wait", wait)
	c.retried.Add(1)
	if !pause.For(ctx, wait) {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	return nil
}

// longestWait bounds the exponential back-off, as the original does.
const longestWait = 24 * time.Hour

func (c *client) wait(attempt int) time.Duration {
	most := longestWait
	if attempt <= 32 && c.backoff<<attempt>>attempt == c.backoff {
		most = min(c.backoff<<attempt, longestWait)
	}
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

// hello asks who the server is, and chooses the media type that it understands.
func (c *client) hello(ctx context.Context) (version serverVersion, err error) {
	a, err := c.do(ctx, &request{op: "ask for the version", method: "GET", path: "/"})
	if err != nil {
		return version, err
	}
	var info struct {
		Version struct{ Number, Distribution string }
	}
	if err := json.Unmarshal(a.body, &info); err != nil || info.Version.Number == "" {
		return version, errors.New("what answers GET / is no Elasticsearch and no OpenSearch: it names no version; check connection.url")
	}
	version = serverVersion{number: info.Version.Number, openSearch: info.Version.Distribution == "opensearch"}
	version.major, _ = strconv.Atoi(strings.SplitN(info.Version.Number, ".", 2)[0])
	c.product = version.String()
	if !version.openSearch && version.major >= 8 { // the API as it was in the major version before
		c.media = fmt.Sprintf("application/vnd.elasticsearch+json; compatible-with=%d", version.major-1)
	}
	return version, nil
}

// serverVersion is what GET / answers.
type serverVersion struct {
	number     string
	major      int
	openSearch bool
}

func (v serverVersion) String() string {
	if v.openSearch {
		return "OpenSearch " + v.number
	}
	return "Elasticsearch " + v.number
}
