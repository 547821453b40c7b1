package envelope

import "github.com/tandem-cdc/tandem/schema"

// Field is a column of a table's rows as one sees it who completes rows before they are encoded.
type Field struct {
	Column  string
	Index   int // in the tuple
	TypeOID uint32
	// Null tells that a null is written as null, not as a default or what stands for it.
	Null bool
}

// Fields are the columns that the rows of the plan's records hold.
func (p *Plan) Fields() []Field { return p.fields(p.columns) }

// KeyFields are the columns of the keys of streamed changes; none when they have no key.
func (p *Plan) KeyFields() []Field { return p.fields(p.stream.columns) }

// PrimaryKey are the columns by which the catalog finds a row; none when the table has no key.
func (p *Plan) PrimaryKey() []Field {
	var out []Field
	for _, name := range p.table.key {
		for i := range p.rel.Columns {
			if c := &p.rel.Columns[i]; c.Name == name {
				out = append(out, Field{Column: name, Index: i, TypeOID: c.TypeOID})
			}
		}
	}
	return out
}

func (p *Plan) fields(columns []columnPlan) []Field {
	out := make([]Field, 0, len(columns))
	for i := range columns {
		c := &columns[i]
		out = append(out, Field{Column: c.name, Index: c.index, TypeOID: p.rel.Columns[c.index].TypeOID, Null: c.nullIsNull()})
	}
	return out
}

// nullIsNull tells whether a null of the column reads as null: Connect reads a missing value of a field with a default as the default.
func (c *columnPlan) nullIsNull() bool {
	if c.mapNull != nil {
		v, err := build(c.field, func(w schema.Writer) error { return c.mapNull(new(scratch), c.null, w) })
		return err == nil && v.IsNull()
	}
	return c.null.IsNull() && c.field.Default == nil
}
