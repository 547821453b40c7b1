package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

var consumeCommand = command{
	name:    "consume",
	summary: "print the records of a topic, decoded",
	usage:   "--topic T [--from-beginning] [--max-messages N] …",
	text: `Prints a line of JSON a record, {"key":…,"value":…}, until it is stopped with Ctrl-C. Records framed by a schema
registry are decoded with their Avro schemas; JSON is printed as it is, without the schema that may be beside it;
other text is printed as a text, and bytes that are none in base64.

With --property it prints what kafka-avro-console-consumer and kafka-console-consumer print: values alone, Avro in its
own JSON encoding, all else as it is. Properties, each as --property NAME=VALUE:
  schema.registry.url=…                 and further options of AvroConverter
  print.key, print.value, print.headers, print.timestamp, print.partition, print.offset    true or false
  key.separator=…, headers.separator=…, line.separator=…, null.literal=…`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		o := consumeOptions{props: make(properties)}
		flags.StringVar(&o.topic, "topic", "", "`T` the topic")
		flags.BoolVar(&o.fromBeginning, "from-beginning", false, "begin with the oldest record instead of the next one")
		flags.BoolVar(&o.untilEnd, "until-end", false, "stop at the end of the topic as it is now")
		flags.IntVar(&o.max, "max-messages", 0, "`N` stop after N records")
		o.connection.declare(flags, "consumer")
		flags.Var(o.props, "property", "`N=V` what to print; more than once for several")
		flags.Var(o.props, "formatter-property", "`N=V` another name of --property")
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
	connection
	props                   properties
	topic                   string
	fromBeginning, untilEnd bool
	headers, positions      bool
	max                     int
	registry                string
}

func (o *consumeOptions) run(ctx context.Context, c *console) error {
	switch {
	case o.topic == "":
		return errors.New("consume: --topic is needed. See \"tandem consume --help\"")
	case o.max < 0:
		return fmt.Errorf("consume: --max-messages %d: want 0 or more", o.max)
	}
	config, report := client.FromProperties(o.properties("tandem-consume"), client.ForConsumer)
	for _, w := range report.Warnings {
		fmt.Fprintln(c.err, "tandem: consume:", w.Message)
	}
	if err := report.Err(); err != nil {
		return fmt.Errorf("consume: --bootstrap-server: %w", err)
	}
	lines, err := o.lines()
	if err != nil {
		return err
	}
	reading := client.Reading{Topic: o.topic, From: client.FromEnd, UntilEnd: o.untilEnd, Max: o.max}
	if o.fromBeginning {
		reading.From = client.FromBeginning
	}
	var line []byte
	err = client.Read(ctx, config, reading, func(r *kafka.Record) error {
		line, err = lines.append(ctx, line[:0], r)
		if err != nil {
			return err
		}
		_, err = c.out.Write(line)
		return err
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how it ends
	}
	return err
}

// recordLines makes lines of records.
type recordLines interface {
	append(ctx context.Context, dst []byte, r *kafka.Record) ([]byte, error)
}

func (o *consumeOptions) lines() (recordLines, error) {
	if len(o.props) > 0 {
		if o.headers || o.positions {
			return nil, errors.New("consume: --headers and --positions are not for --property; that has print.headers, print.partition and print.offset")
		}
		f, err := newLineFormatter(o.props, o.registry)
		if err != nil {
			return nil, fmt.Errorf("consume: %w", err)
		}
		return f, nil
	}
	dec, err := newDecoder(o.registry)
	if err != nil {
		return nil, fmt.Errorf("consume: --schema-registry-url: %w", err)
	}
	return &jsonLines{o.headers, o.positions, dec}, nil
}
