package connect

import (
	"strings"
	"testing"
)

// TestCompareVersions: the order that Maven has for versions.
func TestCompareVersions(t *testing.T) {
	ascending := []string{"1.0-alpha-1", "1.0-beta", "1.0-M2", "1.0-rc1", "1.0-SNAPSHOT", "1.0", "1.0-sp", "1.0-xyz", "1.0.1", "1.2", "1.10", "2"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := compareVersions(a, b); got > 0 != (i > j) || got < 0 != (i < j) {
				t.Errorf("compareVersions(%q, %q) = %d, want the order of %q", a, b, got, ascending)
			}
		}
	}
	for _, same := range [][2]string{{"1", "1.0.0"}, {"3.7.0.Final", "3.7"}, {"1.0-GA", "1"}, {"1.0cr2", "1.0-rc2"}, {"1a1", "1-alpha-1"}} {
		if got := compareVersions(same[0], same[1]); got != 0 {
			t.Errorf("compareVersions(%q, %q) = %d, want 0", same[0], same[1], got)
		}
	}
}

func TestVersionRange(t *testing.T) {
	for _, c := range []struct {
		text, shown string
		in, out     []string
	}{
		{"4.3.1", "[4.3.1,4.3.1]", []string{"4.3.1"}, []string{"4.3", "4.3.2"}},
		{"[4.0,5.0)", "[4.0,5.0)", []string{"4.0", "4.3.1"}, []string{"5.0", "3.9"}},
		{"(4.0,5.0]", "(4.0,5.0]", []string{"4.0.1", "5"}, []string{"4", "5.1"}},
		{"(,4.0],[4.3,)", "(,4.0],[4.3,)", []string{"1", "4", "4.3", "9"}, []string{"4.1"}},
		{" [ 1.0 , 2.0 ] ", "[1.0,2.0]", []string{"1.5"}, []string{"2.1"}},
		{"1.0,2.0", "[1.0,2.0]", []string{"1.5"}, []string{"2.1"}},
		{"", "[,]", nil, []string{"4.3.1", ""}},
	} {
		r, err := parseVersionRange(c.text, true)
		if err != nil || r.String() != c.shown {
			t.Errorf("parseVersionRange(%q) = %s, %v, want %s", c.text, r, err, c.shown)
		}
		for _, v := range c.in {
			if !r.contains(v) {
				t.Errorf("range %q does not contain %q, want it to", c.text, v)
			}
		}
		for _, v := range c.out {
			if r.contains(v) {
				t.Errorf("range %q contains %q, want it not to", c.text, v)
			}
		}
	}
	for _, text := range []string{"[1", "[1,2", "(1)", "[2,1]", "1]", "[1,2]x", "(4,5"} {
		if r, err := parseVersionRange(text, true); err == nil {
			t.Errorf("parseVersionRange(%q) = %s, want an error", text, r)
		}
	}
	if r, err := parseVersionRange(latestVersion, true); r != nil || err != nil {
		t.Errorf("parseVersionRange(latest) = %s, %v, want any version", r, err)
	}
}

// FuzzVersionRange: no text panics, and what is read is printed so that it reads the same.
func FuzzVersionRange(f *testing.F) {
	for _, seed := range []string{"", "4.3.1", "[4.0,5.0)", "(,1],[2,)", "[oops", "1.0-alpha-1", "[1,2,3]"} {
		f.Add(seed, "4.3.1")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		r, err := parseVersionRange(text, true)
		if err != nil || r == nil {
			return
		}
		if strings.Contains(r.String(), "[,]") { // which as a text is any version, and of the empty text none
			return
		}
		again, err := parseVersionRange(r.String(), true)
		if err == nil && again.contains(version) != r.contains(version) {
			t.Errorf("range %q contains %q: %v, read from %q: %v", text, version, r.contains(version), r, again.contains(version))
		}
	})
}
