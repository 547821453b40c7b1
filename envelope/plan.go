package envelope

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// Plan is a relation compiled: made when it is announced, reused for every row. It belongs to the Encoder that made it.
type Plan struct {
	rel      *cdc.Relation
	id       string // schema.table
	topic    string
	columns  []columnPlan // the fields of a row
	enums    []int        // which of them are enums
	row      *schema.Schema
	envelope *schema.Schema

	// stream and read are the key of streamed changes and of snapshot rows. They differ only when a key column is filtered out:
	// Debezium's snapshot does not select it then, and its stream no longer knows that it cannot be null.
	stream, read *keyPlan
	table        *tableState
	source       *sourcePieces // of the records written so far

	truncates *handles // of TRUNCATE records, which have no key
}

// columnPlan is how one column becomes one field.
type columnPlan struct {
	*typePlan
	write    writeFunc // the type's, through the column's mapper if it has one
	mapNull  nullFunc  // what the mapper makes of a stand-in or null; nil without
	name     string    // in the table
	typeName string
	index    int // in the tuple
	field    *schema.Schema
	notNull  bool         // the column, whatever the field: Debezium's geometry fields are always optional
	null     schema.Value // what stands for null: the default or the type's stand-in; null when it is null
	absent   bool         // never in the tuple: a filtered key column of a snapshot
}

// Topic is where the records of the plan go.
func (p *Plan) Topic() string { return p.topic }

// Table is schema.table, as lists of tables match it.
func (p *Plan) Table() string { return p.id }

// KeySchema is the schema of keys of streamed changes, nil when they have none.
func (p *Plan) KeySchema() *schema.Schema { return p.stream.schema }

// ValueSchema is the schema of values.
func (p *Plan) ValueSchema() *schema.Schema { return p.envelope }

// Plan compiles a relation. table is what the catalog says now, nil when the table is gone from it: columns are then optional and
// the key is the one last known.
func (e *Encoder) Plan(rel *cdc.Relation, table *cdc.Table) (*Plan, error) {
	p := &Plan{rel: rel, id: rel.Schema + "." + rel.Name,
		topic: e.topics.data(rel.Schema, rel.Name), truncates: &handles{noHandle, noHandle}, source: new(sourcePieces)}
	if err := checkDuplicates(rel); err != nil {
		return nil, &TableError{p.id, err}
	}
	p.table = e.tableState(p.id)
	known := make(map[string]*cdc.TableColumn)
	if table != nil {
		for i := range table.Columns {
			known[table.Columns[i].Name] = &table.Columns[i]
		}
		p.table.key = table.Key
	}
	p.row = &schema.Schema{Type: schema.Struct, Optional: true, Name: e.cfg.schemaName(p.topic + ".Value")}
	for i := range rel.Columns {
		if !e.columns.passes(p.id + "." + rel.Columns[i].Name) {
			continue
		}
		c := e.column(p, i, known[rel.Columns[i].Name])
		if c == nil {
			continue
		}
		e.mappers.apply(p, c)
		if c.labels != nil {
			p.enums = append(p.enums, len(p.columns))
		}
		p.columns = append(p.columns, *c)
		p.row.Fields = append(p.row.Fields, field(e.cfg.fieldName(c.name), c.field))
	}
	if err := e.patternErr(); err != nil {
		return nil, &TableError{p.id, err}
	}
	if err := checkFields(p.row); err != nil {
		return nil, &TableError{p.id, err}
	}
	p.envelope = envelopeSchema(e.cfg.schemaName(p.topic+".Envelope"), p.row)
	if err := e.keys(p, known); err != nil {
		return nil, err
	}
	if last := p.table.last; last != nil {
		p.adopt(last)
	}
	p.table.last = p
	return p, nil
}

// adopt takes over the streams of the table's plan before, when nothing of the schemas has changed: the server announces relations
// again at every reconnection and after other people's DDL.
func (p *Plan) adopt(last *Plan) {
	if p.topic != last.topic || !p.envelope.Equal(last.envelope) || !p.stream.schema.Equal(last.stream.schema) || !p.read.schema.Equal(last.read.schema) {
		return
	}
	p.row, p.envelope, p.truncates = last.row, last.envelope, last.truncates
	p.stream.schema, p.stream.handles = last.stream.schema, last.stream.handles
	p.read.schema, p.read.handles = last.read.schema, last.read.handles
}

// checkDuplicates refuses what Debezium refuses: its columns are found regardless of case.
func checkDuplicates(rel *cdc.Relation) error {
	seen := make(map[string]string)
	for _, c := range rel.Columns {
		lower := strings.ToLower(c.Name)
		if first, dup := seen[lower]; dup {
			return fmt.Errorf("columns %q and %q differ only by case; rename one of them", first, c.Name)
		}
		seen[lower] = c.Name
	}
	return nil
}

// checkFields refuses two columns whose names become one by field.name.adjustment.mode.
func checkFields(s *schema.Schema) error {
	seen := make(map[string]bool)
	for _, f := range s.Fields {
		if seen[f.Name] {
			return fmt.Errorf("two columns become field %q by %s; rename one of them or use avro_unicode", f.Name, keyFieldNames)
		}
		seen[f.Name] = true
	}
	return nil
}

// column plans one column; nil when its type has no form and is left out. catalog is nil for a column that is gone from it.
func (e *Encoder) column(p *Plan, index int, catalog *cdc.TableColumn) *columnPlan {
	col := &p.rel.Columns[index]
	tp := e.typePlan(col.TypeOID, col.TypeMod)
	if tp == nil {
		return nil
	}
	c := &columnPlan{typePlan: tp, write: tp.write, name: col.Name, typeName: e.typeName(col.TypeOID), index: index, field: tp.schema}
	if p.rel.Read && col.TypeOID == oidNumeric && col.TypeMod < 0 {
		numeric := *tp // JDBC's metadata tell neither length nor scale, those of the stream do
		numeric.length, numeric.scale = 0, unset
		c.typePlan = &numeric
	}
	if catalog != nil && strings.Contains(catalog.Default, "nextval(") {
		c.typeName = serialName(col.TypeOID, c.typeName)
	}
	c.notNull = catalog != nil && catalog.NotNull
	if !c.notNull {
		c.field = optional(c.field)
	}
	if catalog != nil && catalog.Default != "" && !catalog.Generated {
		if v, ok := e.defaultValue(p, c, catalog.Default); ok {
			withDefault := *c.field
			withDefault.Default = &v
			c.field = &withDefault
		}
	}
	if c.notNull {
		c.null = c.fallback
		if c.field.Default != nil {
			c.null = *c.field.Default
		}
	}
	return c
}

// serialName is what JDBC calls an integer type whose default is of a sequence.
func serialName(oid uint32, name string) string {
	switch oid {
	case oidInt2:
		return "smallserial"
	case oidInt4:
		return "serial"
	case oidInt8:
		return "bigserial"
	}
	return name
}

func (e *Encoder) typeName(oid uint32) string {
	if t, ok := e.types.Type(oid); ok {
		return t.Name
	}
	return fmt.Sprintf("type %d", oid)
}

// tableState is what outlives the plans of a table.
type tableState struct {
	id     string
	key    []string // last known
	last   *Plan
	events int64 // in the current transaction
}

func (e *Encoder) tableState(id string) *tableState {
	t := e.tables[id]
	if t == nil {
		t = &tableState{id: id}
		e.tables[id] = t
	}
	return t
}

// Includes tells whether a column's values are published: what a snapshot needs to select. Key columns that are not included are
// null to it, as to Debezium's.
func (e *Encoder) Includes(schemaName, table, column string) bool {
	return e.columns.passes(schemaName + "." + table + "." + column)
}
