package oauth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Config says where tokens come from.
type Config struct {
	Endpoint string // http, https, or file, which holds a token
	ClientID string
	Secret   config.Secret
	Scope    string // "": that of the server's choice
	// Escape writes id and secret form-urlencoded into the header, as RFC 6749 wants it and many servers do not.
	Escape bool
	// InBody sends id and secret in the body instead of the header.
	InBody bool

	TLS            *tls.Config   // nil: the system's certificates
	ConnectTimeout time.Duration // 0: ten seconds
	Timeout        time.Duration // of a whole request; 0: ten seconds
}

const defaultTimeout = 10 * time.Second

// Check tells what is wrong with an endpoint; its text may hold a password.
func Check(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("it is no URL")
	case u.Scheme == "file" && u.Path != "":
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it must begin with https://, http:// or file:// and name a host or a file")
	}
	return nil
}

// Source hands out tokens. It is safe for concurrent use.
type Source struct {
	cfg       Config
	transport *http.Transport
	now       func() time.Time

	lock  chan struct{} // held by who asks the endpoint. Bound: 1
	token string
	until time.Time
}

// New stores a Config; Token asks.
func New(c Config) *Source {
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultTimeout
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return &Source{cfg: c, now: time.Now, lock: make(chan struct{}, 1), transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS, DisableCompression: true, DisableKeepAlives: true, // a request in minutes, and as Java makes it
		DialContext: (&net.Dialer{Timeout: c.ConnectTimeout}).DialContext,
	}}
}

// Error says that there is no token.
type Error struct {
	Endpoint string
	Err      error
	refused  bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("get a token from %s: %v", e.Endpoint, e.Err)
}
func (e *Error) Unwrap() error { return e.Err }

// Retriable tells whether another attempt may succeed: the endpoint was not reached, or failed itself.
func (e *Error) Retriable() bool { return !e.refused }

// Token is the present token, or a new one.
func (s *Source) Token(ctx context.Context) (string, error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if s.token != "" && s.now().Before(s.until) {
		return s.token, nil
	}
	token, lifetime, err := s.fetch(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		var own *Error
		if !errors.As(err, &own) {
			own = &Error{Err: err}
		}
		own.Endpoint = s.endpoint()
		return "", own
	}
	s.token, s.until = token, s.now().Add(lifetime*4/5)
	return token, nil
}

// endpoint is how errors name it.
func (s *Source) endpoint() string {
	if u, err := url.Parse(s.cfg.Endpoint); err == nil {
		u.RawQuery = ""
		return u.Redacted()
	}
	return "the token endpoint"
}

// mostAnswer bounds what is read; tokens take some kilobytes.
const mostAnswer = 1 << 20

func (s *Source) fetch(ctx context.Context) (token string, lifetime time.Duration, err error) {
	if u, err := url.Parse(s.cfg.Endpoint); err == nil && u.Scheme == "file" {
		return s.read(u.Path)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, fmt.Errorf("no answer within %v", s.cfg.Timeout))
	defer cancel()
	req, err := s.request(ctx)
	if err != nil {
		return "", 0, err
	}
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		var certificate *tls.CertificateVerificationError
		return "", 0, &Error{Err: cause(ctx, err), refused: errors.As(err, &certificate)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return "", 0, cause(ctx, err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		IDToken     string `json:"id_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	parseErr := json.Unmarshal(body, &answer)
	if res.StatusCode/100 != 2 {
		why := res.Status
		if answer.Error != "" {
			why = strings.TrimSpace(fmt.Sprintf("%s %s %s", res.Status, answer.Error, answer.Description))
		}
		again := res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout
		return "", 0, &Error{Err: errors.New(why), refused: !again}
	}
	if token = answer.AccessToken; token == "" {
		token = answer.IDToken
	}
	if token == "" {
		return "", 0, &Error{Err: errors.Join(errors.New("its answer holds no access_token"), parseErr), refused: true}
	}
	return token, s.lifetime(token, answer.ExpiresIn), nil
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// read takes a token from a file, which others renew.
func (s *Source) read(path string) (string, time.Duration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0, &Error{Err: err, refused: true}
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", 0, &Error{Err: errors.New("the file is empty"), refused: true}
	}
	return token, 0, nil
}

func (s *Source) request(ctx context.Context) (*http.Request, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if s.cfg.Scope != "" {
		form.Set("scope", s.cfg.Scope)
	}
	id, secret := s.cfg.ClientID, s.cfg.Secret.Reveal()
	if s.cfg.InBody {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Err: errors.New("it is no URL"), refused: true}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !s.cfg.InBody {
		if s.cfg.Escape {
			id, secret = url.QueryEscape(id), url.QueryEscape(secret)
		}
		req.SetBasicAuth(id, secret)
	}
	return req, nil
}

// lifetime is how long a token counts from now: as the answer says, else as the token does; 0 when neither does.
func (s *Source) lifetime(token string, seconds int64) time.Duration {
	if seconds > 0 {
		return time.Duration(min(seconds, 1<<31)) * time.Second
	}
	_, rest, _ := strings.Cut(token, ".")
	claims, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(claims)
	var c struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(text, &c) != nil || c.Expires <= 0 || c.Expires > 1<<40 {
		return 0
	}
	return max(0, time.Unix(int64(c.Expires), 0).Sub(s.now()))
}

// Unsecured makes a token that nobody has signed, for brokers that are tried out: Kafka's default broker takes it and no other.
func Unsecured(claims map[string]any, now time.Time, lifetime time.Duration) (string, error) {
	all := map[string]any{"iat": now.Unix(), "exp": now.Add(lifetime).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	body, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write the claims of an unsecured token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + ".", nil
}
