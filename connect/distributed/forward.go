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
