package converter

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const priceSchema = `{"type":"record","name":"price","namespace":"shop","fields":[
	{"name":"id","type":"int"},{"name":"label","type":["null","string"]},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
	{"name":"kind","type":{"type":"enum","name":"kind","symbols":["RETAIL","TRADE"]}},
	{"name":"mac","type":[{"type":"fixed","name":"mac","size":2},"null"]},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"rates","type":{"type":"map","values":"double"}},
	{"name":"ok","type":"boolean"},{"name":"weight","type":"float"},{"name":"next","type":["null","price"]}]}`

func encodingOf(t testing.TB, schema string) *AvroEncoding {
	t.Helper()
	e, err := ParseAvroEncoding(schema)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAvroEncodings(t *testing.T) {
	for _, test := range []struct{ schema, json, binary string }{
		{`"string"`, `"hé"`, "06 68c3a9"},
		{`{"type":"string"}`, `""`, "00"},
		{`"long"`, `-3`, "05"},
		{`"int"`, `2147483647`, "feffffff0f"},
		{`"bytes"`, "\"\\u0000\u00ff\"", "04 00ff"}, // Java's escapes what must be, no more
		{`"double"`, `1.0`, "000000000000f03f"},
		{`["null","int"]`, `null`, "00"},
		{`["null","int"]`, `{"int":1}`, "02 02"},
		{`{"type":"array","items":"null"}`, `[null,null]`, "04 00"},
		{`{"type":"map","values":"int"}`, `{}`, "00"},
		{priceSchema, `{"id":7,"label":{"string":"bike"},"price":"\u0001o","kind":"TRADE","mac":{"shop.mac":"ab"},"tags":["a","b"],"rates":{"x":0.5},"ok":true,"weight":0.1,"next":null}`,
			"0e 02 08 62696b65 04 016f 02 00 6162 04 02 61 02 62 00 02 02 78 000000000000e03f 00 01 cdcccc3d 00"},
	} {
		e := encodingOf(t, test.schema)
		want, err := hex.DecodeString(strings.ReplaceAll(test.binary, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.AppendBinary(nil, []byte(test.json))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("AppendBinary(%s, %s) = %x, %v; want %x", test.schema, test.json, got, err, want)
		}
		text, err := e.AppendJSON([]byte("x"), want)
		if err != nil || string(text) != "x"+test.json {
			t.Errorf("AppendJSON(%s, %x) = %s, %v; want x%s", test.schema, want, text, err, test.json)
		}
	}
}

// TestAvroBlocks: other writers tell the bytes of a block, and write several.
func TestAvroBlocks(t *testing.T) {
	got, err := encodingOf(t, `{"type":"array","items":"int"}`).AppendJSON(nil, []byte{3, 4, 2, 4, 2, 6, 0})
	if err != nil || string(got) != "[1,2,3]" {
		t.Errorf("AppendJSON of two blocks = %s, %v; want [1,2,3]", got, err)
	}
}

func TestAvroEncodingErrors(t *testing.T) {
	for _, test := range []struct{ schema, json, want string }{
		{priceSchema, `{"id":1}`, `field "label" of shop.price is missing`},
		{`["null","string"]`, `"x"`, `want null or {"string": …}`},
		{`{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}`, `{"a":1,"b":2}`, `r has no field "b"`},
		{`{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}`, `{"a":"1"}`, `field "a": "1" is no int`},
		{`"int"`, `2147483648`, "no int"},
		{`"int"`, `1 2`, "behind the value"},
		{`"int"`, `1.5`, "no int"},
		{`"bytes"`, `"€"`, "U+00FF"},
		{`"float"`, `"x"`, "no float"},
		{`{"type":"fixed","name":"f","size":2}`, `"abc"`, "3 bytes"},
		{`{"type":"enum","name":"e","symbols":["A","B"]}`, `"C"`, "symbols of e: A, B"},
		{`"string"`, `{`, "read JSON"},
	} {
		_, err := encodingOf(t, test.schema).AppendBinary(nil, []byte(test.json))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("AppendBinary(%s, %s) = %v, want %q in it", test.schema, test.json, err, test.want)
		}
	}
	for _, test := range []struct {
		schema string
		data   []byte
		want   string
	}{
		{`"int"`, nil, "end within"},
		{`"int"`, []byte{2, 2}, "1 bytes behind"},
		{`"string"`, []byte{20, 'a'}, "end within"},
		{`"string"`, []byte{1}, "end within"},
		{`["null","int"]`, []byte{6}, "branch 3"},
		{`{"type":"array","items":"null"}`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, "without bytes"},
		{`{"type":"record","name":"r","fields":[{"name":"a","type":"r"}]}`, []byte{0}, "values within values"},
		{`{"type":"enum","name":"e","symbols":["A"]}`, []byte{2}, "symbol 1"},
		{`"boolean"`, []byte{7}, "boolean 0x7"},
		{`"double"`, []byte{7}, "end within"},
	} {
		_, err := encodingOf(t, test.schema).AppendJSON(nil, test.data)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("AppendJSON(%s, %x) = %v, want %q in it", test.schema, test.data, err, test.want)
		}
	}
}

// FuzzAvroEncoding: what is read and written again reads the same.
func FuzzAvroEncoding(f *testing.F) {
	f.Add(priceSchema, []byte{14, 2, 2, 'x', 2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(`{"type":"array","items":["null","long",{"type":"map","values":"bytes"}]}`, []byte{4, 2, 6, 0, 0})
	f.Add(`"double"`, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f})
	f.Fuzz(func(t *testing.T, schema string, data []byte) {
		e, err := ParseAvroEncoding(schema)
		if err != nil {
			return
		}
		text, err := e.AppendJSON(nil, data)
		if err != nil {
			return
		}
		back, err := e.AppendBinary(nil, text)
		if err != nil {
			if strings.Contains(err.Error(), "nested too deep") {
				return // JSON's own bound is lower
			}
			t.Fatalf("AppendBinary(%s) = %v", text, err)
		}
		again, err := e.AppendJSON(nil, back)
		if err != nil || string(again) != string(text) {
			t.Errorf("AppendJSON(AppendBinary(%s)) = %s, %v", text, again, err)
		}
	})
}
