package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type mode string

type settings struct {
	Name   string
	Port   int
	Wait   time.Duration
	On     bool
	Mode   mode
	Tables []string
	Pass   Secret
	Extra  map[string]string
}

func (s *settings) keys() Keys {
	return append(Keys{
		String(&s.Name, "name", "Name.", Required(), Match(regexp.MustCompile(`[a-z_]+`), "lower case letters and _")),
		Int(&s.Port, "port", "Port.", 1, 65535),
		Millis(&s.Wait, "wait.ms", "Wait.", 0, Alias("delay.ms")),
		Bool(&s.On, "on", "On."),
		Enum(&s.Mode, "mode", "Mode.", []mode{"fast", "slow"}),
		List(&s.Tables, "table.include.list", "Tables.", Alias("table.whitelist")),
		Password(&s.Pass, "password", "Password."),
		Prefix("driver.", "Passed on.", func(name, text string) error {
			if text == "" {
				return fmt.Errorf("a value is required")
			}
			s.Extra[name] = text
			return nil
		}),
		Refused("converters", "", "use transforms"),
	}, Ignored("jvm.heap")...)
}

func parse(props map[string]string) (settings, Report) {
	s := settings{Port: 5432, Wait: time.Second, Mode: "fast", Extra: map[string]string{}}
	return s, s.keys().Parse(props, "transforms.", "connector.class")
}

func TestParse(t *testing.T) {
	s := settings{Port: 5432, Wait: time.Second, Mode: "fast", Extra: map[string]string{}}
	report := s.keys().Parse(map[string]string{"name": " shop ", "delay.ms": "250", "on": "TRUE", "mode": "Slow", "table.whitelist": `a.b,c\,d , e`,
		"password": "pw", "driver.x": "1", "transforms.a.type": "T", "connector.class": "C"})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	want := settings{Name: "shop", Port: 5432, Wait: 250 * time.Millisecond, On: true, Mode: "slow", Tables: []string{"a.b", "c,d", "e"}, Pass: "pw", Extra: map[string]string{"x": "1"}}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(settings{})); diff != "" {
		t.Errorf("Parse() (-want +got)\n%s", diff)
	}
}

// TestReports: each option's error or warning stands at the option, all at once.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		name, option, text string
		errors, warnings   []string
	}{
		{"missing", "port", "1", []string{`Missing required configuration "name" which has no default value.`}, nil},
		{"pattern", "name", "A b", []string{"Invalid value A b for configuration name: want lower case letters and _"}, nil},
		{"number", "port", "x1", []string{"Invalid value x1 for configuration port: Not a number of type INT"}, nil},
		{"low", "port", "0", []string{"Invalid value 0 for configuration port: Value must be at least 1"}, nil},
		{"high", "port", "65536", []string{"Invalid value 65536 for configuration port: Value must be no more than 65535"}, nil},
		{"boolean", "on", "yes", []string{"Invalid value yes for configuration on: Expected value to be either true or false"}, nil},
		{"enum", "mode", "none", []string{"Invalid value none for configuration mode: Value must be one of fast, slow"}, nil},
		{"family", "driver.y", "", []string{"Invalid value  for configuration driver.y: a value is required"}, nil},
		{"refused", "converters", "iso", []string{`Option "converters"="iso" is not supported: use transforms`}, nil},
		{"ignored", "jvm.heap", "2g", nil, []string{`Option "jvm.heap" concerns the JVM only and has no effect.`}},
		{"old name", "delay.ms", "5", nil, []string{`Option "delay.ms" is an old name; use "wait.ms".`}},
		{"near", "table.include.lst", "a", nil, []string{`Option "table.include.lst" is not known and has no effect; the nearest known one is "table.include.list".`}},
		{"far", "completely.different", "a", nil, []string{`Option "completely.different" is not known and has no effect.`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			props := map[string]string{c.option: c.text}
			if c.name != "missing" && c.option != "name" {
				props["name"] = "shop"
			}
			_, report := parse(props)
			if diff := cmp.Diff(c.errors, messages(report.Errors)); diff != "" {
				t.Errorf("errors of %s=%q (-want +got)\n%s", c.option, c.text, diff)
			}
			if diff := cmp.Diff(c.warnings, messages(report.Warnings)); diff != "" {
				t.Errorf("warnings of %s=%q (-want +got)\n%s", c.option, c.text, diff)
			}
		})
	}
}

func messages(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Message)
	}
	return out
}

func TestSecretIsHidden(t *testing.T) {
	const s Secret = "open sesame"
	text, err := json.Marshal(map[string]any{"password": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("connect", "password", s)
	for how, got := range map[string]string{"%v": fmt.Sprintf("%v", s), "%s": s.String(), "%#v": fmt.Sprintf("%#v", s), "json": string(text), "slog": log.String()} {
		if strings.Contains(got, s.Reveal()) || !strings.Contains(got, Hidden) {
			t.Errorf("%s of a secret = %q, want %s in its place", how, got, Hidden)
		}
	}
	r := Keys{Password(new(Secret), "password", "", Check(func(string) error { return fmt.Errorf("too short") }))}.Parse(map[string]string{"password": s.Reveal()})
	if got := r.Err().Error(); strings.Contains(got, s.Reveal()) {
		t.Errorf("an error shows the secret: %q", got)
	}
}

func TestParseProperties(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a=1\nb: 2\nc 3\n", "a=1 b=2 c=3"},
		{"# no\n! no\n\n  a = b # yes\n", "a=b # yes"},
		{"list=a,\\\n  b,\\\r\n  c", "list=a,b,c"},
		{`a\ b=\u00e9\ud83d\udeb2\t.`, "a b=é🚲\t."},
		{`re=a\\.b\\$`, `re=a\.b\$`},
		{"a=1\na=2", "a=2"},
		{"empty=\nbare", "bare= empty="},
		{`end=\`, "end="},
	} {
		props, err := ParseProperties(c.text)
		if err != nil {
			t.Errorf("ParseProperties(%q): %v", c.text, err)
			continue
		}
		var parts []string
		for _, name := range sortedNames(props) {
			parts = append(parts, name+"="+props[name])
		}
		if got := strings.Join(parts, " "); got != c.want {
			t.Errorf("ParseProperties(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{"a=1\nb=\\u12": "line 2", "=x": "line 1", "ok=1\n\n# c\n:y": "line 4", "a=\xff": "line 1"} {
		if _, err := ParseProperties(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseProperties(%q) error = %v, want one that names %s", text, err, want)
		}
	}
}

func FuzzParseProperties(f *testing.F) {
	for _, seed := range []string{"a=b", "a\\", `\u`, "a:\\\n b", "\\=\\:=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		props, err := ParseProperties(text)
		if err != nil {
			return
		}
		var b strings.Builder // what was read can be written and is read again the same
		for k, v := range props {
			fmt.Fprintf(&b, "%s=%s\n", escaped(k), escaped(v))
		}
		again, err := ParseProperties(b.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(props, again); diff != "" {
			t.Errorf("read again (-first +second)\n%s", diff)
		}
	})
}

func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case '\\', ' ', '=', ':', '#', '!':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestDebeziumStyle: every error of an option in Debezium's words, those of its type first.
func TestDebeziumStyle(t *testing.T) {
	var name string
	port, wait, on, batch := 1, time.Second, false, 1
	m := mode("fast")
	keys := Keys{
		String(&name, "name", "Name.", Required(), Check(func(text string) error {
			if text == "" {
				return Complain("%s has invalid format", text)
			}
			return nil
		})),
		Int(&port, "port", "Port.", 1, 65535, Says("An integer is expected", "An integer is expected")),
		Int(&batch, "batch", "Batch.", 1, 100),
		Millis(&wait, "wait.ms", "Wait.", 0, As32()),
		Bool(&on, "on", "On.", Twice()),
		Enum(&m, "mode", "Mode.", []mode{"fast", "slow"}, Deny("custom", "write it down.")),
	}
	report := keys.ParseAs(DebeziumStyle, map[string]string{"name": "", "port": "0", "batch": " 5", "wait.ms": "9999999999", "on": "yes", "mode": "x"})
	report.Exclusive(map[string]string{"port": "", "mode": "x"}, "port", "mode")
	want := []string{
		"The 'name' value is invalid: A value is required", "The 'name' value is invalid:  has invalid format",
		"The 'port' value is invalid: Value must be at least 1",
		"The 'batch' value is invalid: An integer is expected", "The 'batch' value is invalid: A positive, non-zero integer value is expected",
		"The 'wait.ms' value is invalid: An integer is expected", "The 'wait.ms' value is invalid: An non-negative integer is expected",
		"The 'on' value is invalid: Either 'true' or 'false' is expected", "The 'on' value is invalid: Either 'true' or 'false' is expected",
		`The 'mode' value is invalid: "port" is already specified`, "The 'mode' value is invalid: Value must be one of fast, slow, custom",
	}
	if diff := cmp.Diff(want, messages(report.Errors)); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
	// One that is absent is only missing; the empty text is wrong in itself too.
	if diff := cmp.Diff([]string{"The 'name' value is invalid: A value is required"}, messages(keys.ParseAs(DebeziumStyle, nil).Errors)); diff != "" {
		t.Errorf("errors of what is absent (-want +got)\n%s", diff)
	}
	report = keys.ParseAs(DebeziumStyle, map[string]string{"name": "n", "mode": "Custom"})
	if diff := cmp.Diff([]string{`Option "mode"="Custom" is not supported: write it down.`}, messages(report.Errors)); diff != "" {
		t.Errorf("errors of a denied value (-want +got)\n%s", diff)
	}
}

func TestSplitListEscapes(t *testing.T) {
	for text, want := range map[string][]string{`a\,b,c`: {"a,b", "c"}, `a\\,b`: {`a\\`, "b"}, `a\.b\`: {`a\.b\`}, " , a": {"", "a"}, "": nil} {
		if diff := cmp.Diff(want, SplitList(text)); diff != "" {
			t.Errorf("SplitList(%q) (-want +got)\n%s", text, diff)
		}
	}
}

// A URL that is refused is shown without the user and the password in it.
func TestUserInfoIsHidden(t *testing.T) {
	for text, want := range map[string]string{
		"http://u:s3cret@[bad":         "http://[hidden]@[bad",
		"http://u:s3/cr@t x@host:9000": "http://[hidden]@host:9000",
		"http://host:9000":             "http://host:9000",
		"u@host":                       "u@host",
	} {
		var url string
		r := Keys{String(&url, "url", "A URL.", Check(func(text string) error { return Complain("The provided url '%s' is not a valid url.", text) }))}.Parse(map[string]string{"url": text})
		if got, want := r.Errors[0].Message, "Invalid value "+want+" for configuration url: The provided url '"+want+"' is not a valid url."; got != want {
			t.Errorf("Parse(%s) = %s, want %s", text, got, want)
		}
	}
}
