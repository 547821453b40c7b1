package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// webhook posts notifications to a URL (the channel http). What cannot be delivered is told in the log and dropped: a snapshot does not wait.
type webhook struct {
	url     string
	host    string // for messages: the rest of a URL may be a secret
	retries int
	backoff time.Duration // before the first of them
	log     *slog.Logger
	client  *http.Client

	// Sender and closer: the publisher's goroutine. Bound: Debezium's.
	queue chan webRequest
}

type webRequest struct {
	kind string
	body []byte
}

const (
	webQueue         = 1000
	webTerminalTries = 3               // retries of the last notification of a snapshot, at least
	webFarewell      = 5 * time.Second // for what waits at the end
	webBackoff       = time.Second
	webBackoffMost   = 30 * time.Second
)

func newWebhook(c *notificationConfig, log *slog.Logger) *webhook {
	dialer := &net.Dialer{Timeout: c.timeout}
	if !c.allowPrivate {
		dialer.Control = onlyPublic
	}
	host := ""
	if u, err := url.Parse(c.url); err == nil { // validation refuses another
		host = u.Host
	}
	return &webhook{url: c.url, host: host, retries: c.retries, backoff: webBackoff, log: log, queue: make(chan webRequest, webQueue), client: &http.Client{
		Timeout:       c.timeout,
		Transport:     &http.Transport{DialContext: dialer.DialContext}, // without a proxy, which would look the host up itself
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// onlyPublic refuses a connection to an address of a network that is not public, whatever name led there.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	if !public(at.Addr()) {
		return fmt.Errorf("%s is not a public address; notification.http.allow.private.networks=true allows it", at.Addr())
	}
	return nil
}

// public tells an address that Debezium lets notifications go to.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

// literalAddress reads a host that is an address.
func literalAddress(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(host)
	return a, err == nil
}

// post queues a notification.
func (w *webhook) post(n *envelope.Notification, at time.Time) {
	data := make(map[string]string, len(n.Data))
	for _, d := range n.Data {
		data[d.Key] = d.Value
	}
	body, err := json.Marshal(struct {
		ID        string            `json:"id"`
		Aggregate string            `json:"aggregateType"`
		Type      string            `json:"type"`
		Data      map[string]string `json:"additionalData"`
		Timestamp int64             `json:"timestamp"`
	}{n.ID, n.Aggregate, n.Type, data, at.UnixMilli()})
	if err != nil { // texts always marshal
		w.log.Warn("a notification is dropped", "type", n.Type, "error", err)
		return
	}
	select {
	case w.queue <- webRequest{n.Type, body}:
	default:
		w.log.Warn("a notification is dropped: too many wait to be posted", "type", n.Type, "host", w.host)
	}
}

// run starts the goroutine that posts. stop ends it: nothing is queued any more, and what waits has a little time left.
func (w *webhook) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the last notifications come when ctx has ended
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range w.queue {
			w.deliver(ctx, r)
		}
	}()
	return func() {
		close(w.queue)
		timer := time.AfterFunc(webFarewell, cancel)
		<-done
		timer.Stop()
		cancel()
		w.client.CloseIdleConnections()
	}
}

// deliver posts one notification, with retries.
func (w *webhook) deliver(ctx context.Context, r webRequest) {
	tries := 1 + w.retries
	if slices.Contains([]string{noteCompleted, noteAborted, noteSkipped}, r.kind) {
		tries = 1 + max(w.retries, webTerminalTries)
	}
	backoff := w.backoff
	for try := 1; ; try++ {
		err := w.send(ctx, r.body)
		if err == nil {
			return
		}
		if try == tries || ctx.Err() != nil {
			w.log.Warn("a notification is dropped: it cannot be posted", "type", r.kind, "host", w.host, "tries", try, "error", err)
			return
		}
		pause.For(ctx, backoff) // the next try tells
		backoff = min(2*backoff, webBackoffMost)
	}
}

func (w *webhook) send(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err // without the URL
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can serve again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("the answer is %s", res.Status)
	}
	return nil
}
