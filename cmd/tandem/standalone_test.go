package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// write writes files into a fresh folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "$DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// workerProperties are of a worker whose broker is away: it waits for it and serves its REST API meanwhile.
const workerProperties = `bootstrap.servers=127.0.0.1:1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename=$DIR/connect.offsets
listeners=http://127.0.0.1:0
`

// TestStandaloneExitCodes are those of connect-standalone 4.3.1, with the object named.
func TestStandaloneExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := write(t, map[string]string{
		"worker.properties":    workerProperties,
		"bare.properties":      "bootstrap.servers=kafka:1\n",
		"malformed.properties": "bootstrap.servers=kafka:1\nkey.converter=\\u00zz\n",
		"taken.properties":     strings.Replace(workerProperties, "127.0.0.1:0", taken.Addr().String(), 1),
		"bad.json":             `{"name": "bad-class", "connector.class": "Nope"}`,
		"noname.json":          `{"connector.class": "FileStreamSource", "file": "x", "topic": "y"}`,
		"noname.properties":    "connector.class=FileStreamSource\n",
		"broken.json":          "{\"name\":\n",
		"array.json":           `[1]`,
		"invalid.json":         `{"name": "inv", "connector.class": "PostgresConnector", "tasks.max": "0"}`,
	})
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"missing.properties", 2, "missing.properties"},
		{"bare.properties", 2, "key.converter"},
		{"malformed.properties", 2, "line 2"},
		{"taken.properties", 2, taken.Addr().String()},
		{"worker.properties bad.json", 3, "matches Nope"},
		{"worker.properties noname.json", 3, "noname.json"},
		{"worker.properties noname.properties", 3, "noname.properties"},
		{"worker.properties missing.json", 3, "missing.json"},
		{"worker.properties broken.json", 3, "broken.json"},
		{"worker.properties array.json", 3, "array.json"},
		{"worker.properties invalid.json", 3, "tasks.max"},
	} {
		args := []string{"standalone"}
		for _, file := range strings.Fields(test.args) {
			args = append(args, filepath.Join(dir, file))
		}
		code, _, errors := tandem(t, t.Context(), args...)
		last := errors[strings.LastIndex("\n"+strings.TrimSpace(errors), "\n"):]
		if code != test.code || !strings.Contains(errors, test.want) {
			t.Errorf("tandem standalone %s = exit code %d, said %s; want code %d and %q", test.args, code, last, test.code, test.want)
		}
	}
}

// get asks a URL for its text.
func get(t *testing.T, url string) string {
	answer, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestStandaloneStopsInOrder(t *testing.T) {
	dir := write(t, map[string]string{"worker.properties": workerProperties})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said := &tapped{line: func(line string) {
		if m := regexp.MustCompile(`the worker runs.* rest=(\S+)`).FindStringSubmatch(line); m != nil {
			go func() { // the REST API answers once this line is written
				defer stop()
				if got := get(t, m[1]+"/connector-plugins"); !strings.Contains(got, "PostgresConnector") || !strings.Contains(got, "JdbcSinkConnector") {
					t.Errorf("GET /connector-plugins = %s, want both connectors", got)
				}
			}()
		}
	}}
	code := run(ctx, &console{out: io.Discard, err: said}, []string{"standalone", filepath.Join(dir, "worker.properties")})
	if code != 0 || !strings.Contains(said.String(), "the worker has stopped") {
		t.Errorf("tandem standalone, interrupted = exit code %d, want 0:\n%s", code, said)
	}
}

// TestDevTakesTheNextPorts runs two stacks: the second finds the ports of the first taken, whatever else runs on this machine.
func TestDevTakesTheNextPorts(t *testing.T) {
	address := regexp.MustCompile(`^(broker|registry|worker)\s+(\S+)$`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first, second := map[string]string{}, map[string]string{}
	code := 0
	note := func(into map[string]string, done func()) func(string) {
		return func(line string) {
			if m := address.FindStringSubmatch(line); m != nil {
				into[m[1]] = m[2]
				if m[1] == "worker" {
					go done()
				}
			}
		}
	}
	inner := func() {
		defer stop()
		innerCtx, innerStop := context.WithCancel(ctx)
		defer innerStop()
		var e bytes.Buffer
		code = run(innerCtx, &console{out: &tapped{line: note(second, func() {
			defer innerStop()
			if got := get(t, second["worker"]+"/connectors"); strings.TrimSpace(got) != "[]" {
				t.Errorf("GET /connectors = %s, want []", got)
			}
		})}, err: &e}, []string{"dev", "--dir", filepath.Join(t.TempDir(), "kept")})
		if code != 0 {
			t.Errorf("second tandem dev = exit code %d: %s", code, e.String())
		}
	}
	var e bytes.Buffer
	if code := run(ctx, &console{out: &tapped{line: note(first, inner)}, err: &e}, []string{"dev"}); code != 0 {
		t.Errorf("tandem dev = exit code %d: %s", code, e.String())
	}
	for name, addr := range first {
		if addr == second[name] || second[name] == "" {
			t.Errorf("%s of two tandem dev: %q and %q, want two addresses", name, addr, second[name])
		}
	}
}
