package distributed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// postTasks has the leader write the configurations of a connector's tasks.
func (h *Herder) postTasks(ctx context.Context, leader, name string, configs []map[string]string) error {
	body := []byte{'['}
	for n, props := range configs {
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, '{')
		for i, option := range slices.Sorted(maps.Keys(props)) {
			if i > 0 {
				body = append(body, ',')
			}
			body = connect.AppendJSONText(body, option)
			body = connect.AppendJSONText(append(body, ':'), props[option])
		}
		body = append(body, '}')
	}
	return h.ask(ctx, http.MethodPost, leader, name, "tasks", append(body, ']'))
}

// Others implements connect.Herder: those that the states of tasks name. Where they listen is what the leader knows of them; to others a worker's id
// is its address, and its scheme that of this one.
func (h *Herder) Others() []connect.OtherWorker {
	urls := make(map[string]string)
	for id := range h.statuses.workers() {
		if id != h.ID() {
			urls[id] = h.urlOf(id)
		}
	}
	if leads := h.leading.Load(); leads != nil {
		for _, address := range leads.urls {
			if u, err := url.Parse(address); err == nil && urls[u.Host] != "" {
				urls[u.Host] = address
			}
		}
	}
	var out []connect.OtherWorker
	for _, id := range slices.Sorted(maps.Keys(urls)) {
		out = append(out, connect.OtherWorker{ID: id, URL: urls[id]})
	}
	return out
}

// Signed implements connect.Herder.
func (h *Herder) Signed(ctx context.Context, body []byte) (map[string]string, error) {
	return h.signed(ctx, body)
}

// Verify implements connect.Herder.
func (h *Herder) Verify(ctx context.Context, auth connect.InternalAuth) (err error) {
	told := h.tell(ctx, func() {
		if h.place.version < 2 {
			err = refused(connect.Forbidden, "The group does not sign its requests (connect.protocol).")
			return
		}
		err = h.verify(auth)
	})
	return errors.Join(told, err)
}

// ask sends a signed request about a connector to another worker.
func (h *Herder) ask(ctx context.Context, method, worker, name, what string, body []byte) error {
	target := strings.TrimSuffix(worker, "/") + "/connectors/" + url.PathEscape(name) + "/" + what
	headers, err := h.signed(ctx, body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the leader %s: %w", target, err)
	}
	req.Header.Set("Content-Type", "application/json")
	for header, text := range headers {
		req.Header.Set(header, text)
	}
	res, err := h.http.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("ask the leader %s: %w", target, err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("ask the leader %s: HTTP %d: %s", target, res.StatusCode, strings.TrimSpace(string(text)))
	}
	return nil
}
