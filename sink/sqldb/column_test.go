package sqldb

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

// The Julian calendar as java.util.GregorianCalendar has it before its cutover.
func TestJulianFromDays(t *testing.T) {
	for _, c := range []struct {
		gregorian, julian [3]int64
	}{
		{[3]int64{1582, 10, 14}, [3]int64{1582, 10, 4}}, // the last day
		{[3]int64{1500, 3, 10}, [3]int64{1500, 2, 29}},
		{[3]int64{1, 1, 1}, [3]int64{1, 1, 3}},
		{[3]int64{0, 12, 30}, [3]int64{1, 1, 1}},
		{[3]int64{-4713, 11, 24}, [3]int64{-4712, 1, 1}}, // day 0 of the Julian day numbers
	} {
		year, month, day := julianFromDays(daysFromCivil(c.gregorian[0], c.gregorian[1], c.gregorian[2]))
		if got := [3]int64{year, month, day}; got != c.julian {
			t.Errorf("julianFromDays(%v) = %v, want %v", c.gregorian, got, c.julian)
		}
	}
	rules := instantRules{julian: true}
	for _, days := range []int64{firstGregorian, firstGregorian + 1, 0, 20000} {
		if got := rules.calendar(kindDate)(days); got != days {
			t.Errorf("calendar(%d) = %d, want it as it is", days, got)
		}
	}
	if got, want := rules.calendar(kindDate)(firstGregorian-1), daysFromCivil(1582, 10, 4); got != want {
		t.Errorf("the day before the cutover = %d, want %d", got, want)
	}
}

func TestParseZone(t *testing.T) {
	for text, want := range map[string]int{"UTC": 0, "Z": 0, "GMT": 0, "+02:00": 7200, "-0330": -12600, "GMT+2": 7200, "UTC-05:30": -19800, "UT+1": 3600, "Asia/Tokyo": 32400} {
		zone, err := parseZone(text)
		if err != nil {
			t.Errorf("parseZone(%q) = %v", text, err)
			continue
		}
		if zone == nil {
			zone = time.UTC
		}
		if got := offsetAt(zone, 0); got != int64(want) {
			t.Errorf("offset of %q = %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "Local", "Mars/Olympus", "+25:00", "GMT+2:99", "../etc/passwd"} {
		if zone, err := parseZone(text); err == nil {
			t.Errorf("parseZone(%q) = %v, want an error", text, zone)
		}
	}
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string][]string{"t": {"t"}, "s.t": {"s", "t"}, "c.s.t": {"c", "s", "t"}, `"a.b".t`: {"a.b", "t"}, "`a``b`": {"a`b"}, `s."x""y"`: {"s", `x"y`}, "a b.c-d": {"a b", "c-d"}} {
		got, err := splitName(name)
		if err != nil {
			t.Errorf("splitName(%q) = %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("splitName(%q): (-want +got)\n%s", name, d)
		}
	}
	for name, want := range map[string]string{"a.b.c.d": "4 parts", "": "empty", "a.": "empty", ".a": "empty", `"a`: "not closed", `"a"b`: "follows a closing quote", `""`: "empty"} {
		if got, err := splitName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("splitName(%q) = %q, %v, want an error with %q", name, got, err, want)
		}
	}
}

// What splitName takes apart can be put together again.
func FuzzSplitName(f *testing.F) {
	for _, seed := range []string{"t", "c.s.t", `"a.b"."c""d"`, "`x`.y", `a"b`, "..", `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		parts, err := splitName(name)
		if err != nil {
			return
		}
		var quoted []string
		for _, p := range parts {
			quoted = append(quoted, `"`+strings.ReplaceAll(p, `"`, `""`)+`"`)
		}
		again, err := splitName(strings.Join(quoted, "."))
		if err != nil {
			t.Fatalf("splitName(%q) of its own parts = %v", quoted, err)
		}
		if d := cmp.Diff(parts, again); d != "" {
			t.Errorf("splitName(%q): (-first +again)\n%s", name, d)
		}
	})
}

// No text of a timestamp stops the process, and numbers stay what they are.
func FuzzStampParser(f *testing.F) {
	for _, seed := range []string{"0", "1593604800123456", "2020-07-01T12:00:00Z", "2020-02-30T00:00", "infinity", "-290308-12-21T19:59:27.6Z", "+294247-01-10T04:00:25.2Z", "x"} {
		f.Add(seed)
	}
	micros, nanos := stampParser(false), stampParser(true)
	f.Fuzz(func(t *testing.T, text string) {
		a, b := micros(schema.OfString(text)), nanos(schema.OfString(text))
		if a.Type() == schema.String && b.Type() == schema.Int64 {
			t.Errorf("%q is a time in nanoseconds and none in microseconds", text)
		}
		rules := instantRules{julian: true, zone: time.FixedZone("", 3600)}
		for _, k := range []kind{kindStampMicros, kindStampNanos, kindStampMillis} {
			rules.wall(k)(a)
			rules.point(k)(b)
		}
	})
}
