package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/golden"
)

// commandLine is one recorded run of connect-standalone.
type commandLine struct {
	Args  []string
	Files map[string]string
	Exit  any // a number, or a text: it went on
	Log   []string
}

// recordedError matches lines that connect-standalone logged itself, without the name of its logger.
var recordedError = regexp.MustCompile(`^ERROR (.*) \(org\.apache\.kafka\.connect\.cli\.\w+\)$`)

// TestRecordedCommandLines runs the command lines of the recordings: the exit codes are the same, and what is logged as an error.
func TestRecordedCommandLines(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "rest/standalone-cli.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct{ Cases []commandLine }
		if err := json.Unmarshal(text, &recorded); err != nil {
			t.Fatal(err)
		}
		if len(recorded.Cases) == 0 {
			t.Errorf("%s has no cases", path)
		}
		for _, c := range recorded.Cases {
			t.Run(strings.Join(c.Args, " "), func(t *testing.T) { c.replay(t) })
		}
	}
}

func (c commandLine) replay(t *testing.T) {
	if len(c.Args) > 0 && strings.HasPrefix(c.Args[0], "-") {
		if code, out, _ := tandem(t, t.Context(), append([]string{"standalone"}, c.Args...)...); code != 0 || !strings.Contains(out, "usage:") {
			t.Errorf("exit code %d, want the help: Kafka Connect takes it for a file", code)
		}
		return
	}
	files := map[string]string{"worker.properties": workerProperties, "letters.txt": "a\n"}
	for name, text := range c.Files {
		files[name] = text
	}
	t.Chdir(write(t, files))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	want, ends := c.Exit.(float64)
	started := regexp.MustCompile(`started the connector`)
	said := &tapped{line: func(line string) {
		if !ends && started.MatchString(line) {
			stop()
		}
	}}
	code := run(ctx, &console{out: io.Discard, err: said}, append([]string{"standalone"}, c.Args...))
	if code != int(want) { // 0 for one that goes on until it is stopped
		t.Errorf("exit code %d, want %v; it said:\n%s", code, c.Exit, said)
	}
	for _, line := range c.Log {
		if m := recordedError.FindStringSubmatch(line); m != nil && !strings.Contains(said.String(), "level=ERROR msg=\""+m[1]) {
			t.Errorf("it did not log %q:\n%s", m[1], said)
		}
	}
	if _, err := os.Stat(filepath.Join(".", "connect.offsets")); err == nil && ends {
		t.Error("a worker that did not run wrote offsets")
	}
}

func TestLogLevels(t *testing.T) {
	for _, c := range []struct {
		given   string
		environ []string
		log     string // logger
		want    string // LEVEL that passes and the next less severe that does not
	}{
		{"info", nil, "x", "info"},
		{"debug", nil, "x", "debug"},
		{"warn,org.a=debug", nil, "org.a.b", "debug"},
		{"warn,org.a=debug", nil, "org.c", "warn"},
		{"info", []string{"CONNECT_LOG4J_ROOT_LOGLEVEL=ERROR", "CONNECT_LOG4J_LOGGERS=org.a=WARN, org.b=DEBUG"}, "org.b", "debug"},
		{"info", []string{"CONNECT_LOG4J_ROOT_LOGLEVEL=ERROR"}, "org.c", "error"},
		{"warn", []string{"LOG_LEVEL=DEBUG"}, "org.c", "warn"},
	} {
		log, err := newLog(&console{err: io.Discard, environ: c.environ}, c.given)
		if err != nil {
			t.Fatal(err)
		}
		log = log.With("logger", c.log)
		got := ""
		for _, l := range []struct {
			name  string
			level slog.Level
		}{{"error", slog.LevelError}, {"warn", slog.LevelWarn}, {"info", slog.LevelInfo}, {"debug", slog.LevelDebug}} {
			if log.Enabled(t.Context(), l.level) {
				got = l.name
			}
		}
		if got != c.want {
			t.Errorf("--log-level %s with %v: %s logs %s and above, want %s", c.given, c.environ, c.log, got, c.want)
		}
	}
	if _, err := newLog(&console{}, "loud"); err == nil || !strings.Contains(err.Error(), `"loud"`) {
		t.Errorf("--log-level loud = %v", err)
	}
	if _, err := newLog(&console{environ: []string{"CONNECT_LOG4J_LOGGERS=a=b"}}, "info"); err == nil || !strings.Contains(err.Error(), "CONNECT_LOG4J_LOGGERS") {
		t.Errorf("CONNECT_LOG4J_LOGGERS=a=b = %v", err)
	}
}
