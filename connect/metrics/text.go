package metrics

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
)

// ContentType is that of Write's text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes the text format of Prometheus, version 0.0.4: per name a line of help, one of the type, and its series.
func (o *Out) Write(w io.Writer, sets []Set) error {
	out := bufio.NewWriter(w)
	last := ""
	for _, s := range o.named(sets) {
		if s.name != last {
			last = s.name
			if s.help != "" {
				writeAll(out, "# HELP ", s.name, " ", escapeHelp.Replace(s.help), "\n")
			}
			writeAll(out, "# TYPE ", s.name, " ", s.kind, "\n")
		}
		out.WriteString(s.name)
		for i, l := range s.labels {
			writeAll(out, [...]string{"{", ","}[min(i, 1)], l.Name, `="`, escapeLabel.Replace(l.Value), `"`)
		}
		if len(s.labels) > 0 {
			out.WriteByte('}')
		}
		writeAll(out, " ", format(s.value), "\n")
	}
	return out.Flush() // the first error of all writes
}

func writeAll(out *bufio.Writer, parts ...string) {
	for _, p := range parts {
		out.WriteString(p)
	}
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return formatInteger(v)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func formatInteger(v float64) string { return strconv.FormatInt(int64(v), 10) }
