package elasticsearch

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

func structOf(s *schema.Schema, values ...schema.Value) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: values})
}

// decimalOf is the unscaled value of a Decimal.
func decimalOf(text string) schema.Value {
	n, _ := new(big.Int).SetString(text, 10)
	b := n.Bytes()
	switch {
	case n.Sign() < 0:
		b = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b)+1)*8)).Bytes()
	case len(b) > 0 && b[0] >= 0x80:
		b = append([]byte{0}, b...)
	}
	return schema.OfBytes(b)
}

func entries(pairs ...string) []schema.Entry {
	var out []schema.Entry
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, schema.Entry{Key: schema.OfString(pairs[i]), Value: schema.OfString(pairs[i+1])})
	}
	return out
}

func TestDocument(t *testing.T) {
	text := schema.Of(schema.String)
	long := schema.Of(schema.Int64)
	zero := schema.OfInt64(7)
	inner := schema.StructOf("inner", schema.F("amount", schema.Decimal(2).AsOptional()))
	raw, compact, spread := documentRules{raw: true, compact: true}, documentRules{compact: true}, documentRules{}
	stringMap := schema.MapOf(text, text)
	for _, c := range []struct {
		name  string
		s     *schema.Schema
		v     schema.Value
		rules documentRules
		want  string // beginning with !: the error
	}{
		{"decimal as double", schema.Decimal(2), decimalOf("1234"), compact, `12.34`},
		{"negative decimal", schema.Decimal(3), decimalOf("-1"), compact, `-0.001`},
		{"small decimal", schema.Decimal(4), decimalOf("-1"), compact, `-1.0E-4`},
		{"decimal without digits behind the point", schema.Decimal(0), decimalOf("100"), compact, `100.0`},
		{"decimal of many digits", schema.Decimal(10), decimalOf("123456789012345678901234567890"), compact, `1.2345678901234567E19`},
		{"decimal beyond doubles", schema.Decimal(0), decimalOf("1" + strings.Repeat("0", 400)), compact, `"Infinity"`},
		{"decimal of negative scale", schema.Decimal(-2), decimalOf("5"), compact, `500.0`},
		{"decimal, schema ignored", schema.Decimal(2), decimalOf("1234"), raw, `"BNI="`},
		{"dates as numbers", schema.StructOf("s", schema.F("d", schema.Date()), schema.F("t", schema.Time()), schema.F("ts", schema.Timestamp())),
			structOf(schema.StructOf("s", schema.F("d", schema.Date()), schema.F("t", schema.Time()), schema.F("ts", schema.Timestamp())), schema.OfInt32(19000), schema.OfInt32(1), schema.OfInt64(-5)),
			compact, `{"d":19000,"t":1,"ts":-5}`},
		{"numbers", schema.ArrayOf(schema.Of(schema.Float64)), schema.OfArray([]schema.Value{schema.OfFloat64(1), schema.OfFloat64(1e7), schema.OfFloat64(math.NaN())}), compact, `[1.0,1.0E7,"NaN"]`},
		{"float", schema.Of(schema.Float32), schema.OfFloat32(0.1), compact, `0.1`},
		{"bytes", schema.Of(schema.Bytes), schema.OfBytes([]byte("hello")), compact, `"aGVsbG8="`},
		{"text", text, schema.OfString("a\"\\\n\u0001é\U0001F600"), compact, `"a\"\\\n\u0001é\uD83D\uDE00"`},
		{"compact map, in the order of a HashMap", stringMap, schema.OfMap(entries("zebra", "1", "b", "2", "a", "3")), compact, `{"zebra":"1","a":"3","b":"2"}`},
		{"map of entries", stringMap, schema.OfMap(entries("b", "2", "a", "3")), spread, `[{"key":"b","value":"2"},{"key":"a","value":"3"}]`},
		{"map of entries, keys no texts", schema.MapOf(long, schema.Decimal(1)), schema.OfMap([]schema.Entry{{Key: schema.OfInt64(1), Value: decimalOf("25")}}), compact, `[{"key":1,"value":2.5}]`},
		{"map, schema ignored", stringMap, schema.OfMap(entries("b", "2", "a", "3")), raw, `{"b":"2","a":"3"}`},
		{"map, keys no texts, schema ignored", schema.MapOf(long, text), schema.OfMap([]schema.Entry{{Key: schema.OfInt64(1), Value: schema.OfString("x")}}), raw, `[[1,"x"]]`},
		{"null field", inner, structOf(inner, schema.NullValue), compact, `{"amount":null}`},
		{"default for null", schema.StructOf("s", schema.F("n", long.AsOptional().WithDefault(zero))),
			structOf(schema.StructOf("s", schema.F("n", long.AsOptional().WithDefault(zero))), schema.NullValue), compact, `{"n":7}`},
		{"null where there must be a value", schema.StructOf("s", schema.F("n", long)), structOf(schema.StructOf("s", schema.F("n", long)), schema.NullValue), compact,
			`!null value for field that is required and has no default value (field "n")`},
		{"struct of another schema", inner, structOf(schema.StructOf("other", schema.F("x", long)), zero), compact, `!Mismatching schema.`},
		{"nested", schema.StructOf("o", schema.F("in", inner), schema.F("list", schema.ArrayOf(inner))),
			structOf(schema.StructOf("o", schema.F("in", inner), schema.F("list", schema.ArrayOf(inner))), structOf(inner, decimalOf("150")), schema.OfArray([]schema.Value{structOf(inner, decimalOf("0"))})),
			compact, `{"in":{"amount":1.5},"list":[{"amount":0.0}]}`},
		{"without schema", nil, schema.OfMap([]schema.Entry{{Key: schema.OfString("b"), Value: schema.OfArray([]schema.Value{schema.OfBool(true), schema.NullValue})}, {Key: schema.OfString("a"), Value: schema.OfFloat64(1)}}),
			compact, `{"b":[true,null],"a":1.0}`},
		{"without schema, keys no texts", nil, schema.OfMap([]schema.Entry{{Key: schema.OfInt64(1), Value: schema.OfInt64(2)}}), compact, `[[1,2]]`},
		{"without schema, a date", nil, schema.OfInstant(1), compact, `!Java class class java.util.Date does not have corresponding schema type.`},
		{"without schema, a decimal", nil, schema.OfDecimal([]byte{1}, 0), compact, `!Java class class java.math.BigDecimal does not have corresponding schema type.`},
	} {
		p, err := compile(c.s, c.rules)
		if err != nil {
			t.Errorf("%s: compile = %v", c.name, err)
			continue
		}
		got, err := p.append([]byte("before "), c.v)
		if problem, fails := strings.CutPrefix(c.want, "!"); fails {
			var bad *dataError
			if err == nil || err.Error() != problem || !errors.As(err, &bad) {
				t.Errorf("%s: append = %q, %v, want the error %s", c.name, got, err, problem)
			}
			continue
		}
		if err != nil || string(got) != "before "+c.want {
			t.Errorf("%s: append = %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestDecimalWithoutScale(t *testing.T) {
	s := schema.Logical(schema.Bytes, schema.DecimalName, 1)
	if _, err := compile(s, documentRules{}); err == nil || !strings.Contains(err.Error(), "scale parameter not found") {
		t.Errorf("compile of a Decimal without scale = %v, want an error about it", err)
	}
}

func TestMapping(t *testing.T) {
	text := schema.Of(schema.String)
	s := schema.StructOf("s",
		schema.F("flag", schema.Of(schema.Boolean).WithDefault(schema.OfBool(true))),
		schema.F("tiny", schema.Of(schema.Int8).WithDefault(schema.OfInt8(1))),
		schema.F("small", schema.Of(schema.Int16)), schema.F("int", schema.Of(schema.Int32)), schema.F("long", schema.Of(schema.Int64)),
		schema.F("float", schema.Of(schema.Float32).WithDefault(schema.OfFloat32(0.5))), schema.F("double", schema.Of(schema.Float64)),
		schema.F("text", text.WithDefault(schema.OfString("x"))), schema.F("bytes", schema.Of(schema.Bytes)),
		schema.F("decimal", schema.Decimal(2).WithDefault(decimalOf("150"))), schema.F("date", schema.Date().WithDefault(schema.OfInt32(2))),
		schema.F("time", schema.Time()), schema.F("timestamp", schema.Timestamp().WithDefault(schema.OfInt64(5))),
		schema.F("list", schema.ArrayOf(schema.Of(schema.Int32))), schema.F("map", schema.MapOf(text, schema.Of(schema.Int64))),
		schema.F("inner", schema.StructOf("i", schema.F("a\"b", schema.Of(schema.Int32)))))
	const word = `"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256}}`
	want := strings.Join([]string{`"properties":{"flag":{"type":"boolean","null_value":true}`, `"tiny":{"type":"byte","null_value":1}`, `"small":{"type":"short"}`, `"int":{"type":"integer"}`,
		`"long":{"type":"long"}`, `"float":{"type":"float","null_value":0.5}`, `"double":{"type":"double"}`, `"text":{` + word + `}`, `"bytes":{"type":"binary"}`,
		`"decimal":{"type":"double","null_value":1.5}`, `"date":{"type":"date","null_value":172800000}`, `"time":{"type":"date"}`, `"timestamp":{"type":"date","null_value":5}`,
		`"list":{"type":"integer"}`, `"map":{"properties":{"key":{` + word + `},"value":{"type":"long"}}}`, `"inner":{"properties":{"a\"b":{"type":"integer"}}}}`}, ",")
	got, err := appendMapping(nil, s)
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("appendMapping = %v (-want +got)\n%s", err, diff)
	}
	if _, err := appendMapping(nil, nil); err == nil || !strings.HasPrefix(err.Error(), "Cannot infer mapping without schema.") {
		t.Errorf("appendMapping without a schema = %v, want an error", err)
	}
}

// BenchmarkDocument writes a rating of the tutorial.
func BenchmarkDocument(b *testing.B) {
	s := schema.StructOf("rating", schema.F("rating_id", schema.Of(schema.Int64)), schema.F("user_id", schema.Of(schema.Int32)), schema.F("stars", schema.Of(schema.Int32)),
		schema.F("route_id", schema.Of(schema.Int32)), schema.F("rating_time", schema.Timestamp()), schema.F("channel", schema.Of(schema.String)), schema.F("message", schema.Of(schema.String)))
	v := structOf(s, schema.OfInt64(123456), schema.OfInt32(17), schema.OfInt32(4), schema.OfInt32(9000), schema.OfInt64(1_700_000_000_000), schema.OfString("iOS-test"),
		schema.OfString("why is it so difficult to keep the bathrooms clean ?"))
	p, err := compile(s, documentRules{compact: true})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if buf, err = p.append(buf[:0], v); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "documents/s")
}

func TestDocumentAllocatesNothing(t *testing.T) {
	s := schema.StructOf("s", schema.F("id", schema.Of(schema.Int64)), schema.F("name", schema.Of(schema.String)), schema.F("price", schema.Decimal(2)), schema.F("tags", schema.ArrayOf(schema.Of(schema.String))))
	v := structOf(s, schema.OfInt64(1), schema.OfString("x"), decimalOf("1234"), schema.OfArray([]schema.Value{schema.OfString("a")}))
	p, err := compile(s, documentRules{compact: true})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf, _ = p.append(buf[:0], v) }); n > 1 { // the text of the decimal
		t.Errorf("append allocates %v times, want at most 1", n)
	}
}
