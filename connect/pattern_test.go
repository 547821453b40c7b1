package connect

import "testing"

// TestTopicPattern: expressions are Java's, and match whole names.
func TestTopicPattern(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		topic    string
		want     bool
	}{
		{nil, "orders", false},
		{[]string{"ord"}, "orders", false},
		{[]string{"ord.*"}, "orders", true},
		{[]string{"a|orders"}, "orders", true},
		{[]string{"x", "(?!inv)[a-z]++"}, "orders", true},
		{[]string{"(?!ord).*"}, "orders", false},
		{[]string{`(\w)\1.*`}, "aab", true},
		{[]string{"(?i)ORDERS"}, "orders", true},
		{[]string{""}, "", true},
	} {
		if got, err := newTopicPattern(c.patterns...).matches(c.topic); got != c.want || err != nil {
			t.Errorf("%q matches(%q) = %v, %v, want %v", c.patterns, c.topic, got, err, c.want)
		}
	}
}

// TestCheckPattern: what is wrong is said as Java says it.
func TestCheckPattern(t *testing.T) {
	if err := checkPattern("co-("); err == nil || err.Error() != "Invalid regex: Unclosed group near index 4\nco-(" {
		t.Errorf("checkPattern = %v", err)
	}
	if err := checkPattern("(?=a)[a-z]++"); err != nil {
		t.Errorf("checkPattern = %v, want none", err)
	}
	const want = "Invalid value [ok, *x] for configuration topic.creation.g.include: Syntax error in regular expression: Dangling meta character '*' near index 0\n*x\n^"
	if err := checkPatterns("topic.creation.g.include")("ok,*x"); err == nil || err.Error() != want {
		t.Errorf("checkPatterns = %v, want %s", err, want)
	}
}
