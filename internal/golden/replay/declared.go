package replay

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Declaration is a line of declared.txt: where and why the records of a case are not those of its recording.
type Declaration struct {
	Case   string   // its name; may be a pattern of path.Match
	Majors []int    // versions of PostgreSQL; none: every one
	Fields []string // what may differ, in the words of (*Case).compare
	Reason string
}

// readDeclared reads declared.txt. A line is a case, for some versions of PostgreSQL when it says so, what differs, and the reason; '#'
// begins a comment:
//
//	case-a [value.after.price, offsets] reason
//	case-b*@17,18 [records] reason
func readDeclared(file string) ([]Declaration, error) {
	text, err := optional(file)
	if err != nil {
		return nil, err
	}
	var declared []Declaration
	for i, line := range splitLines(text) {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		d, err := parseDeclaration(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
		declared = append(declared, d)
	}
	return declared, nil
}

func parseDeclaration(line string) (d Declaration, err error) {
	name, rest, _ := strings.Cut(line, " ")
	rest, opened := strings.CutPrefix(strings.TrimSpace(rest), "[")
	fields, reason, closed := strings.Cut(rest, "]")
	if d.Reason = strings.TrimSpace(reason); !opened || !closed || d.Reason == "" {
		return d, fmt.Errorf("%q: want a case, what differs in brackets, and the reason why it does", line)
	}
	for f := range strings.SplitSeq(fields, ",") {
		d.Fields = append(d.Fields, strings.TrimSpace(f))
	}
	name, majors, versioned := strings.Cut(name, "@")
	d.Case = name
	if !versioned {
		return d, nil
	}
	for m := range strings.SplitSeq(majors, ",") {
		n, err := strconv.Atoi(m)
		if err != nil {
			return d, fmt.Errorf("case %q: %q is no major version of PostgreSQL", name, m)
		}
		d.Majors = append(d.Majors, n)
	}
	return d, nil
}

// declarationOf finds what is declared for a case on a server; nil when nothing is. Its own name goes before a pattern.
func declarationOf(declared []Declaration, name string, major int) *Declaration {
	var found *Declaration
	for i := range declared {
		d := &declared[i]
		if len(d.Majors) > 0 && !slices.Contains(d.Majors, major) {
			continue
		}
		if d.Case == name {
			return d
		}
		if ok, _ := path.Match(d.Case, name); ok && found == nil {
			found = d
		}
	}
	return found
}

// undeclared returns which of the fields that differ are not declared to.
func (d *Declaration) undeclared(fields []string) []string {
	var out []string
	for _, f := range fields {
		if !slices.ContainsFunc(d.Fields, func(declared string) bool { return covers(declared, f) }) {
			out = append(out, f)
		}
	}
	return out
}

// covers tells whether a declared field is one that differs, or holds it. The Avro bytes of a key or a value are declared with any field of
// it.
func covers(declared, field string) bool {
	if rest, ok := strings.CutPrefix(field, declared); ok && (rest == "" || strings.HasPrefix(rest, ".")) {
		return true
	}
	part, _, _ := strings.Cut(declared, ".")
	return field == part+"Avro"
}

// Divergences is the page of the documentation that shows declared.txt.
func Divergences(declared []Declaration) string {
	rows := slices.Clone(declared)
	slices.SortStableFunc(rows, func(a, b Declaration) int { return cmp.Compare(a.Case, b.Case) })
	var b strings.Builder
	b.WriteString(divergencesHead)
	for _, d := range rows {
		if slices.Equal(d.Fields, []string{inRun}) {
			continue // the server cannot have the case: no events differ
		}
		name := "`" + d.Case + "`"
		if len(d.Majors) > 0 {
			var majors []string
			for _, m := range d.Majors {
				majors = append(majors, strconv.Itoa(m))
			}
			name += " on PostgreSQL " + strings.Join(majors, ", ")
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", name, strings.Join(d.Fields, "`, `"), strings.ReplaceAll(d.Reason, "|", `\|`))
	}
	return b.String()
}

const divergencesHead = `<!-- Generated from testdata/golden/declared.txt: go test ./internal/golden/replay -run Divergences -update -->
# Where events differ from Debezium's

tandem's PostgreSQL connector emits what Debezium 3.7.0.Final emits, odd or not, and its tests replay recordings of the real connector
to hold it to that, byte for byte. The exceptions are places where Debezium loses, corrupts or stops and what is right is plain. Each
stands here with the recording (a folder of ` + "`testdata/golden`" + `) that shows it; everything else in these recordings is equal.

| recording | what differs | why |
|---|---|---|
`
