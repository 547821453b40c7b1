//go:build unix

package embedded

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
)

// TestFullDiskRegistry: a registration that the file has no room for is refused, whole lines stay whole, and the next one does not join the
// beginning of a line.
func TestFullDiskRegistry(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	file := filepath.Join(t.TempDir(), "registry.jsonl")
	r, err := StartKeptRegistry("", file)
	if err != nil {
		t.Fatal(err)
	}
	first := register(t, r, "a", `"string"`)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	diskfulltest.Limit(t, info.Size()+10)
	answer, err := http.Post(r.URL()+"/subjects/b/versions", "application/json", strings.NewReader(`{"schema":"\"int\""}`))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusInternalServerError || !strings.Contains(string(text), file) {
		t.Errorf("registration with a full disk = %d %s, want 500 and the file's name", answer.StatusCode, text)
	}
	diskfulltest.Limit(t, diskfulltest.Unlimited)
	second := register(t, r, "b", `"int"`)
	r.Close()
	if r, err = StartKeptRegistry("", file); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for subject, want := range map[string]string{"a": first, "b": second} {
		if got := register(t, r, subject, map[string]string{"a": `"string"`, "b": `"int"`}[subject]); got != want {
			t.Errorf("id of %s after a restart = %s, want %s", subject, got, want)
		}
	}
}
