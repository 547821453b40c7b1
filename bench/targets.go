package main

import (
	"fmt"
	"strings"
)

// target is what tandem is meant to reach. reached says what it has come to in words, and whether that is enough; an empty text: it was not measured.
type target struct {
	what, want string
	reached    func(r *results) (got string, enough bool)
}

// find is the median of a contender at a load; nil where there is none. The empty load is any.
func (r *results) find(part, load, contender string, f format) *sample {
	s := r.Sections[part]
	if s == nil {
		return nil
	}
	for i := range s.Rows {
		row := &s.Rows[i]
		if (load == "" || row.Load == load) && row.Contender == contender && row.Format == string(f) && len(row.Runs) > 0 {
			m := median(row.Runs)
			return &m
		}
	}
	return nil
}

// bytesPerChange is the WAL of a change of a load; 0: not known.
func (r *results) bytesPerChange(part, load string) float64 {
	if s := r.Sections[part]; s != nil {
		for i := range s.Rows {
			if s.Rows[i].Load == load && s.Rows[i].Work > 0 {
				return float64(s.Rows[i].Bytes) / float64(s.Rows[i].Work)
			}
		}
	}
	return 0
}

// times holds one measure against another's: at least, or with most at most, so many times as much.
func times(a, b *sample, of func(*sample) float64, bound float64, most bool) (string, bool) {
	if a == nil || b == nil || of(a) == 0 || of(b) == 0 {
		return "", false
	}
	if most { // "1/20 of": how many times less
		n := of(b) / of(a)
		return fmt.Sprintf("1/%.1f", n), n >= bound
	}
	n := of(a) / of(b)
	return fmt.Sprintf("%.2f ×", n), n >= bound
}

func rateOf(s *sample) float64 { return s.Rate }

// targets are in the order of the report.
var targets = []target{
	{"drain, Avro: changes/s", "12 × Debezium tuned", func(r *results) (string, bool) {
		return times(r.find("drain", "", string(tandem), avro), r.find("drain", "", "Debezium, tuned", avro), rateOf, 12, false)
	}},
	{"drain, Avro: changes/s", "1.5 × pg_recvlogical", func(r *results) (string, bool) {
		return times(r.find("drain", "", string(tandem), avro), r.find("drain", "", string(recvlogical), ""), rateOf, 1.5, false)
	}},
	{"drain, JSON without schemas: changes/s", "3 × Debezium tuned", func(r *results) (string, bool) {
		return times(r.find("drain", "", string(tandem), plainJSON), r.find("drain", "", "Debezium, tuned", plainJSON), rateOf, 3, false)
	}},
	{"drain, Avro: CPU per million changes", "1/18 of Debezium tuned", func(r *results) (string, bool) {
		return times(r.find("drain", "", string(tandem), avro), r.find("drain", "", "Debezium, tuned", avro), func(s *sample) float64 { return s.CPU }, 18, true)
	}},
	{"drain, Avro: peak RSS", "1/20 of Debezium tuned", func(r *results) (string, bool) {
		return times(r.find("drain", "", string(tandem), avro), r.find("drain", "", "Debezium, tuned", avro), func(s *sample) float64 { return s.Peak }, 20, true)
	}},
	{"peak RSS: drain, Avro", "80 MB", peakAt("drain", "")},
	{"peak RSS: 100 tables", "80 MB", peakAt("loads", "100 tables")},
	{"peak RSS: one transaction of 5,000,000 rows", "80 MB", peakAt("growth", "one transaction")},
	{"start of the process to the first record", "0.5 s", func(r *results) (string, bool) {
		return atMost(r.find("drain", "", string(tandem), avro), "%.2f s", func(s *sample) float64 { return s.First }, 0.5)
	}},
	{"snapshot, Avro: rows/s", "15 × Debezium", func(r *results) (string, bool) {
		return times(r.find("snapshot", "", string(tandem), avro), r.find("snapshot", "", "Debezium, stock", avro), rateOf, 15, false)
	}},
	{"snapshot, Avro: rows/s", "300,000", func(r *results) (string, bool) {
		return atLeast(r.find("snapshot", "", string(tandem), avro), rateOf, 300_000)
	}},
	{"commit to consumer at 200 transactions/s: p50", "4 ms", latencyAt(0, func(s *sample) float64 { return s.P50 }, 4)},
	{"commit to consumer at 200 transactions/s: p99", "15 ms", latencyAt(0, func(s *sample) float64 { return s.P99 }, 15)},
	{"commit to consumer at 5,000 transactions/s: p99", "50 ms", latencyAt(1, func(s *sample) float64 { return s.P99 }, 50)},
	{"the same: p99 of the last sixth of a minute", "1.5 × that of the first", func(r *results) (string, bool) {
		m := r.find("latency", paces[1].name(), string(tandem), avro)
		if m == nil || m.P99First == 0 {
			return "", false
		}
		n := m.P99Last / m.P99First
		return fmt.Sprintf("%.2f ×", n), n <= 1.5
	}},
	{"sink, JSON with schemas: rows/s", "9 × Debezium's JDBC sink", func(r *results) (string, bool) {
		return times(r.find("sink", "", string(tandem), schemaJSON), r.find("sink", "", "Debezium, stock", schemaJSON), rateOf, 9, false)
	}},
	{"sink, JSON with schemas: rows/s", "0.4 × the server's own upsert", func(r *results) (string, bool) {
		return times(r.find("sink", "", string(tandem), schemaJSON), r.find("sink", "", setwise, ""), rateOf, 0.4, false)
	}},
	{"source to target, end to end: time", "1.3 × that of the slower half", func(r *results) (string, bool) {
		whole, source, sink := r.find("end", "", string(tandem), avro), r.find("end", "", sourceHalf, avro), r.find("end", "", sinkHalf, avro)
		if whole == nil || source == nil || sink == nil || whole.Rate == 0 {
			return "", false
		}
		n := min(source.Rate, sink.Rate) / whole.Rate
		return fmt.Sprintf("%.2f ×", n), n <= 1.3
	}},
	{"10,000,000 changes: changes/s", "0.9 × that at 1,000,000", grown(tenMillion, oneMillion, 0.9)},
	{"2,000 tables: changes/s", "0.8 × that of 4", grown("2,000 tables", "4 tables", 0.8)},
	{"100 columns: bytes of WAL/s", "those of 10 columns", func(r *results) (string, bool) {
		const many, few = "wide rows, 100 columns", "wide rows, 10 columns"
		a, b := r.find("growth", many, string(tandem), avro), r.find("growth", few, string(tandem), avro)
		x, y := r.bytesPerChange("growth", many), r.bytesPerChange("growth", few)
		if a == nil || b == nil || x == 0 || y == 0 || b.Rate == 0 {
			return "", false
		}
		n := a.Rate * x / (b.Rate * y)
		return fmt.Sprintf("%.2f ×", n), n >= 1
	}},
}

func peakAt(part, load string) func(*results) (string, bool) {
	return func(r *results) (string, bool) {
		return atMost(r.find(part, load, string(tandem), avro), "%.0f MB", func(s *sample) float64 { return s.Peak }, 80)
	}
}

func latencyAt(pace int, of func(*sample) float64, bound float64) func(*results) (string, bool) {
	return func(r *results) (string, bool) {
		return atMost(r.find("latency", paces[pace].name(), string(tandem), avro), "%.1f ms", of, bound)
	}
}

func grown(large, small string, bound float64) func(*results) (string, bool) {
	return func(r *results) (string, bool) {
		return times(r.find("growth", large, string(tandem), avro), r.find("growth", small, string(tandem), avro), rateOf, bound, false)
	}
}

func atMost(m *sample, form string, of func(*sample) float64, bound float64) (string, bool) {
	if m == nil || of(m) == 0 {
		return "", false
	}
	return fmt.Sprintf(form, of(m)), of(m) <= bound
}

func atLeast(m *sample, of func(*sample) float64, bound float64) (string, bool) {
	if m == nil || of(m) == 0 {
		return "", false
	}
	return grouped(int64(of(m))), of(m) >= bound
}

// targetTable is all targets in Markdown, with what was reached.
func targetTable(r *results) string {
	var b strings.Builder
	b.WriteString("| measure | target: at least, or for time and memory at most | measured | reached |\n|---|---|---:|---|\n")
	for i := range targets {
		t := &targets[i]
		got, enough := t.reached(r)
		answer := "no"
		switch {
		case got == "":
			got, answer = "–", "not measured"
		case enough:
			answer = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.what, t.want, got, answer)
	}
	return b.String()
}
