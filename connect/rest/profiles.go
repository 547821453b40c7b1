package rest

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"strings"
	"time"
)

// profilesPath is where go tool pprof looks for the profiles of a program.
const profilesPath = "/debug/pprof/"

// What is sampled once profiles are served, for Go samples neither by itself: a wait for every millisecond waited, every hundredth lock that was
// waited for.
const (
	blockProfileRate     = int(time.Millisecond)
	mutexProfileFraction = 100
)

// profiled serves Go's own profiles of this process beside what next serves, to those whom next would let in (option admin.pprof.enable).
func (a *api) profiled(next http.Handler) http.Handler {
	runtime.SetBlockProfileRate(blockProfileRate)
	runtime.SetMutexProfileFraction(mutexProfileFraction)
	profiles := http.NewServeMux()
	profiles.HandleFunc(profilesPath, pprof.Index)
	profiles.HandleFunc(profilesPath+"cmdline", pprof.Cmdline)
	profiles.HandleFunc(profilesPath+"profile", pprof.Profile)
	profiles.HandleFunc(profilesPath+"symbol", pprof.Symbol)
	profiles.HandleFunc(profilesPath+"trace", pprof.Trace)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, profilesPath) {
			next.ServeHTTP(rw, r)
			return
		}
		if why := badHost(r); why != "" {
			writeRefused(rw, r.URL.RequestURI(), why)
			return
		}
		if !a.auth.refused(rw, r) {
			profiles.ServeHTTP(rw, r)
		}
	})
}
