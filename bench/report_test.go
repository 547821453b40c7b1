package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// sampleResults are invented: numbers of which one can see where they are.
func sampleResults() *results {
	return &results{
		Machine: machine{CPU: "A processor", CPUs: 2, Memory: "1000 kB", Kernel: "1.2.3", Versions: map[string]string{"PostgreSQL": "15", "tandem": "tandem 1"}},
		Sections: map[string]*section{
			"drain": {When: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Took: 600, Scale: 1, Loads: map[string]string{"mix": "1,000 changes"}, Rows: []row{
				{Load: "mix", Contender: "pg_recvlogical", Work: 500_000, Runs: []sample{{Rate: 100, CPU: 1}}},
				{Load: "mix", Contender: "tandem", Format: "Avro", Work: 500_000, Runs: []sample{{Rate: 150, CPU: 1, Peak: 30, Anon: 20, File: 10, First: 0.25}, {Rate: 250, CPU: 3, Peak: 50, Anon: 40, File: 10, First: 0.75}}},
				{Load: "mix", Contender: "Debezium", Format: "Avro", Work: 500_000, Runs: []sample{{Rate: 400, CPU: 10, Peak: 1000}}},
				{Load: "mix", Contender: "Debezium", Format: "JSON", Work: 500_000, Runs: []sample{{Rate: 20}}},
				{Load: "mix", Contender: "Debezium <broken>", Format: "Avro", Work: 500_000, Failed: "it | said\nno"},
			}},
			"latency": {When: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Took: 60, Scale: 0.5, Rows: []row{
				{Load: "200 transactions/s", Contender: "tandem", Format: "Avro", Work: 10, Runs: []sample{{Rate: 199, P50: 1.25, P99: 9.5, Most: 12, P99First: 9, P99Last: 10}}},
			}},
		},
		Commands: map[string]string{"drain: tandem, Avro": "# worker.properties\na=b\n\n$ tandem standalone\n"},
	}
}

func TestReport(t *testing.T) {
	r := sampleResults()
	for file, got := range map[string]string{"report.md": markdown(r), "chart.svg": chart(r.Sections["drain"])} {
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", file, diff)
		}
	}
}

func TestTablesAreRectangular(t *testing.T) {
	r := sampleResults()
	for i := range parts {
		p := &parts[i]
		s := r.Sections[p.name]
		if s == nil {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(p.table(s)), "\n") {
			if got, want := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"), 4+len(p.columns); got != want {
				t.Errorf("%s: %q has %d bars, want %d", p.name, line, got, want)
			}
		}
	}
}

func TestWhereTandemLosesTheTableShowsIt(t *testing.T) {
	table := parts[0].table(sampleResults().Sections["drain"])
	if want := "| mix | Debezium | Avro | 400 | 0.50 × |"; !strings.Contains(table, want) {
		t.Errorf("no %q in\n%s", want, table)
	}
}

func TestChartIsXML(t *testing.T) {
	for _, s := range []*section{nil, sampleResults().Sections["drain"]} {
		d := xml.NewDecoder(strings.NewReader(chart(s)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestResultsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.json")
	if got, err := readResults(path); err != nil || len(got.Sections) != 0 {
		t.Errorf("readResults without a file = %+v, %v, want none", got, err)
	}
	want := sampleResults()
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("readResults (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(path); err == nil {
		t.Error("readResults of half a file = nil, want an error")
	}
}

func TestParseOptions(t *testing.T) {
	for _, bad := range [][]string{{"-parts", "all"}, {"-systems", "x"}, {"-runs", "0"}, {"-scale", "0"}, {"more"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parse(%v) = nil, want an error", bad)
		}
	}
	o, err := parse([]string{"-quick"})
	if err != nil || !slices.Equal(o.parts, []string{"drain"}) || o.wants(kafkaConnect) || !o.wants(tandem) || !o.wants(recvlogical) {
		t.Errorf("parse(-quick) = %+v, %v, want the drain of tandem and pg_recvlogical", o, err)
	}
	o, err = parse(nil)
	if err != nil || !slices.Equal(o.parts, partNames()) || o.scaled(1000, 1) != 1000 || o.scaled(10, 20) != 20 {
		t.Errorf("parse() = %+v, %v, want everything", o, err)
	}
}

func TestTargetsSayWhatWasReached(t *testing.T) {
	r := newResults()
	drain := func(load, contender string, f format, m sample) row {
		return row{Load: load, Contender: contender, Format: string(f), Work: 1000, Runs: []sample{m}}
	}
	r.Sections["drain"] = &section{Rows: []row{
		drain("mix", "tandem", avro, sample{Rate: 1200, CPU: 1, Peak: 81, First: 0.5}),
		drain("mix", "Debezium, tuned", avro, sample{Rate: 100, CPU: 17.9, Peak: 1700}),
		drain("mix", "pg_recvlogical", "", sample{Rate: 900}),
	}}
	wide := func(columns int, bytes int64, rate float64) row {
		w := drain(wideRows(1, columns).name, "tandem", avro, sample{Rate: rate})
		w.Bytes = bytes
		return w
	}
	r.Sections["growth"] = &section{Rows: []row{
		wide(10, 1000, 500), wide(100, 10_000, 50),
		drain(manyTables(4, 10).name, "tandem", avro, sample{Rate: 100}), drain(manyTables(2000, 10).name, "tandem", avro, sample{Rate: 79}),
		drain(oneMillion, "tandem", avro, sample{Rate: 100}), drain(tenMillion, "tandem", avro, sample{Rate: 90}),
		drain(hugeTransaction(1).name, "tandem", avro, sample{Peak: 80}),
	}}
	r.Sections["loads"] = &section{Rows: []row{drain(manyTables(100, 10).name, "tandem", avro, sample{Peak: 79})}}
	r.Sections["end"] = &section{Rows: []row{
		drain("mix", "tandem", avro, sample{Rate: 100}), drain("mix", sourceHalf, avro, sample{Rate: 300}), drain("mix", sinkHalf, avro, sample{Rate: 131}),
	}}
	got := targetTable(r)
	for _, want := range []string{
		"| 12 × Debezium tuned | 12.00 × | yes |",
		"| 1.5 × pg_recvlogical | 1.33 × | no |",
		"| 1/18 of Debezium tuned | 1/17.9 | no |",
		"| 1/20 of Debezium tuned | 1/21.0 | yes |",
		"| peak RSS: drain, Avro | 80 MB | 81 MB | no |",
		"| peak RSS: 100 tables | 80 MB | 79 MB | yes |",
		"| peak RSS: one transaction of 5,000,000 rows | 80 MB | 80 MB | yes |",
		"| 0.5 s | 0.50 s | yes |",
		"| 1.3 × that of the slower half | 1.31 × | no |",
		"| 0.9 × that at 1,000,000 | 0.90 × | yes |",
		"| 0.8 × that of 4 | 0.79 × | no |",
		"| those of 10 columns | 1.00 × | yes |",
		"| 15 × Debezium | – | not measured |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
