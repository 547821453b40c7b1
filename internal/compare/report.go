package compare

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Equal tells whether all tables are.
func Equal(tables []Table) bool {
	for i := range tables {
		if !tables[i].Equal() {
			return false
		}
	}
	return true
}

// WriteTable writes a line a table: rows in source, rows in target, equal by checksum.
func WriteTable(w io.Writer, tables []Table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "table\trows in source\trows in target\tequal by checksum")
	for i := range tables {
		t := &tables[i]
		there, verdict := strconv.FormatInt(t.TargetRows, 10), "yes  "+t.SourceSum
		if !t.Equal() {
			verdict = "NO"
		}
		if t.NoTarget {
			there = "no table " + t.Target
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\n", t.Source, t.SourceRows, there, verdict)
	}
	return tw.Flush()
}

// WriteDiff names the rows that differ, and their columns; nothing when there are none.
func WriteDiff(w io.Writer, tables []Table) error {
	var b strings.Builder
	for i := range tables {
		tables[i].diff(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) diff(b *strings.Builder) {
	if t.NoTarget {
		fmt.Fprintf(b, "%s: the target has no table %s\n", t.Source, t.Target)
	}
	for _, c := range t.MissingColumns {
		fmt.Fprintf(b, "%s: the target has no column %s\n", t.Source, c)
	}
	for _, r := range t.Rows {
		fmt.Fprintf(b, "%s (%s): %s\n", t.Source, keyText(r.Key), r.Difference)
		for _, c := range r.Columns {
			fmt.Fprintf(b, "    %s: source %s, target %s\n", c.Column, shown(c.Source), shown(c.Target))
		}
	}
	if t.MoreRows > 0 {
		fmt.Fprintf(b, "%s: %d more rows differ\n", t.Source, t.MoreRows)
	}
}

func keyText(key []Cell) string {
	parts := make([]string, len(key))
	for i, c := range key {
		parts[i] = c.Column + "=" + *c.Source
	}
	return strings.Join(parts, ", ")
}

// shown is a value as the report has it: quoted, and cut when it is long.
func shown(s *string) string {
	if s == nil {
		return "NULL"
	}
	const most = 120
	if runes := []rune(*s); len(runes) > most {
		return fmt.Sprintf("%q… (%d characters)", string(runes[:most]), len(runes))
	}
	return strconv.Quote(*s)
}
