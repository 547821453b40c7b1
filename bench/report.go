package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// column is one column of a table: of the median of a row, or of a row and the one that it is compared with.
type column struct {
	title string
	cell  func(r *row, m, ours *sample) string
}

// number is a column of one measure, empty where it was not measured.
func number(title, form string, of func(*sample) float64) column {
	return column{title, func(_ *row, m, _ *sample) string { return shown(form, of(m)) }}
}

func shown(form string, value float64) string {
	switch {
	case value == 0:
		return "–"
	case form == "":
		return grouped(int64(value + 0.5))
	}
	return fmt.Sprintf(form, value)
}

// perMillion is a measure for a million changes, rows or transactions.
func perMillion(title string, of func(*sample) float64) column {
	return column{title, func(r *row, m, _ *sample) string { return shown("%.1f", of(m)*1e6/float64(max(1, r.Work))) }}
}

// rate and times: how fast it is, and how many times as fast tandem is with the same work and format.
func rate(unit string) []column {
	return []column{
		number(unit+"/s", "", func(s *sample) float64 { return s.Rate }),
		{"tandem is", func(_ *row, m, ours *sample) string {
			if ours == nil || ours == m || m.Rate == 0 {
				return "–"
			}
			return shown("%.2f ×", ours.Rate/m.Rate)
		}},
	}
}

var (
	startColumn   = number("start to first, s", "%.2f", func(s *sample) float64 { return s.First })
	cpuColumn     = perMillion("CPU-s per million", func(s *sample) float64 { return s.CPU })
	memoryColumns = []column{
		number("peak RSS, MB", "%.0f", func(s *sample) float64 { return s.Peak }),
		number("of it anonymous", "%.0f", func(s *sample) float64 { return s.Anon }),
		number("file-backed", "%.0f", func(s *sample) float64 { return s.File }),
	}
	drainColumns  = slices.Concat(rate("changes"), []column{cpuColumn, perMillion("CPU-s of the server's sender", func(s *sample) float64 { return s.ServerCPU })}, memoryColumns, []column{startColumn})
	growthColumns = slices.Concat(drainColumns, []column{{"MB of WAL/s", func(r *row, m, _ *sample) string {
		return shown("%.1f", m.Rate*float64(r.Bytes)/float64(max(1, r.Work))/1e6)
	}}})
	snapshotColumns = slices.Concat(rate("rows"), []column{cpuColumn}, memoryColumns, []column{startColumn})
	sinkColumns     = snapshotColumns
	latencyColumns  = slices.Concat([]column{
		number("p50, ms", "%.1f", func(s *sample) float64 { return s.P50 }),
		number("p99, ms", "%.1f", func(s *sample) float64 { return s.P99 }),
		number("greatest, ms", "%.0f", func(s *sample) float64 { return s.Most }),
		number("p99 of the first sixth", "%.1f", func(s *sample) float64 { return s.P99First }),
		number("of the last", "%.1f", func(s *sample) float64 { return s.P99Last }),
		number("transactions/s written", "", func(s *sample) float64 { return s.Rate }),
	}, memoryColumns)
)

// table is a part in Markdown.
func (p *part) table(s *section) string {
	var b strings.Builder
	b.WriteString("| load | contender | format |")
	for _, c := range p.columns {
		b.WriteString(" " + c.title + " |")
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---:|", len(p.columns)) + "\n")
	for i := range s.Rows {
		r := &s.Rows[i]
		fmt.Fprintf(&b, "| %s | %s | %s |", r.Load, r.Contender, r.Format)
		if r.Failed != "" {
			fmt.Fprintf(&b, " failed: %s |%s\n", oneLine(r.Failed), strings.Repeat(" |", len(p.columns)-1))
			continue
		}
		m := median(r.Runs)
		compared := s.ours(r)
		if compared == nil || r.Contender == string(tandem) {
			compared = &m
		}
		for _, c := range p.columns {
			b.WriteString(" " + c.cell(r, &m, compared) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ours is the median of tandem with the same load and format; of a row without format, with that of the first of tandem's.
func (s *section) ours(r *row) *sample {
	for i := range s.Rows {
		t := &s.Rows[i]
		if t.Contender == string(tandem) && t.Load == r.Load && (t.Format == r.Format || r.Format == "") && len(t.Runs) > 0 {
			m := median(t.Runs)
			return &m
		}
	}
	return nil
}

// oneLine is the beginning of a text as a table may hold it.
func oneLine(text string) string {
	text = strings.NewReplacer("\n", " ", "|", `\|`).Replace(text)
	if runes := []rune(text); len(runes) > 160 {
		return string(runes[:160]) + "…"
	}
	return text
}

const intro = `# Benchmarks

Written by ` + "`make bench`" + ` (` + "`go run ./bench`" + `); ` + "`make bench-quick`" + ` prints the first rows of the first table. Absolute figures differ by a third from run to
run and much more from machine to machine: compare rows of one table, which were measured together.

All contenders run on one machine with their servers: PostgreSQL, one broker of Kafka in KRaft mode (with
` + "`log.index.size.max.bytes=262144`" + `, for index files of thousands of partitions are mostly zeroes, and writing them is most of the time else), one registry. Topics have
one partition and exist before the start; producers have acks=all and lz4; connectors are of the same configuration but for what is said here. Each row is the median of its runs,
measure by measure. The runs of a table take turns. CPU seconds are those of the contender's process after its first record, memory is the kernel's peak
of resident pages (VmHWM) and, looked at every 25 ms, the greatest of its two kinds: anonymous pages are the program's own, file-backed ones the kernel may
drop. "tandem is 2.00 ×" says that tandem does the same work twice as fast; below 1.00 it loses.
`

// markdown is the whole report.
func markdown(r *results) string {
	var b strings.Builder
	b.WriteString("<!-- Generated by go run ./bench from benchmarks.json. -->\n" + intro + "\n## Machine and versions\n\n")
	fmt.Fprintf(&b, "%s, %d CPUs, %s, Linux %s.\n\n| | version |\n|---|---|\n", r.Machine.CPU, r.Machine.CPUs, r.Machine.Memory, r.Machine.Kernel)
	for _, name := range slices.Sorted(maps.Keys(r.Machine.Versions)) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, r.Machine.Versions[name])
	}
	b.WriteString("\n## Targets\n\nWhat tandem is meant to reach, by the tables below.\n\n" + targetTable(r))
	b.WriteString("\n![The first part as a chart](benchmarks.svg)\n")
	for i := range parts {
		p := &parts[i]
		s := r.Sections[p.name]
		if s == nil {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", p.title, p.about)
		for _, name := range slices.Sorted(maps.Keys(s.Loads)) {
			fmt.Fprintf(&b, "- %s: %s\n", name, s.Loads[name])
		}
		fmt.Fprintf(&b, "\n%s\nMeasured %s, %s of each, in %s.%s\n", p.table(s), s.When.Format("2006-01-02"), count(runsOf(s), "run"), duration(s.Took), scaleNote(s.Scale))
	}
	b.WriteString("\n## Commands and configurations\n\nDIR is the folder of a run, CACHE that of what was fetched. Numbers of ports and of runs differ from run to run.\n")
	for _, key := range slices.Sorted(maps.Keys(r.Commands)) {
		fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n```\n%s```\n\n</details>\n", key, r.Commands[key])
	}
	return b.String()
}

func runsOf(s *section) (n int) {
	for i := range s.Rows {
		n = max(n, len(s.Rows[i].Runs))
	}
	return n
}

func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func duration(s float64) string {
	if s < 120 {
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.0f minutes", s/60)
}

func scaleNote(scale float64) string {
	if scale == 1 {
		return ""
	}
	return fmt.Sprintf(" Scale %g: not the sizes that the report is made for.", scale)
}

// writeReport writes the Markdown and the chart.
func writeReport(dir string, r *results) error {
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.md"), []byte(markdown(r)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "benchmarks.svg"), []byte(chart(r.Sections["drain"])), 0o644)
}
