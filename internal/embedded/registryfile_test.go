package embedded

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func register(t *testing.T, r *Registry, subject, schema string) string {
	t.Helper()
	body := fmt.Sprintf(`{"schema":%q}`, schema)
	answer, err := http.Post(r.URL()+"/subjects/"+subject+"/versions", "application/vnd.schemaregistry.v1+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("register %s: %d %s %v", subject, answer.StatusCode, text, err)
	}
	return string(text)
}

func TestKeptRegistryGivesTheSameIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kept", "registry.jsonl")
	subjects := []struct{ name, schema string }{{"b-value", `"string"`}, {"a-key", `"int"`}, {"a-value", `"string"`}, {"b-value", `"long"`}, {"a-key", `"int"`}}
	ids := func(r *Registry) (got []string) {
		for _, s := range subjects {
			got = append(got, register(t, r, s.name, s.schema))
		}
		return got
	}
	first, err := StartKeptRegistry("", file)
	if err != nil {
		t.Fatal(err)
	}
	want := ids(first)
	if _, err := StartKeptRegistry(first.Addr(), file); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("StartKeptRegistry on a taken address = %v, want ErrAddressInUse", err)
	}
	first.Close()
	// What a crash leaves: half a line.
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"path":"/subj`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for range 2 {
		again, err := StartKeptRegistry("", file)
		if err != nil {
			t.Fatal(err)
		}
		subjects[0], subjects[2] = subjects[2], subjects[0] // the order of asking does not matter any more
		want[0], want[2] = want[2], want[0]
		if got := ids(again); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("ids after a restart = %v, want %v", got, want)
		}
		again.Close()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines != 4 {
		t.Errorf("file has %d lines, want 4, one a registration:\n%s", lines, text)
	}
}

func TestKeptRegistryNamesBadLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.jsonl")
	if err := os.WriteFile(file, []byte("nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := StartKeptRegistry("", file); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("StartKeptRegistry on a damaged file = %v, want an error with the line", err)
	}
}
