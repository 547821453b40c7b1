package sqldb

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// kafkaKeys are the columns of a record's place in Kafka, by default.
var kafkaKeys = []string{"__connect_topic", "__connect_partition", "__connect_offset"}

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
	fromValue // the value itself
)

// column is one column a plan writes. Make it with newColumn.
type column struct {
	name   string // as the target names it
	field  string // as the record names it
	schema *schema.Schema
	kind   kind
	from   origin
	index  int // of the field
	key    bool
	plain  bool           // created as Confluent's connector does
	fresh  *schema.Schema // what a new column is made for, and its kind
	freshK kind
	made   func(schema.Value) schema.Value // what is written of a value; nil: itself
	point  func(schema.Value) schema.Value // likewise into a column that holds points in time; nil: as made
}

// createSchema and createKind are what a new column is made for.
func (c *column) createSchema() *schema.Schema { return c.fresh }
func (c *column) createKind() kind             { return c.freshK }

// value is what a mutation writes to the column.
func (c *column) value(m *mutation) schema.Value {
	if c.made != nil {
		return c.made(c.given(m))
	}
	return c.given(m)
}

// instant is what it writes to a column that holds points in time, not what a clock on the wall says.
func (c *column) instant(m *mutation) schema.Value {
	if c.point != nil {
		return c.point(c.given(m))
	}
	return c.value(m)
}

// given is the column's value in the record.
func (c *column) given(m *mutation) schema.Value {
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
	case fromValue:
		return m.rec.Value
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
	data      int    // field of the value that holds the message, for CloudEvents; -1: the value is it
	single    bool   // the value is a text, and the column
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
	keySig    string   // equal for plans whose keys are the same columns
	creation  []column // the columns in the order of a new table
	tombstone bool     // no value: only deletes
	keyless   bool     // a record_key plan for records without key: rows can only be added
	markers   []int    // columns that may hold the placeholder

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
	config      *Config
	format      nameFormat
	cloudEvents *javaregex.Regexp // nil: there are none
	fold        func(string) string
	plans       map[planKey]*plan
	last        *plan
	lastOf      planKey
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
	c := &plan{topic: r.Topic, op: -1, before: -1, after: -1, source: -1, data: -1}
	rules := &p.config.records
	if rules.strict {
		if err := p.config.demand(r); err != nil {
			return nil, err
		}
	}
	row := r.ValueSchema
	if row == nil && r.Value.IsNull() {
		c.tombstone = true
		if !p.config.deletesByRecord() || r.KeySchema == nil {
			c.skip = "tombstone without key"
			return c, nil
		}
		return c, p.finish(c, r, nil)
	}
	if row == nil {
		return nil, errors.New("the value has no schema, so its columns have no types; use a converter that carries schemas (for JSON: value.converter.schemas.enable=true)")
	}
	if rules.envelopes {
		for _, s := range skipped {
			if strings.HasSuffix(row.Name, s.suffix) {
				c.skip = s.what
				return c, nil
			}
		}
	}
	if row.Type == schema.String && rules.stringColumn != "" {
		c.single = true
		return c, p.finish(c, r, nil)
	}
	if row.Type != schema.Struct {
		return nil, fmt.Errorf("the value is of type %s; only structs have columns (a HoistField transform makes one)", row.Type)
	}
	row, err := p.unwrap(c, row)
	if err != nil {
		return nil, err
	}
	return c, p.finish(c, r, row)
}

// unwrap finds the row in the schema of a CloudEvents message or of an envelope.
func (p *planner) unwrap(c *plan, row *schema.Schema) (*schema.Schema, error) {
	if p.cloudEvents != nil {
		is, err := p.cloudEvents.MatchString(row.Name)
		if err != nil {
			return nil, fmt.Errorf("hold schema name %q against cloud.events.schema.name.pattern: %w", row.Name, err)
		}
		if at := row.Field("data"); is && at >= 0 && row.Fields[at].Schema.Type == schema.Struct {
			c.data, row = at, row.Fields[at].Schema
		}
	}
	c.op, c.before, c.after, c.source = row.Field("op"), row.Field("before"), row.Field("after"), row.Field("source")
	if c.op < 0 || c.after < 0 || !strings.HasSuffix(row.Name, ".Envelope") && (c.before < 0 || c.source < 0) {
		return row, nil
	}
	if !p.config.records.envelopes {
		return nil, errors.New("the value is an envelope of Debezium's, whose fields before, after and source are structs and no columns; " +
			"take the row out of it (transforms=unwrap, transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState), or use connector.class=" + Debezium.Class + ", which reads envelopes")
	}
	c.envelope = true
	if row = row.Fields[c.after].Schema; row.Type != schema.Struct || row.Fields == nil {
		return nil, fmt.Errorf("field after of the envelope is of type %s, want a struct", row.Type)
	}
	return row, nil
}

// finish adds the columns: keys first, then the other fields of row in their order. row is nil for tombstones, and for values that are
// texts.
func (p *planner) finish(c *plan, r *sink.Record, row *schema.Schema) error {
	if err := p.addKeys(c, r, row); err != nil {
		return err
	}
	c.keys = len(c.columns)
	names := make(map[string]string) // columns, and the fields they are for
	for i := range c.columns {
		names[c.columns[i].name] = ""
		c.keySig += c.columns[i].name + "\x00"
	}
	if row != nil {
		c.rowFields = len(row.Fields)
		for i, f := range row.Fields {
			name := p.fold(f.Name)
			if other, taken := names[name]; taken && (other == "" || other == f.Name) || !p.config.writes(r.Topic, f.Name) {
				continue
			} else if taken {
				return fmt.Errorf("fields %q and %q are the same column %q; set %s, or leave one out by %s", other, f.Name, name, p.config.names.quoteYes, p.config.names.leaveOut)
			}
			names[name] = f.Name
			c.columns = append(c.columns, p.newColumn(name, f.Name, f.Schema, fromRow, i))
		}
	}
	if c.single {
		c.columns = append(c.columns, p.newColumn(p.fold(p.config.records.stringColumn), p.config.records.stringColumn, r.ValueSchema, fromValue, 0))
	}
	if len(c.columns) == 0 {
		return p.noFields(r)
	}
	for i := c.keys; i < len(c.columns) && p.config.Unavailable != ""; i++ {
		if c.columns[i].from == fromRow && mayBeUnavailable(&c.columns[i]) {
			c.markers = append(c.markers, i)
		}
	}
	c.order(row)
	if p.format.static || c.tombstone {
		if !p.format.static {
			c.skip = "tombstone (" + p.format.option + " needs the source block, which it does not have)"
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

// order sets the order of the columns of a new table: keys first; where columns are plain, as the original has it: the coordinates
// in Kafka, the fields of the value, and by their names those that the value does not have.
func (c *plan) order(row *schema.Schema) {
	c.creation = slices.Clone(c.columns)
	if !c.columns[0].plain {
		return
	}
	place := func(col *column) (int, string) {
		if i := slices.Index(kafkaKeys, col.field); i >= 0 {
			return i, ""
		}
		if row != nil {
			if i := row.Field(col.field); i >= 0 {
				return len(kafkaKeys) + i, ""
			}
		}
		return math.MaxInt, col.field
	}
	slices.SortStableFunc(c.creation, func(a, b column) int {
		atA, nameA := place(&a)
		atB, nameB := place(&b)
		return cmp.Or(cmp.Compare(atA, atB), cmp.Compare(nameA, nameB))
	})
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
