package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// tandem runs a command line.
func tandem(t *testing.T, ctx context.Context, args ...string) (code int, out, errors string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(ctx, &console{out: &o, err: &e}, args)
	return code, o.String(), e.String()
}

func TestHelp(t *testing.T) {
	lines := [][]string{{"--help"}}
	for _, cmd := range commands() {
		lines = append(lines, []string{cmd.name, "--help"})
	}
	var files []string
	for _, args := range lines {
		name := strings.Trim(strings.Join(args, "-"), "-")
		name = strings.TrimSuffix(strings.ReplaceAll(name, "--help", ""), "-") + ".txt"
		files = append(files, name)
		code, got, errors := tandem(t, t.Context(), args...)
		if code != 0 || errors != "" {
			t.Errorf("tandem %s: exit code %d, %s", strings.Join(args, " "), code, errors)
		}
		for _, line := range strings.Split(got, "\n") {
			if len([]rune(line)) > 120 {
				t.Errorf("tandem %s: line longer than 120 characters: %s", strings.Join(args, " "), line)
			}
		}
		file := filepath.Join("testdata", "help", name)
		if golden.Updating() {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("tandem %s (-want +got); go test ./cmd/tandem -update if it is meant:\n%s", strings.Join(args, " "), diff)
		}
		_, again, _ := tandem(t, t.Context(), append([]string{"help"}, args[:len(args)-1]...)...)
		if again != got {
			t.Errorf("tandem help %v differs from tandem %v", args[:len(args)-1], args)
		}
	}
	there, err := filepath.Glob("testdata/help/*.txt")
	if err != nil || len(there) != len(files) {
		t.Errorf("testdata/help has %d files (%v), want %d: %v", len(there), err, len(files), files)
	}
}

func TestWrongCommandLines(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.properties")
	for _, test := range []struct {
		args []string
		code int
		want string // in what is said on standard error
	}{
		{nil, 1, "usage: tandem COMMAND"},
		{[]string{"standalon"}, 1, `Did you mean "standalone"?`},
		{[]string{"dmeo"}, 1, `Did you mean "demo"?`},
		{[]string{"Consume"}, 1, `Did you mean "consume"?`},
		{[]string{"replicate"}, 1, `there is no command "replicate". See`},
		{[]string{"demo", "--onse"}, 1, "-onse"},
		{[]string{"demo", "--scale", "0"}, 1, "--scale 0"},
		{[]string{"demo", "--scale", "many"}, 1, `"many"`},
		{[]string{"demo", "now"}, 1, `unexpected argument "now"`},
		{[]string{"consume"}, 1, "--topic is needed"},
		{[]string{"consume", "--topic", "t", "--max-messages", "-1"}, 1, "--max-messages -1"},
		{[]string{"consume", "--topic", "t", "--bootstrap-server", "nowhere"}, 1, "nowhere"},
		{[]string{"consume", "--topic", "t", "--schema-registry-url", "nowhere"}, 1, "nowhere"},
		{[]string{"compare", "--source", "postgres://127.0.0.1:1/a"}, 1, "--target are needed"},
		{[]string{"standalone"}, 1, "a worker configuration file is needed"},
		{[]string{"standalone", missing}, 2, missing},
		{[]string{"dev", missing}, 3, missing},
	} {
		code, out, errors := tandem(t, t.Context(), test.args...)
		if code != test.code || !strings.Contains(errors, test.want) || out != "" {
			t.Errorf("tandem %s = exit code %d, said %q, printed %q; want code %d and %q",
				strings.Join(test.args, " "), code, errors, out, test.code, test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	if code, out, _ := tandem(t, t.Context(), "--version"); code != 0 || !strings.HasPrefix(out, "tandem ") {
		t.Errorf("tandem --version = %d, %q", code, out)
	}
}

func TestParseTakesFlagsAnywhere(t *testing.T) {
	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	level := flags.String("level", "", "")
	got, err := parse(flags, []string{"a", "--level", "debug", "b", "--", "--c"})
	if diff := cmp.Diff([]string{"a", "b", "--c"}, got); err != nil || diff != "" || *level != "debug" {
		t.Errorf("parse = %v, %v, level %q\n%s", got, err, *level, diff)
	}
}
