package transaction

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// kind says what a record is to the assembler.
type kind uint8

const (
	nothing   kind = iota // heartbeats, messages, BEGIN: only the position goes on
	tombstone             // belongs to the record before it
	change                // of a transaction
	snapshot              // a row of an initial snapshot
	loose                 // a row of an incremental snapshot: of no transaction, applied in the order of its partition
)

// event is what a record says.
type event struct {
	kind  kind
	id    string // of the transaction, as its first record has it
	key   string // of the transaction: what all its records have in common
	order int64  // within the transaction, from 1
	last  bool   // the last row of its table's snapshot
	whole bool   // the last row of the whole snapshot
}

// shape is where the fields of a kind of value are; -1: there is no such field.
type shape struct {
	nothing                       bool // values of this schema are no rows
	op, source, transaction       int
	name                          int // of the source block: the prefix of the topics
	snapshot, schema, table, db   int
	id, order                     int // of the transaction block
	status, metaID, count, tables int // of a value of the metadata topic
}

// notRows are values of data topics that are no rows, by the end of their schema's name.
var notRows = []string{"io.debezium.connector.common.Heartbeat", "io.debezium.connector.postgresql.MessageValue", "io.debezium.connector.common.Notification", ".SchemaChangeValue"}

func shapeOf(s *schema.Schema) *shape {
	out := &shape{op: s.Field("op"), source: s.Field("source"), transaction: s.Field("transaction"), name: -1, snapshot: -1, schema: -1, table: -1, db: -1, id: -1, order: -1,
		status: s.Field("status"), metaID: s.Field("id"), count: s.Field("event_count"), tables: s.Field("data_collections")}
	for _, suffix := range notRows {
		out.nothing = out.nothing || strings.HasSuffix(s.Name, suffix)
	}
	if out.source >= 0 {
		b := s.Fields[out.source].Schema
		out.name, out.snapshot, out.schema, out.table, out.db = b.Field("name"), b.Field("snapshot"), b.Field("schema"), b.Field("table"), b.Field("db")
	}
	if out.transaction >= 0 {
		b := s.Fields[out.transaction].Schema
		out.id, out.order = b.Field("id"), b.Field("total_order")
	}
	return out
}

// keyOf is what the records of a transaction have in common. PostgreSQL's ids are the transaction's number and the position of the record
// at hand, so that they differ within a transaction (Debezium, class PostgresTransactionContext); those of others are the same in all.
func keyOf(id string) string {
	number, position, ok := strings.Cut(id, ":")
	if !ok || number == "" || position == "" || strings.Trim(number, "0123456789") != "" || strings.Trim(position, "0123456789") != "" {
		return id
	}
	return number
}

// metadataHint says what to do where the source publishes no metadata.
const metadataHint = "consistency=transaction needs the metadata of transactions: set provide.transaction.metadata=true at the source, and begin with a new snapshot or behind the records without"

// classify says what a record of a data topic is.
func (a *Assembler) classify(q *queue, r *sink.Record) (event, error) {
	if r.ValueSchema == nil && r.Value.IsNull() {
		return event{kind: tombstone}, nil
	}
	s := q.shape
	if s == nil || q.shapeOf != r.ValueSchema {
		if r.ValueSchema == nil || r.ValueSchema.Type != schema.Struct {
			return event{}, fmt.Errorf("the value is no envelope of Debezium's (it has no schema of a struct), so its transaction is not known; use a converter that carries schemas")
		}
		s = shapeOf(r.ValueSchema)
		q.shape, q.shapeOf = s, r.ValueSchema
	}
	value := r.Value.Struct()
	switch {
	case s.nothing:
		return event{}, nil
	case value == nil:
		return event{kind: tombstone}, nil // its schema was kept
	case s.op < 0 || s.source < 0:
		return event{}, fmt.Errorf("the value (schema %q) is no envelope of Debezium's, so its transaction is not known; leave out the transform ExtractNewRecordState", r.ValueSchema.Name)
	case value.Values[s.op].Text() == "m":
		return event{}, nil
	}
	source := value.Values[s.source].Struct()
	if source == nil {
		return event{}, fmt.Errorf("the envelope has no source block, so its transaction is not known")
	}
	if a.prefix == "" {
		if s.name < 0 {
			return event{}, fmt.Errorf("the source block names no connector, so the topic of the transactions' metadata is not known; name it in transaction.topic")
		}
		if err := a.learnPrefix(source.Values[s.name].Text()); err != nil {
			return event{}, err
		}
	}
	if err := a.checkTopic(q, s, source); err != nil {
		return event{}, err
	}
	if s.transaction >= 0 && s.id >= 0 && s.order >= 0 {
		if t := value.Values[s.transaction].Struct(); t != nil {
			if id := t.Values[s.id].Text(); keyOf(id) != q.key || id == "" {
				q.id = strings.Clone(id)
				q.key = keyOf(q.id)
			}
			return event{kind: change, id: q.id, key: q.key, order: t.Values[s.order].Int()}, nil
		}
	}
	if s.snapshot >= 0 {
		switch source.Values[s.snapshot].Text() {
		case "true", "first", "first_in_data_collection":
			return event{kind: snapshot}, nil
		case "last_in_data_collection":
			return event{kind: snapshot, last: true}, nil
		case "last":
			return event{kind: snapshot, last: true, whole: true}, nil
		case "incremental":
			return event{kind: loose}, nil
		}
	}
	return event{}, fmt.Errorf("the record has no transaction block; %s", metadataHint)
}

// checkTopic makes sure that a topic holds the table that its name says: by the name alone it is known which topics' records a transaction
// has to wait for.
func (a *Assembler) checkTopic(q *queue, s *shape, source *schema.StructValue) error {
	text := func(i int) string {
		if i < 0 {
			return ""
		}
		return source.Values[i].Text()
	}
	db, schemaName, table := text(s.db), text(s.schema), text(s.table)
	if q.checked && q.db == db && q.schema == schemaName && q.table == table {
		return nil
	}
	for _, collection := range []string{schemaName + "." + table, db + "." + table, db + "." + schemaName + "." + table} {
		if a.config.TopicOf(a.prefix+"."+collection) == q.at.Topic {
			q.checked, q.db, q.schema, q.table = true, strings.Clone(db), strings.Clone(schemaName), strings.Clone(table)
			return nil
		}
	}
	return fmt.Errorf("the topic has another name than the source gives to the topic of table %s.%s (%s): consistency=transaction does not know which records of a transaction to wait for then; "+
		"leave out transforms of the source that route records", schemaName, table, a.config.TopicOf(a.prefix+"."+schemaName+"."+table))
}

// end is the END of a transaction.
type end struct {
	id, key string
	offset  int64
	counts  []count
}

// count is how many records of a transaction a topic holds.
type count struct {
	topic string
	n     int64
}

// readEnd reads a record of the metadata topic; nil for one that is no END.
func (a *Assembler) readEnd(q *queue, r *sink.Record) (*end, error) {
	value := r.Value.Struct()
	if value == nil {
		return nil, nil // a tombstone
	}
	if q.shape == nil || q.shapeOf != r.ValueSchema {
		q.shape, q.shapeOf = shapeOf(value.Schema), r.ValueSchema
	}
	s := q.shape
	if s.status < 0 || s.metaID < 0 || s.tables < 0 {
		return nil, fmt.Errorf("the value (schema %q) is no metadata of a transaction: it has no status, id and data_collections; is transaction.topic the topic that the source's "+
			"provide.transaction.metadata writes?", value.Schema.Name)
	}
	if value.Values[s.status].Text() != "END" {
		return nil, nil
	}
	e := &end{id: strings.Clone(value.Values[s.metaID].Text()), offset: r.Offset}
	e.key = keyOf(e.id)
	for _, t := range value.Values[s.tables].Array() {
		c := t.Struct()
		topic := a.config.TopicOf(a.prefix + "." + c.Field("data_collection").Text())
		n := c.Field("event_count").Int()
		if n > 0 && (len(a.topics[topic]) > 0 || a.config.Wants != nil && a.config.Wants(topic)) {
			e.counts = append(e.counts, count{topic, n})
		}
	}
	return e, nil
}
