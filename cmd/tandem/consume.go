package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

var consumeCommand = command{
	name:    "consume",
	summary: "print the records of a topic, decoded",
	usage:   "--topic T [--from-beginning] [--max-messages N] …",
	text: `Prints a line of JSON a record, {"key":…,"value":…}, until it is stopped with Ctrl-C. Records framed by a schema
registry are decoded with their Avro schemas; JSON is printed as it is, without the schema that may be beside it;
other text is printed as a text, and bytes that are none in base64.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		var o consumeOptions
		flags.StringVar(&o.topic, "topic", "", "`T` the topic")
		flags.BoolVar(&o.fromBeginning, "from-beginning", false, "begin with the oldest record instead of the next one")
		flags.BoolVar(&o.untilEnd, "until-end", false, "stop at the end of the topic as it is now")
		flags.IntVar(&o.max, "max-messages", 0, "`N` stop after N records")
		flags.StringVar(&o.bootstrap, "bootstrap-server", "localhost:9092", "`HOST:PORT` brokers, separated by commas")
		flags.StringVar(&o.registry, "schema-registry-url", "http://localhost:8081", "`URL` schema registry, for records that need it")
		flags.BoolVar(&o.headers, "headers", false, "print the headers too")
		flags.BoolVar(&o.positions, "positions", false, "print partition, offset and timestamp too")
		return func(ctx context.Context, c *console, args []string) error {
			if err := noArguments("consume", args); err != nil {
				return err
			}
			return o.run(ctx, c)
		}
	},
}

type consumeOptions struct {
	topic                   string
	fromBeginning, untilEnd bool
	headers, positions      bool
	max                     int
	bootstrap, registry     string
}

func (o *consumeOptions) run(ctx context.Context, c *console) error {
	switch {
	case o.topic == "":
		return errors.New("consume: --topic is needed. See \"tandem consume --help\"")
	case o.max < 0:
		return fmt.Errorf("consume: --max-messages %d: want 0 or more", o.max)
	}
	config, report := client.FromProperties(map[string]string{"bootstrap.servers": o.bootstrap, "client.id": "tandem-consume"}, client.ForConsumer)
	if err := report.Err(); err != nil {
		return fmt.Errorf("consume: --bootstrap-server: %w", err)
	}
	dec, err := newDecoder(o.registry)
	if err != nil {
		return fmt.Errorf("consume: --schema-registry-url: %w", err)
	}
	reading := client.Reading{Topic: o.topic, From: client.FromEnd, UntilEnd: o.untilEnd, Max: o.max}
	if o.fromBeginning {
		reading.From = client.FromBeginning
	}
	var line []byte
	err = client.Read(ctx, config, reading, func(r *kafka.Record) error {
		line, err = o.appendRecord(ctx, line[:0], dec, r)
		if err != nil {
			return err
		}
		_, err = c.out.Write(append(line, '\n'))
		return err
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how it ends
	}
	return err
}

// appendRecord appends the line of a record.
func (o *consumeOptions) appendRecord(ctx context.Context, dst []byte, dec *decoder, r *kafka.Record) (_ []byte, err error) {
	dst = append(dst, '{')
	if o.positions {
		dst = strconv.AppendInt(append(dst, `"partition":`...), int64(r.Partition), 10)
		dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Offset, 10)
		dst = appendText(append(dst, `,"timestamp":`...), r.Timestamp.UTC().Format(time.RFC3339Nano))
		dst = append(dst, ',')
	}
	dst = append(dst, `"key":`...)
	if dst, err = dec.append(ctx, dst, r.Topic, r.Key); err != nil {
		return nil, fmt.Errorf("decode the key of partition %d offset %d of %s: %w", r.Partition, r.Offset, r.Topic, err)
	}
	dst = append(dst, `,"value":`...)
	if dst, err = dec.append(ctx, dst, r.Topic, r.Value); err != nil {
		return nil, fmt.Errorf("decode the value of partition %d offset %d of %s: %w", r.Partition, r.Offset, r.Topic, err)
	}
	if o.headers {
		dst = append(dst, `,"headers":{`...)
		for i, h := range r.Headers {
			dst = append(appendText(appendComma(dst, i), h.Key), ':')
			dst = appendPlain(dst, h.Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}
