package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// errorBody is the body of every error.
type errorBody struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// contentKind says whether an error carries a Content-Type: those that Kafka Connect's framework raises before it chose a method carry none.
type contentKind bool

const (
	bare   contentKind = false
	asJSON contentKind = true
)

// writeError answers with the framework's own text, "HTTP 404 Not Found".
func writeError(rw http.ResponseWriter, status int, kind contentKind) int {
	return writeBody(rw, status, kind, errorBody{status, fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))})
}

// writeFailure answers with the error of a handler.
func writeFailure(rw http.ResponseWriter, err error) int {
	status, message := http.StatusInternalServerError, err.Error()
	var refused *connect.RefusedError
	switch {
	case errors.Is(err, errNotJSON):
		return writeError(rw, http.StatusUnsupportedMediaType, asJSON)
	case errors.As(err, &refused):
		status = statuses[refused.Why]
	case errors.Is(err, context.DeadlineExceeded):
		message = "Request timed out"
	}
	return writeBody(rw, status, asJSON, errorBody{status, message})
}

var statuses = map[connect.Refusal]int{
	connect.Invalid:     http.StatusBadRequest,
	connect.Forbidden:   http.StatusForbidden,
	connect.NotFound:    http.StatusNotFound,
	connect.Conflict:    http.StatusConflict,
	connect.Internal:    http.StatusInternalServerError,
	connect.Unavailable: http.StatusServiceUnavailable,
}

func writeAnswer(rw http.ResponseWriter, out answer) int {
	if out.forwarded != nil {
		return out.forwarded.write(rw)
	}
	if out.location != "" {
		rw.Header().Set("Location", out.location)
	}
	if out.body == nil {
		rw.Header().Del("Content-Type")
		rw.WriteHeader(out.status)
		return out.status
	}
	return writeBody(rw, out.status, asJSON, out.body)
}

func writeBody(rw http.ResponseWriter, status int, kind contentKind, body any) int {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil { // our own types always encode
		status = http.StatusInternalServerError
	}
	switch {
	case kind == bare:
		rw.Header()["Content-Type"] = nil // else net/http guesses one
	case rw.Header().Get("Content-Type") == "":
		rw.Header().Set("Content-Type", "application/json")
	}
	rw.WriteHeader(status)
	rw.Write(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})) // a client that is gone needs no answer
	return status
}

// optionsOrder is the order of Java's hash set, in which Kafka Connect lists methods.
var optionsOrder = []string{http.MethodHead, http.MethodDelete, http.MethodPost, http.MethodGet, http.MethodOptions, http.MethodPut, http.MethodPatch}

// writeOptions lists the methods of a resource: in a header, and as text for a client that asks for nothing else first.
func writeOptions(rw http.ResponseWriter, res *resource, accept string) int {
	names := []string{http.MethodOptions}
	for _, m := range res.methods {
		if names = append(names, m.name); m.name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Index(optionsOrder, a) - slices.Index(optionsOrder, b) })
	rw.Header().Set("Allow", strings.Join(names, ","))
	if types, ok := mediaTypes(accept); ok && types[0].main != "*" && types[0].main != "text" {
		rw.Header().Set("Content-Type", types[0].main+"/"+types[0].sub)
		rw.Header().Set("Content-Length", "0")
		rw.WriteHeader(http.StatusOK)
		return http.StatusOK
	}
	rw.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(rw, strings.Join(names, ", "))
	return http.StatusOK
}

// writeRefused answers as Jetty to a request that it does not take.
func writeRefused(rw http.ResponseWriter, uri, why string) int {
	rw.Header().Set("Content-Type", "text/html;charset=iso-8859-1")
	rw.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(rw, "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n<title>Error 400 %[1]s</title>\n</head>\n"+
		"<body>\n<h2>HTTP ERROR 400 %[1]s</h2>\n<table>\n<tr><th>URI:</th><td>%[2]s</td></tr>\n<tr><th>STATUS:</th><td>400</td></tr>\n"+
		"<tr><th>MESSAGE:</th><td>%[1]s</td></tr>\n</table>\n</body>\n</html>\n", why, html.EscapeString(uri))
	return http.StatusBadRequest
}
