package transform

import (
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
)

// outbox is io.debezium.transforms.outbox.EventRouter: it makes the inserts into an outbox table the events that their rows hold.
type outbox struct {
	outboxConfig
	log        *slog.Logger
	additional []additional
	enveloped  bool // a column has the placement envelope
	topic      *javaregex.Regexp
	json       inference

	plans     memo[*schema.Schema, *outboxPlan]
	wrapped   memo[*schema.Schema, *schema.Schema] // struct with a payload of that schema
	versioned memo[int64, *schema.Schema]          // the same by version
	topics    memo[string, string]
	known     *schema.Interner
	arena     schema.Arena
	updates   sparing
	unparsed  sparing
}

// outboxPlan is what one schema of outbox rows means. Columns that do not exist are -1.
type outboxPlan struct {
	id, key, payload, timestamp int
	additional                  []int
	perMilli                    int64 // units of the timestamp column in a millisecond
}

func newOutbox(props map[string]string, log *slog.Logger) (Transform, config.Report) {
	o := &outbox{outboxConfig: defaultOutboxConfig(), log: log, json: newInference(), known: schema.NewInterner(schemasKept)}
	r := o.keys().Parse(props)
	for name := range o.tracing {
		r.Warn(name, "Option %q has no effect: there is no tracing here.", name)
	}
	var err error
	if o.additional, err = parseAdditional(o.Additional); err != nil {
		const name = "table.fields.additional.placement"
		r.Fail(name, "Invalid value %s for configuration %s: %v", strings.Join(o.Additional, ","), name, err)
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	for _, a := range o.additional {
		o.enveloped = o.enveloped || a.place == intoEnvelope
	}
	if o.topic, err = javaregex.Compile(o.TopicRegex, false); err != nil {
		r.Fail("route.topic.regex", "Invalid value %s for configuration route.topic.regex: %v", o.TopicRegex, err)
		return nil, r
	}
	if err := o.topic.CheckReplacement(o.TopicReplacement); err != nil {
		r.Fail("route.topic.replacement", "Option \"route.topic.replacement\" does not fit \"route.topic.regex\"=%q: %v", o.TopicRegex, err)
		return nil, r
	}
	o.json.keepNulls, o.json.keepEmpty, o.json.names = o.Nulls == jsonOptionalBytes, o.EmptyArrays == jsonOptionalString, o.Names
	o.plans.size, o.wrapped.size, o.topics.size, o.versioned.size = schemasKept, schemasKept, schemasKept, schemasKept
	return o, r
}

// Apply implements Transform. Tombstones and deletes are dropped, records that are no envelopes pass as they are.
func (o *outbox) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() {
		return false, nil
	}
	if !isEnvelope(r.ValueSchema) {
		return true, nil
	}
	e, err := structOf(r.Value, "read the envelope")
	if err != nil {
		return false, err
	}
	op, _, err := textOf(e, fieldOp)
	switch {
	case err != nil:
		return false, err
	case op == opDelete:
		return false, nil
	case op == opUpdate:
		return false, o.update(r)
	}
	row, err := structOf(e.Field(fieldAfter), "read the outbox row")
	if err != nil {
		return false, err
	}
	p, err := o.plans.of(row.Schema, func() (*outboxPlan, error) { return o.plan(row.Schema) })
	if err != nil {
		return false, err
	}
	return true, o.event(r, p, e, row)
}

// update is for a change that an outbox must not have.
func (o *outbox) update(r *schema.Record) error {
	if o.OnUpdate == onUpdateFatal {
		return fmt.Errorf("topic %q: a row of the outbox was updated; insert rows only, or set \"table.op.invalid.behavior\" to warn", r.Topic)
	}
	if o.updates.say() {
		say := o.log.Warn
		if o.OnUpdate == onUpdateError {
			say = o.log.Error
		}
		say("a row of the outbox was updated, the update is dropped; rows of an outbox are to be inserted only", "topic", r.Topic, "updates", o.updates.count)
	}
	return nil
}

// plan finds the columns.
func (o *outbox) plan(row *schema.Schema) (*outboxPlan, error) {
	p := &outboxPlan{id: row.Field(o.ID), key: row.Field(o.Key), payload: row.Field(o.Payload), timestamp: -1}
	for _, c := range []struct {
		at           int
		name, option string
	}{{p.payload, o.Payload, "table.field.event.payload"}, {p.id, o.ID, "table.field.event.id"}, {p.key, o.Key, "table.field.event.key"}} {
		if c.at < 0 {
			return nil, fmt.Errorf("the outbox table has no column %q (option %q)", c.name, c.option)
		}
	}
	if o.Timestamp != "" {
		if p.timestamp = row.Field(o.Timestamp); p.timestamp < 0 {
			return nil, fmt.Errorf("the outbox table has no column %q (option \"table.field.event.timestamp\")", o.Timestamp)
		}
		s := row.Fields[p.timestamp].Schema
		if p.perMilli = unitsPerMilli(s.Name); s.Type != schema.Int64 {
			return nil, fmt.Errorf("column %q is of type %s and cannot be the timestamp of a record (option \"table.field.event.timestamp\")", o.Timestamp, s.Type)
		}
	}
	for _, a := range o.additional {
		i := row.Field(a.column)
		if i < 0 && o.AdditionalMissing == missingError {
			return nil, fmt.Errorf("the outbox table has no column %q (option \"table.fields.additional.placement\")", a.column)
		}
		p.additional = append(p.additional, i)
	}
	return p, nil
}

// unitsPerMilli is how many units of a Debezium timestamp a millisecond has; 0 for other types.
func unitsPerMilli(schemaName string) int64 {
	switch schemaName {
	case "io.debezium.time.Timestamp":
		return 1
	case "io.debezium.time.MicroTimestamp":
		return 1_000
	case "io.debezium.time.NanoTimestamp":
		return 1_000_000
	}
	return 0
}

// event makes the record the event of an outbox row.
func (o *outbox) event(r *schema.Record, p *outboxPlan, e, row *schema.StructValue) error {
	timestamp, err := o.timestamp(p, e, row)
	if err != nil {
		return err
	}
	route, null, err := textOf(row, o.RouteBy)
	if err == nil && null {
		err = fmt.Errorf("column %q is null", o.RouteBy)
	}
	if err != nil {
		return fmt.Errorf("route the event: %w (option \"route.by.field\")", err)
	}
	id, idSchema := get(row, p.id), row.Schema.Fields[p.id].Schema
	r.AddHeader(schema.Header{Key: "id", Schema: idSchema, Value: id})
	payload, payloadSchema := get(row, p.payload), row.Schema.Fields[p.payload].Schema
	if o.Expand {
		payloadSchema, payload = o.expand(payloadSchema, payload)
	}
	if err := o.setValue(r, p, row, route, payloadSchema, payload); err != nil {
		return err
	}
	if r.Topic, err = o.topicOf(route); err != nil {
		return fmt.Errorf("route the event: %w", err)
	}
	r.KeySchema, r.Key, r.Timestamp = row.Schema.Fields[p.key].Schema, get(row, p.key), timestamp
	return nil
}

// timestamp is the record's timestamp in milliseconds.
func (o *outbox) timestamp(p *outboxPlan, e, row *schema.StructValue) (int64, error) {
	if p.timestamp >= 0 {
		if v := row.Values[p.timestamp]; !v.IsNull() {
			if p.perMilli == 0 {
				return 0, fmt.Errorf("column %q of logical type %q cannot be the timestamp of a record; use time.precision.mode adaptive, microseconds or nanoseconds", o.Timestamp, row.Schema.Fields[p.timestamp].Schema.Name)
			}
			return v.Int() / p.perMilli, nil
		}
	}
	v, err := typed(e, fieldMillis, schema.Int64)
	if err != nil {
		return 0, err
	}
	if v.IsNull() {
		return schema.NoTimestamp, nil
	}
	return v.Int(), nil
}

// expand makes a struct of a payload that is JSON. Where that fails the payload stays what it is, as in Debezium; what is odd there is odd
// here: an array has the schema of the array, and an empty one none, while the value stays text.
func (o *outbox) expand(s *schema.Schema, v schema.Value) (*schema.Schema, schema.Value) {
	if v.IsNull() {
		return s, v
	}
	if v.Type() != schema.String {
		o.notExpanded("the payload is of type " + v.Type().String())
		return s, v
	}
	if t := v.Text(); t == "" || t[0] != '{' && t[0] != '[' {
		o.notExpanded("the payload begins neither with { nor with [")
		return s, v
	}
	n, err := parseJSON(v.Text())
	var inferred *schema.Schema
	if err == nil {
		inferred, err = o.json.schemaOf(o.Payload, n)
	}
	if err != nil {
		o.notExpanded(err.Error())
		return s, v
	}
	made, err := o.json.valueOf(n, inferred)
	if err != nil {
		o.notExpanded(err.Error())
		return inferred, v
	}
	return inferred, made
}

func (o *outbox) notExpanded(why string) {
	if o.unparsed.say() {
		o.log.Warn("the payload of an outbox row cannot be expanded (table.expand.json.payload), it stays text", "reason", why, "payloads", o.unparsed.count)
	}
}

// setValue sets the record's value, headers and partition.
func (o *outbox) setValue(r *schema.Record, p *outboxPlan, row *schema.StructValue, route string, payloadSchema *schema.Schema, payload schema.Value) error {
	r.Partition = -1
	var wrapped *schema.StructValue
	if o.enveloped {
		s, err := o.wrap(row, route, payloadSchema)
		if err != nil {
			return err
		}
		if !fits(payload, s.Fields[0].Schema) {
			return fmt.Errorf("the payload does not fit the schema that the value has: %s", schema.Describe(s.Fields[0].Schema))
		}
		wrapped = o.arena.Struct(s)
		wrapped.Values[0] = payload
	}
	for i, a := range o.additional {
		at := p.additional[i]
		if at < 0 {
			continue
		}
		v := get(row, at)
		switch a.place {
		case intoHeader:
			r.AddHeader(schema.Header{Key: a.name, Schema: row.Schema.Fields[at].Schema, Value: v})
		case intoEnvelope:
			into := wrapped.Schema.Field(a.name)
			if into < 0 {
				return fmt.Errorf("the value's schema has no field %q; it was made of another outbox table", a.name)
			}
			wrapped.Values[into] = v
		case intoPartition:
			n, err := typed(row, a.column, schema.Int32)
			if err != nil {
				return fmt.Errorf("choose the partition: %w", err)
			}
			if r.Partition = -1; !n.IsNull() {
				r.Partition = int32(n.Int())
			}
		}
	}
	switch empty := payload.IsNull() || payload.Type() == schema.String && blank(payload.Text()); {
	case empty && o.Tombstones:
		r.ValueSchema, r.Value = nil, schema.NullValue
	case o.enveloped:
		r.ValueSchema, r.Value = wrapped.Schema, schema.OfStruct(wrapped)
	default:
		r.ValueSchema, r.Value = payloadSchema, payload
	}
	return nil
}

// fits tells whether a payload is of a schema's type.
func fits(v schema.Value, s *schema.Schema) bool {
	if v.IsNull() {
		return s.Optional || s.Default != nil
	}
	if st := v.Struct(); st != nil {
		return s.Type == schema.Struct && st.Schema.Equal(s)
	}
	return v.Type() == s.Type
}

// wrap is the schema of a value with an envelope. As in Debezium it is made once for a schema of payloads, or for a version, with the name of
// the first event's route.
func (o *outbox) wrap(row *schema.StructValue, route string, payload *schema.Schema) (*schema.Schema, error) {
	if o.SchemaVersion == "" {
		return o.wrapped.of(o.known.Intern(payload), func() (*schema.Schema, error) { return o.wrapper(row.Schema, route, payload) })
	}
	version, err := typed(row, o.SchemaVersion, schema.Int32)
	if err != nil {
		return nil, fmt.Errorf("find the version of the schema: %w (option \"table.field.event.schema.version\")", err)
	}
	key := version.Int()
	if version.IsNull() {
		key = math.MinInt64
	}
	return o.versioned.of(key, func() (*schema.Schema, error) {
		s, err := o.wrapper(row.Schema, route, payload)
		if err == nil {
			s.Version = int(version.Int())
		}
		return s, err
	})
}

func (o *outbox) wrapper(row *schema.Schema, route string, payload *schema.Schema) (*schema.Schema, error) {
	s := schema.StructOf(route)
	if row.Name != "" {
		dot := strings.LastIndexByte(row.Name, '.') + 1
		s.Name = row.Name[:dot] + route + "." + row.Name[dot:]
	}
	if err := addField(s, "payload", payload); err != nil {
		return nil, err
	}
	for _, a := range o.additional {
		i := row.Field(a.column)
		if a.place != intoEnvelope || i < 0 {
			continue
		}
		if err := addField(s, a.name, row.Fields[i].Schema); err != nil {
			return nil, fmt.Errorf("place column %q: %w", a.column, err)
		}
	}
	return s, nil
}

// topicOf makes a topic of the routing column's text.
func (o *outbox) topicOf(route string) (string, error) {
	return o.topics.of(route, func() (string, error) {
		topic, _, err := o.topic.Replace(route, o.TopicReplacement)
		return topic, err
	})
}
