//go:build integration

package minioserver

import (
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestIntegrationServer: a server starts, keeps its port over a crash, and leaves nothing behind.
func TestIntegrationServer(t *testing.T) {
	s, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url := s.URL()
	if err := s.CreateBucket("there"); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if s.answers(t.Context(), client) {
		t.Error("the server answers after Kill()")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.answers(t.Context(), client) || s.URL() != url {
		t.Errorf("the server does not answer at %s after Restart(), it is at %s", url, s.URL())
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("folder %s after Stop(): %v, want it gone", s.dir, err)
	}
}
