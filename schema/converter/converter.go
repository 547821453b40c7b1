package converter

import (
	"context"
	"fmt"

	"github.com/tandem-cdc/tandem/schema"
)

// Serializer writes one schema's values as bytes. It is made once per schema and topic and used for every row.
// Not safe for concurrent use.
type Serializer interface {
	// Begin starts a value behind dst, its framing included, and returns what takes it. A value begun before and not ended is dropped.
	Begin(dst []byte) schema.Writer
	// End returns dst with the bytes of the value behind it, or nil when the value is null and so are the record's bytes: a
	// tombstone; dst is then as it was. The error is the Writer's misuse, or schema.ErrIncomplete.
	End() ([]byte, error)
}

// Converter is what stands behind key.converter and value.converter. Safe for concurrent use.
type Converter interface {
	// NewSerializer prepares a schema for a topic. Avro registers the subject, which blocks on the registry. A nil schema makes a
	// Serializer of values without a schema; give it whole Values (schema.Value.WriteTo).
	NewSerializer(ctx context.Context, topic string, s *schema.Schema) (Serializer, error)

	// Deserialize reads the bytes of a key or value. Nil data is null. The schema is the same pointer as long as the writer's
	// schema stays the same, so that callers can compare pointers; nil when the format carries none. Nothing of data is kept.
	Deserialize(ctx context.Context, topic string, data []byte) (*schema.Schema, schema.Value, error)

	// Reader is Deserialize without a Value: it returns what reads this record, and the bytes to give to it. The Reader is the
	// same as long as the writer's schema stays the same; it may be used for other records of that schema.
	Reader(ctx context.Context, topic string, data []byte) (r schema.Reader, body []byte, err error)

	// Close lets go of connections that are kept open for reuse. They also end by themselves, seconds after the last use.
	Close()
}

// HeaderConverter is what stands behind header.converter. Safe for concurrent use.
type HeaderConverter interface {
	// FromHeader returns the bytes of a header's value; nil is null.
	FromHeader(ctx context.Context, topic string, h schema.Header) ([]byte, error)
	// ToHeader reads the bytes of the header called key.
	ToHeader(ctx context.Context, topic, key string, data []byte) (schema.Header, error)
}

// DataError says that data does not fit a converter. Never retriable: the same data come back.
type DataError struct {
	Converter string // short name of the class, such as "JsonConverter"
	Topic     string
	Err       error
}

func (e *DataError) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("%s: %v", e.Converter, e.Err)
	}
	return fmt.Sprintf("%s, topic %q: %v", e.Converter, e.Topic, e.Err)
}

func (e *DataError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *DataError) Retriable() bool { return false }

// nullReader reads the null bytes of a record.
type nullReader struct{ s *schema.Schema }

func (r nullReader) Schema() *schema.Schema { return r.s }

func (r nullReader) Read(_ []byte, w schema.Writer) error {
	w.Null()
	return w.Err()
}

// valueReader reads by making a Value first, for formats that have no reader of their own.
type valueReader struct {
	s    *schema.Schema
	read func(data []byte) (schema.Value, error)
}

func (r *valueReader) Schema() *schema.Schema { return r.s }

func (r *valueReader) Read(data []byte, w schema.Writer) error {
	v, err := r.read(data)
	if err != nil {
		return err
	}
	v.WriteTo(w)
	return w.Err()
}

// said makes an error in the words of Kafka Connect's own converters, which people and their tools search for.
func said(format string, args ...any) error { return fmt.Errorf(format, args...) }
