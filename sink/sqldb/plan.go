package sqldb

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// origin is where a column's value is in a record.
type origin uint8

const (
	fromRow          origin = iota // field of after, or of a flat value
	fromKey                        // field of a struct key
	fromPrimitiveKey               // the key itself
	fromTopic
	fromPartition
	fromOffset
	fromHeader
)

// column is one column a plan writes.
type column struct {
	name   string // as the target names it
	field  string // as the record names it
	schema *schema.Schema
	kind   kind
	from   origin
	index  int // of the field
	key    bool
}

var (
	textSchema  = &schema.Schema{Type: schema.String}
	int32Schema = &schema.Schema{Type: schema.Int32}
	int64Schema = &schema.Schema{Type: schema.Int64}
)

// value is the column's value in a mutation.
func (c *column) value(m *mutation) schema.Value {
	switch c.from {
	case fromRow:
		return m.row[c.index]
	case fromKey:
		return m.key[c.index]
	case fromPrimitiveKey:
		return m.rec.Key
	case fromTopic:
		return schema.OfString(m.rec.Topic)
	case fromPartition:
		return schema.OfInt32(m.rec.Partition)
	case fromOffset:
		return schema.OfInt64(m.rec.Offset)
	}
	for i := range m.rec.Headers {
		if m.rec.Headers[i].Key == c.field {
			return m.rec.Headers[i].Value
		}
	}
	return schema.NullValue
}

// plan is how records of one topic with one pair of schemas become mutations: compiled once, run per record.
//
// Invariants: columns[:keys] are the primary key, in its order; immutable after compile but for targets and subsets.
type plan struct {
	topic     string
	skip      string // why such records are not for tables; "" when they are
	envelope  bool
	op        int // fields of the envelope
	before    int
	after     int
	source    int
	rowFields int // number of fields a row must have
	keyFields int // the same of a struct key; 0: not used
	primitive bool
	columns   []column
	keys      int
	keySig    string // equal for plans whose keys are the same columns
	tombstone bool   // no value: only deletes
	keyless   bool   // a record_key plan for records without key: rows can only be added
	markers   []int  // columns that may hold the placeholder

	static  *target // the one of a name that needs the topic only
	targets map[tableName]*target
	last    *target // of the record before, and what its source block said
	subsets subsets

	lastSource []string
}

// target is a plan and a table it writes to.
type target struct {
	plan *plan
	name tableName    // folded, as configured; the table's own letters may differ
	dest *destination // guarded by tables.mu; nil: to be compiled, or there is no table
}

// destination is a target that was compared with the table as the database has it.
type destination struct {
	plan  *plan
	table *table
	bound bound
}

// subset says which columns of a row are not known. There is one per set and plan, so pointers compare.
type subset struct {
	missing []bool // by column
}

type subsets struct {
	mu  sync.Mutex
	all map[string]*subset
}

// of interns a set; nil is the empty set.
func (s *subsets) of(missing []bool) *subset {
	text := make([]byte, len(missing))
	n := 0
	for i, m := range missing {
		if m {
			text[i] = 1
			n++
		}
	}
	if n == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, ok := s.all[string(text)]; ok {
		return got
	}
	if s.all == nil {
		s.all = make(map[string]*subset)
	}
	got := &subset{missing: append([]bool(nil), missing...)}
	s.all[string(text)] = got
	return got
}

// planner compiles plans and keeps them.
type planner struct {
	config *Config
	format nameFormat
	fold   func(string) string
	plans  map[planKey]*plan
	last   *plan
	lastOf planKey
}

type planKey struct {
	topic            string
	key, value       *schema.Schema
	noKey, tombstone bool // null, which a nil schema alone does not say: schemaless data has none either
}

// maxPlans bounds what a converter that makes a schema per record can make us keep.
const maxPlans = 4096

func (p *planner) plan(r *sink.Record) (*plan, error) {
	k := planKey{r.Topic, r.KeySchema, r.ValueSchema, r.KeySchema == nil && r.Key.IsNull(), r.ValueSchema == nil && r.Value.IsNull()}
	if p.last != nil && p.lastOf == k {
		return p.last, nil
	}
	found, ok := p.plans[k]
	if !ok {
		if found = p.equal(k); found == nil {
			var err error
			if found, err = p.compile(r); err != nil {
				return nil, err
			}
		}
		if len(p.plans) >= maxPlans {
			p.plans = nil
		}
		if p.plans == nil {
			p.plans = make(map[planKey]*plan)
		}
		p.plans[k] = found
	}
	p.last, p.lastOf = found, k
	return found, nil
}

// equal finds a plan for schemas that say the same under another pointer.
func (p *planner) equal(k planKey) *plan {
	for other, plan := range p.plans {
		if other.topic == k.topic && other.noKey == k.noKey && other.tombstone == k.tombstone && (other.key == nil) == (k.key == nil) && (other.value == nil) == (k.value == nil) &&
			(k.key == nil || k.key.Equal(other.key)) && (k.value == nil || k.value.Equal(other.value)) {
			return plan
		}
	}
	return nil
}

// skipped are values that are no rows, by the end of their schema's name.
var skipped = []struct{ suffix, what string }{
	{"io.debezium.connector.common.Heartbeat", "heartbeat"},
	{"io.debezium.connector.common.TransactionMetadataValue", "transaction metadata"},
	{"io.debezium.connector.postgresql.MessageValue", "logical decoding message"},
	{"io.debezium.connector.common.Notification", "notification"},
	{".SchemaChangeValue", "schema change"},
}

func (p *planner) compile(r *sink.Record) (*plan, error) {
	c := &plan{topic: r.Topic, op: -1, before: -1, after: -1, source: -1}
	row := r.ValueSchema
	if row == nil && r.Value.IsNull() {
		c.tombstone = true
		if p.config.KeyMode != KeyRecord && p.config.KeyMode != KeyHeader || r.KeySchema == nil {
			c.skip = "tombstone without key"
			return c, nil
		}
		return c, p.finish(c, r, nil)
	}
	if row == nil {
		return nil, fmt.Errorf("the value has no schema, so its columns have no types; use a converter that carries schemas (for JSON: value.converter.schemas.enable=true)")
	}
	for _, s := range skipped {
		if strings.HasSuffix(row.Name, s.suffix) {
			c.skip = s.what
			return c, nil
		}
	}
	if row.Type != schema.Struct {
		return nil, fmt.Errorf("the value is of type %s; only structs have columns (a HoistField transform makes one)", row.Type)
	}
	c.op, c.before, c.after, c.source = row.Field("op"), row.Field("before"), row.Field("after"), row.Field("source")
	if c.op >= 0 && c.after >= 0 && (strings.HasSuffix(row.Name, ".Envelope") || c.before >= 0 && c.source >= 0) {
		c.envelope = true
		if row = row.Fields[c.after].Schema; row.Type != schema.Struct || row.Fields == nil {
			return nil, fmt.Errorf("field after of the envelope is of type %s, want a struct", row.Type)
		}
	}
	return c, p.finish(c, r, row)
}

// finish adds the columns: keys first, then the other fields of row in their order. row is nil for tombstones.
func (p *planner) finish(c *plan, r *sink.Record, row *schema.Schema) error {
	if err := p.addKeys(c, r, row); err != nil {
		return err
	}
	c.keys = len(c.columns)
	names := make(map[string]bool)
	for i := range c.columns {
		names[c.columns[i].name] = true
		c.keySig += c.columns[i].name + "\x00"
	}
	if row != nil {
		c.rowFields = len(row.Fields)
		for i, f := range row.Fields {
			name := p.fold(f.Name)
			if names[name] || !p.config.writes(r.Topic, f.Name) {
				continue
			}
			names[name] = true
			c.columns = append(c.columns, column{name: name, field: f.Name, schema: f.Schema, kind: kindOf(f.Schema), from: fromRow, index: i})
		}
		if len(c.columns) == 0 {
			return fmt.Errorf("no field is left to write; check field.include.list and field.exclude.list")
		}
	}
	for i := c.keys; i < len(c.columns) && p.config.Unavailable != ""; i++ {
		if mayBeUnavailable(&c.columns[i]) {
			c.markers = append(c.markers, i)
		}
	}
	if p.format.static || row == nil {
		if !p.format.static {
			c.skip = "tombstone (collection.name.format needs the source block, which it does not have)"
			return nil
		}
		name, err := p.format.name(r.Topic, nil)
		if err != nil {
			return err
		}
		c.static = c.target(name, p.fold)
	}
	return nil
}

// addKeys adds the primary key's columns.
func (p *planner) addKeys(c *plan, r *sink.Record, row *schema.Schema) error {
	fields := p.config.KeyFields
	add := func(name string, s *schema.Schema, from origin, index int) {
		c.columns = append(c.columns, column{name: p.fold(name), field: name, schema: s, kind: kindOf(s), from: from, index: index, key: true})
	}
	switch p.config.KeyMode {
	case KeyKafka:
		names := fields
		if len(names) == 0 {
			names = []string{"__connect_topic", "__connect_partition", "__connect_offset"}
		}
		if len(names) != 3 {
			return fmt.Errorf("primary.key.mode=kafka needs three primary.key.fields (topic, partition, offset) or none, not %d", len(names))
		}
		add(names[0], textSchema, fromTopic, 0)
		add(names[1], int32Schema, fromPartition, 0)
		add(names[2], int64Schema, fromOffset, 0)
	case KeyRecord:
		return p.addRecordKey(c, r, add)
	case KeyValue:
		if len(fields) == 0 {
			for i, f := range row.Fields {
				add(f.Name, f.Schema, fromRow, i)
			}
			return nil
		}
		for _, name := range fields {
			i := row.Field(name)
			if i < 0 {
				return fmt.Errorf("primary.key.fields names %q, which is no field of the value; it has %s", name, fieldNames(row))
			}
			add(name, row.Fields[i].Schema, fromRow, i)
		}
	case KeyHeader:
		for _, name := range fields {
			s := headerSchema(r, name)
			if s == nil {
				return fmt.Errorf("primary.key.fields names header %q, which the record does not have", name)
			}
			add(name, s, fromHeader, 0)
		}
	}
	return nil
}

func (p *planner) addRecordKey(c *plan, r *sink.Record, add func(string, *schema.Schema, origin, int)) error {
	fields, key := p.config.KeyFields, r.KeySchema
	switch {
	case key == nil && r.Key.IsNull():
		c.keyless = true
	case key == nil:
		return fmt.Errorf("the key has no schema, so the primary key has no type; use a converter that carries schemas (for JSON: key.converter.schemas.enable=true)")
	case key.Type != schema.Struct:
		if len(fields) != 1 {
			return fmt.Errorf("the key is of type %s, a single value: name its column in primary.key.fields (it has %d names)", key.Type, len(fields))
		}
		c.primitive = true
		add(fields[0], key, fromPrimitiveKey, 0)
	default:
		c.keyFields = len(key.Fields)
		if len(fields) == 0 {
			for i, f := range key.Fields {
				add(f.Name, f.Schema, fromKey, i)
			}
		}
		for _, name := range fields {
			i := key.Field(name)
			if i < 0 {
				return fmt.Errorf("primary.key.fields names %q, which is no field of the key; it has %s", name, fieldNames(key))
			}
			add(name, key.Fields[i].Schema, fromKey, i)
		}
	}
	return nil
}

func headerSchema(r *sink.Record, name string) *schema.Schema {
	for i := range r.Headers {
		if r.Headers[i].Key != name {
			continue
		}
		if r.Headers[i].Schema != nil {
			return r.Headers[i].Schema
		}
		if t := r.Headers[i].Value.Type(); t != schema.Invalid {
			return &schema.Schema{Type: t}
		}
	}
	return nil
}

func fieldNames(s *schema.Schema) string {
	var names []string
	for _, f := range s.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// target returns the plan's target of that name.
func (c *plan) target(name tableName, fold func(string) string) *target {
	if t, ok := c.targets[name]; ok {
		return t
	}
	if c.targets == nil {
		c.targets = make(map[tableName]*target)
	}
	t := &target{plan: c, name: tableName{fold(name.schema), fold(name.table)}}
	c.targets[name] = t
	return t
}
