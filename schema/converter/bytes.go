package converter

import (
	"context"
	"errors"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

var optionalBytes = schema.Of(schema.Bytes).AsOptional()

// byteArrayConverter is org.apache.kafka.connect.converters.ByteArrayConverter, and Debezium's of the same name, which hands
// everything but bytes to a delegate.
type byteArrayConverter struct {
	delegate Converter // nil: nothing but bytes
}

// delegateOption is Debezium's: the class of the delegate, and prefix of its options.
const delegateOption = "delegate.converter.type"

// byteArrayConfig are the options, all of them Debezium's.
type byteArrayConfig struct {
	class string
	inner map[string]string // options of the delegate
}

// keys is the only place of the option names.
func (c *byteArrayConfig) keys() config.Keys {
	c.inner = make(map[string]string)
	return config.Keys{
		config.String(&c.class, delegateOption, "Converter of what is not bytes; empty: such values fail. Its options begin with "+delegateOption+".", config.Null(), config.Rank(config.Low)),
		config.Prefix(delegateOption+".", "Options of the delegate.", func(name, value string) error {
			c.inner[name] = value
			return nil
		}),
	}
}

func newByteArrayConverter(props map[string]string, isKey bool, env Env) (Converter, config.Report) {
	var options byteArrayConfig
	r := options.keys().Parse(props, "schemas.enable")
	c := &byteArrayConverter{}
	if options.class != "" && len(r.Errors) == 0 {
		d, dr := New(options.class, options.inner, isKey, env)
		for _, p := range dr.Errors {
			r.Fail(strings.TrimSuffix(delegateOption+"."+p.Name, "."), "%s", p.Message)
		}
		for _, p := range dr.Warnings {
			r.Warn(delegateOption+"."+p.Name, "%s", p.Message)
		}
		c.delegate = d
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	return c, r
}

func (c *byteArrayConverter) fail(topic, format string, args ...any) error {
	return &DataError{Converter: "ByteArrayConverter", Topic: topic, Err: said(format, args...)}
}

// NewSerializer implements Converter.
func (c *byteArrayConverter) NewSerializer(ctx context.Context, topic string, s *schema.Schema) (Serializer, error) {
	if s != nil && s.Type != schema.Bytes {
		if c.delegate != nil {
			return c.delegate.NewSerializer(ctx, topic, s)
		}
		return nil, c.fail(topic, "Invalid schema type for ByteArrayConverter: %s", strings.ToUpper(s.Type.String()))
	}
	if s != nil && s.Name == schema.DecimalName {
		return nil, &DataError{Converter: "ByteArrayConverter", Topic: topic, Err: saidOf(errors.New("set decimal.handling.mode to string or double at the source"),
			"ByteArrayConverter is not compatible with objects of type class java.math.BigDecimal")}
	}
	return &builtSerializer{values: schema.NewBuilder(s), append: func(dst []byte, v schema.Value) ([]byte, error) {
		if v.Type() != schema.Bytes || v.Class() != schema.NoClass {
			return nil, c.fail(topic, "ByteArrayConverter is not compatible with objects of type %s", javaClass(s, v))
		}
		return append(dst, v.Bytes()...), nil
	}}, nil
}

// Deserialize implements Converter.
func (c *byteArrayConverter) Deserialize(_ context.Context, _ string, data []byte) (*schema.Schema, schema.Value, error) {
	if data == nil {
		return optionalBytes, schema.NullValue, nil
	}
	return optionalBytes, schema.OfBytes(append([]byte{}, data...)), nil
}

// Reader implements Converter.
func (c *byteArrayConverter) Reader(_ context.Context, _ string, data []byte) (schema.Reader, []byte, error) {
	if data == nil {
		return nullReader{optionalBytes}, nil, nil
	}
	return bytesReader{}, data, nil
}

// Close implements Converter.
func (c *byteArrayConverter) Close() {
	if c.delegate != nil {
		c.delegate.Close()
	}
}

// bytesReader reads bytes as they are.
type bytesReader struct{}

func (bytesReader) Schema() *schema.Schema { return optionalBytes }

func (bytesReader) Read(data []byte, w schema.Writer) error {
	w.Bytes(data)
	return w.Err()
}
