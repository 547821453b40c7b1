package polling

import (
	"fmt"
	"strings"
)

// parameter is a value that a query is asked with.
type parameter uint8

const (
	idParameter    parameter = iota + 1 // the last id
	sinceParameter                      // the last time
	untilParameter                      // the database's time, less the delay
)

// statement is a query and what its placeholders stand for, in their order.
type statement struct {
	text       string
	parameters []parameter
}

// criteria is what is new: rows behind the last id, the last time, or both.
type criteria struct {
	id    string   // as SQL; "" for none
	times []string // as SQL; the first that is not null counts
}

// builder writes SQL with a dialect's placeholders.
type builder struct {
	strings.Builder
	placeholder func(n int) string
	parameters  []parameter
}

func (b *builder) ask(p parameter) {
	b.parameters = append(b.parameters, p)
	b.WriteString(b.placeholder(len(b.parameters)))
}

// time is the column, or the first of several that is not null.
func (c *criteria) time() string {
	if len(c.times) == 1 {
		return c.times[0]
	}
	return "COALESCE(" + strings.Join(c.times, ",") + ")"
}

// selecting appends the criteria to a query. at is the time as SQL that compares with parameters, "" for none.
func (c *criteria) selecting(query, at, suffix string, placeholder func(n int) string) statement {
	b := &builder{placeholder: placeholder}
	b.WriteString(query)
	switch {
	case at != "" && c.id != "":
		// Rows of the last time count when their id is greater, rows of a later time whatever their id: an update of an old row has an old id.
		fmt.Fprintf(b, " WHERE %s < ", at)
		b.ask(untilParameter)
		fmt.Fprintf(b, " AND ((%s = ", at)
		b.ask(sinceParameter)
		fmt.Fprintf(b, " AND %s > ", c.id)
		b.ask(idParameter)
		fmt.Fprintf(b, ") OR %s > ", at)
		b.ask(sinceParameter)
		fmt.Fprintf(b, ") ORDER BY %s,%s ASC", at, c.id)
	case at != "":
		fmt.Fprintf(b, " WHERE %s > ", at)
		b.ask(sinceParameter)
		fmt.Fprintf(b, " AND %s < ", at)
		b.ask(untilParameter)
		fmt.Fprintf(b, " ORDER BY %s ASC", at)
	case c.id != "":
		fmt.Fprintf(b, " WHERE %s > ", c.id)
		b.ask(idParameter)
		fmt.Fprintf(b, " ORDER BY %s ASC", c.id)
	}
	if suffix != "" {
		b.WriteString(" " + suffix)
	}
	return statement{b.String(), b.parameters}
}
