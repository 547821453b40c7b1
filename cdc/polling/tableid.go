package polling

import (
	"fmt"
	"slices"
	"strings"
)

// tableID names a table. Which parts there are depends on the database: PostgreSQL has schema and table, MySQL catalog and table, SQLite
// the table alone.
type tableID struct {
	catalog, schema, table string
}

// parts are those that are given, outermost first.
func (id tableID) parts() []string {
	all := []string{id.catalog, id.schema, id.table}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// String is the name without quotes, as offsets and messages have it.
func (id tableID) String() string { return strings.Join(id.parts(), ".") }

// quoted is the name with each part quoted.
func (id tableID) quoted(quote func(string) string) string {
	parts := id.parts()
	for i, p := range parts {
		parts[i] = quote(p)
	}
	return strings.Join(parts, ".")
}

// parseTableID reads a name as tableID.quoted writes it; parts without quotes end at the next dot. useCatalog says what two parts are.
func parseTableID(text string, mark byte, useCatalog bool) (tableID, error) {
	parts, err := identifiers(text, mark)
	if err != nil {
		return tableID{}, err
	}
	switch len(parts) {
	case 1:
		return tableID{table: parts[0]}, nil
	case 2:
		if useCatalog {
			return tableID{catalog: parts[0], table: parts[1]}, nil
		}
		return tableID{schema: parts[0], table: parts[1]}, nil
	case 3:
		return tableID{catalog: parts[0], schema: parts[1], table: parts[2]}, nil
	}
	return tableID{}, fmt.Errorf("table name %q: want one to three parts", text)
}

// identifiers splits a qualified name at its dots.
func identifiers(text string, mark byte) ([]string, error) {
	var parts []string
	var b strings.Builder
	for i := 0; ; {
		b.Reset()
		if i < len(text) && text[i] == mark {
			closed := false
			for i++; i < len(text) && !closed; i++ {
				switch {
				case text[i] != mark:
					b.WriteByte(text[i])
				case i+1 < len(text) && text[i+1] == mark:
					b.WriteByte(mark)
					i++
				default:
					closed = true
				}
			}
			if !closed {
				return nil, fmt.Errorf("table name %q: a quote is not closed", text)
			}
		} else {
			for ; i < len(text) && text[i] != '.'; i++ {
				b.WriteByte(text[i])
			}
		}
		if b.Len() == 0 {
			return nil, fmt.Errorf("table name %q: an empty part", text)
		}
		parts = append(parts, b.String())
		if i == len(text) {
			return parts, nil
		}
		if text[i] != '.' {
			return nil, fmt.Errorf("table name %q: want a dot behind a closing quote", text)
		}
		i++
	}
}

// splitTables splits the list of tables of a task at commas outside of quotes.
func splitTables(text string, mark byte) []string {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == mark:
			quoted = !quoted
		case text[i] == ',' && !quoted:
			out = append(out, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" || len(out) > 0 {
		out = append(out, rest)
	}
	return out
}

// group divides tables over at most n tasks as Kafka's ConnectorUtils.groupPartitions does: runs of neighbours, the first ones longer by one.
func group(tables []tableID, n int) [][]tableID {
	all := len(tables)
	n = min(n, all)
	var out [][]tableID
	for i := range n {
		size := all / n
		if i < all%n {
			size++
		}
		out = append(out, tables[:size])
		tables = tables[size:]
	}
	return out
}
