package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswer bounds what is read of an answer; a schema of a thousand columns takes some hundred kilobytes.
const maxAnswer = 64 << 20

// attempt is the http.RoundTripper of one call. It sends a request to one address after the other until one answers, reads the whole
// answer within the time limit, and turns answers that are no success into errors of our types.
type attempt struct {
	client     *Client
	ctx        context.Context // of this call only: an attempt does not outlive it
	verb       string
	subject    string
	text       string
	id         int
	registered bool // the registration was answered
}

func (a *attempt) what() string {
	if a.subject == "" {
		return fmt.Sprintf("%s schema id %d", a.verb, a.id)
	}
	return fmt.Sprintf("%s schema of subject %q", a.verb, a.subject)
}

// RoundTrip implements http.RoundTripper.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.registered && req.Method == http.MethodGet {
		// srclient reads back what it registered; we know it already.
		return answer(req, []byte("{}")), nil
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	c := a.client
	first := int(c.current.Load())
	var last error
	for i := range c.bases {
		at := (first + i) % len(c.bases)
		data, err := a.send(req, c.bases[at], body)
		var down *UnavailableError
		switch {
		case err == nil:
			c.current.Store(int32(at))
			a.registered = req.Method == http.MethodPost
			return answer(req, data), nil
		case a.ctx.Err() != nil || !errors.As(err, &down):
			return nil, err
		}
		last = err
	}
	return nil, last
}

func answer(req *http.Request, data []byte) *http.Response {
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header),
		Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)), Request: req}
}

// send makes one attempt at one address.
func (a *attempt) send(req *http.Request, base *url.URL, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(a.ctx, a.client.config.Timeout, fmt.Errorf("no answer within %v", a.client.config.Timeout))
	defer cancel()
	target := *base
	target.User = nil
	uri := target.String() + req.URL.RequestURI()
	if a.client.config.Normalize && req.Method == http.MethodPost {
		separator := "?"
		if req.URL.RawQuery != "" {
			separator = "&"
		}
		uri += separator + "normalize=true"
	}
	out, err := http.NewRequestWithContext(ctx, req.Method, uri, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = req.Header.Clone()
	out.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json")
	for name, values := range a.client.config.Headers {
		out.Header[name] = values
	}
	if err := a.client.authorize(ctx, out, base); err != nil {
		return nil, err
	}
	resp, err := a.client.transport.RoundTrip(out)
	if err != nil {
		return nil, unavailable(ctx, base, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, unavailable(ctx, base, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return data, nil
	}
	return nil, a.refusal(base, resp.StatusCode, data)
}

// authorize says who we are. What a token endpoint refuses is an error of its own, which tells whether to try again.
func (c *Client) authorize(ctx context.Context, req *http.Request, base *url.URL) error {
	switch {
	case c.config.Tokens != nil:
		token, err := c.config.Tokens.Token(ctx)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case c.config.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.config.Token.Reveal())
	case c.config.User != "":
		req.SetBasicAuth(c.config.User, c.config.Password.Reveal())
	case base.User != nil:
		password, _ := base.User.Password()
		req.SetBasicAuth(base.User.Username(), password)
	}
	return nil
}

func unavailable(ctx context.Context, base *url.URL, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	remedy := mistrust(err)
	return &UnavailableError{URL: base.Redacted(), Err: err, Permanent: remedy != "", Remedy: remedy}
}

// mistrust says what to do where one side does not accept the other's certificate, "" for all other errors.
func mistrust(err error) string {
	var certificate *tls.CertificateVerificationError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return "its certificate is for another host: check schema.registry.url, or set schema.registry.ssl.endpoint.identification.algorithm to nothing, which leaves the name unchecked"
	case errors.As(err, &certificate):
		return "check schema.registry.ssl.truststore.location or schema.registry.ssl.truststore.certificates, which hold the authorities that are believed"
	case refused(err):
		return "it refuses us: check schema.registry.ssl.keystore.location or schema.registry.ssl.keystore.key, our certificate, and schema.registry.ssl.enabled.protocols"
	}
	return ""
}

// refused tells that the other side ended TLS with an alert.
func refused(err error) bool {
	var alert *net.OpError // of crypto/tls
	return errors.As(err, &alert) && alert.Op == "remote error"
}

// refusal gives an answer that is no success its error.
func (a *attempt) refusal(base *url.URL, status int, data []byte) error {
	var said struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &said) != nil || said.Message == "" {
		said.Message = http.StatusText(status)
	}
	switch {
	case status == http.StatusConflict:
		return &IncompatibleError{Subject: a.subject, Message: said.Message}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &AuthError{URL: base.Redacted(), Status: status, Message: said.Message}
	case status == http.StatusNotFound:
		return &NotFoundError{Code: said.Code, Message: said.Message}
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return &UnavailableError{URL: base.Redacted(), Err: fmt.Errorf("%d %s", status, said.Message)}
	}
	return &RejectedError{Status: status, Code: said.Code, Message: said.Message}
}
