package source

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// takeRow makes the record of a table's first row. A row that cannot be had leaves the record without values; the rights tell why.
func (s *surveyor) takeRow(ctx context.Context, enc *envelope.Encoder, out *memory, plan *envelope.Plan, rel *cdc.Relation, t *SurveyedTable) {
	columns := ""
	for i, c := range rel.Columns {
		if i > 0 {
			columns += ", "
		}
		columns += pgx.Identifier{c.Name}.Sanitize()
	}
	if columns == "" {
		return
	}
	result := s.conn.PgConn().ExecParams(ctx, "SELECT "+columns+" FROM "+pgx.Identifier{rel.Schema, rel.Name}.Sanitize()+" LIMIT 1", nil, nil, nil, nil).Read()
	var refused *pgconn.PgError
	if result.Err != nil && !errors.As(result.Err, &refused) {
		s.warn("the first row of table %s cannot be read: %v", t.Name, result.Err)
		return
	}
	if result.Err != nil || len(result.Rows) == 0 {
		return
	}
	row := make(cdc.Tuple, len(rel.Columns))
	for i, text := range result.Rows[0] {
		if text != nil {
			row[i] = cdc.Datum{Kind: cdc.Text, Bytes: text}
		}
	}
	out.records = nil
	change := &cdc.Change{Kind: cdc.Read, Relation: rel, New: row, Snapshot: cdc.MarkTrue}
	if _, err := enc.Encode(plan, change, &envelope.Source{Snapshot: cdc.MarkTrue, LSN: s.server.LSN, HasLSN: true}); err != nil {
		s.problem("no record can be made of the first row of table %s: %v", t.Name, err)
		return
	}
	if len(out.records) > 0 {
		t.Record, t.Sampled = out.records[0], true
	}
}

// memory is an Emitter that keeps records.
type memory struct {
	streams    []schema.Record
	key, value *schema.Builder
	at         int
	records    []schema.Record
}

// Stream implements Emitter.
func (m *memory) Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	m.streams = append(m.streams, schema.Record{Topic: topic, Partition: partition, Offset: schema.NoOffset, Timestamp: schema.NoTimestamp, KeySchema: key, ValueSchema: value, Headers: headers})
	return len(m.streams) - 1, nil
}

// Begin implements Emitter.
func (m *memory) Begin(handle int) (key, value schema.Writer) {
	m.at, m.key, m.value = handle, nil, nil
	if s := m.streams[handle].KeySchema; s != nil {
		m.key = schema.NewBuilder(s)
		key = m.key
	}
	if s := m.streams[handle].ValueSchema; s != nil {
		m.value = schema.NewBuilder(s)
		value = m.value
	}
	return key, value
}

// End implements Emitter.
func (m *memory) End(first []schema.Header) error {
	r := m.streams[m.at]
	r.Headers = append(append([]schema.Header(nil), first...), r.Headers...)
	for _, half := range []struct {
		from *schema.Builder
		to   *schema.Value
	}{{m.key, &r.Key}, {m.value, &r.Value}} {
		if half.from == nil {
			continue
		}
		if err := half.from.Err(); err != nil {
			return err
		}
		*half.to = half.from.Value()
	}
	m.records = append(m.records, r)
	return nil
}

// Flush implements Emitter.
func (*memory) Flush() error { return nil }
