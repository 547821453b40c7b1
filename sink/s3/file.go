package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// view is which part of records a stream of a file holds.
type view uint8

const (
	valueView view = iota
	keyView
	headerView
	views
)

// viewExtensions stand before those of the formats.
var viewExtensions = [views]string{"", ".keys", ".headers"}

// formats are the formats of a task's files; nil where a view is not stored.
type formats [views]format

func newFormats(c *Config) (f formats, err error) {
	if f[valueView], err = newFormat(c.Format, c); err != nil {
		return f, err
	}
	if c.StoreKeys {
		if f[keyView], err = newFormat(c.KeysFormat, c); err != nil {
			return f, err
		}
	}
	if c.StoreHeaders {
		f[headerView], err = newFormat(c.HeadersFormat, c)
	}
	return f, err
}

// file is what is open for one encoded partition: up to three objects that hold the same records in the same order.
type file struct {
	streams   [views]stream
	topic     string
	encoded   string
	start     int64 // offset of the first record
	end       int64 // and of the last
	count     int64
	values    *schema.Schema // of its values: nil for those without
	alike     *schema.Schema // the last other one that was compared, and equals it
	older     *schema.Schema // the last other one that was compared, and is projected to it
	keys      *schema.Schema
	alikeKeys *schema.Schema
	existing  *existing // names that end this file; nil: none
	untagged  bool      // tags are still to be set
}

// stream is one of a file's objects.
type stream struct {
	object *object // nil: not stored
	writer formatWriter
	groups grouper // the writer, if it gathers records
	kept   int64   // of what it gathered, as it is counted
	schema *schema.Schema
}

// count counts what the writer keeps.
func (s *stream) count(n int64) {
	s.object.memory.used.Add(n - s.kept)
	s.kept = n
}

// objects are those of the file.
func (f *file) objects(do func(*object)) {
	for i := range f.streams {
		if o := f.streams[i].object; o != nil {
			do(o)
		}
	}
}

// prepare encodes a record for all streams. Its error is the record's fault.
func (f *file) prepare(t *Task, r *sink.Record, value schema.Value) error {
	for v := range views {
		s := &f.streams[v]
		if s.object == nil {
			continue
		}
		of, err := value, error(nil)
		switch v {
		case keyView:
			of, err = t.keyOf(s.schema, r)
		case headerView:
			of, err = t.headersOf(s.schema, r)
		}
		if err == nil {
			err = s.writer.prepare(s.schema, of)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", [views]string{"value", "key", "headers"}[v], err)
		}
	}
	return nil
}

// commit appends what was prepared.
func (f *file) commit(offset int64) error {
	for i := range f.streams {
		s := &f.streams[i]
		if s.object == nil {
			continue
		}
		if err := s.writer.commit(); err != nil {
			return fmt.Errorf("write object %q: %w", s.object.name, err)
		}
		if s.groups != nil {
			s.count(s.groups.gathered())
		}
	}
	f.end = offset
	f.count++
	return nil
}

// finish writes the ends of the files.
func (f *file) finish() error {
	for i := range f.streams {
		s := &f.streams[i]
		if s.object == nil || s.object.finished {
			continue
		}
		if err := s.writer.close(); err != nil {
			return fmt.Errorf("write the end of object %q: %w", s.object.name, err)
		}
		s.object.finish()
		s.letGo()
	}
	return nil
}

// letGo gives up what the writer keeps.
func (s *stream) letGo() {
	s.writer, s.groups = nil, nil
	s.count(0)
}

// discard gives up what is not stored.
func (f *file) discard(ctx context.Context) error {
	var errs []error
	for i := range f.streams {
		if s := &f.streams[i]; s.object != nil {
			s.letGo()
			errs = append(errs, s.object.discard(ctx))
		}
	}
	return errors.Join(errs...)
}

// pending tells that there is something to send.
func (f *file) pending() (some bool) {
	f.objects(func(o *object) { some = some || o.pending() })
	return some || f.untagged && f.finished()
}

// finished tells that nothing more comes.
func (f *file) finished() (all bool) {
	all = true
	f.objects(func(o *object) { all = all && o.finished })
	return all
}

// send sends what can be sent.
func (f *file) send(ctx context.Context) error {
	var errs []error
	f.objects(func(o *object) { errs = append(errs, o.send(ctx)) })
	return errors.Join(errs...)
}

// Schemas of keys and headers in files.
var (
	headerSchema   = schema.StructOf("", schema.F("key", schema.Of(schema.String)), schema.F("value", schema.Of(schema.String)))
	headersSchema  = schema.ArrayOf(headerSchema)
	headersInField = schema.StructOf("RecordHeaders", schema.F("headers", headersSchema))
)

// keySchema is the schema in which keys are written: Parquet holds structs only.
func (t *Task) keySchema(f format, s *schema.Schema) *schema.Schema {
	if _, ok := f.(*parquetFile); !ok || s == nil {
		return s
	}
	wrapped, _ := t.keySchemas.get(s, func() (*schema.Schema, error) { return schema.StructOf("RecordKey", schema.F("key", s)), nil })
	return wrapped
}

// headerSchemaOf likewise; a line of JSON is an object too.
func headerSchemaOf(f format) *schema.Schema {
	if _, ok := f.(*avroFile); ok {
		return headersSchema
	}
	return headersInField
}

func (t *Task) keyOf(s *schema.Schema, r *sink.Record) (schema.Value, error) {
	if r.Key.IsNull() {
		return schema.NullValue, saying("Key cannot be null with store.kafka.keys=true")
	}
	if _, ok := t.formats[keyView].(*parquetFile); ok && s != nil {
		t.keyFields[0] = r.Key
		return schema.OfStruct(&schema.StructValue{Schema: s, Values: t.keyFields[:]}), nil
	}
	return r.Key, nil
}

func (t *Task) headersOf(s *schema.Schema, r *sink.Record) (schema.Value, error) {
	if len(r.Headers) == 0 {
		return schema.NullValue, saying("Headers cannot be null with store.kafka.headers=true")
	}
	elems := make([]schema.Value, len(r.Headers))
	for i, h := range r.Headers {
		text, err := t.headerText.FromHeader(context.Background(), r.Topic, h)
		if err == nil && text == nil {
			err = fmt.Errorf("the value of header %q is null", h.Key)
		}
		if err != nil {
			return schema.NullValue, err
		}
		elems[i] = schema.OfStruct(&schema.StructValue{Schema: headerSchema, Values: []schema.Value{schema.OfString(h.Key), schema.OfString(string(text))}})
	}
	if s == headersSchema {
		return schema.OfArray(elems), nil
	}
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{schema.OfArray(elems)}}), nil
}

// newHeaderText makes what writes headers as Connect's Values.convertToString does.
func newHeaderText() (converter.HeaderConverter, error) {
	c, r := converter.NewHeader(converter.SimpleHeaderClass, nil, converter.Env{})
	return c, r.Err()
}
