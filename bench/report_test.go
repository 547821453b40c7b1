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
	if err != nil || !slices.Equal(o.parts, partNames()) || o.scaled(1000) != 1000 {
		t.Errorf("parse() = %+v, %v, want everything", o, err)
	}
}
