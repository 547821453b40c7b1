package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// print writes a verdict for people.
func (v *verdict) print(w io.Writer) {
	fmt.Fprintf(w, "%s, from %s\n", cmp.Or(v.Name, "a connector without a name"), v.File)
	if v.Class != "" {
		fmt.Fprintf(w, "%s %s\n", strings.TrimSpace(v.Type+" connector"), v.Class)
	}
	v.printNotes(w, "error", v.Errors)
	v.printNotes(w, "warning", v.Warnings)
	if v.Plan != nil {
		v.Plan.print(w)
	}
	v.printTopics(w)
	printList(w, "worth knowing", v.Notices)
	printList(w, "problems", v.Problems)
	fmt.Fprintln(w)
	switch n := v.faults(); n {
	case 0:
		fmt.Fprintln(w, "It would work, as far as can be told.")
	default:
		fmt.Fprintf(w, "It would not work: %s.\n", count(n, "problem"))
	}
}

func (v *verdict) printNotes(w io.Writer, what string, notes []note) {
	for _, n := range notes {
		at := ""
		if n.Option != "" {
			at = " " + n.Option
		}
		fmt.Fprintf(w, "  %s%s: %s\n", what, at, strings.ReplaceAll(n.Message, "\n", "\n    "))
	}
}

func printList(w io.Writer, title string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, text := range list {
		fmt.Fprintf(w, "  - %s\n", strings.ReplaceAll(text, "\n", "\n    "))
	}
}

func (p *plan) print(w io.Writer) {
	if p.Source != nil {
		printSource(w, p.Source)
	}
	if p.Target != nil {
		printTarget(w, p.Target)
	}
	if len(p.Fit) > 0 {
		printFits(w, p.Fit)
	}
	if p.File != "" {
		fmt.Fprintf(w, "\nfile %s\n", p.File)
	}
	if p.Group != "" {
		fmt.Fprintf(w, "\nconsumer group %s\n", p.Group)
	}
}

func printSource(w io.Writer, s *source.Survey) {
	fmt.Fprintf(w, "\ndatabase %s on %s, as %s\n", s.Database, s.Server, s.Role)
	missing := 0
	for _, r := range s.Rights {
		if !r.Has {
			missing++
			fmt.Fprintf(w, "  right missing: %s; %s\n", r.What, r.Remedy)
		}
	}
	if missing == 0 && len(s.Rights) > 0 {
		fmt.Fprintf(w, "  all of the %s that it needs are there\n", count(len(s.Rights), "right"))
	}
	if s.Slot.Name != "" {
		fmt.Fprintf(w, "  slot %s: %s\n", s.Slot.Name, slotSentence(s.Slot))
		fmt.Fprintf(w, "  publication %s: %s\n", s.Publication.Name, publicationSentence(s.Publication))
	}
	for _, sql := range s.Statements {
		fmt.Fprintf(w, "  would run: %s\n", sql)
	}
	fmt.Fprintf(w, "  %s\n", s.Snapshot)
	if len(s.Tables) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "table\trows\tkey\treplica identity\ttopic")
	for _, table := range s.Tables {
		rows := "?"
		if table.Rows >= 0 {
			rows = fmt.Sprintf("~%d", table.Rows)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", table.Name, rows, cmp.Or(strings.Join(table.Key, ","), "none"), table.Identity, table.Topic)
	}
	_ = t.Flush() // a console
}

func slotSentence(s source.SurveyedSlot) string {
	switch {
	case s.Created:
		return "would be created"
	case s.Active:
		return "exists, and is in use"
	}
	return fmt.Sprintf("exists, and keeps %d bytes of WAL", s.Retained)
}

func publicationSentence(p source.SurveyedPublication) string {
	switch {
	case p.Statement == "" && p.Exists:
		return "exists"
	case p.Statement == "":
		return "does not exist"
	case p.Exists:
		return "would be changed: " + p.Statement
	}
	return "would be created: " + p.Statement
}

func printTarget(w io.Writer, s *sqldb.Survey) {
	fmt.Fprintf(w, "\ndatabase %s on %s, as %s\n", s.Database, s.Server, s.Role)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "topic\ttable\t")
	for _, table := range s.Tables {
		state := "does not exist"
		switch {
		case table.Table == "":
			state = "each record tells"
		case table.Exists:
			state = "exists, " + count(len(table.Columns), "column")
		case table.Created:
			state = "would be created"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", cmp.Or(table.Topic, "(positions)"), cmp.Or(table.Table, "-"), state)
	}
	_ = t.Flush()
}

func (v *verdict) printTopics(w io.Writer) {
	topics := slices.Clone(v.Topics)
	slices.SortFunc(topics, func(a, b topicUse) int { return cmp.Compare(a.Topic, b.Topic) })
	for _, t := range topics {
		fmt.Fprintf(w, "\ntopic %s%s\n", t.Topic, topicSentence(t))
		if len(t.From) > 0 {
			fmt.Fprintf(w, "  from %s\n", strings.Join(t.From, ", "))
		}
		if len(t.From) > 0 && t.Key == nil {
			fmt.Fprintln(w, "  key    null")
		}
		printSchema(w, "key", t.Key)
		printSchema(w, "value", t.Value)
	}
}

func topicSentence(t topicUse) string {
	switch {
	case t.Exists != nil && *t.Exists:
		return ": exists, " + count(t.Partitions, "partition")
	case t.Exists != nil && t.Creation != "":
		return ": would be created " + t.Creation
	case t.Exists != nil:
		return ": does not exist"
	}
	return ""
}

func printSchema(w io.Writer, half string, s *schemaUse) {
	if s == nil {
		return
	}
	text := s.Converter
	switch {
	case s.Problem != "":
		text += ", " + cmp.Or(subject(s), "its schema") + " is refused: " + s.Problem
	case s.New:
		text += ", " + subject(s) + " takes the schema as a new version"
	case s.ID != 0:
		text += fmt.Sprintf(", %s has the schema already, under id %d", subject(s), s.ID)
	}
	fmt.Fprintf(w, "  %-6s %s\n", half, text)
}

func subject(s *schemaUse) string {
	if s.Subject == "" {
		return ""
	}
	return "subject " + s.Subject
}
