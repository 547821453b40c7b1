package provider

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

var environ = []string{"CO_ENV_VALUE=from-env", "HOME=/root", "EMPTY=", "TWICE=1", "TWICE=2", "NESTED=${env:HOME}", "odd"}

// files makes a folder with files and returns its path.
func files(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"secrets.properties": "user=alice\npassword: p\\u00e4ss=word\nempty=\n# comment\nwith\\:colon=c\n",
		"bad.properties":     "broken=\\u12\n",
		"binary.properties":  "a=\xff\n",
		"dir/user":           "bob\n",
		"dir/token":          "t0k3n",
		"dir/sub/x":          "x",
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// set makes a Set of options, in which D stands for the folder.
func set(t *testing.T, folder string, options map[string]string) *Set {
	t.Helper()
	s, r := New(inFolder(folder, options), Environ(environ))
	if err := r.Err(); err != nil || len(r.Warnings) > 0 {
		t.Fatalf("New(%v): %v, warnings %v", options, err, r.Warnings)
	}
	return s
}

func inFolder(folder string, options map[string]string) map[string]string {
	props := make(map[string]string)
	for name, text := range options {
		props[name] = strings.ReplaceAll(text, "D/", folder+"/")
	}
	return props
}

var all = map[string]string{
	"config.providers":            "env, file,dir",
	"config.providers.env.class":  EnvironmentClass,
	"config.providers.file.class": "FileConfigProvider",
	"config.providers.dir.class":  DirectoryClass,
}

func TestResolve(t *testing.T) {
	folder := files(t)
	s := set(t, folder, all)
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"", ""},
		{"${env:CO_ENV_VALUE}", "from-env"},
		{"co-${env:CO_ENV_VALUE}-${env:HOME}!", "co-from-env-/root!"},
		{"${env:TWICE}", "2"},
		{"${env:EMPTY}", ""},
		{"${env:CO_NOT_SET}", "${env:CO_NOT_SET}"},
		{"a${env:CO_NOT_SET}b${env:HOME}c", "a${env:CO_NOT_SET}b/rootc"},
		{"${nope:x}", "${nope:x}"},
		{"${nope:x}${env:HOME}", "${nope:x}/root"},
		{"${env:NESTED}", "${env:HOME}"}, // not again
		{"$${env:HOME}}", "$/root}"},
		{"${x ${env:HOME}", "${x ${env:HOME}"}, // the provider is called "x ${env"
		{"${abc} ${env:HOME}", "${abc} /root"},
		{"${topic}", "${topic}"},
		{"${env:}", "${env:}"},
		{"${:HOME}", "${:HOME}"},
		{"${file:D/secrets.properties:user}:${file:D/secrets.properties:password}", "alice:päss=word"},
		{"${file:D/secrets.properties:empty}", ""},
		{"${file:D/secrets.properties:missing}", "${file:D/secrets.properties:missing}"},
		{"${file:D/secrets.properties:with:colon}", "c"},
		{"${file:user}", "${file:user}"}, // no path
		{"${dir:D/dir:user}|${dir:D/dir:token}", "bob\n|t0k3n"},
		{"${dir:D/dir:sub}", "${dir:D/dir:sub}"},
		{"${dir:D/dir:sub/x}", "${dir:D/dir:sub/x}"},
		{"${dir:D/dir:../secrets.properties}", "${dir:D/dir:../secrets.properties}"},
		{"${dir:D/dir:..}", "${dir:D/dir:..}"},
		{"${dir:D/dir:}", "${dir:D/dir:}"},
		{"${dir:D/missing:user}", "${dir:D/missing:user}"},
		{"${dir:user}", "${dir:user}"},
	} {
		in := inFolder(folder, map[string]string{"k": c.in, "other": "${env:HOME}"})
		want := inFolder(folder, map[string]string{"k": c.want})["k"]
		got, err := s.Resolve(in, slog.New(slog.DiscardHandler))
		if err != nil || got["k"] != want || got["other"] != "/root" || len(got) != 2 {
			t.Errorf("Resolve(%q) = %q, %v, want %q", c.in, got, err, want)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	folder := files(t)
	s := set(t, folder, all)
	var log strings.Builder
	for _, c := range []struct{ in, want string }{
		{"${env:some/path:HOME}", "Path is not supported for EnvVarConfigProvider, invalid value 'some/path'"},
		{"${file:D/missing:user}", "Could not read properties from file D/missing"},
		{"${file:D/bad.properties:user}", "Could not read properties from file D/bad.properties"},
		{"${file:D/binary.properties:user}", "Could not read properties from file D/binary.properties"},
		{"${file:D/dir:user}", "Could not read properties from file D/dir"},
	} {
		got, err := s.Resolve(inFolder(folder, map[string]string{"k": c.in}), slog.New(slog.NewTextHandler(&log, nil)))
		want := strings.ReplaceAll(c.want, "D/", folder+"/")
		var of *Error
		if got != nil || !errors.As(err, &of) || err.Error() != want || of.Retriable() {
			t.Errorf("Resolve(%q) = %v, %v, want %q", c.in, got, err, want)
		}
	}
	if strings.Contains(log.String(), `\u12`) || strings.Contains(log.String(), "broken") {
		t.Errorf("the log quotes the file:\n%s", &log)
	}
}

func TestAllowedPaths(t *testing.T) {
	folder := files(t)
	s := set(t, folder, map[string]string{
		"config.providers": "file,dir,env", "config.providers.file.class": FileClass, "config.providers.dir.class": "Directory", "config.providers.env.class": "EnvVar",
		"config.providers.file.param.allowed.paths": "D/dir,D/secrets.properties", "config.providers.dir.param.allowed.paths": "D/dir/",
		"config.providers.env.param.allowlist.pattern": "(?i)co_.*|TWICE",
	})
	var log strings.Builder
	for _, c := range []struct{ in, want string }{
		{"${file:D/secrets.properties:user}", "alice"},
		{"${file:D/dir/../secrets.properties:user}", "alice"},
		{"${file:D/dir/../bad.properties:user}", "${file:D/dir/../bad.properties:user}"},
		{"${file:D/secrets.properties2:user}", "${file:D/secrets.properties2:user}"},
		{"${file:secrets.properties:user}", "${file:secrets.properties:user}"},
		{"${dir:D/dir:token}", "t0k3n"},
		{"${dir:D/dir/sub:x}", "x"},
		{"${dir:D/:secrets.properties}", "${dir:D/:secrets.properties}"},
		{"${dir:D/director:x}", "${dir:D/director:x}"},
		{"${env:CO_ENV_VALUE}${env:TWICE}", "from-env2"},
		{"${env:HOME}", "${env:HOME}"},
	} {
		want := inFolder(folder, map[string]string{"k": c.want})["k"]
		got, err := s.Resolve(inFolder(folder, map[string]string{"k": c.in}), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil || got["k"] != want {
			t.Errorf("Resolve(%q) = %q, %v, want %q", c.in, got["k"], err, want)
		}
	}
	if n := strings.Count(log.String(), "allowed.paths does not have"); n != 5 {
		t.Errorf("%d warnings of paths, want 5:\n%s", n, &log)
	}
}

func TestNewReports(t *testing.T) {
	folder := files(t)
	for _, c := range []struct {
		options          map[string]string
		errors, warnings []string
	}{
		{options: map[string]string{}},
		{options: map[string]string{"config.providers": "vault", "config.providers.vault.class": "com.bettercloud.Vault"},
			errors: []string{"config.providers.vault.class: Invalid value com.bettercloud.Vault for configuration config.providers.vault.class: Could not load config provider class; there are " +
				FileClass + ", " + DirectoryClass + ", " + EnvironmentClass}},
		{options: map[string]string{"config.providers": "a", "config.providers.b.class": FileClass},
			warnings: []string{`config.providers.a.class: The config provider "a" is not used: it has no class (option "config.providers.a.class").`,
				`config.providers.b.class: Option "config.providers.b.class" has no effect: the list "config.providers" names nothing that it could belong to.`}},
		{options: map[string]string{"config.providers": "f", "config.providers.f.class": FileClass, "config.providers.f.param.allowed.paths": "relative,D/missing"},
			errors: []string{"config.providers.f.param.allowed.paths: Path relative is not absolute", "config.providers.f.param.allowed.paths: Path D/missing does not exist"}},
		{options: map[string]string{"config.providers": "f", "config.providers.f.class": FileClass, "config.providers.f.paths": "x", "config.providers.f.param.allowed": "y"},
			warnings: []string{`config.providers.f.paths: Option "config.providers.f.paths" is not known and has no effect; parameters of a config provider stand under "config.providers.f.param.".`,
				`config.providers.f.param.allowed: Option "allowed" is not known and has no effect.`}},
		{options: map[string]string{"config.providers": "e", "config.providers.e.class": EnvironmentClass, "config.providers.e.param.allowlist.pattern": "("},
			errors: []string{"config.providers.e.param.allowlist.pattern: Invalid value ( for configuration allowlist.pattern: Unclosed group near index 1\n("}},
	} {
		_, r := New(inFolder(folder, c.options), Environ(nil))
		texts := func(problems []config.Problem) (all []string) {
			for _, p := range problems {
				all = append(all, strings.ReplaceAll(p.Name+": "+p.Message, folder+"/", "D/"))
			}
			return all
		}
		if diff := cmp.Diff(c.errors, texts(r.Errors)); diff != "" {
			t.Errorf("errors of New(%v) (-want +got)\n%s", c.options, diff)
		}
		if diff := cmp.Diff(c.warnings, texts(r.Warnings)); diff != "" {
			t.Errorf("warnings of New(%v) (-want +got)\n%s", c.options, diff)
		}
	}
}

func TestNoProviders(t *testing.T) {
	in := map[string]string{"k": "${env:HOME}"}
	got, err := (*Set)(nil).Resolve(in, nil)
	if diff := cmp.Diff(in, got); err != nil || diff != "" {
		t.Errorf("Resolve without providers: %v (-want +got)\n%s", err, diff)
	}
	if got["k"] = "changed"; in["k"] != "${env:HOME}" {
		t.Error("Resolve gives the caller's map back")
	}
}

func TestUnresolved(t *testing.T) {
	s := set(t, "", map[string]string{"config.providers": "env", "config.providers.env.class": EnvironmentClass})
	got := s.Unresolved(map[string]string{"b": "x${env:GONE}", "a": "${env:GONE}", "c": "${nope:x}", "d": "${topic}", "e": "plain"})
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("Unresolved (-want +got)\n%s", diff)
	}
	if got := (*Set)(nil).Unresolved(map[string]string{"a": "${env:GONE}"}); got != nil {
		t.Errorf("Unresolved without providers = %v", got)
	}
}

func TestReverse(t *testing.T) {
	raw := map[string]string{"name": "n", "topic": "co-${env:X}", "kept": "${nope:x}", "gone": "${env:Y}", "plain": "${topic}"}
	task := map[string]string{"name": "n", "topic": "co-1", "kept": "${nope:x}", "plain": "own", "task.id": "0"}
	want := map[string]string{"name": "n", "topic": "co-${env:X}", "kept": "${nope:x}", "plain": "own", "task.id": "0"}
	if diff := cmp.Diff(want, Reverse(raw, task)); diff != "" {
		t.Errorf("Reverse (-want +got)\n%s", diff)
	}
}

// What the recorded worker stored of connectors with variables: the connector as it was written, the tasks with the variables back in place.
func TestRecordedTasks(t *testing.T) {
	checked := 0
	paths := golden.ConnectFiles(t, "../..", "topics/*.json")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var recording struct {
			Steps []struct {
				Records []struct {
					Key   string
					Value struct{ Properties map[string]string }
				}
			}
		}
		if json.Unmarshal(text, &recording) != nil {
			continue // of another form
		}
		s, _ := New(map[string]string{"config.providers": "env,file", "config.providers.env.class": EnvironmentClass, "config.providers.file.class": FileClass}, Environ(environ))
		raw := make(map[string]map[string]string)
		for _, step := range recording.Steps {
			for _, r := range step.Records {
				name, number := "", 0
				if connector, ok := strings.CutPrefix(r.Key, "connector-"); ok && r.Value.Properties != nil {
					raw[connector] = r.Value.Properties
				} else if task, ok := strings.CutPrefix(r.Key, "task-"); ok {
					number = strings.LastIndexByte(task, '-')
					name = task[:number]
				}
				if name == "" || raw[name] == nil {
					continue
				}
				resolved, err := s.Resolve(raw[name], slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				resolved["task.class"] = r.Value.Properties["task.class"]
				if diff := cmp.Diff(r.Value.Properties, Reverse(raw[name], resolved)); diff != "" {
					t.Errorf("%s: %s (-want +got)\n%s", filepath.Base(path), r.Key, diff)
				}
				if variable.MatchString(strings.Join(values(raw[name]), " ")) {
					checked++
				}
			}
		}
	}
	if _, other := os.LookupEnv(golden.ConnectEnvironment); checked == 0 && !other {
		t.Error("no recorded task has a variable")
	}
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func FuzzResolve(f *testing.F) {
	f.Add("${env:A}")
	f.Add("a${env:A:B}c${env:}${")
	f.Add("${env:B}${x:y:z}")
	f.Add("${env::A}")
	s, _ := New(map[string]string{"config.providers": "env", "config.providers.env.class": EnvironmentClass}, Environ([]string{"A=1", "B=${env:A}"}))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Resolve(map[string]string{"k": text}, slog.New(slog.DiscardHandler))
		switch {
		case err != nil && !variable.MatchString(text):
			t.Errorf("Resolve(%q) = %v without a variable", text, err)
		case err == nil && !strings.Contains(text, ":A}") && !strings.Contains(text, ":B}") && got["k"] != text:
			t.Errorf("Resolve(%q) = %q, want it unchanged", text, got["k"])
		}
	})
}
