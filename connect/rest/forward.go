package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// requestTimeout is how long a request may take, as in Kafka Connect, where it cannot be changed either.
const requestTimeout = 90 * time.Second

// Texts for requests that nobody can answer now.
const (
	noLeader    = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
	conflicting = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
)

// forwardParameter says how often a request may still be sent on: none given is as often as it takes, which is twice; true is once more; false is
// not.
const forwardParameter = "forward"

// forwarded is the answer of another worker.
type forwarded struct {
	status int
	header http.Header
	body   []byte
}

// handle calls a handler and sends the request on if another worker must answer it.
func (a *api) handle(c *call, h handler) (answer, error) {
	ctx, cancel := context.WithTimeout(c.Context(), requestTimeout)
	defer cancel()
	c.Request = c.WithContext(ctx)
	out, err := h(c)
	var redirect *connect.RedirectError
	if !errors.As(err, &redirect) {
		return out, err
	}
	forward := c.URL.Query().Get(forwardParameter)
	switch {
	case forward != "" && !strings.EqualFold(forward, "true"):
		a.log.Warn("a request must be answered by another worker, which has sent it here: a rebalance is underway", "method", c.Method, "path", c.URL.Path, "to", redirect.URL)
		return answer{}, &connect.RefusedError{Why: connect.Conflict, Message: conflicting}
	case redirect.URL == "":
		return answer{}, &connect.RefusedError{Why: connect.Conflict, Message: noLeader}
	}
	there, err := a.ask(c, redirect.URL, forward == "")
	if err != nil {
		a.log.Warn("cannot forward a request", "method", c.Method, "path", c.URL.Path, "to", redirect.URL, "error", err)
		return answer{}, fmt.Errorf("IO Error trying to forward REST request: %w", err)
	}
	return answer{forwarded: there}, nil
}

// passedOn are the headers of a request that another worker must see.
var passedOn = []string{"Authorization", "Content-Type", "Accept", signatureHeader, algorithmHeader}

// ask sends a request as it came to the worker at base.
func (a *api) ask(c *call, base string, again bool) (*forwarded, error) {
	body, err := c.readBody()
	if err != nil {
		return nil, err
	}
	query := c.URL.Query()
	query.Set(forwardParameter, fmt.Sprint(again))
	to := strings.TrimSuffix(base, "/") + c.URL.EscapedPath() + "?" + query.Encode()
	req, err := http.NewRequestWithContext(c.Context(), c.Method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, name := range passedOn {
		if values := c.Header.Values(name); len(values) > 0 {
			req.Header[name] = values
		}
	}
	res, err := a.others.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := &forwarded{status: res.StatusCode, header: make(http.Header)}
	if out.body, err = io.ReadAll(io.LimitReader(res.Body, mostBody)); err != nil {
		return nil, err
	}
	if kind := res.Header.Get("Content-Type"); kind != "" {
		out.header.Set("Content-Type", kind)
	}
	if there, err := url.Parse(res.Header.Get("Location")); err == nil && there.Path != "" { // it is where the client called
		out.header.Set("Location", scheme(c.Request)+"://"+c.Host+there.EscapedPath())
	}
	return out, nil
}

func (f *forwarded) write(rw http.ResponseWriter) int {
	rw.Header()["Content-Type"] = nil // else net/http guesses one
	for name, values := range f.header {
		rw.Header()[name] = values
	}
	rw.WriteHeader(f.status)
	rw.Write(f.body) // a client that is gone needs no answer
	return f.status
}

// scheme is that of the URL which the client called.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
