package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
		if why := badHost(r); why != "" {
			writeRefused(rw, r.URL.RequestURI(), why)
			return
		}
		headers.add(rw.Header(), began)
		if a.server(rw, r) || cors.handled(rw, r) || a.auth.refused(rw, r) {
			return
		}
		out, served := a.metrics(rw, r)
		if !served {
			if len(resources) > 0 && a.signedLag(r) {
				out = a.serve(a.adminResources(), rw, r)
			} else {
				out = a.serve(resources, rw, r)
			}
		}
		a.log.Debug("REST request", "method", r.Method, "path", r.URL.Path, "status", out, "from", r.RemoteAddr, "took", time.Since(began))
	})
}

// server answers what is asked of the server itself, by an asterisk for the path: there is nothing, as on Jetty.
func (a *api) server(rw http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.RequestURI != "*":
		return false
	case r.Method == http.MethodOptions:
		rw.WriteHeader(http.StatusNotFound)
	default:
		writeRefused(rw, "*", "Bad URI path")
	}
	return true
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
		{lagPath, []method{{"GET", a.lag}}},
		{"/admin/loggers", []method{{"GET", a.listLoggers}}},
		{"/admin/loggers/{logger}", []method{{"GET", a.getLogger}, {"PUT", a.setLogger}}},
	}
}

// serve finds the resource and the method and writes the answer; it returns the status.
func (a *api) serve(resources []resource, rw http.ResponseWriter, r *http.Request) int {
	if why := ambiguous(r.URL); why != "" {
		return writeRefused(rw, "/badURI", why)
	}
	escaped := r.URL.EscapedPath()
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
		return writeOptions(rw, found, r.Header.Get("Accept"))
	}
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for _, m := range found.methods {
		if m.name != name {
			continue
		}
		kind, status := accepted(r.Header.Values("Accept"))
		if status == 0 || status == http.StatusNotAcceptable {
			if wrong := checkContentType(r); wrong == http.StatusBadRequest || status == 0 {
				status = wrong
			}
		}
		switch status {
		case 0:
		case http.StatusBadRequest: // what the web server refuses has no body
			rw.WriteHeader(status)
			return status
		default:
			return writeError(rw, status, bare)
		}
		rw.Header().Set("Content-Type", kind)
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

// checkContentType refuses what is called another thing than JSON, by any method. A body without a type is refused by those who read it.
func checkContentType(r *http.Request) (status int) {
	if len(r.Header.Values("Content-Type")) == 0 {
		return 0
	}
	switch given, ok := contentType(r.Header.Get("Content-Type")); {
	case !ok:
		return http.StatusBadRequest
	case !given.takesJSON():
		return http.StatusUnsupportedMediaType
	}
	return 0
}

// mostBody bounds the body of a request; Kafka Connect has no bound.
const mostBody = 16 << 20

// errNoBody and errNoObject are for bodies that lack what they must have; Kafka Connect answers them with the text of a null pointer.
var (
	errNoBody   = errors.New("the request has no body")
	errNoObject = errors.New("cannot read the request as JSON: want objects as partition and offset")
	errNotJSON  = errors.New("the request has a body and does not say that it is JSON") // answered with 415
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

// decode reads the body as one JSON document of known fields, which is left alone when there is no body. Errors are Internal, as Kafka Connect
// answers what Jackson cannot read.
func (c *call) decode(into any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if given, _ := contentType(c.Header.Get("Content-Type")); given.main != "application" || given.sub != "json" {
			return errNotJSON
		}
	}
	body = bytes.TrimPrefix(body, byteOrderMark)
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return errors.New("cannot read the request as JSON: it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("cannot read the request as JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("cannot read the request as JSON: more text behind the value")
	}
	return nil
}

// byteOrderMark is what some editors put before UTF-8.
var byteOrderMark = []byte("\xEF\xBB\xBF")

// decodeFields reads a JSON object of known fields; unlike those of encoding/json their names are told apart by case.
func decodeFields(raw []byte, fields map[string]any) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return err
	}
	for name, text := range given {
		into, known := fields[name]
		if !known {
			return fmt.Errorf("unknown field %q; want one of %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	return nil
}
