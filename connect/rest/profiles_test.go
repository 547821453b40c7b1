package rest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect"
)

func TestProfilesAreOnAdminListenersAlone(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	paths := []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/nope", "/admin/loggers"}
	for _, c := range []struct {
		enable string
		want   []int // per listener and path
	}{
		{"true", []int{404, 404, 404, 404, 404, 404, 200, 200, 200, 200, 404, 200}},
		{"false", []int{404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 200}},
	} {
		_, urls := serveWorker(t, map[string]string{"listeners": "http://127.0.0.1:0", "admin.listeners": "http://127.0.0.1:0", "admin.pprof.enable": c.enable})
		var got []int
		for _, url := range urls {
			for _, path := range paths {
				status, _, _ := ask(t, client, http.MethodGet, url+path)
				got = append(got, status)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("admin.pprof.enable=%s (-want +got):\n%s", c.enable, diff)
		}
	}
}

func TestProfilesNeedThePasswordThatLoggersNeed(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users.properties")
	if err := os.WriteFile(users, []byte("ada=secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, urls := serveWorker(t, map[string]string{"listeners": "http://127.0.0.1:0", "admin.listeners": "http://127.0.0.1:0", "admin.pprof.enable": "true",
		"rest.extension.classes": connect.BasicAuthClass, "rest.basic.auth.file": users})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	profile := urls[1] + "/debug/pprof/goroutine?debug=1"
	if status, _, _ := ask(t, client, http.MethodGet, profile); status != http.StatusUnauthorized {
		t.Errorf("GET without a password = %d, want 401", status)
	}
	authorization := "Basic YWRhOnNlY3JldA==" // ada:secret
	if status, body, _ := ask(t, client, http.MethodGet, profile, "Authorization", authorization); status != http.StatusOK || !strings.HasPrefix(body, "goroutine profile:") {
		t.Errorf("GET with the password = %d %.40q, want a profile of goroutines", status, body)
	}
}
