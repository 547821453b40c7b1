package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema/converter"
)

var produceCommand = command{
	name:    "produce",
	summary: "publish lines as records, as texts or as Avro",
	usage:   "--topic T [--property NAME=VALUE …] …",
	text: `Publishes each line of its input as a record, as kafka-console-producer does, and with a value.schema as
kafka-avro-console-producer does: lines are in Avro's JSON encoding, records in Avro, the schema in the registry.
A topic that does not exist is made as the broker makes topics by default.

Properties, each as --property NAME=VALUE:
  value.schema, value.schema.file, value.schema.id    the Avro schema of values: its text, a file of it, its id
  key.schema, key.schema.file, key.schema.id          the same of keys; without it, keys are texts beside texts, or with
  key.serializer=org.apache.kafka.common.serialization.StringSerializer    also beside Avro values
  parse.key=true, key.separator=…       lines begin with a key; what is behind it (a tab if not given)
  parse.headers=true                    before it, headers: name:value,name:value and a tab (headers.delimiter,
                                        headers.separator, headers.key.separator)
  null.marker=…                         what stands for null
  ignore.error=true                     a line without key or headers is a value all the same
  schema.registry.url=…                 http://localhost:8081 if not given; further options as AvroConverter has them`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		o := produceOptions{props: make(properties)}
		flags.StringVar(&o.topic, "topic", "", "`T` the topic")
		flags.Var(o.props, "property", "`N=V` how lines are read; more than once for several")
		flags.Var(o.props, "reader-property", "`N=V` another name of --property")
		flags.StringVar(&o.compression, "compression-codec", "", "`CODEC` none, gzip, snappy, lz4 or zstd")
		o.connection.declare(flags, "producer")
		return func(ctx context.Context, c *console, args []string) error {
			if err := noArguments("produce", args); err != nil {
				return err
			}
			return o.run(ctx, c)
		}
	},
}

type produceOptions struct {
	connection
	topic, compression string
	props              properties
}

func (o *produceOptions) run(ctx context.Context, c *console) error {
	if o.topic == "" {
		return errors.New("produce: --topic is needed. See \"tandem produce --help\"")
	}
	props := o.properties("tandem-produce")
	if o.compression != "" {
		props["compression.type"] = o.compression
	}
	config, report := client.FromProperties(props, client.ForProducer)
	for _, w := range report.Warnings {
		fmt.Fprintln(c.err, "tandem: produce:", w.Message)
	}
	if err := report.Err(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	lines, err := o.lines(ctx)
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	defer lines.close()
	if err := o.ensureTopic(ctx, c, props); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	err = publish(ctx, client.NewProducer(config), c.in, lines)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is one way to end it
	}
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	return nil
}

// ensureTopic makes the topic if it is missing.
func (o *produceOptions) ensureTopic(ctx context.Context, c *console, props map[string]string) error {
	config, report := client.FromProperties(props, client.ForAdmin, "acks", "compression.type", "linger.ms", "batch.size") // what a producer has besides
	if err := report.Err(); err != nil {
		return err
	}
	admin := client.NewAdmin(config)
	defer admin.Close()
	if _, ok, err := admin.Topic(ctx, o.topic); ok || err != nil {
		return err
	}
	made, err := admin.CreateTopic(ctx, client.NewTopic{Name: o.topic, Partitions: -1, Replicas: -1})
	if made {
		fmt.Fprintf(c.err, "tandem: produce: there was no topic %s; it is made with the broker's defaults\n", o.topic)
	}
	return err
}

// lineReader makes records of lines.
type lineReader struct {
	topic                                        string
	parseKey, parseHeaders, ignoreError, marked  bool
	keySeparator                                 []byte
	headersDelimiter, headersSeparator, keyValue []byte
	nullMarker                                   []byte
	key, value                                   *converter.AvroLines // nil: texts
	consoles                                     []*converter.AvroConsole
	record                                       kafka.Record
	keyBuffer, valueBuffer                       []byte
}

func (o *produceOptions) lines(ctx context.Context) (*lineReader, error) {
	p := consoleProperties{rest: maps.Clone(o.props)}
	_, marked := p.rest["null.marker"]
	l := &lineReader{
		topic: o.topic, marked: marked, nullMarker: []byte(p.text("null.marker", "")),
		parseKey: p.bool("parse.key", false), keySeparator: []byte(p.text("key.separator", "\t")),
		parseHeaders: p.bool("parse.headers", false), headersDelimiter: []byte(p.text("headers.delimiter", "\t")),
		headersSeparator: []byte(p.text("headers.separator", ",")), keyValue: []byte(p.text("headers.key.separator", ":")),
		ignoreError: p.bool("ignore.error", false),
	}
	const texts = "org.apache.kafka.common.serialization.StringSerializer"
	textKeys := p.rest["key.serializer"] == texts
	p.exclude("key.serializer", "want "+texts+", or a key.schema", texts)
	key, value := schemaGiven(&p, "key"), schemaGiven(&p, "value")
	if _, registry := p.rest["schema.registry.url"]; !registry && (key.any() || value.any()) {
		p.rest["schema.registry.url"] = "http://localhost:8081"
	}
	switch {
	case !key.any() && !value.any():
		if _, registry := p.rest["schema.registry.url"]; registry {
			p.errs = append(p.errs, errors.New("--property value.schema, value.schema.file or value.schema.id is needed with a schema.registry.url"))
		}
		for name := range p.rest {
			p.errs = append(p.errs, fmt.Errorf("--property %s is not known, or needs a value.schema", name))
		}
		return l, errors.Join(p.errs...)
	case !value.any():
		p.errs = append(p.errs, errors.New("--property value.schema, value.schema.file or value.schema.id is needed with a schema for keys"))
	case l.parseKey && !key.any() && !textKeys:
		p.errs = append(p.errs, errors.New("--property key.schema is needed with parse.key=true; for keys that are texts: key.serializer="+texts))
	}
	var err error
	if l.value, err = l.open(ctx, &p, false, value); err != nil {
		return nil, err
	}
	if key.any() && l.parseKey {
		if l.key, err = l.open(ctx, &p, true, key); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *lineReader) open(ctx context.Context, p *consoleProperties, isKey bool, given givenSchema) (*converter.AvroLines, error) {
	avro, err := p.avro(isKey)
	if err != nil {
		return nil, err
	}
	l.consoles = append(l.consoles, avro)
	if given.id > 0 {
		return avro.LinesByID(ctx, given.id)
	}
	text := given.text
	if given.file != "" {
		read, err := os.ReadFile(given.file)
		if err != nil {
			return nil, err
		}
		text = strings.TrimSpace(string(read))
	}
	return avro.Lines(ctx, l.topic, text)
}

func (l *lineReader) close() {
	for _, c := range l.consoles {
		c.Close()
	}
}

// givenSchema is how a schema was given: one way of three, or none.
type givenSchema struct {
	text, file string
	id         int
}

func (g givenSchema) any() bool { return g.text != "" || g.file != "" || g.id > 0 }

func schemaGiven(p *consoleProperties, part string) givenSchema {
	return givenSchema{p.text(part+".schema", ""), p.text(part+".schema.file", ""), p.number(part+".schema.id", 0)}
}

// read makes the record of a line; it lives until the next call.
func (l *lineReader) read(line []byte) (*kafka.Record, error) {
	r := &l.record
	*r = kafka.Record{Topic: l.topic, Partition: kafka.AnyPartition}
	rest := line
	if l.parseHeaders {
		text, behind, found := bytes.Cut(rest, l.headersDelimiter)
		if found {
			rest = behind
			if err := l.headers(text); err != nil {
				return nil, err
			}
		} else if !l.ignoreError {
			return nil, fmt.Errorf("no headers: want %q behind them", l.headersDelimiter)
		}
	}
	var key []byte
	if l.parseKey {
		before, behind, found := bytes.Cut(rest, l.keySeparator)
		if found {
			key, rest = before, behind
		} else if !l.ignoreError {
			return nil, fmt.Errorf("no key: want %q behind it (--property key.separator)", l.keySeparator)
		}
	}
	var err error
	if key != nil && !l.null(key) {
		if r.Key, err = encode(l.keyBuffer, l.key, key); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		l.keyBuffer = r.Key[:0]
	}
	if !l.null(rest) {
		if r.Value, err = encode(l.valueBuffer, l.value, rest); err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
		l.valueBuffer = r.Value[:0]
	}
	return r, nil
}

func (l *lineReader) null(text []byte) bool { return l.marked && bytes.Equal(text, l.nullMarker) }

func encode(buffer []byte, avro *converter.AvroLines, text []byte) ([]byte, error) {
	if avro == nil {
		return text, nil
	}
	return avro.Append(buffer[:0], text)
}

func (l *lineReader) headers(text []byte) error {
	for header := range bytes.SplitSeq(text, l.headersSeparator) {
		name, value, ok := bytes.Cut(header, l.keyValue)
		switch {
		case ok:
			h := kafka.Header{Key: string(name)}
			if !l.null(value) {
				h.Value = value
			}
			l.record.Headers = append(l.record.Headers, h)
		case !l.ignoreError:
			return fmt.Errorf("header %q: want NAME%sVALUE", header, l.keyValue)
		}
	}
	return nil
}

// publish sends a record for each line until the input ends, and waits for the acknowledgements.
func publish(parent context.Context, p *client.Producer, in io.Reader, lines *lineReader) error {
	ctx, stop := context.WithCancel(parent)
	defer stop()
	given := make(chan givenLine) // maker: publish; sender and closer: giveLines; bound: none
	go giveLines(ctx, in, given)  // ends with the process at the latest: reading from a terminal cannot be interrupted
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error {
		defer stop()
		sent := uint64(0)
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case line, ok := <-given:
				if !ok {
					p.Flush()
					return p.WaitAcked(ctx, sent)
				}
				if line.err != nil {
					return line.err
				}
				r, err := lines.read(line.text)
				if err == nil {
					err = p.Send(ctx, r)
				}
				if err != nil {
					p.Flush()
					return errors.Join(fmt.Errorf("line %d: %w", sent+1, err), p.WaitAcked(ctx, sent))
				}
				sent++
			}
		}
	})
	return g.Wait()
}

type givenLine struct {
	text []byte
	err  error
}

// giveLines hands the lines over, without what ends them.
func giveLines(ctx context.Context, in io.Reader, given chan<- givenLine) {
	defer close(given)
	reader := bufio.NewReader(in)
	for {
		text, err := reader.ReadBytes('\n')
		line := givenLine{text: bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))}
		if err != nil && err != io.EOF {
			line.err = fmt.Errorf("read standard input: %w", err)
		} else if err == io.EOF && len(text) == 0 {
			return
		}
		select {
		case given <- line:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
