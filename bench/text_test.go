package main

import (
	"context"
	"testing"
	"time"
)

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestIdentifier(t *testing.T) {
	if got, want := identifier("Wide rows, 100-Columns"), "wide_rows_100_columns"; got != want {
		t.Errorf("identifier = %q, want %q", got, want)
	}
}

func TestPollGivesUp(t *testing.T) {
	if err := poll(context.Background(), time.Millisecond, func() (bool, error) { return false, nil }); err == nil {
		t.Error("poll of what never happens = nil, want an error")
	}
	n := 0
	if err := poll(context.Background(), time.Minute, func() (bool, error) { n++; return n == 2, nil }); err != nil || n != 2 {
		t.Errorf("poll = %v after %d answers, want nil after 2", err, n)
	}
}

func TestKeyNumber(t *testing.T) {
	for _, c := range []struct {
		format format
		key    string
		want   int
		ok     bool
	}{
		{avro, "\x00\x00\x00\x00\x07\x02", 1, true},
		{avro, "\x00\x00\x00\x00\x07\xd0\x0f", 1000, true},
		{avro, "\x00\x00\x00", 0, false},
		{avro, "\x00\x00\x00\x00\x07", 0, false},
		{avro, "\x00\x00\x00\x00\x07\x02\x02", 0, false},
		{avro, "\x00\x00\x00\x00\x07\x80", 0, false},
		{plainJSON, `{"product_id":1000}`, 1000, true},
		{plainJSON, `null`, 0, false},
	} {
		got, err := keyNumber(c.format, []byte(c.key))
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("keyNumber(%s, %q) = %d, %v, want %d, %t", c.format, c.key, got, err, c.want, c.ok)
		}
	}
}

func TestQuantile(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(100 - i)
	}
	for share, want := range map[float64]float64{0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(values, share); got != want {
			t.Errorf("quantile(1 to 100, %v) = %v, want %v", share, got, want)
		}
	}
	if got := quantile([]float64{7}, 0.99); got != 7 {
		t.Errorf("quantile of 7 alone = %v, want 7", got)
	}
}

func TestSummaryIsOfWhatFollowsTheWarmUp(t *testing.T) {
	s := newStamps(20)
	for i := range 20 {
		s.committed[i].Store(int64(time.Hour))
		delay := time.Duration(i) * time.Millisecond
		if i < 10 { // the warm up
			delay = time.Minute
		}
		s.arrived[i].Store(int64(time.Hour + delay))
	}
	s.arrived[10].Store(int64(time.Hour - time.Second)) // before the commit was acknowledged
	var m sample
	s.summary(&m, 10)
	want := sample{P50: 14, P99: 19, Most: 19, P99First: 0, P99Last: 19}
	if m != want {
		t.Errorf("summary = %+v, want %+v", m, want)
	}
}
