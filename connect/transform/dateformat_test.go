package transform

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSimpleDateFormat replays what Java printed and read, for random patterns too.
func TestSimpleDateFormat(t *testing.T) {
	file, err := os.Open("testdata/simpledateformat.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, compared := bufio.NewScanner(file), 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		compared++
		fields := strings.Split(lines.Text(), "\t")
		for i := 1; i < len(fields); i++ {
			if fields[i], err = strconv.Unquote(`"` + strings.ReplaceAll(fields[i], `"`, `\"`) + `"`); err != nil {
				t.Fatalf("line %q: %v", lines.Text(), err)
			}
		}
		if got, want := runDateFormat(fields), fields[len(fields)-1]; got != want {
			t.Errorf("%s: got %q, want %q", lines.Text(), got, want)
		}
	}
	if err := lines.Err(); err != nil || compared == 0 {
		t.Errorf("read %d lines: %v", compared, err)
	}
}

func runDateFormat(fields []string) string {
	f, refused := newDateFormat(fields[1])
	switch {
	case refused != nil:
		return refused.Message
	case fields[0] == "F":
		millis, _ := strconv.ParseInt(fields[2], 10, 64)
		return string(f.append(nil, millis))
	case fields[0] == "P":
		if millis, ok := f.parse(fields[2]); ok {
			return fmt.Sprint(millis)
		}
		return "null"
	}
	return "taken"
}

// TestCentury: two digits are the year that is next to us, from eighty years ago on; at the very beginning the day decides.
func TestCentury(t *testing.T) {
	f, _ := newDateFormat("yy-MM-dd")
	begin := time.UnixMilli(f.century.millis).UTC()
	for _, c := range []struct {
		date time.Time
		want int
	}{{begin.AddDate(0, 0, 1), begin.Year()}, {begin.AddDate(1, 0, 0), begin.Year() + 1}, {begin.AddDate(99, 0, 0), begin.Year() + 99}, {begin.AddDate(0, 0, -1), begin.AddDate(0, 0, -1).Year() + 100}} {
		text := c.date.Format("06-01-02")
		millis, ok := f.parse(text)
		if got := time.UnixMilli(millis).UTC().Year(); !ok || got != c.want {
			t.Errorf("parse(%q) = year %d, %v, want %d", text, got, ok, c.want)
		}
	}
}

// TestOwnFormats holds the patterns that this package is sure of.
func TestOwnFormats(t *testing.T) {
	for _, f := range []*dateFormat{isoDate, isoTime, isoTimestamp} {
		if f == nil {
			t.Fatal("a pattern of this package is refused")
		}
	}
	for millis, want := range map[int64]string{-1: "23:59:59.999Z", 0: "00:00:00.000Z", millisPerDay: "1970-01-02", 1700000000123: "2023-11-14T22:13:20.123Z"} {
		if got := string(appendISO(nil, millis)); got != want {
			t.Errorf("appendISO(%d) = %s, want %s", millis, got, want)
		}
	}
}

// TestZoneNames holds the table of names.
func TestZoneNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, z := range zones() {
		if z.name == "" || seen[z.name] || z.minutes%15 != 0 || z.minutes < -12*60 || z.minutes > 14*60 {
			t.Errorf("zone %q has offset %d, or stands twice", z.name, z.minutes)
		}
		seen[z.name] = true
	}
	for name, want := range map[string]int64{"PST": -480, "cest": 120, "India Standard Time": 330, "UTC": 0} {
		if _, got, ok := zoneNamed(name + " and more"); !ok || got != want {
			t.Errorf("zoneNamed(%q) = %d, %v, want %d", name, got, ok, want)
		}
	}
}

func FuzzDateFormat(f *testing.F) {
	f.Add("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2024-01-02T03:04:05.678+0100", int64(1700000000123))
	f.Add("YYYY-ww-u", "2020-W53-7", int64(-62135596800001))
	f.Add("GGGG MMMM EEEE zzzz", "AD January Monday UTC", int64(-1<<63))
	f.Fuzz(func(t *testing.T, pattern, text string, millis int64) {
		format, refused := newDateFormat(pattern)
		if refused != nil {
			return
		}
		format.parse(text)
		format.append(nil, millis)
	})
}

// FuzzRoundTrip: what is printed with everything in it reads back as the same instant.
func FuzzRoundTrip(f *testing.F) {
	full, _ := newDateFormat("G yyyy-MM-dd HH:mm:ss.SSS Z")
	weeks, _ := newDateFormat("YYYY ww u HH:mm:ss.SSS")
	f.Add(int64(0))
	f.Add(int64(firstGregorian*millisPerDay - 1))
	f.Fuzz(func(t *testing.T, millis int64) {
		millis %= 9e15 // years of at most six digits
		if got, ok := full.parse(string(full.append(nil, millis))); !ok || got != millis {
			t.Errorf("parse(%s) = %d, %v, want %d", full.append(nil, millis), got, ok, millis)
		}
		if momentOf(millis).year <= cutoverYear+1 {
			return // weeks of the year in which ten days are missing are no weeks
		}
		if got, ok := weeks.parse(string(weeks.append(nil, millis))); !ok || got != millis {
			t.Errorf("parse(%s) = %d, %v, want %d", weeks.append(nil, millis), got, ok, millis)
		}
	})
}
