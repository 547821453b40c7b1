package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/schema/converter"
)

// decoder makes JSON of keys and values, whatever wrote them.
type decoder struct {
	registry string
	avro     converter.Converter
}

// newDecoder does not connect: the registry is asked when the first record needs it.
func newDecoder(registryURL string) (*decoder, error) {
	avro, report := converter.New(converter.AvroClass, map[string]string{"schema.registry.url": registryURL}, false, converter.Env{})
	if err := report.Err(); err != nil {
		return nil, err
	}
	return &decoder{registryURL, avro}, nil
}

// append appends the JSON of a key or value.
func (d *decoder) append(ctx context.Context, dst []byte, topic string, data []byte) ([]byte, error) {
	if !framed(data) {
		return appendPlain(dst, data), nil
	}
	s, v, err := d.avro.Deserialize(ctx, topic, data)
	if err != nil {
		return nil, fmt.Errorf("%w (schema registry %s, option --schema-registry-url)", err, d.registry)
	}
	return appendValue(dst, s, v), nil
}

// framed tells whether data is framed as a registry's serializers do: byte 0, four bytes of id.
func framed(data []byte) bool { return len(data) >= 5 && data[0] == 0 }

// appendPlain appends bytes without a schema: JSON as it is, its payload alone when there is a schema beside it, other text, base64.
func appendPlain(dst, data []byte) []byte {
	switch {
	case data == nil:
		return append(dst, "null"...)
	case json.Valid(data):
		var envelope map[string]json.RawMessage
		if json.Unmarshal(data, &envelope) == nil && len(envelope) == 2 && envelope["schema"] != nil && envelope["payload"] != nil {
			data = envelope["payload"]
		}
		b := bytes.NewBuffer(dst)
		_ = json.Compact(b, data) // it is valid
		return b.Bytes()
	case utf8.Valid(data):
		return appendText(dst, string(data))
	}
	return appendText(dst, base64.StdEncoding.EncodeToString(data))
}
