package javaregex

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	regexp2.StopTimeoutClock()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var shown = strings.NewReplacer("␉", "\t", "␊", "\n", "␍", "\r")

// recorded is a line of testdata/java.txt: what Java answered.
type recorded struct {
	expr, text, replacement string
	ignoreCase              bool
	answer                  []string
}

func readRecorded(t *testing.T) []recorded {
	t.Helper()
	f, err := os.Open("testdata/java.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []recorded
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "# ") {
			continue
		}
		fields := strings.Split(s.Text(), "\t")
		for i := range fields {
			fields[i] = shown.Replace(fields[i])
		}
		out = append(out, recorded{fields[0], fields[2], fields[3], fields[1] == "i", fields[4:]})
	}
	return out
}

// unsupported are what the package refuses by name although Java has it.
var unsupported = regexp.MustCompile(`not supported`)

// TestRecorded: everything Java answered, on the way through Go's regexp where it is taken and on the other.
func TestRecorded(t *testing.T) {
	cases := readRecorded(t)
	if len(cases) < 1000 {
		t.Fatalf("testdata/java.txt has %d cases", len(cases))
	}
	type question struct {
		expr       string
		ignoreCase bool
	}
	compiled := make(map[question]*Regexp)
	for _, c := range cases {
		var err error
		re := compiled[question{c.expr, c.ignoreCase}]
		if re == nil {
			re, err = Compile(c.expr, c.ignoreCase)
			compiled[question{c.expr, c.ignoreCase}] = re
		}
		if err != nil {
			if c.answer[0] == "error" && err.Error() == c.answer[1] || c.answer[0] != "error" && unsupported.MatchString(err.Error()) {
				continue
			}
			t.Errorf("Compile(%q) = %q, want %q", c.expr, err, c.answer)
			continue
		}
		if c.answer[0] == "error" {
			t.Errorf("Compile(%q) succeeds, want %q", c.expr, c.answer[1])
			continue
		}
		check(t, re, c)
		if re.fast != nil {
			slow := *re
			slow.fast, slow.whole = nil, nil
			check(t, &slow, c)
		}
	}
}

func check(t *testing.T, re *Regexp, c recorded) {
	t.Helper()
	m, err := re.Submatch(c.text)
	if got := "matches " + groups(c.text, m); err != nil || m == nil && c.answer[0] != "no" || m != nil && got != c.answer[0] {
		t.Errorf("Submatch(%q) of %q = %q, %v, want %q (fast: %v, %s)", c.text, c.expr, got, err, c.answer[0], re.fast != nil, re.full)
		return
	}
	if ok, err := re.MatchString(c.text); ok != (m != nil) || err != nil {
		t.Errorf("MatchString(%q) of %q = %v, %v, want %v", c.text, c.expr, ok, err, m != nil)
	}
	m, err = re.find(c.text)
	if got := "finds " + groups(c.text, m); err != nil || m == nil && c.answer[1] != "no" || m != nil && got != c.answer[1] {
		t.Errorf("find(%q) of %q = %q, %v, want %q (fast: %v)", c.text, c.expr, got, err, c.answer[1], re.fast != nil)
		return
	}
	first, err := re.ReplaceFirst(c.text, c.replacement)
	if c.answer[2] == "refused" {
		if err == nil && m != nil {
			t.Errorf("ReplaceFirst(%q, %q) of %q = %q, want an error", c.text, c.replacement, c.expr, first)
		}
		return
	}
	if m == nil && err != nil {
		return // Java looks at the replacement only when there is a match
	}
	if first != c.answer[2] || err != nil {
		t.Errorf("ReplaceFirst(%q, %q) of %q = %q, %v, want %q", c.text, c.replacement, c.expr, first, err, c.answer[2])
	}
	if all, err := re.ReplaceAll(c.text, c.replacement); all != c.answer[3] || err != nil {
		t.Errorf("ReplaceAll(%q, %q) of %q = %q, %v, want %q", c.text, c.replacement, c.expr, all, err, c.answer[3])
	}
}

func groups(text string, m []int) string {
	var out []string
	for i := 0; i < len(m); i += 2 {
		if m[i] < 0 {
			out = append(out, "<none>")
		} else {
			out = append(out, text[m[i]:m[i+1]])
		}
	}
	return strings.Join(out, "|")
}

// TestLimit: an expression that would backtrack for ages ends with an error that names it.
func TestLimit(t *testing.T) {
	re, err := Compile(`(?=(a+)+$)(a+)+b`, false)
	if err != nil {
		t.Fatal(err)
	}
	full, err := re.wholeFull()
	if err != nil {
		t.Fatal(err)
	}
	full.MatchTimeout = 50 * time.Millisecond
	_, err = re.MatchString(strings.Repeat("a", 60))
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Retriable() || !strings.Contains(err.Error(), `(?=(a+)+$)(a+)+b`) {
		t.Errorf("MatchString of a catastrophe = %v, want a LimitError that names the expression", err)
	}
	linear, err := Compile(`(a+)+b`, false)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := linear.MatchString(strings.Repeat("a", 5000)); ok || err != nil {
		t.Errorf("MatchString on Go's regexp = %v, %v, want false", ok, err)
	}
}

// TestFast: what names are filtered by stays on Go's regexp.
func TestFast(t *testing.T) {
	for expr, want := range map[string]bool{
		`public\.orders`: true, `public.(a|b)_\d{1,4}`: true, `[^.]+\..*$`: true, `(?<x>\w+)\b.*`: true, `[a-z&&[^x]]+`: true, `\p{javaLowerCase}+`: true,
		`(?!x).*`: false, `a*+`: false, `(a)\1`: false, `a{1,5000}`: false,
	} {
		re, err := Compile(expr, true)
		if err != nil {
			t.Errorf("Compile(%q) = %v", expr, err)
		} else if (re.fast != nil) != want {
			t.Errorf("Compile(%q) is fast: %v, want %v", expr, re.fast != nil, want)
		}
	}
}

func TestReplace(t *testing.T) {
	re, err := Compile(`p\.(?<schema>\w+)\.(\w+)_\d+`, false)
	if err != nil {
		t.Fatal(err)
	}
	got, matched, err := re.Replace("p.public.shard_7", "all.${schema}.$2")
	if got != "all.public.shard" || !matched || err != nil {
		t.Errorf("Replace = %q, %v, %v, want all.public.shard", got, matched, err)
	}
	if got, matched, err := re.Replace("x", "y"); got != "x" || matched || err != nil {
		t.Errorf("Replace(x) = %q, %v, %v, want x, false", got, matched, err)
	}
	if n, ok := re.GroupNamed("schema"); n != 1 || !ok || re.Groups() != 2 {
		t.Errorf("GroupNamed(schema) = %d, %v of %d groups, want 1, true of 2", n, ok, re.Groups())
	}
}

// common is what Go's regexp and java.util.regex read alike.
var common = regexp.MustCompile(`^[a-zA-Z0-9_ ,:;=@%~'"<>/.|()-]*$`)

// FuzzCompile: no expression panics; what Go reads alike gives the same answers; both ways through an expression agree.
func FuzzCompile(f *testing.F) {
	for _, expr := range []string{`a|b`, `(a.)(b)`, `[a-z&&[^b]]`, `\p{L}*+x`, `(?i)a(?<n>b)\k<n>`, `\Qa\E{2,3}?`, `(?x) a # b`, `(?<=a)b|\bc$`} {
		f.Add(expr, "ab", true)
	}
	f.Fuzz(func(t *testing.T, expr, text string, fold bool) {
		if len(expr) > 200 || len(text) > 200 || !utf8.ValidString(expr) || !utf8.ValidString(text) {
			return
		}
		re, err := Compile(expr, fold)
		if err != nil {
			return
		}
		got, err := re.Submatch(text)
		if err != nil {
			return
		}
		if re.fast != nil {
			slow := *re
			slow.fast, slow.whole = nil, nil
			want, err := slow.Submatch(text)
			if err == nil && (got == nil) != (want == nil) {
				t.Errorf("Submatch(%q) of %q: %v, on regexp2 %v", text, expr, got, want)
			}
		}
		if common.MatchString(expr) && common.MatchString(text) {
			flags := ""
			if fold {
				flags = "(?i)"
			}
			plain, err := regexp.Compile(flags + `\A(?:` + expr + `)\z`)
			if err != nil {
				t.Fatalf("Compile(%q) succeeds, Go's regexp says %v", expr, err)
			}
			if plain.MatchString(text) != (got != nil) {
				t.Errorf("MatchString(%q) of %q = %v, Go's regexp says %v", text, expr, got != nil, got == nil)
			}
		}
	})
}

// TestRisk: only expressions whose backtracking can explode are timed.
func TestRisk(t *testing.T) {
	for expr, want := range map[string]bool{
		`public\.(?!audit_).*`: false, `(?!a|b)\w+\.\w++`: false, `(a|b)(?=c).*`: false, `(?<x>\w+)_\k<x>`: false, `(ab){1,5}(?=c)`: false,
		`(?=(a+)+)b`: true, `(?=x)(a|ab)*c`: true, `(?=x)(a?)*c`: true, `(?=x).*.*.*.*`: true, `(?=x)(a{2,3}){1,20}`: true,
	} {
		re, err := Compile(expr, false)
		if err != nil {
			t.Errorf("Compile(%q) = %v", expr, err)
			continue
		}
		full, err := re.wholeFull()
		if err != nil || (full.MatchTimeout == matchTimeout) != want {
			t.Errorf("%q is timed: %v, %v, want %v", expr, full.MatchTimeout == matchTimeout, err, want)
		}
	}
}
