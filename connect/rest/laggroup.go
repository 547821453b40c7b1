package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
)

// Each worker knows its own tasks. The one that is asked asks those that have tasks of the group, all at the same time, for theirs alone.
const (
	lagPatience = 3 * time.Second // with a worker that does not answer
	lagAtOnce   = 16              // workers that are asked
)

// alone tells that this worker's tasks are wanted and no others: ?scope=worker.
func alone(c *call) bool { return strings.EqualFold(c.URL.Query().Get("scope"), "worker") }

// addOthers adds the tasks of the other workers. One that does not answer is named.
func (a *api) addOthers(c *call, body *lagBody) {
	others := a.herder.Others()
	if len(others) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(c.Context(), lagPatience)
	defer cancel()
	headers, err := a.herder.Signed(ctx, nil)
	if err != nil {
		headers = nil // a worker whose /admin/lag is for administrators alone will say so
	}
	got, failures := make([]lagBody, len(others)), make([]error, len(others))
	var g errgroup.Group
	g.SetLimit(lagAtOnce)
	for i, other := range others {
		g.Go(func() error {
			got[i], failures[i] = a.lagAt(ctx, other.URL, c.Header.Values("Authorization"), headers)
			return nil
		})
	}
	_ = g.Wait() // the errors are in failures
	for i, other := range others {
		w := workerLag{Worker: other.ID}
		if failures[i] != nil {
			text := failures[i].Error()
			w.Error = &text
		}
		body.Workers = append(body.Workers, w)
		body.Stalled += got[i].Stalled
		body.Tasks = append(body.Tasks, got[i].Tasks...)
	}
	sortTasks(body.Tasks)
}

// lagAt asks the worker at base for the lag of its own tasks. Who may come in here is who may come in there.
func (a *api) lagAt(ctx context.Context, base string, authorization []string, headers map[string]string) (body lagBody, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+lagPath+"?scope=worker", nil)
	if err != nil {
		return body, err
	}
	if len(authorization) > 0 {
		req.Header["Authorization"] = authorization
	}
	for name, text := range headers {
		req.Header.Set(name, text)
	}
	res, err := a.others.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %s", lagPatience)
		}
		return body, fmt.Errorf("ask %s: %w", base, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostBody))
	if err != nil {
		return body, fmt.Errorf("read the answer of %s: %w", base, err)
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusServiceUnavailable:
	case http.StatusNotFound:
		return body, fmt.Errorf("%s has no %s for this worker: it runs Kafka Connect, or has admin.listeners in a group that does not sign its requests (connect.protocol)", base, lagPath)
	default:
		return body, fmt.Errorf("%s answers HTTP %d", base, res.StatusCode)
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return lagBody{}, fmt.Errorf("read the answer of %s: %w", base, err)
	}
	return body, nil
}

// signedLag tells that a request for this worker's lag comes from another worker of the group: it is answered on the listeners too, where
// admin.listeners has taken away what is for administrators.
func (a *api) signedLag(r *http.Request) bool {
	text, algorithm := r.Header.Get(signatureHeader), r.Header.Get(algorithmHeader)
	if r.Method != http.MethodGet || r.URL.Path != lagPath || text == "" || algorithm == "" || !alone(&call{Request: r}) {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), lagPatience)
	defer cancel()
	return a.herder.Verify(ctx, connect.InternalAuth{Signature: signature, Algorithm: algorithm}) == nil
}
