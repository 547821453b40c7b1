package polling

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// The proleptic calendar is held against package time, the Julian one against days that are known.
func TestCalendars(t *testing.T) {
	for days := int64(-800_000); days < 800_000; days += 13 {
		y, m, d := civil(days)
		want := time.Unix(days*86400, 0).UTC()
		if int(y) != want.Year() || m != int(want.Month()) || d != want.Day() {
			t.Fatalf("civil(%d) = %d-%d-%d, want %s", days, y, m, d, want)
		}
		if got := daysTo(y, m, d); got != days {
			t.Fatalf("daysTo(%d, %d, %d) = %d, want %d", y, m, d, got, days)
		}
		jy, jm, jd := julianCivil(days)
		if got := julianDays(jy, jm, jd); got != days {
			t.Fatalf("julianDays(%d, %d, %d) = %d, want %d", jy, jm, jd, got, days)
		}
		if got := digitDays(javaDays(days)); got != days && !(days < gregorianFrom && days >= gregorianFrom-10) {
			t.Fatalf("digitDays(javaDays(%d)) = %d", days, got)
		}
	}
	// Milliseconds that pgjdbc gives for digits before the Gregorian calendar, as recorded.
	for digits, millis := range map[string]int64{"0001-01-01": -62135769600000, "1500-03-01": -14825808000000, "1582-10-15": -12219292800000, "0044-03-15 BC": -735162 * 86400000} {
		c, err := parseDateTime([]byte(digits))
		if err != nil || javaDays(c.days)*86400000 != millis {
			t.Errorf("%s = %d ms, %v, want %d", digits, javaDays(c.days)*86400000, err, millis)
		}
	}
}

func TestZones(t *testing.T) {
	for text, want := range map[string]int64{"UTC": 0, "Z": 0, "": 0, "+02:00": 7200, "-0530": -19800, "UTC+2": 7200, "GMT-03:30": -12600, "Asia/Kolkata": 19800} {
		z, err := parseZone(text)
		if err != nil || z.offsetAt(1_700_000_000) != want {
			t.Errorf("parseZone(%q) has offset %d, %v, want %d", text, z.offsetAt(1_700_000_000), err, want)
		}
	}
	for _, text := range []string{"Local", "Mars/Base", "+19:00", "+02:60", "CEST?"} {
		if z, err := parseZone(text); err == nil {
			t.Errorf("parseZone(%q) = %v, want an error", text, z)
		}
	}
}

// What is written as a parameter is read as the same instant, in every zone and hour but the one that exists twice.
func TestMomentDigits(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "+05:45"} {
		z, err := parseZone(name)
		if err != nil {
			t.Fatal(err)
		}
		for sec := int64(-40_000_000_000); sec < 4_000_000_000; sec += 86_399_999 {
			m := moment{sec, 123456789}
			text := m.appendDateTime(nil, z, ' ', 9)
			c, err := parseDateTime(text)
			if err != nil {
				t.Fatalf("parseDateTime(%s) = %v", text, err)
			}
			if got := c.at(z); got != m {
				t.Fatalf("%s in %s = %v, want %v", text, name, got, m)
			}
			withOffset, err := parseDateTime(z.appendOffset(text, m))
			if err != nil || withOffset.at(zone{time.UTC, true, 0}) != m {
				t.Fatalf("%s = %v, %v, want %v", z.appendOffset(text, m), withOffset, err, m)
			}
		}
	}
}

func TestAppendSince(t *testing.T) {
	for sec := int64(-3); sec <= 3; sec++ {
		for _, nano := range []int32{0, 1000, 500_000_000, 999_999_000} {
			m := moment{sec, nano}
			want := new(big.Int).Add(new(big.Int).Mul(big.NewInt(sec), big.NewInt(1e9)), big.NewInt(int64(nano)))
			if got := string(m.appendSince(nil, 9)); got != want.String() {
				t.Errorf("%v in nanoseconds = %s, want %s", m, got, want)
			}
			if got := string(m.appendSince(nil, 6)); got != new(big.Int).Quo(want, big.NewInt(1000)).String() {
				t.Errorf("%v in microseconds = %s, want %s / 1000", m, got, want)
			}
		}
	}
}

func TestRefusedDates(t *testing.T) {
	for _, text := range []string{"", "x", "2024-13-01", "2024-00-10", "2024-1-1", "24-01-01", "2024-02-29 10", "2024-02-29 10:61:00", "2024-02-29x", "2024-02-29 10:20:30+2", "infinity", "2024-02-29 99:00:00"} {
		if c, err := parseDateTime([]byte(text)); err == nil {
			t.Errorf("parseDateTime(%q) = %+v, want an error", text, c)
		}
	}
	for _, text := range []string{"", "10", "-10:00:00", "1000:00:00", "10:20:30 x"} {
		if c, err := parseTime([]byte(text)); err == nil {
			t.Errorf("parseTime(%q) = %+v, want an error", text, c)
		}
	}
}

func FuzzParseDateTime(f *testing.F) {
	for _, text := range []string{"2024-02-29 10:20:30.123456+02:30:15", "0044-03-15 BC", "294276-12-31 23:59:59.999999", "2024-02-29T10:20:30Z", "10:20:30-02"} {
		f.Add([]byte(text))
	}
	z, _ := parseZone("Europe/Berlin")
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseTime(text)
		c, err := parseDateTime(text)
		if err != nil {
			return
		}
		c.hasOffset, c.offset = true, 0
		m := c.at(z)
		if m.nano < 0 || m.nano > 999_999_999 {
			t.Fatalf("%q has %d nanoseconds", text, m.nano)
		}
		if year, _, _ := civil(c.days); year < 1 || year > 9999 || strings.HasSuffix(string(text), "BC") {
			return
		}
		utc := zone{time.UTC, true, 0}
		again, err := parseDateTime(m.appendDateTime(nil, utc, ' ', 9))
		if err != nil || again.at(utc) != m {
			t.Errorf("%q = %v, written %s, read %v, %v", text, m, m.appendDateTime(nil, utc, ' ', 9), fmt.Sprint(again), err)
		}
	})
}
