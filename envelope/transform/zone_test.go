package transform

import (
	"testing"
	"time"
)

// TestOffsetOf: of two offsets of a local time the first counts, in a gap the one before it, as with java.time's ZoneRules.getOffset.
func TestOffsetOf(t *testing.T) {
	for _, c := range []struct {
		zone, local string
		want        int64 // seconds
	}{
		{"Europe/Berlin", "2020-07-01 12:00:00", 7200},
		{"Europe/Berlin", "2020-01-01 12:00:00", 3600},
		{"Europe/Berlin", "2021-03-28 01:59:59", 3600},
		{"Europe/Berlin", "2021-03-28 02:30:00", 3600}, // does not exist
		{"Europe/Berlin", "2021-03-28 03:00:00", 7200},
		{"Europe/Berlin", "2021-10-31 01:59:59", 7200},
		{"Europe/Berlin", "2021-10-31 02:30:00", 7200}, // exists twice
		{"Europe/Berlin", "2021-10-31 03:00:00", 3600},
		{"America/New_York", "2021-11-07 01:30:00", -14400},
		{"Australia/Lord_Howe", "2021-10-03 02:15:00", 37800}, // a gap of half an hour
		{"Australia/Lord_Howe", "2021-04-04 01:45:00", 39600},
		{"-03:30:15", "2021-04-04 01:45:00", -12615},
		{"UTC", "2021-04-04 01:45:00", 0},
	} {
		z, err := parseZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		local, err := time.Parse(time.DateTime, c.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := z.offsetOf(local.Unix()); got != c.want {
			t.Errorf("offset of %s in %s = %d, want %d", c.local, c.zone, got, c.want)
		}
	}
}

// TestZoned: ISO 8601 texts keep their instant and come out as Java prints them.
func TestZoned(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int64
		want   string // "": an error
	}{
		{"2020-07-01T12:00:00.500000Z", 7200, "2020-07-01T14:00:00.5+02:00"},
		{"2020-07-01T12:00Z", 0, "2020-07-01T12:00:00Z"},
		{"2020-12-31T23:30:00.000001+01:00", 12 * 3600, "2021-01-01T10:30:00.000001+12:00"},
		{"-0043-03-15T00:00:00Z", -1, "-0043-03-14T23:59:59-00:00:01"},
		{"0000-02-29T00:00:00Z", 0, "0000-02-29T00:00:00Z"},
		{"+292278994-08-16T23:00:00Z", 28800, "+292278994-08-17T07:00:00+08:00"},
		{"-292275055-05-16T23:00:00Z", 0, "-292275055-05-16T23:00:00Z"},
		{"2020-07-01 12:00:00Z", 0, ""},
		{"2020-07-01T24:00:00Z", 0, ""},
		{"2020-13-01T00:00:00Z", 0, ""},
		{"2020-07-01T12:00:00.1234567890Z", 0, ""},
		{"2020-07-01T12:00:00", 0, ""},
		{"infinity", 0, ""},
		{"", 0, ""},
	} {
		z, err := parseZoned(c.text)
		if err != nil {
			if c.want != "" {
				t.Errorf("parseZoned(%q) = %v", c.text, err)
			}
			continue
		}
		if got := at(z.unix(), z.nano, c.offset).String(); got != c.want {
			t.Errorf("%s at offset %d = %s, want %s", c.text, c.offset, got, c.want)
		}
	}
}

// TestDates agree with package time over its range.
func TestDates(t *testing.T) {
	for day := int64(-800000); day < 800000; day += 997 {
		y, m, d := dateOf(day)
		want := time.Unix(day*86400, 0).UTC()
		if int(y) != want.Year() || m != int(want.Month()) || d != want.Day() || daysTo(y, m, d) != day {
			t.Fatalf("dateOf(%d) = %d-%d-%d, back %d, want %s", day, y, m, d, daysTo(y, m, d), want.Format(time.DateOnly))
		}
	}
}

func FuzzZoned(f *testing.F) {
	for _, s := range []string{"2020-07-01T12:00:00.5Z", "+292278994-08-16T23:00:00+18:00", "-0001-01-01T00:00:00-00:00:01", "12:34:56.789+03:00", "T", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseClock(s); err == nil {
			if again, err := parseClock(c.String()); err != nil || again != c {
				t.Errorf("%q prints as %q, which reads as %v, %v", s, c, again, err)
			}
		}
		z, err := parseZoned(s)
		if err != nil {
			return
		}
		made := at(z.unix(), z.nano, z.offset)
		if again, err := parseZoned(made.String()); err != nil || again.unix() != z.unix() {
			t.Errorf("%q prints as %q, which reads as %v, %v", s, made, again, err)
		}
	})
}
