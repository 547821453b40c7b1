package converter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// avroConverter is io.confluent.connect.avro.AvroConverter. Framing: byte 0, four bytes of schema id big-endian, Avro binary.
type avroConverter struct {
	options  avroConfig
	isKey    bool
	registry *registry.Client
	readers  *cache[int, schema.Reader] // by schema id
	builders sync.Pool                  // of *schema.Builder
}

const (
	magicByte   = 0
	framingSize = 5
)

func newAvroConverter(c avroConfig, isKey bool, r *registry.Client) *avroConverter {
	a := &avroConverter{options: c, isKey: isKey, registry: r, readers: newCache[int, schema.Reader](c.cacheSize)}
	a.builders.New = func() any { return schema.NewBuilder(nil) }
	return a
}

func (a *avroConverter) fail(topic string, err error) error {
	return &DataError{Converter: "AvroConverter", Topic: topic, Err: err}
}

// NewSerializer implements Converter.
func (a *avroConverter) NewSerializer(ctx context.Context, topic string, s *schema.Schema) (Serializer, error) {
	if s == nil {
		return &anythingSerializer{converter: a, ctx: ctx, topic: topic, values: schema.NewBuilder(nil)}, nil
	}
	t, err := avroFrom(s, a.options.avro)
	if err != nil {
		return nil, a.fail(topic, err)
	}
	plan, err := avroPlan(s, a.options.avro)
	if err != nil {
		return nil, a.fail(topic, err)
	}
	id, err := a.idOf(ctx, topic, t)
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	return newAvroSerializer(plan, id), nil
}

// idOf asks the registry for the id under which t is written, registering it where the options say so.
func (a *avroConverter) idOf(ctx context.Context, topic string, t *avroType) (int, error) {
	text, err := avroText(t)
	if err != nil {
		return 0, &DataError{Converter: "AvroConverter", Err: err}
	}
	subject, err := a.options.subject(topic, a.isKey, t)
	if err != nil {
		return 0, err
	}
	switch {
	case a.options.autoRegister:
		return a.registry.Register(ctx, subject, text)
	case a.options.useID >= 0:
		there, err := a.registry.Schema(ctx, a.options.useID)
		if err != nil {
			return 0, err
		}
		return a.options.useID, writable(t, there, fmt.Sprintf("schema id %d (use.schema.id)", a.options.useID))
	case a.options.useLatest:
		latest, err := a.registry.Latest(ctx, subject)
		if err != nil {
			return 0, err
		}
		return latest.ID, writable(t, latest.Schema, fmt.Sprintf("version %d of subject %q (use.latest.version)", latest.Version, subject))
	}
	id, err := a.registry.Lookup(ctx, subject, text)
	var missing *registry.NotFoundError
	if errors.As(err, &missing) {
		return 0, fmt.Errorf("%w; auto.register.schemas is false: register the schema, or set it to true", err)
	}
	return id, err
}

// writable tells whether values of t can be written under the id of another schema.
func writable(t *avroType, there, what string) error {
	other, err := parseAvro(there)
	if err != nil {
		return &DataError{Converter: "AvroConverter", Err: fmt.Errorf("%s: %w", what, err)}
	}
	if err := sameShape(t, other); err != nil {
		return &DataError{Converter: "AvroConverter", Err: fmt.Errorf("the records do not have the fields of %s: %w; set auto.register.schemas=true, or register a schema with these fields", what, err)}
	}
	return nil
}

// avroSerializer writes one schema under one id.
type avroSerializer struct {
	avroWriter
	head [framingSize]byte
}

func newAvroSerializer(plan *avroNode, id int) *avroSerializer {
	s := &avroSerializer{avroWriter: avroWriter{plan: plan, cur: deadNode}}
	s.head[0] = magicByte
	binary.BigEndian.PutUint32(s.head[1:], uint32(id))
	return s
}

// Begin implements Serializer.
func (s *avroSerializer) Begin(dst []byte) schema.Writer {
	s.begin(append(dst, s.head[:]...))
	return &s.avroWriter
}

// End implements Serializer.
func (s *avroSerializer) End() ([]byte, error) {
	err := s.end()
	out := s.buf
	s.buf, s.cur = nil, deadNode
	if err != nil {
		return nil, misused("AvroConverter", err, "Found null value for non-optional schema")
	}
	if s.null {
		return nil, nil
	}
	return out, nil
}

// anythingSerializer writes values that have no schema. Its subject is registered with the first that is not null.
type anythingSerializer struct {
	converter *avroConverter
	ctx       context.Context // of NewSerializer: the registry is asked once, late
	topic     string
	id        int
	known     bool
	values    *schema.Builder
	dst       []byte
}

// Begin implements Serializer.
func (s *anythingSerializer) Begin(dst []byte) schema.Writer {
	s.values.Reset()
	s.dst = dst
	return s.values
}

// End implements Serializer.
func (s *anythingSerializer) End() ([]byte, error) {
	if err := s.values.Err(); err != nil {
		return nil, err
	}
	if !s.values.Done() {
		return nil, schema.ErrIncomplete
	}
	v := s.values.Value()
	if v.IsNull() {
		return nil, nil
	}
	if !s.known {
		t, err := parseAvro(anythingText)
		if err != nil {
			return nil, err
		}
		if s.id, err = s.converter.idOf(s.ctx, s.topic, t); err != nil {
			return nil, err
		}
		s.known = true
	}
	out := binary.BigEndian.AppendUint32(append(s.dst, magicByte), uint32(s.id))
	out, err := appendAnything(out, v)
	if err != nil {
		return nil, s.converter.fail(s.topic, err)
	}
	return out, nil
}

// Reader implements Converter.
func (a *avroConverter) Reader(ctx context.Context, topic string, data []byte) (schema.Reader, []byte, error) {
	if data == nil {
		return nullReader{}, nil, nil
	}
	if len(data) < framingSize || data[0] != magicByte {
		return nil, nil, a.fail(topic, said("Unknown magic byte!: %s begins with %x, and not with 00 and a schema id; "+
			"was the record written with another converter?", part(a.isKey), data[:min(len(data), framingSize)]))
	}
	id := int(int32(binary.BigEndian.Uint32(data[1:])))
	if r, ok := a.readers.get(id); ok {
		return r, data[framingSize:], nil
	}
	text, err := a.registry.Schema(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	t, err := parseAvro(text)
	if err != nil {
		return nil, nil, a.fail(topic, fmt.Errorf("schema id %d: %w", id, err))
	}
	r, err := newAvroReader(t, a.options.avro)
	if err != nil {
		return nil, nil, a.fail(topic, fmt.Errorf("schema id %d: %w", id, err))
	}
	return a.readers.put(id, r), data[framingSize:], nil
}

func part(isKey bool) string {
	if isKey {
		return "the key"
	}
	return "the value"
}

// Deserialize implements Converter.
func (a *avroConverter) Deserialize(ctx context.Context, topic string, data []byte) (*schema.Schema, schema.Value, error) {
	return a.Borrow(ctx, topic, data, nil)
}

// Borrow implements Borrower; without a room it is Deserialize.
func (a *avroConverter) Borrow(ctx context.Context, topic string, data []byte, room *schema.Arena) (*schema.Schema, schema.Value, error) {
	if data == nil {
		return nil, schema.NullValue, nil
	}
	r, body, err := a.Reader(ctx, topic, data)
	if err != nil {
		return nil, schema.NullValue, err
	}
	b := a.builders.Get().(*schema.Builder)
	defer a.builders.Put(b)
	b.ResetTo(r.Schema())
	b.Borrow(room)
	if err := r.Read(body, b); err != nil {
		return nil, schema.NullValue, a.fail(topic, err)
	}
	return r.Schema(), b.Value(), nil
}

// Close implements Converter.
func (a *avroConverter) Close() { a.registry.Close() }
