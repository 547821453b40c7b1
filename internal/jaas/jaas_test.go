package jaas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Module
	}{
		{`a.PlainLoginModule required username="u" password="p";`, []Module{{"a.PlainLoginModule", "required", map[string]string{"username": "u", "password": "p"}}}},
		{"a.B\n Required\n user='u' password=\"a\\\"b c;=\\n\\101\\\\\" x=\"it's\" ;", []Module{{"a.B", "Required", map[string]string{"user": "u", "password": "a\"b c;=\nA\\", "x": "it's"}}}},
		{`a.B optional name = plain-word_$1 ;`, []Module{{"a.B", "optional", map[string]string{"name": "plain-word_$1"}}}},
		{"// of ours\na.B required/* none */;", []Module{{"a.B", "required", map[string]string{}}}},
		{`a.B required; a.C sufficient x="1";`, []Module{{"a.B", "required", map[string]string{}}, {"a.C", "sufficient", map[string]string{"x": "1"}}}},
		{`a.B required x="\377\4";`, []Module{{"a.B", "required", map[string]string{"x": "ÿ\x04"}}}},
		{"  \n", nil},
	} {
		got, err := Parse(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("Parse(%q) = %v (-want +got):\n%s", c.text, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`a.B required x="s3cret"`:            "semicolon",
		`a.B required x="s3cret`:             "quotation mark",
		"a.B required\nx=\"s3cret\n\";":      "line 2: a quotation mark",
		`a.B required x;`:                    `name="value"`,
		`a.B required x=;`:                   "option x has no value",
		`a.B required x="a" "s3cret" ;`:      `name="value"`,
		`a.B required = "s3cret";`:           `name="value"`,
		`a.B;`:                               "one of required",
		`a.B always;`:                        "one of required",
		`;`:                                  "class of a login module",
		`a.B required /* x="s3cret";`:        "comment is not closed",
		`a.B required x="1"; a.C required x`: `name="value"`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
	for _, text := range []string{"", `a.B required; a.C required;`} {
		if _, err := One(text); err == nil || !strings.Contains(err.Error(), "login modules") {
			t.Errorf("One(%q) = %v, want how many there are", text, err)
		}
	}
}

func TestParseFile(t *testing.T) {
	got, err := ParseFile("/* users */\nKafkaConnect {\n  x.PropertyFileLoginModule required\n  file=\"/etc/users.properties\";\n};\nKafkaClient { a.B required; a.C optional y=\"{}\"; };")
	want := map[string][]Module{
		"KafkaConnect": {{"x.PropertyFileLoginModule", "required", map[string]string{"file": "/etc/users.properties"}}},
		"KafkaClient":  {{"a.B", "required", map[string]string{}}, {"a.C", "optional", map[string]string{"y": "{}"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("ParseFile = %v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		`X a.B required;`:      `entry X: line 1: want "{"`,
		`X { a.B required; }`:  `want ";"`,
		`X { a.B required;`:    "class of a login module",
		`{ a.B required; };`:   "name of an entry",
		`X { a.B required };`:  `name="value"`,
		"X { a.B\nalways; };":  "line 2",
		`X { "a.B" required }`: `name="value"`,
	} {
		if _, err := ParseFile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFile(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`a.PlainLoginModule required username="u\"\101" password='p';`)
	f.Add("X { a.B required; };")
	f.Fuzz(func(t *testing.T, text string) { // must not panic, and end
		modules, err := Parse(text)
		for _, m := range modules {
			if err == nil && m.Class == "" && !strings.Contains(text, `""`) && !strings.Contains(text, `''`) {
				t.Errorf("Parse(%q) has a module without class", text)
			}
		}
		_, _ = ParseFile(text)
	})
}
