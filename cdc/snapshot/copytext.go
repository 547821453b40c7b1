package snapshot

import (
	"bytes"
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
)

// copyReader takes the output of COPY … TO STDOUT in text format and makes a change of every line.
// Layout: fields separated by tabs, a line feed behind the last; \N is null; \b \f \n \r \t \v \\ stand for the characters.
// PostgreSQL manual, COPY, "Text Format".
type copyReader struct {
	rel    *cdc.Relation
	fields []int      // column of each field, -1 for one that is left out
	row    cdc.Change // what all rows of the table share
	out    *filler

	rest []byte // start of a line whose end has not come; the server sends whole lines, the protocol does not promise it
	err  error
}

// Write takes some lines.
func (c *copyReader) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') // one inside of a value is escaped
		if end < 0 {
			c.rest = append(c.rest, p...)
			return n, nil
		}
		line := p[:end]
		if len(c.rest) > 0 {
			c.rest = append(c.rest, line...)
			line = c.rest
		}
		if c.err = c.line(line); c.err != nil {
			return 0, c.err
		}
		c.rest, p = c.rest[:0], p[end+1:]
	}
	return n, nil
}

// close tells whether the last line was whole.
func (c *copyReader) close() error {
	if len(c.rest) > 0 {
		return c.bad("the rows end inside of one: %.100q", c.rest)
	}
	return nil
}

func (c *copyReader) bad(format string, args ...any) error {
	return fmt.Errorf("read table %s.%s: %w", c.rel.Schema, c.rel.Name, fmt.Errorf(format, args...))
}

func (c *copyReader) line(line []byte) error {
	batch, err := c.out.next()
	if err != nil {
		return err
	}
	line = batch.Copy(line)
	row := batch.Tuple(len(c.rel.Columns))
	escaped := bytes.IndexByte(line, '\\') >= 0
	for i, column := range c.fields {
		var field []byte
		if i == len(c.fields)-1 {
			field = line
			if bytes.IndexByte(field, '\t') >= 0 {
				return c.bad("a row has more than %d fields", len(c.fields))
			}
		} else {
			end := bytes.IndexByte(line, '\t')
			if end < 0 {
				return c.bad("a row has %d fields, want %d", i+1, len(c.fields))
			}
			field, line = line[:end:end], line[end+1:]
		}
		if column < 0 {
			continue
		}
		if escaped {
			if len(field) == 2 && field[0] == '\\' && field[1] == 'N' {
				continue
			}
			if field, err = unescape(field); err != nil {
				return c.bad("column %q: %w", c.rel.Columns[column].Name, err)
			}
		}
		row[column] = cdc.Datum{Kind: cdc.Text, Bytes: field}
	}
	c.row.New = row
	c.out.add(&c.row)
	return nil
}

// unescapes maps the letter behind a backslash to the character; others stand for themselves.
var unescapes = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unescape replaces escapes in place: the result is never longer.
func unescape(field []byte) ([]byte, error) {
	w := bytes.IndexByte(field, '\\')
	if w < 0 {
		return field, nil
	}
	for r := w; r < len(field); r++ {
		b := field[r]
		if b == '\\' {
			r++
			if r == len(field) {
				return nil, fmt.Errorf("a backslash ends the value")
			}
			b = field[r]
			if u := unescapes[b]; u != 0 {
				b = u
			}
		}
		field[w] = b
		w++
	}
	return field[:w:w], nil
}
