package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Compatible asks whether a schema may become the next version of a subject: nil when it may, also where there is no earlier version, else
// *IncompatibleError. Nothing is registered.
func (c *Client) Compatible(ctx context.Context, subject, text string) error {
	a := &attempt{client: c, ctx: ctx, subject: subject, verb: "check the"}
	body, err := json.Marshal(map[string]string{"schema": text})
	if err != nil {
		return fmt.Errorf("%s: %w", a.what(), err)
	}
	target := "http://registry/compatibility/subjects/" + url.PathEscape(subject) + "/versions/latest?verbose=true"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", a.what(), err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := a.RoundTrip(req)
	var missing *NotFoundError
	switch {
	case errors.As(err, &missing): // no version yet
		return nil
	case err != nil:
		return c.failure(ctx, a, err)
	}
	var said struct {
		Compatible *bool    `json:"is_compatible"`
		Messages   []string `json:"messages"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || said.Compatible == nil {
		return fmt.Errorf("%s: the registry's answer does not say whether it is compatible", a.what())
	}
	if *said.Compatible {
		return nil
	}
	why := "it does not say why"
	if len(said.Messages) > 0 {
		why = said.Messages[0]
	}
	return &IncompatibleError{Subject: subject, Message: why}
}
