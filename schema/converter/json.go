package converter

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// jsonConfig are the options of the JsonConverter, without the prefix key.converter. or value.converter.
type jsonConfig struct {
	schemas     bool
	cacheSize   int
	decimals    string
	replaceNull bool
	content     string // schema.content
}

const (
	decimalBase64  = "BASE64"
	decimalNumeric = "NUMERIC"
)

func defaultJSONConfig() jsonConfig {
	return jsonConfig{schemas: true, cacheSize: 1000, decimals: decimalBase64, replaceNull: true}
}

// jsonKeys is the only place of the option names.
func (c *jsonConfig) jsonKeys() config.Keys {
	wide := func(group string, order int) config.Option {
		return func(k *config.Key) { config.Group(group)(k); config.Sized(config.WidthMedium, order)(k) }
	}
	return config.Keys{
		config.Bool(&c.schemas, "schemas.enable", "Write each value in an envelope with its schema, and want one when reading.", config.Rank(config.High), wide("Schemas", 0)),
		config.Int(&c.cacheSize, "schemas.cache.size", "How many schemas are kept ready for reading; 0: none.", math.MinInt32, math.MaxInt32, config.Rank(config.High), wide("Schemas", 1)),
		config.String(&c.content, "schema.content", "When reading with schemas.enable: the schema of all values, which then stand without an envelope. A schema as the JsonConverter writes it.",
			config.Null(), config.Rank(config.High), wide("Schemas", 2)),
		config.Enum(&c.decimals, "decimal.format", "How decimals are written: BASE64 of their unscaled bytes, or NUMERIC. Both are read.", []string{decimalBase64, decimalNumeric}, config.Rank(config.Low), wide("Serialization", 0)),
		config.Bool(&c.replaceNull, "replace.null.with.default", "Write, and read, the default of a field instead of null.", config.Rank(config.Low), wide("Serialization", 1)),
	}
}

func (c *jsonConfig) options() jsonOptions {
	return jsonOptions{schemas: c.schemas, numeric: c.decimals == decimalNumeric, replaceNull: c.replaceNull}
}

// jsonConverter is org.apache.kafka.connect.json.JsonConverter.
type jsonConverter struct {
	options  jsonOptions
	plain    *jsonReader // of values without an envelope
	decoders sync.Pool   // of *jsonDecoder
	readers  *cache[string, *jsonReader]
	last     atomic.Pointer[lastEnvelope]
}

// lastEnvelope is how the last record with an envelope began, up to its payload: the next one mostly begins the same, which saves
// walking its schema.
type lastEnvelope struct {
	start  []byte
	reader *jsonReader
}

func newJSONConverter(props map[string]string, _ bool, _ Env) (Converter, config.Report) {
	c := defaultJSONConfig()
	report := c.jsonKeys().Parse(props)
	j := &jsonConverter{options: c.options(), readers: newCache[string, *jsonReader](c.cacheSize)}
	j.decoders.New = func() any { return new(jsonDecoder) }
	var fixed *schema.Schema
	if text := strings.TrimSpace(c.content); text == "null" { // as good as none
		c.content = ""
	}
	if c.content != "" {
		t, err := parseTree([]byte(c.content))
		if err != nil {
			report.Fail("schema.content", "Failed to parse schema in converter config due to serialization error: %v (option %q)", err, "schema.content")
			return nil, report
		}
		if fixed, err = jsonSchemaTo(t, j.options); err != nil {
			report.Fail("schema.content", "Invalid value of configuration schema.content: %v", err)
		}
	}
	if !c.schemas { // then it was only checked
		fixed = nil
	}
	if len(report.Errors) == 0 && (!c.schemas || c.content != "") {
		r, err := j.newReader(fixed, false)
		if err != nil {
			report.Fail("schema.content", "Invalid value of configuration schema.content: %v", err)
		}
		j.plain = r
	}
	if len(report.Errors) > 0 {
		return nil, report
	}
	return j, report
}

func (j *jsonConverter) newReader(s *schema.Schema, enveloped bool) (*jsonReader, error) {
	plan, err := newJSONPlan(s, j.options)
	if err != nil {
		return nil, err
	}
	return &jsonReader{plan: plan, schema: s, enveloped: enveloped, decoders: &j.decoders}, nil
}

func (j *jsonConverter) fail(topic string, err error) error {
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		err = saidOf(err, "Converting byte[] to Kafka Connect data failed due to serialization error: ")
	}
	return &DataError{Converter: "JsonConverter", Topic: topic, Err: err}
}

// NewSerializer implements Converter.
func (j *jsonConverter) NewSerializer(_ context.Context, topic string, s *schema.Schema) (Serializer, error) {
	var head []byte
	if j.options.schemas {
		var err error
		if head, err = appendJSONSchema([]byte(`{"schema":`), s, j.options, nil); err != nil {
			return nil, j.fail(topic, err)
		}
		head = append(head, `,"payload":`...)
	}
	if s == nil {
		return &jsonAnySerializer{converter: j, topic: topic, head: head, values: schema.NewBuilder(nil)}, nil
	}
	plan, err := jsonPlan(s, j.options)
	if err != nil {
		return nil, j.fail(topic, err)
	}
	return &jsonSerializer{jsonWriter: jsonWriter{plan: plan, cur: deadJSON}, head: head}, nil
}

// jsonSerializer writes one schema.
type jsonSerializer struct {
	jsonWriter
	head []byte // the envelope up to the payload
}

// Begin implements Serializer.
func (s *jsonSerializer) Begin(dst []byte) schema.Writer {
	s.begin(append(dst, s.head...))
	return &s.jsonWriter
}

// End implements Serializer.
func (s *jsonSerializer) End() ([]byte, error) {
	err := s.end()
	out := s.buf
	s.buf, s.cur = nil, deadJSON
	if err != nil {
		return nil, misused("JsonConverter", err, "Conversion error: null value for field that is required and has no default value")
	}
	if len(s.head) > 0 {
		out = append(out, '}')
	}
	return out, nil
}

// jsonAnySerializer writes values that have no schema.
type jsonAnySerializer struct {
	converter *jsonConverter
	topic     string
	head      []byte
	values    *schema.Builder
	dst       []byte
}

// Begin implements Serializer.
func (s *jsonAnySerializer) Begin(dst []byte) schema.Writer {
	s.values.Reset()
	s.dst = dst
	return s.values
}

// End implements Serializer.
func (s *jsonAnySerializer) End() ([]byte, error) {
	v, err := built(s.values)
	if err != nil || v.IsNull() {
		return nil, err
	}
	out, err := appendJSONAny(append(s.dst, s.head...), v)
	if err != nil {
		return nil, s.converter.fail(s.topic, err)
	}
	if len(s.head) > 0 {
		out = append(out, '}')
	}
	return out, nil
}

// built is the Value of a Builder that must be complete.
func built(b *schema.Builder) (schema.Value, error) {
	if err := b.Err(); err != nil {
		return schema.NullValue, err
	}
	if !b.Done() {
		return schema.NullValue, schema.ErrIncomplete
	}
	return b.Value(), nil
}

var errEnvelope = said(`JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. ` +
	`If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.`)

// Reader implements Converter.
func (j *jsonConverter) Reader(_ context.Context, topic string, data []byte) (schema.Reader, []byte, error) {
	r, body, err := j.reader(data)
	if err != nil {
		return nil, nil, j.fail(topic, err)
	}
	if r == nil {
		return nullReader{}, nil, nil
	}
	return r, body, nil
}

// reader is nil for null.
func (j *jsonConverter) reader(data []byte) (*jsonReader, []byte, error) {
	switch {
	case data == nil:
		return nil, nil, nil
	case j.plain != nil:
		return j.plain, data, nil
	}
	if last := j.last.Load(); last != nil && bytes.HasPrefix(data, last.start) {
		return last.reader, data[len(last.start):], nil
	}
	e, err := splitEnvelope(data)
	if err != nil {
		return nil, nil, err
	}
	r, ok := j.readers.get(string(e.schema))
	if !ok {
		t, err := parseTree(e.schema)
		if err != nil {
			return nil, nil, err
		}
		s, err := jsonSchemaTo(t, j.options)
		if err != nil {
			return nil, nil, err
		}
		if r, err = j.newReader(s, true); err != nil {
			return nil, nil, err
		}
		r = j.readers.put(string(e.schema), r)
	}
	if e.schemaFirst {
		j.last.Store(&lastEnvelope{start: bytes.Clone(data[:e.payloadAt]), reader: r})
	}
	return r, e.payload, nil
}

// envelope is where the parts of {"schema":…,"payload":…} stand.
type envelope struct {
	schema      []byte
	payload     []byte
	payloadAt   int
	schemaFirst bool
}

func splitEnvelope(data []byte) (e envelope, err error) {
	if blank(data) {
		return e, errEnvelope
	}
	var s scanner
	s.reset(data)
	if s.peek() != '{' {
		if err := s.skip(); err != nil {
			return e, err
		}
		return e, errEnvelope
	}
	empty, err := s.begin('}')
	extra := false
	for more := !empty && err == nil; more && err == nil; {
		var name []byte
		if name, err = s.key(); err != nil {
			break
		}
		which := string(name)
		s.peek()
		start := s.pos
		if err = s.skip(); err != nil {
			break
		}
		switch which {
		case "schema":
			e.schema = data[start:s.pos]
			e.schemaFirst = false
		case "payload":
			e.payload, e.payloadAt, e.schemaFirst = data[start:s.pos], start, e.schema != nil
		default:
			extra = true
		}
		more, err = s.more('}')
	}
	if err == nil && (extra || e.schema == nil || e.payload == nil) {
		err = errEnvelope
	}
	return e, err
}

// blank tells data without any JSON value.
func blank(data []byte) bool {
	var s scanner
	s.reset(data)
	s.peek()
	return s.pos == len(data)
}

// Deserialize implements Converter.
func (j *jsonConverter) Deserialize(_ context.Context, topic string, data []byte) (*schema.Schema, schema.Value, error) {
	return j.deserialize(topic, data, nil)
}

// Borrow implements Borrower.
func (j *jsonConverter) Borrow(_ context.Context, topic string, data []byte, room *schema.Arena) (*schema.Schema, schema.Value, error) {
	return j.deserialize(topic, data, room)
}

func (j *jsonConverter) deserialize(topic string, data []byte, room *schema.Arena) (*schema.Schema, schema.Value, error) {
	r, body, err := j.reader(data)
	if err != nil {
		return nil, schema.NullValue, j.fail(topic, err)
	}
	if r == nil {
		return nil, schema.NullValue, nil
	}
	v, err := r.value(body, room)
	if err != nil {
		return nil, schema.NullValue, j.fail(topic, err)
	}
	return r.schema, v, nil
}

// Close implements Converter.
func (j *jsonConverter) Close() {}
