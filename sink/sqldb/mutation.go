package sqldb

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// Op is what a mutation does to its row.
type Op uint8

// Operations.
const (
	opWrite    Op = iota // as insert.mode says
	opDelete             // by primary key
	opTruncate           // of the whole table
)

// mutation is what one record does to one row. It points into its record and lives as long as that.
type mutation struct {
	op     Op
	target *target
	dest   *destination // the target's when the batch was prepared (tables.ensure); nil: there is no table
	rec    *sink.Record
	row    []schema.Value // fields of after or of the flat value; of before in a delete by value
	key    []schema.Value // fields of a struct key
	half   bool           // a delete (or its tombstone) that is the first half of a key change
	sub    *subset        // columns whose value the source did not know; nil: none
	moved  []schema.Value // primary key before a change of it, when sub is not nil and a header tells it
}

// Headers of Debezium that tie the two halves of a key change together.
const oldKeyHeader = "__debezium.oldkey"

// mutator turns records into mutations.
type mutator struct {
	config      *Config
	planner     planner
	unavailable placeholder
	missing     []bool // reused
}

func newMutator(c *Config, fold func(string) string) (*mutator, error) {
	format, err := parseNameFormat(c.Collection, c.records.nameParts)
	if err != nil {
		return nil, err
	}
	var cloudEvents *javaregex.Regexp
	if c.records.cloudEvents != "" {
		if cloudEvents, err = javaregex.Compile(c.records.cloudEvents, false); err != nil {
			return nil, err
		}
	}
	u, err := newPlaceholder(c.Unavailable)
	if err != nil {
		return nil, err
	}
	return &mutator{config: c, planner: planner{config: c, format: format, cloudEvents: cloudEvents, fold: fold}, unavailable: u}, nil
}

// mutate returns what a record does. ok is false when it is not for a table; why then says the reason, "" when it is an ordinary one.
func (u *mutator) mutate(r *sink.Record) (m mutation, ok bool, why string, err error) {
	p, err := u.planner.plan(r)
	if err != nil {
		return m, false, "", err
	}
	if p.skip != "" {
		return m, false, p.skip, nil
	}
	m = mutation{rec: r, target: p.static}
	var source *schema.StructValue
	value := p.message(r)
	switch {
	case p.tombstone:
		if !u.config.DeleteEnabled {
			return m, false, "", nil
		}
		m.op = opDelete
	case value.IsNull() || !p.single && value.Struct() == nil:
		if !u.config.DeleteEnabled && u.config.records.strict {
			return m, false, "", u.config.demand(r)
		}
		if !u.config.DeleteEnabled || !u.config.deletesByRecord() {
			return m, false, "", nil
		}
		m.op = opDelete // a tombstone whose schema was kept
	case p.single:
	case p.envelope:
		e := value.Struct()
		if len(e.Values) <= max(p.op, p.after, p.before, p.source) {
			return m, false, "", fmt.Errorf("the envelope has %d fields, fewer than its schema", len(e.Values))
		}
		if p.source >= 0 {
			source = e.Values[p.source].Struct()
		}
		if ok, why, err = u.envelope(&m, p, e); !ok || err != nil {
			return m, ok, why, err
		}
	default:
		m.row = value.Struct().Values
	}
	if m.target == nil {
		if m.target, err = u.target(p, r.Topic, source); err != nil {
			return m, false, "", err
		}
	}
	return m, true, "", u.fill(&m, p)
}

// message is what a record says: its value, or what a CloudEvents message carries.
func (p *plan) message(r *sink.Record) schema.Value {
	if p.data < 0 {
		return r.Value
	}
	if s := r.Value.Struct(); s != nil && p.data < len(s.Values) {
		return s.Values[p.data]
	}
	return schema.NullValue
}

// deletesByRecord tells whether the key is outside the value, so that a record without value can delete.
func (c *Config) deletesByRecord() bool { return c.KeyMode == KeyRecord || c.KeyMode == KeyHeader }

// envelope reads op, before and after.
func (u *mutator) envelope(m *mutation, p *plan, e *schema.StructValue) (ok bool, why string, err error) {
	switch op := e.Values[p.op].Text(); op {
	case "c", "r", "u":
		after := e.Values[p.after].Struct()
		if after == nil {
			return false, "", fmt.Errorf("op is %q, but after is null", op)
		}
		m.row = after.Values
		if p.keyless && op == "u" && u.config.KeyMode == KeyRecord {
			return false, "", keylessError("an update")
		}
		return true, "", nil
	case "d":
		if !u.config.DeleteEnabled {
			return false, "", nil
		}
		if p.keyless {
			return false, "", keylessError("a delete")
		}
		m.op = opDelete
		if p.before >= 0 {
			if before := e.Values[p.before].Struct(); before != nil {
				m.row = before.Values
			}
		}
		return true, "", nil
	case "t":
		if !u.config.TruncateEnabled {
			return false, "truncate (truncate.enabled=false)", nil
		}
		m.op = opTruncate
		return true, "", nil
	case "m":
		return false, "logical decoding message", nil
	default:
		return false, "", fmt.Errorf("op %q of the envelope is not known", op)
	}
}

func keylessError(what string) error {
	return fmt.Errorf("it is %s and has no key, so its row cannot be found; give the source table a primary key, name its columns in the source's message.key.columns, "+
		"or append every change with primary.key.mode=none and insert.mode=insert", what)
}

// target finds the table of a record whose name depends on the source block. The name is made anew only when the block names
// another one than the record before.
func (u *mutator) target(p *plan, topic string, source *schema.StructValue) (*target, error) {
	fields := u.planner.format.sources
	if source == nil {
		return nil, fmt.Errorf("%s needs the source block, which the record does not have", u.planner.format.option)
	}
	same := p.last != nil
	for i, f := range fields {
		same = same && source.Field(f).Text() == p.lastSource[i]
	}
	if same {
		return p.last, nil
	}
	name, err := u.planner.format.name(topic, source)
	if err != nil {
		return nil, err
	}
	p.last, p.lastSource = p.target(name, u.planner.fold), p.lastSource[:0]
	for _, f := range fields {
		p.lastSource = append(p.lastSource, strings.Clone(source.Field(f).Text())) // the record's own goes with the batch
	}
	return p.last, nil
}

// fill sets key and row of a mutation whose op is known, checks them against the plan and finds unknown columns.
func (u *mutator) fill(m *mutation, p *plan) error {
	if m.op == opTruncate {
		return nil
	}
	if p.keyFields > 0 {
		key := m.rec.Key.Struct()
		if key == nil || len(key.Values) != p.keyFields {
			return fmt.Errorf("the key is null or has not the fields of its schema, so there is no primary key (%s=%s)", u.config.names.keyMode, u.config.KeyMode)
		}
		m.key = key.Values
	} else if p.primitive && m.rec.Key.IsNull() {
		return fmt.Errorf("the key is null, so there is no primary key (%s=%s)", u.config.names.keyMode, u.config.KeyMode)
	}
	if m.op == opDelete {
		if u.config.KeyMode == KeyValue && len(m.row) != p.rowFields {
			return fmt.Errorf("before is null, so the primary key of the row to delete is not known (primary.key.mode=record_value); use record_key, or REPLICA IDENTITY FULL at the source")
		}
		m.half = p.keyFields > 0 && u.config.InsertMode == Upsert && moves(m.rec)
		return nil
	}
	if len(m.row) != p.rowFields {
		return fmt.Errorf("the row has %d fields, its schema %d", len(m.row), p.rowFields)
	}
	for i, c := range p.markers {
		if u.unavailable.is(p.columns[c].value(m)) {
			u.mark(m, p, i)
			break
		}
	}
	return nil
}

// mark finds all unknown columns, the first of which is markers[first].
func (u *mutator) mark(m *mutation, p *plan, first int) {
	u.missing = append(u.missing[:0], make([]bool, len(p.columns))...)
	for _, c := range p.markers[first:] {
		u.missing[c] = u.unavailable.is(p.columns[c].value(m))
	}
	m.sub = p.subsets.of(u.missing)
	if p.keyFields == 0 {
		return
	}
	for i := range m.rec.Headers {
		if m.rec.Headers[i].Key == oldKeyHeader {
			m.moved = oldKey(m.rec.Headers[i].Value, p)
			return
		}
	}
}

// sameFamily tells whether two types are written alike: all integers are.
func sameFamily(a, b schema.Type) bool {
	integer := func(t schema.Type) bool { return t >= schema.Int8 && t <= schema.Int64 }
	return a == b || integer(a) && integer(b)
}

// oldKey reads the key before a change of it: a struct, or the map that SimpleHeaderConverter reads from its text. nil when it has
// not all fields, or lost their types on that way.
func oldKey(v schema.Value, p *plan) []schema.Value {
	old := make([]schema.Value, p.keys)
	for i := range old {
		switch v.Type() {
		case schema.Struct:
			old[i] = v.Struct().Field(p.columns[i].field)
		case schema.Map:
			for _, e := range v.Map() {
				if e.Key.Text() == p.columns[i].field {
					old[i] = e.Value
				}
			}
		}
		if !sameFamily(old[i].Type(), p.columns[i].schema.Type) {
			return nil
		}
	}
	return old
}
