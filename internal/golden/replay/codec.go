package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// framing is what stands before the Avro binary of a record: a zero byte and the schema's id.
const framing = 5

// formats are the converters whose bytes a recording holds.
type formats struct {
	plain      converter.Converter // JSON without schemas
	withSchema converter.Converter // JSON with schemas
	avro       converter.Converter
	header     converter.HeaderConverter
	registry   *memoryRegistry
}

func newFormats(jsonOptions map[string]string) (*formats, error) {
	f := &formats{registry: newMemoryRegistry()}
	open := func(into *converter.Converter, class string, props map[string]string) error {
		c, report := converter.New(class, props, false, converter.Env{Transport: f.registry})
		*into = c
		return report.Err()
	}
	with := func(enable string) map[string]string {
		props := map[string]string{"schemas.enable": enable}
		maps.Copy(props, jsonOptions)
		return props
	}
	header, report := converter.NewHeader(converter.SimpleHeaderClass, nil, converter.Env{})
	f.header = header
	return f, errors.Join(report.Err(), open(&f.plain, converter.JSONClass, with("false")), open(&f.withSchema, converter.JSONClass, with("true")),
		open(&f.avro, converter.AvroClass, map[string]string{"schema.registry.url": memoryURL}))
}

// codec prints normalised values; it keeps a serializer for every schema it has met.
type codec struct {
	formats     *formats
	serializers map[serializerKey]serializerOrError
}

type serializerKey struct {
	converter converter.Converter
	schema    *schema.Schema
}

type serializerOrError struct {
	converter.Serializer
	topic string
	err   error
}

func newCodec(c *Case) (*codec, error) {
	f, err := newFormats(c.jsonOptions())
	if err != nil {
		return nil, err
	}
	return &codec{formats: f, serializers: map[serializerKey]serializerOrError{}}, nil
}

func (c *codec) serializer(conv converter.Converter, s *schema.Schema) serializerOrError {
	key := serializerKey{conv, s}
	known, ok := c.serializers[key]
	if !ok {
		known.topic = "t" + strconv.Itoa(len(c.serializers)) // a subject of its own: the registry tells its schema
		known.Serializer, known.err = conv.NewSerializer(context.Background(), known.topic, s)
		c.serializers[key] = known
	}
	return known
}

func (c *codec) bytes(conv converter.Converter, s *schema.Schema, v schema.Value) ([]byte, error) {
	ser := c.serializer(conv, s)
	if ser.err != nil {
		return nil, ser.err
	}
	return serialize(ser, v)
}

func serialize(ser converter.Serializer, v schema.Value) ([]byte, error) {
	v.WriteTo(ser.Begin(nil))
	return ser.End()
}

// json is a value as JSON without its schema.
func (c *codec) json(s *schema.Schema, v schema.Value) (string, error) {
	b, err := c.bytes(c.formats.plain, s, v)
	if err != nil || b == nil {
		return "null", err
	}
	return string(b), nil
}

// jsonSchema is the schema of a value as JSON; the value must fit it, for it is cut off again.
func (c *codec) jsonSchema(s *schema.Schema, v schema.Value) (string, error) {
	payload, err := c.json(s, v)
	if err != nil {
		return "", err
	}
	b, err := c.bytes(c.formats.withSchema, s, v)
	if err != nil {
		return "", err
	}
	text, begins := strings.CutPrefix(string(b), `{"schema":`)
	text, ends := strings.CutSuffix(text, `,"payload":`+payload+"}")
	if !begins || !ends {
		return "", fmt.Errorf("JSON with schema is %s, want the payload %s at its end", short(string(b)), short(payload))
	}
	return text, nil
}

// avroSchema is the Avro schema text of a schema, or why there is none.
func (c *codec) avroSchema(s *schema.Schema) (string, error) {
	ser := c.serializer(c.formats.avro, s)
	return c.formats.registry.text(ser.topic + "-value"), ser.err
}

// avro is the Avro binary of a value, without framing. A null, which no converter writes as bytes, is what it would be inside of
// others: the index of null in the union that text, the Avro schema, is.
func (c *codec) avro(s *schema.Schema, v schema.Value, text string) ([]byte, error) {
	if v.IsNull() {
		if strings.HasPrefix(text, `["null"`) {
			return []byte{0}, nil
		}
		return []byte{2}, nil // zigzag of 1
	}
	b, err := c.bytes(c.formats.avro, s, v)
	if err != nil {
		return nil, err
	}
	return b[min(framing, len(b)):], nil
}

// simple is a header's value as SimpleHeaderConverter prints it.
func (c *codec) simple(topic string, h schema.Header) (string, error) {
	b, err := c.formats.header.FromHeader(context.Background(), topic, h)
	return string(b), err
}

// side is the key or the value of a stream: it is written into memory and by every format at once.
type side struct {
	schema  *schema.Schema
	builder *schema.Builder
	twins   []twin

	disagreement string // of the last value: which format differs, and how; "" when none does
}

// twin is two serializers of one format: one is written by the task itself, one from the value in memory.
type twin struct {
	name           string
	direct, viaMem converter.Serializer
}

func newSide(s *schema.Schema, f *formats) (*side, error) {
	if s == nil {
		return &side{}, nil
	}
	d := &side{schema: s, builder: schema.NewBuilder(s)}
	for _, format := range []struct {
		name string
		converter.Converter
	}{{"JSON", f.plain}, {"JSON with schema", f.withSchema}, {"Avro", f.avro}} {
		t := twin{name: format.name}
		var err error
		if t.direct, err = format.NewSerializer(context.Background(), "t", s); err == nil {
			t.viaMem, err = format.NewSerializer(context.Background(), "t", s)
		}
		var refused *converter.DataError
		switch {
		case errors.As(err, &refused): // Avro cannot have every name; the recording says whether it may refuse
		case err != nil:
			return nil, err
		default:
			d.twins = append(d.twins, t)
		}
	}
	return d, nil
}

// begin returns the writer for the next value; nil for a null.
func (d *side) begin() schema.Writer {
	if d.schema == nil {
		return nil
	}
	d.builder.Reset()
	writers := []schema.Writer{d.builder}
	for _, t := range d.twins {
		writers = append(writers, t.direct.Begin(nil))
	}
	return schema.Tee(writers...)
}

// end returns what was written, having compared the formats' bytes.
func (d *side) end() (schema.Value, error) {
	d.disagreement = ""
	if d.schema == nil {
		return schema.NullValue, nil
	}
	if err := d.builder.Err(); err != nil {
		return schema.NullValue, err
	}
	if !d.builder.Done() {
		return schema.NullValue, schema.ErrIncomplete
	}
	v := d.builder.Value()
	for _, t := range d.twins {
		direct, err := t.direct.End()
		if err != nil {
			return v, fmt.Errorf("%s: %w", t.name, err)
		}
		viaMem, err := serialize(t.viaMem, v)
		if err != nil {
			return v, fmt.Errorf("%s from memory: %w", t.name, err)
		}
		if !bytes.Equal(direct, viaMem) && d.disagreement == "" {
			d.disagreement = fmt.Sprintf("%s differs written directly and from memory: %s", t.name, firstByte(string(viaMem), string(direct)))
		}
	}
	return v, nil
}
