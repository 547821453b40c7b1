package envelope

import (
	"bytes"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// keyPlan is the key of a table's records, and the streams that carry it. Without a key, schema is nil.
type keyPlan struct {
	schema  *schema.Schema
	columns []columnPlan
	// identifier is the last field of keys whose topics a naming strategy merges, when identified.
	identifier string
	identified bool
	*handles
}

// handles are the streams of records with a key.
type handles struct{ values, tombstones int }

// noHandle marks a stream that is not open yet: streams are opened at the first record, not when a relation is announced.
const noHandle = -1

// keys plans both keys of p.
func (e *Encoder) keys(p *Plan, known map[string]*cdc.TableColumn) error {
	names := e.keyColumns(p)
	visible := make(map[string]*cdc.TableColumn, len(known))
	filtered := false
	for name, c := range known {
		if e.columns.passes(p.id + "." + name) {
			visible[name] = c
		}
	}
	for _, name := range names {
		filtered = filtered || known[name] != visible[name]
	}
	var err error
	if p.stream, err = e.key(p, names, visible); err != nil || !filtered {
		p.read = p.stream
		return err
	}
	if p.read, err = e.key(p, names, known); err != nil {
		return err
	}
	for i := range p.read.columns {
		c := &p.read.columns[i]
		c.absent = visible[c.name] == nil
	}
	return nil
}

// keyColumns are the names of the key's columns: those of message.key.columns, else what the catalog says.
func (e *Encoder) keyColumns(p *Plan) []string {
	var names []string
	for _, rule := range e.keyRules {
		if !rule.tables.match(p.id) {
			continue
		}
		for _, re := range rule.columns {
			for i := range p.rel.Columns {
				if re.match(p.rel.Columns[i].Name) {
					names = append(names, p.rel.Columns[i].Name)
				}
			}
		}
	}
	if names != nil {
		return names
	}
	return p.table.key
}

func (e *Encoder) key(p *Plan, names []string, known map[string]*cdc.TableColumn) (*keyPlan, error) {
	k := &keyPlan{handles: &handles{noHandle, noHandle}}
	s := &schema.Schema{Type: schema.Struct, Name: e.cfg.schemaName(p.topic + ".Key")}
	found := false
	for _, name := range names {
		for i := range p.rel.Columns {
			if p.rel.Columns[i].Name != name {
				continue
			}
			found = true
			if c := e.column(p, i, known[name]); c != nil {
				k.columns = append(k.columns, *c)
				s.Fields = append(s.Fields, field(e.cfg.fieldName(name), c.field))
			}
		}
	}
	if k.identifier, k.identified = e.topics.identifier(p.rel.Schema, p.rel.Name); k.identified {
		s.Fields = append(s.Fields, field(e.cfg.KeyField, stringSchema))
	}
	if found || len(s.Fields) > 0 { // columns without a form make a key without fields
		k.schema = s
	}
	if err := checkFields(s); err != nil {
		return nil, &TableError{p.id, err}
	}
	return k, nil
}

// writeKey writes the key of a tuple; w is nil when there is none.
func (e *Encoder) writeKey(p *Plan, k *keyPlan, w schema.Writer, tuple, old cdc.Tuple) error {
	if k.schema == nil {
		return nil
	}
	w.BeginStruct()
	for i := range k.columns {
		if err := e.writeColumn(p, &k.columns[i], tuple, old, w); err != nil {
			return err
		}
	}
	if k.identified {
		w.String(k.identifier)
	}
	w.EndStruct()
	return nil
}

// Key is the key of a tuple in memory, null when the table has none.
func (e *Encoder) Key(p *Plan, kind cdc.Kind, tuple cdc.Tuple) (schema.Value, error) {
	k := p.stream
	e.scratch.snapshot = kind == cdc.Read
	if e.scratch.snapshot {
		k = p.read
	}
	return e.keyValue(p, k, tuple, nil)
}

func (e *Encoder) keyValue(p *Plan, k *keyPlan, tuple, old cdc.Tuple) (schema.Value, error) {
	if k.schema == nil {
		return schema.NullValue, nil
	}
	return build(k.schema, func(w schema.Writer) error { return e.writeKey(p, k, w, tuple, old) })
}

// keyChange compares the keys of both tuples of an update. The values are made only when bytes differ.
func (e *Encoder) keyChange(p *Plan, c *cdc.Change) (oldKey, newKey schema.Value, changed bool, err error) {
	k := p.stream
	if c.Old == nil || k.schema == nil || sameBytes(k.columns, c.Old, c.New) {
		return schema.NullValue, schema.NullValue, false, nil
	}
	if oldKey, err = e.keyValue(p, k, c.Old, nil); err != nil {
		return oldKey, newKey, false, err
	}
	if newKey, err = e.keyValue(p, k, c.New, c.Old); err != nil {
		return oldKey, newKey, false, err
	}
	return oldKey, newKey, !oldKey.Equal(newKey), nil
}

// sameBytes tells whether all the columns arrived with the same bytes in both tuples, or unchanged.
func sameBytes(columns []columnPlan, old, tuple cdc.Tuple) bool {
	for i := range columns {
		at := columns[i].index
		if at >= len(old) || at >= len(tuple) {
			return false
		}
		o, n := &old[at], &tuple[at]
		if n.Kind == cdc.Unchanged {
			if o.Kind == cdc.Null {
				return false
			}
			continue
		}
		if o.Kind != n.Kind || !bytes.Equal(o.Bytes, n.Bytes) {
			return false
		}
	}
	return true
}
