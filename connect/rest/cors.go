package rest

import (
	"net/http"
	"slices"
	"strings"
)

// crossOrigin lets browsers of other origins call, as access.control.allow.origin and .methods say; without an origin it does nothing.
type crossOrigin struct {
	origins string // comma separated; * is all
	methods string // comma separated; empty: GET, POST and HEAD, as Jetty's filter
}

// handled adds the headers of an allowed origin and answers its preflight requests.
func (o crossOrigin) handled(rw http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if o.origins == "" || origin == "" || !o.allows(origin) {
		return false
	}
	h := rw.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	methods := o.methods
	if methods == "" {
		methods = "GET,POST,HEAD"
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "X-Requested-With,Content-Type,Accept,Origin")
	h.Set("Access-Control-Max-Age", "1800")
	rw.WriteHeader(http.StatusOK)
	return true
}

func (o crossOrigin) allows(origin string) bool {
	return slices.ContainsFunc(strings.Split(o.origins, ","), func(allowed string) bool {
		allowed = strings.TrimSpace(allowed)
		return allowed == "*" || strings.EqualFold(allowed, origin)
	})
}
