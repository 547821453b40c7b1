package converter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

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

// Borrower is a Converter that reads for somebody who is done with the values soon.
type Borrower interface {
	Converter

	// Borrow is Deserialize without memory of its own: the value is made in room, and of views of data. It lives until either is used again.
	Borrow(ctx context.Context, topic string, data []byte, room *schema.Arena) (*schema.Schema, schema.Value, error)
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

// Exception is the class and the message of the exception in Java.
func (e *DataError) Exception() (class, message string) {
	var own *saying
	if errors.As(e.Err, &own) {
		return own.class, own.message
	}
	return dataException, e.Err.Error()
}

const (
	dataException          = "org.apache.kafka.connect.errors.DataException"
	schemaParseException   = "org.apache.avro.SchemaParseException"
	serializationException = "org.apache.kafka.common.errors.SerializationException"
)

// saying is an error in the words of Kafka Connect's own converters, which people and their tools search for.
type saying struct {
	class, message string // of the exception in Java
	err            error  // what Java does not say; nil: nothing
}

func (e *saying) Error() string {
	if e.err == nil {
		return e.message
	}
	return strings.TrimSuffix(e.message, ": ") + ": " + e.err.Error()
}

func (e *saying) Unwrap() error { return e.err }

// said makes a saying.
func said(format string, args ...any) error {
	return &saying{class: dataException, message: fmt.Sprintf(format, args...)}
}

// saidOf makes a saying with what else there is to say.
func saidOf(err error, format string, args ...any) error {
	return &saying{dataException, fmt.Sprintf(format, args...), err}
}

// misused says of a value that does not fit its schema what Java says; null is what it says of one that is null and must not be.
func misused(converter string, err error, null string) error {
	var m *schema.MisuseError
	if !errors.As(err, &m) {
		return err
	}
	want, _, _ := strings.Cut(strings.TrimPrefix(m.Want, "optional "), " ")
	class, ok := givenClass(m.Given)
	switch {
	case m.Given == "null":
		err = saidOf(m, "%s", null)
	case ok:
		err = saidOf(m, "Invalid type for %s: %s", strings.ToUpper(want), class)
	}
	return &DataError{Converter: converter, Err: err}
}

// givenClass is the class of what a Writer was given, as far as its words tell: they do not know integers apart. It is none of what was given
// in the wrong order.
func givenClass(given string) (class string, ok bool) {
	for t, class := range javaClasses {
		if given == t.String() {
			return class, true
		}
	}
	if strings.HasSuffix(given, " bytes") {
		return javaClasses[schema.Bytes], true
	}
	n, err := strconv.ParseInt(given, 10, 64)
	if n == int64(int32(n)) {
		return javaClasses[schema.Int32], err == nil
	}
	return javaClasses[schema.Int64], err == nil
}

// javaClass is the class of a value in Java, as its exceptions print it.
func javaClass(s *schema.Schema, v schema.Value) string {
	switch {
	case v.Class() == schema.Instant, s != nil && (s.Name == schema.DateName || s.Name == schema.TimeName || s.Name == schema.TimestampName):
		return "class java.util.Date"
	case v.Class() == schema.BigDecimal, s != nil && s.Name == schema.DecimalName:
		return "class java.math.BigDecimal"
	}
	return javaClasses[v.Type()]
}

var javaClasses = map[schema.Type]string{
	schema.Boolean: "class java.lang.Boolean", schema.Int8: "class java.lang.Byte", schema.Int16: "class java.lang.Short", schema.Int32: "class java.lang.Integer",
	schema.Int64: "class java.lang.Long", schema.Float32: "class java.lang.Float", schema.Float64: "class java.lang.Double", schema.String: "class java.lang.String",
	schema.Bytes: "class [B", schema.Array: "class java.util.ArrayList", schema.Map: "class java.util.HashMap", schema.Struct: "class org.apache.kafka.connect.data.Struct",
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
