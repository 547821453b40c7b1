package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// api holds what the handlers of the resources need.
type api struct {
	herder connect.Herder
	log    *slog.Logger
	others *http.Client // asks other workers
	auth   *basicAuth   // nil: everybody may come in
}

// call is one request: what the path held, and what to answer with.
type call struct {
	*http.Request
	name string // {connector}, {logger} or {plugin}
	task int    // {task}
	body []byte // as it was read by readBody
}

// answer is what a handler returns: a status, a body for JSON (nil: none) and, for what was created, where it is.
type answer struct {
	status    int
	body      any
	location  string
	forwarded *forwarded // what another worker answered, instead of the rest
}

type handler func(*call) (answer, error)

// method is one method of a resource.
type method struct {
	name   string
	handle handler
}

// resource is one path with its methods, in the order that OPTIONS shows.
type resource struct {
	path    string // segments in braces are parameters
	methods []method
}

// Handler serves the API. Requests that another worker must answer are sent there with the client others.
func Handler(h connect.Herder, others *http.Client, log *slog.Logger) http.Handler {
	a := &api{herder: h, log: log, others: others}
	resources := a.resources()
	if !h.Config().REST.AdminApart {
		resources = append(resources, a.adminResources()...)
	}
	return a.handler(resources, h.Config().REST.ResponseHeaders)
}

// handler serves some of the resources.
func (a *api) handler(resources []resource, headers responseHeaders) http.Handler {
	cfg := a.herder.Config()
	cors := crossOrigin{origins: cfg.AllowOrigin, methods: cfg.AllowMethods}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		began := time.Now()
		headers.add(rw.Header(), began)
		if cors.handled(rw, r) || a.auth.refused(rw, r) {
			return
		}
		out, served := a.metrics(rw, r)
		if !served {
			out = a.serve(resources, rw, r)
		}
		a.log.Debug("REST request", "method", r.Method, "path", r.URL.Path, "status", out, "from", r.RemoteAddr, "took", time.Since(began))
	})
}

// resources is the API: one line per path, the files beside this one per resource.
func (a *api) resources() []resource {
	return []resource{
		{"/", []method{{"GET", a.root}}},
		{"/health", []method{{"GET", a.health}}},
		{"/connectors", []method{{"POST", a.createConnector}, {"GET", a.listConnectors}}},
		{"/connectors/{connector}", []method{{"DELETE", a.deleteConnector}, {"GET", a.getConnector}}},
		{"/connectors/{connector}/config", []method{{"GET", a.getConfig}, {"PUT", a.putConfig}, {"PATCH", a.patchConfig}}},
		{"/connectors/{connector}/status", []method{{"GET", a.getStatus}}},
		{"/connectors/{connector}/restart", []method{{"POST", a.restart}}},
		{"/connectors/{connector}/pause", []method{{"PUT", a.target(connect.Paused)}}},
		{"/connectors/{connector}/resume", []method{{"PUT", a.target(connect.Running)}}},
		{"/connectors/{connector}/stop", []method{{"PUT", a.target(connect.Stopped)}}},
		{"/connectors/{connector}/fence", []method{{"PUT", a.fence}}},
		{"/connectors/{connector}/tasks", []method{{"GET", a.listTasks}, {"POST", a.postTasks}}},
		{"/connectors/{connector}/tasks/{task}/status", []method{{"GET", a.getTaskStatus}}},
		{"/connectors/{connector}/tasks/{task}/restart", []method{{"POST", a.restartTask}}},
		{"/connectors/{connector}/offsets", []method{{"GET", a.getOffsets}, {"PATCH", a.alterOffsets}, {"DELETE", a.resetOffsets}}},
		{"/connectors/{connector}/topics", []method{{"GET", a.getTopics}}},
		{"/connectors/{connector}/topics/reset", []method{{"PUT", a.resetTopics}}},
		{"/connector-plugins", []method{{"GET", a.listPlugins}}},
		{"/connector-plugins/{plugin}/config", []method{{"GET", a.pluginConfig}}},
		{"/connector-plugins/{plugin}/config/validate", []method{{"PUT", a.validate}}},
	}
}

// adminResources are those that the option admin.listeners takes away.
func (a *api) adminResources() []resource {
	return []resource{
		{"/admin/loggers", []method{{"GET", a.listLoggers}}},
		{"/admin/loggers/{logger}", []method{{"GET", a.getLogger}, {"PUT", a.setLogger}}},
	}
}

// serve finds the resource and the method and writes the answer; it returns the status.
func (a *api) serve(resources []resource, rw http.ResponseWriter, r *http.Request) int {
	escaped := r.URL.EscapedPath()
	if why := ambiguous(escaped); why != "" {
		return writeAmbiguous(rw, why)
	}
	c := &call{Request: r}
	var found *resource
	var err error
	for i := range resources {
		ok, e := resources[i].match(escaped, c)
		if ok {
			found, err = &resources[i], e
			break
		}
	}
	if found == nil {
		return writeError(rw, http.StatusNotFound, bare)
	}
	name := r.Method
	if name == http.MethodOptions {
		return writeOptions(rw, found)
	}
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for _, m := range found.methods {
		if m.name != name {
			continue
		}
		if !accepts(r.Header.Values("Accept")) {
			return writeError(rw, http.StatusNotAcceptable, bare)
		}
		if status, kind := checkContentType(r); status != 0 {
			return writeError(rw, status, kind)
		}
		if err != nil { // a path parameter of the wrong form
			return writeError(rw, http.StatusNotFound, asJSON)
		}
		out, err := a.handle(c, m.handle)
		if err != nil {
			return writeFailure(rw, err)
		}
		return writeAnswer(rw, out)
	}
	return writeError(rw, http.StatusMethodNotAllowed, bare)
}

// match compares a path; a slash behind it does not count. The error is that of a parameter.
func (res *resource) match(escaped string, c *call) (bool, error) {
	want := strings.Split(strings.Trim(res.path, "/"), "/")
	got := strings.Split(strings.TrimPrefix(strings.TrimSuffix(escaped, "/"), "/"), "/")
	if len(want) != len(got) {
		return false, nil
	}
	var err error
	for i, segment := range want {
		text, unescapeErr := url.PathUnescape(got[i])
		switch {
		case unescapeErr != nil:
			return false, nil
		case segment == "{connector}" || segment == "{logger}" || segment == "{plugin}":
			c.name = text
		case segment == "{task}":
			c.task, err = strconv.Atoi(text)
		case segment != text:
			return false, nil
		}
	}
	return true, err
}

// ambiguous tells paths that Jetty refuses, in its words.
func ambiguous(escaped string) string {
	lower := strings.ToLower(escaped)
	switch {
	case strings.Contains(escaped, "//"):
		return "Ambiguous URI empty segment"
	case strings.Contains(lower, "%2f"):
		return "Ambiguous URI path separator"
	case strings.Contains(lower, "%25"):
		return "Ambiguous URI path encoding"
	}
	return ""
}

// accepts tells whether a client takes JSON.
func accepts(headers []string) bool {
	if len(headers) == 0 {
		return true
	}
	for _, header := range headers {
		for _, part := range strings.Split(header, ",") {
			media, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(media)) {
			case "", "*/*", "application/*", "application/json":
				return true
			}
		}
	}
	return false
}

// checkContentType wants JSON of methods that have a body; one without body needs no type.
func checkContentType(r *http.Request) (status int, kind contentKind) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return 0, bare
	}
	given := r.Header.Get("Content-Type")
	if given == "" {
		if r.ContentLength == 0 {
			return 0, bare
		}
		return http.StatusUnsupportedMediaType, asJSON
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil || media != "application/json" {
		return http.StatusUnsupportedMediaType, bare
	}
	return 0, bare
}

// mostBody bounds the body of a request; Kafka Connect has no bound.
const mostBody = 16 << 20

// errNoBody and errNoObject are for bodies that lack what they must have; Kafka Connect answers them with the text of a null pointer.
var (
	errNoBody   = errors.New("the request has no body")
	errNoObject = errors.New("cannot read the request as JSON: want objects as partition and offset")
)

// readBody reads the body, once.
func (c *call) readBody() ([]byte, error) {
	if c.body == nil {
		body, err := io.ReadAll(io.LimitReader(c.Body, mostBody+1))
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		if len(body) > mostBody {
			return nil, fmt.Errorf("the request has more than %d bytes", mostBody)
		}
		c.body = body
	}
	return c.body, nil
}

// decode reads the body as one JSON document of known fields. Errors are Internal, as Kafka Connect answers what Jackson cannot read.
func (c *call) decode(into any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("cannot read the request as JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("cannot read the request as JSON: more text behind the value")
	}
	return nil
}
