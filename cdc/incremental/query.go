package incremental

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
)

// Table is a table as an incremental snapshot reads it.
type Table struct {
	Schema, Name string
	Columns      []string // to read
	Key          []KeyColumn
	// Unique tells that no two rows have the same key. Rows of one key are never torn apart, so that none is lost between two chunks.
	Unique    bool
	Condition string
}

// Statement is SQL with its parameters, in the server's text form.
type Statement struct {
	SQL    string
	Params [][]byte
	Types  []uint32
}

// arg adds a parameter, which is not null, and returns how the SQL names it.
func (s *Statement) arg(d cdc.Datum, oid uint32) string {
	value := d.Bytes
	if value == nil { // an empty text, which without bytes would be null to the server
		value = []byte{}
	}
	s.Params = append(s.Params, value)
	s.Types = append(s.Types, oid)
	return "$" + strconv.Itoa(len(s.Params))
}

func (t *Table) name() string { return identifier(t.Schema) + "." + identifier(t.Name) }

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// Chunk reads the next rows behind after, up to maximum; from the start, without bound, when after is nil.
func (t *Table) Chunk(after, maximum Key, limit int) Statement {
	s := Statement{}
	var columns []string
	for _, c := range t.Columns {
		columns = append(columns, identifier(c))
	}
	var conditions []string
	if after != nil {
		conditions = append(conditions, t.behind(&s, after))
		if maximum != nil {
			conditions = append(conditions, t.upTo(&s, maximum))
		}
	}
	s.SQL = "SELECT " + strings.Join(columns, ", ") + " FROM " + t.name() + t.where(conditions) + " ORDER BY " + t.order("")
	if t.Unique {
		s.SQL += " LIMIT " + strconv.Itoa(limit)
	} else {
		s.SQL += fmt.Sprintf(" FETCH FIRST %d ROWS WITH TIES", limit)
	}
	return s
}

// Maximum reads the largest key.
func (t *Table) Maximum() Statement {
	var columns []string
	for i := range t.Key {
		columns = append(columns, identifier(t.Key[i].Name))
	}
	return Statement{SQL: "SELECT " + strings.Join(columns, ", ") + " FROM " + t.name() + t.where(nil) + " ORDER BY " + t.order(" DESC") + " LIMIT 1"}
}

// Count counts the rows up to maximum.
func (t *Table) Count(maximum Key) Statement {
	s := Statement{}
	s.SQL = "SELECT count(*) FROM " + t.name() + t.where([]string{t.upTo(&s, maximum)})
	return s
}

// where joins the conditions with the user's, which may end in a comment.
func (t *Table) where(conditions []string) string {
	if t.Condition != "" {
		conditions = append(conditions, "("+t.Condition+"\n)")
	}
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// order lists the key; nulls are last, and so first when it descends.
func (t *Table) order(direction string) string {
	var columns []string
	for i := range t.Key {
		columns = append(columns, identifier(t.Key[i].Name)+direction)
	}
	return strings.Join(columns, ", ")
}

// behind is the condition of rows behind a key.
func (t *Table) behind(s *Statement, key Key) string {
	if t.nullable() {
		return t.cascade(s, key)
	}
	return t.compare(s, ">", key)
}

// upTo is the condition of rows up to a key.
func (t *Table) upTo(s *Statement, key Key) string {
	if t.nullable() {
		return "NOT " + t.cascade(s, key)
	}
	return t.compare(s, "<=", key)
}

func (t *Table) nullable() bool {
	for i := range t.Key {
		if !t.Key[i].NotNull {
			return true
		}
	}
	return false
}

// compare compares rows as a whole, which an index on the key serves.
func (t *Table) compare(s *Statement, operator string, key Key) string {
	var columns, args []string
	for i := range t.Key {
		columns = append(columns, identifier(t.Key[i].Name))
		args = append(args, s.arg(key[i], t.Key[i].TypeOID))
	}
	if len(columns) == 1 {
		return columns[0] + " " + operator + " " + args[0]
	}
	return "(" + strings.Join(columns, ", ") + ") " + operator + " (" + strings.Join(args, ", ") + ")"
}

// cascade is the condition of rows behind a key some of whose columns may be null; null is behind everything. It is never null itself: where
// an equation is, the alternative before has found the null.
func (t *Table) cascade(s *Statement, key Key) string {
	args := make([]string, len(t.Key))
	for i := range t.Key {
		if key[i].Kind != cdc.Null {
			args[i] = s.arg(key[i], t.Key[i].TypeOID)
		}
	}
	var alternatives []string
	for i := range t.Key {
		var all []string
		for j := range i {
			if name := identifier(t.Key[j].Name); args[j] == "" {
				all = append(all, name+" IS NULL")
			} else {
				all = append(all, name+" = "+args[j])
			}
		}
		name := identifier(t.Key[i].Name)
		switch {
		case args[i] == "": // nothing is behind null
			continue
		case t.Key[i].NotNull:
			all = append(all, name+" > "+args[i])
		default:
			all = append(all, "("+name+" > "+args[i]+" OR "+name+" IS NULL)")
		}
		alternatives = append(alternatives, strings.Join(all, " AND "))
	}
	if len(alternatives) == 0 {
		return "(false)"
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}
