package transaction

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

var text = &schema.Schema{Type: schema.String}

// someValue makes up a value of any type.
func someValue(r *rand.Rand, deep int) schema.Value {
	n := 16
	if deep == 0 {
		n = 12
	}
	list := func() (out []schema.Value) {
		for range r.IntN(4) {
			out = append(out, someValue(r, deep-1))
		}
		return out
	}
	bytes := func() []byte {
		out := make([]byte, r.IntN(300))
		for i := range out {
			out[i] = byte(r.Uint32())
		}
		return out
	}
	switch r.IntN(n) {
	case 0:
		return schema.NullValue
	case 1:
		return schema.OfInt8(int8(r.Uint32()))
	case 2:
		return schema.OfInt16(int16(r.Uint32()))
	case 3:
		return schema.OfInt32(int32(r.Uint32()))
	case 4:
		return schema.OfInt64(int64(r.Uint64()))
	case 5:
		return schema.OfFloat32(math.Float32frombits(r.Uint32()))
	case 6:
		return schema.OfFloat64(math.Float64frombits(r.Uint64()))
	case 7:
		return schema.OfBool(r.IntN(2) == 0)
	case 8:
		return schema.OfString(string(bytes()))
	case 9:
		return schema.OfBytes(bytes())
	case 10:
		return schema.OfInstant(int64(r.Uint64()))
	case 11:
		return schema.OfDecimal(bytes(), int32(r.Uint32()))
	case 12:
		return schema.OfArray(list())
	case 13:
		var m []schema.Entry
		for range r.IntN(4) {
			m = append(m, schema.Entry{Key: someValue(r, deep-1), Value: someValue(r, deep-1)})
		}
		return schema.OfMap(m)
	}
	s := &schema.Schema{Type: schema.Struct}
	v := &schema.StructValue{Schema: s, Values: list()}
	for range v.Values {
		s.Fields = append(s.Fields, schema.Field{Name: "f", Schema: text})
	}
	return schema.OfStruct(v)
}

// same compares values to the bit, schemas of structs by pointer.
func same(a, b schema.Value) bool {
	if a.Type() != b.Type() || a.Class() != b.Class() || a.Scale() != b.Scale() {
		return false
	}
	switch a.Type() {
	case schema.Float32:
		return math.Float32bits(a.Float32()) == math.Float32bits(b.Float32())
	case schema.Float64:
		return math.Float64bits(a.Float64()) == math.Float64bits(b.Float64())
	case schema.Array:
		return equalLists(a.Array(), b.Array())
	case schema.Map:
		if len(a.Map()) != len(b.Map()) {
			return false
		}
		for i := range a.Map() {
			if !same(a.Map()[i].Key, b.Map()[i].Key) || !same(a.Map()[i].Value, b.Map()[i].Value) {
				return false
			}
		}
		return true
	case schema.Struct:
		return a.Struct().Schema == b.Struct().Schema && equalLists(a.Struct().Values, b.Struct().Values)
	}
	return a.Equal(b)
}

func equalLists(a, b []schema.Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

var asValues = cmp.Options{cmp.Comparer(same), cmp.Comparer(func(a, b *schema.Schema) bool { return a == b })}

func TestRecordThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := newNames()
	for range 2000 {
		in := sink.Record{Topic: "renamed", Partition: 3, Offset: int64(r.Uint64() >> 1), Timestamp: time.UnixMilli(int64(r.Uint64() >> 20)),
			KeySchema: text, Key: someValue(r, 2), Value: someValue(r, 4), Raw: &kafka.Record{Topic: "topic", Partition: 7}}
		in.Raw.Offset, in.Raw.Timestamp = in.Offset, in.Timestamp
		if r.IntN(3) == 0 {
			in.Timestamp, in.Raw.Timestamp = time.Time{}, time.Time{}
		}
		for range r.IntN(3) {
			in.Headers = append(in.Headers, schema.Header{Key: "h", Schema: text, Value: someValue(r, 1)})
		}
		d := decoder{names: n, text: string(n.appendRecord(nil, &in))}
		var out sink.Record
		if err := d.record(&out); err != nil {
			t.Fatalf("record(appendRecord(%+v)) = %v", in, err)
		}
		if diff := cmp.Diff(in, out, asValues); diff != "" {
			t.Fatalf("record(appendRecord(r)) differs from r (-want +got)\n%s", diff)
		}
	}
}

// FuzzDecode: bytes that are not ours give an error, not a panic or memory without end.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	n := newNames()
	for range 20 {
		f.Add(n.appendRecord(nil, &sink.Record{Topic: "t", Value: someValue(r, 3), Key: someValue(r, 1)}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder{names: n, text: string(b)}
		var out sink.Record
		if err := d.record(&out); err != nil {
			return
		}
		again := decoder{names: n, text: string(n.appendRecord(nil, &out))}
		var second sink.Record
		if err := again.record(&second); err != nil {
			t.Fatalf("what was read does not read back once more: %v", err)
		}
		if diff := cmp.Diff(out, second, asValues); diff != "" {
			t.Errorf("what was read does not read back (-want +got)\n%s", diff)
		}
	})
}
