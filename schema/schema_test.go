package schema_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// A Value that is written to a Builder comes back equal, whatever was built before.
func TestBuilderReturnsWhatIsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := schema.NewBuilder(nil)
	type built struct{ value, want schema.Value }
	var all []built
	for range 3000 {
		s := randomSchema(r, 3)
		v := randomValue(r, s)
		b.ResetTo(s)
		v.WriteTo(b)
		if b.Err() != nil || !b.Done() {
			t.Fatalf("WriteTo(%s): %v", schema.Describe(s), b.Err())
		}
		all = append(all, built{b.Value(), v})
	}
	for i, x := range all { // after all of them: no value may live in another's memory
		if !x.value.Equal(x.want) {
			t.Fatalf("value %d changed after it was built", i)
		}
	}
}

// Without a schema a Builder keeps whole Values with their types.
func TestBuilderWithoutSchema(t *testing.T) {
	v := schema.OfMap([]schema.Entry{{Key: schema.OfInt8(1), Value: schema.OfArray([]schema.Value{schema.OfFloat32(1), schema.NullValue})}})
	b := schema.NewBuilder(nil)
	v.WriteTo(b)
	if !b.Value().Equal(v) {
		t.Errorf("WriteTo(Builder of nil) changes the value")
	}
	b.Reset()
	b.BeginArray(1)
	b.Int(7)
	b.EndArray()
	if got, want := b.Value(), schema.OfArray([]schema.Value{schema.OfInt64(7)}); !got.Equal(want) {
		t.Errorf("Int(7) without a schema gives type %v, want int64", got.Array()[0].Type())
	}
}

func TestBuilderMisuse(t *testing.T) {
	row := schema.StructOf("row",
		schema.F("id", schema.Of(schema.Int16)),
		schema.F("tags", schema.ArrayOf(schema.Of(schema.String)).AsOptional()),
		schema.F("more", schema.MapOf(schema.Of(schema.String), schema.Of(schema.Int64)).AsOptional()))
	for _, c := range []struct {
		name  string
		write func(w schema.Writer)
		want  string
	}{
		{"wrong type", func(w schema.Writer) { w.BeginStruct(); w.String("x") }, `write field "id": string given, want int16`},
		{"out of range", func(w schema.Writer) { w.BeginStruct(); w.Int(40000) }, `write field "id": 40000 given, want int16`},
		{"null", func(w schema.Writer) { w.BeginStruct(); w.Null() }, `write field "id": null given, want int16`},
		{"too few fields", func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.EndStruct() }, `write field "tags": end of struct given, want optional array`},
		{"too many fields", func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.Null(); w.Null(); w.Null() }, "write value: null given, want nothing more"},
		{"in an array", func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(2); w.String("a"); w.Int(2) }, `write field "tags[1]": 2 given, want string`},
		{"wrong end", func(w schema.Writer) { w.BeginStruct(); w.EndArray() }, `write field "id": end of array given, want a value`},
		{"key without value", func(w schema.Writer) {
			w.BeginStruct()
			w.Int(1)
			w.Null()
			w.BeginMap(1)
			w.String("a")
			w.EndMap()
		}, `write field "more[1]": end of map given, want a value for the last key`},
		{"two values", func(w schema.Writer) {
			w.BeginStruct()
			w.Int(1)
			w.Null()
			w.Null()
			w.EndStruct()
			w.BeginStruct()
		}, "write value: struct given, want nothing more"},
	} {
		b := schema.NewBuilder(row)
		c.write(b)
		first := b.Err()
		b.Bool(true) // void
		var misuse *schema.MisuseError
		if !errors.As(b.Err(), &misuse) || b.Err().Error() != c.want || b.Err() != first || misuse.Retriable() {
			t.Errorf("%s: Err() = %v, want %s", c.name, b.Err(), c.want)
		}
		if !b.Value().IsNull() || b.Done() {
			t.Errorf("%s: Value() is not null after a misuse", c.name)
		}
		b.Reset()
		if b.Err() != nil {
			t.Errorf("%s: Err() = %v after Reset", c.name, b.Err())
		}
	}
}

func TestTee(t *testing.T) {
	a, b := schema.NewBuilder(schema.Of(schema.String)), schema.NewBuilder(schema.Of(schema.Int8))
	w := schema.Tee(a, b)
	w.String("x")
	if a.Value().Text() != "x" || w.Err() == nil || w.Err() != b.Err() {
		t.Errorf("Tee: first has %q, Err() = %v", a.Value().Text(), w.Err())
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		s := randomSchema(r, 2)
		v := randomValue(r, s)
		a.ResetTo(s)
		b.ResetTo(s)
		v.WriteTo(schema.Tee(a, b))
		if !a.Value().Equal(b.Value()) {
			t.Fatalf("the two writers of a Tee got different values")
		}
	}
}

func TestValueAccessors(t *testing.T) {
	all := []schema.Value{
		schema.NullValue, schema.OfBool(true), schema.OfInt8(-1), schema.OfInt64(math.MinInt64), schema.OfFloat32(1.5), schema.OfFloat64(-2.5),
		schema.OfString("text"), schema.OfString(""), schema.OfBytes([]byte{1, 2}), schema.OfBytes(nil), schema.OfArray([]schema.Value{schema.OfInt32(3)}), schema.OfArray(nil),
		schema.OfMap([]schema.Entry{{Key: schema.OfString("k"), Value: schema.OfInt8(1)}}),
		schema.OfStruct(&schema.StructValue{Schema: schema.StructOf("", schema.F("f", schema.Of(schema.Int8))), Values: []schema.Value{schema.OfInt8(9)}}),
	}
	for i, v := range all {
		for j, o := range all {
			if v.Equal(o) != (i == j) {
				t.Errorf("Equal(value %d, value %d) = %t", i, j, v.Equal(o))
			}
		}
		// Asked for another type than its own, a value answers zero.
		if v.Type() != schema.String && v.Text() != "" || v.Type() != schema.Bytes && v.Bytes() != nil || v.Type() != schema.Array && v.Array() != nil ||
			v.Type() != schema.Map && v.Map() != nil || v.Type() != schema.Struct && v.Struct() != nil {
			t.Errorf("value %d of type %v answers for another type", i, v.Type())
		}
	}
	if got := all[13].Struct().Field("f").Int(); got != 9 {
		t.Errorf("Field(f) = %d, want 9", got)
	}
	if !all[13].Struct().Field("g").IsNull() {
		t.Errorf("Field(g) is not null")
	}
}

func TestSchemaEqual(t *testing.T) {
	base := schema.StructOf("n", schema.F("a", schema.Decimal(2)), schema.F("b", schema.ArrayOf(nil)))
	same := schema.StructOf("n", schema.F("a", schema.Decimal(2)), schema.F("b", schema.ArrayOf(nil)))
	if !base.Equal(same) {
		t.Errorf("Equal of two schemas that describe the same = false")
	}
	for name, other := range map[string]*schema.Schema{
		"optional":  base.AsOptional(),
		"version":   base.WithVersion(1),
		"doc":       base.WithDoc("d"),
		"parameter": base.WithParameter("p", "v"),
		"scale":     schema.StructOf("n", schema.F("a", schema.Decimal(3)), schema.F("b", schema.ArrayOf(nil))),
		"elem":      schema.StructOf("n", schema.F("a", schema.Decimal(2)), schema.F("b", schema.ArrayOf(schema.Of(schema.Int8)))),
		"nil":       nil,
	} {
		if base.Equal(other) {
			t.Errorf("Equal of schemas that differ in %s = true", name)
		}
	}
	p := base.WithParameter("p", "1").WithParameter("q", "2").WithParameter("p", "3")
	if p.Parameter("p") != "3" || len(p.Parameters) != 2 || len(base.Parameters) != 0 {
		t.Errorf("WithParameter = %v", p.Parameters)
	}
}

// Building a row of ten columns costs a fraction of an allocation.
func TestBuilderAllocs(t *testing.T) {
	var fields []schema.Field
	for i := range 10 {
		fields = append(fields, schema.F(strings.Repeat("c", i+1), schema.Of(schema.String)))
	}
	b := schema.NewBuilder(schema.StructOf("row", fields...))
	text := []byte("some text")
	got := testing.AllocsPerRun(1000, func() {
		b.Reset()
		b.BeginStruct()
		for range fields {
			b.Text(text)
		}
		b.EndStruct()
	})
	if got > 0.3 {
		t.Errorf("%v allocations per row, want at most 0.3", got)
	}
}
