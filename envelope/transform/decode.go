package transform

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// decodeConfig holds the options of DecodeLogicalDecodingMessageContent.
type decodeConfig struct {
	Nulls bool
}

func defaultDecodeConfig() decodeConfig { return decodeConfig{} }

func (c *decodeConfig) keys() config.Keys {
	return config.Keys{
		config.Bool(&c.Nulls, "fields.null.include", "Whether a null member becomes a null field of type bytes; else it is left out.", config.Sized(config.WidthMedium, 1)),
	}
}

// decode is io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent: it makes the JSON in a logical decoding message
// the row of an envelope, so that an outbox needs no table.
type decode struct {
	decodeConfig
	json  inference
	made  memo[decodedKey, *schema.Schema] // envelopes
	arena schema.Arena
}

// decodedKey is what an envelope's schema is made of.
type decodedKey struct{ message, content *schema.Schema }

const messageSchema = "io.debezium.connector.postgresql.MessageValue"

func newDecode(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
	t := &decode{json: newInference()}
	r := t.keys().Parse(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.json.keepNulls, t.made.size = t.Nulls, schemasKept
	return t, r
}

// Apply implements Transform. Other records, tombstones too, pass as they are.
func (t *decode) Apply(r *schema.Record) (bool, error) {
	if r.ValueSchema == nil || r.ValueSchema.Name != messageSchema {
		return true, nil
	}
	value, err := structOf(r.Value, "read the logical decoding message")
	if err != nil {
		return false, err
	}
	content, err := t.content(value)
	if err != nil {
		return false, fmt.Errorf("decode a logical decoding message: %w", err)
	}
	s, err := t.made.of(decodedKey{value.Schema, content.Schema}, func() (*schema.Schema, error) { return envelopeOf(value.Schema, content.Schema) })
	if err != nil {
		return false, fmt.Errorf("make an envelope of a logical decoding message: %w", err)
	}
	e := t.arena.Struct(s)
	for i, f := range s.Fields {
		switch f.Name {
		case fieldAfter:
			e.Values[i] = schema.OfStruct(content)
		case fieldOp:
			e.Values[i] = schema.OfString("c")
		default:
			e.Values[i] = get(value, value.Schema.Field(f.Name))
		}
	}
	r.KeySchema, r.Key = nil, schema.NullValue
	r.ValueSchema, r.Value = s, schema.OfStruct(e)
	return true, nil
}

// content is what the JSON of a message holds.
func (t *decode) content(value *schema.StructValue) (*schema.StructValue, error) {
	message, err := structOf(value.Field("message"), "read field message")
	if err != nil {
		return nil, err
	}
	content, err := typed(message, "content", schema.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w; the transform needs binary.handling.mode=bytes", err)
	}
	text := strings.ToValidUTF8(string(content.Bytes()), "\uFFFD")
	if text == "" || text[0] != '{' {
		return nil, fmt.Errorf("its content is no JSON object: %.100q", text)
	}
	n, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	s, err := t.json.schemaOf("", n)
	if err != nil {
		return nil, err
	}
	v, err := t.json.valueOf(n, s)
	return v.Struct(), err
}

// envelopeOf is the schema of the message with the content in place of the message.
func envelopeOf(message, content *schema.Schema) (*schema.Schema, error) {
	s := schema.StructOf(message.Name + ".Envelope")
	s.Fields = slices.DeleteFunc(slices.Clone(message.Fields), func(f schema.Field) bool { return f.Name == "message" })
	return s, addField(s, fieldAfter, content)
}
