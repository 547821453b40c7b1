package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/torture/history"
)

// positions are how far the topics of a capture are read, and what was read since the last round was judged.
type positions struct {
	next       map[kafka.TopicPartition]int64
	records    []history.Record
	boundaries []history.Boundary
	markers    map[string]bool // keys that came in the topic of the markers
}

func newPositions() *positions {
	return &positions{next: make(map[kafka.TopicPartition]int64), markers: make(map[string]bool)}
}

// ended tells whether the end of a transaction has come.
func (p *positions) ended(xid uint32) bool {
	return slices.ContainsFunc(p.boundaries, func(b history.Boundary) bool { return b.XID == xid && b.End })
}

// forget drops what was judged.
func (p *positions) forget() { p.records, p.boundaries = nil, nil }

// reader turns what is in the topics into what package history knows.
type reader struct {
	prefix     string
	key, value converter.Converter
}

func (c *cluster) newReader(prefix string) (*reader, error) {
	props := map[string]string{"schema.registry.url": c.registry.URL()}
	key, report := converter.New(converter.AvroClass, props, true, converter.Env{})
	if err := report.Err(); err != nil {
		return nil, err
	}
	value, report := converter.New(converter.AvroClass, props, false, converter.Env{})
	return &reader{prefix: prefix, key: key, value: value}, report.Err()
}

func (r *reader) close() {
	r.key.Close()
	r.value.Close()
}

// read reads on, up to the ends of the topics of a capture as they are.
func (c *cluster) read(ctx context.Context, x *capture) error {
	rd, err := c.newReader(x.prefix)
	if err != nil {
		return err
	}
	defer rd.close()
	names := []string{history.Messages, boundaryTopic}
	for _, t := range tables {
		names = append(names, t.Name)
	}
	for _, name := range names {
		topic, ok, err := c.admin.Topic(ctx, x.prefix+"."+name)
		if err != nil {
			return err
		}
		if !ok {
			continue // nothing was written to it yet
		}
		for partition := range int32(topic.Partitions) {
			if err := c.readPartition(ctx, x, rd, name, kafka.TopicPartition{Topic: topic.Name, Partition: partition}); err != nil {
				return fmt.Errorf("read topic %q partition %d: %w", topic.Name, partition, err)
			}
		}
	}
	return nil
}

// boundaryTopic is the name, behind the prefix, of the topic of transactions.
const boundaryTopic = "transaction"

func (c *cluster) readPartition(ctx context.Context, x *capture, rd *reader, name string, at kafka.TopicPartition) error {
	reading := client.Reading{Topic: at.Topic, Partitions: []int32{at.Partition}, From: client.FromBeginning, UntilEnd: true,
		Reached: func(_ int32, next int64) { x.position.next[at] = next }}
	if next, ok := x.position.next[at]; ok {
		reading.From = next
	}
	return client.Read(ctx, c.consumer, reading, func(r *kafka.Record) error {
		if name == boundaryTopic {
			b, err := rd.boundary(ctx, r)
			x.position.boundaries = append(x.position.boundaries, b)
			return err
		}
		out, err := rd.record(ctx, name, r)
		if err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
		if name == markerTable {
			x.position.markers[out.Key] = true
		}
		x.position.records = append(x.position.records, out)
		return nil
	})
}

// record reads one.
func (rd *reader) record(ctx context.Context, table string, r *kafka.Record) (history.Record, error) {
	out := history.Record{Table: table, Partition: r.Partition, Offset: r.Offset, Op: history.Tombstone}
	if r.Key != nil && table != history.Messages {
		_, key, err := rd.key.Deserialize(ctx, r.Topic, r.Key)
		if err != nil {
			return out, err
		}
		for _, t := range tables {
			if t.Name == table {
				out.Key = rowOf(key).Key(t.Key)
			}
		}
	}
	if r.Value == nil {
		return out, nil
	}
	_, value, err := rd.value.Deserialize(ctx, r.Topic, r.Value)
	v := value.Struct()
	if err != nil || v == nil {
		return out, fmt.Errorf("the value is no struct: %w", err)
	}
	out.Op = history.Op(strings.Clone(v.Field("op").Text()))
	out.Before, out.After = rowOf(v.Field("before")), rowOf(v.Field("after"))
	if m := v.Field("message").Struct(); m != nil {
		out.After = history.Row{"prefix": strings.Clone(m.Field("prefix").Text()), "content": string(m.Field("content").Bytes())}
	}
	source := v.Field("source").Struct()
	out.LSN, out.XID = history.LSN(source.Field("lsn").Int()), uint32(source.Field("txId").Int())
	if t := v.Field("transaction").Struct(); t != nil {
		out.Order, out.CollectionOrder = t.Field("total_order").Int(), t.Field("data_collection_order").Int()
	}
	return out, nil
}

// boundary reads a record of the topic of transactions, whose id is a transaction's number and a position.
func (rd *reader) boundary(ctx context.Context, r *kafka.Record) (b history.Boundary, err error) {
	_, value, err := rd.value.Deserialize(ctx, r.Topic, r.Value)
	v := value.Struct()
	if err != nil || v == nil {
		return b, fmt.Errorf("offset %d is no struct: %w", r.Offset, err)
	}
	b = history.Boundary{Offset: r.Offset, End: v.Field("status").Text() == "END", Count: v.Field("event_count").Int(), Tables: make(map[string]int64)}
	if _, err := fmt.Sscanf(v.Field("id").Text(), "%d:", &b.XID); err != nil {
		return b, fmt.Errorf("offset %d: id %q: %w", r.Offset, v.Field("id").Text(), err)
	}
	for _, t := range v.Field("data_collections").Array() {
		name := strings.Clone(t.Struct().Field("data_collection").Text())
		if strings.Contains(name, "LogicalDecodingMessage") { // Debezium names a class of its own, and every message is a collection
			name = history.Messages
		}
		b.Tables[name] += t.Struct().Field("event_count").Int()
	}
	return b, nil
}

// unavailable is what Debezium writes for a value that was not in the WAL.
const unavailable = "__debezium_unavailable_value"

func rowOf(v schema.Value) history.Row {
	s := v.Struct()
	if s == nil {
		return nil
	}
	row := make(history.Row, len(s.Values))
	for i, f := range s.Schema.Fields {
		row[f.Name] = textOf(s.Values[i])
	}
	return row
}

func textOf(v schema.Value) string {
	switch v.Type() {
	case schema.Invalid:
		return history.Null
	case schema.String:
		if v.Text() == unavailable {
			return history.Unknown
		}
		return strings.Clone(v.Text())
	case schema.Boolean:
		return fmt.Sprint(v.Bool())
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return fmt.Sprint(v.Int())
	}
	return fmt.Sprintf("(a value of type %v)", v.Type())
}
