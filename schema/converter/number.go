package converter

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// numberFormat is what Kafka's serializer of one Java type writes: so many bytes, big-endian.
type numberFormat struct {
	name    string // as errors say it
	typ     schema.Type
	size    int
	strict  bool // the schema's type is checked, and not only the value's
	append  func(dst []byte, v schema.Value) []byte
	read    func(b []byte) (schema.Value, bool)
	written *schema.Schema
}

var (
	booleanFormat = numberFormat{name: "boolean", typ: schema.Boolean, size: 1, strict: true,
		append: func(dst []byte, v schema.Value) []byte {
			if v.Bool() {
				return append(dst, 1)
			}
			return append(dst, 0)
		},
		read: func(b []byte) (schema.Value, bool) { return schema.OfBool(b[0] == 1), b[0] <= 1 }}
	shortFormat = numberFormat{name: "short", typ: schema.Int16, size: 2,
		append: func(dst []byte, v schema.Value) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v.Int())) },
		read: func(b []byte) (schema.Value, bool) {
			return schema.OfInt16(int16(binary.BigEndian.Uint16(b))), true
		}}
	integerFormat = numberFormat{name: "integer", typ: schema.Int32, size: 4,
		append: func(dst []byte, v schema.Value) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v.Int())) },
		read: func(b []byte) (schema.Value, bool) {
			return schema.OfInt32(int32(binary.BigEndian.Uint32(b))), true
		}}
	longFormat = numberFormat{name: "long", typ: schema.Int64, size: 8,
		append: func(dst []byte, v schema.Value) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v.Int())) },
		read: func(b []byte) (schema.Value, bool) {
			return schema.OfInt64(int64(binary.BigEndian.Uint64(b))), true
		}}
	floatFormat = numberFormat{name: "float", typ: schema.Float32, size: 4,
		append: func(dst []byte, v schema.Value) []byte {
			bits := math.Float32bits(v.Float32())
			if v.Float32() != v.Float32() {
				bits = 0x7fc00000 // Java's only NaN
			}
			return binary.BigEndian.AppendUint32(dst, bits)
		},
		read: func(b []byte) (schema.Value, bool) {
			return schema.OfFloat32(math.Float32frombits(binary.BigEndian.Uint32(b))), true
		}}
	doubleFormat = numberFormat{name: "double", typ: schema.Float64, size: 8,
		append: func(dst []byte, v schema.Value) []byte {
			bits := math.Float64bits(v.Float64())
			if v.Float64() != v.Float64() {
				bits = 0x7ff8000000000000
			}
			return binary.BigEndian.AppendUint64(dst, bits)
		},
		read: func(b []byte) (schema.Value, bool) {
			return schema.OfFloat64(math.Float64frombits(binary.BigEndian.Uint64(b))), true
		}}
)

// numberConverter is one of org.apache.kafka.connect.converters.*Converter.
type numberConverter struct{ numberFormat }

func newNumberConverter(f numberFormat) maker {
	f.written = schema.Of(f.typ).AsOptional()
	return func(props map[string]string, _ bool, _ Env) (Converter, config.Report) {
		return &numberConverter{f}, (config.Keys{}).Parse(props, "schemas.enable")
	}
}

func (c *numberConverter) class() string {
	return strings.ToUpper(c.name[:1]) + c.name[1:] + "Converter"
}

func (c *numberConverter) fail(topic string, err error) error {
	return &DataError{Converter: c.class(), Topic: topic, Err: err}
}

// refuse says that a value is of another class.
func (c *numberConverter) refuse(topic, class string) error {
	if c.strict {
		return c.fail(topic, said("%s is not compatible with objects of type %s", c.class(), class))
	}
	return c.fail(topic, said("Failed to serialize to %s (was %s): ", c.name, class))
}

// NewSerializer implements Converter.
func (c *numberConverter) NewSerializer(_ context.Context, topic string, s *schema.Schema) (Serializer, error) {
	if c.strict && s != nil && s.Type != c.typ {
		return nil, c.fail(topic, said("Invalid schema type for %s: %s", c.class(), strings.ToUpper(s.Type.String())))
	}
	refuse := func(class string) error { return c.refuse(topic, class) }
	return &builtSerializer{values: schema.NewBuilder(s), refuse: refuse, append: func(dst []byte, v schema.Value) ([]byte, error) {
		if class := javaClass(s, v); class != javaClasses[c.typ] {
			return nil, c.refuse(topic, class)
		}
		return c.append(dst, v), nil
	}}, nil
}

func (c *numberConverter) value(data []byte) (schema.Value, error) {
	if len(data) == c.size {
		if v, ok := c.read(data); ok {
			return v, nil
		}
	}
	return schema.NullValue, saidOf(fmt.Errorf("%d bytes %x, want %d", len(data), data[:min(len(data), 16)], c.size), "Failed to deserialize %s: ", c.name)
}

// Deserialize implements Converter.
func (c *numberConverter) Deserialize(_ context.Context, topic string, data []byte) (*schema.Schema, schema.Value, error) {
	if data == nil {
		return c.written, schema.NullValue, nil
	}
	v, err := c.value(data)
	if err != nil {
		return nil, schema.NullValue, c.fail(topic, err)
	}
	return c.written, v, nil
}

// Reader implements Converter.
func (c *numberConverter) Reader(_ context.Context, _ string, data []byte) (schema.Reader, []byte, error) {
	if data == nil {
		return nullReader{c.written}, nil, nil
	}
	return &valueReader{s: c.written, read: c.value}, data, nil
}

// Close implements Converter.
func (c *numberConverter) Close() {}
