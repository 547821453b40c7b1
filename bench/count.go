package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// format is how records are serialised.
type format string

// Formats.
const (
	avro       format = "Avro"
	plainJSON  format = "JSON without schemas"
	schemaJSON format = "JSON with schemas"
)

// decodeEvery says which records are decoded.
const decodeEvery = 1000

// count reads the topics and holds them against what is expected: every record is counted, one of a thousand and the first of each topic is
// decoded and must be a change.
func (b *bench) count(ctx context.Context, f format, expect []expectation) error {
	c, err := b.newChecker(f)
	if err != nil {
		return err
	}
	for _, e := range expect {
		n := 0
		err := client.Read(ctx, b.consumer, client.Reading{Topic: e.topic, From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
			n++
			if n%decodeEvery != 1 {
				return nil
			}
			if err := c.check(ctx, r); err != nil {
				return fmt.Errorf("topic %q offset %d: %w", r.Topic, r.Offset, err)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("count the records: %w", err)
		}
		if n != e.records {
			return fmt.Errorf("topic %q holds %s records, want %s", e.topic, grouped(int64(n)), grouped(int64(e.records)))
		}
	}
	return nil
}

// checker decodes values.
type checker struct {
	format format
	avro   converter.Converter
}

func (b *bench) newChecker(f format) (*checker, error) {
	a, report := converter.New(converter.AvroClass, map[string]string{"schema.registry.url": b.registry.URL()}, false, converter.Env{})
	return &checker{format: f, avro: a}, report.Err()
}

// check decodes one value, which must be an envelope of an inserted, updated, deleted or read row.
func (c *checker) check(ctx context.Context, r *kafka.Record) error {
	op := ""
	if c.format == avro {
		_, v, err := c.avro.Deserialize(ctx, r.Topic, r.Value)
		if err != nil {
			return err
		}
		if v.Struct() == nil {
			return errors.New("the value is no struct")
		}
		op = v.Struct().Field("op").Text()
	} else {
		var value struct {
			Op      string
			Payload struct{ Op string }
		}
		if err := json.Unmarshal(r.Value, &value); err != nil {
			return err
		}
		op = value.Op + value.Payload.Op
	}
	switch op {
	case "c", "u", "d", "r":
		return nil
	}
	return fmt.Errorf("the value has op %q, want c, u, d or r", op)
}
