package transaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// names numbers what records have in common, so that their bytes hold a number in its place. It lives as long as the assembler: converters
// give the same schema to all records that have it.
type names struct {
	schemas map[*schema.Schema]uint64 // from 1; 0 is nil
	schema  []*schema.Schema
	texts   map[string]uint64
	text    []string
}

func newNames() *names {
	return &names{schemas: map[*schema.Schema]uint64{nil: 0}, schema: []*schema.Schema{nil}, texts: make(map[string]uint64)}
}

func (n *names) ofSchema(s *schema.Schema) uint64 {
	id, ok := n.schemas[s]
	if !ok {
		id = uint64(len(n.schema))
		n.schemas[s] = id
		n.schema = append(n.schema, s)
	}
	return id
}

func (n *names) ofText(t string) uint64 {
	id, ok := n.texts[t]
	if !ok {
		t = strings.Clone(t) // it may be a part of a record
		id = uint64(len(n.text))
		n.texts[t] = id
		n.text = append(n.text, t)
	}
	return id
}

// appendRecord writes a record: what a sink reads of it. The consumed record's own bytes are not kept.
func (n *names) appendRecord(b []byte, r *sink.Record) []byte {
	at := r.Consumed()
	b = binary.AppendUvarint(b, n.ofText(r.Topic))
	b = binary.AppendVarint(b, int64(r.Partition))
	b = binary.AppendUvarint(b, n.ofText(at.Topic))
	b = binary.AppendVarint(b, int64(at.Partition))
	b = binary.AppendVarint(b, r.Offset)
	if r.Timestamp.IsZero() {
		b = append(b, 0)
	} else {
		b = binary.AppendVarint(append(b, 1), r.Timestamp.UnixMilli())
	}
	b = n.appendValue(binary.AppendUvarint(b, n.ofSchema(r.KeySchema)), r.Key)
	b = n.appendValue(binary.AppendUvarint(b, n.ofSchema(r.ValueSchema)), r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		b = binary.AppendUvarint(b, n.ofText(h.Key))
		b = n.appendValue(binary.AppendUvarint(b, n.ofSchema(h.Schema)), h.Value)
	}
	return b
}

// classed marks a type byte that a class and a scale follow.
const classed = 0x80

func (n *names) appendValue(b []byte, v schema.Value) []byte {
	t := v.Type()
	if c := v.Class(); c != schema.NoClass {
		b = binary.AppendVarint(append(b, byte(t)|classed, byte(c)), int64(v.Scale()))
	} else {
		b = append(b, byte(t))
	}
	switch t {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		b = binary.AppendVarint(b, v.Int())
	case schema.Float32:
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v.Float32()))
	case schema.Float64:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float64()))
	case schema.Boolean:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case schema.String:
		b = binary.AppendUvarint(b, uint64(len(v.Text())))
		b = append(b, v.Text()...)
	case schema.Bytes:
		b = binary.AppendUvarint(b, uint64(len(v.Bytes())))
		b = append(b, v.Bytes()...)
	case schema.Array:
		b = binary.AppendUvarint(b, uint64(len(v.Array())))
		for _, e := range v.Array() {
			b = n.appendValue(b, e)
		}
	case schema.Map:
		b = binary.AppendUvarint(b, uint64(len(v.Map())))
		for _, e := range v.Map() {
			b = n.appendValue(n.appendValue(b, e.Key), e.Value)
		}
	case schema.Struct:
		s := v.Struct()
		b = binary.AppendUvarint(b, n.ofSchema(s.Schema))
		b = binary.AppendUvarint(b, uint64(len(s.Values)))
		for _, f := range s.Values {
			b = n.appendValue(b, f)
		}
	}
	return b
}

// errCut says that bytes which we wrote do not read back: the file was changed, or we are wrong.
var errCut = errors.New("the bytes of a record that was kept do not read back")

// decoder reads what appendRecord wrote. Texts and bytes of the values are parts of what it reads, which must not change.
type decoder struct {
	names *names
	text  string // what is left
	err   error
}

// record reads one record.
func (d *decoder) record(r *sink.Record) error {
	r.Topic = d.name()
	r.Partition = int32(d.varint())
	raw := &kafka.Record{Topic: d.name()}
	raw.Partition = int32(d.varint())
	r.Offset = d.varint()
	raw.Offset = r.Offset
	r.Raw = raw
	r.Timestamp = time.Time{}
	if d.byte() == 1 {
		r.Timestamp = time.UnixMilli(d.varint())
		raw.Timestamp = r.Timestamp
	}
	r.KeySchema = d.schema()
	r.Key = d.value()
	r.ValueSchema = d.schema()
	r.Value = d.value()
	r.Headers = nil
	if n := d.count(); n > 0 && d.err == nil {
		r.Headers = make([]schema.Header, n)
		for i := range r.Headers {
			r.Headers[i].Key = d.name()
			r.Headers[i].Schema = d.schema()
			r.Headers[i].Value = d.value()
		}
	}
	if d.err == nil && d.text != "" {
		d.err = fmt.Errorf("%w: %d bytes are left", errCut, len(d.text))
	}
	return d.err
}

func (d *decoder) fail() {
	d.text = ""
	if d.err == nil {
		d.err = errCut
	}
}

func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.text)) {
		d.fail()
		return ""
	}
	out := d.text[:n]
	d.text = d.text[n:]
	return out
}

func (d *decoder) byte() byte {
	if d.text == "" {
		d.fail()
		return 0
	}
	b := d.text[0]
	d.text = d.text[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count is a number of elements, each of a byte at least.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.text)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) name() string {
	id := d.uvarint()
	if id >= uint64(len(d.names.text)) {
		d.fail()
		return ""
	}
	return d.names.text[id]
}

func (d *decoder) schema() *schema.Schema {
	id := d.uvarint()
	if id >= uint64(len(d.names.schema)) {
		d.fail()
		return nil
	}
	return d.names.schema[id]
}

func (d *decoder) value() schema.Value {
	t := d.byte()
	class, scale := schema.NoClass, int64(0)
	if t&classed != 0 {
		class, scale = schema.Class(d.byte()), d.varint()
	}
	switch typ := schema.Type(t &^ classed); typ {
	case schema.Invalid:
		return schema.NullValue
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		if class == schema.Instant {
			return schema.OfInstant(d.varint())
		}
		return schema.OfInt(typ, d.varint())
	case schema.Float32:
		return schema.OfFloat32(math.Float32frombits(uint32(d.fixed(4))))
	case schema.Float64:
		return schema.OfFloat64(math.Float64frombits(d.fixed(8)))
	case schema.Boolean:
		return schema.OfBool(d.byte() == 1)
	case schema.String:
		return schema.OfString(d.take(d.uvarint()))
	case schema.Bytes:
		content := []byte(d.take(d.uvarint()))
		if class == schema.BigDecimal {
			return schema.OfDecimal(content, int32(scale))
		}
		return schema.OfBytes(content)
	case schema.Array:
		out := make([]schema.Value, d.count())
		for i := range out {
			out[i] = d.value()
		}
		return schema.OfArray(out)
	case schema.Map:
		out := make([]schema.Entry, d.count())
		for i := range out {
			out[i] = schema.Entry{Key: d.value(), Value: d.value()}
		}
		return schema.OfMap(out)
	case schema.Struct:
		s := &schema.StructValue{Schema: d.schema()}
		s.Values = make([]schema.Value, d.count())
		for i := range s.Values {
			s.Values[i] = d.value()
		}
		return schema.OfStruct(s)
	}
	d.fail()
	return schema.NullValue
}

// fixed reads n bytes, little-endian.
func (d *decoder) fixed(n int) (v uint64) {
	for i, b := range []byte(d.take(uint64(n))) {
		v |= uint64(b) << (8 * i)
	}
	return v
}
