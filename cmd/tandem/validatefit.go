package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

const (
	mostSamples = 100 // topics of which a record is read
	sampleDepth = 16  // how far before the end of a partition one is looked for: markers of transactions and tombstones are passed over
)

// fit compares the last record of each topic with the table that it goes to.
func (r *rehearsal) fit(ctx context.Context, c sqldb.Config) {
	records := r.samples(ctx)
	if len(records) == 0 {
		return
	}
	fits, err := sqldb.Fit(ctx, c, r.out.Name, records)
	if err != nil {
		r.out.problem("%v", err)
		return
	}
	r.out.Plan.Fit = fits
	for _, f := range fits {
		if f.Problem != "" {
			r.out.problem("the last record of topic %s: %s", f.Topic, f.Problem)
		}
		if f.Note != "" {
			r.out.notice("the last record of topic %s is not for a table: %s", f.Topic, f.Note)
		}
	}
}

// samples are the last records of the topics that exist, converted and transformed.
func (r *rehearsal) samples(ctx context.Context) []sink.Record {
	if r.topics == nil {
		return nil
	}
	asked, report := client.FromProperties(r.AdminOptions, client.ForAdmin)
	cfg, more := client.FromProperties(r.ConsumerOptions, client.ForConsumer)
	if err := cmp.Or(report.Err(), more.Err()); err != nil {
		r.out.problem("the options of the Kafka clients: %v", err)
		return nil
	}
	admin := client.NewAdmin(asked)
	defer admin.Close()
	var records []sink.Record
	for i, t := range r.out.Topics {
		if _, exists := r.topics[t.Topic]; !exists {
			continue
		}
		if i >= mostSamples {
			r.out.notice("no record is looked at of %d topics: the first %d stand for them", len(r.out.Topics)-mostSamples, mostSamples)
			break
		}
		raw, err := lastRecord(ctx, admin, cfg, t.Topic)
		if err != nil {
			r.out.problem("topic %s cannot be read: %v", t.Topic, err)
			return records
		}
		if raw == nil {
			continue // it is empty
		}
		record, keep, err := r.converted(ctx, raw)
		switch {
		case err != nil:
			r.out.problem("the record at offset %d of partition %d of topic %s: %v", raw.Offset, raw.Partition, raw.Topic, err)
		case !keep:
			r.out.notice("the transforms drop the record of topic %s that was tried", raw.Topic)
		default:
			records = append(records, record)
		}
	}
	return records
}

// lastRecord is a record with a value near the end of a topic; nil when there is none. It belongs to no group.
func lastRecord(ctx context.Context, admin *client.Admin, cfg client.Config, topic string) (last *kafka.Record, err error) {
	partitions, err := admin.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	for id, p := range partitions {
		if p.End <= p.Begin {
			continue
		}
		from := max(p.Begin, p.End-sampleDepth)
		err := client.Read(ctx, cfg, client.Reading{Topic: topic, Partitions: []int32{int32(id)}, From: from, UntilEnd: true}, func(r *kafka.Record) error {
			if r.Value != nil {
				last = &kafka.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
			}
			return nil
		})
		if err != nil || last != nil {
			return last, err
		}
	}
	return nil, nil
}

// converted passes a record through the converters and transforms of the connector; false: they drop it.
func (r *rehearsal) converted(ctx context.Context, raw *kafka.Record) (out sink.Record, keep bool, err error) {
	record := schema.Record{Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset, Timestamp: raw.Timestamp.UnixMilli()}
	if record.KeySchema, record.Key, err = r.Key.Deserialize(ctx, raw.Topic, raw.Key); err != nil {
		return out, false, fmt.Errorf("convert the key: %w", err)
	}
	if record.ValueSchema, record.Value, err = r.Value.Deserialize(ctx, raw.Topic, raw.Value); err != nil {
		return out, false, fmt.Errorf("convert the value: %w", err)
	}
	if r.Chain != nil {
		if keep, err = r.Chain.Apply(&record); err != nil || !keep {
			return out, false, err
		}
	}
	return sink.Record{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, Timestamp: time.UnixMilli(record.Timestamp),
		KeySchema: record.KeySchema, Key: record.Key, ValueSchema: record.ValueSchema, Value: record.Value, Raw: raw}, true, nil
}

func printFits(w io.Writer, fits []sqldb.Fitting) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "last record of\ttable\t")
	for _, f := range fits {
		state := "fits"
		switch {
		case f.Problem != "":
			state = "does not fit, see below"
		case f.Note != "":
			state = "is not for a table"
		case len(f.Creates) > 0:
			state = "the table would be made, with " + strings.Join(f.Creates, ", ")
		case len(f.Adds) > 0:
			state = "the table would get " + strings.Join(f.Adds, ", ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Topic, f.Table, state)
	}
	_ = t.Flush() // a console
}
