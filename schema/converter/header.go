package converter

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// simpleHeaderConverter is org.apache.kafka.connect.storage.SimpleHeaderConverter: it writes values as text that looks like JSON, and
// reads text by guessing what it could be.
type simpleHeaderConverter struct{}

// FromHeader implements HeaderConverter.
func (simpleHeaderConverter) FromHeader(_ context.Context, _ string, h schema.Header) ([]byte, error) {
	if h.Value.IsNull() {
		return nil, nil
	}
	return appendHeader([]byte{}, h.Schema, h.Value, false), nil
}

// ToHeader implements HeaderConverter.
func (simpleHeaderConverter) ToHeader(_ context.Context, _, key string, data []byte) (schema.Header, error) {
	h := schema.Header{Key: key}
	if data != nil {
		h.Schema, h.Value = parseHeader(string(validUTF8(data)))
	}
	return h, nil
}

// appendHeader is org.apache.kafka.connect.data.Values.convertToString; embedded tells a value inside of another.
func appendHeader(dst []byte, s *schema.Schema, v schema.Value, embedded bool) []byte {
	if s != nil && s.Name == schema.DecimalName && v.Type() == schema.Bytes {
		if scale, err := decimalScale(s); err == nil {
			return appendDecimal(dst, v.Bytes(), scale)
		}
	}
	if millis, ok := dateMillis(s, v); ok {
		return appendHeaderDate(dst, millis)
	}
	if v.Class() == schema.Instant {
		return appendHeaderDate(dst, v.Int())
	}
	switch v.Type() {
	case schema.String:
		if embedded {
			return appendQuoted(dst, v.Text())
		}
		return append(dst, v.Text()...)
	case schema.Bytes:
		if v.Class() == schema.BigDecimal {
			return appendDecimal(dst, v.Bytes(), v.Scale())
		}
		if embedded {
			return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"')
		}
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	case schema.Array:
		dst = append(dst, '[')
		for i, e := range v.Array() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendHeader(dst, elemOf(s), e, true)
		}
		return append(dst, ']')
	case schema.Map:
		dst = append(dst, '{')
		for i, e := range v.Map() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendHeader(dst, keyOf(s), e.Key, true), ':')
			dst = appendHeader(dst, elemOf(s), e.Value, true)
		}
		return append(dst, '}')
	case schema.Struct:
		dst = append(dst, '{')
		for i, f := range v.Struct().Schema.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			fv := v.Struct().Values[i]
			if fv.IsNull() && f.Schema.Default != nil {
				fv = *f.Schema.Default
			}
			dst = append(appendQuoted(dst, f.Name), ':')
			dst = appendHeader(dst, f.Schema, fv, true)
		}
		return append(dst, '}')
	}
	return appendJavaText(dst, nil, v)
}

func appendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return append(dst, '"')
}

// appendHeaderDate chooses among time, date and timestamp by the size of the value, as Values.dateFormatFor does.
func appendHeaderDate(dst []byte, millis int64) []byte {
	layout := "2006-01-02T15:04:05.000Z"
	switch {
	case millis < millisPerDay:
		layout = "15:04:05.000Z"
	case millis%millisPerDay == 0:
		layout = "2006-01-02"
	}
	return time.UnixMilli(millis).UTC().AppendFormat(dst, layout)
}

// converterOfHeaders is any Converter as a HeaderConverter.
type converterOfHeaders struct {
	converter   Converter
	serializers *cache[*schema.Schema, chan Serializer] // a channel of one: whoever has it writes
}

// headerSchemas bounds the schemas that are kept ready; a source has a handful of kinds of headers.
const headerSchemas = 100

func newConverterOfHeaders(c Converter) HeaderConverter {
	return &converterOfHeaders{converter: c, serializers: newCache[*schema.Schema, chan Serializer](headerSchemas)}
}

// FromHeader implements HeaderConverter.
func (c *converterOfHeaders) FromHeader(ctx context.Context, topic string, h schema.Header) ([]byte, error) {
	slot, ok := c.serializers.get(h.Schema)
	if !ok {
		s, err := c.converter.NewSerializer(ctx, topic, h.Schema)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", h.Key, err)
		}
		slot = make(chan Serializer, 1)
		slot <- s
		slot = c.serializers.put(h.Schema, slot)
	}
	s := <-slot
	defer func() { slot <- s }()
	h.Value.WriteTo(s.Begin([]byte{}))
	out, err := s.End()
	if err != nil {
		return nil, fmt.Errorf("header %q: %w", h.Key, err)
	}
	return out, nil
}

// ToHeader implements HeaderConverter.
func (c *converterOfHeaders) ToHeader(ctx context.Context, topic, key string, data []byte) (schema.Header, error) {
	s, v, err := c.converter.Deserialize(ctx, topic, data)
	if err != nil {
		return schema.Header{}, fmt.Errorf("header %q: %w", key, err)
	}
	return schema.Header{Key: key, Schema: s, Value: v}, nil
}

func parseHeaderNumber(token string) (*schema.Schema, schema.Value, bool) {
	unscaled, scale, ok := parseDecimal(token)
	if !ok {
		return nil, schema.NullValue, false
	}
	if n, ok := exactInt64(unscaled, scale); ok {
		for _, t := range []schema.Type{schema.Int8, schema.Int16, schema.Int32, schema.Int64} {
			if schema.FitsInt(t, n) {
				return headerSchema(t), schema.OfInt(t, n), true
			}
		}
	}
	if scale != 0 {
		if f, err := strconv.ParseFloat(token, 32); err == nil {
			return headerSchema(schema.Float32), schema.OfFloat32(float32(f)), true
		}
		if f, err := strconv.ParseFloat(token, 64); err == nil {
			return headerSchema(schema.Float64), schema.OfFloat64(f), true
		}
	}
	return schema.Decimal(scale), schema.OfBytes(java.AppendBigInteger(nil, unscaled)), true
}
