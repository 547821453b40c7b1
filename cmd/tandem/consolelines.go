package main

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// lineFormatter makes lines of records as Kafka's console consumers do, with the properties that those have: the value, and before it what
// else is asked for.
type lineFormatter struct {
	timestamp, partition, offset, headers, key, value bool
	separator, end, headersSeparator, null            string
	avro                                              *converter.AvroConsole
}

// newLineFormatter does not connect: the registry is asked when the first record needs it.
func newLineFormatter(given properties, registry string) (*lineFormatter, error) {
	p := consoleProperties{rest: maps.Clone(given)}
	f := &lineFormatter{
		timestamp: p.bool("print.timestamp", false), partition: p.bool("print.partition", false), offset: p.bool("print.offset", false),
		headers: p.bool("print.headers", false), key: p.bool("print.key", false), value: p.bool("print.value", true),
		separator: p.text("key.separator", "\t"), end: p.text("line.separator", "\n"), headersSeparator: p.text("headers.separator", ","),
		null: p.text("null.literal", "null"),
	}
	const texts = "org.apache.kafka.common.serialization.StringDeserializer"
	for _, name := range []string{"key.deserializer", "value.deserializer", "headers.deserializer"} {
		p.exclude(name, "is not needed: what is framed by a registry is read as Avro, all else is text", texts)
	}
	if _, ok := p.rest["schema.registry.url"]; !ok {
		p.rest["schema.registry.url"] = registry
	}
	var err error
	f.avro, err = p.avro(false)
	return f, err
}

// append appends the line of a record.
func (f *lineFormatter) append(ctx context.Context, dst []byte, r *kafka.Record) (_ []byte, err error) {
	begin := len(dst)
	next := func() {
		if len(dst) > begin {
			dst = append(dst, f.separator...)
		}
	}
	if f.timestamp {
		dst = strconv.AppendInt(append(dst, "CreateTime:"...), r.Timestamp.UnixMilli(), 10)
	}
	if f.partition {
		next()
		dst = strconv.AppendInt(append(dst, "Partition:"...), int64(r.Partition), 10)
	}
	if f.offset {
		next()
		dst = strconv.AppendInt(append(dst, "Offset:"...), r.Offset, 10)
	}
	if f.headers {
		next()
		dst = f.appendHeaders(dst, r.Headers)
	}
	if f.key {
		next()
		if dst, err = f.appendPart(ctx, dst, r.Key); err != nil {
			return nil, fmt.Errorf("decode the key of partition %d offset %d of %s: %w", r.Partition, r.Offset, r.Topic, err)
		}
	}
	if f.value {
		next()
		if dst, err = f.appendPart(ctx, dst, r.Value); err != nil {
			return nil, fmt.Errorf("decode the value of partition %d offset %d of %s: %w", r.Partition, r.Offset, r.Topic, err)
		}
	}
	return append(dst, f.end...), nil
}

func (f *lineFormatter) appendHeaders(dst []byte, headers []kafka.Header) []byte {
	if len(headers) == 0 {
		return append(dst, "NO_HEADERS"...)
	}
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, f.headersSeparator...)
		}
		dst = append(append(dst, h.Key...), ':')
		if h.Value == nil {
			dst = append(dst, f.null...)
		}
		dst = append(dst, h.Value...)
	}
	return dst
}

// appendPart appends a key or a value.
func (f *lineFormatter) appendPart(ctx context.Context, dst, data []byte) ([]byte, error) {
	switch {
	case data == nil:
		return append(dst, f.null...), nil
	case !framed(data):
		return append(dst, data...), nil
	}
	dst, err := f.avro.AppendJSON(ctx, dst, data)
	if err != nil {
		return nil, fmt.Errorf("%w (--property schema.registry.url)", err)
	}
	return dst, nil
}

// jsonLines makes the lines of tandem consume: an object a record.
type jsonLines struct {
	headers, positions bool
	dec                *decoder
}

// append appends the line of a record.
func (o *jsonLines) append(ctx context.Context, dst []byte, r *kafka.Record) (_ []byte, err error) {
	dst = append(dst, '{')
	if o.positions {
		dst = strconv.AppendInt(append(dst, `"partition":`...), int64(r.Partition), 10)
		dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Offset, 10)
		dst = appendText(append(dst, `,"timestamp":`...), r.Timestamp.UTC().Format(time.RFC3339Nano))
		dst = append(dst, ',')
	}
	dst = append(dst, `"key":`...)
	if dst, err = o.dec.append(ctx, dst, r.Topic, r.Key); err != nil {
		return nil, fmt.Errorf("decode the key of partition %d offset %d of %s: %w", r.Partition, r.Offset, r.Topic, err)
	}
	dst = append(dst, `,"value":`...)
	if dst, err = o.dec.append(ctx, dst, r.Topic, r.Value); err != nil {
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
	return append(dst, "}\n"...), nil
}
