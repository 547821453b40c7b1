package connect

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// versionRange says which versions of a plugin will do, as Maven writes it: a version alone is just that one, [1.0,2.0) one from 1.0 up to below
// 2.0, and several such stand side by side with commas between them.
type versionRange []versionBounds

// versionBounds is one interval; an empty version is no bound.
type versionBounds struct {
	low, high         string
	withLow, withHigh bool
	one               bool // just the version low, which may be the empty text
}

// latestVersion asks for whatever there is.
const latestVersion = "latest"

// parseVersionRange reads a range as Maven's VersionRange does. What is not given, and "latest", is nil: any version. The empty text is a range that
// no version is in.
func parseVersionRange(text string, given bool) (versionRange, error) {
	if !given || text == latestVersion {
		return nil, nil
	}
	spec := strings.TrimSpace(text)
	r, rest, err := parseVersionSets(spec)
	if err == nil && len(r) == 0 { // a version alone
		spec = "[" + spec + "]"
		r, rest, err = parseVersionSets(spec)
	}
	switch {
	case err != nil:
		return nil, err
	case rest != "":
		return nil, complaint("Only fully-qualified sets allowed in multiple set scenario: %s", spec)
	}
	return r, nil
}

// parseVersionSets reads the intervals at the beginning of a text.
func parseVersionSets(spec string) (r versionRange, rest string, err error) {
	for rest = spec; strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "("); {
		end := strings.IndexAny(rest, "])")
		if end < 0 {
			return nil, "", complaint("Unbounded range: %s", spec)
		}
		b, err := parseVersionBounds(rest[:end+1])
		if err != nil {
			return nil, "", err
		}
		if last := len(r) - 1; last >= 0 && r[last].high != "" && (b.low == "" || compareVersions(b.low, r[last].high) < 0) {
			return nil, "", complaint("Ranges overlap: %s", spec)
		}
		r = append(r, b)
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest[end+1:]), ","))
	}
	return r, rest, nil
}

// parseVersionBounds reads one interval with its brackets.
func parseVersionBounds(set string) (versionBounds, error) {
	low, high, two := strings.Cut(strings.TrimSpace(set[1:len(set)-1]), ",")
	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	b := versionBounds{low: low, high: high, withLow: set[0] == '[', withHigh: set[len(set)-1] == ']'}
	both := b.withLow && b.withHigh
	if !two {
		if b.high, b.one = low, true; !both {
			return b, complaint("Single version must be surrounded by []: %s", set)
		}
		return b, nil
	}
	if low != "" && high != "" {
		if order := compareVersions(high, low); order < 0 || order == 0 && !both {
			return b, complaint("Range defies version ordering: %s", set)
		}
	}
	return b, nil
}

// contains tells whether a version will do.
func (r versionRange) contains(version string) bool {
	if r == nil {
		return true
	}
	for _, b := range r {
		if b.one {
			if b.low != "" && compareVersions(version, b.low) == 0 {
				return true
			}
			continue
		}
		low, high := 1, -1
		if b.low != "" {
			low = compareVersions(version, b.low)
		}
		if b.high != "" {
			high = compareVersions(version, b.high)
		}
		if (low > 0 || low == 0 && b.withLow) && (high < 0 || high == 0 && b.withHigh) {
			return true
		}
	}
	return false
}

func (r versionRange) String() string {
	var parts []string
	for _, b := range r {
		open, closing := "(", ")"
		if b.withLow {
			open = "["
		}
		if b.withHigh {
			closing = "]"
		}
		parts = append(parts, open+b.low+","+b.high+closing)
	}
	return strings.Join(parts, ",")
}

// mismatch says that a plugin has other versions.
func (r versionRange) mismatch(class, version string) string {
	return fmt.Sprintf("Plugin %s not found that matches the version range %s, available versions: [%s]", class, r, version)
}

// compareVersions compares as Maven: parts between dots, hyphens and where digits meet letters, numbers by value, words by what they mean.
func compareVersions(a, b string) int {
	left, right := versionParts(a), versionParts(b)
	for i := range max(len(left), len(right)) {
		var x, y versionPart // an absent part is that of a release
		if i < len(left) {
			x = left[i]
		}
		if i < len(right) {
			y = right[i]
		}
		if c := x.compare(y); c != 0 {
			return c
		}
	}
	return 0
}

// versionPart is a number, or a word; the zero part is neither.
type versionPart struct {
	number int
	word   string
}

// releaseWords in their order; "" is a release. Other words come after them.
var releaseWords = []string{"alpha", "beta", "milestone", "rc", "snapshot", "", "sp"}

func (p versionPart) compare(o versionPart) int {
	if p.word == "" && o.word == "" {
		return p.number - o.number
	}
	if c := p.rank() - o.rank(); c != 0 || p.rank() != len(releaseWords) {
		return c
	}
	return strings.Compare(p.word, o.word)
}

// rank orders words, and numbers behind them; 0 is what is not there.
func (p versionPart) rank() int {
	if p.number > 0 {
		return len(releaseWords) + 1
	}
	for i, w := range releaseWords {
		if w == p.word {
			return i
		}
	}
	return len(releaseWords)
}

func versionParts(version string) []versionPart {
	var parts []versionPart
	take := func(text string) {
		if text == "" {
			return
		}
		if n, err := strconv.Atoi(text); err == nil {
			parts = append(parts, versionPart{number: n})
			return
		}
		word := strings.ToLower(text)
		switch word {
		case "a", "b", "m":
			word = map[string]string{"a": "alpha", "b": "beta", "m": "milestone"}[word]
		case "cr":
			word = "rc"
		case "final", "ga", "release":
			word = ""
		}
		parts = append(parts, versionPart{word: word})
	}
	from := 0
	for i, c := range version {
		switch {
		case c == '.' || c == '-' || c == '_':
			take(version[from:i])
			from = i + 1
		case i > from && unicode.IsDigit(c) != unicode.IsDigit(rune(version[i-1])):
			take(version[from:i])
			from = i
		}
	}
	take(version[from:])
	return parts
}
