package main

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

func decimalSchema(scale string) *schema.Schema {
	return &schema.Schema{Type: schema.Bytes, Name: schema.DecimalName, Version: 1, Parameters: []schema.Parameter{{Name: schema.ScaleParameter, Value: scale}}}
}

func TestAppendValue(t *testing.T) {
	text := &schema.Schema{Type: schema.String}
	price := decimalSchema("2")
	row := &schema.Schema{Type: schema.Struct, Fields: []schema.Field{{Name: "id", Schema: &schema.Schema{Type: schema.Int32}}, {Name: "price", Schema: price}, {Name: "note", Schema: text}}}
	for _, test := range []struct {
		name   string
		schema *schema.Schema
		value  schema.Value
		want   string
	}{
		{"null", text, schema.NullValue, `null`},
		{"struct", row, schema.OfStruct(&schema.StructValue{Schema: row, Values: []schema.Value{schema.OfInt32(7), schema.OfBytes([]byte{0x94, 0x6f}), schema.OfString("<Zoë> \"x\"\n")}}),
			`{"id":7,"price":-275.37,"note":"<Zoë> \"x\"\n"}`},
		{"small decimal", price, schema.OfBytes([]byte{5}), `0.05`},
		{"decimal of scale 0", decimalSchema("0"), schema.OfBytes([]byte{0x00, 0xff}), `255`},
		{"decimal without bytes", price, schema.OfBytes(nil), `0.00`},
		{"decimal of a negative scale", decimalSchema("-1"), schema.OfBytes([]byte{5}), `"BQ=="`},
		{"bytes", nil, schema.OfBytes([]byte{0, 255}), `"AP8="`},
		{"floats", nil, schema.OfArray([]schema.Value{schema.OfFloat32(0.1), schema.OfFloat64(1e300), schema.OfFloat64(math.NaN()), schema.OfFloat64(math.Inf(-1))}), `[0.1,1e+300,"NaN","-Inf"]`},
		{"decimals in an array", &schema.Schema{Type: schema.Array, Elem: price}, schema.OfArray([]schema.Value{schema.OfBytes([]byte{100}), schema.NullValue}), `[1.00,null]`},
		{"map", nil, schema.OfMap([]schema.Entry{{Key: schema.OfString("a"), Value: schema.OfBool(true)}, {Key: schema.OfString("b"), Value: schema.OfInt64(1)}}), `{"a":true,"b":1}`},
		{"map of numbers", nil, schema.OfMap([]schema.Entry{{Key: schema.OfInt8(1), Value: schema.OfInt16(2)}}), `[[1,2]]`},
	} {
		got := string(appendValue(nil, test.schema, test.value))
		if got != test.want || !json.Valid([]byte(got)) {
			t.Errorf("%s: appendValue = %s, want %s", test.name, got, test.want)
		}
	}
}

// FuzzAppendDecimal holds the number against big.Int's.
func FuzzAppendDecimal(f *testing.F) {
	f.Add(int64(-27537), uint8(2))
	f.Add(int64(0), uint8(0))
	f.Add(int64(math.MinInt64), uint8(30))
	f.Fuzz(func(t *testing.T, unscaled int64, scale uint8) {
		raw := make([]byte, 8)
		for i := range raw {
			raw[i] = byte(uint64(unscaled) >> (56 - 8*i))
		}
		s := decimalSchema(big.NewInt(int64(scale)).String())
		got, ok := new(big.Rat).SetString(string(appendDecimal(nil, s, raw)))
		want := new(big.Rat).SetFrac(big.NewInt(unscaled), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if !ok || got.Cmp(want) != 0 {
			t.Errorf("appendDecimal(%d, scale %d) = %v, want %v", unscaled, scale, got, want)
		}
	})
}

func TestAppendPlain(t *testing.T) {
	for _, test := range []struct {
		data []byte
		want string
	}{
		{nil, `null`},
		{[]byte{}, `""`},
		{[]byte(`{"schema": {"type":"int32"}, "payload": {"id": 1}}`), `{"id":1}`},
		{[]byte(`{"schema": null, "payload": null}`), `null`},
		{[]byte(`{ "a" : [1, 2] }`), `{"a":[1,2]}`},
		{[]byte(`hello`), `"hello"`},
		{[]byte{0xff, 0xfe}, `"//4="`},
	} {
		if got := string(appendPlain(nil, test.data)); got != test.want {
			t.Errorf("appendPlain(%q) = %s, want %s", test.data, got, test.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}
